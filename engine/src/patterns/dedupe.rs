//! Messages that are delivered once within a window, and a cache of them (kvstore-module.md, example 2).
//!
//! `documented` looks for the message's hash and writes it afterwards: messages that come together all find nothing. It takes
//! for a duplicate what was marked and then never delivered, what another user says in the same words, and, when the store
//! fails, nothing at all. It caches what may never be published, under an id that anybody may use.
//!
//! `hardened` has one [`claim`] for a message at a time, and marks it before it lets it pass: two are never let through within a
//! window of each other. Whether what it let pass was delivered it cannot know, as its worker or the broker may die in
//! between. The After Publish handler does: it notes the delivery under the mark's own id, and caches the very message. So a
//! message that comes again is a duplicate (409) if its delivery is noted, and in doubt (503) if it is not: its sender asks
//! again, and is let through when the mark has expired. What is told to be published or a duplicate was delivered.
//!
//! **What fails closed:** a store that errs or is late: 503. **What the window is for:** messages of one publisher, whose
//! region's store has the marks.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Variant;
use super::claim::{self, claim};
use super::rights::Rights;
use crate::access::Permissions;
use crate::contract::MINUTE;
use crate::functions::{Context, Event, Function, Needs, OpError, Resolution};
use crate::message::Trigger;
use crate::planted::{Bug, has};
use crate::timetoken::unix_ms;

/// Where messages are published.
pub const CHANNEL: &str = "messages.all";
/// Where cached ones are asked for: `?from=user&id=message`.
pub const CACHE: &str = "/messages";
/// Life of a cached message.
const CACHE_MINUTES: u32 = 1_440;

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "whose-words",
        "Example 2 hashes the message alone: not its channel, not who published it.",
        "Documented does so, and swallows what another user says in the same words. Hardened hashes channel, publisher and \
         message.",
    ),
    (
        "cached-before-it-is-published",
        "Example 2 caches a message in the handler that runs before it is published, under the id in the message.",
        "Documented does so: the cache has messages that nobody got, and one user's id can hold another's words. Hardened \
         caches after the publish, under publisher and id.",
    ),
    (
        "nobody-reads-the-cache",
        "Example 2 caches for potential retrieval and shows none.",
        "Both variants answer an On Request Function from it: the stored text, or 404.",
    ),
    (
        "a-window-that-nothing-closes-twice",
        "Example 2 gives a mark five minutes, in which an attempt that was marked and never delivered cannot be repeated.",
        "Documented tells its sender that it was aborted. Hardened tells it to try again, and delivers it after the window.",
    ),
];

/// A message as it is published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Said {
    pub id: String,
    pub text: String,
}

/// What a user's token opens.
pub fn rights(ttl_minutes: u32) -> Rights {
    Rights::new("dedupe", ttl_minutes, &[(CHANNEL, Permissions::READ.and(Permissions::WRITE))], &[])
}

/// What each handler needs.
pub fn needs(variant: Variant) -> Vec<Needs> {
    let cached = Needs { handler: "cached", kv: 1, ..Needs::NONE };
    match variant {
        Variant::Documented => vec![Needs { handler: "dedupe", kv: 3, ..Needs::NONE }, cached],
        Variant::Hardened => vec![
            Needs { handler: "dedupe", kv: 2 + claim::CALLS, ..Needs::NONE },
            Needs { handler: "delivered", kv: 2, ..Needs::NONE },
            cached,
        ],
    }
}

/// The Functions to deploy; a window lasts for so long.
pub fn functions(variant: Variant, window_minutes: u32) -> Vec<Function> {
    let cached =
        Function::new("cached", CACHE, Trigger::OnRequest, move |context, event| cached(context, event, variant));
    match variant {
        Variant::Documented => vec![
            Function::new("dedupe", CHANNEL, Trigger::BeforePublish, move |context, event| {
                documented(context, event, window_minutes)
            }),
            cached,
        ],
        Variant::Hardened => vec![
            Function::new("dedupe", CHANNEL, Trigger::BeforePublish, move |context, event| {
                hardened(context, event, window_minutes)
            }),
            Function::new("delivered", CHANNEL, Trigger::AfterPublish, move |context, event| {
                delivered(context, event, window_minutes)
            }),
            cached,
        ],
    }
}

