//! The file in which a node and its consensus client find their secret.
//!
//! It is made where there is none, for its owner's eyes alone: under another name, and named when all of it is on the disk, so that whoever
//! finds it finds it whole. An existing one is never written to.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use alloy_primitives::hex;
use rand::{TryRngCore, rngs::OsRng};

use crate::{
    error::{Error, Result},
    jwt::JwtSecret,
};

/// More than a secret with white space around it has; what a wrong file costs.
const FILE_BYTES_MAX: u64 = 1024;

impl JwtSecret {
    /// Reads the secret of this file; one is made, with mode 0600, if there is no file. The folder has to be there.
    ///
    /// # Errors
    /// [`Error::Secret`] from the system, [`Error::NotASecret`] where the file says something else.
    pub fn read_or_make(path: &Path) -> Result<Self> {
        let failed = |source| Error::Secret { path: path.to_owned(), source };
        match File::open(path) {
            Ok(file) => read(path, file),
            Err(source) if source.kind() == io::ErrorKind::NotFound => match make(path) {
                // Somebody else has made it meanwhile.
                Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                    read(path, File::open(path).map_err(failed)?)
                }
                made => made.map_err(failed),
            },
            Err(source) => Err(failed(source)),
        }
    }
}

fn read(path: &Path, file: File) -> Result<JwtSecret> {
    let failed = |source| Error::Secret { path: path.to_owned(), source };
    if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others may read the JWT secret");
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.trim_ascii().is_empty() {
        return Err(Error::EmptySecret { path: path.to_owned() });
    }
    let secret = std::str::from_utf8(&bytes).ok().and_then(JwtSecret::parse);
    secret.ok_or_else(|| Error::NotASecret { path: path.to_owned() })
}

fn make(path: &Path) -> io::Result<JwtSecret> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    let secret = JwtSecret::new(bytes);
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{:016x}", OsRng.try_next_u64().map_err(io::Error::other)?));
    let draft = Path::new(&draft);
    let text = format!("{}\n", hex::encode_prefixed(secret.bytes()));
    let made = write(draft, &text).and_then(|()| name(draft, path));
    if let Err(error) = made {
        // It is of no use, and where it cannot be removed it does no harm.
        fs::remove_file(draft).ok();
        return Err(error);
    }
    tracing::info!(path = %path.display(), "made a JWT secret");
    Ok(secret)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Gives a file its name, unless somebody has made one of that name meanwhile.
fn name(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Ok(()) => fs::remove_file(draft)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // Not every file system has links. This would take the place of another file, were it made in this very moment.
        Err(_) => fs::rename(draft, path)?,
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("jwt.hex");
        let made = JwtSecret::read_or_make(&path).expect("made");
        let read = JwtSecret::read_or_make(&path).expect("read");
        assert_eq!(made.bytes(), read.bytes());
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
        let other = JwtSecret::read_or_make(&folder.path().join("other.hex")).expect("made");
        assert_ne!(made.bytes(), other.bytes());
    }

    #[test]
    fn secret_is_whole_for_whoever_finds_it() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("jwt.hex");
            let read = || *JwtSecret::read_or_make(&path).expect("a secret").bytes();
            let secrets = std::thread::scope(|scope| {
                let readers = [(); 8].map(|()| scope.spawn(read));
                readers.map(|reader| reader.join().expect("it has read"))
            });
            assert!(secrets.iter().all(|secret| *secret == secrets[0]), "one secret for all");
            assert_eq!(
                fs::read_dir(folder.path()).expect("a folder").count(),
                1,
                "nothing is left beside it"
            );
        }
    }

    #[test]
    fn file_that_is_no_secret_is_named_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("jwt.hex");
        for text in ["0x07", "secret", &"0".repeat(4096)] {
            fs::write(&path, text).expect("written");
            let told = JwtSecret::read_or_make(&path);
            assert!(matches!(&told, Err(Error::NotASecret { path: named }) if *named == path), "{told:?}");
            assert_eq!(fs::read_to_string(&path).expect("a file"), text);
        }
        for text in ["", "\n"] {
            fs::write(&path, text).expect("written");
            let told = JwtSecret::read_or_make(&path).expect_err("nothing is there");
            assert!(
                told.to_string().contains("is empty") && told.to_string().contains("delete it"),
                "{told}"
            );
            assert_eq!(fs::read_to_string(&path).expect("a file"), text);
        }
        let told = JwtSecret::read_or_make(&folder.path().join("nowhere/jwt.hex"));
        assert!(matches!(told, Err(Error::Secret { .. })), "{told:?}");
    }
}
