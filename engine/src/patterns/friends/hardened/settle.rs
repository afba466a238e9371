//! Makes a user's record say where the user is, and tells the friends: see the protocol in [`super`].

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::{CLAIM_MS, DEBOUNCE_MS, is_storm};
use crate::contract::MS;
use crate::functions::{Context, Event, OpError, Resolution};
use crate::message::Object;
use crate::patterns::friends::message::{Message, Offline, Online, PresenceNews, kind};
use crate::patterns::friends::profile::{Mark, Profile};
use crate::patterns::friends::{PUBLISH_LATENCY, names};
use crate::planted::{Bug, has};
use crate::timetoken::{from_unix_ms, iso8601, unix_ms};

/// How often a record is read again after somebody else wrote it: two readings and their writes fit the budget of ten.
const ATTEMPTS: u32 = 2;
/// Users of one interval event who are settled at once: a fire each, and ten publishes are the budget.
const FIRES_MAX: usize = 10;

/// After Presence.
pub async fn on_presence(context: Context, event: Event, shards: u32) -> Resolution {
    let Ok(news) = serde_json::from_str::<PresenceNews>(&event.payload) else { return Resolution::Ok(None) };
    context.count(crate::patterns::friends::event_counter(&news.action));
    match (&*news.action, &news.uuid) {
        ("join" | "leave" | "timeout", Some(user_id)) => {
            let event_id = format!("pres_{user_id}_{}", news.timestamp);
            context.log(|| format!("FUNC eventId={event_id} action={} userId={user_id}", news.action));
            settle_or_leave(&context, user_id, shards, Some(news.precise_timestamp)).await;
        }
        ("interval", _) => {
            let users = news.join.iter().chain(&news.leave).chain(&news.timeout);
            for user_id in users.take(FIRES_MAX) {
                // One that fails is found by the reconcile.
                _ = context.fire(format!("status-sweep.{user_id}"), "{}").await;
            }
        }
        _ => {}
    }
    Resolution::Ok(None)
}

/// After a fire of the sweep.
pub async fn on_sweep(context: Context, event: Event, shards: u32) -> Resolution {
    if let Some(user_id) = event.channel.strip_prefix("status-sweep.") {
        settle_or_leave(&context, user_id, shards, None).await;
    }
    Resolution::Ok(None)
}

/// After a fire for many users: one for each, whose execution has a budget of its own.
pub async fn on_sweep_many(context: Context, event: Event) -> Resolution {
    let users: Vec<String> = serde_json::from_str(&event.payload).unwrap_or_default();
    for user_id in users.iter().take(FIRES_MAX) {
        // One that fails is found again by who asked for it.
        _ = context.fire(format!("status-sweep.{user_id}"), "{}").await;
    }
    Resolution::Ok(None)
}

/// An error ends it: what is pending stays pending, and the sweep comes by.
async fn settle_or_leave(context: &Context, user_id: &str, shards: u32, event_ms: Option<u64>) {
    if let Err(error) = settle(context, user_id, shards, event_ms).await {
        context.count("function.errors");
        context.log(|| format!("FUNC ERROR settle {user_id}: {error}"));
    }
}

/// A record as it was read.
struct Record {
    profile: Profile,
    etag: Arc<str>,
    /// When it was written, by the store's clock [ms].
    updated_ms: u64,
}

impl Record {
    fn of(object: &Object) -> Option<Self> {
        let profile = Profile::from_body(&object.body)?;
        Some(Self { profile, etag: object.etag.clone(), updated_ms: object.updated / MS })
    }

    /// Until when friends can have been told something, by the store's clock; `None`: they never were.
    fn told_by_ms(&self) -> Option<u64> {
        let custom = &self.profile.custom;
        match custom.status_mark {
            Some(Mark::Told) => Some(self.updated_ms),
            Some(Mark::Claimed) => Some(self.updated_ms + CLAIM_MS),
            Some(Mark::Held) | None => custom.status_told_by,
        }
    }

