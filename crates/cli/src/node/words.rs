//! The command line, with a config file where `node` is given one: what a file says becomes flags, and is read as these are.
//!
//! So a file has the names, the values and the errors of the flags, and no list of its own. A switch that has settings below it (`http`
//! has `http.port`) is on where its table stands. Trusts whoever runs the program; a file names no other file.

use std::{ffi::OsString, path::Path};

use clap::{Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches, parser::ValueSource};
use toml::{Table, Value};

use crate::{
    cli::{Cli, Command},
    exit::{Exit, Failure},
};

/// Flags that say what to do with a file, and stand in none.
const NOT_IN_A_FILE: [&str; 4] = ["config", "dump-config", "help", "version"];

/// What the words of a command line, the program's name first, come to. As clap does, ends the process where they are wrong themselves.
pub(crate) fn read(words: &[OsString]) -> Result<Cli, Failure> {
    let given = matches(words).unwrap_or_else(|error| error.exit());
    let file = given.subcommand_matches("node").and_then(|node| node.get_one::<std::path::PathBuf>("config"));
    let merged = match file {
        None => given,
        Some(file) => {
            let of_file = |why: &dyn std::fmt::Display| {
                Failure::new(Exit::Usage, format!("config file {}: {why}", file.display()))
            };
            let node = given.subcommand_matches("node").ok_or_else(|| of_file(&"it is for `node`"))?;
            let said = said_by(file, node).map_err(|why| of_file(&why))?;
            // `snapsync node`, the file's words, the words given.
            let all = words.iter().take(2).cloned().chain(said).chain(words.iter().skip(2).cloned());
            matches(&all.collect::<Vec<_>>()).map_err(|error| of_file(&plain(&error)))?
        }
    };
    let mut cli = Cli::from_arg_matches(&merged).unwrap_or_else(|error| error.exit());
    if let (Command::Node(args), Some(node)) = (&mut cli.command, merged.subcommand_matches("node")) {
        args.effective = written(node);
    }
    Ok(cli)
}

fn matches(words: &[OsString]) -> clap::error::Result<ArgMatches> {
    Cli::command().try_get_matches_from(words)
}

/// An error of clap's without its colours, its usage and its own `error:`.
fn plain(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.split("\n\n").next().unwrap_or_default();
    text.trim_start_matches("error:").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The flags of `node`.
fn flags() -> Vec<Arg> {
    let command = Cli::command();
    let node = command.find_subcommand("node");
    node.map(|node| node.get_arguments().cloned().collect()).unwrap_or_default()
}

fn is_switch(flag: &Arg) -> bool {
    matches!(flag.get_action(), ArgAction::SetTrue)
}

/// What the file says as flags, without those that were given.
fn said_by(file: &Path, given: &ArgMatches) -> Result<Vec<OsString>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let (flags, mut said) = (flags(), Vec::new());
    for (key, value) in &table {
        say(&flags, key, value, &mut said)?;
    }
    let is_given = |flag: &Arg| given.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine);
    let left = said.into_iter().filter(|(flag, _)| !is_given(flag));
    Ok(left.map(|(_, word)| OsString::from(word)).collect())
}

/// One setting of a file, or a table of them, as flags.
fn say<'f>(
    flags: &'f [Arg],
    name: &str,
    value: &Value,
    said: &mut Vec<(&'f Arg, String)>,
) -> Result<(), String> {
    let flag = flags.iter().find(|flag| flag.get_long() == Some(name) && !NOT_IN_A_FILE.contains(&name));
    match (value, flag) {
        (Value::Table(settings), flag) => {
            said.extend(flag.filter(|flag| is_switch(flag)).map(|flag| (flag, format!("--{name}"))));
            settings.iter().try_for_each(|(key, value)| say(flags, &format!("{name}.{key}"), value, said))
        }
        (_, None) => Err(format!("`{name}` is no setting")),
        (Value::Boolean(is_on), Some(flag)) if is_switch(flag) => {
            said.extend(is_on.then(|| (flag, format!("--{name}"))));
            Ok(())
        }
        (_, Some(flag)) if is_switch(flag) => Err(format!("`{name}` is true or false")),
        (Value::Array(values), Some(flag)) => {
            let words: Vec<String> =
                values.iter().map(|value| word(name, value)).collect::<Result<_, _>>()?;
            match flag.get_action() {
                ArgAction::Append => said.extend(words.iter().map(|word| (flag, format!("--{name}={word}")))),
                _ => said.push((flag, format!("--{name}={}", words.join(",")))),
            }
            Ok(())
        }
        (value, Some(flag)) => {
            said.push((flag, format!("--{name}={}", word(name, value)?)));
            Ok(())
        }
    }
}

fn word(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        _ => Err(format!("`{name}` is a string or a whole number, or a list of them")),
    }
}

