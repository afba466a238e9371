//! Requests limited by tier and endpoint (functions-patterns.md, pattern 3; kvstore-module.md, example 1).
//!
//! `documented` reads two counters, compares, and counts afterwards: requests that come together all read the same count. It
//! believes what the message says of its tier, and when the store fails it lets everything pass. `hardened` counts first and looks
//! at the number that the count itself came to: no two requests get the same one. The tier is that of the channel, which the
//! access manager opens to users of that tier alone.
//!
//! **What fails closed:** a store that errs or is late: the request is answered 503 and may be sent again; what was counted
//! for it stays counted, so that trouble makes the limit smaller and never larger. **What fails open:** nothing. **What the
//! limit is for:** the counters are those of the region where a user's requests come in; a user in two regions at once
//! has two.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Variant;
use super::rights::{Rights, RightsByKind};
use crate::access::Permissions;
use crate::functions::{Context, Event, Function, Needs, OpError, Resolution};
use crate::message::Trigger;
use crate::planted::{Bug, has};
use crate::timetoken::unix_ms;

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "one-limit-for-everybody",
        "kvstore-module.md, example 1, limits everybody to ten messages a minute: pattern 3's read, compare and count, with one \
         counter, and like it lets everything pass when the store fails.",
        "It is this system with one tier and one endpoint, and breaks as this one's documented variant does; it has no scenario \
         of its own.",
    ),
    (
        "an-aborted-message-says-nothing",
        "Pattern 3 writes retryAfter into a message that it then aborts.",
        "Nobody sees that message: documented's caller is told only that it was aborted. Hardened puts it into the body of \
         the refusal, which is what a publisher reads (platform.md 3.2).",
    ),
    (
        "counters-have-no-life",
        "Pattern 3 sets a key beside each counter so that the counter is cleaned up; kvstore-module.md gives a TTL to keys only.",
        "Documented writes them; the counters stay. Hardened does not.",
    ),
    (
        "eight-operations",
        "Pattern 3 makes six KV calls; kvstore-module.md allows three operations in one execution.",
        "Documented cannot run under that limit and says so. Hardened makes two.",
    ),
    (
        "who-says-the-tier",
        "Pattern 3 takes tier and user from the message.",
        "Documented does so. Hardened takes the user from the platform and the tier from the channel.",
    ),
];

/// A tier of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Free,
    Premium,
    Enterprise,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 3] = [Self::Free, Self::Premium, Self::Enterprise];

    /// The word in messages and channels.
    pub fn word(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Premium => "premium",
            Self::Enterprise => "enterprise",
        }
    }

    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.word() == word)
    }
}

/// What the customer's own books say: of ten users one is an enterprise's and two have paid.
pub fn tier_of(user: u32) -> Tier {
    match user % 10 {
        0 => Tier::Enterprise,
        1 | 2 => Tier::Premium,
        _ => Tier::Free,
    }
}

/// Endpoints, each with its share of the tier's limit [percent].
pub const ENDPOINTS: [(&str, u64); 4] = [("data_export", 10), ("search", 30), ("analytics", 20), ("profile", 50)];

/// How many requests a window has, by tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Free, premium, enterprise; the document: 100, 1,000, 10,000.
    pub requests: [u64; 3],
    /// The document: 3,600 s.
    pub window_s: u64,
}

impl Limits {
    /// Of a tier.
    pub fn of(&self, tier: Tier) -> u64 {
        self.requests[tier as usize]
    }

    /// Of a tier at an endpoint; endpoints that are not listed have half.
    pub fn at(&self, tier: Tier, endpoint: &str) -> u64 {
        let share = ENDPOINTS.iter().find(|(name, _)| *name == endpoint).map_or(50, |(_, share)| *share);
        self.of(tier) * share / 100
    }
}

/// A request as it is published.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub request_id: u32,
    pub user_id: String,
    pub endpoint: String,
    pub user_tier: Tier,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit_info: Option<Value>,
}

/// A refusal.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Whole seconds until the next window.
    pub retry_after: u64,
}

/// Where a tier's requests are published.
pub fn channel(tier: Tier) -> String {
    format!("api.requests.{}", tier.word())
}

/// What tokens of `ttl_minutes` open: each user may publish on the channel of the own tier and on no other; `number` reads a
/// user's number from the id.
pub fn rights(ttl_minutes: u32, number: fn(&str) -> Option<u32>) -> RightsByKind {
    let tiers = Tier::ALL.map(|tier| {
        let open = [("api.requests.*", Permissions::READ), (&*channel(tier), Permissions::WRITE)];
        Rights::new("ratelimit", ttl_minutes, &open, &[])
    });
    RightsByKind::new(tiers, move |user| Some(tier_of(number(user)?) as usize))
}

/// What each handler needs.
pub fn needs(variant: Variant) -> Vec<Needs> {
    vec![match variant {
        Variant::Documented => Needs { handler: "limit", kv: 6, publishes: 1, ..Needs::NONE },
        Variant::Hardened => Needs { handler: "limit", kv: 2, ..Needs::NONE },
    }]
}

