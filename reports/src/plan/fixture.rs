//! An answer made by hand, for tests of pages and pictures; it claims nothing about any run.

use std::collections::BTreeMap;

use headcount_workloads::bill::{Bill, Kind};
use headcount_workloads::outcome::FaultWindow;
use headcount_workloads::plan::cost::{Acknowledgements, Cost, Line};
use headcount_workloads::plan::growth::Grown;
use headcount_workloads::plan::ladder::{Ladder, MaxRate, Rung};
use headcount_workloads::plan::metastability::{Cell, LOADS, Map};
use headcount_workloads::plan::storm::{Count, Says, Storm, Storms, Told};
use headcount_workloads::plan::{Config, Demand, Judgement, Knob, Look, NEVER_MS, Resource, Sample, Tried, Usl};

use super::{Answer, Asked, Plan};

const DEMAND: Demand = Demand { users: 500_000, rate_per_s: 10_000.0 };

/// 500,000 voters at 10,000 votes a second.
pub fn asked() -> Asked {
    Asked {
        scenario: "voting-500k".into(),
        demand: DEMAND,
        headroom: 2.0,
        slo: "ack.p99_ms < 500".into(),
        seeds: 2,
        own: Config(vec![(Knob::VoteShards, 32)]).settings(),
        fault_plan: None,
        repeat: "headcount plan voting-500k".into(),
    }
}

/// The plan that has this answer; nothing else is known of it.
pub fn plan<'a>(asked: &'a Asked, answer: &'a Answer) -> Plan<'a> {
    Plan { asked, found: Ok(answer), tried: &[], prices: None, storms: None, grown: &[] }
}

fn resource(name: &str, kind: &str, utilisation: f64) -> Resource {
    Resource { name: name.into(), kind: kind.into(), capacity: 8.0, utilisation, peak: utilisation * 1.2 }
}

fn sample(seed: u64, ms: f64) -> Sample {
    Sample {
        seed,
        digest: seed,
        metrics: BTreeMap::from([("ack.p99_ms".to_owned(), ms)]),
        shards_per_s: (0..12).map(|shard| (0..60).map(|s| f64::from(s * shard % 97)).collect()).collect(),
        series: [("votes_submitted", 11), ("acks_accepted", 7)]
            .map(|(name, round)| (name.to_owned(), (0..60).map(|s| f64::from(s % round)).collect()))
            .into(),
        faults: vec![FaultWindow { kind: "crash".into(), label: "crash audit".into(), from_s: 20.0, to_s: 30.0 }],
        virtual_s: 60.0,
        evidence: headcount_workloads::certificate::Evidence { seed, ..Default::default() },
        ..Sample::default()
    }
}

fn tried(step: &'static str, config: &Config, times: f64) -> Tried {
    let judged = Judgement {
        threshold: "ack.p99_ms < 500".into(),
        metric: "ack.p99_ms".into(),
        value: 310.0,
        limit: 500.0,
        met: true,
    };
    Tried {
        step,
        config: config.settings(),
        of: config.clone(),
        demand: DEMAND.times(times),
        look: Look::Full,
        seeds: 2,
        window_s: 2.0,
        meets: true,
        judged: vec![judged],
        resources: vec![
            resource("vote shards", "vote shards", 0.49 * times),
            resource("kv eu-west", "kv", 0.41 * times),
            resource("kv us-east", "kv", 0.40 * times),
        ],
        means: BTreeMap::from([("ack.p99_ms".to_owned(), 310.0)]),
        samples: vec![sample(1, 300.0), sample(2, 320.0)],
    }
}

