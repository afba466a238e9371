//! What the platform's services cost by themselves, stepped by hand ([`stepped`]); at the end a small scenario as a whole,
//! to see what the world adds. The KV store and Functions have benches of their own.
//! `cargo bench -p headcount-benches --bench services`

#[path = "services/people.rs"]
mod people;
#[path = "services/region_log.rs"]
mod region_log;
#[allow(dead_code, reason = "each bench takes its part")]
mod stepped;

use criterion::Criterion;
use headcount_engine::access::Grant;
use headcount_engine::contract::MINUTE;
use headcount_engine::message::{Channel, ObjectsOp};
use headcount_engine::patterns::voting::audit::{Answer, Ledger};
use headcount_engine::patterns::voting::session::Status;
use headcount_engine::patterns::voting::shard;
use headcount_workloads::outcome::Verdict;
use headcount_workloads::run::{Prepared, RunOptions};
use headcount_workloads::scenario::Scenario;

use stepped::members::{joins, objects_calls, objects_held};
use stepped::voters::{HOST, SESSION, Voter, Voters, participant, session};
use stepped::{BATCH, HELD, LATER, measure};

fn appcontext(criterion: &mut Criterion, voters: &Voters) {
    let mut group = criterion.benchmark_group("app context, 100000 members");
    measure(
        &mut group,
        "set membership",
        BATCH,
        || (objects_held(voters), joins(voters.new_ones())),
        |(mut objects, ops)| (objects_calls(&mut objects, LATER, ops), objects),
        |(done, objects)| assert_eq!((done, objects.memberships_len()), (BATCH, HELD + BATCH)),
    );
    let mut objects = objects_held(voters);
    let control: Channel = shard::control_channel(SESSION).into();
    measure(
        &mut group,
        "get channel",
        BATCH,
        || vec![ObjectsOp::GetChannel { channel: control.clone() }; BATCH],
        |ops| objects_calls(&mut objects, LATER, ops),
        |done| assert_eq!(done, BATCH),
    );
    group.finish();
}

fn access(criterion: &mut Criterion, voters: &Voters) {
    let mut group = criterion.benchmark_group("token of a participant");
    let verifier = voters.verifier;
    let genuine = |voter: &Voter| verifier.verify(&voter.token, MINUTE, &voter.user).is_ok();
    measure(
        &mut group,
        "verify",
        BATCH,
        || (),
        |()| voters.new_ones().iter().filter(|voter| genuine(voter)).count(),
        |good| assert_eq!(good, BATCH),
    );
    measure(
        &mut group,
        "sign",
        BATCH,
        || voters.new_ones().iter().map(|voter| participant(&voters.grants, &voter.user)).collect(),
        |grants: Vec<Grant>| grants.into_iter().map(|grant| verifier.sign(grant, 0)).collect::<Vec<_>>(),
        |tokens| assert!(tokens.iter().eq(voters.new_ones().iter().map(|voter| &*voter.token))),
    );
    group.finish();
}

/// The tables with an open session and the first 100,000 votes.
fn ledger_held(voters: &Voters) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.create(0, session()).expect("it is new");
    ledger.step(0, SESSION, HOST, Status::Open).expect("it was created");
    voters.held().iter().for_each(|voter| _ = ledger.cast(0, &voter.cast()));
    assert_eq!(ledger.log().len(), HELD);
    ledger
}

fn audit(criterion: &mut Criterion, voters: &Voters) {
    let mut group = criterion.benchmark_group("audit ledger, 100000 rows");
    measure(
        &mut group,
        "cast, first vote",
        BATCH,
        || ledger_held(voters),
        |mut ledger| {
            voters.new_ones().iter().for_each(|voter| _ = ledger.cast(LATER, &voter.cast()));
            ledger
        },
        |ledger| {
            assert_eq!((ledger.log().len(), ledger.decisions().len()), (HELD + BATCH, HELD + BATCH));
            assert_eq!(ledger.decisions()[HELD + BATCH - 1].answer, Answer::Accepted((HELD + BATCH - 1) as u32));
            let counts = ledger.session(SESSION).expect("it is there").counts();
            assert_eq!(counts.iter().sum::<u64>(), (HELD + BATCH) as u64);
        },
    );
    let mut ledger = ledger_held(voters);
    measure(
        &mut group,
        "cast, repeated request",
        BATCH,
        || (),
        |()| {
            let numbers = voters.scattered().map(|(_, voter)| ledger.cast(LATER, &voter.cast()));
            (numbers.collect::<Vec<u32>>(), ledger.decisions().len())
        },
        |(numbers, decisions)| {
            assert_eq!(decisions, HELD, "nothing new is decided");
            assert!(numbers.into_iter().eq(voters.scattered().map(|(n, _)| n as u32)));
        },
    );
    group.finish();
}

/// A whole world from the drawing of its crowd to the verdict.
fn world(criterion: &mut Criterion) {
    const SEED: u64 = 7;
    let mut group = criterion.benchmark_group("world, voting-small, seed 7");
    let prepared = Prepared::new(Scenario::load("voting-small", &[]).expect("it is built in"));
    let first = prepared.check(SEED);
    assert!(first.verdict != Verdict::Violated && first.messages > 1_000, "{first:?}");
    measure(
        &mut group,
        "run",
        1,
        || (),
        |()| prepared.run(SEED, RunOptions::default()),
        |outcome| assert_eq!((outcome.digest, outcome.properties), (first.digest, first.properties.clone())),
    );
    measure(&mut group, "check", 1, || (), |()| prepared.check(SEED), |checked| assert_eq!(checked, first));
    group.finish();
}

fn main() {
    let mut criterion = stepped::criterion();
    let voters = Voters::new();
    appcontext(&mut criterion, &voters);
    people::friends(&mut criterion);
    access(&mut criterion, &voters);
    audit(&mut criterion, &voters);
    region_log::region_log(&mut criterion, &voters);
    world(&mut criterion);
    criterion.final_summary();
}
