//! The customer's own auth server: decides who a user is, asks the access manager for a token, hands it over
//! (voting.md 8.2 and 8.3), and limits how often (voting.md 10.4).
//!
//! What a role may do in a session is the pattern's to say, through [`GrantRules`]. Who is waiting and how often each user
//! has come is volatile, as in a plain web server: a crash forgets it (calls time out). Which tokens a goodbye must revoke
//! is durable, where it is kept at all ([`LogoutRule`]).

mod sessions;

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::access::{Grant, Role, Token};
use crate::chunks::Chunks;
use crate::chunks::index::Index;
use crate::contract::{Input, Nanos, Node, NodeId, Outbox, SECOND};
use crate::dice::{Fate, Mischief};
use crate::error::ApiError;
use crate::message::{Client, Msg, UserId};

pub use sessions::LogoutRule;
use sessions::Sessions;

/// Who may have which token.
pub trait GrantRules {
    /// What this user gets in this role and session; `None`: unknown, or not in this role.
    fn grant(&self, user: &UserId, role: Role, session: &Arc<str>) -> Option<Grant>;
}

/// How the auth server works.
#[derive(Clone, Copy, Debug)]
pub struct AuthOptions {
    /// The tokens' life [minutes]; `None`: as the rules say.
    pub ttl_minutes: Option<u32>,
    /// Most tokens for one user in any hour (voting.md 10.4: 10).
    pub tokens_per_hour_max: usize,
    /// How long to wait for the access manager.
    pub grant_timeout: Nanos,
    /// What a goodbye revokes.
    pub logout: LogoutRule,
    /// For the dice of misbehaviour.
    pub seed: u64,
}

impl AuthOptions {
    /// One-hour tokens (voting.md 8.4), 10 an hour, 5 s of patience.
    pub fn of(seed: u64) -> Self {
        Self {
            ttl_minutes: Some(60),
            tokens_per_hour_max: 10,
            grant_timeout: 5 * SECOND,
            logout: LogoutRule::Shown,
            seed,
        }
    }
}

/// What the auth server has been asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuthCounts {
    pub logins: u64,
    /// Answered with a token.
    pub granted: u64,
    /// Answered 403.
    pub unknown: u64,
    /// Answered 429 for the hourly limit.
    pub limited: u64,
    /// Answered 500 or 503.
    pub failed: u64,
    /// Goodbyes after which everything was revoked.
    pub logged_out: u64,
}

/// Who called, and what misbehaviour makes of the call.
#[derive(Debug)]
struct Caller {
    from: NodeId,
    client: Client,
    tag: u64,
    user: UserId,
    fate: Fate,
}

impl Caller {
    /// The status with which misbehaviour refuses the call before it has any effect.
    fn refusal(&self) -> Option<u16> {
        match self.fate {
            Fate::Error => Some(503),
            Fate::Throttled => Some(429),
            _ => None,
        }
    }

    /// What misbehaviour leaves of a result.
    fn left_of<T>(&self, result: Result<T, u16>) -> Result<T, u16> {
        if self.fate == Fate::ErrorAfterEffect { result.and(Err(503)) } else { result }
    }
}

/// What the access manager has been asked for.
#[derive(Debug)]
enum Asked {
    /// A token; how often the user had said goodbye.
    Token { goodbyes: u32 },
    /// To revoke tokens; those of which it has not said that they are.
    Revokes { left: Vec<u64> },
}

/// The auth server's node.
pub struct AuthServer {
    access_manager: NodeId,
    options: AuthOptions,
    rules: Box<dyn GrantRules + Send>,
    mischief: Mischief,
    counts: AuthCounts,
    /// Numbers its questions to the access manager; never used twice, so that an answer to a former life finds nobody.
    next_tag: u64,
    sessions: Sessions,
    // Volatile.
    waiting: FxHashMap<u64, (Caller, Asked)>,
    /// When each question is given up; all wait equally long, so they are in order.
    deadlines: VecDeque<(Nanos, u64)>,
    users: Users,
}

/// When each user got tokens in the last hour [s]; most have one.
#[derive(Default)]
struct Users {
    rows: Chunks<(UserId, SmallVec<[u32; 4]>)>,
    index: Index,
}

