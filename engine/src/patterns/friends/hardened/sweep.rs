//! What takes up the unfinished: pending records, and friendships that are half done.

use crate::functions::{Context, OpError, Resolution};
use crate::message::{Filter, Object, ObjectsOk, ObjectsOp};
use crate::planted::{Bug, has};

/// Fires of one execution: ten publishes are the budget, and two listings come before them within the ten calls.
const FIRES_MAX: usize = 8;
/// Users of a shard who are settled in one second, at most: in a storm many are pending.
const USERS_MAX: usize = 40;
/// Users whom one fire may name: whoever gets it makes a fire for each, and ten publishes are its budget.
const BATCH: usize = 10;
/// Users on one page of App Context.
const PAGE: u32 = 100;

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
    let users: Vec<String> = oldest(users, USERS_MAX).iter().map(|user| user.id.to_string()).collect();
    let users = if has(Bug::FriendsSweepNobody) { Vec::new() } else { users };
    settle(context, &users, FIRES_MAX - for_pairs, "sweep.fires").await.map(|_| ())
}

/// Has these users settled, as far as so many fires reach: one each, or one for ten where there are more. Says how many it
/// took, from the first on, and with how many fires, and counts the users.
pub async fn settle(
    context: &Context,
    users: &[String],
    fires: usize,
    counter: &'static str,
) -> Result<(usize, usize), OpError> {
    if users.len() <= fires {
        for user in users {
            context.fire(format!("status-sweep.{user}"), "{}").await?;
            context.count(counter);
        }
        return Ok((users.len(), users.len()));
    }
    let (mut taken, mut fired) = (0, 0);
    // As many to each fire as need be.
    for batch in users.chunks(users.len().div_ceil(fires.max(1)).min(BATCH)).take(fires) {
        let names = serde_json::to_string(batch).expect("strings serialise");
        context.fire("status-sweeps.users", names).await?;
        batch.iter().for_each(|_| context.count(counter));
        (taken, fired) = (taken + batch.len(), fired + 1);
    }
    Ok((taken, fired))
}

fn items(ok: ObjectsOk) -> Vec<std::sync::Arc<Object>> {
    match ok {
        ObjectsOk::Page { items, .. } => items,
        other => unreachable!("a listing is answered with a page, not {other:?}"),
    }
}
