//! Functions as middleware: what is published is validated, moderated, limited and enriched on its way, and has its effects
//! afterwards (integration-patterns.md, pattern 5).
//!
//! `documented` reads when a user last wrote, compares, and writes afterwards: messages that come together all pass. After a
//! mention it calls the notification service for one user after the other, in an execution that may die, and nobody calls again.
//!
//! `hardened` counts a message first and looks at what the count came to. A mention is written down as due *before* it is
//! published, under the sender's own id for it, so that no delivery is without its note, however often the sender tries. The
//! handler after the publish and a job settle what is due: each user is notified under a key of this mention and user, which
//! the service knows again; only when all have been is their number written down, and then the note removed. All
//! of that may be done twice, by both at once, and half: it comes to the same.
//!
//! **What fails closed:** a store that errs: 503. **What may be too much:** a mention whose sender gives up after it was noted
//! is notified, whether or not it was delivered.

use std::any::Any;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Variant;
use super::rights::Rights;
use crate::access::Permissions;
use crate::contract::Nanos;
use crate::dice::HttpReply;
use crate::functions::{Context, Event, Function, Needs, OpError, Resolution, join_all};
use crate::message::{HttpRequest, Trigger};
use crate::outside::{Answered, Service};
use crate::timetoken::{iso8601, unix_ms};

/// Where people chat, and where they mention each other.
pub const CHAT: &str = "chat.room";
pub const MENTIONS: &str = "mention.room";
/// The customer's notification service.
pub const NOTIFICATIONS: &str = "https://api.yourapp.com";
/// The job that settles what is due.
pub const DUE_JOB: &str = "notify-due";
/// Words that nobody is to read.
pub const PROFANITIES: [&str; 2] = ["badword1", "badword2"];
/// Users that one mention may name: as many as there are `xhr` requests in one execution.
pub const MENTIONED_MAX: usize = 5;
/// What is due is remembered for a day, and what has been done for as long.
const REMEMBERED_MINUTES: u32 = 1_440;
/// The handler after the publish comes first; the job looks after it so much later.
const OVERDUE_MS: u64 = 5_000;

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "calls-that-nobody-awaits",
        "Pattern 5's handler reads and writes the store without await, in a function that is not async: what it compares has no \
         timestamp, and nobody would ever be limited.",
        "Documented awaits, as the pattern means it.",
    ),
    (
        "a-minute-or-an-hour",
        "Pattern 5 keeps the time of the last message with a TTL of 60; a TTL is in minutes.",
        "Documented does so. It lives longer than it is needed, which harms nobody.",
    ),
    (
        "a-second-since-the-last-message",
        "Pattern 5 refuses a message within a second of the last one; no clock of the platform is that exact, and no store call \
         compares and sets.",
        "Documented reads, compares and sets. Hardened lets one message pass in each second, counted by its number: around \
         the edge of two seconds two may be closer.",
    ),
    (
        "aborts-that-say-why",
        "Pattern 5 aborts without a status; platform.md 3.2 does not know what a publisher sees.",
        "Documented answers 400 for all of them. Hardened answers 400 for what is wrong for good, and 429 for what is too soon.",
    ),
    (
        "an-error-in-a-handler",
        "Pattern 5 catches nothing.",
        "An error ends a documented execution: before a publish the publisher sees a 500, after it the users that are left are \
         not notified.",
    ),
];

/// A chat message or a mention, as it is published.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Message {
    pub id: u32,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    pub payload: Content,
    #[serde(rename = "serverTimestamp", skip_serializing_if = "Option::is_none")]
    pub server_timestamp: Option<String>,
}

/// What it says, whom it mentions, and where to find it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Content {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// What a user's token opens.
pub fn rights(ttl_minutes: u32) -> Rights {
    let both = Permissions::READ.and(Permissions::WRITE);
    Rights::new("middleware", ttl_minutes, &[("chat.*", both), ("mention.*", both)], &[])
}

/// What each handler needs.
pub fn needs(variant: Variant) -> Vec<Needs> {
    let xhr = MENTIONED_MAX as u32;
    match variant {
        Variant::Documented => vec![
            Needs { handler: "chat-message-handler", kv: 2, ..Needs::NONE },
            Needs { handler: "notification-sender", xhr, ..Needs::NONE },
        ],
        Variant::Hardened => vec![
            Needs { handler: "chat-message-handler", kv: 1, ..Needs::NONE },
            Needs { handler: "mention-handler", kv: 1, ..Needs::NONE },
            Needs { handler: "notification-sender", kv: 2, xhr, ..Needs::NONE },
            Needs { handler: "notify-due", kv: 4, xhr, ..Needs::NONE },
        ],
    }
}

