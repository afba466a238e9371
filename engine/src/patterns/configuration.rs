//! Application configuration in the KV store (kvstore-module.md, example 4).
//!
//! `documented` keeps it as one object: who changes a field writes back all others as they were read, and a change made
//! meanwhile is lost. When the store fails, messages pass that no configuration has looked at.
//!
//! `hardened` gives every field, and every feature, a key of its own, so that two changes meet only if they are of the same thing;
//! then the later one stands, in every region, by the stores' clocks. A field that was never set has its default. What cannot
//! be read is not guessed: a message then is refused with 503 and may be sent again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Variant;
use super::rights::{Rights, RightsByKind};
use crate::access::Permissions;
use crate::functions::{Context, Event, Function, Needs, OpError, Resolution, join_all};
use crate::message::Trigger;
use crate::timetoken::{iso8601, unix_ms};

/// Where messages are published.
pub const CHANNEL: &str = "app.events";
/// Where the configuration is read (GET) and changed (POST).
pub const PATH: &str = "/config";
/// A right to write here is a right to change the configuration; nothing is published on it.
const ADMINS: &str = "config";
/// The features that there are.
pub const FEATURES: [&str; 4] = ["analytics", "caching", "search", "translation"];
/// Fields besides features.
pub const FIELDS: [&str; 3] = ["maxMessageSize", "rateLimitPerMinute", "version"];
/// A year: as long as a key can live.
const FOR_GOOD_MINUTES: u32 = 525_600;

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "who-sets-it",
        "Example 4 reads a configuration and shows nobody who writes it.",
        "Both variants have an On Request Function. Documented's reads the object, changes the field and writes it back, for \
         whoever calls. Hardened's writes the field alone, for who may.",
    ),
    (
        "a-configuration-for-a-day",
        "Example 4 counts on a configuration that stays; a key without a TTL lives for 24 hours.",
        "Documented's object falls back to the defaults a day after its last change. Hardened's keys live for a year, the longest \
         there is.",
    ),
    (
        "on-error-let-it-pass",
        "Example 4 goes on with defaults when the store fails, and lets the message pass without looking at its size.",
        "Documented does so. Hardened answers 503.",
    ),
    (
        "three-operations",
        "Example 4 makes three KV calls, all that kvstore-module.md allows in one execution.",
        "Documented runs under that limit. Hardened makes nine and needs the newer profile's ten.",
    ),
];

/// A configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Of a message's JSON text [characters].
    pub max_message_size: u64,
    pub rate_limit_per_minute: u64,
    /// In order.
    pub enabled_features: Vec<String>,
    pub version: String,
}

impl Default for Config {
    /// Example 4's.
    fn default() -> Self {
        Self {
            max_message_size: 1_024,
            rate_limit_per_minute: 60,
            enabled_features: vec!["analytics".into(), "caching".into()],
            version: "1.0.0".into(),
        }
    }
}

impl Config {
    /// A field by its name; a feature's name says whether it is on.
    pub fn get(&self, field: &str) -> Value {
        match field {
            "maxMessageSize" => self.max_message_size.into(),
            "rateLimitPerMinute" => self.rate_limit_per_minute.into(),
            "version" => self.version.clone().into(),
            feature => self.enabled_features.iter().any(|on| on == feature).into(),
        }
    }

    /// The same with one field changed; `None` if there is no such field, or it takes no such value.
    fn with(mut self, field: &str, value: &Value) -> Option<Self> {
        match field {
            "maxMessageSize" => self.max_message_size = value.as_u64()?,
            "rateLimitPerMinute" => self.rate_limit_per_minute = value.as_u64()?,
            "version" => self.version = value.as_str()?.to_owned(),
            feature => {
                let feature = FEATURES.iter().find(|known| **known == feature)?;
                let on = value.as_bool()?;
                self.enabled_features.retain(|other| other != feature);
                if on {
                    self.enabled_features.push((*feature).to_owned());
                    self.enabled_features.sort_unstable();
                }
            }
        }
        Some(self)
    }
}

/// A change as it is posted.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Change {
    pub field: String,
    pub value: Value,
}

/// What tokens of `ttl_minutes` open: users read and write messages, and admins may change the configuration besides;
/// `is_admin` says who is one, by the user's id.
pub fn rights(ttl_minutes: u32, is_admin: fn(&str) -> bool) -> RightsByKind {
    let both = Permissions::READ.and(Permissions::WRITE);
    let rights = |open: &[_]| Rights::new("configuration", ttl_minutes, open, &[]);
    let (users, admins) = (rights(&[(CHANNEL, both)]), rights(&[(CHANNEL, both), (ADMINS, Permissions::WRITE)]));
    RightsByKind::new([users, admins], move |user| Some(usize::from(is_admin(user))))
}

