//! Orders through payment, inventory, shipping and notification (functions-patterns.md, pattern 4).

use std::collections::BTreeSet;

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::MS;
use headcount_engine::functions::{Function, Needs, Secrets};
use headcount_engine::message::{Call, ChannelList, Envelope};
use headcount_engine::patterns::orders::services::{
    self, CARRIER, Carrier, DECLINED, Hold, NOTICES, Notices, PAYMENTS, Payment, Payments, SOLD_OUT, Stage, WAREHOUSE,
    Warehouse,
};
use headcount_engine::patterns::orders::{self, End, Order, RETRY_JOB, Retries, Status, status_channel, stored_end};
use headcount_engine::scheduler::Job;
use headcount_sim::Stream;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::Fate;
use super::{Doing, ServiceSpec, System, to_json};
use crate::crowd::plan::user_id;
use crate::scenario::{Scenario, Setting};

/// Order workflow.
pub struct Orders;

const ORDER: u8 = 0;
const DECLINE: u8 = 1;
const NOT_THERE: u8 = 2;
const DOUBLE: u8 = 3;

impl System for Orders {
    fn word(&self) -> &'static str {
        "orders"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            // Pattern 4: maxRetries 3, 60 s times two to the power of the retry's number.
            Setting { key: "retries_max", default: 3, low: 0, high: 10 },
            Setting { key: "backoff_ms", default: 60_000, low: 10, high: 3_600_000 },
            Setting { key: "retries_every_ms", default: 1_000, low: 10, high: 3_600_000 },
            // Parts in a million of orders whose card is declined, whose item is not there, that are sent twice.
            Setting { key: "declined_ppm", ..Setting::PPM },
            Setting { key: "sold_out_ppm", ..Setting::PPM },
            Setting { key: "double_click_ppm", ..Setting::PPM },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        orders::READINGS
    }

    fn remedy(&self) -> &'static str {
        "A note of each open order stands until the order has ended, and a sweep takes up whatever a crash left. \
         Every call carries its order's id as idempotency key, and the payment service decides once, between capture \
         and cancel, how an order ends."
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        orders::functions(scenario.variant.in_engine(), retries(scenario))
    }

    fn needs(&self, scenario: &Scenario) -> Vec<Needs> {
        orders::needs(scenario.variant.in_engine())
    }

    fn jobs(&self, scenario: &Scenario) -> Vec<Job> {
        vec![Job { name: RETRY_JOB.into(), interval: scenario.system.get("retries_every_ms") * MS }]
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(orders::rights(scenario.system.token_ttl_minutes))
    }

    fn services(&self, _: &Scenario) -> Vec<ServiceSpec> {
        vec![
            ServiceSpec { name: "payments", base: PAYMENTS, serves: Box::<Payments>::default() },
            ServiceSpec { name: "warehouse", base: WAREHOUSE, serves: Box::<Warehouse>::default() },
            ServiceSpec { name: "carrier", base: CARRIER, serves: Box::<Carrier>::default() },
            ServiceSpec { name: "notices", base: NOTICES, serves: Box::<Notices>::default() },
        ]
    }

    fn secrets(&self) -> Secrets {
        orders::secrets()
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["order", "declined_order", "sold_out_order", "double_click"]
    }

    /// `what` is which of the customer's orders it is: a double click sends the same one.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let mut orders = vec![0u32; scenario.system.users as usize];
        let mut acts = Vec::new();
        for (at, user) in moments(scenario, dice) {
            let nth = &mut orders[user as usize];
            *nth += 1;
            let mut happens = |key| dice.chance(scenario.system.get(key) as u32);
            let (declined, sold_out, double) =
                (happens("declined_ppm"), happens("sold_out_ppm"), happens("double_click_ppm"));
            let soon = dice.between(5, 400) * MS;
            let kind = match (declined, sold_out) {
                (true, _) => DECLINE,
                (false, true) => NOT_THERE,
                (false, false) => ORDER,
            };
            acts.push(Act { at, user, kind, what: [*nth, 0] });
            if double && kind == ORDER {
                acts.push(Act { at: at + soon, user, kind: DOUBLE, what: [*nth, 0] });
            }
        }
        acts
    }

    fn counts(&self) -> &'static [&'static str] {
        &[
            "notifications.given_up",
            "orders.completed",
            "orders.failed",
            "orders.left_for_later",
            "orders.step_errors",
            "orders.tried_again",
        ]
    }

    fn channels(&self, _: &Scenario, user: u32) -> ChannelList {
        std::iter::once(status_channel(&user_id(user)).into()).collect()
    }

    fn doing(&self, _: &Scenario, number: u32, act: &Act) -> Doing {
        let order = Order {
            order_id: order_id(act),
            customer_id: user_id(act.user),
            request: number,
            item: if act.kind == NOT_THERE { SOLD_OUT } else { "lamp" }.into(),
            total: 1_999,
            currency: "EUR".into(),
            payment_method: if act.kind == DECLINE { DECLINED } else { "card" }.into(),
        };
        Doing::Api(Call::Publish { channel: orders::CHANNEL.into(), payload: to_json(&order), store: false })
    }

    fn shows(&self, envelope: &Envelope) -> Option<u32> {
        Some(serde_json::from_str::<Status>(&envelope.payload).ok()?.request)
    }

    fn properties(&self) -> &'static [Property] {
        &[ONCE, ENDS, WHOLE, BOUNDED, TOLD]
    }
}

