//! What Functions say to the audit database and what it says back, as JSON over HTTP.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::patterns::voting::session::{SessionSpec, Status};

/// The database's address as Functions know it.
pub const BASE: &str = "/audit";
/// Cast a vote: one transaction that decides and records (hardened).
pub const CAST: &str = "/audit/cast";
/// Insert a row of `vote_audit` (documented).
pub const INSERT: &str = "/audit/rows";
/// Create, open, close, reveal.
pub const LIFECYCLE: &str = "/audit/lifecycle";
/// The next numbered snapshot of every session that still has something to say.
pub const SNAPSHOTS: &str = "/audit/snapshots";
/// Rows by session, user, request or time range.
pub const QUERY: &str = "/audit/query";

/// One vote to decide. The names are those of `vote_audit`'s columns (voting.md 11.4).
#[derive(Debug, Serialize, Deserialize)]
pub struct CastVote<'a> {
    #[serde(borrow)]
    pub session_id: Cow<'a, str>,
    #[serde(borrow)]
    pub user_id: Cow<'a, str>,
    #[serde(borrow)]
    pub option_id: Cow<'a, str>,
    #[serde(borrow)]
    pub request_id: Cow<'a, str>,
    #[serde(borrow)]
    pub client_ts: Cow<'a, str>,
    /// IPv4 in one number.
    pub client_ip: u32,
    #[serde(borrow)]
    pub user_agent: Cow<'a, str>,
    pub token_id: u64,
    /// The shard that the vote came in on.
    pub shard: u32,
}

/// What was decided, now or when the request first came.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision<'a> {
    /// `accepted` or `rejected`
    #[serde(borrow)]
    pub status: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub vote_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub existing_vote_id: Option<Cow<'a, str>>,
    /// The decision's number, for its event id.
    pub number: u64,
    /// When it was decided.
    #[serde(borrow)]
    pub ts: Cow<'a, str>,
    /// Whether the session hides who voted for what.
    pub anonymous: bool,
}

/// A row to insert as it is.
#[derive(Debug, Serialize, Deserialize)]
pub struct InsertRow<'a> {
    #[serde(borrow)]
    pub vote_id: Cow<'a, str>,
    #[serde(flatten, borrow)]
    pub vote: CastVote<'a>,
}

/// A host's command.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lifecycle {
    pub session_id: String,
    pub to: Status,
    pub host_id: String,
    /// With [`Status::Created`]: the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<SessionSpec>,
}

/// A session as the database holds it at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub session_id: String,
    /// In the session's order.
    pub option_ids: Vec<String>,
    pub show_live_tally: bool,
    pub status: Status,
    pub created_at: Option<String>,
    pub opened_at: Option<String>,
    pub closed_at: Option<String>,
    pub revealed_at: Option<String>,
    /// Counts in the order of the options.
    pub counts: Vec<u64>,
    /// The same by shard: only shards that have seen a vote.
    pub shards: Vec<(u32, Vec<u64>)>,
    /// The number of this snapshot among the broadcast ones; 0 for any other.
    pub number: u64,
    /// The counts of the broadcast snapshot before this one.
    pub previous: Vec<u64>,
    /// When it was taken.
    pub ts: String,
}

impl Snapshot {
    /// Option id and count, in order.
    pub fn tally(&self) -> Vec<(String, u64)> {
        self.option_ids.iter().cloned().zip(self.counts.iter().copied()).collect()
    }

    /// All votes.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// What to look for in the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    Session(String),
    User(String),
    Request(String),
    /// `server_ts`, from inclusive, to exclusive [ns of the world's clock].
    Range {
        from: u64,
        to: u64,
    },
}

/// A row as a query returns it: `vote_audit` with the document's column names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// UUID made from the row's number.
    pub id: String,
    pub vote_id: String,
    pub session_id: String,
    pub user_id: String,
    pub option_id: String,
    pub request_id: String,
    pub client_ts: String,
    pub server_ts: String,
    pub client_ip: String,
    pub user_agent: String,
    pub token_id: String,
}
