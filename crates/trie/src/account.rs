//! An account: the value of a leaf of the state trie, and its slim form on the wire.
//! It does not judge whether an account makes sense, only whether its encoding is the one canonical one.

use alloy_primitives::{B256, U256, b256};
use serde::{Deserialize, Serialize};

use crate::rlp::{self, Item};

/// The root of a trie without entries.
pub const EMPTY_ROOT: B256 = b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");

/// The digest of code of no bytes.
pub const EMPTY_CODE: B256 = b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");

/// The longest full form: a list of 9 bytes of nonce, 33 of balance and 33 for each of two digests.
pub(crate) const FULL_BYTES_MAX: usize = 2 + 9 + 33 + 33 + 33;

/// What the state holds for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// The root of the account's storage trie, [`EMPTY_ROOT`] when it has none.
    pub storage_root: B256,
    /// The digest of the account's code, [`EMPTY_CODE`] when it has none.
    pub code_hash: B256,
}

/// Why bytes are no canonical account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum AccountFault {
    /// Not one RLP list, or bytes follow it.
    #[error("not exactly one list")]
    NotAList,
    /// Not the four strings that an account has.
    #[error("not exactly four strings")]
    Fields,
    /// The nonce is longer than 64 bits or has leading zeros.
    #[error("the nonce is no canonical 64-bit number")]
    Nonce,
    /// The balance is longer than 256 bits or has leading zeros.
    #[error("the balance is no canonical 256-bit number")]
    Balance,
    /// The storage root is neither 32 bytes nor, in the slim form, empty; or there the empty root spelt out.
    #[error("the storage root is neither empty nor another root")]
    StorageRoot,
    /// The code hash is neither 32 bytes nor, in the slim form, empty; or there the hash of no code spelt out.
    #[error("the code hash is neither empty nor another hash")]
    CodeHash,
}

impl Account {
    /// An account that has nothing.
    pub const EMPTY: Self =
        Self { nonce: 0, balance: U256::ZERO, storage_root: EMPTY_ROOT, code_hash: EMPTY_CODE };

    /// Whether the account has storage.
    pub fn has_storage(&self) -> bool {
        self.storage_root != EMPTY_ROOT
    }

    /// Whether the account has code.
    pub fn has_code(&self) -> bool {
        self.code_hash != EMPTY_CODE
    }

    /// Reads the slim form of snap: an empty storage root and an empty code hash are empty strings.
    ///
    /// # Errors
    /// When the encoding is not the canonical one.
    #[inline]
    pub fn from_slim(bytes: &[u8]) -> Result<Self, AccountFault> {
        let [nonce, balance, root, code] = match slim_fields(bytes) {
            Some(fields) => fields,
            None => any_fields(bytes)?,
        };
        let nonce = small_number(nonce).ok_or(AccountFault::Nonce)?;
        let balance = number(balance).ok_or(AccountFault::Balance)?;
        let storage_root = slim_hash(root, &EMPTY_ROOT).ok_or(AccountFault::StorageRoot)?;
        let code_hash = slim_hash(code, &EMPTY_CODE).ok_or(AccountFault::CodeHash)?;
        Ok(Self { nonce, balance, storage_root: *storage_root, code_hash: *code_hash })
    }

    /// Reads the full form: the value of the account's leaf.
    ///
    /// # Errors
    /// When the encoding is not the canonical one.
    pub fn from_rlp(bytes: &[u8]) -> Result<Self, AccountFault> {
        let [nonce, balance, root, code] = any_fields(bytes)?;
        Ok(Self {
            nonce: small_number(nonce).ok_or(AccountFault::Nonce)?,
            balance: number(balance).ok_or(AccountFault::Balance)?,
            storage_root: B256::try_from(root).map_err(|_| AccountFault::StorageRoot)?,
            code_hash: B256::try_from(code).map_err(|_| AccountFault::CodeHash)?,
        })
    }

