//! Roots of lists: transactions, receipts and withdrawals of a block, under their positions. It does not know what
//! the items are.

use alloy_primitives::B256;

use crate::forest::Forest;
use crate::outline::Outline;
use crate::rlp;
use crate::{EMPTY_ROOT, Path};

/// The root of a list: transactions, receipts or withdrawals in their consensus encoding.
pub fn ordered_root(items: &[impl AsRef<[u8]>]) -> B256 {
    let mut forest = Forest::default();
    let mut outline = Outline::default();
    let mut key = Vec::new();
    for position in rising(items.len()) {
        key.clear();
        let digits = position.to_be_bytes();
        rlp::write_string(&digits[position.leading_zeros() as usize / 8..], &mut key);
        // The positions rise as `rising` orders them, and no RLP string is the beginning of another.
        outline
            .leaf(&mut forest, Path::of_short_key(&key), |batch| batch.open(items[position].as_ref()))
            .expect("the encodings of positions rise and none is the prefix of another");
    }
    let top = outline.finish(&mut forest).expect("leaves of a sorted list fit");
    forest.hash();
    top.map_or(EMPTY_ROOT, |top| forest.root(top))
}

/// The positions of a list in the order of their RLP: 0 is the empty string, 0x80, which comes after 0x7f.
fn rising(len: usize) -> impl Iterator<Item = usize> {
    let zero = usize::from(len > 0);
    (1..len.min(128)).chain(0..zero).chain(128..len)
}
