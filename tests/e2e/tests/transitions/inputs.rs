//! Inputs of precompiles: such as they take, and such as they refuse.

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use secp256k1::{Message, SECP256K1, SecretKey, ecdsa::RecoveryId};
use snapsync_execute::Fork;

use super::chance::Chance;

const BN_ORDER: [u8; 32] = hex!("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47");
const BN_G2: [u8; 128] = hex!(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
);
const BLS_G1: [u8; 128] = hex!(
    "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    "0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
);
const BLS_G2: [u8; 256] = hex!(
    "00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
    "0000000000000000000000000000000013e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
    "000000000000000000000000000000000ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"
    "000000000000000000000000000000000606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be"
);
/// A proof that holds for EIP-4844: that of a polynomial that is zero everywhere. Then the point at infinity, twice.
const KZG_HASH_OF_INFINITY: [u8; 32] =
    hex!("010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014");
const P256: [u8; 160] = hex!(
    "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
    "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
    "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
    "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
    "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e"
);

/// How many addresses there are that are, or seem, precompiles.
const COUNT: u64 = 20;

/// A precompile, or the address behind the last of them, and an input for it.
pub(crate) fn any(chance: &mut Chance) -> (Address, Vec<u8>) {
    let number = match chance.below(COUNT) {
        19 => 0x100,
        number => number + 1,
    };
    let address = Address::from_word(B256::from(U256::from(number)));
    let mut input = of(number, chance);
    if chance.one_in(6) && !input.is_empty() {
        match chance.below(3) {
            0 => {
                let at = chance.below(input.len() as u64) as usize;
                input[at] ^= 1 << chance.below(8);
            }
            1 => input.truncate(chance.below(input.len() as u64) as usize),
            _ => input.push(1),
        }
    }
    (address, input)
}

/// The fork that a precompile came with; none is behind some of the addresses.
pub(crate) fn since(number: u64) -> Option<Fork> {
    Some(match number {
        1..=4 => Fork::Frontier,
        5..=8 => Fork::Byzantium,
        9 => Fork::Istanbul,
        10 => Fork::Cancun,
        11..=17 => Fork::Prague,
        0x100 => Fork::Osaka,
        _ => return None,
    })
}

fn of(number: u64, chance: &mut Chance) -> Vec<u8> {
    let length = chance.below(200) as usize;
    match number {
        1 => signature(chance),
        5 => powers(chance),
        6 => [bn_point(chance), bn_point(chance)].concat(),
        7 => [bn_point(chance), chance.word().to_be_bytes::<32>().to_vec()].concat(),
        8 => {
            let pair = |chance: &mut Chance| {
                let g2 = if chance.one_in(4) { vec![0; 128] } else { BN_G2.to_vec() };
                [bn_point(chance), g2].concat()
            };
            (0..chance.below(4)).flat_map(|_| pair(chance)).collect()
        }
        9 => {
            let rounds = (chance.below(1_000) as u32).to_be_bytes();
            [&rounds[..], &chance.bytes(208), &[chance.below(2) as u8]].concat()
        }
        10 => {
            let infinity = [&[0xc0][..], &[0; 47]].concat();
            let z = U256::from(chance.number()).to_be_bytes::<32>();
            [&KZG_HASH_OF_INFINITY[..], &z, &[0; 32], &infinity, &infinity].concat()
        }
        11 => [bls_g1(chance), bls_g1(chance)].concat(),
        12 => many(chance, |chance| [bls_g1(chance), scalar(chance)].concat()),
        13 => [bls_g2(chance), bls_g2(chance)].concat(),
        14 => many(chance, |chance| [bls_g2(chance), scalar(chance)].concat()),
        15 => many(chance, |chance| [bls_g1(chance), bls_g2(chance)].concat()),
        16 => field(chance),
        17 => [field(chance), field(chance)].concat(),
        0x100 => P256.to_vec(),
        _ => chance.bytes(length),
    }
}

fn many(chance: &mut Chance, one: impl Fn(&mut Chance) -> Vec<u8>) -> Vec<u8> {
    (0..1 + chance.below(4)).flat_map(|_| one(chance)).collect()
}

fn scalar(chance: &mut Chance) -> Vec<u8> {
    chance.word().to_be_bytes::<32>().to_vec()
}

/// An element of the field of BLS12-381: below 2^376, and so below its order.
fn field(chance: &mut Chance) -> Vec<u8> {
    [vec![0; 17], chance.bytes(47)].concat()
}

fn bls_g1(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(4) { vec![0; 128] } else { BLS_G1.to_vec() }
}

fn bls_g2(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(4) { vec![0; 256] } else { BLS_G2.to_vec() }
}

/// The generator, its negative, or the point at infinity.
fn bn_point(chance: &mut Chance) -> Vec<u8> {
    let (one, two) = (U256::ONE.to_be_bytes::<32>(), U256::from(2).to_be_bytes::<32>());
    match chance.below(4) {
        0 => vec![0; 64],
        1 => {
            let negative = U256::from_be_bytes(BN_ORDER) - U256::from(2);
            [one, negative.to_be_bytes::<32>()].concat()
        }
        _ => [one, two].concat(),
    }
}

fn signature(chance: &mut Chance) -> Vec<u8> {
    let hash = keccak256(chance.bytes(4));
    let key = SecretKey::from_byte_array([1 + chance.below(200) as u8; 32]).unwrap();
    let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &key);
    let (id, compact) = signature.serialize_compact();
    let v = U256::from(27 + u64::from(id == RecoveryId::One)).to_be_bytes::<32>();
    [&hash[..], &v, &compact].concat()
}

/// EIP-198, with lengths on both sides of what it costs by, and seldom beyond the bound of EIP-7823.
fn powers(chance: &mut Chance) -> Vec<u8> {
    let mut length = || match chance.below(12) {
        0 => 1_020 + chance.below(10),
        1 => 0,
        _ => chance.below(70),
    };
    let lengths = [length(), length(), length()];
    let mut input: Vec<u8> =
        lengths.iter().flat_map(|length| U256::from(*length).to_be_bytes::<32>()).collect();
    let bytes = lengths.iter().sum::<u64>() as usize;
    input.extend(chance.bytes(bytes));
    input
}
