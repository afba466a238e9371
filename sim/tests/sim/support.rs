//! Bodies and processes the tests build their worlds of.

use std::any::Any;

use headcount_sim::{
    Finished, Input, LinkModel, Nanos, NodeId, NodeSpec, Outbox, Payload, Process, RegionId, StationSpec, WorldBuilder,
};

/// A message: a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(pub u64);

impl Payload for Number {
    fn wire_bytes(&self) -> u32 {
        1_000
    }
    fn kind(&self) -> &'static str {
        "number"
    }
    fn fingerprint(&self) -> u64 {
        self.0
    }
    fn describe(&self) -> String {
        self.0.to_string()
    }
}

/// What a [`Scripted`] node saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saw {
    Start,
    Wake,
    Number { from: u32, number: u64 },
    Overload(u64),
    Reboot,
}

type Script = Box<dyn FnMut(Nanos, Saw, &mut Outbox<Number>, &mut Option<Nanos>) + Send>;

/// A node that writes down all it sees, with its own clock's time, and does what a closure says. The list survives
/// reboots, `volatile` does not.
pub struct Scripted {
    pub seen: Vec<(Nanos, Saw)>,
    /// Messages since the last reboot.
    pub volatile: u64,
    wake: Option<Nanos>,
    script: Script,
}

impl Scripted {
    pub fn new(script: impl FnMut(Nanos, Saw, &mut Outbox<Number>, &mut Option<Nanos>) + Send + 'static) -> Self {
        Self { seen: Vec::new(), volatile: 0, wake: None, script: Box::new(script) }
    }
}

impl Process<Number> for Scripted {
    fn handle(&mut self, now: Nanos, input: Input<Number>, out: &mut Outbox<Number>) {
        let saw = match input {
            Input::Start => Saw::Start,
            Input::Wake => Saw::Wake,
            Input::Message { from, body } => Saw::Number { from: from.0, number: body.0 },
            Input::Overload { body, .. } => Saw::Overload(body.0),
        };
        self.volatile += u64::from(matches!(saw, Saw::Number { .. }));
        if saw == Saw::Wake {
            self.wake = None;
        }
        self.seen.push((now, saw));
        (self.script)(now, saw, out, &mut self.wake);
    }
    fn next_wake(&self) -> Option<Nanos> {
        self.wake
    }
    fn reboot(&mut self, now: Nanos) {
        self.volatile = 0;
        self.wake = None;
        self.seen.push((now, Saw::Reboot));
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// A world of scripted nodes in one region.
pub struct Bench {
    pub world: WorldBuilder<Number>,
    pub region: RegionId,
}

impl Bench {
    pub fn new(seed: u64, link: LinkModel) -> Self {
        let mut world = WorldBuilder::new(seed);
        let region = world.region("here");
        world.links(region, region, link);
        Self { world, region }
    }

    pub fn node(
        &mut self,
        script: impl FnMut(Nanos, Saw, &mut Outbox<Number>, &mut Option<Nanos>) + Send + 'static,
    ) -> NodeId {
        self.node_in(self.region, None, script)
    }

    pub fn node_in(
        &mut self,
        region: RegionId,
        station: Option<StationSpec>,
        script: impl FnMut(Nanos, Saw, &mut Outbox<Number>, &mut Option<Nanos>) + Send + 'static,
    ) -> NodeId {
        let name = format!("node {}", region.0);
        let spec = NodeSpec { name, region, kind: "scripted", station };
        self.world.node(spec, Box::new(Scripted::new(script)))
    }

    /// A node that only writes down what it sees.
    pub fn listener(&mut self) -> NodeId {
        self.node(|_, _, _, _| {})
    }

    /// A node that sends 0, 1, 2, ... to `to`, one each `every`, `count` in all, the first at `every`.
    pub fn ticker(&mut self, to: NodeId, every: Nanos, count: u64) -> NodeId {
        let mut next = 0;
        self.node(move |now, saw, out, wake| {
            if saw == Saw::Wake {
                out.send(to, Number(next));
                next += 1;
            }
            if matches!(saw, Saw::Wake | Saw::Start) && next < count {
                *wake = Some(now + every);
            }
        })
    }
}

/// The scripted nodes of a finished world.
pub fn scripted(finished: Finished<Number>) -> Vec<Scripted> {
    let nodes =
        finished.nodes.into_iter().map(|node| *node.into_any().downcast::<Scripted>().expect("all are scripted"));
    nodes.collect()
}

/// The numbers a node got, in the order it got them, with the times.
pub fn numbers(node: &Scripted) -> Vec<(Nanos, u64)> {
    let numbers = node.seen.iter().filter_map(|(at, saw)| match saw {
        Saw::Number { number, .. } => Some((*at, *number)),
        _ => None,
    });
    numbers.collect()
}
