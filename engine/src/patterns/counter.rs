//! Votes counted by signals, and an aggregator on an interval (functions-patterns.md, pattern 1).
//!
//! `documented` increments counters: a crash between two of them, or a second signal beside the first, leaves them wrong for
//! ever. `hardened` counts nothing while people vote: each vote is a key of its own, written as often as it is asked for, and
//! the aggregator counts keys, page by page, from one execution to the next. A count is then right by its nature: what was
//! written twice is there once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Variant;
use super::rights::Rights;
use crate::access::Permissions;
use crate::functions::{Context, Event, Function, Needs, OpError, Resolution};
use crate::message::Trigger;
use crate::planted::{Bug, has};
use crate::timetoken::unix_ms;

/// The aggregator's job.
pub const RESULTS_JOB: &str = "vote-results";
/// `user_vote` and the hardened keys live for a day.
const VOTE_TTL_MINUTES: u32 = 1_440;
/// Pages that one execution of the hardened aggregator reads: with its place read and written, 9 KV calls of 10.
const PAGES: u32 = 7;
/// Results that it publishes in one execution: as many as the newest profile allows.
const PUBLISHES: u32 = 10;
/// Where the hardened aggregator keeps its place.
const PLACE_KEY: &str = "results_place";

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "counters-among-keys",
        "Pattern 1's aggregator looks for its counters in getKeys and takes the answer for an array; kvstore-module.md lists \
         counters by getCounterKeys, and a listing is an object with a page of at most 100.",
        "Documented reads the first page of getCounterKeys: counters beyond the hundredth are not seen.",
    ),
    (
        "three-operations-a-vote",
        "Pattern 1's handler makes four KV calls and a fire; kvstore-module.md counts KV towards three operations in one \
         execution.",
        "The documented handler cannot run under that limit and says so. The hardened one makes three KV calls and no other.",
    ),
    (
        "enhanced-signals",
        "Pattern 1 adds counts to the signal; a signal has at most 64 bytes (platform.md 2.7).",
        "The limit is checked on what the client sends; documented adds what it adds. Hardened leaves the signal as it is.",
    ),
    (
        "duplicates-are-let-through",
        "Pattern 1 marks a second vote and lets it pass: the voter is told that it was sent.",
        "Documented does so. Hardened refuses it with 409.",
    ),
];

/// The channel a poll's votes are signalled on.
pub fn vote_channel(poll: u32) -> String {
    format!("vote.poll{poll}")
}

/// The channel a poll's results are published on.
pub fn results_channel(poll: u32) -> String {
    format!("vote_results.poll{poll}")
}

/// An option's id.
pub fn option_id(option: u32) -> String {
    format!("o{option}")
}

/// A vote as it is signalled.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Vote {
    pub option_id: String,
    pub user_id: String,
}

/// Results as they are published.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    pub poll_id: String,
    pub results: std::collections::BTreeMap<String, u64>,
    pub total_votes: u64,
}

/// What a voter's token opens: votes to write, results to read.
pub fn rights(ttl_minutes: u32) -> Rights {
    let (read, write) = (Permissions::READ, Permissions::WRITE);
    Rights::new("counter", ttl_minutes, &[("vote.*", write), ("vote_results.*", read)], &[])
}

/// What each handler needs, with so many polls of so many options.
pub fn needs(variant: Variant, polls: u32, options: u32) -> Vec<Needs> {
    match variant {
        Variant::Documented => vec![
            Needs { handler: "vote", kv: 4, publishes: 1, ..Needs::NONE },
            // One page, each of its counters, each of their polls.
            Needs {
                handler: "vote-results",
                kv: 1 + polls.saturating_mul(options + 1).min(100),
                publishes: polls.min(100),
                ..Needs::NONE
            },
        ],
        Variant::Hardened => vec![
            Needs { handler: "vote", kv: 3, ..Needs::NONE },
            Needs { handler: "vote-results", kv: 2 + PAGES, publishes: PUBLISHES, ..Needs::NONE },
        ],
    }
}

/// The Functions to deploy.
pub fn functions(variant: Variant) -> Vec<Function> {
    match variant {
        Variant::Documented => vec![
            Function::new("vote", "vote.*", Trigger::BeforeSignal, vote_documented),
            Function::new("vote-results", RESULTS_JOB, Trigger::OnInterval, results_documented),
        ],
        Variant::Hardened => vec![
            Function::new("vote", "vote.*", Trigger::BeforeSignal, vote_hardened),
            Function::new("vote-results", RESULTS_JOB, Trigger::OnInterval, results_hardened),
        ],
    }
}

