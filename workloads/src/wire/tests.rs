use std::any::Any;
use std::collections::BTreeMap;

use headcount_engine::contract::{Input, Nanos, Node, NodeId, Outbox};
use headcount_engine::dice::{below, draw};
use headcount_engine::message::{Call, Msg, Request};
use headcount_sim as sim;
use headcount_sim::{Payload, Process};

use super::{FRAME_BYTES, Hosted, Wire};

/// What one node says, in its order: to whom, after how long, and what.
type Said = Vec<(u32, Nanos, Msg)>;

/// Says its lines at the start, notes what it hears, and answers each request.
struct Actor {
    lines: Said,
    heard: Vec<String>,
}

impl Node for Actor {
    fn handle(&mut self, _now: Nanos, input: Input, out: &mut Outbox) {
        let heard = match input {
            Input::Start => {
                self.lines.drain(..).for_each(|(to, after, msg)| out.send_after(after, NodeId(to), msg));
                return;
            }
            Input::Wake => return,
            Input::Message { from, msg } => {
                if let Msg::Request(request) = &msg {
                    let answer = Msg::LoggedIn { client: request.client, tag: 0, result: Err(403) };
                    out.send(from, answer);
                }
                format!("{} {msg:?}", from.0)
            }
            Input::Overload { from, msg } => format!("too much {} {msg:?}", from.0),
        };
        self.heard.push(heard);
    }

    fn next_wake(&self) -> Option<Nanos> {
        None
    }

