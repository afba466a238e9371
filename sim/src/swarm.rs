//! Plans of faults, drawn from a seed: each run takes a random subset of the kinds of fault (swarm testing, Groce et al.
//! 2012: leaving kinds out finds what all of them together hide), and of each kind a random number at random times.

use crate::contract::{MS, Nanos, NodeId, RegionId, SECOND};
use crate::fault::{Fault, FaultEntry};
use crate::partition::{Degrade, Direction, Group};
use crate::stream::Stream;

/// When faults may happen: they begin, and but for clocks end, within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwarmWindow {
    pub start: Nanos,
    pub end: Nanos,
}

impl SwarmWindow {
    /// A time in the window, and how long from there on: `low` to `high`, but not beyond the window's end. Two draws.
    pub fn draw(&self, stream: &mut Stream, low: Nanos, high: Nanos) -> (Nanos, Nanos) {
        let latest = self.end.saturating_sub(low).max(self.start);
        let at = stream.between(self.start, latest);
        let for_ = stream.between(low, high);
        (at, for_.min(self.end.saturating_sub(at)))
    }

    /// A number of events: 1 to `most` of them, each as likely.
    pub fn count(&self, stream: &mut Stream, most: u64) -> u64 {
        stream.between(1, most.max(1))
    }
}

/// Draws the events of one kind from a stream of its own.
type Draw<M> = Box<dyn Fn(&mut Stream, SwarmWindow) -> Vec<FaultEntry<M>> + Send + Sync>;

/// One kind of fault a swarm may take.
pub struct SwarmKind<M> {
    /// Its name: also that of its random stream, so it must not change.
    pub name: &'static str,
    /// Draws its events.
    pub draw: Draw<M>,
}

impl<M> SwarmKind<M> {
    /// A kind of fault that `draw` makes events of.
    pub fn new(
        name: &'static str,
        draw: impl Fn(&mut Stream, SwarmWindow) -> Vec<FaultEntry<M>> + Send + Sync + 'static,
    ) -> Self {
        Self { name, draw: Box::new(draw) }
    }

    /// Crashes of one of `nodes`: 1 to `most`, down for 10 ms to 10 s.
    pub fn crash(nodes: Vec<NodeId>, most: u64) -> Self {
        Self::repeated("crash", most, move |stream, window| {
            let node = *stream.pick(&nodes)?;
            let (at, down) = window.draw(stream, 10 * MS, 10 * SECOND);
            Some(FaultEntry::new(at, Fault::Crash { node, down }))
        })
    }

    /// Crashes of whole regions: 1 to `most`, down for 100 ms to 20 s.
    pub fn crash_region(regions: Vec<RegionId>, most: u64) -> Self {
        Self::repeated("crash_region", most, move |stream, window| {
            let region = *stream.pick(&regions)?;
            let (at, down) = window.draw(stream, 100 * MS, 20 * SECOND);
            Some(FaultEntry::new(at, Fault::CrashRegion { region, down }))
        })
    }

    /// Pauses of one of `nodes`: 1 to `most`, of 1 ms to 5 s.
    pub fn pause(nodes: Vec<NodeId>, most: u64) -> Self {
        Self::repeated("pause", most, move |stream, window| {
            let node = *stream.pick(&nodes)?;
            let (at, for_) = window.draw(stream, MS, 5 * SECOND);
            Some(FaultEntry::new(at, Fault::Pause { node, for_ }))
        })
    }

    /// Partitions: 1 to `most`, of 10 ms to 15 s. Half of them cut one node off from all others, a quarter a random half
    /// of `nodes` from everything else, a quarter one pair.
    pub fn partition(nodes: Vec<NodeId>, most: u64) -> Self {
        Self::cut("partition", nodes, most, Direction::Both)
    }

    /// The same, one way: of a pair, what one sends is lost and what the other sends arrives.
    pub fn one_way_partition(nodes: Vec<NodeId>, most: u64) -> Self {
        Self::cut("one_way_partition", nodes, most, Direction::AToB)
    }

    fn cut(name: &'static str, nodes: Vec<NodeId>, most: u64, direction: Direction) -> Self {
        Self::repeated(name, most, move |stream, window| {
            let (a, b) = sides(stream, &nodes)?;
            let (at, for_) = window.draw(stream, 10 * MS, 15 * SECOND);
            // One way: whether they cannot speak or cannot hear is drawn too.
            let (a, b) = if stream.chance(500_000) { (a, b) } else { (b, a) };
            Some(FaultEntry::new(at, Fault::Partition { a, b, direction, for_ }))
        })
    }

