//! A region's broker: it runs Functions before a publish, gives the timetoken, logs the message, pushes it to the
//! edges that listen, and replicates it to the other regions' brokers.
//!
//! Order within a region is the log's; between regions there is none (platform.md 2.3).

mod entries;
mod log;

use std::any::Any;
use std::sync::Arc;

use rustc_hash::FxHashMap;

pub use self::log::{CatchUp, EdgeSet, RegionLog};
use crate::contract::{Input, KEEPALIVE, MINUTE, MS, Nanos, Node, NodeId, Outbox, SECOND};
use crate::error::ApiError;
use crate::limits::{Limits, TokenBucket};
use crate::message::{
    Attach, Channel, Envelope, Invoke, InvokeOutcome, Kind, Msg, Payload, Publish, StreamFrame, StreamItem, Trigger,
    UserId,
};
use crate::planted::{Bug, has};
use crate::slab::Slab;
use crate::stream::{Incoming, Outgoing, StreamOptions};
use crate::timetoken::Timetoken;

/// Which channels a Function is bound to: an exact name, or `prefix.*` (platform.md 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub pattern: &'static str,
    pub trigger: Trigger,
}

impl Binding {
    /// Whether a publish on `channel` sets this Function off.
    pub fn matches(&self, channel: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(prefix) => channel.starts_with(prefix),
            None => channel == self.pattern,
        }
    }
}

/// Whom a broker talks to, and what it checks.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// This region's number, `p.r`.
    pub region: u8,
    pub edges: Vec<NodeId>,
    pub workers: Vec<NodeId>,
    /// The brokers of the other regions.
    pub peers: Vec<NodeId>,
    pub history: NodeId,
    pub bindings: Vec<Binding>,
    pub limits: &'static Limits,
    /// How long messages for another region are gathered before a frame leaves: a few milliseconds, as replication
    /// links of the field batch.
    pub replication_frame: Nanos,
}

/// What a broker did -- output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrokerCounts {
    pub published: u64,
    /// Fires: set off Functions, and went nowhere.
    pub fired: u64,
    pub aborted: u64,
    pub rate_limited: u64,
    pub function_timeouts: u64,
    pub replicated_in: u64,
    /// Publishes dropped because their chain of Functions was too long.
    pub hops_exceeded: u64,
    /// What cursors missed because their queue overflowed.
    pub missed: u64,
}

/// A publish that waits for its Function.
#[derive(Debug)]
struct Held {
    origin: NodeId,
    publish: Publish,
}

/// The broker node.
#[derive(Debug)]
pub struct Broker {
    config: BrokerConfig,
    counts: BrokerCounts,
    // Durable: the high-water marks that keep epochs and timetokens from coming twice.
    epoch: u64,
    last_timetoken: Timetoken,
    // Volatile: the log is a cache in memory, and dies with the process.
    log: RegionLog,
    held: Slab<Held>,
    /// The newest epoch heard of each edge.
    edge_epochs: Vec<u64>,
    /// Of messages and fires, and of signals.
    buckets: [FxHashMap<Channel, TokenBucket>; 2],
    next_worker: usize,
    outgoing: Vec<Outgoing>,
    incoming: Vec<Incoming>,
    frame_due: Option<Nanos>,
    next_alive: Nanos,
    arrived: Vec<StreamItem>,
    /// In whose name presence events are published.
    presence: UserId,
    /// Who publishes App Context's events.
    nobody: UserId,
}

impl Broker {
    /// A broker that has not started yet.
    pub fn new(config: BrokerConfig) -> Self {
        let log = RegionLog::new(
            config.limits.queue_messages.value.map_or(usize::MAX, |n| n as usize),
            Nanos::from(config.limits.catch_up_minutes.value) * MINUTE,
        );
        // A publisher is not held for longer than the handler may take, plus a second for the way.
        let held = Slab::new(config.limits.handler_time() + SECOND);
        let incoming = config.peers.iter().map(|&peer| Incoming::new(peer)).collect();
        let mut broker = Self {
            counts: BrokerCounts::default(),
            epoch: 0,
            last_timetoken: Timetoken::ZERO,
            log,
            held,
            edge_epochs: vec![0; config.edges.len()],
            buckets: Default::default(),
            next_worker: 0,
            outgoing: Vec::new(),
            incoming,
            frame_due: None,
            next_alive: 0,
            arrived: Vec::new(),
            presence: "presence".into(),
            nobody: "".into(),
            config,
        };
        broker.reset_streams();
        broker
    }

    /// Room for so many channels that [`Broker::provision`] will name.
    pub fn reserve(&mut self, channels: usize) {
        self.log.reserve(channels);
    }

