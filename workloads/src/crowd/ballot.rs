//! Votes: cast once with one requestId, asked for again with the same one until there is a final answer. And what
//! dishonest clients send.

use std::cmp::Reverse;
use std::hash::Hasher;

use headcount_engine::contract::{Nanos, Outbox};
use headcount_engine::error::ApiError;
use headcount_engine::message::{Call, Msg};
use headcount_engine::patterns::voting::message::{
    Ack, SCHEMA_VERSION, SUBMIT_BYTES_MAX, Submit, SubmitPayload, reason, request_id, to_json,
};
use headcount_engine::patterns::voting::shard;
use headcount_engine::timetoken::{iso8601, unix_ms};

use super::plan::{self, Mischief, VoteKind};
use super::record::{Fate, NONE, Reason, Vote};
use super::{Crowd, Later, tag};
use crate::client::Connection;

impl Crowd {
    /// A user wants to vote.
    pub(super) fn cast(&mut self, now: Nanos, client: u32, kind: VoteKind, option: u8, out: &mut Outbox) {
        let vote = self.record.votes.len() as u32;
        let user = &mut self.users[client as usize];
        // requestIds of one user differ by their timestamp: two clicks in one millisecond get two.
        let newest = (user.votes != NONE).then(|| self.record.votes[user.votes as usize].stamp);
        let stamp = newest.map_or(unix_ms(now), |newest| unix_ms(now).max(newest + 1));
        self.record.votes.push(Vote {
            client,
            kind,
            option,
            fate: Fate::Open,
            intended: now,
            first_sent: 0,
            answered: 0,
            answer_hash: 0,
            stamp,
            attempts: 0,
            forbidden: 0,
            waiting: false,
            next: user.votes,
        });
        user.votes = vote;
        self.submit(now, vote, out);
    }

    /// In whose name the vote is cast.
    fn voter_id(&self, vote: &Vote) -> String {
        let user = plan::user_at(self.config.region, vote.client, self.config.regions);
        match vote.kind {
            VoteKind::Impostor => plan::user_id((user + 1) % self.config.users_in_all),
            _ => plan::user_id(user),
        }
    }

    fn submit(&mut self, now: Nanos, number: u32, out: &mut Outbox) {
        let vote = &self.record.votes[number as usize];
        let client = vote.client;
        let user = &self.users[client as usize];
        if !user.online || user.connection != Connection::Connected || user.shard_count == 0 {
            self.record.votes[number as usize].waiting = true;
            return;
        }
        let (session_id, user_id) = (&*self.config.session_id, self.voter_id(vote));
        let own_id = self.user_id(client);
        let option = self.config.option_ids.get(vote.option as usize).map_or("opt_99", |id| id);
        let payload = to_json(&Submit {
            kind: "vote.submit".into(),
            schema_version: SCHEMA_VERSION.into(),
            request_id: request_id(&user_id, session_id, vote.stamp).into(),
            ts: iso8601(vote.intended).into(),
            session_id: session_id.into(),
            payload: SubmitPayload { option_id: option.into(), user_id: (&*user_id).into() },
            decision: None,
        });
        let shard_count = u32::from(user.shard_count);
        let channel = shard::submit_channel(session_id, &own_id, shard_count);
        self.record.on_shard(now, shard::shard_of(&own_id, shard_count));
        let vote = &mut self.record.votes[number as usize];
        vote.waiting = false;
        vote.attempts += 1;
        let attempt = vote.attempts;
        if attempt == 1 {
            vote.first_sent = now.max(1);
        }
        let second = self.record.second(now);
        second.submitted += u32::from(attempt == 1);
        second.resent += u32::from(attempt > 1);
        self.acks.push_back((now + self.config.ack_timeout, number, attempt));
        out.note(|| {
            format!(
                "CLIENT requestId=req_{user_id}_{session_id}_{} action=submit optionId={option} attempt={attempt}",
                self.record.votes[number as usize].stamp
            )
        });
        let tag = tag::VOTE | u64::from(attempt) << 32 | u64::from(number);
        self.call(client, tag, Call::Publish { channel: channel.into(), payload: payload.into(), store: false }, out);
    }

    /// The user is connected: what it wanted meanwhile is sent now.
    pub(super) fn send_waiting(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        let mut vote = self.users[client as usize].votes;
        while vote != NONE {
            let next = self.record.votes[vote as usize].next;
            if self.record.votes[vote as usize].waiting {
                self.submit(now, vote, out);
            }
            vote = next;
        }
    }

