//! The auditor (voting.md 8.1: "Read audit logs, verify votes"): one person at a desk, who asks the audit database for rows
//! while people vote and after it, by session, user, request and time, and reads long answers page by page. And those
//! who ask and may not: somebody without a token, a participant, and one who wrote `auditor` into its own token.

pub mod told;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use headcount_engine::access::{Role, Token};
use headcount_engine::contract::{Input, Nanos, Node, NodeId, Outbox};
use headcount_engine::message::{HttpRequest, Msg};
use headcount_engine::patterns::voting::audit::QUERY_ROWS_MAX;
use headcount_engine::patterns::voting::audit::api::{self, Query};
use headcount_engine::patterns::voting::message::to_json;
use headcount_sim::CounterHash;

use self::told::Answered;
use crate::client::{CALL_PATIENCE, backoff};
use crate::crowd::plan;
use crate::crowd::record::Evidence;

/// The auditor of every built-in session, and the participant who is too curious.
pub const AUDITOR_ID: &str = "auditor_1";
const CURIOUS_ID: &str = "curious_1";

/// Whom an auditor talks to, and when.
#[derive(Clone, Debug)]
pub struct AuditorConfig {
    pub auth: NodeId,
    pub audit: NodeId,
    pub session_id: String,
    /// People in all: questions by user are about one of them.
    pub users: u32,
    /// The first question is not before, the last one not at or after [ns].
    pub from: Nanos,
    pub until: Nanos,
    pub habits: crate::scenario::Auditor,
    /// For whom and what it asks, and for backoff.
    pub dice: CounterHash,
}

/// Who asks without the right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intruder {
    /// Has no token.
    Stranger,
    /// Has a participant's.
    Participant,
    /// A participant whose token says `auditor`, by its own hand.
    Forger,
}

/// A question, by what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Session,
    User,
    Request,
    Range,
    By(Intruder),
}

/// One after the other, from a place that the dice choose.
const ROUND: [Kind; 8] = [
    Kind::Session,
    Kind::User,
    Kind::By(Intruder::Stranger),
    Kind::Range,
    Kind::Request,
    Kind::By(Intruder::Participant),
    Kind::User,
    Kind::By(Intruder::Forger),
];

/// Everything that auditor and intruders saw.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub answers: Vec<Answered>,
    /// What intruders were answered, by status.
    pub intruders: BTreeMap<(Intruder, u16), u64>,
    /// Answers that are no rows.
    pub unreadable: Evidence,
    /// Questions to come, and those that were asked more than once.
    pub unanswered: u64,
    pub retries: u64,
    /// Tokens that were refused, and logins.
    pub refused: u64,
    pub logins: u64,
}

/// The question under way.
#[derive(Debug)]
struct Question {
    kind: Kind,
    /// As it was first put, and for the page that is due.
    query: Query,
    page: Query,
    asked: Nanos,
    answer: Option<Answered>,
}

/// The auditor's node.
pub struct Auditor {
    config: AuditorConfig,
    /// When the next question is due, and how many there were before it.
    due: Nanos,
    number: u64,
    question: Option<Question>,
    /// The auditor's token, and the curious participant's.
    tokens: [Option<Arc<Token>>; 2],
    /// The call under way, and when it is given up.
    waits: Option<(u64, Nanos)>,
    retry_at: Nanos,
    failures: u8,
    tags: u64,
    throws: u64,
    /// A requestId out of an earlier answer.
    known_request: Option<String>,
    record: Record,
}

impl Auditor {
    /// An auditor who has not started yet.
    pub fn new(config: AuditorConfig) -> Self {
        let questions = config.until.saturating_sub(config.from).div_ceil(config.habits.every);
        Self {
            due: config.from,
            number: 0,
            question: None,
            tokens: [None, None],
            waits: None,
            retry_at: 0,
            failures: 0,
            tags: 0,
            throws: 0,
            known_request: None,
            record: Record { unanswered: questions, ..Record::default() },
            config,
        }
    }

    /// What it saw.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What has not come true yet.
    pub fn pending(&self) -> Option<String> {
        let unanswered = self.record.unanswered;
        (unanswered > 0).then(|| format!("{unanswered} questions of the auditor's without an answer"))
    }

    /// 64 random bits.
    fn throw(&mut self) -> u64 {
        self.throws += 1;
        self.config.dice.hash(0, self.throws)
    }

    /// The next question, in words.
    fn put(&mut self, now: Nanos) -> Question {
        let first = self.config.dice.hash(1, 0);
        let kind = ROUND[(first.wrapping_add(self.number) % ROUND.len() as u64) as usize];
        // The last one is for everything there is.
        let kind = if self.record.unanswered == 1 { Kind::Session } else { kind };
        let bits = self.throw();
        let whole = Query::Session(self.config.session_id.clone());
        let somebody = Query::User(plan::user_id((bits % u64::from(self.config.users)) as u32));
        let query = match (kind, &self.known_request) {
            (Kind::Session | Kind::By(_), _) => whole,
            (Kind::Request, Some(request)) => Query::Request(request.clone()),
            (Kind::User | Kind::Request, _) => somebody,
            (Kind::Range, _) => {
                let from = self.config.from + bits % (now - self.config.from).max(1);
                Query::Range { from, to: from + self.config.habits.span }
            }
        };
        Question { kind, page: query.clone(), query, asked: now, answer: None }
    }

    /// Whose token a question needs: its place among the tokens, and its owner.
    fn asker(kind: Kind) -> Option<(usize, &'static str, Role)> {
        match kind {
            Kind::By(Intruder::Stranger) => None,
            Kind::By(_) => Some((1, CURIOUS_ID, Role::Participant)),
            _ => Some((0, AUDITOR_ID, Role::Auditor)),
        }
    }

