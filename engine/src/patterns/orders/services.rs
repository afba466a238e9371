//! The services that an order goes through. Each keeps a ledger by order, durably, and answers a repeated call as the first,
//! where it was given the order's id for a key.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::contract::Nanos;
use crate::dice::HttpReply;
use crate::message::HttpRequest;
use crate::outside::Service;

/// The base addresses.
pub const PAYMENTS: &str = "https://api.payments.com";
pub const WAREHOUSE: &str = "https://api.inventory.com";
pub const CARRIER: &str = "https://api.shipping.com";
pub const NOTICES: &str = "https://api.notify.com";
/// A payment method that is always declined, and an item that is never there.
pub const DECLINED: &str = "declined";
pub const SOLD_OUT: &str = "sold-out";

/// Where a payment stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Asked for, and declined so far.
    #[default]
    Open,
    /// The money is held.
    Authorised,
    /// The money is taken.
    Captured,
    /// It was given back, or never held, for this reason; nothing will ever be taken.
    Cancelled(Arc<str>),
}

/// The payments of one order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payment {
    pub stage: Stage,
    /// How often money was taken.
    pub charges: u32,
    /// How often it was asked for, with or without a key.
    pub attempts: u32,
}

/// The payment service. `/process` takes money at once, each time it is asked; `/authorise`, `/capture` and `/cancel` are keyed
/// by the order, and of capture and cancel the first wins for ever.
#[derive(Debug, Default)]
pub struct Payments {
    pub ledger: BTreeMap<Arc<str>, Payment>,
}

impl Payment {
    fn process(&mut self, method: &str) -> HttpReply {
        self.attempts += 1;
        if method == DECLINED {
            return (402, json!({ "success": false, "error": "card_declined" }).to_string().into());
        }
        self.charges += 1;
        self.stage = Stage::Captured;
        (200, json!({ "success": true, "transactionId": format!("t{}", self.charges) }).to_string().into())
    }

    fn authorise(&mut self, method: &str) -> HttpReply {
        self.attempts += 1;
        if self.stage == Stage::Open && method == DECLINED {
            return (402, json!({ "status": "declined" }).to_string().into());
        }
        if self.stage == Stage::Open {
            self.stage = Stage::Authorised;
        }
        self.say(|stage| !matches!(stage, Stage::Cancelled(_)))
    }

    fn capture(&mut self) -> HttpReply {
        if self.stage == Stage::Authorised {
            self.charges += 1;
            self.stage = Stage::Captured;
        }
        self.say(|stage| *stage == Stage::Captured)
    }

    fn cancel(&mut self, reason: &str) -> HttpReply {
        if matches!(self.stage, Stage::Open | Stage::Authorised) {
            self.stage = Stage::Cancelled(reason.into());
        }
        self.say(|stage| matches!(stage, Stage::Cancelled(_)))
    }

    /// Where it stands: 200 where that is what was asked for, else 409.
    fn say(&self, wanted: impl Fn(&Stage) -> bool) -> HttpReply {
        let said = match &self.stage {
            Stage::Open => json!({ "status": "open" }),
            Stage::Authorised => json!({ "status": "authorised" }),
            Stage::Captured => json!({ "status": "captured" }),
            Stage::Cancelled(reason) => json!({ "status": "cancelled", "reason": **reason }),
        };
        (if wanted(&self.stage) { 200 } else { 409 }, said.to_string().into())
    }
}

/// The last part of the path, and the body.
fn read(request: &HttpRequest) -> (&str, Value) {
    let verb = request.route().rsplit('/').next().unwrap_or("");
    (verb, serde_json::from_str(&request.body).unwrap_or(Value::Null))
}

fn unreadable() -> HttpReply {
    (400, "{\"error\":\"unreadable\"}".into())
}

impl Service for Payments {
    fn serve(&mut self, _: Nanos, request: &HttpRequest) -> HttpReply {
        let (verb, body) = read(request);
        let Some(order) = body["orderId"].as_str() else { return unreadable() };
        let method = body["paymentMethod"].as_str().unwrap_or("");
        let payment = self.ledger.entry(order.into()).or_default();
        match verb {
            "process" => payment.process(method),
            "authorise" => payment.authorise(method),
            "capture" => payment.capture(),
            "cancel" => payment.cancel(body["reason"].as_str().unwrap_or("")),
            _ => unreadable(),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What is held for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    Held,
    /// Given back: nothing will ever be held for this order again, however late it is asked for.
    Released,
}

/// Things held by order: `/process` holds, `/release` gives back.
#[derive(Debug, Default)]
pub struct Holds {
    pub ledger: BTreeMap<Arc<str>, Hold>,
    /// Calls that held or would have held something.
    pub attempts: BTreeMap<Arc<str>, u32>,
}

impl Holds {
    fn serve(&mut self, request: &HttpRequest) -> HttpReply {
        let (verb, body) = read(request);
        let Some(order) = body["orderId"].as_str() else { return unreadable() };
        let refuse = |error: &str| (409, json!({ "success": false, "error": error }).to_string().into());
        match verb {
            "release" => {
                self.ledger.insert(order.into(), Hold::Released);
            }
            "process" => {
                *self.attempts.entry(order.into()).or_default() += 1;
                if body["item"] == SOLD_OUT {
                    return refuse("out_of_stock");
                }
                if *self.ledger.entry(order.into()).or_insert(Hold::Held) == Hold::Released {
                    return refuse("released");
                }
            }
            _ => return unreadable(),
        }
        (200, json!({ "success": true, "transactionId": order }).to_string().into())
    }
}

/// Holds goods.
#[derive(Debug, Default)]
pub struct Warehouse(pub Holds);

/// Holds parcels.
#[derive(Debug, Default)]
pub struct Carrier(pub Holds);

impl Service for Warehouse {
    fn serve(&mut self, _: Nanos, request: &HttpRequest) -> HttpReply {
        self.0.serve(request)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Service for Carrier {
    fn serve(&mut self, _: Nanos, request: &HttpRequest) -> HttpReply {
        self.0.serve(request)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Sends letters: one for each order and status.
#[derive(Debug, Default)]
pub struct Notices {
    /// By order: what was said.
    pub sent: BTreeMap<Arc<str>, Vec<String>>,
}

impl Service for Notices {
    fn serve(&mut self, _: Nanos, request: &HttpRequest) -> HttpReply {
        let (_, body) = read(request);
        let (Some(order), Some(status)) = (body["orderId"].as_str(), body["status"].as_str()) else {
            return unreadable();
        };
        let sent = self.sent.entry(order.into()).or_default();
        if !sent.iter().any(|said| said == status) {
            sent.push(status.into());
        }
        (200, json!({ "success": true, "transactionId": order }).to_string().into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
