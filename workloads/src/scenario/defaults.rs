//! Every value that a file may leave out, and why it is what it is.

use headcount_engine::contract::{MS, Nanos, SECOND, US};

use crate::outcome::Verdict;
use crate::pattern::Busy;
use crate::slo::Slo;

use super::crowd::{ArrivalKind, Arrivals, Crowd, Join, JoinKind, Misbehaviours, Retry, Spacing};
use super::distribution::Distribution;
use super::fault::{Swarm, SwarmKind};
use super::form::Words;
use super::links::Links;
use super::stations::{Station, Stations};
use super::{AddShards, Bounds, Scenario, Topology, Variant, Vote};

/// Even spacing: the number of votes in a window is then a plain product that a reader can check.
pub(super) const SPACING: Spacing = Spacing::Even;

/// A scenario in which nothing has been said yet.
pub(super) fn scenario() -> Scenario {
    let vote = vote();
    Scenario {
        name: "unnamed".to_string(),
        summary: String::new(),
        pattern: "voting".to_string(),
        variant: Variant::Hardened,
        limits: String::new(),
        expect: Verdict::Holds,
        thresholds: Slo::default(),
        heal: 0,
        end: 0,
        topology: Topology {
            regions: vec!["us-east".to_string()],
            edges_per_region: 1,
            workers_per_region: 1,
            worker_concurrency: 1_000,
            home_region: String::new(),
        },
        crowd: crowd(&vote),
        vote,
        auditor: None,
        friends: super::friends::defaults(),
        system: super::SystemTable::new(None),
        station: super::station::defaults(),
        stations: stations(),
        links: Links::presets(),
        faults: Vec::new(),
        swarm: None,
        bounds: Bounds { converge: 30 * SECOND },
    }
}

/// A minute of voting, with ten seconds to gather before it and five before the reveal. Question and options are the
/// document's own example (voting.md 5.1).
fn vote() -> Vote {
    Vote {
        session_id: "abc123".to_string(),
        question: "Which feature should we build next?".to_string(),
        options: ["Dark Mode", "Mobile App", "API v2"].map(String::from).to_vec(),
        shards: 1,
        create: SECOND,
        open: 10 * SECOND,
        close: 70 * SECOND,
        reveal: 75 * SECOND,
        allow_change_vote: false,
        show_live_tally: true,
        anonymous_results: false,
        max_votes_per_user: 1,
        tally_interval: SECOND,
        add_shards: None,
        token_ttl_minutes: 60,
    }
}

fn crowd(vote: &Vote) -> Crowd {
    Crowd {
        users: 1_000,
        join: Join { kind: JoinKind::Ramp, from: vote.create, to: vote.open },
        late_join_ppm: 0,
        arrivals: Arrivals { kind: ArrivalKind::Spread, from: vote.open, to: vote.close },
        // Two of three at a screen in the evening are on wifi: a round figure, to be set by who knows better.
        wifi_ppm: 650_000,
        option_weights: Vec::new(),
        // NFR-1 promises 500 ms at p99: four times that is no longer a slow answer but a missing one.
        ack_timeout: 2 * SECOND,
        // 0.5, 1, 2, 4, 8, 8, … s: ten submissions reach over a minute, longer than any 30 s outage.
        retry: Retry { first: 500 * MS, factor: 2.0, max: 8 * SECOND, attempts: 10, give_up_after: 90 * SECOND },
        reconnect_jitter: true,
        misbehaviour: Misbehaviours { flap_min: SECOND, flap_max: 10 * SECOND, ..Misbehaviours::default() },
    }
}

/// Defaults that follow from the variant, set before the file's own values are read.
pub(super) fn after_variant(scenario: &mut Scenario) {
    let documented = scenario.variant == Variant::Documented;
    // The newest profile for our own logic; for the document's, the limits that the document was written against.
    scenario.limits = if documented { "documents-2026-01" } else { "serverless-2026-09" }.to_string();
    // The document's broadcasts come every 5 s (voting.md 7.2, 10.3) and its tokens say 3600 where minutes are meant (8.2).
    // One broadcast a second is the most that 10.4 allows, and the least with which NFR-2 can hold.
    scenario.vote.tally_interval = if documented { 5 * SECOND } else { SECOND };
    scenario.vote.token_ttl_minutes = if documented { 3_600 } else { 60 };
}

