//! The ways in which strangers are hostile.

/// How a stranger behaves. Each keeps to one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A socket without a word.
    Silent,
    /// Once it is asked, all but the end of the largest frame; it goes on holding the rest.
    Endless,
    /// Block ranges without a pause.
    Ranges,
    /// Requests for codes: 1,024 or 65,536 equal hashes each.
    Codes,
    /// Requests for accounts and for 1,024 storages each.
    Storages,
    /// Requests for the receipts and bodies of 1,024 blocks each.
    Receipts,
    /// Gossip of large transactions, some of which inflate a lot.
    Gossip,
    /// Answers to what nobody has asked.
    Unasked,
    /// Answers of the right form, all of them lies.
    Lying,
    /// Answers of nearly 10 MiB, all of them lies.
    Bloated,
    /// Receipts one by one, and nothing else.
    Dripping,
    /// Requests whose answers it does not read.
    Deaf,
    /// Takes requests and never answers.
    Mute,
    /// Comes, goes, and comes back soon under the same name.
    Fleeting,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Silent,
        Self::Endless,
        Self::Ranges,
        Self::Codes,
        Self::Storages,
        Self::Receipts,
        Self::Gossip,
        Self::Unasked,
        Self::Lying,
        Self::Bloated,
        Self::Dripping,
        Self::Deaf,
        Self::Mute,
        Self::Fleeting,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Endless => "endless",
            Self::Ranges => "ranges",
            Self::Codes => "codes",
            Self::Storages => "storages",
            Self::Receipts => "receipts",
            Self::Gossip => "gossip",
            Self::Unasked => "unasked",
            Self::Lying => "lying",
            Self::Bloated => "bloated",
            Self::Dripping => "dripping",
            Self::Deaf => "deaf",
            Self::Mute => "mute",
            Self::Fleeting => "fleeting",
        }
    }
}
