//! What a driver does, done in the world: requests go out, answers come in, effects are carried out.
//!
//! Each function is one arrow of the driver's diagram; `proving` and `writing` go on from here. None of them decides what comes next.

use std::{fmt, time::Duration};

use alloy_primitives::B256;
use snapsync_peers::{Fault, Head, Noun, PeerId, PeerKind, PeerNode, PeerProfile};
use snapsync_stream::{HeaderStart, Input, Judgement, Request, RequestId, What};
use snapsync_sync::{BlockRange, Effect, Event, JobId, Phase, Report};
use snapsync_trie::HashRange;

use crate::{
    answer::{Payload, Question},
    chain::Header,
    disk::Write,
    rig::{Host, Rig},
    story::Twist,
    world::{Happening, World, is_end},
    zoo::{Animal, Kind, Reply},
};

/// The hard limit of a message; the connection refuses what is longer, before anybody decodes it.
const MESSAGE_BYTES_MAX: u64 = 10 << 20;

impl Host for World {
    type Answer = Payload;
    type Happening = Happening;

    fn rig(&mut self) -> &mut Rig<Self> {
        &mut self.rig
    }

    fn welcome(&mut self, nth: usize, peer: PeerId) -> PeerProfile {
        let height = self.animals[nth].height;
        let kind = match nth {
            0 => PeerKind::Static,
            _ if self.chance.hits(500) => PeerKind::Outbound,
            _ => PeerKind::Inbound,
        };
        let Animal { kind: animal, first, shared, .. } = self.animals[nth];
        let hash = match self.line.at(self.animals[nth].chain, height) {
            Some(header) if height <= shared => header.hash,
            _ => B256::ZERO,
        };
        // Some prune and say so, some prune and do not.
        let says = if nth.is_multiple_of(2) { first } else { 0 };
        let profile = PeerProfile {
            node: PeerNode(B256::left_padding_from(&(nth as u64 + 1).to_be_bytes())),
            eth: match (self.animals[nth].shelf.is_open(), self.animals[nth].cuts_at) {
                (true, _) => 71,
                (false, Some(_)) => 70,
                (false, None) => 69,
            },
            snap: (animal != Kind::NoSnap).then(|| self.story.snap.of(nth)),
            head: Head { number: Some(height), hash },
            blocks: BlockRange::new(says, height),
            kind,
        };
        self.watch.joined(peer, &profile);
        self.note(format_args!("{peer:?} is animal {nth}, {animal}"));
        profile
    }

    /// The honest one on the steady line always returns, others mostly do.
    fn left(&mut self, nth: usize, peer: PeerId) {
        self.count_faults(Some(peer));
        if nth == 0 || self.chance.hits(700) {
            let delay = Duration::from_millis(self.chance.between(100, 30_000));
            self.rig.set_after(delay, Happening::Join(nth));
        }
    }

