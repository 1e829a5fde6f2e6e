//! The little of RLP that tries need: writing nodes into a scratch buffer and reading hostile ones without a copy.
//! Only canonical encodings are read; the reader allocates nothing.

use alloy_primitives::U256;

/// The encoding of an empty string.
pub(crate) const EMPTY_STRING: u8 = 0x80;
/// The header of an empty list.
pub(crate) const LIST_PREFIX: u8 = 0xc0;
/// The first byte of the header of a string that is longer than 55 bytes and not longer than 255: the length follows.
pub(crate) const LONG_STRING_PREFIX: u8 = 0xb8;
/// The same of a list.
pub(crate) const LONG_LIST_PREFIX: u8 = 0xf8;
/// The header of a string of 32 bytes.
pub(crate) const HASH_PREFIX: u8 = 0xa0;

/// One RLP item, borrowed from what it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A string: its bytes without the header.
    String(&'a [u8]),
    /// A list: its payload, and the whole encoding with the header.
    List { payload: &'a [u8], whole: &'a [u8] },
}

/// Takes one canonically encoded string of at most 55 bytes off the front of `rest`; `None` when there is none.
#[inline]
pub(crate) fn take_short_string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (first, behind) = rest.split_first()?;
    let string = match first {
        0x00..=0x7f => std::slice::from_ref(first),
        0x80..=0xb7 => {
            let string = behind.get(..usize::from(first - EMPTY_STRING))?;
            // A single byte below 0x80 is its own encoding.
            if matches!(string, [0x00..=0x7f]) {
                return None;
            }
            string
        }
        _ => return None,
    };
    let header = usize::from(*first >= EMPTY_STRING);
    *rest = &rest[header + string.len()..];
    Some(string)
}

/// Takes one canonically encoded item off the front of `rest`; `None` when there is none.
#[inline]
pub(crate) fn take_item<'a>(rest: &mut &'a [u8]) -> Option<Item<'a>> {
    let all = *rest;
    let first = *all.first()?;
    let (is_list, header, len) = match first {
        0x00..=0x7f => (false, 0, 1),
        0x80..=0xb7 => (false, 1, usize::from(first - 0x80)),
        0xb8..=0xbf => {
            let (header, len) = long_length(all, first - 0xb7)?;
            (false, header, len)
        }
        0xc0..=0xf7 => (true, 1, usize::from(first - 0xc0)),
        0xf8..=0xff => {
            let (header, len) = long_length(all, first - 0xf7)?;
            (true, header, len)
        }
    };
    let end = header.checked_add(len)?;
    let payload = all.get(header..end)?;
    // A single byte below 0x80 is its own encoding.
    if !is_list && header == 1 && len == 1 && payload[0] < 0x80 {
        return None;
    }
    *rest = &all[end..];
    Some(if is_list { Item::List { payload, whole: &all[..end] } } else { Item::String(payload) })
}

/// The header length and payload length of an item longer than 55 bytes.
fn long_length(all: &[u8], len_of_len: u8) -> Option<(usize, usize)> {
    let len_of_len = usize::from(len_of_len);
    let digits = all.get(1..1 + len_of_len)?;
    // No message is longer than four bytes of length can tell; a leading zero is not canonical.
    if digits[0] == 0 || len_of_len > 4 {
        return None;
    }
    let len = digits.iter().fold(0usize, |len, digit| len << 8 | usize::from(*digit));
    (len > 55).then_some((1 + len_of_len, len))
}

/// The payload of a buffer that is exactly one list.
#[inline]
pub(crate) fn whole_list(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    match take_item(&mut rest)? {
        Item::List { payload, .. } if rest.is_empty() => Some(payload),
        _ => None,
    }
}

/// The bytes of a buffer that is exactly one string.
pub(crate) fn whole_string(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    match take_item(&mut rest)? {
        Item::String(string) if rest.is_empty() => Some(string),
        _ => None,
    }
}

/// Appends the header of a list of `payload` bytes.
pub(crate) fn write_list_header(payload: usize, out: &mut Vec<u8>) {
    write_header(payload, LIST_PREFIX, out);
}

/// Writes the header of the list in `bytes[start..end]` right before it: where the whole begins.
#[inline]
pub(crate) fn write_list_header_before(bytes: &mut [u8], start: usize, end: usize) -> usize {
    write_header_before(bytes, start, end - start, LIST_PREFIX)
}

/// Writes the header of the string in `bytes[start..]`, if it needs one, right before it: where the whole begins.
#[inline]
pub(crate) fn write_string_header_before(bytes: &mut [u8], start: usize) -> usize {
    match &bytes[start..] {
        [byte] if *byte < 0x80 => start,
        string => {
            let len = string.len();
            write_header_before(bytes, start, len, EMPTY_STRING)
        }
    }
}

