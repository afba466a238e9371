//! A client that moves to another region goes on from its cursor there: messages may come again, and none is lost
//! (platform.md 2.3).

use super::*;
use crate::limits::SERVERLESS_2026_09;

const BROKERS: [NodeId; 3] = [NodeId(50), NodeId(51), NodeId(52)];
const EDGE: NodeId = NodeId(10);
const HISTORY: NodeId = NodeId(30);

/// Three regions. What one broker says to another takes as long as `ways` has it, [from][to].
struct Regions {
    brokers: Vec<Broker>,
    ways: [[Nanos; 3]; 3],
    /// What is on its way: when it comes, to whom, from whom.
    under_way: Vec<(Nanos, usize, usize, Msg)>,
    /// What the edge of each region was pushed, with its key.
    pushed: [Vec<(Timetoken, String)>; 3],
}

impl Regions {
    fn new(ways: [[Nanos; 3]; 3]) -> Self {
        let broker = |region: usize| {
            Broker::new(BrokerConfig {
                region: region as u8,
                edges: vec![EDGE],
                workers: vec![],
                peers: BROKERS.into_iter().filter(|peer| *peer != BROKERS[region]).collect(),
                history: HISTORY,
                bindings: vec![],
                limits: &SERVERLESS_2026_09,
                replication_frame: 0,
            })
        };
        let brokers = (0..3).map(broker).collect();
        let mut regions = Self { brokers, ways, under_way: Vec::new(), pushed: Default::default() };
        for region in 0..3 {
            regions.step(0, region, Input::Start);
        }
        regions
    }

    fn step(&mut self, now: Nanos, region: usize, input: Input) -> Option<(Timetoken, Vec<String>)> {
        let mut out = Outbox::new(false);
        self.brokers[region].handle(now, input, &mut out);
        let mut attached = None;
        for send in out.drain_sends() {
            let to = BROKERS.iter().position(|broker| *broker == send.to);
            match (to, send.msg) {
                (Some(to), msg) => self.under_way.push((now + self.ways[region][to], to, region, msg)),
                (None, Msg::Push { envelope, cursor }) => {
                    self.pushed[region].push((cursor, envelope.payload.to_string()));
                }
                (None, Msg::Attached { cursor, messages, .. }) => {
                    attached = Some((cursor, messages.iter().map(|message| message.payload.to_string()).collect()));
                }
                _ => {}
            }
        }
        attached
    }

    /// Lets everything happen that is due by then: messages, and the brokers' own wakes.
    fn until(&mut self, end: Nanos) {
        loop {
            let arrival = self.under_way.iter().enumerate().min_by_key(|(n, (at, ..))| (*at, *n));
            let arrival = arrival.map(|(n, (at, ..))| (*at, n));
            let wake = (0..3).filter_map(|region| Some((self.brokers[region].next_wake()?, region))).min();
            match (arrival, wake) {
                (Some((at, n)), wake) if at <= end && wake.is_none_or(|(wake, _)| at <= wake) => {
                    let (at, to, from, msg) = self.under_way.remove(n);
                    self.step(at, to, Input::Message { from: BROKERS[from], msg });
                }
                (_, Some((at, region))) if at <= end => _ = self.step(at, region, Input::Wake),
                _ => return,
            }
        }
    }

    fn publish(&mut self, now: Nanos, region: usize, text: &str) {
        self.until(now);
        let publish = Publish {
            tag: 7,
            channel: "c".into(),
            payload: text.into(),
            publisher: "u".into(),
            store: false,
            kind: Kind::Message,
            hops: 0,
            client_ip: 1,
            token: None,
        };
        self.step(now, region, Input::Message { from: EDGE, msg: Msg::Publish(Box::new(publish)) });
    }

    fn attach(&mut self, now: Nanos, region: usize, cursor: Timetoken, of: Option<u8>) -> (Timetoken, Vec<String>) {
        self.until(now);
        let channels = ["c".into()].into_iter().collect();
        let attach = Attach { tag: 1, epoch: 1, channels, cursor, cursor_region: of, also: Box::default() };
        let input = Input::Message { from: EDGE, msg: Msg::Attach(Box::new(attach)) };
        self.step(now, region, input).expect("an answer")
    }
}

/// From region 2 a message takes 400 ms to region 0 and 10 ms to region 1. "far" is published there at 1.000 s, "near" in region 0 at
/// 1.100 s; the client in region 0 has heard "near" when it leaves at 1.200 s, with a cursor behind the place that "far" has in
/// region 1's log. By the cursor alone it would never hear "far".
#[test]
fn a_client_that_changes_regions_loses_nothing_and_may_hear_something_twice() {
    let mut regions = Regions::new([[0, 10 * MS, 10 * MS], [10 * MS, 0, 10 * MS], [400 * MS, 10 * MS, 0]]);
    regions.attach(MS, 0, Timetoken::ZERO, None);
    regions.publish(SECOND, 2, "far");
    regions.publish(SECOND + 100 * MS, 0, "near");
    regions.until(SECOND + 200 * MS);
    let [(cursor, heard)] = &regions.pushed[0][..] else { panic!("{:?}", regions.pushed) };
    let (cursor, heard) = (*cursor, heard.clone());
    assert_eq!(heard, "near");
    let (_, as_its_own) = regions.attach(SECOND + 300 * MS, 1, cursor, None);
    assert_eq!(as_its_own, Vec::<String>::new(), "the cursor alone: what this test is for");
    let (next, found) = regions.attach(SECOND + 300 * MS, 1, cursor, Some(0));
    assert_eq!(found, ["far", "near"], "one for the first time, one again");
    // From here on the cursor is this region's.
    regions.publish(SECOND + 500 * MS, 2, "later");
    let (_, found) = regions.attach(SECOND + 600 * MS, 1, next, Some(1));
    assert_eq!(found, ["later"]);
}

/// A cursor that is older than the slack brings all that came since.
#[test]
fn a_traveller_of_a_minute_catches_up_with_the_minute() {
    let mut regions = Regions::new([[0, 10 * MS, 10 * MS], [10 * MS, 0, 10 * MS], [10 * MS, 10 * MS, 0]]);
    let (cursor, _) = regions.attach(40 * SECOND, 0, Timetoken::ZERO, None);
    for (n, at) in [(2, 45), (3, 70), (4, 99)] {
        regions.publish(at * SECOND, n % 3, &n.to_string());
    }
    let (_, found) = regions.attach(100 * SECOND, 1, cursor, Some(0));
    assert_eq!(found, ["2", "3", "4"]);
    let (_, found) = regions.attach(101 * SECOND, 1, Timetoken::ZERO, Some(0));
    assert!(found.is_empty(), "a handshake brings nothing, wherever it is from");
}
