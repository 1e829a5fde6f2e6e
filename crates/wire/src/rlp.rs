//! RLP as this crate needs it: a strict reader over borrowed bytes and a few writers.
//!
//! The reader trusts nothing: lengths are checked before they are used, non-canonical forms are refused,
//! and lists are counted before room is made for them. It does not recurse: nesting is the caller's, so no
//! depth of input can exhaust the stack.

use alloy_primitives::{B256, Bytes, U256};

use crate::{
    error::{Error, RlpFault},
    limits,
};

/// One RLP item, cut out but not looked into.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    /// Header and payload, as received.
    pub(crate) raw: &'a [u8],
    /// The payload alone.
    pub(crate) payload: &'a [u8],
    pub(crate) kind: Kind,
}

/// Whether an item is a string or a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    List,
}

/// Reads item after item of a list's payload.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// The message that `rest` is a part of, for slices that share it. `None`: shared slices are copies.
    whole: Option<&'a Bytes>,
    /// What is being read, for errors.
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads the items in `bytes`, which is not shared with what is decoded from it.
    pub(crate) const fn borrowed(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, whole: None, what }
    }

    /// Reads the items in `bytes`; strings taken by [`Self::shared`] are slices of it.
    pub(crate) fn sharing(what: &'static str, bytes: &'a Bytes) -> Self {
        Self { rest: bytes.as_ref(), whole: Some(bytes), what }
    }

    /// The reader of the list which is all that `bytes` holds.
    pub(crate) fn message(what: &'static str, bytes: &'a Bytes) -> Result<Self, Error> {
        if bytes.len() > limits::MESSAGE_BYTES_MAX {
            let max = limits::MESSAGE_BYTES_MAX;
            return Err(Error::TooLong { what, length: bytes.len(), max });
        }
        let mut outer = Self::sharing(what, bytes);
        let list = outer.list()?;
        outer.finish()?;
        Ok(list)
    }

    /// The same reader under another name for its errors.
    pub(crate) const fn named(mut self, what: &'static str) -> Self {
        self.what = what;
        self
    }

    /// The same reader over other bytes of the same message.
    pub(crate) const fn at(&self, rest: &'a [u8]) -> Self {
        Self { rest, ..*self }
    }

    /// What is not yet read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) const fn fault(&self, fault: RlpFault) -> Error {
        Error::Malformed { what: self.what, fault }
    }

    pub(crate) const fn too_many(&self, max: usize) -> Error {
        Error::TooMany { what: self.what, max }
    }

    /// The next item, whatever it is.
    #[inline]
    pub(crate) fn item(&mut self) -> Result<Item<'a>, Error> {
        let item = split(self.rest).map_err(|fault| self.fault(fault))?;
        self.rest = &self.rest[item.raw.len()..];
        Ok(item)
    }

    /// The payload of the next item, a string.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Error> {
        let item = self.item()?;
        match item.kind {
            Kind::String => Ok(item.payload),
            Kind::List => Err(self.fault(RlpFault::ExpectedString)),
        }
    }

    /// A reader of the next item, a list.
    #[inline]
    pub(crate) fn list(&mut self) -> Result<Self, Error> {
        let item = self.item()?;
        self.inside(item)
    }

    /// A reader of an item's content, if it is a list.
    pub(crate) fn inside(&self, item: Item<'a>) -> Result<Self, Error> {
        match item.kind {
            Kind::List => Ok(Self { rest: item.payload, ..*self }),
            Kind::String => Err(self.fault(RlpFault::ExpectedList)),
        }
    }

    /// Bytes of this reader as a slice of the whole message.
    pub(crate) fn share(&self, part: &'a [u8]) -> Bytes {
        match self.whole {
            Some(whole) => whole.slice_ref(part),
            None => Bytes::copy_from_slice(part),
        }
    }

    /// The payload of the next item, a string, as a slice of the whole message.
    pub(crate) fn shared(&mut self) -> Result<Bytes, Error> {
        let part = self.string()?;
        Ok(self.share(part))
    }

    /// The next item with its header, as a slice of the whole message.
    pub(crate) fn raw(&mut self) -> Result<Bytes, Error> {
        let item = self.item()?;
        Ok(self.share(item.raw))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        let bytes = self.integer(8)?;
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    pub(crate) fn u256(&mut self) -> Result<U256, Error> {
        Ok(U256::from_be_slice(self.integer(32)?))
    }

    /// A flag: 0 or 1.
    pub(crate) fn flag(&mut self) -> Result<bool, Error> {
        match self.u64()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.fault(RlpFault::Flag)),
        }
    }

    pub(crate) fn b256(&mut self) -> Result<B256, Error> {
        Ok(B256::from(self.fixed::<32>()?))
    }

    /// A string of exactly `N` bytes.
    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.exactly(N)?);
        Ok(array)
    }

    /// A string of exactly `length` bytes, not copied.
    #[inline]
    pub(crate) fn exactly(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let bytes = self.string()?;
        if bytes.len() != length {
            return Err(self.fault(RlpFault::Length { expected: length, found: bytes.len() }));
        }
        Ok(bytes)
    }

    /// How many items are left; fails beyond `max` without looking further.
    pub(crate) fn count(&self, max: usize) -> Result<usize, Error> {
        let mut ahead = *self;
        let mut count = 0;
        while !ahead.is_empty() {
            if count == max {
                return Err(self.too_many(max));
            }
            ahead.item()?;
            count += 1;
        }
        Ok(count)
    }

    /// Reads all items left, at most `max`, each by `read`. Room is made only after they were counted.
    pub(crate) fn collect<T>(
        mut self,
        max: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut items = Vec::with_capacity(self.count(max)?);
        while !self.is_empty() {
            items.push(read(&mut self)?);
        }
        Ok(items)
    }

    /// The first hashes of those that are left, as many as are looked up for one request. The others are left
    /// unread: a request may be long, but it is not kept in full.
    pub(crate) fn hashes(mut self) -> Result<Vec<B256>, Error> {
        const HASH_ITEM: usize = 1 + 32;
        let mut hashes = Vec::with_capacity(limits::LOOKUPS_MAX.min(self.rest.len() / HASH_ITEM));
        while !self.is_empty() && hashes.len() < limits::LOOKUPS_MAX {
            hashes.push(self.b256()?);
        }
        Ok(hashes)
    }

    /// Checks that nothing is left.
    pub(crate) const fn finish(self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(self.fault(RlpFault::Trailing)) }
    }

    fn integer(&mut self, bytes_max: usize) -> Result<&'a [u8], Error> {
        let bytes = self.string()?;
        if bytes.first() == Some(&0) {
            return Err(self.fault(RlpFault::NotCanonical));
        }
        if bytes.len() > bytes_max {
            return Err(self.fault(RlpFault::Overflow));
        }
        Ok(bytes)
    }
}

