//! Finds the users of a shard whom presence has and App Context has not online, or the other way about, however many users the
//! shard has: both listings are walked to their ends, over as many executions as that takes.
//!
//! App Context lists by name, presence by who joined first. So the names are cut into stretches: a stretch is read from App
//! Context, and held against *all* pages of presence; then comes the next. What is left of the stretch is not present; who is
//! present, has a name within the stretch and is not in it, App Context has not online. Between two executions the walk stands in KV.
//! While users move, pages shift: one may be missed, and one suspected for nothing, which costs an execution. Once all is
//! calm, nothing shifts, and the next walk from the beginning misses nobody.
//!
//! Who differs is not wrong yet: the platform holds a leave back for 2 s, should the user return, and so must this. The walk
//! is the first look; the second is that of who settles, which reads the record and asks presence itself. Between the two
//! lies [`LOOKS_APART_MS`], by time and not by executions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{names, remembered, sweep};
use crate::contract::MS;
use crate::functions::{Context, OpError, Resolution};
use crate::message::{Filter, KvOp, ObjectsOk, ObjectsOp};

/// Calls of the PubNub API that one execution makes: its budget (platform.md 3.3).
const CALLS: usize = 10;
/// Users on one page of App Context, and of here-now (platform.md 2.5).
const PAGE: u32 = 100;
const HERE_PAGE: u32 = 1_000;
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

/// How far the walk of a shard is.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Walk {
    /// Who differed and is yet to be settled, by the time of the look [Unix ms]. Nobody twice.
    differ: BTreeMap<u64, BTreeSet<String>>,
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

/// Some calls' worth of the walk; or, where somebody who differed is due for the second look, of those.
pub async fn step(context: Context, shard: u32) -> Resolution {
    let key = format!("reconcile:{shard}");
    let stored = remembered(&context, &key).await.and_then(|walk| serde_json::from_value::<Walk>(walk).ok());
    let was_stored = stored.is_some();
    // A store that does not answer makes it begin again.
    let mut walk = stored.unwrap_or_default();
    let result = async {
        let due = walk.due(context.now() / MS);
        if due.is_empty() {
            return walk.go_on(&context, shard).await;
        }
        let taken = sweep::settle(&context, &due, CALLS, "reconcile.differences").await?;
        walk.forget(&due[..taken]);
        Ok::<(), OpError>(())
    };
    if let Err(error) = result.await {
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

impl Walk {
    /// Who was looked at long enough ago, first seen first. Executions run on workers whose clocks differ: a look that is yet
    /// to come was another clock's, and must not wait for long.
    fn due(&self, now_ms: u64) -> Vec<String> {
        let looks = self.differ.iter().filter(|(look_ms, _)| now_ms.abs_diff(**look_ms) >= LOOKS_APART_MS);
        looks.flat_map(|(_, users)| users).cloned().collect()
    }

    /// Notes who differed in a look of this time; who did before keeps the earlier time.
    fn note(&mut self, look_ms: u64, user: String) {
        if !self.differ.values().any(|users| users.contains(&user)) {
            self.differ.entry(look_ms).or_default().insert(user);
        }
    }

    /// These users are settled.
    fn forget(&mut self, settled: &[String]) {
        for user in settled {
            self.differ.values_mut().for_each(|users| _ = users.remove(user));
        }
        self.differ.retain(|_, users| !users.is_empty());
    }

    fn keep_what_fits(&mut self) {
        let mut bytes = 0;
        for users in self.differ.values_mut() {
            users.retain(|user| {
                bytes += user.len() + AROUND_NAME;
                bytes <= DIFFER_BYTES
            });
        }
        self.differ.retain(|_, users| !users.is_empty());
    }

    /// The next walk: all that stays is who differed.
    fn begin_again(&mut self) {
        *self = Self { differ: std::mem::take(&mut self.differ), ..Self::default() };
    }

    /// Goes on until no call is left, or all of the shard has been walked.
    async fn go_on(&mut self, context: &Context, shard: u32) -> Result<(), OpError> {
        for _ in 0..CALLS {
            if self.read == Read::NotAll {
                self.read_on(context, shard).await?;
            } else if self.compare(context, shard).await? {
                self.begin_again();
                break;
            }
        }
        Ok(())
    }

    /// One page more of the stretch.
    async fn read_on(&mut self, context: &Context, shard: u32) -> Result<(), OpError> {
        let filter = vec![Filter::new("shardId", shard), Filter::new("online", true)];
        let page = self.page.as_deref().map(Into::into);
        let asked = ObjectsOp::ListUserIds { filter, limit: PAGE, page };
        let ObjectsOk::Ids { ids, next, .. } = context.objects(asked).await? else {
            unreachable!("a listing of ids is answered with ids")
        };
        // Whoever moved ahead of the stretch since is in the next walk.
        self.unseen.extend(ids.iter().filter(|id| ***id > *self.after).map(|id| id.to_string()));
        self.page = next.as_deref().map(Into::into);
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
        let users = here.channels.iter().flat_map(|at| &at.users);
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