    /// Appends the slim form of snap.
    pub fn write_slim(&self, out: &mut Vec<u8>) {
        let root: &[u8] = if self.has_storage() { self.storage_root.as_slice() } else { &[] };
        let code: &[u8] = if self.has_code() { self.code_hash.as_slice() } else { &[] };
        self.write_fields(root, code, out);
    }

    /// Appends the full form: the value of the account's leaf.
    pub fn write_rlp(&self, out: &mut Vec<u8>) {
        let mut full = [0; FULL_BYTES_MAX];
        let start = self.write_full_before_end(&mut full);
        out.extend_from_slice(&full[start..]);
    }

    /// Writes the full form so that it ends with the buffer: where it begins.
    #[inline]
    pub(crate) fn write_full_before_end(&self, out: &mut [u8; FULL_BYTES_MAX]) -> usize {
        // Backwards, as the lengths are known only then: the two digests have fixed places.
        const CODE: usize = FULL_BYTES_MAX - 32;
        const ROOT: usize = CODE - 33;
        out[CODE..].copy_from_slice(self.code_hash.as_slice());
        out[CODE - 1] = rlp::HASH_PREFIX;
        out[ROOT..CODE - 1].copy_from_slice(self.storage_root.as_slice());
        out[ROOT - 1] = rlp::HASH_PREFIX;
        let balance = rlp::write_number_before(out, ROOT - 1, &self.balance);
        let nonce = rlp::write_small_number_before(out, balance, self.nonce);
        // Two digests make a list longer than 55 bytes.
        out[nonce - 2..nonce].copy_from_slice(&[rlp::LONG_LIST_PREFIX, (FULL_BYTES_MAX - nonce) as u8]);
        nonce - 2
    }

    /// The full form, see [`Account::write_rlp`].
    pub fn to_rlp(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(112);
        self.write_rlp(&mut out);
        out
    }

    /// The slim form, see [`Account::write_slim`].
    pub fn to_slim(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(112);
        self.write_slim(&mut out);
        out
    }

    fn write_fields(&self, root: &[u8], code: &[u8], out: &mut Vec<u8>) {
        let nonce = self.nonce.to_be_bytes();
        let nonce = &nonce[self.nonce.leading_zeros() as usize / 8..];
        let balance: [u8; 32] = self.balance.to_be_bytes();
        let balance = &balance[self.balance.leading_zeros() / 8..];
        let fields = [nonce, balance, root, code];
        rlp::write_list_header(fields.iter().map(|field| rlp::string_len(field)).sum(), out);
        for field in fields {
            rlp::write_string(field, out);
        }
    }
}

/// The four strings of a slim account as nearly all of them are: nothing in it is longer than 55 bytes.
#[inline]
fn slim_fields(bytes: &[u8]) -> Option<[&[u8]; 4]> {
    let mut rest = match bytes {
        [header @ 0xc0..=0xf7, payload @ ..] if usize::from(header - 0xc0) == payload.len() => payload,
        [rlp::LONG_LIST_PREFIX, len, payload @ ..] if *len > 55 && usize::from(*len) == payload.len() => {
            payload
        }
        _ => return None,
    };
    let fields = [
        rlp::take_short_string(&mut rest)?,
        rlp::take_short_string(&mut rest)?,
        rlp::take_short_string(&mut rest)?,
        rlp::take_short_string(&mut rest)?,
    ];
    rest.is_empty().then_some(fields)
}

/// The same for any bytes, or what is wrong with them.
#[cold]
fn any_fields(bytes: &[u8]) -> Result<[&[u8]; 4], AccountFault> {
    let mut rest = rlp::whole_list(bytes).ok_or(AccountFault::NotAList)?;
    let mut field = || match rlp::take_item(&mut rest) {
        Some(Item::String(string)) => Ok(string),
        _ => Err(AccountFault::Fields),
    };
    let fields = [field()?, field()?, field()?, field()?];
    if rest.is_empty() { Ok(fields) } else { Err(AccountFault::Fields) }
}

