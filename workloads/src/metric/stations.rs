//! Stations by name: each node's own, the worst of each kind, the worst of all.

use std::collections::BTreeMap;

use super::{Better, Metric};
use crate::outcome::StationFigures;
use crate::scenario::{NodeKind, Scenario};

/// One field of a station: its name in `run.json`, its value, how several stations' values make one, and what is better.
type Field = (&'static str, fn(&StationFigures) -> f64, fn(f64, f64) -> f64, Better);

fn sum(a: f64, b: f64) -> f64 {
    a + b
}

const FIELDS: [Field; 7] = [
    ("arrivals", |station| station.arrivals as f64, sum, Better::Neither),
    ("queue_max", |station| station.queue_max as f64, f64::max, Better::Less),
    ("refused", |station| station.refused as f64, sum, Better::Less),
    ("service_mean_ms", |station| station.service_mean_ms, f64::max, Better::Less),
    ("utilisation", |station| station.utilisation, f64::max, Better::Less),
    ("utilisation_peak", |station| station.utilisation_peak, f64::max, Better::Less),
    ("wait_mean_ms", |station| station.wait_mean_ms, f64::max, Better::Less),
];

/// Names of what [`measured`] says of a run of this scenario.
pub(super) fn offered(scenario: &Scenario) -> Vec<Metric> {
    let platform = scenario.stations.by_kind();
    let kinds: Vec<&str> = platform.iter().map(|(kind, _)| *kind).chain([NodeKind::Station.word()]).collect();
    let served = scenario.nodes().into_iter().filter(|node| kinds.contains(&node.kind.word()));
    let mut whose: Vec<String> = vec!["stations".to_owned()];
    for node in served {
        whose.push(format!("stations.{}", node.kind.word()));
        whose.push(format!("stations.{}", node.name));
    }
    whose.sort();
    whose.dedup();
    let of = |whose: &String| FIELDS.map(|(field, _, _, better)| Metric::new(format!("{whose}.{field}"), better));
    whose.iter().flat_map(of).collect()
}

/// Every field of every station; of a kind and of all, the greatest value, or the sum of what is counted.
pub(super) fn measured(stations: &[StationFigures], into: &mut BTreeMap<String, f64>) {
    for (field, value, together, _) in FIELDS {
        let mut kinds: BTreeMap<String, f64> = BTreeMap::new();
        for station in stations {
            let value = value(station);
            into.insert(format!("stations.{}.{field}", station.node), value);
            for whose in [format!("stations.{}", station.kind), "stations".to_owned()] {
                let all = kinds.entry(format!("{whose}.{field}")).or_insert(0.0);
                *all = together(*all, value);
            }
        }
        // A kind that is there once goes by its node's name: the value is the same.
        into.extend(kinds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_as_full_as_its_fullest_and_counts_them_all() {
        let station = |node: &str, utilisation, arrivals| StationFigures {
            node: node.into(),
            kind: "kv".into(),
            region: "us-east".into(),
            servers: 1,
            utilisation,
            utilisation_peak: 1.0,
            arrivals,
            refused: 0,
            wait_mean_ms: 0.5,
            service_mean_ms: 1.0,
            queue_max: 3,
            sojourn_mean_ms: 0.0,
            queue_mean: 0.0,
            lost_to_crashes: 0,
            left: 0,
            little_deviation: 0.0,
        };
        let mut all = BTreeMap::new();
        measured(&[station("kv-a", 0.25, 10), station("kv-b", 0.75, 20)], &mut all);
        // The greatest of 0.25 and 0.75; 10 + 20 = 30.
        assert_eq!((all["stations.kv.utilisation"], all["stations.kv.arrivals"]), (0.75, 30.0));
        assert_eq!((all["stations.kv-a.utilisation"], all["stations.utilisation"]), (0.25, 0.75));
    }
}
