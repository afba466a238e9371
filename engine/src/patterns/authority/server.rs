//! The customer's server.
//!
//! **Hardened.** The server asks: every so often it subscribes from its cursor, which is one request with an answer of at most 100
//! messages, as the platform's long poll is. Votes, what they came to, and the cursor behind them are stored in one
//! transaction of the customer's database; so a server that dies finds its place, and takes each vote once. A vote is known by
//! session and publisher, whom the platform has authenticated, and not by what the message says.
//!
//! **What is beyond the queue** cannot be seen in a message, but its signs can: an answer as long as the queue (older messages
//! may have been discarded), a time without an answer longer than the queue remembers, and a connection that was not closed
//! by the server (a broker that dies forgets). Each is stored as a [`Gap`], and every tally from then on says that it may be
//! incomplete.
//!
//! **Tallies** are numbered by the change that they show, published until the platform has taken the newest, and again every 5 s:
//! whoever goes by the numbers comes to the last one.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{SERVER, SESSION, Submission, Tally, result_channel};
use crate::access::{Role, Token};
use crate::contract::{Input, KEEPALIVE_PATIENCE, MS, Nanos, Node, NodeId, Outbox, SECOND};
use crate::message::{ApiOk, Call, Delivery, Envelope, Msg, Request};
use crate::patterns::Variant;
use crate::timetoken::Timetoken;

/// A call that is not answered for so long is asked again, of the next edge.
const PATIENCE: Nanos = 3 * SECOND;
/// After a refusal.
const BACKOFF: Nanos = 500 * MS;
/// Every tally is published again after so long: one that is lost on its way to a screen is not lost for long.
const AGAIN: Nanos = 5 * SECOND;

/// Whom a server talks to, and how.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub variant: Variant,
    pub auth: NodeId,
    /// Of its own region, nearest first.
    pub edges: Vec<NodeId>,
    /// Between two questions of the hardened server.
    pub poll: Nanos,
    /// Messages that a queue holds, and how long the platform remembers them: the profile's.
    pub queue_messages: usize,
    pub remembered: Nanos,
}

/// Votes may be missing that were published between these moments, by the server's clock [ns].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub from: Nanos,
    pub to: Nanos,
}

/// The customer's database.
#[derive(Debug, Default)]
pub struct Books {
    /// By session: each vote, by voter where there is one of each, else by event, with its option.
    pub votes: BTreeMap<String, BTreeMap<Arc<str>, String>>,
    pub gaps: Vec<Gap>,
    /// Votes that were counted already -- output.
    pub duplicates: u64,
    /// Answers that began where a former life had ended -- output.
    pub caught_up: u64,
    /// By session: the newest change, and the newest that the platform has taken.
    versions: BTreeMap<String, (u64, u64)>,
    cursor: Timetoken,
    heard: Nanos,
    /// By edge: the epoch in which it was last heard.
    epochs: BTreeMap<u32, u64>,
}

impl Books {
    /// What a session has come to.
    pub fn tally(&self, session: &str) -> Tally {
        let mut options: BTreeMap<&str, u64> = BTreeMap::new();
        for option in self.votes.get(session).into_iter().flat_map(BTreeMap::values) {
            *options.entry(option).or_default() += 1;
        }
        Tally {
            kind: "vote.tally".into(),
            session_id: session.into(),
            total_votes: options.values().sum(),
            options: options.into_iter().map(|(option, votes)| (option.to_owned(), votes)).collect(),
            version: self.versions.get(session).map_or(0, |(newest, _)| *newest),
            incomplete: !self.gaps.is_empty(),
        }
    }
}

/// The server's node.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    // Durable.
    books: Books,
    /// Numbers its calls; never used twice, so that an answer to a former life finds nobody.
    tags: u64,
    // Volatile.
    token: Option<Arc<Token>>,
    edge: usize,
    /// The login or question under way, and when it is given up.
    asked: Option<(u64, Nanos)>,
    /// When it asks next.
    due: Nanos,
    /// Documented: where it is on its connection, and when it last heard of its edge.
    connected: Option<(Timetoken, Nanos)>,
    /// Tallies under way: session and version.
    publishing: BTreeMap<u64, (String, u64)>,
    /// When all tallies are published once more.
    again: Nanos,
    fresh: bool,
}

