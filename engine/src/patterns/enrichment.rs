//! Posts enriched on their way: the author's profile, moderation and the place, asked side by side (functions-patterns.md,
//! pattern 2).
//!
//! `documented` lets a post pass when moderation does not answer, believes what the post says of its author, and writes a cache
//! that nobody reads. `hardened` makes moderation the one answer that a post cannot do without: no answer, no post, and the
//! client is told to try again, so that nothing is lost either. Everything else is a garnish: it comes from the cache or
//! the service if it can, and its absence is said in the post.

use std::any::Any;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Variant;
use super::rights::Rights;
use crate::access::Permissions;
use crate::contract::{Nanos, SECOND};
use crate::dice::HttpReply;
use crate::functions::{Context, Event, Function, HttpResponse, Needs, OpError, Resolution, Secrets, join, join_all};
use crate::message::{HttpRequest, Trigger};
use crate::outside::Service;
use crate::planted::{Bug, has};
use crate::timetoken::{iso8601, unix_ms};

/// Where posts are published.
pub const CHANNEL: &str = "social.posts";
/// The three services.
pub const PROFILES: &str = "https://api.userservice.com";
pub const MODERATION: &str = "https://api.moderation.com";
pub const PLACES: &str = "https://api.geocoding.com";
/// A post above this score is not published; one below [`APPROVED_BELOW`] is approved, one above [`FLAGGED_ABOVE`] flagged.
pub const BLOCKED_ABOVE: f64 = 0.95;
pub const FLAGGED_ABOVE: f64 = 0.9;
pub const APPROVED_BELOW: f64 = 0.8;
/// Life of a cached profile.
pub const CACHE_MINUTES: u32 = 60;
/// The vault's names.
const KEYS: [&str; 3] = ["user_service_api_key", "content_moderation_key", "geo_service_key"];

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "moderation-that-does-not-answer",
        "Pattern 2 blocks above 0.95, and skips moderation that fails or is late as it skips a place.",
        "Documented does so: what nobody has judged is published. Hardened answers 503 and the client tries again.",
    ),
    (
        "a-cache-nobody-reads",
        "Pattern 2 stores each author for an hour and asks the profile service at every post all the same.",
        "Documented does so. Hardened reads it first, so that an author's profile is at most an hour old and the service is \
         asked once in that time.",
    ),
    (
        "whose-post",
        "Pattern 2 takes the author from the message.",
        "Documented does so: a post under another's name is enriched with the other's profile. Hardened refuses it with 400.",
    ),
    (
        "four-kv-operations",
        "Pattern 2 makes three requests, a KV write and two counts; kvstore-module.md allows three operations in one execution.",
        "Neither variant can run under that limit, and says so.",
    ),
];

/// What a post looks like when it leaves its author.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    pub post_id: u32,
    pub user_id: String,
    pub content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Value>,
}

/// What of a delivered post oracles look at.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    pub post_id: u32,
    pub user_id: String,
    pub content: String,
    pub author: Option<Author>,
    pub moderation: Option<Value>,
}

/// A profile, as a post shows it. The service counts followers by the second, so that a profile tells its age.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Author {
    pub id: String,
    pub follower_count: u64,
}

/// What a user's token opens.
pub fn rights(ttl_minutes: u32) -> Rights {
    Rights::new("enrichment", ttl_minutes, &[(CHANNEL, Permissions::READ.and(Permissions::WRITE))], &[])
}

/// What each handler needs.
pub fn needs(variant: Variant) -> Vec<Needs> {
    let kv = match variant {
        Variant::Documented => 3,
        Variant::Hardened => 4,
    };
    vec![Needs { handler: "enrich", kv, xhr: 3, vault: 3, ..Needs::NONE }]
}

/// The Functions to deploy; profiles are kept for so long.
pub fn functions(variant: Variant, cache_minutes: u32) -> Vec<Function> {
    vec![match variant {
        Variant::Documented => Function::new("enrich", CHANNEL, Trigger::BeforePublish, move |context, event| {
            documented(context, event, cache_minutes)
        }),
        Variant::Hardened => Function::new("enrich", CHANNEL, Trigger::BeforePublish, move |context, event| {
            hardened(context, event, cache_minutes)
        }),
    }]
}

/// The services' keys.
pub fn secrets() -> Secrets {
    KEYS.into_iter().map(|name| (name, format!("secret of {name}").into())).collect()
}

async fn profile(context: &Context, user: &str, key: &str) -> Result<HttpResponse, OpError> {
    context
        .fetch_with("GET", format!("{PROFILES}/users/{user}"), "", &[("Authorization", &format!("Bearer {key}"))])
        .await
}

