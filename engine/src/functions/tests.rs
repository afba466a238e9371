use super::*;
use crate::contract::{Input, MINUTE, MS, Nanos, Node, NodeId, Outbox, SECOND, Send};
use crate::error::ApiError;
use crate::limits::{DOCUMENTS_2026_01, Limits, SERVERLESS_2026_09, SKILLS_2026_05, UNLIMITED};
use crate::message::{Invoke, InvokeOutcome, Kind, KvOk, KvOp, Msg, Publish};

const BROKER: NodeId = NodeId(1);
const KV: NodeId = NodeId(2);
const OBJECTS: NodeId = NodeId(3);
const HTTP: NodeId = NodeId(4);
const OP_TIMEOUT: Nanos = 2 * SECOND;

/// A worker with one Before Publish Function on `c`, `concurrency` instances of which `prewarmed` are warm, and room
/// for `queue` invocations that wait.
pub(super) fn worker(
    limits: &'static Limits,
    (concurrency, prewarmed, queue): (u32, u32, u32),
    functions: impl Into<Arc<[Function]>>,
) -> Worker {
    Worker::new(WorkerConfig {
        functions: functions.into(),
        kv: KV,
        broker: BROKER,
        app_context: OBJECTS,
        registry: None,
        presence: None,
        http: vec![("/out", HTTP)],
        limits,
        secrets: Default::default(),
        concurrency,
        prewarmed,
        queue,
        op_timeout: OP_TIMEOUT,
        seed: 7,
    })
}

pub(super) fn before<F, Fut>(run: F) -> [Function; 1]
where
    F: Fn(Context, Event) -> Fut + std::marker::Send + Sync + 'static,
    Fut: Future<Output = Resolution> + std::marker::Send + 'static,
{
    [Function::new("test", "c", Trigger::BeforePublish, run)]
}

/// Reads one key and lets the message pass, with the key's value in it if there is one.
fn reads_a_key() -> [Function; 1] {
    before(|context, _| async move {
        match context.kv_get("k").await {
            Ok(value) => Resolution::Ok(value),
            Err(error) => Resolution::Abort { status: 500, body: error.to_string().into() },
        }
    })
}

fn invocation(tag: u64) -> Msg {
    let publish = Publish {
        tag: 0,
        channel: "c".into(),
        payload: "\"as sent\"".into(),
        publisher: "u".into(),
        store: false,
        kind: Kind::Message,
        hops: 1,
        client_ip: 0,
        token: None,
    };
    Msg::Invoke(Box::new(Invoke { tag, trigger: Trigger::BeforePublish, publish, answer: true }))
}

pub(super) fn input(worker: &mut Worker, now: Nanos, input: Input) -> Vec<Send> {
    let mut out = Outbox::new(false);
    worker.handle(now, input, &mut out);
    out.drain_sends().collect()
}

pub(super) fn invoke(worker: &mut Worker, now: Nanos, tag: u64) -> Vec<Send> {
    input(worker, now, Input::Message { from: BROKER, msg: invocation(tag) })
}

/// The store answers a read: there is such a value.
fn found(worker: &mut Worker, now: Nanos, tag: u64) -> Vec<Send> {
    let result = Ok(KvOk::Value(Some("\"found\"".into())));
    input(worker, now, Input::Message { from: KV, msg: Msg::KvAnswer { tag, result } })
}

/// The tags of the KV calls among these.
pub(super) fn kv_calls(sends: &[Send]) -> Vec<u64> {
    let tag = |send: &Send| match send.msg {
        Msg::Kv { tag, .. } if send.to == KV => Some(tag),
        _ => None,
    };
    sends.iter().filter_map(tag).collect()
}

/// Whose execution ended, and how: the payload, or status and body.
pub(super) type Ended = (u64, Result<String, (u16, String)>);

