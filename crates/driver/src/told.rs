//! What the planner asks peers beside the desk: which block is meant, and which one is the newest.
//!
//! It asks and hands on what was answered; `agree.rs` and `follow.rs` say what follows from it. What the desk is to hear of it waits
//! with all else: it is not carried out here.

use snapsync_peers::PeerId;
use snapsync_stream::Input;
use snapsync_sync::Event as SyncEvent;

use crate::{
    Error, Event,
    agree::{Agreed, Agreement, Step},
    ask::{self, Payload},
    events::HeadSource,
    follow::{self, Following, Look},
    planner::FetchSnapState,
};

impl FetchSnapState {
    /// Whether the state stays what it is: it was verified, and nobody takes the blocks above it.
    fn stands(&self) -> bool {
        self.desk.engine().verified().is_some() && self.blocks.is_none()
    }

    /// Has the peers say which block is their newest, for as long as the state may become another one.
    pub(crate) fn follow(&mut self) {
        let Some(mut following) = self.following.take() else { return };
        if self.stands() || self.ended.is_some() {
            return;
        }
        let known = self.desk.engine().head().map(|head| (head.number, head.hash));
        if let Some(known) = known {
            let may_be_asked = self.people.peers().filter(|peer| !self.questions.is_owed_by(*peer));
            match following.poll(self.started.elapsed(), may_be_asked, known) {
                Look::Wait(_) => {}
                Look::Ask { from, questions } => {
                    for (id, peer) in questions {
                        if self.people.send(peer, ask::headers_from(id, from, follow::HEADERS_MAX)) {
                            self.questions.asked(peer, id);
                        } else {
                            following.on_left(peer);
                        }
                    }
                }
                Look::Head(hash) => {
                    self.accept(hash, HeadSource::Peers);
                    self.tell(SyncEvent::HeadNamed { hash });
                }
            }
        }
        self.following = Some(following);
    }

    /// Has the peers say which block is meant, as far as they are here by now.
    pub(crate) fn agree(&mut self) {
        let Some(mut agreement) = self.agreement.take() else { return };
        let step = agreement.poll(self.now(), &self.people.voters(), self.prospects.are_all_tried());
        match step {
            Ok(Step::Wait) => self.agreement = Some(agreement),
            Ok(Step::Ask { number, questions }) => {
                for (id, peer) in questions {
                    if self.people.send(peer, ask::header_by_number(id, number)) {
                        self.questions.asked(peer, id);
                    } else {
                        agreement.on_left(peer);
                    }
                }
                self.agreement = Some(agreement);
            }
            Ok(Step::Agreed(agreed)) => {
                let Agreed { number, hash, votes: peers, dissenters } = agreed;
                self.outlets.event(Event::Agreed { number, hash, peers, dissenters });
                self.name_agreed(hash, agreement.names_latest());
            }
            Err(error) => self.not_agreed(&agreement, error),
        }
    }

    /// Peers that do not agree end only a sync that has nothing yet to go on with.
    fn not_agreed(&mut self, agreement: &Agreement, error: Error) {
        let reason = error.to_string();
        match agreement.or_held(error, self.held()) {
            Ok(hash) => {
                self.outlets.event(Event::NotAgreed { reason });
                self.name_agreed(hash, true);
            }
            Err(error) => self.ended = Some(Err(error)),
        }
    }

    /// The newest block that is held of the chain of a pivot on record.
    pub(crate) fn held(&self) -> Option<alloy_primitives::B256> {
        let engine = self.desk.engine();
        engine.pin().map(|pin| engine.head().map_or(pin.target.hash, |head| head.hash))
    }

    /// What peers call their newest block is followed from now on, unless a state is whole already and no block brings it on.
    fn name_agreed(&mut self, hash: alloy_primitives::B256, is_latest: bool) {
        self.accept(hash, HeadSource::Peers);
        if !is_latest || self.stands() {
            return self.tell(SyncEvent::TargetNamed { hash });
        }
        self.following = Some(Following::new(self.now()));
        self.tell(SyncEvent::HeadNamed { hash });
    }

    /// An answer to a question that is no matter of the desk. Whoever asked may be done with it by now.
    pub(crate) fn on_told(&mut self, peer: PeerId, question: u64, payload: &Payload) {
        if let Some(agreement) = self.agreement.as_mut().filter(|agreement| agreement.takes(question)) {
            agreement.on_answer(question, ask::first_header(payload));
        }
        if let Some(following) = self.following.as_mut().filter(|following| following.has_asked(question)) {
            following.on_answer(peer, ask::blocks(payload));
        }
    }

    /// A head is taken up. A consensus client names the same one every few seconds.
    pub(crate) fn accept(&mut self, hash: alloy_primitives::B256, by: HeadSource) {
        if self.accepted.replace(hash) != Some(hash) {
            self.outlets.event(Event::HeadAccepted { hash, by });
        }
    }

    /// Tells of peers that have left the pivot's window by what they say, or are back in it. Once a state is whole nobody is asked for it.
    pub(crate) fn look_at_window(&mut self) {
        let engine = self.desk.engine();
        let Some(pin) = engine.pin().filter(|_| engine.progress().rebuilt.is_none()) else { return };
        for event in self.people.look_at_window(pin.target.number) {
            self.outlets.event(event);
        }
    }

    /// Has the desk hear of it next.
    fn tell(&mut self, event: SyncEvent) {
        self.pending.push_back(Input::Sync(event));
    }
}
