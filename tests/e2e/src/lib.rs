//! The program against real geth, real sockets and a real disk.
