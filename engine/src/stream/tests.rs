use super::*;
use crate::dice::{below, draw};

const SENDER: NodeId = NodeId(1);
const RECEIVER: NodeId = NodeId(2);

fn item(number: i64) -> StreamItem {
    StreamItem::KvCounter { key: "k".into(), writer: 0, sum: number }
}

fn number(item: &StreamItem) -> i64 {
    match item {
        StreamItem::KvCounter { sum, .. } => *sum,
        other => panic!("not a test item: {other:?}"),
    }
}

/// Two ends and a network whose dice lose 30 %, repeat 20 % and delay each frame by 1 to 200 ms.
struct Loop {
    now: Nanos,
    tx: Outgoing,
    rx: Incoming,
    /// By arrival time, then by order of sending.
    wire: BTreeMap<(Nanos, u64), StreamFrame>,
    seed: u64,
    draws: u64,
    received: Vec<i64>,
    frames: u64,
}

impl Loop {
    fn new(seed: u64) -> Self {
        let options = StreamOptions {
            frame_items_max: 7,
            window_items_max: 100,
            retransmit_after: 600 * MS,
            retransmit_after_max: 3 * SECOND,
        };
        Self {
            now: 0,
            tx: Outgoing::new(RECEIVER, 0, options),
            rx: Incoming::new(SENDER),
            wire: BTreeMap::new(),
            seed,
            draws: 0,
            received: Vec::new(),
            frames: 0,
        }
    }

    fn dice(&mut self, bound: u64) -> u64 {
        self.draws += 1;
        below(bound, draw(self.seed, self.draws))
    }

    fn carry(&mut self, out: &mut Outbox) {
        for send in out.drain_sends().collect::<Vec<_>>() {
            let Msg::Stream(frame) = send.msg else { panic!("only frames travel") };
            self.frames += 1;
            let copies = match self.dice(10) {
                0..3 => 0,
                3..5 => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let at = self.now + (1 + self.dice(200)) * MS;
                self.wire.insert((at, self.draws), (*frame).clone());
            }
        }
    }

    /// Runs until nothing is on the wire and nobody wants to be woken, or until `end`.
    fn run_until(&mut self, end: Nanos) {
        let mut out = Outbox::new(false);
        loop {
            let wake = earlier(self.tx.next_wake(), self.rx.next_wake());
            let arrival = self.wire.first_key_value().map(|(key, _)| key.0);
            let Some(at) = earlier(wake, arrival).filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if arrival == Some(at) {
                let (_, frame) = self.wire.pop_first().expect("there is an arrival");
                match frame {
                    StreamFrame::Data { epoch, base, first_seq, items } => {
                        let mut released = Vec::new();
                        self.rx.on_data(self.now, epoch, base, first_seq, items, &mut released);
                        self.received.extend(released.iter().map(number));
                    }
                    StreamFrame::Ack { epoch, next_seq } => self.tx.on_ack(self.now, epoch, next_seq),
                }
            } else {
                self.tx.on_wake(self.now, &mut out);
                self.rx.on_wake(self.now, &mut out);
            }
            self.carry(&mut out);
        }
    }

    fn push(&mut self, numbers: std::ops::Range<i64>) {
        numbers.for_each(|n| self.tx.push(item(n)));
        let mut out = Outbox::new(false);
        self.tx.flush(self.now, &mut out);
        self.carry(&mut out);
    }
}

#[test]
fn everything_arrives_in_order_exactly_once_over_a_bad_network() {
    for seed in 0..20 {
        let mut world = Loop::new(seed);
        for batch in 0..30 {
            world.push(batch * 20..(batch + 1) * 20);
            world.run_until(world.now + 50 * MS);
        }
        world.run_until(Nanos::MAX);
        assert_eq!(world.received, (0..600).collect::<Vec<_>>(), "seed {seed}");
        assert_eq!((world.tx.pending(), world.tx.next_wake(), world.rx.next_wake()), (0, None, None));
    }
}

