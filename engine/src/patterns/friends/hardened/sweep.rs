//! What finds the unfinished: pending records, and records that presence contradicts.

use std::collections::BTreeSet;

use super::names;
use crate::functions::{Context, OpError, Resolution};
use crate::message::{Filter, Object, ObjectsOk, ObjectsOp};

/// Fires of one execution: ten publishes are the budget, and two listings come before them within the ten calls.
const FIRES_MAX: usize = 8;
/// Users on one page of App Context.
const PAGE: u32 = 100;
/// Users on one page of here-now (platform.md 2.5).
const HERE_PAGE: u32 = 1_000;

/// Settles who is pending, of one shard or of all, and friendships that are half done: those are the first sweep's.
pub async fn pending(context: Context, shard: Option<u32>) -> Resolution {
    if let Err(error) = fire_pending(&context, shard).await {
        context.log(|| format!("FUNC ERROR sweep: {error}"));
        context.count("function.errors");
    }
    Resolution::Ok(None)
}

async fn fire_pending(context: &Context, shard: Option<u32>) -> Result<(), OpError> {
    let of_shard = shard.map(|shard| Filter::new("shardId", shard));
    let filter = of_shard.into_iter().chain([Filter::new("statusPending", true)]).collect();
    let users = items(context.objects(ObjectsOp::ListUsers { filter, limit: PAGE, page: None }).await?);
    let mut pairs = Vec::new();
    if shard.is_none_or(|shard| shard == 0) {
        let filter = vec![Filter::new("open", true)];
        pairs = items(context.objects(ObjectsOp::ListChannels { filter, limit: PAGE, page: None }).await?);
    }
    // Half of the fires for each, and what one leaves over for the other. Those written longest ago come first.
    let for_pairs = pairs.len().min((FIRES_MAX / 2).max(FIRES_MAX.saturating_sub(users.len())));
    let oldest = |mut objects: Vec<std::sync::Arc<Object>>, most: usize| {
        objects.sort_by(|a, b| (a.updated, &a.id).cmp(&(b.updated, &b.id)));
        objects.truncate(most);
        objects
    };
    for pair in oldest(pairs, for_pairs) {
        if let Some(pair) = pair.id.strip_prefix("friendship.") {
            context.fire(format!("friend-sweep.{pair}"), "{}").await?;
        }
    }
    for user in oldest(users, FIRES_MAX - for_pairs) {
        context.fire(format!("status-sweep.{}", user.id), "{}").await?;
        context.count("sweep.fires");
    }
    Ok(())
}

/// Compares one shard after the other, a few each time.
pub async fn reconcile(context: Context, shards: u32) -> Resolution {
    // Where the last run stopped. A store that does not answer makes it begin with any shard.
    let stored = super::remembered(&context, "reconcile:next").await.and_then(|next| next.as_u64());
    let first = stored.map_or(context.now() / crate::contract::SECOND, |next| next) as u32 % shards;
    let mut next = first;
    // Three shards, at two calls each, leave four calls to fire.
    for _ in 0..shards.min(3) {
        match differences(&context, next).await {
            Ok(users) => {
                for user in users.into_iter().take(FIRES_MAX / 2) {
                    context.count("reconcile.differences");
                    if context.fire(format!("status-sweep.{user}"), "{}").await.is_err() {
                        break;
                    }
                }
            }
            Err(error) => context.log(|| format!("FUNC ERROR reconcile shard {next}: {error}")),
        }
        next = (next + 1) % shards;
    }
    _ = context.kv_set("reconcile:next", next.to_string(), None).await;
    Resolution::Ok(None)
}

/// Users of the shard whom presence has and App Context has not online, or the other way about.
///
/// App Context lists users by name: of a shard with more than a page of users online only those up to the last name of the
/// first page are judged, and nobody where presence has more than a page of its own. A doubt costs an execution, no more.
async fn differences(context: &Context, shard: u32) -> Result<Vec<String>, OpError> {
    let here = context.here_now(vec![names::presence_channel(shard).into()], HERE_PAGE, 0).await?;
    let present: BTreeSet<&str> = here.channels.iter().flat_map(|at| &at.users).map(|(user, _)| &**user).collect();
    let whole = here.total_occupancy as usize == present.len();
    let filter = vec![Filter::new("shardId", shard), Filter::new("online", true)];
    let online = items(context.objects(ObjectsOp::ListUsers { filter, limit: PAGE, page: None }).await?);
    let online_whole = online.len() < PAGE as usize;
    let online: BTreeSet<&str> = online.iter().map(|user| &*user.id).collect();
    let judged = |user: &str| whole && (online_whole || online.last().is_some_and(|last| user <= *last));
    let differ = present.symmetric_difference(&online).filter(|user| judged(user));
    Ok(differ.map(|user| (*user).to_owned()).collect())
}

fn items(ok: ObjectsOk) -> Vec<std::sync::Arc<Object>> {
    match ok {
        ObjectsOk::Page { items, .. } => items,
        other => unreachable!("a listing is answered with a page, not {other:?}"),
    }
}
