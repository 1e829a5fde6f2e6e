//! Node records (EIP-778), `enr:…`: who a node is and where it is reached, signed by itself.
//!
//! Trusts nobody: a record is taken whose signature is that of the key in it, and whose parts stand as the EIP says. It looks
//! at the identity and the address only, and does not write records.

use std::net::{IpAddr, SocketAddr};

use alloy_rlp::{Decodable, Header};
use secp256k1::{Message, PublicKey, SECP256K1, ecdsa::Signature};
use snapsync_keccak::keccak256;

use crate::{Enode, NodeId};

/// EIP-778: a record is at most 300 bytes long.
const RECORD_BYTES_MAX: usize = 300;

/// Why a text is no node record that can be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A letter that is not of base64 for URLs.
    #[error("a node record is written in base64 for URLs, without padding")]
    Base64,
    /// Longer than any record may be.
    #[error("a node record has at most {RECORD_BYTES_MAX} bytes, not {length}")]
    Length {
        /// Its bytes.
        length: usize,
    },
    /// Not the list that the EIP asks for.
    #[error("the node record is not a list of a signature, a number, and pairs in order")]
    Form,
    /// Signed by rules that are not known.
    #[error("the node record's identity scheme is not v4")]
    Scheme,
    /// The key is not there, or is no point on the curve.
    #[error("the node record has no public key on secp256k1")]
    Key,
    /// Somebody changed it, or it never was signed by this key.
    #[error("the node record's signature is not by its own key")]
    Signature,
    /// A node that tells no address, for now or for ever.
    #[error("the node record has no IP address with a TCP port")]
    NoAddress,
}

/// The node that the text behind `enr:` describes. Its address by IPv4 is preferred.
pub(crate) fn parse(text: &str) -> Result<Enode, RecordError> {
    let bytes = from_base64(text).ok_or(RecordError::Base64)?;
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(RecordError::Length { length: bytes.len() });
    }
    let mut rest = bytes.as_slice();
    let mut fields = Header::decode_bytes(&mut rest, true).map_err(|_| RecordError::Form)?;
    if !rest.is_empty() {
        return Err(RecordError::Form);
    }
    let signature = Header::decode_bytes(&mut fields, false).map_err(|_| RecordError::Form)?;
    let pairs = Pairs::read(fields)?;
    if pairs.string("id") != Some(b"v4") {
        return Err(RecordError::Scheme);
    }
    let key = pairs.string("secp256k1").and_then(|bytes| PublicKey::from_slice(bytes).ok());
    let key = key.ok_or(RecordError::Key)?;
    let signature = Signature::from_compact(signature).map_err(|_| RecordError::Signature)?;
    let digest = Message::from_digest(keccak256(&signed_part(fields)).0);
    SECP256K1.verify_ecdsa(digest, &signature, &key).map_err(|_| RecordError::Signature)?;
    let address = pairs.address().ok_or(RecordError::NoAddress)?;
    Ok(Enode { id: NodeId::from_public_key(&key), address })
}

/// What the signature is over: the same list without its signature.
fn signed_part(fields: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    Header { list: true, payload_length: fields.len() }.encode(&mut list);
    list.extend_from_slice(fields);
    list
}

/// The pairs of a record; values in RLP.
struct Pairs<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Pairs<'a> {
    /// Reads the sequence number and the pairs behind it, whose keys rise.
    fn read(mut fields: &'a [u8]) -> Result<Self, RecordError> {
        u64::decode(&mut fields).map_err(|_| RecordError::Form)?;
        let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
        while !fields.is_empty() {
            let key = Header::decode_bytes(&mut fields, false).map_err(|_| RecordError::Form)?;
            if pairs.last().is_some_and(|(last, _)| *last >= key) {
                return Err(RecordError::Form);
            }
            pairs.push((key, take_item(&mut fields)?));
        }
        Ok(Self(pairs))
    }

    fn item(&self, key: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(name, _)| *name == key.as_bytes()).map(|(_, item)| *item)
    }

    fn string(&self, key: &str) -> Option<&'a [u8]> {
        Header::decode_bytes(&mut self.item(key)?, false).ok()
    }

    fn port(&self, key: &str) -> Option<u16> {
        u16::decode(&mut self.item(key)?).ok().filter(|port| *port != 0)
    }

    fn address(&self) -> Option<SocketAddr> {
        let four = || {
            let ip: [u8; 4] = self.string("ip")?.try_into().ok()?;
            Some(SocketAddr::new(IpAddr::from(ip), self.port("tcp")?))
        };
        let six = || {
            let ip: [u8; 16] = self.string("ip6")?.try_into().ok()?;
            Some(SocketAddr::new(IpAddr::from(ip), self.port("tcp6").or_else(|| self.port("tcp"))?))
        };
        four().or_else(six)
    }
}

/// Splits off one item, string or list, its header included.
fn take_item<'a>(fields: &mut &'a [u8]) -> Result<&'a [u8], RecordError> {
    let start = *fields;
    // A header that promises more than there is, is an error already.
    let header = Header::decode(fields).map_err(|_| RecordError::Form)?;
    *fields = fields.get(header.payload_length..).ok_or(RecordError::Form)?;
    Ok(&start[..start.len() - fields.len()])
}

