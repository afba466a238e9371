//! The `hardened` variant: the tables of friends-online.md 2 under every fault of the catalogue.
//!
//! # The protocol
//!
//! **A presence event is a reason to look, not a fact.** Events come late, twice, out of order, or die with the worker that
//! had them. So the handler asks presence where the user *is*, and makes the user's record in App Context say so. Doing it
//! twice changes nothing, and doing it later is still right.
//!
//! **The user's record is lock and clock.** Every write names the eTag it was made from (If-Match), so of two writers one
//! starts again; it patches only its own fields, so nobody's are lost. The record's `updated` is the store's own time: no
//! worker's clock decides when friends were last told.
//!
//! **Settle** (After Presence on `presence.shard-*`, and from the sweep; at most nine calls)
//! 1. Read the record, then ask presence whether the user is on its shard's channel. In this order: whatever is written over
//!    the version that was read is newer than it.
//! 2. Nothing changed and friends know of the latest change: done.
//! 3. Write `online` and its times with `statusPending`. The mark says whether this execution is about to publish
//!    (*claimed*) or not (*held*): in a storm, with friends told less than 5 s ago, or without a friend, it is not. What may
//!    have been told before moves into `statusToldBy`: the time of the last *told* write, or, over somebody's claim, that
//!    claim's time and the 10 s that its execution may live.
//! 4. Claimed, and by the store's clock 5 s after `statusToldBy`: publish on `status.{userId}`, once. Else unclaim.
//! 5. Write *told*. Somebody wrote meanwhile: read again and note what was told beside what they wrote.
//!
//! **Sweep** (On Interval, every second, one job for all shards; one for each where there are more than ten): users with
//! `statusPending` get a fire on `status-sweep.{userId}`, whose After Publish Function settles them with a budget of its
//! own; where there are many, one on `status-sweeps.users` names ten, and its Function fires for each. So a change held back
//! by the debounce or a storm, and one whose execution died after its claim, is told later.
//!
//! **Reconcile** (On Interval, a job for each shard) compares who presence has with whom App Context has online, and
//! sweeps the differences: it finds what lost events, and executions that died before they wrote anything, left behind. While
//! the two totals agree, or still move, that is two calls, but for a walk now and then, since errors may cancel. No
//! call shows a whole shard, and ten calls may not: the job walks all pages of both over successive executions ([`reconcile`]),
//! and how far it is stands in KV. A walk never stops at a user, and one that was interrupted goes on or begins again. Who
//! differs is settled if two walks say so, no less than 5 s apart, the platform's own debounce of 2 s and the 3 s that here-now
//! may be old ([`reconcile::LOOKS_APART_MS`]): a leave that the platform holds back is not told by us.
//!
//! **Friendship** has a record of its own, `friendship.{a}~{b}`: requested, adding, counting, friends, removing, uncounting,
//! removed. Only who was asked accepts, only one of the two ends it, as the platform authenticated them. The record is
//! written *before* the first step; every step is idempotent; the state after the last. A crash anywhere leaves an open
//! record, which the sweep takes up where it stands. `friendCount` is the length of the list, read and written under
//! If-Match, never counted up or down. A group that is full makes way for the next one (10.4), the first one with a free place
//! is used, and the membership says which it was: so a friendship from before there were records can be ended, and a client
//! learns from its list how many groups to subscribe to, which may be more than so many friends would fill. News goes to `friend-news.{userId}`, which only that user reads.
//!
//! **Count** (On Interval, every 10 s): here-now for many shards in one call, so that 500 shards fit one execution;
//! `shardsCounted` says how many answered.
//!
//! # Why it is right
//! - *Every view is true after calm*: presence is asked after the record is read, under If-Match; so the last write is of
//!   presence's last word. It stays pending until friends were told of that very change; back to what they were told before
//!   is a change of its own, for whoever loaded a list in between saw the other. The sweep sees to pending records and the
//!   reconcile to records that presence contradicts, on every page of a shard of any size: once events have stopped, the
//!   pages stand still, and the first two walks that begin after that see every user of both listings. A shard of n users takes
//!   n / 100 listings and, for each stretch of some thousand names, n / 1,000 pages of presence, at ten calls an execution:
//!   8 executions for 5,000 users. Whom both find is settled at once. Friends order what they hear by the number
//!   in the event's id, `statusChange`, which only grows, and what they load by the same field.
//! - *One publish for a change, and none within 5 s of another*: only a claim publishes; a claim is a successful write over
//!   a version whose `statusToldBy` lies 5 s back by the store's clock; whoever comes over a claim counts it as told until
//!   10 s later. A publish that is repeated because nobody knows whether it happened has the same event id.
//! - *The last change always gets out*: see pending.
//! - *Only friends receive*: groups and lists change only through a record's steps, and every record ends in a state in
//!   which lists and groups agree.
//! - *Two writers lose nothing*: If-Match, and patches of own fields.
//!
//! # What it needs
//! A keyset whose announce limit lies above a shard's occupancy: in interval mode events come each 10 s, and NFR-1 asks for
//! 2 s. Interval events are understood all the same, where the keyset sends deltas; the reconcile finds the rest.

