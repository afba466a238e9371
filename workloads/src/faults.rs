//! The scenario's faults, and the swarm that a seed draws, as the world's fault plan.

use headcount_engine::contract::{MS, SECOND};
use headcount_engine::message::{Misbehaviour, Msg};
use headcount_sim::{
    Degrade, Direction, Fault, FaultEntry, Group, NodeId, Stream, SwarmKind as Kind, SwarmWindow, draw_plan,
};

use crate::scenario::{self, FaultKind, NodeKind, Scenario, Store, SwarmKind, Target};
use crate::wire::Wire;

type Plan = Vec<FaultEntry<Wire>>;

/// Clocks of a swarm are off by at most this: NTP gone wrong, not a broken battery [ms].
const CLOCK_OFFSET_MS_MAX: u64 = 5_000;

/// Everything that goes wrong in a run, ending with the healing.
pub fn plan(scenario: &Scenario, seed: u64) -> Plan {
    let mut plan: Plan = scenario.faults.iter().flat_map(|fault| chosen(scenario, fault)).collect();
    if let Some(swarm) = &scenario.swarm {
        let window = SwarmWindow { start: swarm.from, end: swarm.to };
        let kinds: Vec<Kind<Wire>> = swarm.kinds.iter().map(|kind| drawn(scenario, *kind, swarm.events_max)).collect();
        plan.extend(draw_plan(seed, &kinds, window).plan);
    }
    if !plan.is_empty() {
        plan.push(FaultEntry::heal_all(scenario.heal));
    }
    plan.sort_by_key(|entry| entry.at);
    plan
}

fn group(scenario: &Scenario, members: &[String]) -> Group {
    let nodes = scenario.members(members).expect("the scenario's faults name nodes that are there");
    Group::Nodes(nodes.into_iter().map(|node| NodeId(node as u32)).collect())
}

fn node(scenario: &Scenario, name: &str) -> NodeId {
    let at = scenario.node_names().iter().position(|known| known == name);
    NodeId(at.expect("the scenario's faults name nodes that are there") as u32)
}

/// A fault that the scenario names.
fn chosen(scenario: &Scenario, fault: &scenario::Fault) -> Plan {
    let (at, for_) = (fault.at, fault.lasts);
    let one = |fault| vec![FaultEntry::new(at, fault)];
    match &fault.kind {
        FaultKind::Partition { a, b, one_way } => {
            let direction = if *one_way { Direction::AToB } else { Direction::Both };
            one(Fault::Partition { a: group(scenario, a), b: group(scenario, b), direction, for_ })
        }
        FaultKind::Crash { node: name } => one(Fault::Crash { node: node(scenario, name), down: for_ }),
        FaultKind::Pause { node: name } => one(Fault::Pause { node: node(scenario, name), for_ }),
        FaultKind::Degrade { a, b, loss_ppm, duplicate_ppm, reorder_ppm, extra } => {
            let degrade = Degrade {
                extra_ns: *extra,
                loss_ppm: *loss_ppm,
                duplicate_ppm: *duplicate_ppm,
                reorder_ppm: *reorder_ppm,
                reorder_extra_ns: 100 * MS,
                ..Degrade::default()
            };
            let (a, b) = (group(scenario, a), group(scenario, b));
            one(Fault::Degrade { a, b, direction: Direction::Both, degrade, for_ })
        }
        FaultKind::Clock { node: name, offset_ns, drift_ppm } => {
            let node = node(scenario, name);
            vec![
                FaultEntry::new(at, Fault::Clock { node, offset: *offset_ns, drift_ppm: *drift_ppm }),
                FaultEntry::new(at + for_, Fault::Clock { node, offset: 0, drift_ppm: 0 }),
            ]
        }
        FaultKind::Errors { store, target, misbehaviour } => targets(scenario, *store, target)
            .into_iter()
            .map(|(node, name)| FaultEntry::new(at, tell(node, &name, *store, *misbehaviour, for_)))
            .collect(),
    }
}

fn tell(node: NodeId, name: &str, store: Store, misbehaviour: Misbehaviour, for_: u64) -> Fault<Wire> {
    let label = format!("{} {name} {}", store_word(store), describe(&misbehaviour));
    let end = Some((for_, Wire(Msg::Misbehave(Misbehaviour::default()))));
    Fault::Tell { node, body: Wire(Msg::Misbehave(misbehaviour)), label, end }
}

fn store_word(store: Store) -> &'static str {
    match store {
        Store::Kv => "kv_errors",
        Store::Audit => "audit_errors",
        Store::AppContext => "appcontext_errors",
        Store::Presence => "presence_errors",
        Store::Registry => "registry_errors",
        Store::Service => "service_errors",
    }
}

