//! App Context kept like the customer's database and like presence (integration-patterns.md, pattern 4).
//!
//! `documented` writes the whole of a user whenever the database changes, its presence fields too: who is online then is not,
//! until the next event. Of two changes the one whose write comes later stands, whichever the database had later. A presence event
//! is believed, in whatever order events come, and one that is lost is never made up for.
//!
//! `hardened` lets each source write its own fields only.
//! - *From the database*: each row has a version, which App Context keeps beside the fields. A row is written over the object
//!   that was read, and only if its version is newer, so an older row never stands over a newer one. The database remembers
//!   which version has arrived; a job takes what has not.
//! - *From presence*: an event is a reason to look, not a fact. The object is read, then presence is asked where the user is,
//!   then that is written over the object that was read: whoever wrote in between, the last writer has looked last. A job
//!   compares the users of App Context with presence, page by page, and looks where they differ.
//!
//! **Where the truth is:** a change is accepted when the database has it. App Context follows.

mod database;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Variant;
use super::rights::Rights;
use crate::access::Permissions;
use crate::contract::SECOND;
use crate::functions::{Context, Event, Function, Needs, OpError, Resolution, join_all};
use crate::message::{Channel, Object, ObjectsOk, ObjectsOp, Trigger};

pub use self::database::{Change, Database, Row};

/// Where users' rows are changed.
pub const PATH: &str = "/profile";
/// The customer's database.
pub const DATABASE: &str = "https://db.yourapp.com";
/// The jobs that take what has not arrived, and compare with presence.
pub const DATABASE_JOB: &str = "sync-database";
pub const PRESENCE_JOB: &str = "sync-presence";
/// Rows that one execution of the first takes: each a read, perhaps a creation, and a write, of ten calls.
const ROWS: usize = 3;
/// How often an object is read again after somebody else wrote it.
const ATTEMPTS: u32 = 2;
/// Users of a page that are compared with presence.
const PAGE: u32 = 100;
/// Where the second job keeps its place.
const PLACE_KEY: &str = "sync_place";
/// What presence is kept for: a team's channel is this and its id.
pub const PRESENCE: &str = "presence.";

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "source-of-truth",
        "Pattern 4's overview calls App Context the source of truth; its diagram and the summary make the database primary and App \
         Context a cache.",
        "The database is the truth for what it has, presence for who is online.",
    ),
    (
        "will-be-updated-by-presence",
        "Pattern 4 writes online: false and lastSeen: null whenever a user's row changes, for presence to correct.",
        "Documented does so: presence has nothing to say until the user comes or goes. Hardened leaves those fields alone.",
    ),
    (
        "partial-inside-custom",
        "Pattern 4's two writers both write custom, each without the other's fields.",
        "A write inside custom is partial here (platform.md 2.9), so that a presence event does not take away role and team.",
    ),
    (
        "presence-on-everything",
        "Pattern 4 binds After Presence on *, and handles join, leave and timeout; a channel with more than 20 users has interval \
         events instead (platform.md 2.5).",
        "Presence is on channels of teams, which are smaller. Hardened's job finds what no event told.",
    ),
    (
        "who-calls-the-sync",
        "Pattern 4's server calls the sync when a user changes, and does not say what happens if that fails.",
        "An On Request Function is that server: it changes the row and then syncs. Documented answers 500 if the sync fails, and \
         the call is made again. Hardened answers when the row is changed.",
    ),
];

/// A user's object, as far as it is kept in step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    pub name: String,
    pub email: String,
    pub profile_url: String,
    pub external_id: String,
    pub custom: Custom,
}

/// Its `custom`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Custom {
    pub role: String,
    pub team_id: String,
    pub online: Option<bool>,
    pub db_version: u64,
}

impl Profile {
    /// Of an object's text.
    pub fn of(body: &str) -> Self {
        serde_json::from_str(body).unwrap_or_default()
    }

    /// Whether all that the database has of the user stands in it.
    pub fn shows(&self, row: &Row) -> bool {
        let own =
            [&self.name, &self.email, &self.profile_url, &self.external_id, &self.custom.role, &self.custom.team_id];
        own == [&row.name, &row.email, &row.avatar_url, &row.id, &row.role, &row.team_id]
    }
}

/// What a user's token opens: its team's presence.
pub fn rights(ttl_minutes: u32) -> Rights {
    Rights::new("metasync", ttl_minutes, &[("presence.*", Permissions::READ)], &[])
}

