//! The log: warnings for every run, more with `RUST_LOG` in its usual syntax, on standard error.
//!
//! It starts once, before anything can say something.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::node::args::LogFormat;

/// Begins to log. What is shown to people as lines is logged, too, where the format is a machine's.
pub(crate) fn begin(format: LogFormat) {
    let usual = match format {
        LogFormat::Text => "warn",
        LogFormat::Json => "warn,snapsync=info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // What it cannot write it would tell with `eprintln`, which panics where that fails, too.
    let log = log.log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).init()
        }
    }
}
