//! The `documented` variant: the handlers of friends-online.md 7, 8 and 10.2, step by step, with what is wrong with them.
//!
//! Steps are numbered as the document numbers them. Where it leaves something open, the plainest reading is taken:
//! storm protection (10.2) comes after the debounce check, in the order in which the document presents them, and the
//! counts of the aggregator are read one shard after the other.
//!
//! What goes wrong, by the property that says so:
//! - *views are true after calm*: a debounced or storm-held change is written to App Context and never published (7.1 step
//!   1, 10.2); a channel above the announce limit sends interval events, which the handler ignores; a failed call anywhere
//!   before the publish ends the execution, and nobody comes back to it;
//! - *entitled subscribers only*: `friend.added` is published on the status channel, which all friends of that user read and
//!   the user does not; anybody may publish an acceptance for two others; a removal that fails half way leaves a channel
//!   in a group;
//! - *symmetric friendship*: nine calls, none undone and none repeated when one fails, and under the newest limits profile
//!   there are more of them than one execution may make;
//! - *lost metadata updates*: `custom` is read, changed and written back whole, by several writers, without If-Match;
//! - *the count*: a call for each shard is ten times what one execution may make, and the rest of the shards are simply
//!   missing; `shardsCounted` says so, `onlineCount` does not.

use serde_json::{Value, json};

use super::PUBLISH_LATENCY;
use super::message::{Added, Count, Message, Offline, Online, Pair, PresenceNews, Removed, kind};
use super::names;
use super::profile::Profile;
use crate::functions::{Context, Event, Function, OpError, Resolution};
use crate::message::Trigger;
use crate::timetoken::{from_unix_ms, iso8601, unix_ms};

/// `timeSinceLastChange < 5000` (7.1) [ms].
const DEBOUNCE_MS: u64 = 5_000;
/// More events than this within a second are a storm (10.2) [events per shard].
const STORM_THRESHOLD: u64 = 100;
/// `kvstore.set(…, 60)`: the module's unit is minutes, so this is an hour; a minute was meant.
const TTL_MINUTES: u32 = 60;
/// `kvstore.set('global:peak_today', …, 86400)`: 60 days; one day was meant.
const PEAK_TTL_MINUTES: u32 = 86_400;

/// The Functions to deploy, for this many presence shards.
pub fn functions(shards: u32) -> Vec<Function> {
    vec![
        Function::new("presence-status-handler", "presence.shard-*", Trigger::AfterPresence, status),
        Function::new("global-count-aggregator", super::COUNT_JOB, Trigger::OnInterval, move |context, _| {
            count(context, shards)
        }),
        Function::new("friend-acceptance-handler", "friend-requests.*", Trigger::AfterPublish, accept),
        Function::new("friend-removal-handler", "friend-management.*", Trigger::AfterPublish, remove),
    ]
}

/// 7.1 with 10.2.
async fn status(context: Context, event: Event) -> Resolution {
    if let Err(error) = change_status(&context, &event).await {
        context.count("function.errors");
        context.log(|| format!("FUNC ERROR status: {error}"));
    }
    Resolution::Ok(None)
}

async fn change_status(context: &Context, event: &Event) -> Result<(), OpError> {
    let Ok(news) = serde_json::from_str::<PresenceNews>(&event.payload) else { return Ok(()) };
    // State changes are ignored; so, for it is no join, leave or timeout, is an interval.
    context.count(super::event_counter(&news.action));
    let (Some(user_id), "join" | "leave" | "timeout") = (news.uuid.as_deref(), &*news.action) else { return Ok(()) };
    let online = news.action == "join";
    let event_time = iso8601(crate::timetoken::from_unix_ms(news.timestamp * 1_000));
    let event_id = format!("pres_{user_id}_{}", news.timestamp);

    // 1. Debounce.
    let debounce_key = format!("debounce:{user_id}");
    if let Some(last) = context.kv_get_json::<Value>(&*debounce_key).await? {
        let now_ms = unix_ms(context.now());
        if now_ms.saturating_sub(last["timestamp"].as_u64().unwrap_or(0)) < DEBOUNCE_MS {
            context.count("presence.events.debounced");
            context.log(|| format!("FUNC eventId={event_id} action=debounce_check result=debounced"));
            update_status(context, user_id, online, &event_time).await;
            return Ok(());
        }
    }
    // 10.2. Two executions that read the same count write the same count: the storm is underestimated.
    let storm_key = format!("storm:{}", event.channel);
    let stored: Value = context.kv_get_json(&*storm_key).await?.unwrap_or_default();
    let now_ms = unix_ms(context.now());
    let start_ms = stored["windowStart"].as_u64().unwrap_or(now_ms);
    let (events, start_ms) = if now_ms.saturating_sub(start_ms) < 1_000 {
        (stored["count"].as_u64().unwrap_or(0) + 1, start_ms)
    } else {
        (1, now_ms)
    };
    let storm = json!({ "count": events, "windowStart": start_ms }).to_string();
    context.kv_set(&*storm_key, storm, Some(TTL_MINUTES)).await?;
    if events > STORM_THRESHOLD {
        context.count("presence.events.storm");
        update_status(context, user_id, online, &event_time).await;
        return Ok(());
    }
    // 2. Remember this change.
    let change = json!({ "timestamp": unix_ms(context.now()), "status": if online { "online" } else { "offline" } });
    context.kv_set(&*debounce_key, change.to_string(), Some(TTL_MINUTES)).await?;
    // 3. Update App Context.
    update_status(context, user_id, online, &event_time).await;
    context.log(|| format!("FUNC eventId={event_id} action=update_status"));
    // 4. Get user details.
    let Some(details) = details(context, user_id).await else { return Ok(()) };
    // 5. and 6. Publish once.
    let text = status_message(context, user_id, &details, online, &event_time);
    context.publish(names::status_channel(user_id), text, true).await?;
    context.count("status.published");
    context.time(PUBLISH_LATENCY, context.now().saturating_sub(from_unix_ms(news.precise_timestamp)));
    context.log(|| format!("FUNC eventId={event_id} action=publish channel=status.{user_id}"));
    Ok(())
}