    fn reboot(&mut self, _now: Nanos) {}

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// A device's call: one of those that are gathered.
fn call(client: u32) -> Msg {
    let request = Request { client, tag: 0, client_ip: 0, token: None, call: Call::Unsubscribe };
    Msg::Request(Box::new(request))
}

/// What an edge says by itself: it is not.
fn alive(epoch: u64) -> Msg {
    Msg::EdgeAlive { epoch }
}

fn hosted(lines: Said) -> Hosted {
    Hosted::new(Box::new(Actor { lines, heard: Vec::new() }), false)
}

/// What leaves for the network.
fn sent(hosted: &mut Hosted, input: sim::Input<Wire>) -> Vec<(u32, Nanos, Wire)> {
    let mut out = sim::Outbox::new(false);
    hosted.handle(0, input, &mut out);
    out.drain_sends().map(|(to, after, wire)| (to.0, after, wire)).collect()
}

/// The messages of what crosses the network as one.
fn opened(wire: &Wire) -> Vec<String> {
    match &wire.0 {
        Msg::Frame(msgs) => msgs.iter().map(|msg| format!("{msg:?}")).collect(),
        msg => vec![format!("{msg:?}")],
    }
}

fn texts(msgs: &[Msg]) -> Vec<String> {
    msgs.iter().map(|msg| format!("{msg:?}")).collect()
}

fn heard(hosted: Hosted) -> Vec<String> {
    hosted.into_node().into_any().downcast::<Actor>().expect("it was made of one").heard
}

#[test]
fn calls_of_one_moment_over_one_way_are_one_frame_in_their_order() {
    // To node 1 after 5 ns thrice, after 7 ns once; to node 2; and, between them, something that is not gathered.
    let lines = vec![
        (1, 5, call(10)),
        (1, 5, call(11)),
        (1, 7, call(12)),
        (2, 5, call(13)),
        (1, 5, alive(3)),
        (1, 5, call(14)),
    ];
    let sent = sent(&mut hosted(lines), sim::Input::Start);
    let ways: Vec<(u32, Nanos, u32)> = sent.iter().map(|(to, after, wire)| (*to, *after, wire.units())).collect();
    assert_eq!(ways, [(1, 5, 1), (1, 5, 3), (1, 7, 1), (2, 5, 1)]);
    let frames: Vec<Vec<String>> = sent.iter().map(|(_, _, wire)| opened(wire)).collect();
    let expected = [vec![alive(3)], vec![call(10), call(11), call(14)], vec![call(12)], vec![call(13)]];
    assert_eq!(frames, expected.map(|msgs| texts(&msgs)));
}

#[test]
fn a_device_alone_at_its_moment_sends_a_message_as_ever() {
    let sent = sent(&mut hosted(vec![(1, 5, call(10)), (1, 5, alive(3))]), sim::Input::Start);
    assert_eq!(sent.len(), 2);
    for ((_, _, wire), msg) in sent.iter().zip([call(10), alive(3)]) {
        let plain = Wire(msg);
        assert!(!matches!(wire.0, Msg::Frame(_)));
        assert_eq!((wire.kind(), wire.units(), wire.wire_bytes()), (plain.kind(), 1, plain.wire_bytes()));
        assert_eq!(wire.fingerprint(), plain.fingerprint());
    }
}

/// 1,000 nodes' worth of dice: whatever is said arrives once, and what goes one way is in the order in which it was said, kind by
/// kind.
#[test]
fn nothing_is_lost_doubled_or_turned_round() {
    for seed in 0..1_000 {
        let dice = |n: u64, of: u64| below(of, draw(seed, n));
        let line = |n: u64| {
            let msg = if dice(4 * n, 3) == 0 { alive(n) } else { call(n as u32) };
            (dice(4 * n + 1, 3) as u32, dice(4 * n + 2, 2), msg)
        };
        let lines: Said = (0..dice(7_777, 12)).map(line).collect();
        let by_way = |all: &mut dyn Iterator<Item = (u32, Nanos, String)>| {
            let mut ways: BTreeMap<(u32, Nanos, bool), Vec<String>> = BTreeMap::new();
            all.for_each(|(to, after, msg)| ways.entry((to, after, msg.contains("Alive"))).or_default().push(msg));
            ways
        };
        let said = by_way(&mut lines.iter().map(|(to, after, msg)| (*to, *after, format!("{msg:?}"))));
        let count = lines.len() as u32;
        let sent = sent(&mut hosted(lines), sim::Input::Start);
        assert_eq!(sent.iter().map(|(_, _, wire)| wire.units()).sum::<u32>(), count);
        let each = sent.iter().flat_map(|(to, after, wire)| opened(wire).into_iter().map(|msg| (*to, *after, msg)));
        assert_eq!(by_way(&mut each.collect::<Vec<_>>().into_iter()), said, "seed {seed}");
    }
}

#[test]
fn each_message_of_a_frame_is_heard_for_itself_and_answers_go_back_together() {
    let frame = || Wire(Msg::Frame(vec![call(10), alive(3), call(11)]));
    let from = sim::NodeId(7);
    let mut whole = hosted(Vec::new());
    let answers = sent(&mut whole, sim::Input::Message { from, body: frame() });
    assert_eq!((answers.len(), answers[0].0, answers[0].2.units()), (1, 7, 2), "two answers in one frame");
    let mut one_by_one = hosted(Vec::new());
    for msg in [call(10), alive(3), call(11)] {
        sent(&mut one_by_one, sim::Input::Message { from, body: Wire(msg) });
    }
    assert_eq!(heard(whole), heard(one_by_one));
    // A full queue turns away each of them, and says so of each.
    let mut full = hosted(Vec::new());
    sent(&mut full, sim::Input::Overload { from, body: frame() });
    let turned_away = [call(10), alive(3), call(11)].map(|msg| format!("too much 7 {msg:?}"));
    assert_eq!(heard(full), turned_away);
}

#[test]
fn a_frame_is_as_long_as_what_is_in_it_and_its_order_tells() {
    let frame = |msgs: Vec<Msg>| Wire(Msg::Frame(msgs));
    let login = |user: &str| Msg::Login {
        client: 1,
        tag: 0,
        user: user.into(),
        role: headcount_engine::access::Role::User,
        session: "s".into(),
    };
    // One frame's overhead, 200 bytes, and names of 4 and 6.
    assert_eq!(frame(vec![login("anna"), login("berta!")]).wire_bytes(), FRAME_BYTES + 4 + 6);
    let (there, back) = (frame(vec![call(1), call(2)]), frame(vec![call(2), call(1)]));
    assert_ne!(there.fingerprint(), back.fingerprint());
    assert_ne!(frame(vec![call(1)]).fingerprint(), Wire(call(1)).fingerprint());
}
