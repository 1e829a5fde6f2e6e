//! A trie brought up to date with its rows: what is finished stays, the rest is hashed again.
//!
//! It trusts the disk's dirty marks, which are written together with the rows that cause them; the derived root, held
//! against the header's by the caller, tells if they were wrong. It opens no transaction and starts no thread.

use std::collections::BTreeSet;

use alloy_primitives::B256;

use crate::{Branch, Builder, HashRange, Nodes, Part, Path, TrieSource, join};

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
/// A stored branch that is clean stands for everything below it: its rows are not even read. Below a dirty one, and
/// where no branch is stored, leaves are read and hashed. `put` takes changes, in portions, before this returns; with
/// [`Path::ROOT`] the one part, [joined](crate::join), is the trie.
///
/// # Errors
/// When the source or `put` fails.
pub fn rebuild<S: TrieSource>(
    source: &mut S,
    prefix: Path,
    put: &mut dyn FnMut(Changes) -> Result<(), S::Error>,
) -> Result<Part, S::Error> {
    let mut rebuild =
        Rebuild { source, put, builder: Builder::below(prefix), opened: BTreeSet::new(), value: Vec::new() };
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
            if branch.is_clean() {
                self.builder.push_subtree(found, &branch);
            } else {
                self.open(found, &branch)?;
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

    /// Adds what is below a dirty branch: children that are clean by their references, others from their rows.
    fn open(&mut self, path: Path, branch: &Branch) -> Result<(), S::Error> {
        self.opened.insert(path);
        if path.len() == Path::NIBBLES_MAX {
            // No trie has a branch here. The derived root will tell that the disk is damaged.
            return Ok(());
        }
        let clean = branch.present() & !branch.dirty();
        // With two children that stay, so does the branch; a single one might have to be merged with it, and for that
        // it must be known what it is.
        let stays = clean.count_ones() >= 2;
        for nibble in 0..16u8 {
            let child = path.child(nibble);
            let is_dirty = branch.dirty() >> nibble & 1 == 1;
            match branch.child(nibble) {
                Some(reference) if !is_dirty && stays => self.builder.push_child(child, *reference),
                None if !is_dirty => {}
                _ => self.below(child)?,
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
