//! What the desk makes of a walk down a trie: which nodes are asked for next, and when the walk is over.

mod setup;

use snapsync_peers::{Noun, Outcome, PeerId};
use snapsync_stream::{Action, Answered, Config, Desk, Input, Request, Verdict, WantedNode, What};
use snapsync_sync::{Effect, Event, Phase, Target, TargetId, Ticket};
use snapsync_trie::NodeClaim;

use setup::{HEAD, give, hash, judgements, profile, sends, wait};

/// A desk whose rows are of the first target, and which has begun to walk down the trie of the second.
fn walking(peers: u64, change: impl FnOnce(&mut Config)) -> (Desk, Vec<(PeerId, Request)>) {
    let (mut desk, _) = setup::desk(peers, 64 << 20, |_, config| change(config));
    let target = Target { number: HEAD + 1, hash: hash(HEAD + 1), root: hash(78) };
    give(&mut desk, 0, Input::Sync(Event::PivotMoved { target }));
    give(&mut desk, 0, Input::Sync(Event::Recorded { pin: Some(TargetId(2)) }));
    // No block has an access list.
    let none = Event::ListFound { number: HEAD + 1, parent: hash(HEAD), has_list: false };
    give(&mut desk, 0, Input::Sync(none));
    let actions = give(&mut desk, 0, Input::Sync(Event::Rebuilt { root: hash(77) }));
    assert_eq!(desk.engine().phase(), Phase::Heal);
    (desk, sends(&actions))
}

/// Some node; which one is all that the desk sees of it.
fn node(number: u64) -> WantedNode {
    WantedNode { account: None, claim: NodeClaim::of_root(hash(number)) }
}

fn nodes(numbers: std::ops::Range<u64>) -> Vec<WantedNode> {
    numbers.map(node).collect()
}

fn wanted(request: &Request) -> &[WantedNode] {
    let What::Nodes { target: TargetId(2), root, nodes } = &request.what else { panic!("{request:?}") };
    assert_eq!(*root, hash(78));
    nodes
}

/// All that was asked for is compared: what differs below, and whether rows do.
fn compared(request: &Request, below: Vec<WantedNode>, differ: bool) -> Verdict {
    let found = wanted(request).len() as u64;
    Verdict { outcome: Outcome::Complete, answered: Answered::Nodes { found, left: vec![], below, differ } }
}

fn answer(desk: &mut Desk, (peer, request): &(PeerId, Request), verdict: Verdict) -> Vec<(PeerId, Request)> {
    let arrived = Input::Arrived { peer: *peer, request: request.id, noun: Noun::Nodes, bytes: 500 };
    assert_eq!(judgements(&give(desk, 10, arrived)).len(), 1);
    sends(&give(desk, 10, Input::Judged { request: request.id, verdict }))
}

fn rebuilds(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Sync(Effect::Rebuild { .. }))).count()
}

// ROW: F23
#[test]
fn a_walk_goes_down_a_level_an_answer_and_ends_once_what_differs_is_durable() {
    let (mut desk, first) = walking(1, |_| {});
    assert_eq!(wanted(&first[0].1), [node(78)], "it begins at the root");
    let second = answer(&mut desk, &first[0], compared(&first[0].1, nodes(100..103), false));
    assert_eq!(wanted(&second[0].1), nodes(100..103));
    let last = answer(&mut desk, &second[0], compared(&second[0].1, vec![], true));
    assert!(last.is_empty());
    assert_eq!((desk.engine().phase(), desk.reservations()), (Phase::Heal, 1), "its rows are at the writer");
    let (job, ticket) = (second[0].1.job, Ticket::from(second[0].1.id));
    let (target, storages, freed, codes) = (TargetId(2), vec![], vec![], vec![]);
    let healed = Event::AccountsHealed { job, ticket, target, storages, freed, codes };
    let actions = give(&mut desk, 20, Input::Sync(healed));
    assert_eq!((rebuilds(&actions), desk.reserved_bytes()), (1, 0));
}

