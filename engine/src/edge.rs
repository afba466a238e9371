//! A point of presence's front: it ends the clients' connections, checks tokens, names and sizes, and passes on
//! what may pass. It decides nothing and stores nothing; all it knows is lost when it dies.
//!
//! Connections and the broker's word have an *epoch*: an edge that restarted, or that lost touch with its broker
//! (a push may have been missed), starts a new epoch, and its clients must subscribe again from their cursor.

use std::any::Any;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::access::{Permissions, Token, Verifier};
use crate::contract::{Input, KEEPALIVE, KEEPALIVE_PATIENCE, Nanos, Node, NodeId, Outbox, SECOND};
use crate::error::ApiError;
use crate::limits::Limits;
use crate::message::{
    ApiOk, Attach, Call, Channel, ChannelList, Client, Delivery, Msg, ObjectsOp, Publish, Recipients, Request,
};
use crate::slab::Slab;
use crate::timetoken::Timetoken;

/// A call other than subscribe that is not answered for this long gets a 503 (platform.md 2.4: 10 to 15 s).
const CALL_TIMEOUT: Nanos = 15 * SECOND;

/// Whom an edge talks to, and what it checks.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    pub broker: NodeId,
    pub app_context: NodeId,
    pub history: NodeId,
    /// The populations that connect here.
    pub populations: Vec<NodeId>,
    pub verifier: Verifier,
    pub limits: &'static Limits,
}

/// What an edge did, by outcome -- output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeCounts {
    pub requests: u64,
    pub forbidden: u64,
    pub refused: u64,
    pub overloaded: u64,
    pub pushes: u64,
}

/// A call that waits for somebody behind the edge.
#[derive(Debug)]
struct Pending {
    population: NodeId,
    client: Client,
    tag: u64,
    /// The edge's epoch when it was asked.
    epoch: u64,
}

/// Who listens to a channel here. Most channels are one client's own, so that case is kept apart.
#[derive(Debug)]
struct Listeners {
    connections: u32,
    /// The one connection, as long as there was never a second.
    only: Option<(NodeId, Client)>,
}

/// The edge node.
#[derive(Debug)]
pub struct Edge {
    config: EdgeConfig,
    counts: EdgeCounts,
    /// Durable: how often this edge has started anew.
    epoch: u64,
    // All below is volatile.
    connections: FxHashMap<(NodeId, Client), ChannelList>,
    listeners: FxHashMap<Channel, Listeners>,
    revoked: Vec<u64>,
    pending: Slab<Pending>,
    broker_epoch: Option<u64>,
    broker_heard: Nanos,
    next_alive: Nanos,
}

impl Edge {
    /// An edge that has not started yet.
    pub fn new(config: EdgeConfig) -> Self {
        Self {
            config,
            counts: EdgeCounts::default(),
            epoch: 0,
            connections: FxHashMap::default(),
            listeners: FxHashMap::default(),
            revoked: Vec::new(),
            pending: Slab::new(CALL_TIMEOUT),
            broker_epoch: None,
            broker_heard: 0,
            next_alive: 0,
        }
    }

    /// What it did so far.
    pub fn counts(&self) -> EdgeCounts {
        self.counts
    }

