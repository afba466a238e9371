//! On Request Functions, and what waits too long (platform.md 3.1 to 3.3).

use super::*;
use crate::contract::{Input, MS, Nanos, Node, NodeId, Outbox, SECOND, Send};
use crate::error::ApiError;
use crate::limits::SERVERLESS_2026_09;
use crate::message::{Invoke, InvokeOutcome, Kind, KvOk, Msg, Publish};

const CLIENT: NodeId = NodeId(9);
const BROKER: NodeId = NodeId(1);
const KV: NodeId = NodeId(2);

/// A worker with one warm instance and no other, and room for 2 that wait.
fn worker(functions: impl Into<Arc<[Function]>>) -> Worker {
    Worker::new(WorkerConfig {
        functions: functions.into(),
        kv: KV,
        broker: BROKER,
        app_context: NodeId(3),
        registry: None,
        presence: None,
        http: vec![],
        limits: &SERVERLESS_2026_09,
        secrets: Default::default(),
        concurrency: 1,
        prewarmed: 1,
        queue: 2,
        op_timeout: 60 * SECOND,
        seed: 7,
    })
}

fn step(worker: &mut Worker, now: Nanos, from: NodeId, msg: Msg) -> Vec<Send> {
    let mut out = Outbox::new(false);
    worker.handle(now, Input::Message { from, msg }, &mut out);
    out.drain_sends().collect()
}

fn call(worker: &mut Worker, now: Nanos, tag: u64, method: &'static str, path: &str) -> Vec<Send> {
    let headers = vec![("X-Who".into(), "me".into())];
    let request = HttpRequest { method, path: path.into(), body: "\"asked\"".into(), headers, token: None };
    step(worker, now, CLIENT, Msg::Http { tag, request: Box::new(request) })
}

fn answers(sends: &[Send]) -> Vec<(u64, u16, String)> {
    let answer = |send: &Send| match &send.msg {
        Msg::HttpAnswer { tag, status, body } if send.to == CLIENT => Some((*tag, *status, body.to_string())),
        _ => None,
    };
    sends.iter().filter_map(answer).collect()
}

/// Says what it was asked; `/teapot` with its own status.
fn echo() -> Function {
    Function::new("echo", "/echo*", Trigger::OnRequest, |_, event: Event| async move {
        let request = event.request.expect("it was a request");
        let (query, header) = (request.query("q").unwrap_or("-"), request.header("x-who").unwrap_or("-"));
        let said = format!("{} {} {query} {header} {}", request.method, request.route(), event.payload);
        Resolution::send(said, if request.route().ends_with("teapot") { 418 } else { 200 })
    })
}

/// Reads a key, and so takes as long as the store.
fn slow() -> Function {
    Function::new("slow", "/slow", Trigger::OnRequest, |context, _| async move {
        match context.kv_get("k").await {
            Ok(value) => Resolution::Ok(value),
            Err(error) => Resolution::send(error.to_string(), 500),
        }
    })
}

fn found(worker: &mut Worker, now: Nanos, sends: &[Send]) -> Vec<Send> {
    let tag = sends.iter().find_map(|send| if let Msg::Kv { tag, .. } = send.msg { Some(tag) } else { None });
    let msg = Msg::KvAnswer { tag: tag.expect("a read"), result: Ok(KvOk::Value(Some("1".into()))) };
    step(worker, now, KV, msg)
}

#[test]
fn a_request_reaches_its_function_whole_and_gets_status_and_body() {
    let mut worker = worker([echo(), slow()]);
    let sends = call(&mut worker, 1, 5, "PUT", "/echo/7?a&q=x%20y&q=2");
    assert_eq!(answers(&sends), [(5, 200, "PUT /echo/7 x%20y me \"asked\"".to_owned())]);
    let sends = call(&mut worker, 2, 6, "GET", "/echo/teapot");
    assert_eq!(answers(&sends), [(6, 418, "GET /echo/teapot - me \"asked\"".to_owned())]);
    assert_eq!(worker.counts().executions, 2);
}

#[test]
fn a_path_without_a_function_is_404() {
    let mut worker = worker([echo(), slow()]);
    let error = ApiError::no_such_endpoint();
    assert_eq!(answers(&call(&mut worker, 1, 5, "GET", "/slow/er")), [(5, 404, error.body.to_string())]);
    assert_eq!(worker.counts().executions, 0);
}

/// One instance, two that wait, and the fourth is one too many; an instance that is free takes the oldest.
#[test]
fn requests_wait_for_an_instance_and_too_many_are_refused_with_429() {
    let mut worker = worker([slow(), echo()]);
    let first = call(&mut worker, 1, 1, "GET", "/slow");
    assert!(answers(&first).is_empty());
    assert!(call(&mut worker, 2, 2, "GET", "/echo").is_empty() && call(&mut worker, 3, 3, "GET", "/slow").is_empty());
    let refused = answers(&call(&mut worker, 4, 4, "GET", "/echo"));
    assert_eq!(refused, [(4, 429, ApiError::too_many_requests("Functions").body.to_string())]);
    let sends = found(&mut worker, 5, &first);
    let statuses: Vec<_> = answers(&sends).into_iter().map(|(tag, status, _)| (tag, status)).collect();
    assert_eq!(statuses, [(1, 200), (2, 200)], "and the third has begun");
    assert_eq!(answers(&found(&mut worker, 6, &sends)), [(3, 200, "1".to_owned())]);
}

/// 10 s after its start a handler is killed.
#[test]
fn a_request_above_the_handlers_time_is_504() {
    let mut worker = worker([slow()]);
    call(&mut worker, 1, 1, "GET", "/slow");
    let mut out = Outbox::new(false);
    worker.handle(10 * SECOND + 1, Input::Wake, &mut out);
    let error = ApiError::function_timeout();
    assert_eq!(answers(&out.drain_sends().collect::<Vec<_>>()), [(1, 504, error.body.to_string())]);
}

/// A handler has 10 s, and so has whoever waits in the queue for one.
#[test]
fn what_waited_longer_than_its_publisher_waits_is_not_run() {
    let invoke = |tag, answer| {
        let publish = Publish {
            tag: 0,
            channel: "c".into(),
            payload: "1".into(),
            publisher: "u".into(),
            store: false,
            kind: Kind::Message,
            hops: 0,
            client_ip: 0,
            token: None,
        };
        let trigger = if answer { Trigger::BeforePublish } else { Trigger::AfterPublish };
        Msg::Invoke(Box::new(Invoke { tag, trigger, publish, answer }))
    };
    let endless = |trigger| {
        Function::new("f", "c", trigger, |context: Context, _| async move {
            _ = context.kv_get("k").await;
            Resolution::Ok(None)
        })
    };
    let mut worker = worker([endless(Trigger::BeforePublish), endless(Trigger::AfterPublish)]);
    step(&mut worker, 0, BROKER, invoke(1, true));
    step(&mut worker, MS, BROKER, invoke(2, true));
    step(&mut worker, MS, BROKER, invoke(3, false));
    // The first ends, by its time, when the second has waited 10.999 s; nobody waits for the third's end at all.
    let mut out = Outbox::new(false);
    worker.handle(11 * SECOND, Input::Wake, &mut out);
    let ended: Vec<_> = out
        .drain_sends()
        .filter_map(|send| match send.msg {
            Msg::Invoked { tag, outcome: InvokeOutcome::Abort { status, .. } } => Some((tag, status)),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [(1, 504), (2, 504)]);
    assert_eq!((worker.counts().expired, worker.counts().executions), (1, 2), "the first and the third were run");
}