/// `friend.online` or `friend.offline`.
fn status_message(context: &Context, user_id: &str, details: &Profile, online: bool, event_time: &str) -> String {
    let now_ms = unix_ms(context.now());
    let name = details.name.as_deref().map(Into::into);
    if online {
        let payload = Online {
            user_id: user_id.into(),
            name,
            profile_url: details.profile_url.as_deref().map(Into::into),
            status_message: details.custom.status_message.as_deref().map(Into::into),
        };
        Message::new(kind::ONLINE, format!("evt_online_{user_id}_{now_ms}"), event_time, payload).to_json()
    } else {
        let payload = Offline { user_id: user_id.into(), name, last_seen: event_time.into() };
        Message::new(kind::OFFLINE, format!("evt_offline_{user_id}_{now_ms}"), event_time, payload).to_json()
    }
}

/// `updateUserStatus`: read, change, write back whole; an error is logged and forgotten.
async fn update_status(context: &Context, user_id: &str, online: bool, event_time: &str) {
    let update = async {
        let object = context.get_user(user_id).await?;
        let mut custom = Profile::from_body(&object.body).unwrap_or_default().custom;
        custom.online = online;
        custom.last_seen = Some(event_time.to_owned());
        if online {
            custom.last_online = Some(event_time.to_owned());
        } else {
            custom.last_offline = Some(event_time.to_owned());
        }
        context.set_user(user_id, json!({ "custom": custom }).to_string(), None).await
    };
    if let Err(error) = update.await {
        context.count("status.update_failures");
        context.log(|| format!("FUNC ERROR update status of {user_id}: {error}"));
    }
}

/// `getUserDetails`: `None` on any error.
async fn details(context: &Context, user_id: &str) -> Option<Profile> {
    let object = context.get_user(user_id).await.ok()?;
    Profile::from_body(&object.body)
}

/// 7.2.
async fn count(context: Context, shards: u32) -> Resolution {
    if let Err(error) = broadcast_count(&context, shards).await {
        context.count("function.errors");
        context.log(|| format!("FUNC ERROR count: {error}"));
    }
    Resolution::Ok(None)
}

async fn broadcast_count(context: &Context, shards: u32) -> Result<(), OpError> {
    let (mut total, mut counted) = (0u64, 0u32);
    for shard in 0..shards {
        // A shard that does not answer, or is one call too many, is left out.
        if let Ok(here) = context.here_now(vec![names::presence_channel(shard).into()], 0, 0).await {
            total += u64::from(here.total_occupancy);
            counted += 1;
        }
    }
    let previous: Value = context.kv_get_json("global:online_count").await?.unwrap_or_default();
    let delta = total as i64 - previous["count"].as_i64().unwrap_or(0);
    let peak_data: Value = context.kv_get_json("global:peak_today").await?.unwrap_or_default();
    let now = iso8601(context.now());
    let today = &now[..10];
    let mut peak = if peak_data["date"] == today { peak_data["peak"].as_u64().unwrap_or(0) } else { 0 };
    if total > peak {
        peak = total;
        let value = json!({ "peak": peak, "date": today }).to_string();
        context.kv_set("global:peak_today", value, Some(PEAK_TTL_MINUTES)).await?;
    }
    let value = json!({ "count": total }).to_string();
    context.kv_set("global:online_count", value, Some(TTL_MINUTES)).await?;
    let payload = Count {
        online_count: total,
        delta_from_last: delta,
        peak_today: peak,
        calculated_at: (&*now).into(),
        shards_counted: counted,
    };
    let id = format!("evt_count_{}", unix_ms(context.now()));
    context.publish(names::GLOBAL, Message::new(kind::COUNT, id, &*now, payload).to_json(), true).await?;
    Ok(())
}

