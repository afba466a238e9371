//! Services outside the platform: a user directory, moderation, payment, the customer's own database. Functions reach them
//! over `xhr`, each is a node with durable state, and each can be slow, err, or err after its effect.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::contract::{Input, Nanos, Node, NodeId, Outbox};
use crate::dice::{Fate, HttpReply, Mischief, too_many_requests};
use crate::message::{HttpRequest, Misbehaviour, Msg};

/// What an outside service does. All of its state is durable: what it has done survives any crash.
pub trait Service: Send + 'static {
    /// Serves one call at `now`, by the service's own clock, which never goes back.
    fn serve(&mut self, now: Nanos, request: &HttpRequest) -> HttpReply;

    /// For reading its ledger once a run is over.
    fn as_any(&self) -> &dyn Any;
}

/// Answers by idempotency key, as payment services keep them: the same key is answered alike and takes effect once.
#[derive(Clone, Debug, Default)]
pub struct Answered(BTreeMap<Arc<str>, HttpReply>);

impl Answered {
    /// What this key was answered, or what `effect` answers it now.
    pub fn once(&mut self, key: &str, effect: impl FnOnce() -> HttpReply) -> HttpReply {
        self.0.entry(key.into()).or_insert_with(effect).clone()
    }
}

/// What a service did -- output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutsideCounts {
    /// Calls that took effect.
    pub served: u64,
    /// Calls answered with an error that the service did not mean, with or without effect.
    pub errors: u64,
    /// Calls that took effect and were never answered.
    pub unanswered: u64,
    /// Calls refused as too many.
    pub refused: u64,
}

/// An outside service's node.
pub struct Outside {
    service: Box<dyn Service>,
    mischief: Mischief,
    counts: OutsideCounts,
    latest: Nanos,
}

impl Outside {
    /// A node of this service; `seed` throws the dice of its misbehaviour.
    pub fn new(service: Box<dyn Service>, seed: u64) -> Self {
        Self { service, mischief: Mischief::new(seed), counts: OutsideCounts::default(), latest: 0 }
    }

    /// The service, if it is of this type.
    pub fn service<T: 'static>(&self) -> Option<&T> {
        self.service.as_any().downcast_ref()
    }

    /// What it did so far.
    pub fn counts(&self) -> OutsideCounts {
        self.counts
    }

    fn http(&mut self, from: NodeId, tag: u64, request: &HttpRequest, out: &mut Outbox) {
        let fate = self.mischief.fate();
        let (status, body) = fate.over_http(|| self.service.serve(self.latest, request));
        self.counts.served += u64::from(fate.takes_effect());
        match fate {
            Fate::Error | Fate::ErrorAfterEffect => self.counts.errors += 1,
            Fate::Throttled => self.counts.refused += 1,
            Fate::SilentAfterEffect => {
                self.counts.unanswered += 1;
                return;
            }
            Fate::Served => {}
        }
        out.send_after(self.mischief.delay(), from, Msg::HttpAnswer { tag, status, body });
    }
}

impl Node for Outside {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        self.latest = self.latest.max(now);
        match input {
            Input::Message { from, msg: Msg::Http { tag, request } } => self.http(from, tag, &request, out),
            Input::Overload { from, msg: Msg::Http { tag, .. } } => {
                self.counts.refused += 1;
                let (status, body) = too_many_requests();
                out.send(from, Msg::HttpAnswer { tag, status, body });
            }
            Input::Message { msg: Msg::Misbehave(how), .. } | Input::Overload { msg: Msg::Misbehave(how), .. } => {
                self.mischief.set(how);
            }
            _ => {}
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        None
    }

    fn reboot(&mut self, _now: Nanos) {
        // A new process behaves.
        self.mischief.set(Misbehaviour::default());
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
