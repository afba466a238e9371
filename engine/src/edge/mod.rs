//! A point of presence's front: it ends the clients' connections, checks tokens, names and sizes, and passes on
//! what may pass. It decides nothing and stores nothing; all it knows is lost when it dies.
//!
//! Connections and the broker's word have an *epoch*: an edge that restarted, or that lost touch with its broker
//! (a push may have been missed), starts a new epoch, and its clients must subscribe again from their cursor.

mod audience;
mod config;
mod connections;
mod grouped;
mod polls;
mod publishing;
mod rights;
mod standing;
mod subscribing;
mod tokens;

use std::any::Any;
use std::sync::Arc;

use crate::access::Permissions;
use crate::contract::{Input, KEEPALIVE, KEEPALIVE_PATIENCE, Nanos, Node, NodeId, Outbox, SECOND};
use crate::error::ApiError;
use crate::message::{
    ApiOk, Call, ChannelList, Client, Delivery, Envelope, Kind, Msg, PresenceCall, Recipients, Request, StreamFrame,
    StreamItem,
};
use crate::planted::{Bug, has};
use crate::slab::Slab;
use crate::stream::{Incoming, earlier};
use crate::timetoken::Timetoken;

use audience::Heard;
pub use config::{EdgeConfig, EdgeCounts, GroupsConfig};
use connections::Connections;
use grouped::Grouped;
use polls::Polls;
use publishing::Said;
use rights::{allow_all, check_groups, check_objects, check_presence};
use standing::Standing;
use subscribing::Subscribe;

/// A call other than subscribe that is not answered for this long gets a 503 (platform.md 2.4: 10 to 15 s).
const CALL_TIMEOUT: Nanos = 15 * SECOND;

/// A call that waits for somebody behind the edge.
#[derive(Debug)]
struct Pending {
    population: NodeId,
    client: Client,
    tag: u64,
    /// The edge's epoch when it was asked.
    epoch: u64,
}

/// The edge node.
#[derive(Debug)]
pub struct Edge {
    config: EdgeConfig,
    counts: EdgeCounts,
    /// Durable: how often this edge has started anew, and what registry and access manager have told it.
    epoch: u64,
    /// Whether there are connections from before the run.
    provisioned: bool,
    grouped: Option<Grouped>,
    from_access: Incoming,
    revoked: Vec<u64>,
    /// Volatile; so is all below.
    connections: Connections,
    /// When the first token of a connection ends.
    token_ends: Option<Nanos>,
    polls: Polls,
    standing: Standing,
    pending: Slab<Pending>,
    broker_epoch: Option<u64>,
    broker_heard: Nanos,
    next_alive: Nanos,
}

impl Edge {
    /// An edge that has not started yet.
    pub fn new(config: EdgeConfig) -> Self {
        let groups = |groups: &GroupsConfig| Grouped::new(groups.registry, groups.provision.clone(), groups.owners);
        Self {
            from_access: Incoming::new(config.access),
            polls: Polls::new(
                config.round_trips.clone(),
                config.limits.queue_messages.value.map_or(usize::MAX, |max| max as usize),
            ),
            grouped: config.registry.as_ref().map(groups),
            standing: Standing::default(),
            config,
            counts: EdgeCounts::default(),
            epoch: 0,
            provisioned: false,
            connections: Connections::default(),
            token_ends: None,
            revoked: Vec::new(),
            pending: Slab::new(CALL_TIMEOUT),
            broker_epoch: None,
            broker_heard: 0,
            next_alive: 0,
        }
    }

    /// What it did so far.
    pub fn counts(&self) -> EdgeCounts {
        EdgeCounts { discarded: self.polls.discarded(), ..self.counts }
    }

    /// Room for so many clients that [`Edge::provision`] will connect.
    pub fn reserve(&mut self, clients: usize) {
        self.connections.reserve(clients);
        if let Some(grouped) = &mut self.grouped {
            grouped.reserve(clients);
        }
    }