/// The Functions to deploy; a user's messages are to be so far apart.
pub fn functions(variant: Variant, gap_ms: u64) -> Vec<Function> {
    let (before, after) = (Trigger::BeforePublish, Trigger::AfterPublish);
    match variant {
        Variant::Documented => vec![
            Function::new("chat-message-handler", "chat.*", before, move |context, event| {
                chat_documented(context, event, gap_ms)
            }),
            Function::new("notification-sender", "mention.*", after, notify_documented),
        ],
        Variant::Hardened => vec![
            Function::new("chat-message-handler", "chat.*", before, move |context, event| {
                chat_hardened(context, event, gap_ms)
            }),
            Function::new("mention-handler", "mention.*", before, mention_hardened),
            Function::new("notification-sender", "mention.*", after, notify_hardened),
            Function::new("notify-due", DUE_JOB, Trigger::OnInterval, notify_due),
        ],
    }
}

/// Why a message is not to be published, if it is not.
fn fault_of(message: &Map<String, Value>) -> Option<&'static str> {
    let text = message.get("payload").and_then(|payload| payload["text"].as_str()).filter(|text| !text.is_empty());
    let Some(text) = text.filter(|_| message.get("type").is_some_and(Value::is_string)) else {
        return Some("invalid_message");
    };
    is_profane(text).then_some("inappropriate_content")
}

/// Whether a text has a word that nobody is to read.
pub fn is_profane(text: &str) -> bool {
    let text = text.to_lowercase();
    PROFANITIES.iter().any(|word| text.contains(word))
}

fn enriched(context: &Context, mut message: Map<String, Value>) -> Resolution {
    message.insert("serverTimestamp".into(), iso8601(context.now()).into());
    message.insert("enriched".into(), true.into());
    Resolution::Ok(Some(Value::Object(message).to_string().into()))
}

/// The document's steps.
async fn chat_documented(context: Context, event: Event, gap_ms: u64) -> Resolution {
    let message: Map<String, Value> = serde_json::from_str(&event.payload).unwrap_or_default();
    if let Some(fault) = fault_of(&message) {
        context.count("messages.invalid");
        return Resolution::refuse(400, fault);
    }
    let limited = async {
        let (key, now_ms) = (format!("ratelimit:{}", event.publisher), unix_ms(context.now()));
        let last: Option<Value> = context.kv_get_json(&*key).await?;
        if last.and_then(|last| last["timestamp"].as_u64()).is_some_and(|last| now_ms < last + gap_ms) {
            return Ok(true);
        }
        context.kv_set(key, json!({ "timestamp": now_ms }).to_string(), Some(60)).await?;
        Ok::<_, OpError>(false)
    };
    match limited.await {
        Ok(false) => enriched(&context, message),
        Ok(true) => {
            context.count("messages.limited");
            Resolution::refuse(400, "rate_limit_exceeded")
        }
        Err(error) => Resolution::refuse(500, &error.to_string()),
    }
}

/// Counted first: of all messages of a user in one gap exactly one is the first.
async fn chat_hardened(context: Context, event: Event, gap_ms: u64) -> Resolution {
    let message: Map<String, Value> = serde_json::from_str(&event.payload).unwrap_or_default();
    if let Some(fault) = fault_of(&message) {
        context.count("messages.invalid");
        return Resolution::refuse(400, fault);
    }
    let gap = unix_ms(context.now()) / gap_ms;
    match context.kv_incr(format!("ratelimit:{}:{gap}", event.publisher), 1).await {
        Ok(1) => enriched(&context, message),
        Ok(_) => {
            context.count("messages.limited");
            Resolution::refuse(429, "rate_limit_exceeded")
        }
        Err(error) => {
            context.count("messages.not_counted");
            context.log(|| format!("chat: {error}"));
            Resolution::refuse(503, "try_again")
        }
    }
}

/// What the notification service is asked.
fn notification(user: &str, publisher: &str, link: Option<&str>) -> String {
    let message = format!("You were mentioned by {publisher}");
    json!({ "userId": user, "type": "mention", "message": message, "link": link }).to_string()
}

/// The document's steps: one after the other, until one of them fails.
async fn notify_documented(context: Context, event: Event) -> Resolution {
    let content: Content = match serde_json::from_str::<Message>(&event.payload) {
        Ok(message) => message.payload,
        Err(_) => return Resolution::refuse(500, "payload"),
    };
    for user in &content.mentions {
        let body = notification(user, &event.publisher, content.link.as_deref());
        let headers = [("Content-Type", "application/json")];
        if context.fetch_with("POST", format!("{NOTIFICATIONS}/notifications"), body, &headers).await.is_err() {
            return Resolution::refuse(500, "timeout");
        }
    }
    Resolution::Ok(None)
}

