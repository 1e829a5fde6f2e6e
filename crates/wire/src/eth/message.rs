//! Every message of eth by its id, in the form of the negotiated version.
//!
//! It knows which version has which message; what a message means is in its own file.

use alloy_primitives::Bytes;

use super::{
    BlockAccessLists, BlockBodies, BlockHeaders, Completeness, GetBlockAccessLists, GetBlockBodies,
    GetBlockHeaders, GetReceipts, Receipts,
};
use crate::{
    error::Error,
    limits,
    rlp::{self, Reader},
    status::{BlockRange, Status},
    version::{EthVersion, Protocol},
};

const STATUS: u8 = 0x00;
const NEW_BLOCK_HASHES: u8 = 0x01;
const TRANSACTIONS: u8 = 0x02;
const GET_BLOCK_HEADERS: u8 = 0x03;
const BLOCK_HEADERS: u8 = 0x04;
const GET_BLOCK_BODIES: u8 = 0x05;
const BLOCK_BODIES: u8 = 0x06;
const NEW_BLOCK: u8 = 0x07;
const NEW_POOLED_TRANSACTION_HASHES: u8 = 0x08;
const GET_POOLED_TRANSACTIONS: u8 = 0x09;
const POOLED_TRANSACTIONS: u8 = 0x0a;
const GET_RECEIPTS: u8 = 0x0f;
const RECEIPTS: u8 = 0x10;
const BLOCK_RANGE_UPDATE: u8 = 0x11;
const GET_BLOCK_ACCESS_LISTS: u8 = 0x12;
const BLOCK_ACCESS_LISTS: u8 = 0x13;

/// A message of eth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// 0x00: which chain the peer is on. Once, before anything else.
    Status(Status),
    /// 0x03: asks for headers.
    GetBlockHeaders(GetBlockHeaders),
    /// 0x04: headers.
    BlockHeaders(BlockHeaders),
    /// 0x05: asks for bodies.
    GetBlockBodies(GetBlockBodies),
    /// 0x06: bodies.
    BlockBodies(BlockBodies),
    /// 0x0f: asks for receipts.
    GetReceipts(GetReceipts),
    /// 0x10: receipts.
    Receipts(Receipts),
    /// 0x11, from eth/69 on: the blocks that the peer can serve have changed.
    BlockRangeUpdate(BlockRange),
    /// 0x12, from eth/71 on: asks for access lists.
    GetBlockAccessLists(GetBlockAccessLists),
    /// 0x13, from eth/71 on: access lists.
    BlockAccessLists(BlockAccessLists),
    /// A message that is legal and of no interest here.
    Gossip(Gossip),
}

/// Transactions and, up to eth/68, new blocks: known, left unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gossip {
    /// The message's id.
    pub id: u8,
    /// The message's body as received.
    pub body: Bytes,
}

impl Message {
    /// Reads the message of this id in the form of the negotiated version.
    pub fn decode(version: EthVersion, id: u8, body: &Bytes) -> Result<Self, Error> {
        match id {
            STATUS => Status::decode(version, body).map(Self::Status),
            GET_BLOCK_HEADERS => {
                GetBlockHeaders::read(Reader::message("GetBlockHeaders", body)?).map(Self::GetBlockHeaders)
            }
            BLOCK_HEADERS => {
                BlockHeaders::read(Reader::message("BlockHeaders", body)?).map(Self::BlockHeaders)
            }
            GET_BLOCK_BODIES => {
                GetBlockBodies::read(Reader::message("GetBlockBodies", body)?).map(Self::GetBlockBodies)
            }
            BLOCK_BODIES => BlockBodies::read(Reader::message("BlockBodies", body)?).map(Self::BlockBodies),
            GET_RECEIPTS => {
                GetReceipts::read(version, Reader::message("GetReceipts", body)?).map(Self::GetReceipts)
            }
            RECEIPTS => Receipts::read(version, Reader::message("Receipts", body)?).map(Self::Receipts),
            BLOCK_RANGE_UPDATE if version >= EthVersion::Eth69 => {
                let mut fields = Reader::message("BlockRangeUpdate", body)?;
                let range = BlockRange::read(&mut fields)?;
                fields.finish()?;
                Ok(Self::BlockRangeUpdate(range))
            }
            GET_BLOCK_ACCESS_LISTS if version >= EthVersion::Eth71 => {
                let fields = Reader::message("GetBlockAccessLists", body)?;
                GetBlockAccessLists::read(fields).map(Self::GetBlockAccessLists)
            }
            BLOCK_ACCESS_LISTS if version >= EthVersion::Eth71 => {
                let fields = Reader::message("BlockAccessLists", body)?;
                BlockAccessLists::read(fields).map(Self::BlockAccessLists)
            }
            _ => Gossip::decode(version, id, body).map(Self::Gossip),
        }
    }