    /// A client that has been connected since before the run began, in the edge's first epoch: for building a world. The
    /// broker must know of the channels ([`crate::broker::Broker::provision`]).
    pub fn provision(&mut self, population: NodeId, client: Client, channels: ChannelList, groups: &[Arc<str>]) {
        self.provisioned = true;
        self.epoch = 1;
        self.connections.connect(population, client, channels, None);
        if let Some(grouped) = &mut self.grouped {
            grouped.connect((population, client), groups);
        }
    }

    /// The edge runs for the first time, perhaps with connections already.
    fn start(&mut self, now: Nanos, out: &mut Outbox) {
        if std::mem::take(&mut self.provisioned) {
            self.say_alive(now, out);
        } else {
            self.new_epoch(now, out);
        }
    }

    /// Every connection is gone; clients learn it from the next epoch.
    fn new_epoch(&mut self, now: Nanos, out: &mut Outbox) {
        self.epoch += 1;
        self.connections.clear();
        self.polls.clear();
        self.say_alive(now, out);
        out.send(self.config.broker, Msg::Detach { channels: ChannelList::new(), epoch: self.epoch });
        self.standing.clear();
        if let Some(grouped) = &mut self.grouped {
            grouped.clear();
            let wildcard: ChannelList = grouped.wildcard().into_iter().collect();
            self.standing.want(now, wildcard);
        }
        self.standing.on_wake(now, self.epoch, self.config.broker, out);
    }

    fn say_alive(&mut self, now: Nanos, out: &mut Outbox) {
        for &population in &self.config.populations {
            out.send(population, Msg::EdgeAlive { epoch: self.epoch });
        }
        self.next_alive = now + KEEPALIVE;
    }

    fn request(&mut self, now: Nanos, from: NodeId, request: Request, out: &mut Outbox) {
        self.counts.requests += 1;
        let (client, tag) = (request.client, request.tag);
        if let Err(error) = self.accept(now, from, request, out) {
            if error.status == 403 {
                self.counts.forbidden += 1;
            } else {
                self.counts.refused += 1;
            }
            out.note(|| format!("refused client={client} status={} {}", error.status, error.body));
            out.send(from, Msg::Answer { client, tag, result: Err(error) });
        }
    }

    fn accept(&mut self, now: Nanos, from: NodeId, request: Request, out: &mut Outbox) -> Result<(), ApiError> {
        let Request { client, tag, client_ip, token, call } = request;
        let token = token.ok_or_else(|| ApiError::forbidden::<&str>([]))?;
        self.config.verifier.verify(&token, now, &token.grant.user)?;
        if !self.revoked.is_empty() && self.revoked.contains(&token.signature) && !has(Bug::EdgeTakesRevokedTokens) {
            return Err(ApiError::token_revoked());
        }
        let pending = Pending { population: from, client, tag, epoch: self.epoch };
        match call {
            Call::Publish { channel, payload, store } => {
                let said = Said { channel, payload, store, kind: Kind::Message };
                self.publish(now, token, client_ip, said, pending, out)?;
            }
            Call::Signal { channel, payload } => {
                let said = Said { channel, payload, store: false, kind: Kind::Signal };
                self.publish(now, token, client_ip, said, pending, out)?;
            }
            Call::Fire { channel, payload } => {
                let said = Said { channel, payload, store: false, kind: Kind::Fire };
                self.publish(now, token, client_ip, said, pending, out)?;
            }
            Call::Subscribe { channels, cursor, with } => {
                self.subscribe(now, from, client, &token, Subscribe { channels, cursor, with, pending }, out)?;
            }
            Call::Unsubscribe => {
                self.disconnect(from, client, &token, out);
                out.send(from, Msg::Answer { client, tag, result: Ok(ApiOk::Unsubscribed) });
            }
            Call::Heartbeat { channels, timeout_s } => {
                allow_all(&token, &channels, Permissions::READ)?;
                let (presence, channels) = self.with_presence(&channels);
                let presence = presence.ok_or_else(|| ApiError::service_unavailable("Presence"))?;
                let call = PresenceCall::Heartbeat { user: token.grant.user.clone(), channels, timeout_s };
                let tag = self.pending.insert(now, pending);
                out.send(presence, Msg::Presence { tag, call: Box::new(call) });
            }
            Call::Presence(call) => {
                check_presence(&token, &call)?;
                let (presence, _) = self.config.presence.ok_or_else(|| ApiError::service_unavailable("Presence"))?;
                let tag = self.pending.insert(now, pending);
                out.send(presence, Msg::Presence { tag, call });
            }
            Call::Groups(op) => {
                check_groups(&token, &op)?;
                let registry = self.config.registry.as_ref().ok_or_else(ApiError::groups_not_enabled)?.registry;
                let tag = self.pending.insert(now, pending);
                out.send(registry, Msg::Groups { tag, op });
            }
            Call::Objects(op) => {
                check_objects(&token, &op)?;
                let tag = self.pending.insert(now, pending);
                out.send(self.config.app_context, Msg::Objects { tag, op });
            }
            Call::History { channel, start, max } => {
                allow_all(&token, std::slice::from_ref(&channel), Permissions::READ)?;
                let tag = self.pending.insert(now, pending);
                out.send(self.config.history, Msg::HistoryFetch { tag, channel, start, max });
            }
        }
        Ok(())
    }

