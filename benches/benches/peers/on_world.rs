//! In a headcount-sim world: each actor and each timer is a node.

use std::any::Any;

use headcount_sim::{Input, LinkModel, MS, Nanos, NodeId, NodeSpec, Outbox, Process, RegionId, WorldBuilder};

use super::court::Ball;
use super::{ACTORS, Done, PingPong, Timers};

struct Player {
    opposite: NodeId,
    load: PingPong,
    caught: u64,
    last: Nanos,
}

impl Process<Ball> for Player {
    fn handle(&mut self, now: Nanos, input: Input<Ball>, out: &mut Outbox<Ball>) {
        match input {
            Input::Start => {
                (0..self.load.share()).for_each(|_| out.send(self.opposite, Ball::new(self.load.hops - 1)));
            }
            Input::Message { body, .. } => {
                (self.caught, self.last) = (self.caught + 1, now);
                if let Some(ball) = body.next() {
                    out.send(self.opposite, ball);
                }
            }
            Input::Overload { .. } | Input::Wake => {}
        }
    }
    fn next_wake(&self) -> Option<Nanos> {
        None
    }
    fn reboot(&mut self, _now: Nanos) {}
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

struct Timer {
    own: u64,
    arms: u64,
    fired: u64,
    next: Option<Nanos>,
    last: Nanos,
}

impl Timer {
    fn arm(&mut self, now: Nanos) {
        self.next = (self.fired < self.arms).then(|| now + Timers::delay_ms(self.own, self.fired) * MS);
    }
}

impl Process<Ball> for Timer {
    fn handle(&mut self, now: Nanos, input: Input<Ball>, _: &mut Outbox<Ball>) {
        match input {
            Input::Start => self.arm(now),
            Input::Wake if self.next.is_some_and(|at| at <= now) => {
                (self.fired, self.last) = (self.fired + 1, now);
                self.arm(now);
            }
            Input::Message { .. } | Input::Overload { .. } | Input::Wake => {}
        }
    }
    fn next_wake(&self) -> Option<Nanos> {
        self.next
    }
    fn reboot(&mut self, _now: Nanos) {}
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// A world with a region whose nodes are 1 ms apart.
fn court() -> (WorldBuilder<Ball>, RegionId) {
    let mut world = WorldBuilder::new(1);
    let region = world.region("court");
    world.links(region, region, LinkModel::constant(MS));
    (world, region)
}

fn spec(kind: &'static str, number: u64, region: RegionId) -> NodeSpec {
    NodeSpec { name: format!("{kind} {number}"), region, kind, station: None }
}

/// Runs the world for a little longer than it must take, and adds up what its nodes did.
fn run<N: 'static>(world: WorldBuilder<Ball>, ms: u64, did: fn(&N) -> (u64, Nanos)) -> Done {
    let mut done = Done { handled: 0, virtual_ms: 0 };
    for node in world.run((ms + 2) * MS).nodes {
        let (handled, last) = did(&node.into_any().downcast().expect("all nodes are of one kind"));
        done = Done { handled: done.handled + handled, virtual_ms: done.virtual_ms.max(last.div_ceil(MS)) };
    }
    done
}

pub fn ping_pong(load: PingPong) -> Done {
    let (mut world, region) = court();
    for own in 0..ACTORS {
        let player = Player { opposite: NodeId(own as u32 ^ 1), load, caught: 0, last: 0 };
        world.node(spec("player", own, region), Box::new(player));
    }
    run(world, load.hops, |player: &Player| (player.caught, player.last))
}

pub fn timers(load: Timers) -> Done {
    let (mut world, region) = court();
    for own in 0..load.timers {
        let timer = Timer { own, arms: load.arms, fired: 0, next: None, last: 0 };
        world.node(spec("timer", own, region), Box::new(timer));
    }
    // As late as they could be; the world does not go through time in which nothing happens.
    run(world, 8 * load.arms, |timer: &Timer| (timer.fired, timer.last))
}
