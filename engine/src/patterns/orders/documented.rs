//! The document's steps.
//!
//! What goes wrong: money is taken by a call without a key, so that a lost answer, a doubled message or the customer's own
//! second attempt takes it again; a step that is interrupted or errs leaves the order where it was for ever, since only a
//! clear refusal is retried; and an order that fails after its payment keeps the money.

use std::sync::Arc;

use serde_json::{Value, json};

use super::services::{CARRIER, NOTICES, PAYMENTS, WAREHOUSE};
use super::{CHANNEL, End, Order, PAYMENT_KEY, RETRY_JOB, Retries, Status, TTL_MINUTES, status_channel};
use crate::functions::{Context, Event, Function, Needs, OpError, Resolution};
use crate::message::Trigger;
use crate::timetoken::unix_ms;

/// A step reads the state, and writes it before and after its call, and once more when it errs.
const STEP: Needs = Needs { kv: 5, publishes: 1, xhr: 1, vault: 1, ..Needs::NONE };

/// What each handler needs.
pub(super) const NEEDS: [Needs; 7] = [
    Needs { handler: "order", kv: 2, publishes: 1, hops: 1, ..Needs::NONE },
    Needs { handler: "payment", hops: 2, ..STEP },
    Needs { handler: "inventory", hops: 3, ..STEP },
    Needs { handler: "shipping", hops: 4, ..STEP },
    Needs { handler: "notification", hops: 5, ..STEP },
    Needs { handler: "schedule", kv: 1, ..Needs::NONE },
    // A page of keys, and of each the value, its removal and a fire.
    Needs { handler: "retries", kv: 201, publishes: 100, hops: 1, ..Needs::NONE },
];

/// The steps: their names, and where each is asked for.
const STEPS: [(&str, &str); 4] =
    [("payment", PAYMENTS), ("inventory", WAREHOUSE), ("shipping", CARRIER), ("notification", NOTICES)];

pub(super) fn functions(retries: Retries) -> Vec<Function> {
    let before = Trigger::BeforePublish;
    let step = |place: usize, channel| {
        Function::new(STEPS[place].0, channel, before, move |context, event| step(context, event, place, retries))
    };
    vec![
        Function::new("order", CHANNEL, before, move |context, event| order(context, event, retries)),
        step(0, "workflow.payment"),
        step(1, "workflow.inventory"),
        step(2, "workflow.shipping"),
        step(3, "workflow.notification"),
        Function::new("schedule", "workflow.retry", before, schedule),
        Function::new("retries", RETRY_JOB, Trigger::OnInterval, retry),
    ]
}

fn aborted() -> Resolution {
    Resolution::refuse(400, "aborted")
}

fn state_key(workflow: &str) -> String {
    format!("workflow:{workflow}")
}

async fn store(context: &Context, state: &mut Value) -> Result<(), OpError> {
    state["updatedAt"] = unix_ms(context.now()).into();
    let key = state_key(state["workflowId"].as_str().unwrap_or(""));
    context.kv_set(key, state.to_string(), Some(TTL_MINUTES)).await
}

/// Initialises the state and sets off the payment.
async fn order(context: Context, event: Event, retries: Retries) -> Resolution {
    let Ok(order) = serde_json::from_str::<Order>(&event.payload) else { return aborted() };
    let workflow = context.uuid();
    let pending = || json!({ "status": "pending", "attempts": 0 });
    let mut state = json!({
        "orderId": order.order_id, "workflowId": workflow, "status": "initiated",
        "steps": { "payment": pending(), "inventory": pending(), "shipping": pending(), "notification": pending() },
        "createdAt": unix_ms(context.now()), "retryCount": 0, "maxRetries": retries.max, "order": order,
    });
    let begun = async {
        store(&context, &mut state).await?;
        context.kv_set(format!("order_workflow:{}", order.order_id), &*workflow, Some(TTL_MINUTES)).await?;
        context.fire("workflow.payment", asked("payment", &workflow)).await
    };
    if begun.await.is_err() {
        return aborted();
    }
    let mut said = serde_json::to_value(&order).expect("an order serialises");
    said["workflowId"] = workflow.into();
    said["workflowStatus"] = "initiated".into();
    Resolution::Ok(Some(said.to_string().into()))
}

fn asked(step: &str, workflow: &str) -> String {
    json!({ "type": format!("process_{step}"), "workflowId": workflow }).to_string()
}

/// Reads the state, calls the service, writes what it said, and sets off what follows.
async fn step(context: Context, event: Event, place: usize, retries: Retries) -> Resolution {
    let asked: Value = serde_json::from_str(&event.payload).unwrap_or(Value::Null);
    let Some(workflow) = asked["workflowId"].as_str() else { return aborted() };
    match try_step(&context, workflow, place, retries).await {
        Ok(true) => Resolution::Ok(None),
        Ok(false) => aborted(),
        Err(error) => {
            context.count("orders.step_errors");
            // The state with the error; whether that can be written is not looked at.
            if let Ok(Some(mut state)) = context.kv_get_json::<Value>(state_key(workflow)).await {
                state["steps"][STEPS[place].0]["status"] = "error".into();
                state["steps"][STEPS[place].0]["error"] = error.to_string().into();
                _ = store(&context, &mut state).await;
            }
            aborted()
        }
    }
}