fn poll_of(event: &Event) -> &str {
    event.channel.split('.').nth(1).unwrap_or("")
}

/// The document's steps; whatever fails, the signal passes.
async fn vote_documented(context: Context, event: Event) -> Resolution {
    let mut message: Value = serde_json::from_str(&event.payload).unwrap_or(Value::Null);
    let mark = |mut message: Value, error: &str| {
        if let Some(fields) = message.as_object_mut() {
            fields.insert("error".into(), error.into());
        }
        Resolution::Ok(Some(message.to_string().into()))
    };
    let Ok(vote) = serde_json::from_value::<Vote>(message.clone()) else { return mark(message, "processing_failed") };
    let (poll, user, option) = (poll_of(&event), &vote.user_id, &vote.option_id);
    let counted = async {
        let user_key = format!("user_vote:{poll}:{user}");
        if context.kv_get(&*user_key).await?.is_some() {
            context.count("votes.duplicates");
            return Ok(None);
        }
        let count = context.kv_incr(format!("vote_count:{poll}:{option}"), 1).await?;
        let record = json!({ "optionId": option, "timestamp": unix_ms(context.now()), "pollId": poll });
        context.kv_set(user_key, record.to_string(), Some(VOTE_TTL_MINUTES)).await?;
        let total = context.kv_incr(format!("total_votes:{poll}"), 1).await?;
        context.count("votes.counted");
        Ok::<_, OpError>(Some((count, total)))
    };
    let (count, total) = match counted.await {
        Ok(Some(counts)) => counts,
        Ok(None) => return mark(message, "duplicate_vote"),
        Err(error) => {
            context.log(|| format!("vote: {error}"));
            return mark(message, "processing_failed");
        }
    };
    if let Some(fields) = message.as_object_mut() {
        fields.insert("voteCount".into(), count.into());
        fields.insert("totalVotes".into(), total.into());
        fields.insert("success".into(), true.into());
    }
    let analytics = json!({
        "type": "vote_cast", "pollId": poll, "optionId": option, "newCount": count, "totalVotes": total,
        "timestamp": unix_ms(context.now()),
    });
    if context.fire("vote_analytics", analytics.to_string()).await.is_err() {
        return mark(message, "processing_failed");
    }
    Resolution::Ok(Some(message.to_string().into()))
}

fn results(context: &Context, poll: &str, options: &Map<String, Value>) -> String {
    let total: u64 = options.values().filter_map(Value::as_u64).sum();
    json!({
        "pollId": poll, "results": options, "totalVotes": total, "timestamp": unix_ms(context.now()),
        "type": "results_update",
    })
    .to_string()
}

/// The document's steps, with its listing read as in [`READINGS`].
async fn results_documented(context: Context, _: Event) -> Resolution {
    let aggregated = async {
        let (keys, _) = context.kv_counter_keys(None).await?;
        let mut polls: Map<String, Value> = Map::new();
        for key in keys.iter().filter(|key| key.starts_with("vote_count:")) {
            let mut parts = key.split(':').skip(1);
            let (Some(poll), Some(option)) = (parts.next(), parts.next()) else { continue };
            let count = context.kv_counter(key.clone()).await?;
            let poll = polls.entry(poll).or_insert_with(|| Value::Object(Map::new()));
            poll[option] = count.into();
        }
        for (poll, options) in &polls {
            let options = options.as_object().expect("it was made as one");
            context.publish(format!("vote_results.{poll}"), results(&context, poll, options), false).await?;
        }
        Ok::<_, OpError>(())
    };
    match aggregated.await {
        Ok(()) => Resolution::Ok(None),
        Err(_) => Resolution::refuse(500, "aggregation_failed"),
    }
}

