//! Fault windows as people read them: in the names of nodes and regions, and one window where many are the same.
//!
//! The world knows addresses only. What a window was is looked up in the plan that it came from, by the world's own
//! line for it ([`Fault::describe`]).

use std::collections::BTreeMap;

use headcount_engine::contract::{MS, Nanos};
use headcount_engine::message::{Misbehaviour, Msg};
use headcount_sim::{Degrade, Direction, Fault, FaultEntry, FaultWindow as Happened, Group};

use crate::faults::rates;
use crate::outcome::FaultWindow;
use crate::run::seconds;
use crate::scenario::{NodeKind, NodeSpec, Scenario};
use crate::wire::Wire;

/// Groups up to this size are written out.
const NAMED_MAX: usize = 4;

/// What a window was.
enum What<'a> {
    /// Stores of one kind that misbehave alike at the same time, by address.
    Stores(&'a Misbehaviour, Vec<usize>),
    /// Any other fault of the plan.
    Planned(&'a Fault<Wire>),
    /// Not of the plan: the world's own line.
    Unplanned(&'a str),
}

/// The windows that `happened` under `plan`, in the order in which they began.
pub fn windows(scenario: &Scenario, plan: &[FaultEntry<Wire>], happened: &[Happened]) -> Vec<FaultWindow> {
    let planned: BTreeMap<String, &Fault<Wire>> =
        plan.iter().map(|entry| (entry.fault.describe(), &entry.fault)).collect();
    let names = Names { regions: &scenario.topology.regions, nodes: scenario.nodes() };
    let mut rows: Vec<(&Happened, What<'_>)> = Vec::new();
    for window in happened {
        match planned.get(&window.what) {
            Some(Fault::Tell { node, body: Wire(Msg::Misbehave(how)), .. }) => {
                let node = node.0 as usize;
                let same = rows.iter_mut().find_map(|(first, what)| match what {
                    What::Stores(known, nodes)
                        if *known == how
                            && (first.start, first.end) == (window.start, window.end)
                            && names.nodes[nodes[0]].kind == names.nodes[node].kind =>
                    {
                        Some(nodes)
                    }
                    _ => None,
                });
                match same {
                    Some(nodes) => nodes.push(node),
                    None => rows.push((window, What::Stores(how, vec![node]))),
                }
            }
            Some(fault) => rows.push((window, What::Planned(fault))),
            None => rows.push((window, What::Unplanned(&window.what))),
        }
    }
    let shown = |(window, what): (&Happened, What<'_>)| {
        let (kind, label) = match what {
            What::Stores(how, nodes) => names.stores(how, &nodes),
            What::Planned(fault) => (fault.kind(), names.label(fault)),
            What::Unplanned(line) => (window.kind, line.to_owned()),
        };
        FaultWindow { kind: kind.into(), label, from_s: seconds(window.start), to_s: seconds(window.end) }
    };
    rows.into_iter().map(shown).collect()
}

/// What the addresses of a scenario are called.
struct Names<'a> {
    regions: &'a [String],
    nodes: Vec<NodeSpec>,
}

impl Names<'_> {
    fn label(&self, fault: &Fault<Wire>) -> String {
        let node = |node: &headcount_sim::NodeId| &*self.nodes[node.0 as usize].name;
        match fault {
            Fault::Crash { node: at, .. } => format!("crash {}", node(at)),
            Fault::CrashRegion { region, .. } => format!("crash {}", self.regions[usize::from(region.0)]),
            Fault::Pause { node: at, .. } => format!("pause {}", node(at)),
            Fault::Partition { a, b, direction, .. } => {
                let (word, arrow) = match direction {
                    Direction::Both => ("partition", "|"),
                    Direction::AToB => ("one-way", "→"),
                };
                let (a, b) = self.sides(a, b, *direction);
                format!("{word} {a} {arrow} {b}")
            }
            Fault::Degrade { a, b, direction, degrade, .. } => {
                let arrow = if *direction == Direction::Both { "↔" } else { "→" };
                let (a, b) = self.sides(a, b, *direction);
                format!("degrade {a} {arrow} {b}: {}", worse(degrade))
            }
            Fault::Clock { node: at, offset, drift_ppm } => {
                format!("clock {} {}", node(at), wrong(*offset, *drift_ppm))
            }
            Fault::Tell { node: at, label, .. } => format!("{} {label}", node(at)),
            Fault::HealAll => "heal all".into(),
        }
    }

    /// Kind and label of stores that misbehave alike.
    fn stores(&self, how: &Misbehaviour, nodes: &[usize]) -> (&'static str, String) {
        let store = self.nodes[nodes[0]].kind;
        let kind = match store {
            NodeKind::Kv => "kv_errors",
            NodeKind::Audit => "audit_errors",
            NodeKind::AppContext => "appcontext_errors",
            NodeKind::Presence => "presence_errors",
            NodeKind::Registry => "registry_errors",
            NodeKind::Service => "service_errors",
            _ => "errors",
        };
        let is_all = nodes.len() > 1 && nodes.len() == self.nodes.iter().filter(|node| node.kind == store).count();
        let who = if is_all { "all".into() } else { self.listed(nodes) };
        (kind, format!("{kind} {who}: {}", ways(how)))
    }

    /// The two sides of a network fault. Where they are all nodes together, the larger one is `all others`; where the
    /// fault works both ways, it stands on the right.
    fn sides(&self, a: &Group, b: &Group, direction: Direction) -> (String, String) {
        let (left, right) = (self.members(a), self.members(b));
        let are_all = left.len() + right.len() == self.nodes.len() && left.iter().all(|node| !right.contains(node));
        let by_region = self.region(&left).is_some() && self.region(&right).is_some();
        if !are_all || by_region {
            (self.group(&left), self.group(&right))
        } else if left.len() <= right.len() {
            (self.group(&left), "all others".into())
        } else if direction == Direction::Both {
            (self.group(&right), "all others".into())
        } else {
            ("all others".into(), self.group(&right))
        }
    }

    /// The addresses of a group, in order.
    fn members(&self, group: &Group) -> Vec<usize> {
        let holds = |node: &usize| {
            let region = self.nodes[*node].region as u16;
            group.contains(headcount_sim::NodeId(*node as u32), headcount_sim::RegionId(region))
        };
        (0..self.nodes.len()).filter(holds).collect()
    }

    /// The one region whose nodes these are, all of them.
    fn region(&self, nodes: &[usize]) -> Option<&str> {
        let region = self.nodes[*nodes.first()?].region;
        let of_it = |node: &&NodeSpec| node.region == region;
        let is_whole = nodes.iter().all(|node| of_it(&&self.nodes[*node]))
            && nodes.len() == self.nodes.iter().filter(of_it).count();
        is_whole.then(|| &*self.regions[region])
    }

    fn group(&self, nodes: &[usize]) -> String {
        match self.region(nodes) {
            Some(region) => region.to_owned(),
            None if nodes.len() == self.nodes.len() => "all".into(),
            None => self.listed(nodes),
        }
    }

    fn listed(&self, nodes: &[usize]) -> String {
        let names: Vec<&str> = nodes.iter().map(|node| &*self.nodes[*node].name).collect();
        if names.len() > NAMED_MAX { format!("{} nodes ({}, …)", names.len(), names[0]) } else { names.join(", ") }
    }
}

/// `errors 100 %, 200 ms late`.
fn ways(how: &Misbehaviour) -> String {
    let there = rates(how).into_iter().filter(|(_, ppm)| *ppm > 0);
    let mut parts: Vec<String> = there.map(|(what, ppm)| format!("{what} {}", percent(ppm))).collect();
    if how.delay > 0 {
        parts.push(format!("{} late", duration(how.delay)));
    }
    parts.join(", ")
}

/// `+157 ms, loss 13.9 %`.
fn worse(degrade: &Degrade) -> String {
    let mut parts = Vec::new();
    if degrade.extra_ns > 0 {
        parts.push(format!("+{}", duration(degrade.extra_ns)));
    }
    if degrade.jitter_ns > 0 {
        parts.push(format!("jitter {}", duration(degrade.jitter_ns)));
    }
    let rates = [("loss", degrade.loss_ppm), ("duplicates", degrade.duplicate_ppm), ("reorder", degrade.reorder_ppm)];
    let there = rates.into_iter().filter(|(_, ppm)| *ppm > 0);
    parts.extend(there.map(|(what, ppm)| format!("{what} {}", percent(ppm))));
    parts.join(", ")
}

/// `+1.662 s, 373 ppm`.
fn wrong(offset_ns: i64, drift_ppm: i32) -> String {
    let mut parts = Vec::new();
    if offset_ns != 0 {
        let sign = if offset_ns < 0 { '-' } else { '+' };
        parts.push(format!("{sign}{}", duration(offset_ns.unsigned_abs())));
    }
    if drift_ppm != 0 {
        parts.push(format!("{drift_ppm} ppm"));
    }
    parts.join(", ")
}

/// Rounded to a tenth of a per cent, but all is only what is all: what would round to 100 % is written in full, and so are
/// rates below a tenth, in ppm.
fn percent(ppm: u32) -> String {
    let tenths = (ppm + 500) / 1_000;
    match (tenths / 10, tenths % 10) {
        _ if ppm < 1_000 => format!("{ppm} ppm"),
        (100, 0) => format!("{} %", f64::from(ppm) / 10_000.0),
        (whole, 0) => format!("{whole} %"),
        (whole, tenth) => format!("{whole}.{tenth} %"),
    }
}

/// Rounded: milliseconds, above a second seconds to the millisecond, below a millisecond microseconds.
fn duration(ns: Nanos) -> String {
    let ms = (ns + MS / 2) / MS;
    if ms >= 1_000 {
        format!("{} s", seconds(ms * MS))
    } else if ns >= MS {
        format!("{ms} ms")
    } else {
        format!("{} µs", (ns + 500) / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use headcount_engine::contract::SECOND;
    use headcount_sim::NodeId;

    use super::*;

    /// Two regions; addresses by name.
    fn scenario() -> Scenario {
        Scenario::load("voting-small", &[]).unwrap()
    }

    fn node(scenario: &Scenario, name: &str) -> NodeId {
        NodeId(scenario.node_names().iter().position(|known| known == name).unwrap() as u32)
    }

    fn nodes(scenario: &Scenario, members: &[&str]) -> Group {
        let members: Vec<String> = members.iter().map(|member| member.to_string()).collect();
        Group::Nodes(scenario.members(&members).unwrap().into_iter().map(|at| NodeId(at as u32)).collect())
    }

    /// Kinds and labels, all faults from 1 s to 3 s.
    fn shown(scenario: &Scenario, faults: Vec<Fault<Wire>>) -> Vec<(String, String)> {
        let plan: Vec<FaultEntry<Wire>> = faults.into_iter().map(|fault| FaultEntry::new(SECOND, fault)).collect();
        let happened: Vec<Happened> = plan
            .iter()
            .map(|entry| Happened {
                kind: entry.fault.kind(),
                what: entry.fault.describe(),
                start: SECOND,
                end: 3 * SECOND,
            })
            .collect();
        let windows = windows(scenario, &plan, &happened);
        assert!(windows.iter().all(|window| (window.from_s, window.to_s) == (1.0, 3.0)));
        windows.into_iter().map(|window| (window.kind, window.label)).collect()
    }

    fn label(fault: impl Fn(&Scenario) -> Fault<Wire>) -> String {
        let scenario = scenario();
        shown(&scenario, vec![fault(&scenario)]).remove(0).1
    }

    fn cut(scenario: &Scenario, a: &[&str], b: &[&str], direction: Direction) -> Fault<Wire> {
        Fault::Partition { a: nodes(scenario, a), b: nodes(scenario, b), direction, for_: SECOND }
    }

    fn all_but(scenario: &Scenario, members: &[&str]) -> Group {
        let Group::Nodes(nodes) = nodes(scenario, members) else { unreachable!("made of nodes") };
        Group::AllBut(nodes)
    }

    fn tell(scenario: &Scenario, name: &str, how: Misbehaviour) -> Fault<Wire> {
        let body = Wire(Msg::Misbehave(how));
        Fault::Tell { node: node(scenario, name), body, label: format!("{name} {how:?}"), end: None }
    }

    #[test]
    fn whole_regions_go_by_their_names() {
        let both = Direction::Both;
        assert_eq!(label(|s| cut(s, &["eu-west"], &["us-east"], both)), "partition eu-west | us-east");
    }

    #[test]
    fn one_side_that_is_all_the_rest_is_called_so_and_stands_right_unless_the_arrow_says_otherwise() {
        let kv = ["kv-us-east"];
        let group = |s: &Scenario, direction, swapped: bool| {
            let (one, rest) = (nodes(s, &kv), all_but(s, &kv));
            let (a, b) = if swapped { (rest, one) } else { (one, rest) };
            Fault::Partition { a, b, direction, for_: SECOND }
        };
        assert_eq!(label(|s| group(s, Direction::Both, false)), "partition kv-us-east | all others");
        assert_eq!(label(|s| group(s, Direction::Both, true)), "partition kv-us-east | all others");
        assert_eq!(label(|s| group(s, Direction::AToB, false)), "one-way kv-us-east → all others");
        assert_eq!(label(|s| group(s, Direction::AToB, true)), "one-way all others → kv-us-east");
    }

    #[test]
    fn one_way_is_an_arrow() {
        let fault = |s: &Scenario| cut(s, &["broker-us-east"], &["audit"], Direction::AToB);
        assert_eq!(label(fault), "one-way broker-us-east → audit");
    }

    #[test]
    fn up_to_four_nodes_are_named_and_more_are_counted() {
        let four = ["audit", "access", "auth", "history"];
        let both = Direction::Both;
        let few = label(|s| cut(s, &four, &["host"], both));
        assert_eq!(few, "partition access, auth, audit, history | host");
        let more = label(|s| cut(s, &["audit", "access", "auth", "history", "scheduler"], &["host"], both));
        assert_eq!(more, "partition 5 nodes (access, …) | host");
    }

    #[test]
    fn links_say_how_much_worse_they_get() {
        let degrade = Degrade { extra_ns: 157 * MS, loss_ppm: 138_960, reorder_ppm: 177_000, ..Degrade::default() };
        let fault = |s: &Scenario| Fault::Degrade {
            a: nodes(s, &["audit"]),
            b: nodes(s, &["host"]),
            direction: Direction::Both,
            degrade,
            for_: SECOND,
        };
        // 138,960 ppm are 13.896 %, rounded to 13.9 %.
        assert_eq!(label(fault), "degrade audit ↔ host: +157 ms, loss 13.9 %, reorder 17.7 %");
    }

    #[test]
    fn rates_and_times_are_rounded_and_only_all_is_all() {
        let rates = [(999, "999 ppm"), (1_000, "0.1 %"), (20_500, "2.1 %"), (20_499, "2 %"), (999_400, "99.9 %")];
        for (ppm, text) in rates.into_iter().chain([(999_950, "99.995 %"), (1_000_000, "100 %")]) {
            assert_eq!(percent(ppm), text);
        }
        let times = [(900, "1 µs"), (1_499_999, "1 ms"), (1_500_000, "2 ms"), (1_661_600_000, "1.662 s")];
        for (ns, text) in times {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn nodes_that_die_stand_still_or_lose_their_clock_are_named() {
        let at = |name| move |s: &Scenario| node(s, name);
        assert_eq!(label(|s| Fault::Crash { node: at("audit")(s), down: SECOND }), "crash audit");
        assert_eq!(label(|s| Fault::Pause { node: at("edge-us-east-0")(s), for_: MS }), "pause edge-us-east-0");
        let clock = |offset, drift_ppm| label(|s| Fault::Clock { node: at("scheduler")(s), offset, drift_ppm });
        assert_eq!(clock(1_662_000_000, 373), "clock scheduler +1.662 s, 373 ppm");
        assert_eq!(clock(-250_000_000, 0), "clock scheduler -250 ms");
        assert_eq!(clock(0, -20), "clock scheduler -20 ppm");
    }

    #[test]
    fn stores_that_misbehave_alike_are_one_window() {
        let scenario = scenario();
        let down = Misbehaviour { error_ppm: 1_000_000, ..Misbehaviour::default() };
        let late = Misbehaviour { delay: 500 * MS, throttle_ppm: 20_500, ..Misbehaviour::default() };
        let told = |name, how| tell(&scenario, name, how);
        let pair = |kind: &str, label: &str| (kind.to_owned(), label.to_owned());
        let all = shown(&scenario, vec![told("kv-us-east", down), told("kv-eu-west", down), told("audit", down)]);
        let audit = pair("audit_errors", "audit_errors audit: errors 100 %");
        assert_eq!(all, [pair("kv_errors", "kv_errors all: errors 100 %"), audit]);
        let apart = shown(&scenario, vec![told("kv-us-east", down), told("kv-eu-west", late)]);
        let second = pair("kv_errors", "kv_errors kv-eu-west: throttled 2.1 %, 500 ms late");
        assert_eq!(apart, [pair("kv_errors", "kv_errors kv-us-east: errors 100 %"), second]);
    }

    #[test]
    fn every_window_of_a_real_run_is_in_names() {
        let scenario = scenario();
        for seed in 1..=8 {
            let outcome = crate::run::run(&scenario, seed, crate::run::RunOptions::default());
            for FaultWindow { kind, label, .. } in &outcome.faults {
                let is_raw = label.contains(" ns") || label.contains("[") || label.contains("node ") || kind == "tell";
                assert!(!is_raw, "seed {seed}: {kind}: {label}");
            }
        }
    }
}
