//! A block body: transactions, ommers and withdrawals, as received.
//!
//! Nothing is decoded beyond item boundaries: the roots in the header are over the bytes, and a
//! transaction of a type that nobody has heard of yet is bytes like any other. Each byte is one that a field
//! of the header commits to, or that follows from such bytes: what else a sender puts in is refused, since it
//! would be kept and served unproved. It proves nothing itself.

use alloy_primitives::Bytes;

use crate::{
    error::{Error, RlpFault},
    limits,
    rlp::{self, Item, Kind, Reader},
};

/// The body of a block as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    raw: Bytes,
    /// The items of the transactions list, one after the other.
    ///
    /// Invariant: well-formed items, each a list (a legacy transaction) or a string that starts with a
    /// type below 0x80.
    transactions: Bytes,
    /// The ommers list with its header.
    ommers: Bytes,
    /// The items of the withdrawals list. Invariant: well-formed items.
    withdrawals: Option<Bytes>,
}

impl Body {
    /// Reads a body that is all of `raw`, its list header included.
    pub fn decode(raw: &Bytes) -> Result<Self, Error> {
        let mut outer = Reader::sharing("body", raw);
        let body = Self::read(&mut outer)?;
        outer.finish()?;
        Ok(body)
    }

    /// Puts a body together from network-form transactions (a list, or a string around a typed one), the
    /// ommers list with its header, and the items of a withdrawals list if there is one.
    pub fn from_parts<'a>(
        transactions: impl IntoIterator<Item = &'a [u8]>,
        ommers: &[u8],
        withdrawals: Option<&[&[u8]]>,
    ) -> Result<Self, Error> {
        let mut raw = Vec::new();
        rlp::put_list(&mut raw, |out| {
            rlp::put_list(out, |out| transactions.into_iter().for_each(|item| out.extend_from_slice(item)));
            out.extend_from_slice(ommers);
            if let Some(withdrawals) = withdrawals {
                rlp::put_items(out, withdrawals, |out, item| out.extend_from_slice(item));
            }
        });
        Self::decode(&raw.into())
    }

    /// The body's RLP as received.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// What the transactions root is over: of a legacy transaction its RLP list, of a typed one the type
    /// byte and payload inside the string.
    pub fn transaction_payloads(&self) -> Vec<&[u8]> {
        items(&self.transactions)
            .map(|item| match item.kind {
                Kind::List => item.raw,
                Kind::String => item.payload,
            })
            .collect()
    }

    /// How many transactions there are.
    pub fn transaction_count(&self) -> usize {
        items(&self.transactions).count()
    }

    /// The ommers list with its header: its Keccak hash is the header's ommers hash.
    pub const fn ommers(&self) -> &Bytes {
        &self.ommers
    }

    /// What the withdrawals root is over; `None` before Shanghai.
    pub fn withdrawal_payloads(&self) -> Option<Vec<&[u8]>> {
        self.withdrawals.as_ref().map(|list| items(list).map(|item| item.raw).collect())
    }

    pub(crate) fn read(list: &mut Reader<'_>) -> Result<Self, Error> {
        let item = list.item()?;
        let mut fields = list.inside(item)?.named("body");
        let transactions = fields.item()?;
        check_transactions(fields.inside(transactions)?.named("transactions"))?;
        let ommers = fields.item()?;
        fields.inside(ommers)?;
        let withdrawals = if fields.is_empty() {
            None
        } else {
            let withdrawals = fields.item()?;
            fields.inside(withdrawals)?.named("withdrawals").count(limits::WITHDRAWALS_MAX)?;
            Some(list.share(withdrawals.payload))
        };
        // No field of a header is known to commit to a fourth list: it could say anything.
        fields.finish()?;
        Ok(Self {
            raw: list.share(item.raw),
            transactions: list.share(transactions.payload),
            ommers: list.share(ommers.raw),
            withdrawals,
        })
    }
}

/// Checks that each item is a legacy transaction or a typed one.
///
/// A legacy transaction inside a string would have the same payload, and thus the same root, as the proper
/// form: refusing it here leaves one encoding for each root.
fn check_transactions(mut list: Reader<'_>) -> Result<(), Error> {
    list.count(limits::TRANSACTIONS_MAX)?;
    while !list.is_empty() {
        let item = list.item()?;
        match (item.kind, item.payload.first()) {
            (Kind::List, _) | (Kind::String, Some(0x00..=0x7f)) => {}
            (Kind::String, Some(byte)) => {
                return Err(Error::TypeByte { what: "transaction", byte: *byte });
            }
            (Kind::String, None) => return Err(list.fault(RlpFault::Truncated)),
        }
    }
    Ok(())
}

/// The items of a list that was walked when it was read.
fn items(list: &Bytes) -> impl Iterator<Item = Item<'_>> {
    let mut reader = Reader::borrowed("body", list);
    std::iter::from_fn(move || {
        (!reader.is_empty()).then(|| reader.item().expect("the items were walked when the body was read"))
    })
}