    /// An edge, in its first epoch, has wanted this channel since before the run began: for building a world.
    pub fn provision(&mut self, edge: NodeId, channel: &Channel) {
        let place = self.current(edge, 1);
        self.log.listen(channel, place.expect("the broker knows its edges"));
    }

    /// What it did so far.
    pub fn counts(&self) -> BrokerCounts {
        self.counts
    }

    fn reset_streams(&mut self) {
        let epoch = self.epoch;
        let open = |&peer: &NodeId| Outgoing::new(peer, epoch, StreamOptions::wide_area());
        self.outgoing = self.config.peers.iter().map(open).collect();
        self.incoming = self.config.peers.iter().map(|&peer| Incoming::new(peer)).collect();
        self.frame_due = None;
    }

    fn start(&mut self, now: Nanos, out: &mut Outbox) {
        self.epoch += 1;
        self.reset_streams();
        self.say_alive(now, out);
    }

    fn say_alive(&mut self, now: Nanos, out: &mut Outbox) {
        for &edge in &self.config.edges {
            out.send(edge, Msg::BrokerAlive { epoch: self.epoch });
        }
        self.next_alive = now + KEEPALIVE;
    }

    fn bound(&self, channel: &str, trigger: Trigger) -> bool {
        self.config.bindings.iter().any(|binding| binding.trigger == trigger && binding.matches(channel))
    }

    fn publish(&mut self, now: Nanos, origin: NodeId, publish: Publish, out: &mut Outbox) {
        if self.config.limits.hops.value.is_some_and(|max| u32::from(publish.hops) > max) {
            // The platform drops the hop beyond the last in silence: the publisher is told that it was sent.
            self.counts.hops_exceeded += 1;
            out.send(origin, Msg::Published { tag: publish.tag, result: Ok(Timetoken::at(now)) });
            return;
        }
        if publish.kind == Kind::Signal && !self.config.limits.takes_signal(&publish.payload) {
            let result = Err(ApiError::signal_too_large(Timetoken::at(now)));
            out.send(origin, Msg::Published { tag: publish.tag, result });
            return;
        }
        if publish.hops == 0 && !self.within_rate(now, &publish) {
            self.counts.rate_limited += 1;
            let result = Err(ApiError::too_many_requests("Publish"));
            out.send(origin, Msg::Published { tag: publish.tag, result });
            return;
        }
        let (trigger, _) = triggers(publish.kind);
        if self.bound(&publish.channel, trigger) {
            let invoked = publish.clone();
            let tag = self.held.insert(now, Held { origin, publish });
            self.invoke(Invoke { tag, trigger, publish: invoked, answer: true }, out);
        } else {
            self.commit(now, origin, publish, out);
        }
    }

    /// Clients' publishes per channel and second, one second's worth in a burst; signals are counted apart.
    fn within_rate(&mut self, now: Nanos, publish: &Publish) -> bool {
        let Some(rate) = self.config.limits.publishes_per_channel_per_s.value else { return true };
        let buckets = &mut self.buckets[usize::from(publish.kind == Kind::Signal)];
        buckets.entry(publish.channel.clone()).or_insert_with(|| TokenBucket::new(rate, now)).admit(now)
    }

    /// Workers take turns.
    fn invoke(&mut self, invoke: Invoke, out: &mut Outbox) {
        let worker = self.config.workers[self.next_worker % self.config.workers.len()];
        self.next_worker += 1;
        out.send(worker, Msg::Invoke(Box::new(invoke)));
    }

    fn invoked(&mut self, now: Nanos, tag: u64, outcome: InvokeOutcome, out: &mut Outbox) {
        let Some(Held { origin, mut publish }) = self.held.remove(tag) else { return };
        match outcome {
            InvokeOutcome::Ok(payload) => {
                publish.payload = if has(Bug::BrokerKeepsWhatHandlersMade) { publish.payload } else { payload };
                self.commit(now, origin, publish, out);
            }
            InvokeOutcome::Abort { .. } if has(Bug::BrokerDeliversWhatWasAborted) => {
                self.commit(now, origin, publish, out)
            }
            InvokeOutcome::Abort { status, body } => {
                self.counts.aborted += 1;
                let result = Err(ApiError { status, body });
                out.send(origin, Msg::Published { tag: publish.tag, result });
            }
        }
    }

    /// The message happens: it gets its timetoken, its place in the log, its listeners and its copies elsewhere.
    fn commit(&mut self, now: Nanos, origin: NodeId, publish: Publish, out: &mut Outbox) {
        let timetoken = self.next_timetoken(now);
        if publish.kind == Kind::Fire {
            self.counts.fired += 1;
            out.send(origin, Msg::Published { tag: publish.tag, result: Ok(timetoken) });
            return self.after(publish, out);
        }
        self.counts.published += 1;
        let envelope = Arc::new(Envelope {
            channel: publish.channel.clone(),
            timetoken,
            region: self.config.region,
            publisher: publish.publisher.clone(),
            payload: publish.payload.clone(),
            store: publish.store,
            kind: publish.kind,
        });
        out.send(origin, Msg::Published { tag: publish.tag, result: Ok(timetoken) });
        self.everywhere(now, &envelope, out);
        if envelope.store {
            out.send(self.config.history, Msg::HistoryAppend(envelope));
        }
        self.after(publish, out);
    }

