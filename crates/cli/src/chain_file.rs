//! Blocks out of a chain file: what `geth export` writes, one block's RLP after the other, gzip around it or not.
//!
//! It reads a block at a time, so a file may be of any size. It trusts nobody: a block's length is bounded before room is made for it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, ErrorKind, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy_primitives::Bytes;
use flate2::bufread::MultiGzDecoder;
use snapsync_wire::limits::{BODY_BYTES_MAX, HEADER_BYTES_MAX};

/// Bytes in a block's list at most: no header and no body that is longer is read.
const BLOCK_BYTES_MAX: usize = HEADER_BYTES_MAX + BODY_BYTES_MAX;
/// The first two bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A chain file, read from its start.
pub(crate) struct ChainFile {
    bytes: Box<dyn Read>,
}

/// How many bytes of files were read, as they are on the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct BytesRead(Arc<AtomicU64>);

impl BytesRead {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A file whose bytes are counted as they are read.
struct Counted {
    file: File,
    read: BytesRead,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(out)?;
        self.read.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl ChainFile {
    /// Opens a file, and counts what is read of it.
    pub(crate) fn open(path: &Path, read: &BytesRead) -> io::Result<Self> {
        let file = Counted { file: File::open(path)?, read: read.clone() };
        let mut file = BufReader::with_capacity(1 << 20, file);
        let is_gzip = file.fill_buf()?.starts_with(&GZIP);
        let bytes: Box<dyn Read> = match is_gzip {
            true => Box::new(BufReader::with_capacity(1 << 20, MultiGzDecoder::new(file))),
            false => Box::new(file),
        };
        Ok(Self { bytes })
    }

    /// The next block's bytes; `None` at the end of the file.
    pub(crate) fn next_block(&mut self) -> io::Result<Option<Bytes>> {
        let mut first = [0];
        if self.bytes.read(&mut first)? == 0 {
            return Ok(None);
        }
        let wrong = |why: String| io::Error::new(ErrorKind::InvalidData, why);
        let mut block = first.to_vec();
        let length = match first[0] {
            0xc0..=0xf7 => usize::from(first[0] - 0xc0),
            0xf8..=0xff => {
                let mut length = [0; 8];
                let count = usize::from(first[0] - 0xf7);
                self.bytes.read_exact(&mut length[8 - count..])?;
                block.extend_from_slice(&length[8 - count..]);
                usize::try_from(u64::from_be_bytes(length)).unwrap_or(usize::MAX)
            }
            other => return Err(wrong(format!("no block begins with byte {other:#04x}"))),
        };
        if length > BLOCK_BYTES_MAX {
            return Err(wrong(format!("a block of {length} bytes")));
        }
        let start = block.len();
        block.resize(start + length, 0);
        self.bytes.read_exact(&mut block[start..])?;
        Ok(Some(block.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("written");
        file
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<Bytes>> {
        let file = file(bytes);
        let counted = BytesRead::default();
        let mut chain = ChainFile::open(file.path(), &counted)?;
        let mut blocks = Vec::new();
        while let Some(block) = chain.next_block()? {
            blocks.push(block);
        }
        assert_eq!(counted.count(), bytes.len() as u64);
        Ok(blocks)
    }

    #[test]
    fn blocks_are_read_one_after_the_other_with_gzip_and_without() {
        let long = [&[0xf9, 1, 0][..], &[7; 256]].concat();
        let plain = [&[0xc2, 5, 6][..], &long, &[0xc0]].concat();
        let expected: Vec<Bytes> = vec![vec![0xc2, 5, 6].into(), long.into(), vec![0xc0].into()];
        assert_eq!(read(&plain).expect("plain"), expected);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("packed");
        assert_eq!(read(&gzip.finish().expect("packed")).expect("unpacked"), expected);
        assert!(read(&[]).expect("an empty file").is_empty());
    }

    #[test]
    fn what_is_cut_or_no_block_or_too_long_is_an_error() {
        for bytes in [&[0xc2, 5][..], &[0xf9, 1], &[0x80], &[0xfb, 0xff, 0xff, 0xff, 0xff], &[0xff; 9]] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        // The longest is read, and no room is made for one that is longer.
        let long = |length: usize| {
            let mut block = vec![0; 4 + length];
            block[..4]
                .copy_from_slice(&(0xfa00_0000 | u32::try_from(length).expect("24 bits")).to_be_bytes());
            block
        };
        assert_eq!(read(&long(BLOCK_BYTES_MAX)).expect("a block")[0].len(), 4 + BLOCK_BYTES_MAX);
        let told = read(&long(BLOCK_BYTES_MAX + 1)).expect_err("too long").to_string();
        assert_eq!(told, format!("a block of {} bytes", BLOCK_BYTES_MAX + 1));
    }
}
