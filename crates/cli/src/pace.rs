//! How fast blocks are imported, for people: a bar on a terminal, a line a second otherwise.
//!
//! How much there is to do is told by the files' bytes; of a pipe nobody knows. It shows what it is given and decides nothing.

use std::{
    fs,
    io::IsTerminal,
    path::PathBuf,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;

use crate::{
    chain_file::BytesRead,
    render::{self, count, permille, rate},
    say::outln,
};

/// How often the bar is drawn, as often as a sync's figures come.
const FRAME_EVERY: Duration = Duration::from_millis(100);
/// The time of which the pace is told, and how often a line is printed.
const LATELY: Duration = Duration::from_secs(1);

/// Where it is shown.
enum Shown {
    Bar(ProgressBar),
    Lines,
}

/// How fast it goes, now and in all.
pub(crate) struct Pace {
    shown: Shown,
    read: BytesRead,
    /// What all files hold, if it is known.
    bytes: Option<u64>,
    began: Instant,
    /// When the bar was drawn.
    drawn: Instant,
    frame: Frame,
    since: Instant,
    gas_since: u64,
    gas: u64,
}

/// What is told at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    /// The newest block.
    number: u64,
    /// Blocks that were executed.
    blocks: u64,
    /// Gas a second lately, in millions.
    megagas: f64,
    /// Since the start.
    past: Duration,
    /// How much of the files was read.
    share: Option<f64>,
}

impl Frame {
    /// What stands behind the bar.
    fn text(&self) -> String {
        let Self { number, blocks, megagas, past, share } = *self;
        let left =
            share.filter(|share| *share > 0.001).map(|share| past.as_secs_f64() * (1.0 - share) / share);
        let eta = left.map_or_else(|| "ETA unknown".into(), |left| format!("ETA {left:.0} s"));
        format!(
            "block {}, {megagas:.1} Mgas/s; {} blocks ({}/s); {eta}",
            count(number),
            count(blocks),
            count(rate(blocks, past))
        )
    }

    fn line(&self) -> String {
        format!("executed     block {}, {:.1} Mgas/s", count(self.number), self.megagas)
    }
}

impl Pace {
    /// Of files of which `read` is counted: a bar if standard error is a terminal.
    pub(crate) fn open(files: &[PathBuf], read: BytesRead) -> Self {
        let bytes = bytes_of(files);
        let shown = match (std::io::stderr().is_terminal(), bytes) {
            (false, _) => Shown::Lines,
            (true, Some(_)) => Shown::Bar(render::bar("blocks")),
            (true, None) => Shown::Bar(render::counter("blocks")),
        };
        let now = Instant::now();
        let frame = Frame::default();
        Self { shown, read, bytes, began: now, drawn: now, frame, since: now, gas_since: 0, gas: 0 }
    }

    /// A block was executed.
    pub(crate) fn executed(&mut self, number: u64, gas: u64) {
        (self.frame.number, self.frame.blocks) = (number, self.frame.blocks + 1);
        (self.gas, self.gas_since) = (self.gas + gas, self.gas_since + gas);
        let past = self.since.elapsed();
        if past >= LATELY {
            self.frame.megagas = megagas(self.gas_since, past);
            (self.since, self.gas_since) = (Instant::now(), 0);
            if matches!(self.shown, Shown::Lines) {
                outln!("{}", self.frame.line());
            }
        }
        self.passed();
    }

    /// One is done with, whether it was executed or was there already.
    pub(crate) fn passed(&mut self) {
        let Shown::Bar(bar) = &self.shown else { return };
        if self.drawn.elapsed() < FRAME_EVERY {
            return;
        }
        self.drawn = Instant::now();
        self.frame.past = self.began.elapsed();
        self.frame.share = self.bytes.map(|bytes| share(self.read.count(), bytes));
        bar.set_position(permille(self.frame.share.unwrap_or(0.0)));
        bar.set_message(self.frame.text());
    }

    /// Takes the bar away.
    pub(crate) fn close(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    /// All of it, up to this block.
    pub(crate) fn done(&self, head: u64) {
        let past = self.began.elapsed();
        outln!(
            "imported     {} blocks up to {}, {:.1} Mgas at {:.1} Mgas/s",
            count(self.frame.blocks),
            count(head),
            self.gas as f64 / 1e6,
            megagas(self.gas, past)
        );
    }
}

/// What files hold; nothing, if one of them is none.
fn bytes_of(files: &[PathBuf]) -> Option<u64> {
    let bytes = |file: &PathBuf| fs::metadata(file).ok().filter(fs::Metadata::is_file).map(|held| held.len());
    files.iter().map(bytes).sum()
}

fn share(read: u64, bytes: u64) -> f64 {
    read as f64 / bytes.max(1) as f64
}

fn megagas(gas: u64, past: Duration) -> f64 {
    gas as f64 / 1e6 / past.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_the_block_its_pace_and_the_time_that_is_left() {
        let past = Duration::from_secs(20);
        let frame = Frame { number: 1_234, blocks: 1_000, megagas: 512.25, past, share: Some(0.25) };
        assert_eq!(frame.text(), "block 1,234, 512.2 Mgas/s; 1,000 blocks (50/s); ETA 60 s");
        assert_eq!(frame.line(), "executed     block 1,234, 512.2 Mgas/s");
        let frame = Frame { share: Some(1.0), ..frame };
        assert_eq!(frame.text(), "block 1,234, 512.2 Mgas/s; 1,000 blocks (50/s); ETA 0 s");
        for share in [None, Some(0.0)] {
            let frame = Frame { share, ..frame };
            assert_eq!(frame.text(), "block 1,234, 512.2 Mgas/s; 1,000 blocks (50/s); ETA unknown");
        }
    }

    #[test]
    fn how_much_there_is_is_known_of_files_and_of_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, bytes: usize| {
            let path = folder.path().join(name);
            fs::write(&path, vec![0; bytes]).expect("written");
            path
        };
        let files = [file("one", 300), file("two", 100)];
        assert_eq!(bytes_of(&files), Some(400));
        assert!((share(100, 400) - 0.25).abs() < 1e-9);
        assert!((share(1, 0) - 1.0).abs() < 1e-9, "an empty file is read at once");
        assert_eq!(bytes_of(&[files[0].clone(), folder.path().to_owned()]), None, "a folder is no file");
        assert_eq!(bytes_of(&[folder.path().join("none")]), None);
    }
}
