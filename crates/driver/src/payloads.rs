//! Blocks that the host gave, for as long as they may be of use: whoever fetches headers and bodies finds them here before any peer is asked.
//!
//! ```text
//!   the worker that takes blocks keeps them · the planner answers requests out of them, in the name of a peer that is always there
//! ```
//!
//! They are bounded in number and bytes; the lowest go first. What is not here any more is fetched from peers. It proves nothing: an answer
//! made of them is proved as any other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{B256, Bytes};
use snapsync_execute::NewPayload;
use snapsync_peers::Head;
use snapsync_stream::{HeaderStart, What};
use snapsync_sync::BlockRange;
use snapsync_wire::{Body, Header, eth};

use crate::ask::Payload;

/// Blocks that are kept, at most: those of three hours.
const BLOCKS_MAX: usize = 1024;

/// The blocks that are kept. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Payloads(Arc<Mutex<Shelf>>);

#[derive(Debug)]
struct Shelf {
    blocks: BTreeMap<B256, NewPayload>,
    by_number: BTreeSet<(u64, B256)>,
    bytes: usize,
    bytes_max: usize,
    /// The head that was named last: requests by number mean its chain.
    named: Option<B256>,
}

impl Payloads {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let (blocks, by_number) = (BTreeMap::new(), BTreeSet::new());
        Self(Arc::new(Mutex::new(Shelf { blocks, by_number, bytes: 0, bytes_max, named: None })))
    }

    /// Keeps a block. Says which blocks may be here now, and which is the highest.
    pub(crate) fn keep(&self, hash: B256, payload: NewPayload) -> Option<(BlockRange, Head)> {
        self.lock().keep(hash, payload)
    }

    /// The chain of this head is meant from now on.
    pub(crate) fn name(&self, head: B256) {
        self.lock().named = Some(head);
    }

    /// A block's header.
    pub(crate) fn header(&self, hash: &B256) -> Option<Header> {
        self.lock().blocks.get(hash).map(|payload| payload.header.clone())
    }

    /// A block.
    pub(crate) fn block(&self, hash: &B256) -> Option<NewPayload> {
        self.lock().blocks.get(hash).cloned()
    }

    /// A block's access list.
    pub(crate) fn list(&self, hash: &B256) -> Option<Bytes> {
        self.lock().blocks.get(hash)?.list.clone()
    }

    /// The answer to a request, and what it weighs: whatever is here of it, which may be nothing. `hashes` are those of the blocks that it asks for.
    pub(crate) fn answer(&self, id: u64, what: &What, hashes: &[B256]) -> Option<(Payload, u64)> {
        let held = self.lock();
        match what {
            What::Headers { start, count } => {
                let headers = held.headers(*start, *count);
                let bytes = headers.iter().map(|header| header.raw().len() as u64).sum();
                Some((Payload::Headers(eth::BlockHeaders { id, headers }), bytes))
            }
            What::Bodies { .. } => {
                let bodies: Vec<Body> =
                    hashes.iter().map_while(|hash| Some(held.blocks.get(hash)?.body.clone())).collect();
                let bytes = bodies.iter().map(|body| body.raw().len() as u64).sum();
                Some((Payload::Bodies(eth::BlockBodies { id, bodies }), bytes))
            }
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn keep(&mut self, hash: B256, payload: NewPayload) -> Option<(BlockRange, Head)> {
        let number = payload.header.number;
        self.bytes += weight(&payload);
        self.by_number.insert((number, hash));
        if let Some(before) = self.blocks.insert(hash, payload) {
            self.bytes -= weight(&before);
        }
        while self.bytes > self.bytes_max || self.blocks.len() > BLOCKS_MAX {
            let Some((_, lowest)) = self.by_number.pop_first() else { break };
            self.bytes -= self.blocks.remove(&lowest).map_or(0, |payload| weight(&payload));
        }
        let ((first, _), (last, hash)) = (self.by_number.first()?, self.by_number.last()?);
        let head = Head { number: Some(*last), hash: *hash };
        BlockRange::new(*first, *last).map(|blocks| (blocks, head))
    }

    /// Falling headers from there on.
    fn headers(&self, start: HeaderStart, count: u64) -> Vec<Header> {
        let from = match start {
            HeaderStart::Hash(hash) | HeaderStart::Linked { hash, .. } => Some(hash),
            HeaderStart::Number(number) => self.named.and_then(|head| self.ancestor(head, number)),
        };
        let mut headers = Vec::new();
        let mut next = from.and_then(|hash| self.blocks.get(&hash));
        while let Some(payload) = next.filter(|_| (headers.len() as u64) < count) {
            next = self.blocks.get(&payload.header.parent_hash);
            headers.push(payload.header.clone());
        }
        headers
    }

    fn ancestor(&self, head: B256, number: u64) -> Option<B256> {
        let mut at = head;
        loop {
            let header = &self.blocks.get(&at)?.header;
            if header.number <= number {
                return (header.number == number).then_some(at);
            }
            at = header.parent_hash;
        }
    }
}

/// Heap bytes in use, about.
fn weight(payload: &NewPayload) -> usize {
    let list = payload.list.as_ref().map_or(0, |list| list.len());
    // What is decoded of a header beside its bytes.
    payload.header.raw().len() + payload.body.raw().len() + list + 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::tests::header_above;

    /// Blocks 1 to `count` above `parent`.
    fn chain(parent: B256, from: u64, count: u64, salt: u64) -> Vec<NewPayload> {
        let mut parent = parent;
        let body = Body::decode(&Bytes::from_static(&[0xc2, 0xc0, 0xc0])).expect("an empty body");
        let made = (from..from + count).map(|number| {
            let header = header_above(parent, number, salt, B256::ZERO);
            parent = header.hash();
            NewPayload { header, body: body.clone(), list: None }
        });
        made.collect()
    }

    fn headers(payloads: &Payloads, start: HeaderStart, count: u64) -> Vec<u64> {
        let Some((Payload::Headers(answer), _)) = payloads.answer(1, &What::Headers { start, count }, &[])
        else {
            panic!("headers were asked for")
        };
        answer.headers.iter().map(|header| header.number).collect()
    }

    // ROW: F1
    #[test]
    fn what_was_given_is_answered_along_the_chain_that_is_named() {
        let payloads = Payloads::new(1 << 20);
        let ours = chain(B256::ZERO, 1, 5, 0);
        let theirs = chain(ours[2].header.hash(), 4, 3, 1);
        let mut reach = None;
        for payload in ours.iter().chain(&theirs) {
            reach = payloads.keep(payload.header.hash(), payload.clone());
        }
        let top = theirs[2].header.hash();
        let blocks = BlockRange { first: 1, last: 6 };
        assert_eq!(reach, Some((blocks, Head { number: Some(6), hash: top })));
        let by_hash = HeaderStart::Hash(ours[4].header.hash());
        assert_eq!(headers(&payloads, by_hash, 3), [5, 4, 3]);
        assert_eq!(headers(&payloads, by_hash, 9), [5, 4, 3, 2, 1]);
        assert_eq!(
            headers(&payloads, HeaderStart::Number(4), 1),
            [] as [u64; 0],
            "of no chain in particular"
        );
        payloads.name(top);
        let at = HeaderStart::Number(4);
        let Some((Payload::Headers(answer), bytes)) =
            payloads.answer(7, &What::Headers { start: at, count: 2 }, &[])
        else {
            panic!("headers were asked for")
        };
        let found: Vec<B256> = answer.headers.iter().map(Header::hash).collect();
        assert_eq!((answer.id, found), (7, vec![theirs[0].header.hash(), ours[2].header.hash()]));
        assert!(bytes > 0);
        assert_eq!(headers(&payloads, HeaderStart::Number(9), 1), [] as [u64; 0]);
        let hashes = [top, B256::ZERO, top];
        let what = What::Bodies { blocks };
        let Some((Payload::Bodies(answer), _)) = payloads.answer(1, &what, &hashes) else {
            panic!("bodies were asked for")
        };
        assert_eq!(answer.bodies.len(), 1, "up to the first that is not here");
    }

    #[test]
    fn the_lowest_go_when_there_is_no_room() {
        let blocks = chain(B256::ZERO, 1, 40, 0);
        let each = weight(&blocks[0]);
        let payloads = Payloads::new(each * 10 + each / 2);
        let reach = blocks.iter().map(|payload| payloads.keep(payload.header.hash(), payload.clone())).last();
        assert_eq!(reach.flatten().map(|(blocks, _)| blocks), BlockRange::new(31, 40));
        assert!(payloads.header(&blocks[29].header.hash()).is_none());
        assert!(payloads.header(&blocks[30].header.hash()).is_some());
        // The same again weighs nothing more.
        let again = payloads.keep(blocks[39].header.hash(), blocks[39].clone());
        assert_eq!(again.map(|(blocks, _)| blocks), BlockRange::new(31, 40));
    }
}
