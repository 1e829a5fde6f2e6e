//! Each way in which a transaction is not valid where it stands: the reason names its place and its cause. Nothing panics.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod lab;

use std::collections::BTreeMap;

use alloy_consensus::{TxEip1559, TxEip4844, TxLegacy};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use lab::{
    CHAIN_ID, COUNTER, Draft, GAS, LOGGER, Lab, POOR, RICH, address, enveloped, genesis_with, legacy, sign,
    signed, with_authorizations, with_blobs, with_fees, with_list,
};
use snapsync_execute::{BadBlock, BadTransaction as Bad, BlobParams, Fork};
use snapsync_wire::PostState;

const ANYBODY: Address = Address::repeat_byte(0x33);

/// Why a transaction is bad in the second block of a chain of this fork.
fn bad(fork: Fork, transaction: Bytes) -> Bad {
    Lab::at(fork).bad_transaction(transaction)
}

#[test]
fn the_reason_names_the_place() {
    let mut lab = Lab::at(Fork::Osaka);
    let transactions = [0, 1, 3].map(|nonce| signed(RICH, legacy(nonce, ANYBODY))).to_vec();
    let mut draft = Draft { transactions, ..lab.draft() };
    draft.commit();
    let reason = Bad::NonceTooHigh { expected: 2, found: 3 };
    assert_eq!(lab.bad(&draft), BadBlock::Transaction { index: 2, reason });
}

#[test]
fn nonces_rise_by_one_and_end() {
    let transaction = |nonce| signed(RICH, legacy(nonce, ANYBODY));
    assert_eq!(bad(Fork::Osaka, transaction(1)), Bad::NonceTooHigh { expected: 0, found: 1 });
    let mut lab = Lab::at(Fork::Osaka);
    let draft = lab.with(vec![transaction(0)]);
    lab.advance(&draft);
    assert_eq!(lab.bad_transaction(transaction(0)), Bad::NonceTooLow { expected: 1, found: 0 });
    let last = genesis_with(Fork::Osaka, |file| {
        file["alloc"][alloy_primitives::hex::encode(address(RICH))]["nonce"] = "0xffffffffffffffff".into();
    });
    assert_eq!(Lab::of(&last).bad_transaction(transaction(u64::MAX)), Bad::NonceLast);
}

#[test]
fn whoever_cannot_pay_sends_nothing() {
    let reason = bad(Fork::Osaka, signed(POOR, legacy(0, ANYBODY)));
    let needed = U256::from(GAS * 10_000_000_000) + U256::ONE;
    assert_eq!(reason, Bad::Balance { needed, held: U256::ZERO });
    let greedy = TxLegacy { value: U256::MAX, ..legacy(0, ANYBODY) };
    let reason = bad(Fork::Osaka, signed(RICH, greedy));
    assert!(matches!(reason, Bad::Overflow | Bad::Balance { .. }), "{reason}");
    let dear = TxEip1559 { max_fee_per_gas: u128::MAX, gas_limit: 1 << 24, ..with_fees(0) };
    let reason = bad(Fork::Osaka, signed(RICH, dear));
    assert!(matches!(reason, Bad::Overflow | Bad::Balance { .. }), "{reason}");
}

#[test]
fn gas_pays_for_the_transaction_itself_and_fits_into_the_block() {
    let little = TxLegacy { gas_limit: 20_999, ..legacy(0, ANYBODY) };
    for fork in [Fork::Frontier, Fork::Osaka] {
        let reason = bad(fork, signed(RICH, little.clone()));
        assert_eq!(reason, Bad::IntrinsicGas { needed: 21_000, limit: 20_999 });
    }
    // EIP-7623: bytes cost more than what is executed.
    let long = TxLegacy { gas_limit: 40_000, input: vec![1; 1_000].into(), ..legacy(0, ANYBODY) };
    assert_eq!(bad(Fork::Prague, signed(RICH, long)), Bad::IntrinsicGas { needed: 61_000, limit: 40_000 });
    let much = TxLegacy { gas_limit: 30_000_001, ..legacy(0, ANYBODY) };
    let reason = Bad::GasAboveBlock { limit: 30_000_001, left: 30_000_000 };
    assert_eq!(bad(Fork::Prague, signed(RICH, much)), reason);
    let capped = TxLegacy { gas_limit: (1 << 24) + 1, ..legacy(0, ANYBODY) };
    let reason = Bad::GasAboveCap { limit: (1 << 24) + 1, max: 1 << 24 };
    assert_eq!(bad(Fork::Osaka, signed(RICH, capped)), reason);
    // What others have used is not left.
    let mut lab = Lab::at(Fork::Prague);
    let all = |nonce| signed(RICH, TxLegacy { gas_limit: 29_990_000, ..legacy(nonce, ANYBODY) });
    let mut draft = Draft { transactions: vec![all(0), all(1)], ..lab.draft() };
    draft.commit();
    let reason = Bad::GasAboveBlock { limit: 29_990_000, left: 30_000_000 - 21_000 };
    assert_eq!(lab.bad(&draft), BadBlock::Transaction { index: 1, reason });
}

