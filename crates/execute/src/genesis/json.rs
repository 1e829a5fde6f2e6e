//! JSON as Go reads it into geth's types: names in any case, numbers as they are written.
//!
//! A value is kept as its text until its field is known, so that a number of any size loses nothing. Where geth is stricter
//! than the meaning demands (a quoted number in `config`, hex without `0x`), this is not. It knows no field of a genesis.

use std::fmt;

use alloy_primitives::{U256, hex};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::error::Fault;

/// The members of an object in the order of the file, twice the same name included: the later one counts.
pub(super) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The members of the object that `text` starts with. As in geth, what follows the object is not looked at.
    pub(super) fn of_file(text: &'a str) -> serde_json::Result<Self> {
        Self::deserialize(&mut serde_json::Deserializer::from_str(text))
    }

    /// The members of `value`, which must be an object.
    pub(super) fn of(value: &'a RawValue) -> Result<Self, Fault> {
        serde_json::from_str(value.get()).map_err(|_| Fault::not("an object", value.get()))
    }

    /// Each member, by its name as it is written.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Collect).map(Self)
    }
}

/// Whether a member of this name is geth's field `field`: Go compares by simple case folding, in which two letters outside of
/// ASCII are equal to ones inside.
pub(super) fn is_field(name: &str, field: &str) -> bool {
    let fold = |letter: char| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(field.chars().map(fold))
}

/// A value that may be absent: `null` says that it is.
pub(super) fn optional<'a, T>(
    value: &'a RawValue,
    read: impl FnOnce(&'a RawValue) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    if value.get() == "null" { Ok(None) } else { read(value).map(Some) }
}

/// What stands between the quotes of a string, escapes unread; `None` for any other value.
fn inside_quotes(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

/// A whole number, quoted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digits<'a> {
    negative: bool,
    radix: u32,
    /// Invariant: at least one, all of the radix, no leading zeros but a single one.
    digits: &'a str,
}

impl<'a> Digits<'a> {
    /// Decimal, or hex behind `0x`. An empty string is zero.
    fn of(value: &'a RawValue) -> Option<Self> {
        let text = inside_quotes(value.get()).unwrap_or(value.get());
        if text.is_empty() {
            return Some(Self { negative: false, radix: 10, digits: "0" });
        }
        let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let (radix, signed) = hex.map_or((10, text), |digits| (16, digits));
        let digits = signed.strip_prefix(['-', '+']).unwrap_or(signed);
        if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
            return None;
        }
        let significant = digits.trim_start_matches('0');
        let digits = if significant.is_empty() { "0" } else { significant };
        Some(Self { negative: signed.starts_with('-') && digits != "0", radix, digits })
    }

    /// The number without its sign, if it has at most 256 bits.
    fn magnitude(&self) -> Option<U256> {
        U256::from_str_radix(self.digits, u64::from(self.radix)).ok()
    }
}

/// A number of at most 64 bits.
pub(super) fn u64_of(value: &RawValue) -> Result<u64, Fault> {
    let number = Digits::of(value).filter(|number| !number.negative);
    number
        .and_then(|number| u64::from_str_radix(number.digits, number.radix).ok())
        .ok_or_else(|| Fault::not("a whole number below 2^64", value.get()))
}

/// A number of at most 256 bits.
pub(super) fn u256_of(value: &RawValue) -> Result<U256, Fault> {
    let number = Digits::of(value).filter(|number| !number.negative);
    number
        .and_then(|number| number.magnitude())
        .ok_or_else(|| Fault::not("a whole number below 2^256", value.get()))
}

/// The same, and a negative one counts from 2^256 downwards: geth's balances do.
pub(super) fn wrapping_u256_of(value: &RawValue) -> Result<U256, Fault> {
    let read = |number: Digits<'_>| {
        let magnitude = number.magnitude()?;
        Some(if number.negative { magnitude.wrapping_neg() } else { magnitude })
    };
    Digits::of(value)
        .and_then(read)
        .ok_or_else(|| Fault::not("a whole number of at most 256 bits", value.get()))
}

/// A whole number of any size, as far as geth looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// The last 64 bits, without the sign.
    pub(super) low: u64,
    /// Whether it is zero or below.
    pub(super) is_at_most_zero: bool,
}

impl Whole {
    /// The number in `value`.
    pub(super) fn of(value: &RawValue) -> Result<Self, Fault> {
        let number = Digits::of(value).ok_or_else(|| Fault::not("a whole number", value.get()))?;
        let digits = number.digits.chars().filter_map(|digit| digit.to_digit(number.radix));
        let low = digits.fold(0_u64, |low, digit| {
            low.wrapping_mul(u64::from(number.radix)).wrapping_add(u64::from(digit))
        });
        Ok(Self { low, is_at_most_zero: number.negative || number.digits == "0" })
    }
}

/// Bytes in hex, `0x` before them or not.
pub(super) fn bytes_of(value: &RawValue) -> Result<Vec<u8>, Fault> {
    inside_quotes(value.get())
        .and_then(|text| hex::decode(without_prefix(text)).ok())
        .ok_or_else(|| Fault::not("bytes in hex", value.get()))
}

/// Exactly `N` bytes in hex, `0x` before them or not.
pub(super) fn fixed_of<const N: usize>(value: &RawValue) -> Result<[u8; N], Fault> {
    let bytes = inside_quotes(value.get()).and_then(fixed_in);
    bytes.ok_or_else(|| Fault::not(&format!("{N} bytes in hex"), value.get()))
}

/// The same from the text itself: a name of an object's member.
pub(super) fn fixed_in<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::decode(without_prefix(text)).ok()?.try_into().ok()
}

/// Up to 32 bytes in hex, filled up with zeros on the left.
pub(super) fn padded_in(text: &str) -> Option<[u8; 32]> {
    let bytes = hex::decode(without_prefix(text)).ok()?;
    let mut padded = [0; 32];
    let start = padded.len().checked_sub(bytes.len())?;
    padded[start..].copy_from_slice(&bytes);
    Some(padded)
}

/// The same from a value, which must be a string.
pub(super) fn padded_of(value: &RawValue) -> Result<[u8; 32], Fault> {
    let bytes = inside_quotes(value.get()).and_then(padded_in);
    bytes.ok_or_else(|| Fault::not("at most 32 bytes in hex", value.get()))
}

fn without_prefix(text: &str) -> &str {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text)
}
