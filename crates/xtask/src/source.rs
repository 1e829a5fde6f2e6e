//! Our own source text, for checks that read it: which files there are, and which part of a file is not a test.
//!
//! It reads lines and not the language. A check built on it finds what is written plainly, which is what we write.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{error::Error, house};

/// Folders in a crate whose files are no part of it.
const TEST_FOLDERS: [&str; 3] = ["/tests/", "/benches/", "/examples/"];

/// A source file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Its path below the workspace's root.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// Whether all of it is for tests.
    pub(crate) is_test: bool,
}

impl Source {
    /// The file without its tests, which stand last, and without comments.
    pub(crate) fn code(&self) -> String {
        let lines = self.lines_without_tests().into_iter();
        lines.flat_map(|line| [line.split("//").next().unwrap_or_default(), "\n"]).collect()
    }

    /// The file without its tests.
    pub(crate) fn text_without_tests(&self) -> String {
        self.lines_without_tests().into_iter().flat_map(|line| [line, "\n"]).collect()
    }

    fn lines_without_tests(&self) -> Vec<&str> {
        let mut kept = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            if line.trim() != "#[cfg(test)]" {
                kept.push(line);
            } else if lines.next().is_some_and(|item| item.trim().ends_with('{')) {
                break;
            }
        }
        kept
    }

    /// The modules that stand in files of their own and are for tests only, by the paths that their files may have.
    fn test_modules(&self) -> Vec<String> {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or_default();
        let below = match name {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        lines
            .windows(2)
            .filter(|pair| pair[0] == "#[cfg(test)]")
            .filter_map(|pair| pair[1].split("mod ").nth(1)?.strip_suffix(';'))
            .flat_map(|module| [format!("{below}/{module}.rs"), format!("{below}/{module}/")])
            .collect()
    }
}

/// All Rust files below `folder` of the workspace, in the order of their paths.
pub(crate) fn files(folder: &str) -> Result<Vec<Source>, Error> {
    let root = house::root();
    let mut paths = Vec::new();
    collect(&root.join(folder), &mut paths)?;
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let below = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let is_test =
            below.ends_with("/tests.rs") || TEST_FOLDERS.iter().any(|folder| below.contains(folder));
        files.push(Source { path: below, text, is_test });
    }
    let test_modules: Vec<String> = files.iter().flat_map(Source::test_modules).collect();
    for file in &mut files {
        file.is_test |= test_modules.iter().any(|module| file.path.starts_with(module.as_str()));
    }
    Ok(files)
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
        let text =
            "use a; // why\n#[cfg(test)]\nmod sample;\nfn b() {}\n#[cfg(test)]\nmod tests {\n    use c;\n}\n";
        let source = Source { path: "crates/x/src/y.rs".to_owned(), text: text.to_owned(), is_test: false };
        assert_eq!(source.code(), "use a; \nfn b() {}\n");
        assert_eq!(source.test_modules(), ["crates/x/src/y/sample.rs", "crates/x/src/y/sample/"]);
    }

    #[test]
    fn this_file_is_among_the_files() {
        let files = files("crates/xtask").unwrap();
        assert!(files.iter().any(|file| file.path == "crates/xtask/src/source.rs"));
    }
}
