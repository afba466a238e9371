//! A network fault is a value: a rule (from whom, to whom) and its verdict. The plan installs and removes rules; of those
//! that match a message the first one that does not let it pass decides.
//!
//! **A message is judged when the network gets it.** What is under way when a partition starts still arrives; what is
//! sent during the partition is lost, not kept.

use crate::contract::{Nanos, NodeId, RegionId};

/// Which nodes a fault is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// Every node.
    All,
    /// These.
    Nodes(Vec<NodeId>),
    /// Every node but these.
    AllBut(Vec<NodeId>),
    /// The nodes of these regions.
    Regions(Vec<RegionId>),
}

impl Group {
    /// A group of one.
    pub fn node(node: NodeId) -> Self {
        Self::Nodes(vec![node])
    }

    /// All nodes of one region.
    pub fn region(region: RegionId) -> Self {
        Self::Regions(vec![region])
    }

    /// Whether it holds this node, which is in that region.
    pub fn contains(&self, node: NodeId, region: RegionId) -> bool {
        match self {
            Self::All => true,
            Self::Nodes(nodes) => nodes.contains(&node),
            Self::AllBut(nodes) => !nodes.contains(&node),
            Self::Regions(regions) => regions.contains(&region),
        }
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (word, ids): (_, Vec<u32>) = match self {
            Self::All => return f.write_str("all"),
            Self::Nodes(nodes) => ("nodes", nodes.iter().map(|n| n.0).collect()),
            Self::AllBut(nodes) => ("all but", nodes.iter().map(|n| n.0).collect()),
            Self::Regions(regions) => ("regions", regions.iter().map(|r| u32::from(r.0)).collect()),
        };
        write!(f, "{word} {ids:?}")
    }
}

/// Which way a network fault works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From `a` to `b` and from `b` to `a`.
    Both,
    /// Only from `a` to `b`; answers still come back. A half-open link.
    AToB,
}

/// How a link gets worse. All of it comes on top of what the link is like anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Degrade {
    /// Added to each message's latency.
    pub extra_ns: Nanos,
    /// Up to this much more is added, evenly spread.
    pub jitter_ns: Nanos,
    /// Messages lost, per million.
    pub loss_ppm: u32,
    /// Messages that arrive twice, per million.
    pub duplicate_ppm: u32,
    /// Messages that leave the line, per million.
    pub reorder_ppm: u32,
    /// The most a message is late by that left the line because of this.
    pub reorder_extra_ns: Nanos,
}

/// What a rule says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the next rule is asked.
    Pass,
    /// It is lost.
    Drop,
    /// It goes, on a worse link.
    Degrade(Degrade),
}

/// One rule, resolved to the world's nodes.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub id: u64,
    from: Vec<bool>,
    to: Vec<bool>,
    both: bool,
    verdict: Verdict,
}

impl Rule {
    pub fn new(id: u64, a: &Group, b: &Group, direction: Direction, verdict: Verdict, regions: &[RegionId]) -> Self {
        let resolve = |group: &Group| {
            let held = regions.iter().enumerate().map(|(node, region)| group.contains(NodeId(node as u32), *region));
            held.collect::<Vec<_>>()
        };
        Self { id, from: resolve(a), to: resolve(b), both: direction == Direction::Both, verdict }
    }

    fn matches(&self, from: NodeId, to: NodeId) -> bool {
        let (from, to) = (from.index(), to.index());
        // A node is never cut off from itself.
        from != to && ((self.from[from] && self.to[to]) || (self.both && self.from[to] && self.to[from]))
    }
}

/// The rules in force, in the order they were installed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub list: Vec<Rule>,
}

impl Rules {
    #[inline]
    pub fn judge(&self, from: NodeId, to: NodeId) -> Verdict {
        if self.list.is_empty() {
            return Verdict::Pass;
        }
        let verdicts = self.list.iter().filter(|rule| rule.matches(from, to)).map(|rule| rule.verdict);
        verdicts.into_iter().find(|verdict| *verdict != Verdict::Pass).unwrap_or(Verdict::Pass)
    }
}
