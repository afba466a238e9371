//! What the crowd intends: who joins when, who votes when for what, who does it wrong. Made from the seed before the run
//! and from nothing else: the same crowd comes under any fault plan.

use headcount_engine::contract::{MS, Nanos, SECOND};
use headcount_sim::Stream;

use crate::arrivals::Arrivals;
use crate::scenario::{JoinKind, Scenario};

/// What a user does at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Logs in and connects.
    Join,
    /// Loses its network.
    GoOffline,
    /// Has it back.
    GoOnline,
    /// Submits a vote.
    Vote(VoteKind),
    /// Publishes something that is no vote.
    Mischief(Mischief),
}

/// Votes by what is special about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VoteKind {
    Normal,
    /// The second of two clicks: another requestId, the same option, a moment later.
    DoubleClick,
    /// Later, for another option.
    Second,
    /// Before the vote opens.
    Early,
    /// After it closed.
    Late,
    /// For an option that is not there.
    UnknownOption,
    /// In somebody else's name.
    Impostor,
    /// With a viewer's token.
    Viewer,
}

/// What a client sends that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mischief {
    /// A submit without its fields, or text that is no JSON.
    Malformed,
    /// A submit of more than 1 KB, or more than the platform carries.
    Oversized,
    /// A `vote.tally` of its own, on the results channel.
    ForgedTally,
    /// A `vote.closed` of its own, on the control channel; or a vote on another shard.
    WrongChannel,
}

/// One line of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    pub at: Nanos,
    /// Index of the user within its region.
    pub client: u32,
    pub deed: Deed,
    /// For a vote, the option's index; else which of the ways to do it.
    pub choice: u8,
}

/// What the users of one region intend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In the order of time.
    pub actions: Vec<Action>,
    /// Whether each user is on wifi (else cellular).
    pub wifi: Vec<bool>,
    /// Whether each user has a viewer's token.
    pub viewer: Vec<bool>,
    /// Whether each user joins after the vote opened.
    pub late: Vec<bool>,
}

/// A user's region and index there. Users are dealt out to the regions one after the other.
pub fn place_of(user: u32, regions: u32) -> (u32, u32) {
    (user % regions, user / regions)
}

/// The user with this index in this region.
pub fn user_at(region: u32, client: u32, regions: u32) -> u32 {
    client * regions + region
}

/// The user's id: `user_000042`.
pub fn user_id(user: u32) -> String {
    format!("user_{user:06}")
}

/// The user of an id.
pub fn user_of(id: &str) -> Option<u32> {
    id.strip_prefix("user_")?.parse().ok()
}

/// Draws the crowd's intentions, region by region.
pub fn draw(scenario: &Scenario, seed: u64) -> Vec<Plan> {
    let crowd = &scenario.crowd;
    let regions = scenario.topology.regions.len() as u32;
    let mut plans = vec![Plan::default(); regions as usize];
    let stream = |purpose: &str| Stream::new(seed, purpose, 0);

    let mut network = stream("crowd.network");
    let mut role = stream("crowd.role");
    for user in 0..crowd.users {
        let plan = &mut plans[place_of(user, regions).0 as usize];
        plan.wifi.push(network.chance(crowd.wifi_ppm));
        plan.viewer.push(role.chance(crowd.misbehaviour.viewer_ppm));
    }

    // Who votes is a random order of all users; when, the arrival process.
    let mut order: Vec<u32> = (0..crowd.users).collect();
    stream("crowd.order").shuffle(&mut order);
    let mut clock = stream("crowd.arrivals");
    let times: Vec<Nanos> = Arrivals::new(&crowd.arrivals, crowd.users, || clock.next_u64()).collect();
    let mut vote_at: Vec<Option<Nanos>> = vec![None; crowd.users as usize];
    for (&user, &at) in order.iter().zip(&times) {
        vote_at[user as usize] = Some(at);
    }

    joins(scenario, seed, &vote_at, &mut plans);
    votes(scenario, seed, &vote_at, &mut plans);
    for plan in &mut plans {
        plan.actions.sort_unstable();
    }
    plans
}

/// Ample time to log in, subscribe and read the session, each over the slowest ways there are.
const TO_CONNECT: Nanos = 5 * SECOND;