/// The document's steps; whatever fails, the message passes.
async fn documented(context: Context, event: Event, window_minutes: u32) -> Resolution {
    let message: Value = serde_json::from_str(&event.payload).unwrap_or(Value::Null);
    let marked = async {
        let key = format!("message_hash:{}", context.sha256(&event.payload).await);
        if context.kv_get(&*key).await?.is_some() {
            return Ok(false);
        }
        let mark = json!({
            "originalChannel": &*event.channel, "timestamp": unix_ms(context.now()), "messageId": message["id"],
        });
        context.kv_set(key, mark.to_string(), Some(window_minutes)).await?;
        if let Some(id) = message["id"].as_str() {
            context.kv_set(format!("cached_message:{id}"), &*event.payload, Some(CACHE_MINUTES)).await?;
        }
        Ok::<_, OpError>(true)
    };
    match marked.await {
        Ok(true) => Resolution::Ok(None),
        Ok(false) => {
            context.count("messages.duplicates");
            Resolution::refuse(400, "aborted")
        }
        Err(error) => {
            context.count("messages.not_marked");
            context.log(|| format!("dedupe: {error}"));
            Resolution::Ok(None)
        }
    }
}

/// The field of a message in which its mark's id travels to the After Publish handler.
const MARK: &str = "mark";

/// What is known of a message that is published.
enum Known {
    /// Nothing: it has a mark of this id from now on.
    New(String),
    /// Another attempt is marked or under way, and its delivery is not noted.
    InDoubt,
    Delivered,
}

/// Nothing passes but what has the claim and is marked.
async fn hardened(context: Context, event: Event, window_minutes: u32) -> Resolution {
    let mut message = match serde_json::from_str::<Map<String, Value>>(&event.payload) {
        Ok(message) if message.get("id").is_some_and(Value::is_string) => message,
        _ => return Resolution::refuse(400, "invalid_message"),
    };
    // What only this Function may say.
    message.shift_remove(MARK);
    let said = json!([&*event.channel, &*event.publisher, message]).to_string();
    let hash = context.sha256(&said).await;
    let marked = async {
        let key = format!("message_hash:{hash}");
        if let Some(mark) = context.kv_get(&*key).await? {
            let delivered = context.kv_get(format!("delivered:{mark}")).await?.is_some();
            return Ok(if delivered { Known::Delivered } else { Known::InDoubt });
        }
        if !claim(&context, &hash, u64::from(window_minutes) * MINUTE / 2).await? {
            return Ok(Known::InDoubt);
        }
        let mark = context.uuid();
        if !has(Bug::DedupeMarksNothing) {
            context.kv_set(key, &*mark, Some(window_minutes)).await?;
        }
        Ok::<_, OpError>(Known::New(mark))
    };
    match marked.await {
        Ok(Known::New(mark)) => {
            message.insert(MARK.into(), mark.into());
            Resolution::Ok(Some(Value::Object(message).to_string().into()))
        }
        Ok(Known::Delivered) => {
            context.count("messages.duplicates");
            Resolution::refuse(409, "duplicate")
        }
        Ok(Known::InDoubt) => {
            context.count("messages.in_doubt");
            Resolution::refuse(503, "try_again")
        }
        Err(error) => {
            context.count("messages.not_marked");
            context.log(|| format!("dedupe: {error}"));
            Resolution::refuse(503, "try_again")
        }
    }
}

/// After the publish: the message is out, and this is what it says.
async fn delivered(context: Context, event: Event, window_minutes: u32) -> Resolution {
    let message: Map<String, Value> = serde_json::from_str(&event.payload).unwrap_or_default();
    let word = |key: &str| message.get(key).and_then(Value::as_str);
    let (Some(mark), Some(id)) = (word(MARK), word("id")) else { return Resolution::Ok(None) };
    // What cannot be noted stays in doubt, and what cannot be cached is not found.
    _ = context.kv_set(format!("delivered:{mark}"), "1", Some(window_minutes)).await;
    let key = format!("cached_message:{}:{id}", event.publisher);
    _ = context.kv_set(key, &*event.payload, Some(CACHE_MINUTES)).await;
    Resolution::Ok(None)
}

