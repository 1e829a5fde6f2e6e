//! Receipts: the forms in which they travel, and the one that the receipts root is over.
//!
//! ```text
//! slim (eth/69 on)      [type, outcome, gas, logs]
//! with bloom (eth/68)   [outcome, gas, bloom, logs]   or a string: type ‖ that list
//! consensus (the root)  the same, without the string around it
//! ```
//!
//! `outcome` is a status of 0 or 1, or, before Byzantium, a state root. A receipt of an unknown type is
//! read like any other; only its type byte tells it apart. Blooms are never believed: they are made anew
//! from the logs, and the root tells whether that was right.

use alloy_primitives::{B256, Bloom, Bytes};

use crate::{
    error::{Error, RlpFault},
    limits,
    rlp::{self, Head, Kind, Reader},
    version::EthVersion,
};

/// The form in which a block's receipts travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptForm {
    /// eth/69 and later, and what is stored.
    Slim,
    /// eth/68.
    WithBloom,
}

impl From<EthVersion> for ReceiptForm {
    fn from(version: EthVersion) -> Self {
        if version == EthVersion::Eth68 { Self::WithBloom } else { Self::Slim }
    }
}

/// The receipts of one block, or the part of them that fitted, as received: an RLP list.
///
/// They are walked when asked for, not when received: a list of many tiny receipts costs no memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockReceipts {
    /// Invariant: one RLP list, header included; its content is unchecked.
    raw: Bytes,
    form: ReceiptForm,
}

impl BlockReceipts {
    /// Takes a list of receipts, such as a stored one. The receipts in it are looked at later.
    pub fn from_raw(form: ReceiptForm, raw: Bytes) -> Result<Self, Error> {
        let mut outer = Reader::sharing("receipts", &raw);
        outer.list()?;
        outer.finish()?;
        Ok(Self { raw, form })
    }

    /// The list of these receipts in a form.
    pub fn from_receipts(form: ReceiptForm, receipts: &[Receipt]) -> Self {
        let mut raw = Vec::new();
        rlp::put_items(&mut raw, receipts, |out, receipt| receipt.encode(form, out));
        Self { raw: raw.into(), form }
    }

    /// The list as received, its header included.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The form it has.
    pub const fn form(&self) -> ReceiptForm {
        self.form
    }

    /// The receipts, read one by one.
    pub fn receipts(&self) -> Result<Vec<Receipt>, Error> {
        let list = Reader::sharing("receipts", &self.raw).list()?;
        list.collect(limits::TRANSACTIONS_MAX, |list| Receipt::read(self.form, list))
    }

    /// How many receipts there are.
    pub fn count(&self) -> Result<usize, Error> {
        Reader::sharing("receipts", &self.raw).list()?.count(limits::TRANSACTIONS_MAX)
    }

    /// The same receipts in another form; in the same form, the same bytes.
    pub fn to_form(&self, form: ReceiptForm) -> Result<Self, Error> {
        if form == self.form {
            return Ok(self.clone());
        }
        let mut items = Vec::with_capacity(self.form_bytes_max(form)?);
        self.for_each(|receipt| receipt.encode(form, &mut items))?;
        Ok(Self { raw: list_of(&[&items])?, form })
    }

    /// The bytes that these receipts take in a form, at most; in their own form, exactly. A bloom makes fifty bytes of
    /// one: whoever sends receipts in another form than they have counts these and not those that they have.
    pub fn form_bytes_max(&self, form: ReceiptForm) -> Result<usize, Error> {
        // The bloom with its head is 259 bytes. Two heads around it grow or come, by up to four bytes each.
        const BLOOM_BYTES_MAX: usize = 259 + 2 * 4;
        match (self.form, form) {
            (ReceiptForm::Slim, ReceiptForm::WithBloom) => {
                Ok(self.raw.len() + Head::BYTES_MAX + self.count()? * BLOOM_BYTES_MAX)
            }
            // What is left out is longer than what comes: the type is a byte, and stood in a string before.
            _ => Ok(self.raw.len()),
        }
    }

    /// These receipts from the `first`-th on: what eth/70 asks for. Empty if there are not so many.
    pub fn skip(&self, first: u64) -> Result<Self, Error> {
        let mut rest = Reader::sharing("receipts", &self.raw).list()?;
        let mut skipped = 0;
        while skipped < first && !rest.is_empty() {
            rest.item()?;
            skipped += 1;
        }
        Ok(Self { raw: list_of(&[rest.rest()])?, form: self.form })
    }