#[test]
fn fees_are_no_less_than_the_block_asks_and_tips_no_more_than_offered() {
    let cheap = TxLegacy { gas_price: 1, ..legacy(0, ANYBODY) };
    assert_eq!(bad(Fork::London, signed(RICH, cheap.clone())), Bad::FeeBelowBase);
    let cheap = TxEip1559 { max_fee_per_gas: 1, ..with_fees(0) };
    assert_eq!(bad(Fork::London, signed(RICH, cheap)), Bad::FeeBelowBase);
    let generous = TxEip1559 { max_priority_fee_per_gas: 10_000_000_001, ..with_fees(0) };
    assert_eq!(bad(Fork::London, signed(RICH, generous)), Bad::TipAboveFee);
}

#[test]
fn types_come_with_their_forks() {
    let all = [
        (Fork::Istanbul, signed(RICH, with_list(0))),
        (Fork::Berlin, signed(RICH, with_fees(0))),
        (Fork::Shanghai, signed(RICH, with_blobs(0, 1))),
        (Fork::Cancun, signed(RICH, with_authorizations(0, Vec::new()))),
        (Fork::Amsterdam, Bytes::from_static(&[5, 0xc0])),
    ];
    for (kind, (fork, transaction)) in (1..).zip(all) {
        assert_eq!(bad(fork, transaction), Bad::TypeNotYet { kind, fork });
    }
    let protected =
        |fork| bad(fork, signed(RICH, TxLegacy { chain_id: Some(CHAIN_ID), ..legacy(0, ANYBODY) }));
    assert_eq!(protected(Fork::TangerineWhistle), Bad::ReplayProtectionNotYet);
    let mut lab = Lab::at(Fork::SpuriousDragon);
    let draft = lab.with(vec![signed(RICH, TxLegacy { chain_id: Some(CHAIN_ID), ..legacy(0, ANYBODY) })]);
    lab.advance(&draft);
}

#[test]
fn a_transaction_for_another_chain_is_not_for_this_one() {
    let other = CHAIN_ID + 1;
    for transaction in [
        signed(RICH, TxLegacy { chain_id: Some(other), ..legacy(0, ANYBODY) }),
        signed(RICH, TxEip1559 { chain_id: other, ..with_fees(0) }),
        signed(RICH, TxEip4844 { chain_id: other, ..with_blobs(0, 1) }),
    ] {
        assert_eq!(bad(Fork::Osaka, transaction), Bad::ChainId);
    }
}

#[test]
fn signatures_are_of_somebody_and_the_lower_of_two() {
    let of = |r: U256, s: U256| enveloped(legacy(0, ANYBODY), Signature::new(r, s, false));
    for (r, s) in [(U256::ZERO, U256::ONE), (U256::ONE, U256::ZERO), (U256::MAX, U256::ONE)] {
        for fork in [Fork::Frontier, Fork::Osaka] {
            assert_eq!(bad(fork, of(r, s)), Bad::Signature);
        }
    }
    // The other signature that says the same: valid in Frontier alone.
    let order = U256::from_be_slice(&alloy_primitives::hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));
    let transaction = legacy(0, ANYBODY);
    let hash = alloy_consensus::SignableTransaction::signature_hash(&transaction);
    let low = sign(RICH, hash);
    let high = Signature::new(low.r(), order - low.s(), !low.v());
    let transaction = enveloped(transaction, high);
    assert_eq!(bad(Fork::Homestead, transaction.clone()), Bad::Signature);
    let mut lab = Lab::at(Fork::Frontier);
    let draft = lab.with(vec![transaction]);
    lab.advance(&draft);
    assert_eq!(lab.nonce(), 1);
}

#[test]
fn what_cannot_be_read_is_told_apart() {
    let good = signed(RICH, with_fees(0));
    let cut = Bytes::copy_from_slice(&good[..good.len() - 1]);
    let longer = Bytes::from([&good[..], &[0]].concat());
    // A list may be said with a longer head than it needs.
    let short = signed(RICH, legacy(0, ANYBODY));
    assert_eq!(short[0], 0xf8);
    let lax = Bytes::from([&[0xf9, 0][..], &short[1..]].concat());
    for raw in [cut, longer, Bytes::from_static(&[2]), Bytes::from_static(&[0xc0]), lax] {
        let mut lab = Lab::at(Fork::Osaka);
        let mut draft = Draft { transactions: vec![raw.clone()], ..lab.draft() };
        // Some are refused by whoever reads the body already.
        let network = if raw[0] >= 0xc0 { raw.to_vec() } else { alloy_rlp::encode(&raw) };
        if snapsync_wire::Body::from_parts([network.as_slice()], &[0xc0], Some(&[])).is_err() {
            continue;
        }
        draft.commit();
        let reason = lab.bad(&draft);
        assert!(
            matches!(&reason, BadBlock::Transaction { index: 0, reason: Bad::Malformed { .. } }),
            "{raw}: {reason}"
        );
    }
}

