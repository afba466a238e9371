//! The audit database's tables and its transactions. Everything here is durable, and each method is one transaction:
//! it happens wholly or not at all, and one after the other.
//!
//! - `log`: append-only, every accepted vote in the order of acceptance; a changed vote appends a new row.
//! - `vote_audit`: the current rows, `UNIQUE (session_id, user_id)`. Where a session allows `maxVotesPerUser` > 1 the
//!   constraint is read as `UNIQUE (session_id, user_id, nth vote)`.
//! - `decisions`: each request's answer, accepted or not, so that the same request always gets the same one.
//! - `sessions`: status and times, so that *open* and *cast* are decided in one place and close wins.
//! - `vote_tally`: counts per shard and option, kept in the same transaction as the row they count.
//!
//! Half a million rows have to fit: names are interned, and the indexes hold row numbers instead of keys.

mod search;

use std::sync::Arc;

use super::api::{CastVote, Snapshot};
use crate::chunks::Chunks;
use crate::chunks::index::Index;
use crate::contract::Nanos;
use crate::patterns::voting::message::reason;
use crate::patterns::voting::session::{SessionSpec, Status};
use crate::planted::{Bug, has};
use crate::timetoken::{iso8601, parse_iso8601};

/// One row of the log. `vote_id` is the row's own when it was given one, else made from its number.
#[derive(Clone, Debug, PartialEq)]
pub struct VoteRow {
    /// `None`: `vote_` and the row's number in base 36.
    pub given_vote_id: Option<Box<str>>,
    /// Index into the interned sessions.
    pub session: u32,
    pub user_id: Arc<str>,
    /// Index into the interned options.
    pub option: u32,
    pub request_id: Arc<str>,
    pub client_ts: ClientTime,
    pub server_ts: Nanos,
    pub client_ip: u32,
    pub user_agent: u32,
    pub token_id: u64,
    pub shard: u32,
    /// Whether a later vote of the same user replaced it.
    pub replaced: bool,
}

/// A client's own timestamp: a moment where it is one as clients write it, else the text as it came.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientTime {
    Moment(Nanos),
    Text(Box<str>),
}

impl ClientTime {
    fn read(text: &str) -> Self {
        match parse_iso8601(text).filter(|moment| iso8601(*moment) == text) {
            Some(moment) => Self::Moment(moment),
            None => Self::Text(text.into()),
        }
    }
}

impl std::fmt::Display for ClientTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Moment(moment) => f.write_str(&iso8601(*moment)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With this row of the log.
    Accepted(u32),
    SessionNotOpen,
    InvalidOption,
    /// The row that stands in the way.
    AlreadyVoted(u32),
}

impl Answer {
    /// The document's word for a rejection.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Accepted(_) => None,
            Self::SessionNotOpen => Some(reason::SESSION_NOT_OPEN),
            Self::InvalidOption => Some(reason::INVALID_OPTION),
            Self::AlreadyVoted(_) => Some(reason::ALREADY_VOTED),
        }
    }
}

/// A recorded answer.
#[derive(Clone, Debug)]
pub struct Decided {
    pub request_id: Arc<str>,
    pub answer: Answer,
    pub at: Nanos,
}

/// A session's row and its counts.
#[derive(Clone, Debug)]
pub struct Session {
    pub spec: SessionSpec,
    pub status: Status,
    /// When it was created, opened, closed, revealed.
    pub times: [Option<Nanos>; 4],
    /// Count per shard and option.
    pub shards: Vec<Vec<u64>>,
    /// Numbered snapshots so far, and the last one's counts.
    broadcasts: u64,
    broadcast: Vec<u64>,
}

impl Session {
    /// Votes per option, over all shards.
    pub fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.spec.options.len()];
        for shard in &self.shards {
            for (sum, n) in counts.iter_mut().zip(shard) {
                *sum += n;
            }
        }
        counts
    }

    fn count(&mut self, shard: u32, option: usize, by: i64) {
        let options = self.spec.options.len();
        if self.shards.len() <= shard as usize {
            self.shards.resize(shard as usize + 1, vec![0; options]);
        }
        let cell = &mut self.shards[shard as usize][option];
        *cell = cell.checked_add_signed(by).expect("a count never goes below zero");
    }
}

/// Why a transaction was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `UNIQUE (session_id, user_id)`
    Unique,
    NoSuchSession,
    /// The session is there already, and is another one.
    OtherSession,
    NotItsHost,
    /// From this status there is no way to the wanted one.
    NoWay(Status),
}

