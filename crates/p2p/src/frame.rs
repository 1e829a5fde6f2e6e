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

impl Packing {
    /// Bytes that a body of this length takes at most.
    fn bytes_max(self, length: usize) -> usize {
        match self {
            Self::Plain => length,
            Self::Snappy => snap::raw::max_compress_len(length),
        }
    }
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
        let mac = |stream| RunningMac::new(Aes256::new(&self.mac.into()), stream);
        let sealer = Sealer { cipher: cipher(), mac: mac(self.egress), snappy: snap::raw::Encoder::new() };
        (sealer, Opener { cipher: cipher(), mac: mac(self.ingress) })
    }
}

/// RLPx's MAC: a keccak stream stirred with AES after each header and body.
///
/// A digest costs a permutation, and each is asked for twice: as the last tag and as the seed of the next. So the last one is
/// kept, and a frame costs three beyond those of its bytes.
struct RunningMac {
    cipher: Aes256,
    stream: Stream,
    /// Invariant: the first bytes of the stream's digest as it is now.
    tag: [u8; MAC],
}

impl RunningMac {
    fn new(cipher: Aes256, stream: Stream) -> Self {
        let mut mac = Self { cipher, stream, tag: [0; MAC] };
        mac.take(&[]);
        mac
    }

    fn header(&mut self, header: &[u8; BLOCK]) -> [u8; MAC] {
        self.stir(header);
        self.tag
    }

    fn body(&mut self, body: &[u8]) -> [u8; MAC] {
        self.take(body);
        let tag = self.tag;
        self.stir(&tag);
        self.tag
    }

    /// Takes in the last tag, encrypted and mixed with `block`.
    fn stir(&mut self, block: &[u8; BLOCK]) {
        let mut seed = self.tag.into();
        self.cipher.encrypt_block(&mut seed);
        let mut seed: [u8; BLOCK] = seed.into();
        xor(&mut seed, block);
        self.take(&seed);
    }

    fn take(&mut self, bytes: &[u8]) {
        self.stream.update(bytes);
        let digest = self.stream.digest();
        self.tag.copy_from_slice(&digest[..MAC]);
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
    /// Appends the frame of one message to `burst`: compressed straight into its place, encrypted where it lies.
    pub(crate) fn seal(
        &mut self,
        code: u64,
        body: &[u8],
        packing: Packing,
        burst: &mut Burst,
    ) -> Result<(), Error> {
        let frame = burst.room(sealed_bytes_max(body.len(), packing));
        let start = HEADER + put_code(code, &mut frame[HEADER..]);
        let packed = match packing {
            Packing::Plain => {
                frame[start..][..body.len()].copy_from_slice(body);
                body.len()
            }
            Packing::Snappy => self.snappy.compress(body, &mut frame[start..]).map_err(|_| Error::Snappy)?,
        };
        let length = start + packed - HEADER;
        let max = (1 << 24) - 1;
        let size = u32::try_from(length).ok().filter(|size| *size <= max);
        let size = size.ok_or(Error::FrameLong { length, max: max as usize })?;
        let (header, rest) = frame.split_at_mut(HEADER);
        let (body, tag) = rest[..body_bytes(length)].split_at_mut(padded(length));
        body[length..].fill(0);
        header[..3].copy_from_slice(&size.to_be_bytes()[1..]);
        header[3..6].copy_from_slice(&HEADER_DATA);
        header[6..].fill(0);
        self.cipher.apply_keystream(&mut header[..BLOCK]);
        let mut sealed = [0; BLOCK];
        sealed.copy_from_slice(&header[..BLOCK]);
        header[BLOCK..].copy_from_slice(&self.mac.header(&sealed));
        self.cipher.apply_keystream(body);
        tag.copy_from_slice(&self.mac.body(body));
        burst.used += HEADER + body_bytes(length);
        Ok(())
    }
}

impl Sealer {
    /// The header of a frame of this length without its body: a peer that never sends it.
    pub(crate) fn announce(&mut self, length: u32) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..3].copy_from_slice(&length.to_be_bytes()[1..]);
        header[3..6].copy_from_slice(&HEADER_DATA);
        self.cipher.apply_keystream(&mut header[..BLOCK]);
        let mut sealed = [0; BLOCK];
        sealed.copy_from_slice(&header[..BLOCK]);
        header[BLOCK..].copy_from_slice(&self.mac.header(&sealed));
        header
    }
}

