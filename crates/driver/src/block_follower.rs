//! Takes the blocks above the state, one after the other, once it was verified.
//!
//! Inbox: looks; each says that headers, bodies, lists or the state may have changed; and what the host gives and names. Outbox: steps to the
//! planner, which has them written, and whether lists are wanted.
//! Owns: the follower, which executes blocks or applies their lists. Ends when: the planner drops its looks.
//!
//! What it goes by is on the disk: the block that the state is of, which blocks are canonical, their bodies. Only the blocks that it has taken
//! itself are not there yet: the next one is derived over them while they are written, several in one transaction. Whatever else changes the
//! state waits until they are. It writes nothing, and fetches nothing.

use std::sync::Arc;

use crossbeam_channel::{Receiver, TryRecvError, never, select};
use snapsync_execute::Error as ExecuteError;
use snapsync_sync::Head;

use crate::{
    blocks_above::BlockFollower,
    calls::Call,
    notices,
    taking::{Look, Step},
    work::{Gone, Report},
};

/// Blocks that are taken and not on the disk: enough for a transaction that is written, one that is gathered, and what comes meanwhile.
const AHEAD_MAX: usize = 128;

impl BlockFollower {
    /// Runs until nobody tells it to look any more.
    pub(crate) fn run(mut self, looks: &Receiver<Look>, mut calls: Receiver<Call>) {
        loop {
            // BLOCKING: until there may be something to do, or whoever waits for a head has waited long enough.
            let done = select! {
                recv(looks) -> look => match look {
                    Ok(look) => self.go_on(look, looks, &calls),
                    Err(_) => return,
                },
                recv(calls) -> call => match call {
                    Ok(call) => self.answer(call),
                    Err(_) => {
                        calls = never();
                        Ok(())
                    }
                },
                default(self.patience()) => self.settle(),
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// Takes one step after the other, for as long as there is one. The host is answered between two of them.
    fn go_on(&mut self, look: Look, looks: &Receiver<Look>, calls: &Receiver<Call>) -> Result<(), Gone> {
        let mut look = Ok(look);
        loop {
            if let Ok(call) = calls.try_recv() {
                self.answer(call)?;
            }
            match look {
                Ok(Look::Anew) => (self.left, self.ahead) = (None, Arc::default()),
                Ok(Look::Changed) | Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(Gone),
            }
            let wish = self.waiting.wish();
            let step = self.next();
            self.settle()?;
            let other = Some(self.waiting.wish()).filter(|other| *other != wish);
            other.map_or(Ok(()), |wish| self.outbox.report(Report::ListsAbove(wish)))?;
            match step {
                Ok(Some(step)) => self.outbox.report(Report::Followed(step))?,
                Ok(None) => return Ok(()),
                Err(error) => self.outbox.failed(error)?,
            }
            look = looks.try_recv();
        }
    }

    /// Whether so many blocks are on their way to the disk that no more are taken.
    fn is_far_ahead(&self) -> bool {
        self.ahead.len() >= AHEAD_MAX
            || self.ahead.bytes_held() > self.ahead_bytes_max && !self.ahead.is_empty()
    }

    /// What is to be done, if anything is.
    fn next(&mut self) -> snapsync_storage::Result<Option<Step>> {
        let Some(state) = self.state()? else { return Ok(None) };
        let Some(at) = state.whole()? else { return Ok(None) };
        if self.is_far_ahead() {
            return Ok(None);
        }
        let history = self.readers.history.snapshot()?;
        if history.canonical(at.number)? != Some(at.hash) {
            if self.left == Some(at.hash) || !self.ahead.is_empty() {
                return Ok(None);
            }
            self.left = Some(at.hash);
            let parent = state.below_newest()?.map(|parent| notices::pin(parent).target);
            return Ok(Some(match parent {
                Some(parent) => Step::TakeBack { block: at.hash, parent },
                None => Step::Stranded { block: at.hash },
            }));
        }
        let number = at.number.saturating_add(1);
        let (parent, now) = (self.readers.header(&history, &at.hash)?, self.started.elapsed());
        let Some(hash) = history.canonical(number)? else {
            self.waiting.stand(now, &self.follower, &parent);
            return Ok(None);
        };
        let body = history.body(&hash)?;
        if body.is_some()
            && let Some(taken) = self.candidates.take(&hash)
        {
            Arc::make_mut(&mut self.ahead).push(&taken.derived);
            return Ok(Some(Step::Taken(taken)));
        }
        if self.refused.is_some_and(|refused| refused.hash == hash) {
            self.waiting.stop();
            return Ok(None);
        }
        let header = self.readers.header(&history, &hash)?;
        let list = self.outbox.lists_above.of(&hash).or_else(|| self.payloads.list(&hash));
        if !self.waiting.is_due(now, &self.follower, &header, list.is_some()) {
            return Ok(None);
        }
        let Some(body) = body else { return Ok(None) };
        if let Some(taken) = self.take_stretch(&state, &history, &parent)? {
            drop(state);
            Arc::make_mut(&mut self.ahead).push(&taken.derived);
            return Ok(Some(Step::Taken(taken)));
        }
        let block = Head { number, hash };
        let step = match self.read(header, body)? {
            // A canonical block's canonical ancestors are its own.
            Ok(read) => self.take(&state, &history, &read, &parent, list.as_ref()),
            Err(bad) => Err(bad.into()),
        };
        drop(state);
        Ok(Some(match step {
            Ok(taken) => {
                Arc::make_mut(&mut self.ahead).push(&taken.derived);
                Step::Taken(taken)
            }
            Err(ExecuteError::Disk(error)) => return Err(error),
            Err(ExecuteError::Bad(bad)) => {
                self.refused = Some(block);
                self.remember_bad(hash, at.hash, bad.to_string());
                Step::Refused { block, reason: bad.to_string() }
            }
            Err(other) => {
                let now = self.started.elapsed();
                self.waiting.failed(now, &self.follower, hash, list.is_some());
                Step::Failed { block, reason: other.to_string() }
            }
        }))
    }
}