pub(super) fn ended(sends: &[Send]) -> Vec<Ended> {
    let end = |send: &Send| match &send.msg {
        Msg::Invoked { tag, outcome } if send.to == BROKER => Some(match outcome {
            InvokeOutcome::Ok(payload) => (*tag, Ok(payload.to_string())),
            InvokeOutcome::Abort { status, body } => (*tag, Err((*status, body.to_string()))),
        }),
        _ => None,
    };
    sends.iter().filter_map(end).collect()
}

fn refused(tag: u64, error: ApiError) -> Ended {
    (tag, Err((error.status, error.body.to_string())))
}

// Time.

/// The handler asks again and again and every answer comes after 1.9 s; 10 s after its start it is killed, whatever it
/// waits for (platform.md 3.3), and a later answer wakes nobody.
#[test]
fn an_execution_above_its_time_is_killed_with_504() {
    let endless = before(|context, _| async move {
        loop {
            let _ = context.kv_get("k").await;
        }
    });
    let mut worker = worker(&UNLIMITED_TEN_SECONDS, (1, 1, 0), endless);
    let mut calls = kv_calls(&invoke(&mut worker, 0, 5));
    for step in 1..=5 {
        calls = kv_calls(&found(&mut worker, step * 1_900 * MS, calls[0]));
    }
    // 5 x 1.9 s = 9.5 s.
    assert_eq!(calls.len(), 1);
    assert_eq!(worker.next_wake(), Some(10 * SECOND), "before the call's own 9.5 s + 2 s");
    assert!(ended(&input(&mut worker, 10 * SECOND - 1, Input::Wake)).is_empty());
    let killed = input(&mut worker, 10 * SECOND, Input::Wake);
    assert_eq!(ended(&killed), [refused(5, ApiError::function_timeout())]);
    assert_eq!(ApiError::function_timeout().status, 504);
    assert!(found(&mut worker, 10 * SECOND + 1, calls[0]).is_empty());
    assert_eq!(worker.counts().handler_timeouts, 1);
}

/// No budget of calls, and the time that the documents name.
static UNLIMITED_TEN_SECONDS: Limits = Limits { handler_ms: SERVERLESS_2026_09.handler_ms, ..UNLIMITED };

/// After 2 s without an answer the handler learns of it and decides itself; the effect may have happened.
#[test]
fn a_call_that_nobody_answers_times_out_in_the_handlers_hands() {
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 0), reads_a_key());
    let calls = kv_calls(&invoke(&mut worker, SECOND, 5));
    assert!(ended(&input(&mut worker, 3 * SECOND - 1, Input::Wake)).is_empty());
    let sends = input(&mut worker, 3 * SECOND, Input::Wake);
    assert_eq!(ended(&sends), [(5, Err((500, "timeout".to_owned())))]);
    assert!(found(&mut worker, 3 * SECOND + 1, calls[0]).is_empty(), "a late answer finds nobody");
    assert_eq!((worker.counts().op_timeouts, worker.counts().handler_timeouts), (1, 0));
}

/// An outside service that nobody deployed is silence, as a dead host is.
#[test]
fn a_fetch_from_an_unknown_host_times_out() {
    let fetches = before(|context, _| async move {
        match context.fetch("GET", "/elsewhere", "").await {
            Ok(_) => Resolution::Ok(None),
            Err(error) => Resolution::Abort { status: 502, body: error.to_string().into() },
        }
    });
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 0), fetches);
    assert!(invoke(&mut worker, 0, 5).is_empty());
    assert_eq!(ended(&input(&mut worker, OP_TIMEOUT, Input::Wake)), [(5, Err((502, "timeout".to_owned())))]);
}

// Instances.

/// Two instances and one place to wait in: of four at once two run, the third waits for the first to end, the fourth is
/// refused with 429.
#[test]
fn concurrency_is_limited_then_invocations_wait_then_they_are_refused_with_429() {
    let mut worker = worker(&SERVERLESS_2026_09, (2, 2, 1), reads_a_key());
    let running: Vec<u64> = [1, 2].into_iter().flat_map(|tag| kv_calls(&invoke(&mut worker, 0, tag))).collect();
    assert_eq!(running.len(), 2);
    assert!(invoke(&mut worker, 0, 3).is_empty(), "waits");
    assert_eq!(ended(&invoke(&mut worker, 0, 4)), [refused(4, ApiError::too_many_requests("Functions"))]);
    let sends = found(&mut worker, MS, running[0]);
    assert_eq!((ended(&sends).len(), kv_calls(&sends).len()), (1, 1), "the first ends and the third begins: {sends:?}");
    let counts = worker.counts();
    assert_eq!((counts.executions, counts.queued, counts.refused), (3, 1, 1));
}

