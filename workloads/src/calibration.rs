//! Where the service times and latencies of a run are from: measured by whoever asks, written into the scenario by hand, what
//! documents and public tables say, or what is assumed where they say nothing.

use serde::{Deserialize, Serialize};

use headcount_sim::Sampler;

use crate::scenario::{Distribution, JobService, Scenario, Source};
use crate::station::theory;

/// What a distribution is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// A file of latencies that were measured.
    Measured,
    /// Somebody wrote it into the scenario.
    Scenario,
    /// Nobody said anything else than a document or a public table does.
    Documents,
    /// Nor do they say anything.
    Assumed,
}

/// A distribution of a run and its origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// The key in the scenario: `stations.kv.service`, `links.wifi`.
    pub what: String,
    pub basis: Basis,
    /// The file and how many values it had, the document and what it says, or what was assumed.
    pub source: String,
    pub mean_ms: f64,
    pub p99_ms: f64,
}

impl Calibrated {
    fn new(what: String, basis: Basis, source: &str, sampler: &Sampler) -> Self {
        let (mean_ms, p99_ms) = (sampler.mean_ns() / 1e6, sampler.quantile_ns(0.99) as f64 / 1e6);
        Self { what, basis, source: source.to_owned(), mean_ms, p99_ms }
    }

    /// `source` is that of `default`.
    fn of(what: String, now: &Distribution, default: &Distribution, source: Source) -> Self {
        let (basis, source) = match (now, source) {
            (Distribution::Quantiles(of), _) if !of.source.is_empty() => (Basis::Measured, of.source.as_str()),
            _ if now != default => (Basis::Scenario, "the scenario itself"),
            (_, Source::Documents(source)) => (Basis::Documents, source),
            (_, Source::Assumed(source)) => (Basis::Assumed, source),
        };
        Self::new(what, basis, source, &now.sampler())
    }
}

/// Every station and link of a scenario.
pub fn of(scenario: &Scenario) -> Vec<Calibrated> {
    if scenario.is_station() {
        return vec![one_station(scenario)];
    }
    let kinds = scenario.kinds();
    let runs = |word: &str| kinds.iter().any(|kind| kind.word() == word);
    let stations = scenario.stations.with_sources().into_iter().filter(|(kind, ..)| runs(kind));
    let stations = stations.map(|(kind, station, default, source)| {
        Calibrated::of(format!("stations.{kind}.service"), &station.service, &default, source)
    });
    let links = scenario.links.by_key().into_iter();
    let links = links.map(|(key, now, default, source)| Calibrated::of(format!("links.{key}"), now, &default, source));
    stations.chain(links).collect()
}

fn one_station(scenario: &Scenario) -> Calibrated {
    let spec = &scenario.station;
    let source = match spec.service {
        JobService::Exponential => "the scenario itself: exponential",
        JobService::Constant => "the scenario itself: constant",
        JobService::Lognormal => "the scenario itself: lognormal",
    };
    Calibrated::new("station.service".into(), Basis::Scenario, source, &theory::station_spec(spec).service)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibrated(name: &str, overrides: &[(&str, &str)]) -> Vec<Calibrated> {
        let overrides: Vec<_> = overrides.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        of(&Scenario::load(name, &overrides).unwrap())
    }

    fn find<'a>(all: &'a [Calibrated], what: &str) -> &'a Calibrated {
        all.iter().find(|one| one.what == what).unwrap()
    }

    #[test]
    fn what_nobody_changed_is_of_the_documents_or_assumed_and_says_why() {
        for name in ["voting-small", "friends-small", "evening", "enrichment-small"] {
            let all = calibrated(name, &[]);
            assert!(all.len() > 8, "{name}");
            for one in &all {
                assert!(
                    matches!(one.basis, Basis::Documents | Basis::Assumed) && one.source.len() > 20,
                    "{name}: {one:?}"
                );
                assert!(0.0 < one.mean_ms && one.mean_ms < one.p99_ms, "{name}: {one:?}");
            }
        }
    }

    #[test]
    fn what_somebody_wrote_down_is_the_scenarios() {
        let constant = "{ kind = \"constant\", ms = 3.0 }";
        let measured = "{ kind = \"quantiles\", source = \"a.csv\", quantiles_ms = [[0, 1], [1, 3]] }";
        let all = calibrated("voting-calm", &[("stations.kv.service", constant), ("links.wifi", measured)]);
        let kv = find(&all, "stations.kv.service");
        assert_eq!((kv.basis, kv.mean_ms, kv.p99_ms), (Basis::Scenario, 3.0, 3.0));
        let wifi = find(&all, "links.wifi");
        // Straight from 1 to 3 ms.
        assert_eq!((wifi.basis, wifi.source.as_str(), wifi.mean_ms), (Basis::Measured, "a.csv", 2.0));
        assert!((wifi.p99_ms - 2.98).abs() < 1e-5);
        assert_eq!(all.iter().filter(|one| matches!(one.basis, Basis::Measured | Basis::Scenario)).count(), 2);
        let [appcontext, auth] =
            ["stations.appcontext.service", "stations.auth.service"].map(|what| find(&all, what).basis);
        assert_eq!((appcontext, auth), (Basis::Documents, Basis::Assumed));
        let station = calibrated("station", &[]);
        assert_eq!((station[0].what.as_str(), station[0].basis), ("station.service", Basis::Scenario));
    }

    #[test]
    fn what_does_not_run_is_not_listed() {
        assert!(!calibrated("friends-small", &[]).iter().any(|one| one.what == "stations.audit.service"));
        assert!(!calibrated("voting-small", &[]).iter().any(|one| one.what == "stations.service.service"));
    }
}
