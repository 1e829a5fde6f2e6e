//! Each rule by which a header follows its parent and a body its header: a block that breaks one alone is refused for that.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod lab;

use alloy_consensus::Header as Fields;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B64, B256, Bytes, U256};
use lab::{Draft, Lab, genesis, genesis_with, header_of, is_lie};
use snapsync_execute::{BadBlock, BlobParams, Block, Commitment, Fork};

/// Forks from the first to the last, each of other header fields or rules.
const FORKS: [Fork; 15] = [
    Fork::Frontier,
    Fork::Homestead,
    Fork::TangerineWhistle,
    Fork::SpuriousDragon,
    Fork::Byzantium,
    Fork::Petersburg,
    Fork::Istanbul,
    Fork::Berlin,
    Fork::London,
    Fork::Paris,
    Fork::Shanghai,
    Fork::Cancun,
    Fork::Prague,
    Fork::Osaka,
    Fork::Amsterdam,
];

/// What is said of an empty block whose header is changed.
fn changed(fork: Fork, change: impl FnOnce(&mut Fields)) -> BadBlock {
    let mut lab = Lab::at(fork);
    let mut draft = lab.with(Vec::new());
    change(&mut draft.fields);
    lab.bad(&draft)
}

#[test]
fn an_empty_block_of_each_fork_is_good_and_so_is_the_next() {
    for fork in FORKS {
        let mut lab = Lab::at(fork);
        for _ in 0..3 {
            let draft = lab.with(Vec::new());
            assert_eq!(lab.advance(&draft), [], "{fork:?}");
        }
        assert_eq!(lab.snapshot().progress().unwrap().unwrap().whole().unwrap().number, 3, "{fork:?}");
    }
}

#[test]
fn a_block_lies_on_its_parent_by_hash_number_and_time() {
    let other = B256::repeat_byte(1);
    let bad = changed(Fork::Osaka, |fields| fields.parent_hash = other);
    assert!(matches!(bad, BadBlock::Parent { found, .. } if found == other), "{bad}");
    for number in [0, 2, u64::MAX] {
        let bad = changed(Fork::Osaka, |fields| fields.number = number);
        assert_eq!(bad, BadBlock::Number { expected: 1, found: number });
    }
    for time in [0, 99, 100] {
        // The forks of this chain hold from time 0 on, so only the time is wrong.
        let bad = changed(Fork::Osaka, |fields| fields.timestamp = time);
        assert_eq!(bad, BadBlock::Time { parent: 100, found: time });
    }
}

#[test]
fn the_gas_limit_stays_near_its_parents_and_within_bounds() {
    let parent = 30_000_000;
    let step = parent / 1_024;
    for limit in [parent + step, parent - step, 0, u64::MAX] {
        let bad = changed(Fork::Osaka, |fields| fields.gas_limit = limit);
        assert_eq!(bad, BadBlock::GasLimit { parent, found: limit });
    }
    for limit in [parent + step - 1, parent - step + 1] {
        let mut lab = Lab::at(Fork::Osaka);
        let mut draft = lab.draft();
        draft.fields.gas_limit = limit;
        let draft = lab.fill(draft);
        lab.advance(&draft);
    }
    // As near as may be to the least limit, and below.
    let low = genesis_with(Fork::Osaka, |file| file["gasLimit"] = "0x1388".into());
    let mut lab = Lab::of(&low);
    let mut draft = lab.with(Vec::new());
    draft.fields.gas_limit -= 1;
    assert_eq!(lab.bad(&draft), BadBlock::GasLimit { parent: 5_000, found: 4_999 });
    let bad = changed(Fork::Osaka, |fields| fields.gas_used = fields.gas_limit + 1);
    assert_eq!(bad, BadBlock::GasAboveLimit { used: parent + 1, limit: parent });
}