    /// What the access manager says of tokens; or the registry, of its groups.
    fn streamed(&mut self, now: Nanos, from: NodeId, frame: StreamFrame, out: &mut Outbox) {
        if from != self.config.access {
            return self.registered(now, from, frame, out);
        }
        let StreamFrame::Data { epoch, base, first_seq, items } = frame else { return };
        let mut arrived = Vec::new();
        self.from_access.on_data(now, epoch, base, first_seq, items, &mut arrived);
        let signature = |item| if let StreamItem::Revoked { signature } = item { Some(signature) } else { None };
        let before = self.revoked.len();
        self.revoked.extend(arrived.into_iter().filter_map(signature));
        if self.revoked.len() > before {
            self.token_ends = Some(now);
        }
    }

    /// What the registry says of its groups.
    fn registered(&mut self, now: Nanos, from: NodeId, frame: StreamFrame, out: &mut Outbox) {
        let Some(grouped) = &mut self.grouped else { return };
        let (begin, silent) = grouped.registered(now, from, frame);
        self.standing.want(now, begin);
        self.standing.on_wake(now, self.epoch, self.config.broker, out);
        self.detach(silent, out);
    }

    fn deliver(&mut self, now: Nanos, envelope: Arc<Envelope>, cursor: Timetoken, out: &mut Outbox) {
        let mut pushed = self.deliver_named(now, &envelope.channel, &envelope, cursor, out);
        // Who listens to the channel and to a wildcard over it gets the message twice (platform.md 2.3).
        for wildcard in self.connections.wildcards_over(&envelope.channel) {
            pushed |= self.deliver_named(now, &wildcard, &envelope, cursor, out);
        }
        // What comes through groups is passed on at once: see `polls`.
        let connected = |population| self.connections.connected(population);
        let through_groups =
            self.grouped.iter().flat_map(|grouped| grouped.heard(&envelope.channel, self.epoch, connected));
        for (population, to) in through_groups {
            pushed = true;
            out.send(population, Msg::Deliver(Delivery { to, envelope: envelope.clone(), cursor }));
        }
        self.counts.pushes += u64::from(pushed);
    }

    /// To whom listens by this name: the message's channel, or a wildcard. Whether there is anybody.
    fn deliver_named(
        &mut self,
        now: Nanos,
        name: &str,
        envelope: &Arc<Envelope>,
        cursor: Timetoken,
        out: &mut Outbox,
    ) -> bool {
        let mut pushed = false;
        for (population, heard) in self.connections.heard(name) {
            pushed = true;
            let names = || self.connections.names(name, population);
            let Some(heard) = self.polls.pass(now, population, heard, names, (envelope, cursor), out) else {
                continue;
            };
            let to = match heard {
                Heard::One(client) => Recipients::One(client),
                Heard::Some(clients) => Recipients::These(clients.into()),
                Heard::All => Recipients::Subscribers,
            };
            out.send(population, Msg::Deliver(Delivery { to, envelope: envelope.clone(), cursor }));
        }
        pushed
    }

