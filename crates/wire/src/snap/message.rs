//! Every message of snap by its id, in the negotiated version.
//!
//! It knows which version has which message; what a message means is in its own file.

use alloy_primitives::Bytes;

use super::{
    AccountRange, BlockAccessLists, ByteCodes, Encoded, GetAccountRange, GetBlockAccessLists, GetByteCodes,
    GetStorageRanges, GetTrieNodes, RowSets, Rows, StorageRanges, TrieNodes,
    encoded::{ACCOUNT_RANGE, STORAGE_RANGES},
};
use crate::{
    error::Error,
    rlp::Reader,
    version::{Protocol, SnapVersion},
};

const GET_ACCOUNT_RANGE: u8 = 0x00;
const GET_STORAGE_RANGES: u8 = 0x02;
const GET_BYTE_CODES: u8 = 0x04;
const BYTE_CODES: u8 = 0x05;
const GET_TRIE_NODES: u8 = 0x06;
const TRIE_NODES: u8 = 0x07;
const GET_BLOCK_ACCESS_LISTS: u8 = 0x08;
const BLOCK_ACCESS_LISTS: u8 = 0x09;

/// A message of snap. Each is a request or the answer to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// 0x00: asks for accounts.
    GetAccountRange(GetAccountRange),
    /// 0x01: accounts.
    AccountRange(AccountRange),
    /// 0x02: asks for slots.
    GetStorageRanges(GetStorageRanges),
    /// 0x03: slots.
    StorageRanges(StorageRanges),
    /// 0x04: asks for codes.
    GetByteCodes(GetByteCodes),
    /// 0x05: codes.
    ByteCodes(ByteCodes),
    /// 0x06, snap/1: asks for trie nodes.
    GetTrieNodes(GetTrieNodes),
    /// 0x07, snap/1: trie nodes.
    TrieNodes(TrieNodes),
    /// 0x08, snap/2: asks for access lists.
    GetBlockAccessLists(GetBlockAccessLists),
    /// 0x09, snap/2: access lists.
    BlockAccessLists(BlockAccessLists),
    /// An answer that was written straight into its bytes. It is only ever sent: what is received is taken apart.
    Encoded(Encoded),
}

impl Message {
    /// Reads the message of this id in the negotiated version.
    pub fn decode(version: SnapVersion, id: u8, body: &Bytes) -> Result<Self, Error> {
        if !is_known(version, id) {
            return Err(Error::UnknownMessage { protocol: Protocol::Snap(version), id: u64::from(id) });
        }
        let fields = |what| Reader::message(what, body);
        match id {
            GET_ACCOUNT_RANGE => GetAccountRange::read(fields("GetAccountRange")?).map(Self::GetAccountRange),
            ACCOUNT_RANGE => AccountRange::decode(body).map(Self::AccountRange),
            GET_STORAGE_RANGES => {
                GetStorageRanges::read(fields("GetStorageRanges")?).map(Self::GetStorageRanges)
            }
            STORAGE_RANGES => StorageRanges::decode(body).map(Self::StorageRanges),
            GET_BYTE_CODES => GetByteCodes::read(fields("GetByteCodes")?).map(Self::GetByteCodes),
            BYTE_CODES => ByteCodes::read(fields("ByteCodes")?).map(Self::ByteCodes),
            GET_TRIE_NODES => GetTrieNodes::read(fields("GetTrieNodes")?).map(Self::GetTrieNodes),
            TRIE_NODES => TrieNodes::read(fields("TrieNodes")?).map(Self::TrieNodes),
            GET_BLOCK_ACCESS_LISTS => {
                GetBlockAccessLists::read(fields("GetBlockAccessLists")?).map(Self::GetBlockAccessLists)
            }
            BLOCK_ACCESS_LISTS => {
                BlockAccessLists::read(fields("BlockAccessLists")?).map(Self::BlockAccessLists)
            }
            _ => unreachable!("an id that is_known knows has its arm above"),
        }
    }

