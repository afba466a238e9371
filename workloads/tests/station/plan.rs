//! A plan on a station whose answers are known: the most it carries, and the fewest servers.

use headcount_workloads::plan::{Ask, Config, Demand, Found, Knob, Lab, Question, Sample, Search, Trouble};
use headcount_workloads::run::{Prepared, RunOptions};
use headcount_workloads::slo::Slo;

use super::{scenario, within};

/// Runs what it is asked for, one after the other.
struct Here;

impl Lab for Here {
    fn run(&self, asks: &[(&Ask, u64)]) -> Result<Vec<Sample>, Trouble> {
        let one = |(ask, seed): &(&Ask, u64)| {
            Sample::of(ask, &Prepared::new(ask.scenario.clone()).run(*seed, RunOptions::default()))
        };
        Ok(asks.iter().map(one).collect())
    }

    fn ahead(&self, _: u64) {}
}

/// Searches at `rate_per_s` on the scenario `station` with so many servers, 10 ms a job, within `slo`.
fn search<T>(servers: &str, rate_per_s: f64, slo: &str, look: impl FnOnce(&mut Search<'_>, &Config) -> T) -> T {
    let station = scenario("station", &[("station.servers", servers), ("arrivals.jobs", "100000")]);
    let promise = Slo::parse_for(slo, &station).unwrap();
    let question = Question {
        scenario: &station,
        demand: Demand { users: 0, rate_per_s },
        promise: &promise,
        headroom: 1.0,
        seeds: vec![1, 2, 3],
        window_s: 2.0,
        faults: &[],
    };
    look(&mut Search::new(&question, &Here), &Config::of(&station))
}

#[track_caller]
fn carries(servers: &str, slo: &str, analytic_per_s: f64) {
    let most = search(servers, analytic_per_s / 2.0, slo, |search, config| search.max_rate(config).unwrap());
    within(most.rate_per_s, analytic_per_s, 0.03);
    assert_eq!(
        (most.says.as_str(), most.limited_by.as_str()),
        (&*format!("{servers} server{}", if servers == "1" { "" } else { "s" }), "station")
    );
}

/// M/M/1: sojourns are exponential with mean 1 / (100 - rate); their 99th percentile, ln 100 = 4.605170 of these, is 230.2585
/// ms at 80/s.
#[test]
fn the_most_that_m_m_1_carries_within_a_99th_percentile_is_found_to_3_per_cent() {
    carries("1", "sojourn.p99_ms<230.2585", 80.0);
}

/// M/M/3 waits 10.786517 ms in the mean at 240/s, by Erlang C (the test of the run itself has the sum).
#[test]
fn the_most_that_m_m_3_carries_within_a_mean_wait_is_found_to_3_per_cent() {
    carries("3", "station.wait_mean_ms<10.786517", 240.0);
}

/// 240/s x 10 ms are 2.4 servers' work: 2 never keep up, and 3 keep 12 ms; so do more, and a plan begins with 8.
#[test]
fn the_fewest_servers_are_found_and_the_certificate_has_theory_in_it() {
    let (found, certificate) = search("8", 240.0, "station.wait_mean_ms<12", |search, _| {
        let found = search.run().unwrap();
        (found, search.certificate(search.tried.last(), "a tenth"))
    });
    let Found::Answer(config) = found else { panic!("{found:?}") };
    assert_eq!(config.value(Knob::StationServers), Some(3));
    let theory = certificate.checks.iter().find(|check| check.name == "queueing-theory").unwrap();
    assert!(theory.found.contains("mean wait") || theory.found.contains("utilisation"), "{}", theory.found);
    assert!(certificate.intervals.contains_key("station.wait_mean_ms"));
}

#[test]
fn what_no_number_of_servers_can_do_is_said() {
    // A job is served for 10 ms in the mean: no p99 of the sojourn is below 10 ms.
    let found = search("2", 50.0, "sojourn.p99_ms<10", |search, _| search.run().unwrap());
    let Found::Nothing(why) = found else { panic!("{found:?}") };
    assert_eq!(why.station, None, "{why:?}");
}