    fn answer(&mut self, tag: u64, result: Result<ApiOk, ApiError>, out: &mut Outbox) {
        if let Some(Pending { population, client, tag, epoch }) = self.pending.remove(tag) {
            let result = match result {
                // The connection it was for is gone.
                Ok(ApiOk::Subscribed { .. }) if epoch != self.epoch => Err(ApiError::service_unavailable("Balancer")),
                result => result,
            };
            out.send(population, Msg::Answer { client, tag, result });
        }
    }

    fn broker_alive(&mut self, now: Nanos, epoch: u64, out: &mut Outbox) {
        let lost = self.broker_epoch.is_some_and(|known| known != epoch)
            || (self.broker_epoch.is_some() && now > self.broker_heard + KEEPALIVE_PATIENCE);
        self.broker_epoch = Some(epoch);
        self.broker_heard = now;
        if lost {
            self.new_epoch(now, out);
        }
    }
}

impl Node for Edge {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Start => self.start(now, out),
            Input::Wake => {}
            Input::Overload { from, msg } => match msg {
                Msg::Request(request) => {
                    self.counts.overloaded += 1;
                    let result = Err(ApiError::too_many_requests("Balancer"));
                    out.send(from, Msg::Answer { client: request.client, tag: request.tag, result });
                }
                // What the platform itself says is not turned away at the door: it costs no service.
                msg => self.handle(now, Input::Message { from, msg }, out),
            },
            Input::Message { from, msg } => match msg {
                Msg::Request(request) => self.request(now, from, *request, out),
                Msg::Published { tag, result } => self.answer(tag, result.map(ApiOk::Sent), out),
                Msg::Attached { tag, .. } if Standing::is_own(tag) => self.standing.served(tag),
                Msg::Attached { tag, cursor, messages, missed } => {
                    let epoch = self.epoch;
                    self.answer(tag, Ok(ApiOk::Subscribed { cursor, messages, missed, epoch }), out);
                }
                Msg::ObjectsAnswer { tag, result } => self.answer(tag, result.map(ApiOk::Objects), out),
                Msg::PresenceAnswer { tag, result } => self.answer(tag, result.map(ApiOk::Presence), out),
                Msg::GroupsAnswer { tag, result } => self.answer(tag, result.map(ApiOk::Groups), out),
                Msg::Stream(frame) => self.streamed(now, from, *frame, out),
                Msg::HistoryPage { tag, messages } => self.answer(tag, Ok(ApiOk::History(messages)), out),
                Msg::Push { envelope, cursor } => self.deliver(now, envelope, cursor, out),
                Msg::BrokerAlive { epoch } => self.broker_alive(now, epoch, out),
                _ => {}
            },
        }
        while let Some((_, Pending { population, client, tag, .. })) = self.pending.pop_expired(now) {
            out.send(population, Msg::Answer { client, tag, result: Err(ApiError::service_unavailable("Balancer")) });
        }
        self.polls.answer(now, out);
        if let Some(grouped) = &mut self.grouped {
            grouped.on_wake(now, out);
        }
        self.from_access.on_wake(now, out);
        self.standing.on_wake(now, self.epoch, self.config.broker, out);
        if now >= self.next_alive {
            self.end_with_tokens(now, out);
            self.say_alive(now, out);
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        let stream = self.grouped.as_ref().and_then(Grouped::next_wake);
        let streams = earlier(stream, self.from_access.next_wake());
        [
            self.pending.next_deadline(),
            streams,
            self.standing.next_wake(),
            self.polls.next_wake(),
            Some(self.next_alive),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn reboot(&mut self, _now: Nanos) {
        self.connections.clear();
        self.polls.clear();
        self.standing.clear();
        if let Some(grouped) = &mut self.grouped {
            grouped.reboot();
        }
        self.from_access.reboot();
        self.pending.clear();
        self.broker_epoch = None;
        self.next_alive = 0;
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
#[cfg(test)]
mod token_tests;
#[cfg(test)]
mod wildcard_tests;
