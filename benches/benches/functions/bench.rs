//! A worker and what it calls, stepped by hand.

use std::collections::VecDeque;

use headcount_engine::access::Verifier;
use headcount_engine::appcontext::AppContext;
use headcount_engine::contract::{Nanos, Node, NodeId, Outbox, SECOND};
use headcount_engine::functions::{Function, Worker, WorkerConfig};
use headcount_engine::kvstore::KvReplica;
use headcount_engine::message::{Invoke, InvokeOutcome, Msg, Publish};
use headcount_engine::patterns::voting::audit::{AuditDb, api};
use headcount_engine::timetoken::Timetoken;

use super::stepped::replica::Replica;
use super::stepped::{AUDIT, BROKER, KV, LATER, LIMITS, OBJECTS, PACE, WORKER, said, step};

/// A worker with the stores that it calls, and a broker that only answers: what Functions publish is published.
pub struct Bench {
    pub now: Nanos,
    pub worker: Worker,
    pub kv: KvReplica,
    pub objects: AppContext,
    pub audit: AuditDb,
    pub published: Vec<Publish>,
    pub outcomes: Vec<InvokeOutcome>,
    queue: VecDeque<(NodeId, NodeId, Msg)>,
    out: Outbox,
}

impl Bench {
    /// These Functions, and stores with nothing in them.
    pub fn new(functions: Vec<Function>) -> Self {
        let worker = Worker::new(WorkerConfig {
            functions: functions.into(),
            kv: KV,
            broker: BROKER,
            app_context: OBJECTS,
            registry: None,
            presence: None,
            http: vec![(api::BASE, AUDIT)],
            limits: LIMITS,
            secrets: Default::default(),
            concurrency: 8,
            prewarmed: 8,
            queue: 8,
            op_timeout: 2 * SECOND,
            seed: 7,
        });
        Self {
            now: LATER,
            worker,
            // Replication is measured by itself.
            kv: Replica::empty(&[]).kv,
            objects: AppContext::new(1),
            audit: AuditDb::new(Verifier::new(3), 3),
            published: Vec::new(),
            outcomes: Vec::new(),
            queue: VecDeque::new(),
            out: Outbox::default(),
        }
    }

    /// One execution after the other, each until it has ended.
    pub fn invoke(&mut self, invokes: Vec<Invoke>) {
        for invoke in invokes {
            self.now += PACE;
            self.queue.push_back((BROKER, WORKER, Msg::Invoke(Box::new(invoke))));
            while let Some((from, to, msg)) = self.queue.pop_front() {
                self.carry(from, to, msg);
            }
        }
    }

    fn carry(&mut self, from: NodeId, to: NodeId, msg: Msg) {
        let Self { now, worker, kv, objects, audit, published, outcomes, queue, out } = self;
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