/// What each handler needs.
pub fn needs(variant: Variant) -> Vec<Needs> {
    let fields = (FIELDS.len() + FEATURES.len()) as u32;
    match variant {
        Variant::Documented => {
            vec![Needs { handler: "apply", kv: 3, ..Needs::NONE }, Needs { handler: "config", kv: 2, ..Needs::NONE }]
        }
        Variant::Hardened => {
            vec![
                Needs { handler: "apply", kv: fields + 2, ..Needs::NONE },
                Needs { handler: "config", kv: fields, ..Needs::NONE },
            ]
        }
    }
}

/// The Functions to deploy.
pub fn functions(variant: Variant) -> Vec<Function> {
    vec![
        Function::new("apply", CHANNEL, Trigger::BeforePublish, move |context, event| apply(context, event, variant)),
        Function::new("config", PATH, Trigger::OnRequest, move |context, event| config(context, event, variant)),
    ]
}

/// The documented object's key, and the hardened ones'.
const OBJECT: &str = "app_config";

fn key(field: &str) -> String {
    format!("app_config:{field}")
}

async fn read(context: &Context, variant: Variant) -> Result<Config, OpError> {
    match variant {
        Variant::Documented => Ok(context.kv_get_json(OBJECT).await?.unwrap_or_default()),
        Variant::Hardened => {
            let fields = FIELDS.into_iter().chain(FEATURES);
            let stored = join_all(fields.clone().map(|field| context.kv_get_json::<Value>(key(field)))).await;
            let mut config = Config::default();
            for (field, stored) in fields.zip(stored) {
                if let Some(changed) = stored?.and_then(|value| config.clone().with(field, &value)) {
                    config = changed;
                }
            }
            Ok(config)
        }
    }
}

async fn count(context: &Context) -> Result<(), OpError> {
    context.kv_incr("messages_processed_total", 1).await?;
    let day = &iso8601(context.now())[..10];
    context.kv_incr(format!("messages_processed:{day}"), 1).await.map(|_| ())
}

/// The document's steps, and the hardened ones where they differ: what fails.
async fn apply(context: Context, event: Event, variant: Variant) -> Resolution {
    let Ok(mut message) = serde_json::from_str::<Map<String, Value>>(&event.payload) else {
        return match variant {
            Variant::Documented => Resolution::Ok(None),
            Variant::Hardened => Resolution::refuse(400, "invalid_message"),
        };
    };
    let config = match read(&context, variant).await {
        Ok(config) => config,
        Err(error) => {
            context.count("messages.not_configured");
            context.log(|| format!("apply: {error}"));
            return match variant {
                Variant::Documented => Resolution::Ok(None),
                Variant::Hardened => Resolution::refuse(503, "try_again"),
            };
        }
    };
    if event.payload.chars().count() as u64 > config.max_message_size {
        context.count("messages.too_large");
        return Resolution::refuse(400, "too_large");
    }
    message.insert("processedWith".into(), processed_with(&context, &config));
    // Statistics are not worth a message, to either variant.
    _ = count(&context).await;
    Resolution::Ok(Some(Value::Object(message).to_string().into()))
}

fn processed_with(context: &Context, config: &Config) -> Value {
    json!({
        "configVersion": config.version, "features": config.enabled_features, "timestamp": unix_ms(context.now()),
    })
}

