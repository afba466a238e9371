//! What users intend, from the seed alone: the fault plan moves none of it.

use std::collections::BTreeSet;

use headcount_engine::contract::{Nanos, SECOND};
use headcount_engine::patterns::friends::names::GROUP_CHANNELS_MAX;
use headcount_sim::Stream;

use super::groups::Overflow;
use crate::crowd::plan::place_of;
use crate::graph::{Degrees, Graph, GraphOptions, Mirror};
use crate::scenario::Scenario;

/// Between two times away, longer than any debounce.
const HERE_MIN: Nanos = 6 * SECOND;

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Opens the app.
    Come,
    /// Closes it: unsubscribes, and is gone.
    Leave,
    /// Loses the network, or goes to the background: not a word.
    Lose,
    /// Is back on the network.
    Return,
    /// Goes on at an edge of this region, be it home.
    Move(u32),
    /// Wants to be this user's friend.
    Ask(u32),
    /// Accepts this user's request.
    Accept(u32),
    /// Ends the friendship with this user.
    Remove(u32),
    /// Writes a status message: its number.
    Write(u32),
    /// Accepts, as a third one, a friendship of these two.
    ForgeAcceptance(u32, u32),
    /// Publishes on this user's status channel.
    ForgeStatus(u32),
    /// Subscribes to this user's channel group.
    ForeignGroup(u32),
}

/// A deed of a user of one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    pub at: Nanos,
    pub client: u32,
    pub deed: Deed,
}

/// One region's users.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub wifi: Vec<bool>,
    /// In order of time.
    pub actions: Vec<Action>,
}

/// What the whole crowd intends.
#[derive(Debug)]
pub struct Intentions {
    pub graph: Graph,
    /// Where each is in the rows of its friends.
    pub mirror: Mirror,
    /// Channel groups beyond everybody's first.
    pub overflow: Overflow,
    /// Whether everybody is online from the beginning.
    pub online: bool,
    pub plans: Vec<Plan>,
    /// Pairs `(a, b)`, `a < b`, that shall become friends, and that shall no longer be.
    pub made: BTreeSet<(u32, u32)>,
    pub ended: BTreeSet<(u32, u32)>,
}

impl Intentions {
    /// Friends who do nothing at all.
    pub fn of(graph: Graph) -> Self {
        let plans = vec![Plan::default(); graph.regions() as usize];
        let (mirror, overflow) = (graph.mirror(), Overflow::of(&graph));
        Self { mirror, overflow, graph, online: false, plans, made: BTreeSet::new(), ended: BTreeSet::new() }
    }

    /// Which of a user's groups a friend is in at the beginning, the first for whoever is none.
    pub fn part(&self, user: u32, friend: u32) -> usize {
        if self.graph.degree(user) as usize <= GROUP_CHANNELS_MAX {
            return 0;
        }
        let place = self.graph.position(user, friend).map_or(0, |at| at - self.graph.start(user));
        place as usize / GROUP_CHANNELS_MAX
    }

    /// Whether these two shall be friends when all is done.
    pub fn friends(&self, one: u32, other: u32) -> bool {
        let pair = (one.min(other), one.max(other));
        (self.graph.contains(one, other) && !self.ended.contains(&pair)) || self.made.contains(&pair)
    }

    /// The user's friends when all is done.
    pub fn friends_of(&self, user: u32) -> BTreeSet<u32> {
        let new = self.made.iter().filter_map(|&(a, b)| match user {
            _ if user == a => Some(b),
            _ if user == b => Some(a),
            _ => None,
        });
        let all = self.graph.row(user).users().chain(new);
        all.filter(|&friend| self.friends(user, friend)).collect()
    }
}

/// The graph of a scenario and seed.
pub fn graph(scenario: &Scenario, seed: u64) -> Graph {
    let friends = &scenario.friends;
    let options = GraphOptions {
        users: friends.users,
        regions: scenario.topology.regions.len() as u32,
        degrees: friends.degrees(),
        seed: Stream::new(seed, "friends.graph", 0).next_u64(),
    };
    Graph::build(&options).expect("the scenario's graph is checked")
}

