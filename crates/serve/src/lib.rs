//! What we answer: requests of other nodes, from snapshots of our own disk.
