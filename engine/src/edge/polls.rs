//! The queue of 100 between two polls (platform.md 2.4). A client hears by long polls: one is answered with whatever is
//! queued, and until the next one has come, a round trip later, messages wait in the connection's queue, which discards
//! its oldest when it is full. So a connection loses messages when more than 100 come within its round trip: at 230 ms
//! beyond some 400 a second, at 50 ms beyond 2,000.
//!
//! Polls are not messages of the simulation, and most of the time none of this can happen: a population that hears no
//! more than [`EASE`] messages in the longest round trip is passed by with one count. Beyond that its clients are
//! counted one by one, and one that hears more itself gets a queue: polls that come and are answered, until it has eased.
//! What came before that, at most a hundred messages (50 of the population's and then 50 of its own), was passed on at once: it
//! is taken for answered.
//!
//! What comes through channel groups is neither counted nor queued: who hears it is not known here one by one. A user with 500
//! friends of whom 4 in 500,000 come or go each millisecond hears four messages a second, a hundredth of what would matter.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::audience::Heard;
use crate::contract::{Nanos, NodeId, Outbox};
use crate::dice::{below, draw};
use crate::message::{Client, Envelope, Kind, Msg};
use crate::timetoken::Timetoken;

/// Queues begin at half their length, so that they are there before they can overflow.
const EASE: u32 = 50;

/// Counts over the longest round trip: what stands in the span of that length under way and in the one before it is never
/// less than what came in any such span that ends now.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    span: u64,
    before: u32,
    now: u32,
}

impl Window {
    fn turn(&mut self, span: u64) {
        if self.span != span {
            self.before = if self.span + 1 == span { self.now } else { 0 };
            (self.span, self.now) = (span, 0);
        }
    }

    fn add(&mut self, span: u64) -> u32 {
        self.turn(span);
        self.now += 1;
        self.before + self.now
    }

    fn count(&self, span: u64) -> u32 {
        let mut copy = *self;
        copy.turn(span);
        copy.before + copy.now
    }
}

/// A connection that hears so much that its polls matter.
#[derive(Debug, Default)]
struct Queue {
    /// When its next poll comes, or came.
    poll_at: Nanos,
    waiting: VecDeque<(Arc<Envelope>, Timetoken)>,
    missed: u32,
}

impl Queue {
    /// Earlier signals of the channel are not kept (platform.md 2.4); one that comes twice comes twice.
    fn forget_signals(&mut self, signal: &Envelope) {
        let earlier = |waiting: &Envelope| {
            waiting.kind == Kind::Signal
                && waiting.channel == signal.channel
                && (waiting.region, waiting.timetoken) != (signal.region, signal.timetoken)
        };
        self.waiting.retain(|(envelope, _)| !earlier(envelope));
    }
}

/// One population's traffic.
#[derive(Debug, Default)]
struct Flow {
    all: Window,
    /// Messages that everybody heard.
    shared: Window,
    /// By client: messages that it heard and not everybody did.
    own: FxHashMap<Client, Window>,
    queues: FxHashMap<Client, Queue>,
}

/// The polls of an edge's clients.
#[derive(Debug)]
pub struct Polls {
    /// How long after an answer a connection's next poll comes: each connection has one of these for good.
    round_trips: Arc<[Nanos]>,
    /// The longest.
    span: Nanos,
    queue_messages: usize,
    /// A handful of populations.
    flows: Vec<(NodeId, Flow)>,
    /// Polls that will find something.
    due: BinaryHeap<Reverse<(Nanos, NodeId, Client)>>,
    discarded: u64,
}

impl Polls {
    /// Polls with these round trips, equally likely, of queues of this length; without round trips the next poll is
    /// always there.
    pub fn new(round_trips: Arc<[Nanos]>, queue_messages: usize) -> Self {
        let span = round_trips.iter().copied().max().unwrap_or(0);
        Self { round_trips, span, queue_messages, flows: Vec::new(), due: BinaryHeap::new(), discarded: 0 }
    }

    /// Messages that fell out of queues so far.
    pub fn discarded(&self) -> u64 {
        self.discarded
    }

    /// A message for a population's clients: what `heard` is left when those who must queue it are taken out. `names` says
    /// who they are when it is for all.
    pub fn pass(
        &mut self,
        now: Nanos,
        population: NodeId,
        heard: Heard,
        names: impl FnOnce() -> Vec<Client>,
        message: (&Arc<Envelope>, Timetoken),
        out: &mut Outbox,
    ) -> Option<Heard> {
        let Some(span) = now.checked_div(self.span) else { return Some(heard) };
        let place = self.flows.iter().position(|(known, _)| *known == population).unwrap_or_else(|| {
            self.flows.push((population, Flow::default()));
            self.flows.len() - 1
        });
        let flow = &mut self.flows[place].1;
        if flow.all.add(span) <= EASE {
            // Nobody hears more than all together.
            flow.own.clear();
            if flow.queues.is_empty() {
                return Some(heard);
            }
        }
        let clients = match heard {
            Heard::One(client) => vec![client],
            Heard::Some(clients) => clients,
            Heard::All => {
                let shared = flow.shared.add(span);
                if shared <= EASE && flow.queues.is_empty() {
                    return Some(Heard::All);
                }
                return self.sort(now, place, names(), None, message, out);
            }
        };
        self.sort(now, place, clients, Some(span), message, out)
    }