    /// The message's id and its body; fails if the negotiated version has no such message.
    pub fn encode(&self, version: SnapVersion) -> Result<(u8, Bytes), Error> {
        if !is_known(version, self.id()) {
            let what = if version == SnapVersion::Snap1 { "block access lists" } else { "trie nodes" };
            return Err(Error::NotInVersion { protocol: Protocol::Snap(version), what });
        }
        let mut out = Vec::new();
        match self {
            Self::GetAccountRange(request) => request.put(&mut out),
            Self::AccountRange(answer) => return Ok((ACCOUNT_RANGE, answer.encode().into_body())),
            Self::GetStorageRanges(request) => request.put(&mut out),
            Self::StorageRanges(answer) => return Ok((STORAGE_RANGES, answer.encode().into_body())),
            Self::GetByteCodes(request) => request.put(&mut out),
            Self::ByteCodes(answer) => answer.put(&mut out),
            Self::GetTrieNodes(request) => request.put(&mut out),
            Self::TrieNodes(answer) => answer.put(&mut out),
            Self::GetBlockAccessLists(request) => request.put(&mut out),
            Self::BlockAccessLists(answer) => answer.put(&mut out),
            Self::Encoded(answer) => return Ok((answer.message(), answer.body().clone())),
        }
        Ok((self.id(), out.into()))
    }

    /// The message's id, relative to the base of snap.
    pub const fn id(&self) -> u8 {
        match self {
            Self::GetAccountRange(_) => GET_ACCOUNT_RANGE,
            Self::AccountRange(_) => ACCOUNT_RANGE,
            Self::GetStorageRanges(_) => GET_STORAGE_RANGES,
            Self::StorageRanges(_) => STORAGE_RANGES,
            Self::GetByteCodes(_) => GET_BYTE_CODES,
            Self::ByteCodes(_) => BYTE_CODES,
            Self::GetTrieNodes(_) => GET_TRIE_NODES,
            Self::TrieNodes(_) => TRIE_NODES,
            Self::GetBlockAccessLists(_) => GET_BLOCK_ACCESS_LISTS,
            Self::BlockAccessLists(_) => BLOCK_ACCESS_LISTS,
            Self::Encoded(answer) => answer.message(),
        }
    }

    /// The answer of a node that has nothing of what is asked for; `None` if this is no request. Ranges without rows and
    /// proof say "I do not have this root"; access lists are missing one by one, each in its place.
    pub fn empty_answer(&self) -> Option<Self> {
        Some(match self {
            Self::GetAccountRange(request) => {
                let (accounts, proof) = (Rows::default(), Vec::new());
                Self::AccountRange(AccountRange { id: request.id, accounts, proof })
            }
            Self::GetStorageRanges(request) => {
                let (sets, proof) = (RowSets::default(), Vec::new());
                Self::StorageRanges(StorageRanges { id: request.id, sets, proof })
            }
            Self::GetByteCodes(request) => Self::ByteCodes(ByteCodes { id: request.id, codes: Vec::new() }),
            Self::GetTrieNodes(request) => Self::TrieNodes(TrieNodes { id: request.id, nodes: Vec::new() }),
            Self::GetBlockAccessLists(request) => {
                Self::BlockAccessLists(BlockAccessLists::unavailable(request.id, request.hashes.len()))
            }
            Self::AccountRange(_)
            | Self::StorageRanges(_)
            | Self::ByteCodes(_)
            | Self::TrieNodes(_)
            | Self::BlockAccessLists(_)
            | Self::Encoded(_) => return None,
        })
    }

    /// The id by which a request and its answer are matched.
    pub const fn request_id(&self) -> u64 {
        match self {
            Self::GetAccountRange(message) => message.id,
            Self::AccountRange(message) => message.id,
            Self::GetStorageRanges(message) => message.id,
            Self::StorageRanges(message) => message.id,
            Self::GetByteCodes(message) => message.id,
            Self::ByteCodes(message) => message.id,
            Self::GetTrieNodes(message) => message.id,
            Self::TrieNodes(message) => message.id,
            Self::GetBlockAccessLists(message) => message.id,
            Self::BlockAccessLists(message) => message.id,
            Self::Encoded(message) => message.id(),
        }
    }
}

impl Encoded {
    /// The message taken apart, as its receiver will see it.
    ///
    /// # Errors
    /// When what was pushed is no item of RLP, or more than anybody reads.
    pub fn decode(&self) -> Result<Message, Error> {
        // The answers that are written here are the same in all versions.
        Message::decode(SnapVersion::Snap1, self.message(), self.body())
    }
}

/// Which ids each version has: snap/2 removed trie nodes and left their ids unused.
const fn is_known(version: SnapVersion, id: u8) -> bool {
    match id {
        GET_ACCOUNT_RANGE..=BYTE_CODES => true,
        GET_TRIE_NODES | TRIE_NODES => matches!(version, SnapVersion::Snap1),
        GET_BLOCK_ACCESS_LISTS | BLOCK_ACCESS_LISTS => matches!(version, SnapVersion::Snap2),
        _ => false,
    }
}
