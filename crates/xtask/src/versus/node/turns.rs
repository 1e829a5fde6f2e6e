//! The turns of each part, so often as is wanted: every client in an empty directory.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use snapsync_e2e::{cost, payload::PayloadCall, recipe::Size};
use tempfile::TempDir;

use crate::{
    chain,
    error::Error,
    versus::{
        import::made::MadeChain,
        node::{
            bad_calls::BadCalls,
            bench::Bench,
            driven::{Driven, Ground, Mode},
            heads::MovingChain,
            payloads::{self, Pace, Turn},
            phases,
        },
    },
};

/// The load of a usual block: 200 calls of a token, with 60,000 gas each.
const LOAD: &str = "tokens";
/// Between two blocks beside bad calls.
const BLOCK_EVERY: Duration = Duration::from_millis(100);

/// Payloads, and what lies around them.
struct Given {
    folder: TempDir,
    chain: MadeChain,
    calls: Vec<PayloadCall>,
}

impl Given {
    fn make(bench: &Bench, blocks: u64) -> Result<Self, Error> {
        let folder = folder()?;
        let chain = MadeChain::make(&bench.programs.join("load"), LOAD, blocks, folder.path())?;
        let calls = payloads::of_chain(&bench.tools, &chain, folder.path())?;
        Ok(Self { folder, chain, calls })
    }

    /// An empty place for a client of that name.
    fn ground(&self, name: &str) -> Result<Ground, Error> {
        let place = self.folder.path().join(name);
        fs::create_dir_all(&place).map_err(Error::io("make", &place))?;
        let (genesis, network_id) = (self.chain.genesis.clone(), payloads::network_id(&self.chain.genesis)?);
        Ok(Ground { genesis, network_id, place, mode: Mode::Full, peer: None })
    }
}

/// The same payloads to geth and to ours.
pub(super) fn payloads(bench: &Bench) -> Result<Value, Error> {
    let given = Given::make(bench, bench.arguments.blocks)?;
    let (mut geth, mut ours) = (Vec::new(), Vec::new());
    for number in 1..=bench.arguments.runs {
        let ground = given.ground(&format!("geth-{number}"))?;
        let datadir = Driven::init_geth(&bench.tools, &ground)?;
        let mut client = Driven::geth(&bench.tools, datadir, &ground)?;
        geth.push(told(number, "geth", &Turn::take(&mut client, &given.calls, Pace::AtOnce)?));
        drop(client);
        let ground = given.ground(&format!("snapsync-{number}"))?;
        let mut client = Driven::ours(&bench.program, &ground)?;
        ours.push(told(number, "snapsync", &Turn::take(&mut client, &given.calls, Pace::AtOnce)?));
    }
    Ok(json!({ "made": given.chain.told, "geth": geth, "snapsync": ours }))
}

/// Payloads at a pace to ours, alone and beside bad calls.
pub(super) fn bad_calls(bench: &Bench) -> Result<Value, Error> {
    let blocks = bench.arguments.seconds * 1_000 / BLOCK_EVERY.as_millis() as u64;
    let given = Given::make(bench, blocks)?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for number in 1..=bench.arguments.runs {
        let pace = Pace::Every(BLOCK_EVERY);
        let mut client = Driven::ours(&bench.program, &given.ground(&format!("alone-{number}"))?)?;
        alone.push(told(number, "alone", &Turn::take(&mut client, &given.calls, pace)?));
        drop(client);
        let mut client = Driven::ours(&bench.program, &given.ground(&format!("beside-{number}"))?)?;
        let good = given.calls.get(given.calls.len() / 2).ok_or(Error::Output("load make"))?;
        let stranger = BadCalls::start(client.engine(), good);
        let turn = Turn::take(&mut client, &given.calls, pace);
        let sent = stranger.stop()?;
        let mut figures = told(number, "beside", &turn?);
        figures["bad_calls"] = sent.into();
        eprintln!("xtask: run {number}: {sent} bad calls were refused");
        beside.push(figures);
    }
    Ok(json!({ "made": given.chain.told, "alone": alone, "beside": beside }))
}

