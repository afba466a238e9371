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

/// A user whose token has been asked for.
#[derive(Debug)]
struct Waiting {
    from: NodeId,
    client: Client,
    tag: u64,
    user: UserId,
    /// Whether misbehaviour lets the answer fall under the table.
    fate: Fate,
    /// How often the user had said goodbye.
    goodbyes: u32,
}

/// A user who says goodbye: what has not been taken to be revoked.
#[derive(Debug)]
struct Leaving {
    from: NodeId,
    client: Client,
    tag: u64,
    user: UserId,
    fate: Fate,
    left: Vec<u64>,
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
    waiting: FxHashMap<u64, Waiting>,
    leaving: FxHashMap<u64, Leaving>,
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
            leaving: FxHashMap::default(),
            deadlines: VecDeque::new(),
            users: Users::default(),
        }
    }

    /// What has been asked since the run began.
    pub fn counts(&self) -> AuthCounts {
        self.counts
    }

    fn login(&mut self, now: Nanos, asked: Waiting, role: Role, session: &Arc<str>, out: &mut Outbox) {
        self.counts.logins += 1;
        match asked.fate {
            Fate::Error => return self.answer(asked, Err(503), out),
            Fate::Throttled => return self.answer(asked, Err(429), out),
            _ => (),
        }
        let Some(mut grant) = self.rules.grant(&asked.user, role, session) else {
            return self.answer(asked, Err(403), out);
        };
        let now_s = (now / SECOND) as u32;
        let tokens = self.users.tokens_s(&asked.user);
        tokens.retain(|at_s| *at_s + HOUR_S > now_s);
        if tokens.len() >= self.options.tokens_per_hour_max {
            return self.answer(asked, Err(429), out);
        }
        tokens.push(now_s);
        grant.ttl_minutes = self.options.ttl_minutes.unwrap_or(grant.ttl_minutes);
        let tag = self.ask(now);
        self.waiting.insert(tag, asked);
        out.send(self.access_manager, Msg::Grant { tag, grant: Box::new(grant) });
    }

    /// The tag of a question to the access manager, which is given up in time.
    fn ask(&mut self, now: Nanos) -> u64 {
        let tag = self.next_tag;
        self.next_tag += 1;
        self.deadlines.push_back((now + self.options.grant_timeout, tag));
        tag
    }

    fn forget_deadlines(&mut self) {
        let is_answered = |tag: &u64| !self.waiting.contains_key(tag) && !self.leaving.contains_key(tag);
        while self.deadlines.front().is_some_and(|(_, tag)| is_answered(tag)) {
            self.deadlines.pop_front();
        }
    }

    fn granted(&mut self, now: Nanos, tag: u64, result: Result<Arc<Token>, ApiError>, out: &mut Outbox) {
        // Nobody waits for an answer that comes after its time, or to a former life.
        let Some(asked) = self.waiting.remove(&tag) else { return };
        self.forget_deadlines();
        // A grant that the access manager refuses is this server's own mistake.
        let mut result = result.map_err(|error| if matches!(error.status, 429 | 500..) { 503 } else { 500 });
        match &result {
            // It was asked for before the goodbye: nobody gets it, and so nobody has it.
            Ok(_) if self.sessions.goodbyes(&asked.user) != asked.goodbyes => result = Err(403),
            Ok(token) => self.sessions.hold(now, token),
            Err(_) => self.forget_token(&asked.user),
        }
        self.answer(asked, result, out);
    }

    /// A user says goodbye. Who gets no answer says it again.
    fn logout(&mut self, now: Nanos, token: &Token, mut leaving: Leaving, out: &mut Outbox) {
        match leaving.fate {
            Fate::Error => return self.said_goodbye(leaving, Err(503), out),
            Fate::Throttled => return self.said_goodbye(leaving, Err(429), out),
            _ => (),
        }
        leaving.left = self.sessions.leave(token);
        let tag = self.ask(now);
        for &signature in &leaving.left {
            out.send(self.access_manager, Msg::Revoke { tag, signature });
        }
        self.leaving.insert(tag, leaving);
    }

    /// The access manager has one of them.
    fn revoke_taken(&mut self, tag: u64, signature: u64, out: &mut Outbox) {
        let Some(leaving) = self.leaving.get_mut(&tag) else { return };
        leaving.left.retain(|left| *left != signature);
        self.sessions.revoked(&leaving.user, signature);
        if leaving.left.is_empty() {
            let leaving = self.leaving.remove(&tag).expect("it is there");
            self.forget_deadlines();
            self.said_goodbye(leaving, Ok(()), out);
        }
    }

    fn said_goodbye(&mut self, leaving: Leaving, mut result: Result<(), u16>, out: &mut Outbox) {
        if leaving.fate == Fate::ErrorAfterEffect && result.is_ok() {
            result = Err(503);
        }
        *(if result.is_ok() { &mut self.counts.logged_out } else { &mut self.counts.failed }) += 1;
        if leaving.fate != Fate::SilentAfterEffect {
            let Leaving { from, client, tag, .. } = leaving;
            out.send_after(self.mischief.delay(), from, Msg::LoggedOut { client, tag, result });
        }
    }

    /// A token that was not handed over does not count towards the hourly limit.
    fn forget_token(&mut self, user: &UserId) {
        self.users.tokens_s(user).pop();
    }

    fn answer(&mut self, asked: Waiting, mut result: Result<Arc<Token>, u16>, out: &mut Outbox) {
        if asked.fate == Fate::ErrorAfterEffect && result.is_ok() {
            result = Err(503);
        }
        let count = match &result {
            Ok(_) => &mut self.counts.granted,
            Err(403) => &mut self.counts.unknown,
            Err(429) => &mut self.counts.limited,
            Err(_) => &mut self.counts.failed,
        };
        *count += 1;
        if asked.fate != Fate::SilentAfterEffect {
            let Waiting { from, client, tag, .. } = asked;
            out.send_after(self.mischief.delay(), from, Msg::LoggedIn { client, tag, result });
        }
    }
}

