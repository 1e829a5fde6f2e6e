//! Blocks out of chain files, read ahead of whoever executes them: decoded, and who signed their transactions is known.
//!
//! It owns a thread that reads a few blocks ahead and no further. It judges no block: one that cannot be read, or that is bad, is passed on as
//! such.

use std::{
    io,
    path::{Path, PathBuf},
    thread::JoinHandle,
};

use crossbeam_channel::{Receiver, bounded};
use snapsync_execute::{BadBlock, Block, Forks, evm::recover_senders};

use crate::{
    chain_file::{BytesRead, ChainFile},
    exit::{Exit, Failure},
};

/// Blocks that are read ahead: while one is executed, the senders of the next are recovered. A block has 10 MiB at most.
const BLOCKS_AHEAD: usize = 8;

/// A block, or why it cannot be read as one; or why the file cannot.
type Read = Result<Result<Block, BadBlock>, Failure>;

/// The blocks of several files, one after the other.
pub(crate) struct ChainReader {
    blocks: Receiver<Read>,
    bytes: BytesRead,
    thread: Option<JoinHandle<()>>,
}

impl ChainReader {
    /// Starts to read. Of blocks up to `head` nobody asks who signed them.
    pub(crate) fn start(files: Vec<PathBuf>, forks: Forks, head: u64) -> Result<Self, Failure> {
        let (told, blocks) = bounded(BLOCKS_AHEAD);
        let bytes = BytesRead::default();
        let counted = bytes.clone();
        let read = move || {
            // It ends early where nobody wants the next block.
            let mut tell = |read: Read| told.send(read).is_ok();
            for file in files {
                if !read_file(&file, &counted, &forks, head, &mut tell) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("chain-reader".into()).spawn(read);
        let thread =
            thread.map_err(|error| Failure::new(Exit::Failure, format!("start a thread: {error}")))?;
        Ok(Self { blocks, bytes, thread: Some(thread) })
    }

    /// What was read of the files until now: a little more than the blocks that were given.
    pub(crate) fn bytes_read(&self) -> BytesRead {
        self.bytes.clone()
    }
}

impl Iterator for ChainReader {
    type Item = Read;

    fn next(&mut self) -> Option<Read> {
        let read = self.blocks.recv().ok();
        if read.is_none()
            && let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
        {
            std::panic::resume_unwind(panic);
        }
        read
    }
}

/// Reads a file to its end; says whether the next one is to be read.
fn read_file(
    path: &Path,
    bytes: &BytesRead,
    forks: &Forks,
    head: u64,
    tell: &mut impl FnMut(Read) -> bool,
) -> bool {
    let unreadable =
        |error: io::Error| Failure::new(Exit::Usage, format!("chain file {}: {error}", path.display()));
    let mut file = match ChainFile::open(path, bytes) {
        Ok(file) => file,
        Err(error) => {
            tell(Err(unreadable(error)));
            return false;
        }
    };
    loop {
        let read = match file.next_block() {
            Ok(None) => return true,
            Ok(Some(raw)) => Ok(Block::decode(&raw).map(|block| match block.header().number > head {
                true => recover_senders(forks, block),
                false => block,
            })),
            Err(error) => Err(unreadable(error)),
        };
        let is_over = read.is_err();
        if !tell(read) || is_over {
            return false;
        }
    }
}