/// Defaults that follow from the regions.
pub(super) fn after_regions(scenario: &mut Scenario) {
    scenario.topology.home_region = scenario.topology.regions.first().cloned().unwrap_or_default();
}

/// Defaults that follow from the session's times: people join before it opens and vote while it is open.
pub(super) fn after_vote(scenario: &mut Scenario) {
    let vote = &scenario.vote;
    (scenario.crowd.join.from, scenario.crowd.join.to) = (vote.create, vote.open);
    (scenario.crowd.arrivals.from, scenario.crowd.arrivals.to) = (vote.open, vote.close);
    scenario.crowd.option_weights = vec![1; vote.options.len()];
}

/// More shards, half way through the vote, twice as many.
pub(super) fn add_shards(vote: &Vote) -> AddShards {
    AddShards { at: vote.open.midpoint(vote.close), shards: (2 * vote.shards).min(32) }
}

/// All kinds but for stores that are not there, while people do things: from the session's creation to its close, or while
/// people come, go and make friends.
pub(super) fn swarm(scenario: &Scenario) -> Swarm {
    let there = |kind: &SwarmKind| kind.is_there(scenario);
    let kinds = SwarmKind::WORDS.iter().map(|(_, kind)| *kind).filter(there).collect();
    let busy = busy(scenario);
    Swarm { kinds, events_max: 2, from: busy.from, to: busy.to }
}

/// When what runs is busy: from the first pattern that begins to the last one that ends.
fn busy(scenario: &Scenario) -> Busy {
    let each = scenario.patterns().iter().map(|pattern| pattern.busy(scenario));
    let all = each.reduce(|one, other| Busy {
        from: one.from.min(other.from),
        to: one.to.max(other.to),
        done: one.done.max(other.done),
    });
    all.expect("a scenario has a pattern")
}

/// Healing begins when the last fault ends; with none, when what is done is done: when the vote closes.
pub(super) fn heal(scenario: &Scenario) -> Nanos {
    let faults = scenario.faults.iter().map(|f| f.end());
    let swarm = scenario.swarm.iter().map(|s| s.to);
    faults.chain(swarm).max().unwrap_or_else(|| busy(scenario).to)
}

/// The run ends when what heals last has had its whole bound.
pub(super) fn end(scenario: &Scenario) -> Nanos {
    scenario.heal.max(busy(scenario).done).saturating_add(scenario.bounds.converge)
}

/// Stations for a large event, 10,000 votes a second: a vote is one request to an edge, one broker pass, one execution, at
/// most six KV calls, one or two audit calls. Servers / mean service time is what a station can do:
///
/// | station | can do | busiest second asks for |
/// |---|---|---|
/// | edge | 64 / 0.05 ms = 1,280,000/s | 10,000 requests, and as many answers |
/// | broker | 64 / 0.05 ms = 1,280,000/s | the same |
/// | worker | 64 / 0.2 ms = 320,000/s | 10,000 executions and their steps |
/// | kv | 64 / 0.4 ms = 160,000/s | 60,000 calls, spread over the regions |
/// | audit | 64 / 2 ms = 32,000/s | 20,000 calls, all at home: a durable write is a disk's flush |
/// | appcontext | 64 / 1 ms = 64,000/s | a read for each late joiner |
/// | auth | 64 / 2 ms = 32,000/s | 8,400 logins (500,000 in a minute), and as many answers to its grants |
/// | access | 64 / 2 ms = 32,000/s | a grant for each of these |
///
/// Queues hold about a second of work, so that overload is refused and not hidden in ever longer waits.
pub(super) fn stations() -> Stations {
    let station = |mean: Nanos, p99: Nanos, queue: u32| Station {
        servers: 64,
        service: Distribution::lognormal(mean, p99),
        queue,
        rate_per_s: 0.0,
    };
    Stations {
        edge: station(50 * US, 250 * US, 1_000_000),
        broker: station(50 * US, 250 * US, 1_000_000),
        worker: station(200 * US, MS, 300_000),
        kv: station(400 * US, 2 * MS, 160_000),
        audit: station(2 * MS, 12 * MS, 32_000),
        appcontext: station(MS, 5 * MS, 64_000),
        auth: station(2 * MS, 10 * MS, 32_000),
        access: station(2 * MS, 10 * MS, 32_000),
        // Somebody else's machines over the open network: some tens of milliseconds.
        service: Station { servers: 1_000, ..station(20 * MS, 150 * MS, 50_000) },
    }
}
