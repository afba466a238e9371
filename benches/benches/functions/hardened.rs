//! The Functions of the hardened variant with all that they call.

use criterion::Criterion;
use headcount_engine::contract::Outbox;
use headcount_engine::message::{HttpRequest, Invoke, InvokeOutcome, Msg, Trigger};
use headcount_engine::patterns::voting::audit::AuditDb;
use headcount_engine::patterns::voting::audit::api::{self, Lifecycle};
use headcount_engine::patterns::voting::hardened;
use headcount_engine::patterns::voting::message::to_json;
use headcount_engine::patterns::voting::session::Status;

use super::bench::Bench;
use super::stepped::members::objects_held;
use super::stepped::replica::Replica;
use super::stepped::voters::{HOST, SESSION, Voter, Voters, session};
use super::stepped::{BATCH, HELD, WORKER, measure, said, step};

/// Calls the audit database; it must go well.
fn http(audit: &mut AuditDb, path: &str, body: String) {
    let request = Box::new(HttpRequest::new("POST", path, body));
    let mut good = false;
    step(audit, 0, said(WORKER, Msg::Http { tag: 0, request }), &mut Outbox::default(), |send| {
        good = matches!(send.msg, Msg::HttpAnswer { status: 200, .. });
    });
    assert!(good, "{path} was refused");
}

/// An open session in which the first 100,000 have voted.
fn held(voters: &Voters) -> Bench {
    let mut bench = Bench::new(hardened::functions());
    for (to, spec) in [(Status::Created, Some(session())), (Status::Open, None)] {
        let lifecycle = Lifecycle { session_id: SESSION.into(), to, host_id: HOST.into(), spec };
        http(&mut bench.audit, api::LIFECYCLE, to_json(&lifecycle));
    }
    voters.held().iter().for_each(|voter| http(&mut bench.audit, api::CAST, to_json(&voter.cast())));
    assert_eq!(bench.audit.ledger().log().len(), HELD);
    bench.kv = Replica::held(voters, &[]).kv;
    bench.objects = objects_held(voters);
    bench
}

/// What these voters send, on its way from the broker to the worker.
pub fn submits(voters: &[Voter]) -> Vec<Invoke> {
    voters.iter().enumerate().map(|(tag, voter)| voter.submit(tag as u64)).collect()
}

/// Before the publish, again, and after it.
pub fn hardened(criterion: &mut Criterion, voters: &Voters) {
    let mut group = criterion.benchmark_group("functions, hardened, 100000 votes");
    measure(
        &mut group,
        "submit, first",
        BATCH,
        || (held(voters), submits(voters.new_ones())),
        |(mut bench, invokes)| {
            bench.invoke(invokes);
            bench
        },
        |bench| {
            assert_eq!(bench.audit.ledger().log().len(), HELD + BATCH);
            assert!(bench.published.iter().all(|ack| ack.payload.contains(r#""status":"accepted""#)));
            assert_eq!((bench.published.len(), accepted(&bench.outcomes)), (BATCH, BATCH));
            // One of KV, one of `pubnub`, which is the publish, one of `xhr`: three.
            assert_eq!(bench.worker.counts().most_ops, [1, 1, 1, 1, 3]);
        },
    );
    measure(
        &mut group,
        "submit, repeated",
        BATCH,
        || (held(voters), submits(&voters.held()[..BATCH])),
        |(mut bench, invokes)| {
            bench.invoke(invokes);
            bench
        },
        |bench| {
            assert_eq!(bench.worker.counts().counters["votes.duplicates"], BATCH as u64);
            assert_eq!((bench.audit.counts().casts, bench.published.len()), (HELD as u64, BATCH));
        },
    );
    measure(
        &mut group,
        "record, after the publish",
        BATCH,
        || {
            let mut bench = held(voters);
            bench.invoke(submits(voters.new_ones()));
            let texts = bench.outcomes.drain(..).zip(voters.new_ones()).enumerate();
            let invokes = texts.map(|(tag, (outcome, voter))| {
                let InvokeOutcome::Ok(text) = outcome else { panic!("{outcome:?}") };
                voter.invoke(tag as u64, Trigger::AfterPublish, text)
            });
            let invokes = invokes.collect();
            (bench, invokes)
        },
        |(mut bench, invokes)| {
            bench.invoke(invokes);
            bench
        },
        |bench| {
            assert_eq!((bench.kv.len(), bench.objects.memberships_len()), (HELD + BATCH, HELD + BATCH));
        },
    );
    group.finish();
}

fn accepted(outcomes: &[InvokeOutcome]) -> usize {
    outcomes.iter().filter(|outcome| matches!(outcome, InvokeOutcome::Ok(text) if text.contains("decision"))).count()
}