/// Twelve shards and eight servers in each KV replica.
pub fn answer() -> Answer {
    let config = Config(vec![(Knob::VoteShards, 12), (Knob::Servers(3), 8)]);
    let rungs = [(0.25, 280.0), (0.5, 285.0), (1.0, 310.0), (2.0, 480.0), (2.5, 5_000.0), (3.125, NEVER_MS)];
    let rung = |(times, latency_ms): (f64, f64)| Rung {
        rate_per_s: DEMAND.rate_per_s * times,
        goodput_per_s: Some(DEMAND.rate_per_s * times.min(2.2)),
        latency_ms,
        p50_ms: 120.0,
        meets: times <= 2.0,
        fullest: "vote shards".into(),
        utilisation: 0.49 * times,
    };
    let most = |shards: u32, rate_per_s| MaxRate {
        shards,
        says: format!("{shards} vote shards"),
        rate_per_s,
        limited_by: "vote shards".into(),
    };
    Answer {
        at_load: tried("answer", &config, 1.0),
        with_headroom: tried("answer", &config, 2.0),
        everybody: tried("everybody", &config, 1.0),
        ladder: Ladder { metric: "ack.p99_ms".into(), rungs: rungs.map(rung).to_vec(), knee: Some(3) },
        scaling: vec![most(1, 980.0), most(4, 3_700.0), most(12, 21_000.0)],
        usl: Some(Usl { lambda: 1_000.0, sigma: 0.02, kappa: 0.000_1, error_rms: 10.0 }),
        cost: Some(cost()),
        config,
    }
}

fn cost() -> Cost {
    let line = |kind| Line { kind, measured: 1_000_000.0, hardened: 1_010_000.0, documented: 4_000_000.0 };
    let acknowledgements = Acknowledgements { published: 500_000.0, private: 500_000.0, shared: 2.5e11 };
    Cost { users: 500_000, small: [500, 1_500], lines: Kind::all().map(line).collect(), acknowledgements }
}

/// Half and all of the people.
pub fn grown() -> Vec<Grown> {
    let one = |users: u32| Grown {
        users,
        rate_per_s: f64::from(users) / 50.0,
        shards: users / 25_000,
        bill: Bill(Kind::all().map(|kind| (kind, 3.0 * f64::from(users))).collect()),
        messages: 35.0 * f64::from(users),
    };
    vec![one(250_000), one(500_000)]
}

/// Storms of a quarter to all of a million people's connections; at 95 % the larger two are never over.
pub fn storms() -> Storms {
    let count = |(name, each, is_event): (&'static str, f64, bool)| Count { name, says: name, each, is_event };
    let counts = [("presence", 2.0, true), ("executions", 1.5, true), ("publishes", 1.0, true), ("pages", 8.0, false)];
    let storm = |regions: u32| Storm {
        regions,
        share: f64::from(regions) / 4.0,
        lost: 1_000.0 * f64::from(regions),
        back_s: Some(5.0),
        drain_s: Some(2.0 * f64::from(regions)),
        counts: counts.map(count).to_vec(),
        amplification: 4.5,
        busiest_per_s: 16.0 * f64::from(regions),
        trouble: 0.5,
        work_per_s: (0..90).map(|second| f64::from(second % 17 * regions)).collect(),
    };
    let cells = LOADS.iter().flat_map(|load| (1..=4).map(move |regions| (*load, f64::from(regions) / 4.0)));
    let cell = |(load, share): (f64, f64)| Cell {
        share,
        load,
        utilisation: load,
        carried: true,
        goodput_per_s: 90.0,
        calm_per_s: 100.0,
        trouble_per_s: 0.0,
        back_s: if load < 0.9 { Some(0.0) } else { (share < 0.7).then_some(120.0) },
    };
    Storms {
        says: Says {
            work: "presence events",
            goodput: "screens changed",
            trouble: "errors",
            watched_s: 300,
            jitter_key: "friends.reconnect_jitter",
        },
        cut_s: 12.0,
        healed_s: 34.0,
        storms: (1..=4).map(storm).collect(),
        in_step: Some(Storm { busiest_per_s: 640.0, ..storm(4) }),
        told: Some(Told { changes: 100.0, groups: 90.0, inboxes: 4_500.0, deliveries: 4_400.0 }),
        map: Map { users: 2_000, rate_per_s: 20.0, cells: cells.map(cell).collect() },
    }
}
