//! Application configuration in the KV store (kvstore-module.md, example 4).

use std::collections::BTreeMap;

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::{MS, Nanos, SECOND};
use headcount_engine::functions::{Function, Needs};
use headcount_engine::message::{Call, ChannelList, HttpRequest, Payload};
use headcount_engine::patterns::configuration::{self, Change, Config, FEATURES, FIELDS};
use headcount_sim::Stream;
use serde::Deserialize;
use serde_json::Value;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::{Done, Fate};
use super::{Doing, System, ears, to_json};
use crate::crowd::plan::{user_id, user_of};
use crate::scenario::{Scenario, Setting};

/// Configuration.
pub struct Configuration;

const MESSAGE: u8 = 0;
const CHANGE: u8 = 1;
const FORGED: u8 = 2;
const READ: u8 = 3;

/// Which of two changes is the later one is what the clocks of two stores say, which are off by up to 5 s each, of calls that a
/// pause may delay.
const AT_ONCE: Nanos = 20 * SECOND;
/// What a partition may keep from a region, and what a network needs to catch up once it has healed.
const ON_ITS_WAY: Nanos = 45 * SECOND;

impl System for Configuration {
    fn word(&self) -> &'static str {
        "configuration"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            // Changes, by one user in ten; changes tried by others; reads once nobody changes anything any more.
            Setting { key: "changes", default: 10, low: 0, high: 10_000 },
            Setting { key: "forged", default: 0, low: 0, high: 10_000 },
            Setting { key: "reads", default: 10, low: 0, high: 10_000 },
            // Of how many things, the first ones of size, rate, version and features: the others are never changed.
            Setting { key: "things", default: 6, low: 1, high: 7 },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        configuration::READINGS
    }

    fn remedy(&self) -> &'static str {
        "Every field and every feature is a key of its own, so two changes meet only if they are of the same thing. \
         What cannot be read is not guessed: a message then is refused with 503."
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        configuration::functions(scenario.variant.in_engine())
    }

    fn needs(&self, scenario: &Scenario) -> Vec<Needs> {
        configuration::needs(scenario.variant.in_engine())
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(configuration::rights(scenario.system.token_ttl_minutes, |user| user_of(user).is_some_and(is_admin)))
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["message", "change", "forged_change", "read"]
    }

    /// `what` is a message's length, or a change's thing and number.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let get = |key| scenario.system.get(key);
        let (users, from, to) = (scenario.system.users, scenario.system.from, scenario.system.to);
        let message =
            |(at, user), dice: &mut Stream| Act { at, user, kind: MESSAGE, what: [dice.between(100, 1_500) as u32, 0] };
        let mut acts: Vec<Act> = moments(scenario, dice).into_iter().map(|moment| message(moment, dice)).collect();
        let change = |kind, user, number: u64, dice: &mut Stream| {
            let what = [dice.below(get("things")) as u32, number as u32];
            Act { at: dice.between(from, to), user, kind, what }
        };
        for number in 0..get("changes") {
            let admin = dice.below(u64::from(users.div_ceil(ADMINS_ONE_IN))) as u32 * ADMINS_ONE_IN;
            let one = change(CHANGE, admin, number, dice);
            acts.push(one);
            // Somebody else changes something else at the same moment.
            if number % 3 == 0 {
                let other = (admin + ADMINS_ONE_IN) % users.next_multiple_of(ADMINS_ONE_IN);
                let what = [(one.what[0] + 1) % get("things") as u32, (get("changes") + number) as u32];
                acts.push(Act { at: one.at + dice.between(0, 10) * MS, user: other, kind: CHANGE, what });
            }
        }
        for number in 0..get("forged") {
            let user = dice.below(u64::from(users)) as u32;
            if !is_admin(user) {
                acts.push(change(FORGED, user, FORGED_FROM + number, dice));
            }
        }
        for _ in 0..get("reads") {
            let user = dice.below(u64::from(users)) as u32;
            acts.push(Act { at: dice.between(from, to), user, kind: READ, what: [0, 0] });
            let at = to + dice.between(ON_ITS_WAY, ON_ITS_WAY + 20 * SECOND);
            acts.push(Act { at, user, kind: READ, what: [0, 0] });
            acts.push(message((at + dice.between(0, 5_000) * MS, user), dice));
        }
        acts
    }

    fn counts(&self) -> &'static [&'static str] {
        &["changes.forged", "messages.not_configured", "messages.too_large"]
    }

    fn channels(&self, scenario: &Scenario, user: u32) -> ChannelList {
        ears::channels(scenario, user, &[configuration::CHANNEL])
    }

    fn doing(&self, _: &Scenario, number: u32, act: &Act) -> Doing {
        let http = |method, body: Payload| Doing::Http {
            base: configuration::PATH,
            request: HttpRequest::new(method, configuration::PATH, body),
        };
        match act.kind {
            READ => http("GET", "".into()),
            CHANGE | FORGED => {
                let (field, value) = change(act);
                http("POST", to_json(&Change { field: field.into(), value }))
            }
            _ => {
                let pad = "x".repeat(act.what[0] as usize);
                let payload = serde_json::json!({ "id": number, "pad": pad }).to_string().into();
                Doing::Api(Call::Publish { channel: configuration::CHANNEL.into(), payload, store: false })
            }
        }
    }

    fn properties(&self) -> &'static [Property] {
        &[LAST, APPLIED]
    }
}

