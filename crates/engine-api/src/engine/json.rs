//! Numbers and bytes as the Engine API writes them, read strictly: `0x`, and no digit too many.
//!
//! SPEC: execution-apis, `common.md`, "Encoding".

use std::fmt;

use alloy_primitives::{Address, B256, Bytes, FixedBytes, U256, hex};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

/// A number of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quantity(pub(super) u64);

/// A number of 256 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wide(pub(super) U256);

/// Bytes, any number of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Data(pub(super) Bytes);

/// So many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fixed<const N: usize>(pub(super) [u8; N]);

/// At most so many of something: a list of short things would take more room than its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Few<T, const MAX: usize>(pub(super) Vec<T>);

impl From<Fixed<32>> for B256 {
    fn from(Fixed(bytes): Fixed<32>) -> Self {
        Self(bytes)
    }
}

impl From<Fixed<20>> for Address {
    fn from(Fixed(bytes): Fixed<20>) -> Self {
        Self(FixedBytes(bytes))
    }
}

/// Reads a string by a function that says what it has not found.
struct Text<T>(fn(&str) -> Option<T>, &'static str);

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        // The text itself may be megabytes long: it is not told.
        (self.0)(text).ok_or_else(|| E::custom(format_args!("{} was expected", self.1)))
    }
}

/// The digits of a quantity: at least one, and no zero before others.
fn quantity(text: &str, digits_max: usize) -> Option<&str> {
    let digits = text.strip_prefix("0x")?;
    let is_short = (1..=digits_max).contains(&digits.len()) && (digits == "0" || !digits.starts_with('0'));
    (is_short && digits.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(digits)
}

fn data(text: &str) -> Option<&str> {
    // The decoder below would take a second prefix.
    text.strip_prefix("0x").filter(|digits| !digits.starts_with("0x"))
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let read = |text: &str| u64::from_str_radix(quantity(text, 16)?, 16).ok().map(Self);
        from.deserialize_str(Text(read, "a quantity of 64 bits"))
    }
}

impl<'de> Deserialize<'de> for Wide {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let read = |text: &str| U256::from_str_radix(quantity(text, 64)?, 16).ok().map(Self);
        from.deserialize_str(Text(read, "a quantity of 256 bits"))
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let read = |text: &str| hex::decode(data(text)?).ok().map(|bytes| Self(bytes.into()));
        from.deserialize_str(Text(read, "bytes in hex"))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Fixed<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let read = |text: &str| {
            let mut bytes = [0; N];
            hex::decode_to_slice(data(text)?, &mut bytes).ok()?;
            Some(Self(bytes))
        };
        from.deserialize_str(Text(read, "a fixed number of bytes in hex"))
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Few<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Items<T, const MAX: usize>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
            type Value = Few<T, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() == MAX {
                        return Err(A::Error::invalid_length(MAX + 1, &self));
                    }
                    items.push(item);
                }
                Ok(Few(items))
            }
        }

        from.deserialize_seq(Items(std::marker::PhantomData))
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl Serialize for Wide {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode_prefixed(&self.0))
    }
}

impl<const N: usize> Serialize for Fixed<N> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode_prefixed(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
        serde_json::from_str(&format!("\"{text}\"")).ok()
    }

    #[test]
    fn quantities_have_one_form() {
        for (text, value) in [("0x0", 0), ("0x1", 1), ("0xFf", 255), ("0xffffffffffffffff", u64::MAX)] {
            assert_eq!(read(text), Some(Quantity(value)), "{text}");
            assert_eq!(read(text), Some(Wide(U256::from(value))), "{text}");
        }
        for text in ["", "0", "0x", "0x00", "0x01", "1", "0xg", "0x+1", "0x_1", "0x0x1", "-0x1", " 0x1"] {
            assert_eq!(read::<Quantity>(text), None, "{text}");
            assert_eq!(read::<Wide>(text), None, "{text}");
        }
        assert_eq!(read::<Quantity>("0x10000000000000000"), None);
        assert_eq!(read(&format!("0x{}", "f".repeat(64))), Some(Wide(U256::MAX)));
        assert_eq!(read::<Wide>(&format!("0x1{}", "0".repeat(64))), None);
        assert!(serde_json::from_str::<Quantity>("1").is_err(), "a number is not a quantity");
    }

    #[test]
    fn bytes_have_a_prefix_and_whole_bytes() {
        assert_eq!(read("0x"), Some(Data::default()));
        assert_eq!(read("0x00fF"), Some(Data(Bytes::from_static(&[0, 0xff]))));
        assert_eq!(read("0x00fF"), Some(Fixed([0, 0xff])));
        for text in ["", "00", "0x0", "0xgg", "0x0x00", "0x 0"] {
            assert_eq!(read::<Data>(text), None, "{text}");
        }
        assert_eq!(read::<Fixed<1>>("0x"), None);
        assert_eq!(read::<Fixed<1>>("0x0000"), None);
        assert!(serde_json::from_str::<Data>("[1,2]").is_err(), "a list of numbers is not bytes");
    }

    #[test]
    fn lists_end_where_they_have_to() {
        assert_eq!(
            serde_json::from_str::<Few<Quantity, 2>>(r#"["0x1","0x2"]"#).ok().map(|few| few.0.len()),
            Some(2)
        );
        assert!(serde_json::from_str::<Few<Quantity, 2>>(r#"["0x1","0x2","0x3"]"#).is_err());
        assert!(serde_json::from_str::<Few<Quantity, 2>>("{}").is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        fn text(value: impl Serialize) -> String {
            serde_json::to_string(&value).expect("it is text")
        }
        assert_eq!(text(Quantity(0)), r#""0x0""#);
        assert_eq!(text(Wide(U256::from(256))), r#""0x100""#);
        assert_eq!(text(Data(Bytes::from_static(&[1, 2]))), r#""0x0102""#);
        assert_eq!(text(Fixed([0u8; 4])), r#""0x00000000""#);
    }
}
