//! What nodes a topology has, and what they are called: the one source of these names.

use super::{Scenario, Topology};
use crate::systems::ServiceSpec;

/// Where regions can stand: the places between which the world knows latencies.
pub const PLACES: [&str; 8] =
    ["us-east", "us-west", "sa-east", "eu-west", "eu-central", "ap-south", "ap-southeast", "ap-northeast"];

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeKind {
    Edge,
    Broker,
    Worker,
    Kv,
    Crowd,
    AppContext,
    Access,
    Auth,
    Audit,
    History,
    Scheduler,
    Host,
    Presence,
    Registry,
    People,
    Auditor,
    Users,
    Service,
    /// The customer's own.
    Server,
    /// Sends jobs.
    Source,
    /// Serves them.
    Station,
}

impl NodeKind {
    /// What stands in each region, in the order of addresses.
    const IN_REGION: [Self; 7] =
        [Self::Edge, Self::Broker, Self::Worker, Self::Kv, Self::Crowd, Self::People, Self::Users];
    /// What is there once, in the home region, in the order of addresses after all regions.
    const AT_HOME: [Self; 14] = [
        Self::AppContext,
        Self::Access,
        Self::Auth,
        Self::Audit,
        Self::History,
        Self::Scheduler,
        Self::Host,
        Self::Auditor,
        Self::Presence,
        Self::Registry,
        Self::Service,
        Self::Server,
        Self::Source,
        Self::Station,
    ];
    /// What every pattern that runs on the platform needs of it.
    pub const PLATFORM: [Self; 9] = [
        Self::Edge,
        Self::Broker,
        Self::Worker,
        Self::Kv,
        Self::AppContext,
        Self::Access,
        Self::Auth,
        Self::History,
        Self::Scheduler,
    ];

    /// Whether it is people and what they hold, which is cut off but does not die or lose its clock as one.
    pub fn is_users(self) -> bool {
        matches!(self, Self::Crowd | Self::People | Self::Users | Self::Source)
    }

    /// The word that names of such nodes begin with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Broker => "broker",
            Self::Worker => "worker",
            Self::Kv => "kv",
            Self::Crowd => "crowd",
            Self::AppContext => "appcontext",
            Self::Access => "access",
            Self::Auth => "auth",
            Self::Audit => "audit",
            Self::History => "history",
            Self::Scheduler => "scheduler",
            Self::Host => "host",
            Self::Presence => "presence",
            Self::Registry => "registry",
            Self::People => "people",
            Self::Auditor => "auditor",
            Self::Users => "users",
            Self::Service => "service",
            Self::Server => "server",
            Self::Source => "source",
            Self::Station => "station",
        }
    }
}

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// `edge-us-east-0`, `worker-us-east-0` (there can be several), `broker-us-east`, `kv-us-east`, `crowd-us-east`
    /// (one a region), `audit` (one in all, in the home region).
    pub name: String,
    pub kind: NodeKind,
    /// Index into `topology.regions`.
    pub region: usize,
    /// Which of its kind in its region, from 0.
    pub number: u32,
}

impl Topology {
    /// How many of a kind stand in each region; `None` where there is but one, which needs no number.
    fn many(&self, kind: NodeKind) -> Option<u32> {
        match kind {
            NodeKind::Edge => Some(self.edges_per_region),
            NodeKind::Worker => Some(self.workers_per_region),
            _ => None,
        }
    }
}

impl Scenario {
    /// Every node, region by region, then those that are there once. A node's place in this list is its address.
    pub fn nodes(&self) -> Vec<NodeSpec> {
        let topology = &self.topology;
        let kinds = self.kinds();
        let of = |all: &'static [NodeKind]| all.iter().copied().filter(|kind| kinds.contains(kind));
        let mut nodes = Vec::new();
        for (region, place) in topology.regions.iter().enumerate() {
            for kind in of(&NodeKind::IN_REGION) {
                let (many, word) = (topology.many(kind), kind.word());
                nodes.extend((0..many.unwrap_or(1)).map(|number| {
                    let name =
                        if many.is_some() { format!("{word}-{place}-{number}") } else { format!("{word}-{place}") };
                    NodeSpec { name, kind, region, number }
                }));
            }
        }
        let region = self.home_region();
        for kind in of(&NodeKind::AT_HOME) {
            let names = match kind {
                NodeKind::Service => {
                    self.services().iter().map(|service| format!("service-{}", service.name)).collect()
                }
                _ => vec![kind.word().to_string()],
            };
            let numbered = (0..).zip(names);
            nodes.extend(numbered.map(|(number, name)| NodeSpec { name, kind, region, number }));
        }
        nodes
    }

    /// The outside services of its system.
    fn services(&self) -> Vec<ServiceSpec> {
        self.system().map_or_else(Vec::new, |system| system.services(self))
    }

    /// The kinds of nodes that its patterns need.
    pub fn kinds(&self) -> Vec<NodeKind> {
        self.patterns().iter().flat_map(|pattern| pattern.kinds(self)).collect()
    }

    /// Their names, in the same order.
    pub fn node_names(&self) -> Vec<String> {
        self.nodes().into_iter().map(|n| n.name).collect()
    }

    /// The home region's index in `topology.regions`.
    pub fn home_region(&self) -> usize {
        let home = &self.topology.home_region;
        self.topology.regions.iter().position(|r| r == home).unwrap_or(0)
    }

    /// The addresses that `members` stand for, in order, each once: a node's name is that node, a region's all nodes in
    /// it (its crowd too), `all` every node. A name that is neither gives `Err` with that name.
    pub fn members(&self, members: &[String]) -> Result<Vec<usize>, String> {
        let nodes = self.nodes();
        let mut chosen = vec![false; nodes.len()];
        for member in members {
            let region = self.topology.regions.iter().position(|r| r == member);
            let mut found = false;
            for (node, chosen) in nodes.iter().zip(&mut chosen) {
                if member == "all" || node.name == *member || region == Some(node.region) {
                    (*chosen, found) = (true, true);
                }
            }
            if !found {
                return Err(member.clone());
            }
        }
        Ok((0..nodes.len()).filter(|i| chosen[*i]).collect())
    }
}
