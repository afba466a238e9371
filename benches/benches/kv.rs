//! What the KV store costs by itself ([`stepped`]): reads, writes with a TTL and their end, counters, listings page by page,
//! and the other end of the replication stream. `cargo bench -p headcount-benches --bench kv`
//!
//! Writes are timed until the peer has acknowledged all of them, frames and acknowledgements included.

#[allow(dead_code, reason = "each bench takes its part")]
mod stepped;

use std::sync::Arc;

use headcount_engine::contract::{Input, MINUTE, Outbox};
use headcount_engine::kvstore::{KvOptions, KvReplica};
use headcount_engine::message::{KvOk, KvOp, Msg, StreamFrame};

use stepped::replica::{Replica, hear, sets};
use stepped::voters::{Voter, Voters};
use stepped::{BATCH, Group, HELD, KV, LATER, LIMITS, PACE, PEER, WORKER, measure, said, step};

/// Counters that the increments are spread over.
const COUNTERS: usize = 100;

fn writes(group: &mut Group<'_>, voters: &Voters) {
    measure(
        group,
        "set with TTL",
        BATCH,
        || {
            let mut replica = Replica::held(voters, &[PEER]);
            replica.frames.clear();
            (replica, sets(voters.new_ones()))
        },
        |(mut replica, ops)| (replica.calls(LATER, PACE, ops, |answer| *answer == KvOk::Done), replica),
        |(done, replica)| {
            assert_eq!((done, replica.kv.len()), (BATCH, HELD + BATCH));
            // A frame takes the writes of 50 ms, the first and the last among them: 501.
            assert_eq!(replica.frames.len(), BATCH.div_ceil(501));
        },
    );
    measure(
        group,
        "merge, at the peer",
        BATCH,
        || {
            let mut replica = Replica::held(voters, &[PEER]);
            let mut peer = KvReplica::new(PEER, &[KV], KvOptions::of(LIMITS, 2));
            hear(&mut peer, LATER, std::mem::take(&mut replica.frames));
            assert_eq!(peer.len(), HELD);
            replica.calls(LATER, PACE, sets(voters.new_ones()), |_| true);
            (peer, replica.frames)
        },
        |(mut peer, frames)| {
            hear(&mut peer, 2 * LATER, frames);
            peer
        },
        |peer| assert_eq!((peer.len(), peer.counts().outdated), (HELD + BATCH, 0)),
    );
    measure(
        group,
        "merge, half of it outdated",
        BATCH,
        || contested(voters),
        |(mut peer, frames)| {
            hear(&mut peer, 4 * LATER, frames);
            peer
        },
        |peer| {
            assert_eq!((peer.len(), peer.counts().outdated), (HELD, BATCH as u64 / 2));
            let here = |n: usize| peer.get_now(&voters.all[n].key, 4 * LATER).expect("it was set");
            assert_eq!((&*here(0), &*here(1)), (LATE, EARLY));
        },
    );
    measure(
        group,
        "sweep, all of it expired",
        HELD,
        || Replica::held(voters, &[]).kv,
        |mut kv| {
            // Every TTL is of an hour.
            step(&mut kv, LATER + 61 * MINUTE, Input::Wake, &mut Outbox::default(), drop);
            kv
        },
        |kv| assert_eq!((kv.counts().expired, kv.keys_now(LATER).len()), (HELD as u64, 0)),
    );
}

const EARLY: &str = r#""written at the peer's peer""#;
const LATE: &str = r#""written here, and later""#;

/// A peer that holds all keys, and has written every second of the first 10,000 anew; and frames with somewhat older writes of
/// all of those.
fn contested(voters: &Voters) -> (KvReplica, Vec<StreamFrame>) {
    let again = |value: &Arc<str>, every: usize| -> Vec<KvOp> {
        let set = |voter: &Voter| KvOp::Set { key: voter.key.clone(), value: value.clone(), ttl_minutes: Some(60) };
        voters.held()[..BATCH].iter().step_by(every).map(set).collect()
    };
    let mut replica = Replica::held(voters, &[PEER]);
    let mut peer = KvReplica::new(PEER, &[KV], KvOptions::of(LIMITS, 2));
    hear(&mut peer, LATER, std::mem::take(&mut replica.frames));
    assert_eq!(peer.len(), HELD);
    replica.calls(2 * LATER, PACE, again(&EARLY.into(), 1), |_| true);
    for op in again(&LATE.into(), 2) {
        step(&mut peer, 3 * LATER, said(WORKER, Msg::Kv { tag: 0, op }), &mut Outbox::default(), drop);
    }
    (peer, replica.frames)
}

