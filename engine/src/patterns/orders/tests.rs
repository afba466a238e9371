//! A worker with its stores and services, stepped by hand, that dies after any one message.

use std::collections::VecDeque;

use super::services::{
    CARRIER, Carrier, DECLINED, Hold, NOTICES, Notices, PAYMENTS, Payments, SOLD_OUT, WAREHOUSE, Warehouse,
};
use super::*;
use crate::contract::{Input, MS, Nanos, Node, NodeId, Outbox, SECOND};
use crate::functions::{Worker, WorkerConfig};
use crate::kvstore::{KvOptions, KvReplica};
use crate::limits::SERVERLESS_2026_09;
use crate::message::{HttpRequest, Invoke, InvokeOutcome, Msg, Publish, Trigger};
use crate::outside::Outside;
use crate::patterns::tests::bench::publish;
use crate::timetoken::Timetoken;

const BROKER: NodeId = NodeId(0);
const WORKER: NodeId = NodeId(1);
const KV: NodeId = NodeId(2);
/// The first of the services.
const SERVICES: u32 = 3;
const RETRIES: Retries = Retries { max: 3, backoff_ms: 1_000 };
const CUSTOMER: &str = "user_7";

/// Each message takes 1 ms.
struct Bench {
    now: Nanos,
    worker: Worker,
    kv: KvReplica,
    services: [Outside; 4],
    queue: VecDeque<(NodeId, NodeId, Msg)>,
    carried: usize,
    /// Whether the customer has been told that the order is taken.
    taken: bool,
    statuses: Vec<Status>,
}

impl Bench {
    fn new() -> Self {
        let limits = &SERVERLESS_2026_09;
        let http = [PAYMENTS, WAREHOUSE, CARRIER, NOTICES].into_iter().zip((SERVICES..).map(NodeId)).collect();
        let worker = Worker::new(WorkerConfig {
            functions: functions(Variant::Hardened, RETRIES).into(),
            kv: KV,
            broker: BROKER,
            app_context: BROKER,
            registry: None,
            presence: None,
            http,
            limits,
            secrets: secrets(),
            concurrency: 8,
            prewarmed: 8,
            queue: 8,
            op_timeout: SECOND,
            seed: 7,
        });
        Self {
            now: SECOND,
            worker,
            kv: KvReplica::new(KV, &[], KvOptions::of(limits, 1)),
            services: [
                Outside::new(Box::<Payments>::default(), 1),
                Outside::new(Box::<Warehouse>::default(), 2),
                Outside::new(Box::<Carrier>::default(), 3),
                Outside::new(Box::<Notices>::default(), 4),
            ],
            queue: VecDeque::new(),
            carried: 0,
            taken: false,
            statuses: Vec::new(),
        }
    }

    fn invoke(&mut self, trigger: Trigger, channel: &str, payload: &str, hops: u8) {
        let publish = Publish { hops, ..publish(channel, payload, CUSTOMER) };
        let answer = trigger == Trigger::BeforePublish;
        let tag = u64::from(answer);
        self.queue.push_back((BROKER, WORKER, Msg::Invoke(Box::new(Invoke { tag, trigger, publish, answer }))));
    }

    /// Carries every message, and kills the worker when so many have been carried.
    fn carry(&mut self, kill_after: usize) {
        while let Some((from, to, msg)) = self.queue.pop_front() {
            self.now += MS;
            self.step(to, Input::Message { from, msg });
            self.carried += 1;
            if self.carried == kill_after {
                self.worker.reboot(self.now);
            }
        }
    }

    fn step(&mut self, at: NodeId, input: Input) {
        let mut out = Outbox::new(false);
        match at {
            BROKER => return self.broker(input),
            WORKER => self.worker.handle(self.now, input, &mut out),
            KV => self.kv.handle(self.now, input, &mut out),
            NodeId(service) => self.services[(service - SERVICES) as usize].handle(self.now, input, &mut out),
        }
        self.queue.extend(out.drain_sends().map(|send| (at, send.to, send.msg)));
    }

    fn broker(&mut self, input: Input) {
        match input {
            Input::Message { from, msg: Msg::Publish(publish) } => {
                assert!(publish.hops <= 3, "the platform would drop {publish:?}");
                let result = Ok(Timetoken::at(self.now));
                self.queue.push_back((BROKER, from, Msg::Published { tag: publish.tag, result }));
                self.statuses.extend(serde_json::from_str::<Status>(&publish.payload));
                if publish.channel.starts_with("workflow.") {
                    self.invoke(Trigger::AfterPublish, &publish.channel, &publish.payload, publish.hops);
                }
            }
            Input::Message { msg: Msg::Invoked { outcome: InvokeOutcome::Ok(payload), .. }, .. } => {
                self.taken = true;
                self.invoke(Trigger::AfterPublish, CHANNEL, &payload, 0);
            }
            input => panic!("no Function says this to a broker: {input:?}"),
        }
    }

