//! The server: HTTP and WebSocket on one port, for the Engine API and, a second time, for everybody's methods.
//!
//! It trusts nobody. Whoever may not come in costs a head and gets a reason; whoever may has limits on everything: connections, bodies,
//! answers, batches, calls at a time, and time. It does not know what any method does.

mod batch;
mod connection;
mod guard;
mod hall;
mod limits;
mod places;
mod serve;
mod websocket;

pub use guard::Guard;
pub use limits::Limits;
pub use serve::{Running, serve};
