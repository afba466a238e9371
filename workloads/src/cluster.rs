//! Puts the nodes of a run together: the platform, the pattern, the crowd, each at its address in its region.

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
use headcount_engine::outside::Outside;
use headcount_engine::patterns::voting::audit::{self, AuditDb};
use headcount_engine::patterns::voting::grants::VotingGrants;
use headcount_engine::patterns::voting::host::{Host, HostConfig};
use headcount_engine::patterns::voting::session::{SessionConfig, SessionSpec};
use headcount_engine::patterns::voting::{self, documented, hardened};
use headcount_engine::presence::{Presence, PresenceOptions};
use headcount_engine::scheduler::{Job, Scheduler, SchedulerConfig};
use headcount_sim as sim;
use headcount_sim::{CounterHash, LinkModel, Place, Sampler, StationSpec, Stream, WorldBuilder};

use crate::auditor::{AUDITOR_ID, Auditor, AuditorConfig};
use crate::client::round_trips;
use crate::crowd::plan::{self, Plan};
use crate::crowd::{Crowd, CrowdConfig};
use crate::friends;
use crate::friends::plan::Intentions;
use crate::scenario::{NodeKind, Scenario, Service, Station, Variant};
use crate::systems;
use crate::systems::users::{Users, UsersConfig};
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
    /// Of the clients' polls.
    round_trips: Arc<[Nanos]>,
}

impl Models {
    /// The tables of a scenario.
    pub fn new(scenario: &Scenario) -> Self {
        let stations = scenario.stations.by_kind();
        let wifi_ppm = match scenario.system() {
            Some(_) => scenario.system.wifi_ppm,
            None if scenario.has_votes() => scenario.crowd.wifi_ppm,
            None => scenario.friends.wifi_ppm,
        };
        Self {
            stations: stations.iter().map(|(kind, station)| (*kind, station_spec(station))).collect(),
            round_trips: round_trips(wifi_ppm),
        }
    }

    fn station(&self, kind: NodeKind) -> Option<StationSpec> {
        self.stations.iter().find(|(word, _)| *word == kind.word()).map(|(_, spec)| spec.clone())
    }
}

fn station_spec(station: &Station) -> StationSpec {
    let checked = "the scenario's service times are checked";
    let service = match station.service {
        Service::Lognormal { mean, p99 } => Sampler::lognormal_p99(mean, p99).expect(checked),
        Service::Constant { time } => Sampler::constant(time),
        Service::Exponential { mean } => Sampler::exponential(mean).expect(checked),
    };
    let rate_per_s = (station.rate_per_s > 0.0).then_some(station.rate_per_s);
    StationSpec { queue: Some(station.queue), rate_per_s, ..StationSpec::new(station.servers, service) }
}

/// The addresses of a scenario's nodes.
struct Addresses {
    nodes: Vec<crate::scenario::NodeSpec>,
}

impl Addresses {
    fn of(&self, kind: NodeKind, region: Option<usize>) -> Vec<NodeId> {
        let here = |node: &crate::scenario::NodeSpec| node.kind == kind && region.is_none_or(|r| r == node.region);
        let found = self.nodes.iter().enumerate().filter(|(_, node)| here(node));
        found.map(|(index, _)| NodeId(index as u32)).collect()
    }

    fn one(&self, kind: NodeKind, region: Option<usize>) -> NodeId {
        self.of(kind, region)[0]
    }

    /// The node that is there once, if it is there.
    fn any(&self, kind: NodeKind) -> Option<NodeId> {
        self.of(kind, None).first().copied()
    }
}

/// The host of every built-in session.
pub const HOST_ID: &str = "host_user_123";

/// The session as the host creates it.
pub fn session_spec(scenario: &Scenario) -> SessionSpec {
    let vote = &scenario.vote;
    SessionSpec {
        session_id: vote.session_id.clone(),
        question: vote.question.clone(),
        options: SessionSpec::options_of(&vote.options),
        config: SessionConfig {
            allow_change_vote: vote.allow_change_vote,
            show_live_tally: vote.show_live_tally,
            anonymous_results: vote.anonymous_results,
            max_votes_per_user: vote.max_votes_per_user,
        },
        host_id: HOST_ID.into(),
    }
}