async fn moderation(context: &Context, content: &str, key: &str) -> Result<HttpResponse, OpError> {
    let headers = [("Authorization", &*format!("Bearer {key}")), ("Content-Type", "application/json")];
    let body = json!({ "text": content }).to_string();
    context.fetch_with("POST", format!("{MODERATION}/analyze"), body, &headers).await
}

async fn place(context: &Context, location: &Value, key: &str) -> Result<HttpResponse, OpError> {
    let (lat, lon) = (&location["lat"], &location["lon"]);
    context.fetch("GET", format!("{PLACES}/reverse?lat={lat}&lon={lon}&key={key}"), "").await
}

/// What a service said, if it said something.
fn data(answer: Result<HttpResponse, OpError>) -> Option<Value> {
    answer.ok()?.data()
}

fn author_of(profile: &Value) -> Value {
    json!({
        "id": profile["id"], "username": profile["username"], "displayName": profile["displayName"],
        "avatar": profile["avatarUrl"], "verified": profile["verified"], "followerCount": profile["followerCount"],
    })
}

fn verdict_of(moderation: &Value) -> (f64, Value) {
    let score = moderation["score"].as_f64().unwrap_or(1.0);
    let verdict = json!({
        "score": score, "categories": moderation["categories"], "approved": score < APPROVED_BELOW,
        "flagged": score > FLAGGED_ABOVE,
    });
    (score, verdict)
}

fn address_of(place: &Value) -> Value {
    json!({ "city": place["city"], "country": place["country"], "timezone": place["timezone"] })
}

async fn vault(context: &Context) -> Result<[Option<Arc<str>>; 3], OpError> {
    let keys = join_all(KEYS.map(|name| context.vault(name))).await;
    let keys: Result<Vec<_>, _> = keys.into_iter().collect();
    Ok(keys?.try_into().expect("as many keys as were asked for"))
}

async fn finish(context: &Context, post: &mut Map<String, Value>, user: &str) {
    let now = context.now();
    post.insert("enriched".into(), true.into());
    post.insert("enrichedAt".into(), iso8601(now).into());
    post.insert("processingId".into(), context.sha256(&format!("{user}:{}", unix_ms(now))).await.into());
}

async fn count(context: &Context) -> Result<(), OpError> {
    context.kv_incr("posts_enriched_total", 1).await?;
    let day = &iso8601(context.now())[..10];
    context.kv_incr(format!("posts_enriched:{day}"), 1).await.map(|_| ())
}

/// The document's steps.
async fn documented(context: Context, event: Event, cache_minutes: u32) -> Resolution {
    let Ok(mut post) = serde_json::from_str::<Map<String, Value>>(&event.payload) else {
        return Resolution::Ok(None);
    };
    let user = post.get("userId").and_then(Value::as_str).unwrap_or("").to_owned();
    let content = post.get("content").and_then(Value::as_str).unwrap_or("").to_owned();
    let enriched = async {
        let [user_key, moderation_key, geo_key] = vault(&context).await?;
        let location = post.get("location").cloned();
        let profile = async { data(profile(&context, &user, user_key.as_deref()?).await) };
        let moderated = async {
            let key = moderation_key.as_deref().filter(|_| !content.is_empty())?;
            data(moderation(&context, &content, key).await)
        };
        let placed = async { data(place(&context, location.as_ref()?, geo_key.as_deref()?).await) };
        let (profile, (moderated, placed)) = join(profile, join(moderated, placed)).await;
        if let Some(profile) = &profile {
            post.insert("author".into(), author_of(profile));
        }
        if let Some(moderated) = moderated {
            let (score, verdict) = verdict_of(&moderated);
            post.insert("moderation".into(), verdict);
            if score > BLOCKED_ABOVE {
                context.count("posts.blocked");
                return Ok(false);
            }
        } else {
            context.count("posts.not_moderated");
        }
        if let (Some(placed), Some(location)) = (placed, post.get_mut("location")) {
            location["address"] = address_of(&placed);
        }
        finish(&context, &mut post, &user).await;
        if let Some(author) = post.get("author") {
            context.kv_set(format!("user_cache:{user}"), author.to_string(), Some(cache_minutes)).await?;
        }
        count(&context).await?;
        Ok::<_, OpError>(true)
    };
    match enriched.await {
        Ok(true) => {}
        Ok(false) => return Resolution::refuse(400, "aborted"),
        Err(error) => {
            let said = json!({ "error": error.to_string(), "timestamp": unix_ms(context.now()) });
            post.insert("enrichmentError".into(), said);
        }
    }
    Resolution::Ok(Some(Value::Object(post).to_string().into()))
}

