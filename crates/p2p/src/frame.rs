//! RLPx frames: sealing and opening, with a running MAC and a running cipher in each direction.
//!
//! Pure. A header's MAC is checked before its length is believed, a body's before it is decrypted, a message's
//! length before it is inflated. Does not read or write sockets, and does not know what a message means.

use std::ops::Range;

use aes::{
    Aes256,
    cipher::{BlockEncrypt, KeyInit, KeyIvInit, StreamCipher},
};
use alloy_primitives::Bytes;
use snapsync_keccak::Stream;

use crate::Error;

type Aes256Ctr = ctr::Ctr128BE<Aes256>;

const BLOCK: usize = 16;
const MAC: usize = 16;

/// A frame's header with its MAC.
pub(crate) const HEADER: usize = BLOCK + MAC;

/// SPEC: devp2p rlpx.md, header-data: capability id and context id, both obsolete, both zero.
const HEADER_DATA: [u8; 3] = [0xc2, 0x80, 0x80];

/// Whether bodies are compressed: all but Hello, and a Disconnect in its place, are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// As they are.
    Plain,
    /// Snappy's block format.
    Snappy,
}

/// What a handshake leaves behind: the keys of both directions.
pub(crate) struct Secrets {
    pub(crate) cipher: [u8; 32],
    pub(crate) mac: [u8; 32],
    /// What we have sent so far, already seeded.
    pub(crate) egress: Stream,
    /// What we have received so far, already seeded.
    pub(crate) ingress: Stream,
}

impl Secrets {
    /// The two directions.
    pub(crate) fn split(self) -> (Sealer, Opener) {
        let cipher = || Aes256Ctr::new(&self.cipher.into(), &[0; 16].into());
        let mac = |stream| RunningMac { cipher: Aes256::new(&self.mac.into()), stream };
        let sealer = Sealer { cipher: cipher(), mac: mac(self.egress), snappy: snap::raw::Encoder::new() };
        (sealer, Opener { cipher: cipher(), mac: mac(self.ingress) })
    }
}

/// RLPx's MAC: a keccak stream stirred with AES after each header and body.
struct RunningMac {
    cipher: Aes256,
    stream: Stream,
}

impl RunningMac {
    fn header(&mut self, header: &[u8; BLOCK]) -> [u8; MAC] {
        let mut seed = self.stirred();
        xor(&mut seed, header);
        self.stream.update(&seed);
        self.tag()
    }

    fn body(&mut self, body: &[u8]) -> [u8; MAC] {
        self.stream.update(body);
        let mut seed = self.stirred();
        xor(&mut seed, &self.tag());
        self.stream.update(&seed);
        self.tag()
    }

    fn tag(&self) -> [u8; MAC] {
        let digest = self.stream.digest();
        let mut tag = [0; MAC];
        tag.copy_from_slice(&digest[..MAC]);
        tag
    }

    fn stirred(&self) -> [u8; BLOCK] {
        let mut block = self.tag().into();
        self.cipher.encrypt_block(&mut block);
        block.into()
    }
}

fn xor(left: &mut [u8; BLOCK], right: &[u8; BLOCK]) {
    for (left, right) in left.iter_mut().zip(right) {
        *left ^= right;
    }
}

