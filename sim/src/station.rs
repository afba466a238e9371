//! A node that serves: servers, a service time, a bounded queue, a rate limit. First come, first served. A message is
//! handled when its service is done; one that finds no place or no token is handed over at once as
//! [`Input::Overload`](crate::Input::Overload), and refusing it costs no service. A crash empties the station.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use crate::contract::{NEVER, Nanos, SECOND};
use crate::distribution::Sampler;
use crate::network::Packet;
use crate::stream::Stream;

/// What a station is like.
#[derive(Clone, Debug)]
pub struct StationSpec {
    /// Messages in service at once, at least 1.
    pub servers: u32,
    /// How long one message is in service.
    pub service: Sampler,
    /// Places to wait in; `None`: as many as it takes.
    pub queue: Option<u32>,
    /// Messages accepted a second, above 0 (a token bucket that holds one second's worth, at least one token, and starts
    /// full); `None`: no limit.
    pub rate_per_s: Option<f64>,
}

impl StationSpec {
    /// A station without bounds on queue and rate.
    pub fn new(servers: u32, service: Sampler) -> Self {
        Self { servers, service, queue: None, rate_per_s: None }
    }
}

/// What a station did in one second, or altogether.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StationSecond {
    /// Messages that arrived, refused ones included.
    pub arrivals: u64,
    /// Messages whose service ended.
    pub served: u64,
    /// Messages refused.
    pub refused: u64,
    /// Time servers spent serving, over all servers: utilisation is `busy_ns / (servers * 10^9)`.
    pub busy_ns: u64,
    /// Messages whose service began.
    pub begun: u64,
    /// How long those had waited in the queue, summed.
    pub wait_ns_sum: u64,
    /// The longest of these waits.
    pub wait_ns_max: u64,
    /// The most messages that waited at once.
    pub queue_max: u32,
}

/// What a station did over a run.
#[derive(Clone, Debug, PartialEq)]
pub struct StationReport {
    /// The node's number and name.
    pub node: crate::NodeId,
    pub name: String,
    /// Its servers.
    pub servers: u32,
    /// Row `i` is the second from `i` to `i + 1`, up to the last second in which something happened or was still in service.
    pub seconds: Vec<StationSecond>,
    /// All of them together: sums, and maxima of the maxima.
    pub total: StationSecond,
    /// Messages that a crash found waiting or in service.
    pub lost_to_crashes: u64,
}

/// A message in service.
struct InService<M> {
    done: Nanos,
    /// Order of beginning, for those that are done together.
    begun: u64,
    packet: Packet<M>,
}

impl<M> PartialEq for InService<M> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<M> Eq for InService<M> {}
impl<M> PartialOrd for InService<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
/// The heap's greatest is the first to be done.
impl<M> Ord for InService<M> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.done, other.begun).cmp(&(self.done, self.begun))
    }
}

/// A station at work.
pub(crate) struct Station<M> {
    spec: StationSpec,
    draws: Stream,
    in_service: BinaryHeap<InService<M>>,
    waiting: VecDeque<(Nanos, Packet<M>)>,
    begun: u64,
    bucket: Option<TokenBucket>,
    seconds: Vec<StationSecond>,
    lost_to_crashes: u64,
}

struct TokenBucket {
    /// Time one token takes to come.
    per_token_ns: f64,
    depth: f64,
    tokens: f64,
    at: Nanos,
}

impl TokenBucket {
    fn new(rate_per_s: f64) -> Self {
        let depth = rate_per_s.max(1.0);
        Self { per_token_ns: SECOND as f64 / rate_per_s, depth, tokens: depth, at: 0 }
    }

    fn take(&mut self, now: Nanos) -> bool {
        self.tokens = (self.tokens + (now - self.at) as f64 / self.per_token_ns).min(self.depth);
        self.at = now;
        let granted = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(granted));
        granted
    }
}

impl<M> Station<M> {
    pub fn new(spec: StationSpec, draws: Stream) -> Self {
        Self {
            bucket: spec.rate_per_s.map(TokenBucket::new),
            spec,
            draws,
            in_service: BinaryHeap::new(),
            waiting: VecDeque::new(),
            begun: 0,
            seconds: Vec::new(),
            lost_to_crashes: 0,
        }
    }