async fn try_step(context: &Context, workflow: &str, place: usize, retries: Retries) -> Result<bool, OpError> {
    let (name, base) = STEPS[place];
    let Some(mut state) = context.kv_get_json::<Value>(state_key(workflow)).await? else { return Ok(false) };
    let Ok(order) = serde_json::from_value::<Order>(state["order"].clone()) else { return Ok(false) };
    if state["steps"][name]["status"] == "completed" {
        return Ok(true);
    }
    let key = context.vault(PAYMENT_KEY).await?.unwrap_or_default();
    let attempts = state["steps"][name]["attempts"].as_u64().unwrap_or(0);
    state["steps"][name]["status"] = "processing".into();
    state["steps"][name]["attempts"] = (attempts + 1).into();
    store(context, &mut state).await?;
    let body = json!({
        "orderId": order.order_id, "amount": order.total, "currency": order.currency, "item": order.item,
        "paymentMethod": order.payment_method, "status": "completed",
    });
    let headers = [("Authorization", &*format!("Bearer {key}")), ("Content-Type", "application/json")];
    let answer = context.fetch_with("POST", format!("{base}/process"), body.to_string(), &headers).await?;
    let result = super::body_of(&answer);
    if answer.status == 200 && result["success"] == true {
        state["steps"][name]["status"] = "completed".into();
        state["steps"][name]["transactionId"] = result["transactionId"].clone();
        if let Some((next, _)) = STEPS.get(place + 1) {
            store(context, &mut state).await?;
            context.fire(format!("workflow.{next}"), asked(next, workflow)).await?;
        } else {
            state["status"] = "completed".into();
            store(context, &mut state).await?;
            tell(context, &order, End::Completed, None).await?;
        }
        return Ok(true);
    }
    let retry = state["retryCount"].as_u64().unwrap_or(0) as u32 + 1;
    state["retryCount"] = retry.into();
    state["steps"][name]["error"] = result["error"].clone();
    if retry <= retries.max {
        let at_ms = unix_ms(context.now()) + retries.wait_ms(retry);
        state["steps"][name]["status"] = "retry_scheduled".into();
        state["steps"][name]["retryAt"] = at_ms.into();
        store(context, &mut state).await?;
        let scheduled = json!({ "type": "schedule_retry", "workflowId": workflow, "step": name, "retryAt": at_ms });
        context.fire("workflow.retry", scheduled.to_string()).await?;
    } else {
        state["steps"][name]["status"] = "failed".into();
        state["status"] = "failed".into();
        state["failureReason"] = format!("{name}_failed_max_retries").into();
        store(context, &mut state).await?;
        tell(context, &order, End::Failed, Some(format!("{name}_processing_failed"))).await?;
    }
    Ok(true)
}

async fn tell(context: &Context, order: &Order, status: End, reason: Option<String>) -> Result<(), OpError> {
    context.count(if status == End::Completed { "orders.completed" } else { "orders.failed" });
    let said = Status { order_id: order.order_id.clone(), request: order.request, status, reason };
    let text = serde_json::to_string(&said).expect("a status serialises");
    context.publish(status_channel(&order.customer_id), text, true).await.map(|_| ())
}

/// Notes a retry.
async fn schedule(context: Context, event: Event) -> Resolution {
    let retry: Value = serde_json::from_str(&event.payload).unwrap_or(Value::Null);
    let (Some(workflow), Some(step)) = (retry["workflowId"].as_str(), retry["step"].as_str()) else { return aborted() };
    match context.kv_set(format!("retry:{workflow}:{step}"), retry.to_string(), Some(TTL_MINUTES)).await {
        Ok(()) => Resolution::Ok(None),
        Err(_) => aborted(),
    }
}

/// Fires what is due, of the first page of keys.
async fn retry(context: Context, _: Event) -> Resolution {
    let fired = async {
        let (keys, _) = context.kv_keys(None).await?;
        for key in keys.iter().filter(|key| key.starts_with("retry:")) {
            let Some(retry) = context.kv_get_json::<Value>(key.clone()).await? else { continue };
            let (Some(workflow), Some(step), Some(at_ms)) =
                (retry["workflowId"].as_str(), retry["step"].as_str(), retry["retryAt"].as_u64())
            else {
                continue;
            };
            if at_ms <= unix_ms(context.now()) {
                context.kv_remove(Arc::clone(key)).await?;
                context.fire(format!("workflow.{step}"), asked(step, workflow)).await?;
            }
        }
        Ok::<_, OpError>(())
    };
    match fired.await {
        Ok(()) => Resolution::Ok(None),
        Err(_) => Resolution::refuse(500, "not_all_fired"),
    }
}