    /// Whether this attempt still waits for its ack.
    pub(super) fn awaits_ack(&self, vote: u32, attempt: u16) -> bool {
        let vote = &self.record.votes[vote as usize];
        vote.fate == Fate::Open && vote.attempts == attempt && !vote.waiting
    }

    /// The vote's publish was answered; its ack comes on a channel.
    pub(super) fn vote_published(&mut self, now: Nanos, number: u32, attempt: u16, msg: Msg, out: &mut Outbox) {
        let Msg::Answer { result: Err(error), .. } = msg else { return };
        if !self.awaits_ack(number, attempt) {
            return;
        }
        self.record.second(now).errors += 1;
        let ApiError { status, body } = error;
        let vote = &mut self.record.votes[number as usize];
        let client = vote.client;
        // A viewer's token will never allow a vote, nor will anybody's in another's name.
        let honest = vote.kind != VoteKind::Impostor && !self.plan.viewer[client as usize];
        match status {
            403 if honest && vote.forbidden < 3 => {
                // Expired, or no right to this shard any more: a new token, then again.
                vote.forbidden += 1;
                vote.waiting = true;
                self.expire(client);
                self.disconnect(client);
                self.connect(now, client, out);
            }
            // The documented handler reports every error of its own as 400 internal_error, to be retried (voting.md 7.4).
            400 if body.contains("internal_error") => self.resend_later(now, number),
            400..=428 => self.settle(now, number, Fate::Refused(status), 0),
            _ => self.resend_later(now, number),
        }
    }

    /// Asks again after the backoff, with jitter; or stops, if that was the last time.
    pub(super) fn resend_later(&mut self, now: Nanos, number: u32) {
        let retry = self.config.retry;
        let vote = &self.record.votes[number as usize];
        if u32::from(vote.attempts) >= retry.attempts || now >= vote.first_sent + retry.give_up_after {
            return self.settle(now, number, Fate::GaveUp, 0);
        }
        let (client, attempt) = (vote.client, vote.attempts);
        // Half of it fixed, half of it anywhere.
        let wait = retry.wait(attempt).max(2) / 2;
        let wait = wait + self.throw(client) % wait;
        self.record.votes[number as usize].waiting = true;
        self.later.push(Reverse((now + wait, Later::Resend { vote: number, attempt })));
    }

    pub(super) fn resend(&mut self, now: Nanos, number: u32, attempt: u16, out: &mut Outbox) {
        let vote = &self.record.votes[number as usize];
        if vote.fate == Fate::Open && vote.attempts == attempt && vote.waiting {
            self.submit(now, number, out);
        }
    }

    fn settle(&mut self, now: Nanos, number: u32, fate: Fate, answer_hash: u64) {
        let down = self.last_mile(self.record.votes[number as usize].client);
        let vote = &mut self.record.votes[number as usize];
        vote.fate = fate;
        vote.answered = now + down;
        vote.answer_hash = answer_hash;
        let (at, micros) = (vote.answered, (vote.answered - vote.intended) / 1_000);
        let second = self.record.second(at);
        match fate {
            Fate::Accepted(_) => second.accepted += 1,
            Fate::Rejected(Reason::SessionNotOpen) => second.rejected_not_open += 1,
            Fate::Rejected(Reason::InvalidOption) => second.rejected_option += 1,
            Fate::Rejected(_) => second.rejected_already += 1,
            Fate::Refused(_) | Fate::GaveUp | Fate::Open => second.refused += 1,
        }
        if matches!(fate, Fate::Accepted(_) | Fate::Rejected(_)) {
            self.record.ack_latency.record(at, micros);
        }
    }

