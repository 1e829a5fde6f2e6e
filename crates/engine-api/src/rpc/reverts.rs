//! Why a contract has reverted, in words, where it says so as Solidity does.

use alloy_primitives::U256;

const REVERTED: &str = "execution reverted";
/// `Error(string)`.
const ERROR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
/// `Panic(uint256)`.
const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];

/// The message of a reverted call: the reason behind it, if it returned one.
pub(super) fn words(output: &[u8]) -> String {
    match reason(output) {
        Some(reason) => format!("{REVERTED}: {reason}"),
        None => REVERTED.to_owned(),
    }
}

fn reason(output: &[u8]) -> Option<String> {
    let (selector, rest) = output.split_first_chunk::<4>()?;
    match *selector {
        ERROR => {
            let start = usize::try_from(word(rest, 0)?).ok()?;
            let length = usize::try_from(word(rest, start)?).ok()?;
            let text = rest.get(start.checked_add(32)?..)?.get(..length)?;
            Some(String::from_utf8_lossy(text).into_owned())
        }
        PANIC => Some(panic(word(rest, 0)?)),
        _ => None,
    }
}

/// The number at a place.
fn word(bytes: &[u8], at: usize) -> Option<U256> {
    let bytes = bytes.get(at..)?.get(..32)?;
    Some(U256::from_be_slice(bytes))
}

/// What Solidity's panics stand for.
fn panic(code: U256) -> String {
    let known = match u64::try_from(code) {
        Ok(0x00) => "generic panic",
        Ok(0x01) => "assert(false)",
        Ok(0x11) => "arithmetic underflow or overflow",
        Ok(0x12) => "division or modulo by zero",
        Ok(0x21) => "enum overflow",
        Ok(0x22) => "invalid encoded storage byte array accessed",
        Ok(0x31) => "out-of-bounds array access; popping on an empty array",
        Ok(0x32) => "out-of-bounds access of an array or bytesN",
        Ok(0x41) => "out of memory",
        Ok(0x51) => "uninitialized function",
        _ => return format!("unknown panic code: {code:#x}"),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn reasons_are_read_where_there_are_any() {
        let word = |number: u64| U256::from(number).to_be_bytes::<32>().to_vec();
        let error = [&ERROR[..], &word(32), &word(5), b"wrong", &[0; 27]].concat();
        assert_eq!(words(&error), "execution reverted: wrong");
        let panic = |code| words(&[&PANIC[..], &word(code)].concat());
        assert_eq!(panic(0x11), "execution reverted: arithmetic underflow or overflow");
        assert_eq!(panic(0x99), "execution reverted: unknown panic code: 0x99");
    }

    #[test]
    fn lengths_that_lie_are_no_reasons() {
        let huge = [0xff; 32];
        let word = |number: u64| U256::from(number).to_be_bytes::<32>().to_vec();
        for output in [
            hex!("08c379").to_vec(),
            [&ERROR[..], &huge].concat(),
            [&ERROR[..], &word(32), &huge].concat(),
            [&ERROR[..], &word(32), &word(5), b"four"].concat(),
            [&ERROR[..], &word(u64::MAX), &word(5)].concat(),
            [&PANIC[..], &huge[..31]].concat(),
            vec![7; 100],
        ] {
            assert_eq!(words(&output), REVERTED, "{output:?}");
        }
    }
}