#[test]
fn a_contract_signs_nothing_unless_it_is_a_delegation() {
    let with_code = |code: String| {
        genesis_with(Fork::Osaka, move |file| {
            file["alloc"][alloy_primitives::hex::encode(address(RICH))]["code"] = code.into();
        })
    };
    let transaction = signed(RICH, legacy(0, ANYBODY));
    let mut lab = Lab::of(&with_code("0x6001".to_owned()));
    assert_eq!(lab.bad_transaction(transaction.clone()), Bad::SenderHasCode);
    let delegation = format!("0xef0100{}", alloy_primitives::hex::encode(COUNTER));
    let mut lab = Lab::of(&with_code(delegation));
    let draft = lab.with(vec![transaction]);
    lab.advance(&draft);
}

#[test]
fn initcode_is_bounded() {
    let create = |bytes: usize| {
        let input = vec![0; bytes].into();
        signed(
            RICH,
            TxLegacy {
                to: TxKind::Create,
                value: U256::ZERO,
                gas_limit: 16_000_000,
                input,
                ..legacy(0, ANYBODY)
            },
        )
    };
    assert_eq!(bad(Fork::Osaka, create(2 * 0x6000 + 1)), Bad::InitcodeTooLong);
    assert_eq!(bad(Fork::Amsterdam, create(4 * 0x8000 + 1)), Bad::InitcodeTooLong);
    let mut lab = Lab::at(Fork::Osaka);
    let draft = lab.with(vec![create(2 * 0x6000)]);
    lab.advance(&draft);
}

#[test]
fn blobs_are_there_few_known_and_paid_for() {
    assert_eq!(bad(Fork::Cancun, signed(RICH, with_blobs(0, 0))), Bad::NoBlobs);
    assert_eq!(bad(Fork::Osaka, signed(RICH, with_blobs(0, 7))), Bad::TooManyBlobs { found: 7, max: 6 });
    let unknown = TxEip4844 { blob_versioned_hashes: vec![B256::repeat_byte(2)], ..with_blobs(0, 1) };
    assert_eq!(bad(Fork::Osaka, signed(RICH, unknown)), Bad::BlobVersion);
    let cheap = TxEip4844 { max_fee_per_blob_gas: 0, ..with_blobs(0, 1) };
    assert_eq!(bad(Fork::Osaka, signed(RICH, cheap)), Bad::BlobFee { needed: 1, offered: 0 });
    // More than a block may hold.
    let mut lab = Lab::at(Fork::Cancun);
    let mut draft = Draft {
        transactions: vec![signed(RICH, with_blobs(0, 4)), signed(RICH, with_blobs(1, 3))],
        ..lab.draft()
    };
    draft.fields.blob_gas_used = Some(7 << 17);
    draft.commit();
    assert_eq!(lab.bad(&draft), BadBlock::BlobGas { found: 7 << 17, max: BlobParams::CANCUN.gas_max() });
    // As many as it may, in block after block, until their fee rises.
    let mut nonce = 0;
    for _ in 0..30 {
        let draft = lab.with(vec![signed(RICH, with_blobs(nonce, 6))]);
        lab.advance(&draft);
        nonce += 1;
    }
    let excess = lab.draft().fields.excess_blob_gas.unwrap();
    assert_eq!((excess, BlobParams::CANCUN.fee(excess)), ((30 * 3) << 17, 34));
    let cheap = TxEip4844 { max_fee_per_blob_gas: 33, ..with_blobs(nonce, 1) };
    assert_eq!(lab.bad_transaction(signed(RICH, cheap)), Bad::BlobFee { needed: 34, offered: 33 });
}

#[test]
fn authorizations_are_there_and_delegate() {
    assert_eq!(bad(Fork::Prague, signed(RICH, with_authorizations(0, Vec::new()))), Bad::NoAuthorizations);
    let mut lab = Lab::at(Fork::Prague);
    let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: LOGGER, nonce: 0 };
    let signature = sign(POOR, authorization.signature_hash());
    let authorizations = vec![authorization.into_signed(signature)];
    let draft = lab.with(vec![signed(RICH, with_authorizations(0, authorizations))]);
    lab.advance(&draft);
    let account =
        lab.snapshot().account(&snapsync_keccak::keccak256(address(POOR).as_slice())).unwrap().unwrap();
    let snapshot = lab.snapshot();
    let code = snapshot.code(&account.code_hash).unwrap().unwrap();
    assert_eq!((&code[..3], &code[3..]), (&[0xef, 1, 0][..], LOGGER.as_slice()));
    // It now does what the other does.
    let draft = lab.with(vec![signed(RICH, legacy(1, address(POOR)))]);
    let receipts = lab.advance(&draft);
    assert!(receipts[0].logs().len() > 20, "{receipts:?}");
}

