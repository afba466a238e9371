//! Putting a world together, running it, and what is left of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::contract::{Nanos, NodeId, Payload, Process, RegionId};
use crate::fault::{Fault, FaultEntry, FaultWindow};
use crate::link::LinkModel;
use crate::network::{NetworkCounters, Topology};
use crate::partition::Group;
use crate::station::{StationReport, StationSpec};
use crate::stream::{CounterHash, Stream};
use crate::trace::{TraceRecord, TraceTo};

/// What the world must know of a node besides its process.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// For reports, traces and panics.
    pub name: String,
    /// Where it stands: decides its links.
    pub region: RegionId,
    /// What it is, in a word, for whoever picks nodes by it.
    pub kind: &'static str,
    /// Its service, if it takes time; without one each message is handled the instant it arrives.
    pub station: Option<StationSpec>,
}

/// Why a world cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorldError {
    /// There is no node.
    Empty,
    /// This node stands in a region that was never named.
    UnknownRegion { region: RegionId, of: String },
    /// The plan or a link speaks of a node that there is not.
    UnknownNode { node: NodeId, of: String },
    /// Nodes stand in these two regions, and no link joins them in this direction.
    NoLink { from: String, to: String },
    /// A station without servers, or with a rate of 0.
    BadStation { node: String },
    /// A clock that stands still or runs backwards: the drift must be above -1,000,000 ppm.
    BadDrift { node: NodeId, drift_ppm: i32 },
}

impl std::fmt::Display for WorldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "a world needs at least one node"),
            Self::UnknownRegion { region, of } => write!(f, "{of}: there is no region {}", region.0),
            Self::UnknownNode { node, of } => write!(f, "{of}: there is no node {}", node.0),
            Self::NoLink { from, to } => write!(f, "no link from region {from} to region {to}"),
            Self::BadStation { node } => {
                write!(f, "the station of {node} needs at least one server and a rate above 0")
            }
            Self::BadDrift { node, drift_ppm } => {
                write!(f, "the clock of node {} cannot drift by {drift_ppm} ppm", node.0)
            }
        }
    }
}

impl std::error::Error for WorldError {}

/// A world being put together.
pub struct WorldBuilder<M> {
    pub(crate) seed: u64,
    pub(crate) regions: Vec<String>,
    pub(crate) nodes: Vec<(NodeSpec, Box<dyn Process<M>>)>,
    region_links: BTreeMap<(RegionId, RegionId), Arc<LinkModel>>,
    node_links: BTreeMap<(NodeId, NodeId), Arc<LinkModel>>,
    pub(crate) plan: Vec<FaultEntry<M>>,
    pub(crate) trace: TraceTo,
    pub(crate) progress: Arc<AtomicU64>,
}

/// A world that has ended.
pub struct Finished<M> {
    /// Over all that the nodes handled and all faults: equal if and only if (but for 1 in 2^64) the runs were equal.
    pub digest: u64,
    /// Messages handled by nodes, refused ones included.
    pub messages: u64,
    /// How long it lasted, in virtual time.
    pub virtual_ns: Nanos,
    /// Whether a node ended it.
    pub halted: bool,
    /// The processes as the end found them, by node.
    pub nodes: Vec<Box<dyn Process<M>>>,
    /// One for each node with a station, in the order of nodes.
    pub stations: Vec<StationReport>,
    /// What became of messages on the way.
    pub network: NetworkCounters,
    /// Faults as they really happened, in the order of their starts. Healing is not one.
    pub faults: Vec<FaultWindow>,
    /// All that happened, if the trace was wanted in memory.
    pub trace: Option<Vec<TraceRecord>>,
}

