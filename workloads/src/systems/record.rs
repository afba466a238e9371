//! What users of one region did, were answered and heard: everything that the oracles judge by, beside what is durably stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use headcount_engine::contract::Nanos;
use headcount_engine::message::{Envelope, Payload};
use serde::de::DeserializeOwned;

use crate::client::second;
use crate::latency::Recorder;

/// How an act ended for who wanted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// Not yet: not sent, or not answered for good.
    #[default]
    Open,
    Accepted,
    /// Refused for good, with this status.
    Refused(u16),
    /// The client stopped asking: it may have taken effect or not; if there was no attempt, what it was to be made from was not
    /// accepted, or its user was gone.
    GaveUp,
}

/// What became of an act.
#[derive(Clone, Debug, Default)]
pub struct Done {
    pub fate: Fate,
    pub attempts: u16,
    /// Waits for the user's connection.
    pub(super) waits: bool,
    /// Waits for its next attempt.
    pub(super) again: bool,
    /// When it first left, and when its last answer came [ns]; 0: never.
    pub first_sent: Nanos,
    pub answered: Nanos,
    /// The last answer's body, where it has one.
    pub body: Option<Payload>,
}

impl Done {
    /// The last answer, if it reads as a `T`.
    pub fn answer<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.body.as_deref()?).ok()
    }
}

/// A message as it was first heard in a region.
#[derive(Clone, Debug)]
pub struct Heard {
    pub envelope: Arc<Envelope>,
    pub at: Nanos,
    /// Users it came to.
    pub deliveries: u32,
    /// The act whose effect it shows.
    pub(super) shows: Option<u32>,
}

/// Counters by virtual second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    pub sent: u32,
    pub resent: u32,
    pub accepted: u32,
    pub refused: u32,
    pub errors: u32,
    pub timeouts: u32,
    pub given_up: u32,
    pub deliveries: u64,
    /// Connections gained less connections lost.
    pub moves: i64,
}

/// Everything users of one region saw.
#[derive(Debug, Default)]
pub struct Record {
    /// The numbers of this region's acts in the plan, and beside them what became of them.
    pub numbers: Vec<u32>,
    pub done: Vec<Done>,
    pub heard: Vec<Heard>,
    /// In worlds of at most [`NOTED_USERS_MAX`] users, every delivery: to which client, and which of `heard`.
    pub told: Vec<(u32, u32)>,
    /// From the intended moment to the final answer, and to the screens that show the effect.
    pub answers: Recorder,
    pub effects: Recorder,
    pub seconds: Vec<Second>,
    pub logins: u64,
    pub reconnects: u64,
    pub missed_messages: u64,
    pub catch_up_messages: u64,
    /// Tokens that came before the old ones expired.
    pub refreshes: u64,
    /// Where clients may give up: each time that one was without a connection and how it ended, and who still is, since when.
    pub outages: Vec<Outage>,
    pub away: BTreeMap<u32, Nanos>,
}

/// A client's time without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    pub client: u32,
    /// By when the client knew [ns].
    pub from: Nanos,
    pub to: Nanos,
    /// Whether it ended because the client gave up, and said so.
    pub gave_up: bool,
}

/// With more users in the world than this, deliveries are counted and not noted one by one.
pub const NOTED_USERS_MAX: u32 = 10_000;

impl Record {
    /// The counters of the second of `at`.
    pub fn second(&mut self, at: Nanos) -> &mut Second {
        second(&mut self.seconds, at)
    }
}
