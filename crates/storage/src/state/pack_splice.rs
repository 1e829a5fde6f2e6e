//! Rows of a pack whose bodies change while its keys stay: their frames are cut out of its bytes and others put in, and nothing else is laid out
//! again.
//!
//! Most of what a block changes is of this kind. What a frame shares with the one before depends on keys alone, so no other frame changes. The
//! frames up to the last one that changes are read without trust; those behind it are copied as they are.

use crate::{
    error::Result,
    state::pack::{PackRows, push_frame_with},
};

/// The rows of a pack, asked for by rising keys.
#[derive(Debug)]
pub(crate) struct Seeker<'a> {
    rows: PackRows<'a>,
    /// Bytes of the value.
    bytes: usize,
    /// Where the frame of the row lies that was read last, if one was.
    last: Option<Frame>,
}

/// Where a row lies in its pack's value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    start: usize,
    end: usize,
    body_len: usize,
}

/// What is at a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sought<'a> {
    /// A row.
    Row { frame: Frame, body: &'a [u8] },
    /// None; rows of the pack lie behind its place.
    Before,
    /// None; no row of the pack lies behind its place.
    End,
}

impl<'a> Seeker<'a> {
    /// `rows` are those of a pack with this value, of which none was read.
    pub(crate) fn new(rows: PackRows<'a>, value: &[u8]) -> Self {
        Self { rows, bytes: value.len(), last: None }
    }

    /// What is at `key`, which is not below the one that was asked for before.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Sought<'a>> {
        loop {
            let (found, body) = self.rows.row();
            match self.last {
                Some(frame) if found == key => return Ok(Sought::Row { frame, body }),
                Some(_) if found > key => return Ok(Sought::Before),
                _ => {}
            }
            let start = self.bytes - self.rows.bytes_left();
            if !self.rows.advance()? {
                return Ok(Sought::End);
            }
            let (end, body_len) = (self.bytes - self.rows.bytes_left(), self.rows.row().1.len());
            self.last = Some(Frame { start, end, body_len });
        }
    }
}

impl<'a> Sought<'a> {
    /// The row's body.
    pub(crate) const fn body(&self) -> Option<&'a [u8]> {
        match self {
            Self::Row { body, .. } => Some(body),
            Self::Before | Self::End => None,
        }
    }

    /// Where the row lies.
    pub(crate) const fn frame(&self) -> Option<Frame> {
        match self {
            Self::Row { frame, .. } => Some(*frame),
            Self::Before | Self::End => None,
        }
    }
}

impl Frame {
    /// What the pack's value has more with a body of so many bytes here.
    pub(crate) fn grows_by(&self, body_len: usize) -> isize {
        // A length beyond 127 takes a byte more; a pack has far fewer than 2^15 bytes.
        let long = |len: usize| isize::from(len > 127);
        body_len as isize - self.body_len as isize + long(body_len) - long(self.body_len)
    }
}

/// Appends the value of a pack with other bodies in some of its frames, which rise.
pub(crate) fn splice<'b>(value: &[u8], changes: impl Iterator<Item = (Frame, &'b [u8])>, out: &mut Vec<u8>) {
    let mut done = 0;
    for (Frame { start, end, body_len }, body) in changes {
        out.extend_from_slice(&value[done..start]);
        push_frame_with(out, (&value[start..end], start == 0), body_len, body);
        done = end;
    }
    out.extend_from_slice(&value[done..]);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::state::{pack::Packs, tables::STORAGE_NODES};

    proptest! {
        #[test]
        fn other_bodies_in_a_pack_give_the_bytes_that_laying_it_out_would(
            rows in prop::collection::btree_map(
                prop::collection::vec(any::<u8>(), 0..=9),
                (
                    prop::collection::vec(any::<u8>(), 0..=140),
                    prop::option::of(prop::collection::vec(any::<u8>(), 0..=140)),
                ),
                1..5,
            ),
        ) {
            let packed = |bodies: &BTreeMap<&Vec<u8>, &Vec<u8>>| {
                let mut packs = Packs::default();
                bodies.iter().for_each(|(key, body)| packs.push(&[], key, body));
                packs.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect::<Vec<_>>()
            };
            let before = packed(&rows.iter().map(|(key, (body, _))| (key, body)).collect());
            let after = packed(&rows.iter().map(|(key, (body, new))| (key, new.as_ref().unwrap_or(body))).collect());
            let [(key, value)] = &before[..] else { panic!("what is this small is one pack") };
            let mut seeker = Seeker::new(PackRows::new(STORAGE_NODES, 0, key, value).unwrap(), value);
            let (mut changes, mut grown) = (Vec::new(), 0);
            for (key, (body, new)) in &rows {
                let Some(new) = new else { continue };
                let Sought::Row { frame, body: found } = seeker.seek(key).unwrap() else { panic!("it is there") };
                prop_assert_eq!(found, body.as_slice());
                grown += frame.grows_by(new.len());
                changes.push((frame, new.as_slice()));
            }
            let mut spliced = Vec::new();
            splice(value, changes.into_iter(), &mut spliced);
            prop_assert_eq!(spliced.len(), value.len().saturating_add_signed(grown));
            prop_assert_eq!(&[(key.clone(), spliced)][..], &after[..]);
        }
    }

    #[test]
    fn what_is_not_there_lies_before_a_row_or_behind_all() {
        let mut packs = Packs::default();
        [[2], [4]].iter().for_each(|key| packs.push(&[], key, &[7]));
        let (key, value) = packs.iter().next().unwrap();
        let mut seeker = Seeker::new(PackRows::new(STORAGE_NODES, 0, key, value).unwrap(), value);
        assert!(matches!(seeker.seek(&[1]).unwrap(), Sought::Before));
        assert!(matches!(seeker.seek(&[2]).unwrap(), Sought::Row { body: [7], .. }));
        assert!(matches!(seeker.seek(&[3]).unwrap(), Sought::Before));
        assert!(matches!(seeker.seek(&[4]).unwrap(), Sought::Row { .. }));
        assert!(matches!(seeker.seek(&[5]).unwrap(), Sought::End));
        assert!(matches!(seeker.seek(&[6]).unwrap(), Sought::End));
    }
}