/// A killed execution takes its instance along; the one that waited gets a new instance, which starts cold.
#[test]
fn who_waits_gets_the_place_of_a_killed_execution() {
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 1), before(|_, _| std::future::pending()));
    invoke(&mut worker, 0, 1);
    invoke(&mut worker, SECOND, 2);
    assert_eq!(worker.counts().executions, 1);
    let sends = input(&mut worker, 10 * SECOND, Input::Wake);
    assert_eq!(ended(&sends), [refused(1, ApiError::function_timeout())]);
    assert_eq!((worker.counts().executions, worker.counts().cold_starts), (2, 1));
}

/// A Before Publish invocation on another channel than `c`.
fn elsewhere(tag: u64) -> Msg {
    let Msg::Invoke(mut invoke) = invocation(tag) else { unreachable!("it is one") };
    invoke.publish.channel = "d".into();
    Msg::Invoke(invoke)
}

/// What passes untouched takes no instance: whoever waits behind it gets the one that became free.
#[test]
fn who_waits_behind_a_message_without_a_function_is_served_too() {
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 2), reads_a_key());
    let calls = kv_calls(&invoke(&mut worker, 0, 1));
    assert!(input(&mut worker, 0, Input::Message { from: BROKER, msg: elsewhere(2) }).is_empty());
    assert!(invoke(&mut worker, 0, 3).is_empty());
    let sends = found(&mut worker, MS, calls[0]);
    let done: Vec<u64> = ended(&sends).into_iter().map(|(tag, _)| tag).collect();
    assert_eq!((done, kv_calls(&sends).len()), (vec![1, 2], 1), "and 3 has begun");
}

/// Handlers that await nothing (a refusal at first sight) follow each other, however many wait.
#[test]
fn a_long_queue_of_instant_handlers_is_worked_off_at_once() {
    let waits_for_the_first = before(|context, event| async move {
        if &*event.publisher == "first" {
            let _ = context.kv_get("k").await;
        }
        Resolution::Abort { status: 400, body: "{}".into() }
    });
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 50_000), waits_for_the_first);
    let Msg::Invoke(mut first) = invocation(0) else { unreachable!("it is one") };
    first.publish.publisher = "first".into();
    let calls = kv_calls(&input(&mut worker, 0, Input::Message { from: BROKER, msg: Msg::Invoke(first) }));
    for tag in 1..=50_000 {
        invoke(&mut worker, 0, tag);
    }
    let done = ended(&found(&mut worker, MS, calls[0]));
    assert!(done.iter().map(|(tag, _)| *tag).eq(0..=50_000), "{} in their order", done.len());
}

/// platform.md 3.3: 100 to 300 ms. Every cold instance's handler begins within it, and not all at the same moment.
#[test]
fn a_cold_instance_starts_after_100_to_300_ms_and_a_warm_one_at_once() {
    let mut worker = worker(&SERVERLESS_2026_09, (200, 1, 0), reads_a_key());
    let warm = kv_calls(&invoke(&mut worker, 0, 0));
    assert_eq!((warm.len(), worker.counts().cold_starts), (1, 0));
    for tag in 1..=100 {
        assert!(kv_calls(&invoke(&mut worker, 0, tag)).is_empty(), "no other instance is warm");
    }
    let (mut begun, mut last) = (Vec::new(), Vec::new());
    while begun.len() < 100 {
        let at = worker.next_wake().expect("instances are starting");
        last = kv_calls(&input(&mut worker, at, Input::Wake));
        begun.extend(last.iter().map(|_| at));
    }
    assert!(begun[0] >= 100 * MS && begun[99] < 300 * MS, "{} {}", begun[0], begun[99]);
    // Uniform over 200 ms: the odds that all of 100 fall into a quarter of it are 4 x 4^-100.
    assert!(begun[99] - begun[0] > 50 * MS);
    assert_eq!(worker.counts().cold_starts, 100);
    // The instance is warm from then on.
    found(&mut worker, 300 * MS, last[0]);
    assert_eq!(kv_calls(&invoke(&mut worker, 301 * MS, 101)).len(), 1);
    assert_eq!(worker.counts().cold_starts, 100);
}

