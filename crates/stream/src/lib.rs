//! In what form: a range becomes requests, and answers come back in order.
//!
//! The [`Desk`] is the whole pure machine: the engine says what next, streams cut that into requests, the book says whom
//! to ask. Payloads are opaque: whoever runs the desk keeps the bytes under their [`RequestId`], proves them when told to
//! [`Action::Judge`], writes them, and reports what became durable. The driver and the simulation run this same desk.
//!
//! Trust: a verdict comes from our own worker. What a peer sent is believed only after that.

mod anew;
mod answers;
mod budget;
mod config;
mod cut;
mod density;
mod depth;
mod desk;
mod flights;
mod heavy;
mod held;
mod inputs;
mod lacking;
mod largest;
mod needs;
mod parts;
mod patience;
mod pulse;
mod pump;
mod request;
mod streams;
mod surplus;
mod walk;
mod watchdog;
mod way;
mod writing;

pub use config::Config;
pub use desk::{Action, Desk};
pub use inputs::Input;
pub use needs::Needs;
pub use request::{
    Answered, HeaderStart, Judgement, ReceiptPart, Request, RequestId, Verdict, WantedNode, What,
};
pub use watchdog::{Alarm, Sight, Stall, Watchdog};
