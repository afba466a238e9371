//! Functions as middleware (integration-patterns.md, pattern 5).

use std::collections::{BTreeMap, BTreeSet};

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::MS;
use headcount_engine::functions::{Function, Needs};
use headcount_engine::message::{Call, ChannelList, Envelope};
use headcount_engine::patterns::middleware::{
    self, CHAT, Content, DUE_JOB, MENTIONED_MAX, MENTIONS, Message, Notifications, PROFANITIES, is_profane,
    notified_key,
};
use headcount_engine::scheduler::Job;
use headcount_sim::Stream;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::Fate;
use super::windows::window_of;
use super::{Doing, ServiceSpec, System, ears, to_json};
use crate::crowd::plan::{user_id, user_of};
use crate::scenario::{Scenario, Setting, Variant};

/// Middleware.
pub struct Middleware;

const CHAT_MESSAGE: u8 = 0;
const BURST: u8 = 1;
const INVALID: u8 = 2;
const PROFANE: u8 = 3;
const MENTION: u8 = 4;

impl System for Middleware {
    fn word(&self) -> &'static str {
        "middleware"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            // Pattern 5: a second between a user's messages.
            Setting { key: "gap_ms", default: 1_000, low: 1, high: 3_600_000 },
            Setting { key: "due_every_ms", default: 1_000, low: 100, high: 3_600_000 },
            // Of messages: mentions. Of chat messages: those without text, those with a bad word, and those that another one
            // follows within 100 ms.
            Setting { key: "mention_ppm", default: 200_000, ..Setting::PPM },
            Setting { key: "invalid_ppm", ..Setting::PPM },
            Setting { key: "profane_ppm", ..Setting::PPM },
            Setting { key: "burst_ppm", ..Setting::PPM },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        middleware::READINGS
    }

    fn remedy(&self) -> &'static str {
        "A message is counted first, and passes if it is the first of its gap. A mention is noted as due before it is \
         published; the handler after the publish and a job notify each user under a key that the service knows again, and \
         strike the note out when all have been."
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        middleware::functions(scenario.variant.in_engine(), scenario.system.get("gap_ms"))
    }

    fn needs(&self, scenario: &Scenario) -> Vec<Needs> {
        middleware::needs(scenario.variant.in_engine())
    }

    fn jobs(&self, scenario: &Scenario) -> Vec<Job> {
        vec![Job { name: DUE_JOB.into(), interval: scenario.system.get("due_every_ms") * MS }]
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(middleware::rights(scenario.system.token_ttl_minutes))
    }

    fn services(&self, _: &Scenario) -> Vec<ServiceSpec> {
        let serves = Box::new(Notifications::default());
        vec![ServiceSpec { name: "notifications", base: middleware::NOTIFICATIONS, serves }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["chat", "burst", "invalid_chat", "profane_chat", "mention"]
    }

    /// `what` is how many users a mention names, and the first of them.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let ppm = |key| scenario.system.get(key) as u32;
        let mut acts = Vec::new();
        for (at, user) in moments(scenario, dice) {
            let drawn = [("mention_ppm", MENTION), ("invalid_ppm", INVALID), ("profane_ppm", PROFANE)];
            let drawn = drawn.map(|(key, kind)| dice.chance(ppm(key)).then_some(kind));
            let kind = drawn.into_iter().flatten().next().unwrap_or(CHAT_MESSAGE);
            let first = dice.below(u64::from(scenario.system.users)) as u32;
            let what = [dice.between(1, MENTIONED_MAX as u64) as u32, first];
            acts.push(Act { at, user, kind, what });
            if kind == CHAT_MESSAGE && dice.chance(ppm("burst_ppm")) {
                acts.push(Act { at: at + dice.between(0, 100) * MS, user, kind: BURST, what });
            }
        }
        acts
    }

    fn counts(&self) -> &'static [&'static str] {
        &["mentions.not_notified", "mentions.overdue", "messages.invalid", "messages.limited", "messages.not_counted"]
    }

    fn channels(&self, scenario: &Scenario, user: u32) -> ChannelList {
        ears::channels(scenario, user, &[CHAT, MENTIONS])
    }

    fn doing(&self, scenario: &Scenario, number: u32, act: &Act) -> Doing {
        let text = match act.kind {
            INVALID => None,
            PROFANE => Some(format!("this is {}", PROFANITIES[act.what[0] as usize % 2].to_uppercase())),
            _ => Some(format!("message {number}")),
        };
        let (channel, payload) = match act.kind {
            MENTION => {
                let link = Some(link(number));
                (MENTIONS, Content { text, mentions: mentioned(scenario, act).map(user_id).collect(), link })
            }
            _ => (CHAT, Content { text, ..Content::default() }),
        };
        let message = Message { id: number, kind: Some("text".into()), payload, server_timestamp: None };
        Doing::Api(Call::Publish { channel: channel.into(), payload: to_json(&message), store: false })
    }

    fn shows(&self, envelope: &Envelope) -> Option<u32> {
        Some(serde_json::from_str::<Message>(&envelope.payload).ok()?.id)
    }

    fn properties(&self) -> &'static [Property] {
        &[VALID, APART, PUBLISHED, NOTIFIED, COUNTED]
    }
}

