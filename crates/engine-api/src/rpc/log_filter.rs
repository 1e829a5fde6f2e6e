//! Which logs are wanted: from which contracts, with which topics.

use std::{fmt, marker::PhantomData};

use alloy_primitives::{Address, B256, Bloom, BloomInput, Log};
use serde::{
    Deserialize, Deserializer,
    de::{
        self, SeqAccess, Visitor,
        value::{SeqAccessDeserializer, StrDeserializer},
    },
};
use snapsync_keccak::keccak256;

use super::{
    arguments::{Capped, Hex},
    block_name::BlockNumber,
    failure::{Failure, Result},
};

/// A log has no more topics.
const TOPICS_MAX: usize = 4;
/// Addresses, or topics at one place, that may be named: as many as in geth.
const ALTERNATIVES_MAX: usize = 1_000;

/// What `eth_getLogs` is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AskedLogs {
    pub(super) block_hash: Option<Hex<B256>>,
    pub(super) from_block: Option<BlockNumber>,
    pub(super) to_block: Option<BlockNumber>,
    address: Option<Alternatives<Hex<Address>>>,
    topics: Option<Capped<Option<Alternatives<Hex<B256>>>, TOPICS_MAX>>,
}

impl AskedLogs {
    /// What they are to be like.
    pub(super) fn filter(self) -> Result<LogFilter> {
        let addresses = self.address.map_or_else(Vec::new, |Alternatives(all)| all);
        let topics = self.topics.map_or_else(Vec::new, |Capped(all)| all);
        let no_address = || Failure::Question("non-string address".to_owned());
        let addresses: Option<Vec<Hex<Address>>> = addresses.into_iter().collect();
        // A topic that is null is any, whatever stands beside it.
        let one = |place: Option<Alternatives<Hex<B256>>>| {
            let all: Option<Vec<Hex<B256>>> = place.and_then(|Alternatives(all)| all.into_iter().collect());
            all.unwrap_or_default().into_iter().map(|Hex(topic)| topic).collect()
        };
        let addresses = addresses.ok_or_else(no_address)?.into_iter().map(|Hex(address)| address);
        Ok(LogFilter::new(addresses.collect(), topics.into_iter().map(one).collect()))
    }
}

/// What logs are to be like.
#[derive(Debug)]
pub(super) struct LogFilter {
    /// One of these; none: any.
    addresses: Vec<Address>,
    /// At each place one of these; none: any.
    topics: Vec<Vec<B256>>,
    /// What of the two a block's filter must have, each by its bits.
    blooms: Vec<Vec<Bloom>>,
}

impl LogFilter {
    fn new(addresses: Vec<Address>, topics: Vec<Vec<B256>>) -> Self {
        let bits = |value: &[u8]| Bloom::from(BloomInput::Hash(keccak256(value)));
        let of_topics = |place: &Vec<B256>| place.iter().map(|topic| bits(topic.as_slice())).collect();
        let mut blooms = vec![addresses.iter().map(|address| bits(address.as_slice())).collect()];
        blooms.extend(topics.iter().map(of_topics));
        Self { addresses, topics, blooms }
    }

    /// Whether a block of this filter may have such a log.
    pub(super) fn may_be_in(&self, bloom: &Bloom) -> bool {
        self.blooms.iter().all(|any| any.is_empty() || any.iter().any(|bits| bloom.contains(bits)))
    }

    /// Whether a log is wanted.
    pub(super) fn takes(&self, log: &Log) -> bool {
        let is_of_them = self.addresses.is_empty() || self.addresses.contains(&log.address);
        let topics = log.topics();
        is_of_them
            && self.topics.len() <= topics.len()
            && self.topics.iter().zip(topics).all(|(any, topic)| any.is_empty() || any.contains(topic))
    }
}

/// One value, or a list of them and of nulls.
#[derive(Debug)]
struct Alternatives<T>(Vec<Option<T>>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Alternatives<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMany(PhantomData))
    }
}

struct OneOrMany<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
    type Value = Alternatives<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one value or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(StrDeserializer::new(text)).map(|one| Alternatives(vec![Some(one)]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        let items = SeqAccessDeserializer::new(items);
        Capped::<Option<T>, ALTERNATIVES_MAX>::deserialize(items).map(|Capped(all)| Alternatives(all))
    }
}