/// One user in ten is an admin.
const ADMINS_ONE_IN: u32 = 10;
/// What others try to set can be told by its number.
const FORGED_FROM: u64 = 100_000;

fn is_admin(user: u32) -> bool {
    user.is_multiple_of(ADMINS_ONE_IN)
}

/// What a change changes, to a value that no other change of it has, unless it is a feature.
fn change(act: &Act) -> (&'static str, Value) {
    let [thing, number] = act.what;
    let field = FIELDS.into_iter().chain(FEATURES).nth(thing as usize).expect("settings have no other things");
    let value = match field {
        "maxMessageSize" => (400 + number).into(),
        "rateLimitPerMinute" => (1_000 + number).into(),
        "version" => format!("2.0.{number}").into(),
        _ => (number % 2 == 0).into(),
    };
    (field, value)
}

/// The changes of each thing by admins, in any order: value, and what became of it.
struct Changes<'a>(BTreeMap<&'static str, Vec<(Value, &'a Done)>>);

impl<'a> Changes<'a> {
    fn of(seen: &'a Seen<'_>) -> Self {
        let mut changes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (_, act, done) in seen.of_kind(CHANGE).filter(|(_, _, done)| done.attempts > 0) {
            let (field, value) = change(act);
            changes.entry(field).or_default().push((value, done));
        }
        Self(changes)
    }

    /// Every value that the thing may have for who reads it from one moment to another.
    fn may_be(&self, field: &str, from: Nanos, to: Nanos) -> Vec<Value> {
        let changes = self.0.get(field).map_or(&[][..], Vec::as_slice);
        // Each accepted change is everywhere at last, and puts an end to all that were over before it.
        let stands = |(_, done): &&(Value, &Done)| done.fate == Fate::Accepted && done.answered + ON_ITS_WAY < from;
        let is_over = |before: &Done| {
            let over = before.fate == Fate::Accepted;
            over && changes.iter().filter(stands).any(|(_, later)| later.first_sent > before.answered + AT_ONCE)
        };
        let sent = changes.iter().filter(|(_, done)| done.first_sent <= to && !is_over(done));
        let mut values: Vec<Value> = sent.map(|(value, _)| value.clone()).collect();
        if !changes.iter().any(|change| stands(&change)) {
            values.push(Config::default().get(field));
        }
        values
    }

    /// Which thing of a configuration has a value that it cannot have.
    fn wrong_in(&self, config: &Config, from: Nanos, to: Nanos) -> Option<String> {
        FIELDS.into_iter().chain(FEATURES).find_map(|field| {
            let (is, may_be) = (config.get(field), self.may_be(field, from, to));
            (!may_be.contains(&is)).then(|| format!("{field} was {is} and may have been {may_be:?}"))
        })
    }
}

const LAST: Property = Property {
    name: "what-was-set-last-is-what-is-read",
    promise: "kvstore-module.md, example 4: get configuration with fallback to defaults",
    says: "whoever reads the configuration finds, of each thing, what an admin set last or sets just now, and its default if \
           nobody set it",
    check: |seen, checks| {
        let changes = Changes::of(seen);
        let (mut checked, mut wrong, mut defaults, mut set) = (0, None, 0, 0);
        for (_, act, done) in seen.ended(READ, Fate::Accepted) {
            let Some(config) = done.answer::<Config>() else {
                wrong.get_or_insert_with(|| format!("{} read the configuration {:?}", user_id(act.user), done.body));
                continue;
            };
            checked += 1;
            for field in FIELDS.into_iter().chain(FEATURES) {
                let is_default = config.get(field) == Config::default().get(field);
                *(if is_default { &mut defaults } else { &mut set }) += 1;
            }
            if let Some(what) = changes.wrong_in(&config, done.first_sent, done.answered) {
                wrong.get_or_insert_with(|| {
                    format!("{}, who read it at {} ms: {what}", user_id(act.user), done.answered / MS)
                });
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("a-default-was-read", defaults);
        checks.sometimes("a-setting-was-read", set);
        if seen.scenario.system.get("forged") > 0 {
            checks.sometimes("somebody-changed-what-is-not-theirs", seen.answered(FORGED).count() as u64);
        }
    },
};

/// What oracles look at in a message that was delivered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivered {
    id: u32,
    processed_with: Option<ProcessedWith>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProcessedWith {
    config_version: String,
    features: Vec<String>,
}

/// A message's length as it was published.
fn length(number: u32, act: &Act) -> u64 {
    r#"{"id":,"pad":""}"#.len() as u64 + number.to_string().len() as u64 + u64::from(act.what[0])
}

const APPLIED: Property = Property {
    name: "the-configuration-is-applied-to-every-message",
    promise: "kvstore-module.md, example 4: apply configuration to message processing",
    says: "a message is refused for its size or delivered with version and features, as a configuration of that moment has it",
    check: |seen, checks| {
        let changes = Changes::of(seen);
        let (mut checked, mut wrong, mut refused) = (0, None, 0);
        let sizes = |done: &Done, to: Nanos| -> Vec<u64> {
            changes.may_be("maxMessageSize", done.first_sent, to).iter().filter_map(Value::as_u64).collect()
        };
        let acts: BTreeMap<u32, (&Act, &Done)> =
            seen.of_kind(MESSAGE).map(|(number, act, done)| (number, (act, done))).collect();
        for (heard, message) in seen.read::<Delivered>() {
            let Some((act, done)) = acts.get(&message.id) else { continue };
            checked += 1;
            let length = length(message.id, act);
            let too_large = sizes(done, heard.at).iter().all(|size| length > *size);
            let Some(with) = message.processed_with.filter(|_| !too_large) else {
                wrong.get_or_insert_with(|| format!("message {} of {length} characters was delivered", message.id));
                continue;
            };
            let default = Config::default();
            let config = Config { version: with.config_version, enabled_features: with.features, ..default };
            let of_it = std::iter::once("version").chain(FEATURES);
            for field in of_it {
                let (is, may_be) = (config.get(field), changes.may_be(field, done.first_sent, heard.at));
                if !may_be.contains(&is) {
                    wrong.get_or_insert_with(|| {
                        format!("message {}: {field} was {is} and may have been {may_be:?}", message.id)
                    });
                }
            }
        }
        for (number, (act, done)) in acts {
            if let Fate::Refused(_) = done.fate {
                (checked, refused) = (checked + 1, refused + 1);
                if sizes(done, done.answered).iter().all(|size| length(number, act) <= *size) {
                    wrong.get_or_insert_with(|| format!("message {number} was refused with {:?}", done.body));
                }
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("a-message-was-too-large", refused);
        checks.sometimes("a-message-was-delivered", checked - refused);
    },
};
