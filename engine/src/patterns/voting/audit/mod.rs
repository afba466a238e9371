//! The audit database: the customer's own, outside the platform, reached over HTTP (`xhr`). A node with a durable,
//! append-only log; what it has answered survives any crash.

pub mod api;
mod ledger;
mod rights;

use std::any::Any;
use std::net::Ipv4Addr;
use std::sync::Arc;

use self::api::{CastVote, Decision, InsertRow, Lifecycle, Query, Row};
pub use self::ledger::{Answer, ClientTime, Decided, Ledger, Refused, Session, VoteRow, base36};
use crate::access::Verifier;
use crate::contract::{Input, Nanos, Node, NodeId, Outbox, SECOND};
use crate::dice::{Fate, Mischief, too_many_requests};
use crate::error::ApiError;
use crate::message::{HttpRequest, Misbehaviour, Msg};
use crate::patterns::voting::message::to_json;
use crate::patterns::voting::session::Status;
use crate::timetoken::iso8601;

/// How long after a session's last step its snapshots go on: longer than any broadcast or App Context write that was
/// under way when it was taken can live (handler time 10 s, and as much again on the way).
pub const SETTLE: Nanos = 30 * SECOND;
/// Most rows a query returns.
pub const QUERY_ROWS_MAX: usize = 1_000;

/// The audit database node.
#[derive(Debug)]
pub struct AuditDb {
    /// Durable.
    ledger: Ledger,
    /// Durable: the latest time it has written. A clock that was set back does not bring back the past.
    latest: Nanos,
    /// Knows genuine tokens: who asks for rows shows one.
    verifier: Verifier,
    mischief: Mischief,
    counts: AuditCounts,
}

/// What it did -- output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditCounts {
    pub casts: u64,
    /// Casts whose request had been answered before.
    pub repeated: u64,
    pub inserts: u64,
    /// Inserts refused by `UNIQUE (session_id, user_id)`.
    pub unique_violations: u64,
    pub lifecycle: u64,
    pub snapshots: u64,
    /// Queries answered with rows.
    pub queries: u64,
    /// Queries of those who may not ask, answered 403.
    pub queries_refused: u64,
    pub errors: u64,
    pub overloaded: u64,
}

impl AuditDb {
    /// An empty database that takes the tokens `verifier` knows; `seed` throws the dice of its misbehaviour.
    pub fn new(verifier: Verifier, seed: u64) -> Self {
        let (ledger, counts) = (Ledger::default(), AuditCounts::default());
        Self { ledger, latest: 0, verifier, mischief: Mischief::new(seed), counts }
    }

    /// What is durably stored.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What it did so far.
    pub fn counts(&self) -> AuditCounts {
        self.counts
    }

    fn http(&mut self, now: Nanos, from: NodeId, tag: u64, request: &HttpRequest, out: &mut Outbox) {
        let fate = self.mischief.fate();
        let (status, body) = fate.over_http(|| self.call(now, request));
        self.counts.errors += u64::from(status >= 500);
        if fate != Fate::SilentAfterEffect {
            out.send_after(self.mischief.delay(), from, Msg::HttpAnswer { tag, status, body });
        }
    }

    fn call(&mut self, now: Nanos, request: &HttpRequest) -> (u16, Arc<str>) {
        let bad = || (400, "{\"error\":\"bad_request\"}".into());
        match &*request.path {
            api::CAST => match serde_json::from_str(&request.body) {
                Ok(vote) => (200, self.cast(now, &vote)),
                Err(_) => bad(),
            },
            api::INSERT => match serde_json::from_str(&request.body) {
                Ok(row) => self.insert(now, &row),
                Err(_) => bad(),
            },
            api::LIFECYCLE => match serde_json::from_str(&request.body) {
                Ok(lifecycle) => self.lifecycle(now, lifecycle),
                Err(_) => bad(),
            },
            api::SNAPSHOTS => {
                self.counts.snapshots += 1;
                (200, to_json(&self.ledger.next_snapshots(now, SETTLE)).into())
            }
            api::QUERY => match rights::audited_session(&self.verifier, request.token.as_deref(), now) {
                Ok(session) => match serde_json::from_str(&request.body) {
                    Ok(query) => self.query(session, &query),
                    Err(_) => bad(),
                },
                Err(refusal) => self.refuse(refusal),
            },
            _ => (404, "{\"error\":\"not_found\"}".into()),
        }
    }

