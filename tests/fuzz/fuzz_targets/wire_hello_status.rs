//! Any bytes as what a connection begins and ends with: `[kind, body..]`. What decodes comes back after encoding.
#![no_main]

use alloy_primitives::{B256, Bytes};
use libfuzzer_sys::fuzz_target;
use snapsync_wire::{Capability, ChainHead, EthVersion, ForkFilter, Shared, SnapVersion, Status, p2p};

fuzz_target!(|data: &[u8]| {
    let [kind, body @ ..] = data else { return };
    match kind % 8 {
        id @ 0..4 => base(id, body),
        version => status(EthVersion::ALL[usize::from(version - 4)], body),
    }
});

fn base(id: u8, body: &[u8]) {
    let Ok(message) = p2p::Message::decode(id, body) else { return };
    if let p2p::Message::Hello(hello) = &message {
        let eth = EthVersion::ALL.into_iter().map(Capability::from);
        let ours: Vec<_> = eth.chain(SnapVersion::ALL.into_iter().map(Capability::from)).collect();
        let shared = Shared::negotiate(&ours, &hello.capabilities);
        for code in 0..64 {
            if let Ok(routed) = shared.route(code) {
                assert_eq!(shared.code(routed.protocol, routed.id), Some(code));
            }
        }
    }
    let (written_id, written) = message.encode();
    assert_eq!(written_id, id);
    // A name that is not UTF-8 grows when it is replaced, maybe beyond what a message may have.
    if let Ok(again) = p2p::Message::decode(id, &written) {
        assert_eq!(again, message);
    }
}

fn status(version: EthVersion, body: &[u8]) {
    let Ok(status) = Status::decode(version, &Bytes::copy_from_slice(body)) else { return };
    let forks = ForkFilter::new(B256::repeat_byte(0x11), 0, &[100, 200], &[1_681_338_455]);
    let head = ChainHead { number: 150, timestamp: 1_500_000_000 };
    let _ = status.check(&status, &forks, head);
    let mut written = Vec::new();
    status.encode(version, &mut written);
    assert_eq!(Status::decode(version, &written.into()), Ok(status));
}
