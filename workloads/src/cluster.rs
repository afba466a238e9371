//! Puts the nodes of a run together: the platform, the pattern, the crowd, each at its address in its region.

use std::collections::BTreeMap;
use std::sync::Arc;

use headcount_engine::access::{AccessManager, AccessOptions, Grant, Role, Verifier};
use headcount_engine::appcontext::AppContext;
use headcount_engine::auth::{AuthOptions, AuthServer, GrantRules};
use headcount_engine::broker::{Binding, Broker, BrokerConfig, REPLICATION_FRAME};
use headcount_engine::contract::{Nanos, Node, NodeId, SECOND};
use headcount_engine::edge::{Edge, EdgeConfig};
use headcount_engine::functions::{Function, Worker, WorkerConfig};
use headcount_engine::history::{History, Retention};
use headcount_engine::kvstore::{KvOptions, KvReplica};
use headcount_engine::limits::Limits;
use headcount_engine::message::{Trigger, UserId};
use headcount_engine::patterns::voting;
use headcount_engine::patterns::voting::audit;
use headcount_engine::scheduler::{Job, Scheduler, SchedulerConfig};
use headcount_sim as sim;
use headcount_sim::{LinkModel, Place, StationSpec, Stream, WorldBuilder};

use crate::calibration::{self, Calibrated};
use crate::client::LastMiles;
use crate::crowd::plan::{self, Plan};
use crate::friends;
use crate::friends::plan::Intentions;
use crate::scenario::{NodeKind, Scenario, Station};
use crate::systems;
use crate::wire::{Hosted, Wire};

/// A handler's call that is not answered for this long has failed: "all async operations have timeouts" (voting.md 7.3).
/// Two of them fit into the 10 s a handler may run (platform.md 3.3).
const OP_TIMEOUT: u64 = 5 * SECOND;
/// Invocations that wait for an instance of one worker; more are refused with 429.
const WORKER_QUEUE: u32 = 100_000;
/// One instance in four is warm from the start (voting.md 10.1: pre-warm Functions); the rest start cold.
const PREWARMED_ONE_IN: u32 = 4;

/// Distributions that all runs of a scenario share: they are tables, made once.
#[derive(Debug)]
pub struct Models {
    stations: Vec<(&'static str, StationSpec)>,
    /// By two regions, the lower one first.
    links: BTreeMap<(usize, usize), LinkModel>,
    last_miles: LastMiles,
    /// Of the clients' polls.
    round_trips: Arc<[Nanos]>,
    /// Where the distributions are from.
    pub calibration: Vec<Calibrated>,
}

impl Models {
    /// The tables of a scenario.
    pub fn new(scenario: &Scenario) -> Self {
        let stations = scenario.stations.by_kind();
        let last_miles = LastMiles::of(&scenario.links);
        let wifi_ppm = scenario.patterns().iter().find_map(|pattern| pattern.wifi_ppm(scenario)).unwrap_or(0);
        let own = scenario.patterns().iter().flat_map(|pattern| pattern.stations(scenario));
        Self {
            stations: stations.iter().map(|(kind, station)| (*kind, station_spec(station))).chain(own).collect(),
            links: links(scenario),
            round_trips: last_miles.round_trips(wifi_ppm),
            last_miles,
            calibration: calibration::of(scenario),
        }
    }

    fn station(&self, kind: NodeKind) -> Option<StationSpec> {
        self.stations.iter().find(|(word, _)| *word == kind.word()).map(|(_, spec)| spec.clone())
    }
}

/// Between every two regions, and within each.
fn links(scenario: &Scenario) -> BTreeMap<(usize, usize), LinkModel> {
    let of_pattern = scenario.patterns().iter().find_map(|pattern| pattern.link());
    let place = |name: &String| Place::named(name).expect("the scenario's regions are places of the world");
    let places: Vec<Place> = scenario.topology.regions.iter().map(place).collect();
    let by_place = |a: usize, b: usize| LinkModel::new(scenario.links.between(places[a], places[b]).sampler());
    let pairs = (0..places.len()).flat_map(|a| (a..places.len()).map(move |b| (a, b)));
    pairs.map(|(a, b)| ((a, b), of_pattern.clone().unwrap_or_else(|| by_place(a, b)))).collect()
}

fn station_spec(station: &Station) -> StationSpec {
    let rate_per_s = (station.rate_per_s > 0.0).then_some(station.rate_per_s);
    StationSpec {
        queue: Some(station.queue),
        rate_per_s,
        ..StationSpec::new(station.servers, station.service.sampler())
    }
}

/// The addresses of a scenario's nodes.
pub(crate) struct Addresses {
    nodes: Vec<crate::scenario::NodeSpec>,
}

impl Addresses {
    pub fn of(&self, kind: NodeKind, region: Option<usize>) -> Vec<NodeId> {
        let here = |node: &crate::scenario::NodeSpec| node.kind == kind && region.is_none_or(|r| r == node.region);
        let found = self.nodes.iter().enumerate().filter(|(_, node)| here(node));
        found.map(|(index, _)| NodeId(index as u32)).collect()
    }

