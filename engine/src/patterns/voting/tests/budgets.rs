//! What an execution may cost under each limits profile, and what happens to those that cost more.

use super::bench::{BOTH, Bench, plain};
use crate::message::InvokeOutcome;
use crate::patterns::voting::Variant;
use crate::patterns::voting::session::Status;

const THREE: &str = "documents-2026-01";
const NEWEST: &str = "serverless-2026-09";

/// Create, open, vote, cache and membership, tally, close, reveal: everything, with three calls an execution.
#[test]
fn every_hardened_function_completes_within_three_operations() {
    let mut bench = Bench::open_with(Variant::Hardened, plain(), 20, THREE);
    assert_eq!(bench.vote("user_1", "opt_20", 1).ack()["status"], "accepted");
    // The recorder's two calls were both made.
    assert!(bench.processed("user_1", 1).is_some() && bench.membership("user_1").is_some());
    // And again out of the cache.
    assert_eq!(bench.vote("user_1", "opt_20", 1).ack()["status"], "accepted");
    assert_eq!(bench.tally().expect("a tally")["payload"]["total"], 1);
    bench.step_to(Status::Closed);
    assert_eq!(bench.step_to(Status::Revealed)["payload"]["winner"], "opt_20");
    // Submit: KV, database, publish. Tally: database, App Context, publish. Three of all kinds together.
    let counts = bench.worker.counts();
    assert_eq!(counts.most_ops[4], 3);
    assert!(!bench.notes.iter().any(|note| note.contains("execution calls exceeds")), "{:?}", bench.notes);
    assert_eq!(counts.counters.get("function.errors"), None);
}

/// KV get, App Context read, KV get: the three reads of steps 2 to 6 use up the budget, and step 8 fails. No vote can
/// ever be recorded.
#[test]
fn documented_submit_overruns_the_three_operations_of_the_documents() {
    let mut bench = Bench::open_with(Variant::Documented, plain(), 3, THREE);
    let done = bench.vote("user_1", "opt_1", 1);
    assert_eq!(done.aborted(), (400, r#"{"error":"internal_error"}"#));
    let error = "execution calls exceeds: operations of all kinds together (limit 3)";
    assert!(bench.notes.iter().any(|note| note.contains(error)), "{:?}", bench.notes);
    assert!(bench.kv.is_empty() && bench.audit.ledger().log().is_empty());
}

/// 2 KV reads, 1 App Context read, 2 KV writes, 1 increment, 1 membership, 1 xhr, 1 publish = 9 calls: KV 5 of 10,
/// PubNub API 3 of 10, xhr 1 of 5.
#[test]
fn documented_submit_makes_nine_calls_and_fits_the_newest_profile() {
    let mut bench = Bench::open_with(Variant::Documented, plain(), 3, NEWEST);
    assert_eq!(bench.vote("user_1", "opt_1", 1).ack()["status"], "accepted");
    assert_eq!(bench.worker.counts().most_ops, [5, 3, 1, 1, 9]);
}

/// One counter read an option: 10 options use all 10 KV operations, the 11th and every one up to 20 is one too many.
#[test]
fn documented_broadcaster_overruns_the_kv_budget_beyond_ten_options() {
    let mut ten = Bench::open_with(Variant::Documented, plain(), 10, NEWEST);
    assert!(ten.tally().is_some());
    for options in [11, 20] {
        let mut bench = Bench::open_with(Variant::Documented, plain(), options, NEWEST);
        assert_eq!(bench.tally(), None, "20 options are allowed (6.4), and no tally is ever shown");
        let error = "tally broadcast: execution calls exceeds: KV operations (limit 10)";
        assert!(bench.notes.iter().any(|note| note.contains(error)), "{:?}", bench.notes);
    }
}

/// 6.4: at most 20 options; each message fits its size with the longest labels (99 characters).
#[test]
fn twenty_options_with_long_labels_fit_the_documents_sizes() {
    let mut bench = Bench::open_with(Variant::Hardened, plain(), 20, NEWEST);
    bench.vote("user_1", "opt_1", 1);
    let tally = bench.tally().expect("a tally").to_string();
    assert!(tally.len() < crate::patterns::voting::message::TALLY_BYTES_MAX, "{}", tally.len());
    bench.step_to(Status::Closed);
    let revealed = bench.step_to(Status::Revealed).to_string();
    assert!(revealed.len() < crate::patterns::voting::message::CONTROL_BYTES_MAX, "{}", revealed.len());
}

/// Both variants refuse what is no vote without a single call: refusing must not cost.
#[test]
fn a_refused_message_costs_no_call() {
    for variant in BOTH {
        let mut bench = Bench::open(variant);
        let before = bench.worker.counts().clone();
        let done = bench.submit("user_1", "{}");
        assert!(matches!(done.outcome, InvokeOutcome::Abort { status: 400, .. }));
        let after = bench.worker.counts();
        let calls = |c: &crate::functions::WorkerCounts| c.kv_ops + c.publishes + c.objects_ops + c.xhr;
        assert_eq!(calls(after), calls(&before), "{variant:?}");
    }
}
