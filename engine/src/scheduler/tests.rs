use super::*;
use crate::contract::{MS, Send};
use crate::message::InvokeOutcome;

const WORKERS: [NodeId; 2] = [NodeId(5), NodeId(6)];
const INTERVAL: Nanos = 5 * SECOND;
/// 10 s, and a second for the way: then a run that nobody heard of counts as ended.
const PATIENCE: Nanos = 11 * SECOND;

fn scheduler(jobs: &[(&'static str, Nanos)]) -> Scheduler {
    Scheduler::new(SchedulerConfig {
        jobs: jobs.iter().map(|&(name, interval)| Job { name: name.into(), interval }).collect(),
        workers: WORKERS.into(),
        handler_time: 10 * SECOND,
    })
}

/// One job, started at 0.
fn one() -> Scheduler {
    let mut scheduler = scheduler(&[("tally", INTERVAL)]);
    assert!(step(&mut scheduler, 0, Input::Start).is_empty(), "the first run is an interval after the start");
    scheduler
}

fn step(scheduler: &mut Scheduler, now: Nanos, input: Input) -> Vec<Send> {
    let mut out = Outbox::new(false);
    scheduler.handle(now, input, &mut out);
    out.drain_sends().collect()
}

/// The runs that begin at a wake: job, worker, tag.
fn wake(scheduler: &mut Scheduler, now: Nanos) -> Vec<(String, NodeId, u64)> {
    let run = |send: Send| match send.msg {
        Msg::Invoke(invoke) => {
            assert_eq!((invoke.trigger, invoke.answer), (Trigger::OnInterval, true));
            (invoke.publish.channel.to_string(), send.to, invoke.tag)
        }
        other => panic!("{other:?}"),
    };
    step(scheduler, now, Input::Wake).into_iter().map(run).collect()
}

fn end(scheduler: &mut Scheduler, now: Nanos, tag: u64) {
    let msg = Msg::Invoked { tag, outcome: InvokeOutcome::Ok("null".into()) };
    assert!(step(scheduler, now, Input::Message { from: WORKERS[0], msg }).is_empty(), "an end begins nothing");
}

/// Started at 5 s, ended at 8 s, so the next is at 13 s and not at 10 s (platform.md 3.3: from the previous END).
#[test]
fn the_next_run_begins_an_interval_after_the_previous_one_ended() {
    let mut scheduler = one();
    let runs = wake(&mut scheduler, 5 * SECOND);
    assert_eq!(runs.len(), 1);
    end(&mut scheduler, 8 * SECOND, runs[0].2);
    assert_eq!(scheduler.next_wake(), Some(13 * SECOND));
    assert!(wake(&mut scheduler, 10 * SECOND).is_empty());
    assert!(wake(&mut scheduler, 13 * SECOND - 1).is_empty());
    assert_eq!(wake(&mut scheduler, 13 * SECOND).len(), 1);
}

/// A run of 9 s outlives its interval of 5 s: whoever wakes the scheduler meanwhile, no second one begins.
#[test]
fn a_job_never_runs_twice_at_once() {
    let mut scheduler = one();
    let runs = wake(&mut scheduler, 5 * SECOND);
    for at in (5_000..14_000).step_by(100) {
        assert!(wake(&mut scheduler, at * MS).is_empty(), "{at} ms");
    }
    end(&mut scheduler, 14 * SECOND, runs[0].2);
    assert_eq!(scheduler.next_wake(), Some(19 * SECOND));
    assert_eq!(scheduler.counts(), (1, 0));
}

/// Begun at 5 s, given up at 5 + 11 = 16 s, and begun again at once, at the other worker.
#[test]
fn a_worker_that_never_answers_costs_one_run() {
    let mut scheduler = one();
    let lost = wake(&mut scheduler, 5 * SECOND);
    assert_eq!(scheduler.next_wake(), Some(5 * SECOND + PATIENCE));
    let next = wake(&mut scheduler, 5 * SECOND + PATIENCE);
    assert_eq!((next.len(), scheduler.counts()), (1, (2, 1)));
    assert_ne!(lost[0].1, next[0].1, "workers take turns");
    // What the lost one says late is not the end of the one under way.
    end(&mut scheduler, 17 * SECOND, lost[0].2);
    assert_eq!(scheduler.next_wake(), Some(16 * SECOND + PATIENCE));
    end(&mut scheduler, 18 * SECOND, next[0].2);
    assert_eq!(scheduler.next_wake(), Some(23 * SECOND));
}

/// The network may say the end twice: the second one moves nothing.
#[test]
fn a_repeated_end_moves_nothing() {
    let mut scheduler = one();
    let runs = wake(&mut scheduler, 5 * SECOND);
    end(&mut scheduler, 6 * SECOND, runs[0].2);
    end(&mut scheduler, 9 * SECOND, runs[0].2);
    assert_eq!(scheduler.next_wake(), Some(11 * SECOND));
}

#[test]
fn an_aborted_run_is_an_ended_one() {
    let mut scheduler = one();
    let runs = wake(&mut scheduler, 5 * SECOND);
    let outcome = InvokeOutcome::Abort { status: 504, body: "".into() };
    step(
        &mut scheduler,
        6 * SECOND,
        Input::Message { from: WORKERS[1], msg: Msg::Invoked { tag: runs[0].2, outcome } },
    );
    assert_eq!((scheduler.next_wake(), scheduler.counts()), (Some(11 * SECOND), (1, 0)));
}

/// Jobs do not wait for each other: every 2 s beside a run of the other that takes long.
#[test]
fn each_job_has_its_own_time() {
    let mut scheduler = scheduler(&[("slow", 2 * SECOND), ("quick", 2 * SECOND)]);
    step(&mut scheduler, 0, Input::Start);
    let runs = wake(&mut scheduler, 2 * SECOND);
    assert_eq!(runs.iter().map(|(job, ..)| job.as_str()).collect::<Vec<_>>(), ["slow", "quick"]);
    end(&mut scheduler, 3 * SECOND, runs[1].2);
    assert_eq!(wake(&mut scheduler, 5 * SECOND).iter().map(|(job, ..)| job.as_str()).collect::<Vec<_>>(), ["quick"]);
}

/// A new process knows of no run: it waits an interval, and an end of before is nobody's. Tags are not used again.
#[test]
fn a_restarted_scheduler_begins_anew_and_ignores_ends_of_before() {
    let mut scheduler = one();
    let before = wake(&mut scheduler, 5 * SECOND);
    scheduler.reboot(6 * SECOND);
    assert_eq!(scheduler.next_wake(), None);
    step(&mut scheduler, 6 * SECOND, Input::Start);
    let after = wake(&mut scheduler, 11 * SECOND);
    assert_eq!(after.len(), 1);
    assert_ne!(before[0].2, after[0].2);
    end(&mut scheduler, 12 * SECOND, before[0].2);
    assert_eq!(scheduler.next_wake(), Some(11 * SECOND + PATIENCE));
}