#[test]
fn the_base_fee_follows_and_the_first_of_london_is_a_constant() {
    for more in [false, true] {
        let bad = changed(Fork::Osaka, |fields| {
            fields.base_fee_per_gas = fields.base_fee_per_gas.map(|fee| if more { fee + 1 } else { fee - 1 });
        });
        assert!(matches!(bad, BadBlock::BaseFee { expected, found } if expected != found), "{bad}");
    }
    let late = genesis_with(Fork::London, |file| file["config"]["londonBlock"] = 2.into());
    let mut lab = Lab::of(&late);
    let draft = lab.with(Vec::new());
    assert_eq!(draft.fields.base_fee_per_gas, None);
    lab.advance(&draft);
    let draft = lab.with(Vec::new());
    assert_eq!((draft.fields.base_fee_per_gas, draft.fields.gas_limit), (Some(1_000_000_000), 60_000_000));
    let mut wrong = draft.clone();
    wrong.fields.base_fee_per_gas = Some(1_000_000_001);
    let initial = U256::from(1_000_000_000);
    assert_eq!(lab.bad(&wrong), BadBlock::BaseFee { expected: initial, found: initial + U256::ONE });
    // Its limit is held against twice its parent's.
    let mut wrong = draft.clone();
    wrong.fields.gas_limit = 30_000_000;
    assert_eq!(lab.bad(&wrong), BadBlock::GasLimit { parent: 60_000_000, found: 30_000_000 });
    lab.advance(&draft);
    let draft = lab.with(Vec::new());
    assert_eq!(draft.fields.base_fee_per_gas, Some(875_000_000));
    lab.advance(&draft);
}

#[test]
fn blob_gas_is_of_whole_blobs_within_the_limit_and_the_excess_follows() {
    let max = 9 << 17;
    for gas in [1, (1 << 17) + 1, max + (1 << 17), u64::MAX] {
        let bad = changed(Fork::Prague, |fields| fields.blob_gas_used = Some(gas));
        assert_eq!(bad, BadBlock::BlobGas { found: gas, max });
    }
    let bad = changed(Fork::Prague, |fields| fields.blob_gas_used = Some(1 << 17));
    assert_eq!(bad, BadBlock::BlobGasUsed { claimed: 1 << 17, found: 0 });
    let bad = changed(Fork::Prague, |fields| fields.excess_blob_gas = Some(1));
    assert_eq!(bad, BadBlock::ExcessBlobGas { expected: 0, found: 1 });
}

/// The excess after a genesis of eight blobs, of six wanted and nine at most, whose base fee and excess are these; a header that says
/// another one is refused.
fn excess_after_eight(fork: Fork, base_fee: u64, excess: u64) -> u64 {
    let chain = genesis_with(fork, |file| {
        file["baseFeePerGas"] = base_fee.into();
        file["blobGasUsed"] = (8u64 << 17).into();
        file["excessBlobGas"] = excess.into();
    });
    let mut lab = Lab::of(&chain);
    let draft = lab.with(Vec::new());
    let follows = draft.fields.excess_blob_gas.unwrap();
    for wrong in [follows - 1, follows + 1] {
        let mut lie = draft.clone();
        lie.fields.excess_blob_gas = Some(wrong);
        assert_eq!(lab.bad(&lie), BadBlock::ExcessBlobGas { expected: follows, found: wrong });
    }
    lab.advance(&draft);
    follows
}

/// EIP-7918. A blob is 2^17 gas, and worth 2^13 of execution at least: the target counts while the base fee is at most 16 times that of blobs.
#[test]
fn the_excess_rises_faster_while_blobs_cost_less_than_execution() {
    let (to_target, in_parts) = ((8 - 6) << 17, (8 << 17) * (9 - 6) / 9);
    assert_ne!(to_target, in_parts);
    for fork in [Fork::Osaka, Fork::Amsterdam] {
        assert_eq!(excess_after_eight(fork, 16, 0), to_target, "{fork:?}");
        assert_eq!(excess_after_eight(fork, 17, 0), in_parts, "{fork:?}");
    }
    // Where blobs cost two wei: somewhat above 5,007,716 * ln 2 of excess.
    let two = 3_500_000;
    assert_eq!(BlobParams::PRAGUE.fee(two), 2);
    assert_eq!(excess_after_eight(Fork::Osaka, 32, two), two + to_target);
    assert_eq!(excess_after_eight(Fork::Osaka, 33, two), two + in_parts);
    assert_eq!(excess_after_eight(Fork::Prague, 1_000_000_000, 0), to_target, "not before Osaka");
}