/// What each handler needs.
pub fn needs(variant: Variant) -> Vec<Needs> {
    let of_user = 1 + 2 * ATTEMPTS;
    match variant {
        Variant::Documented => vec![
            Needs { handler: "profile", pubnub: 1, xhr: 1, ..Needs::NONE },
            Needs { handler: "presence-to-appcontext", pubnub: 1, ..Needs::NONE },
        ],
        Variant::Hardened => vec![
            Needs { handler: "profile", pubnub: of_user, xhr: 2, ..Needs::NONE },
            Needs { handler: "presence-to-appcontext", pubnub: of_user + ATTEMPTS, ..Needs::NONE },
            Needs { handler: DATABASE_JOB, pubnub: 3 * ROWS as u32, xhr: 1 + ROWS as u32, ..Needs::NONE },
            Needs { handler: PRESENCE_JOB, kv: 2, pubnub: 2 + of_user + ATTEMPTS, ..Needs::NONE },
        ],
    }
}

/// The Functions to deploy.
pub fn functions(variant: Variant) -> Vec<Function> {
    let profile =
        Function::new("profile", PATH, Trigger::OnRequest, move |context, event| profile(context, event, variant));
    let (after, interval) = (Trigger::AfterPresence, Trigger::OnInterval);
    match variant {
        Variant::Documented => {
            vec![profile, Function::new("presence-to-appcontext", "presence.*", after, presence_documented)]
        }
        Variant::Hardened => vec![
            profile,
            Function::new("presence-to-appcontext", "presence.*", after, presence_hardened),
            Function::new(DATABASE_JOB, DATABASE_JOB, interval, sync_database),
            Function::new(PRESENCE_JOB, PRESENCE_JOB, interval, sync_presence),
        ],
    }
}

/// Changes a row, and has App Context follow.
async fn profile(context: Context, event: Event, variant: Variant) -> Resolution {
    let Ok(change) = serde_json::from_str::<Change>(&event.payload) else {
        return Resolution::refuse(400, "invalid_change");
    };
    let path = format!("{DATABASE}/users/{}", change.user_id);
    let changed = context.fetch_with("POST", path, &*event.payload, &[("Idempotency-Key", &change.request_id)]).await;
    let Some(row) = changed.ok().and_then(|answer| answer.data::<Row>()) else {
        return Resolution::refuse(503, "try_again");
    };
    match variant {
        Variant::Documented => {
            let mut patch = patch_of(&row);
            patch["custom"]["online"] = false.into();
            patch["custom"]["lastSeen"] = Value::Null;
            if let Err(error) = context.set_user(&*row.id, patch.to_string(), None).await {
                return Resolution::refuse(500, &error.to_string());
            }
        }
        // What does not arrive now is taken by the job.
        Variant::Hardened => {
            if follow(&context, &row, ATTEMPTS).await.is_ok_and(|arrived| arrived) {
                _ = arrived(&context, &row).await;
            } else {
                context.count("rows.left_to_the_job");
            }
        }
    }
    Resolution::send("{}", 200)
}

/// What the database has of a user, as App Context keeps it.
fn patch_of(row: &Row) -> Value {
    json!({
        "name": row.name, "email": row.email, "profileUrl": row.avatar_url, "externalId": row.id,
        "custom": { "role": row.role, "teamId": row.team_id },
    })
}

/// A user's object; who has none gets an empty one, which takes nothing from whoever makes one at the same time.
async fn object_of(context: &Context, user: &str) -> Result<Arc<Object>, OpError> {
    match context.get_user(user).await {
        Err(OpError::Api(error)) if error.status == 404 => context.set_user(user, "{}", None).await,
        result => result,
    }
}

/// Whether a write met somebody else's.
fn is_conflict<T>(result: &Result<T, OpError>) -> bool {
    matches!(result, Err(OpError::Api(error)) if error.status == 412)
}

/// Has App Context show this row, or a newer one; false: others wrote all the while.
async fn follow(context: &Context, row: &Row, attempts: u32) -> Result<bool, OpError> {
    let mut patch = patch_of(row);
    patch["custom"]["dbVersion"] = row.version.into();
    for _ in 0..attempts {
        let object = object_of(context, &row.id).await?;
        if Profile::of(&object.body).custom.db_version >= row.version {
            return Ok(true);
        }
        let written = context.set_user(&*row.id, patch.to_string(), Some(object.etag.clone())).await;
        if !is_conflict(&written) {
            return written.map(|_| true);
        }
    }
    Ok(false)
}

/// Tells the database that App Context has this version.
async fn arrived(context: &Context, row: &Row) -> Result<(), OpError> {
    let path = format!("{DATABASE}/arrived/{}", row.id);
    context.fetch("POST", path, row.version.to_string()).await.map(|_| ())
}

