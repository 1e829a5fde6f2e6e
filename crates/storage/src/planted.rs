//! Test only: mistakes that the stories of the writer must catch. Nothing is planted but on the thread of a test that asks for it.

use std::cell::Cell;

/// A mistake of the state's writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterBug {
    /// A row that is put beside a gap joins a pack behind which others are to come.
    PackAcrossGap,
    /// A derivation takes away the marks of rows that changed after its snapshot.
    StaleDerivation,
    /// Of one row that a block changes it is not kept how it was.
    UndoRowMissing,
    /// A block is written before what was sent before it.
    BatchOutOfOrder,
    /// A list is brought to rows that are not of its block's parent: to all that are held.
    ListAheadOfCursor,
    /// A list is brought to rows although one before it is missing.
    ListOutOfOrder,
    /// Lists that are brought to rows together go on past the block at which rows of another target stand: those miss what comes behind it.
    ListsPastMeeting,
    /// Of lists that are brought to rows together the first that names a slot counts, and not the last.
    EarlierListWins,
    /// Of rows that change the first is not marked.
    DirtyKeyMissing,
    /// An account that a block has changed counts as of its parent, too, once the chain has left the block.
    NamedKeyKept,
    /// Rows of a block that the chain has left become those of its parent's parent, although it is not known what that block changed.
    RetreatTooFar,
}

impl WriterBug {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::PackAcrossGap,
        Self::StaleDerivation,
        Self::UndoRowMissing,
        Self::BatchOutOfOrder,
        Self::ListAheadOfCursor,
        Self::ListOutOfOrder,
        Self::ListsPastMeeting,
        Self::EarlierListWins,
        Self::DirtyKeyMissing,
        Self::NamedKeyKept,
        Self::RetreatTooFar,
    ];
}

thread_local! {
    static PLANTED: Cell<Option<WriterBug>> = const { Cell::new(None) };
}

/// Plants a mistake into writers that commit on this thread, or none.
pub fn plant(bug: Option<WriterBug>) {
    PLANTED.set(bug);
}

pub(crate) fn is(bug: WriterBug) -> bool {
    PLANTED.get() == Some(bug)
}
