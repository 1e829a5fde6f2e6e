//! A trie brought up to date with its rows: what is finished stays, the rest is hashed again.
//!
//! It trusts what the source says is dirty ([`TrieSource::dirty`]); the derived root, held against the header's by the
//! caller, tells if that was wrong. It opens no transaction and starts no thread.

use std::collections::BTreeSet;

use alloy_primitives::B256;

use crate::branch::nibbles_of;
use crate::leaves::Leaves;
use crate::source::row_below;
use crate::{Branch, Builder, Child, HashRange, Nodes, Part, Path, TrieSource, join};

/// Finished branches that make a portion for the writer: ~1 MiB.
const PORTION_BRANCHES: usize = 4096;

/// What a rebuild changes among the stored branches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Branches to be written, replacing what stands at their paths.
    pub put: Nodes,
    /// Paths at which no branch stands any more.
    pub removed: Vec<Path>,
}

/// Derives the part of the trie below `prefix` from its rows and its stored branches.
///
/// A stored branch that is clean stands for everything below it: of its rows only those are read that are leaves right below
/// it. Below a dirty one, and where no branch is stored, leaves are read and hashed. `put` takes changes, in portions, before this returns; with
/// [`Path::ROOT`] the one part, [joined](crate::join), is the trie.
///
/// # Errors
/// When the source or `put` fails.
pub fn rebuild<S: TrieSource>(
    source: &mut S,
    prefix: Path,
    put: &mut dyn FnMut(Changes) -> Result<(), S::Error>,
) -> Result<Part, S::Error> {
    let mut rebuild = Rebuild {
        source,
        put,
        builder: Builder::below(prefix),
        opened: BTreeSet::new(),
        value: Vec::new(),
        leaves: Leaves::default(),
    };
    rebuild.below(prefix)?;
    let Rebuild { put, builder, mut opened, .. } = rebuild;
    let mut part = builder.finish_part();
    let nodes = part.take_nodes();
    for (path, _) in nodes.iter() {
        opened.remove(&path);
    }
    put(Changes { put: nodes, removed: opened.into_iter().collect() })?;
    Ok(part)
}

/// Derives a whole trie at once: its root, and all that changes among the stored branches, in the order in which it is to be applied.
/// It is all in memory: for small tries, and for few changes.
///
/// # Errors
/// When the source fails.
pub fn rebuild_whole<S: TrieSource>(source: &mut S) -> Result<(B256, Vec<Changes>), S::Error> {
    let mut all = Vec::new();
    let part = rebuild(source, Path::ROOT, &mut |changes| {
        all.push(changes);
        Ok(())
    })?;
    let built = join(vec![part]);
    all.push(Changes { put: built.nodes, removed: built.removed });
    Ok((built.root, all))
}

/// A rebuild under way.
struct Rebuild<'a, S: TrieSource> {
    source: &'a mut S,
    put: &'a mut dyn FnMut(Changes) -> Result<(), S::Error>,
    builder: Builder,
    /// Dirty branches that were met and have not been finished anew: at the end, those that stand no more.
    opened: BTreeSet<Path>,
    value: Vec<u8>,
    leaves: Leaves,
}

impl<S: TrieSource> Rebuild<'_, S> {
    /// Adds everything below `prefix`: maximal finished sub-tries, and the rows between them.
    fn below(&mut self, prefix: Path) -> Result<(), S::Error> {
        let (mut row, mut path) = (Some(prefix.first_key()), Some(prefix));
        while let Some(from) = path {
            let next = self.source.next_branch(&from)?.filter(|(path, _)| prefix.is_prefix_of(path));
            let Some((found, branch)) = next else { break };
            if let Some(rows) = row.zip(HashRange::before(found.first_key())) {
                self.rows(rows.0, rows.1)?;
            }
            match self.source.dirty(&found)? {
                0 => self.subtree(found, &branch)?,
                dirty => self.open(found, &branch, dirty)?,
            }
            self.portion()?;
            row = HashRange::after(found.last_key());
            path = found.after_subtree().filter(|path| prefix.range().contains(&path.first_key()));
        }
        if let Some(row) = row {
            self.rows(row, prefix.last_key())?;
        }
        Ok(())
    }

    /// Adds the leaves from `first` to `last`.
    fn rows(&mut self, first: B256, last: B256) -> Result<(), S::Error> {
        let mut at = Some(first).filter(|first| *first <= last);
        while let Some(from) = at {
            self.value.clear();
            let Some(key) = self.source.next_row(from, &mut self.value)?.filter(|key| *key <= last) else {
                break;
            };
            self.builder.push_leaf(key, &self.value);
            self.portion()?;
            at = HashRange::after(key);
        }
        Ok(())
    }

    /// Adds a clean branch with all that is below it.
    fn subtree(&mut self, path: Path, branch: &Branch) -> Result<(), S::Error> {
        if path.len() == Path::NIBBLES_MAX {
            return self.open(path, branch, 0);
        }
        self.leaves.clear();
        for nibble in nibbles_of(branch.present() & !branch.nodes()) {
            match row_below(self.source, &path.child(nibble), &mut self.value)? {
                Some(key) => self.leaves.push(key, &self.value),
                // The disk is damaged: of what is there, the derived root will tell.
                None => return self.open(path, branch, u16::MAX),
            }
        }
        self.builder.push_subtree(path, branch, self.leaves.iter());
        Ok(())
    }

    /// Adds what is below a dirty branch: children that are clean by their references or rows, others anew.
    fn open(&mut self, path: Path, branch: &Branch, dirty: u16) -> Result<(), S::Error> {
        self.opened.insert(path);
        if path.len() == Path::NIBBLES_MAX {
            // No trie has a branch here. The derived root will tell that the disk is damaged.
            return Ok(());
        }
        // With two children that stay, so does the branch; a single one might have to be merged with it, and for that
        // it must be known what it is.
        let stays = (branch.nodes() & !dirty).count_ones() >= 2;
        for nibble in nibbles_of(branch.present() | dirty) {
            let child = path.child(nibble);
            let clean = branch.child(nibble).filter(|_| dirty >> nibble & 1 == 0);
            match clean {
                Some(Child::Leaf) => {
                    if let Some(key) = row_below(self.source, &child, &mut self.value)? {
                        self.builder.push_leaf(key, &self.value);
                    }
                }
                Some(Child::Node(node)) if stays => self.builder.push_child(child, *node),
                Some(Child::Node(_)) | None => self.below(child)?,
            }
        }
        Ok(())
    }

    /// Hands a portion of finished branches to the writer.
    fn portion(&mut self) -> Result<(), S::Error> {
        if self.builder.nodes_waiting() < PORTION_BRANCHES {
            return Ok(());
        }
        let put = self.builder.take_nodes();
        for (path, _) in put.iter() {
            self.opened.remove(&path);
        }
        (self.put)(Changes { put, removed: Vec::new() })
    }
}
