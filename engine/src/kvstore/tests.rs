use super::*;
use crate::contract::SECOND;
use crate::dice::{below, draw};
use crate::limits::{DOCUMENTS_2026_01, UNLIMITED};
use crate::message::Misbehaviour;

const CLIENT: NodeId = NodeId(99);

fn one() -> KvReplica {
    KvReplica::new(NodeId(0), &[], KvOptions::of(&DOCUMENTS_2026_01, 1))
}

fn ask(kv: &mut KvReplica, now: Nanos, op: KvOp) -> Option<Result<KvOk, KvError>> {
    let mut out = Outbox::new(false);
    kv.handle(now, Input::Message { from: CLIENT, msg: Msg::Kv { tag: 7, op } }, &mut out);
    let send = out.drain_sends().next()?;
    let Msg::KvAnswer { tag: 7, result } = send.msg else { panic!("{:?}", send.msg) };
    Some(result)
}

fn set(key: &str, value: &str, ttl_minutes: Option<u32>) -> KvOp {
    KvOp::Set { key: key.into(), value: value.into(), ttl_minutes }
}

fn get(key: &str) -> KvOp {
    KvOp::Get { key: key.into() }
}

fn incr(key: &str, by: i64) -> KvOp {
    KvOp::Incr { key: key.into(), by }
}

fn value(text: &str) -> Option<Result<KvOk, KvError>> {
    Some(Ok(KvOk::Value(Some(text.into()))))
}

const NULL: Option<Result<KvOk, KvError>> = Some(Ok(KvOk::Value(None)));
const DONE: Option<Result<KvOk, KvError>> = Some(Ok(KvOk::Done));

#[test]
fn what_is_set_is_got_until_it_is_removed() {
    let mut kv = one();
    assert_eq!(ask(&mut kv, 0, get("a")), NULL);
    assert_eq!(ask(&mut kv, 0, set("a", "1", None)), DONE);
    assert_eq!(ask(&mut kv, 0, set("a", "2", None)), DONE);
    assert_eq!(ask(&mut kv, 0, get("a")), value("2"));
    assert_eq!(ask(&mut kv, 1, KvOp::Remove { key: "a".into() }), DONE);
    assert_eq!(ask(&mut kv, 1, get("a")), NULL);
}

#[test]
fn a_ttl_is_in_minutes_and_a_day_when_not_given() {
    let mut kv = one();
    ask(&mut kv, 0, set("short", "x", Some(1)));
    ask(&mut kv, 0, set("day", "x", None));
    assert_eq!(ask(&mut kv, MINUTE - 1, get("short")), value("x"));
    assert_eq!(ask(&mut kv, MINUTE, get("short")), NULL);
    assert_eq!(ask(&mut kv, 1_440 * MINUTE - 1, get("day")), value("x"));
    assert_eq!(ask(&mut kv, 1_440 * MINUTE, get("day")), NULL);
}

#[test]
fn a_sweep_frees_expired_values_and_later_their_keys() {
    let mut kv = one();
    for n in 0..10 {
        ask(&mut kv, 0, set(&format!("k{n}"), "x", Some(1 + n % 2)));
    }
    let mut out = Outbox::new(false);
    let mut wakes = 0;
    while let Some(at) = kv.next_wake() {
        kv.handle(at, Input::Wake, &mut out);
        wakes += 1;
    }
    // 5 expire after 1 minute, 5 after 2, and each is forgotten a day later: 4 sweeps, then nothing to wake for.
    assert_eq!((wakes, kv.len(), kv.counts().expired), (4, 0, 10));
}

#[test]
fn bad_calls_are_refused_and_change_nothing() {
    let mut kv = one();
    let refused = |kv: &mut KvReplica, op| ask(kv, 0, op).unwrap().unwrap_err();
    assert_eq!(refused(&mut kv, set("", "x", None)), KvError::BadArgument);
    assert_eq!(refused(&mut kv, get(&"k".repeat(251))), KvError::KeyTooLong);
    assert_eq!(refused(&mut kv, set("k", &"v".repeat(30_721), None)), KvError::ValueTooLarge);
    assert_eq!(refused(&mut kv, set("k", "v", Some(0))), KvError::BadTtl);
    assert_eq!(refused(&mut kv, set("k", "v", Some(525_601))), KvError::BadTtl);
    assert_eq!(refused(&mut kv, incr(&"k".repeat(251), 1)), KvError::KeyTooLong);
    assert_eq!(refused(&mut kv, KvOp::GetKeys { page: Some("no token".into()) }), KvError::BadArgument);
    assert!(kv.is_empty() && kv.next_wake().is_none());
    assert_eq!(kv.counts().refused, 7);
}