    /// Functions that nobody waits for.
    fn after(&mut self, publish: Publish, out: &mut Outbox) {
        let (_, trigger) = triggers(publish.kind);
        if self.bound(&publish.channel, trigger) && !has(Bug::BrokerForgetsAfterPublish) {
            self.invoke(Invoke { tag: 0, trigger, publish, answer: false }, out);
        }
    }

    fn next_timetoken(&mut self, now: Nanos) -> Timetoken {
        self.last_timetoken = Timetoken::at(now).max(Timetoken(self.last_timetoken.0 + 1));
        self.last_timetoken
    }

    /// App Context tells of a change: a message of its own kind, without a publisher, that sets off no Function.
    fn objects_event(&mut self, now: Nanos, channel: Channel, payload: Payload, out: &mut Outbox) {
        let envelope = Arc::new(Envelope {
            channel,
            timetoken: self.next_timetoken(now),
            region: self.config.region,
            publisher: self.nobody.clone(),
            payload,
            store: false,
            kind: Kind::Objects,
        });
        self.everywhere(now, &envelope, out);
    }

    /// Something happened on a channel with presence: a message on `{channel}-pnpres`, and After Presence Functions.
    fn presence_event(&mut self, now: Nanos, channel: Channel, payload: Payload, out: &mut Outbox) {
        let envelope = Arc::new(Envelope {
            channel: format!("{channel}-pnpres").into(),
            timetoken: self.next_timetoken(now),
            region: self.config.region,
            publisher: self.presence.clone(),
            payload: payload.clone(),
            store: false,
            kind: Kind::Message,
        });
        self.everywhere(now, &envelope, out);
        if self.bound(&channel, Trigger::AfterPresence) && !has(Bug::BrokerForgetsAfterPresence) {
            let publisher = self.presence.clone();
            let publish = Publish {
                tag: 0,
                channel,
                payload,
                publisher,
                store: false,
                kind: Kind::Message,
                hops: 0,
                client_ip: 0,
                token: None,
            };
            self.invoke(Invoke { tag: 0, trigger: Trigger::AfterPresence, publish, answer: false }, out);
        }
    }

    /// The message goes to this region's listeners, and on its way to the other regions.
    fn everywhere(&mut self, now: Nanos, envelope: &Arc<Envelope>, out: &mut Outbox) {
        self.spread(now, envelope, out);
        for stream in &mut self.outgoing {
            if !has(Bug::BrokerReplicatesNothing) {
                stream.push(StreamItem::Message(envelope.clone()));
            }
        }
        if !self.outgoing.is_empty() && self.frame_due.is_none() {
            self.frame_due = Some(now + self.config.replication_frame);
        }
    }

    fn spread(&mut self, now: Nanos, envelope: &Arc<Envelope>, out: &mut Outbox) {
        self.log.sweep(Timetoken::at(now));
        let (cursor, edges) = self.log.append(envelope);
        for (index, &edge) in self.config.edges.iter().enumerate() {
            if edges & 1 << index != 0 && !(index == 0 && has(Bug::BrokerForgetsAnEdge)) {
                out.send(edge, Msg::Push { envelope: envelope.clone(), cursor });
            }
        }
    }

    /// The edge's place in a set, if it speaks in its current epoch. A newer one ends all that it asked for in the older.
    fn current(&mut self, edge: NodeId, epoch: u64) -> Option<EdgeSet> {
        let index = self.config.edges.iter().position(|known| *known == edge)?;
        let place = 1 << index;
        if epoch > self.edge_epochs[index] {
            self.edge_epochs[index] = epoch;
            self.log.forget_edges(place);
        }
        (epoch == self.edge_epochs[index]).then_some(place)
    }

    fn attach(&mut self, now: Nanos, edge: NodeId, attach: Attach, out: &mut Outbox) {
        let Some(place) = self.current(edge, attach.epoch) else { return };
        for channel in &attach.channels {
            self.log.listen(channel, place);
        }
        let foreign = attach.cursor_region.is_some_and(|region| region != self.config.region);
        let asked = if foreign { turned_back(attach.cursor) } else { attach.cursor };
        let CatchUp { cursor, messages, missed } =
            self.log.catch_up(&attach.channels, &attach.also, asked, Timetoken::at(now));
        self.counts.missed += u64::from(missed);
        out.send(edge, Msg::Attached { tag: attach.tag, cursor, messages, missed });
    }