fn functions(scenario: &Scenario) -> Arc<[Function]> {
    let mut functions = Vec::new();
    if scenario.has_votes() {
        functions.extend(match scenario.variant {
            Variant::Documented => documented::functions(&scenario.vote.session_id),
            Variant::Hardened => hardened::functions(),
        });
    }
    if scenario.has_friends() {
        functions.extend(friends::build::functions(scenario));
    }
    functions.extend(scenario.system().into_iter().flat_map(|system| system.functions(scenario)));
    functions.into()
}

/// What users of a run intend, by pattern.
pub struct Drawn {
    /// By region; empty where nobody votes.
    pub votes: Vec<Plan>,
    pub friends: Option<Arc<Intentions>>,
    pub system: Option<Arc<systems::plan::Plan>>,
}

/// Draws what everybody intends.
pub fn draw(scenario: &Scenario, seed: u64) -> Drawn {
    Drawn {
        votes: if scenario.has_votes() { plan::draw(scenario, seed) } else { Vec::new() },
        friends: scenario.has_friends().then(|| Arc::new(friends::plan::draw(scenario, seed))),
        system: scenario.system().map(|system| Arc::new(systems::plan::Plan::draw(system, scenario, seed))),
    }
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
    let places: Vec<Place> = scenario
        .topology
        .regions
        .iter()
        .map(|name| Place::named(name).expect("the scenario's regions are places of the world"))
        .collect();
    for (a, &from) in places.iter().enumerate() {
        for (b, &to) in places.iter().enumerate().skip(a) {
            let link = if a == b { LinkModel::same_region() } else { LinkModel::cross_region(from, to) };
            world.links(regions[a], regions[b], link);
        }
    }
    let builder = NodeBuilder {
        scenario,
        limits: Limits::named(&scenario.limits).expect("the scenario's limits profile is known"),
        functions: functions(scenario),
        addresses: Addresses { nodes: scenario.nodes() },
        seeds: Stream::new(seed, "cluster.seeds", 0),
        secret: Stream::new(seed, "cluster.secret", 0).next_u64(),
        friends: drawn.friends,
        system: drawn.system,
        round_trips: models.round_trips.clone(),
        seed,
    };
    builder.add_all(&mut world, &regions, models, drawn.votes, tracing);
    world
}

/// Makes each node; seeds are drawn in the order of addresses.
struct NodeBuilder<'a> {
    scenario: &'a Scenario,
    limits: &'static Limits,
    functions: Arc<[Function]>,
    addresses: Addresses,
    seeds: Stream,
    secret: u64,
    friends: Option<Arc<Intentions>>,
    system: Option<Arc<systems::plan::Plan>>,
    round_trips: Arc<[Nanos]>,
    seed: u64,
}