/// Only moderation decides; the author is who published.
async fn hardened(context: Context, event: Event, cache_minutes: u32) -> Resolution {
    let user = event.publisher.clone();
    let Ok(mut post) = serde_json::from_str::<Map<String, Value>>(&event.payload) else {
        return Resolution::refuse(400, "invalid_post");
    };
    let content = match post.get("content").and_then(Value::as_str) {
        Some(content) if !content.is_empty() => content.to_owned(),
        _ => return Resolution::refuse(400, "invalid_post"),
    };
    if post.get("userId").and_then(Value::as_str) != Some(&*user) {
        context.count("posts.under_another_name");
        return Resolution::refuse(400, "not_your_name");
    }
    // What only this Function may say.
    for ours in ["author", "moderation", "enriched", "enrichedAt", "processingId"] {
        post.shift_remove(ours);
    }
    let Ok([user_key, Some(moderation_key), geo_key]) = vault(&context).await else {
        return Resolution::refuse(503, "moderation_not_configured");
    };
    let cache_key = format!("user_cache:{user}");
    let author = async {
        if let Ok(Some(cached)) = context.kv_get_json::<Value>(&*cache_key).await {
            context.count("profiles.cached");
            return Some(cached);
        }
        let author = author_of(&data(profile(&context, &user, user_key.as_deref()?).await)?);
        // A cache that cannot be written is one that is not read.
        _ = context.kv_set(&*cache_key, author.to_string(), Some(cache_minutes)).await;
        Some(author)
    };
    let location = post.get("location").filter(|location| location.is_object()).cloned();
    let placed = async { data(place(&context, location.as_ref()?, geo_key.as_deref()?).await) };
    let moderated = async { data(moderation(&context, &content, &moderation_key).await) };
    let (moderated, (author, placed)) = join(moderated, join(author, placed)).await;
    let unmoderated = || has(Bug::PostsPassUnmoderated).then(|| (0.0, Value::Null));
    let moderated = moderated.filter(|answer| answer["score"].is_number()).as_ref().map(verdict_of);
    let Some((score, verdict)) = moderated.or_else(unmoderated) else {
        context.count("posts.not_moderated");
        return Resolution::refuse(503, "try_again");
    };
    if score > BLOCKED_ABOVE && !has(Bug::PostsPassWhateverTheScore) {
        context.count("posts.blocked");
        return Resolution::refuse(400, "blocked");
    }
    post.insert("moderation".into(), verdict);
    if let Some(author) = author {
        post.insert("author".into(), author);
    } else {
        context.count("posts.without_author");
    }
    if let (Some(placed), Some(location)) = (placed, post.get_mut("location").and_then(Value::as_object_mut)) {
        location.insert("address".into(), address_of(&placed));
    }
    finish(&context, &mut post, &user).await;
    // Statistics are not worth a post.
    _ = count(&context).await;
    Resolution::Ok(Some(Value::Object(post).to_string().into()))
}

/// The profile service: knows everybody; an author gains a follower each second, so that a profile says when it was read.
#[derive(Debug, Default)]
pub struct Profiles;

impl Service for Profiles {
    fn serve(&mut self, now: Nanos, request: &HttpRequest) -> HttpReply {
        let Some(user) = request.route().rsplit('/').next().filter(|user| !user.is_empty()) else {
            return (404, "{}".into());
        };
        let profile = json!({
            "id": user, "username": user, "displayName": user, "avatarUrl": format!("https://cdn.example/{user}.png"),
            "verified": false, "followerCount": now / SECOND,
        });
        (200, profile.to_string().into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The moderation service: a text's score is its last word, in hundredths; a text without one is harmless.
#[derive(Debug, Default)]
pub struct Moderation;

/// What moderation makes of a text.
pub fn score_of(text: &str) -> f64 {
    text.rsplit(' ')
        .next()
        .and_then(|word| word.parse::<u32>().ok())
        .map_or(0.0, |score| f64::from(score.min(100)) / 100.0)
}

impl Service for Moderation {
    fn serve(&mut self, _: Nanos, request: &HttpRequest) -> HttpReply {
        let Some(text) =
            serde_json::from_str::<Value>(&request.body).ok().and_then(|body| body["text"].as_str().map(score_of))
        else {
            return (400, "{}".into());
        };
        (200, json!({ "score": text, "categories": [] }).to_string().into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The geocoding service.
#[derive(Debug, Default)]
pub struct Places;

impl Service for Places {
    fn serve(&mut self, _: Nanos, request: &HttpRequest) -> HttpReply {
        let (Some(lat), Some(lon)) = (request.query("lat"), request.query("lon")) else { return (400, "{}".into()) };
        (
            200,
            json!({ "city": format!("City at {lat},{lon}"), "country": "Nowhere", "timezone": "UTC" })
                .to_string()
                .into(),
        )
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