    fn ask(&mut self, nth: usize, peer: PeerId, request: Request) -> Result<(), String> {
        let now = self.rig.now();
        self.watch.sending(now, peer, &request)?;
        self.check_target(&request)?;
        self.check_part(peer, &request)?;
        let (id, noun) = (request.id, request.what.noun());
        let Some(blocks) = self.blocks(&request.what) else {
            // The chain ends below these by now; the machine hears of it next.
            self.rig.set_after(Duration::ZERO, Happening::Unsent(id));
            return Ok(());
        };
        let question = self.question(&request, &blocks);
        self.asked.insert(id, blocks);
        match self.animals[nth].reply(&self.states, &self.line, &question, &mut self.chance) {
            Reply::Answer { payload, thinks } => self.carry(nth, peer, (id, noun), payload, thinks),
            Reply::Astray { payload } => {
                let answer = match self.chance.below(2) {
                    0 => (RequestId(id.0 + 1_000_000_000), noun),
                    _ => (id, if noun == Noun::Codes { Noun::Bodies } else { Noun::Codes }),
                };
                self.carry(nth, peer, answer, payload, Duration::ZERO);
            }
            Reply::Silence => {}
            Reply::Leave { back_after } => {
                self.rig.leave_after(Duration::from_millis(20), peer);
                if let Some(back_after) = back_after {
                    self.rig.set_after(back_after + Duration::from_millis(40), Happening::Join(nth));
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self, payload: &Payload) -> Result<u64, Fault> {
        match payload.weight() {
            bytes if bytes > MESSAGE_BYTES_MAX => Err(Fault::Oversized { bytes, limit: MESSAGE_BYTES_MAX }),
            _ if *payload == Payload::Garbage => Err(Fault::Malformed("not an RLP list".into())),
            bytes => Ok(bytes),
        }
    }

    fn effect(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::CopyStorage { donor, accounts } => self.order(Write::Copy { donor, accounts }),
            Effect::RebuildStorage { account, expected } => {
                if self.story.twist == Twist::SlotRot {
                    self.rot_slot(account);
                }
                self.derive(Write::RebuildStorage { account, expected })?;
            }
            Effect::RebuildOwed => self.derive_owed()?,
            Effect::Rebuild { root, .. } => {
                self.check_rebuild(root)?;
                if self.story.twist == Twist::AccountRot {
                    self.rot_account();
                }
                self.derive(Write::Rebuild)?;
            }
            Effect::FindCodes { .. } => self.rig.set_after(Duration::ZERO, Happening::CodesSought),
            Effect::FindPivot { number } => self.find_pivot(number)?,
            Effect::FindList { number } => {
                self.rig.set_after(Duration::ZERO, Happening::ListSought(number));
            }
            Effect::FindLeft { blocks } => {
                self.rig.set_after(Duration::ZERO, Happening::LeftSought(blocks));
            }
            Effect::Follow { .. } => return Err("a block is written, and nobody has taken one".into()),
            Effect::Prune { hash, state } => self.order(Write::Finalize { hash, highest: state }),
            Effect::Record(progress) => self.record(progress),
            Effect::Report(report) => {
                let was_healing = self.watch.is_healing();
                self.watch.reported(&report, &self.disk.held)?;
                self.move_in_phase();
                let gives_way = was_healing && report == Report::Phase(Phase::CatchUp);
                self.tallies.healings_left += u64::from(gives_way);
                match report {
                    Report::NoLists(why) => {
                        self.check_no_lists(why)?;
                        self.tallies.no_lists(why);
                    }
                    Report::Finalized { pruned, .. } => self.tallies.forks_pruned += pruned,
                    _ => {}
                }
                self.reports.push(report.clone());
                if is_end(&report) {
                    self.end(report);
                }
            }
            other @ (Effect::Start { .. }
            | Effect::Stop { .. }
            | Effect::Shorten { .. }
            | Effect::Retarget { .. }
            | Effect::HoldAccounts
            | Effect::ReleaseAccounts) => return Err(format!("{other:?} is the desk's own business")),
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Named => {
                let hash = self.named();
                self.input(Input::Sync(Event::TargetNamed { hash }))?;
                // After a restart the newest head is named again.
                let is_followed = self.named > 0 || matches!(self.story.twist, Twist::StateGone { .. });
                if is_followed { self.name(self.named) } else { Ok(()) }
            }
            Happening::Moved(chain) => self.moved(chain),
            Happening::Follows(nth, chain) => self.follow(nth, chain),
            Happening::Head(chain) if chain > self.named => self.name(chain),
            Happening::Head(_) => Ok(()),
            Happening::Unsent(request) => self.input(Input::Unsent { request }),
            Happening::Join(nth) if self.rig.now() < self.drought_until => {
                self.rig.set(self.drought_until, Happening::Join(nth));
                Ok(())
            }
            Happening::Join(nth) => self.join(nth),
            Happening::Worked(crew, task) => self.worked(crew, *task),
            Happening::Gathered(env, batch) => {
                self.gathered(env, batch);
                Ok(())
            }
            Happening::Commit(env) => self.commit(env),
            Happening::Pivot(nth) => self.move_pivot(nth),
            Happening::PivotFound(target) => self.input(Input::Sync(Event::PivotMoved { target })),
            Happening::Imports(nth, block) => {
                self.animals[nth].import(block);
                Ok(())
            }
            Happening::ListSought(number) => self.find_list(number),
            // Whoever has a block here has the codes of all before it: none is lost, and the rows are as they were.
            Happening::CodesSought => self.input(Input::Sync(Event::CodesUnnamed { hashes: Vec::new() })),
            Happening::Sleep(lasts) => self.sleep(lasts),
            Happening::LeftSought(blocks) => self.find_left(&blocks),
            Happening::RootLost => {
                self.trace.note(self.rig.now(), format_args!("all peers lose the root"));
                self.animals.iter_mut().for_each(|animal| animal.lost_root = true);
                Ok(())
            }
            Happening::RootFound => {
                self.trace.note(self.rig.now(), format_args!("all peers have the root again"));
                self.animals.iter_mut().for_each(|animal| animal.lost_root = false);
                Ok(())
            }
            Happening::Drought => {
                if let Twist::Drought { lasts, .. } = self.story.twist {
                    self.drought_until = self.rig.now() + lasts;
                }
                let here: Vec<PeerId> = self.rig.here.keys().copied().collect();
                here.into_iter().try_for_each(|peer| self.leave(peer))
            }
        }
    }

    fn set_aside(&mut self, peer: PeerId, fault: &Fault) -> Result<(), String> {
        self.watch.set_aside(peer, self.kind_of(peer), fault)
    }

    fn hung_up(&mut self, peer: PeerId, fault: &Fault) -> Result<(), String> {
        let kind = self.kind_of(peer);
        self.watch.disconnected(peer, kind, fault)?;
        if let Some(kind) = kind {
            *self.tallies.hung_up.entry(kind).or_default() += 1;
        }
        Ok(())
    }

    fn ticking(&mut self) -> Result<(), String> {
        self.watch.tick(self.rig.now(), self.rig.here.is_empty())
    }

    fn note(&mut self, line: fmt::Arguments<'_>) {
        self.trace.note(self.rig.now(), line);
    }

    fn judge(&mut self, judgement: Judgement, payload: Payload) -> Result<(), String> {
        self.prove(judgement, payload)
    }

    fn drop_part(&mut self, job: JobId, block: u64) {
        self.parts.remove(&(job, block));
    }
}

impl World {
    /// The blocks that a request names, which are canonical on the disk now; none, if it does not reach so high.
    fn blocks(&self, what: &What) -> Option<Vec<Header>> {
        match what {
            What::Lists { blocks } => return self.listed(*blocks),
            What::LeftList { block } => return self.left_header(&block.hash),
            _ => {}
        }
        let (What::Bodies { blocks } | What::Receipts { blocks, .. }) = what else { return Some(Vec::new()) };
        let canonical = &self.disk.held.ledger.canonical;
        let hashes = (blocks.first..=blocks.last).map(|number| canonical.get(&number));
        hashes.map(|hash| self.line.of(hash?).cloned()).collect()
    }

    /// The machine sleeps, and wakes up: whatever should have happened meanwhile happens now, what it waits for itself first or last.
    fn sleep(&mut self, lasts: Duration) -> Result<(), String> {
        self.rig.jump(lasts);
        self.tallies.sleeps += 1;
        self.trace.note(self.rig.now(), format_args!("slept for {lasts:?}"));
        if self.chance.hits(500) {
            let now = self.rig.now();
            self.rig.desk.handle_timeout(now);
        }
        self.drain()
    }

    /// A request in the words of the wire.
    fn question(&self, request: &Request, blocks: &[Header]) -> Question {
        let bytes = request.response_bytes;
        match &request.what {
            What::Accounts { root, range, .. } => Question::Accounts { root: *root, range: *range, bytes },
            What::Renewal { root, account, .. } => {
                Question::Accounts { root: *root, range: HashRange::single(*account), bytes }
            }
            What::Storages { root, claims, .. } => Question::Storages {
                root: *root,
                claims: claims.iter().map(|claim| (claim.account, claim.root)).collect(),
                range: HashRange::FULL,
                bytes,
            },
            What::StorageRange { root, claim, range, .. } => Question::Storages {
                root: *root,
                claims: vec![(claim.account, claim.root)],
                range: *range,
                bytes,
            },
            What::Codes { hashes } => Question::Codes { hashes: hashes.clone(), bytes },
            What::Nodes { root, nodes, .. } => Question::Nodes { root: *root, nodes: nodes.clone(), bytes },
            What::Repair { root, node, .. } => match node.account {
                None => Question::Accounts { root: *root, range: node.range(), bytes },
                Some(account) => Question::Storages {
                    root: *root,
                    claims: vec![(account, node.claim.root())],
                    range: node.range(),
                    bytes,
                },
            },
            What::LeftList { block } => Question::Lists { blocks: vec![block.hash], bytes },
            What::Lists { .. } | What::ListsAbove { .. } => {
                Question::Lists { blocks: blocks.iter().map(|header| header.hash).collect(), bytes }
            }
            What::Headers { start, count } => match start {
                HeaderStart::Number(number) => Question::Headers { from: *number, count: *count },
                HeaderStart::Hash(hash) | HeaderStart::Linked { hash, .. } => {
                    Question::Ancestors { hash: *hash, count: *count }
                }
            },
            What::Bodies { .. } => {
                Question::Bodies { blocks: blocks.iter().map(|header| header.hash).collect() }
            }
            What::Receipts { first_receipt, .. } => Question::Receipts {
                blocks: blocks.iter().map(|header| header.hash).collect(),
                first_receipt: *first_receipt,
            },
        }
    }

    /// An answer goes onto the line of its peer.
    fn carry(
        &mut self,
        nth: usize,
        peer: PeerId,
        answer: (RequestId, Noun),
        payload: Payload,
        thinks: Duration,
    ) {
        let start = self.rig.now() + thinks;
        for at in self.animals[nth].link.carry(&mut self.chance, start, payload.weight()) {
            self.rig.deliver(at, peer, answer, payload.clone());
        }
    }
}
