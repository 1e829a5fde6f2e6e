//! The story `hostile`: one honest peer, 33 strangers, ten minutes.
//!
//! First syncs that are alone, then one that lasts half of the time on a slow line, then as many on a free line as the rest of the time
//! has. The strangers are a process of its own with the lowest priority: their processor time is no cost of a node that has a
//! machine for itself, and here both have the same.

use std::{
    env,
    io::{Read, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{BUDGET_BYTES, Count, Crowd, Error, Kind, Line, Place, SESSIONS, Size, Stage, Synced};

/// A million leaves, as `snapsync bench --leaves 1000000` divides them.
const SIZE: Size = Size { accounts: 333_333, contracts: 11_111, slots: 666_667, blocks: 2048 };

/// What anonymous memory may have beside the budget: code, stacks, the allocator.
const BESIDE_BYTES: u64 = 64 << 20;

/// For one sync to end, beyond the time that its line takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// The strangers as a process.
struct Siege {
    child: Child,
}

impl Siege {
    fn begin(place: &Place) -> Result<Self, Error> {
        let program = env::current_exe().map_err(io("find", "ourselves"))?;
        let child = Command::new("nice")
            .args(["-n", "19"])
            .arg(program)
            .arg("besiege")
            .args(place.to_words())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(io("start", "nice"))?;
        Ok(Self { child })
    }

    /// Ends it, and tells what it has done.
    fn end(mut self) -> Result<[Count; Kind::ALL.len()], Error> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut text).map_err(io("read", "the strangers"))?;
        }
        self.child.wait().map_err(io("await", "the strangers"))?;
        Count::read_all(&text)
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The process of the strangers: they are at it until the input ends; then it says what they did.
///
/// # Errors
/// When the system gives no threads, or nobody reads.
pub fn besiege(place: Place) -> Result<(), Error> {
    let crowd = Crowd::gather(place, SESSIONS).map_err(io("start", "the strangers"))?;
    std::io::stdin().read_to_end(&mut Vec::new()).map_err(io("read", "the input"))?;
    let tally = crowd.tally().to_json();
    writeln!(std::io::stdout(), "{tally}").map_err(io("write", "the tally"))
}

/// Tells the story for so long, and fails where it does not hold.
///
/// # Errors
/// [`Error::Dear`] when a bound is passed, [`Error::NotSynced`] when a sync fails.
pub fn tell(time: Duration) -> Result<(), Error> {
    let stage = Stage::open(SIZE)?;
    let mut alone = Vec::new();
    // The first fills caches and is not counted; its bytes are.
    let first = stage.sync("alone", Line::Relayed)?.wait(PATIENCE)?;
    let bytes = stage.relay().passed().down_bytes;
    report("first alone", &first);
    for _ in 0..3 {
        let synced = stage.sync("alone", Line::Free)?.wait(PATIENCE)?;
        report("alone", &synced);
        alone.push(synced);
    }
    let begun = Instant::now();
    let mut counts = [Count::default(); Kind::ALL.len()];
    stage.relay().throttle(Some(bytes / (time.as_secs() / 2).max(1)));
    let slow = besieged(&stage, Line::Relayed, time + PATIENCE, &mut counts)?;
    report("besieged, slow line", &slow);
    let mut besieged_runs = Vec::new();
    while begun.elapsed() < time || besieged_runs.is_empty() {
        let synced = besieged(&stage, Line::Free, PATIENCE, &mut counts)?;
        report("besieged", &synced);
        besieged_runs.push(synced);
    }
    table(&counts);
    verdict(&alone, &slow, &besieged_runs)
}

fn besieged(
    stage: &Stage,
    line: Line,
    patience: Duration,
    counts: &mut [Count; Kind::ALL.len()],
) -> Result<Synced, Error> {
    let syncing = stage.sync("besieged", line)?;
    let siege = Siege::begin(syncing.place())?;
    let synced = syncing.wait(patience)?;
    for (count, more) in counts.iter_mut().zip(siege.end()?) {
        count.add(&more);
    }
    Ok(synced)
}

fn report(what: &str, synced: &Synced) {
    let Synced { wall, cpu_seconds, anonymous_peak_bytes, .. } = synced;
    let (wall, mib) = (wall.as_secs_f64(), anonymous_peak_bytes >> 20);
    println!("{what:<20} {wall:>7.2} s {cpu_seconds:>7.2} CPU s {mib:>5} MiB anonymous at most");
}

fn table(counts: &[Count]) {
    println!(
        "\n| kind | sessions | refused | messages | MB sent | hang-ups |\n| --- | --- | --- | --- | --- | --- |"
    );
    for (kind, count) in Kind::ALL.into_iter().zip(counts) {
        let Count { sessions, refused, messages, bytes, hang_ups } = count;
        println!(
            "| {} | {sessions} | {refused} | {messages} | {} | {hang_ups} |",
            kind.name(),
            bytes / 1_000_000
        );
    }
    println!();
}

fn verdict(alone: &[Synced], slow: &Synced, besieged: &[Synced]) -> Result<(), Error> {
    let wall = |runs: &[Synced]| median(runs.iter().map(|run| run.wall.as_secs_f64()).collect());
    let cpu = |runs: &[Synced]| median(runs.iter().map(|run| run.cpu_seconds).collect());
    let (before, among) = (wall(alone), wall(besieged));
    let most = besieged.iter().chain([slow]).map(|run| run.anonymous_peak_bytes).max().unwrap_or(0);
    let allowed = BUDGET_BYTES + BESIDE_BYTES;
    println!(
        "alone {before:.2} s ({:.2} CPU s), besieged {among:.2} s ({:.2} CPU s): {:.2} times",
        cpu(alone),
        cpu(besieged),
        among / before
    );
    println!("anonymous memory: {} of {} MiB at most", most >> 20, allowed >> 20);
    if most > allowed {
        return Err(Error::Dear(format!("{most} bytes of anonymous memory, {allowed} are allowed")));
    }
    if among > 2.0 * before {
        return Err(Error::Dear(format!("a sync took {among:.2} s among strangers, {before:.2} s alone")));
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn io(what: &'static str, whom: &str) -> impl FnOnce(std::io::Error) -> Error {
    let io = snapsync_e2e::Error::io(what, whom);
    move |error| io(error).into()
}