fn link(number: u32) -> String {
    format!("https://app.example/m/{number}")
}

/// Whom a mention names: one or more users, each once where there are enough.
fn mentioned(scenario: &Scenario, act: &Act) -> impl Iterator<Item = u32> + use<> {
    let (users, [many, first]) = (scenario.system.users, act.what);
    (0..many.min(users)).map(move |n| (first + n) % users)
}

/// Messages that came to somebody on a channel: the envelope and what it says.
fn delivered<'a>(seen: &'a Seen<'_>, channel: &str) -> impl Iterator<Item = (&'a Envelope, Message)> {
    seen.read()
        .map(|(heard, message)| (&*heard.envelope, message))
        .filter(move |(envelope, _)| &*envelope.channel == channel)
}

const VALID: Property = Property {
    name: "nothing-invalid-is-delivered",
    promise: "integration-patterns.md 5: validate, moderate, enrich",
    says: "every chat message that comes to somebody has a text without bad words and the server's time",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        for (_, message) in delivered(seen, CHAT) {
            checked += 1;
            let is_clean = message.payload.text.as_deref().is_some_and(|text| !text.is_empty() && !is_profane(text));
            if !is_clean || message.kind.is_none() || message.server_timestamp.is_none() {
                wrong.get_or_insert_with(|| format!("{message:?} was delivered"));
            }
        }
        checks.always(checked, wrong);
        let refused = |kind| seen.ended(kind, Fate::Refused(400)).count() as u64;
        if seen.scenario.system.get("invalid_ppm") > 0 {
            checks.sometimes("a-message-without-text-was-refused", refused(INVALID));
        }
        if seen.scenario.system.get("profane_ppm") > 0 {
            checks.sometimes("a-bad-word-was-refused", refused(PROFANE));
        }
    },
};

const APART: Property = Property {
    name: "a-users-messages-are-a-gap-apart",
    promise: "integration-patterns.md 5: rate limiting check",
    says: "of a user's chat messages no two are delivered in the middle of one gap",
    check: |seen, checks| {
        let gap_ms = seen.scenario.system.get("gap_ms");
        let mut told: BTreeMap<(u32, u64), BTreeSet<u32>> = BTreeMap::new();
        for (envelope, message) in delivered(seen, CHAT) {
            let Some(user) = user_of(&envelope.publisher) else { continue };
            // A worker's clock counts it, a broker's dates it.
            if let Some(gap) = window_of(envelope.timetoken.nanos(), gap_ms) {
                told.entry((user, gap)).or_default().insert(message.id);
            }
        }
        let many = told.iter().find(|(_, messages)| messages.len() > 1);
        let wrong = many.map(|((user, _), messages)| format!("{} had {messages:?} in one gap", user_id(*user)));
        checks.always(told.len() as u64, wrong);
        let later = seen.ended(BURST, Fate::Accepted).filter(|(_, _, done)| done.attempts > 1);
        if seen.scenario.system.get("burst_ppm") > 0 && seen.scenario.variant == Variant::Hardened {
            checks.sometimes("a-message-waited-for-its-gap", later.count() as u64);
        }
    },
};