impl Node for AuthServer {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Message { from, msg: Msg::Login { client, tag, user, role, session } } => {
                let fate = self.mischief.fate();
                let goodbyes = self.sessions.goodbyes(&user);
                self.login(now, Waiting { from, client, tag, user, fate, goodbyes }, role, &session, out);
            }
            Input::Message { from, msg: Msg::Granted { tag, result } } if from == self.access_manager => {
                self.granted(now, tag, result, out);
            }
            Input::Message { from, msg: Msg::Logout { client, tag, token } } => {
                let (fate, user) = (self.mischief.fate(), token.grant.user.clone());
                self.logout(now, &token, Leaving { from, client, tag, user, fate, left: Vec::new() }, out);
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
                    if let Some(asked) = self.waiting.remove(&tag) {
                        self.forget_token(&asked.user);
                        self.answer(asked, Err(503), out);
                    } else if let Some(leaving) = self.leaving.remove(&tag) {
                        self.said_goodbye(leaving, Err(503), out);
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
        self.leaving = FxHashMap::default();
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
mod tests {
    use super::*;
    use crate::access::{AccessManager, AccessOptions, Verifier, tests::host_grant};
    use crate::contract::MINUTE;

    const MANAGER: NodeId = NodeId(1);
    const USERS: NodeId = NodeId(2);

    /// Knows everybody whose name begins with `user_`.
    struct Rules;

    impl GrantRules for Rules {
        fn grant(&self, user: &UserId, role: Role, session: &Arc<str>) -> Option<Grant> {
            user.starts_with("user_").then(|| Grant {
                user: user.clone(),
                role,
                session: session.clone(),
                ttl_minutes: 0,
                ..host_grant()
            })
        }
    }

    fn server(ttl_minutes: Option<u32>) -> AuthServer {
        AuthServer::new(MANAGER, Box::new(Rules), AuthOptions { ttl_minutes, ..AuthOptions::of(1) })
    }

    fn login(server: &mut AuthServer, now: Nanos, user: &str, out: &mut Outbox) {
        let msg =
            Msg::Login { client: 4, tag: 9, user: user.into(), role: Role::Participant, session: "abc123".into() };
        server.handle(now, Input::Message { from: USERS, msg }, out);
    }

    /// Carries messages between the server and an access manager until the users hear something.
    fn log_in(server: &mut AuthServer, now: Nanos, user: &str) -> Option<Result<Arc<Token>, u16>> {
        let mut manager = AccessManager::new(&[], AccessOptions::of(42, 1));
        let mut out = Outbox::new(false);
        login(server, now, user, &mut out);
        loop {
            let send = out.drain_sends().next()?;
            match send.msg {
                Msg::LoggedIn { client: 4, tag: 9, result } => {
                    assert_eq!(send.to, USERS);
                    return Some(result);
                }
                msg @ Msg::Grant { .. } => {
                    manager.handle(now, Input::Message { from: NodeId(0), msg }, &mut out);
                    let answer = out.drain_sends().next()?;
                    server.handle(now, Input::Message { from: MANAGER, msg: answer.msg }, &mut out);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_known_user_gets_a_token_for_the_session_that_edges_accept() {
        let token = log_in(&mut server(Some(60)), 0, "user_456").unwrap().unwrap();
        assert_eq!(Verifier::new(42).verify(&token, 0, "user_456"), Ok(()));
        assert_eq!((token.grant.ttl_minutes, &*token.grant.session), (60, "abc123"));
    }

    #[test]
    fn an_unknown_user_is_403_and_a_wrong_ttl_is_the_servers_own_500() {
        assert_eq!(log_in(&mut server(Some(60)), 0, "stranger"), Some(Err(403)));
        // 3,600 is in range as minutes; 0, which these rules say, is not.
        assert!(log_in(&mut server(Some(3_600)), 0, "user_1").unwrap().is_ok());
        assert_eq!(log_in(&mut server(None), 0, "user_1"), Some(Err(500)));
    }

    #[test]
    fn the_eleventh_token_in_any_hour_is_429() {
        let mut server = server(Some(60));
        // One each minute from 0 to 9 makes 10.
        for minute in 0..10 {
            assert!(log_in(&mut server, minute * MINUTE, "user_1").unwrap().is_ok());
        }
        assert_eq!(log_in(&mut server, 59 * MINUTE, "user_1"), Some(Err(429)));
        assert!(log_in(&mut server, 59 * MINUTE, "user_2").unwrap().is_ok());
        // The first is an hour old at minute 60; the second not before minute 61.
        assert!(log_in(&mut server, 60 * MINUTE, "user_1").unwrap().is_ok());
        assert_eq!(log_in(&mut server, 60 * MINUTE, "user_1"), Some(Err(429)));
        assert_eq!(server.counts().limited, 2);
    }

    #[test]
    fn a_silent_access_manager_is_503_after_the_timeout_and_does_not_use_up_the_limit() {
        let (mut server, mut out) = (server(Some(60)), Outbox::new(false));
        for round in 0..20 {
            let now = round * 10 * SECOND;
            login(&mut server, now, "user_1", &mut out);
            assert_eq!(server.next_wake(), Some(now + 5 * SECOND));
            server.handle(now + 5 * SECOND, Input::Wake, &mut out);
            let answer = out.drain_sends().next_back().unwrap().msg;
            assert!(matches!(answer, Msg::LoggedIn { result: Err(503), .. }));
        }
        assert!(log_in(&mut server, 300 * SECOND, "user_1").unwrap().is_ok());
        assert_eq!(server.next_wake(), None);
    }

    #[test]
    fn a_crash_forgets_who_waited_and_a_late_answer_finds_nobody() {
        let (mut server, mut out) = (server(Some(60)), Outbox::new(false));
        login(&mut server, 0, "user_1", &mut out);
        out.drain_sends();
        server.reboot(1);
        let late = Msg::Granted { tag: 0, result: Err(ApiError::grant_empty()) };
        server.handle(2, Input::Message { from: MANAGER, msg: late }, &mut out);
        assert_eq!((out.drain_sends().count(), server.next_wake()), (0, None));
    }

    /// Two tokens, a refresh under way, and a goodbye whose first answers are lost: both tokens are revoked, over a crash too, and
    /// what was asked for before is not handed over after.
    #[test]
    fn a_goodbye_revokes_every_token_and_what_is_under_way() {
        let options = AuthOptions { logout: LogoutRule::All, ..AuthOptions::of(1) };
        let mut server = AuthServer::new(MANAGER, Box::new(Rules), options);
        let first = log_in(&mut server, 0, "user_1").unwrap().unwrap();
        let second = log_in(&mut server, SECOND, "user_1").unwrap().unwrap();
        let mut out = Outbox::new(false);
        login(&mut server, 2 * SECOND, "user_1", &mut out);
        let goodbye = |server: &mut AuthServer, now, out: &mut Outbox| {
            let msg = Msg::Logout { client: 4, tag: 8, token: second.clone() };
            server.handle(now, Input::Message { from: USERS, msg }, out);
            let revokes = out.drain_sends().filter_map(|send| match send.msg {
                Msg::Revoke { tag, signature } => Some((tag, signature)),
                _ => None,
            });
            revokes.collect::<Vec<_>>()
        };
        let lost = goodbye(&mut server, 3 * SECOND, &mut out);
        assert_eq!(lost.len(), 2);
        let late = Verifier::new(42).sign(first.grant.clone(), 3 * SECOND);
        // The login's question was the third.
        let granted = Msg::Granted { tag: 2, result: Ok(Arc::new(late)) };
        server.handle(4 * SECOND, Input::Message { from: MANAGER, msg: granted }, &mut out);
        assert!(matches!(out.drain_sends().next().unwrap().msg, Msg::LoggedIn { result: Err(403), .. }));
        server.reboot(5 * SECOND);
        let again = goodbye(&mut server, 6 * SECOND, &mut out);
        let mut signatures = [first.signature, second.signature];
        signatures.sort_unstable();
        assert_eq!(again.iter().map(|(_, signature)| *signature).collect::<Vec<_>>(), signatures);
        for (tag, signature) in again {
            assert_eq!(out.drain_sends().count(), 0, "not before the last");
            let taken = Msg::RevokeTaken { tag, signature };
            server.handle(7 * SECOND, Input::Message { from: MANAGER, msg: taken }, &mut out);
        }
        assert!(matches!(out.drain_sends().next().unwrap().msg, Msg::LoggedOut { tag: 8, result: Ok(()), .. }));
        assert_eq!((server.counts().logged_out, server.next_wake()), (1, None));
    }
}