    /// These receipts and then those of `more`: the parts of a block that eth/70 has cut. Fails if that is more than is
    /// kept of a block.
    pub fn join(&self, more: &Self) -> Result<Self, Error> {
        let more = more.to_form(self.form)?;
        let parts =
            [Reader::sharing("receipts", &self.raw).list()?, Reader::sharing("receipts", &more.raw).list()?];
        Ok(Self { raw: list_of(&parts.map(|part| part.rest()))?, form: self.form })
    }

    /// Reads one receipt after the other, and none of them for longer than `take` does.
    fn for_each(&self, mut take: impl FnMut(Receipt)) -> Result<(), Error> {
        let mut list = Reader::sharing("receipts", &self.raw).list()?;
        list.count(limits::TRANSACTIONS_MAX)?;
        while !list.is_empty() {
            take(Receipt::read(self.form, &mut list)?);
        }
        Ok(())
    }

    pub(crate) fn read(form: ReceiptForm, list: &mut Reader<'_>) -> Result<Self, Error> {
        let item = list.item()?;
        list.inside(item)?;
        Ok(Self { raw: list.share(item.raw), form })
    }
}

/// What a transaction came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostState {
    /// It failed (status 0).
    Failure,
    /// It went through (status 1).
    Success,
    /// Before Byzantium: the state's root after it.
    Root(B256),
}

/// One receipt, its logs unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction's type, 0 for a legacy one.
    pub kind: u8,
    /// What the transaction came to.
    pub outcome: PostState,
    /// The gas that the block has used up to and with this transaction.
    pub cumulative_gas: u64,
    /// The logs: an RLP list with its header. Invariant: its shape was checked by [`Self::bloom`].
    logs: Bytes,
    bloom: Bloom,
}

impl Receipt {
    /// A receipt of these parts; `logs` is an RLP list of `[address, [topic..], data]` with its header.
    pub fn new(kind: u8, outcome: PostState, cumulative_gas: u64, logs: Bytes) -> Result<Self, Error> {
        if kind > 0x7f {
            return Err(Error::TypeByte { what: "receipt", byte: kind });
        }
        let mut outer = Reader::sharing("logs", &logs);
        let bloom = bloom(outer.list()?)?;
        outer.finish()?;
        Ok(Self { kind, outcome, cumulative_gas, logs, bloom })
    }

    /// The logs: an RLP list with its header.
    pub const fn logs(&self) -> &Bytes {
        &self.logs
    }

    /// The filter over the logs' addresses and topics, made from them.
    pub const fn bloom(&self) -> &Bloom {
        &self.bloom
    }

    /// Appends what the receipts root is over.
    pub fn encode_consensus(&self, out: &mut Vec<u8>) {
        if self.kind != 0 {
            out.push(self.kind);
        }
        rlp::put_list(out, |out| {
            self.outcome.put(out);
            rlp::put_u64(out, self.cumulative_gas);
            rlp::put_string(out, self.bloom.as_slice());
            out.extend_from_slice(&self.logs);
        });
    }

    /// Appends the receipt as it travels.
    pub fn encode(&self, form: ReceiptForm, out: &mut Vec<u8>) {
        match form {
            ReceiptForm::Slim => rlp::put_list(out, |out| {
                rlp::put_u64(out, u64::from(self.kind));
                self.outcome.put(out);
                rlp::put_u64(out, self.cumulative_gas);
                out.extend_from_slice(&self.logs);
            }),
            ReceiptForm::WithBloom if self.kind == 0 => self.encode_consensus(out),
            ReceiptForm::WithBloom => {
                let mut typed = Vec::new();
                self.encode_consensus(&mut typed);
                rlp::put_string(out, &typed);
            }
        }
    }

