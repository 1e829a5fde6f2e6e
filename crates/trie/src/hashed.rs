//! What was hashed for tries.

use serde::Serialize;

/// How many nodes were hashed or put inline, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hashed {
    /// Leaves.
    pub leaves: u64,
    /// Branches.
    pub branches: u64,
    /// Extensions.
    pub extensions: u64,
    /// Nodes of proofs, whatever their kind.
    pub proof_nodes: u64,
    /// What all of them cost: times that Keccak's permutation was applied.
    pub permutations: u64,
    /// What the nodes of proofs cost, of that.
    pub proof_permutations: u64,
}

impl Hashed {
    /// Counts what else was hashed.
    pub fn add(&mut self, other: Self) {
        self.leaves += other.leaves;
        self.branches += other.branches;
        self.extensions += other.extensions;
        self.proof_nodes += other.proof_nodes;
        self.permutations += other.permutations;
        self.proof_permutations += other.proof_permutations;
    }
}
