//! What the platform's services cost by themselves, stepped by hand: no world, no network, no waiting in queues; at the
//! end a small scenario as a whole, to see what the world adds.
//! `cargo bench -p headcount-benches --bench services`
//!
//! Each service holds 100,000 voters' traces first; then what 10,000 more of them need is timed. So criterion's `time` is
//! that of the whole batch, and its `thrpt` counts the operations. Messages are made before and results are checked after
//! the clock runs; handing a message over, asking for the next wake and taking the answers away is in the time, as any
//! host of a node has to do it.
//!
//! Bias: voters come one after the other, so caches are warmer than between the messages of a whole cluster. The texts
//! that KV and App Context keep are those of the table of voters: they neither allocate nor free them, except under the
//! Functions. The allocator is the system's; the command has a faster one of its own.

#[path = "services/handlers.rs"]
mod handlers;
#[path = "services/people.rs"]
mod people;
#[path = "services/region_log.rs"]
mod region_log;
#[path = "services/voters.rs"]
mod voters;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use headcount_engine::access::Grant;
use headcount_engine::appcontext::AppContext;
use headcount_engine::contract::{Input, MINUTE, MS, Nanos, Node, NodeId, Outbox, SECOND, Send, US};
use headcount_engine::kvstore::{KvOptions, KvReplica};
use headcount_engine::limits::{Limits, SERVERLESS_2026_09};
use headcount_engine::message::{Channel, KvOk, KvOp, Msg, ObjectsOk, ObjectsOp, StreamFrame};
use headcount_engine::patterns::voting::audit::{Answer, Ledger};
use headcount_engine::patterns::voting::session::{SessionObject, Status};
use headcount_engine::patterns::voting::shard;
use headcount_engine::timetoken::iso8601;
use headcount_workloads::outcome::Verdict;
use headcount_workloads::run::{Prepared, RunOptions};
use headcount_workloads::scenario::Scenario;

use voters::{HOST, SESSION, SHARDS, Voter, Voters, participant, session};

/// Voters who are there before the clock runs.
const HELD: usize = 100_000;
/// Operations in a batch.
const BATCH: usize = 10_000;
/// Between two operations: 10,000 a second, as the flagship's burst has them.
const PACE: Nanos = 100 * US;

const LIMITS: &Limits = &SERVERLESS_2026_09;

const BROKER: NodeId = NodeId(0);
const WORKER: NodeId = NodeId(1);
const KV: NodeId = NodeId(2);
const PEER: NodeId = NodeId(3);
const OBJECTS: NodeId = NodeId(4);
const AUDIT: NodeId = NodeId(5);

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Times `work` alone; each time it gets something `prepare`d, and what it returns is `check`ed.
fn measure<T, U>(
    group: &mut Group<'_>,
    name: &str,
    elements: usize,
    mut prepare: impl FnMut() -> T,
    mut work: impl FnMut(T) -> U,
    check: impl Fn(U),
) {
    group.throughput(Throughput::Elements(elements as u64));
    let mut once = || {
        let input = black_box(prepare());
        let started = Instant::now();
        let output = black_box(work(input));
        let spent = started.elapsed();
        check(output);
        spent
    };
    group.bench_function(name, |bencher| bencher.iter_custom(|times| (0..times).map(|_| once()).sum()));
}

/// Does for a node what its host does: hands something over, wakes it if it is due, and takes away what it says.
fn step(node: &mut dyn Node, now: Nanos, input: Input, out: &mut Outbox, carry: impl FnMut(Send)) {
    node.handle(now, input, out);
    while node.next_wake().is_some_and(|at| at <= now) {
        node.handle(now, Input::Wake, out);
    }
    out.drain_sends().for_each(carry);
}

fn said(from: NodeId, msg: Msg) -> Input {
    Input::Message { from, msg }
}

/// When the batch begins: a second after the last of those held.
const LATER: Nanos = HELD as u64 * PACE + SECOND;

/// A replica whose peer, if it has one, acknowledges every frame as soon as it is sent.
struct Replica {
    kv: KvReplica,
    /// What the peer got.
    frames: Vec<StreamFrame>,
    out: Outbox,
}

impl Replica {
    /// A replica with these peers that holds the first 100,000 voters' answers.
    fn held(voters: &Voters, peers: &[NodeId]) -> Self {
        let kv = KvReplica::new(KV, peers, KvOptions::of(LIMITS, 1));
        let mut replica = Self { kv, frames: Vec::new(), out: Outbox::default() };
        let done = replica.calls(0, PACE, sets(voters.held()), |answer| *answer == KvOk::Done);
        assert_eq!((done, replica.kv.len(), replica.kv.is_replicated()), (HELD, HELD, true));
        replica
    }