#[test]
fn counters_are_a_store_of_their_own() {
    let mut kv = one();
    assert_eq!(ask(&mut kv, 0, KvOp::GetCounter { key: "a".into() }), Some(Ok(KvOk::Counter(0))));
    assert_eq!(ask(&mut kv, 0, incr("a", 5)), Some(Ok(KvOk::Counter(5))));
    assert_eq!(ask(&mut kv, 0, incr("a", -7)), Some(Ok(KvOk::Counter(-2))));
    assert_eq!(ask(&mut kv, 0, get("a")), NULL);
    ask(&mut kv, 0, set("b", "1", None));
    assert_eq!((kv.keys_now(0), kv.counter_keys()), (vec!["b".into()], vec!["a".into()]));
}

#[test]
fn listings_have_pages_of_100_in_order_and_follow_later_changes() {
    let mut kv = one();
    for n in (0..250).rev() {
        ask(&mut kv, 0, set(&format!("k{n:03}"), "x", if n == 7 { Some(1) } else { None }));
        ask(&mut kv, 0, incr(&format!("c{n:03}"), 1));
    }
    let pages = |kv: &mut KvReplica, counters: bool, now| {
        let (mut sizes, mut all, mut page) = (Vec::new(), Vec::new(), None);
        loop {
            let op = if counters { KvOp::GetCounterKeys { page } } else { KvOp::GetKeys { page } };
            let Some(Ok(KvOk::Keys { keys, next })) = ask(kv, now, op) else { panic!() };
            sizes.push(keys.len());
            all.extend(keys);
            page = next;
            if page.is_none() {
                assert!(all.is_sorted());
                return sizes;
            }
        }
    };
    assert_eq!(pages(&mut kv, false, 0), [100, 100, 50]);
    assert_eq!(pages(&mut kv, true, 0), [100, 100, 50]);
    ask(&mut kv, 1, KvOp::Remove { key: "k000".into() });
    ask(&mut kv, 1, set("new", "x", None));
    ask(&mut kv, 1, incr("new", 1));
    // After a minute k007 has expired: 250 - 1 removed - 1 expired + 1 new = 249.
    assert_eq!(pages(&mut kv, false, MINUTE), [100, 100, 49]);
    assert_eq!(pages(&mut kv, true, MINUTE), [100, 100, 51]);
    // A counter page token means nothing for keys.
    let Some(Ok(KvOk::Keys { next, .. })) = ask(&mut kv, 1, KvOp::GetCounterKeys { page: None }) else { panic!() };
    assert_eq!(ask(&mut kv, 1, KvOp::GetKeys { page: next }), Some(Err(KvError::BadArgument)));
}

#[test]
fn a_rate_limit_throttles_what_is_above_it() {
    let mut kv = KvReplica::new(NodeId(0), &[], KvOptions { ops_per_s: Some(10), ..KvOptions::of(&UNLIMITED, 1) });
    let served = (0..25).filter(|_| ask(&mut kv, SECOND, get("a")) == NULL).count();
    assert_eq!((served, kv.counts().throttled), (10, 15));
    let mut out = Outbox::new(false);
    kv.handle(2 * SECOND, Input::Overload { from: CLIENT, msg: Msg::Kv { tag: 1, op: set("a", "1", None) } }, &mut out);
    let answer = out.drain_sends().next().unwrap().msg;
    assert!(matches!(answer, Msg::KvAnswer { tag: 1, result: Err(KvError::Throttled) }));
    assert_eq!(kv.get_now("a", 2 * SECOND), None);
}

