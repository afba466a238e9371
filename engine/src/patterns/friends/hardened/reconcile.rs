//! Finds the users of a shard whom presence has and App Context has not online, or the other way about, however many users the
//! shard has: both listings are walked to their ends, over as many executions as that takes.
//!
//! **When.** Each execution may compare the two totals, a call each, and while they agree there is nothing more to do. While users
//! come and go they differ all the time, for App Context is told after presence, and a walk through moving pages finds little: one
//! begins when two comparisons, one after the other, found the same two totals, and these differ. Two errors may cancel, and a
//! shard may never rest, so one begins now and then all the same ([`REST`]). A walk that has begun, or found somebody, goes on
//! whatever the totals say.
//!
//! **How.** App Context lists by name, presence by who joined first. So the names are cut into stretches: a stretch is read from App
//! Context, and held against *all* pages of presence; then comes the next. What is left of the stretch is not present; who is
//! present, has a name within the stretch and is not in it, App Context has not online. Between two executions the walk stands in KV.
//! While users move, pages shift: one may be missed, and one suspected for nothing, which costs another walk. Once all is
//! calm, nothing shifts, and the next walk from the beginning misses nobody.
//!
//! **Who differs is not wrong yet.** The platform holds a leave back for 2 s, should the user return, and so must this; and in a
//! storm hundreds move between the reading of a stretch and that of presence. So only whom two walks find, [`LOOKS_APART_MS`]
//! apart by time and not by executions, is settled: by who reads the record and asks presence itself. Whom the
//! second walk finds as it should be is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{RECONCILE_INTERVAL_S, names, remembered, sweep};
use crate::contract::{MS, SECOND};
use crate::functions::{Context, OpError, Resolution};
use crate::message::{Filter, KvOp, ObjectsOk, ObjectsOp, UserId};

/// Calls of the PubNub API that one execution makes: its budget (platform.md 3.3).
const CALLS: usize = 10;
/// Users on one page of App Context, and of here-now (platform.md 2.5).
const PAGE: u32 = 100;
const HERE_PAGE: u32 = 1_000;
/// Users whom one execution gets through, roughly: ten pages of App Context are a thousand names, and are then held against
/// all pages of presence.
const USERS_AN_EXECUTION: u64 = 500;
/// Whatever the totals say, a walk begins once in so many times as long as it takes: a shard of some hundred users is walked every
/// 15 s, one of 5,000 every 165 s.
const REST: u64 = 5;
/// Between two looks at a user who differs [ms]: the platform holds a leave back for 2 s, and what presence answers may be
/// 3 s old (platform.md 2.5). A leave that the first look saw and the second one sees was held back no longer, or is another.
/// A keyset that holds leaves back for longer has some of them told all the same.
pub const LOOKS_APART_MS: u64 = 2_000 + 3_000;
/// A stretch is long enough when its names take so many bytes, and no more of those who differ are kept: both, and the page
/// that ends the stretch, fit one value of KV, 30 KB at the least (kvstore-module.md). Who is left out is found by the next
/// walk.
const STRETCH_BYTES: usize = 14_000;
const DIFFER_BYTES: usize = 10_000;
/// A name in the stored walk has two quotes and a comma.
const AROUND_NAME: usize = 3;

/// Users by the time of the look that found them first [Unix ms].
type Looks = BTreeMap<u64, BTreeSet<String>>;

/// How far the walk of a shard is. Nobody is in two of the first three.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Walk {
    /// While nothing is walked: how many presence had at the last comparison, and how many App Context had online, if these
    /// differed.
    totals: Option<(u32, u32)>,
    /// Who differed in the walk before and has not been met in this one.
    before: Looks,
    /// Who differs in this walk.
    differ: Looks,
    /// Who differed in both: to be settled.
    wrong: BTreeSet<String>,
    /// The stretch begins behind this name.
    after: String,
    /// Of its names, which App Context has online, those that presence has not shown so far.
    unseen: BTreeSet<String>,
    /// Where App Context's listing goes on; `None`: at its beginning or, once the stretch is read, nowhere.
    page: Option<String>,
    read: Read,
    /// Users of presence that the stretch has been held against.
    here: u32,
}