fn reads(group: &mut Group<'_>, voters: &Voters) {
    let mut replica = Replica::held(voters, &[PEER]);
    measure(
        group,
        "get, known",
        BATCH,
        || voters.scattered().map(|(_, voter)| voter.get()).collect(),
        |ops| replica.calls(LATER, 0, ops, |answer| matches!(answer, KvOk::Value(Some(_)))),
        |found| assert_eq!(found, BATCH),
    );
    measure(
        group,
        "get, unknown",
        BATCH,
        || voters.new_ones().iter().map(Voter::get).collect(),
        |ops| replica.calls(LATER, 0, ops, |answer| *answer == KvOk::Value(None)),
        |missing| assert_eq!(missing, BATCH),
    );
    measure(
        group,
        "get keys, first page",
        1,
        || Replica::held(voters, &[]).kv,
        |mut kv| (page(&mut kv, None).0, kv),
        // Nobody had asked before: the listing is made.
        |(keys, _)| assert_eq!(keys, LIMITS.kv_page_keys.value as usize),
    );
    measure(
        group,
        "get keys, all pages",
        HELD,
        || (),
        |()| {
            let (mut keys, mut next) = page(&mut replica.kv, None);
            while next.is_some() {
                let (more, then) = page(&mut replica.kv, next);
                (keys, next) = (keys + more, then);
            }
            keys
        },
        |keys| assert_eq!(keys, HELD),
    );
}

/// How many keys are on a page of the listing, and where the next one begins.
fn page(kv: &mut KvReplica, page: Option<Arc<str>>) -> (usize, Option<Arc<str>>) {
    let mut answer = None;
    let ask = said(WORKER, Msg::Kv { tag: 0, op: KvOp::GetKeys { page } });
    step(kv, LATER, ask, &mut Outbox::default(), |send| answer = Some(send.msg));
    match answer {
        Some(Msg::KvAnswer { result: Ok(KvOk::Keys { keys, next }), .. }) => (keys.len(), next),
        other => panic!("a listing is answered with keys, not {other:?}"),
    }
}

fn counters(group: &mut Group<'_>) {
    let keys: Vec<Arc<str>> = (0..COUNTERS).map(|n| format!("votes:opt_{n}").into()).collect();
    let incr = |n: usize| KvOp::Incr { key: keys[n % COUNTERS].clone(), by: 1 };
    measure(
        group,
        "incr, 100 counters",
        BATCH,
        || (Replica::empty(&[PEER]), (0..BATCH).map(incr).collect()),
        |(mut replica, ops)| (replica.calls(LATER, PACE, ops, |answer| matches!(answer, KvOk::Counter(_))), replica),
        |(done, replica)| {
            assert_eq!((done, replica.kv.counters_len()), (BATCH, COUNTERS));
            assert!(keys.iter().all(|key| replica.kv.counter(key) == (BATCH / COUNTERS) as i64));
            // 501 increments share a frame, and each counter is one sum in it.
            let sums = |frame: &StreamFrame| match frame {
                StreamFrame::Data { items, .. } => items.len(),
                StreamFrame::Ack { .. } => 0,
            };
            let sums: Vec<usize> = replica.frames.iter().map(sums).collect();
            assert_eq!(sums, [COUNTERS; BATCH.div_ceil(501)]);
        },
    );
}

fn main() {
    let mut criterion = stepped::criterion();
    let voters = Voters::new();
    let mut group = criterion.benchmark_group("kv, 100000 keys");
    writes(&mut group, &voters);
    reads(&mut group, &voters);
    counters(&mut group);
    group.finish();
    criterion.final_summary();
}