/// Sealed frames that go out together. Its bytes are zeroed when they are first needed and then overwritten again and again.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    bytes: Vec<u8>,
    used: usize,
}

impl Burst {
    /// The frames.
    pub(crate) fn frames(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    /// Bytes of memory that it holds.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Forgets the frames.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    /// Bytes that it has or lacks for one more message of this length, whole.
    pub(crate) fn bytes_with(&self, length: usize, packing: Packing) -> usize {
        self.used + sealed_bytes_max(length, packing)
    }

    /// Goes on in another buffer, which is no shorter than what is used; gives the one before.
    pub(crate) fn move_into(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        bytes[..self.used].copy_from_slice(&self.bytes[..self.used]);
        std::mem::replace(&mut self.bytes, bytes)
    }

    /// Room behind the frames.
    fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.used + bytes;
        if self.bytes.len() < end {
            self.bytes.reserve_exact(end - self.bytes.len());
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.used..end]
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

/// Bytes that the frame of a message of this length takes at most.
pub(crate) fn sealed_bytes_max(length: usize, packing: Packing) -> usize {
    HEADER + body_bytes(CODE_BYTES_MAX + packing.bytes_max(length))
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

/// Bytes of a code: its head and eight digits.
const CODE_BYTES_MAX: usize = 9;

/// Writes a code and says how long it is.
fn put_code(code: u64, out: &mut [u8]) -> usize {
    match code {
        0 => out[0] = 0x80,
        1..0x80 => out[0] = code as u8,
        _ => {
            let digits = code.to_be_bytes();
            let digits = &digits[code.leading_zeros() as usize / 8..];
            out[0] = 0x80 + digits.len() as u8;
            out[1..][..digits.len()].copy_from_slice(digits);
            return 1 + digits.len();
        }
    }
    1
}

/// How long a message says that it is when inflated, if that is within the limit.
pub(crate) fn inflated_length(message: &[u8], packing: Packing, bytes_max: usize) -> Result<usize, Error> {
    let length = match packing {
        Packing::Plain => message.len(),
        Packing::Snappy => snap::raw::decompress_len(message).map_err(|_| Error::Snappy)?,
    };
    if length > bytes_max {
        return Err(Error::MessageLong { length, max: bytes_max });
    }
    Ok(length)
}

/// Inflates a message into `out`, which has its [length](inflated_length). All of it is written, or it fails: what was in it
/// before is never taken for the message.
pub(crate) fn inflate_into(message: &[u8], packing: Packing, out: &mut [u8]) -> Result<(), Error> {
    match packing {
        Packing::Plain => out.copy_from_slice(message),
        Packing::Snappy => {
            let written = snap::raw::Decoder::new().decompress(message, out);
            written.ok().filter(|written| *written == out.len()).ok_or(Error::Snappy)?;
        }
    }
    Ok(())
}

/// Inflates a small message into a buffer of its own.
pub(crate) fn inflate(message: &[u8], packing: Packing, bytes_max: usize) -> Result<Bytes, Error> {
    let mut inflated = vec![0; inflated_length(message, packing, bytes_max)?];
    inflate_into(message, packing, &mut inflated)?;
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
            let mut burst = Burst::default();
            sealer.seal(5, b"abcd", Packing::Snappy, &mut burst).unwrap();
            let mut frame = burst.frames().to_vec();
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
                let mut burst = Burst::default();
                sealer.seal(number, &message, packing, &mut burst).unwrap();
                let (code, opened) = open(&mut opener, &mut burst.frames().to_vec(), packing).unwrap();
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