    /// The change that friends were last told of, if that is known. A new user is offline, and nobody has to be told so.
    fn told(&self) -> Option<u64> {
        let custom = &self.profile.custom;
        match custom.status_mark {
            Some(Mark::Claimed) => None,
            _ => custom.status_told.or((custom.status_change == 0).then_some(0)),
        }
    }
}

async fn settle(context: &Context, user_id: &str, shards: u32, event_ms: Option<u64>) -> Result<(), OpError> {
    let shard = names::shard_of(user_id, shards);
    let mut storm = None;
    for _ in 0..ATTEMPTS {
        let object = context.get_user(user_id).await?;
        let Some(record) = Record::of(&object) else { return Ok(()) };
        let channel = names::presence_channel(shard);
        let online = context.where_now(user_id).await?.iter().any(|at| **at == *channel);
        let custom = &record.profile.custom;
        let told = record.told();
        let pending = custom.status_pending == Some(true);
        if custom.online == online && told == Some(custom.status_change) && !pending {
            return Ok(());
        }
        // Back to what friends were told before is a change too: who loaded a list meanwhile saw the other one.
        let stamp = match custom.online == online {
            true => custom.status_change,
            false => unix_ms(context.now()).max(custom.status_change + 1),
        };
        let alone = custom.friend_count == 0;
        let may_tell = told != Some(stamp) && !alone;
        if may_tell && storm.is_none() {
            storm = Some(is_storm(context, shard).await);
            if storm == Some(true) {
                context.count("presence.events.storm");
            }
        }
        // The worker's clock only saves a write that would come too early; a clock behind the store's is no judge.
        let now_ms = context.now() / MS;
        let early = now_ms >= record.updated_ms && !is_due(record.told_by_ms(), now_ms);
        let claims = may_tell && storm == Some(false) && !early;
        if custom.online == online && !claims && may_tell && pending {
            // Held already, and not to be told yet.
            return Ok(());
        }
        let since_ms = event_ms.unwrap_or(stamp);
        let next = Next { online, stamp, since_ms, told, told_by_ms: record.told_by_ms(), pending: may_tell, claims };
        match context.set_user(user_id, next.patch(), Some(record.etag.clone())).await {
            Err(OpError::Api(error)) if error.status == 412 => continue,
            Err(error) => return Err(error),
            Ok(written) if claims => {
                return if is_due(next.told_by_ms, written.updated / MS) {
                    tell(context, user_id, &record.profile, &next, written.etag.clone()).await
                } else {
                    let held = Next { claims: false, ..next };
                    context.count("presence.events.debounced");
                    context.set_user(user_id, held.patch(), Some(written.etag.clone())).await.map(|_| ())
                };
            }
            Ok(_) => {
                if may_tell && storm == Some(false) {
                    context.count("presence.events.debounced");
                }
                return Ok(());
            }
        }
    }
    // Somebody else is at it; if they leave anything open, the sweep finds it.
    context.count("status.contended");
    Ok(())
}

/// What another writer of the record has to write beside its own fields: the time of the latest write no longer says when
/// friends were told, so that goes into a field of its own. Over a claim nothing does: then the later time is the safe one.
pub fn carried_over(object: &Object) -> serde_json::Map<String, serde_json::Value> {
    let mut carried = serde_json::Map::new();
    if let Some(record) = Record::of(object).filter(|record| record.profile.custom.status_mark == Some(Mark::Told)) {
        carried.insert("statusMark".into(), json!(Mark::Held));
        carried.insert("statusToldBy".into(), json!(record.told_by_ms()));
    }
    carried
}

/// Whether the debounce is over at `now_ms`.
fn is_due(told_by_ms: Option<u64>, now_ms: u64) -> bool {
    told_by_ms.is_none_or(|told_by_ms| now_ms >= told_by_ms + DEBOUNCE_MS || has(Bug::FriendsForgetTheDebounce))
}

