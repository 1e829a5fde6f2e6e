//! What the tests of the engine share: the words to speak with it.

use std::time::Duration;

use alloy_primitives::{B256, U256};
use snapsync_sync::{Effect, Engine, Event, Fatal, Job, JobId, Report, Ticket};

pub(crate) const TICKET: Ticket = Ticket(0);

pub(crate) fn hash(number: u64) -> B256 {
    B256::from(U256::from(number + 1).to_be_bytes())
}

pub(crate) fn drain(engine: &mut Engine) -> Vec<Effect> {
    std::iter::from_fn(|| engine.poll()).collect()
}

pub(crate) fn tell(engine: &mut Engine, event: Event) -> Vec<Effect> {
    engine.handle(Duration::ZERO, event);
    drain(engine)
}

pub(crate) fn started(effects: &[Effect]) -> Vec<(JobId, Job)> {
    let start = |effect: &Effect| match effect {
        Effect::Start { id, job } => Some((*id, job.clone())),
        _ => None,
    };
    effects.iter().filter_map(start).collect()
}

pub(crate) fn fatal(effects: &[Effect]) -> Option<Fatal> {
    effects.iter().find_map(|effect| match effect {
        Effect::Report(Report::Fatal(fatal)) => Some(fatal.clone()),
        _ => None,
    })
}