    /// One order, a worker that dies after so many messages, and a minute of interval runs. The customer orders once more
    /// if no answer came.
    fn order(item: &str, method: &str, kill_after: usize) -> Self {
        let order = Order {
            order_id: format!("{CUSTOMER}-1"),
            customer_id: CUSTOMER.into(),
            request: 0,
            item: item.into(),
            total: 1_999,
            currency: "EUR".into(),
            payment_method: method.into(),
        };
        let text = serde_json::to_string(&order).unwrap();
        let mut bench = Self::new();
        for _ in 0..60 {
            if !bench.taken {
                bench.invoke(Trigger::BeforePublish, CHANNEL, &text, 0);
            }
            bench.carry(kill_after);
            bench.now += SECOND;
            bench.step(WORKER, Input::Wake);
            bench.invoke(Trigger::OnInterval, RETRY_JOB, "null", 0);
            bench.carry(kill_after);
        }
        bench
    }

    fn end(&self) -> Option<(End, Option<String>)> {
        stored_end(|key| self.kv.get_now(key, self.now), &format!("{CUSTOMER}-1"))
    }

    /// Charges, and whether goods and parcel are held.
    fn books(&self) -> (u32, [bool; 2]) {
        let order = &*format!("{CUSTOMER}-1");
        let payments: &Payments = self.services[0].service().unwrap();
        let (warehouse, carrier) =
            (self.services[1].service::<Warehouse>().unwrap(), self.services[2].service::<Carrier>().unwrap());
        let held = [&warehouse.0, &carrier.0].map(|holds| holds.ledger.get(order) == Some(&Hold::Held));
        (payments.ledger[order].charges, held)
    }
}

/// An order takes some forty messages. Whichever of them is the worker's last, the order ends as it would have, the customer
/// is charged once or never, and no note is left.
#[test]
fn an_order_survives_a_crash_after_any_message() {
    let failed = |reason: &str| (End::Failed, Some(reason.to_owned()));
    let cases = [
        ("lamp", "card", (End::Completed, None), (1, [true; 2])),
        ("lamp", DECLINED, failed("card_declined"), (0, [false; 2])),
        (SOLD_OUT, "card", failed("out_of_stock"), (0, [false; 2])),
    ];
    for (item, method, end, books) in cases {
        for kill_after in 0..60 {
            let bench = Bench::order(item, method, kill_after);
            assert_eq!(bench.end(), Some(end.clone()), "{item} {method}, dead after {kill_after}");
            assert_eq!(bench.books(), books, "{item} {method}, dead after {kill_after}");
            assert!(bench.statuses.iter().any(|status| (status.status, status.reason.clone()) == end));
            let notes = bench.kv.keys_now(bench.now).into_iter().filter(|key| key.starts_with("due:"));
            assert_eq!(notes.count(), 0, "{item} {method}, dead after {kill_after}");
        }
    }
}

/// Without a crash: 2 messages to note the order, then 2 for each call and each execution. The customer waits for the first 4.
#[test]
fn an_order_without_trouble_asks_each_service_once() {
    let bench = Bench::order("lamp", "card", 0);
    let payments: &Payments = bench.services[0].service().unwrap();
    assert_eq!(payments.ledger.values().map(|payment| payment.attempts).sum::<u32>(), 1);
    assert_eq!(bench.services.each_ref().map(|service| service.counts().served), [2, 1, 1, 1], "authorise and capture");
    assert_eq!(bench.statuses.len(), 1);
}

/// A cancelled payment is never taken, a captured one never cancelled, whoever comes later.
#[test]
fn of_capture_and_cancel_the_first_wins() {
    let ask = |payments: &mut Payments, verb: &str| {
        let body = serde_json::json!({ "orderId": "o", "paymentMethod": "card", "reason": "late" });
        let request = HttpRequest::new("POST", format!("{PAYMENTS}/{verb}"), body.to_string());
        crate::outside::Service::serve(payments, 0, &request).0
    };
    let mut payments = Payments::default();
    assert_eq!(
        ["authorise", "capture", "capture", "cancel", "authorise"].map(|verb| ask(&mut payments, verb)),
        [200, 200, 200, 409, 200]
    );
    assert_eq!(payments.ledger["o"].charges, 1);
    let mut payments = Payments::default();
    assert_eq!(
        ["authorise", "cancel", "capture", "authorise", "cancel"].map(|verb| ask(&mut payments, verb)),
        [200, 200, 409, 409, 200]
    );
    assert_eq!(payments.ledger["o"].charges, 0);
}

/// The first wait is twice the base, each twice the one before, and none longer than that before the last retry.
#[test]
fn waits_double_up_to_the_last_retry() {
    assert_eq!([1, 2, 3, 4, 9].map(|retry| RETRIES.wait_ms(retry)), [2_000, 4_000, 8_000, 8_000, 8_000]);
}
