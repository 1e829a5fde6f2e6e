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

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn filter(asked: Value) -> Result<LogFilter> {
        let asked = serde_json::from_str::<AskedLogs>(&asked.to_string());
        asked.map_err(|error| Failure::Question(error.to_string()))?.filter()
    }

    fn log(address: u8, topics: &[u8]) -> Log {
        let topics = topics.iter().map(|topic| B256::repeat_byte(*topic)).collect();
        Log::new_unchecked(Address::repeat_byte(address), topics, Bytes::new())
    }

    #[test]
    fn logs_are_taken_by_their_address_and_by_topics_in_their_places() {
        let (address, topic) = (|n: u8| Address::repeat_byte(n), |n: u8| B256::repeat_byte(n));
        for (asked, takes) in [
            (json!({}), [true, true, true]),
            (json!({ "address": address(1) }), [true, true, false]),
            (json!({ "address": [address(1), address(2)] }), [true, true, true]),
            (json!({ "topics": [topic(7)] }), [true, true, false]),
            (json!({ "topics": [null, topic(8)] }), [false, true, false]),
            (json!({ "topics": [[topic(7), topic(9)]] }), [true, true, true]),
            (json!({ "topics": [[topic(5), null]] }), [true, true, true]),
            (json!({ "topics": [null, null] }), [false, true, false]),
            (json!({ "address": address(3), "topics": [topic(7)] }), [false, false, false]),
        ] {
            let filter = filter(asked.clone()).unwrap();
            let logs = [log(1, &[7]), log(1, &[7, 8]), log(2, &[9])];
            assert_eq!(logs.each_ref().map(|log| filter.takes(log)), takes, "{asked}");
            // What is taken is never missed by a block's filter.
            for (log, is_taken) in logs.iter().zip(takes) {
                let mut bloom = Bloom::ZERO;
                bloom.accrue_log(log);
                assert!(!is_taken || filter.may_be_in(&bloom), "{asked}");
            }
        }
        assert!(!filter(json!({ "address": address(1) })).unwrap().may_be_in(&Bloom::ZERO));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let many = vec![B256::ZERO; ALTERNATIVES_MAX + 1];
        for asked in [
            json!({ "address": [null] }),
            json!({ "address": 7 }),
            json!({ "address": "0x01" }),
            json!({ "topics": [null, null, null, null, null] }),
            json!({ "topics": [many] }),
            json!({ "topics": [[["0x01"]]] }),
            json!({ "fromBlock": 7 }),
        ] {
            assert!(filter(asked.clone()).is_err(), "{asked:.100}");
        }
    }
}
