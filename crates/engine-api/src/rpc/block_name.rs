//! How a question names a block: by number, by hash, or by what the block is.

use std::{fmt, str::FromStr};

use alloy_primitives::B256;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};

use super::arguments::{Hex, Quantity, Text};

/// Numbers end there, as in geth.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// A block's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockName {
    /// The canonical one of a number.
    Number(u64),
    /// The one that is something now.
    Tag(Tag),
    /// The one of a hash.
    Hash {
        /// The hash.
        hash: B256,
        /// Whether it is an error if the block is not canonical.
        must_be_canonical: bool,
    },
}

/// What a block may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// The first.
    Earliest,
    /// The one that is never left.
    Finalized,
    /// The newest.
    Latest,
    /// The one that is being made; nobody makes one here.
    Pending,
    /// The one that is not likely to be left.
    Safe,
}

impl BlockName {
    pub(super) const LATEST: Self = Self::Tag(Tag::Latest);
}

/// A number or a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockNumber(pub(super) BlockName);

impl FromStr for BlockNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tag = match text {
            "earliest" => Tag::Earliest,
            "finalized" => Tag::Finalized,
            "latest" => Tag::Latest,
            "pending" => Tag::Pending,
            "safe" => Tag::Safe,
            other => {
                let Quantity(number) = other.parse()?;
                let is_small = number <= NUMBER_MAX;
                let number = Self(BlockName::Number(number));
                return is_small.then_some(number).ok_or_else(|| "block number larger than int64".to_owned());
            }
        };
        Ok(Self(BlockName::Tag(tag)))
    }
}

impl<'de> Deserialize<'de> for BlockNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(|text: &str| text.parse()))
    }
}

impl<'de> Deserialize<'de> for BlockName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = BlockName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block's number, hash or tag")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<BlockName, E> {
        // 0x and 64 digits: no number is as long.
        if text.len() == 66 {
            let hash = text.strip_prefix("0x").and_then(|digits| digits.parse().ok());
            let hash = hash.ok_or_else(|| E::custom("invalid block hash"))?;
            return Ok(BlockName::Hash { hash, must_be_canonical: false });
        }
        text.parse().map(|BlockNumber(name)| name).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<BlockName, A::Error> {
        let (mut number, mut hash, mut must_be_canonical) = (None, None, false);
        while let Some(name) = fields.next_key::<FieldName>()? {
            match name {
                FieldName::BlockNumber => number = fields.next_value::<Option<BlockNumber>>()?,
                FieldName::BlockHash => hash = fields.next_value::<Option<Hex<B256>>>()?,
                FieldName::RequireCanonical => must_be_canonical = fields.next_value()?,
                FieldName::Other => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        match (number, hash) {
            (Some(BlockNumber(name)), None) => Ok(name),
            (None, Some(Hex(hash))) => Ok(BlockName::Hash { hash, must_be_canonical }),
            (Some(_), Some(_)) => Err(de::Error::custom("both blockHash and blockNumber are given")),
            (None, None) => Err(de::Error::custom("neither blockHash nor blockNumber is given")),
        }
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum FieldName {
    BlockNumber,
    BlockHash,
    RequireCanonical,
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<BlockName> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn blocks_are_named_as_geth_reads_them() {
        let hash = B256::repeat_byte(7);
        let by_hash = |must_be_canonical| Some(BlockName::Hash { hash, must_be_canonical });
        assert_eq!(read("\"0x10\""), Some(BlockName::Number(16)));
        assert_eq!(read("\"safe\""), Some(BlockName::Tag(Tag::Safe)));
        assert_eq!(read(&format!("\"{hash}\"")), by_hash(false));
        assert_eq!(read(&format!("{{\"blockHash\":\"{hash}\",\"x\":[]}}")), by_hash(false));
        let canonical = format!("{{\"requireCanonical\":true,\"blockHash\":\"{hash}\"}}");
        assert_eq!(read(&canonical), by_hash(true));
        assert_eq!(read("{\"blockNumber\":\"latest\"}"), Some(BlockName::LATEST));
        assert_eq!(read("\"0x7fffffffffffffff\""), Some(BlockName::Number(NUMBER_MAX)));
    }

    #[test]
    fn what_names_no_block_is_refused() {
        let both = format!("{{\"blockNumber\":\"0x1\",\"blockHash\":\"{}\"}}", B256::ZERO);
        let bad_hash = format!("\"0x{}\"", "g".repeat(64));
        for text in [
            "7",
            "\"\"",
            "\"newest\"",
            "\"0x\"",
            "\"0x01\"",
            "\"0x8000000000000000\"",
            "[]",
            "{}",
            &both,
            &bad_hash,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
