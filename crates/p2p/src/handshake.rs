//! The encrypted handshake of RLPx (EIP-8, version 4): auth, ack, and the secrets of both directions.
//!
//! Pure; what must be fresh is passed in. The initiator knows whom it wants, the recipient learns it. Packets from
//! before EIP-8 are read and answered in kind. Trusts nothing: a packet that opens may still hold nonsense, and
//! every field is checked. Does not read sockets.

use alloy_rlp::{Decodable, Encodable, Header};
use secp256k1::{
    Message, PublicKey, SECP256K1, SecretKey,
    ecdsa::{RecoverableSignature, RecoveryId},
};
use snapsync_keccak::Stream;

use crate::{
    Error, NodeId,
    ecies::{self, Freshness},
    frame::Secrets,
    point::parse_point,
};

/// SPEC: EIP-8, auth-vsn.
const VERSION: u8 = 4;

/// Bytes of a packet at most. Known nodes send under 700; EIP-8 asks for some tolerance, a stranger gets no more.
pub(crate) const PACKET_BYTES_MAX: usize = 2048;

/// Bytes of an auth packet from before EIP-8: signature, hash, key, nonce, flag.
pub(crate) const OLD_AUTH_BYTES: usize = 65 + 32 + 64 + 32 + 1 + ecies::OVERHEAD;

/// Bytes of an ack packet from before EIP-8: key, nonce, flag.
pub(crate) const OLD_ACK_BYTES: usize = 64 + 32 + 1 + ecies::OVERHEAD;

/// What each side makes up for one handshake.
pub(crate) struct Fresh {
    pub(crate) ephemeral: SecretKey,
    pub(crate) nonce: [u8; 32],
    pub(crate) sealing: Freshness,
    /// Zeros behind the packet's list: EIP-8 wants its length to vary, and above 100 more than before EIP-8.
    pub(crate) padding: usize,
}

impl Fresh {
    /// From the system's randomness.
    pub(crate) fn draw() -> Self {
        use secp256k1::rand::{Rng, rng};
        let mut rng = rng();
        Self {
            ephemeral: SecretKey::new(&mut rng),
            nonce: rng.random(),
            sealing: Freshness { ephemeral: SecretKey::new(&mut rng), iv: rng.random() },
            padding: rng.random_range(100..=300),
        }
    }
}

/// How a packet is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A length in front, a list inside.
    Eip8,
    /// A fixed length.
    Old,
}

/// An initiator that has sent its auth.
pub(crate) struct Initiation {
    key: SecretKey,
    fresh: Fresh,
    auth: Vec<u8>,
}

impl Initiation {
    /// The auth for the node `to`.
    pub(crate) fn new(key: SecretKey, to: &PublicKey, fresh: Fresh) -> Self {
        let mut token = ecies::agree(to, &key);
        xor(&mut token, &fresh.nonce);
        let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(token), &fresh.ephemeral);
        let (recovery, compact) = signature.serialize_compact();
        let mut signed = [0; 65];
        signed[..64].copy_from_slice(&compact);
        // A recovery id is 0..=3.
        signed[64] = i32::from(recovery) as u8;
        let body = list(|out| {
            signed.as_slice().encode(out);
            NodeId::from_secret_key(&key).as_bytes().as_slice().encode(out);
            fresh.nonce.as_slice().encode(out);
            VERSION.encode(out);
        });
        let auth = seal_eip8(to, body, &fresh);
        Self { key, fresh, auth }
    }

    /// The packet to send.
    pub(crate) fn auth(&self) -> &[u8] {
        &self.auth
    }

    /// The secrets, from the whole packet that came back.
    pub(crate) fn finish(&self, ack: &[u8], form: Form) -> Result<Secrets, Error> {
        let Ack { ephemeral, nonce } = read_ack(&self.key, ack, form)?;
        let shared = ecies::agree(&ephemeral, &self.fresh.ephemeral);
        let (cipher, mac) = keys(&shared, &nonce, &self.fresh.nonce);
        let egress = seeded(&mac, &nonce, &self.auth);
        let ingress = seeded(&mac, &self.fresh.nonce, ack);
        Ok(Secrets { cipher, mac, egress, ingress })
    }
}

/// What a recipient has after it answered.
pub(crate) struct Response {
    /// Who has called, proved.
    pub(crate) from: NodeId,
    /// The packet to send.
    pub(crate) ack: Vec<u8>,
    pub(crate) secrets: Secrets,
}

/// Answers a whole auth packet.
pub(crate) fn respond(key: &SecretKey, auth: &[u8], form: Form, fresh: &Fresh) -> Result<Response, Error> {
    let Auth { from, key: their_key, ephemeral, nonce } = read_auth(key, auth, form)?;
    let point = NodeId::from_secret_key(&fresh.ephemeral);
    let ack = match form {
        Form::Eip8 => {
            let body = list(|out| {
                point.as_bytes().as_slice().encode(out);
                fresh.nonce.as_slice().encode(out);
                VERSION.encode(out);
            });
            seal_eip8(&their_key, body, fresh)
        }
        Form::Old => {
            let body = [point.as_bytes(), &fresh.nonce[..], &[0]].concat();
            ecies::seal(&their_key, &body, &[], &fresh.sealing)
        }
    };
    let shared = ecies::agree(&ephemeral, &fresh.ephemeral);
    let (cipher, mac) = keys(&shared, &fresh.nonce, &nonce);
    let egress = seeded(&mac, &nonce, &ack);
    let ingress = seeded(&mac, &fresh.nonce, auth);
    Ok(Response { from, ack, secrets: Secrets { cipher, mac, egress, ingress } })
}

