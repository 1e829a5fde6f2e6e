//! What becomes of a write: it waits, is gathered, is durable, and the machine hears of it; or the power goes.
//!
//! Each environment by its own clock. What a crash leaves of the one and of the other is drawn.

use snapsync_stream::RequestId;
use snapsync_sync::{Event, ListOutcome, ListedBlock, Progress, RetreatOutcome};

use crate::{
    disk::Write,
    provers::Crew,
    rig::Host,
    world::{Happening, World},
    writers::{Due, Env},
};

/// What an order counts for: some accounts, a record.
const ORDER_BYTES: u64 = 200;

impl World {
    /// The planner's own writes: small, and before all rows.
    pub(crate) fn order(&mut self, write: Write) {
        let env = write.env();
        self.writers.of(env).order(write, ORDER_BYTES);
        self.look_at(env);
    }

    /// The record of a sync: each environment keeps its part.
    pub(crate) fn record(&mut self, progress: Progress) {
        if let Some(blocks) = progress.blocks {
            self.order(Write::Want(blocks));
        }
        self.order(Write::Record(progress));
    }

    /// A worker hands over its rows, and is free once they have found room.
    pub(crate) fn hand_over(&mut self, crew: Crew, write: Write, bytes: u64) {
        let env = write.env();
        if self.writers.of(env).send(crew, write, bytes, &self.story.speed) {
            self.release(crew);
        } else {
            self.tallies.provers_waited += 1;
        }
        self.look_at(env);
    }

    fn look_at(&mut self, env: Env) {
        let advanced = self.writers.of(env).advance(self.story.commit, &self.story.speed);
        for crew in advanced.freed {
            self.release(crew);
        }
        self.set(env, advanced.due);
    }

    fn set(&mut self, env: Env, due: Option<Due>) {
        match due {
            Some(Due::Gathered { after, batch }) => {
                self.rig.set_after(after, Happening::Gathered(env, batch));
            }
            Some(Due::Durable { after }) => self.rig.set_after(after, Happening::Commit(env)),
            None => {}
        }
    }

    /// A batch has been gathered long enough.
    pub(crate) fn gathered(&mut self, env: Env, batch: u64) {
        let due = self.writers.of(env).gathered(batch, self.story.commit, &self.story.speed);
        self.set(env, due);
    }

    /// A transaction has come to its end.
    pub(crate) fn commit(&mut self, env: Env) -> Result<(), String> {
        let crashes = self.story.crashes.contains(&(self.disk.commits + 1));
        if crashes && self.chance.hits(500) {
            // Before the transaction is durable.
            self.story.crashes.remove(&(self.disk.commits + 1));
            return self.crash();
        }
        let batch = self.writers.of(env).committed().ok_or("a transaction ends that never began")?;
        let brings = batch.iter().any(Write::is_list);
        let events = self.disk.commit(&self.states, env, batch)?;
        if brings {
            self.check_claims()?;
        }
        if crashes {
            // After it is durable, before anybody heard of it; that of the other writer may be, too.
            if self.chance.hits(500)
                && let Some(batch) = self.writers.of(env.other()).committed()
            {
                self.disk.commit(&self.states, env.other(), batch)?;
            }
            return self.crash();
        }
        self.look_at(env);
        for event in events {
            self.durable(event)?;
        }
        self.move_at_parts();
        // After the end nobody listens any more.
        if self.ended.is_some() { Ok(()) } else { self.watch.caught_up(&self.rig.desk, &self.disk.held) }
    }

    fn durable(&mut self, event: Event) -> Result<(), String> {
        if let Some(ticket) = event.ticket() {
            self.working.remove(&RequestId::from(ticket));
        }
        let asked = self.watch.asked_of();
        if matches!(&event, Event::AccountsDurable { target, .. } if Some(*target) < asked) {
            self.tallies.late_ranges += 1;
        }
        self.tallies.renewals += u64::from(matches!(&event, Event::AccountsRenewed { .. }));
        if let Event::Retreated { retreated, .. } = &event {
            self.tallies.retreats += u64::from(retreated.outcome == RetreatOutcome::Applied);
        }
        if let Event::ListsApplied { blocks, .. } = &event {
            self.count_lists(blocks);
        }
        let recorded = if let Event::Recorded { pin } = event { pin } else { None };
        let event = self.called(event);
        self.input(snapsync_stream::Input::Sync(event))?;
        self.watch.recorded(recorded, &self.rig.desk);
        Ok(())
    }

    fn count_lists(&mut self, blocks: &[ListedBlock]) {
        for listed in blocks {
            self.tallies.lists += u64::from(listed.outcome == ListOutcome::Applied);
            self.tallies.owed += (listed.owed.len() + listed.cut.len()) as u64;
            self.tallies.owed_cut += listed.cut.len() as u64;
        }
    }
}
