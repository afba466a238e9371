//! One station against the textbook, and what the scenario `station` takes.

mod plan;
#[path = "../support/mod.rs"]
mod support;

use headcount_workloads::outcome::{Outcome, PropertyKind, Verdict};
use headcount_workloads::run::Prepared;
use headcount_workloads::scenario::Scenario;
use support::{counter, prepared, run, scenario, violated};

/// Ten milliseconds of service; one server at 80 % unless the test says otherwise.
const ONE: [(&str, &str); 2] = [("station.servers", "1"), ("arrivals.rate_per_s", "80")];

fn figure(outcome: &Outcome, name: &str) -> f64 {
    outcome.figures[name]
}

#[track_caller]
fn within(value: f64, expected: f64, share: f64) {
    assert!((value / expected - 1.0).abs() < share, "{value} is not within {share} of {expected}");
}

/// A million jobs: mean wait and utilisation are theory's to 2 %, and within their intervals, for that is a property.
#[track_caller]
fn agrees(overrides: &[(&str, &str)], seed: u64, rho: f64, wait_ms: f64) -> Outcome {
    let outcome = run("station", overrides, seed);
    assert_eq!(outcome.verdict, Verdict::Holds, "{:?}", violated(&outcome.properties));
    within(figure(&outcome, "station.wait_theory_ms"), wait_ms, 1e-6);
    within(figure(&outcome, "station.wait_mean_ms"), wait_ms, 0.02);
    within(figure(&outcome, "station.utilisation"), rho, 0.01);
    assert_eq!(counter(&outcome, "station.served"), 1_000_000);
    outcome
}

/// W = rho / (1 - rho) services = 40 ms; the sojourn is exponential with mean 1 / (mu - lambda) = 50 ms, its 99th percentile
/// 50 ln 100 = 230.26 ms; queue = rho^2 / (1 - rho) = 3.2.
#[test]
fn one_exponential_server_is_m_m_1() {
    let outcome = agrees(&ONE, 1, 0.8, 40.0);
    within(figure(&outcome, "station.sojourn_p99_ms"), 230.258_5, 0.03);
    within(figure(&outcome, "station.queue_mean"), 3.2, 0.03);
}

/// Half of it: 20 ms.
#[test]
fn one_constant_server_is_m_d_1() {
    agrees(&[&ONE[..], &[("station.service", "constant")]].concat(), 2, 0.8, 20.0);
}

/// (1 + 0.5^2) / 2 of it: 25 ms.
#[test]
fn one_lognormal_server_is_m_g_1() {
    let lognormal = [("station.service", "lognormal"), ("station.service_cv", "0.5")];
    agrees(&[&ONE[..], &lognormal].concat(), 3, 0.8, 25.0);
}

/// Erlang C with a = 2.4: a^3/3! / (1 - 0.8) = 2.304 / 0.2 = 11.52; 1 + 2.4 + 2.88 = 6.28; C = 11.52 / 17.8 = 0.647191;
/// W = C x 10 / (3 x 0.2) = 10.786517 ms.
#[test]
fn three_exponential_servers_are_m_m_3() {
    agrees(&[("arrivals.rate_per_s", "240")], 4, 0.8, 10.786_517);
}

/// Shorter runs, many seeds: intervals that miss once in 10,000 hold in all of them, and the same seed gives the same.
#[test]
fn the_intervals_hold_over_many_seeds() {
    for (service, jobs) in [("exponential", "80000"), ("constant", "60000"), ("lognormal", "200000")] {
        let overrides = [&ONE[..], &[("station.service", service), ("arrivals.jobs", jobs)]].concat();
        let station = prepared("station", &overrides);
        for seed in 1..=15 {
            let checked = station.check(seed);
            assert_eq!(checked.verdict, Verdict::Holds, "{service}, seed {seed}: {:?}", violated(&checked.properties));
        }
        assert_eq!(station.check(1), station.check(1));
    }
}

#[test]
fn the_same_dice_are_thrown_at_every_rate() {
    // Twice the rate: the same gaps, half as long; the same services.
    let at = |rate: &str| run("station", &[("arrivals.rate_per_s", rate), ("arrivals.jobs", "1000")], 1);
    let (slow, fast) = (at("50"), at("100"));
    let busy = |outcome: &Outcome| outcome.stations[0].service_mean_ms;
    assert_eq!(busy(&slow), busy(&fast));
}

#[test]
fn a_load_above_what_the_servers_can_do_is_said_to_be_one() {
    let outcome = run("station", &[("arrivals.rate_per_s", "312"), ("arrivals.jobs", "20000")], 1);
    // 312/s x 10 ms / 3 = 104 %.
    assert!(outcome.notes[0].contains("104.0 % of what 3 servers can do"), "{:?}", outcome.notes);
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    assert!(!outcome.figures.contains_key("station.wait_theory_ms"));
    assert!(outcome.properties.iter().any(|property| property.name == "a-load-that-can-be-carried"));
}

