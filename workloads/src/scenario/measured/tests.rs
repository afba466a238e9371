//! Facts about measured latencies in a scenario: where files are looked for, what is drawn from them, what is written out.

use std::fs;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
use headcount_sim::Stream;

use super::super::{BadInput, Distribution, Scenario};

/// Lognormal with mean 2 ms and cv 1 in microseconds, with one value in a thousand a hundred times as long: 20,000 values.
fn values_us() -> Vec<u64> {
    let shape = headcount_sim::Sampler::lognormal_cv(2_000, 1.0).unwrap();
    let mut stream = Stream::new(7, "measured", 0);
    (0..20_000).map(|n| shape.draw(&mut stream).max(1) * if n % 1_000 == 0 { 100 } else { 1 }).collect()
}

fn histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new(3).unwrap();
    values_us().into_iter().for_each(|value| histogram.record(value).unwrap());
    histogram
}

/// A folder with `kv.hlog`, `kv.csv`, `counted.csv` and the scenario `my.toml`, which has `rest` in it.
fn folder_with(rest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let mut writer = IntervalLogWriterBuilder::new().begin_log_with(&mut log, &mut serializer).unwrap();
    writer.write_histogram(&histogram(), Default::default(), Default::default(), None).unwrap();
    fs::write(folder.path().join("kv.hlog"), log).unwrap();
    let rows: String = values_us().iter().map(|us| format!("{us}\n")).collect();
    fs::write(folder.path().join("kv.csv"), format!("latency_us\n{rows}")).unwrap();
    fs::write(folder.path().join("counted.csv"), "value_ms,count\n5,3\n100,1\n").unwrap();
    fs::write(
        folder.path().join("my.toml"),
        format!("name = \"my\"\n[topology]\nregions = [\"us-east\", \"eu-west\"]\n{rest}"),
    )
    .unwrap();
    folder
}

fn load(folder: &tempfile::TempDir, overrides: &[(&str, &str)]) -> Result<Scenario, BadInput> {
    let overrides: Vec<_> = overrides.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Scenario::load(folder.path().join("my.toml").to_str().unwrap(), &overrides)
}

/// What `rest` is refused with, without the folder's own path.
fn refused(rest: &str) -> String {
    let folder = folder_with(rest);
    let line = load(&folder, &[]).expect_err("must be refused").to_string();
    line.replace(&format!("{}/", folder.path().display()), "")
}

const LOG: &str = "{ kind = \"measured\", path = \"kv.hlog\", unit = \"us\" }";
const CSV: &str = "{ kind = \"measured\", path = \"kv.csv\" }";

/// 20,000 values through 0.5 % of tolerance and, in the log, buckets of 0.1 %.
#[test]
fn what_is_drawn_has_the_files_mean_and_percentiles() {
    let mut values = values_us();
    values.sort_unstable();
    let mean_us = values.iter().sum::<u64>() as f64 / values.len() as f64;
    let folder = folder_with(&format!("[stations.kv]\nservice = {LOG}\n[links]\nwifi = {CSV}\n"));
    let scenario = load(&folder, &[]).unwrap();
    for distribution in [&scenario.stations.kv.service, &scenario.links.wifi] {
        let sampler = distribution.sampler();
        let mut stream = Stream::new(1, "drawn", 0);
        let mut drawn: Vec<u64> = (0..1_000_000).map(|_| sampler.draw(&mut stream)).collect();
        drawn.sort_unstable();
        // The standard error of the drawn mean is 10 ms / 1,000 = 10 us, of 2.2 ms.
        let drawn_mean_us = drawn.iter().sum::<u64>() as f64 / 1e9;
        assert!((drawn_mean_us / mean_us - 1.0).abs() < 0.02, "{drawn_mean_us} of {mean_us}");
        assert!((sampler.mean_ns() / 1e3 / mean_us - 1.0).abs() < 0.006, "{} of {mean_us}", sampler.mean_ns());
        let (p99_us, should) = (drawn[990_000] as f64 / 1e3, values[19_800] as f64);
        assert!((p99_us / should - 1.0).abs() < 0.02, "{p99_us} of {should}");
        for at in [0, 10_000, 18_000, 19_800, 19_970, 19_985, 19_999] {
            let is = sampler.quantile_ns((at as f64 + 0.5) / 20_000.0) as f64 / 1e3;
            assert!((is / values[at] as f64 - 1.0).abs() < 0.006, "{at}: {is} of {}", values[at]);
        }
        assert!(drawn[999_999].abs_diff(values[19_999] * 1_000) <= values[19_999]);
    }
}

#[test]
fn the_echo_is_whole_without_the_files() {
    let rest = format!(
        "[stations.kv]\nservice = {LOG}\n[stations.audit]\nservice = {{ kind = \"measured\", path = \"counted.csv\" }}\n\
         [links]\neu-west_us-east = {CSV}\ncellular = {{ kind = \"constant\", ms = 30 }}\n"
    );
    let folder = folder_with(&rest);
    let scenario = load(&folder, &[]).unwrap();
    drop(folder);
    let echo = scenario.to_toml();
    let steps = "service = { kind = \"quantiles\", source = \"counted.csv, 4 values\", quantiles_ms = [[0.0, 5.0], [0.75, 5.0], \
                 [0.75, 100.0], [1.0, 100.0]] }";
    assert!(echo.contains(steps), "{echo}");
    assert!(echo.contains("us-east_eu-west = { kind = \"quantiles\", source = \"kv.csv, 20,000 values\""), "{echo}");
    let again = Scenario::parse("echo", &echo, &[]).unwrap();
    assert_eq!((again.to_toml(), &again), (echo, &scenario));
}