#[test]
fn extra_data_is_short() {
    let bad = changed(Fork::Osaka, |fields| fields.extra_data = vec![0; 33].into());
    assert_eq!(bad, BadBlock::ExtraData { found: 33, max: 32 });
}

#[test]
fn headers_have_the_fields_of_their_fork() {
    for fork in FORKS {
        let mut lab = Lab::at(fork);
        let draft = lab.with(Vec::new());
        let fields = draft.block().rest().fields;
        // One field more than the fork has; none may be known to anybody.
        let mut raw = Vec::new();
        let mut payload = alloy_rlp::Header::decode_bytes(&mut &alloy_rlp::encode(&draft.fields)[..], true)
            .unwrap()
            .to_vec();
        payload.push(5);
        alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut raw);
        raw.extend(payload);
        let header = snapsync_wire::Header::decode(&raw.into());
        // Where the next field is a hash, a number is not even read.
        let Ok(header) = header else { continue };
        let block = Block::new(header, draft.body()).unwrap();
        let (parent, forks) = (lab.parent(), lab.forks.clone());
        let bad = snapsync_execute::check_header(&forks, &block, &parent).unwrap_err();
        assert_eq!(bad, BadBlock::Fields { fork, expected: fields, found: fields + 1 });
    }
    let bad = changed(Fork::Shanghai, |fields| fields.withdrawals_root = None);
    assert_eq!(bad, BadBlock::Fields { fork: Fork::Shanghai, expected: 17, found: 16 });
    let bad = changed(Fork::Amsterdam, |fields| fields.slot_number = None);
    assert_eq!(bad, BadBlock::Fields { fork: Fork::Amsterdam, expected: 23, found: 22 });
}

#[test]
fn after_the_merge_there_is_no_work_and_before_it_there_is() {
    // Without difficulty a header follows the rules by time; with it, those before: what differs is told first.
    let never = Fields { difficulty: U256::ONE, ..Lab::at(Fork::Paris).with(Vec::new()).fields };
    let bad = changed(Fork::Paris, |fields| *fields = never.clone());
    assert_eq!(bad, BadBlock::Difficulty { found: U256::ONE, is_merged: true });
    let bad = changed(Fork::Paris, |fields| fields.nonce = B64::repeat_byte(1));
    assert_eq!(bad, BadBlock::Nonce);
    let bad = changed(Fork::London, |fields| fields.difficulty = U256::ZERO);
    assert_eq!(bad, BadBlock::Difficulty { found: U256::ZERO, is_merged: false });
    // A chain that merges late: once it has, nothing is mined.
    let late = genesis_with(Fork::London, |file| file["config"]["terminalTotalDifficulty"] = 9.into());
    let mut lab = Lab::of(&late);
    let mut draft = lab.draft();
    draft.fields.difficulty = U256::ZERO;
    let draft = lab.fill(draft);
    lab.advance(&draft);
    let mut draft = lab.with(Vec::new());
    draft.fields.difficulty = U256::from(5);
    assert_eq!(lab.bad(&draft), BadBlock::Difficulty { found: U256::from(5), is_merged: true });
}

#[test]
fn headers_of_the_daos_fork_say_on_which_side_they_are() {
    let said = Bytes::from_static(b"dao-hard-fork");
    for is_supported in [true, false] {
        let chain = genesis_with(Fork::Homestead, |file| {
            file["config"]["daoForkBlock"] = 1.into();
            file["config"]["daoForkSupport"] = is_supported.into();
        });
        let mut lab = Lab::of(&chain);
        let mut good = lab.draft();
        let mut bad = good.clone();
        let side = if is_supported { &mut good } else { &mut bad };
        side.fields.extra_data = said.clone();
        bad.commit();
        assert_eq!(lab.bad(&bad), BadBlock::DaoSide);
        let good = lab.fill(good);
        lab.advance(&good);
    }
}

fn ommer(number: u64) -> Fields {
    Fields { number, beneficiary: Address::repeat_byte(0x0e), difficulty: U256::ONE, ..Fields::default() }
}

