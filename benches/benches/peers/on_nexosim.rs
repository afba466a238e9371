//! On nexosim, with one thread: each actor and each timer is a model.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nexosim::model::{Context, Model, schedulable};
use nexosim::ports::Output;
use nexosim::simulation::{Mailbox, SimInit};
use nexosim::time::MonotonicTime;
use serde::{Deserialize, Serialize};

use super::court::Ball;
use super::{ACTORS, Done, PingPong, Timers};

const MS: Duration = Duration::from_millis(1);

/// How often something happened, for all models together.
type Count = Arc<AtomicU64>;

/// A model's state can be saved, so all of it must know how, and what is scheduled too.
type Freight = (u64, [u64; 4]);

#[derive(Serialize, Deserialize)]
pub struct Player {
    throws: Output<Freight>,
    share: u64,
    hops: u64,
    #[serde(skip)]
    caught: Count,
}

#[Model]
impl Player {
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>) {
        (0..self.share).for_each(|_| self.throw(Ball::new(self.hops - 1), context));
    }

    pub fn catch(&mut self, (hops_left, freight): Freight, context: &Context<Self>) {
        self.caught.fetch_add(1, Ordering::Relaxed);
        if let Some(ball) = (Ball { hops_left, freight }).next() {
            self.throw(ball, context);
        }
    }

    fn throw(&mut self, Ball { hops_left, freight }: Ball, context: &Context<Self>) {
        context.schedule_event(MS, schedulable!(Self::arrives), (hops_left, freight)).expect("it is ahead");
    }

    #[nexosim(schedulable)]
    async fn arrives(&mut self, ball: Freight) {
        self.throws.send(ball).await;
    }
}

#[derive(Serialize, Deserialize)]
pub struct Timer {
    own: u64,
    armed: u64,
    arms: u64,
    #[serde(skip)]
    fired: Count,
}

#[Model]
impl Timer {
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>) {
        self.arm(context);
    }

    fn arm(&mut self, context: &Context<Self>) {
        if self.armed < self.arms {
            let delay = Duration::from_millis(Timers::delay_ms(self.own, self.armed));
            context.schedule_event(delay, schedulable!(Self::fires), ()).expect("it is ahead");
            self.armed += 1;
        }
    }

    #[nexosim(schedulable)]
    fn fires(&mut self, _: (), context: &Context<Self>) {
        self.fired.fetch_add(1, Ordering::Relaxed);
        self.arm(context);
    }
}

/// Runs until nothing more is scheduled.
fn run(bench: SimInit, count: &Count) -> Done {
    let mut simulation = bench.init(MonotonicTime::EPOCH).expect("the bench is complete");
    simulation.run().expect("no model fails");
    let virtual_ms = simulation.time().duration_since(MonotonicTime::EPOCH).as_millis() as u64;
    Done { handled: count.load(Ordering::Relaxed), virtual_ms }
}

pub fn ping_pong(load: PingPong) -> Done {
    let caught = Count::default();
    let player = |_| Player { throws: Output::default(), share: load.share(), hops: load.hops, caught: caught.clone() };
    let mut players: Vec<Player> = (0..ACTORS).map(player).collect();
    // Two players that wait for room in each other's mailboxes would wait for ever.
    let room = 2 * load.share() as usize + 1;
    let mailboxes: Vec<Mailbox<Player>> = (0..ACTORS).map(|_| Mailbox::with_capacity(room)).collect();
    for (own, player) in players.iter_mut().enumerate() {
        player.throws.connect(Player::catch, &mailboxes[own ^ 1]);
    }
    let named = players.into_iter().zip(mailboxes).enumerate();
    let bench = named.fold(SimInit::with_num_threads(1), |bench, (own, (player, mailbox))| {
        bench.add_model(player, mailbox, &format!("player {own}"))
    });
    run(bench, &caught)
}

pub fn timers(load: Timers) -> Done {
    let fired = Count::default();
    let bench = (0..load.timers).fold(SimInit::with_num_threads(1), |bench, own| {
        let timer = Timer { own, armed: 0, arms: load.arms, fired: fired.clone() };
        bench.add_model(timer, Mailbox::with_capacity(1), &format!("timer {own}"))
    });
    run(bench, &fired)
}
