//! One world: a zoo of peers, a net, a disk that crashes and a chain that moves, by seed.
