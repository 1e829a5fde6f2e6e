//! The errors that the Engine API names, each with its code and its words.
//!
//! SPEC: execution-apis, `common.md`: `data` is null for all but -32000. go-ethereum puts its reason there for all of them, in `err`, and
//! consensus clients log it; so do we.

use std::fmt::Display;

use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;

use crate::node::Stopped;

/// Bytes of a reason at most.
const REASON_BYTES_MAX: usize = 256;

/// What an error says beside its code.
#[derive(Serialize)]
struct Reason {
    err: String,
}

fn error(code: i32, message: &str, why: impl Display) -> ErrorObjectOwned {
    let mut err = why.to_string();
    // What could not be read may be quoted in it, whole.
    err.truncate(err.floor_char_boundary(REASON_BYTES_MAX));
    ErrorObjectOwned::owned(code, message, Some(Reason { err }))
}

/// The parameters, or the fields in them, are not those of the method.
pub(super) fn invalid_params(why: impl Display) -> ErrorObjectOwned {
    error(-32602, "Invalid params", why)
}

/// Something on our side.
pub(super) fn server_error(why: impl Display) -> ErrorObjectOwned {
    error(-32000, "Server error", why)
}

/// No such block is being built.
pub(super) fn unknown_payload(why: impl Display) -> ErrorObjectOwned {
    error(-38001, "Unknown payload", why)
}

/// The blocks that were named do not go together.
pub(super) fn invalid_forkchoice_state(why: impl Display) -> ErrorObjectOwned {
    error(-38002, "Invalid forkchoice state", why)
}

/// No block could be built like that.
pub(super) fn invalid_payload_attributes(why: impl Display) -> ErrorObjectOwned {
    error(-38003, "Invalid payload attributes", why)
}

/// More was asked for than is answered at once.
pub(super) fn too_large_request(why: impl Display) -> ErrorObjectOwned {
    error(-38004, "Too large request", why)
}

/// The block's fork is one of another version of the method.
pub(super) fn unsupported_fork(why: impl Display) -> ErrorObjectOwned {
    error(-38005, "Unsupported fork", why)
}

impl From<Stopped> for ErrorObjectOwned {
    fn from(stopped: Stopped) -> Self {
        server_error(stopped)
    }
}