/// The Functions to deploy.
pub fn functions(variant: Variant, limits: Limits) -> Vec<Function> {
    let (pattern, trigger) = ("api.requests.*", Trigger::BeforePublish);
    vec![match variant {
        Variant::Documented => {
            Function::new("limit", pattern, trigger, move |context, event| documented(context, event, limits))
        }
        Variant::Hardened => {
            Function::new("limit", pattern, trigger, move |context, event| hardened(context, event, limits))
        }
    }]
}

/// The window of now, and whole seconds until the next one.
fn window(context: &Context, window_s: u64) -> (u64, u64) {
    let now_ms = unix_ms(context.now());
    let window_ms = window_s * 1_000;
    (now_ms / window_ms, (window_ms - now_ms % window_ms).div_ceil(1_000))
}

fn let_pass(mut request: Request, limit: u64, remaining: u64, reset_s: u64, tier: Tier) -> Resolution {
    request.rate_limit_info = Some(json!({
        "limit": limit, "remaining": remaining, "resetTime": reset_s * 1_000, "userTier": tier,
    }));
    Resolution::Ok(Some(serde_json::to_string(&request).expect("a request serialises").into()))
}

/// The document's steps: read, compare, count; whatever fails, the request passes.
async fn documented(context: Context, event: Event, limits: Limits) -> Resolution {
    let Ok(request) = serde_json::from_str::<Request>(&event.payload) else { return Resolution::Ok(None) };
    let (user, endpoint, tier) = (&request.user_id, &request.endpoint, request.user_tier);
    let limit = limits.of(tier);
    let (window, _) = window(&context, limits.window_s);
    let counted = async {
        let global = format!("rate_limit:{user}:{window}");
        let requests = context.kv_counter(&*global).await? as u64;
        if requests >= limit {
            let said = json!({
                "userId": user, "userTier": tier, "currentRequests": requests, "limit": limit, "endpoint": endpoint,
                "timestamp": unix_ms(context.now()),
            });
            context.fire("rate_limit_violations", said.to_string()).await?;
            return Ok(None);
        }
        let at_endpoint = format!("endpoint_rate_limit:{user}:{endpoint}:{window}");
        if context.kv_counter(&*at_endpoint).await? as u64 >= limits.at(tier, endpoint) {
            return Ok(None);
        }
        context.kv_incr(&*global, 1).await?;
        context.kv_incr(&*at_endpoint, 1).await?;
        let (now, minutes) = (unix_ms(context.now()).to_string(), (limits.window_s * 2).div_ceil(60) as u32);
        context.kv_set(format!("{global}_ttl"), &*now, Some(minutes)).await?;
        context.kv_set(format!("{at_endpoint}_ttl"), now, Some(minutes)).await?;
        Ok::<_, OpError>(Some(requests))
    };
    match counted.await {
        Ok(Some(requests)) => {
            let remaining = limit.saturating_sub(requests + 1);
            let_pass(request, limit, remaining, (window + 1) * limits.window_s, tier)
        }
        Ok(None) => {
            context.count("requests.limited");
            Resolution::refuse(400, "aborted")
        }
        Err(error) => {
            context.count("requests.unlimited");
            context.log(|| format!("limit: {error}"));
            Resolution::Ok(None)
        }
    }
}

/// Counts, then looks at what it came to. The endpoint's count comes first: what an endpoint refuses costs nothing of the
/// user's limit in all.
async fn hardened(context: Context, event: Event, limits: Limits) -> Resolution {
    let Some(tier) = event.channel.rsplit('.').next().and_then(Tier::named) else {
        return Resolution::refuse(400, "unknown_tier");
    };
    let user = &event.publisher;
    let request = match serde_json::from_str::<Request>(&event.payload) {
        Ok(request) if request.user_id == **user && request.user_tier == tier => request,
        _ => {
            context.count("requests.forged");
            return Resolution::refuse(400, "invalid_request");
        }
    };
    let (endpoint, limit) = (&request.endpoint, limits.of(tier));
    let (window, left_s) = window(&context, limits.window_s);
    let counted = async {
        let at_endpoint = context.kv_incr(format!("endpoint_rate_limit:{user}:{endpoint}:{window}"), 1).await? as u64;
        if at_endpoint > limits.at(tier, endpoint) {
            return Ok(None);
        }
        let requests = context.kv_incr(format!("rate_limit:{user}:{window}"), 1).await? as u64;
        Ok::<_, OpError>((requests <= limit + u64::from(has(Bug::LimitIsOneMore))).then_some(requests.min(limit)))
    };
    match counted.await {
        Ok(Some(requests)) => let_pass(request, limit, limit - requests, (window + 1) * limits.window_s, tier),
        Ok(None) => {
            context.count("requests.limited");
            let left_s = left_s + if has(Bug::RetryAfterIsLate) { 60 } else { 0 };
            let body = json!({ "error": "rate_limited", "retryAfter": left_s });
            Resolution::Abort { status: 429, body: body.to_string().into() }
        }
        Err(error) => {
            if has(Bug::LimitFailsOpen) {
                return Resolution::Ok(None);
            }
            context.count("requests.not_counted");
            context.log(|| format!("limit: {error}"));
            Resolution::refuse(503, "try_again")
        }
    }
}