    /// Makes these calls from `now` on, each `pace` after the one before, until all is replicated. Returns how many
    /// answers were as `wanted`.
    fn calls(&mut self, mut now: Nanos, pace: Nanos, ops: Vec<KvOp>, wanted: fn(&KvOk) -> bool) -> usize {
        let mut counted = 0;
        for (tag, op) in ops.into_iter().enumerate() {
            now += pace;
            counted += self.step(now, said(WORKER, Msg::Kv { tag: tag as u64, op }), wanted);
        }
        while !self.kv.is_replicated() {
            now = self.kv.next_wake().expect("there is a frame to be sent").max(now);
            self.step(now, Input::Wake, wanted);
        }
        counted
    }

    fn step(&mut self, now: Nanos, input: Input, wanted: fn(&KvOk) -> bool) -> usize {
        let (mut counted, before) = (0, self.frames.len());
        let Self { kv, frames, out } = self;
        step(kv, now, input, out, |send| match send.msg {
            Msg::KvAnswer { result: Ok(answer), .. } => counted += usize::from(wanted(&answer)),
            Msg::Stream(frame) => frames.push(*frame),
            _ => (),
        });
        for frame in &frames[before..] {
            let StreamFrame::Data { epoch, first_seq, items, .. } = frame else { continue };
            let ack = StreamFrame::Ack { epoch: *epoch, next_seq: first_seq + items.len() as u64 };
            step(kv, now, said(PEER, Msg::Stream(Box::new(ack))), out, drop);
        }
        counted
    }
}

fn sets(voters: &[Voter]) -> Vec<KvOp> {
    voters.iter().map(Voter::set).collect()
}

/// Frames of [`KV`] come to its peer; it acknowledges 100 ms after the last.
fn hear(peer: &mut KvReplica, now: Nanos, frames: Vec<StreamFrame>) {
    let mut out = Outbox::default();
    for frame in frames {
        step(peer, now, said(KV, Msg::Stream(Box::new(frame))), &mut out, drop);
    }
    step(peer, now + 100 * MS, Input::Wake, &mut out, drop);
}

fn kvstore(criterion: &mut Criterion, voters: &Voters) {
    let mut group = criterion.benchmark_group("kv, 100000 keys");
    measure(
        &mut group,
        "set",
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
        &mut group,
        "set, at the peer",
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
    let mut replica = Replica::held(voters, &[PEER]);
    measure(
        &mut group,
        "get, known",
        BATCH,
        || voters.scattered().map(|(_, voter)| voter.get()).collect(),
        |ops| replica.calls(LATER, 0, ops, |answer| matches!(answer, KvOk::Value(Some(_)))),
        |found| assert_eq!(found, BATCH),
    );
    measure(
        &mut group,
        "get, unknown",
        BATCH,
        || voters.new_ones().iter().map(Voter::get).collect(),
        |ops| replica.calls(LATER, 0, ops, |answer| *answer == KvOk::Value(None)),
        |missing| assert_eq!(missing, BATCH),
    );
    group.finish();
}

/// Makes these calls of App Context. Returns how many objects were answered.
fn objects_calls(objects: &mut AppContext, now: Nanos, ops: Vec<ObjectsOp>) -> usize {
    let (mut out, mut answered) = (Outbox::default(), 0);
    for (tag, op) in ops.into_iter().enumerate() {
        let msg = Msg::Objects { tag: tag as u64, op: Box::new(op) };
        step(objects, now, said(WORKER, msg), &mut out, |send| {
            answered += usize::from(matches!(send.msg, Msg::ObjectsAnswer { result: Ok(ObjectsOk::Object(_)), .. }));
        });
    }
    answered
}

fn joins(voters: &[Voter]) -> Vec<ObjectsOp> {
    let control: Channel = shard::control_channel(SESSION).into();
    voters.iter().map(|voter| voter.join(&control)).collect()
}

/// App Context with the session and its first 100,000 members.
fn objects_held(voters: &Voters) -> AppContext {
    let mut objects = AppContext::new(1);
    let patch = SessionObject::new(&session(), SHARDS, iso8601(0)).to_patch().into();
    let set = ObjectsOp::SetChannel { channel: shard::control_channel(SESSION).into(), patch, if_match: None };
    assert_eq!(objects_calls(&mut objects, 0, vec![set]), 1);
    assert_eq!(objects_calls(&mut objects, 0, joins(voters.held())), HELD);
    objects
}

fn appcontext(criterion: &mut Criterion, voters: &Voters) {
    let mut group = criterion.benchmark_group("app context, 100000 members");
    measure(
        &mut group,
        "set membership",
        BATCH,
        || (objects_held(voters), joins(voters.new_ones())),
        |(mut objects, ops)| (objects_calls(&mut objects, LATER, ops), objects),
        |(done, objects)| assert_eq!((done, objects.memberships_len()), (BATCH, HELD + BATCH)),
    );
    let mut objects = objects_held(voters);
    let control: Channel = shard::control_channel(SESSION).into();
    measure(
        &mut group,
        "get channel",
        BATCH,
        || vec![ObjectsOp::GetChannel { channel: control.clone() }; BATCH],
        |ops| objects_calls(&mut objects, LATER, ops),
        |done| assert_eq!(done, BATCH),
    );
    group.finish();
}

fn access(criterion: &mut Criterion, voters: &Voters) {
    let mut group = criterion.benchmark_group("token of a participant");
    let verifier = voters.verifier;
    let genuine = |voter: &Voter| verifier.verify(&voter.token, MINUTE, &voter.user).is_ok();
    measure(
        &mut group,
        "verify",
        BATCH,
        || (),
        |()| voters.new_ones().iter().filter(|voter| genuine(voter)).count(),
        |good| assert_eq!(good, BATCH),
    );
    measure(
        &mut group,
        "sign",
        BATCH,
        || voters.new_ones().iter().map(|voter| participant(&voters.grants, &voter.user)).collect(),
        |grants: Vec<Grant>| grants.into_iter().map(|grant| verifier.sign(grant, 0)).collect::<Vec<_>>(),
        |tokens| assert!(tokens.iter().eq(voters.new_ones().iter().map(|voter| &*voter.token))),
    );
    group.finish();
}

/// The tables with an open session and the first 100,000 votes.
fn ledger_held(voters: &Voters) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.create(0, session()).expect("it is new");
    ledger.step(0, SESSION, HOST, Status::Open).expect("it was created");
    voters.held().iter().for_each(|voter| _ = ledger.cast(0, &voter.cast()));
    assert_eq!(ledger.log().len(), HELD);
    ledger
}

