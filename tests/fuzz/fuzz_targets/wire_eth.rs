//! Any bytes as a message of eth: `[version, id, body..]`. What decodes comes back after encoding.
#![no_main]

use alloy_primitives::Bytes;
use libfuzzer_sys::fuzz_target;
use snapsync_wire::{EthVersion, eth::Message};

fuzz_target!(|data: &[u8]| {
    let [version, id, body @ ..] = data else { return };
    let version = EthVersion::ALL[usize::from(*version) % EthVersion::ALL.len()];
    let Ok(message) = Message::decode(version, *id, &Bytes::copy_from_slice(body)) else { return };
    let (written_id, written) = message.encode(version).expect("the version has what it has decoded");
    assert_eq!(written_id, *id);
    assert_eq!(Message::decode(version, *id, &written.into()), Ok(message));
});