/// Draws everybody's intentions.
pub fn draw(scenario: &Scenario, seed: u64) -> Intentions {
    let friends = &scenario.friends;
    let regions = scenario.topology.regions.len() as u32;
    let graph = graph(scenario, seed);
    let stream = |purpose: &str| Stream::new(seed, purpose, 0);
    let mut plans = vec![Plan::default(); regions as usize];
    let mut network = stream("friends.network");
    let mut joins = stream("friends.joins");
    let mut came = Vec::with_capacity(friends.users as usize);
    let span = (friends.join_to - friends.join_from).max(1);
    for user in 0..friends.users {
        let (region, client) = place_of(user, regions);
        let plan = &mut plans[region as usize];
        plan.wifi.push(network.chance(friends.wifi_ppm));
        came.push(friends.join_from + joins.below(span));
        if !friends.online {
            plan.actions.push(Action { at: came[user as usize], client, deed: Deed::Come });
        }
    }
    let draw = Draw { users: friends.users, from: friends.from, span: (friends.to - friends.from).max(1) };
    let mut act = |at: Nanos, user: u32, deed: Deed| {
        let (region, client) = place_of(user, regions);
        plans[region as usize].actions.push(Action { at, client, deed });
    };
    let deeds = friends.deeds;
    // A user is away once at a time, and then here for a while: flapping is a deed of its own.
    let mut away: Vec<Vec<(Nanos, Nanos)>> = vec![Vec::new(); friends.users as usize];
    let mut free = |user: u32, from: Nanos, to: Nanos| {
        let clear = away[user as usize].iter().all(|(a, b)| to + HERE_MIN < *a || from > *b + HERE_MIN);
        if clear {
            away[user as usize].push((from, to));
        }
        clear
    };
    for (purpose, count, leaves) in [("friends.leaves", deeds.leaves, true), ("friends.losses", deeds.losses, false)] {
        let mut dice = stream(purpose);
        for _ in 0..count {
            let (at, user) = draw.one(&mut dice);
            // Back by the end of the time in which users do things; who could not be back by then stays.
            let latest = (at + friends.away_max).min(friends.to);
            let back = at + friends.away_min + dice.below(latest.saturating_sub(at + friends.away_min).max(1));
            if back <= friends.to && free(user, at, back) {
                act(at, user, if leaves { Deed::Leave } else { Deed::Lose });
                act(back, user, if leaves { Deed::Come } else { Deed::Return });
            }
        }
    }
    let mut dice = stream("friends.moves");
    for _ in 0..deeds.moves {
        let (at, user) = draw.one(&mut dice);
        let home = place_of(user, regions).0;
        let elsewhere = (home + 1 + dice.below(u64::from(regions) - 1) as u32) % regions;
        let (comes_home, stay) = (dice.below(2) == 0, friends.away_min + HERE_MIN + dice.below(friends.away_max));
        if free(user, at, at) {
            act(at, user, Deed::Move(elsewhere));
            let back = at + stay;
            if comes_home && back <= friends.to && free(user, back, back) {
                act(back, user, Deed::Move(home));
            }
        }
    }
    let mut dice = stream("friends.flaps");
    for _ in 0..deeds.flaps {
        let (at, user) = draw.one(&mut dice);
        if free(user, at, at + 10 * SECOND) {
            for turn in 0..3 {
                let at = at + turn * 3 * SECOND + dice.below(SECOND);
                act(at, user, Deed::Leave);
                act(at + SECOND, user, Deed::Come);
            }
        }
    }
    let (mut made, mut ended) = (BTreeSet::new(), BTreeSet::new());
    let mut dice = stream("friends.requests");
    for _ in 0..deeds.requests {
        let (at, asker) = draw.one(&mut dice);
        let asked = dice.below(u64::from(friends.users)) as u32;
        // A friend of whoever was drawn: as often as there are friends of that one.
        let asked = match friends.degrees() {
            Degrees::Constant(_) => asked,
            Degrees::HeavyTailed { .. } => some_friend(&graph, asked, &mut dice).unwrap_or(asked),
        };
        let pair = (asker.min(asked), asker.max(asked));
        if asker != asked && !graph.contains(asker, asked) && made.insert(pair) {
            act(at, asker, Deed::Ask(asked));
            act(at + 2 * SECOND, asked, Deed::Accept(asker));
        }
    }
    let mut dice = stream("friends.removals");
    for _ in 0..deeds.removals {
        let (at, user) = draw.one(&mut dice);
        let Some(friend) = some_friend(&graph, user, &mut dice) else { continue };
        if ended.insert((user.min(friend), user.max(friend))) {
            act(at, user, Deed::Remove(friend));
        }
    }
    let mut dice = stream("friends.messages");
    for number in 0..deeds.status_messages {
        let (at, user) = draw.one(&mut dice);
        // Half of them when they come, as people do; the others at any moment.
        let comes = if number % 2 == 0 { came[user as usize] + dice.below(SECOND / 2) } else { at };
        act(comes, user, Deed::Write(number + 1));
    }
    let mut dice = stream("friends.forgeries");
    for _ in 0..deeds.forged_acceptances {
        let (at, user) = draw.one(&mut dice);
        let (a, b) = (dice.below(u64::from(friends.users)) as u32, dice.below(u64::from(friends.users)) as u32);
        let strangers = a != b && a != user && b != user && !graph.contains(a, b);
        if strangers && !made.contains(&(a.min(b), a.max(b))) {
            act(at, user, Deed::ForgeAcceptance(a, b));
        }
    }
    for (count, foreign) in [(deeds.forged_statuses, false), (deeds.foreign_groups, true)] {
        for _ in 0..count {
            let (at, user) = draw.one(&mut dice);
            let victim = (user + 1 + dice.below(u64::from(friends.users) - 1) as u32) % friends.users;
            act(at, user, if foreign { Deed::ForeignGroup(victim) } else { Deed::ForgeStatus(victim) });
        }
    }
    // Who goes for good leaves nothing undone: whatever else a user does, it is there to do it.
    let comes_or_goes = |deed| matches!(deed, Deed::Come | Deed::Leave | Deed::Lose | Deed::Return | Deed::Move(_));
    let busy: BTreeSet<(u32, u32)> = if deeds.gone == 0 {
        BTreeSet::new()
    } else {
        let of = |(region, plan): (u32, &Plan)| {
            let busy = plan.actions.iter().filter(|action| !comes_or_goes(action.deed));
            busy.map(|action| (region, action.client)).collect::<Vec<_>>()
        };
        (0..regions).zip(&plans).flat_map(of).collect()
    };
    let mut dice = stream("friends.gone");
    for _ in 0..deeds.gone {
        let (at, user) = draw.one(&mut dice);
        let (region, client) = place_of(user, regions);
        if !busy.contains(&(region, client)) && free(user, at, Nanos::MAX - HERE_MIN) {
            plans[region as usize].actions.push(Action { at, client, deed: Deed::Lose });
        }
    }
    for plan in &mut plans {
        plan.actions.sort_unstable();
    }
    Intentions { online: friends.online, plans, made, ended, ..Intentions::of(graph) }
}

/// One of a user's friends.
fn some_friend(graph: &Graph, user: u32, dice: &mut Stream) -> Option<u32> {
    let row = graph.row(user);
    if row.is_empty() {
        return None;
    }
    row.users_from(dice.below(row.len() as u64) as usize).next()
}

/// Draws moments and users.
struct Draw {
    users: u32,
    from: Nanos,
    span: Nanos,
}

impl Draw {
    fn one(&self, dice: &mut Stream) -> (Nanos, u32) {
        (self.from + dice.below(self.span), dice.below(u64::from(self.users)) as u32)
    }
}

/// The name of a status message.
pub fn status_text(number: u32) -> String {
    format!("message {number}")
}
