//! How bytes are hashed: the one seam to Keccak-256, in batches.
