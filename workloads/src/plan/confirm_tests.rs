//! Everybody, on a laboratory that reckons: a KV replica is full when each of its servers has so many people, and what
//! is full answers too late.

use std::collections::BTreeMap;

use super::super::lab::{Judgement, Lab, Promise};
use super::super::load::{Ask, Demand};
use super::super::sample::{Resource, Sample};
use super::super::search::Question;
use super::*;
use crate::scenario::Scenario;

/// People that one KV server can have, if nothing else forbids them.
struct Crowded(f64);

impl Lab for Crowded {
    fn run(&self, asks: &[(&Ask, u64)]) -> Result<Vec<Sample>, Trouble> {
        Ok(asks.iter().map(|(ask, seed)| self.reckon(ask, *seed)).collect())
    }
}

impl Crowded {
    fn reckon(&self, ask: &Ask, seed: u64) -> Sample {
        let servers = ask.scenario.stations.kv.servers;
        let full = f64::from(ask.scenario.crowd.users) / f64::from(servers) / self.0;
        let ms = if full <= 1.0 { 100.0 } else { 1_000.0 };
        // Nobody minds a station that is nine tenths full.
        let busy = (0.9 * full).min(1.0);
        Sample {
            seed,
            digest: seed,
            metrics: BTreeMap::from([("ack.p99_ms".to_owned(), ms)]),
            resources: vec![Resource {
                name: "kv eu-west".into(),
                kind: "kv".into(),
                capacity: f64::from(servers),
                utilisation: busy,
                peak: busy,
            }],
            evidence: crate::certificate::Evidence { seed, ..Default::default() },
            ..Sample::default()
        }
    }
}

struct Below500;

impl Promise for Below500 {
    fn judge(&self, value: &dyn Fn(&str) -> Option<f64>) -> Vec<Judgement> {
        let value = value("ack.p99_ms").unwrap();
        let met = value < 500.0;
        vec![Judgement { threshold: "ack.p99_ms < 500".into(), metric: "ack.p99_ms".into(), value, limit: 500.0, met }]
    }
}

/// 10,000 people, from four KV servers on, when one server can have so many of them.
fn confirmed(people_per_server: f64) -> (Result<(Config, Tried), Infeasible>, usize) {
    let scenario = Scenario::load("voting-calm", &[]).unwrap();
    let demand = Demand { users: 10_000, rate_per_s: 100.0 };
    let question = Question {
        scenario: &scenario,
        demand,
        promise: &Below500,
        headroom: 2.0,
        seeds: vec![1],
        window_s: 2.0,
        faults: &[],
    };
    let lab = Crowded(people_per_server);
    let mut search = Search::new(&question, &lab);
    let config = Config::of(&scenario);
    let (kv, _) = *config.0.iter().find(|(knob, _)| knob.station() == Some("kv")).unwrap();
    let found = search.confirm(&config.with(kv, 4)).unwrap();
    (found, search.tried.len())
}

fn kv_of(config: &Config) -> u32 {
    config.0.iter().find(|(knob, _)| knob.station() == Some("kv")).unwrap().1
}

#[test]
fn who_is_carried_as_it_is_is_left_as_it_is() {
    // 4 servers x 2,500 people are everybody.
    let (found, tries) = confirmed(2_500.0);
    assert_eq!((kv_of(&found.unwrap().0), tries), (4, 1));
}

#[test]
fn what_is_full_with_everybody_is_enlarged_until_it_is_not() {
    // 10,000 / 1,000 are 10 servers: 4, 6, 9, 14 are tried.
    let (found, tries) = confirmed(1_000.0);
    let (config, tried) = found.unwrap();
    assert_eq!((kv_of(&config), tries), (14, 4));
    assert!(tried.meets && tried.demand.users == 10_000);
}

#[test]
fn what_no_enlarging_helps_is_said_with_the_station_and_what_would_have_to_change() {
    // 10,000 / 100 are 100 servers: 4, 6, 9, 14, 21 are tried and none is enough.
    let (found, tries) = confirmed(100.0);
    let nothing = found.unwrap_err();
    assert_eq!((nothing.station.as_deref(), tries), (Some("kv eu-west"), 5));
    assert!(nothing.why.contains("enlarged 4 times") && nothing.why.contains("21 servers in each kv"), "{nothing:?}");
    assert!(nothing.change.contains("crowd.join"), "{nothing:?}");
}
