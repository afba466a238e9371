//! What the audit database's transactions promise.

use super::*;
use crate::patterns::voting::session::SessionConfig;

fn spec(change: bool, max: u32) -> SessionSpec {
    SessionSpec {
        session_id: "s".into(),
        question: "?".into(),
        options: SessionSpec::options_of(&["A".into(), "B".into()]),
        config: SessionConfig {
            allow_change_vote: change,
            show_live_tally: true,
            anonymous_results: false,
            max_votes_per_user: max,
        },
        host_id: "h".into(),
    }
}

fn open(change: bool, max: u32) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.create(1, spec(change, max)).unwrap();
    ledger.step(2, "s", "h", Status::Open).unwrap();
    ledger
}

fn cast(ledger: &mut Ledger, now: Nanos, user: &str, option: &str, request: &str) -> Answer {
    let number = ledger.cast(
        now,
        &CastVote {
            session_id: "s".into(),
            user_id: user.into(),
            option_id: option.into(),
            request_id: request.into(),
            client_ts: "t".into(),
            client_ip: 0,
            user_agent: "a".into(),
            token_id: 0,
            shard: 3,
        },
    );
    ledger.decisions()[number as usize].answer
}

#[test]
fn a_user_has_one_vote_and_a_request_one_answer() {
    let mut ledger = open(false, 1);
    assert_eq!(cast(&mut ledger, 3, "u", "opt_1", "r1"), Answer::Accepted(0));
    assert_eq!(cast(&mut ledger, 4, "u", "opt_2", "r2"), Answer::AlreadyVoted(0));
    assert_eq!(cast(&mut ledger, 5, "u", "opt_1", "r1"), Answer::Accepted(0), "the same answer again");
    assert_eq!(ledger.session("s").unwrap().counts(), [1, 0]);
    assert_eq!(ledger.log().len(), 1);
}

#[test]
fn close_wins_and_an_early_vote_stays_refused() {
    let mut ledger = Ledger::default();
    ledger.create(1, spec(false, 1)).unwrap();
    assert_eq!(cast(&mut ledger, 2, "early", "opt_1", "r0"), Answer::SessionNotOpen);
    ledger.step(3, "s", "h", Status::Open).unwrap();
    assert_eq!(cast(&mut ledger, 4, "early", "opt_1", "r0"), Answer::SessionNotOpen, "the same request");
    assert_eq!(cast(&mut ledger, 4, "early", "opt_1", "r1"), Answer::Accepted(0), "another one");
    ledger.step(5, "s", "h", Status::Closed).unwrap();
    assert_eq!(cast(&mut ledger, 5, "late", "opt_1", "r2"), Answer::SessionNotOpen);
    assert_eq!(cast(&mut ledger, 6, "early", "opt_1", "r1"), Answer::Accepted(0), "a retry after close");
}

#[test]
fn a_changed_vote_moves_its_count_and_both_stay_in_the_log() {
    let mut ledger = open(true, 1);
    cast(&mut ledger, 3, "u", "opt_1", "r1");
    assert_eq!(cast(&mut ledger, 4, "u", "opt_2", "r2"), Answer::Accepted(1));
    assert_eq!(ledger.session("s").unwrap().counts(), [0, 1]);
    assert_eq!(ledger.log().iter().map(|row| row.replaced).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn more_votes_a_user_where_the_host_wants_more() {
    let mut ledger = open(false, 2);
    assert_eq!(cast(&mut ledger, 3, "u", "opt_1", "r1"), Answer::Accepted(0));
    assert_eq!(cast(&mut ledger, 4, "u", "opt_1", "r2"), Answer::Accepted(1));
    assert_eq!(cast(&mut ledger, 5, "u", "opt_1", "r3"), Answer::AlreadyVoted(0));
    assert_eq!(ledger.session("s").unwrap().counts(), [2, 0]);
}

#[test]
fn a_session_moves_one_step_at_a_time_and_only_for_its_host() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.step(0, "s", "h", Status::Open).unwrap_err(), Refused::NoSuchSession);
    ledger.create(1, spec(false, 1)).unwrap();
    assert_eq!(ledger.step(2, "s", "x", Status::Open).unwrap_err(), Refused::NotItsHost);
    assert_eq!(ledger.step(2, "s", "h", Status::Closed).unwrap_err(), Refused::NoWay(Status::Created));
    ledger.step(3, "s", "h", Status::Open).unwrap();
    let again = ledger.step(9, "s", "h", Status::Open).unwrap();
    assert_eq!(again.times[1], Some(3), "opened once");
}

#[test]
fn snapshots_are_numbered_and_know_the_one_before() {
    let mut ledger = open(false, 1);
    cast(&mut ledger, 3, "u", "opt_1", "r1");
    let first = ledger.next_snapshots(4, 10).remove(0);
    cast(&mut ledger, 5, "v", "opt_2", "r2");
    let second = ledger.next_snapshots(6, 10).remove(0);
    assert_eq!((first.number, first.counts.clone(), first.previous), (1, vec![1, 0], vec![0, 0]));
    assert_eq!((second.number, second.counts.clone(), second.previous), (2, vec![1, 1], vec![1, 0]));
    assert_eq!(second.shards, [(3, vec![1, 1])]);
    ledger.step(7, "s", "h", Status::Closed).unwrap();
    ledger.step(8, "s", "h", Status::Revealed).unwrap();
    assert_eq!(ledger.next_snapshots(17, 10).len(), 1);
    assert_eq!(ledger.next_snapshots(18, 10).len(), 0, "settled 10 after it was revealed");
}

#[test]
fn base_36() {
    assert_eq!(
        (base36(0), base36(35), base36(36), base36(46_655)),
        ("0".into(), "z".into(), "10".into(), "zzz".into())
    );
}