impl Users {
    fn tokens_s(&mut self, user: &UserId) -> &mut SmallVec<[u32; 4]> {
        let known = self.index.find(&**user, |row| self.rows[row].0 == *user);
        let row = known.map_or(self.rows.len(), |row| row as usize);
        if known.is_none() {
            self.index.insert(&**user, row);
            self.rows.push((user.clone(), SmallVec::new()));
        }
        &mut self.rows[row].1
    }
}

impl fmt::Debug for AuthServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.len();
        f.debug_struct("AuthServer").field("counts", &self.counts).field("waiting", &waiting).finish_non_exhaustive()
    }
}

const HOUR_S: u32 = 3_600;

impl AuthServer {
    /// An auth server that asks `access_manager` for what `rules` allow.
    pub fn new(access_manager: NodeId, rules: Box<dyn GrantRules + Send>, options: AuthOptions) -> Self {
        Self {
            access_manager,
            options,
            rules,
            mischief: Mischief::new(options.seed),
            counts: AuthCounts::default(),
            next_tag: 0,
            sessions: Sessions::new(options.logout),
            waiting: FxHashMap::default(),
            deadlines: VecDeque::new(),
            users: Users::default(),
        }
    }

    /// What has been asked since the run began.
    pub fn counts(&self) -> AuthCounts {
        self.counts
    }

    fn login(&mut self, now: Nanos, caller: Caller, role: Role, session: &Arc<str>, out: &mut Outbox) {
        self.counts.logins += 1;
        if let Some(status) = caller.refusal() {
            return self.answer(caller, Err(status), out);
        }
        let Some(mut grant) = self.rules.grant(&caller.user, role, session) else {
            return self.answer(caller, Err(403), out);
        };
        let now_s = (now / SECOND) as u32;
        let tokens = self.users.tokens_s(&caller.user);
        tokens.retain(|at_s| *at_s + HOUR_S > now_s);
        if tokens.len() >= self.options.tokens_per_hour_max {
            return self.answer(caller, Err(429), out);
        }
        tokens.push(now_s);
        grant.ttl_minutes = self.options.ttl_minutes.unwrap_or(grant.ttl_minutes);
        let goodbyes = self.sessions.goodbyes(&caller.user);
        let tag = self.ask(now, caller, Asked::Token { goodbyes });
        out.send(self.access_manager, Msg::Grant { tag, grant: Box::new(grant) });
    }

    /// The tag of a question to the access manager, which is given up in time.
    fn ask(&mut self, now: Nanos, caller: Caller, asked: Asked) -> u64 {
        let tag = self.next_tag;
        self.next_tag += 1;
        self.deadlines.push_back((now + self.options.grant_timeout, tag));
        self.waiting.insert(tag, (caller, asked));
        tag
    }

    fn forget_deadlines(&mut self) {
        while self.deadlines.front().is_some_and(|(_, tag)| !self.waiting.contains_key(tag)) {
            self.deadlines.pop_front();
        }
    }

    fn granted(&mut self, now: Nanos, tag: u64, result: Result<Arc<Token>, ApiError>, out: &mut Outbox) {
        // Nobody waits for an answer that comes after its time, or to a former life.
        let Some((caller, Asked::Token { goodbyes })) = self.waiting.remove(&tag) else { return };
        self.forget_deadlines();
        // A grant that the access manager refuses is this server's own mistake.
        let mut result = result.map_err(|error| if matches!(error.status, 429 | 500..) { 503 } else { 500 });
        match &result {
            // It was asked for before the goodbye: nobody gets it, and so nobody has it.
            Ok(_) if self.sessions.goodbyes(&caller.user) != goodbyes => result = Err(403),
            Ok(token) => self.sessions.hold(now, token),
            Err(_) => self.forget_token(&caller.user),
        }
        self.answer(caller, result, out);
    }

    /// A user says goodbye. Who gets no answer says it again.
    fn logout(&mut self, now: Nanos, caller: Caller, token: &Token, out: &mut Outbox) {
        if let Some(status) = caller.refusal() {
            return self.said_goodbye(caller, Err(status), out);
        }
        let left = self.sessions.leave(token);
        let tag = self.ask(now, caller, Asked::Revokes { left: left.clone() });
        for signature in left {
            out.send(self.access_manager, Msg::Revoke { tag, signature });
        }
    }