/// The user is who published, not who the message says. A claim keeps the user to one option; the key that is counted is
/// written again each time, so that a vote whose first attempt died half way is made whole by the next.
async fn vote_hardened(context: Context, event: Event) -> Resolution {
    let (poll, user) = (poll_of(&event), &event.publisher);
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let vote = match serde_json::from_str::<Vote>(&event.payload) {
        Ok(vote) if vote.user_id == **user && is_word(&vote.option_id) && is_word(poll) => vote,
        _ => return Resolution::refuse(400, "invalid_vote"),
    };
    let written = async {
        let claim = format!("claim:{poll}:{user}");
        match context.kv_get(&*claim).await? {
            Some(option) if *option != *vote.option_id => return Ok(false),
            Some(_) => {}
            None => context.kv_set(claim, &*vote.option_id, Some(VOTE_TTL_MINUTES)).await?,
        }
        let voter = if has(Bug::CounterForgetsTheVoter) { "somebody" } else { user };
        let key = format!("vote:{poll}:{voter}:{}", vote.option_id);
        context.kv_set(key, "1", Some(VOTE_TTL_MINUTES)).await?;
        Ok::<_, OpError>(true)
    };
    match written.await {
        Ok(true) => {
            context.count("votes.counted");
            Resolution::Ok(None)
        }
        Ok(false) => {
            context.count("votes.duplicates");
            Resolution::refuse(409, "already_voted")
        }
        // Counted or not: the same vote may be sent again, and is counted once.
        Err(error) => {
            context.log(|| format!("vote: {error}"));
            Resolution::refuse(503, "try_again")
        }
    }
}

/// How far a count has come: the page it stands on, the last key of it that is counted, and the poll under way.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Place {
    page: Option<Arc<str>>,
    after: String,
    poll: String,
    options: Map<String, Value>,
    user: String,
}

impl Place {
    /// Counts a key; returns what the count of the poll before has come to, if this key is the first of another one.
    fn count(&mut self, key: &str) -> Option<(String, Map<String, Value>)> {
        self.after = key.to_owned();
        let rest = key.strip_prefix("vote:")?;
        let (poll, rest) = rest.split_once(':')?;
        let (user, option) = rest.rsplit_once(':')?;
        let ended = if self.poll == poll { None } else { self.end(poll) };
        // Two options of one user stand side by side, if two first votes crossed: the first in order counts.
        if self.user != user {
            self.user = user.to_owned();
            let count = self.options.get(option).and_then(Value::as_u64).unwrap_or(0);
            self.options.insert(option.to_owned(), (count + 1).into());
        }
        ended
    }

    /// The poll under way has come to its end, and `next` begins.
    fn end(&mut self, next: &str) -> Option<(String, Map<String, Value>)> {
        let poll = std::mem::replace(&mut self.poll, next.to_owned());
        let options = std::mem::take(&mut self.options);
        self.user.clear();
        (!poll.is_empty()).then_some((poll, options))
    }
}

/// Goes on counting where the last execution stopped. What it publishes before it dies is published again: results are
/// whole counts, not steps.
async fn results_hardened(context: Context, _: Event) -> Resolution {
    let counted = async {
        let mut place: Place = context.kv_get_json(PLACE_KEY).await?.unwrap_or_default();
        let mut published = 0;
        'pages: for _ in 0..PAGES {
            let (keys, next) = context.kv_keys(place.page.clone()).await?;
            for key in &keys {
                if **key <= *place.after || has(Bug::CounterSkipsKeys) && *key == keys[0] {
                    continue;
                }
                if published == PUBLISHES && key.starts_with("vote:") && !key.starts_with(&*under_way(&place)) {
                    break 'pages;
                }
                if let Some((poll, options)) = place.count(key) {
                    let text = results(&context, &poll, &options);
                    context.publish(format!("vote_results.{poll}"), text, false).await?;
                    published += 1;
                }
            }
            place.page = next;
            if place.page.is_none() {
                if published == PUBLISHES {
                    // The last poll's turn is the next execution's: it reads the last page anew and finds it counted.
                    break;
                }
                if let Some((poll, options)) = place.end("") {
                    let text = results(&context, &poll, &options);
                    context.publish(format!("vote_results.{poll}"), text, false).await?;
                }
                place = Place::default();
                break;
            }
        }
        let text = serde_json::to_string(&place).expect("texts and numbers serialise");
        context.kv_set(PLACE_KEY, text, Some(VOTE_TTL_MINUTES)).await
    };
    match counted.await {
        Ok(()) => Resolution::Ok(None),
        Err(error) => {
            context.log(|| format!("results: {error}"));
            Resolution::refuse(500, "aggregation_failed")
        }
    }
}

/// What keys of the poll under way begin with; before the first one, none does.
fn under_way(place: &Place) -> String {
    format!("vote:{}:", place.poll)
}