mod count;
mod friendship;
mod reconcile;
mod settle;
mod sweep;

use serde::de::DeserializeOwned;

use super::names;
use crate::functions::{Context, Function, OpError};
use crate::message::{KvOk, KvOp, Trigger};

/// The job that looks for what is pending, in all shards.
pub const SWEEP_JOB: &str = "friends-sweep";
/// With more shards than this each has a sweep of its own: one sweep settles 8 users a second, whatever the keyset's size.
const SHARDS_SWEPT_TOGETHER: u32 = 10;
/// The jobs that compare presence with App Context, of each shard `friends-reconcile.{shard}`.
const RECONCILE_JOB: &str = "friends-reconcile";
/// Between two executions of each [s].
pub const RECONCILE_INTERVAL_S: u64 = 3;

/// Between two publishes of one user's status, by the store's clock (friends-online.md 7.1) [ms].
pub const DEBOUNCE_MS: u64 = 5_000;
/// A claim can still be followed by its publish for so long: a handler lives at most 10 s (platform.md 3.3) [ms].
const CLAIM_MS: u64 = 10_000;
/// More events than this within a second are a storm (friends-online.md 10.2) [events per shard].
const STORM_THRESHOLD: i64 = 100;

/// The sweeps to schedule, each every second, for this many presence shards.
pub fn sweep_jobs(shards: u32) -> impl Iterator<Item = String> {
    let together = shards <= SHARDS_SWEPT_TOGETHER;
    let own = if together { 0 } else { shards };
    together.then(|| SWEEP_JOB.to_owned()).into_iter().chain((0..own).map(|shard| format!("{SWEEP_JOB}.{shard}")))
}

/// The jobs that compare presence with App Context, to schedule every [`RECONCILE_INTERVAL_S`].
pub fn reconcile_jobs(shards: u32) -> impl Iterator<Item = String> {
    (0..shards).map(|shard| format!("{RECONCILE_JOB}.{shard}"))
}

/// The Functions to deploy, for this many presence shards.
pub fn functions(shards: u32) -> Vec<Function> {
    vec![
        Function::new("status-settle", "presence.shard-*", Trigger::AfterPresence, move |context, event| {
            settle::on_presence(context, event, shards)
        }),
        Function::new("status-sweep", "status-sweep.*", Trigger::AfterPublish, move |context, event| {
            settle::on_sweep(context, event, shards)
        }),
        Function::new("status-sweeps", "status-sweeps.*", Trigger::AfterPublish, settle::on_sweep_many),
        Function::new("status-sweeper", "friends-sweep*", Trigger::OnInterval, |context, event| {
            let shard = shard_of_job(&event.channel);
            sweep::pending(context, shard)
        }),
        Function::new("status-reconciler", "friends-reconcile.*", Trigger::OnInterval, |context, event| {
            let shard = shard_of_job(&event.channel).expect("the job's name ends with its shard");
            reconcile::step(context, shard)
        }),
        Function::new("friend-requests", "friend-requests.*", Trigger::AfterPublish, friendship::on_request),
        Function::new("friend-management", "friend-management.*", Trigger::AfterPublish, friendship::on_management),
        Function::new("friend-sweep", "friend-sweep.*", Trigger::AfterPublish, friendship::on_sweep),
        Function::new("global-count", super::COUNT_JOB, Trigger::OnInterval, move |context, _| {
            count::broadcast(context, shards)
        }),
    ]
}

/// The shard whose job this is; `None`: all of them.
fn shard_of_job(name: &str) -> Option<u32> {
    name.rsplit_once('.').and_then(|(_, shard)| shard.parse().ok())
}

/// A KV value that only saves work: not there, or not to be had, is the same.
async fn remembered<T: DeserializeOwned>(context: &Context, key: &str) -> Option<T> {
    context.kv_get_json(key).await.ok().flatten()
}

/// Whether this shard has had more events within this second than one publishes for. A store that does not answer says no:
/// protection from storms must not itself hold anything back.
async fn is_storm(context: &Context, shard: u32) -> bool {
    let key = format!("storm:{}:{}", names::presence_channel(shard), context.now() / crate::contract::SECOND);
    let counted: Result<KvOk, OpError> = context.kv(KvOp::Incr { key: key.into(), by: 1 }).await;
    matches!(counted, Ok(KvOk::Counter(events)) if events > STORM_THRESHOLD)
}