    /// The access manager has one of them.
    fn revoke_taken(&mut self, tag: u64, signature: u64, out: &mut Outbox) {
        let Some((caller, Asked::Revokes { left })) = self.waiting.get_mut(&tag) else { return };
        left.retain(|left| *left != signature);
        self.sessions.revoked(&caller.user, signature);
        if left.is_empty() {
            let (caller, _) = self.waiting.remove(&tag).expect("it is there");
            self.forget_deadlines();
            self.said_goodbye(caller, Ok(()), out);
        }
    }

    fn said_goodbye(&mut self, caller: Caller, result: Result<(), u16>, out: &mut Outbox) {
        let result = caller.left_of(result);
        *(if result.is_ok() { &mut self.counts.logged_out } else { &mut self.counts.failed }) += 1;
        let Caller { from, client, tag, fate, .. } = caller;
        if fate != Fate::SilentAfterEffect {
            out.send_after(self.mischief.delay(), from, Msg::LoggedOut { client, tag, result });
        }
    }

    /// A token that was not handed over does not count towards the hourly limit.
    fn forget_token(&mut self, user: &UserId) {
        self.users.tokens_s(user).pop();
    }

    fn answer(&mut self, caller: Caller, result: Result<Arc<Token>, u16>, out: &mut Outbox) {
        let result = caller.left_of(result);
        let count = match &result {
            Ok(_) => &mut self.counts.granted,
            Err(403) => &mut self.counts.unknown,
            Err(429) => &mut self.counts.limited,
            Err(_) => &mut self.counts.failed,
        };
        *count += 1;
        let Caller { from, client, tag, fate, .. } = caller;
        if fate != Fate::SilentAfterEffect {
            out.send_after(self.mischief.delay(), from, Msg::LoggedIn { client, tag, result });
        }
    }
}

impl Node for AuthServer {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Message { from, msg: Msg::Login { client, tag, user, role, session } } => {
                let fate = self.mischief.fate();
                self.login(now, Caller { from, client, tag, user, fate }, role, &session, out);
            }
            Input::Message { from, msg: Msg::Granted { tag, result } } if from == self.access_manager => {
                self.granted(now, tag, result, out);
            }
            Input::Message { from, msg: Msg::Logout { client, tag, token } } => {
                let (fate, user) = (self.mischief.fate(), token.grant.user.clone());
                self.logout(now, Caller { from, client, tag, user, fate }, &token, out);
            }
            Input::Message { from, msg: Msg::RevokeTaken { tag, signature } } if from == self.access_manager => {
                self.revoke_taken(tag, signature, out);
            }
            Input::Overload { from, msg: Msg::Logout { client, tag, .. } } => {
                self.counts.failed += 1;
                out.send(from, Msg::LoggedOut { client, tag, result: Err(503) });
            }
            Input::Message { msg: Msg::Misbehave(orders), .. } => self.mischief.set(orders),
            Input::Overload { from, msg: Msg::Login { client, tag, .. } } => {
                self.counts.logins += 1;
                self.counts.failed += 1;
                out.send(from, Msg::LoggedIn { client, tag, result: Err(503) });
            }
            Input::Wake => {
                while let Some(&(_, tag)) = self.deadlines.front().filter(|(at, _)| *at <= now) {
                    self.deadlines.pop_front();
                    match self.waiting.remove(&tag) {
                        Some((caller, Asked::Token { .. })) => {
                            self.forget_token(&caller.user);
                            self.answer(caller, Err(503), out);
                        }
                        Some((caller, Asked::Revokes { .. })) => self.said_goodbye(caller, Err(503), out),
                        None => {}
                    }
                }
            }
            Input::Message { .. } | Input::Overload { .. } | Input::Start => (),
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        self.deadlines.front().map(|(at, _)| *at)
    }

    fn reboot(&mut self, _now: Nanos) {
        self.waiting = FxHashMap::default();
        self.deadlines = VecDeque::new();
        self.users = Users::default();
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