/// Takes the oldest rows that have not arrived. What fails is taken again.
async fn sync_database(context: Context, _: Event) -> Resolution {
    let listed = context.fetch("GET", format!("{DATABASE}/pending?limit={ROWS}"), "").await;
    let rows: Vec<Row> = listed.ok().and_then(|answer| answer.data()).unwrap_or_default();
    let take = |row: Row| {
        let context = context.clone();
        async move {
            // One that was changed meanwhile is taken the next time.
            if follow(&context, &row, 1).await.is_ok_and(|arrived| arrived) {
                context.count("rows.taken_by_the_job");
                _ = arrived(&context, &row).await;
            }
        }
    };
    join_all(rows.into_iter().map(take)).await;
    Resolution::Ok(None)
}

/// A presence event, as far as it is read.
#[derive(Deserialize)]
struct News {
    action: String,
    uuid: Option<String>,
    timestamp: u64,
}

/// Who came or went, if an event says so of one user.
fn mover(event: &Event) -> Option<(String, bool, u64)> {
    let news: News = serde_json::from_str(&event.payload).ok()?;
    let moved = matches!(&*news.action, "join" | "leave" | "timeout");
    Some((news.uuid.filter(|_| moved)?, news.action == "join", news.timestamp))
}

/// The document's steps.
async fn presence_documented(context: Context, event: Event) -> Resolution {
    let Some((user, online, timestamp)) = mover(&event) else { return Resolution::Ok(None) };
    let patch = json!({ "custom": { "online": online, "lastSeen": timestamp } });
    match context.set_user(&*user, patch.to_string(), None).await {
        Ok(_) => Resolution::Ok(None),
        Err(error) => Resolution::refuse(500, &error.to_string()),
    }
}

async fn presence_hardened(context: Context, event: Event) -> Resolution {
    if let Some((user, ..)) = mover(&event) {
        left_to_the_job(&context, look(&context, &user).await);
    }
    Resolution::Ok(None)
}

fn left_to_the_job(context: &Context, looked: Result<(), OpError>) {
    if let Err(error) = looked {
        context.count("looks.left_to_the_job");
        context.log(|| format!("look: {error}"));
    }
}

/// Makes a user's object say where presence has the user.
async fn look(context: &Context, user: &str) -> Result<(), OpError> {
    for _ in 0..ATTEMPTS {
        let object = object_of(context, user).await?;
        let online = context.where_now(user).await?.iter().any(|channel| channel.starts_with(PRESENCE));
        if Profile::of(&object.body).custom.online == Some(online) {
            return Ok(());
        }
        let patch = json!({ "custom": { "online": online, "lastSeen": context.now() / SECOND } });
        let written = context.set_user(user, patch.to_string(), Some(object.etag.clone())).await;
        if !is_conflict(&written) {
            return written.map(|_| ());
        }
    }
    Ok(())
}

