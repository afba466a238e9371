//! Orders through payment, inventory, shipping and notification, with retries and exponential backoff (functions-patterns.md,
//! pattern 4).
//!
//! [`documented`] charges before it writes that it has, keeps one record that every step overwrites, and forgets what an error
//! interrupts. [`hardened`] keeps a note of each open order that only its end takes away, gives every call its order's id as
//! idempotency key, and lets the payment service decide once, between capture and cancel, how the order ends.

pub mod documented;
pub mod hardened;
pub mod services;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Variant;
use super::rights::Rights;
use crate::access::Permissions;
use crate::functions::{Function, HttpResponse, Needs, OpError, Secrets};

/// Where customers publish orders.
pub const CHANNEL: &str = "orders.new";
/// The job that comes back to what is due.
pub const RETRY_JOB: &str = "order-retries";
/// Workflows are kept for 48 hours.
const TTL_MINUTES: u32 = 2_880;
/// The vault's name of the payment service's key.
const PAYMENT_KEY: &str = "payment_service_key";

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "three-steps-are-missing",
        "Pattern 4 shows the payment step; inventory, shipping and notification are named and not written.",
        "Documented writes them as the payment step is written; the last one ends the workflow as completed.",
    ),
    (
        "who-retries",
        "Pattern 4 fires a retry to be scheduled, and leaves the rest to an interval function that it does not show; neither \
         that message nor the state says what was ordered.",
        "Documented keeps the order in the state, notes each retry under a key, and an interval function fires the step again \
         when it is due.",
    ),
    (
        "a-chain-of-four",
        "Pattern 4 chains order, payment, inventory, shipping, notification by fires: the last is the fourth hop, and the \
         status that it publishes the fifth; a chain has three hops (platform.md 3.3).",
        "Documented cannot run under that limit and says so: under it, what shipping fires is dropped in silence. Hardened \
         takes two hops, or three when the interval function begins.",
    ),
    (
        "a-fire-holds-its-caller",
        "Pattern 4 awaits each fire, and a Before Publish Function holds the fire that set it off (platform.md 3.1): the \
         customer waits until the last step has ended.",
        "Documented does so. Hardened answers the customer when the order is noted, and its steps are After Publish Functions.",
    ),
    (
        "whose-channel-a-status-has",
        "Pattern 4 publishes on a channel by the order's id, which may be made up after the customer has published.",
        "Both variants publish on a channel of the customer's own.",
    ),
];

/// An order as its customer publishes it. Its id is the customer's choice, and begins with the customer's own.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub order_id: String,
    pub customer_id: String,
    /// Which of the customer's requests this is; the status says it again.
    pub request: u32,
    pub item: String,
    /// In cents.
    pub total: u64,
    pub currency: String,
    pub payment_method: String,
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    Completed,
    Failed,
}

/// A status as it is published.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub order_id: String,
    pub request: u32,
    pub status: End,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a customer hears of its orders.
pub fn status_channel(customer: &str) -> String {
    format!("order_status.{customer}")
}

/// How an order is said to have ended by what is stored, with its reason; `None`: it has not. `get` reads a key.
pub fn stored_end(get: impl Fn(&str) -> Option<Arc<str>>, order_id: &str) -> Option<(End, Option<String>)> {
    // Documented's records have ids of their own.
    let workflow = get(&format!("order_workflow:{order_id}")).unwrap_or_else(|| order_id.into());
    let state: Value = serde_json::from_str(&get(&format!("workflow:{workflow}"))?).ok()?;
    let end = serde_json::from_value(state["status"].clone()).ok()?;
    Some((end, state["failureReason"].as_str().map(str::to_owned)))
}

/// What a customer's token opens: orders to write, statuses of its own to read.
pub fn rights(ttl_minutes: u32) -> Rights {
    Rights::new("orders", ttl_minutes, &[(CHANNEL, Permissions::WRITE)], &[(&status_channel(""), Permissions::READ)])
}

/// How often and after how long a step is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Tries after the first; the document has 3.
    pub max: u32,
    /// The first wait is twice as long, and each is twice the one before [ms]; the document has 60,000.
    pub backoff_ms: u64,
}

impl Retries {
    /// The wait before the retry of this number, from 1; none is longer than that before the last.
    pub fn wait_ms(&self, retry: u32) -> u64 {
        self.backoff_ms << retry.min(self.max.max(1))
    }
}

/// What each handler needs.
pub fn needs(variant: Variant) -> Vec<Needs> {
    match variant {
        Variant::Documented => documented::NEEDS.to_vec(),
        Variant::Hardened => hardened::NEEDS.to_vec(),
    }
}

/// The Functions to deploy.
pub fn functions(variant: Variant, retries: Retries) -> Vec<Function> {
    match variant {
        Variant::Documented => documented::functions(retries),
        Variant::Hardened => hardened::functions(retries),
    }
}

/// What handlers find in the vault.
pub fn secrets() -> Secrets {
    [(PAYMENT_KEY, "secret of the payment service".into())].into()
}

/// A body as JSON; what is none is null.
fn body_of(answer: &HttpResponse) -> Value {
    serde_json::from_str(&answer.body).unwrap_or(Value::Null)
}

/// A call's status and body, if whoever was asked decided something: trouble that passes is no decision.
fn decided(answer: Result<HttpResponse, OpError>) -> Option<(u16, Value)> {
    answer.ok().filter(|answer| !matches!(answer.status, 429 | 500..)).map(|answer| (answer.status, body_of(&answer)))
}
