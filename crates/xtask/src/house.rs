//! The workspace as the commands see it: where it stands, which crates it has, on which row each one stands.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{error::Error, process};

/// What a crate may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Decides: no clock, no threads, no sockets, no disk, no chance of its own.
    Pure,
    /// Does.
    Worker,
}

/// A crate's place. A crate depends only on rows below its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The folder under `crates`.
    pub(crate) name: &'static str,
    pub(crate) row: u8,
    pub(crate) nature: Nature,
}

/// The rows of the house, from the bottom up.
pub(crate) const PLACES: [Place; 15] = [
    place("keccak", 0, Nature::Pure),
    place("trie", 1, Nature::Pure),
    place("wire", 1, Nature::Pure),
    place("sync", 2, Nature::Pure),
    place("storage", 2, Nature::Worker),
    place("peers", 3, Nature::Pure),
    place("p2p", 3, Nature::Worker),
    place("stream", 4, Nature::Pure),
    place("execute", 5, Nature::Worker),
    place("serve", 6, Nature::Worker),
    place("driver", 6, Nature::Worker),
    place("engine-api", 6, Nature::Worker),
    place("demo", 7, Nature::Worker),
    place("cli", 8, Nature::Worker),
    // Beside the house, not in it.
    place("xtask", u8::MAX, Nature::Worker),
];

const fn place(name: &'static str, row: u8, nature: Nature) -> Place {
    Place { name, row, nature }
}

/// Builds the programs that tests start, and all tests, and tells where this one is. A crate's features are those that everything that is built
/// at once asks for: what is built one package at a time is built again for the tests, and all that it rests on.
pub(crate) fn program(name: &str) -> Result<PathBuf, Error> {
    process::run(cargo().args(["test", "--workspace", "--locked", "--quiet", "--no-run"]))?;
    let metadata = metadata(&["--no-deps"])?;
    Ok(Path::new(text(&metadata, "target_directory")).join("debug").join(name))
}

/// A crate of the workspace, as its manifest describes it.
#[derive(Clone, Debug)]
pub(crate) struct Crate {
    /// The package's name.
    pub(crate) package: String,
    /// The folder's path below the workspace's root.
    pub(crate) folder: String,
    /// The one line that says what it answers.
    pub(crate) description: String,
    /// Packages that it is built from, tests' and build scripts' apart.
    pub(crate) dependencies: BTreeSet<String>,
}

impl Crate {
    /// Its place in the house, for those under `crates`.
    pub(crate) fn place(&self) -> Option<Place> {
        let name = self.folder.strip_prefix("crates/")?;
        PLACES.into_iter().find(|place| place.name == name)
    }

    /// The name without the project's.
    pub(crate) fn short_name(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or(&self.folder)
    }
}

/// The workspace's root: of the checkout that cargo runs us in. Where we were built would not do: checkouts may share a
/// target folder, and then the program of another one can be taken for this one's.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let here = PathBuf::from(here);
    here.parent().and_then(Path::parent).map(Path::to_path_buf).unwrap_or(here)
}

/// The cargo that runs us, in the workspace's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Whether this is a run whose result counts: nothing may be left out of it silently.
pub(crate) fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}

/// The crates of the workspace, by name.
pub(crate) fn crates() -> Result<Vec<Crate>, Error> {
    let metadata = metadata(&["--no-deps"])?;
    let root = root();
    let mut crates: Vec<Crate> =
        list(&metadata, "packages").iter().filter_map(|package| read_crate(package, &root)).collect();
    crates.sort_by(|one, other| one.package.cmp(&other.package));
    if crates.is_empty() { Err(Error::Output("cargo metadata")) } else { Ok(crates) }
}

/// What `cargo metadata` says, with further arguments.
pub(crate) fn metadata(arguments: &[&str]) -> Result<Value, Error> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1", "--locked"]).args(arguments);
    serde_json::from_slice(&process::capture(&mut command)?).map_err(|_| Error::Output("cargo metadata"))
}

/// The list in `value`'s field `name`; an absent one is empty.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text in `value`'s field `name`; an absent one is empty.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn read_crate(package: &Value, root: &Path) -> Option<Crate> {
    let manifest = Path::new(text(package, "manifest_path"));
    let folder = manifest.parent()?.strip_prefix(root).ok()?;
    let normal = list(package, "dependencies").iter().filter(|dependency| dependency["kind"].is_null());
    Some(Crate {
        package: text(package, "name").to_owned(),
        folder: folder.to_string_lossy().replace('\\', "/"),
        description: text(package, "description").to_owned(),
        dependencies: normal.map(|dependency| text(dependency, "name").to_owned()).collect(),
    })
}