/// Cuts the first item off `bytes`.
#[inline]
fn split(bytes: &[u8]) -> Result<Item<'_>, RlpFault> {
    let first = *bytes.first().ok_or(RlpFault::Truncated)?;
    let (kind, header, length) = match first {
        0x00..=0x7f => (Kind::String, 0, 1),
        0x80..=0xb7 => (Kind::String, 1, usize::from(first - 0x80)),
        0xb8..=0xbf => long(bytes, Kind::String, first - 0xb7)?,
        0xc0..=0xf7 => (Kind::List, 1, usize::from(first - 0xc0)),
        0xf8..=0xff => long(bytes, Kind::List, first - 0xf7)?,
    };
    let end = length.checked_add(header).ok_or(RlpFault::Truncated)?;
    let raw = bytes.get(..end).ok_or(RlpFault::Truncated)?;
    let payload = &raw[header..];
    // A byte below 0x80 is its own encoding.
    if first == 0x81 && payload[0] < 0x80 {
        return Err(RlpFault::NotCanonical);
    }
    Ok(Item { raw, payload, kind })
}

/// Reads the length of an item over 55 bytes: `width` bytes, big endian, after the first.
fn long(bytes: &[u8], kind: Kind, width: u8) -> Result<(Kind, usize, usize), RlpFault> {
    let header = 1 + usize::from(width);
    // Rows of answers: 56 to 255 bytes.
    if let (1, Some(length @ 56..)) = (width, bytes.get(1)) {
        return Ok((kind, header, usize::from(*length)));
    }
    let digits = bytes.get(1..header).ok_or(RlpFault::Truncated)?;
    if digits[0] == 0 {
        return Err(RlpFault::NotCanonical);
    }
    let length = digits.iter().fold(0u64, |length, digit| length << 8 | u64::from(*digit));
    if length <= 55 {
        return Err(RlpFault::NotCanonical);
    }
    // On a 32-bit machine a length beyond its memory cannot be there either.
    Ok((kind, header, usize::try_from(length).map_err(|_| RlpFault::Truncated)?))
}

/// Writes a list whose items `fill` appends.
pub(crate) fn put_list(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    fill(out);
    put_header(out, start, 0xc0);
}

/// Writes a list of items, each by `put`.
pub(crate) fn put_items<T>(out: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    put_list(out, |out| items.iter().for_each(|item| put(out, item)));
}

/// Writes a string.
pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.extend_from_slice(bytes);
    if !matches!(bytes, [0x00..=0x7f]) {
        put_header(out, start, 0x80);
    }
}

/// Writes an integer: big endian, without leading zeros, zero as the empty string.
pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    let zeros = value.leading_zeros() as usize / 8;
    put_string(out, &value.to_be_bytes()[zeros..]);
}

/// Turns what was written since `start` into the payload of an item; `short` is 0x80 or 0xc0.
fn put_header(out: &mut Vec<u8>, start: usize, short: u8) {
    let head = Head::new(out.len() - start, short);
    // The payload moves once per level of nesting, which costs less than measuring every item first.
    out.splice(start..start, head.bytes().iter().copied());
}

/// The head of an item whose length is known before it is written.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    bytes: [u8; Self::BYTES_MAX],
    used: usize,
}

impl Head {
    pub(crate) const BYTES_MAX: usize = 9;

    /// The head of a list.
    pub(crate) fn list(length: usize) -> Self {
        Self::new(length, 0xc0)
    }

    /// The head of a string, unless that is one byte below 0x80, which has none.
    pub(crate) fn string(length: usize) -> Self {
        Self::new(length, 0x80)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    fn new(length: usize, short: u8) -> Self {
        let mut bytes = [0; Self::BYTES_MAX];
        if length <= 55 {
            // At most 55: no bits are lost.
            bytes[0] = short + length as u8;
            return Self { bytes, used: 1 };
        }
        let digits = (length as u64).to_be_bytes();
        let zeros = (length as u64).leading_zeros() as usize / 8;
        let width = 8 - zeros;
        bytes[0] = short + 55 + width as u8;
        bytes[1..=width].copy_from_slice(&digits[zeros..]);
        Self { bytes, used: 1 + width }
    }
}