    /// When the next service is done.
    pub fn next_done(&self) -> Nanos {
        self.in_service.peek().map_or(NEVER, |first| first.done)
    }

    /// A message arrives; it comes back if it is refused.
    pub fn arrive(&mut self, now: Nanos, packet: Packet<M>) -> Option<Packet<M>> {
        let waiting = self.waiting.len();
        let busy = self.in_service.len() >= self.spec.servers as usize;
        let full = busy && self.spec.queue.is_some_and(|places| waiting >= places as usize);
        // A message without a place takes no token.
        let refused = full || self.bucket.as_mut().is_some_and(|bucket| !bucket.take(now));
        let second = self.second(now);
        second.arrivals += 1;
        if refused {
            second.refused += 1;
            return Some(packet);
        }
        if busy {
            second.queue_max = second.queue_max.max(waiting as u32 + 1);
            self.waiting.push_back((now, packet));
        } else {
            self.begin(now, now, packet);
        }
        None
    }

    /// The service that is done first ends, at `now`; the next message's begins.
    pub fn complete(&mut self, now: Nanos) -> Option<Packet<M>> {
        let done = self.in_service.pop()?;
        self.second(now).served += 1;
        if let Some((arrived, packet)) = self.waiting.pop_front() {
            self.begin(now, arrived, packet);
        }
        Some(done.packet)
    }

    fn begin(&mut self, now: Nanos, arrived: Nanos, packet: Packet<M>) {
        let done = now.saturating_add(self.spec.service.draw(&mut self.draws));
        let wait = now - arrived;
        let second = self.second(now);
        second.begun += 1;
        second.wait_ns_sum += wait;
        second.wait_ns_max = second.wait_ns_max.max(wait);
        self.busy(now, done, u64::wrapping_add);
        self.in_service.push(InService { done, begun: self.begun, packet });
        self.begun += 1;
    }

    /// The process died.
    pub fn crash(&mut self, now: Nanos) {
        self.lost_to_crashes += (self.in_service.len() + self.waiting.len()) as u64;
        self.waiting.clear();
        for unfinished in std::mem::take(&mut self.in_service) {
            // What it was charged for at the beginning and did not serve.
            self.busy(now, unfinished.done.max(now), u64::wrapping_sub);
        }
    }

    /// Books a busy time, second by second.
    fn busy(&mut self, from: Nanos, to: Nanos, book: fn(u64, u64) -> u64) {
        let mut at = from;
        while at < to {
            let until = to.min((at / SECOND + 1) * SECOND);
            let row = self.row(at);
            row.busy_ns = book(row.busy_ns, until - at);
            at = until;
        }
    }

    fn row(&mut self, now: Nanos) -> &mut StationSecond {
        let index = (now / SECOND) as usize;
        if index >= self.seconds.len() {
            self.seconds.resize(index + 1, StationSecond::default());
        }
        &mut self.seconds[index]
    }

    /// The row of `now`, into which the queue has come as it stands.
    fn second(&mut self, now: Nanos) -> &mut StationSecond {
        let waiting = self.waiting.len() as u32;
        let row = self.row(now);
        row.queue_max = row.queue_max.max(waiting);
        row
    }

    pub fn report(&self, node: crate::NodeId, name: &str) -> StationReport {
        let mut total = StationSecond::default();
        for second in &self.seconds {
            total.arrivals += second.arrivals;
            total.served += second.served;
            total.refused += second.refused;
            total.busy_ns += second.busy_ns;
            total.begun += second.begun;
            total.wait_ns_sum += second.wait_ns_sum;
            total.wait_ns_max = total.wait_ns_max.max(second.wait_ns_max);
            total.queue_max = total.queue_max.max(second.queue_max);
        }
        StationReport {
            node,
            name: name.to_owned(),
            servers: self.spec.servers,
            seconds: self.seconds.clone(),
            total,
            lost_to_crashes: self.lost_to_crashes,
        }
    }
}
