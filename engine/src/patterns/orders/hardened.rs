//! The hardened workflow.
//!
//! **An open order has a note.** An order is accepted when `due:{when}:{order}:{retry}` is stored, with all that was ordered.
//! Nothing takes the note away but the order's end; so whatever dies, the interval function finds the note when it is due, moves
//! it to its next moment, and begins the steps anew.
//!
//! **Every step may be taken again.** Each call of a service carries the order's id, by which the service does once what is
//! asked many times. No step's result is stored by the workflow: the services know it.
//!
//! **One place decides.** Money is held first, goods and a parcel after it, and only when all three are there is the money taken.
//! Who fails for good cancels the payment. Of capture and cancel the first wins at the payment service, for ever: two executions
//! that disagree are told the same end. What a cancelled order holds is released, and a released order never holds again.
//!
//! **Retries are bounded** by a counter that each beginning increments before it asks for money: beyond the limit an order is
//! only cancelled or finished. Counters are exact in a region (kvstore-module.md), so that an order that two regions work on
//! has at most twice the limit. Cancelling and finishing go on, at the longest backoff, until they are done: an order that could
//! be neither paid nor cancelled would be no end.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::services::{CARRIER, NOTICES, PAYMENTS, WAREHOUSE};
use super::{CHANNEL, End, Order, PAYMENT_KEY, RETRY_JOB, Retries, Status, TTL_MINUTES, decided, status_channel};
use crate::functions::{Context, Event, Function, HttpResponse, Needs, OpError, Resolution, join, join_all};
use crate::message::Trigger;
use crate::planted::{Bug, has};
use crate::timetoken::unix_ms;

/// Notes that one execution of the interval function moves: with the listing, 9 KV calls of 10.
const MOVES: usize = 2;

/// What each handler needs.
pub(super) const NEEDS: [Needs; 5] = [
    Needs { handler: "order", kv: 1, ..Needs::NONE },
    Needs { handler: "payment", kv: 2, publishes: 2, xhr: 4, vault: 1, hops: 2, ..Needs::NONE },
    Needs { handler: "fulfilment", kv: 1, publishes: 2, xhr: 5, vault: 1, hops: 3, ..Needs::NONE },
    Needs { handler: "notification", kv: 1, xhr: 1, ..Needs::NONE },
    Needs { handler: "retries", kv: 1 + 4 * MOVES as u32, publishes: MOVES as u32, hops: 1, ..Needs::NONE },
];

const PAYMENT: &str = "workflow.payment";
const FULFILMENT: &str = "workflow.fulfilment";
const NOTIFICATION: &str = "workflow.notification";

pub(super) fn functions(retries: Retries) -> Vec<Function> {
    let (before, after) = (Trigger::BeforePublish, Trigger::AfterPublish);
    vec![
        Function::new("order", CHANNEL, before, move |context, event| order(context, event, retries)),
        Function::new("first-payment", CHANNEL, after, move |context, event| payment(context, event, retries)),
        Function::new("payment", PAYMENT, after, move |context, event| payment(context, event, retries)),
        Function::new("fulfilment", FULFILMENT, after, move |context, event| fulfilment(context, event, retries)),
        Function::new("notification", NOTIFICATION, after, move |context, event| notification(context, event, retries)),
        Function::new("retries", RETRY_JOB, Trigger::OnInterval, move |context, event| retry(context, event, retries)),
    ]
}

/// An order on its way: what one step hands to the next.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Step {
    order: Order,
    /// The note's key.
    due: String,
    /// Which beginning of the order's this is, from 1; 0: not yet counted.
    #[serde(default)]
    attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<(End, Option<String>)>,
}

impl Step {
    fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn text(&self) -> String {
        serde_json::to_string(self).expect("a step serialises")
    }

    fn is_last(&self, retries: Retries) -> bool {
        self.attempt > retries.max
    }
}

/// A note's key: sorted by when it is due, so that the first page of keys is what comes first.
fn note(due_ms: u64, order_id: &str, retry: u32) -> String {
    format!("due:{due_ms:015}:{order_id}:{retry}")
}

/// A note's moment, order and retry.
fn read_note(key: &str) -> Option<(u64, &str, u32)> {
    let (due_ms, rest) = key.strip_prefix("due:")?.split_once(':')?;
    let (order_id, retry) = rest.rsplit_once(':')?;
    Some((due_ms.parse().ok()?, order_id, retry.parse().ok()?))
}

fn is_valid(order: &Order, customer: &str) -> bool {
    let own = order.order_id.strip_prefix(customer).and_then(|rest| rest.strip_prefix('-'));
    let is_word =
        |text: &str| !text.is_empty() && text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    order.customer_id == customer && own.is_some_and(is_word) && order.total > 0
}