    fn stream(&mut self, now: Nanos, from: NodeId, frame: StreamFrame, out: &mut Outbox) {
        let Some(peer) = self.config.peers.iter().position(|&peer| peer == from) else { return };
        match frame {
            StreamFrame::Ack { epoch, next_seq } => self.outgoing[peer].on_ack(now, epoch, next_seq),
            StreamFrame::Data { epoch, base, first_seq, items } => {
                let mut arrived = std::mem::take(&mut self.arrived);
                self.incoming[peer].on_data(now, epoch, base, first_seq, items, &mut arrived);
                for item in arrived.drain(..) {
                    if let StreamItem::Message(envelope) = item {
                        self.counts.replicated_in += 1;
                        self.spread(now, &envelope, out);
                    }
                }
                self.arrived = arrived;
            }
        }
    }

    fn due(&mut self, now: Nanos, out: &mut Outbox) {
        while let Some((_, Held { origin, publish })) = self.held.pop_expired(now) {
            self.counts.function_timeouts += 1;
            let result = Err(ApiError::function_timeout());
            out.send(origin, Msg::Published { tag: publish.tag, result });
        }
        if self.frame_due.is_some_and(|due| due <= now) {
            self.frame_due = None;
            for stream in &mut self.outgoing {
                stream.flush(now, out);
            }
        }
        for stream in &mut self.outgoing {
            stream.on_wake(now, out);
        }
        for stream in &mut self.incoming {
            stream.on_wake(now, out);
        }
        if now >= self.next_alive {
            self.say_alive(now, out);
        }
    }
}

/// How far a cursor of another region is turned back: a message that came to that region later than to this one may have its
/// place behind the cursor there and before it here. Nothing is lost that replication brought there within this time: it sends
/// what was lost again after 1, 2, 4 and 8 s, and then every 8 s ([`StreamOptions::wide_area`]).
pub const FOREIGN_CURSOR_SLACK: Nanos = 30 * SECOND;

/// Where a cursor of another region begins here; a handshake stays one.
fn turned_back(cursor: Timetoken) -> Timetoken {
    match cursor {
        Timetoken::ZERO => cursor,
        Timetoken(units) => Timetoken(units.saturating_sub(FOREIGN_CURSOR_SLACK / 100).max(1)),
    }
}

/// What is set off before and after.
fn triggers(kind: Kind) -> (Trigger, Trigger) {
    match kind {
        Kind::Signal => (Trigger::BeforeSignal, Trigger::AfterSignal),
        Kind::Message | Kind::Objects | Kind::Fire => (Trigger::BeforePublish, Trigger::AfterPublish),
    }
}

/// The default replication frame: see [`BrokerConfig::replication_frame`].
pub const REPLICATION_FRAME: Nanos = 20 * MS;

impl Node for Broker {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Start => self.start(now, out),
            Input::Wake => {}
            Input::Overload { from, msg } => match msg {
                Msg::Publish(publish) => {
                    let result = Err(ApiError::too_many_requests("Publish"));
                    out.send(from, Msg::Published { tag: publish.tag, result });
                }
                msg => return self.handle(now, Input::Message { from, msg }, out),
            },
            Input::Message { from, msg } => match msg {
                Msg::Publish(publish) => self.publish(now, from, *publish, out),
                Msg::Invoked { tag, outcome } => self.invoked(now, tag, outcome, out),
                Msg::Attach(attach) => self.attach(now, from, *attach, out),
                Msg::Detach { channels, epoch } => {
                    if let Some(place) = self.current(from, epoch) {
                        channels.iter().for_each(|channel| self.log.unlisten(channel, place));
                    }
                }
                Msg::PresenceEvent { channel, payload } => self.presence_event(now, channel, payload, out),
                Msg::ObjectsEvent { channel, payload } => self.objects_event(now, channel, payload, out),
                Msg::Stream(frame) => self.stream(now, from, *frame, out),
                _ => {}
            },
        }
        self.due(now, out);
    }

    fn next_wake(&self) -> Option<Nanos> {
        let streams = self.outgoing.iter().filter_map(Outgoing::next_wake);
        let streams = streams.chain(self.incoming.iter().filter_map(Incoming::next_wake));
        streams.chain(self.frame_due).chain(self.held.next_deadline()).chain([self.next_alive]).min()
    }

    fn reboot(&mut self, _now: Nanos) {
        self.log.lose();
        self.held.clear();
        self.edge_epochs.fill(0);
        self.buckets.iter_mut().for_each(FxHashMap::clear);
        self.next_worker = 0;
        self.next_alive = 0;
        self.reset_streams();
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod roaming_tests;
#[cfg(test)]
mod signal_tests;
#[cfg(test)]
mod tests;