/// Compares a page of users with presence and looks for one of those who differ; where nobody does, it goes on.
async fn sync_presence(context: Context, _: Event) -> Resolution {
    let compared = async {
        let page = context.kv_get(PLACE_KEY).await?.filter(|page| !page.is_empty());
        let ObjectsOk::Page { items, next, .. } =
            context.objects(ObjectsOp::ListUsers { filter: Vec::new(), limit: PAGE, page }).await?
        else {
            return Ok(());
        };
        let profiles: Vec<(Arc<str>, Profile)> =
            items.iter().map(|object| (object.id.clone(), Profile::of(&object.body))).collect();
        let teams: BTreeSet<&str> = profiles.iter().map(|(_, profile)| &*profile.custom.team_id).collect();
        let channels: Vec<Channel> =
            teams.into_iter().filter(|team| !team.is_empty()).map(|team| format!("{PRESENCE}{team}").into()).collect();
        let mut here = BTreeSet::new();
        if !channels.is_empty() {
            let now = context.here_now(channels, 1_000, 0).await?;
            here.extend(now.channels.iter().flat_map(|channel| channel.users.iter().map(|(user, _)| user.clone())));
        }
        let differs = |(user, profile): &&(Arc<str>, Profile)| profile.custom.online != Some(here.contains(user));
        let differ: Vec<&Arc<str>> = profiles.iter().filter(differs).map(|(user, _)| user).collect();
        // Another one each second, so that one for whom it fails keeps nobody else waiting.
        match differ.get((context.now() / SECOND) as usize % differ.len().max(1)) {
            Some(user) => {
                context.count("users.looked_for");
                look(&context, user).await
            }
            None => context.kv_set(PLACE_KEY, next.unwrap_or_default(), None).await,
        }
    };
    left_to_the_job(&context, compared.await);
    Resolution::Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::HttpRequest;
    use crate::patterns::tests::bench::{Bench, NOON, in_every_order};

    fn bench(variant: Variant) -> Bench {
        let bench = Bench::new(|| functions(variant), &[NOON, NOON]).with_service(Database::default());
        let mut bench = bench.with_rights(rights(60), "metasync");
        change(
            &mut bench,
            0,
            100,
            json!({ "userId": "u", "requestId": "0", "name": "u", "role": "member", "teamId": "t" }),
        );
        bench.finish();
        bench
    }

    fn change(bench: &mut Bench, worker: usize, tag: u64, change: Value) {
        bench.request(worker, tag, "u", HttpRequest::new("POST", PATH, change.to_string()));
    }

    fn presence(bench: &mut Bench, worker: usize, tag: u64, action: &str) {
        let event = json!({ "action": action, "uuid": "u", "timestamp": 1, "occupancy": 1 });
        bench.invoke(worker, tag, Trigger::AfterPresence, "presence.t", "presence", &event.to_string());
    }

    fn profile(bench: &Bench) -> Profile {
        Profile::of(&bench.objects.user("u").expect("it has been made").body)
    }

    /// The job that takes what has not arrived, until nothing is left.
    fn settle(bench: &mut Bench) {
        for tag in 200.. {
            if bench.service::<Database>().has_all_arrived() {
                return;
            }
            bench.invoke(0, tag, Trigger::OnInterval, DATABASE_JOB, "", "");
            bench.finish();
        }
    }

    /// In how many orders App Context does not show the row at last, after two changes at once.
    fn stale(variant: Variant) -> usize {
        let start = || {
            let mut bench = bench(variant);
            change(&mut bench, 0, 1, json!({ "userId": "u", "requestId": "1", "name": "new" }));
            change(&mut bench, 1, 2, json!({ "userId": "u", "requestId": "2", "role": "admin" }));
            bench
        };
        let mut stale = 0;
        in_every_order(start, |bench| {
            if variant == Variant::Hardened {
                settle(bench);
            }
            let row = bench.service::<Database>().rows().next().unwrap().clone();
            assert_eq!((&*row.name, &*row.role), ("new", "admin"));
            stale += usize::from(!profile(bench).shows(&row));
        });
        stale
    }

    /// Documented changes the row and then writes, twice: of 6 orders 2 write the older row last.
    #[test]
    fn the_newer_row_stands_in_the_end() {
        assert_eq!(stale(Variant::Documented), 2);
        assert_eq!(stale(Variant::Hardened), 0);
    }

    /// A user who is online changes the name while the join is being told.
    #[test]
    fn a_changed_row_leaves_who_is_online_online() {
        let offline = |variant| {
            let start = || {
                let mut bench = bench(variant);
                bench.here.insert(("u".into(), "presence.t".into()));
                presence(&mut bench, 0, 1, "join");
                change(&mut bench, 1, 2, json!({ "userId": "u", "requestId": "1", "name": "new" }));
                bench
            };
            let mut offline = 0;
            in_every_order(start, |bench| {
                let profile = profile(bench);
                assert_eq!(profile.custom.role, "member", "presence takes nothing away");
                offline += usize::from(profile.custom.online != Some(true));
            });
            offline
        };
        assert!(offline(Variant::Documented) > 0);
        assert_eq!(offline(Variant::Hardened), 0);
    }

    /// The join comes last and is told first: documented believes the leave that comes after it.
    #[test]
    fn events_in_the_wrong_order_are_no_matter() {
        for (variant, online) in [(Variant::Documented, false), (Variant::Hardened, true)] {
            let mut bench = bench(variant);
            bench.here.insert(("u".into(), "presence.t".into()));
            for (tag, action) in [(1, "join"), (2, "leave")] {
                presence(&mut bench, 0, tag, action);
                bench.finish();
            }
            assert_eq!(profile(&bench).custom.online, Some(online), "{variant:?}");
        }
    }

    /// The worker dies after each number of calls: the row is changed or not, and App Context follows.
    #[test]
    fn a_change_that_died_half_way_is_followed_by_the_job() {
        for calls in 0..=4 {
            let mut bench = bench(Variant::Hardened);
            change(&mut bench, 0, 1, json!({ "userId": "u", "requestId": "1", "name": "new" }));
            (0..calls).for_each(|_| bench.carry(0));
            bench.kill(0);
            settle(&mut bench);
            let row = bench.service::<Database>().rows().next().unwrap().clone();
            assert_eq!(row.name == "new", calls > 0);
            assert!(profile(&bench).shows(&row), "{calls} calls");
        }
    }
}
