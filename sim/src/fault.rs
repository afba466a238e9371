//! Faults as values: what goes wrong, when, and for how long.

use crate::contract::{Nanos, NodeId, RegionId};
use crate::partition::{Degrade, Direction, Group};

/// One line of a fault plan.
#[derive(Clone, Debug)]
pub struct FaultEntry<M> {
    /// True time. Faults of one instant come before that instant's messages, in the order of the plan.
    pub at: Nanos,
    pub fault: Fault<M>,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault<M> {
    /// The process dies. Its volatile state, its station's queue and what it held back are lost, and so is what arrives
    /// while it is down. After `down` it is rebooted and started. Faults on a node that is down change nothing, but that a
    /// longer `down` holds.
    Crash { node: NodeId, down: Nanos },
    /// Every node of a region dies, likewise.
    CrashRegion { region: RegionId, down: Nanos },
    /// The process stands still (a stopped virtual machine, a long collection). What arrives waits, what should have
    /// happened happens at the end, in its order.
    Pause { node: NodeId, for_: Nanos },
    /// Nothing that `a` sends reaches `b` (and the other way round).
    Partition { a: Group, b: Group, direction: Direction, for_: Nanos },
    /// The links between `a` and `b` get worse.
    Degrade { a: Group, b: Group, direction: Direction, degrade: Degrade, for_: Nanos },
    /// From now on the node's clock is off by `offset` ns and gains `drift_ppm` microseconds a second (above -1,000,000),
    /// until it is set again or healed.
    Clock { node: NodeId, offset: i64, drift_ppm: i32 },
    /// A message from [`NodeId::WORLD`], past network and station: for faults that only the node itself can play. `end`
    /// is told after so long, or when all is healed. Lost on a node that is down; waits on one that is paused.
    Tell { node: NodeId, body: M, label: String, end: Option<(Nanos, M)> },
    /// All rules are lifted, all nodes restarted or resumed, all tells ended, all clocks right again (one that was ahead
    /// stands still until true time has caught up).
    HealAll,
}

impl<M> FaultEntry<M> {
    /// `fault` at `at`.
    pub fn new(at: Nanos, fault: Fault<M>) -> Self {
        Self { at, fault }
    }

    /// Everything is healed at `at`.
    pub fn heal_all(at: Nanos) -> Self {
        Self { at, fault: Fault::HealAll }
    }
}

impl<M> Fault<M> {
    /// Its kind in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::CrashRegion { .. } => "crash_region",
            Self::Pause { .. } => "pause",
            Self::Partition { direction: Direction::Both, .. } => "partition",
            Self::Partition { direction: Direction::AToB, .. } => "one_way_partition",
            Self::Degrade { .. } => "degrade",
            Self::Clock { .. } => "clock",
            Self::Tell { .. } => "tell",
            Self::HealAll => "heal_all",
        }
    }

    /// It in a line. Two faults that differ read differently, but for the bodies of a tell.
    pub fn describe(&self) -> String {
        match self {
            Self::Crash { node, down } => format!("crash node {} down {down} ns", node.0),
            Self::CrashRegion { region, down } => format!("crash_region {} down {down} ns", region.0),
            Self::Pause { node, for_ } => format!("pause node {} for {for_} ns", node.0),
            Self::Partition { a, b, direction, for_ } => {
                format!("{} {a} {} {b} for {for_} ns", self.kind(), arrow(*direction))
            }
            Self::Degrade { a, b, direction, degrade: d, for_ } => format!(
                "degrade {a} {} {b} for {for_} ns: extra {} ns, jitter {} ns, loss {} ppm, duplicates {} ppm, reorder {} ppm by {} ns",
                arrow(*direction),
                d.extra_ns,
                d.jitter_ns,
                d.loss_ppm,
                d.duplicate_ppm,
                d.reorder_ppm,
                d.reorder_extra_ns
            ),
            Self::Clock { node, offset, drift_ppm } => {
                format!("clock node {} offset {offset} ns drift {drift_ppm} ppm", node.0)
            }
            Self::Tell { node, label, .. } => format!("tell node {} {label}", node.0),
            Self::HealAll => "heal_all".to_owned(),
        }
    }
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Both => "<->",
        Direction::AToB => "->",
    }
}

/// A fault as it really happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultWindow {
    /// [`Fault::kind`].
    pub kind: &'static str,
    /// [`Fault::describe`].
    pub what: String,
    /// True time.
    pub start: Nanos,
    /// When it ended: by itself, by another fault, by healing or with the run.
    pub end: Nanos,
}