    fn cast(&mut self, now: Nanos, vote: &CastVote<'_>) -> Arc<str> {
        let anonymous = self.ledger.session(&vote.session_id).is_none_or(|s| s.spec.config.anonymous_results);
        self.counts.casts += 1;
        let before = self.ledger.decisions().len();
        let number = self.ledger.cast(now, vote);
        self.counts.repeated += u64::from(self.ledger.decisions().len() == before);
        to_json(&self.decision(number, anonymous)).into()
    }

    fn decision(&self, number: u32, anonymous: bool) -> Decision<'static> {
        let decided = &self.ledger.decisions()[number as usize];
        let vote_id = |row| self.ledger.vote_id(row).into();
        let (vote, existing) = match decided.answer {
            Answer::Accepted(row) => (Some(vote_id(row)), None),
            Answer::AlreadyVoted(row) => (None, Some(vote_id(row))),
            _ => (None, None),
        };
        Decision {
            status: if vote.is_some() { "accepted" } else { "rejected" }.into(),
            vote_id: vote,
            reason: decided.answer.reason().map(Into::into),
            existing_vote_id: existing,
            number: u64::from(number),
            ts: iso8601(decided.at).into(),
            anonymous,
        }
    }

    fn insert(&mut self, now: Nanos, row: &InsertRow<'_>) -> (u16, Arc<str>) {
        self.counts.inserts += 1;
        match self.ledger.insert(now, &row.vote, &row.vote_id) {
            Ok(_) => (201, "{}".into()),
            Err(_) => {
                self.counts.unique_violations += 1;
                (409, "{\"error\":\"unique_violation\"}".into())
            }
        }
    }

    fn lifecycle(&mut self, now: Nanos, lifecycle: Lifecycle) -> (u16, Arc<str>) {
        self.counts.lifecycle += 1;
        let Lifecycle { session_id, to, host_id, spec } = lifecycle;
        let done = match (to, spec) {
            (Status::Created, Some(spec)) => self.ledger.create(now, spec),
            (Status::Created, None) => Err(Refused::NoSuchSession),
            (to, _) => self.ledger.step(now, &session_id, &host_id, to),
        };
        match done {
            Ok(session) => (200, to_json(&Ledger::snapshot(now, session)).into()),
            Err(Refused::NotItsHost) => (403, "{\"error\":\"not_its_host\"}".into()),
            Err(Refused::NoSuchSession) => (404, "{\"error\":\"no_such_session\"}".into()),
            Err(refused) => (409, format!("{{\"error\":\"illegal_transition\",\"detail\":\"{refused:?}\"}}").into()),
        }
    }

    /// Rows of the log of the session that the asker audits, oldest first, at most [`QUERY_ROWS_MAX`].
    fn query(&mut self, session: &str, query: &Query) -> (u16, Arc<str>) {
        if matches!(query, Query::Session(id) if id != session) {
            return self.refuse(rights::no_auditor_here());
        }
        self.counts.queries += 1;
        let found = self.ledger.search(session, query, QUERY_ROWS_MAX);
        let rows: Vec<Row> = found.into_iter().map(|number| self.row(number)).collect();
        (200, to_json(&rows).into())
    }

    fn refuse(&mut self, refusal: ApiError) -> (u16, Arc<str>) {
        self.counts.queries_refused += 1;
        (refusal.status, refusal.body)
    }

    fn row(&self, number: u32) -> Row {
        let row = &self.ledger.log()[number as usize];
        Row {
            id: format!("00000000-0000-4000-8000-{number:012x}"),
            vote_id: self.ledger.vote_id(number),
            session_id: self.ledger.name(row.session).to_string(),
            user_id: row.user_id.to_string(),
            option_id: self.ledger.name(row.option).to_string(),
            request_id: row.request_id.to_string(),
            client_ts: row.client_ts.to_string(),
            server_ts: iso8601(row.server_ts),
            client_ip: Ipv4Addr::from_bits(row.client_ip).to_string(),
            user_agent: self.ledger.name(row.user_agent).to_string(),
            token_id: format!("{:016x}", row.token_id),
        }
    }
}

impl Node for AuditDb {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        self.latest = self.latest.max(now);
        let now = self.latest;
        match input {
            Input::Message { from, msg: Msg::Http { tag, request } } => self.http(now, from, tag, &request, out),
            Input::Message { msg: Msg::Misbehave(how), .. } => self.mischief.set(how),
            Input::Overload { from, msg: Msg::Http { tag, .. } } => {
                self.counts.overloaded += 1;
                let (status, body) = too_many_requests();
                out.send(from, Msg::HttpAnswer { tag, status, body });
            }
            Input::Overload { msg: Msg::Misbehave(how), .. } => self.mischief.set(how),
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
