//! What a question came with, read one after the other.
//!
//! Trust model: whoever asks may send anything. Nothing is copied before its type is known, and no list is read further than its bound, so what a
//! question takes is what its text takes.

use std::{fmt, marker::PhantomData, str::FromStr, vec};

use alloy_primitives::U256;
use jsonrpsee::types::Params;
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::failure::{Failure, Result};

/// No method has more.
const COUNT_MAX: usize = 8;
/// How much is said of an argument that cannot be read.
const WHY_CHARS_MAX: usize = 200;

/// The arguments of one question.
pub(super) struct Arguments<'a> {
    given: vec::IntoIter<&'a RawValue>,
    /// How many were read.
    read: usize,
}

impl<'a> Arguments<'a> {
    /// Those of a method that has so many at most.
    pub(super) fn read(params: &'a Params<'_>, at_most: usize) -> Result<Self> {
        let text = params.as_str().unwrap_or("[]");
        let given = if text == "null" { Ok(Capped(Vec::new())) } else { serde_json::from_str(text) };
        let Capped::<&RawValue, COUNT_MAX>(given) =
            given.map_err(|error| Failure::Question(format!("non-array args: {error}")))?;
        if given.len() > at_most {
            return Err(Failure::Question(format!("too many arguments, want at most {at_most}")));
        }
        Ok(Self { given: given.into_iter(), read: 0 })
    }

    /// The next one, which must be there.
    pub(super) fn need<T: Deserialize<'a>>(&mut self) -> Result<T> {
        let index = self.read;
        let missing = || Failure::Question(format!("missing value for required argument {index}"));
        self.may()?.ok_or_else(missing)
    }

    /// The next one, if it is there and not null.
    pub(super) fn may<T: Deserialize<'a>>(&mut self) -> Result<Option<T>> {
        let index = self.read;
        self.read += 1;
        let Some(raw) = self.given.next() else { return Ok(None) };
        let invalid = |error: serde_json::Error| {
            // What was sent may stand in it.
            let why: String = error.to_string().chars().take(WHY_CHARS_MAX).collect();
            Failure::Question(format!("invalid argument {index}: {why}"))
        };
        serde_json::from_str(raw.get()).map_err(invalid)
    }
}

/// A list that is not read further than its bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Capped<T, const MAX: usize>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Capped<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(CappedVisitor(PhantomData))
    }
}

struct CappedVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for CappedVisitor<T, MAX> {
    type Value = Capped<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {MAX} items at most")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut held = Vec::new();
        while let Some(item) = items.next_element()? {
            if held.len() == MAX {
                return Err(de::Error::custom(format!("more than {MAX} items")));
            }
            held.push(item);
        }
        Ok(Capped(held))
    }
}

/// Bytes of a fixed length, or a word that begins with `0x`: an address, a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hex<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Hex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| {
            if text.get(..2).is_none_or(|prefix| !prefix.eq_ignore_ascii_case("0x")) {
                return Err("hex string without 0x prefix".to_owned());
            }
            text.parse().map(Hex).map_err(|error: T::Err| error.to_string())
        };
        deserializer.deserialize_str(Text(read))
    }
}

/// A number, as short as it can be written: `0x1f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quantity(pub(super) u64);

/// The digits of a number that is as short as it can be.
fn digits(text: &str) -> Result<&str, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let digits = digits.ok_or_else(|| "hex string without 0x prefix".to_owned())?;
    if digits.is_empty() {
        return Err("hex string \"0x\"".to_owned());
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err("hex number with leading zero digits".to_owned());
    }
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("invalid hex string".to_owned());
    }
    Ok(digits)
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        u64::from_str_radix(digits(text)?, 16).map(Self).map_err(|_| "hex number > 64 bits".to_owned())
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(|text: &str| text.parse()))
    }
}

/// The same, of 256 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount(pub(super) U256);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| {
            let number = U256::from_str_radix(digits(text)?, 16);
            number.map(Self).map_err(|_| "hex number > 256 bits".to_owned())
        };
        deserializer.deserialize_str(Text(read))
    }
}

/// Reads a string by a function, and nothing else.
pub(super) struct Text<F>(pub(super) F);

impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;

    fn params(text: &str) -> Params<'_> {
        Params::new(Some(text))
    }

    #[test]
    fn arguments_are_read_in_order_and_counted() {
        let given = params(r#"["0x1f", null, "0x00000000000000000000000000000000000000ff"]"#);
        let mut arguments = Arguments::read(&given, 3).unwrap();
        assert_eq!(arguments.need::<Quantity>(), Ok(Quantity(31)));
        assert_eq!(arguments.may::<Quantity>(), Ok(None));
        assert_eq!(arguments.need::<Hex<Address>>(), Ok(Hex(Address::with_last_byte(255))));
        assert_eq!(arguments.may::<bool>(), Ok(None));
        let missing = Failure::Question("missing value for required argument 4".to_owned());
        assert_eq!(arguments.need::<bool>(), Err(missing));
        assert!(
            matches!(Arguments::read(&given, 2), Err(Failure::Question(why)) if why.contains("at most 2"))
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_sent_back() {
        let text = format!("[\"{}\"]", "7".repeat(10_000));
        let given = params(&text);
        let refused = Arguments::read(&given, 1).unwrap().need::<bool>();
        assert!(matches!(refused, Err(Failure::Question(why)) if why.len() < 300));
    }

    #[test]
    fn what_is_no_list_of_a_few_is_refused_and_nothing_of_it_kept() {
        for text in ["{}", "7", "\"a\"", "[", &format!("[{}0]", "0,".repeat(1_000_000))] {
            assert!(matches!(Arguments::read(&params(text), 3), Err(Failure::Question(_))), "{text:.20}");
        }
        assert!(Arguments::read(&Params::new(None), 0).is_ok());
        assert!(Arguments::read(&params("null"), 0).is_ok());
        assert!(Arguments::read(&params("[ ]"), 0).is_ok());
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        let read = |text: &str| text.parse::<Quantity>().map(|number| number.0);
        assert_eq!([read("0x0"), read("0xffffffffffffffff")], [Ok(0), Ok(u64::MAX)]);
        for text in ["", "1", "0x", "0x00", "0x01", "0x-1", "0x+1", "0xg", "0x10000000000000000", "x"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_have_256_bits() {
        let read = |text: &str| serde_json::from_str::<Amount>(text).ok().map(|amount| amount.0);
        assert_eq!(read(&format!("\"0x{}\"", "f".repeat(64))), Some(U256::MAX));
        for text in [&format!("\"0x1{}\"", "0".repeat(64)), "\"0x\"", "\"0x00\"", "\"1\"", "7", "\"0x1_0\""] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_are_whole() {
        for text in ["\"0x\"", "\"00000000000000000000000000000000000000ff\"", "\"0xff\"", "7", "\"ü\"", "[]"]
        {
            assert!(serde_json::from_str::<Hex<Address>>(text).is_err(), "{text}");
        }
    }
}