#[test]
fn ommers_are_few_and_young_and_gone_after_the_merge() {
    let mut lab = Lab::at(Fork::Byzantium);
    for _ in 0..2 {
        let draft = lab.with(Vec::new());
        lab.advance(&draft);
    }
    let with = |lab: &Lab, ommers: &[u64]| {
        let mut draft = lab.draft();
        draft.ommers = ommers.iter().map(|number| ommer(*number)).collect();
        draft.commit();
        draft
    };
    assert_eq!(lab.bad(&with(&lab, &[2, 1, 2])), BadBlock::Ommers { found: 3, max: 2 });
    for number in [3, 4, u64::MAX] {
        assert_eq!(lab.bad(&with(&lab, &[number])), BadBlock::OmmerNumber { found: number });
    }
    // Two of them are paid: 7/8 and 6/8 of three ether; their block, a 32nd more for each.
    let draft = with(&lab, &[2, 1]);
    let (maker, of_ommers) = (draft.fields.beneficiary, Address::repeat_byte(0x0e));
    let before = lab.balance(maker).unwrap();
    let draft = lab.fill(draft);
    lab.advance(&draft);
    let ether = U256::from(10).pow(U256::from(18));
    assert_eq!(lab.balance(of_ommers), Some(ether * U256::from(39) / U256::from(8)));
    assert_eq!(lab.balance(maker).unwrap() - before, ether * U256::from(3 * 34) / U256::from(32));
    for _ in 0..4 {
        let draft = lab.with(Vec::new());
        lab.advance(&draft);
    }
    assert_eq!(lab.bad(&with(&lab, &[1])), BadBlock::OmmerNumber { found: 1 });
    let mut merged = Lab::at(Fork::Paris);
    assert_eq!(merged.bad(&with(&merged, &[0])), BadBlock::Ommers { found: 1, max: 0 });
}

#[test]
fn a_body_is_what_its_header_commits_to() {
    let mut lab = Lab::at(Fork::Osaka);
    let good = lab.with(vec![lab::signed(lab::RICH, lab::legacy(0, Address::repeat_byte(3)))]);
    let without = Draft { transactions: Vec::new(), ..good.clone() };
    assert!(is_lie(&lab.bad(&without), Commitment::Transactions));
    let paid = Withdrawal { index: 0, validator_index: 1, address: Address::repeat_byte(3), amount: 5 };
    let more = Draft { withdrawals: Some(vec![paid]), ..good.clone() };
    assert!(is_lie(&lab.bad(&more), Commitment::Withdrawals));
    let none = Draft { withdrawals: None, ..good.clone() };
    assert_eq!(lab.bad(&none), BadBlock::NoWithdrawals { fork: Fork::Osaka });
    let mut ommers = good.clone();
    ommers.fields.ommers_hash = B256::repeat_byte(1);
    assert!(is_lie(&lab.bad(&ommers), Commitment::Ommers));
    lab.advance(&good);
}

#[test]
fn a_block_is_of_at_most_eight_mebibytes_from_osaka_on() {
    let long = |lab: &Lab| {
        let transaction = alloy_consensus::TxLegacy {
            input: vec![1; 8 << 20].into(),
            gas_limit: 30_000_000,
            ..lab::legacy(0, Address::repeat_byte(3))
        };
        let mut draft = Draft { transactions: vec![lab::signed(lab::RICH, transaction)], ..lab.draft() };
        draft.commit();
        draft
    };
    let mut lab = Lab::at(Fork::Osaka);
    let draft = long(&lab);
    let bytes = 8 << 20;
    assert!(matches!(lab.bad(&draft), BadBlock::Bytes { found, max } if max == bytes && found > bytes));
    let mut lab = Lab::at(Fork::Prague);
    let draft = long(&lab);
    assert!(matches!(lab.bad(&draft), BadBlock::Transaction { index: 0, .. }));
}

#[test]
fn the_genesis_of_each_fork_is_what_its_header_says() {
    for fork in FORKS {
        let genesis = genesis(fork);
        let header = snapsync_wire::Header::decode(&genesis.header().into()).unwrap();
        assert_eq!(header.state_root, genesis.state_root(), "{fork:?}");
        assert_eq!(header_of(&Lab::at(fork).head).hash(), genesis.hash());
    }
}