fn order_id(act: &Act) -> String {
    format!("{}-{}", user_id(act.user), act.what[0])
}

fn retries(scenario: &Scenario) -> Retries {
    let get = |key| scenario.system.get(key);
    Retries { max: get("retries_max") as u32, backoff_ms: get("backoff_ms") }
}

/// The payment service's books: every order that money was asked for.
fn payments<'a>(seen: &Seen<'a>) -> impl Iterator<Item = (&'a str, &'a Payment)> {
    let payments: &Payments = seen.service().expect("orders are paid for");
    payments.ledger.iter().map(|(order, payment)| (&**order, payment))
}

const ONCE: Property = Property {
    name: "a-customer-is-charged-at-most-once",
    promise: "functions-patterns.md 4: payment processing",
    says: "money is taken at most once for an order, and only for one that its customer has sent",
    check: |seen, checks| {
        let sent: BTreeSet<String> =
            seen.acts().filter(|(_, _, done)| done.attempts > 0).map(|(_, act, _)| order_id(act)).collect();
        let (mut checked, mut charged, mut again, mut wrong) = (0, 0, 0, None);
        for (order, payment) in payments(seen) {
            checked += 1;
            charged += u64::from(payment.charges > 0);
            again += u64::from(payment.attempts > 1 && payment.charges > 0);
            if payment.charges > 1 {
                wrong.get_or_insert_with(|| format!("{order} was charged {} times", payment.charges));
            }
            if !sent.contains(order) {
                wrong.get_or_insert_with(|| format!("{order} was to be paid for, and nobody had ordered it"));
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("an-order-was-charged", charged);
        if seen.scenario.swarm.is_some() {
            checks.sometimes("money-was-asked-for-twice", again);
        }
    },
};

const ENDS: Property = Property {
    name: "every-order-ends",
    promise: "functions-patterns.md 4: workflow status, failureReason",
    says: "after healing, every order that was accepted, and every one that money was asked for, is stored as completed and was \
           charged, or is stored as failed, with a reason, and was not",
    check: |seen, checks| {
        let accepted = seen.acts().filter(|(_, _, done)| done.fate == Fate::Accepted).map(|(_, act, _)| order_id(act));
        let asked = payments(seen).map(|(order, _)| order.to_owned());
        let books: &Payments = seen.service().expect("orders are paid for");
        let (mut checked, mut completed, mut failed, mut wrong) = (0, 0, 0, None);
        for order in accepted.chain(asked).collect::<BTreeSet<String>>() {
            checked += 1;
            let charges = books.ledger.get(&*order).map_or(0, |payment| payment.charges);
            for kv in &seen.kv {
                let said = stored_end(|key| kv.get_now(key, seen.scenario.end), &order);
                let is_right = match &said {
                    Some((End::Completed, None)) => charges > 0,
                    Some((End::Failed, Some(reason))) => charges == 0 && !reason.is_empty(),
                    _ => false,
                };
                if !is_right {
                    wrong.get_or_insert_with(|| format!("{order}, charged {charges} times, is stored as {said:?}"));
                }
                completed += u64::from(matches!(said, Some((End::Completed, _))));
                failed += u64::from(matches!(said, Some((End::Failed, _))));
            }
        }
        checks.eventually(checked, wrong);
        checks.sometimes("an-order-was-completed", completed);
        let setting = |key| seen.scenario.system.get(key);
        if setting("declined_ppm") + setting("sold_out_ppm") > 0 {
            checks.sometimes("an-order-failed", failed);
        }
    },
};

const WHOLE: Property = Property {
    name: "what-is-paid-for-is-sent",
    promise: "functions-patterns.md 4: payment, inventory, shipping",
    says: "after healing, goods and a parcel are held for every order that was charged and for no other, and no money is held",
    check: |seen, checks| {
        let goods = &seen.service::<Warehouse>().expect("orders hold goods").0.ledger;
        let parcels = &seen.service::<Carrier>().expect("orders hold parcels").0.ledger;
        let (mut checked, mut wrong, mut released) = (0, None, 0);
        for (order, payment) in payments(seen) {
            checked += 1;
            let holds = [goods.get(order), parcels.get(order)].map(|hold| hold == Some(&Hold::Held));
            released += u64::from(goods.get(order) == Some(&Hold::Released));
            if holds != [payment.charges > 0; 2] || payment.stage == Stage::Authorised {
                wrong.get_or_insert_with(|| {
                    format!("{order}: {payment:?}, goods held {}, parcel held {}", holds[0], holds[1])
                });
            }
        }
        checks.eventually(checked, wrong);
        if seen.scenario.variant == crate::scenario::Variant::Hardened && seen.scenario.system.get("sold_out_ppm") > 0 {
            checks.sometimes("a-failed-order-gave-back-what-it-held", released);
        }
    },
};

const BOUNDED: Property = Property {
    name: "retries-are-bounded",
    promise: "functions-patterns.md 4: maxRetries",
    says: "where the network doubles nothing, money, goods and a parcel are each asked for at most once and maxRetries times, in \
           each region that works on an order",
    check: |seen, checks| {
        let max = (seen.scenario.system.get("retries_max") as u32 + 1) * seen.scenario.topology.regions.len() as u32;
        let (mut checked, mut again, mut wrong) = (0, 0, None);
        let holds = [
            &seen.service::<Warehouse>().expect("orders hold goods").0,
            &seen.service::<Carrier>().expect("orders hold parcels").0,
        ];
        let held =
            holds.into_iter().flat_map(|holds| holds.attempts.iter().map(|(order, attempts)| (&**order, *attempts)));
        for (order, attempts) in payments(seen).map(|(order, payment)| (order, payment.attempts)).chain(held) {
            again += u64::from(attempts > 1);
            if !seen.network_doubles() {
                checked += 1;
                if attempts > max {
                    wrong.get_or_insert_with(|| format!("{order} was tried {attempts} times, of at most {max}"));
                }
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.swarm.is_some() {
            checks.sometimes("an-order-was-tried-again", again);
        }
    },
};

const TOLD: Property = Property {
    name: "a-customer-hears-how-the-order-ended",
    promise: "functions-patterns.md 4: order_status",
    says: "who hears that an order was completed was charged for it, who hears that it failed was not and hears why, and letters \
           say the same",
    check: |seen, checks| {
        let books: &Payments = seen.service().expect("orders are paid for");
        let charged = |order: &str| books.ledger.get(order).is_some_and(|payment| payment.charges > 0);
        let (mut checked, mut wrong) = (0, None);
        for (_, Status { order_id, status, reason, .. }) in seen.read::<Status>() {
            checked += 1;
            if charged(&order_id) != (status == End::Completed) || (status == End::Failed && reason.is_none()) {
                wrong.get_or_insert_with(|| {
                    format!("{order_id}, charged {}, was said to be {status:?} ({reason:?})", charged(&order_id))
                });
            }
        }
        let letters: &services::Notices = seen.service().expect("customers get letters");
        for (order, said) in &letters.sent {
            checked += 1;
            let right = if charged(order) { "completed" } else { "failed" };
            if said.iter().any(|said| said != right) {
                wrong.get_or_insert_with(|| format!("{order}, charged {}, got letters of {said:?}", charged(order)));
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("a-status-was-heard", seen.read::<Status>().count() as u64);
        checks.sometimes("a-letter-was-sent", letters.sent.len() as u64);
    },
};
