//! A slot's name: up to 32 bytes of hex, with fewer digits for small numbers.

use alloy_primitives::{B256, U256};
use serde::{Deserialize, Deserializer};

use super::arguments::Text;

/// A slot's name. It is told back as it was written: 32 bytes, or a number as short as it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotKey {
    /// All 32 bytes.
    Whole(B256),
    /// Fewer.
    Number(U256),
}

impl SlotKey {
    /// The slot.
    pub(super) fn slot(&self) -> U256 {
        match self {
            Self::Whole(hash) => (*hash).into(),
            Self::Number(number) => *number,
        }
    }
}

impl<'de> Deserialize<'de> for SlotKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(read))
    }
}

fn read(text: &str) -> Result<SlotKey, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.len() > 64 {
        return Err("storage key too long (want at most 32 bytes)".to_owned());
    }
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("invalid hex in storage key".to_owned());
    }
    let number = if digits.is_empty() { Ok(U256::ZERO) } else { U256::from_str_radix(digits, 16) };
    let number = number.map_err(|error| error.to_string())?;
    // 63 digits are 32 bytes, too.
    let is_whole = digits.len() > 62;
    Ok(if is_whole { SlotKey::Whole(number.into()) } else { SlotKey::Number(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_named_by_any_hex_of_32_bytes_at_most() {
        let seven = U256::from(7);
        let whole = "0".repeat(63) + "7";
        for text in ["0x7", "7", "0x007", "0X07"] {
            assert_eq!(read(text), Ok(SlotKey::Number(seven)), "{text}");
        }
        assert_eq!(read("0x"), Ok(SlotKey::Number(U256::ZERO)));
        for text in [&whole, &format!("0x{whole}"), &whole[1..]] {
            assert_eq!(read(text), Ok(SlotKey::Whole(seven.into())), "{text}");
        }
        for text in ["0xg", "-1", "+1", "1_0", &"0".repeat(65), "ü"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
