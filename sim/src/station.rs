//! A node that serves: servers, a service time, a bounded queue, a rate limit. First come, first served. A message is
//! handled when its service is done; one that finds no place or no token is handed over at once as
//! [`Input::Overload`](crate::Input::Overload), and refusing it costs no service. A crash empties the station.
//!
//! A message of several units ([`Payload::units`]) is so many services: as many servers as are free share them evenly, and it is
//! handed over when all are done. It takes as many places and tokens as it has units, or is refused whole; it counts as many.
//!
//! It keeps two accounts that know nothing of each other: how many messages were inside, integrated over time, and how
//! long each of them was inside, summed. Little's law says that they are equal ([`Flow`]).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::contract::{NEVER, Nanos, Payload, SECOND};
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
    /// Whether each wait is kept, eight bytes a message: for the statistics of one station ([`StationReport::waits`]).
    pub keep_waits: bool,
}

impl StationSpec {
    /// A station without bounds on queue and rate.
    pub fn new(servers: u32, service: Sampler) -> Self {
        Self { servers, service, queue: None, rate_per_s: None, keep_waits: false }
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
    /// The number of messages that waited, integrated over time: over 10^9 it is the mean queue of the second.
    pub queue_ns: u64,
    /// The most messages that waited at once.
    pub queue_max: u32,
}

/// Little's law, `L = lambda W`, in whole nanoseconds: over any stretch of time the integral of the number of messages is
/// the sum of the times that each of them was there. Both sides, each kept by itself: the integral from how many there
/// are, the sum from when each came and went. Who has not gone at the end counts up to the end; who died in a crash, up
/// to the crash. With whole numbers the two sides must be equal to the nanosecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Messages that were let in.
    pub entered: u64,
    /// The number waiting, integrated over time.
    pub waiting_ns: u128,
    /// How long each waited, summed.
    pub wait_ns_sum: u128,
    /// The number inside, waiting or in service, integrated over time.
    pub inside_ns: u128,
    /// How long each was inside, summed.
    pub sojourn_ns_sum: u128,
}

impl Flow {
    /// How far the two sides are apart, in the queue or in the whole station, whichever is more [ns].
    pub fn deviation_ns(&self) -> u128 {
        self.waiting_ns.abs_diff(self.wait_ns_sum).max(self.inside_ns.abs_diff(self.sojourn_ns_sum))
    }
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
    /// Messages waiting or in service at the end.
    pub left: u64,
    /// How long the served ones were inside, summed [ns].
    pub served_ns_sum: u128,
    /// Both sides of Little's law.
    pub flow: Flow,
    /// How long each message waited whose service began, in that order, if that was wanted.
    pub waits: Vec<Nanos>,
}

/// When a service is done; the order of beginning, for those that are done together; its place in [`Station::places`]; and how
/// many servers it takes. Small, because a heap moves what it holds about.
type InService = Reverse<(Nanos, u64, u32, u32)>;

/// A station at work.
pub(crate) struct Station<M> {
    spec: StationSpec,
    draws: Stream,
    in_service: BinaryHeap<InService>,
    /// Servers that serve.
    serving: u32,
    /// Units inside, waiting or in service.
    inside: u64,
    /// The messages in service, each with the time at which it arrived.
    places: Vec<Option<(Nanos, Packet<M>)>>,
    /// The places that are empty.
    free: Vec<u32>,
    waiting: VecDeque<(Nanos, Packet<M>)>,
    /// Units that wait.
    queued: u32,
    begun: u64,
    bucket: Option<TokenBucket>,
    seconds: Vec<StationSecond>,
    lost_to_crashes: u64,
    /// Likewise, as many messages as there were, however many units each had.
    died: u64,
    /// Up to when the integrals have come, and the one of all that are inside; the one of the queue is in the seconds.
    at: Nanos,
    inside_ns: u128,
    /// Of those that were served.
    served_ns_sum: u128,
    /// Of those that a crash found: how long they had waited, and had been inside.
    lost_ns: (u128, u128),
    waits: Option<Vec<Nanos>>,
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

    fn take(&mut self, now: Nanos, tokens: u32) -> bool {
        self.tokens = (self.tokens + (now - self.at) as f64 / self.per_token_ns).min(self.depth);
        self.at = now;
        let granted = self.tokens >= f64::from(tokens);
        if granted {
            self.tokens -= f64::from(tokens);
        }
        granted
    }
}

impl<M: Payload> Station<M> {
    pub fn new(spec: StationSpec, draws: Stream) -> Self {
        Self {
            bucket: spec.rate_per_s.map(TokenBucket::new),
            waits: spec.keep_waits.then(Vec::new),
            spec,
            draws,
            in_service: BinaryHeap::new(),
            serving: 0,
            inside: 0,
            places: Vec::new(),
            free: Vec::new(),
            waiting: VecDeque::new(),
            queued: 0,
            begun: 0,
            seconds: Vec::new(),
            lost_to_crashes: 0,
            died: 0,
            at: 0,
            inside_ns: 0,
            served_ns_sum: 0,
            lost_ns: (0, 0),
        }
    }