fn joins(scenario: &Scenario, seed: u64, vote_at: &[Option<Nanos>], plans: &mut [Plan]) {
    let (crowd, vote) = (&scenario.crowd, &scenario.vote);
    let mut draws = Stream::new(seed, "crowd.join", 0);
    for (user, vote_at) in vote_at.iter().enumerate() {
        let late = draws.chance(crowd.late_join_ppm);
        let (bits, place) = (draws.unit(), place_of(user as u32, plans.len() as u32));
        let plan = &mut plans[place.0 as usize];
        plan.late.push(late);
        let at = if late {
            // Somewhere between the opening and its own vote (or the close).
            let latest = vote_at.unwrap_or(vote.close).max(vote.open + 1);
            vote.open + (bits * (latest - vote.open) as f64) as Nanos
        } else {
            // Who votes while others still come has come before: it joins ahead of its own vote.
            let early = vote_at.filter(|at| *at <= crowd.join.to).map(|at| at.saturating_sub(TO_CONNECT));
            let span = match crowd.join.kind {
                JoinKind::AtOnce => 0,
                JoinKind::Ramp => early.unwrap_or(crowd.join.to).saturating_sub(crowd.join.from),
            };
            crowd.join.from + (bits * span as f64) as Nanos
        };
        plan.actions.push(Action { at, client: place.1, deed: Deed::Join, choice: 0 });
    }
}

fn votes(scenario: &Scenario, seed: u64, vote_at: &[Option<Nanos>], plans: &mut [Plan]) {
    let (crowd, vote) = (&scenario.crowd, &scenario.vote);
    let wrong = &crowd.misbehaviour;
    let options = vote.options.len() as u64;
    let regions = plans.len() as u32;
    let mut choice = Stream::new(seed, "crowd.choice", 0);
    let mut draws = Stream::new(seed, "crowd.misbehaviour", 0);
    let weights: Vec<u64> = match crowd.option_weights.as_slice() {
        [] => vec![1; options as usize],
        given => given.iter().map(|w| u64::from(*w)).collect(),
    };
    let weight_sum: u64 = weights.iter().sum();
    for (user, vote_at) in vote_at.iter().enumerate() {
        let (region, client) = place_of(user as u32, regions);
        let plan = &mut plans[region as usize];
        let viewer = plan.viewer[client as usize];
        // Who joins late is not there yet to do anything before its own vote.
        let there = !plan.late[client as usize];
        let mut act = |at, deed, choice| plan.actions.push(Action { at, client, deed, choice });
        let mut ticket = choice.below(weight_sum);
        let option = weights.iter().position(|&w| {
            let hit = ticket < w;
            ticket = ticket.saturating_sub(w);
            hit
        });
        let option = option.expect("the ticket is below the sum of the weights") as u8;
        let another = ((u64::from(option) + 1 + draws.below(options - 1)) % options) as u8;
        // Each kind draws its own numbers, whether it happens or not, so that one rate does not move another's victims.
        let mut happens = |ppm: u32| (draws.chance(ppm), draws.unit(), draws.unit());
        let (early, early_at, _) = happens(wrong.early_vote_ppm);
        let (late, late_at, _) = happens(wrong.late_vote_ppm);
        let (double, double_after, _) = happens(wrong.double_click_ppm);
        let (second, second_after, _) = happens(wrong.second_vote_ppm);
        let (unknown, unknown_before, _) = happens(wrong.unknown_option_ppm);
        let (impostor, impostor_at, _) = happens(wrong.impostor_ppm);
        let mischiefs = [
            (Mischief::Malformed, happens(wrong.malformed_ppm)),
            (Mischief::Oversized, happens(wrong.oversized_ppm)),
            (Mischief::ForgedTally, happens(wrong.forged_tally_ppm)),
            (Mischief::WrongChannel, happens(wrong.wrong_channel_ppm)),
        ];
        let (flap, flap_at, flap_long) = happens(wrong.offline_flap_ppm);

        let between = |from: Nanos, to: Nanos, unit: f64| from + (unit * to.saturating_sub(from) as f64) as Nanos;
        if early && there {
            act(between(vote.create, vote.open, early_at), Deed::Vote(VoteKind::Early), option);
        }
        if let Some(at) = *vote_at {
            let kind = if viewer { VoteKind::Viewer } else { VoteKind::Normal };
            act(at, Deed::Vote(kind), option);
            if double {
                act(between(at + 5 * MS, at + 150 * MS, double_after), Deed::Vote(VoteKind::DoubleClick), option);
            }
            if second {
                act(between(at + SECOND, at + 10 * SECOND, second_after), Deed::Vote(VoteKind::Second), another);
            }
            if unknown && there {
                act(between(vote.open, at, unknown_before), Deed::Vote(VoteKind::UnknownOption), 99);
            }
        }
        if late {
            act(between(vote.close, vote.close + 5 * SECOND, late_at), Deed::Vote(VoteKind::Late), option);
        }
        if impostor && there {
            act(between(vote.open, vote.close, impostor_at), Deed::Vote(VoteKind::Impostor), another);
        }
        for (mischief, (happens, at, way)) in mischiefs {
            if happens {
                act(between(vote.open, vote.close, at), Deed::Mischief(mischief), (way * 2.0) as u8);
            }
        }
        if flap {
            let from = between(vote.open, vote.close, flap_at);
            let long = between(wrong.flap_min, wrong.flap_max, flap_long);
            act(from, Deed::GoOffline, 0);
            act(from + long, Deed::GoOnline, 0);
        }
    }
}
