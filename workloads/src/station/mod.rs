//! One station and nothing else, so that anyone can check us against a textbook: a source that sends jobs, a link on which
//! each takes the same time, and a station that serves them, first come, first served, with room for all.
//!
//! - [`theory`]: what the textbook says of it;
//! - [`judge`]: what was measured, after the warm-up; [`oracle`]: the properties.

pub mod judge;
pub mod oracle;
pub mod theory;

use std::any::Any;

use hdrhistogram::Histogram;
use headcount_engine::contract::{Input, MS, Nanos, Node, NodeId, Outbox};
use headcount_engine::message::Msg;
use headcount_sim::Stream;

use crate::arrivals::Arrivals;
use crate::latency::Recorder;
use crate::scenario::OneStation;

/// From source to station, always: what comes as a Poisson process arrives as one.
pub const LINK: Nanos = 4 * MS;
/// Jobs that the source hands over at a time, each held back until it is due.
const BATCH: u32 = 1_000;

/// Random words, from one stream.
type Bits = Box<dyn FnMut() -> u64 + Send>;

/// Sends the jobs, whatever becomes of them: an open process.
pub struct Source {
    station: NodeId,
    arrivals: Arrivals<Bits>,
    measure_from: Nanos,
    next: Option<Nanos>,
    sent: u64,
    /// Jobs that were sent during the warm-up.
    warm_up: u64,
    last: Nanos,
}

impl Source {
    /// The source of a run.
    pub fn new(spec: &OneStation, station: NodeId, seed: u64) -> Self {
        let mut stream = Stream::new(seed, "station.arrivals", 0);
        let bits: Bits = Box::new(move || stream.next_u64());
        let mut arrivals = Arrivals::new(&spec.arrivals, spec.jobs, bits);
        let next = arrivals.next();
        Self { station, arrivals, measure_from: spec.measure_from, next, sent: 0, warm_up: 0, last: 0 }
    }

    /// Jobs sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Jobs sent before the measurement began.
    pub fn warm_up(&self) -> u64 {
        self.warm_up
    }

    /// When the last job left [ns].
    pub fn last(&self) -> Nanos {
        self.last
    }
}

impl Node for Source {
    fn handle(&mut self, now: Nanos, _: Input, out: &mut Outbox) {
        if self.next.is_none_or(|next| next > now && self.sent > 0) {
            return;
        }
        for _ in 0..BATCH {
            let Some(due) = self.next else { return };
            out.send_after(due.saturating_sub(now), self.station, Msg::Job { number: self.sent, sent: due });
            self.sent += 1;
            self.warm_up += u64::from(due < self.measure_from);
            self.last = due;
            self.next = self.arrivals.next();
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        self.next
    }

    fn reboot(&mut self, _: Nanos) {}

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Notes what was served, and how long it was inside.
pub struct Served {
    measure_from: Nanos,
    served: u64,
    refused: u64,
    sojourns: Recorder,
    /// Of jobs sent after the warm-up [ns].
    measured_ns: Histogram<u64>,
}

impl Served {
    /// Nothing served yet.
    pub fn new(spec: &OneStation) -> Self {
        let measured_ns = Histogram::new(3).expect("three digits are possible");
        Self { measure_from: spec.measure_from, served: 0, refused: 0, sojourns: Recorder::default(), measured_ns }
    }

    /// Jobs whose service ended.
    pub fn served(&self) -> u64 {
        self.served
    }

    /// Jobs that found no place.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// From arrival to the end of service.
    pub fn sojourns(&self) -> &Recorder {
        &self.sojourns
    }

    /// Likewise, of jobs sent after the warm-up [ns].
    pub fn measured_ns(&self) -> &Histogram<u64> {
        &self.measured_ns
    }
}

impl Node for Served {
    fn handle(&mut self, now: Nanos, input: Input, _: &mut Outbox) {
        match input {
            Input::Message { msg: Msg::Job { sent, .. }, .. } => {
                let sojourn = now.saturating_sub(sent + LINK);
                self.served += 1;
                self.sojourns.record(now, sojourn / 1_000);
                if sent >= self.measure_from {
                    self.measured_ns.record(sojourn).expect("the histogram grows");
                }
            }
            Input::Overload { .. } => self.refused += 1,
            _ => {}
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        None
    }

    fn reboot(&mut self, _: Nanos) {}

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