/// What the flags of `node` come to, as a config file that says the same.
fn written(node: &ArgMatches) -> String {
    let (flags, mut file) = (flags(), Table::new());
    let is_off = |name: &str| {
        let switch = flags.iter().find(|flag| flag.get_long() == Some(name) && is_switch(flag));
        switch.is_some_and(|switch| !node.get_flag(switch.get_id().as_str()))
    };
    for flag in &flags {
        let Some(name) = flag.get_long().filter(|name| !NOT_IN_A_FILE.contains(name)) else { continue };
        // What belongs to a switch that is off would turn it on.
        if is_off(name) || name.split_once('.').is_some_and(|(switch, _)| is_off(switch)) {
            continue;
        }
        if let Some(value) = value_of(flag, node) {
            place(&mut file, name, value);
        }
    }
    file.to_string()
}

fn value_of(flag: &Arg, node: &ArgMatches) -> Option<Value> {
    if is_switch(flag) {
        return Some(Value::Boolean(true));
    }
    let mut values = node.get_raw(flag.get_id().as_str())?.map(|raw| {
        let text = raw.to_string_lossy().into_owned();
        text.parse().map(Value::Integer).unwrap_or(Value::String(text))
    });
    match flag.get_action() {
        ArgAction::Append => Some(Value::Array(values.collect())),
        _ => values.next(),
    }
}

/// Puts a value where its name says. A switch that has settings below it gives way to their table.
fn place(file: &mut Table, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            file.insert(name.to_owned(), value);
        }
        Some((table, rest)) => {
            let below = file.entry(table).or_insert_with(|| Value::Table(Table::new()));
            if !below.is_table() {
                *below = Value::Table(Table::new());
            }
            if let Value::Table(below) = below {
                place(below, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::args::{LogFormat, NodeArgs};

    fn node(words: &[&str]) -> Result<NodeArgs, String> {
        let words: Vec<OsString> = ["snapsync", "node"].iter().chain(words).map(OsString::from).collect();
        match read(&words).map_err(|failure| failure.message)?.command {
            Command::Node(args) => Ok(*args),
            other => panic!("{other:?}"),
        }
    }

    fn with_file(text: &str, words: &[&str]) -> Result<NodeArgs, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let path = file.path().to_str().expect("a plain path");
        node(&[&["--config", path], words].concat()).map_err(|why| why.replace(path, "FILE"))
    }

    #[test]
    fn a_file_says_what_flags_say_and_flags_win() {
        let file = "network = \"sepolia\"\ndatadir = \"/data\"\nmemory = 64\nport = 1\nhttp.port = 2\n\
            [authrpc]\nport = 3\n[log]\nformat = \"json\"\n[override]\namsterdam = 4";
        let args = with_file(file, &["--memory", "128"]).expect("read");
        assert_eq!((args.memory, args.port, args.authrpc_port), (128, 1, 3));
        assert_eq!((args.http, args.http_port), (true, 2), "its table turns it on");
        assert_eq!((args.override_amsterdam, args.log_format), (Some(4), LogFormat::Json));
        assert_eq!(args.network.map(|network| network.name()), Some("sepolia"));
        let args = with_file("http = false\nexit-when-synced = true\n", &[]).expect("read");
        assert!(!args.http && args.exit_when_synced);
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named_by_its_setting() {
        let refused = [
            ("colour = 1", "config file FILE: `colour` is no setting"),
            ("[authrpc]\nprot = 1", "config file FILE: `authrpc.prot` is no setting"),
            ("config = \"other\"", "config file FILE: `config` is no setting"),
            ("http = 1", "config file FILE: `http` is true or false"),
            ("port = 1.5", "config file FILE: `port` is a string or a whole number, or a list of them"),
        ];
        for (text, why) in refused {
            assert_eq!(with_file(text, &[]).expect_err("refused"), why, "{text}");
        }
        let named = [
            ("port = 70000", "--port"),
            ("network = \"holesky\"", "--network"),
            ("network = \"hoodi\"\ngenesis = \"g.json\"", "--genesis"),
            ("peer = [\"enode://00@1.2.3.4:5\"]", "--peer"),
            ("port = \n", "line 1"),
        ];
        for (text, what) in named {
            let why = with_file(text, &[]).expect_err("refused");
            assert!(why.starts_with("config file FILE: ") && why.contains(what), "{text}: {why}");
        }
        assert!(node(&["--config", "/nowhere.toml"]).expect_err("refused").contains("/nowhere.toml"));
    }

    #[test]
    fn what_is_written_says_the_same_when_it_is_read() {
        let long = format!("enode://{}@seed.example:30303", crate::node::setup::tests::NODE);
        let words =
            ["--network", "hoodi", "--peer", &long, "--peer", &long, "--history", "from:7", "--memory", "99"];
        for switches in [&[][..], &["--http", "--http.api", "eth,net"], &["--exit-when-synced"]] {
            let args = node(&[&words[..], switches].concat()).expect("read");
            let again = with_file(&args.effective, &[]).expect("read again");
            assert_eq!(again.effective, args.effective);
            assert_eq!((again.http, again.peers.len()), (args.http, 2), "{}", args.effective);
            assert_eq!(args.effective.contains("8545"), args.http, "{}", args.effective);
        }
    }
}