#[test]
fn a_trie_that_is_equal_ends_the_walk_at_its_root() {
    let (mut desk, first) = walking(1, |_| {});
    let arrived = Input::Arrived { peer: first[0].0, request: first[0].1.id, noun: Noun::Nodes, bytes: 500 };
    give(&mut desk, 10, arrived);
    let verdict = compared(&first[0].1, vec![], false);
    let actions = give(&mut desk, 10, Input::Judged { request: first[0].1.id, verdict });
    assert_eq!((rebuilds(&actions), desk.reserved_bytes(), desk.reservations()), (1, 0, 0));
}

#[test]
fn the_deepest_nodes_are_asked_for_first_and_small_answers_together() {
    let (mut desk, first) = walking(1, |config| config.nodes_per_request = 8);
    let level = answer(&mut desk, &first[0], compared(&first[0].1, nodes(100..116), false));
    let asked: Vec<&[WantedNode]> = level.iter().map(|(_, request)| wanted(request)).collect();
    assert_eq!(asked, [&nodes(100..108)[..], &nodes(108..116)]);
    // What lies below the first half comes before all else; what few nodes bring is asked for with what waits.
    let deeper = answer(&mut desk, &level[0], compared(&level[0].1, nodes(200..232), false));
    assert_eq!(deeper.iter().map(|(_, request)| wanted(request).len()).sum::<usize>(), 32);
    assert_eq!(wanted(&deeper[0].1), nodes(200..208));
}

#[test]
fn a_walk_that_knows_of_very_much_goes_down_one_path_at_a_time() {
    let (mut desk, first) = walking(4, |config| (config.nodes_per_request, config.walk_nodes) = (4, 100));
    let level = answer(&mut desk, &first[0], compared(&first[0].1, nodes(1_000..1_300), false));
    assert_eq!(level.len(), 1, "more would bring more than may be known");
    let deeper = answer(&mut desk, &level[0], compared(&level[0].1, nodes(2_000..2_004), false));
    assert_eq!(wanted(&deeper[0].1), nodes(2_000..2_004), "down, and not aside");
    let back = answer(&mut desk, &deeper[0], compared(&deeper[0].1, vec![], false));
    assert_eq!(wanted(&back[0].1), nodes(1_004..1_008));
}

#[test]
fn nodes_that_an_answer_left_out_are_asked_for_again_and_all_of_them_elsewhere() {
    let (mut desk, first) = walking(2, |_| {});
    let level = answer(&mut desk, &first[0], compared(&first[0].1, nodes(100..104), false));
    let left = nodes(102..104);
    let answered = Answered::Nodes { found: 2, left: left.clone(), below: vec![], differ: false };
    let partial = Verdict { outcome: Outcome::Partial, answered };
    let rest = answer(&mut desk, &level[0], partial);
    assert_eq!(wanted(&rest[0].1), left);
    let points = desk.book().points(rest[0].0).unwrap();
    let elsewhere = answer(&mut desk, &rest[0], Verdict::unavailable());
    assert_eq!(wanted(&elsewhere[0].1), left);
    assert_ne!(elsewhere[0].0, rest[0].0);
    assert_eq!(desk.book().points(rest[0].0), Some(points), "to lack a state costs nothing");
}

fn range_below(request: &Request) -> WantedNode {
    let What::Repair { target: TargetId(2), root, node } = request.what else { panic!("{request:?}") };
    assert_eq!(root, hash(78));
    node
}

/// A range is compared: what is wanted further down, and whether rows differ.
fn shown(below: Vec<WantedNode>, differ: bool) -> Verdict {
    Verdict { outcome: Outcome::Complete, answered: Answered::Shown { below, differ } }
}

fn answer_range(desk: &mut Desk, (peer, request): &(PeerId, Request), verdict: Verdict) -> Vec<Action> {
    let arrived = Input::Arrived { peer: *peer, request: request.id, noun: Noun::Accounts, bytes: 6_000 };
    assert_eq!(judgements(&give(desk, 30, arrived)).len(), 1);
    give(desk, 30, Input::Judged { request: request.id, verdict })
}