    /// Sorts clients into those who hear at once, and those who queue. `own` is given when not everybody hears it.
    fn sort(
        &mut self,
        now: Nanos,
        place: usize,
        mut clients: Vec<Client>,
        own: Option<u64>,
        message: (&Arc<Envelope>, Timetoken),
        out: &mut Outbox,
    ) -> Option<Heard> {
        let span = now / self.span;
        let (population, flow) = &mut self.flows[place];
        let shared = flow.shared.count(span);
        let named = clients.len();
        clients.retain(|&client| {
            let counted = match own {
                Some(span) => flow.own.entry(client).or_default().add(span),
                None => flow.own.get(&client).map_or(0, |window| window.count(span)),
            };
            let queue = match flow.queues.get_mut(&client) {
                Some(queue) => queue,
                None if shared + counted <= EASE => return true,
                None => flow.queues.entry(client).or_default(),
            };
            if shared + counted <= EASE && queue.waiting.is_empty() && now >= queue.poll_at {
                flow.queues.remove(&client);
                return true;
            }
            let (envelope, cursor) = (message.0.clone(), message.1);
            if queue.waiting.is_empty() && now >= queue.poll_at {
                // A poll is there: it is answered, and the next one comes a round trip later.
                queue.poll_at = now + round_trip(&self.round_trips, *population, client);
                let missed = std::mem::take(&mut queue.missed);
                out.send(*population, Msg::Polled { client, messages: vec![envelope], cursor, missed });
                return false;
            }
            if queue.waiting.is_empty() {
                self.due.push(Reverse((queue.poll_at, *population, client)));
            }
            if envelope.kind == Kind::Signal {
                queue.forget_signals(&envelope);
            }
            queue.waiting.push_back((envelope, cursor));
            if queue.waiting.len() > self.queue_messages {
                queue.waiting.pop_front();
                queue.missed += 1;
                self.discarded += 1;
            }
            false
        });
        match (own, clients.as_slice()) {
            (_, []) => None,
            (None, some) if some.len() == named => Some(Heard::All),
            (_, [one]) => Some(Heard::One(*one)),
            _ => Some(Heard::Some(clients)),
        }
    }

    /// Answers the polls that have come: each with all that waits, and with the cursor after the last of it. What was
    /// discarded lies before that cursor, and nobody asks for it again.
    pub fn answer(&mut self, now: Nanos, out: &mut Outbox) {
        while let Some(&Reverse((at, population, client))) = self.due.peek().filter(|Reverse((at, ..))| *at <= now) {
            self.due.pop();
            let flow = self.flows.iter_mut().find(|(known, _)| *known == population);
            let queue = flow.and_then(|(_, flow)| flow.queues.get_mut(&client));
            let Some(queue) = queue.filter(|queue| queue.poll_at == at) else { continue };
            let Some(&(_, cursor)) = queue.waiting.back() else { continue };
            let messages = queue.waiting.drain(..).map(|(envelope, _)| envelope).collect();
            queue.poll_at = at + round_trip(&self.round_trips, population, client);
            let missed = std::mem::take(&mut queue.missed);
            out.send(population, Msg::Polled { client, messages, cursor, missed });
        }
    }

    /// When the next poll comes that will find something.
    pub fn next_wake(&self) -> Option<Nanos> {
        self.due.peek().map(|Reverse((at, ..))| *at)
    }

    /// A connection ended, or begins anew from its cursor: what waits for it, it asks for itself.
    pub fn forget(&mut self, population: NodeId, client: Client) {
        if let Some((_, flow)) = self.flows.iter_mut().find(|(known, _)| *known == population) {
            flow.queues.remove(&client);
        }
    }

    /// Everybody is gone.
    pub fn clear(&mut self) {
        self.flows.clear();
        self.due.clear();
    }
}

/// This connection's round trip.
fn round_trip(round_trips: &[Nanos], population: NodeId, client: Client) -> Nanos {
    let bits = draw(u64::from(population.0), u64::from(client));
    round_trips[below(round_trips.len() as u64, bits) as usize]
}

#[cfg(test)]
#[path = "polls_tests.rs"]
mod tests;
