//! Who does it: the one place where engine, sockets, disk and clock meet.