    /// Partitions of one region from all others: 1 to `most`, of 100 ms to 20 s, a third of them one way.
    pub fn region_partition(regions: Vec<RegionId>, most: u64) -> Self {
        Self::repeated("region_partition", most, move |stream, window| {
            let region = *stream.pick(&regions)?;
            let others = regions.iter().copied().filter(|other| *other != region).collect::<Vec<_>>();
            let direction = if stream.chance(333_333) { Direction::AToB } else { Direction::Both };
            let (at, for_) = window.draw(stream, 100 * MS, 20 * SECOND);
            let (a, b) = (Group::region(region), Group::Regions(others));
            Some(FaultEntry::new(at, Fault::Partition { a, b, direction, for_ }))
        })
    }

    /// Bad links: 1 to `most`, of 100 ms to 20 s, between sides drawn as in [`Self::partition`]. Each flaw is there with
    /// probability 1/2: 1 to 300 ms more latency, as much jitter, and up to 20 % loss, duplicates and reordering.
    pub fn degrade(nodes: Vec<NodeId>, most: u64) -> Self {
        Self::repeated("degrade", most, move |stream, window| {
            let (a, b) = sides(stream, &nodes)?;
            let (at, for_) = window.draw(stream, 100 * MS, 20 * SECOND);
            let mut maybe = |low: u64, high: u64| {
                let (there, value) = (stream.chance(500_000), stream.between(low, high));
                if there { value } else { 0 }
            };
            let degrade = Degrade {
                extra_ns: maybe(MS, 300 * MS),
                jitter_ns: maybe(MS, 300 * MS),
                loss_ppm: maybe(1_000, 200_000) as u32,
                duplicate_ppm: maybe(1_000, 200_000) as u32,
                reorder_ppm: maybe(1_000, 200_000) as u32,
                reorder_extra_ns: stream.between(MS, 300 * MS),
            };
            Some(FaultEntry::new(at, Fault::Degrade { a, b, direction: Direction::Both, degrade, for_ }))
        })
    }

    /// Wrong clocks on one of `nodes`: 1 to `most`, off by up to `offset_ms_max` either way, drifting by up to 500 ppm
    /// either way (the frequency error NTP still corrects, RFC 5905). They stay wrong until healed.
    pub fn clock(nodes: Vec<NodeId>, most: u64, offset_ms_max: u64) -> Self {
        Self::repeated("clock", most, move |stream, window| {
            let node = *stream.pick(&nodes)?;
            let at = stream.between(window.start, window.end);
            let most_ns = offset_ms_max.min(1 << 40) * MS;
            let offset = stream.between(0, 2 * most_ns) as i64 - most_ns as i64;
            let drift_ppm = stream.between(0, 1_000) as i32 - 500;
            Some(FaultEntry::new(at, Fault::Clock { node, offset, drift_ppm }))
        })
    }

    fn repeated(
        name: &'static str,
        most: u64,
        one: impl Fn(&mut Stream, SwarmWindow) -> Option<FaultEntry<M>> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, move |stream, window| {
            let count = window.count(stream, most);
            (0..count).filter_map(|_| one(stream, window)).collect()
        })
    }
}

/// Two sides to cut apart; `None` if there is nobody.
fn sides(stream: &mut Stream, nodes: &[NodeId]) -> Option<(Group, Group)> {
    let shape = stream.below(4);
    let mut order = nodes.to_vec();
    stream.shuffle(&mut order);
    let first = *order.first()?;
    Some(match (shape, order.get(1)) {
        (2, Some(_)) => {
            order.truncate(order.len().div_ceil(2));
            order.sort_unstable();
            (Group::Nodes(order.clone()), Group::AllBut(order))
        }
        (3, Some(second)) => (Group::node(first), Group::node(*second)),
        _ => (Group::node(first), Group::AllBut(vec![first])),
    })
}

/// A plan and the kinds it was drawn from, to be printed before it is used.
#[derive(Clone, Debug)]
pub struct SwarmPlan<M> {
    /// The names of the kinds taken: none is possible.
    pub kinds: Vec<&'static str>,
    /// In the order of time.
    pub plan: Vec<FaultEntry<M>>,
}

/// Draws a plan: each kind is in with probability 1/2. Each kind draws from a stream of its own, so another kind in the
/// list moves none of its events.
pub fn draw_plan<M>(seed: u64, kinds: &[SwarmKind<M>], window: SwarmWindow) -> SwarmPlan<M> {
    let mut drawn = SwarmPlan { kinds: Vec::new(), plan: Vec::new() };
    for kind in kinds {
        let mut stream = Stream::new(seed, &format!("swarm {}", kind.name), 0);
        if stream.chance(500_000) {
            drawn.kinds.push(kind.name);
            drawn.plan.extend((kind.draw)(&mut stream, window));
        }
    }
    drawn.plan.sort_by_key(|entry| entry.at);
    drawn
}
