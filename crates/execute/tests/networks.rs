//! The public networks that are known by name, against what everybody else knows of them: hashes of block 0, fork ids, blob schedules.

use alloy_primitives::{B256, U256, b256};
use snapsync_execute::{Fork, genesis::PublicNetwork};
use snapsync_wire::{ChainHead, ForkFilter};

/// Everybody's hash of block 0.
fn known_hash(network: PublicNetwork) -> B256 {
    match network {
        PublicNetwork::Mainnet => b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"),
        PublicNetwork::Sepolia => b256!("25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9"),
        PublicNetwork::Hoodi => b256!("bbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b"),
    }
}

#[test]
fn block_0_has_everybodys_hash_with_the_allocation_and_without_it() {
    for network in PublicNetwork::ALL {
        let name = network.name();
        assert_eq!(network.genesis().hash(), known_hash(network), "{name}");
        assert_eq!(network.outline().hash(), known_hash(network), "{name} by its root");
        assert_eq!(network.outline().state_root(), network.genesis().state_root(), "{name}");
        assert_eq!(name.parse(), Ok(network));
    }
    assert!("holesky".parse::<PublicNetwork>().is_err());
}

#[test]
fn a_state_is_written_from_the_allocation_alone_and_never_from_an_outline() {
    let ticket = snapsync_storage::Ticket(0);
    assert!(PublicNetwork::Sepolia.genesis().state_writes(ticket).is_ok());
    for network in PublicNetwork::ALL {
        assert!(network.outline().state_writes(ticket).is_err(), "{}", network.name());
    }
}

/// The fork ids of a network at some blocks: number, time, hash, and where the next fork is.
type ForkIds = &'static [(u64, u64, u32, u64)];

/// EIP-2124 has the first of mainnet's as its test vectors; later ones are those of geth 1.17.10 and reth.
const MAINNET: ForkIds = &[
    (0, 0, 0xfc64_ec04, 1_150_000),
    (1_149_999, 0, 0xfc64_ec04, 1_150_000),
    (1_150_000, 0, 0x97c2_c34c, 1_920_000),
    (1_920_000, 0, 0x91d1_f948, 2_463_000),
    (2_463_000, 0, 0x7a64_da13, 2_675_000),
    (2_675_000, 0, 0x3edd_5b10, 4_370_000),
    (4_370_000, 0, 0xa00b_c324, 7_280_000),
    (7_280_000, 0, 0x668d_b0af, 9_069_000),
    (9_069_000, 0, 0x879d_6e30, 9_200_000),
    (9_200_000, 0, 0xe029_e991, 12_244_000),
    (12_244_000, 0, 0x0eb4_40f6, 12_965_000),
    (12_965_000, 0, 0xb715_077d, 13_773_000),
    (13_773_000, 0, 0x20c3_27fc, 15_050_000),
    (15_050_000, 0, 0xf0af_d0e3, 1_681_338_455),
    (20_000_000, 1_681_338_455, 0xdce9_6c2d, 1_710_338_135),
    (30_000_000, 1_710_338_135, 0x9f3d_2254, 1_746_612_311),
    (30_000_000, 1_746_612_311, 0xc376_cf8b, 1_764_798_551),
    (30_000_000, 1_764_798_551, 0x5167_e2a6, 1_765_290_071),
    (30_000_000, 1_765_290_071, 0xcba2_a1c0, 1_767_747_671),
    (30_000_000, 1_767_747_671, 0x07c9_462e, 0),
];

const SEPOLIA: ForkIds = &[
    (0, 0, 0xfe33_66e7, 1_735_371),
    (1_735_370, 0, 0xfe33_66e7, 1_735_371),
    (1_735_371, 0, 0xb96c_bd13, 1_677_557_088),
    (1_735_372, 1_677_557_088, 0xf7f9_bc08, 1_706_655_072),
    (1_735_372, 1_706_655_072, 0x88cf_81d9, 1_741_159_776),
    (1_735_372, 1_741_159_776, 0xed88_b5fd, 1_760_427_360),
    (1_735_372, 1_760_427_360, 0xe2ae_4999, 1_761_017_184),
    (1_735_372, 1_761_017_184, 0x5607_8a1e, 1_761_607_008),
    (1_735_372, 1_761_607_008, 0x2689_56b6, 1_791_294_816),
    (1_735_372, 1_791_294_816, 0x6c1d_9423, 0),
];

const HOODI: ForkIds = &[
    (0, 1_742_212_800, 0xbef7_1d30, 1_742_999_832),
    (123, 1_742_999_831, 0xbef7_1d30, 1_742_999_832),
    (123, 1_742_999_832, 0x0929_e24e, 1_761_677_592),
    (123, 1_761_677_592, 0xe7e0_e7ff, 1_762_365_720),
    (123, 1_762_365_720, 0x3893_353e, 1_762_955_544),
    (123, 1_762_955_544, 0x23aa_1351, 0),
];

#[test]
fn fork_ids_are_those_of_all_other_clients() {
    let networks =
        [(PublicNetwork::Mainnet, MAINNET), (PublicNetwork::Sepolia, SEPOLIA), (PublicNetwork::Hoodi, HOODI)];
    for (network, ids) in networks {
        let genesis = network.outline();
        let (blocks, times) = (genesis.fork_blocks(), genesis.fork_times());
        let filter = ForkFilter::new(genesis.hash(), genesis.timestamp(), &blocks, &times);
        for (number, timestamp, hash, next) in ids {
            let id = filter.fork_id(ChainHead { number: *number, timestamp: *timestamp });
            let name = network.name();
            assert_eq!((id.hash, id.next), (hash.to_be_bytes(), *next), "{name} at {number}, {timestamp}");
        }
    }
}

#[test]
fn blobs_grow_twice_after_osaka_and_amsterdam_changes_nothing_of_them() {
    for network in PublicNetwork::ALL {
        let forks = network.outline().forks(1);
        let at = |fork: Fork| forks.times.get(&fork).copied().unwrap_or_else(|| panic!("{fork:?}"));
        let blobs = |time: u64| {
            let blobs = forks.rules(u64::MAX, time, U256::ZERO).blobs.expect("after Cancun");
            (blobs.target, blobs.max, blobs.update_fraction)
        };
        assert_eq!(blobs(at(Fork::Prague) - 1), (3, 6, 3_338_477));
        for time in [at(Fork::Prague), at(Fork::Osaka)] {
            assert_eq!(blobs(time), (6, 9, 5_007_716));
        }
        let times = network.outline().fork_times();
        let after: Vec<u64> = times.into_iter().filter(|time| *time > at(Fork::Osaka)).collect();
        assert_eq!(blobs(after[0] - 1), (6, 9, 5_007_716));
        assert_eq!(blobs(after[0]), (10, 15, 8_346_193));
        assert_eq!(blobs(after[1] - 1), (10, 15, 8_346_193));
        assert_eq!(blobs(after[1]), (14, 21, 11_684_671));
        assert_eq!(blobs(u64::MAX), (14, 21, 11_684_671));
    }
}

#[test]
fn a_fork_can_be_moved_and_fork_ids_and_rules_move_with_it() {
    let mut genesis = PublicNetwork::Mainnet.outline();
    genesis.begin_amsterdam_at(1_900_000_000);
    assert_eq!(genesis.fork_times().last(), Some(&1_900_000_000));
    let forks = genesis.forks(1);
    assert_eq!(forks.rules(30_000_000, 1_899_999_999, U256::ZERO).fork, Fork::Osaka);
    assert_eq!(forks.rules(30_000_000, 1_900_000_000, U256::ZERO).fork, Fork::Amsterdam);
}