    pub fn one(&self, kind: NodeKind, region: Option<usize>) -> NodeId {
        self.of(kind, region)[0]
    }

    /// The node that is there once, if it is there.
    fn any(&self, kind: NodeKind) -> Option<NodeId> {
        self.of(kind, None).first().copied()
    }
}

fn functions(scenario: &Scenario) -> Arc<[Function]> {
    scenario.patterns().iter().flat_map(|pattern| pattern.functions(scenario)).collect()
}

/// What users of a run intend, by pattern.
#[derive(Default)]
pub struct Drawn {
    /// By region; empty where nobody votes.
    pub votes: Vec<Plan>,
    pub friends: Option<Arc<Intentions>>,
    pub system: Option<Arc<systems::plan::Plan>>,
}

/// Draws what everybody intends.
pub fn draw(scenario: &Scenario, seed: u64) -> Drawn {
    let mut drawn = Drawn::default();
    scenario.patterns().iter().for_each(|pattern| pattern.draw(scenario, seed, &mut drawn));
    drawn
}

/// Whoever may have tokens: the rules of each pattern, one after the other.
struct AnyGrants(Vec<Box<dyn GrantRules + Send>>);

impl GrantRules for AnyGrants {
    fn grant(&self, user: &UserId, role: Role, session: &Arc<str>) -> Option<Grant> {
        self.0.iter().find_map(|rules| rules.grant(user, role, session))
    }
}

/// A world with all nodes and links of the scenario, without faults.
pub fn build(scenario: &Scenario, models: &Models, drawn: Drawn, seed: u64, tracing: bool) -> WorldBuilder<Wire> {
    let mut world = WorldBuilder::new(seed);
    let regions: Vec<sim::RegionId> = scenario.topology.regions.iter().map(|name| world.region(name)).collect();
    for (&(a, b), link) in &models.links {
        world.links(regions[a], regions[b], link.clone());
    }
    let builder = NodeBuilder {
        scenario,
        limits: Limits::named(&scenario.limits).expect("the scenario's limits profile is known"),
        functions: functions(scenario),
        addresses: Addresses { nodes: scenario.nodes() },
        seeds: Stream::new(seed, "cluster.seeds", 0),
        secret: Stream::new(seed, "cluster.secret", 0).next_u64(),
        votes: drawn.votes.into_iter().map(Some).collect(),
        friends: drawn.friends,
        system: drawn.system,
        last_miles: models.last_miles.clone(),
        round_trips: models.round_trips.clone(),
        seed,
    };
    builder.add_all(&mut world, &regions, models, tracing);
    world
}

/// Makes each node; seeds are drawn in the order of addresses.
pub(crate) struct NodeBuilder<'a> {
    pub scenario: &'a Scenario,
    limits: &'static Limits,
    functions: Arc<[Function]>,
    pub addresses: Addresses,
    seeds: Stream,
    /// With which tokens are signed.
    pub secret: u64,
    /// What each region's voters intend, until their node takes it.
    pub votes: Vec<Option<Plan>>,
    friends: Option<Arc<Intentions>>,
    /// What users of a system intend.
    pub system: Option<Arc<systems::plan::Plan>>,
    pub last_miles: LastMiles,
    round_trips: Arc<[Nanos]>,
    /// The run's.
    pub seed: u64,
}