struct Auth {
    from: NodeId,
    key: PublicKey,
    ephemeral: PublicKey,
    nonce: [u8; 32],
}

struct Ack {
    ephemeral: PublicKey,
    nonce: [u8; 32],
}

fn read_auth(key: &SecretKey, packet: &[u8], form: Form) -> Result<Auth, Error> {
    let mut packet = packet.to_vec();
    let body = open(key, &mut packet, form)?;
    let (signature, from, nonce) = match form {
        Form::Eip8 => {
            let mut fields = fields(body)?;
            (field(&mut fields, "signature")?, field(&mut fields, "key")?, field(&mut fields, "nonce")?)
        }
        Form::Old => {
            let body: &[u8; 194] = (&*body).try_into().map_err(|_| Error::Handshake { what: "length" })?;
            (part(body, 0), part(body, 65 + 32), part(body, 65 + 32 + 64))
        }
    };
    let their_key = parse_point(&from)?;
    let mut token = ecies::agree(&their_key, key);
    xor(&mut token, &nonce);
    let ephemeral = recover(&signature, token)?;
    Ok(Auth { from: NodeId::from_public_key(&their_key), key: their_key, ephemeral, nonce })
}

fn read_ack(key: &SecretKey, packet: &[u8], form: Form) -> Result<Ack, Error> {
    let mut packet = packet.to_vec();
    let body = open(key, &mut packet, form)?;
    let (point, nonce) = match form {
        Form::Eip8 => {
            let mut fields = fields(body)?;
            (field(&mut fields, "ephemeral key")?, field(&mut fields, "nonce")?)
        }
        Form::Old => {
            let body: &[u8; 97] = (&*body).try_into().map_err(|_| Error::Handshake { what: "length" })?;
            (part(body, 0), part(body, 64))
        }
    };
    Ok(Ack { ephemeral: parse_point(&point)?, nonce })
}

/// The key that signed `token`: the initiator's ephemeral one.
fn recover(signature: &[u8; 65], token: [u8; 32]) -> Result<PublicKey, Error> {
    let wrong = |_| Error::Handshake { what: "signature" };
    let id = RecoveryId::try_from(i32::from(signature[64])).map_err(wrong)?;
    let signature = RecoverableSignature::from_compact(&signature[..64], id).map_err(wrong)?;
    SECP256K1.recover_ecdsa(Message::from_digest(token), &signature).map_err(wrong)
}

fn open<'a>(key: &SecretKey, packet: &'a mut [u8], form: Form) -> Result<&'a mut [u8], Error> {
    match form {
        Form::Old => ecies::open(key, packet, &[]),
        Form::Eip8 => {
            let (length, sealed) =
                packet.split_at_mut_checked(2).ok_or(Error::HandshakeShort { length: 0 })?;
            ecies::open(key, sealed, length)
        }
    }
}

fn seal_eip8(to: &PublicKey, mut body: Vec<u8>, fresh: &Fresh) -> Vec<u8> {
    body.resize(body.len() + fresh.padding, 0);
    // Bodies are below 200 bytes and padding below 300.
    let length = ((body.len() + ecies::OVERHEAD) as u16).to_be_bytes();
    let sealed = ecies::seal(to, &body, &length, &fresh.sealing);
    [&length[..], &sealed].concat()
}

/// SPEC: EIP-8: more elements in the list, another version, and anything behind the list are read over.
fn fields(body: &[u8]) -> Result<&[u8], Error> {
    let mut body = body;
    Header::decode_bytes(&mut body, true).map_err(|_| Error::Handshake { what: "list" })
}

fn field<const N: usize>(fields: &mut &[u8], what: &'static str) -> Result<[u8; N], Error> {
    <[u8; N]>::decode(fields).map_err(|_| Error::Handshake { what })
}

/// `N` bytes from `at` on, of an array that has them.
fn part<const N: usize, const M: usize>(body: &[u8; M], at: usize) -> [u8; N] {
    std::array::from_fn(|i| body[at + i])
}

fn list(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut payload = Vec::new();
    fill(&mut payload);
    let mut out = Vec::with_capacity(payload.len() + 3);
    Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(&payload);
    out
}

fn keys(shared: &[u8; 32], recipient: &[u8; 32], initiator: &[u8; 32]) -> ([u8; 32], [u8; 32]) {
    let nonces = digest(recipient, initiator);
    let secret = digest(shared, &nonces);
    let cipher = digest(shared, &secret);
    let mac = digest(shared, &cipher);
    (cipher, mac)
}

/// Through a stream, which is not counted: the count of hashes is the tries'.
fn digest(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut stream = Stream::new();
    stream.update(left);
    stream.update(right);
    stream.digest().0
}

/// A running MAC: the secret with the *receiver's* nonce, then the handshake packet that went this way.
fn seeded(mac: &[u8; 32], nonce: &[u8; 32], packet: &[u8]) -> Stream {
    let mut seed = *mac;
    xor(&mut seed, nonce);
    let mut stream = Stream::new();
    stream.update(&seed);
    stream.update(packet);
    stream
}

fn xor(left: &mut [u8; 32], right: &[u8; 32]) {
    for (left, right) in left.iter_mut().zip(right) {
        *left ^= right;
    }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