/// What share of its calls a store gets wrong, by the way in which it does [parts per million].
pub(crate) fn rates(how: &Misbehaviour) -> [(&'static str, u32); 4] {
    [
        ("errors", how.error_ppm),
        ("errors after effect", how.error_after_effect_ppm),
        ("silence after effect", how.silent_after_effect_ppm),
        ("throttled", how.throttle_ppm),
    ]
}

fn describe(how: &Misbehaviour) -> String {
    let mut parts: Vec<String> = rates(how)
        .iter()
        .filter(|(_, ppm)| *ppm > 0)
        .map(|(what, ppm)| format!("{what} {}.{} %", ppm / 10_000, ppm / 1_000 % 10))
        .collect();
    if how.delay > 0 {
        parts.push(format!("{} ms late", how.delay / MS));
    }
    parts.join(", ")
}

fn targets(scenario: &Scenario, store: Store, target: &Target) -> Vec<(NodeId, String)> {
    let kind = match store {
        Store::Kv => NodeKind::Kv,
        Store::Audit => NodeKind::Audit,
        Store::AppContext => NodeKind::AppContext,
        Store::Presence => NodeKind::Presence,
        Store::Registry => NodeKind::Registry,
        Store::Service => NodeKind::Service,
    };
    let regions = &scenario.topology.regions;
    let hit = |node: &scenario::NodeSpec| {
        node.kind == kind
            && match target {
                Target::All => true,
                Target::Region(region) => regions[node.region] == *region,
                Target::Node(name) => node.name == *name,
            }
    };
    let nodes = scenario.nodes().into_iter().enumerate().filter(|(_, node)| hit(node));
    nodes.map(|(index, node)| (NodeId(index as u32), node.name)).collect()
}

/// A kind of fault that the swarm may draw, on the nodes that can suffer it.
fn drawn(scenario: &Scenario, kind: SwarmKind, most: u32) -> Kind<Wire> {
    let most = u64::from(most);
    let nodes = |wanted: &dyn Fn(NodeKind) -> bool| -> Vec<NodeId> {
        let nodes = scenario.nodes().into_iter().enumerate().filter(|(_, node)| wanted(node.kind));
        nodes.map(|(index, _)| NodeId(index as u32)).collect()
    };
    // A crowd is many devices: it is cut off, but does not die or lose its clock as one.
    let machines = || nodes(&|kind| !kind.is_users());
    let all = || nodes(&|_| true);
    let store = |name, store| misbehaving(name, targets(scenario, store, &Target::All), store, most);
    match kind {
        SwarmKind::Crash => Kind::crash(machines(), most),
        SwarmKind::Pause => Kind::pause(machines(), most),
        SwarmKind::Partition => Kind::partition(all(), most),
        SwarmKind::OneWay => Kind::one_way_partition(all(), most),
        SwarmKind::Degrade => Kind::degrade(all(), most),
        SwarmKind::Clock => Kind::clock(
            nodes(&|kind| !kind.is_users() && !matches!(kind, NodeKind::Host | NodeKind::Auditor)),
            most,
            CLOCK_OFFSET_MS_MAX,
        ),
        SwarmKind::Kv => store("kv", Store::Kv),
        SwarmKind::Audit => store("audit", Store::Audit),
        SwarmKind::AppContext => store("appcontext", Store::AppContext),
        SwarmKind::Presence => store("presence", Store::Presence),
        SwarmKind::Registry => store("registry", Store::Registry),
        SwarmKind::Service => store("service", Store::Service),
    }
}

/// A store that misbehaves: a third of the times it is all down, else each way of misbehaving is there with
/// probability 1/2, at up to 50 %. One node of the store, or all.
fn misbehaving(name: &'static str, nodes: Vec<(NodeId, String)>, store: Store, most: u64) -> Kind<Wire> {
    Kind::new(name, move |stream: &mut Stream, window| {
        let mut plan = Vec::new();
        for _ in 0..window.count(stream, most) {
            let (at, for_) = window.draw(stream, SECOND, 20 * SECOND);
            let down = stream.chance(333_333);
            let mut rate = || {
                let (there, ppm) = (stream.chance(500_000), stream.between(1_000, 500_000) as u32);
                if there { ppm } else { 0 }
            };
            let mut how = Misbehaviour {
                error_ppm: rate(),
                error_after_effect_ppm: rate(),
                silent_after_effect_ppm: rate(),
                throttle_ppm: rate(),
                delay: 0,
            };
            let (late, delay) = (stream.chance(333_333), stream.between(MS, 3 * SECOND));
            if late {
                how.delay = delay;
            }
            if down {
                how = Misbehaviour { error_ppm: 1_000_000, ..Misbehaviour::default() };
            }
            let (everywhere, place) = (stream.chance(500_000), stream.below(nodes.len() as u64) as usize);
            for (index, (node, node_name)) in nodes.iter().enumerate() {
                if everywhere || index == place {
                    plan.push(FaultEntry::new(at, tell(*node, node_name, store, how, for_)));
                }
            }
        }
        plan
    })
}
