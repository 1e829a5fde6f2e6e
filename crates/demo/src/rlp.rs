//! Lists written by hand: what the demo's blocks are made of.
//!
//! Only encodes, and only for the demo: what comes from a peer is read by the `wire` crate.

use alloy_rlp::{Encodable, Header};

/// A list under construction: its payload, without the head.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    payload: Vec<u8>,
}

impl List {
    /// An empty list.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The list with one item more.
    pub(crate) fn item(mut self, item: &dyn Encodable) -> Self {
        item.encode(&mut self.payload);
        self
    }

    /// The list with a byte string more.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        bytes.encode(&mut self.payload);
        self
    }

    /// The list with an item more that is encoded already.
    pub(crate) fn raw(mut self, encoded: &[u8]) -> Self {
        self.payload.extend_from_slice(encoded);
        self
    }

    /// The list with a list inside it more.
    pub(crate) fn list(mut self, inner: Self) -> Self {
        self.payload.extend_from_slice(&inner.encode());
        self
    }

    /// The list with every one of `inner` more.
    pub(crate) fn lists(self, inner: impl IntoIterator<Item = Self>) -> Self {
        inner.into_iter().fold(self, Self::list)
    }

    /// Head and payload.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.payload.len() + 9);
        Header { list: true, payload_length: self.payload.len() }.encode(&mut bytes);
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Head and payload behind a type byte, as typed transactions and receipts are written; type 0 has no such byte.
    pub(crate) fn encode_typed(&self, kind: u8) -> Vec<u8> {
        let mut bytes = if kind == 0 { Vec::new() } else { vec![kind] };
        bytes.extend_from_slice(&self.encode());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lists_are_written_as_the_yellow_paper_says() {
        let list = List::new().item(&1u64).bytes(&[]).list(List::new().bytes(&[0x80]));
        assert_eq!(list.encode(), [0xc5, 0x01, 0x80, 0xc2, 0x81, 0x80]);
        assert_eq!(List::new().encode_typed(2), [0x02, 0xc0]);
        assert_eq!(List::new().encode_typed(0), [0xc0]);
    }
}
