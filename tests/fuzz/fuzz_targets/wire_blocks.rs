//! Any bytes as a header, a body or a block's receipts: `[kind, raw..]`. What decodes can be walked and made again.
#![no_main]

use alloy_primitives::Bytes;
use libfuzzer_sys::fuzz_target;
use snapsync_wire::{BlockReceipts, Body, Header, ReceiptForm, consensus_receipts};

fuzz_target!(|data: &[u8]| {
    let [kind, raw @ ..] = data else { return };
    let raw = Bytes::copy_from_slice(raw);
    match kind % 4 {
        0 => header(&raw),
        1 => body(&raw),
        2 => receipts(ReceiptForm::Slim, raw),
        _ => receipts(ReceiptForm::WithBloom, raw),
    }
});

fn header(raw: &Bytes) {
    let Ok(header) = Header::decode(raw) else { return };
    assert_eq!(header.raw(), raw);
    assert_eq!(Header::hashes(std::slice::from_ref(&header)), [header.hash()]);
}

fn body(raw: &Bytes) {
    let Ok(body) = Body::decode(raw) else { return };
    assert_eq!(body.raw(), raw);
    assert_eq!(body.transaction_payloads().len(), body.transaction_count());
    let _ = body.withdrawal_payloads();
}

fn receipts(form: ReceiptForm, raw: Bytes) {
    let Ok(block) = BlockReceipts::from_raw(form, raw) else { return };
    let Ok(list) = block.receipts() else { return };
    assert_eq!(block.count(), Ok(list.len()));
    for other in [ReceiptForm::Slim, ReceiptForm::WithBloom] {
        let made = block.to_form(other).expect("it was read in full");
        assert_eq!(made.receipts().as_ref(), Ok(&list));
        assert_eq!(consensus_receipts(&made), consensus_receipts(&block));
    }
    let middle = list.len() / 2;
    let head = BlockReceipts::from_receipts(form, &list[..middle]);
    let tail = block.skip(middle as u64).expect("it was read in full");
    assert_eq!(head.join(&tail).and_then(|whole| whole.receipts()), Ok(list));
}
