//! Logins, limits, crashes and goodbyes, each stepped by hand.

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
    let msg = Msg::Login { client: 4, tag: 9, user: user.into(), role: Role::Participant, session: "abc123".into() };
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
