//! What a crowd saw: everything that the oracles judge by. The crowd writes it, nobody in the engine does.

use std::collections::BTreeMap;

use headcount_engine::chunks::Chunks;
use headcount_engine::contract::Nanos;

use crate::client::second;
use crate::crowd::plan::{Mischief, VoteKind};
use crate::latency::Recorder;

/// No vote.
pub const NONE: u32 = u32::MAX;

/// How a vote ended for its voter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Not yet: not sent, or sent and not answered.
    Open,
    /// `vote.ack` accepted; a hash of its voteId.
    Accepted(u64),
    /// `vote.ack` rejected.
    Rejected(Reason),
    /// The publish itself was refused for good.
    Refused(u16),
    /// The client stopped asking: it may have been counted or not.
    GaveUp,
}

/// The document's reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    SessionNotOpen,
    InvalidOption,
    AlreadyVoted,
    Other,
}

/// One vote, from intention to answer.
#[derive(Clone, Debug)]
pub struct Vote {
    pub client: u32,
    pub kind: VoteKind,
    /// Index of the option; 99 is none of them.
    pub option: u8,
    pub fate: Fate,
    /// When the user wanted it: latency counts from here.
    pub intended: Nanos,
    /// When it first left; 0 if never.
    pub first_sent: Nanos,
    /// When its answer was on the screen; 0 if never.
    pub answered: Nanos,
    /// A hash of the answer's payload, to see whether a second one differs.
    pub answer_hash: u64,
    /// The timestamp in its requestId [ms].
    pub stamp: u64,
    pub attempts: u16,
    /// Refusals with 403 so far.
    pub forbidden: u8,
    /// Waits for the user's connection.
    pub waiting: bool,
    /// The user's next vote, or [`NONE`].
    pub next: u32,
}

/// A tally as it was first seen by this crowd.
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// The number in its event id: greater is newer.
    pub number: u64,
    pub counts: Vec<u64>,
    pub total: u64,
    /// `ts`: when the tally was read, by the reader's clock.
    pub read_at: Nanos,
    pub arrived: Nanos,
}

/// What a late joiner read from App Context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LateSync {
    pub answered: Nanos,
    /// 0 created, 1 open, 2 closed, 3 revealed.
    pub status: u8,
    pub total: u64,
}

/// What somebody else's or nobody's message reached a subscriber: the first one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    pub count: u64,
    pub first: Option<String>,
}

impl Evidence {
    /// One more; `what` describes it if it is the first.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        self.first.get_or_insert_with(what);
    }
}

/// Counters by virtual second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    pub submitted: u32,
    pub resent: u32,
    pub accepted: u32,
    pub rejected_not_open: u32,
    pub rejected_option: u32,
    pub rejected_already: u32,
    pub refused: u32,
    pub errors: u32,
    pub timeouts: u32,
    pub online: u32,
    pub deliveries: u64,
    /// How often `online` was noted.
    pub notes: u32,
}

impl Second {
    /// Whether anything happened in it.
    pub fn happened(&self) -> bool {
        self.notes > 0
    }
}

/// Everything one crowd saw.
#[derive(Debug, Default)]
pub struct Record {
    pub votes: Chunks<Vote>,
    pub broadcasts: Vec<Broadcast>,
    /// The first payload of each control message by type, and when it came.
    pub control: BTreeMap<String, (Nanos, String)>,
    /// Distinct `vote.revealed` results seen, by message or in App Context.
    pub revealed: Vec<Vec<u64>>,
    pub late_syncs: Vec<LateSync>,
    pub ack_latency: Recorder,
    pub results_latency: Recorder,
    pub seconds: Vec<Second>,
    /// Submits per shard and second.
    pub shards: Vec<Vec<u32>>,
    /// Planted mischief by kind and the status it was answered with (0: no answer, 200: let through).
    pub mischief: BTreeMap<(Mischief, u16), u64>,
    /// Messages that no host and no Function published.
    pub forged: Evidence,
    /// A second answer to a request that differs from the first.
    pub changed_answers: Evidence,
    /// Acknowledgements of other people's votes on a private channel.
    pub foreign_acks: Evidence,
    /// Screens that would have gone back.
    pub tally_went_down: Evidence,
    pub repeated_answers: u64,
    pub deliveries: u64,
    pub reconnects: u64,
    pub catch_up_messages: u64,
    pub missed_messages: u64,
    pub expired_tokens: u64,
    pub token_refreshes: u64,
    pub logins: u64,
    pub polls: u64,
    pub bad_submits: u64,
}

impl Record {
    /// The counters of the second of `at`.
    pub fn second(&mut self, at: Nanos) -> &mut Second {
        second(&mut self.seconds, at)
    }

    /// Counts a submit on a shard.
    pub fn on_shard(&mut self, at: Nanos, shard: u32) {
        let shard = shard as usize;
        if shard >= self.shards.len() {
            self.shards.resize(shard + 1, Vec::new());
        }
        *second(&mut self.shards[shard], at) += 1;
    }
}