/// What is written.
#[derive(Clone, Copy)]
struct Next {
    online: bool,
    stamp: u64,
    /// When the event came that set this off; what a sweep settles dates from the change.
    since_ms: u64,
    told: Option<u64>,
    told_by_ms: Option<u64>,
    pending: bool,
    claims: bool,
}

/// The patch that is written. A change happens twice for each user in a storm, so it goes to text without a detour.
#[derive(Serialize)]
struct Patch<'a> {
    custom: Status<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    online: bool,
    last_seen: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_online: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_offline: Option<&'a str>,
    status_change: u64,
    status_told: Option<u64>,
    status_pending: bool,
    status_mark: Mark,
    status_told_by: Option<u64>,
}

impl Next {
    fn patch(&self) -> String {
        let at = &*iso8601(from_unix_ms(self.stamp));
        let custom = Status {
            online: self.online,
            last_seen: at,
            last_online: self.online.then_some(at),
            last_offline: (!self.online).then_some(at),
            status_change: self.stamp,
            status_told: self.told,
            status_pending: self.pending,
            status_mark: if self.claims { Mark::Claimed } else { Mark::Held },
            status_told_by: self.told_by_ms,
        };
        serde_json::to_string(&Patch { custom }).expect("strings and numbers serialise")
    }
}

/// Publishes once, and notes that it did.
async fn tell(context: &Context, user_id: &str, profile: &Profile, next: &Next, etag: Arc<str>) -> Result<(), OpError> {
    let text = status_message(user_id, profile, next);
    context.publish(names::status_channel(user_id), text, false).await?;
    context.count("status.published");
    context.time(PUBLISH_LATENCY, context.now().saturating_sub(from_unix_ms(next.since_ms)));
    context.log(|| format!("FUNC action=publish channel=status.{user_id} online={}", next.online));
    let told = json!({ "custom": { "statusTold": next.stamp, "statusPending": false, "statusMark": Mark::Told } });
    match context.set_user(user_id, told.to_string(), Some(etag)).await {
        Err(OpError::Api(error)) if error.status == 412 => note_told(context, user_id, next).await,
        result => result.map(|_| ()),
    }
}

/// Somebody wrote between the claim and the publish: what was told is noted beside what they wrote.
async fn note_told(context: &Context, user_id: &str, next: &Next) -> Result<(), OpError> {
    let object = context.get_user(user_id).await?;
    let Some(record) = Record::of(&object) else { return Ok(()) };
    let custom = &record.profile.custom;
    if custom.status_mark == Some(Mark::Claimed) || custom.status_change < next.stamp {
        // Another claim is under way: it will be told, or found, by itself.
        return Ok(());
    }
    let pending = custom.status_change != next.stamp;
    let told = json!({ "custom": { "statusTold": next.stamp, "statusPending": pending, "statusMark": Mark::Told } });
    match context.set_user(user_id, told.to_string(), Some(record.etag)).await {
        // Once more: then it stays pending, and is told again under the same id.
        Err(OpError::Api(error)) if error.status == 412 => Ok(()),
        result => result.map(|_| ()),
    }
}

/// `friend.online` or `friend.offline`; the same bytes whenever the same change is told.
fn status_message(user_id: &str, profile: &Profile, next: &Next) -> String {
    let at = iso8601(from_unix_ms(next.stamp));
    let name = profile.name.as_deref().map(Into::into);
    if next.online && !has(Bug::FriendsTellTheWrongWay) {
        let payload = Online {
            user_id: user_id.into(),
            name,
            profile_url: profile.profile_url.as_deref().map(Into::into),
            status_message: profile.custom.status_message.as_deref().map(Into::into),
        };
        Message::new(kind::ONLINE, format!("evt_online_{user_id}_{}", next.stamp), at, payload).to_json()
    } else {
        let payload = Offline { user_id: user_id.into(), name, last_seen: (&*at).into() };
        Message::new(kind::OFFLINE, format!("evt_offline_{user_id}_{}", next.stamp), &*at, payload).to_json()
    }
}
