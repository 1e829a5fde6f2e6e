//! What is true: range proofs verified and made, tries built, roots derived.
