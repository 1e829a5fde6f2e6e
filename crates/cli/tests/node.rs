//! `node` without a network: what it refuses, what it makes, how it is asked, how it ends.

mod program;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
};

use program::{snapsync, stderr, stdout};

/// A node on hoodi, whose doors are at ports that the system chose.
struct Node {
    child: Child,
    lines: BufReader<std::process::ChildStderr>,
    dir: tempfile::TempDir,
    said: String,
}

impl Node {
    fn start(words: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(env!("CARGO_BIN_EXE_snapsync"))
            .args(["node", "--network", "hoodi", "--addr", "127.0.0.1", "--port", "0"])
            .args(["--authrpc.port", "0", "--http", "--http.port", "0", "--datadir"])
            .arg(dir.path())
            .args(words)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stderr.take().expect("it is piped"));
        Self { child, lines, dir, said: String::new() }
    }

    /// What it says up to a line that has these words in it; that line.
    fn wait_for(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("readable");
            assert!(read > 0, "it ended and never said {words}: {}", self.said);
            self.said.push_str(&line);
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Its exit code, once it was told to end.
    fn end(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-s", "TERM", &id]).status().expect("kill is there");
        self.lines.read_to_string(&mut self.said).expect("readable");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The address behind `at http://` in a line.
fn address(line: &str) -> String {
    let (_, rest) = line.split_once("http://").expect("an address");
    rest.split([',', ' ', '\n', '"']).next().expect("an address").to_owned()
}

fn ask(address: &str, method: &str) -> String {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[]}}"#);
    let mut stream = TcpStream::connect(address).expect("it listens");
    let head = "POST / HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn settings_that_cannot_be_are_named_and_exit_with_2() {
    let refused: [(&[&str], &str); 4] = [
        (&["--datadir", "/nowhere"], "--network mainnet, sepolia or hoodi"),
        (&["--network", "holesky"], "holesky"),
        (&["--network", "hoodi", "--genesis", "g.json"], "--genesis"),
        (&["--config", "/nowhere.toml"], "/nowhere.toml"),
    ];
    for (words, named) in refused {
        let run = snapsync([&["node"], words].concat());
        assert_eq!(run.status.code(), Some(2), "{words:?}");
        assert!(stderr(&run).contains(named), "{words:?}: {}", stderr(&run));
    }
}

#[test]
fn what_settings_come_to_is_printed_as_a_file_that_says_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("node.toml");
    let words = ["node", "--network", "sepolia", "--datadir", "/data", "--http", "--dump-config"];
    let run = snapsync(words);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    std::fs::write(&file, stdout(&run)).expect("written");
    let again = snapsync(["node", "--dump-config", "--config", file.to_str().expect("a plain path")]);
    assert_eq!(stdout(&again), stdout(&run));
    assert!(stdout(&run).contains("network = \"sepolia\"") && stdout(&run).contains("[http]"));
}

#[test]
fn a_node_makes_its_secret_answers_at_both_doors_and_ends_by_a_signal() {
    let mut node = Node::start(&[]);
    let engine = address(&node.wait_for("the consensus client is heard"));
    let http = address(&node.wait_for("JSON-RPC"));
    let secret = node.dir.path().join("jwtsecret");
    let mode = std::fs::metadata(&secret).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // 560048
    assert!(ask(&http, "eth_chainId").contains(r#""result":"0x88bb0""#));
    assert!(ask(&http, "web3_clientVersion").contains("snapsync"));
    let stranger = ask(&engine, "eth_chainId");
    assert!(stranger.contains(" 401 "), "{stranger}");
    assert_eq!(node.end(), Some(0));
}

#[test]
fn a_log_for_machines_has_one_object_a_line() {
    let mut node = Node::start(&["--log.format", "json", "--exit-when-synced"]);
    node.wait_for("JSON-RPC");
    assert!(!node.said.is_empty());
    for line in node.said.lines() {
        let object: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(object["level"].is_string() && object["message"].is_string(), "{line}");
    }
    assert_eq!(node.end(), Some(130), "it was not synced");
}
