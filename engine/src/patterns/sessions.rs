//! User sessions by On Request Functions: login, validate, logout, expiry (kvstore-module.md, example 3).
//!
//! `documented` makes a new session at every attempt to log in, counts sessions up and down beside them, and writes back what it
//! read: a session that is validated while it ends is there again. What expires is never counted down.
//!
//! `hardened` names a session by who logs in and by the request, under a secret: an attempt that is repeated finds the same
//! session. A session is two keys that do not undo each other: one that says that it is active, written at each use and expiring when
//! unused, and one that says that it has ended, written once. It is valid if the first is there and the second is not,
//! whatever order their writes came in. Nothing is counted up or down: a job counts the keys, and says of which
//! time its count is.
//!
//! **What fails closed:** a store that errs or is late: 503, and the same call may be made again. **Where a session lives:** in
//! its user's region; another one hears of it, and of its end, by replication.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Variant;
use super::rights::Rights;
use crate::access::Permissions;
use crate::functions::{Context, Event, Function, Needs, OpError, Resolution, Secrets, join};
use crate::message::Trigger;
use crate::planted::{Bug, has};
use crate::timetoken::{iso8601, unix_ms};

/// Where sessions are asked for: `?action=login`, `validate`, `logout`, `count`.
pub const PATH: &str = "/session";
/// The job that counts.
pub const COUNT_JOB: &str = "session-count";
/// The vault's name of the secret under which sessions are named.
const SECRET: &str = "session_secret";
/// A session's end is remembered for so much longer than an unused one lives: longer than a call is under way.
const REMEMBERED_MINUTES: u32 = 2;
/// Pages that one execution of the job reads: with its place read and written and the count written, 10 KV calls.
const PAGES: u32 = 7;
/// Where the job keeps its place, and what it counted last.
const PLACE_KEY: &str = "session_place";
const COUNT_KEY: &str = "session_count";
/// The documented counter.
const ACTIVE: &str = "active_sessions";

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "expired-and-still-counted",
        "Example 3 counts a session down at logout; one that expires leaves the store by itself.",
        "Documented does so: its count only grows apart from the sessions. Hardened counts keys.",
    ),
    (
        "who-logs-in",
        "Example 3 takes the user from the body of the login.",
        "Documented does so: anybody gets a session of anybody. Hardened takes the user from the token of the call, and refuses \
         another name with 400.",
    ),
    (
        "who-reads-the-count",
        "Example 3 tracks a count and shows nobody who reads it.",
        "Both variants answer action=count with it.",
    ),
    (
        "expired-by-whom",
        "Example 3 gives a session 24 hours from its last use; the page's own get example compares its last activity with 30 \
         minutes.",
        "A session lives for a setting's minutes from its last use, by the store's clock, in both variants.",
    ),
];

/// What a login is answered with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedIn {
    pub session_token: String,
}

/// What a valid session is answered with.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Valid {
    pub user_id: String,
}

/// How many sessions there are.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    pub active: i64,
    /// When the keys were read, by the worker's clock [ms]; documented does not say.
    pub from_ms: Option<u64>,
    pub to_ms: Option<u64>,
}

/// Users of sessions publish nothing; a token must open something, and here it is the user's inbox.
pub fn rights(ttl_minutes: u32) -> Rights {
    Rights::new("sessions", ttl_minutes, &[], &[("inbox.", Permissions::READ)])
}

/// What handlers find in the vault.
pub fn secrets() -> Secrets {
    [(SECRET, "only Functions know this".into())].into()
}

/// What each handler needs.
pub fn needs(variant: Variant) -> Vec<Needs> {
    match variant {
        Variant::Documented => vec![Needs { handler: "session", kv: 3, ..Needs::NONE }],
        Variant::Hardened => vec![
            Needs { handler: "session", kv: 3, vault: 1, ..Needs::NONE },
            Needs { handler: "session-count", kv: 3 + PAGES, ..Needs::NONE },
        ],
    }
}