fn audit(criterion: &mut Criterion, voters: &Voters) {
    let mut group = criterion.benchmark_group("audit ledger, 100000 rows");
    measure(
        &mut group,
        "cast, first vote",
        BATCH,
        || ledger_held(voters),
        |mut ledger| {
            voters.new_ones().iter().for_each(|voter| _ = ledger.cast(LATER, &voter.cast()));
            ledger
        },
        |ledger| {
            assert_eq!((ledger.log().len(), ledger.decisions().len()), (HELD + BATCH, HELD + BATCH));
            assert_eq!(ledger.decisions()[HELD + BATCH - 1].answer, Answer::Accepted((HELD + BATCH - 1) as u32));
            let counts = ledger.session(SESSION).expect("it is there").counts();
            assert_eq!(counts.iter().sum::<u64>(), (HELD + BATCH) as u64);
        },
    );
    let mut ledger = ledger_held(voters);
    measure(
        &mut group,
        "cast, repeated request",
        BATCH,
        || (),
        |()| {
            let numbers = voters.scattered().map(|(_, voter)| ledger.cast(LATER, &voter.cast()));
            (numbers.collect::<Vec<u32>>(), ledger.decisions().len())
        },
        |(numbers, decisions)| {
            assert_eq!(decisions, HELD, "nothing new is decided");
            assert!(numbers.into_iter().eq(voters.scattered().map(|(n, _)| n as u32)));
        },
    );
    group.finish();
}

/// A whole world from the drawing of its crowd to the verdict.
fn world(criterion: &mut Criterion) {
    const SEED: u64 = 7;
    let mut group = criterion.benchmark_group("world, voting-small, seed 7");
    let prepared = Prepared::new(Scenario::load("voting-small", &[]).expect("it is built in"));
    let first = prepared.check(SEED);
    assert!(first.verdict != Verdict::Violated && first.messages > 1_000, "{first:?}");
    measure(
        &mut group,
        "run",
        1,
        || (),
        |()| prepared.run(SEED, RunOptions::default()),
        |outcome| assert_eq!((outcome.digest, outcome.properties), (first.digest, first.properties.clone())),
    );
    measure(&mut group, "check", 1, || (), |()| prepared.check(SEED), |checked| assert_eq!(checked, first));
    group.finish();
}

fn main() {
    if cfg!(debug_assertions) {
        eprintln!("note: without optimisation these figures say nothing");
    }
    // A batch is long enough that ten of them say all.
    let (warm_up, measurement) = (Duration::from_millis(100), Duration::from_secs(1));
    let criterion = Criterion::default().sample_size(10).warm_up_time(warm_up).measurement_time(measurement);
    let mut criterion = criterion.configure_from_args();
    let voters = Voters::new();
    kvstore(&mut criterion, &voters);
    appcontext(&mut criterion, &voters);
    people::friends(&mut criterion);
    access(&mut criterion, &voters);
    audit(&mut criterion, &voters);
    handlers::functions(&mut criterion, &voters);
    region_log::region_log(&mut criterion, &voters);
    world(&mut criterion);
    criterion.final_summary();
}