impl NodeBuilder<'_> {
    fn add_all(mut self, world: &mut WorldBuilder<Wire>, regions: &[sim::RegionId], models: &Models, tracing: bool) {
        for index in 0..self.addresses.nodes.len() {
            let spec = self.addresses.nodes[index].clone();
            let node_seed = self.seeds.next_u64();
            let own = self.scenario.patterns().iter().find_map(|pattern| pattern.node(&mut self, &spec, node_seed));
            let node = own.unwrap_or_else(|| self.platform(spec.kind, NodeId(index as u32), spec.region, node_seed));
            let station = models.station(spec.kind);
            let region = regions[spec.region];
            let spec = sim::NodeSpec { name: spec.name, region, kind: spec.kind.word(), station };
            world.node(spec, Box::new(Hosted::new(node, tracing)));
        }
    }

    fn platform(&self, kind: NodeKind, id: NodeId, region: usize, seed: u64) -> Box<dyn Node> {
        let (at, here) = (&self.addresses, Some(region));
        match kind {
            NodeKind::Edge => Box::new(self.edge(id, region)),
            NodeKind::Broker => Box::new(self.broker(id, region)),
            NodeKind::Worker => {
                let concurrency = self.scenario.topology.worker_concurrency;
                Box::new(Worker::new(WorkerConfig {
                    functions: self.functions.clone(),
                    kv: at.one(NodeKind::Kv, here),
                    broker: at.one(NodeKind::Broker, here),
                    app_context: at.one(NodeKind::AppContext, None),
                    registry: at.any(NodeKind::Registry),
                    presence: at.any(NodeKind::Presence),
                    http: at
                        .any(NodeKind::Audit)
                        .map(|audit| (audit::api::BASE, audit))
                        .into_iter()
                        .chain(self.services())
                        .collect(),
                    limits: self.limits,
                    secrets: self.scenario.system().map(|system| system.secrets()).unwrap_or_default(),
                    concurrency,
                    prewarmed: concurrency / PREWARMED_ONE_IN,
                    queue: WORKER_QUEUE,
                    op_timeout: OP_TIMEOUT,
                    seed,
                }))
            }
            NodeKind::Kv => {
                let peers: Vec<NodeId> = at.of(NodeKind::Kv, None).into_iter().filter(|peer| *peer != id).collect();
                Box::new(KvReplica::new(id, &peers, KvOptions::of(self.limits, seed)))
            }
            NodeKind::AppContext => {
                let with_friends = |world| friends::build::objects(self.scenario, world, seed);
                Box::new(self.friends.as_ref().map_or_else(|| AppContext::new(seed), with_friends))
            }
            NodeKind::Access => {
                Box::new(AccessManager::new(&at.of(NodeKind::Edge, None), AccessOptions::of(self.secret, seed)))
            }
            NodeKind::Auth => Box::new(AuthServer::new(
                at.one(NodeKind::Access, None),
                Box::new(self.grants()),
                self.auth_options(AuthOptions { ttl_minutes: None, ..AuthOptions::of(seed) }),
            )),
            NodeKind::History => Box::new(History::new(Retention::voting(), seed)),
            NodeKind::Scheduler => Box::new(Scheduler::new(SchedulerConfig {
                jobs: self.jobs(),
                workers: at.of(NodeKind::Worker, Some(self.scenario.home_region())),
                handler_time: self.limits.handler_time(),
            })),
            kind => unreachable!("{} is no node of the platform: its pattern makes it", kind.word()),
        }
    }

    fn auth_options(&self, options: AuthOptions) -> AuthOptions {
        self.scenario.system().map_or(options, |system| system.auth(self.scenario, options))
    }

    /// Outside services by the base of their addresses.
    pub fn services(&self) -> Vec<(&'static str, NodeId)> {
        let services = self.scenario.system().map_or_else(Vec::new, |system| system.services(self.scenario));
        services.iter().map(|service| service.base).zip(self.addresses.of(NodeKind::Service, None)).collect()
    }

    /// What people with friends intend.
    pub fn intentions(&self) -> &Arc<Intentions> {
        self.friends.as_ref().expect("people with friends have intentions")
    }

    fn broker(&self, id: NodeId, region: usize) -> Broker {
        let (at, here) = (&self.addresses, Some(region));
        let mut broker = Broker::new(BrokerConfig {
            region: region as u8,
            edges: at.of(NodeKind::Edge, here),
            workers: at.of(NodeKind::Worker, here),
            peers: at.of(NodeKind::Broker, None).into_iter().filter(|peer| *peer != id).collect(),
            history: at.one(NodeKind::History, None),
            bindings: self.bindings(),
            limits: self.limits,
            replication_frame: REPLICATION_FRAME,
        });
        if let Some(world) = &self.friends {
            let edges = at.of(NodeKind::Edge, here);
            friends::build::connect_broker(&mut broker, self.scenario, world, region as u32, &edges);
        }
        broker
    }

    fn edge(&self, id: NodeId, region: usize) -> Edge {
        let at = &self.addresses;
        let people = at.of(NodeKind::People, Some(region)).first().map(|people| (region as u32, *people));
        let groups = |registry| friends::build::groups(registry, self.intentions(), people);
        let mut edge = Edge::new(EdgeConfig {
            broker: at.one(NodeKind::Broker, Some(region)),
            access: at.one(NodeKind::Access, None),
            app_context: at.one(NodeKind::AppContext, None),
            history: at.one(NodeKind::History, None),
            registry: at.any(NodeKind::Registry).map(groups),
            presence: at.any(NodeKind::Presence).map(|presence| (presence, friends::build::PRESENCE_CHANNELS)),
            populations: self.clients_of(id, region),
            round_trips: self.round_trips.clone(),
            verifier: Verifier::new(self.secret),
            limits: self.limits,
        });
        if let (Some(world), Some(people)) = (&self.friends, people) {
            let edges = at.of(NodeKind::Edge, Some(region));
            let number = edges.iter().position(|edge| *edge == id).expect("it is one of them");
            friends::build::connect_edge(&mut edge, self.scenario, world, people, (number, edges.len()));
        }
        edge
    }

    fn jobs(&self) -> Vec<Job> {
        self.scenario.patterns().iter().flat_map(|pattern| pattern.jobs(self.scenario)).collect()
    }

    /// Whether people go from one region to another.
    fn people_move(&self) -> bool {
        self.friends.is_some() && self.scenario.friends.deeds.moves > 0
    }

    /// The edges that people of a region may connect to: its own, and if they move those of the next region, and so on around.
    pub fn edges_for(&self, region: usize) -> Vec<NodeId> {
        let regions = self.scenario.topology.regions.len();
        let reached = if self.people_move() { regions } else { 1 };
        (0..reached).flat_map(|on| self.addresses.of(NodeKind::Edge, Some((region + on) % regions))).collect()
    }

    /// The region's users, and the host where it is at home. People who move may come from any region.
    fn clients_of(&self, edge: NodeId, region: usize) -> Vec<NodeId> {
        let mut clients = self.addresses.of(NodeKind::Crowd, Some(region));
        let people_from = (!self.people_move()).then_some(region);
        clients.extend(self.addresses.of(NodeKind::People, people_from));
        clients.extend(self.addresses.of(NodeKind::Users, Some(region)));
        let host_edges = self.addresses.of(NodeKind::Edge, Some(self.scenario.home_region()));
        let servers = [NodeKind::Host, NodeKind::Server].map(|kind| self.addresses.any(kind));
        clients.extend(servers.into_iter().flatten().filter(|_| host_edges.contains(&edge)));
        clients
    }

    /// Brokers call Functions where they are bound; jobs are the scheduler's, and endpoints are called directly.
    fn bindings(&self) -> Vec<Binding> {
        let by_channel = |trigger| !matches!(trigger, Trigger::OnInterval | Trigger::OnRequest);
        let bound = self.functions.iter().filter(|function| by_channel(function.trigger));
        bound.map(|function| Binding { pattern: function.pattern, trigger: function.trigger }).collect()
    }

    fn grants(&self) -> AnyGrants {
        AnyGrants(self.scenario.patterns().iter().filter_map(|pattern| pattern.grants(self.scenario)).collect())
    }
}

/// The user's id and the shard it votes on, for whoever checks.
pub fn shard_of(user: u32, shard_count: u32) -> u32 {
    voting::shard::shard_of(&plan::user_id(user), shard_count)
}