/// Answers from the cache.
async fn cached(context: Context, event: Event, variant: Variant) -> Resolution {
    let asked = event.request.as_deref();
    let (Some(from), Some(id)) =
        (asked.and_then(|asked| asked.query("from")), asked.and_then(|asked| asked.query("id")))
    else {
        return Resolution::refuse(400, "which_message");
    };
    let key = match variant {
        Variant::Documented => format!("cached_message:{id}"),
        Variant::Hardened => format!("cached_message:{from}:{id}"),
    };
    match context.kv_get(key).await {
        Ok(Some(message)) => Resolution::send(message, 200),
        Ok(None) => Resolution::refuse(404, "not_cached"),
        Err(_) => Resolution::refuse(503, "try_again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patterns::tests::bench::{Bench, NOON, in_every_order};

    const MESSAGE: &str = r#"{"id":"m1","text":"hello"}"#;

    fn bench(variant: Variant) -> Bench {
        Bench::new(|| functions(variant, 1), &[NOON, NOON])
    }

    fn say(bench: &mut Bench, worker: usize, tag: u64) {
        bench.invoke(worker, tag, Trigger::BeforePublish, CHANNEL, "user_1", MESSAGE);
    }

    fn twice_at_once(variant: Variant) -> [usize; 3] {
        let mut passed = [0; 3];
        let start = || {
            let mut bench = bench(variant);
            (0..2).for_each(|worker| say(&mut bench, worker, worker as u64));
            bench
        };
        in_every_order(start, |bench| passed[bench.passed()] += 1);
        passed
    }

    /// Of 20 orders of three calls and three, documented looks before the other has marked in all but the two extremes.
    #[test]
    fn of_two_at_once_documented_lets_both_pass_and_hardened_at_most_one() {
        assert_eq!(twice_at_once(Variant::Documented)[0], 0);
        assert!(twice_at_once(Variant::Documented)[2] > 0);
        assert_eq!(twice_at_once(Variant::Hardened)[2], 0);
        assert!(twice_at_once(Variant::Hardened)[1] > 0);
    }

    /// The worker dies after each number of calls, until it has let the message pass and nobody knows whether it was delivered.
    /// It is never called a duplicate, and passes when its mark has expired.
    #[test]
    fn what_was_marked_and_not_delivered_is_in_doubt_until_its_window_is_over() {
        for calls in 0..=6 {
            let mut bench = bench(Variant::Hardened);
            say(&mut bench, 0, 1);
            (0..calls).for_each(|_| bench.carry(0));
            bench.kill(0);
            say(&mut bench, 1, 2);
            bench.finish();
            let again = bench.end(2).unwrap().clone();
            assert!(matches!(&again, Ok(_) | Err((503, _))), "{calls} calls: {again:?}");
            bench.wait(MINUTE + 1);
            say(&mut bench, 1, 3);
            bench.finish();
            assert!(bench.end(3).unwrap().is_ok(), "{calls} calls: {:?}", bench.end(3));
        }
    }

    /// Delivered and noted: a duplicate for a minute, and not for longer.
    #[test]
    fn what_was_delivered_is_a_duplicate_for_its_window() {
        let mut bench = bench(Variant::Hardened);
        say(&mut bench, 0, 1);
        bench.finish();
        let said = bench.end(1).unwrap().clone().unwrap();
        bench.invoke(1, 2, Trigger::AfterPublish, CHANNEL, "user_1", &said);
        bench.finish();
        for (tag, wait, end) in [(3, MINUTE - 1, Some(409)), (4, 1, None)] {
            bench.wait(wait);
            say(&mut bench, 0, tag);
            bench.finish();
            assert_eq!(bench.end(tag).unwrap().as_ref().err().map(|(status, _)| *status), end, "{tag}");
        }
        assert_eq!(bench.kv.get_now("cached_message:user_1:m1", NOON).as_deref(), Some(&*said));
    }
}
