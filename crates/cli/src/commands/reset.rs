//! `reset`: erases a data directory. Nothing else in the program erases anything.

use std::io::{BufRead, IsTerminal, Write};

use crate::{
    args::ResetArgs,
    exit::{Exit, Failure, storage_failure},
    say::outln,
};

/// Asks, then erases both environments; the directory itself stays.
pub(crate) fn run(args: &ResetArgs) -> Result<(), Failure> {
    let datadir = &args.datadir;
    if !datadir.join("state").exists() && !datadir.join("history").exists() {
        return Err(Failure::new(
            Exit::DataDirectory,
            format!("{} holds no database of snapsync", datadir.display()),
        ));
    }
    if !args.yes && !confirmed(datadir)? {
        return Err(Failure::new(Exit::Usage, "nothing was erased"));
    }
    snapsync_storage::Store::wipe(datadir).map_err(|error| storage_failure(&error))?;
    outln!("erased the database in {}", datadir.display());
    Ok(())
}

fn confirmed(datadir: &std::path::Path) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "no terminal to ask at: say -y to erase without asking"));
    }
    print!("erase everything synced into {}? [y/N] ", datadir.display());
    let mut answer = String::new();
    std::io::stdout()
        .flush()
        .and_then(|()| std::io::stdin().lock().read_line(&mut answer))
        .map_err(|error| Failure::new(Exit::Failure, error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