/// The Functions to deploy; a session that is not used expires after `minutes`.
pub fn functions(variant: Variant, minutes: u32) -> Vec<Function> {
    match variant {
        Variant::Documented => vec![Function::new("session", PATH, Trigger::OnRequest, move |context, event| {
            documented(context, event, minutes)
        })],
        Variant::Hardened => vec![
            Function::new("session", PATH, Trigger::OnRequest, move |context, event| hardened(context, event, minutes)),
            Function::new("session-count", COUNT_JOB, Trigger::OnInterval, count),
        ],
    }
}

/// What a call asks for, and the session it names.
fn asked(event: &Event) -> (Option<&str>, Option<&str>) {
    let request = event.request.as_deref();
    let bearer = request.and_then(|request| request.header("authorization")).map(|header| {
        // As `replace` does: a header without the word is taken whole.
        header.strip_prefix("Bearer ").unwrap_or(header)
    });
    (request.and_then(|request| request.query("action")), bearer)
}

fn answer(answered: Result<Resolution, OpError>, context: &Context, status: u16, error: &str) -> Resolution {
    answered.unwrap_or_else(|failed| {
        context.count("sessions.errors");
        context.log(|| format!("session: {failed}"));
        Resolution::refuse(status, error)
    })
}

/// The document's steps.
async fn documented(context: Context, event: Event, minutes: u32) -> Resolution {
    let (action, session) = asked(&event);
    let body: Value = serde_json::from_str(&event.payload).unwrap_or(Value::Null);
    let answered = async {
        match action {
            Some("login") => {
                let id = context.uuid();
                let data = json!({
                    "userId": body["userId"], "createdAt": iso8601(context.now()),
                    "lastActivity": unix_ms(context.now()), "ipAddress": "unknown",
                });
                context.kv_set(format!("session:{id}"), data.to_string(), Some(minutes)).await?;
                context.kv_incr(ACTIVE, 1).await?;
                Ok(Resolution::send(json!({ "sessionToken": id }).to_string(), 200))
            }
            Some("validate") => {
                let Some(session) = session else { return Ok(Resolution::refuse(401, "No session token")) };
                let key = format!("session:{session}");
                let Some(data) = context.kv_get(&*key).await? else {
                    return Ok(Resolution::refuse(401, "Invalid session"));
                };
                let mut data: Value = serde_json::from_str(&data).unwrap_or(Value::Null);
                data["lastActivity"] = unix_ms(context.now()).into();
                context.kv_set(key, data.to_string(), Some(minutes)).await?;
                Ok(Resolution::send(json!({ "valid": true, "userId": data["userId"] }).to_string(), 200))
            }
            Some("logout") => {
                if let Some(session) = session {
                    let key = format!("session:{session}");
                    if context.kv_get(&*key).await?.is_some() {
                        context.kv_remove(key).await?;
                        context.kv_incr(ACTIVE, -1).await?;
                    }
                }
                Ok(Resolution::send(json!({ "message": "Logged out" }).to_string(), 200))
            }
            Some("count") => {
                let active = context.kv_counter(ACTIVE).await?;
                Ok(Resolution::send(json!({ "active": active }).to_string(), 200))
            }
            _ => Ok(Resolution::refuse(400, "Invalid action")),
        }
    };
    let answered = answered.await;
    answer(answered, &context, 500, "Internal server error")
}

/// The two keys of a session, which stand side by side in a listing.
fn keys(session: &str) -> [String; 2] {
    ["active", "ended"].map(|what| format!("session:{session}:{what}"))
}

async fn hardened(context: Context, event: Event, minutes: u32) -> Resolution {
    let (action, session) = asked(&event);
    let answered = async {
        match (action, session) {
            (Some("login"), _) => login(&context, &event, minutes).await,
            (Some("validate"), Some(session)) => {
                let [active, ended] = keys(session);
                let (data, ended) = join(context.kv_get(&*active), context.kv_get(ended)).await;
                let (Some(user), None) = (data?, ended?.filter(|_| !has(Bug::SessionsForgetTheirEnd))) else {
                    return Ok(Resolution::refuse(401, "invalid_session"));
                };
                context.kv_set(active, &*user, Some(minutes)).await?;
                Ok(Resolution::send(json!({ "valid": true, "userId": &*user }).to_string(), 200))
            }
            (Some("logout"), Some(session)) => {
                let [active, ended] = keys(session);
                // What is not there needs no end: it cannot come back but by a new login.
                if context.kv_get(active).await?.is_some() {
                    context.kv_set(ended, "1", Some(minutes + REMEMBERED_MINUTES)).await?;
                }
                Ok(Resolution::send(json!({ "message": "logged_out" }).to_string(), 200))
            }
            (Some("validate" | "logout"), None) => Ok(Resolution::refuse(401, "no_session_token")),
            (Some("count"), _) => Ok(match context.kv_get(COUNT_KEY).await? {
                Some(count) => Resolution::send(count, 200),
                None => Resolution::refuse(503, "not_counted_yet"),
            }),
            _ => Ok(Resolution::refuse(400, "invalid_action")),
        }
    };
    let answered = answered.await;
    answer(answered, &context, 503, "try_again")
}

