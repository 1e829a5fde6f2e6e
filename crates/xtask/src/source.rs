//! Our own source text, for checks that read it: which files there are, and which part of a file is not a test.
//!
//! It reads lines and not the language. A check built on it finds what is written plainly, which is what we write.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{error::Error, house};

/// A source file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Its path below the workspace's root.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    /// The file without its tests, which stand last, and without comments.
    pub(crate) fn code(&self) -> String {
        let mut code = String::new();
        for line in self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]") {
            code.push_str(line.split("//").next().unwrap_or_default());
            code.push('\n');
        }
        code
    }

    /// Whether all of it is tests.
    pub(crate) fn is_test(&self) -> bool {
        let folders = ["/tests/", "/benches/", "/examples/"];
        self.path.ends_with("/tests.rs") || folders.iter().any(|folder| self.path.contains(folder))
    }
}

/// All Rust files below `folder` of the workspace, in the order of their paths.
pub(crate) fn files(folder: &str) -> Result<Vec<Source>, Error> {
    let root = house::root();
    let mut paths = Vec::new();
    collect(&root.join(folder), &mut paths)?;
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
            let below = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            Ok(Source { path: below, text })
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Error> {
    let entries = fs::read_dir(folder).map_err(Error::io("list", folder))?;
    for entry in entries {
        let path = entry.map_err(Error::io("list", folder))?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, paths)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_ends_where_the_tests_start() {
        let text = "use a; // why\n#[cfg(test)]\nmod tests { use b; }\n".to_owned();
        let source = Source { path: "crates/x/src/y.rs".to_owned(), text };
        assert_eq!(source.code(), "use a; \n");
    }

    #[test]
    fn this_file_is_among_the_files() {
        let files = files("crates/xtask").unwrap();
        assert!(files.iter().any(|file| file.path == "crates/xtask/src/source.rs"));
    }
}
