//! `snapsync node`, driven as a consensus client drives it: started with its doors on ports that the system chose, given payloads, named heads.
//!
//! It says what was answered, and judges nothing. An error repeats what the program has said.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use alloy_primitives::B256;
use serde_json::Value;

use crate::{
    Error,
    engine::{Engine, head_params},
    patience,
    program::{self, Finished, Running},
    rpc::Rpc,
};

/// Starting, stopping, and coming to a head: seconds, but for a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(240);

/// A node that runs, with its doors.
#[derive(Debug)]
pub struct DrivenNode {
    running: Running,
    engine: Engine,
    rpc: Rpc,
}

impl DrivenNode {
    /// Starts it on `datadir` with further words, and returns when it can be called.
    pub fn start(genesis: &Path, datadir: &Path, words: &[&str]) -> Result<Self, Error> {
        Self::start_program(&program::locate()?, genesis, datadir, words)
    }

    /// The same of a program at this path.
    pub fn start_program(
        program: &Path,
        genesis: &Path,
        datadir: &Path,
        words: &[&str],
    ) -> Result<Self, Error> {
        let mut line: Vec<String> = ["node", "--genesis"].map(str::to_owned).into();
        line.extend([genesis.display().to_string(), "--datadir".into(), datadir.display().to_string()]);
        line.extend(
            "--addr 127.0.0.1 --port 0 --authrpc.port 0 --http --http.port 0".split(' ').map(str::to_owned),
        );
        line.extend(["--http.api", "eth,net,web3,admin,snapsync"].map(str::to_owned));
        line.extend(words.iter().map(|word| (*word).to_owned()));
        Self::greet(program::start_at(program, line)?, datadir)
    }

    /// One that was started with its doors on ports of the system's choice. Returns when it can be called.
    pub fn greet(running: Running, datadir: &Path) -> Result<Self, Error> {
        let engine = door(&running, "the consensus client is heard at")?;
        let rpc = Rpc::new(door(&running, "JSON-RPC is answered at")?);
        let path = datadir.join("jwtsecret");
        let secret = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let secret: B256 = secret
            .trim()
            .parse()
            .map_err(|_| Error::Chain(format!("no secret of 32 bytes in {}", path.display())))?;
        Ok(Self { running, engine: Engine::new(engine, secret), rpc })
    }

    /// Its Engine API.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its JSON-RPC for everybody.
    pub const fn rpc(&self) -> Rpc {
        self.rpc
    }

    /// The program.
    pub const fn running(&self) -> &Running {
        &self.running
    }

    /// What it has said for people.
    pub fn said(&self) -> String {
        self.running.stderr()
    }

    /// Makes a call of the Engine API: its result.
    pub fn ask(&self, method: &str, params: &Value) -> Result<Value, Error> {
        let mut answer = self.engine.call(method, params)?;
        let failed = answer.get("error").map(ToString::to_string);
        match answer.get_mut("result").filter(|_| failed.is_none()) {
            Some(result) => Ok(result.take()),
            None => {
                let why = failed.unwrap_or_else(|| "neither a result nor an error".to_owned());
                Err(Error::Rpc { method: method.to_owned(), why: format!("{why}\n{}", self.said()) })
            }
        }
    }

    /// Gives a payload, as a recorded call of `newPayload` has it: its status.
    pub fn give(&self, call: &Value) -> Result<Value, Error> {
        self.ask(call["method"].as_str().unwrap_or_default(), &call["params"])
    }

    /// Names a head, and nothing as safe or final: its status.
    pub fn name(&self, head: &str) -> Result<Value, Error> {
        let mut answer = self.ask("engine_forkchoiceUpdatedV3", &head_params(head))?;
        Ok(answer["payloadStatus"].take())
    }

    /// Names a head until it is valid.
    pub fn reach(&self, head: &str) -> Result<(), Error> {
        let settled = || {
            if self.running.has_ended() {
                return Some(Err(self.ended()));
            }
            let status = self.name(head);
            match status.as_ref().map(|status| status["status"].as_str()) {
                Ok(Some("SYNCING")) => None,
                Ok(Some("VALID")) => Some(Ok(())),
                _ => Some(status.and_then(|status| Err(Error::Chain(format!("{head} is {status}"))))),
            }
        };
        patience::until("a valid head", PATIENCE, settled, || self.said())?
    }

    /// Calls JSON-RPC.
    pub fn call(&self, method: &str, params: Value) -> Result<Value, Error> {
        self.rpc.call(method, params)
    }

    /// Ends it as a service manager does.
    pub fn stop(self) -> Result<Finished, Error> {
        self.running.interrupt()?;
        self.running.wait(PATIENCE)
    }

    /// Ends it as a power cut would.
    pub fn kill(self) -> Result<Finished, Error> {
        self.running.kill()
    }

    /// Waits until it ends by itself.
    pub fn wait(self) -> Result<Finished, Error> {
        self.running.wait(PATIENCE)
    }

    fn ended(&self) -> Error {
        Error::Program {
            program: "snapsync node".to_owned(),
            status: "an end that nobody asked for".to_owned(),
            tail: self.said(),
        }
    }
}

/// Where a door is, once the program says so.
fn door(running: &Running, what: &str) -> Result<SocketAddr, Error> {
    let told = || {
        let text = running.stderr();
        let at = address_behind(&text, what);
        match at {
            Some(at) => Some(Ok(at)),
            None if running.has_ended() => Some(Err(Error::Program {
                program: "snapsync node".to_owned(),
                status: "an end before it could be called".to_owned(),
                tail: text,
            })),
            None => None,
        }
    };
    patience::until(what, PATIENCE, told, || running.stderr())?
}

/// The address on the line that says this, which may be one of JSON. Without an end of the line it may be cut.
fn address_behind(text: &str, what: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once(what)?;
    let (_, rest) = rest.split_once('\n')?.0.split_once("http://")?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != ':');
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_found_once_its_line_is_whole() {
        let at = Some(([127, 0, 0, 1], 4321).into());
        for line in ["heard at http://127.0.0.1:4321\n", "{\"message\":\"heard at http://127.0.0.1:4321\"}\n"]
        {
            assert_eq!(address_behind(line, "heard at"), at);
            assert_eq!(address_behind(line.trim_end(), "heard at"), None);
        }
        assert_eq!(address_behind("phase: idle\nhttp://127.0.0.1:1\n", "heard at"), None);
    }
}