/// From an empty directory to the first valid block of a chain that moves, and ours from its restarts.
pub(super) fn heads(bench: &Bench) -> Result<Value, Error> {
    let chain = chain::make(&bench.tools, &bench.arguments.chain)?;
    let size = [Size::SMALL, Size::LARGE].into_iter().find(|size| size.name == bench.arguments.chain);
    let size = size.ok_or(Error::Usage("chains that move: small, large"))?;
    let (mut geth, mut ours) = (Vec::new(), Vec::new());
    for number in 1..=bench.arguments.runs {
        for is_ours in [false, true] {
            let folder = folder()?;
            let moving = MovingChain::start(&bench.tools, &chain, size, folder.path())?;
            let (place, peer) = (folder.path().to_path_buf(), Some(moving.enode()));
            let (genesis, network_id) = (chain.genesis(), chain.expected().network_id);
            let ground = Ground { genesis, network_id, place, mode: Mode::Snap, peer };
            let (name, figures) = if is_ours {
                ("snapsync", our_heads(&bench.program, &ground, &moving)?)
            } else {
                ("geth", geth_heads(bench, &ground, &moving)?)
            };
            eprintln!("xtask: run {number}: {name}: {figures}");
            if is_ours { ours.push(figures) } else { geth.push(figures) }
        }
    }
    Ok(json!({ "chain": bench.arguments.chain, "geth": geth, "snapsync": ours }))
}

fn geth_heads(bench: &Bench, ground: &Ground, moving: &MovingChain) -> Result<Value, Error> {
    let datadir = Driven::init_geth(&bench.tools, ground)?;
    let began = Instant::now();
    let mut client = Driven::geth(&bench.tools, datadir, ground)?;
    let (number, valid_at) = moving.drive(&mut client, 0)?;
    Ok(json!({
        "first_valid_seconds": (valid_at - began).as_secs_f64(),
        "first_valid_block": number,
        "cpu_seconds": cost::cpu_seconds(client.id()),
    }))
}

fn our_heads(program: &Path, ground: &Ground, moving: &MovingChain) -> Result<Value, Error> {
    let (began, began_at) = (Instant::now(), second_of_day());
    let mut client = Driven::ours(program, ground)?;
    let (first, valid_at) = moving.drive(&mut client, 0)?;
    let (cpu, first_valid) = (cost::cpu_seconds(client.id()), valid_at - began);
    let phases = phases::entered(&client.log());
    let since = phases::since_download(&phases, second_of_day());
    let phases: Vec<_> = phases.iter().map(|entered| json!([entered.phase, entered.at - began_at])).collect();
    let (number, _) = moving.drive(&mut client, first)?;
    client.stop()?;
    let (mut client, number, after_stop) = restarted(program, ground, moving, number)?;
    let (number, _) = moving.drive(&mut client, number)?;
    drop(client);
    let (_, _, after_kill) = restarted(program, ground, moving, number)?;
    Ok(json!({
        "first_valid_seconds": first_valid.as_secs_f64(),
        "first_valid_block": first,
        "cpu_seconds": cpu,
        "phases": phases,
        "since_download_seconds": since,
        "after_stop_seconds": after_stop.as_secs_f64(),
        "after_kill_seconds": after_kill.as_secs_f64(),
    }))
}

/// Ours again on its directory, once there is a block that it has not seen: the first one that it calls valid, and how long that took.
fn restarted(
    program: &Path,
    ground: &Ground,
    moving: &MovingChain,
    seen: u64,
) -> Result<(Driven, u64, Duration), Error> {
    moving.newest_above(seen)?;
    let began = Instant::now();
    let mut client = Driven::ours(program, ground)?;
    let (number, valid_at) = moving.drive(&mut client, seen)?;
    Ok((client, number, valid_at - began))
}

fn told(number: usize, name: &str, turn: &Turn) -> Value {
    let figures = turn.record();
    eprintln!("xtask: run {number}: {name}: {figures}");
    figures
}

fn second_of_day() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() % 86_400.0
}

fn folder() -> Result<TempDir, Error> {
    tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))
}