#[test]
fn a_clean_exchange_costs_one_frame_and_one_acknowledgement_and_then_silence() {
    let (mut tx, mut rx) = (Outgoing::new(RECEIVER, 0, StreamOptions::wide_area()), Incoming::new(SENDER));
    let (mut out, mut released) = (Outbox::new(false), Vec::new());
    (0..3).for_each(|n| tx.push(item(n)));
    tx.flush(0, &mut out);
    let sends: Vec<_> = out.drain_sends().collect();
    assert_eq!(sends.len(), 1);
    let Msg::Stream(frame) = &sends[0].msg else { panic!() };
    let StreamFrame::Data { epoch, base, first_seq, items } = (**frame).clone() else { panic!() };
    rx.on_data(10 * MS, epoch, base, first_seq, items, &mut released);
    assert_eq!(rx.next_wake(), Some(110 * MS));
    rx.on_wake(109 * MS, &mut out);
    assert_eq!(out.drain_sends().count(), 0);
    rx.on_wake(110 * MS, &mut out);
    assert_eq!(out.drain_sends().count(), 1);
    tx.on_ack(120 * MS, 0, 3);
    assert_eq!((tx.pending(), tx.next_wake(), rx.next_wake()), (0, None, None));
}

#[test]
fn the_64th_frame_is_acknowledged_at_once() {
    let mut rx = Incoming::new(SENDER);
    let mut released = Vec::new();
    for seq in 0..63 {
        rx.on_data(5, 0, 0, seq, vec![item(0)], &mut released);
    }
    assert_eq!(rx.next_wake(), Some(5 + ACK_DELAY));
    rx.on_data(6, 0, 0, 63, vec![item(0)], &mut released);
    assert_eq!(rx.next_wake(), Some(6));
}

#[test]
fn the_wait_doubles_up_to_its_cap() {
    let mut tx = Outgoing::new(RECEIVER, 0, StreamOptions::wide_area());
    let mut out = Outbox::new(false);
    tx.push(item(0));
    tx.flush(0, &mut out);
    let mut wakes_s = Vec::new();
    while wakes_s.len() < 6 {
        let at = tx.next_wake().expect("unacknowledged");
        wakes_s.push(at / SECOND);
        tx.on_wake(at, &mut out);
    }
    // 1, then +2, +4, +8, +8, +8.
    assert_eq!(wakes_s, [1, 3, 7, 15, 23, 31]);
    assert_eq!(out.drain_sends().count(), 7);
}

#[test]
fn both_ends_with_durable_places_may_die_at_any_time_and_nothing_is_lost_or_repeated() {
    for seed in 100..120 {
        let mut world = Loop::new(seed);
        for batch in 0..30 {
            world.push(batch * 20..(batch + 1) * 20);
            world.run_until(world.now + 100 * MS);
            match world.dice(4) {
                0 => world.tx.reboot(),
                1 => world.rx.reboot(),
                _ => (),
            }
        }
        world.push(600..601);
        world.run_until(Nanos::MAX);
        assert_eq!(world.received, (0..601).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn a_receiver_that_lost_its_place_goes_on_from_what_was_acknowledged() {
    for seed in 200..220 {
        let mut world = Loop::new(seed);
        world.push(0..60);
        world.run_until(300 * MS);
        let before = std::mem::take(&mut world.received);
        world.rx = Incoming::new(SENDER);
        world.push(60..200);
        world.run_until(Nanos::MAX);
        // In order without a gap from no later than the end of what the first life released.
        let first = world.received[0];
        assert!(first <= before.len() as i64, "seed {seed}");
        let mut after = world.received.clone();
        // A stale frame may be released first; what follows starts at the sender's base again.
        after.dedup();
        assert_eq!(*after.last().unwrap(), 199);
        let mut all: Vec<i64> = before.into_iter().chain(after).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all, (0..200).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn a_new_epoch_starts_from_0_and_frames_of_the_old_one_are_ignored() {
    let mut rx = Incoming::new(SENDER);
    let mut released = Vec::new();
    rx.on_data(0, 1, 0, 0, vec![item(10), item(11)], &mut released);
    rx.on_data(0, 1, 0, 5, vec![item(99)], &mut released);
    rx.on_data(0, 2, 0, 0, vec![item(20)], &mut released);
    rx.on_data(0, 1, 0, 2, vec![item(12)], &mut released);
    rx.on_data(0, 2, 0, 1, vec![item(21)], &mut released);
    assert_eq!(released.iter().map(number).collect::<Vec<_>>(), [10, 11, 20, 21]);
    let mut tx = Outgoing::new(RECEIVER, 2, StreamOptions::wide_area());
    tx.push(item(1));
    tx.flush(0, &mut Outbox::new(false));
    tx.on_ack(1, 1, 1);
    assert_eq!(tx.pending(), 1);
}