#[test]
fn misbehaviour_may_hide_an_effect_or_fake_one_away() {
    let orders = |kv: &mut KvReplica, orders| {
        kv.handle(0, Input::Message { from: CLIENT, msg: Msg::Misbehave(orders) }, &mut Outbox::new(false));
    };
    let all = 1_000_000;
    let mut kv = one();
    orders(&mut kv, Misbehaviour { error_ppm: all, ..Default::default() });
    assert_eq!((ask(&mut kv, 0, incr("a", 1)), kv.counter("a")), (Some(Err(KvError::Unavailable)), 0));
    orders(&mut kv, Misbehaviour { error_after_effect_ppm: all, ..Default::default() });
    assert_eq!((ask(&mut kv, 0, incr("a", 1)), kv.counter("a")), (Some(Err(KvError::Unavailable)), 1));
    orders(&mut kv, Misbehaviour { silent_after_effect_ppm: all, ..Default::default() });
    assert_eq!((ask(&mut kv, 0, incr("a", 1)), kv.counter("a")), (None, 2));
    orders(&mut kv, Misbehaviour { throttle_ppm: all, ..Default::default() });
    assert_eq!((ask(&mut kv, 0, incr("a", 1)), kv.counter("a")), (Some(Err(KvError::Throttled)), 2));
    orders(&mut kv, Misbehaviour { delay: 3 * SECOND, ..Default::default() });
    let mut out = Outbox::new(false);
    kv.handle(0, Input::Message { from: CLIENT, msg: Msg::Kv { tag: 0, op: get("a") } }, &mut out);
    assert_eq!(out.drain_sends().next().unwrap().after, 3 * SECOND);
}

/// Replicas and a network that loses a fifth of the frames and delays the rest by 1 to 300 ms.
struct Cluster {
    now: Nanos,
    nodes: Vec<KvReplica>,
    wire: std::collections::BTreeMap<(Nanos, u64), (NodeId, NodeId, Msg)>,
    draws: u64,
    seed: u64,
}

impl Cluster {
    fn new(count: u32, seed: u64) -> Self {
        let nodes = (0..count)
            .map(|n| {
                let peers: Vec<_> = (0..count).filter(|peer| *peer != n).map(NodeId).collect();
                KvReplica::new(NodeId(n), &peers, KvOptions::of(&UNLIMITED, u64::from(n)))
            })
            .collect();
        Self { now: 0, nodes, wire: Default::default(), draws: 0, seed }
    }

    fn dice(&mut self, bound: u64) -> u64 {
        self.draws += 1;
        below(bound, draw(self.seed, self.draws))
    }

    /// Runs until `end`, or until nothing is on the wire and every write is acknowledged.
    fn run(&mut self, end: Nanos) {
        loop {
            let wake = (0..self.nodes.len()).filter_map(|n| Some((self.nodes[n].next_wake()?, n))).min();
            let arrival = self.wire.first_key_value().map(|(key, _)| key.0);
            let idle = self.wire.is_empty() && self.nodes.iter().all(KvReplica::is_replicated);
            let Some(at) = earlier(wake.map(|(at, _)| at), arrival).filter(|at| *at <= end && !(idle && end > DAY))
            else {
                break;
            };
            self.now = self.now.max(at);
            let mut out = Outbox::new(false);
            let node = if arrival == Some(at) {
                let (_, (from, to, msg)) = self.wire.pop_first().unwrap();
                self.nodes[to.0 as usize].handle(self.now, Input::Message { from, msg }, &mut out);
                to
            } else {
                let (_, n) = wake.unwrap();
                self.nodes[n].handle(self.now, Input::Wake, &mut out);
                NodeId(n as u32)
            };
            for send in out.drain_sends() {
                if self.dice(5) > 0 {
                    let at = self.now + self.dice(300) * MS;
                    self.wire.insert((at, self.draws), (node, send.to, send.msg));
                }
            }
        }
        if end < DAY {
            self.now = end;
        }
    }
}

const DAY: Nanos = 24 * 60 * MINUTE;

