//! The scheduler: starts On Interval Functions. The next run begins an interval after the previous one *ended*
//! (platform.md 3.3), so a slow run drifts; a run that is never heard of again counts as ended after the handler's
//! time is up.

use std::any::Any;
use std::sync::Arc;

use crate::contract::{Input, Nanos, Node, NodeId, Outbox, SECOND};
use crate::message::{Invoke, Kind, Msg, Publish, Trigger};

/// Of a tag: which job. There are fewer than 65,536.
const JOB_BITS: u32 = 16;

/// A Function to run again and again.
#[derive(Clone, Debug)]
pub struct Job {
    /// The name that the Function is bound to.
    pub name: Arc<str>,
    pub interval: Nanos,
}

/// Whom a scheduler talks to.
#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    pub jobs: Vec<Job>,
    /// Workers take turns.
    pub workers: Vec<NodeId>,
    /// How long a handler may run.
    pub handler_time: Nanos,
}

/// The scheduler node.
#[derive(Debug)]
pub struct Scheduler {
    config: SchedulerConfig,
    /// For each job: when something is due (a start, or giving up on the run under way), and the run under way.
    due: Vec<(Nanos, Option<u64>)>,
    runs: u64,
    lost: u64,
}

impl Scheduler {
    /// A scheduler that has not started yet.
    pub fn new(config: SchedulerConfig) -> Self {
        Self { due: Vec::new(), config, runs: 0, lost: 0 }
    }

    /// Runs started, and runs that were never heard of again.
    pub fn counts(&self) -> (u64, u64) {
        (self.runs, self.lost)
    }

    fn run(&mut self, now: Nanos, job: usize, out: &mut Outbox) {
        self.runs += 1;
        let worker = self.config.workers[self.runs as usize % self.config.workers.len()];
        let publish = Publish {
            tag: 0,
            channel: self.config.jobs[job].name.clone(),
            payload: "null".into(),
            publisher: "scheduler".into(),
            store: false,
            kind: Kind::Message,
            hops: 0,
            client_ip: 0,
            token: None,
        };
        // The tag says which job and which of its runs.
        let tag = self.runs << JOB_BITS | job as u64;
        out.send(worker, Msg::Invoke(Box::new(Invoke { tag, trigger: Trigger::OnInterval, publish, answer: true })));
        self.due[job] = (now + self.config.handler_time + SECOND, Some(self.runs));
    }
}

impl Node for Scheduler {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Start => self.due = self.config.jobs.iter().map(|job| (now + job.interval, None)).collect(),
            Input::Message { msg: Msg::Invoked { tag, .. }, .. } => {
                let (run, job) = (tag >> JOB_BITS, (tag & ((1 << JOB_BITS) - 1)) as usize);
                if self.due.get(job).is_some_and(|&(_, under_way)| under_way == Some(run)) {
                    self.due[job] = (now + self.config.jobs[job].interval, None);
                }
            }
            _ => {}
        }
        for job in 0..self.due.len() {
            let (at, under_way) = self.due[job];
            if at <= now {
                self.lost += u64::from(under_way.is_some());
                self.run(now, job, out);
            }
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        self.due.iter().map(|&(at, _)| at).min()
    }

    fn reboot(&mut self, _now: Nanos) {
        self.due.clear();
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests;
