//! Waiting for a condition, with a deadline. It never waits for time to pass: a condition that holds ends it at once.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::Error;

/// How long a look at a condition may be out of date. Short against anything that is awaited, long against a look.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Looks until `look` finds something, at most for `patience`. `hint` tells what may explain a late one.
pub fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Option<T>,
    hint: impl FnOnce() -> String,
) -> Result<T, Error> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(Error::Late { what: what.to_owned(), seconds: patience.as_secs(), tail: hint() });
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}