impl<M: Payload> WorldBuilder<M> {
    /// An empty world; all its randomness comes from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            regions: Vec::new(),
            nodes: Vec::new(),
            region_links: BTreeMap::new(),
            node_links: BTreeMap::new(),
            plan: Vec::new(),
            trace: TraceTo::Off,
            progress: Arc::default(),
        }
    }

    /// Names a region. Its nodes are joined by [`LinkModel::same_zone`] unless [`Self::links`] says otherwise.
    pub fn region(&mut self, name: &str) -> RegionId {
        let region = RegionId(u16::try_from(self.regions.len()).expect("fewer than 65,536 regions"));
        self.regions.push(name.to_owned());
        self.region_links.insert((region, region), Arc::new(LinkModel::same_zone()));
        region
    }

    /// Adds a node. Ids are given out in order, from 0.
    pub fn node(&mut self, spec: NodeSpec, process: Box<dyn Process<M>>) -> NodeId {
        let node = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes"));
        self.nodes.push((spec, process));
        node
    }

    /// The nodes of a kind, in the order of their ids: candidates for faults.
    pub fn nodes_of_kind(&self, kind: &str) -> Vec<NodeId> {
        self.nodes_that(|spec| spec.kind == kind)
    }

    /// The nodes of a region, likewise.
    pub fn nodes_in(&self, region: RegionId) -> Vec<NodeId> {
        self.nodes_that(|spec| spec.region == region)
    }

    fn nodes_that(&self, holds: impl Fn(&NodeSpec) -> bool) -> Vec<NodeId> {
        let nodes = self.nodes.iter().enumerate().filter(|(_, (spec, _))| holds(spec));
        nodes.map(|(index, _)| NodeId(index as u32)).collect()
    }

    /// How the nodes of two regions (or of one) are joined, in both directions.
    pub fn links(&mut self, a: RegionId, b: RegionId, model: LinkModel) -> &mut Self {
        let model = Arc::new(model);
        self.region_links.insert((a, b), Arc::clone(&model));
        self.region_links.insert((b, a), model);
        self
    }

    /// How messages travel from one region to another; the way back is not touched.
    pub fn one_way_links(&mut self, from: RegionId, to: RegionId, model: LinkModel) -> &mut Self {
        self.region_links.insert((from, to), Arc::new(model));
        self
    }

    /// How messages travel from one node to another, whatever their regions; the way back is not touched.
    ///
    /// The fastest link there is says how finely time is cut (see the crate's documentation), whether it is used or not: one
    /// link of 10 us makes a world of 1 ms links many times slower, though not different.
    pub fn node_link(&mut self, from: NodeId, to: NodeId, model: LinkModel) -> &mut Self {
        self.node_links.insert((from, to), Arc::new(model));
        self
    }

    /// What goes wrong. Adds to what was planned before; order matters only within one instant.
    pub fn plan(&mut self, plan: Vec<FaultEntry<M>>) -> &mut Self {
        self.plan.extend(plan);
        self
    }

    /// Whether, or where to, a trace is written.
    pub fn trace(&mut self, to: impl Into<TraceTo>) -> &mut Self {
        self.trace = to.into();
        self
    }

    /// Where to publish how far virtual time has come, in ns, for a progress bar on another thread.
    pub fn progress(&mut self, progress: Arc<AtomicU64>) -> &mut Self {
        self.progress = progress;
        self
    }

    /// Whether this world can be run.
    pub fn check(&self) -> Result<(), WorldError> {
        if self.nodes.is_empty() {
            return Err(WorldError::Empty);
        }
        let mut inhabited = vec![false; self.regions.len()];
        for (spec, _) in &self.nodes {
            match inhabited.get_mut(usize::from(spec.region.0)) {
                Some(inhabited) => *inhabited = true,
                None => return Err(WorldError::UnknownRegion { region: spec.region, of: spec.name.clone() }),
            }
            if let Some(station) = &spec.station
                && (station.servers == 0 || station.rate_per_s.is_some_and(|rate| !(rate > 0.0 && rate < 1e12)))
            {
                return Err(WorldError::BadStation { node: spec.name.clone() });
            }
        }
        let inhabited = |region: usize| inhabited[region].then_some(RegionId(region as u16));
        for from in (0..self.regions.len()).filter_map(inhabited) {
            for to in (0..self.regions.len()).filter_map(inhabited) {
                if !self.region_links.contains_key(&(from, to)) {
                    let name = |region: RegionId| self.regions[usize::from(region.0)].clone();
                    return Err(WorldError::NoLink { from: name(from), to: name(to) });
                }
            }
        }
        for (from, to) in self.node_links.keys() {
            self.check_node(*from, || "a link".to_owned())?;
            self.check_node(*to, || "a link".to_owned())?;
        }
        self.plan.iter().try_for_each(|entry| self.check_fault(&entry.fault))
    }

    fn check_node(&self, node: NodeId, of: impl Fn() -> String) -> Result<(), WorldError> {
        match self.nodes.get(node.index()) {
            Some(_) => Ok(()),
            None => Err(WorldError::UnknownNode { node, of: of() }),
        }
    }

    fn check_region(&self, region: RegionId, of: impl Fn() -> String) -> Result<(), WorldError> {
        match self.regions.get(usize::from(region.0)) {
            Some(_) => Ok(()),
            None => Err(WorldError::UnknownRegion { region, of: of() }),
        }
    }

    fn check_fault(&self, fault: &Fault<M>) -> Result<(), WorldError> {
        let of = || fault.describe();
        match fault {
            Fault::Crash { node, .. } | Fault::Pause { node, .. } | Fault::Tell { node, .. } => {
                self.check_node(*node, of)
            }
            Fault::CrashRegion { region, .. } => self.check_region(*region, of),
            Fault::Clock { node, drift_ppm, .. } => {
                self.check_node(*node, of)?;
                match *drift_ppm > -1_000_000 {
                    true => Ok(()),
                    false => Err(WorldError::BadDrift { node: *node, drift_ppm: *drift_ppm }),
                }
            }
            Fault::Partition { a, b, .. } | Fault::Degrade { a, b, .. } => {
                [a, b].into_iter().try_for_each(|group| match group {
                    Group::All => Ok(()),
                    Group::Nodes(nodes) | Group::AllBut(nodes) => {
                        nodes.iter().try_for_each(|n| self.check_node(*n, of))
                    }
                    Group::Regions(regions) => regions.iter().try_for_each(|r| self.check_region(*r, of)),
                })
            }
            Fault::HealAll => Ok(()),
        }
    }

    /// Runs the world from 0 to `until`, on a thread of its own.
    ///
    /// # Panics
    /// If [`Self::check`] finds something wrong, and if a node panics: then with the node's name and the seed.
    pub fn run(self, until: Nanos) -> Finished<M> {
        if let Err(error) = self.check() {
            panic!("this world cannot be run: {error}");
        }
        crate::driver::run(self, until)
    }

    pub(crate) fn topology(&self) -> Topology {
        let count = self.regions.len();
        let unused = Arc::new(LinkModel::constant(crate::contract::SECOND));
        let pairs = (0..count as u16).flat_map(|from| (0..count as u16).map(move |to| (RegionId(from), RegionId(to))));
        // Between regions nobody stands in there may be no link: nothing will ask for it.
        let region_links = pairs.map(|pair| Arc::clone(self.region_links.get(&pair).unwrap_or(&unused))).collect();
        Topology {
            regions: self.nodes.iter().map(|(spec, _)| spec.region).collect(),
            region_count: count,
            region_links,
            node_links: self.node_links.clone(),
            draws: CounterHash::new(&mut Stream::new(self.seed, "links", 0)),
        }
    }
}