/// Nobody hears of what ran or waited, and the process that comes up has no warm instance.
#[test]
fn an_execution_dies_with_its_worker() {
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 1), reads_a_key());
    let calls = kv_calls(&invoke(&mut worker, 0, 1));
    invoke(&mut worker, 0, 2);
    worker.reboot(MS);
    assert!(input(&mut worker, MS, Input::Start).is_empty());
    assert!(found(&mut worker, 2 * MS, calls[0]).is_empty(), "the store's answer finds nobody");
    assert!(input(&mut worker, MINUTE, Input::Wake).is_empty(), "no time-out either: the caller has its own");
    assert_eq!(worker.next_wake(), None);
    invoke(&mut worker, MINUTE, 3);
    assert_eq!((worker.counts().executions, worker.counts().cold_starts), (2, 1));
}

/// A new process must not give out a UUID of the one before it.
#[test]
fn uuids_differ_from_execution_to_execution_even_over_a_restart() {
    let says_uuids =
        before(
            |context, _| async move { Resolution::Ok(Some(format!("{} {}", context.uuid(), context.uuid()).into())) },
        );
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 0), says_uuids);
    let mut said: Vec<String> = Vec::new();
    for at in [0, SECOND, 2 * SECOND] {
        let mut sends = invoke(&mut worker, at, 1);
        sends.extend(input(&mut worker, at + SECOND / 2, Input::Wake));
        let (_, payload) = ended(&sends).remove(0);
        said.extend(payload.expect("it passes").split(' ').map(str::to_owned));
        worker.reboot(at + SECOND / 2);
    }
    assert_eq!(said.iter().collect::<std::collections::BTreeSet<_>>().len(), 6, "{said:?}");
    assert!(said.iter().all(|uuid| uuid.len() == 36 && uuid.as_bytes()[14] == b'4'));
}

#[test]
fn an_overloaded_worker_refuses_with_429_and_still_takes_answers() {
    let mut worker = worker(&SERVERLESS_2026_09, (2, 2, 2), reads_a_key());
    let calls = kv_calls(&invoke(&mut worker, 0, 1));
    let sends = input(&mut worker, 0, Input::Overload { from: BROKER, msg: invocation(2) });
    assert_eq!(ended(&sends), [refused(2, ApiError::too_many_requests("Functions"))]);
    let msg = Msg::KvAnswer { tag: calls[0], result: Ok(KvOk::Value(None)) };
    let sends = input(&mut worker, MS, Input::Overload { from: KV, msg });
    assert_eq!(ended(&sends), [(1, Ok("\"as sent\"".to_owned()))], "nothing found: the message passes as it came");
}

// Budgets (platform.md 3.3, the three columns).

/// What a handler does before the call that is refused, by the profile's own count: KV, publishes, App Context, xhr.
fn made_before_refusal(limits: &'static Limits, call: fn(Context) -> CallResult) -> (usize, String) {
    let asks = before(move |context, _| async move {
        loop {
            if let Err(error) = call(context.clone()).await {
                return Resolution::Abort { status: 500, body: error.to_string().into() };
            }
        }
    });
    let mut worker = worker(limits, (1, 1, 0), asks);
    let mut sends = invoke(&mut worker, 0, 1);
    let mut made = 0;
    loop {
        if let Some((1, Err((500, body)))) = ended(&sends).pop() {
            assert_eq!(sends.len(), 1, "the refused call does not leave the worker");
            return (made, body);
        }
        made += 1;
        let msg = match &sends[0].msg {
            Msg::Kv { tag, .. } => Msg::KvAnswer { tag: *tag, result: Ok(KvOk::Value(None)) },
            Msg::Publish(publish) => {
                assert_eq!((publish.hops, &*publish.publisher), (2, "functions"), "one hop more than what set it off");
                Msg::Published { tag: publish.tag, result: Ok(crate::timetoken::Timetoken(1)) }
            }
            Msg::Http { tag, .. } => Msg::HttpAnswer { tag: *tag, status: 500, body: "".into() },
            other => panic!("{other:?}"),
        };
        sends = input(&mut worker, made as Nanos, Input::Message { from: sends[0].to, msg });
    }
}