    /// Every connection is gone; clients learn it from the next epoch.
    fn new_epoch(&mut self, now: Nanos, out: &mut Outbox) {
        self.epoch += 1;
        self.connections.clear();
        self.listeners.clear();
        self.say_alive(now, out);
        out.send(self.config.broker, Msg::Detach { channels: ChannelList::new(), epoch: self.epoch });
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
        if !self.revoked.is_empty() && self.revoked.contains(&token.signature) {
            return Err(ApiError::token_revoked());
        }
        let pending = Pending { population: from, client, tag, epoch: self.epoch };
        match call {
            Call::Publish { channel, payload, store } => {
                self.check_publish(now, &token, &channel, &payload)?;
                let publish = Publish {
                    tag: self.pending.insert(now, pending),
                    channel,
                    payload,
                    publisher: token.grant.user.clone(),
                    store,
                    hops: 0,
                    client_ip,
                    token: Some(token),
                };
                out.send(self.config.broker, Msg::Publish(Box::new(publish)));
            }
            Call::Subscribe { channels, cursor } => {
                for channel in &channels {
                    self.check_name(now, channel)?;
                }
                allow_all(&token, &channels, Permissions::READ)?;
                self.connect(from, client, &channels, out);
                let tag = self.pending.insert(now, pending);
                let attach = Attach { tag, epoch: self.epoch, channels, cursor };
                out.send(self.config.broker, Msg::Attach(Box::new(attach)));
            }
            Call::Unsubscribe => {
                self.disconnect(from, client, out);
                out.send(from, Msg::Answer { client, tag, result: Ok(ApiOk::Unsubscribed) });
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

    fn check_name(&self, now: Nanos, channel: &str) -> Result<(), ApiError> {
        let forbidden = |c: char| matches!(c, ',' | ':' | '*' | '/' | '\\' | ' ') || c.is_control();
        if channel.contains(forbidden) {
            return Err(ApiError::invalid_channel_character(Timetoken::at(now)));
        }
        let chars_max = self.config.limits.channel_name_chars.value.map_or(usize::MAX, |max| max as usize);
        if channel.is_empty() || channel.chars().count() > chars_max {
            return Err(ApiError::invalid_channel_length(Timetoken::at(now)));
        }
        Ok(())
    }

    fn check_publish(&self, now: Nanos, token: &Token, channel: &Channel, payload: &str) -> Result<(), ApiError> {
        self.check_name(now, channel)?;
        allow_all(token, std::slice::from_ref(channel), Permissions::WRITE)?;
        if self.config.limits.message_bytes.value.is_some_and(|max| payload.len() + channel.len() > max as usize) {
            return Err(ApiError::message_too_large(Timetoken::at(now)));
        }
        if serde_json::from_str::<serde::de::IgnoredAny>(payload).is_err() {
            return Err(ApiError::invalid_json(Timetoken::at(now)));
        }
        Ok(())
    }

    fn connect(&mut self, population: NodeId, client: Client, channels: &ChannelList, out: &mut Outbox) {
        if self.connections.get(&(population, client)) == Some(channels) {
            return;
        }
        self.disconnect(population, client, out);
        for channel in channels {
            self.listeners
                .entry(channel.clone())
                .and_modify(|listeners| {
                    listeners.connections += 1;
                    listeners.only = None;
                })
                .or_insert(Listeners { connections: 1, only: Some((population, client)) });
        }
        self.connections.insert((population, client), channels.clone());
    }

    fn disconnect(&mut self, population: NodeId, client: Client, out: &mut Outbox) {
        let Some(channels) = self.connections.remove(&(population, client)) else { return };
        let mut silent = ChannelList::new();
        for channel in channels {
            let Some(listeners) = self.listeners.get_mut(&channel) else { continue };
            listeners.connections -= 1;
            if listeners.connections == 0 {
                self.listeners.remove(&channel);
                silent.push(channel);
            }
        }
        if !silent.is_empty() {
            out.send(self.config.broker, Msg::Detach { channels: silent, epoch: self.epoch });
        }
    }

    fn deliver(&mut self, envelope: Arc<crate::message::Envelope>, cursor: Timetoken, out: &mut Outbox) {
        let Some(listeners) = self.listeners.get(&envelope.channel) else { return };
        self.counts.pushes += 1;
        match listeners.only {
            Some((population, client)) => {
                let to = Recipients::One(client);
                out.send(population, Msg::Deliver(Delivery { to, envelope, cursor }));
            }
            None => {
                for &population in &self.config.populations {
                    let (to, envelope) = (Recipients::Subscribers, envelope.clone());
                    out.send(population, Msg::Deliver(Delivery { to, envelope, cursor }));
                }
            }
        }
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

/// Refuses with the channels that the token does not open.
fn allow_all(token: &Token, channels: &[Channel], wanted: Permissions) -> Result<(), ApiError> {
    if channels.iter().all(|channel| token.allows(channel, wanted)) {
        return Ok(());
    }
    let refused: Vec<&str> =
        channels.iter().filter(|channel| !token.allows(channel, wanted)).map(|channel| &**channel).collect();
    Err(ApiError::forbidden(refused))
}

/// App Context rights: GET and UPDATE on the channel; one's own user object and memberships are one's own.
fn check_objects(token: &Token, op: &ObjectsOp) -> Result<(), ApiError> {
    let own = |user: &Arc<str>| if **user == *token.grant.user { Ok(()) } else { Err(ApiError::forbidden::<&str>([])) };
    let on = |channel: &Channel, wanted| allow_all(token, std::slice::from_ref(channel), wanted);
    match op {
        ObjectsOp::GetChannel { channel } | ObjectsOp::ListMembers { channel, .. } => on(channel, Permissions::GET),
        ObjectsOp::SetChannel { channel, .. } => on(channel, Permissions::UPDATE),
        ObjectsOp::DeleteChannel { channel } => on(channel, Permissions::DELETE),
        // Not for clients: a listing shows everybody.
        ObjectsOp::ListUsers { .. } | ObjectsOp::ListChannels { .. } => Err(ApiError::forbidden::<&str>([])),
        ObjectsOp::GetUser { user }
        | ObjectsOp::SetUser { user, .. }
        | ObjectsOp::DeleteUser { user }
        | ObjectsOp::ListMemberships { user, .. } => own(user),
        ObjectsOp::GetMembership { user, channel }
        | ObjectsOp::SetMembership { user, channel, .. }
        | ObjectsOp::DeleteMembership { user, channel } => own(user).and_then(|()| on(channel, Permissions::READ)),
    }
}

impl Node for Edge {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Start => self.new_epoch(now, out),
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
                Msg::Attached { tag, cursor, messages, missed } => {
                    let epoch = self.epoch;
                    self.answer(tag, Ok(ApiOk::Subscribed { cursor, messages, missed, epoch }), out);
                }
                Msg::ObjectsAnswer { tag, result } => self.answer(tag, result.map(ApiOk::Objects), out),
                Msg::HistoryPage { tag, messages } => self.answer(tag, Ok(ApiOk::History(messages)), out),
                Msg::Push { envelope, cursor } => self.deliver(envelope, cursor, out),
                Msg::BrokerAlive { epoch } => self.broker_alive(now, epoch, out),
                Msg::Revoked { signature } => self.revoked.push(signature),
                _ => {}
            },
        }
        while let Some((_, Pending { population, client, tag, .. })) = self.pending.pop_expired(now) {
            out.send(population, Msg::Answer { client, tag, result: Err(ApiError::service_unavailable("Balancer")) });
        }
        if now >= self.next_alive {
            self.say_alive(now, out);
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        Some(self.pending.next_deadline().map_or(self.next_alive, |deadline| deadline.min(self.next_alive)))
    }

    fn reboot(&mut self, _now: Nanos) {
        self.connections.clear();
        self.listeners.clear();
        self.revoked.clear();
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