/// Compared without a branch on where they differ, so that time tells a forger nothing.
fn same(left: &[u8; MAC], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// Seals what we send.
pub(crate) struct Sealer {
    cipher: Aes256Ctr,
    mac: RunningMac,
    snappy: snap::raw::Encoder,
}

impl Sealer {
    /// Appends the frame of one message to `out`.
    pub(crate) fn seal(
        &mut self,
        code: u64,
        body: &[u8],
        packing: Packing,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = out.len();
        out.resize(start + HEADER, 0);
        put_code(code, out);
        match packing {
            Packing::Plain => out.extend_from_slice(body),
            Packing::Snappy => self.compress(body, out)?,
        }
        let length = out.len() - start - HEADER;
        let max = (1 << 24) - 1;
        let size = u32::try_from(length).ok().filter(|size| *size <= max);
        let size = size.ok_or(Error::FrameLong { length, max: max as usize })?;
        out.resize(start + HEADER + padded(length), 0);
        let (header, body) = out[start..].split_at_mut(HEADER);
        header[..3].copy_from_slice(&size.to_be_bytes()[1..]);
        header[3..6].copy_from_slice(&HEADER_DATA);
        self.cipher.apply_keystream(&mut header[..BLOCK]);
        let mut sealed = [0; BLOCK];
        sealed.copy_from_slice(&header[..BLOCK]);
        header[BLOCK..].copy_from_slice(&self.mac.header(&sealed));
        self.cipher.apply_keystream(body);
        let tag = self.mac.body(body);
        out.extend_from_slice(&tag);
        Ok(())
    }

    fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        out.resize(start + snap::raw::max_compress_len(body.len()), 0);
        let written = self.snappy.compress(body, &mut out[start..]).map_err(|_| Error::Snappy)?;
        out.truncate(start + written);
        Ok(())
    }
}

/// Opens what we receive.
pub(crate) struct Opener {
    cipher: Aes256Ctr,
    mac: RunningMac,
}

impl Opener {
    /// Checks and decrypts a header; gives the length of the frame's body, without padding and MAC.
    pub(crate) fn header(&mut self, header: &mut [u8; HEADER]) -> Result<usize, Error> {
        let mut sealed = [0; BLOCK];
        sealed.copy_from_slice(&header[..BLOCK]);
        if !same(&self.mac.header(&sealed), &header[BLOCK..]) {
            return Err(Error::HeaderMac);
        }
        self.cipher.apply_keystream(&mut header[..BLOCK]);
        Ok(u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize)
    }

    /// Checks and decrypts a body with its padding and MAC, in place.
    pub(crate) fn body(&mut self, body: &mut [u8]) -> Result<(), Error> {
        let (sealed, tag) = body.split_at_mut(body.len().saturating_sub(MAC));
        if !same(&self.mac.body(sealed), tag) {
            return Err(Error::FrameMac);
        }
        self.cipher.apply_keystream(sealed);
        Ok(())
    }
}

/// Bytes on the wire of a body of this length: padding and MAC included.
pub(crate) const fn body_bytes(length: usize) -> usize {
    padded(length) + MAC
}

const fn padded(length: usize) -> usize {
    length.next_multiple_of(BLOCK)
}

/// The code in front of a decrypted body, and where the message stands.
pub(crate) fn code(body: &[u8]) -> Result<(u64, Range<usize>), Error> {
    let first = *body.first().ok_or(Error::FrameEmpty)?;
    let malformed = Error::FrameCode;
    match first {
        0..0x80 => Ok((u64::from(first), 1..body.len())),
        0x80 => Ok((0, 1..body.len())),
        // No protocol here has codes beyond two bytes; the rest is refused unread.
        0x81 | 0x82 => {
            let end = 1 + usize::from(first - 0x80);
            let digits = body.get(1..end).ok_or(Error::FrameEmpty)?;
            let code = digits.iter().fold(0, |code, digit| code << 8 | u64::from(*digit));
            let canonical = code >= if first == 0x81 { 0x80 } else { 0x100 };
            if canonical { Ok((code, end..body.len())) } else { Err(malformed) }
        }
        _ => Err(malformed),
    }
}

fn put_code(code: u64, out: &mut Vec<u8>) {
    match code {
        0 => out.push(0x80),
        1..0x80 => out.push(code as u8),
        _ => {
            let digits = code.to_be_bytes();
            let digits = &digits[code.leading_zeros() as usize / 8..];
            out.push(0x80 + digits.len() as u8);
            out.extend_from_slice(digits);
        }
    }
}

