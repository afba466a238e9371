//! What nodes a topology has, and what they are called: the one source of these names.

use super::Scenario;

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
}

impl NodeKind {
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

impl Scenario {
    /// Every node, region by region, then those that are there once. A node's place in this list is its address.
    pub fn nodes(&self) -> Vec<NodeSpec> {
        let topology = &self.topology;
        let mut nodes = Vec::new();
        for (region, place) in topology.regions.iter().enumerate() {
            let mut add = |kind: NodeKind, number: u32, name: String| {
                nodes.push(NodeSpec { name, kind, region, number });
            };
            for n in 0..topology.edges_per_region {
                add(NodeKind::Edge, n, format!("edge-{place}-{n}"));
            }
            add(NodeKind::Broker, 0, format!("broker-{place}"));
            for n in 0..topology.workers_per_region {
                add(NodeKind::Worker, n, format!("worker-{place}-{n}"));
            }
            add(NodeKind::Kv, 0, format!("kv-{place}"));
            if self.has_votes() {
                add(NodeKind::Crowd, 0, format!("crowd-{place}"));
            }
            if self.has_friends() {
                add(NodeKind::People, 0, format!("people-{place}"));
            }
            if self.system().is_some() {
                add(NodeKind::Users, 0, format!("users-{place}"));
            }
        }
        let home = self.home_region();
        let single = [
            (NodeKind::AppContext, true),
            (NodeKind::Access, true),
            (NodeKind::Auth, true),
            (NodeKind::Audit, self.has_votes()),
            (NodeKind::History, true),
            (NodeKind::Scheduler, true),
            (NodeKind::Host, self.has_votes()),
            (NodeKind::Auditor, self.auditor.is_some()),
            (NodeKind::Presence, self.has_presence()),
            (NodeKind::Registry, self.has_friends()),
        ];
        let there = single.into_iter().filter(|(_, there)| *there).map(|(kind, _)| kind);
        nodes.extend(there.map(|kind| NodeSpec { name: kind.word().to_string(), kind, region: home, number: 0 }));
        let services = self.system().map_or_else(Vec::new, |system| system.services(self));
        nodes.extend(services.into_iter().enumerate().map(|(number, service)| NodeSpec {
            name: format!("service-{}", service.name),
            kind: NodeKind::Service,
            region: home,
            number: number as u32,
        }));
        nodes
    }

    /// Whether there is presence.
    pub fn has_presence(&self) -> bool {
        self.has_friends() || self.system().is_some_and(|system| system.presence_timeout_s() > 0)
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
