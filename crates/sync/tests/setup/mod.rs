//! What the tests of the engine share: the words to speak with it.

use std::time::Duration;

use alloy_primitives::{B256, U256};
use snapsync_sync::{
    Effect, Engine, Event, Fatal, Head, HeaderReach, HeaderSegment, Job, JobId, Join, Report, Standing,
    TargetId, Ticket,
};

pub(crate) const TICKET: Ticket = Ticket(0);

pub(crate) fn hash(number: u64) -> B256 {
    B256::from(U256::from(number + 1).to_be_bytes())
}

/// What the engine wants. Where it asks for access lists, there are none.
#[allow(dead_code, reason = "some tests answer for the headers themselves")]
pub(crate) fn drain(engine: &mut Engine) -> Vec<Effect> {
    let mut effects = Vec::new();
    while let Some(effect) = engine.poll() {
        match effect {
            Effect::FindList { number } => {
                let (parent, has_list) = (B256::ZERO, false);
                engine.handle(Duration::ZERO, Event::ListFound { number, parent, has_list });
            }
            Effect::FindLeft { .. } => {
                engine.handle(Duration::ZERO, Event::LeftFound { left: vec![], unheld: None });
            }
            effect => effects.push(effect),
        }
    }
    effects
}

#[allow(dead_code, reason = "likewise")]
pub(crate) fn tell(engine: &mut Engine, event: Event) -> Vec<Effect> {
    engine.handle(Duration::ZERO, event);
    drain(engine)
}

/// A row took the root of its slots, which are of target 1.
#[allow(dead_code, reason = "not every test has a storage that owes its root")]
pub(crate) fn taken(account: B256) -> Event {
    Event::StorageTaken { account, standing: Standing::At(TargetId(1)) }
}

/// The newest header of a head is here, and its chain meets the one that is held at `fork`.
#[allow(dead_code, reason = "not every test has a later head")]
pub(crate) fn joined(job: JobId, top: Head, fork: u64) -> Event {
    let Head { number, hash: top_hash } = top;
    let segment =
        HeaderSegment { top: number, hash: top_hash, root: hash(77), lowest: number, parent: hash(78) };
    let reach = HeaderReach::Joined(Box::new(Join { fork, top, bodies: vec![], receipts: vec![] }));
    Event::HeadersDurable { job, ticket: TICKET, segment, reach }
}

pub(crate) fn started(effects: &[Effect]) -> Vec<(JobId, Job)> {
    let start = |effect: &Effect| match effect {
        Effect::Start { id, job } => Some((*id, job.clone())),
        _ => None,
    };
    effects.iter().filter_map(start).collect()
}

#[allow(dead_code, reason = "not every test ends a sync")]
pub(crate) fn fatal(effects: &[Effect]) -> Option<Fatal> {
    effects.iter().find_map(|effect| match effect {
        Effect::Report(Report::Fatal(fatal)) => Some(fatal.clone()),
        _ => None,
    })
}
