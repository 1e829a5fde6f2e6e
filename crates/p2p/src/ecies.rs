//! ECIES as RLPx uses it: one sealed packet for the holder of a public key.
//!
//! secp256k1 for agreement, concat-KDF over SHA-256, AES-128-CTR, HMAC-SHA256. Trusts nothing in a packet before
//! its tag is right, and never uses a point that was not checked to lie on the curve. Pure; the randomness that
//! sealing needs is passed in. Does not frame: the length prefix of EIP-8 is the handshake's.

use aes::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, Mac};
use secp256k1::{PublicKey, SecretKey, ecdh::shared_secret_point};
use sha2::{Digest, Sha256};

use crate::Error;

type Aes128Ctr = ctr::Ctr128BE<aes::Aes128>;

const POINT: usize = 65;
const IV: usize = 16;
const TAG: usize = 32;

/// Bytes that sealing adds: the ephemeral point, the counter block, the tag.
pub(crate) const OVERHEAD: usize = POINT + IV + TAG;

/// What must be fresh for each sealed packet.
pub(crate) struct Freshness {
    pub(crate) ephemeral: SecretKey,
    pub(crate) iv: [u8; IV],
}

/// Seals `message` for `to`; `associated` is authenticated but not part of the packet.
pub(crate) fn seal(to: &PublicKey, message: &[u8], associated: &[u8], fresh: &Freshness) -> Vec<u8> {
    let keys = derive(&agree(to, &fresh.ephemeral));
    let mut packet = Vec::with_capacity(OVERHEAD + message.len());
    packet.extend_from_slice(&fresh.ephemeral.public_key(secp256k1::SECP256K1).serialize_uncompressed());
    packet.extend_from_slice(&fresh.iv);
    packet.extend_from_slice(message);
    Aes128Ctr::new(&keys.cipher.into(), &fresh.iv.into()).apply_keystream(&mut packet[POINT + IV..]);
    let tag = keys.tag(&packet[POINT..], associated).finalize().into_bytes();
    packet.extend_from_slice(&tag);
    packet
}

/// Opens a packet sealed for `key`, decrypting in place, and gives the message inside it.
pub(crate) fn open<'a>(
    key: &SecretKey,
    packet: &'a mut [u8],
    associated: &[u8],
) -> Result<&'a mut [u8], Error> {
    if packet.len() < OVERHEAD {
        return Err(Error::HandshakeShort { length: packet.len() });
    }
    let (sealed, tag) = packet.split_at_mut(packet.len() - TAG);
    let (point, sealed) = sealed.split_at_mut(POINT);
    // libsecp256k1 also reads the hybrid forms 0x06 and 0x07, which RLPx does not have.
    if point[0] != 4 {
        return Err(Error::PublicKey);
    }
    let ephemeral = PublicKey::from_slice(point).map_err(|_| Error::PublicKey)?;
    let keys = derive(&agree(&ephemeral, key));
    keys.tag(sealed, associated).verify_slice(tag).map_err(|_| Error::HandshakeTag)?;
    let (iv, message) = sealed.split_at_mut(IV);
    let iv: [u8; IV] = iv.try_into().map_err(|_| Error::HandshakeShort { length: OVERHEAD })?;
    Aes128Ctr::new(&keys.cipher.into(), &iv.into()).apply_keystream(message);
    Ok(message)
}

/// The x coordinate of the shared point, which is what RLPx agrees on (not its hash).
pub(crate) fn agree(theirs: &PublicKey, ours: &SecretKey) -> [u8; 32] {
    let point = shared_secret_point(theirs, ours);
    let mut x = [0; 32];
    x.copy_from_slice(&point[..32]);
    x
}

struct Keys {
    cipher: [u8; 16],
    tag: [u8; 32],
}

impl Keys {
    fn tag(&self, sealed: &[u8], associated: &[u8]) -> Hmac<Sha256> {
        let mut tag =
            <Hmac<Sha256> as Mac>::new_from_slice(&self.tag).expect("HMAC takes a key of any length");
        tag.update(sealed);
        tag.update(associated);
        tag
    }
}

/// NIST SP 800-56 concat-KDF; 32 bytes are one block, so its counter is always 1.
fn derive(shared: &[u8; 32]) -> Keys {
    let block = Sha256::new().chain_update(1_u32.to_be_bytes()).chain_update(shared).finalize();
    let mut cipher = [0; 16];
    cipher.copy_from_slice(&block[..16]);
    // SPEC: devp2p rlpx.md, the tag's key is hashed once more.
    Keys { cipher, tag: Sha256::digest(&block[16..]).into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_byte_array([byte; 32]).unwrap()
    }

    fn sealed(message: &[u8], associated: &[u8]) -> Vec<u8> {
        let fresh = Freshness { ephemeral: key(9), iv: [3; 16] };
        seal(&key(1).public_key(secp256k1::SECP256K1), message, associated, &fresh)
    }

    #[test]
    fn opens_what_was_sealed() {
        let mut packet = sealed(b"hello", b"ad");
        assert_eq!(open(&key(1), &mut packet, b"ad").unwrap(), b"hello");
    }

    #[test]
    fn wrong_associated_data_is_refused() {
        assert_eq!(open(&key(1), &mut sealed(b"hello", b"ad"), b"da").unwrap_err(), Error::HandshakeTag);
    }

    #[test]
    fn point_off_the_curve_is_refused() {
        let mut packet = sealed(b"hello", b"");
        packet[64] ^= 1;
        assert_eq!(open(&key(1), &mut packet, b"").unwrap_err(), Error::PublicKey);
        let mut hybrid = sealed(b"hello", b"");
        hybrid[0] = 6 + (hybrid[64] & 1);
        assert_eq!(open(&key(1), &mut hybrid, b"").unwrap_err(), Error::PublicKey);
    }

    proptest! {
        #[test]
        fn any_flipped_byte_is_refused(at in 0..(OVERHEAD + 5), bit in 0..8_u32) {
            let mut packet = sealed(b"hello", b"ad");
            packet[at] ^= 1 << bit;
            prop_assert!(open(&key(1), &mut packet, b"ad").is_err());
        }

        #[test]
        fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(open(&key(1), &mut bytes, b"").is_err());
        }
    }
}
