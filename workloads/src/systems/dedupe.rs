//! Messages delivered once within a window, and a cache of them (kvstore-module.md, example 2).

use std::collections::{BTreeMap, BTreeSet};

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::{MINUTE, MS, Nanos, SECOND};
use headcount_engine::functions::{Function, Needs};
use headcount_engine::message::{Call, ChannelList, HttpRequest};
use headcount_engine::patterns::dedupe::{self, Said};
use headcount_sim::Stream;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::Fate;
use super::{Doing, System, ears, to_json};
use crate::crowd::plan::user_id;
use crate::scenario::{Scenario, Setting};

/// Deduplication and caching.
pub struct Dedupe;

const MESSAGE: u8 = 0;
const AGAIN: u8 = 1;
const LATER: u8 = 2;
const SAME_WORDS: u8 = 3;
const SAME_ID: u8 = 4;
const READ: u8 = 5;

/// Marks live by a store's clock and messages are dated by a broker's: each is off by up to 5 s, or jumps by as much, and what
/// was decided may be delayed by a pause.
const NEAR_THE_EDGE: Nanos = 20 * SECOND;

impl System for Dedupe {
    fn word(&self) -> &'static str {
        "dedupe"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            // Example 2: five minutes.
            Setting { key: "window_minutes", default: 5, low: 1, high: 1_440 },
            // Of messages sent again at once, and again after their window; of other users' messages in the same words, and
            // under the same id; of reads from the cache.
            Setting { key: "again_ppm", ..Setting::PPM },
            Setting { key: "later_ppm", ..Setting::PPM },
            Setting { key: "same_words_ppm", ..Setting::PPM },
            Setting { key: "same_id_ppm", ..Setting::PPM },
            Setting { key: "read_ppm", ..Setting::PPM },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        dedupe::READINGS
    }

    fn remedy(&self) -> &'static str {
        "One claim lets a message through at a time, and marks it before it passes, so two never pass within a window \
         of each other. The handler after the publish notes the delivery: what comes again is a duplicate if that is \
         noted, and in doubt if it is not, and then 503 asks to send it again."
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        dedupe::functions(scenario.variant.in_engine(), scenario.system.get("window_minutes") as u32)
    }

    fn needs(&self, scenario: &Scenario) -> Vec<Needs> {
        dedupe::needs(scenario.variant.in_engine())
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(dedupe::rights(scenario.system.token_ttl_minutes))
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["message", "again", "later", "same_words", "same_id", "read"]
    }

    /// `what` is the message's number and its author.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let ppm = |key| scenario.system.get(key) as u32;
        let (users, window) = (scenario.system.users, window(scenario));
        let mut acts = Vec::new();
        for (number, (at, author)) in moments(scenario, dice).into_iter().enumerate() {
            let mut act = |happens: bool, user, kind, after: Nanos| {
                if happens {
                    acts.push(Act { at: at + after, user, kind, what: [number as u32, author] });
                }
            };
            let other = (author + 1 + dice.below(u64::from(users.max(2) - 1)) as u32) % users;
            act(true, author, MESSAGE, 0);
            act(dice.chance(ppm("again_ppm")), author, AGAIN, dice.between(1, 2_000) * MS);
            let later = window + NEAR_THE_EDGE + dice.between(5, 20) * SECOND;
            act(dice.chance(ppm("later_ppm")), author, LATER, later);
            act(dice.chance(ppm("same_words_ppm")), other, SAME_WORDS, dice.between(100, 5_000) * MS);
            act(dice.chance(ppm("same_id_ppm")), other, SAME_ID, dice.between(100, 5_000) * MS);
            act(dice.chance(ppm("read_ppm")), other, READ, dice.between(1_000, 20_000) * MS);
        }
        acts
    }

    fn counts(&self) -> &'static [&'static str] {
        &["messages.duplicates", "messages.in_doubt", "messages.not_marked"]
    }

    fn channels(&self, scenario: &Scenario, user: u32) -> ChannelList {
        ears::channels(scenario, user, &[dedupe::CHANNEL])
    }

    fn doing(&self, _: &Scenario, _: u32, act: &Act) -> Doing {
        if act.kind == READ {
            let path = format!("{}?from={}&id={}", dedupe::CACHE, user_id(act.what[1]), said(act).id);
            return Doing::Http { base: dedupe::CACHE, request: HttpRequest::new("GET", path, "") };
        }
        Doing::Api(Call::Publish { channel: dedupe::CHANNEL.into(), payload: to_json(&said(act)), store: true })
    }

    fn properties(&self) -> &'static [Property] {
        &[ONCE, TOLD, CACHE]
    }
}

fn window(scenario: &Scenario) -> Nanos {
    scenario.system.get("window_minutes") * MINUTE
}

fn said(act: &Act) -> Said {
    let number = act.what[0];
    let text = if act.kind == SAME_ID { format!("not number {number}") } else { format!("number {number}") };
    Said { id: format!("m{number}"), text }
}

