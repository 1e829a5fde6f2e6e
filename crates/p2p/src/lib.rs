//! How peers are reached: RLPx sessions on real sockets.