    /// When the next service is done.
    #[inline]
    pub fn next_done(&self) -> Nanos {
        self.in_service.peek().map_or(NEVER, |Reverse((done, ..))| *done)
    }

    /// A message arrives; it comes back if it is refused.
    pub fn arrive(&mut self, now: Nanos, packet: Packet<M>) -> Option<Packet<M>> {
        self.advance(now);
        let units = packet.body.units();
        let busy = self.serving >= self.spec.servers;
        let full = busy && self.spec.queue.is_some_and(|places| self.queued.saturating_add(units) > places);
        // A message without a place takes no token.
        let refused = full || self.bucket.as_mut().is_some_and(|bucket| !bucket.take(now, units));
        let queued = self.queued + units;
        let second = self.second(now);
        second.arrivals += u64::from(units);
        if refused {
            second.refused += u64::from(units);
            return Some(packet);
        }
        if busy {
            second.queue_max = second.queue_max.max(queued);
        }
        self.inside += u64::from(units);
        if busy {
            self.queued = queued;
            self.waiting.push_back((now, packet));
        } else {
            self.begin(now, now, packet);
        }
        None
    }

    /// The service that is done first ends, at `now`; that of who waits begins.
    pub fn complete(&mut self, now: Nanos) -> Option<Packet<M>> {
        self.advance(now);
        let Reverse((_, _, place, servers)) = self.in_service.pop()?;
        let (arrived, served) = self.places[place as usize].take().expect("what is in service has a place");
        self.free.push(place);
        self.serving -= servers;
        let units = u64::from(served.body.units());
        self.inside -= units;
        self.served_ns_sum += u128::from(units) * u128::from(now - arrived);
        self.second(now).served += units;
        while self.serving < self.spec.servers
            && let Some((arrived, packet)) = self.waiting.pop_front()
        {
            self.queued -= packet.body.units();
            self.begin(now, arrived, packet);
        }
        Some(served)
    }