/// How much of the stretch has been read.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Read {
    #[default]
    NotAll,
    /// All, up to this name; there is more behind it.
    To(String),
    /// All, and it was the last one.
    ToTheEnd,
}

/// Some calls' worth of the walk, if there is anything to walk for; those found wrong come first.
pub async fn step(context: Context, shard: u32) -> Resolution {
    let key = format!("reconcile:{shard}");
    let stored = remembered::<Walk>(&context, &key).await;
    let was_stored = stored.is_some();
    // A store that does not answer makes it begin again.
    let mut walk = stored.unwrap_or_default();
    if let Err(error) = walk.go_on(&context, shard).await {
        context.log(|| format!("FUNC ERROR reconcile shard {shard}: {error}"));
        context.count("function.errors");
        // A page that is no page any more: from the beginning.
        if matches!(&error, OpError::Api(error) if error.status == 400) {
            walk.begin_again();
        }
    }
    walk.keep_what_fits();
    if walk != Walk::default() {
        let text = serde_json::to_string(&walk).expect("strings and numbers serialise");
        _ = context.kv_set(key, text, None).await;
    } else if was_stored {
        // Nothing is left to remember: a shard that is as it should be keeps no key.
        _ = context.kv(KvOp::Remove { key: key.into() }).await;
    }
    Resolution::Ok(None)
}

/// A page of those whom App Context has online: their ids, where it goes on, and how many there are in all.
async fn listed(
    context: &Context,
    shard: u32,
    limit: u32,
    page: Option<&str>,
) -> Result<(Vec<UserId>, Option<String>, u32), OpError> {
    let filter = vec![Filter::new("shardId", shard), Filter::new("online", true)];
    let asked = ObjectsOp::ListUserIds { filter, limit, page: page.map(Into::into) };
    let ObjectsOk::Ids { ids, next, total } = context.objects(asked).await? else {
        unreachable!("a listing of ids is answered with ids")
    };
    Ok((ids, next.as_deref().map(Into::into), total))
}

impl Walk {
    /// Notes who differs in a look of this time. Whom the walk before found too, long enough ago, is wrong; who has been seen to
    /// differ more lately keeps the earlier time. Executions run on workers whose clocks differ: a look that is yet to
    /// come was another clock's, and must not wait for long.
    fn note(&mut self, look_ms: u64, user: String) {
        if self.wrong.contains(&user) || self.differ.values().any(|users| users.contains(&user)) {
            return;
        }
        let first = self.before.iter_mut().find_map(|(first, users)| users.remove(&user).then_some(*first));
        match first {
            Some(first) if look_ms.abs_diff(first) >= LOOKS_APART_MS => _ = self.wrong.insert(user),
            _ => _ = self.differ.entry(first.unwrap_or(look_ms)).or_default().insert(user),
        }
    }

    fn keep_what_fits(&mut self) {
        let mut bytes = 0;
        let mut fits = |user: &String| {
            bytes += user.len() + AROUND_NAME;
            bytes <= DIFFER_BYTES
        };
        self.wrong.retain(&mut fits);
        for looks in [&mut self.before, &mut self.differ] {
            looks.values_mut().for_each(|users| users.retain(&mut fits));
            looks.retain(|_, users| !users.is_empty());
        }
    }

    /// The next walk: all that stays is who differed in this one, and who is wrong.
    fn begin_again(&mut self) {
        let (before, wrong) = (std::mem::take(&mut self.differ), std::mem::take(&mut self.wrong));
        *self = Self { before, wrong, ..Self::default() };
    }

    /// Whether no walk has begun, and the last one left nobody.
    fn rests(&self) -> bool {
        *self == Self { totals: self.totals, ..Self::default() }
    }

