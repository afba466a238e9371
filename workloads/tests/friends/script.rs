//! Evenings written by hand: who does what when, in place of what a seed draws.

use std::collections::BTreeSet;
use std::sync::Arc;

use headcount_engine::contract::{Nanos, US};
use headcount_engine::functions::Worker;
use headcount_workloads::cluster::{self, Models};
use headcount_workloads::crowd::plan::place_of;
use headcount_workloads::faults;
use headcount_workloads::friends::oracle::{self, Seen};
use headcount_workloads::friends::plan::{Action, Deed, Intentions, graph};
use headcount_workloads::friends::record::{Record, Told};
use headcount_workloads::graph::Graph;
use headcount_workloads::run::Ended;
use headcount_workloads::scenario::Scenario;
use headcount_workloads::wire::Hosted;

use super::violated;

/// Who is friends with whom comes from this seed.
pub const SEED: u64 = 1;

/// A user's deed at a moment [ns].
pub type Line = (Nanos, u32, Deed);

/// An evening that has ended.
pub struct Evening {
    scenario: Scenario,
    ended: Ended,
}

/// The friends of each user in this scenario, before anybody does anything.
pub fn friends_of(scenario: &Scenario, user: u32) -> Vec<u32> {
    graph(scenario, SEED).row(user).users().collect()
}

/// Plays these lines, after which `made` shall be friends and `ended` no longer (lesser number first).
pub fn play(scenario: Scenario, lines: &[Line], made: &[(u32, u32)], ended: &[(u32, u32)]) -> Evening {
    play_on(graph(&scenario, SEED), scenario, lines, made, ended)
}

/// The same with other friendships than the scenario's at the start, of as many users.
pub fn play_on(graph: Graph, scenario: Scenario, lines: &[Line], made: &[(u32, u32)], ended: &[(u32, u32)]) -> Evening {
    let regions = scenario.topology.regions.len() as u32;
    let mut drawn = cluster::draw(&scenario, SEED);
    let intentions = drawn.friends.as_ref().expect("a scenario with friends");
    // Everybody is on the network that the seed gave them.
    let mut plans = intentions.plans.clone();
    plans.iter_mut().for_each(|plan| plan.actions.clear());
    for &(at, user, deed) in lines {
        let (region, client) = place_of(user, regions);
        plans[region as usize].actions.push(Action { at, client, deed });
    }
    plans.iter_mut().for_each(|plan| plan.actions.sort_unstable());
    let pairs = |pairs: &[(u32, u32)]| pairs.iter().copied().collect::<BTreeSet<_>>();
    let intentions = Arc::new(Intentions { plans, made: pairs(made), ended: pairs(ended), ..Intentions::of(graph) });
    drawn.friends = Some(intentions.clone());
    let mut world = cluster::build(&scenario, &Models::new(&scenario), drawn, SEED, false);
    world.plan(faults::plan(&scenario, SEED));
    let mut finished = world.run(scenario.end);
    let processes = std::mem::take(&mut finished.nodes).into_iter();
    let nodes = processes.map(|node| node.into_any().downcast::<Hosted>().expect("a hosted node").into_node());
    let nodes = scenario.nodes().into_iter().zip(nodes).collect();
    let regions = scenario.topology.regions.clone();
    let ended = Ended { nodes, regions, intentions: Some(intentions), plan: None, finished };
    Evening { scenario, ended }
}

impl Evening {
    pub fn seen(&self) -> Seen<'_> {
        self.ended.friends_seen(&self.scenario)
    }

    /// What was violated, of all properties.
    pub fn violated(&self) -> Vec<String> {
        violated(&oracle::check(&self.seen()))
    }

    /// What friends were told, in the order of the publishes.
    pub fn told(&self) -> Vec<Told> {
        let mut told: Vec<Told> = self.records().flat_map(|record| record.told.iter().copied()).collect();
        told.sort_by_key(|told| (told.published, told.viewer));
        told
    }

    /// What friends were told of this user.
    pub fn told_of(&self, user: u32) -> Vec<Told> {
        self.told().into_iter().filter(|told| told.of == user).collect()
    }

    /// When a user was connected for the first time.
    pub fn connected(&self, user: u32) -> Nanos {
        let seen = self.seen();
        let (region, client) = place_of(user, seen.people.len() as u32);
        let moves = seen.people[region as usize].record().moves_of(client);
        moves.first().unwrap_or_else(|| panic!("user {user} was never online")).0
    }

    /// What a user's screen shows of another: online or offline, or nothing.
    pub fn screen(&self, user: u32, of: u32) -> Option<bool> {
        let seen = self.seen();
        let (region, client) = place_of(user, seen.people.len() as u32);
        seen.people[region as usize].screens().shown(client, of)
    }

    /// When users were connected, after this moment: in order of time.
    pub fn connections_after(&self, moment: Nanos) -> Vec<Nanos> {
        let moves = self.records().flat_map(|record| &record.moves);
        let mut connected: Vec<Nanos> = moves.filter(|(at, _, on)| *on && *at > moment).map(|(at, ..)| *at).collect();
        connected.sort_unstable();
        connected
    }

    /// How many friends a user's screen lists.
    pub fn screen_len(&self, user: u32) -> usize {
        let seen = self.seen();
        let (region, client) = place_of(user, seen.people.len() as u32);
        seen.people[region as usize].screens().len(client)
    }

    /// How long whole friend lists took to load [ns], region by region.
    pub fn load_times(&self) -> Vec<Nanos> {
        self.records().flat_map(|record| &record.loads_us).map(|(_, us)| us * US).collect()
    }

    /// How many friend lists were asked for in this time.
    pub fn loads(&self, from: Nanos, to: Nanos) -> usize {
        let loads = self.records().flat_map(|record| &record.loads_us);
        loads.filter(|(asked, _)| (from..to).contains(asked)).count()
    }

    /// A counter of the Functions, by the name they gave it.
    pub fn counter(&self, name: &str) -> u64 {
        let counts = self.ended.all::<Worker>().map(|(_, worker)| worker.counts());
        counts.flat_map(|counts| counts.counters.iter()).filter(|(n, _)| ***n == *name).map(|(_, count)| count).sum()
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.ended.all::<headcount_workloads::friends::People>().map(|(_, people)| people.record())
    }
}