impl Server {
    /// A server that has not started yet.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            books: Books::default(),
            tags: 0,
            token: None,
            edge: 0,
            asked: None,
            due: 0,
            connected: None,
            publishing: BTreeMap::new(),
            again: 0,
            fresh: false,
        }
    }

    /// What it has stored.
    pub fn books(&self) -> &Books {
        &self.books
    }

    fn is_hardened(&self) -> bool {
        self.config.variant == Variant::Hardened
    }

    fn tag(&mut self) -> u64 {
        self.tags += 1;
        self.tags
    }

    fn call(&self, tag: u64, call: Call, out: &mut Outbox) {
        let request = Request { client: 0, tag, client_ip: 0x0D00_0001, token: self.token.clone(), call };
        out.send(self.config.edges[self.edge], Msg::Request(Box::new(request)));
    }

    /// Logs in, or asks for what there is.
    fn ask(&mut self, now: Nanos, out: &mut Outbox) {
        let tag = self.tag();
        self.due = Nanos::MAX;
        self.asked = Some((tag, now + PATIENCE));
        if self.token.is_none() {
            let (user, session) = (SERVER.into(), SESSION.into());
            out.send(self.config.auth, Msg::Login { client: 0, tag, user, role: Role::User, session });
            return;
        }
        let channels = std::iter::once("vote-submit.*".into()).collect();
        // The document's client library knows where it was for as long as it lives.
        let cursor = if self.is_hardened() {
            self.books.cursor
        } else {
            self.connected.map_or(Timetoken::ZERO, |(cursor, _)| cursor)
        };
        self.call(tag, Call::Subscribe { channels, cursor, with: None }, out);
        if self.is_hardened() {
            if self.again <= now {
                self.again = now + AGAIN;
                self.books.versions.values_mut().for_each(|(_, taken)| *taken = 0);
            }
            self.publish_what_is_new(out);
        }
    }

    fn try_later(&mut self, now: Nanos) {
        self.asked = None;
        self.edge = (self.edge + 1) % self.config.edges.len();
        self.due = now + BACKOFF;
    }

    fn answered(&mut self, now: Nanos, msg: Msg, out: &mut Outbox) {
        self.asked = None;
        match msg {
            Msg::LoggedIn { result: Ok(token), .. } => {
                self.token = Some(token);
                self.ask(now, out);
            }
            Msg::Answer { result: Ok(ApiOk::Subscribed { cursor, messages, epoch, .. }), .. } => {
                if self.is_hardened() {
                    self.look_for_gaps(now, messages.len(), epoch);
                    messages.iter().for_each(|envelope| self.take(envelope));
                    self.books.cursor = cursor;
                    self.due = now + self.config.poll;
                    self.publish_what_is_new(out);
                } else {
                    self.connected = Some((cursor, now));
                    messages.iter().for_each(|envelope| self.take_and_tell(envelope, out));
                }
            }
            Msg::Answer { result: Err(error), .. } => {
                if error.status == 403 {
                    self.token = None;
                }
                self.try_later(now);
            }
            _ => self.try_later(now),
        }
    }

    /// The signs of something lost; stored with what has come.
    fn look_for_gaps(&mut self, now: Nanos, messages: usize, epoch: u64) {
        let heard = std::mem::replace(&mut self.books.heard, now);
        let began_anew = self.books.epochs.insert(self.edge as u32, epoch).is_some_and(|known| known != epoch);
        let is_first = self.books.cursor == Timetoken::ZERO;
        let forgot = now.saturating_sub(heard) >= self.config.remembered;
        if !is_first && (messages >= self.config.queue_messages || began_anew || forgot) {
            self.books.gaps.push(Gap { from: heard, to: now });
            self.books.versions.values_mut().for_each(|(newest, _)| *newest += 1);
        }
        if std::mem::take(&mut self.fresh) && !is_first && messages > 0 {
            self.books.caught_up += 1;
        }
    }

    /// Stores a vote, if it is one and new; returns its session.
    fn store(&mut self, envelope: &Envelope) -> Option<String> {
        let session = envelope.channel.strip_prefix("vote-submit.")?;
        let vote: Submission = serde_json::from_str(&envelope.payload).ok()?;
        if vote.kind != "vote.submit" || vote.event_id.is_empty() || vote.payload.option_id.is_empty() {
            return None;
        }
        let key = if self.is_hardened() { envelope.publisher.clone() } else { vote.event_id.into() };
        let votes = self.books.votes.entry(session.to_owned()).or_default();
        if votes.contains_key(&key) {
            self.books.duplicates += 1;
            return None;
        }
        votes.insert(key, vote.payload.option_id);
        Some(session.to_owned())
    }

    fn take(&mut self, envelope: &Envelope) {
        if let Some(session) = self.store(envelope) {
            self.books.versions.entry(session).or_default().0 += 1;
        }
    }

    /// The document's: a tally after each vote, whatever becomes of it.
    fn take_and_tell(&mut self, envelope: &Envelope, out: &mut Outbox) {
        if let Some(session) = self.store(envelope) {
            let tag = self.tag();
            self.publish(tag, &session, out);
        }
    }

    fn publish(&mut self, tag: u64, session: &str, out: &mut Outbox) {
        let payload = serde_json::to_string(&self.books.tally(session)).expect("a tally serialises").into();
        self.call(tag, Call::Publish { channel: result_channel(session).into(), payload, store: true }, out);
    }

    /// Tallies that the platform has not taken; those of which an answer is awaited are asked for once more all the same: of two
    /// equal ones nobody sees a difference.
    fn publish_what_is_new(&mut self, out: &mut Outbox) {
        let new =
            |(session, (newest, taken)): (&String, &(u64, u64))| (newest > taken).then(|| (session.clone(), *newest));
        let new: Vec<(String, u64)> = self.books.versions.iter().filter_map(new).collect();
        self.publishing.clear();
        for (session, version) in new {
            let tag = self.tag();
            self.publish(tag, &session, out);
            self.publishing.insert(tag, (session, version));
        }
    }

    fn published(&mut self, tag: u64, is_taken: bool) {
        if let Some((session, version)) = self.publishing.remove(&tag)
            && is_taken
            && let Some((_, taken)) = self.books.versions.get_mut(&session)
        {
            *taken = version.max(*taken);
        }
    }

    fn delivered(&mut self, envelope: &Envelope, cursor: Timetoken, out: &mut Outbox) {
        if let Some((known, _)) = &mut self.connected {
            *known = cursor.max(*known);
            self.take_and_tell(envelope, out);
        }
    }

    /// The document's client library: an edge that is silent or begins anew is subscribed to again.
    fn edge_alive(&mut self, now: Nanos, epoch: u64) {
        let known = self.books.epochs.insert(self.edge as u32, epoch);
        if let Some((_, heard)) = &mut self.connected {
            let was_silent = now > *heard + KEEPALIVE_PATIENCE;
            *heard = now;
            if was_silent || known != Some(epoch) {
                self.due = now;
            }
        }
    }
}