#[test]
fn replicas_agree_in_the_end_whatever_is_lost_and_whoever_dies() {
    for seed in 0..6 {
        let mut cluster = Cluster::new(4, seed);
        let mut sums = [0i64; 3];
        for step in 0..600u64 {
            let n = cluster.dice(4) as usize;
            let key = cluster.dice(20);
            let now = cluster.now;
            match cluster.dice(8) {
                0..4 => _ = ask(&mut cluster.nodes[n], now, set(&format!("k{key}"), &format!("{step}"), None)),
                4 => _ = ask(&mut cluster.nodes[n], now, KvOp::Remove { key: format!("k{key}").into() }),
                5 if step % 10 == 0 => cluster.nodes[n].reboot(now),
                _ => {
                    let by = step as i64 % 7 - 2;
                    sums[key as usize % 3] += by;
                    _ = ask(&mut cluster.nodes[n], now, incr(&format!("c{}", key % 3), by));
                }
            }
            let pause = cluster.dice(60) * MS;
            cluster.run(now + pause);
        }
        cluster.run(Nanos::MAX);
        let now = cluster.now;
        for key in (0..20).map(|n| format!("k{n}")) {
            let values: Vec<_> = cluster.nodes.iter().map(|node| node.get_now(&key, now)).collect();
            assert!(values.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}: {key} {values:?}");
        }
        for (n, sum) in sums.iter().enumerate() {
            for node in &cluster.nodes {
                assert_eq!(node.counter(&format!("c{n}")), *sum, "seed {seed}");
            }
        }
        assert!(cluster.nodes.iter().any(|node| node.counts().outdated > 0), "no write ever lost: a tame test");
        assert!(cluster.nodes.iter().any(|node| !node.keys_now(now).is_empty()));
    }
}

#[test]
fn another_region_learns_of_a_write_after_a_frame_and_the_link_and_shares_its_texts() {
    let mut cluster = Cluster::new(2, 3);
    ask(&mut cluster.nodes[0], 0, set("a", "1", None));
    assert_eq!(cluster.nodes[1].get_now("a", 0), None);
    // Written at 0, framed at 50 ms, not before.
    assert_eq!(cluster.nodes[0].next_wake(), Some(50 * MS));
    cluster.run(Nanos::MAX);
    let (here, there) = (cluster.nodes[0].get_now("a", 0).unwrap(), cluster.nodes[1].get_now("a", 0).unwrap());
    assert!(Arc::ptr_eq(&here, &there));
}

#[test]
fn a_removed_or_expired_key_does_not_come_back_with_an_older_write() {
    let mut kv = KvReplica::new(NodeId(0), &[NodeId(1)], KvOptions::of(&UNLIMITED, 1));
    let put = |seq, key: &str, written| {
        let write = KvWrite { key: key.into(), value: Some("old".into()), written, writer: 1, expires: DAY };
        let items = vec![StreamItem::KvPut(Arc::new(write))];
        Msg::Stream(Box::new(StreamFrame::Data { epoch: 0, base: 0, first_seq: seq, items }))
    };
    let mut out = Outbox::new(false);
    ask(&mut kv, 10, KvOp::Remove { key: "removed".into() });
    ask(&mut kv, 10, set("expired", "new", Some(1)));
    kv.handle(2 * MINUTE, Input::Wake, &mut out);
    assert_eq!(kv.counts().expired, 1);
    kv.handle(2 * MINUTE, Input::Message { from: NodeId(1), msg: put(0, "removed", 5) }, &mut out);
    kv.handle(2 * MINUTE, Input::Message { from: NodeId(1), msg: put(1, "expired", 5) }, &mut out);
    assert_eq!((kv.get_now("removed", 2 * MINUTE), kv.get_now("expired", 2 * MINUTE)), (None, None));
    // A later write does come through.
    kv.handle(2 * MINUTE, Input::Message { from: NodeId(1), msg: put(2, "removed", 11) }, &mut out);
    assert_eq!(kv.get_now("removed", 2 * MINUTE).as_deref(), Some("old"));
}

#[test]
fn a_writer_with_a_slow_clock_loses_against_the_other_region() {
    // Last writer wins by the writers' clocks: the remote write is stamped 10 s ahead.
    let mut kv = KvReplica::new(NodeId(0), &[NodeId(1)], KvOptions::of(&UNLIMITED, 1));
    let write = KvWrite { key: "a".into(), value: Some("ahead".into()), written: 10 * SECOND, writer: 1, expires: DAY };
    let items = vec![StreamItem::KvPut(Arc::new(write))];
    let frame = StreamFrame::Data { epoch: 0, base: 0, first_seq: 0, items };
    let msg = Msg::Stream(Box::new(frame));
    kv.handle(0, Input::Message { from: NodeId(1), msg }, &mut Outbox::new(false));
    assert_eq!(ask(&mut kv, SECOND, set("a", "behind", None)), DONE);
    assert_eq!(kv.get_now("a", SECOND).as_deref(), Some("ahead"));
}