/// RFC 4648, section 5, without padding; bits left over at the end are zero.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // Six bits left over would be a letter that stands for nothing.
    (count < 6 && bits == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use alloy_rlp::Encodable;

    use super::*;

    /// The example of EIP-778: secret b71c71a6.., 127.0.0.1, UDP 30303 and no TCP.
    const EXAMPLE: &str = "-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";

    fn secret() -> secp256k1::SecretKey {
        secp256k1::SecretKey::from_byte_array([7; 32]).unwrap()
    }

    /// A record of `secret` with these pairs besides its identity.
    fn record(extra: &[(&str, &[u8])]) -> Vec<u8> {
        let key = secret().public_key(SECP256K1).serialize();
        let mut pairs: Vec<(&str, Vec<u8>)> =
            vec![("id", alloy_rlp::encode(&b"v4"[..])), ("secp256k1", alloy_rlp::encode(&key[..]))];
        pairs.extend(extra.iter().map(|(name, item)| (*name, item.to_vec())));
        pairs.sort();
        let mut fields = alloy_rlp::encode(5_u64);
        for (name, item) in pairs {
            name.encode(&mut fields);
            fields.extend(item);
        }
        let digest = Message::from_digest(keccak256(&signed_part(&fields)).0);
        let mut signed = alloy_rlp::encode(&SECP256K1.sign_ecdsa(digest, &secret()).serialize_compact()[..]);
        signed.extend(fields);
        signed_part(&signed)
    }

    fn to_base64(bytes: &[u8]) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits: Vec<u8> =
            bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
        let letter = |bits: &[u8]| {
            let value = (0..6).fold(0, |value, bit| value << 1 | bits.get(bit).copied().unwrap_or(0));
            char::from(LETTERS[usize::from(value)])
        };
        bits.chunks(6).map(letter).collect()
    }

    fn parse_bytes(bytes: &[u8]) -> Result<Enode, RecordError> {
        parse(&to_base64(bytes))
    }

    fn ip(bytes: &[u8]) -> Vec<u8> {
        alloy_rlp::encode(bytes)
    }

    #[test]
    fn record_of_the_eip_is_read_up_to_its_missing_tcp_port() {
        assert_eq!(parse(EXAMPLE), Err(RecordError::NoAddress));
        let forged = EXAMPLE.replace("gmlwhH8AAAG", "gmlwhH8AAAC");
        assert_ne!(forged, EXAMPLE);
        assert_eq!(parse(&forged), Err(RecordError::Signature));
    }

    #[test]
    fn record_names_the_node_and_its_address() {
        let id = NodeId::from_secret_key(&secret());
        let tcp = alloy_rlp::encode(30_303_u16);
        let read = |extra: &[(&str, &[u8])]| parse_bytes(&record(extra));
        let four = ip(&[10, 3, 58, 6]);
        let found = read(&[("ip", &four), ("tcp", &tcp)]).unwrap();
        assert_eq!((found.id, found.address.to_string()), (id, "10.3.58.6:30303".to_owned()));
        let six = ip(&std::net::Ipv6Addr::LOCALHOST.octets());
        assert_eq!(read(&[("ip6", &six), ("tcp", &tcp)]).unwrap().address.to_string(), "[::1]:30303");
        let tcp6 = alloy_rlp::encode(5_u16);
        let found = read(&[("ip6", &six), ("tcp", &tcp), ("tcp6", &tcp6)]).unwrap();
        assert_eq!(found.address.to_string(), "[::1]:5");
        // What other protocols keep there is read over, lists too.
        let eth = [0xc7, 0xc6, 0x84, 1, 2, 3, 4, 0x80];
        assert!(read(&[("eth", &eth), ("ip", &four), ("tcp", &tcp)]).is_ok());
        assert_eq!(read(&[("ip", &four)]), Err(RecordError::NoAddress));
        assert_eq!(read(&[("tcp", &tcp)]), Err(RecordError::NoAddress));
    }

    #[test]
    fn changed_or_broken_records_are_refused() {
        let (four, tcp) = (ip(&[10, 3, 58, 6]), alloy_rlp::encode(30_303_u16));
        let good = record(&[("ip", &four), ("tcp", &tcp)]);
        assert!(parse_bytes(&good).is_ok());
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            assert!(parse_bytes(&bad).is_err(), "byte {place}");
            assert!(parse_bytes(&good[..place]).is_err(), "cut at {place}");
        }
        let longer = [good.as_slice(), &[0]].concat();
        assert_eq!(parse_bytes(&longer), Err(RecordError::Form));
        let big = alloy_rlp::encode(&[1; 300][..]);
        assert!(matches!(parse_bytes(&record(&[("zz", &big)])), Err(RecordError::Length { .. })));
        assert_eq!(parse("a+b/"), Err(RecordError::Base64));
        assert_eq!(parse("AAAAA"), Err(RecordError::Base64));
        assert_eq!(parse(""), Err(RecordError::Form));
    }
}