const PUBLISHED: Property = Property {
    name: "a-valid-message-is-published",
    promise: "integration-patterns.md 5: allow message",
    says: "after healing, every valid message and mention was accepted and came to somebody",
    check: |seen, checks| {
        let told = seen.shown();
        let (mut checked, mut wrong) = (0, None);
        for (number, act, done) in seen.acts().filter(|(_, act, _)| matches!(act.kind, CHAT_MESSAGE | BURST | MENTION))
        {
            checked += 1;
            let fine = match done.fate {
                Fate::Accepted => told.contains(&number) || !seen.all_was_heard(done.first_sent, done.answered),
                _ => false,
            };
            if !fine {
                wrong.get_or_insert_with(|| {
                    let kind = seen.kind(act);
                    format!("{kind} {number} of {} ended {:?}", user_id(act.user), done.fate)
                });
            }
        }
        checks.eventually(checked, wrong);
        checks.sometimes("a-message-was-seen", told.len() as u64);
    },
};

/// Mentions that were published: those that somebody heard.
fn mentions<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = (&'a Envelope, Message)> {
    delivered(seen, MENTIONS)
}

const NOTIFIED: Property = Property {
    name: "whoever-is-mentioned-is-notified",
    promise: "integration-patterns.md 5: send notification to each mentioned user",
    says: "after healing, the notification service has notified everybody whom a delivered mention names, and nobody else",
    check: |seen, checks| {
        let service = seen.service::<Notifications>().expect("the system has a notification service");
        let sent: BTreeSet<(&str, &str)> = service.sent().map(|(link, user, _)| (link, user)).collect();
        let (mut checked, mut wrong) = (0, None);
        for (envelope, mention) in mentions(seen) {
            let link = mention.payload.link.as_deref().unwrap_or("");
            for user in &mention.payload.mentions {
                checked += 1;
                if !sent.contains(&(link, &**user)) {
                    wrong.get_or_insert_with(|| {
                        format!("{user}, whom {} of {} names, was not notified", mention.id, envelope.publisher)
                    });
                }
            }
        }
        let tried: BTreeSet<(String, String)> = seen
            .of_kind(MENTION)
            .filter(|(_, _, done)| done.attempts > 0)
            .flat_map(|(number, act, _)| mentioned(seen.scenario, act).map(move |user| (link(number), user_id(user))))
            .collect();
        for (link, user) in &sent {
            if !tried.contains(&((*link).to_owned(), (*user).to_owned())) {
                wrong.get_or_insert_with(|| format!("{user} was notified of {link}, which does not name anybody so"));
            }
        }
        checks.eventually(checked, wrong);
        checks.sometimes("a-mention-was-delivered", mentions(seen).count() as u64);
        if seen.scenario.swarm.is_some() {
            checks.sometimes("the-notification-service-failed", seen.service_errors());
        }
    },
};

const COUNTED: Property = Property {
    name: "notifications-are-counted",
    promise: "integration-patterns.md 5: After Publish side effects",
    says: "after healing, nobody was notified twice of one mention, and of every delivered one the number of those notified is \
           written down",
    check: |seen, checks| {
        let service = seen.service::<Notifications>().expect("the system has a notification service");
        let twice = service.sent().find(|(_, _, times)| *times > 1);
        let mut wrong = twice.map(|(link, user, times)| format!("{user} was notified {times} times of {link}"));
        let mut checked = service.sent().count() as u64;
        // The document counts nothing.
        let counts = seen.scenario.variant == Variant::Hardened;
        for (envelope, mention) in mentions(seen).filter(|_| counts) {
            checked += 1;
            let key = notified_key(&envelope.publisher, mention.id);
            for kv in &seen.kv {
                // As it was written, whatever has expired since.
                let (noted, named) = (kv.get_now(&key, 0), mention.payload.mentions.len());
                if noted.as_deref() != Some(&*named.to_string()) {
                    wrong.get_or_insert_with(|| {
                        format!("of {named} users whom {} names, {noted:?} are noted", mention.id)
                    });
                }
            }
        }
        checks.eventually(checked, wrong);
        checks.sometimes("somebody-was-notified", service.sent().count() as u64);
    },
};