impl Node for Server {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Start => (self.due, self.fresh) = (now, true),
            Input::Message { from, msg } => match msg {
                Msg::LoggedIn { tag, .. } | Msg::Answer { tag, .. } => {
                    if self.asked.is_some_and(|(asked, _)| asked == tag) {
                        self.answered(now, msg, out);
                    } else {
                        self.published(tag, matches!(msg, Msg::Answer { result: Ok(ApiOk::Sent(_)), .. }));
                    }
                }
                Msg::Deliver(Delivery { envelope, cursor, .. }) if !self.is_hardened() => {
                    self.delivered(&envelope, cursor, out);
                }
                Msg::Polled { messages, cursor, .. } if !self.is_hardened() => {
                    messages.iter().for_each(|envelope| self.delivered(envelope, cursor, out));
                }
                Msg::EdgeAlive { epoch } if !self.is_hardened() && from == self.config.edges[self.edge] => {
                    self.edge_alive(now, epoch);
                }
                Msg::Ended { .. } if !self.is_hardened() => (self.token, self.due) = (None, now),
                _ => {}
            },
            Input::Wake | Input::Overload { .. } => {}
        }
        if self.asked.is_some_and(|(_, until)| until <= now) {
            self.try_later(now);
        }
        if self.asked.is_none() && self.due <= now {
            self.ask(now, out);
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        let until = self.asked.map(|(_, until)| until);
        Some(until.unwrap_or(self.due)).filter(|at| *at < Nanos::MAX)
    }

    fn reboot(&mut self, _now: Nanos) {
        self.token = None;
        self.edge = 0;
        self.asked = None;
        self.due = 0;
        self.connected = None;
        self.publishing.clear();
        self.again = 0;
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