/// Reads and changes.
async fn config(context: Context, event: Event, variant: Variant) -> Resolution {
    let is_read = event.request.as_ref().is_some_and(|request| request.method == "GET");
    let answered = async {
        if is_read {
            let config = read(&context, variant).await?;
            return Ok(Resolution::send(serde_json::to_string(&config).expect("a configuration serialises"), 200));
        }
        let may = event.token.as_ref().is_some_and(|token| token.permissions_on(ADMINS).contains(Permissions::WRITE));
        if variant == Variant::Hardened && !may {
            context.count("changes.forged");
            return Ok(Resolution::refuse(401, "not_an_admin"));
        }
        let change = serde_json::from_str::<Change>(&event.payload).ok();
        // Whether the change means anything does not depend on what was there before.
        let Some(change) = change.filter(|change| Config::default().with(&change.field, &change.value).is_some())
        else {
            return Ok(Resolution::refuse(400, "no_such_setting"));
        };
        match variant {
            Variant::Documented => {
                let config = read(&context, variant).await?;
                let changed = config.with(&change.field, &change.value).expect("it means something");
                let text = serde_json::to_string(&changed).expect("a configuration serialises");
                context.kv_set(OBJECT, text, None).await?;
            }
            Variant::Hardened => {
                context.kv_set(key(&change.field), change.value.to_string(), Some(FOR_GOOD_MINUTES)).await?;
            }
        }
        Ok::<_, OpError>(Resolution::send("{}", 200))
    };
    answered.await.unwrap_or_else(|error| {
        context.log(|| format!("config: {error}"));
        Resolution::refuse(503, "try_again")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::HttpRequest;
    use crate::patterns::tests::bench::{Bench, NOON, in_every_order};

    fn post(bench: &mut Bench, worker: usize, tag: u64, field: &str, value: impl Into<Value>) {
        let change = Change { field: field.into(), value: value.into() };
        let body = serde_json::to_string(&change).unwrap();
        bench.request(worker, tag, "admin", HttpRequest::new("POST", PATH, body));
    }

    fn read_by(bench: &mut Bench, tag: u64) -> Config {
        bench.request(0, tag, "user", HttpRequest::new("GET", PATH, ""));
        bench.finish();
        serde_json::from_str(bench.end(tag).unwrap().as_ref().unwrap()).unwrap()
    }

    fn bench(variant: Variant) -> Bench {
        Bench::new(|| functions(variant), &[NOON, NOON])
            .with_rights(rights(60, |user| user == "admin"), "configuration")
    }

    /// In how many orders two changes, of different fields or of different features, are not both there in the end.
    fn lost(variant: Variant, changes: [(&'static str, Value); 2]) -> usize {
        let start = || {
            let mut bench = bench(variant);
            for (worker, (field, value)) in changes.iter().enumerate() {
                post(&mut bench, worker, worker as u64, field, value.clone());
            }
            bench
        };
        let mut lost = 0;
        in_every_order(start, |bench| {
            let config = read_by(bench, 9);
            lost += usize::from(changes.iter().any(|(field, value)| config.get(field) != *value));
        });
        lost
    }

    /// Documented reads and writes, twice: in 4 of 6 orders both read before either writes.
    #[test]
    fn of_two_changes_at_once_documented_loses_one_and_hardened_none() {
        let fields = || [("maxMessageSize", 512.into()), ("version", "2.0.0".into())];
        let features = || [("search", true.into()), ("translation", true.into())];
        assert_eq!(lost(Variant::Documented, fields()), 4);
        assert_eq!(lost(Variant::Documented, features()), 4);
        assert_eq!(lost(Variant::Hardened, fields()), 0);
        assert_eq!(lost(Variant::Hardened, features()), 0);
    }

    /// Example 4's numbers, until somebody sets another one.
    #[test]
    fn what_nobody_set_has_its_default() {
        for variant in [Variant::Documented, Variant::Hardened] {
            let mut bench = bench(variant);
            assert_eq!(read_by(&mut bench, 1), Config::default());
            post(&mut bench, 0, 2, "caching", false);
            bench.finish();
            let features = vec!["analytics".to_owned()];
            assert_eq!(read_by(&mut bench, 3), Config { enabled_features: features, ..Config::default() });
        }
    }

    /// A day after its last change the documented object has expired.
    #[test]
    fn documented_forgets_its_configuration_after_a_day() {
        for (variant, kept) in [(Variant::Documented, false), (Variant::Hardened, true)] {
            let mut bench = bench(variant);
            post(&mut bench, 0, 1, "maxMessageSize", 512);
            bench.finish();
            bench.wait(24 * 60 * crate::contract::MINUTE);
            assert_eq!(read_by(&mut bench, 2).max_message_size == 512, kept);
        }
    }

    #[test]
    fn who_is_no_admin_changes_nothing() {
        let mut bench = bench(Variant::Hardened);
        let body = r#"{"field":"maxMessageSize","value":1}"#;
        bench.request(0, 1, "user", HttpRequest::new("POST", PATH, body));
        bench.finish();
        assert_eq!(bench.end(1).unwrap().as_ref().unwrap_err().0, 401);
        assert_eq!(read_by(&mut bench, 2), Config::default());
    }
}
