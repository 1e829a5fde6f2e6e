//! A block as it is executed: header and body as received, and what of them only execution asks for.
//!
//! It is read whole here, once, so that nothing below fails on its form. It trusts nobody: whether header and body belong together is
//! looked at in [`crate::body`], whether the header may follow its parent in [`crate::header`].

use alloy_primitives::{Address, B64, B256, Bloom, Bytes};
use alloy_rlp::{Decodable, Header as Head};
use snapsync_wire::{Body, Header};

use crate::bad::BadBlock;

/// What of a header stands in its bytes alone: [`Header`] leaves it unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRest {
    /// The filter over the addresses and topics of all logs.
    pub logs_bloom: Bloom,
    /// What the maker said.
    pub extra_data: Bytes,
    /// Part of the work; since the merge, chance from the beacon chain.
    pub mix_hash: B256,
    /// Part of the work; zero since the merge.
    pub nonce: B64,
    /// How many fields the header has.
    pub fields: usize,
}

impl HeaderRest {
    /// Reads it.
    ///
    /// # Errors
    /// [`BadBlock::Malformed`].
    pub fn of(header: &Header) -> Result<Self, BadBlock> {
        Self::read(header.raw()).map_err(|why| BadBlock::Malformed { part: "header", why: why.to_string() })
    }

    fn read(raw: &Bytes) -> alloy_rlp::Result<Self> {
        let mut fields = Head::decode_bytes(&mut raw.as_ref(), true)?;
        let mut count = 0;
        let mut skip = |fields: &mut &[u8], many: usize| {
            for _ in 0..many {
                Head::decode_raw(fields)?;
            }
            count += many;
            Ok::<_, alloy_rlp::Error>(())
        };
        // Parent, ommers, beneficiary and three roots.
        skip(&mut fields, 6)?;
        let logs_bloom = Bloom::decode(&mut fields)?;
        // Difficulty, number, gas limit, gas used and time.
        skip(&mut fields, 5)?;
        let extra_data = Bytes::decode(&mut fields)?;
        let mix_hash = B256::decode(&mut fields)?;
        let nonce = B64::decode(&mut fields)?;
        while !fields.is_empty() {
            skip(&mut fields, 1)?;
        }
        Ok(Self { logs_bloom, extra_data, mix_hash, nonce, fields: count + 4 })
    }
}

/// Ether that leaves the beacon chain (EIP-4895).
#[derive(Clone, Copy, Debug, PartialEq, Eq, alloy_rlp::RlpDecodable)]
pub struct Withdrawal {
    /// Counts all withdrawals.
    pub index: u64,
    /// Whose it was on the beacon chain.
    pub validator: u64,
    /// Whose it becomes.
    pub address: Address,
    /// 10^9 wei each.
    pub gwei: u64,
}

/// A block, read.
#[derive(Clone, Debug)]
pub struct Block {
    header: Header,
    rest: HeaderRest,
    hash: B256,
    body: Body,
    ommers: Vec<Header>,
    withdrawals: Option<Vec<Withdrawal>>,
    senders: Option<Vec<Address>>,
}

impl Block {
    /// Reads a block as far as execution needs it; transactions are left to the executor.
    ///
    /// # Errors
    /// [`BadBlock::Malformed`].
    pub fn new(header: Header, body: Body) -> Result<Self, BadBlock> {
        let rest = HeaderRest::of(&header)?;
        let malformed = |part| move |why: String| BadBlock::Malformed { part, why };
        let ommers = ommers(body.ommers()).map_err(malformed("ommer"))?;
        let withdrawals = body.withdrawal_payloads().map(|items| {
            items.into_iter().map(alloy_rlp::decode_exact).collect::<alloy_rlp::Result<Vec<_>>>()
        });
        let withdrawals = withdrawals.transpose().map_err(|why| malformed("withdrawal")(why.to_string()))?;
        let hash = header.hash();
        Ok(Self { header, rest, hash, body, ommers, withdrawals, senders: None })
    }

    /// Reads a block that is all of `raw`: header, transactions, ommers and withdrawals in one list, as chains are exported.
    ///
    /// # Errors
    /// [`BadBlock::Malformed`].
    pub fn decode(raw: &Bytes) -> Result<Self, BadBlock> {
        let malformed = |why: String| BadBlock::Malformed { part: "block", why };
        let mut items =
            Head::decode_bytes(&mut raw.as_ref(), true).map_err(|why| malformed(why.to_string()))?;
        let start = items;
        Head::decode_raw(&mut items).map_err(|why| malformed(why.to_string()))?;
        let header = raw.slice_ref(&start[..start.len() - items.len()]);
        let mut body = Vec::with_capacity(items.len() + 9);
        Head { list: true, payload_length: items.len() }.encode(&mut body);
        body.extend_from_slice(items);
        let header = Header::decode(&header).map_err(|why| malformed(why.to_string()))?;
        let body = Body::decode(&body.into()).map_err(|why| malformed(why.to_string()))?;
        Self::new(header, body)
    }

    /// The same block, with who signed its transactions, as our executor has found out ahead of time
    /// ([`recover_senders`](crate::evm::recover_senders)).
    #[cfg(feature = "evm")]
    pub(crate) fn with_senders(self, senders: Vec<Address>) -> Self {
        Self { senders: Some(senders), ..self }
    }

    /// Who signed its transactions, if that was recovered ahead of its execution. Every signature is valid then.
    pub fn senders(&self) -> Option<&[Address]> {
        self.senders.as_deref()
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What of the header stands in its bytes alone.
    pub const fn rest(&self) -> &HeaderRest {
        &self.rest
    }

    /// The block's hash.
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// The body.
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Headers of blocks that lost, and that are paid for; none since the merge.
    pub fn ommers(&self) -> &[Header] {
        &self.ommers
    }

    /// The withdrawals; `None` before Shanghai.
    pub fn withdrawals(&self) -> Option<&[Withdrawal]> {
        self.withdrawals.as_deref()
    }

    /// Bytes of the block's RLP.
    pub fn bytes(&self) -> u64 {
        let body = self.body.raw();
        // The body's items stand in the block's list behind the header.
        let items = Head::decode(&mut body.as_ref()).map_or(0, |head| head.payload_length);
        let payload_length = self.header.raw().len() + items;
        (Head { list: true, payload_length }.length_with_payload()) as u64
    }
}

fn ommers(list: &Bytes) -> Result<Vec<Header>, String> {
    let mut items = Head::decode_bytes(&mut list.as_ref(), true).map_err(|why| why.to_string())?;
    let mut ommers = Vec::new();
    while !items.is_empty() {
        let start = items;
        Head::decode_raw(&mut items).map_err(|why| why.to_string())?;
        let raw = &start[..start.len() - items.len()];
        ommers.push(Header::decode(&list.slice_ref(raw)).map_err(|why| why.to_string())?);
    }
    Ok(ommers)
}