/// What is due of a mention.
#[derive(Debug, Deserialize, Serialize)]
struct Due {
    publisher: String,
    id: u32,
    mentions: Vec<String>,
    link: Option<String>,
    since_ms: u64,
}

impl Due {
    fn of(event: &Event, since_ms: u64) -> Option<Self> {
        let message: Message = serde_json::from_str(&event.payload).ok()?;
        let (publisher, Content { mentions, link, .. }) = (event.publisher.to_string(), message.payload);
        let some = !mentions.is_empty() && mentions.len() <= MENTIONED_MAX;
        some.then_some(Self { publisher, id: message.id, mentions, link, since_ms })
    }

    fn key(&self) -> String {
        format!("due:{}:{}", self.publisher, self.id)
    }
}

/// Where it is written down that all whom a user's mention names were notified: their number.
pub fn notified_key(publisher: &str, id: u32) -> String {
    format!("notified:{publisher}:{id}")
}

/// Notes what will be due, and then lets it pass.
async fn mention_hardened(context: Context, event: Event) -> Resolution {
    let message: Map<String, Value> = serde_json::from_str(&event.payload).unwrap_or_default();
    let due = Due::of(&event, unix_ms(context.now()));
    let Some(due) = due.filter(|_| fault_of(&message).is_none()) else {
        context.count("messages.invalid");
        return Resolution::refuse(400, "invalid_message");
    };
    let note = serde_json::to_string(&due).expect("texts serialise");
    match context.kv_set(due.key(), note, Some(REMEMBERED_MINUTES)).await {
        Ok(()) => enriched(&context, message),
        Err(error) => {
            context.log(|| format!("mention: {error}"));
            Resolution::refuse(503, "try_again")
        }
    }
}

/// Notifies all whom a mention names; if all were, says so and strikes it out.
async fn settle(context: &Context, due: &Due) -> Result<(), OpError> {
    let call = |user: &String| {
        let body = notification(user, &due.publisher, due.link.as_deref());
        let key = format!("{}:{}:{user}", due.publisher, due.id);
        async move {
            let headers = [("Content-Type", "application/json"), ("Idempotency-Key", &*key)];
            context.fetch_with("POST", format!("{NOTIFICATIONS}/notifications"), body, &headers).await
        }
    };
    let answers = join_all(due.mentions.iter().map(call)).await;
    if answers.iter().any(|answer| answer.as_ref().is_ok_and(|answer| answer.status != 200)) {
        context.count("mentions.not_notified");
        return Ok(());
    }
    answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let number = due.mentions.len().to_string();
    context.kv_set(notified_key(&due.publisher, due.id), number, Some(REMEMBERED_MINUTES)).await?;
    context.kv_remove(due.key()).await
}

fn settled(context: &Context, result: Result<(), OpError>) -> Resolution {
    if let Err(error) = result {
        context.log(|| format!("notify: {error}"));
        return Resolution::refuse(500, "due");
    }
    Resolution::Ok(None)
}

async fn notify_hardened(context: Context, event: Event) -> Resolution {
    let Some(due) = Due::of(&event, 0) else { return Resolution::Ok(None) };
    let result = settle(&context, &due).await;
    settled(&context, result)
}

/// Takes one of what is overdue, another one at each time, so that one that cannot be settled keeps no other one waiting.
async fn notify_due(context: Context, _: Event) -> Resolution {
    let result = async {
        let (keys, _) = context.kv_keys(None).await?;
        let due: Vec<_> = keys.into_iter().filter(|key| key.starts_with("due:")).collect();
        let now_ms = unix_ms(context.now());
        let Some(key) = due.get((now_ms / 1_000) as usize % due.len().max(1)) else { return Ok(()) };
        match context.kv_get_json::<Due>(key.clone()).await? {
            Some(due) if now_ms > due.since_ms + OVERDUE_MS => {
                context.count("mentions.overdue");
                settle(&context, &due).await
            }
            _ => Ok(()),
        }
    };
    let result = result.await;
    settled(&context, result)
}

/// The notification service: a call with a key that it knows has no effect again.
#[derive(Debug, Default)]
pub struct Notifications {
    answered: Answered,
    /// How often each user was notified, by link.
    sent: BTreeMap<(String, String), u32>,
}

impl Notifications {
    /// Every notification that took effect: link, user, and how often.
    pub fn sent(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.sent.iter().map(|((link, user), times)| (&**link, &**user, *times))
    }
}