/// Accepts an order: it is noted, and what follows is nobody's to wait for.
async fn order(context: Context, event: Event, retries: Retries) -> Resolution {
    let order = match serde_json::from_str::<Order>(&event.payload) {
        Ok(order) if is_valid(&order, &event.publisher) => order,
        _ => return Resolution::refuse(400, "invalid_order"),
    };
    let due = note(unix_ms(context.now()) + retries.wait_ms(1), &order.order_id, 1);
    let step = Step { order, due: due.clone(), attempt: 0, ended: None };
    if has(Bug::OrdersAreNotNoted) {
        return Resolution::Ok(Some(step.text().into()));
    }
    match context.kv_set(due, step.text(), Some(TTL_MINUTES)).await {
        Ok(()) => Resolution::Ok(Some(step.text().into())),
        // Noted or not: the same order may be sent again, and is paid for once.
        Err(_) => Resolution::refuse(503, "try_again"),
    }
}

/// A call that the service knows again by its order.
async fn ask(
    context: &Context,
    base: &str,
    verb: &str,
    order: &Order,
    more: &[(&str, &str)],
) -> Result<HttpResponse, OpError> {
    let mut body = json!({
        "orderId": order.order_id, "amount": order.total, "currency": order.currency, "item": order.item,
        "paymentMethod": order.payment_method,
    });
    for (name, value) in more {
        body[*name] = (*value).into();
    }
    let key = if base == PAYMENTS { context.vault(PAYMENT_KEY).await?.unwrap_or_default() } else { Arc::default() };
    let headers = [("Authorization", &*format!("Bearer {key}")), ("Idempotency-Key", &*order.order_id)];
    context.fetch_with("POST", format!("{base}/{verb}"), body.to_string(), &headers).await
}

/// What a payment's stage says of its order.
fn end_of(payment: &Value) -> Option<(End, Option<String>)> {
    match payment["status"].as_str() {
        Some("captured") => Some((End::Completed, None)),
        Some("cancelled") => Some((End::Failed, Some(payment["reason"].as_str().unwrap_or("").to_owned()))),
        _ => None,
    }
}

/// What becomes of an execution: there is nothing more to do now.
enum Left {
    /// The next step has been set off.
    Done,
    /// Somebody did not answer: the note stays, and the interval function comes back.
    Noted,
}

fn resolved(context: &Context, left: Left) -> Resolution {
    if matches!(left, Left::Noted) {
        context.count("orders.left_for_later");
    }
    Resolution::Ok(None)
}

/// Holds the money, or learns how the order has ended already.
async fn payment(context: Context, event: Event, retries: Retries) -> Resolution {
    let Some(mut step) = Step::read(&event.payload) else { return Resolution::refuse(400, "invalid_step") };
    let counter = format!("attempts:{}", step.order.order_id);
    let Ok(attempt) = context.kv_incr(counter, 1).await else { return resolved(&context, Left::Noted) };
    step.attempt = attempt.clamp(1, i64::from(u32::MAX)) as u32;
    if step.attempt > retries.max + 1 {
        return resolved(&context, give_up(&context, step, "too_many_attempts").await);
    }
    let left = match decided(ask(&context, PAYMENTS, "authorise", &step.order, &[]).await) {
        Some((402, _)) => give_up(&context, step, "card_declined").await,
        Some((200, payment)) if payment["status"] == "authorised" => fire(&context, FULFILMENT, &step).await,
        None if step.is_last(retries) => give_up(&context, step, "payment_failed_max_retries").await,
        payment => finish_as(&context, step, payment).await,
    };
    resolved(&context, left)
}

async fn fire(context: &Context, channel: &str, step: &Step) -> Left {
    match context.fire(channel, step.text()).await {
        Ok(_) => Left::Done,
        Err(_) => Left::Noted,
    }
}

/// Holds goods and a parcel, and takes the money for both.
async fn fulfilment(context: Context, event: Event, retries: Retries) -> Resolution {
    let Some(step) = Step::read(&event.payload) else { return Resolution::refuse(400, "invalid_step") };
    for (base, failed) in [(WAREHOUSE, "inventory_failed_max_retries"), (CARRIER, "shipping_failed_max_retries")] {
        let left = match decided(ask(&context, base, "process", &step.order, &[]).await) {
            Some((200, _)) => continue,
            Some((_, refusal)) => give_up(&context, step, refusal["error"].as_str().unwrap_or(failed)).await,
            None if step.is_last(retries) => give_up(&context, step, failed).await,
            None => Left::Noted,
        };
        return resolved(&context, left);
    }
    // Taken or not, if no answer comes: who comes next asks again.
    let payment = decided(ask(&context, PAYMENTS, "capture", &step.order, &[]).await);
    let left = finish_as(&context, step, payment).await;
    resolved(&context, left)
}

