//! Waiting for what another process holds for a moment: a look at a lock, the opening or closing of an environment.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long it is waited: such moments are milliseconds, on a machine that is busy with other things tenths of a second.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is tried.
const PAUSE: Duration = Duration::from_millis(2);

/// Tries until it is done, or fails for a reason that does not pass, or has failed for too long. BLOCKING: until then.
pub(crate) fn beside_others<T, E>(
    mut attempt: impl FnMut() -> Result<T, E>,
    may_pass: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let began = Instant::now();
    loop {
        match attempt() {
            Err(error) if may_pass(&error) && began.elapsed() < PATIENCE => thread::sleep(PAUSE),
            done => return done,
        }
    }
}