/// When each message of each user was delivered, in order [ns].
fn delivered(seen: &Seen<'_>) -> BTreeMap<(u32, Said), Vec<Nanos>> {
    let mut delivered: BTreeMap<(u32, Said), Vec<Nanos>> = BTreeMap::new();
    for (user, at, said) in seen.published() {
        delivered.entry((user, said)).or_default().push(at);
    }
    delivered.values_mut().for_each(|times| times.sort_unstable());
    delivered
}

const ONCE: Property = Property {
    name: "a-duplicate-is-not-delivered-within-its-window",
    promise: "kvstore-module.md, example 2: ignore duplicates within the last 5 minutes",
    says: "of one user no two messages that say the same are delivered within a window of each other",
    check: |seen, checks| {
        let window = window(seen.scenario);
        let (mut checked, mut wrong, mut again) = (0, None, 0);
        for ((user, said), times) in delivered(seen) {
            checked += 1;
            for pair in times.windows(2) {
                let apart = pair[1] - pair[0];
                again += u64::from(apart >= window);
                if apart + NEAR_THE_EDGE < window {
                    wrong.get_or_insert_with(|| {
                        format!("{} of {} was delivered twice, {} ms apart", said.id, user_id(user), apart / MS)
                    });
                }
            }
        }
        checks.always(checked, wrong);
        let answered = |kind| seen.answered(kind).count() as u64;
        if seen.scenario.system.get("again_ppm") > 0 {
            checks.sometimes("a-message-was-sent-again-at-once", answered(AGAIN));
        }
        if seen.scenario.system.get("later_ppm") > 0 {
            checks.sometimes("a-message-was-delivered-again-after-its-window", again);
        }
    },
};

const TOLD: Property = Property {
    name: "what-is-told-to-be-published-was-delivered",
    promise: "kvstore-module.md, example 2: a duplicate is one of a message that was seen before",
    says: "after healing, every message is published or refused as a duplicate, and in the window before that answer it came to \
           somebody",
    check: |seen, checks| {
        let (delivered, window) = (delivered(seen), window(seen.scenario));
        let (mut checked, mut wrong, mut refused) = (0, None, 0);
        for (_, act, done) in seen.acts().filter(|(_, act, _)| act.kind != READ) {
            checked += 1;
            let before = match done.fate {
                Fate::Accepted => 0,
                Fate::Refused(_) => window,
                Fate::Open | Fate::GaveUp => {
                    wrong.get_or_insert_with(|| {
                        format!("{} of {} ended {:?}", said(act).id, user_id(act.user), done.fate)
                    });
                    continue;
                }
            };
            refused += u64::from(before > 0);
            let from = done.first_sent.saturating_sub(before + NEAR_THE_EDGE);
            let times = delivered.get(&(act.user, said(act))).map_or(&[][..], Vec::as_slice);
            let to = done.answered + NEAR_THE_EDGE;
            if !times.iter().any(|at| (from..=to).contains(at)) && seen.all_was_heard(from, to) {
                wrong.get_or_insert_with(|| {
                    let (id, user, kind) = (said(act).id, user_id(act.user), seen.kind(act));
                    format!("{id} of {user} ({kind}) was answered {:?} and delivered at {times:?}", done.fate)
                });
            }
        }
        checks.eventually(checked, wrong);
        checks.sometimes("a-duplicate-was-refused", refused);
        if seen.scenario.system.get("same_words_ppm") > 0 {
            checks.sometimes("another-user-said-the-same", seen.ended(SAME_WORDS, Fate::Accepted).count() as u64);
        }
    },
};

const CACHE: Property = Property {
    name: "the-cache-serves-what-was-published",
    promise: "kvstore-module.md, example 2: cache the processed message",
    says: "what the cache gives for a user's message is, word for word, a message that this user published and that was \
           delivered",
    check: |seen, checks| {
        let payloads: BTreeSet<(&str, &str)> =
            seen.heard().map(|heard| (&*heard.envelope.publisher, &*heard.envelope.payload)).collect();
        let (mut checked, mut wrong) = (0, None);
        for (_, act, done) in seen.ended(READ, Fate::Accepted) {
            checked += 1;
            let (author, body) = (user_id(act.what[1]), done.body.as_deref().unwrap_or(""));
            let is_it = serde_json::from_str::<Said>(body).is_ok_and(|served| served.id == said(act).id);
            // It was published at some time before.
            let all_was_heard = || seen.all_was_heard(0, done.answered);
            if !is_it || !payloads.contains(&(&*author, body)) && all_was_heard() {
                wrong.get_or_insert_with(|| format!("for {} of {author} the cache gave {body}", said(act).id));
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.system.get("read_ppm") > 0 {
            checks.sometimes("the-cache-served-a-message", checked);
            checks.sometimes("a-message-was-not-cached", seen.ended(READ, Fate::Refused(404)).count() as u64);
        }
    },
};
