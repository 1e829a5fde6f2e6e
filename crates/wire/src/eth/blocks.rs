//! Headers, bodies and access lists: what is asked for by block, and the answers.
//!
//! An answer is decoded without its question: that it fits (hashes, order, count) is for others to check.

use alloy_primitives::{B256, Bytes};

use crate::{
    body::Body,
    error::Error,
    header::Header,
    limits,
    rlp::{self, Reader},
};

/// 0x03: asks for headers along the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetBlockHeaders {
    /// Comes back in the answer.
    pub id: u64,
    /// The first header of the answer.
    pub start: BlockStart,
    /// How many headers at most.
    pub limit: u64,
    /// How many blocks to leave out between two headers.
    pub skip: u64,
    /// Whether numbers rise or fall from the first header on.
    pub direction: Direction,
}

/// The block that a request for headers starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockStart {
    /// The block of this number on the peer's canonical chain.
    Number(u64),
    /// The block of this hash.
    Hash(B256),
}

/// Which way headers follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the head.
    Rising,
    /// Towards the genesis.
    Falling,
}

impl GetBlockHeaders {
    pub(crate) fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        let id = fields.u64()?;
        let mut query = fields.list()?;
        fields.finish()?;
        let start = BlockStart::read(&mut query)?;
        let (limit, skip) = (query.u64()?, query.u64()?);
        let direction = if query.flag()? { Direction::Falling } else { Direction::Rising };
        query.finish()?;
        Ok(Self { id, start, limit, skip, direction })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            rlp::put_list(out, |out| {
                match self.start {
                    BlockStart::Number(number) => rlp::put_u64(out, number),
                    BlockStart::Hash(hash) => rlp::put_string(out, hash.as_slice()),
                }
                rlp::put_u64(out, self.limit);
                rlp::put_u64(out, self.skip);
                rlp::put_u64(out, u64::from(self.direction == Direction::Falling));
            });
        });
    }
}

impl BlockStart {
    /// A string of 32 bytes is a hash; no block's number takes more than eight.
    fn read(query: &mut Reader<'_>) -> Result<Self, Error> {
        let mut ahead = *query;
        if ahead.string()?.len() == 32 { query.b256().map(Self::Hash) } else { query.u64().map(Self::Number) }
    }
}

/// 0x04: the headers asked for, fewer if the peer has no more or they get too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeaders {
    /// The request's id.
    pub id: u64,
    /// The headers, in the order asked for.
    pub headers: Vec<Header>,
}

impl BlockHeaders {
    pub(crate) fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        let id = fields.u64()?;
        let headers = fields.list()?.collect(limits::BLOCKS_MAX, Header::read)?;
        fields.finish()?;
        Ok(Self { id, headers })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            rlp::put_items(out, &self.headers, |out, header| out.extend_from_slice(header.raw()));
        });
    }
}

/// 0x05: asks for bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBlockBodies {
    /// Comes back in the answer.
    pub id: u64,
    /// The blocks' hashes.
    pub hashes: Vec<B256>,
}

impl GetBlockBodies {
    pub(crate) fn read(fields: Reader<'_>) -> Result<Self, Error> {
        let (id, hashes) = read_hashes(fields)?;
        Ok(Self { id, hashes })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_hashes(out, self.id, &self.hashes);
    }
}

/// 0x06: the bodies that the peer has of those asked for, in that order; the others are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockBodies {
    /// The request's id.
    pub id: u64,
    /// The bodies.
    pub bodies: Vec<Body>,
}

impl BlockBodies {
    pub(crate) fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        let id = fields.u64()?;
        let bodies = fields.list()?.collect(limits::BLOCKS_MAX, Body::read)?;
        fields.finish()?;
        Ok(Self { id, bodies })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            rlp::put_items(out, &self.bodies, |out, body| out.extend_from_slice(body.raw()));
        });
    }
}

/// 0x12, eth/71: asks for block access lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBlockAccessLists {
    /// Comes back in the answer.
    pub id: u64,
    /// The blocks' hashes.
    pub hashes: Vec<B256>,
}

impl GetBlockAccessLists {
    pub(crate) fn read(fields: Reader<'_>) -> Result<Self, Error> {
        let (id, hashes) = read_hashes(fields)?;
        Ok(Self { id, hashes })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_hashes(out, self.id, &self.hashes);
    }
}

/// 0x13, eth/71 (and 0x09 of snap/2): the access lists asked for, in that order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockAccessLists {
    /// The request's id.
    pub id: u64,
    /// Each list's RLP as received: what the header's hash is over. `None` where the peer has not got it.
    ///
    /// Some peers say that with an empty list instead; it is told from a list of a block that touched
    /// nothing only by the hash, and so is given out as received.
    pub lists: Vec<Option<Bytes>>,
}

impl BlockAccessLists {
    /// The answer of a node that has none of so many lists.
    pub fn unavailable(id: u64, lists: usize) -> Self {
        Self { id, lists: vec![None; lists] }
    }

    pub(crate) fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        let id = fields.u64()?;
        let lists = fields.list()?.collect(limits::BLOCKS_MAX, |lists| {
            let item = lists.item()?;
            // SPEC: EIP-8159 puts an empty string in the place of a list that is not there.
            if item.raw == [0x80] {
                return Ok(None);
            }
            lists.inside(item)?;
            Ok(Some(lists.share(item.raw)))
        })?;
        fields.finish()?;
        Ok(Self { id, lists })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            rlp::put_items(out, &self.lists, |out, list| match list {
                Some(raw) => out.extend_from_slice(raw),
                None => rlp::put_string(out, &[]),
            });
        });
    }
}

fn read_hashes(mut fields: Reader<'_>) -> Result<(u64, Vec<B256>), Error> {
    let id = fields.u64()?;
    let hashes = fields.list()?.hashes()?;
    fields.finish()?;
    Ok((id, hashes))
}

fn put_hashes(out: &mut Vec<u8>, id: u64, hashes: &[B256]) {
    rlp::put_list(out, |out| {
        rlp::put_u64(out, id);
        rlp::put_items(out, hashes, |out, hash| rlp::put_string(out, hash.as_slice()));
    });
}