    /// The message's id and its body in the form of the negotiated version; fails if that has no such
    /// message.
    pub fn encode(&self, version: EthVersion) -> Result<(u8, Bytes), Error> {
        let missing = |what| Error::NotInVersion { protocol: Protocol::Eth(version), what };
        let mut out = Vec::new();
        match self {
            Self::Status(status) => status.encode(version, &mut out),
            Self::GetBlockHeaders(request) => request.put(&mut out),
            Self::BlockHeaders(answer) => answer.put(&mut out),
            Self::GetBlockBodies(request) => request.put(&mut out),
            Self::BlockBodies(answer) => answer.put(&mut out),
            Self::GetReceipts(request) => request.put(version, &mut out)?,
            Self::Receipts(answer) => answer.put(version, &mut out)?,
            Self::BlockRangeUpdate(_) if version < EthVersion::Eth69 => {
                return Err(missing("BlockRangeUpdate"));
            }
            Self::BlockRangeUpdate(range) => rlp::put_list(&mut out, |out| range.put(out)),
            Self::GetBlockAccessLists(_) | Self::BlockAccessLists(_) if version < EthVersion::Eth71 => {
                return Err(missing("block access lists"));
            }
            Self::GetBlockAccessLists(request) => request.put(&mut out),
            Self::BlockAccessLists(answer) => answer.put(&mut out),
            Self::Gossip(gossip) if !Gossip::is_known(version, gossip.id) => return Err(missing("gossip")),
            Self::Gossip(gossip) => return Ok((gossip.id, gossip.body.clone())),
        }
        Ok((self.id(), out.into()))
    }

    /// The message's id, relative to the base of eth.
    pub const fn id(&self) -> u8 {
        match self {
            Self::Status(_) => STATUS,
            Self::GetBlockHeaders(_) => GET_BLOCK_HEADERS,
            Self::BlockHeaders(_) => BLOCK_HEADERS,
            Self::GetBlockBodies(_) => GET_BLOCK_BODIES,
            Self::BlockBodies(_) => BLOCK_BODIES,
            Self::GetReceipts(_) => GET_RECEIPTS,
            Self::Receipts(_) => RECEIPTS,
            Self::BlockRangeUpdate(_) => BLOCK_RANGE_UPDATE,
            Self::GetBlockAccessLists(_) => GET_BLOCK_ACCESS_LISTS,
            Self::BlockAccessLists(_) => BLOCK_ACCESS_LISTS,
            Self::Gossip(gossip) => gossip.id,
        }
    }

    /// The answer of a node that has nothing of what is asked for; `None` if this is no request.
    ///
    /// Silence would keep the asker waiting, and may cost us the connection. Access lists are missing one by one, each in
    /// its place; of anything else there is none.
    pub fn empty_answer(&self) -> Option<Self> {
        Some(match self {
            Self::GetBlockHeaders(request) => {
                Self::BlockHeaders(BlockHeaders { id: request.id, headers: Vec::new() })
            }
            Self::GetBlockBodies(request) => {
                Self::BlockBodies(BlockBodies { id: request.id, bodies: Vec::new() })
            }
            Self::GetReceipts(request) => {
                let last_block = Completeness::Whole;
                Self::Receipts(Receipts { id: request.id, last_block, blocks: Vec::new() })
            }
            Self::GetBlockAccessLists(request) => {
                Self::BlockAccessLists(BlockAccessLists::unavailable(request.id, request.hashes.len()))
            }
            Self::Status(_)
            | Self::BlockHeaders(_)
            | Self::BlockBodies(_)
            | Self::Receipts(_)
            | Self::BlockRangeUpdate(_)
            | Self::BlockAccessLists(_)
            | Self::Gossip(_) => return None,
        })
    }

    /// The id by which a request and its answer are matched, if this is either.
    pub const fn request_id(&self) -> Option<u64> {
        match self {
            Self::GetBlockHeaders(message) => Some(message.id),
            Self::BlockHeaders(message) => Some(message.id),
            Self::GetBlockBodies(message) => Some(message.id),
            Self::BlockBodies(message) => Some(message.id),
            Self::GetReceipts(message) => Some(message.id),
            Self::Receipts(message) => Some(message.id),
            Self::GetBlockAccessLists(message) => Some(message.id),
            Self::BlockAccessLists(message) => Some(message.id),
            Self::Status(_) | Self::BlockRangeUpdate(_) | Self::Gossip(_) => None,
        }
    }
}

impl Gossip {
    fn decode(version: EthVersion, id: u8, body: &Bytes) -> Result<Self, Error> {
        if !Self::is_known(version, id) {
            return Err(Error::UnknownMessage { protocol: Protocol::Eth(version), id: u64::from(id) });
        }
        if body.len() > limits::MESSAGE_BYTES_MAX {
            let max = limits::MESSAGE_BYTES_MAX;
            return Err(Error::TooLong { what: "gossip", length: body.len(), max });
        }
        Ok(Self { id, body: body.clone() })
    }

    /// Whether a message of this id is gossip, or an answer to what is never asked, in this version.
    pub fn is_known(version: EthVersion, id: u8) -> bool {
        match id {
            TRANSACTIONS | NEW_POOLED_TRANSACTION_HASHES | GET_POOLED_TRANSACTIONS | POOLED_TRANSACTIONS => {
                true
            }
            NEW_BLOCK_HASHES | NEW_BLOCK => version == EthVersion::Eth68,
            _ => false,
        }
    }
}