/// All tables.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    log: Chunks<VoteRow>,
    decisions: Chunks<Decided>,
    sessions: Vec<Session>,
    names: Vec<Arc<str>>,
    /// Rows that came by `INSERT`: no decision names their requests.
    inserted: Vec<u32>,
    by_request: Index,
    by_user: Index,
}

impl Ledger {
    /// Every accepted vote in the order of acceptance, replaced ones too.
    pub fn log(&self) -> &Chunks<VoteRow> {
        &self.log
    }

    /// Every recorded answer, in the order in which they were given.
    pub fn decisions(&self) -> &Chunks<Decided> {
        &self.decisions
    }

    /// A session by its id.
    pub fn session(&self, session_id: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.spec.session_id == session_id)
    }

    /// An interned name: of a session, an option, a user agent.
    pub fn name(&self, index: u32) -> &Arc<str> {
        &self.names[index as usize]
    }

    /// The row's vote id.
    pub fn vote_id(&self, row: u32) -> String {
        match &self.log[row as usize].given_vote_id {
            Some(id) => id.to_string(),
            None => ["vote_", &base36(u64::from(row))].concat(),
        }
    }

    fn intern(&mut self, name: &str) -> u32 {
        // Sessions, their options and a few user agents: a handful.
        let known = self.names.iter().position(|known| **known == *name);
        known.unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        }) as u32
    }

    /// The current rows of a user in a session, oldest first.
    fn current(&self, session: u32, user_id: &str) -> impl Iterator<Item = u32> {
        let log = &self.log;
        let same = move |&row: &u32| {
            let found: &VoteRow = &log[row as usize];
            found.session == session && &*found.user_id == user_id && !found.replaced
        };
        let mut rows: smallvec::SmallVec<[u32; 2]> = self.by_user.candidates((session, user_id)).filter(same).collect();
        rows.sort_unstable();
        rows.into_iter()
    }

    /// What was answered to this request, if it was.
    pub fn answer_to(&self, request_id: &str) -> Option<u32> {
        let decisions = &self.decisions;
        self.by_request.find(request_id, |number| &*decisions[number].request_id == request_id)
    }

    /// **Decides a vote**, in one transaction: an answered request gets its answer again; else the session must be
    /// open, the option one of its own, and the user must have a vote left (or may change the one there is). Returns
    /// the decision's number.
    pub fn cast(&mut self, now: Nanos, vote: &CastVote<'_>) -> u32 {
        if let Some(decided) = self.answer_to(&vote.request_id).filter(|_| !has(Bug::LedgerForgetsRequests)) {
            return decided;
        }
        // The row and the decision share the text.
        let request_id: Arc<str> = (&*vote.request_id).into();
        let answer = self.decide(now, vote, &request_id);
        let number = self.decisions.len();
        self.decisions.push(Decided { request_id, answer, at: now });
        self.by_request.insert(&*vote.request_id, number);
        number as u32
    }

    fn decide(&mut self, now: Nanos, vote: &CastVote<'_>, request_id: &Arc<str>) -> Answer {
        let Some(at) = self.sessions.iter().position(|session| session.spec.session_id == *vote.session_id) else {
            return Answer::SessionNotOpen;
        };
        let session = &self.sessions[at];
        if session.status != Status::Open && !has(Bug::LedgerTakesLateVotes) {
            return Answer::SessionNotOpen;
        }
        let Some(option) = session.spec.options.iter().position(|option| option.id == *vote.option_id) else {
            return Answer::InvalidOption;
        };
        let config = session.spec.config;
        let name = self.intern(&vote.session_id);
        let mut current = self.current(name, &vote.user_id);
        let (oldest, votes) = (current.next(), current.count());
        if let Some(oldest) = oldest
            && votes + 1 >= config.max_votes_per_user as usize + usize::from(has(Bug::LedgerTakesSecondVotes))
        {
            if !config.allow_change_vote {
                return Answer::AlreadyVoted(oldest);
            }
            // The change replaces the user's oldest vote, and the log keeps both.
            let old = &mut self.log[oldest as usize];
            old.replaced = true;
            let (shard, old_option) = (old.shard, old.option);
            let id = self.names[old_option as usize].clone();
            let session = &mut self.sessions[at];
            let place = session.spec.options.iter().position(|o| *o.id == *id).expect("it was counted");
            session.count(shard, place, -1);
        }
        self.sessions[at].count(vote.shard, if has(Bug::LedgerCountsTheFirstOption) { 0 } else { option }, 1);
        Answer::Accepted(self.append(now, vote, request_id.clone(), None))
    }

    fn append(
        &mut self,
        now: Nanos,
        vote: &CastVote<'_>,
        request_id: Arc<str>,
        given_vote_id: Option<Box<str>>,
    ) -> u32 {
        let row = VoteRow {
            given_vote_id,
            session: self.intern(&vote.session_id),
            user_id: (&*vote.user_id).into(),
            option: self.intern(&vote.option_id),
            request_id,
            client_ts: ClientTime::read(&vote.client_ts),
            server_ts: now,
            client_ip: vote.client_ip,
            user_agent: self.intern(&vote.user_agent),
            token_id: vote.token_id,
            shard: vote.shard,
            replaced: false,
        };
        let number = self.log.len();
        self.by_user.insert((row.session, &*row.user_id), number);
        self.log.push(row);
        number as u32
    }

    /// `INSERT INTO vote_audit`: one row, if the user has none in this session.
    pub fn insert(&mut self, now: Nanos, vote: &CastVote<'_>, vote_id: &str) -> Result<u32, Refused> {
        let session = self.intern(&vote.session_id);
        if self.current(session, &vote.user_id).next().is_some() {
            return Err(Refused::Unique);
        }
        let row = self.append(now, vote, (&*vote.request_id).into(), Some(vote_id.into()));
        self.inserted.push(row);
        Ok(row)
    }

    /// Creates a session. Again with the same session: nothing changes.
    pub fn create(&mut self, now: Nanos, spec: SessionSpec) -> Result<&Session, Refused> {
        let at = match self.sessions.iter().position(|session| session.spec.session_id == spec.session_id) {
            Some(at) if self.sessions[at].spec == spec => at,
            Some(_) => return Err(Refused::OtherSession),
            None => {
                let broadcast = vec![0; spec.options.len()];
                let times = [Some(now), None, None, None];
                let (status, shards) = (Status::Created, Vec::new());
                self.sessions.push(Session { spec, status, times, shards, broadcasts: 0, broadcast });
                self.sessions.len() - 1
            }
        };
        Ok(&self.sessions[at])
    }

    /// Moves a session on: created, open, closed, revealed, one step at a time. A step already taken changes nothing.
    pub fn step(&mut self, now: Nanos, session_id: &str, host_id: &str, to: Status) -> Result<&Session, Refused> {
        let found = self.sessions.iter_mut().find(|session| session.spec.session_id == session_id);
        let session = found.ok_or(Refused::NoSuchSession)?;
        if session.spec.host_id != host_id {
            return Err(Refused::NotItsHost);
        }
        if session.status < to {
            if session.status as u8 + 1 != to as u8 {
                return Err(Refused::NoWay(session.status));
            }
            session.status = to;
            session.times[to as usize] = Some(now);
        }
        Ok(session)
    }

    /// A session at this moment, unnumbered.
    pub fn snapshot(now: Nanos, session: &Session) -> Snapshot {
        let time = |status: Status| session.times[status as usize].map(iso8601);
        let nonzero = |(_, counts): &(usize, &Vec<u64>)| counts.iter().any(|n| *n > 0);
        let shards = session.shards.iter().enumerate().filter(nonzero);
        Snapshot {
            session_id: session.spec.session_id.clone(),
            option_ids: session.spec.options.iter().map(|option| option.id.clone()).collect(),
            show_live_tally: session.spec.config.show_live_tally,
            status: session.status,
            created_at: time(Status::Created),
            opened_at: time(Status::Open),
            closed_at: time(Status::Closed),
            revealed_at: time(Status::Revealed),
            counts: session.counts(),
            shards: shards.map(|(shard, counts)| (shard as u32, counts.clone())).collect(),
            number: 0,
            previous: session.broadcast.clone(),
            ts: iso8601(now),
        }
    }

    /// The next numbered snapshot of every session that is open, or was closed or revealed less than `settle` ago:
    /// long enough for the last one to reach everybody.
    pub fn next_snapshots(&mut self, now: Nanos, settle: Nanos) -> Vec<Snapshot> {
        let mut snapshots = Vec::new();
        for session in &mut self.sessions {
            let settled = |status: Status| session.times[status as usize].is_none_or(|at| at + settle <= now);
            let silent = match session.status {
                Status::Created | Status::Revealed => settled(session.status),
                Status::Open | Status::Closed => false,
            };
            if silent {
                continue;
            }
            session.broadcasts += 1;
            let mut snapshot = Self::snapshot(now, session);
            snapshot.number = session.broadcasts;
            session.broadcast = snapshot.counts.clone();
            snapshots.push(snapshot);
        }
        snapshots
    }
}

/// A number in base 36, as the document's vote ids have it.
pub fn base36(mut n: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(n % 36) as usize]);
        n /= 36;
        if n == 0 {
            break;
        }
    }
    digits.reverse();
    String::from_utf8(digits).expect("digits are ASCII")
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