    /// A `vote.ack` came for this user.
    pub(super) fn acknowledged(&mut self, now: Nanos, client: u32, ack: &Ack<'_>, out: &mut Outbox) {
        let payload = &ack.payload;
        // The documented cached answer names no request: nobody can tell what it answers.
        let Some(request) = payload.request_id.as_deref() else { return };
        let stamp = request.rsplit_once('_').and_then(|(_, stamp)| stamp.parse::<u64>().ok());
        let mut number = self.users[client as usize].votes;
        while number != NONE && Some(self.record.votes[number as usize].stamp) != stamp {
            number = self.record.votes[number as usize].next;
        }
        if number == NONE {
            self.record.foreign_acks.note(|| format!("client {client} got an answer to {request}"));
            return;
        }
        out.note(|| format!("CLIENT requestId={request} action=ack_received status={}", payload.status));
        let hash = hash_of(&to_json(payload));
        let vote = &self.record.votes[number as usize];
        match vote.fate {
            Fate::Open | Fate::GaveUp => {
                let fate = match (&*payload.status, &payload.vote_id, payload.reason.as_deref()) {
                    ("accepted", Some(vote_id), _) => Fate::Accepted(hash_of(vote_id)),
                    (_, _, Some(reason::SESSION_NOT_OPEN)) => Fate::Rejected(Reason::SessionNotOpen),
                    (_, _, Some(reason::INVALID_OPTION)) => Fate::Rejected(Reason::InvalidOption),
                    (_, _, Some(reason::ALREADY_VOTED)) => Fate::Rejected(Reason::AlreadyVoted),
                    _ => Fate::Rejected(Reason::Other),
                };
                self.settle(now, number, fate, hash);
            }
            _ if vote.answer_hash == hash => self.record.repeated_answers += 1,
            fate => {
                let status = &payload.status;
                self.record.changed_answers.note(|| format!("{request} was answered {fate:?}, then {status}"));
            }
        }
    }

    /// Sends what should be refused.
    pub(super) fn do_mischief(&mut self, now: Nanos, client: u32, mischief: Mischief, way: u8, out: &mut Outbox) {
        let user = &self.users[client as usize];
        if !user.online || user.connection != Connection::Connected || user.shard_count == 0 {
            return;
        }
        let session_id = &*self.config.session_id;
        let id = self.user_id(client);
        let shard_count = u32::from(user.shard_count);
        let own = shard::submit_channel(session_id, &id, shard_count);
        let ts = iso8601(now);
        let frame = |kind: &str, payload: &str| {
            format!(
                r#"{{"type":"{kind}","schemaVersion":"1.0.0","eventId":"evt_forged","requestId":"req_{id}_{session_id}_0","ts":"{ts}","sessionId":"{session_id}","payload":{payload}}}"#
            )
        };
        let (channel, payload) = match (mischief, way) {
            (Mischief::Malformed, 0) => (own, frame("vote.submit", "{}")),
            (Mischief::Malformed, _) => (own, "{\"type\":\"vote.submit\",".into()),
            (Mischief::Oversized, way) => {
                // More than the schema allows, or more than the platform carries (32 KiB).
                let bytes = if way == 0 { SUBMIT_BYTES_MAX } else { 40_000 };
                let padding = "x".repeat(bytes);
                (own, frame("vote.submit", &format!(r#"{{"optionId":"opt_1","userId":"{id}","note":"{padding}"}}"#)))
            }
            (Mischief::ForgedTally, _) => {
                let channel = shard::results_channel(session_id);
                (channel, frame("vote.tally", r#"{"tally":{"opt_1":1000000},"total":1000000}"#))
            }
            (Mischief::WrongChannel, 0) => {
                let payload = r#"{"closedAt":"2026-01-31T10:00:00.000Z","totalVotes":0}"#;
                (shard::control_channel(session_id), frame("vote.closed", payload))
            }
            (Mischief::WrongChannel, _) => {
                let channel = format!("vote-submit.{session_id}-shard-99");
                (channel, frame("vote.submit", &format!(r#"{{"optionId":"opt_1","userId":"{id}"}}"#)))
            }
        };
        *self.record.mischief.entry((mischief, 0)).or_default() += 1;
        let tag = tag::MISCHIEF | mischief as u64;
        self.call(client, tag, Call::Publish { channel: channel.into(), payload: payload.into(), store: false }, out);
    }

    pub(super) fn mischief_answered(&mut self, kind: u8, msg: Msg) {
        let Msg::Answer { result, .. } = msg else { return };
        const KINDS: [Mischief; 4] =
            [Mischief::Malformed, Mischief::Oversized, Mischief::ForgedTally, Mischief::WrongChannel];
        let Some(&mischief) = KINDS.get(kind as usize) else { return };
        let status = result.map_or_else(|error| error.status, |_| 200);
        *self.record.mischief.entry((mischief, status)).or_default() += 1;
    }
}

/// A stable hash of a text.
pub fn hash_of(text: &str) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}