    /// Asks, if it is time and nothing is under way.
    fn go_on(&mut self, now: Nanos, out: &mut Outbox) {
        if self.waits.is_some_and(|(_, until)| now >= until) {
            self.fail(now);
        }
        if self.waits.is_some() || now < self.due.max(self.retry_at) || self.due >= self.config.until {
            return;
        }
        if self.question.is_none() {
            self.question = Some(self.put(now));
        }
        self.tags += 1;
        let tag = self.tags;
        self.waits = Some((tag, now + CALL_PATIENCE));
        let Some(question) = &mut self.question else { return };
        let asker = Self::asker(question.kind);
        let mut token = asker.and_then(|(place, _, _)| self.tokens[place].clone());
        if let (Some((_, user, role)), None) = (asker, &token) {
            self.record.logins += 1;
            let session = self.config.session_id.as_str().into();
            out.send(self.config.auth, Msg::Login { client: 0, tag, user: user.into(), role, session });
            return;
        }
        if question.kind == Kind::By(Intruder::Forger)
            && let Some(genuine) = &mut token
        {
            Arc::make_mut(genuine).grant.role = Role::Auditor;
        }
        if question.answer.is_none() {
            question.asked = now;
        }
        out.note(|| format!("AUDITOR asks {:?} as {:?}", question.page, question.kind));
        let body = to_json(&question.page).into();
        let request = HttpRequest { method: "POST", path: api::QUERY.into(), body, headers: Vec::new(), token };
        out.send(self.config.audit, Msg::Http { tag, request: Box::new(request) });
    }

    /// No answer, or one that helps nobody: again after a while.
    fn fail(&mut self, now: Nanos) {
        self.waits = None;
        self.record.retries += 1;
        self.retry_at = now + backoff(self.failures, self.throw());
        self.failures = self.failures.saturating_add(1);
    }

    fn logged_in(&mut self, now: Nanos, result: Result<Arc<Token>, u16>) {
        let asker = self.question.as_ref().and_then(|question| Self::asker(question.kind));
        match (result, asker) {
            (Ok(token), Some((place, _, _))) => {
                self.waits = None;
                self.tokens[place] = Some(token);
            }
            _ => self.fail(now),
        }
    }

    fn answered(&mut self, now: Nanos, status: u16, body: &str) {
        let Some(kind) = self.question.as_ref().map(|question| question.kind) else { return };
        let past_its_time = status == 403 && body.contains("expired");
        match (status, kind) {
            (200 | 403, Kind::By(intruder)) if !past_its_time => {
                *self.record.intruders.entry((intruder, status)).or_default() += 1;
                self.finish(None);
            }
            (200, _) => self.read(now, body),
            (403, _) => {
                // Past its time: a new one (voting.md 9.1).
                self.record.refused += 1;
                if let Some((place, _, _)) = Self::asker(kind) {
                    self.tokens[place] = None;
                }
                self.fail(now);
            }
            _ => self.fail(now),
        }
    }

    /// A page came.
    fn read(&mut self, now: Nanos, body: &str) {
        let bits = self.throw();
        let Some(page) = told::read(body, bits) else {
            self.record.unreadable.note(|| body.chars().take(200).collect());
            return self.finish(None);
        };
        self.known_request = page.picked.or(self.known_request.take());
        let Some(question) = &mut self.question else { return };
        let (query, asked) = (question.query.clone(), question.asked);
        let empty = Answered { query, asked, answered: now, rows: Vec::new(), complete: false, pages: 0 };
        let mut answer = question.answer.take().unwrap_or(empty);
        // A page begins with the millisecond of the last row before it: what was there already is not read twice.
        let last = answer.rows.last().map(|row| row.number);
        let rows = page.rows.len();
        let before = answer.rows.len();
        answer.rows.extend(page.rows.into_iter().skip_while(|row| last.is_some_and(|last| row.number <= last)));
        answer.pages += 1;
        answer.answered = now;
        answer.complete = rows < QUERY_ROWS_MAX;
        let on = !answer.complete && answer.rows.len() > before && answer.pages < self.config.habits.pages_max;
        if !on {
            return self.finish(Some(answer));
        }
        let to = if let Query::Range { to, .. } = question.query { to } else { Nanos::MAX };
        question.page = Query::Range { from: page.last_written, to };
        question.answer = Some(answer);
        self.waits = None;
        self.failures = 0;
    }

    /// The question is done with.
    fn finish(&mut self, answer: Option<Answered>) {
        self.record.answers.extend(answer);
        self.record.unanswered -= 1;
        self.waits = None;
        self.question = None;
        self.failures = 0;
        self.number += 1;
        self.due += self.config.habits.every;
    }
}

impl Node for Auditor {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        if let Input::Message { msg, .. } = input {
            match msg {
                Msg::LoggedIn { tag, result, .. } if self.waits.is_some_and(|(waits, _)| waits == tag) => {
                    self.logged_in(now, result);
                }
                Msg::HttpAnswer { tag, status, body } if self.waits.is_some_and(|(waits, _)| waits == tag) => {
                    self.answered(now, status, &body);
                }
                _ => {}
            }
        }
        self.go_on(now, out);
    }

    fn next_wake(&self) -> Option<Nanos> {
        match self.waits {
            Some((_, until)) => Some(until),
            None => (self.due < self.config.until).then(|| self.due.max(self.retry_at)),
        }
    }

    /// The desk's machine starts again: tokens and the page that was being read are gone, the notes are on paper.
    fn reboot(&mut self, _now: Nanos) {
        (self.tokens, self.waits, self.question) = ([None, None], None, None);
        (self.retry_at, self.failures) = (0, 0);
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