    fn read(form: ReceiptForm, list: &mut Reader<'_>) -> Result<Self, Error> {
        let item = list.item()?;
        match (form, item.kind) {
            (ReceiptForm::Slim, _) => {
                let mut fields = list.inside(item)?;
                let kind = fields.u64()?;
                let kind = u8::try_from(kind).map_err(|_| fields.fault(RlpFault::Overflow))?;
                let outcome = PostState::read(&mut fields)?;
                Self::rest(kind, outcome, fields.u64()?, fields)
            }
            (ReceiptForm::WithBloom, Kind::List) => Self::with_bloom(0, list.inside(item)?),
            (ReceiptForm::WithBloom, Kind::String) => {
                let (kind, payload) = item.payload.split_first().ok_or(list.fault(RlpFault::Truncated))?;
                // Type 0 has no other form than the bare list.
                if *kind == 0 {
                    return Err(Error::TypeByte { what: "receipt", byte: 0 });
                }
                let mut typed = list.at(payload);
                let fields = typed.list()?;
                typed.finish()?;
                Self::with_bloom(*kind, fields)
            }
        }
    }

    fn with_bloom(kind: u8, mut fields: Reader<'_>) -> Result<Self, Error> {
        let outcome = PostState::read(&mut fields)?;
        let cumulative_gas = fields.u64()?;
        fields.fixed::<256>()?;
        Self::rest(kind, outcome, cumulative_gas, fields)
    }

    fn rest(
        kind: u8,
        outcome: PostState,
        cumulative_gas: u64,
        mut fields: Reader<'_>,
    ) -> Result<Self, Error> {
        let logs = fields.raw()?;
        fields.finish()?;
        Self::new(kind, outcome, cumulative_gas, logs)
    }
}

impl PostState {
    fn read(fields: &mut Reader<'_>) -> Result<Self, Error> {
        match fields.string()? {
            [] => Ok(Self::Failure),
            [1] => Ok(Self::Success),
            [_] => Err(fields.fault(RlpFault::Flag)),
            root => match root.try_into() {
                Ok(root) => Ok(Self::Root(root)),
                Err(_) => Err(fields.fault(RlpFault::Length { expected: 32, found: root.len() })),
            },
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Failure => rlp::put_string(out, &[]),
            Self::Success => rlp::put_string(out, &[1]),
            Self::Root(root) => rlp::put_string(out, root.as_slice()),
        }
    }
}

/// What the receipts root of a block is over, receipt by receipt.
pub fn consensus_receipts(block: &BlockReceipts) -> Result<Vec<Vec<u8>>, Error> {
    let mut all = Vec::with_capacity(block.count()?);
    block.for_each(|receipt| {
        let mut bytes = Vec::new();
        receipt.encode_consensus(&mut bytes);
        bytes.shrink_to_fit();
        all.push(bytes);
    })?;
    Ok(all)
}

/// A list of receipts from the items of others, one behind the other.
fn list_of(items: &[&[u8]]) -> Result<Bytes, Error> {
    let length = items.iter().map(|items| items.len()).sum();
    if length > limits::RECEIPTS_BYTES_MAX - Head::BYTES_MAX {
        let max = limits::RECEIPTS_BYTES_MAX;
        return Err(Error::TooLong { what: "receipts", length, max });
    }
    let head = Head::list(length);
    let mut raw = Vec::with_capacity(head.bytes().len() + length);
    raw.extend_from_slice(head.bytes());
    items.iter().for_each(|items| raw.extend_from_slice(items));
    Ok(raw.into())
}

/// Checks the shape of logs and makes their filter: three bits for each address and each topic.
fn bloom(mut logs: Reader<'_>) -> Result<Bloom, Error> {
    logs = logs.named("logs");
    logs.count(limits::LOGS_MAX)?;
    let mut keys: Vec<&[u8]> = Vec::new();
    while !logs.is_empty() {
        let mut fields = logs.list()?;
        keys.push(fields.exactly(20)?);
        let mut topics = fields.list()?.named("topics");
        topics.count(limits::TOPICS_MAX)?;
        while !topics.is_empty() {
            keys.push(topics.exactly(32)?);
        }
        fields.string()?;
        fields.finish()?;
    }
    let mut hashes = vec![B256::ZERO; keys.len()];
    snapsync_keccak::keccak256_batch(&keys, &mut hashes);
    let mut bloom = Bloom::ZERO;
    for hash in &hashes {
        // Yellow Paper 4.3.1: the low 11 bits of each of the first three pairs of bytes number a bit, from
        // the right.
        for pair in hash[..6].chunks_exact(2) {
            let bit = usize::from(u16::from_be_bytes([pair[0], pair[1]]) & 0x7ff);
            bloom[255 - bit / 8] |= 1 << (bit % 8);
        }
    }
    Ok(bloom)
}