#[test]
fn a_file_is_beside_the_scenario_or_for_an_override_in_the_current_folder() {
    let folder = folder_with(&format!("[stations.kv]\nservice = {CSV}\n"));
    let of_file = load(&folder, &[]).unwrap();
    let line = load(&folder, &[("links.wifi", CSV)]).unwrap_err().to_string();
    let right = "no file kv.csv: must be the path of an HdrHistogram interval log or a CSV of latencies (*.csv)";
    assert!(line.ends_with(&format!("links.wifi.path = \"kv.csv\": {right}")), "{line}");
    let whole = CSV.replace("kv.csv", folder.path().join("kv.csv").to_str().unwrap());
    let overridden = load(&folder, &[("links.wifi", &whole)]).unwrap();
    assert_eq!(overridden.links.wifi, of_file.stations.kv.service);
}

#[test]
fn what_is_missing_or_too_much_is_named_with_its_key() {
    let kv = |service: &str| refused(&format!("[stations.kv]\nservice = {service}\n"));
    let at = "my.toml:5: stations.kv.service";
    let unit = "missing: what the log counts, \"ns\", \"us\", \"ms\" or \"s\": a histogram has numbers without unit";
    assert_eq!(kv("{ kind = \"measured\", path = \"kv.hlog\" }"), format!("{at}.unit: {unit}"));
    assert_eq!(
        kv("{ kind = \"measured\", path = \"kv.hlog\", unit = \"min\" }"),
        format!("{at}.unit = \"min\": must be \"ns\", \"us\", \"ms\" or \"s\"")
    );
    assert_eq!(
        kv("{ kind = \"measured\", path = \"kv.csv\", unit = \"us\" }"),
        format!(
            "{at}.unit = \"us\": must stand beside an HdrHistogram log; the unit of a CSV is in its header, latency_ms"
        )
    );
    let path = "must be the path of an HdrHistogram interval log or a CSV of latencies (*.csv)";
    assert_eq!(kv("{ kind = \"measured\" }"), format!("{at}.path: missing: {path}"));
    assert_eq!(kv("{ kind = \"measured\", path = 3 }"), format!("{at}.path = 3: {path}"));
    assert!(
        kv("{ kind = \"measured\", path = \"my.toml\", unit = \"us\" }")
            .starts_with("my.toml:1: must be start,length,")
    );
    let line = refused("[links]\nus-west_eu-west = { kind = \"constant\", ms = 3 }\n");
    assert_eq!(
        line,
        "my.toml:5: links.us-west_eu-west: unknown key; here can stand: same_region, wifi, cellular, us-east_eu-west"
    );
}

#[test]
fn a_file_without_latencies_is_refused() {
    let folder = folder_with(&format!("[stations.kv]\nservice = {CSV}\n"));
    let refused = |csv: &str| {
        fs::write(folder.path().join("kv.csv"), csv).unwrap();
        let line = load(&folder, &[]).unwrap_err().to_string();
        line.rsplit_once('/').unwrap().1.to_owned()
    };
    assert_eq!(refused("latency_ms\n"), "kv.csv: no latencies: must have at least one");
    assert_eq!(refused("value_ms,count\n3,0\n"), "kv.csv: no latencies: must have at least one");
    assert_eq!(refused("latency_ms\n0\n0\n"), "kv.csv: every latency is 0: must have one above 0");
}

#[test]
fn quantiles_written_by_hand_must_rise_from_nought_to_one() {
    let of = |quantiles: &str| {
        let service = format!("{{ kind = \"quantiles\", quantiles_ms = {quantiles} }}");
        Scenario::parse("my.toml", &format!("name = \"my\"\n[stations.kv]\nservice = {service}\n"), &[])
    };
    let Distribution::Quantiles(uniform) = of("[[0, 1], [1, 3.5]]").unwrap().stations.kv.service else { panic!() };
    assert_eq!((&*uniform.points, uniform.source.as_str()), (&[(0.0, 1_000_000), (1.0, 3_500_000)][..], ""));
    let refused = |quantiles: &str| of(quantiles).unwrap_err().to_string();
    let key = "my.toml:3: stations.kv.service.quantiles_ms";
    assert_eq!(
        refused("[[0.1, 1], [1, 2]]"),
        format!("{key} = [[0.1, 1], [1, 2]]: must begin with probability 0 and end with 1")
    );
    assert_eq!(refused("[]"), format!("{key} = []: must begin with probability 0 and end with 1"));
    assert_eq!(
        refused("[[0, 3], [1, 2]]"),
        format!("{key}.1 = [1, 2]: must be no less than the pair before it, in both")
    );
    assert_eq!(refused("[[0, 0], [1, 0]]"), format!("{key} = [[0, 0], [1, 0]]: must have a duration above 0"));
    let pair = "must be a list of [probability, milliseconds], 0 to 1 and 0 to 600,000";
    assert_eq!(refused("[[0, 1], [1]]"), format!("{key}.1 = [1]: {pair}"));
    assert_eq!(refused("[[0, 1], [1, 700000]]"), format!("{key}.1 = [1, 700000]: {pair}"));
}

#[test]
fn a_storms_slower_stations_keep_the_shape_of_what_was_measured() {
    let folder = folder_with(&format!("[stations.kv]\nservice = {LOG}\n"));
    let measured = load(&folder, &[]).unwrap().stations.kv.service;
    let (once, thrice) = (measured.sampler(), measured.stretched(3.0).sampler());
    assert!((thrice.mean_ns() / once.mean_ns() - 3.0).abs() < 1e-5);
    assert!((thrice.quantile_ns(0.99) as f64 / once.quantile_ns(0.99) as f64 - 3.0).abs() < 1e-5);
}
