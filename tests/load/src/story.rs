//! The story `import`: a chain of very many small blocks, made here and imported by `snapsync import` through a pipe.
//!
//! Neither side keeps it: what is compared are the second tenth and the last, in processor time a block and in anonymous memory. The importer is
//! behind the maker by what a pipe and a buffer hold, the same all the time.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{self, Child, ChildStdin, Command, Stdio},
    time::Instant,
};

use snapsync_demo::{Load, LoadedChain};
use snapsync_e2e::program;

use crate::{
    error::Error,
    file,
    process::{Usage, usage},
    tenths::{Cost, PARTS, Tenth, check_flat},
};

/// Blocks between two looks at memory.
const LOOK_EVERY: u64 = 500;
/// The chain is the same each time.
const SEED: u64 = 1;

/// Tells it with so many blocks.
pub(crate) fn tell(blocks: u64) -> Result<(), Error> {
    let part = blocks / PARTS;
    if part == 0 {
        return Err(Error::TooFew(blocks));
    }
    let folder = tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))?;
    let workshop = file::workshop()?;
    let mut chain = LoadedChain::begin(Load::Small, SEED, workshop.path())?;
    let mut importer = Importer::start(&file::write_genesis(&chain, folder.path())?, folder.path())?;
    let mut tenths = Vec::new();
    for number in 1..=PARTS {
        let tenth = importer.take(&mut chain, part)?;
        println!(
            "tenth {number:>2}: {:.1} s; importer {}; maker {}",
            tenth.seconds, tenth.importer, tenth.maker
        );
        tenths.push(tenth);
    }
    importer.end(part * PARTS)?;
    check_flat(&tenths)
}

/// `snapsync import`, which reads what it is given.
struct Importer {
    child: Child,
    blocks: Option<ChildStdin>,
    output: PathBuf,
}

impl Importer {
    fn start(genesis: &Path, folder: &Path) -> Result<Self, Error> {
        let program = program::locate()?;
        let output = folder.join("output");
        let file = File::create(&output).map_err(Error::io("make", &output))?;
        let mut child = Command::new(&program)
            .arg("import")
            .args([Path::new("--genesis"), genesis, Path::new("--datadir"), &folder.join("datadir")])
            .arg("/dev/stdin")
            .stdin(Stdio::piped())
            .stdout(file)
            .spawn()
            .map_err(Error::io("start", &program))?;
        let blocks = child.stdin.take();
        Ok(Self { child, blocks, output })
    }

    /// Gives it the next blocks of a chain. BLOCKING: for as long as it takes them.
    fn take(&mut self, chain: &mut LoadedChain, blocks: u64) -> Result<Tenth, Error> {
        let (began, before) = (Instant::now(), self.both());
        let (mut importer_bytes, mut maker_bytes) = (0, 0);
        for nth in 0..blocks {
            let block = chain.next_block()?;
            let given = self.blocks.as_mut().map(|pipe| pipe.write_all(&block.raw));
            if !matches!(given, Some(Ok(()))) {
                // It reads no more: what it says of that is worth more than the pipe's error.
                return Err(self.ended());
            }
            if nth % LOOK_EVERY == 0 || nth + 1 == blocks {
                let [importer, maker] = self.both();
                importer_bytes = importer.anonymous_bytes.max(importer_bytes);
                maker_bytes = maker.anonymous_bytes.max(maker_bytes);
            }
        }
        let after = self.both();
        Ok(Tenth {
            seconds: began.elapsed().as_secs_f64(),
            importer: Cost::between(before[0], after[0], importer_bytes, blocks),
            maker: Cost::between(before[1], after[1], maker_bytes, blocks),
        })
    }

    /// What it uses, and what we use.
    fn both(&self) -> [Usage; 2] {
        [self.child.id(), process::id()].map(usage)
    }

    /// Lets it come to its end, which must be at this block.
    fn end(mut self, head: u64) -> Result<(), Error> {
        drop(self.blocks.take());
        // BLOCKING: until it has executed what is in the pipe.
        let status = self.child.wait().map_err(Error::io("await", "snapsync import"))?;
        let words = self.words();
        let last = words.lines().last().unwrap_or_default();
        if status.success() && last.replace(',', "").contains(&format!(" up to {head} ")) {
            println!("{last}");
            return Ok(());
        }
        Err(Error::Ended { status: status.to_string(), words })
    }

    fn ended(&mut self) -> Error {
        drop(self.blocks.take());
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        Error::Ended { status, words: self.words() }
    }

    fn words(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }
}

impl Drop for Importer {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