/// A login as it is asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    pub user_id: String,
    /// The same at every attempt.
    pub request_id: String,
}

async fn login(context: &Context, event: &Event, minutes: u32) -> Result<Resolution, OpError> {
    let user = &event.publisher;
    let request = match serde_json::from_str::<Login>(&event.payload) {
        Ok(login) if !user.is_empty() && login.user_id == **user => login.request_id,
        _ => {
            context.count("sessions.forged");
            return Ok(Resolution::refuse(400, "not_your_name"));
        }
    };
    let Some(secret) = context.vault(SECRET).await? else { return Ok(Resolution::refuse(503, "not_configured")) };
    let session_token = context.sha256(&json!([secret, user, request]).to_string()).await;
    let [active, _] = keys(&session_token);
    context.kv_set(active, &**user, Some(minutes)).await?;
    let body = serde_json::to_string(&LoggedIn { session_token }).expect("a text serialises");
    Ok(Resolution::send(body, 200))
}

/// How far the count has come: the page it stands on, the last key of it that is counted, and whose key that was.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Place {
    page: Option<Arc<str>>,
    after: String,
    /// The session whose first key was the last one counted: active, unless its end comes next.
    last: Option<String>,
    active: i64,
    from_ms: Option<u64>,
}

impl Place {
    fn count(&mut self, key: &str) {
        self.after = key.to_owned();
        let Some((session, what)) = key.strip_prefix("session:").and_then(|rest| rest.rsplit_once(':')) else { return };
        match what {
            "active" => {
                self.active += 1;
                self.last = Some(session.to_owned());
            }
            "ended" if self.last.as_deref() == Some(session) => self.active -= 1,
            _ => {}
        }
    }
}