/// Writes a number as a string that ends before `end`: where it begins. Takes 33 bytes at most.
#[inline]
pub(crate) fn write_number_before(bytes: &mut [u8], end: usize, number: &U256) -> usize {
    // All 32 digits in one go: the zeros in front are written over, or lie before the beginning.
    bytes[end - 32..end].copy_from_slice(&number.to_be_bytes::<32>());
    let len = 32 - number.leading_zeros() / 8;
    let start = end - len;
    if len == 1 && bytes[start] < 0x80 {
        return start;
    }
    bytes[start - 1] = EMPTY_STRING + len as u8;
    start - 1
}

/// The same for a number of 64 bits, which takes 9 bytes at most.
#[inline]
pub(crate) fn write_small_number_before(bytes: &mut [u8], end: usize, number: u64) -> usize {
    bytes[end - 8..end].copy_from_slice(&number.to_be_bytes());
    let len = 8 - number.leading_zeros() as usize / 8;
    let start = end - len;
    if len == 1 && number < 0x80 {
        return start;
    }
    bytes[start - 1] = EMPTY_STRING + len as u8;
    start - 1
}

/// Appends a string.
pub(crate) fn write_string(string: &[u8], out: &mut Vec<u8>) {
    if !is_own_encoding(string) {
        write_header(string.len(), EMPTY_STRING, out);
    }
    out.extend_from_slice(string);
}

/// How many bytes [`write_string`] appends.
pub(crate) fn string_len(string: &[u8]) -> usize {
    if is_own_encoding(string) { 1 } else { header_len(string.len()) + string.len() }
}

/// How many bytes the header of a payload of this length takes.
pub(crate) fn header_len(payload: usize) -> usize {
    if payload < 56 { 1 } else { 1 + significant_bytes(payload) }
}

#[inline]
fn write_header_before(bytes: &mut [u8], start: usize, payload: usize, prefix: u8) -> usize {
    if payload > 255 {
        return write_large_header_before(bytes, start, payload, prefix);
    }
    // Short or long is a toss, on which the processor would guess wrong: both are written the same way.
    let is_long = payload > 55;
    let last = if is_long { payload as u8 } else { prefix + payload as u8 };
    bytes[start - 2..start].copy_from_slice(&[prefix + 56, last]);
    start - 1 - usize::from(is_long)
}

#[cold]
fn write_large_header_before(bytes: &mut [u8], start: usize, payload: usize, prefix: u8) -> usize {
    let digits = significant_bytes(payload);
    bytes[start - digits..start].copy_from_slice(&payload.to_be_bytes()[size_of::<usize>() - digits..]);
    bytes[start - digits - 1] = prefix + 55 + digits as u8;
    start - digits - 1
}

fn is_own_encoding(string: &[u8]) -> bool {
    matches!(string, [byte] if *byte < 0x80)
}

fn significant_bytes(len: usize) -> usize {
    (usize::BITS as usize - len.leading_zeros() as usize).div_ceil(8)
}

fn write_header(payload: usize, prefix: u8, out: &mut Vec<u8>) {
    if payload < 56 {
        out.push(prefix + payload as u8);
    } else {
        let digits = significant_bytes(payload);
        out.push(prefix + 55 + digits as u8);
        out.extend_from_slice(&payload.to_be_bytes()[size_of::<usize>() - digits..]);
    }
}

#[cfg(test)]
mod tests {
    use alloy_rlp::{Encodable, Header};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strings_agree_with_the_reference(string in prop::collection::vec(any::<u8>(), 0..300)) {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            write_string(&string, &mut ours);
            string.as_slice().encode(&mut theirs);
            prop_assert_eq!(&ours, &theirs);
            prop_assert_eq!(string_len(&string), ours.len());
            prop_assert_eq!(whole_string(&ours), Some(string.as_slice()));
        }

        #[test]
        fn what_is_read_is_what_the_reference_reads(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let (mut ours, mut theirs) = (bytes.as_slice(), bytes.as_slice());
            let header = Header::decode(&mut theirs).ok().filter(|header| header.payload_length <= theirs.len());
            match (take_item(&mut ours), header) {
                (Some(Item::String(string)), Some(header)) => {
                    prop_assert!(!header.list);
                    prop_assert_eq!(string, &theirs[..header.payload_length]);
                }
                (Some(Item::List { payload, .. }), Some(header)) => {
                    prop_assert!(header.list);
                    prop_assert_eq!(payload, &theirs[..header.payload_length]);
                }
                (None, None) => {}
                (ours, theirs) => prop_assert!(false, "{:?} against {:?}", ours, theirs),
            }
        }
    }
}