/// Cancels the payment, unless it has been taken; whichever it is, that is the order's end.
async fn give_up(context: &Context, step: Step, reason: &str) -> Left {
    let payment = decided(ask(context, PAYMENTS, "cancel", &step.order, &[("reason", reason)]).await);
    finish_as(context, step, payment).await
}

/// Finishes an order as its payment says, if it says anything of an end.
async fn finish_as(context: &Context, step: Step, payment: Option<(u16, Value)>) -> Left {
    match payment.and_then(|(_, payment)| end_of(&payment)) {
        Some(end) => finish(context, step, end).await,
        None => Left::Noted,
    }
}

/// Gives back what a failed order holds, writes down how the order ended, tells the customer.
async fn finish(context: &Context, mut step: Step, (end, reason): (End, Option<String>)) -> Left {
    let order = &step.order;
    if end == End::Failed {
        let released =
            join(ask(context, WAREHOUSE, "release", order, &[]), ask(context, CARRIER, "release", order, &[]));
        let (goods, parcel) = released.await;
        if !matches!((decided(goods), decided(parcel)), (Some((200, _)), Some((200, _)))) {
            return Left::Noted;
        }
    }
    let record = json!({ "orderId": order.order_id, "status": end, "failureReason": reason });
    let key = format!("workflow:{}", order.order_id);
    if context.kv_set(key, record.to_string(), Some(TTL_MINUTES)).await.is_err() {
        return Left::Noted;
    }
    context.count(if end == End::Completed { "orders.completed" } else { "orders.failed" });
    let status =
        Status { order_id: order.order_id.clone(), request: order.request, status: end, reason: reason.clone() };
    let text = serde_json::to_string(&status).expect("a status serialises");
    if context.publish(status_channel(&order.customer_id), text, true).await.is_err() {
        return Left::Noted;
    }
    step.ended = Some((end, reason));
    fire(context, NOTIFICATION, &step).await
}

/// Writes to the customer, and takes the note away. A letter that cannot be sent in as many attempts as an order has is not
/// worth keeping the order open.
async fn notification(context: Context, event: Event, retries: Retries) -> Resolution {
    let Some((step, (end, _))) = Step::read(&event.payload).and_then(|step| step.ended.clone().map(|end| (step, end)))
    else {
        return Resolution::refuse(400, "invalid_step");
    };
    let status = serde_json::to_value(end).expect("an end serialises");
    let sent = ask(&context, NOTICES, "send", &step.order, &[("status", status.as_str().unwrap_or(""))]).await;
    if !matches!(decided(sent), Some((200, _))) {
        if !step.is_last(retries) {
            return resolved(&context, Left::Noted);
        }
        context.count("notifications.given_up");
    }
    let left = if context.kv_remove(step.due).await.is_ok() { Left::Done } else { Left::Noted };
    resolved(&context, left)
}

/// Moves what is due to its next moment, and begins it anew.
async fn retry(context: Context, _: Event, retries: Retries) -> Resolution {
    let Ok((keys, _)) = context.kv_keys(None).await else { return Resolution::refuse(500, "no_listing") };
    let now_ms = unix_ms(context.now());
    let is_due = |key: &&Arc<str>| read_note(key).is_some_and(|(due_ms, ..)| due_ms <= now_ms);
    let due = keys.iter().filter(is_due).take(MOVES);
    join_all(due.map(|key| again(&context, key, now_ms, retries))).await;
    Resolution::Ok(None)
}

/// Moves one note and sets its order off. The next moment lies on a grid of the note's own: whoever finds the old note once
/// more, since its removal failed or lost against a write of a clock that was ahead, writes the same new one. Only who
/// sees the old one gone begins.
async fn again(context: &Context, key: &str, now_ms: u64, retries: Retries) -> Option<()> {
    let (due_ms, order_id, number) = read_note(key)?;
    let mut step = Step::read(&context.kv_get(key).await.ok()??)?;
    let wait_ms = retries.wait_ms(number.saturating_add(1)).max(1);
    let next_ms = due_ms + wait_ms * ((now_ms + wait_ms / 2 - due_ms) / wait_ms + 1);
    step.due = note(next_ms, order_id, number.saturating_add(1));
    context.kv_set(&*step.due, step.text(), Some(TTL_MINUTES)).await.ok()?;
    context.kv_remove(key).await.ok()?;
    if context.kv_get(key).await.ok()?.is_none() {
        context.count("orders.tried_again");
        context.fire(PAYMENT, step.text()).await.ok()?;
    }
    Some(())
}