#[test]
fn receipts_hold_a_root_before_byzantium_and_a_status_since() {
    let transactions = || vec![signed(RICH, legacy(0, ANYBODY)), signed(RICH, legacy(1, COUNTER))];
    let mut lab = Lab::at(Fork::SpuriousDragon);
    let draft = lab.with(transactions());
    let receipts = lab.advance(&draft);
    // The first is that of a block of the first transaction alone, but for what its maker is paid.
    let PostState::Root(first) = receipts[0].outcome else { panic!("{receipts:?}") };
    let PostState::Root(second) = receipts[1].outcome else { panic!("{receipts:?}") };
    let mut alone = Lab::at(Fork::SpuriousDragon);
    let draft = alone.with(transactions()[..1].to_vec());
    let mut changes = alone.raw(&draft.block()).unwrap().changes;
    let maker = snapsync_keccak::keccak256(draft.fields.beneficiary.as_slice());
    let paid = changes.accounts.get_mut(&maker).unwrap().as_mut().unwrap();
    paid.balance -= U256::from(5) * U256::from(10).pow(U256::from(18));
    assert_eq!(changes.root_above(&alone.snapshot()).unwrap(), first);
    assert!(first != second && second != lab.head.state_root);
    let mut lab = Lab::at(Fork::Byzantium);
    let draft = lab.with(transactions());
    let outcomes = lab.advance(&draft).iter().map(|receipt| receipt.outcome).collect::<Vec<_>>();
    assert_eq!(outcomes, [PostState::Success; 2]);
}

#[test]
fn senders_that_are_recovered_ahead_are_those_of_the_execution_and_a_bad_block_stays_bad() {
    let mut lab = Lab::at(Fork::Prague);
    let draft = lab.with(vec![signed(RICH, legacy(0, ANYBODY)), signed(RICH, with_fees(1))]);
    let block = snapsync_execute::evm::recover_senders(&lab.forks, draft.block());
    assert_eq!(block.senders(), Some(&[address(RICH); 2][..]));
    assert_eq!(lab.raw(&block).unwrap(), lab.raw(&draft.block()).unwrap());

    let nobodys = enveloped(legacy(0, ANYBODY), Signature::new(U256::ZERO, U256::ONE, false));
    let mut draft = Draft { transactions: vec![nobodys.clone()], ..lab.draft() };
    draft.commit();
    let block = snapsync_execute::evm::recover_senders(&lab.forks, draft.block());
    assert_eq!(block.senders(), None);
    assert_eq!(lab.bad_transaction(nobodys), Bad::Signature);
}

/// A transaction of which one bit is another one is nobody's that can pay: nothing panics, and no reason but the transaction is given.
#[test]
fn noise_is_refused_without_a_panic() {
    let mut lab = Lab::at(Fork::Amsterdam);
    let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: LOGGER, nonce: 0 };
    let signature = sign(POOR, authorization.signature_hash());
    let good = [
        signed(RICH, legacy(0, ANYBODY)),
        signed(RICH, with_list(0)),
        signed(RICH, with_fees(0)),
        signed(RICH, with_blobs(0, 2)),
        signed(RICH, with_authorizations(0, vec![authorization.into_signed(signature)])),
    ];
    let mut reasons = BTreeMap::<&str, usize>::new();
    for transaction in good {
        let draft = lab.with(vec![transaction.clone()]);
        lab.execute(&draft).unwrap();
        for bit in 0..8 * transaction.len() {
            let mut bytes = transaction.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let network = if bytes[0] >= 0xc0 { bytes.clone() } else { alloy_rlp::encode(&bytes[..]) };
            if snapsync_wire::Body::from_parts([network.as_slice()], &[0xc0], Some(&[])).is_err() {
                continue;
            }
            let named = match lab.bad_transaction(bytes.into()) {
                Bad::Malformed { .. } => "malformed",
                Bad::TypeNotYet { .. } => "type",
                Bad::Signature => "signature",
                // Whose signature it has become.
                Bad::Balance { .. } => "balance",
                Bad::Other { why } => panic!("{why}"),
                // What a field says by itself: gas, fees, the chain.
                _ => "field",
            };
            *reasons.entry(named).or_default() += 1;
        }
    }
    let least = [("malformed", 500), ("type", 20), ("signature", 500), ("balance", 4_000), ("field", 40)];
    for (named, count) in least {
        assert!(reasons.get(named) >= Some(&count), "{named}: {reasons:?}");
    }
}