/// A walk that has come to its second level, with peers of snap/2 alone.
fn repairing() -> (Desk, Vec<(PeerId, Request)>) {
    let (mut desk, first) = walking(1, |_| {});
    give(&mut desk, 10, Input::PeerLeft { peer: first[0].0 });
    let profile = snapsync_peers::PeerProfile { snap: Some(2), ..profile(9) };
    let asked = sends(&give(&mut desk, 20, Input::PeerJoined { peer: PeerId(9), profile }));
    let [root] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((root.0, range_below(&root.1)), (PeerId(9), node(78)));
    let level = sends(&answer_range(&mut desk, root, shown(nodes(100..103), false)));
    (desk, level)
}

#[test]
fn who_gives_no_nodes_is_asked_for_the_rows_below_them() {
    let (mut desk, level) = repairing();
    assert_eq!(level.iter().map(|(_, request)| range_below(request)).collect::<Vec<_>>(), nodes(100..103));
    let reserved = desk.reserved_bytes();
    assert!((10_000..100_000).contains(&reserved), "{reserved}: proofs count, and there is little else");
    let last = level.iter().map(|asked| rebuilds(&answer_range(&mut desk, asked, shown(vec![], false))));
    assert_eq!(last.collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(desk.reserved_bytes(), 0);
}

#[test]
fn who_gives_nodes_is_asked_for_them_as_soon_as_it_is_there() {
    let (mut desk, level) = repairing();
    give(&mut desk, 30, Input::PeerJoined { peer: PeerId(10), profile: profile(10) });
    let deeper = sends(&answer_range(&mut desk, &level[0], shown(nodes(200..232), false)));
    assert_eq!(deeper.iter().map(|(_, request)| wanted(request).len()).sum::<usize>(), 32);
    assert!(deeper.iter().all(|(peer, _)| *peer == PeerId(10)));
}

#[test]
fn nodes_that_everybody_refuses_are_asked_for_by_ranges_and_cost_nothing() {
    let (mut desk, first) = walking(2, |_| {});
    let points = desk.book().points(first[0].0);
    let elsewhere = answer(&mut desk, &first[0], Verdict::unavailable());
    assert_eq!(wanted(&elsewhere[0].1), [node(78)]);
    let ranges = answer(&mut desk, &elsewhere[0], Verdict::unavailable());
    assert_eq!(range_below(&ranges[0].1), node(78));
    assert_eq!(desk.book().points(first[0].0), points, "who has no nodes may have the state");
    // Who lacks the rows as well has not got the state.
    let mut left = ranges;
    for _ in 0..2 {
        let actions = answer_range(&mut desk, &left[0], Verdict::unavailable());
        left = sends(&actions);
    }
    assert!(left.is_empty() && sends(&wait(&mut desk, 40)).is_empty(), "nobody is asked twice in a row");
}

#[test]
fn a_move_ends_the_walk_and_late_answers_cost_nothing() {
    let (mut desk, first) = walking(1, |_| {});
    let target = Target { number: HEAD + 2, hash: hash(HEAD + 2), root: hash(79) };
    give(&mut desk, 10, Input::Sync(Event::PivotMoved { target }));
    give(&mut desk, 10, Input::Sync(Event::Recorded { pin: Some(TargetId(3)) }));
    // Lists are looked for once more, and there are still none.
    let none = Event::ListFound { number: HEAD + 1, parent: hash(HEAD), has_list: false };
    let next = sends(&give(&mut desk, 10, Input::Sync(none)));
    assert!(matches!(&next[0].1.what, What::Nodes { target: TargetId(3), root, .. } if *root == hash(79)));
    let points = desk.book().points(first[0].0);
    let arrived = Input::Arrived { peer: first[0].0, request: first[0].1.id, noun: Noun::Nodes, bytes: 500 };
    let actions = give(&mut desk, 20, arrived);
    assert!(judgements(&actions).is_empty());
    assert_eq!(desk.book().points(first[0].0), points);
}