/// 8.2: any error ends it where it stands.
async fn accept(context: Context, event: Event) -> Resolution {
    if let Err(error) = befriend(&context, &event).await {
        context.count("friendship.errors");
        context.log(|| format!("FUNC ERROR Failed to establish friendship: {error}"));
    }
    Resolution::Ok(None)
}

/// Who accepts, and whether anybody asked, is not looked at.
async fn befriend(context: &Context, event: &Event) -> Result<(), OpError> {
    let Ok(message) = serde_json::from_str::<Message<'_, Pair<'_>>>(&event.payload) else { return Ok(()) };
    if message.kind != kind::ACCEPTED {
        return Ok(());
    }
    let (a, b) = (&*message.payload.user_a, &*message.payload.user_b);
    // 1. and 2. Groups. Nobody looks whether the first group is full.
    context.add_to_group(names::group(a), names::status_channel(b)).await?;
    context.count("channelgroup.add");
    context.add_to_group(names::group(b), names::status_channel(a)).await?;
    context.count("channelgroup.add");
    // 3. Memberships.
    let now = iso8601(context.now());
    let custom = json!({ "addedAt": now, "status": "accepted" }).to_string();
    context.set_membership(b, names::list_channel(a), &*custom).await?;
    context.set_membership(a, names::list_channel(b), &*custom).await?;
    // 4. Counts.
    change_count(context, a, 1).await?;
    change_count(context, b, 1).await?;
    // 5. to 7. Each is told of the other, on its own status channel.
    for (to, of) in [(a, b), (b, a)] {
        let details = Profile::from_body(&context.get_user(of).await?.body).unwrap_or_default();
        let payload = Added {
            user_id: of.into(),
            name: details.name.as_deref().map(Into::into),
            profile_url: details.profile_url.as_deref().map(Into::into),
            online: details.custom.online,
            added_at: (&*now).into(),
        };
        let id = format!("evt_added_{of}_{}", unix_ms(context.now()));
        context
            .publish(names::status_channel(to), Message::new(kind::ADDED, id, &*now, payload).to_json(), true)
            .await?;
    }
    Ok(())
}

/// 8.3, likewise.
async fn remove(context: Context, event: Event) -> Resolution {
    if let Err(error) = unfriend(&context, &event).await {
        context.count("friendship.errors");
        context.log(|| format!("FUNC ERROR Failed to remove friendship: {error}"));
    }
    Resolution::Ok(None)
}

async fn unfriend(context: &Context, event: &Event) -> Result<(), OpError> {
    let Ok(message) = serde_json::from_str::<Message<'_, Pair<'_>>>(&event.payload) else { return Ok(()) };
    if message.kind != kind::REMOVE {
        return Ok(());
    }
    let (a, b) = (&*message.payload.user_a, &*message.payload.user_b);
    context.remove_from_group(names::group(a), names::status_channel(b)).await?;
    context.count("channelgroup.remove");
    context.remove_from_group(names::group(b), names::status_channel(a)).await?;
    context.count("channelgroup.remove");
    context.remove_membership(b, names::list_channel(a)).await?;
    context.remove_membership(a, names::list_channel(b)).await?;
    change_count(context, a, -1).await?;
    change_count(context, b, -1).await?;
    let now = iso8601(context.now());
    for (to, of) in [(a, b), (b, a)] {
        let payload = Removed { user_id: of.into(), removed_at: (&*now).into() };
        let id = format!("evt_removed_{of}_{}", unix_ms(context.now()));
        context
            .publish(names::status_channel(to), Message::new(kind::REMOVED, id, &*now, payload).to_json(), true)
            .await?;
    }
    Ok(())
}

/// `incrementFriendCount` and `decrementFriendCount`: read, change, write back whole.
async fn change_count(context: &Context, user_id: &str, by: i64) -> Result<(), OpError> {
    let object = context.get_user(user_id).await?;
    let mut custom = Profile::from_body(&object.body).unwrap_or_default().custom;
    custom.friend_count = custom.friend_count.saturating_add_signed(by);
    context.set_user(user_id, json!({ "custom": custom }).to_string(), None).await.map(|_| ())
}