#[test]
fn too_few_jobs_say_nothing_of_the_mean() {
    let outcome = run("station", &[("arrivals.jobs", "2000")], 1);
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    let open = outcome.properties.iter().filter(|property| property.verdict != Verdict::Holds);
    assert!(open.into_iter().all(|one| one.name == "enough-arrivals" && one.kind == PropertyKind::Sometimes));
}

/// M/D/3 has no formula: its utilisation is checked, its mean wait is only measured.
#[test]
fn where_theory_has_no_formula_nothing_is_compared() {
    let outcome = run("station", &[("station.service", "constant"), ("arrivals.jobs", "100000")], 1);
    assert_eq!(outcome.verdict, Verdict::Holds);
    let wait = outcome.properties.iter().find(|property| property.name == "the-mean-wait-is-theorys").unwrap();
    assert_eq!(wait.times_checked, 0);
}

#[test]
fn arrivals_of_a_file_come_to_the_station() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("load.csv"), "second,arrivals\n0,30\n1,0\n2,12\n").unwrap();
    let text = "name = \"mine\"\npattern = \"station\"\n[arrivals]\nkind = \"csv\"\npath = \"load.csv\"\n";
    let scenario = Scenario::parse_in(folder.path(), "mine.toml", text, &[]).unwrap();
    let outcome = Prepared::new(scenario.clone()).run(1, Default::default());
    assert_eq!(counter(&outcome, "station.served"), 42);
    assert_eq!(Scenario::parse("echo", &scenario.to_toml(), &[]).unwrap(), scenario);
}

#[test]
fn the_station_can_crash_and_every_job_is_still_accounted_for() {
    let text = "name = \"mine\"\npattern = \"station\"\n[arrivals]\nrate_per_s = 80\nkind = \"poisson\"\njobs = 2000\n\
                [[fault]]\nkind = \"crash\"\nnode = \"station\"\nat_s = 5\nfor_s = 2\n";
    let scenario = Scenario::parse("mine.toml", text, &[]).unwrap();
    let outcome = Prepared::new(scenario).run(1, Default::default());
    assert_eq!(violated(&outcome.properties), [""; 0]);
    let station = &outcome.stations[0];
    assert!(station.lost_to_crashes > 0 && counter(&outcome, "station.served") < 2_000, "{station:?}");
}

#[test]
fn wrong_values_are_answered_with_what_would_be_right() {
    let refused = |key: &str, value: &str| {
        let overrides = [(key.to_string(), value.to_string())];
        Scenario::load("station", &overrides).expect_err("must be refused").to_string()
    };
    let says = |key: &str, value: &str, right: &str| {
        assert_eq!(refused(key, value), format!("--set {key}={value}: {right}"));
    };
    says("station.servers", "0", "must be 1 to 100,000");
    says("station.service", "gamma", "must be \"exponential\", \"constant\" or \"lognormal\"");
    says("station.service_mean_ms", "-1", "must be 0.01 to 60,000 milliseconds");
    says("station.service_cv", "0.5", "must stand beside service = \"lognormal\" alone");
    says("arrivals.rate_per_s", "-250", "must be 0 to 1,000,000 arrivals a second");
    says("arrivals.rate_per_s", "0", "must be above 0");
    says("arrivals.jobs", "0", "must be 1 to 10,000,000");
    assert!(refused("station.queue", "5").contains("unknown key; here can stand: servers, service, service_mean_ms"));
    assert!(refused("station.measure_from_s", "5000").contains("must be while jobs come, 0.0 to 4025.0"));
    assert!(
        refused("stations.kv.servers", "5").contains("unknown key; here can stand: name, summary, pattern, expect")
    );
    // A million jobs at one in 10 s are 116 days.
    assert!(refused("arrivals.rate_per_s", "0.1").contains("must be fewer at this rate"));
}

#[test]
fn what_is_left_out_is_filled_in_and_written_out() {
    for overrides in [&[][..], &[("arrivals.to_s", "60")], &[("station.service", "lognormal")]] {
        let station = scenario("station", overrides);
        assert_eq!(Scenario::parse("echo", &station.to_toml(), &[]).unwrap(), station);
    }
    // With an end and no number of jobs, as many come as come: 250/s x 60 s.
    let outcome = run("station", &[("arrivals.to_s", "60")], 1);
    assert!(counter(&outcome, "station.jobs").abs_diff(15_000) < 600);
}