/// Goes on counting where the last execution stopped. A place is written whole, so that one that is written late is an older
/// place and no wrong one.
async fn count(context: Context, _: Event) -> Resolution {
    let counted = async {
        let mut place: Place = context.kv_get_json(PLACE_KEY).await?.unwrap_or_default();
        place.from_ms.get_or_insert(unix_ms(context.now()));
        for _ in 0..PAGES {
            let (keys, next) = context.kv_keys(place.page.clone()).await?;
            for key in &keys {
                // Of a page that was read before, what was counted then is not counted again.
                if **key > *place.after {
                    place.count(key);
                }
            }
            place.page = next;
            if place.page.is_none() {
                let count = Count { active: place.active, from_ms: place.from_ms, to_ms: Some(unix_ms(context.now())) };
                let text = serde_json::to_string(&count).expect("numbers serialise");
                context.kv_set(COUNT_KEY, text, None).await?;
                place = Place::default();
                break;
            }
        }
        let text = serde_json::to_string(&place).expect("texts and numbers serialise");
        context.kv_set(PLACE_KEY, text, None).await
    };
    match counted.await {
        Ok(()) => Resolution::Ok(None),
        Err(error) => {
            context.log(|| format!("count: {error}"));
            Resolution::refuse(500, "not_counted")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{MINUTE, SECOND};
    use crate::message::HttpRequest;
    use crate::patterns::tests::bench::{Bench, NOON, in_every_order};

    fn bench(variant: Variant) -> Bench {
        Bench::new(|| functions(variant, 1), &[NOON, NOON]).with_secrets(&secrets()).with_rights(rights(60), "sessions")
    }

    fn call(bench: &mut Bench, worker: usize, tag: u64, action: &str, session: &str, body: &str) {
        let mut request = HttpRequest::new("POST", format!("{PATH}?action={action}"), body);
        request.headers.push(("Authorization".into(), format!("Bearer {session}").into()));
        bench.request(worker, tag, "user_1", request);
    }

    fn in_(bench: &mut Bench, tag: u64) -> String {
        call(bench, 0, tag, "login", "", r#"{"userId":"user_1","requestId":"r"}"#);
        bench.finish();
        let body = bench.end(tag).unwrap().clone().unwrap();
        serde_json::from_str::<LoggedIn>(&body).unwrap().session_token
    }

    fn is_valid(bench: &mut Bench, tag: u64, session: &str) -> bool {
        call(bench, 1, tag, "validate", session, "");
        bench.finish();
        match bench.end(tag).unwrap() {
            Ok(_) => true,
            Err((status, _)) => {
                assert_eq!(*status, 401);
                false
            }
        }
    }

    /// In how many orders the session is valid after a use and a logout at the same moment.
    fn valid_after_a_use_and_a_logout_at_once(variant: Variant) -> usize {
        let start = || {
            let mut bench = bench(variant);
            let session = in_(&mut bench, 1);
            call(&mut bench, 0, 2, "validate", &session, "");
            call(&mut bench, 1, 3, "logout", &session, "");
            bench
        };
        let mut valid = 0;
        let orders = in_every_order(start, |bench| {
            let session: LoggedIn = serde_json::from_str(bench.end(1).unwrap().as_ref().unwrap()).unwrap();
            valid += usize::from(is_valid(bench, 4, &session.session_token));
        });
        assert!(orders > 5, "{orders}");
        valid
    }

    /// Documented reads the session, loses it to the logout, and writes it again.
    #[test]
    fn a_use_brings_a_documented_session_back_from_its_logout_and_no_hardened_one() {
        assert!(valid_after_a_use_and_a_logout_at_once(Variant::Documented) > 0);
        assert_eq!(valid_after_a_use_and_a_logout_at_once(Variant::Hardened), 0);
    }

    #[test]
    fn a_login_that_is_repeated_is_the_same_session_and_another_user_has_none() {
        let mut bench = bench(Variant::Hardened);
        assert_eq!(in_(&mut bench, 1), in_(&mut bench, 2));
        call(&mut bench, 0, 3, "login", "", r#"{"userId":"user_2","requestId":"r"}"#);
        bench.finish();
        assert_eq!(bench.end(3).unwrap().as_ref().unwrap_err().0, 400);
        let mut documented = self::bench(Variant::Documented);
        assert_ne!(in_(&mut documented, 1), in_(&mut documented, 2), "documented has two now");
    }

    /// A life of a minute: it is prolonged by a use after 59 s, and over 60 s after that.
    #[test]
    fn a_session_lives_from_its_last_use() {
        for variant in [Variant::Documented, Variant::Hardened] {
            let mut bench = bench(variant);
            let session = in_(&mut bench, 1);
            bench.wait(MINUTE - SECOND);
            assert!(is_valid(&mut bench, 2, &session));
            bench.wait(MINUTE - 1);
            assert!(is_valid(&mut bench, 3, &session));
            bench.wait(MINUTE);
            assert!(!is_valid(&mut bench, 4, &session), "{variant:?}");
        }
    }

    /// 1,000 sessions, of which each fourth has ended: 1,250 keys are 13 pages, two executions of at most seven, whatever dies.
    #[test]
    fn the_count_is_that_of_the_keys_from_one_execution_to_the_next() {
        let mut bench = bench(Variant::Hardened);
        for n in 0..1_000 {
            let [active, ended] = keys(&format!("s{n}"));
            bench.set(&active, "1");
            if n % 4 == 0 {
                bench.set(&ended, "1");
            }
        }
        for (tag, dies) in [(1, true), (2, false), (3, true), (4, false)] {
            bench.invoke(0, tag, Trigger::OnInterval, COUNT_JOB, "", "");
            if dies {
                (0..4).for_each(|_| bench.carry(0));
                bench.kill(0);
            }
            bench.finish();
        }
        let count = bench.kv.get_now(COUNT_KEY, NOON).expect("it has been counted");
        assert_eq!(serde_json::from_str::<Count>(&count).unwrap().active, 750);
    }
}