type CallResult = std::pin::Pin<Box<dyn Future<Output = Result<(), OpError>> + std::marker::Send>>;

fn kv(context: Context) -> CallResult {
    Box::pin(async move { context.kv(KvOp::Get { key: "k".into() }).await.map(|_| ()) })
}

fn publishes(context: Context) -> CallResult {
    Box::pin(async move { context.publish("d", "1", false).await.map(|_| ()) })
}

/// An answer of 500 is an answer.
fn fetches(context: Context) -> CallResult {
    Box::pin(async move { context.fetch("GET", "/out/there", "").await.map(|_| ()) })
}

#[test]
fn a_call_beyond_the_budget_fails_in_the_platforms_words_and_does_not_leave() {
    let all = |n: usize| (n, format!("execution calls exceeds: operations of all kinds together (limit {n})"));
    for call in [kv, publishes, fetches] {
        assert_eq!(made_before_refusal(&DOCUMENTS_2026_01, call), all(3));
    }
    assert_eq!(made_before_refusal(&SKILLS_2026_05, publishes), all(3));
    let own = |n: usize, what: &str| (n, format!("execution calls exceeds: {what} (limit {n})"));
    assert_eq!(made_before_refusal(&SERVERLESS_2026_09, kv), own(10, "KV operations"));
    assert_eq!(made_before_refusal(&SERVERLESS_2026_09, publishes), own(10, "publishes"));
    assert_eq!(made_before_refusal(&SERVERLESS_2026_09, fetches), own(5, "xhr requests"));
}

/// Skills: KV is free. Three publishes and twenty reads fit, a fourth publish does not.
#[test]
fn a_refused_call_is_not_charged_and_free_ones_never_are() {
    let tries = before(|context, _| async move {
        for _ in 0..20 {
            let _ = context.kv_get("k").await;
        }
        for _ in 0..3 {
            let _ = context.fetch_and_forget("POST", "/out", "");
        }
        let refused = context.fetch_and_forget("POST", "/out", "").is_err();
        let free = context.kv_get("k").await.is_ok();
        Resolution::Ok(Some(format!("{refused} {free}").into()))
    });
    let mut worker = worker(&SKILLS_2026_05, (1, 1, 0), tries);
    let (mut sends, mut fetched) = (invoke(&mut worker, 0, 1), 0);
    while ended(&sends).is_empty() {
        fetched += sends.iter().filter(|send| matches!(send.msg, Msg::Http { .. })).count();
        let call = kv_calls(&sends)[0];
        sends = found(&mut worker, 1, call);
    }
    assert_eq!(ended(&sends), [(1, Ok("true true".to_owned()))]);
    assert_eq!((fetched, worker.counts().kv_ops), (3, 21));
    // Most calls by kind: KV, App Context and publishes, publishes, xhr, all.
    assert_eq!(worker.counts().most_ops, [21, 0, 0, 3, 24]);
}

/// Bound at the broker and not deployed here: the message goes on as it came.
#[test]
fn a_channel_without_a_function_passes_untouched() {
    let mut worker = worker(&SERVERLESS_2026_09, (1, 1, 0), []);
    assert_eq!(ended(&invoke(&mut worker, 0, 1)), [(1, Ok("\"as sent\"".to_owned()))]);
    assert_eq!(worker.counts().executions, 0);
}
