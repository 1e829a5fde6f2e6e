//! What we keep: rows, nodes and progress in MDBX, one transaction at a time.