impl Service for Notifications {
    fn serve(&mut self, _: Nanos, request: &HttpRequest) -> HttpReply {
        let body: Value = serde_json::from_str(&request.body).unwrap_or(Value::Null);
        let (Some(user), Some(link)) = (body["userId"].as_str(), body["link"].as_str()) else {
            return (400, "{}".into());
        };
        let sent = &mut self.sent;
        let mut effect = || {
            *sent.entry((link.to_owned(), user.to_owned())).or_default() += 1;
            (200, "{}".into())
        };
        match request.header("Idempotency-Key") {
            Some(key) => self.answered.once(key, effect),
            None => effect(),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patterns::tests::bench::{Bench, NOON, in_every_order};

    const GAP_MS: u64 = 60_000;

    fn bench(variant: Variant) -> Bench {
        Bench::new(|| functions(variant, GAP_MS), &[NOON, NOON]).with_service(Notifications::default())
    }

    fn chat(text: &str) -> String {
        format!(r#"{{"id":1,"type":"text","payload":{{"text":"{text}"}}}}"#)
    }

    fn both_pass(variant: Variant) -> usize {
        let start = || {
            let mut bench = bench(variant);
            for worker in 0..2 {
                bench.invoke(worker, worker as u64, Trigger::BeforePublish, CHAT, "user_1", &chat("hello"));
            }
            bench
        };
        let mut both = 0;
        in_every_order(start, |bench| both += usize::from(bench.passed() == 2));
        both
    }

    /// Documented reads and writes, twice: in 4 of 6 orders both read before either writes.
    #[test]
    fn two_messages_at_once_both_pass_documented_and_never_hardened() {
        assert_eq!(both_pass(Variant::Documented), 4);
        assert_eq!(both_pass(Variant::Hardened), 0);
    }

    #[test]
    fn what_is_invalid_is_refused_and_the_rest_enriched() {
        for variant in [Variant::Documented, Variant::Hardened] {
            let mut bench = bench(variant);
            for (tag, text) in [(1, ""), (2, "so BadWord1!"), (3, "fine")] {
                bench.invoke(0, tag, Trigger::BeforePublish, CHAT, "user_1", &chat(text));
                bench.finish();
            }
            let refused = |tag| bench.end(tag).unwrap().as_ref().unwrap_err().1.clone();
            assert_eq!(refused(1), r#"{"error":"invalid_message"}"#);
            assert_eq!(refused(2), r#"{"error":"inappropriate_content"}"#);
            assert!(bench.end(3).unwrap().as_ref().unwrap().contains("serverTimestamp"));
        }
    }

    const MENTION: &str = r#"{"id":7,"type":"text","payload":{"text":"hi","mentions":["user_2","user_3"],"link":"l"}}"#;

    fn sent(bench: &Bench) -> Vec<u32> {
        bench.service::<Notifications>().sent().map(|(.., times)| times).collect()
    }

    /// The worker dies after each number of calls of the handler that notifies. The job comes by, and both are notified, once each,
    /// and noted; documented leaves it as it is.
    #[test]
    fn whoever_dies_half_way_somebody_else_notifies_the_rest() {
        for calls in 0..=4 {
            let mut bench = bench(Variant::Hardened);
            bench.invoke(0, 1, Trigger::BeforePublish, MENTIONS, "user_1", MENTION);
            bench.finish();
            assert!(bench.end(1).unwrap().is_ok());
            bench.invoke(0, 2, Trigger::AfterPublish, MENTIONS, "user_1", MENTION);
            (0..calls).for_each(|_| bench.carry(0));
            bench.kill(0);
            bench.wait(crate::contract::MINUTE);
            bench.invoke(1, 3, Trigger::OnInterval, DUE_JOB, "", "");
            bench.finish();
            assert_eq!(sent(&bench), [1, 1], "{calls} calls");
            assert_eq!(bench.kv.get_now(&notified_key("user_1", 7), NOON).as_deref(), Some("2"));
            assert_eq!(bench.kv.get_now("due:user_1:7", NOON), None);
        }
        let mut documented = bench(Variant::Documented);
        documented.invoke(0, 1, Trigger::AfterPublish, MENTIONS, "user_1", MENTION);
        documented.carry(0);
        documented.kill(0);
        assert_eq!(sent(&documented), [1], "the second is never called");
    }

    /// The handler and the job at once, in every order: once each.
    #[test]
    fn two_who_notify_at_once_notify_once() {
        let start = || {
            let mut bench = bench(Variant::Hardened);
            bench.invoke(0, 1, Trigger::BeforePublish, MENTIONS, "user_1", MENTION);
            bench.finish();
            (0..2).for_each(|worker| {
                bench.invoke(worker, 2 + worker as u64, Trigger::AfterPublish, MENTIONS, "user_1", MENTION);
            });
            bench
        };
        in_every_order(start, |bench| assert_eq!(sent(bench), [1, 1]));
    }
}
