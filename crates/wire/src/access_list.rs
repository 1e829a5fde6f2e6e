//! A block's access list (EIP-7928): what the block left of each account and slot that it changed.
//!
//! Only the last value of each is kept: what stands after the block. The hash in the header is over the bytes as received, and all of
//! them are read here, so nothing comes in that the hash does not commit to. It does not judge whether the values are true: the
//! header's hash does, and whoever holds the header compares it first.
//!
//! ```text
//! list      account *                                                                         rising by address
//! account   address ++ [slot ++ [index ++ value]*]* ++ [read slot]* ++ [index ++ balance]* ++ [index ++ nonce]* ++ [index ++ code]*
//! ```

use alloy_primitives::{Address, Bytes, U256};

use crate::{
    error::{Error, RlpFault},
    limits,
    rlp::Reader,
};

/// What a block left of the accounts that it touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessList {
    accounts: Vec<AccountAccess>,
}

/// What a block left of one account. What it did not change is `None`, or not among the slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountAccess {
    /// The account.
    pub address: Address,
    /// Slots that were written, rising, with what they hold afterwards; zero: nothing.
    pub slots: Vec<(U256, U256)>,
    /// Wei afterwards.
    pub balance: Option<U256>,
    /// The nonce afterwards.
    pub nonce: Option<u64>,
    /// The code afterwards; empty: none.
    pub code: Option<Bytes>,
}

impl AccessList {
    /// Reads a list that is all of `raw`.
    pub fn decode(raw: &Bytes) -> Result<Self, Error> {
        let list = Reader::message("access list", raw)?;
        let accounts: Vec<AccountAccess> = list.collect(limits::LIST_ACCOUNTS_MAX, AccountAccess::read)?;
        if !accounts.windows(2).all(|pair| pair[0].address < pair[1].address) {
            return Err(list.fault(RlpFault::NotCanonical));
        }
        Ok(Self { accounts })
    }

    /// The accounts, rising by address.
    pub fn accounts(&self) -> &[AccountAccess] {
        &self.accounts
    }
}

impl AccountAccess {
    fn read(items: &mut Reader<'_>) -> Result<Self, Error> {
        let mut fields = items.list()?;
        let address = Address::from(fields.fixed::<20>()?);
        let writes = fields.list()?;
        let slots = writes.collect(limits::LIST_SLOTS_MAX, |items| {
            let mut fields = items.list()?;
            let slot = fields.u256()?;
            let value = last_of(fields.list()?, Reader::u256)?;
            fields.finish()?;
            // A slot that nothing is written to belongs among those that were read.
            Ok((slot, value.ok_or_else(|| fields.fault(RlpFault::Truncated))?))
        })?;
        if !slots.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            return Err(writes.fault(RlpFault::NotCanonical));
        }
        let mut reads = fields.list()?;
        while !reads.is_empty() {
            reads.u256()?;
        }
        let balance = last_of(fields.list()?, Reader::u256)?;
        let nonce = last_of(fields.list()?, Reader::u64)?;
        let code = last_of(fields.list()?, Reader::shared)?;
        fields.finish()?;
        Ok(Self { address, slots, balance, nonce, code })
    }
}

/// The last of some values, each behind the index of the transaction that left it; indices rise.
fn last_of<'a, T>(
    mut changes: Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut last: Option<(u64, T)> = None;
    while !changes.is_empty() {
        let mut fields = changes.list()?;
        let (index, value) = (fields.u64()?, read(&mut fields)?);
        fields.finish()?;
        if last.as_ref().is_some_and(|(before, _)| *before >= index) {
            return Err(changes.fault(RlpFault::NotCanonical));
        }
        last = Some((index, value));
    }
    Ok(last.map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rlp::{put_list, put_string, put_u64};

    fn put_change(out: &mut Vec<u8>, index: u64, value: &[u8]) {
        put_list(out, |out| {
            put_u64(out, index);
            put_string(out, value);
        });
    }

    /// Of one account: slot 5 becomes 7 and then 8, slot 9 is read, the balance becomes 256.
    fn one_account(address: u8, indices: [u64; 2]) -> Vec<u8> {
        let mut out = Vec::new();
        put_list(&mut out, |out| {
            put_string(out, &[address; 20]);
            put_list(out, |out| {
                put_list(out, |out| {
                    put_u64(out, 5);
                    put_list(out, |out| {
                        put_change(out, indices[0], &[7]);
                        put_change(out, indices[1], &[8]);
                    });
                });
            });
            put_list(out, |out| put_u64(out, 9));
            put_list(out, |out| put_change(out, 1, &[1, 0]));
            put_list(out, |_| {});
            put_list(out, |out| put_change(out, 2, &[0x60, 0x00]));
        });
        out
    }

    fn list(accounts: &[Vec<u8>]) -> Bytes {
        let mut out = Vec::new();
        put_list(&mut out, |out| accounts.iter().for_each(|account| out.extend_from_slice(account)));
        out.into()
    }

    #[test]
    fn last_values_are_what_a_block_left() {
        let raw = list(&[one_account(1, [1, 2]), one_account(2, [0, 300])]);
        let read = AccessList::decode(&raw).unwrap();
        let account = AccountAccess {
            address: Address::repeat_byte(1),
            slots: vec![(U256::from(5), U256::from(8))],
            balance: Some(U256::from(256)),
            nonce: None,
            code: Some(Bytes::from_static(&[0x60, 0x00])),
        };
        let other = AccountAccess { address: Address::repeat_byte(2), ..account.clone() };
        assert_eq!(read.accounts(), [account, other]);
    }

    #[test]
    fn order_is_part_of_the_form() {
        for wrong in [
            list(&[one_account(2, [1, 2]), one_account(1, [1, 2])]),
            list(&[one_account(1, [1, 2]), one_account(1, [1, 2])]),
            list(&[one_account(1, [2, 2])]),
            list(&[one_account(1, [2, 1])]),
        ] {
            let error = AccessList::decode(&wrong).unwrap_err();
            assert!(matches!(error, Error::Malformed { fault: RlpFault::NotCanonical, .. }), "{error}");
        }
        assert!(AccessList::decode(&Bytes::from_static(&[0xc0])).unwrap().accounts().is_empty());
        // A server's word that it has no such list.
        assert!(AccessList::decode(&Bytes::from_static(&[0x80])).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
            let _ = AccessList::decode(&bytes.into());
            let mut near = list(&[one_account(1, [1, 2])]).to_vec();
            let at = at.index(near.len());
            near[at] ^= 0x55;
            let _ = AccessList::decode(&near.into());
        }
    }
}