/// Inflates a message whose announced length is within the limit, once, into what is handed on.
pub(crate) fn inflate(message: &[u8], packing: Packing, bytes_max: usize) -> Result<Bytes, Error> {
    let length = match packing {
        Packing::Plain => message.len(),
        Packing::Snappy => snap::raw::decompress_len(message).map_err(|_| Error::Snappy)?,
    };
    if length > bytes_max {
        return Err(Error::MessageLong { length, max: bytes_max });
    }
    if packing == Packing::Plain {
        return Ok(Bytes::copy_from_slice(message));
    }
    let mut inflated = vec![0; length];
    let written = snap::raw::Decoder::new().decompress(message, &mut inflated).map_err(|_| Error::Snappy)?;
    inflated.truncate(written);
    Ok(Bytes::from(inflated))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Both ends of one direction.
    fn pair() -> (Sealer, Opener) {
        let secrets =
            || Secrets { cipher: [1; 32], mac: [2; 32], egress: Stream::new(), ingress: Stream::new() };
        (secrets().split().0, secrets().split().1)
    }

    fn open(opener: &mut Opener, frame: &mut [u8], packing: Packing) -> Result<(u64, Bytes), Error> {
        let (header, body) = frame.split_at_mut(HEADER);
        let length = opener.header(header.try_into().unwrap())?;
        assert_eq!(body.len(), body_bytes(length));
        opener.body(body)?;
        let (code, message) = code(&body[..length])?;
        Ok((code, inflate(&body[..length][message], packing, 1 << 20)?))
    }

    #[test]
    fn flipped_byte_in_header_or_body_is_a_wrong_mac() {
        for at in 0..HEADER + body_bytes(7) {
            let (mut sealer, mut opener) = pair();
            let mut frame = Vec::new();
            sealer.seal(5, b"abcd", Packing::Snappy, &mut frame).unwrap();
            frame[at] ^= 0x40;
            let expected = if at < HEADER { Error::HeaderMac } else { Error::FrameMac };
            assert_eq!(open(&mut opener, &mut frame, Packing::Snappy).unwrap_err(), expected, "{at}");
        }
    }

    #[test]
    fn snappy_bomb_is_refused_by_its_header() {
        // 4 GiB - 1, in snappy's varint, and nothing behind it.
        let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
        let refused = inflate(&bomb, Packing::Snappy, 10 << 20).unwrap_err();
        assert_eq!(refused, Error::MessageLong { length: u32::MAX as usize, max: 10 << 20 });
        // A length within the limit that the data do not fill.
        assert_eq!(inflate(&[0x80, 0x80, 0x04, 0x00], Packing::Snappy, 1 << 20).unwrap_err(), Error::Snappy);
    }

    #[test]
    fn empty_frames_and_strange_codes_are_refused() {
        assert_eq!(code(&[]).unwrap_err(), Error::FrameEmpty);
        for strange in [&[0x81, 0x7f][..], &[0x82, 0, 0x80], &[0xb8, 1], &[0xc0], &[0x83, 1, 1, 1]] {
            assert!(matches!(code(strange), Err(Error::FrameCode)), "{strange:?}");
        }
        assert_eq!(code(&[0x81]).unwrap_err(), Error::FrameEmpty);
    }

    proptest! {
        #[test]
        fn frames_open_in_the_order_they_were_sealed(
            messages in proptest::collection::vec((0..0x10000_u64, proptest::collection::vec(any::<u8>(), 0..5000), any::<bool>()), 1..6),
        ) {
            let (mut sealer, mut opener) = pair();
            for (number, message, plain) in messages {
                let packing = if plain { Packing::Plain } else { Packing::Snappy };
                let mut frame = Vec::new();
                sealer.seal(number, &message, packing, &mut frame).unwrap();
                let (code, opened) = open(&mut opener, &mut frame, packing).unwrap();
                prop_assert_eq!(code, number);
                prop_assert_eq!(&opened[..], &message[..]);
            }
        }

        #[test]
        fn any_decrypted_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok((_, message)) = code(&bytes) {
                let _ = inflate(&bytes[message], Packing::Snappy, 1 << 16);
            }
            let _ = inflate(&bytes, Packing::Snappy, 1 << 16);
        }
    }
}