impl NodeBuilder<'_> {
    fn add_all(
        mut self,
        world: &mut WorldBuilder<Wire>,
        regions: &[sim::RegionId],
        models: &Models,
        plans: Vec<Plan>,
        tracing: bool,
    ) {
        let mut plans: Vec<Option<Plan>> = plans.into_iter().map(Some).collect();
        for index in 0..self.addresses.nodes.len() {
            let spec = self.addresses.nodes[index].clone();
            let node_seed = self.seeds.next_u64();
            let node: Box<dyn Node> = match spec.kind {
                NodeKind::Crowd => {
                    let plan = plans[spec.region].take().expect("one crowd a region");
                    Box::new(Crowd::new(self.crowd(spec.region), plan))
                }
                NodeKind::People => Box::new(friends::build::people(
                    self.scenario,
                    self.intentions(),
                    spec.region as u32,
                    self.addresses.of(NodeKind::Edge, Some(spec.region)),
                    self.addresses.one(NodeKind::Auth, None),
                    (self.seed, Verifier::new(self.secret)),
                )),
                NodeKind::Users => Box::new(self.users(spec.region)),
                kind => self.platform(kind, NodeId(index as u32), spec.region, node_seed),
            };
            let station = models.station(spec.kind);
            let region = regions[spec.region];
            let spec = sim::NodeSpec { name: spec.name, region, kind: spec.kind.word(), station };
            world.node(spec, Box::new(Hosted::new(node, tracing)));
        }
    }

    fn crowd(&self, region: usize) -> CrowdConfig {
        let scenario = self.scenario;
        CrowdConfig {
            variant: scenario.variant.in_engine(),
            region: region as u32,
            regions: scenario.topology.regions.len() as u32,
            users_in_all: scenario.crowd.users,
            edges: self.addresses.of(NodeKind::Edge, Some(region)),
            auth: self.addresses.one(NodeKind::Auth, None),
            session_id: scenario.vote.session_id.clone(),
            host_id: HOST_ID.into(),
            option_ids: session_spec(scenario).options.into_iter().map(|option| option.id).collect(),
            ack_timeout: scenario.crowd.ack_timeout,
            retry: scenario.crowd.retry,
            dice: CounterHash::new(&mut Stream::new(self.seed, "crowd.dice", region as u64)),
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
            NodeKind::Presence if self.friends.is_none() => {
                Box::new(Presence::new(at.one(NodeKind::Broker, here), PresenceOptions::of(seed)))
            }
            NodeKind::Presence => {
                let broker = at.one(NodeKind::Broker, here);
                Box::new(friends::build::presence(self.scenario, self.intentions(), broker, seed))
            }
            NodeKind::Registry => {
                Box::new(friends::build::registry(&at.of(NodeKind::Edge, None), self.intentions(), seed))
            }
            NodeKind::Access => {
                Box::new(AccessManager::new(&at.of(NodeKind::Edge, None), AccessOptions::of(self.secret, seed)))
            }
            NodeKind::Auth => Box::new(AuthServer::new(
                at.one(NodeKind::Access, None),
                Box::new(self.grants()),
                AuthOptions { ttl_minutes: None, ..AuthOptions::of(seed) },
            )),
            NodeKind::Audit => Box::new(AuditDb::new(Verifier::new(self.secret), seed)),
            NodeKind::History => Box::new(History::new(Retention::voting(), seed)),
            NodeKind::Scheduler => Box::new(Scheduler::new(SchedulerConfig {
                jobs: self.jobs(),
                workers: at.of(NodeKind::Worker, Some(self.scenario.home_region())),
                handler_time: self.limits.handler_time(),
            })),
            NodeKind::Host => Box::new(Host::new(self.host())),
            NodeKind::Auditor => Box::new(Auditor::new(self.auditor())),
            NodeKind::Service => {
                let system = self.scenario.system().expect("services are of a system");
                let place = at.of(NodeKind::Service, None).iter().position(|known| *known == id);
                let service = system.services(self.scenario).swap_remove(place.expect("it is one of them"));
                Box::new(Outside::new(service.serves, seed))
            }
            NodeKind::Crowd | NodeKind::People | NodeKind::Users => unreachable!("users are no node of the platform"),
        }
    }

    /// Outside services by the base of their addresses.
    fn services(&self) -> Vec<(&'static str, NodeId)> {
        let services = self.scenario.system().map_or_else(Vec::new, |system| system.services(self.scenario));
        services.iter().map(|service| service.base).zip(self.addresses.of(NodeKind::Service, None)).collect()
    }

    fn users(&self, region: usize) -> Users {
        let config = UsersConfig {
            system: self.scenario.system().expect("users are of a system"),
            scenario: Arc::new(self.scenario.clone()),
            region: region as u32,
            edges: self.addresses.of(NodeKind::Edge, Some(region)),
            auth: self.addresses.one(NodeKind::Auth, None),
            endpoints: self.addresses.of(NodeKind::Worker, Some(region)),
            services: self.services(),
            dice: CounterHash::new(&mut Stream::new(self.seed, "system.dice", region as u64)),
        };
        Users::new(config, self.system.clone().expect("a system has a plan"))
    }

    fn intentions(&self) -> &Arc<Intentions> {
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
        let mut jobs = Vec::new();
        if self.scenario.has_votes() {
            jobs.push(Job { name: voting::TALLY_JOB.into(), interval: self.scenario.vote.tally_interval });
        }
        if self.scenario.has_friends() {
            jobs.extend(friends::build::jobs(self.scenario));
        }
        jobs.extend(self.scenario.system().into_iter().flat_map(|system| system.jobs(self.scenario)));
        jobs
    }

    /// The region's users, and the host where it is at home.
    fn clients_of(&self, edge: NodeId, region: usize) -> Vec<NodeId> {
        let mut clients = self.addresses.of(NodeKind::Crowd, Some(region));
        clients.extend(self.addresses.of(NodeKind::People, Some(region)));
        clients.extend(self.addresses.of(NodeKind::Users, Some(region)));
        let host_edges = self.addresses.of(NodeKind::Edge, Some(self.scenario.home_region()));
        clients.extend(self.addresses.any(NodeKind::Host).filter(|_| host_edges.contains(&edge)));
        clients
    }

    /// Brokers call Functions where they are bound; jobs are the scheduler's, and endpoints are called directly.
    fn bindings(&self) -> Vec<Binding> {
        let by_channel = |trigger| !matches!(trigger, Trigger::OnInterval | Trigger::OnRequest);
        let bound = self.functions.iter().filter(|function| by_channel(function.trigger));
        bound.map(|function| Binding { pattern: function.pattern, trigger: function.trigger }).collect()
    }

    fn grants(&self) -> AnyGrants {
        let mut rules: Vec<Box<dyn GrantRules + Send>> = Vec::new();
        if self.scenario.has_votes() {
            rules.push(Box::new(self.voting_grants()));
        }
        if self.scenario.has_friends() {
            rules.push(Box::new(friends::build::grants(self.scenario)));
        }
        rules.extend(self.scenario.system().map(|system| system.grants(self.scenario)));
        AnyGrants(rules)
    }

    fn voting_grants(&self) -> VotingGrants {
        let vote = &self.scenario.vote;
        let mut shard_counts = vec![vote.shards];
        shard_counts.extend(vote.add_shards.map(|add| add.shards));
        let private = self.scenario.variant == Variant::Hardened;
        VotingGrants::new(&vote.session_id, &shard_counts, vote.token_ttl_minutes, private)
            .host(HOST_ID)
            .auditor(AUDITOR_ID)
    }

    /// Asks from the opening until half the time to converge after the reveal, so that its last question can be answered.
    fn auditor(&self) -> AuditorConfig {
        let Scenario { vote, bounds, end, .. } = self.scenario;
        let spare = bounds.converge / 2;
        AuditorConfig {
            auth: self.addresses.one(NodeKind::Auth, None),
            audit: self.addresses.one(NodeKind::Audit, None),
            session_id: vote.session_id.clone(),
            users: self.scenario.crowd.users,
            from: vote.open,
            until: (vote.reveal + spare).min(end.saturating_sub(spare)),
            habits: self.scenario.auditor.expect("an auditor has habits"),
            dice: CounterHash::new(&mut Stream::new(self.seed, "auditor.dice", 0)),
        }
    }

    fn host(&self) -> HostConfig {
        let vote = &self.scenario.vote;
        HostConfig {
            variant: self.scenario.variant.in_engine(),
            spec: session_spec(self.scenario),
            shard_count: vote.shards,
            create_at: vote.create,
            open_at: vote.open,
            close_at: vote.close,
            reveal_at: vote.reveal,
            reshard: vote.add_shards.map(|add| (add.at, add.shards)),
            auth: self.addresses.one(NodeKind::Auth, None),
            edges: self.addresses.of(NodeKind::Edge, Some(self.scenario.home_region())),
        }
    }
}

/// The user's id and the shard it votes on, for whoever checks.
pub fn shard_of(user: u32, shard_count: u32) -> u32 {
    voting::shard::shard_of(&plan::user_id(user), shard_count)
}
