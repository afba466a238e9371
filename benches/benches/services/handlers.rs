//! The Functions of the hardened variant with all that they call, a worker and the stores, stepped by hand.

use std::collections::VecDeque;

use criterion::Criterion;
use headcount_engine::access::Verifier;
use headcount_engine::appcontext::AppContext;
use headcount_engine::contract::{Nanos, Node, NodeId, Outbox, SECOND};
use headcount_engine::functions::{Worker, WorkerConfig};
use headcount_engine::kvstore::KvReplica;
use headcount_engine::message::{HttpRequest, Invoke, InvokeOutcome, Msg, Publish, Trigger};
use headcount_engine::patterns::voting::audit::AuditDb;
use headcount_engine::patterns::voting::audit::api::{self, Lifecycle};
use headcount_engine::patterns::voting::hardened;
use headcount_engine::patterns::voting::message::to_json;
use headcount_engine::patterns::voting::session::Status;
use headcount_engine::timetoken::Timetoken;

use super::voters::{HOST, SESSION, Voter, Voters, session};
use super::{
    AUDIT, BATCH, BROKER, HELD, KV, LATER, LIMITS, OBJECTS, PACE, Replica, WORKER, measure, objects_held, said, step,
};

/// Calls the audit database; it must go well.
fn http(audit: &mut AuditDb, path: &str, body: String) {
    let request =
        Box::new(HttpRequest { method: "POST", path: path.into(), body: body.into(), headers: vec![], token: None });
    let mut good = false;
    step(audit, 0, said(WORKER, Msg::Http { tag: 0, request }), &mut Outbox::default(), |send| {
        good = matches!(send.msg, Msg::HttpAnswer { status: 200, .. });
    });
    assert!(good, "{path} was refused");
}

/// A worker with the stores that it calls, and a broker that only answers: what Functions publish is published.
struct Bench {
    now: Nanos,
    worker: Worker,
    kv: KvReplica,
    objects: AppContext,
    audit: AuditDb,
    queue: VecDeque<(NodeId, NodeId, Msg)>,
    out: Outbox,
    published: Vec<Publish>,
    outcomes: Vec<InvokeOutcome>,
}

impl Bench {
    /// An open session in which the first 100,000 have voted.
    fn held(voters: &Voters) -> Self {
        let worker = Worker::new(WorkerConfig {
            functions: hardened::functions().into(),
            kv: KV,
            broker: BROKER,
            app_context: OBJECTS,
            registry: None,
            presence: None,
            http: vec![(api::BASE, AUDIT)],
            limits: LIMITS,
            concurrency: 8,
            prewarmed: 8,
            queue: 8,
            op_timeout: 2 * SECOND,
            seed: 7,
        });
        let mut audit = AuditDb::new(Verifier::new(3), 3);
        for (to, spec) in [(Status::Created, Some(session())), (Status::Open, None)] {
            let lifecycle = Lifecycle { session_id: SESSION.into(), to, host_id: HOST.into(), spec };
            http(&mut audit, api::LIFECYCLE, to_json(&lifecycle));
        }
        voters.held().iter().for_each(|voter| http(&mut audit, api::CAST, to_json(&voter.cast())));
        assert_eq!(audit.ledger().log().len(), HELD);
        // Replication is measured by itself.
        let kv = Replica::held(voters, &[]).kv;
        Self {
            now: LATER,
            worker,
            kv,
            objects: objects_held(voters),
            audit,
            queue: VecDeque::new(),
            out: Outbox::default(),
            published: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    /// One execution after the other, each until it has ended.
    fn invoke(&mut self, invokes: Vec<Invoke>) {
        for invoke in invokes {
            self.now += PACE;
            self.queue.push_back((BROKER, WORKER, Msg::Invoke(Box::new(invoke))));
            while let Some((from, to, msg)) = self.queue.pop_front() {
                self.carry(from, to, msg);
            }
        }
    }

    fn carry(&mut self, from: NodeId, to: NodeId, msg: Msg) {
        let Self { now, worker, kv, objects, audit, queue, out, published, outcomes } = self;
        let node: &mut dyn Node = match to {
            WORKER => worker,
            KV => kv,
            OBJECTS => objects,
            AUDIT => audit,
            _ => {
                match msg {
                    Msg::Publish(publish) => {
                        let result = Ok(Timetoken::at(*now));
                        queue.push_back((to, from, Msg::Published { tag: publish.tag, result }));
                        published.push(*publish);
                    }
                    Msg::Invoked { outcome, .. } => outcomes.push(outcome),
                    msg => panic!("no Function says this to a broker: {msg:?}"),
                }
                return;
            }
        };
        step(node, *now, said(from, msg), out, |send| queue.push_back((to, send.to, send.msg)));
    }
}

fn submits(voters: &[Voter]) -> Vec<Invoke> {
    voters.iter().enumerate().map(|(tag, voter)| voter.submit(tag as u64)).collect()
}

/// Before the publish, again, and after it.
pub fn functions(criterion: &mut Criterion, voters: &Voters) {
    let mut group = criterion.benchmark_group("hardened, 100000 votes");
    measure(
        &mut group,
        "submit, first",
        BATCH,
        || (Bench::held(voters), submits(voters.new_ones())),
        |(mut bench, invokes)| {
            bench.invoke(invokes);
            bench
        },
        |bench| {
            assert_eq!(bench.audit.ledger().log().len(), HELD + BATCH);
            assert!(bench.published.iter().all(|ack| ack.payload.contains(r#""status":"accepted""#)));
            assert_eq!((bench.published.len(), accepted(&bench.outcomes)), (BATCH, BATCH));
            // One of KV, one of `pubnub`, which is the publish, one of `xhr`: three.
            assert_eq!(bench.worker.counts().most_ops, [1, 1, 1, 1, 3]);
        },
    );
    measure(
        &mut group,
        "submit, repeated",
        BATCH,
        || (Bench::held(voters), submits(&voters.held()[..BATCH])),
        |(mut bench, invokes)| {
            bench.invoke(invokes);
            bench
        },
        |bench| {
            assert_eq!(bench.worker.counts().counters["votes.duplicates"], BATCH as u64);
            assert_eq!((bench.audit.counts().casts, bench.published.len()), (HELD as u64, BATCH));
        },
    );
    measure(
        &mut group,
        "record, after the publish",
        BATCH,
        || {
            let mut bench = Bench::held(voters);
            bench.invoke(submits(voters.new_ones()));
            let texts = bench.outcomes.drain(..).zip(voters.new_ones()).enumerate();
            let invokes = texts.map(|(tag, (outcome, voter))| {
                let InvokeOutcome::Ok(text) = outcome else { panic!("{outcome:?}") };
                voter.invoke(tag as u64, Trigger::AfterPublish, text)
            });
            let invokes = invokes.collect();
            (bench, invokes)
        },
        |(mut bench, invokes)| {
            bench.invoke(invokes);
            bench
        },
        |bench| {
            assert_eq!((bench.kv.len(), bench.objects.memberships_len()), (HELD + BATCH, HELD + BATCH));
        },
    );
    group.finish();
}

fn accepted(outcomes: &[InvokeOutcome]) -> usize {
    outcomes.iter().filter(|outcome| matches!(outcome, InvokeOutcome::Ok(text) if text.contains("decision"))).count()
}