    /// Whether a shard that is not being walked is to be walked now: compares its totals.
    async fn is_called_for(&mut self, context: &Context, shard: u32) -> Result<bool, OpError> {
        let here = context.here_now(vec![names::presence_channel(shard).into()], 0, 0).await?.total_occupancy;
        let (_, _, online) = listed(context, shard, 1, None).await?;
        let totals = Some((here, online)).filter(|_| here != online);
        let moves = std::mem::replace(&mut self.totals, totals) != totals;
        // By the time, so that nothing need be remembered; not all shards at once.
        let beat = context.now() / (RECONCILE_INTERVAL_S * SECOND) + u64::from(shard);
        let executions = 1 + u64::from(here) / USERS_AN_EXECUTION;
        Ok(totals.is_some() && !moves || beat.is_multiple_of(REST * executions))
    }

    /// Goes on until no call is left, or all of the shard has been walked.
    async fn go_on(&mut self, context: &Context, shard: u32) -> Result<(), OpError> {
        let mut calls = CALLS;
        if self.rests() {
            if !self.is_called_for(context, shard).await? {
                return Ok(());
            }
            calls -= 2;
        }
        calls -= self.settle(context, calls).await?;
        while calls > 0 {
            calls -= 1;
            if self.read == Read::NotAll {
                self.read_on(context, shard).await?;
            } else if self.compare(context, shard).await? {
                self.begin_again();
                return self.settle(context, calls).await.map(|_| ());
            }
        }
        Ok(())
    }

    /// Has those who are wrong settled, as far as so many calls reach; how many it made.
    async fn settle(&mut self, context: &Context, calls: usize) -> Result<usize, OpError> {
        let users: Vec<String> = self.wrong.iter().cloned().collect();
        let (taken, fires) = sweep::settle(context, &users, calls, "reconcile.differences").await?;
        users[..taken].iter().for_each(|user| _ = self.wrong.remove(user));
        Ok(fires)
    }

    /// One page more of the stretch.
    async fn read_on(&mut self, context: &Context, shard: u32) -> Result<(), OpError> {
        let (ids, next, _) = listed(context, shard, PAGE, self.page.as_deref()).await?;
        // Whoever moved ahead of the stretch since is in the next walk.
        self.unseen.extend(ids.iter().filter(|id| ***id > *self.after).map(|id| id.to_string()));
        self.page = next;
        if self.page.is_none() {
            self.read = Read::ToTheEnd;
        } else if self.unseen.iter().map(|user| user.len() + AROUND_NAME).sum::<usize>() >= STRETCH_BYTES {
            let last = self.unseen.last().expect("a stretch of so many characters has names");
            self.read = Read::To(last.clone());
        }
        Ok(())
    }

    /// Holds the stretch against one page of presence; whether that was the last one of the last stretch.
    async fn compare(&mut self, context: &Context, shard: u32) -> Result<bool, OpError> {
        let here = context.here_now(vec![names::presence_channel(shard).into()], HERE_PAGE, self.here).await?;
        let look_ms = context.now() / MS;
        let users = here.channels.iter().flat_map(|at| at.users.iter());
        let mut shown = 0;
        for (user, _) in users {
            shown += 1;
            let within = match &self.read {
                Read::To(last) => **user > *self.after && **user <= **last,
                _ => **user > *self.after,
            };
            if within && !self.unseen.remove(&**user) {
                self.note(look_ms, user.to_string());
            }
        }
        self.here += shown;
        if shown > 0 && self.here < here.total_occupancy {
            return Ok(false);
        }
        for user in std::mem::take(&mut self.unseen) {
            self.note(look_ms, user);
        }
        self.here = 0;
        match std::mem::take(&mut self.read) {
            Read::To(last) => self.after = last,
            _ => return Ok(true),
        }
        Ok(false)
    }
}
