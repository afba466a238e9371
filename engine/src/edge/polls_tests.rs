use super::*;
use crate::contract::{MS, SECOND};

const CROWD: NodeId = NodeId(3);
const QUEUE: usize = 100;

struct Line {
    polls: Polls,
    /// What each message came as: how many messages, missed, and the cursor.
    polled: Vec<(Client, usize, u32, u64)>,
    direct: Vec<Heard>,
    kind: Kind,
}

impl Line {
    fn new(round_trip: Nanos) -> Self {
        Self {
            polls: Polls::new([round_trip].into(), QUEUE),
            polled: Vec::new(),
            direct: Vec::new(),
            kind: Kind::Message,
        }
    }

    fn collect(&mut self, mut out: Outbox) {
        for send in out.drain_sends() {
            let Msg::Polled { client, messages, cursor, missed } = send.msg else { panic!("{:?}", send.msg) };
            self.polled.push((client, messages.len(), missed, cursor.0));
        }
    }

    fn message(&mut self, now: Nanos, number: u64, heard: Heard, connected: u32) {
        self.polls_until(now);
        let envelope = Arc::new(Envelope {
            channel: "c".into(),
            timetoken: Timetoken(number),
            region: 0,
            publisher: "p".into(),
            payload: "1".into(),
            store: false,
            kind: self.kind,
        });
        let mut out = Outbox::new(false);
        let names = || (0..connected).collect();
        let left = self.polls.pass(now, CROWD, heard, names, (&envelope, Timetoken(number)), &mut out);
        self.direct.extend(left);
        self.collect(out);
    }

    fn polls_until(&mut self, now: Nanos) {
        while let Some(at) = self.polls.next_wake().filter(|at| *at <= now) {
            let mut out = Outbox::new(false);
            self.polls.answer(at, &mut out);
            self.collect(out);
        }
    }

    /// So many messages a second for all of 5 clients, for 10 s.
    fn steady(&mut self, per_s: u64) {
        for number in 0..10 * per_s {
            self.message(number * SECOND / per_s, number + 1, Heard::All, 5);
        }
        self.polls_until(60 * SECOND);
    }

    fn told(&self) -> (usize, u64) {
        let polled: usize = self.polled.iter().map(|(_, messages, ..)| messages).sum();
        (5 * self.direct.len() + polled, self.polls.discarded())
    }
}

/// PubNub's own sums: a reconnect of 230 ms holds some 400 messages a second (400 x 0.23 = 92 in a queue of 100), one of
/// 50 ms 2,000 (2,000 x 0.05 = 100).
#[test]
fn a_queue_of_100_is_lossless_up_to_what_the_platform_says() {
    for (round_trip_ms, per_s) in [(230, 400), (50, 2_000)] {
        let mut line = Line::new(round_trip_ms * MS);
        line.steady(per_s);
        assert_eq!(line.told(), (5 * 10 * per_s as usize, 0), "{round_trip_ms} ms");
    }
}

/// Twice as many: of the 1,000 a second about 1,000 x 0.2 s = 200 come in a round trip, and 100 of them are kept. Half of
/// what comes is lost, each poll is answered with 100, and the cursor is that of the newest.
#[test]
fn beyond_it_the_oldest_are_discarded() {
    let mut line = Line::new(200 * MS);
    line.steady(1_000);
    let (told, discarded) = line.told();
    assert_eq!(told as u64 + discarded, 5 * 10_000, "each message was told or discarded to each of five");
    assert!((23_000..26_000).contains(&discarded), "{discarded}");
    let own: Vec<_> = line.polled.iter().filter(|(client, ..)| *client == 2).collect();
    let full = own.iter().filter(|(_, messages, missed, _)| (*messages, *missed) == (QUEUE, 100)).count();
    assert!(full >= 45, "10 s / 200 ms = 50 polls, the first and the last ones apart: {full}");
    assert!(own.is_sorted_by(|a, b| a.3 < b.3), "a cursor never goes back");
    assert_eq!(own.last().unwrap().3, 10_000, "the newest message is never the one that is lost");
}

/// 100 messages a second to 5 clients, 20 each: nobody hears 50 in a round trip of half a second, though all together do.
#[test]
fn a_busy_population_of_calm_clients_has_no_queues() {
    let mut line = Line::new(500 * MS);
    for number in 0..1_000 {
        line.message(number * 10 * MS / 5, number + 1, Heard::One((number % 25) as u32), 25);
    }
    assert_eq!((line.direct.len(), line.polled.len()), (1_000, 0));
}

/// One client of 25 has a channel with 1,000 messages a second to itself, the others hear one in ten of them. It alone
/// queues; what the others hear, they hear at once.
#[test]
fn only_who_hears_too_much_queues() {
    let mut line = Line::new(200 * MS);
    for number in 0..2_000u64 {
        let heard = if number % 100 == 0 { Heard::Some(vec![3, 7]) } else { Heard::One(7) };
        line.message(number * MS, number + 1, heard, 25);
    }
    line.polls_until(60 * SECOND);
    assert!(line.polled.iter().all(|(client, ..)| *client == 7));
    let calm = line.direct.iter().filter(|heard| matches!(heard, Heard::One(3) | Heard::Some(_))).count();
    assert_eq!(calm, 20, "the twenty that were for both");
    assert!(line.polls.discarded() > 800, "about half of 2,000: {}", line.polls.discarded());
}

/// After a flood each message goes through at once again.
#[test]
fn a_connection_that_has_eased_has_no_queue() {
    let mut line = Line::new(200 * MS);
    line.steady(1_000);
    line.direct.clear();
    for number in 0..5 {
        line.message((70 + number) * SECOND, 20_000 + number, Heard::All, 5);
    }
    assert!(line.direct.len() == 5 && line.direct.iter().all(|heard| *heard == Heard::All), "{:?}", line.direct);
}

/// Who subscribes again asks from its cursor: its queue would tell it twice.
#[test]
fn a_connection_that_begins_anew_has_an_empty_queue() {
    let mut line = Line::new(200 * MS);
    for number in 0..150 {
        line.message(number * MS, number + 1, Heard::All, 5);
    }
    line.polls.forget(CROWD, 2);
    let before = line.polled.len();
    line.polls_until(SECOND);
    assert!(line.polled[before..].iter().all(|(client, ..)| *client != 2));
    assert_eq!(line.polled.len() - before, 4);
}

/// Without round trips the next poll is always there.
#[test]
fn no_round_trip_no_queue() {
    let mut line =
        Line { polls: Polls::new([].into(), QUEUE), polled: Vec::new(), direct: Vec::new(), kind: Kind::Message };
    line.steady(1_000);
    assert_eq!((line.direct.len(), line.polls.discarded()), (10_000, 0));
}

/// 110 messages at one moment: 50 before anybody is counted and 50 of the client's own go at once, the next answers
/// the poll that is there, 9 wait; of ten signals after them one is kept (platform.md 2.4). The poll a round trip
/// later gets 10, and nothing counts as missed.
#[test]
fn of_the_signals_that_wait_for_a_poll_the_last_is_kept() {
    let mut line = Line::new(100 * MS);
    for number in 1..=120 {
        line.kind = if number <= 110 { Kind::Message } else { Kind::Signal };
        line.message(SECOND, number, Heard::One(4), 5);
    }
    line.polls_until(2 * SECOND);
    assert_eq!(line.direct.len(), 100);
    assert_eq!(line.polled, [(4, 1, 0, 101), (4, 10, 0, 120)]);
}