/// The number of minimal big-endian digits. Always inlined: as a result in memory it would be copied, at once, in other portions
/// than it was stored in, for which the processor waits.
#[inline(always)]
pub(crate) fn number(digits: &[u8]) -> Option<U256> {
    if digits.first() == Some(&0) || digits.len() > 32 {
        return None;
    }
    // Not a loop over an array: the limbs stay in registers.
    let (lowest, rest) = last_word(digits);
    let (lower, rest) = last_word(rest);
    let (upper, rest) = last_word(rest);
    Some(U256::from_limbs([lowest, lower, upper, word(rest)]))
}

/// The number of the last eight digits, or of all if there are fewer, and those before them.
#[inline]
fn last_word(digits: &[u8]) -> (u64, &[u8]) {
    match digits.split_last_chunk() {
        Some((before, last)) => (u64::from_be_bytes(*last), before),
        None => (word(digits), &[]),
    }
}

/// The number of minimal big-endian digits, if it has 64 bits at most.
#[inline]
fn small_number(digits: &[u8]) -> Option<u64> {
    match digits {
        [0, ..] => None,
        [digit] => Some(u64::from(*digit)),
        _ if digits.len() > 8 => None,
        _ => Some(last_word(digits).0),
    }
}

/// The number of at most eight big-endian digits, from two halves that may overlap.
#[inline]
fn word(digits: &[u8]) -> u64 {
    let len = digits.len();
    if let Some((first, last)) = digits.first_chunk().zip(digits.last_chunk()) {
        return u64::from(u32::from_be_bytes(*first)) << (8 * (len - 4))
            | u64::from(u32::from_be_bytes(*last));
    }
    digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit))
}

#[inline]
fn slim_hash<'a>(bytes: &'a [u8], empty: &'a B256) -> Option<&'a B256> {
    match bytes.len() {
        0 => Some(empty),
        32 => <&B256>::try_from(bytes).ok().filter(|hash| *hash != empty),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash(empty: B256) -> impl Strategy<Value = B256> {
        prop_oneof![Just(empty), any::<[u8; 32]>().prop_map(B256::new)]
    }

    fn account() -> impl Strategy<Value = Account> {
        let balance = prop_oneof![Just(U256::ZERO), any::<u64>().prop_map(U256::from), Just(U256::MAX)];
        let nonce = prop_oneof![0..300u64, any::<u64>()];
        (nonce, balance, hash(EMPTY_ROOT), hash(EMPTY_CODE)).prop_map(
            |(nonce, balance, storage_root, code_hash)| Account { nonce, balance, storage_root, code_hash },
        )
    }

    proptest! {
        #[test]
        fn the_slim_form_reads_back(account in account()) {
            prop_assert_eq!(Account::from_slim(&account.to_slim()), Ok(account));
        }

        #[test]
        fn the_full_form_is_the_reference_s(account in account()) {
            let reference = alloy_trie::TrieAccount {
                nonce: account.nonce,
                balance: account.balance,
                storage_root: account.storage_root,
                code_hash: account.code_hash,
            };
            prop_assert_eq!(account.to_rlp(), alloy_rlp::encode(reference));
            prop_assert_eq!(Account::from_rlp(&account.to_rlp()), Ok(account));
        }

        #[test]
        fn only_one_encoding_is_read(account in account(), at in any::<usize>(), byte in any::<u8>()) {
            let mut slim = account.to_slim();
            let at = at % slim.len();
            slim[at] = byte;
            if let Ok(read) = Account::from_slim(&slim) {
                prop_assert_eq!(read.to_slim(), slim);
            }
            let mut full = account.to_rlp();
            let at = at % full.len();
            full[at] = byte;
            if let Ok(read) = Account::from_rlp(&full) {
                prop_assert_eq!(read.to_rlp(), full);
            }
        }
    }

    #[test]
    fn the_constants_are_what_they_say() {
        assert_eq!(EMPTY_ROOT, snapsync_keccak::keccak256(&[rlp::EMPTY_STRING]));
        assert_eq!(EMPTY_CODE, snapsync_keccak::keccak256(&[]));
    }
}
