//! What an execution costs on a worker by itself ([`stepped`]), from the broker's invoke to its outcome: of a handler that calls
//! nothing, of one that makes three calls of the KV store, and of the hardened variant with all its stores beside it.
//! `cargo bench -p headcount-benches --bench functions`
//!
//! What the stores do for it is in the time: three KV calls here less three calls in the bench `kv` is what the worker does.

#[path = "functions/bench.rs"]
mod bench;
#[path = "functions/hardened.rs"]
mod hardened;
#[allow(dead_code, reason = "each bench takes its part")]
mod stepped;

use criterion::Criterion;
use headcount_engine::functions::{Context, Event, Function, OpError, Resolution};
use headcount_engine::message::{InvokeOutcome, Trigger};

use bench::Bench;
use hardened::submits;
use stepped::voters::Voters;
use stepped::{BATCH, measure};

/// Lets the message pass.
async fn passes(_: Context, _: Event) -> Resolution {
    Resolution::Ok(None)
}

/// Counts the message, keeps it, and lets pass what is kept.
async fn keeps(context: Context, event: Event) -> Resolution {
    let kept = async {
        context.kv_incr("kept", 1).await?;
        context.kv_set(event.publisher.clone(), event.payload, Some(60)).await?;
        context.kv_get(event.publisher).await
    };
    match kept.await as Result<_, OpError> {
        Ok(payload) => Resolution::Ok(payload),
        Err(error) => Resolution::Abort { status: 500, body: error.to_string().into() },
    }
}

/// All have passed, each as its voter sent it.
fn assert_passed(bench: &Bench, voters: &Voters) {
    assert_eq!(bench.outcomes.len(), BATCH);
    for (outcome, sent) in bench.outcomes.iter().zip(submits(voters.new_ones())) {
        assert!(matches!(outcome, InvokeOutcome::Ok(payload) if *payload == sent.publish.payload), "{outcome:?}");
    }
}

fn bare(criterion: &mut Criterion, voters: &Voters) {
    let before = |run: Function| (Bench::new(vec![run]), submits(voters.new_ones()));
    let on_submit = "vote-submit.*";
    let mut group = criterion.benchmark_group("functions, bare");
    measure(
        &mut group,
        "no calls",
        BATCH,
        || before(Function::new("passes", on_submit, Trigger::BeforePublish, passes)),
        |(mut bench, invokes)| {
            bench.invoke(invokes);
            bench
        },
        |bench| {
            assert_passed(&bench, voters);
            assert_eq!(bench.worker.counts().executions, BATCH as u64);
        },
    );
    measure(
        &mut group,
        "three KV calls",
        BATCH,
        || before(Function::new("keeps", on_submit, Trigger::BeforePublish, keeps)),
        |(mut bench, invokes)| {
            bench.invoke(invokes);
            bench
        },
        |bench| {
            assert_passed(&bench, voters);
            assert_eq!((bench.worker.counts().kv_ops, bench.kv.counter("kept")), (3 * BATCH as u64, BATCH as i64));
            assert_eq!(bench.kv.len(), BATCH);
        },
    );
    group.finish();
}

fn main() {
    let mut criterion = stepped::criterion();
    let voters = Voters::new();
    bare(&mut criterion, &voters);
    hardened::hardened(&mut criterion, &voters);
    criterion.final_summary();
}
