//! The host as a peer: it has the blocks that it gave, and nothing else. Requests for these go to it before anybody, and are answered on the spot.
//!
//! So a block of the consensus client takes the way of every other: asked for, proved, written. It costs no line, needs no peer, and what is not
//! at hand any more is asked of others.

use alloy_primitives::B256;
use snapsync_peers::{Head, PeerId, PeerKind, PeerNode, PeerProfile};
use snapsync_stream::{Input, Request};
use snapsync_sync::{BlockRange, Event as SyncEvent};

use crate::{events::HeadSource, planner::FetchSnapState};

/// Its name among connections: no other ever has it.
pub(crate) const HOST: PeerId = PeerId(u64::MAX);

impl FetchSnapState {
    /// The host gave blocks.
    pub(crate) fn on_given(&mut self, blocks: BlockRange, head: Head) {
        let Some(following) = &mut self.blocks else { return };
        let input = if std::mem::replace(&mut following.is_host_known, true) {
            Input::PeerRange { peer: HOST, blocks, head }
        } else {
            let node = PeerNode(B256::repeat_byte(0xff));
            let (eth, snap, kind) = (69, None, PeerKind::Host);
            let profile = PeerProfile { node, eth, snap, head, blocks: Some(blocks), kind };
            Input::PeerJoined { peer: HOST, profile }
        };
        self.pending.push_back(input);
    }

    /// The host named a head, as [`crate::SnapSync::choose`] has it.
    pub(crate) fn on_named(&mut self, head: Option<B256>, finalized: B256) {
        if let Some(hash) = head {
            self.accept(hash, HeadSource::Host);
            self.pending.push_back(Input::Sync(SyncEvent::HeadNamed { hash }));
        }
        if !finalized.is_zero() {
            self.pending.push_back(Input::Sync(SyncEvent::FinalNamed { hash: finalized }));
        }
    }

    /// Answers a request with what is at hand.
    pub(crate) fn ask_host(&mut self, request: &Request, hashes: &[B256]) {
        let Some(blocks) = &self.blocks else { return };
        let (id, noun) = (request.id, request.what.noun());
        let input = match blocks.payloads.answer(id.0, &request.what, hashes) {
            Some((payload, bytes)) => {
                self.payloads.entry((HOST, id)).or_insert(payload);
                Input::Arrived { peer: HOST, request: id, noun, bytes }
            }
            None => Input::Unsent { request: id },
        };
        self.pending.push_back(input);
    }

    /// What the host gave was found wrong. It is heard again with the next block that it gives.
    pub(crate) fn leave_host(&mut self) {
        if let Some(blocks) = &mut self.blocks {
            blocks.is_host_known = false;
        }
        self.pending.push_back(Input::PeerLeft { peer: HOST });
    }
}