    /// A service begins; a server is free.
    fn begin(&mut self, now: Nanos, arrived: Nanos, packet: Packet<M>) {
        let units = packet.body.units();
        let servers = units.clamp(1, self.spec.servers - self.serving);
        let service = self.spec.service.draw(&mut self.draws).saturating_mul(u64::from(units));
        let done = now.saturating_add(service / u64::from(servers));
        let wait = now - arrived;
        let second = self.second(now);
        second.begun += u64::from(units);
        second.wait_ns_sum += wait * u64::from(units);
        second.wait_ns_max = second.wait_ns_max.max(wait);
        self.book(now, done, |row, ns| row.busy_ns += ns * u64::from(servers));
        if let Some(waits) = &mut self.waits {
            waits.push(wait);
        }
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = Some((arrived, packet));
                place
            }
            None => {
                self.places.push(Some((arrived, packet)));
                (self.places.len() - 1) as u32
            }
        };
        self.serving += servers;
        self.in_service.push(Reverse((done, self.begun, place, servers)));
        self.begun += 1;
    }

    /// The process died.
    pub fn crash(&mut self, now: Nanos) {
        self.advance(now);
        let (waited, inside) = self.still_inside(now);
        self.lost_ns = (self.lost_ns.0 + waited, self.lost_ns.1 + inside);
        self.lost_to_crashes += self.inside;
        self.died += self.holds();
        self.inside = 0;
        self.waiting.clear();
        (self.serving, self.queued) = (0, 0);
        self.places.clear();
        self.free.clear();
        for Reverse((done, _, _, servers)) in std::mem::take(&mut self.in_service) {
            // What it was charged for at the beginning and did not serve.
            self.book(now, done.max(now), |row, ns| row.busy_ns -= ns * u64::from(servers));
        }
    }

    /// Messages inside, waiting or in service.
    pub fn holds(&self) -> u64 {
        (self.waiting.len() + self.places.iter().flatten().count()) as u64
    }

    /// Messages that crashes found inside.
    pub fn died(&self) -> u64 {
        self.died
    }

    /// How long those who are waiting have waited, and how long those who are inside have been, summed by units.
    fn still_inside(&self, now: Nanos) -> (u128, u128) {
        let sum = |(arrived, packet): &(Nanos, Packet<M>)| u128::from(packet.body.units()) * u128::from(now - arrived);
        let waited: u128 = self.waiting.iter().map(sum).sum();
        let serving: u128 = self.places.iter().flatten().map(sum).sum();
        (waited, waited + serving)
    }

    /// Takes both integrals on to `now`: since the last event nobody came or went.
    #[inline]
    fn advance(&mut self, now: Nanos) {
        let waiting = u64::from(self.queued);
        if self.inside > 0 {
            self.inside_ns += u128::from(self.inside) * u128::from(now - self.at);
        }
        if waiting > 0 {
            self.book(self.at, now, |row, ns| row.queue_ns += waiting * ns);
        }
        self.at = now;
    }

    /// Books a stretch of time, second by second.
    #[inline]
    fn book(&mut self, from: Nanos, to: Nanos, book: impl Fn(&mut StationSecond, u64)) {
        let mut at = from;
        while at < to {
            let until = to.min((at / SECOND + 1) * SECOND);
            book(self.row(at), until - at);
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
        let queued = self.queued;
        let row = self.row(now);
        row.queue_max = row.queue_max.max(queued);
        row
    }

    /// What it did until `end`.
    pub fn report(&mut self, node: crate::NodeId, name: &str, end: Nanos) -> StationReport {
        // A node that was paused beyond the end may have its last event there.
        let end = end.max(self.at);
        self.advance(end);
        let (waited, inside) = self.still_inside(end);
        let mut total = StationSecond::default();
        let mut flow = Flow {
            inside_ns: self.inside_ns,
            wait_ns_sum: self.lost_ns.0 + waited,
            sojourn_ns_sum: self.served_ns_sum + self.lost_ns.1 + inside,
            ..Flow::default()
        };
        for second in &self.seconds {
            total.arrivals += second.arrivals;
            total.served += second.served;
            total.refused += second.refused;
            total.busy_ns += second.busy_ns;
            total.begun += second.begun;
            total.wait_ns_sum += second.wait_ns_sum;
            total.wait_ns_max = total.wait_ns_max.max(second.wait_ns_max);
            total.queue_ns += second.queue_ns;
            total.queue_max = total.queue_max.max(second.queue_max);
            flow.waiting_ns += u128::from(second.queue_ns);
            flow.wait_ns_sum += u128::from(second.wait_ns_sum);
        }
        flow.entered = total.arrivals - total.refused;
        StationReport {
            node,
            name: name.to_owned(),
            servers: self.spec.servers,
            seconds: self.seconds.clone(),
            total,
            lost_to_crashes: self.lost_to_crashes,
            left: self.inside,
            served_ns_sum: self.served_ns_sum,
            flow,
            waits: self.waits.take().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{MS, NodeId};

    /// So many units.
    #[derive(Clone)]
    struct Batch(u32);

    impl Payload for Batch {
        fn wire_bytes(&self) -> u32 {
            0
        }
        fn kind(&self) -> &'static str {
            "batch"
        }
        fn fingerprint(&self) -> u64 {
            u64::from(self.0)
        }
        fn describe(&self) -> String {
            self.0.to_string()
        }
        fn units(&self) -> u32 {
            self.0
        }
    }

    /// Four servers of 1 ms, five places. Six units on four servers: 6 / 4 = 1.5 ms. The three that come meanwhile wait until
    /// then and take three servers for 1 ms, to 2.5 ms; three more find two places, and are refused whole. Busy: 6 + 3 = 9 ms.
    #[test]
    fn free_servers_share_the_units_of_a_message() {
        let spec = StationSpec { queue: Some(5), ..StationSpec::new(4, Sampler::constant(MS)) };
        let mut station = Station::new(spec, Stream::new(1, "service", 0));
        let batch = |units| Packet { due: 0, seq: 0, from: NodeId(0), to: NodeId(1), body: Batch(units) };
        assert!(station.arrive(0, batch(6)).is_none() && station.arrive(0, batch(3)).is_none());
        assert!(station.arrive(0, batch(3)).is_some());
        assert_eq!(station.next_done(), 3 * MS / 2);
        assert_eq!(station.complete(3 * MS / 2).map(|packet| packet.body.0), Some(6));
        assert_eq!(station.next_done(), 5 * MS / 2);
        assert_eq!(station.complete(5 * MS / 2).map(|packet| packet.body.0), Some(3));
        let report = station.report(NodeId(1), "station", 5 * MS / 2);
        // 6 units for 1.5 ms and 3 for 2.5 ms, both ways.
        let inside = u128::from(6 * (3 * MS / 2) + 3 * (5 * MS / 2));
        assert_eq!(
            (report.flow.inside_ns, report.flow.sojourn_ns_sum, report.flow.deviation_ns()),
            (inside, inside, 0)
        );
        let total = report.total;
        let counted = (total.arrivals, total.refused, total.begun, total.served, total.queue_max);
        assert_eq!(counted, (12, 3, 9, 9, 3));
        assert_eq!((total.busy_ns, total.wait_ns_sum, station.next_done()), (9 * MS, 3 * (3 * MS / 2), NEVER));
    }
}
