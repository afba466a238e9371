//! Facts about scenario files: what is filled in, what is refused and in which words, what survives the echo.

use headcount_engine::contract::SECOND;

use super::*;

/// Five lines, so that line 6 is the first one a test adds.
const HEAD: &str = "name = \"my\"\n\n[topology]\nregions = [\"us-east\", \"eu-west\"]\n\n";

fn parse(rest: &str) -> Result<Scenario, BadInput> {
    Scenario::parse("my.toml", &format!("{HEAD}{rest}"), &[])
}

fn refused(rest: &str) -> String {
    let line = parse(rest).expect_err("must be refused").to_string();
    assert!(!line.contains('\n'), "one line: {line}");
    line
}

fn with_set(key: &str, value: &str) -> Result<Scenario, BadInput> {
    Scenario::parse("my.toml", HEAD, &[(key.to_string(), value.to_string())])
}

fn set_refused(key: &str, value: &str) -> String {
    with_set(key, value).expect_err("must be refused").to_string()
}

#[test]
fn a_name_is_enough_and_everything_else_is_filled_in() {
    let scenario = Scenario::parse("my.toml", "name = \"my\"", &[]).unwrap();
    assert_eq!(scenario.topology.home_region, "us-east");
    assert_eq!(scenario.limits, "serverless-2026-09");
    assert_eq!(scenario.crowd.option_weights, [1, 1, 1]);
    // Reveal at 75 s and a bound of 30 s.
    assert_eq!(scenario.end, 105 * SECOND);
    assert_eq!(Scenario::parse("echo", &scenario.to_toml(), &[]).unwrap(), scenario);
}

#[test]
fn the_documented_variant_has_the_documents_own_numbers() {
    let scenario = Scenario::parse("my.toml", "name = \"my\"\nvariant = \"documented\"", &[]).unwrap();
    assert_eq!((scenario.vote.tally_interval, scenario.vote.token_ttl_minutes), (5 * SECOND, 3_600));
    assert_eq!(scenario.limits, "documents-2026-01");
}

#[test]
fn every_built_in_station_can_serve_its_lognormal() {
    let stations = defaults::scenario().stations;
    for (name, station) in stations.by_kind() {
        let Distribution::Lognormal { mean, p99, .. } = station.service else { panic!("{name} is not lognormal") };
        assert!(mean < p99 && p99 <= 14 * mean, "{name}");
    }
}

#[test]
fn impossible_values_are_refused_with_file_line_key_and_what_would_be_right() {
    assert_eq!(refused("[crowd]\nusers = 0"), "my.toml:7: crowd.users = 0: must be 1 to 5,000,000");
    assert_eq!(
        refused("[crowd]\nusers = 10_000_000_000"),
        "my.toml:7: crowd.users = 10_000_000_000: must be 1 to 5,000,000"
    );
    assert_eq!(refused("[vote]\nshards = 0"), "my.toml:7: vote.shards = 0: must be 1 to 32");
    assert_eq!(
        refused("[crowd]\nusers = \"many\""),
        "my.toml:7: crowd.users = \"many\": must be a whole number, 1 to 5,000,000"
    );
    assert_eq!(refused("[vote]\nopen_s = -5"), "my.toml:7: vote.open_s = -5: must be 0 to 1,000,000 seconds");
    assert_eq!(refused("[vote]\nopen_s = nan"), "my.toml:7: vote.open_s = nan: must be 0 to 1,000,000 seconds");
    assert_eq!(refused("[vote]\nclose_s = 10"), "my.toml:7: vote.close_s = 10: must be after vote.open_s = 10.0");
    assert_eq!(
        refused("[vote]\noptions = [\"a\"]"),
        "my.toml:7: vote.options = [\"a\"]: must be 2 to 20 labels, there are 1"
    );
}

#[test]
fn unknown_keys_are_refused_with_those_that_are_known() {
    let line = refused("[bounds]\nconverge = 3");
    assert_eq!(line, "my.toml:7: bounds.converge = 3: unknown key; here can stand: converge_s");
    assert!(refused("[crowds]\nusers = 3").starts_with("my.toml:6: crowds: unknown key; here can stand: name, "));
    let line = refused("[crowd]\narrivals = { kind = \"spread\", rate_per_s = 3 }");
    assert_eq!(line, "my.toml:7: crowd.arrivals.rate_per_s = 3: unknown key; here can stand: kind, from_s, to_s");
}

#[test]
fn a_fault_on_what_is_not_there_is_refused_with_what_is() {
    assert_eq!(
        refused("[[fault]]\nkind = \"kv_errors\"\nnode = \"kv-mars\"\nat_s = 20\nfor_s = 5"),
        "my.toml:8: fault.0.node = \"kv-mars\": must be \"all\", \"kv-us-east\" or \"kv-eu-west\""
    );
    assert_eq!(
        refused("[[fault]]\nkind = \"kv_errors\"\nregion = \"us-west\"\nat_s = 20\nfor_s = 5"),
        "my.toml:8: fault.0.region = \"us-west\": must be \"us-east\" or \"eu-west\""
    );
    let line = refused("[[fault]]\nkind = \"crash\"\nnode = \"edge-us-east\"\nat_s = 20\nfor_s = 5");
    assert!(line.starts_with("my.toml:8: fault.0.node = \"edge-us-east\": must be \"edge-us-east-0\", "), "{line}");
    let line = refused("[[fault]]\nkind = \"partition\"\na = [\"us-east\"]\nb = [\"asia\"]\nat_s = 20\nfor_s = 5");
    assert!(line.starts_with("my.toml:9: fault.0.b.0 = \"asia\": must be \"all\", \"us-east\", "), "{line}");
}

#[test]
fn a_fault_must_be_whole_and_over_before_healing_ends() {
    let fault = |rest: &str| refused(&format!("[[fault]]\n{rest}"));
    assert_eq!(
        fault("kind = \"crash\"\nnode = \"audit\"\nat_s = 20\nfor_s = -5"),
        "my.toml:10: fault.0.for_s = -5: must be 0.001 to 1,000,000 seconds"
    );
    assert_eq!(fault("kind = \"crash\"\nat_s = 20\nfor_s = 5"), "my.toml:6: fault.0.node: missing: the name of a node");
    assert!(fault("at_s = 20").starts_with("my.toml:6: fault.0.kind: missing: must be \"partition\", "));
    assert_eq!(
        fault("kind = \"partition\"\na = [\"us-east\"]\nb = [\"kv-us-east\"]\nat_s = 20\nfor_s = 5"),
        "my.toml:9: fault.0.b = [\"kv-us-east\"]: must share no node with a; kv-us-east is in both"
    );
    let line = Scenario::parse(
        "my.toml",
        "name = \"my\"\nheal_s = 22\n[[fault]]\nkind = \"crash\"\nnode = \"audit\"\nat_s = 20\nfor_s = 5",
        &[],
    );
    assert_eq!(
        line.unwrap_err().to_string(),
        "my.toml:7: fault.0.for_s = 5: must end by heal_s = 22.0; it ends at 25.0"
    );
}

#[test]
fn overrides_replace_what_the_file_says_and_are_named_in_errors() {
    assert_eq!(with_set("crowd.users", "77").unwrap().crowd.users, 77);
    assert_eq!(with_set("variant", "documented").unwrap().variant, Variant::Documented);
    let fault = "{ kind = \"pause\", node = \"audit\", at_s = 20, for_s = 5 }";
    assert_eq!(with_set("fault", &format!("[{fault}]")).unwrap().faults[0].word(), "pause");
    assert_eq!(set_refused("crowd.users", "0"), "--set crowd.users=0: must be 1 to 5,000,000");
    assert!(set_refused("crowd.user", "1").starts_with("--set crowd.user=1: unknown key; "));
    assert_eq!(set_refused("crowd.users.x", "[1"), "--set crowd.users.x=[1: not TOML: unclosed array, expected `]`");
    assert_eq!(set_refused("name.x", "1"), "--set name.x=1: name is a plain value, it has no keys below it");
}

#[test]
fn a_csv_of_arrivals_is_taken_from_beside_the_scenario_and_echoed_whole() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("load.csv"), "second,arrivals\n0,3\n1,4\n").unwrap();
    let text = "name = \"my\"\n[crowd]\narrivals = { kind = \"csv\", path = \"load.csv\" }\n";
    let file = folder.path().join("my.toml");
    std::fs::write(&file, text).unwrap();
    let scenario = Scenario::load(file.to_str().unwrap(), &[]).unwrap();
    assert_eq!(scenario.crowd.arrivals.kind, ArrivalKind::PerSecond { counts: vec![3, 4] });
    // From the opening at 10 s, two seconds.
    assert_eq!(scenario.crowd.arrivals.to, 12 * SECOND);
    assert_eq!(Scenario::parse("echo", &scenario.to_toml(), &[]).unwrap(), scenario);

    std::fs::write(folder.path().join("load.csv"), "second,arrivals\n0,3\n2,4\n").unwrap();
    let line = Scenario::load(file.to_str().unwrap(), &[]).unwrap_err().to_string();
    assert!(
        line.ends_with(
            "load.csv:3: second = 2: must be 1, one row for each second without a gap (0 arrivals for a quiet one)"
        ),
        "{line}"
    );
    std::fs::write(folder.path().join("load.csv"), "second,arrivals\n0,lots\n").unwrap();
    let line = Scenario::load(file.to_str().unwrap(), &[]).unwrap_err().to_string();
    assert!(line.ends_with("load.csv:2: arrivals = lots: must be a whole number, 0 to 5,000,000"), "{line}");
}

#[test]
fn people_and_votes_that_could_never_come_are_refused() {
    // 2 + 3 = 5 arrivals and 4 users.
    let counts = "arrivals = { kind = \"per_second\", counts = [2, 3] }";
    let right = "must have at most crowd.users = 4 arrivals in all, one for each user; it has 5";
    let line = refused(&format!("[crowd]\nusers = 4\n{counts}"));
    assert_eq!(line, format!("my.toml:8: crowd.arrivals: {right}"));
    assert!(parse(&format!("[crowd]\nusers = 5\n{counts}")).is_ok());
    // The vote opens at 10 s, is revealed at 75 s, and has 30 s to converge: the run ends at 105 s.
    let seconds = ["0"; 96].join(", ");
    let line = refused(&format!("[crowd]\narrivals = {{ kind = \"per_second\", counts = [{seconds}] }}"));
    assert!(line.ends_with(": must be over by end_s = 105.0; it lasts to 106.0"), "{line}");
    assert_eq!(
        set_refused("crowd.arrivals.to_s", "106"),
        "--set crowd.arrivals.to_s=106: must be at most end_s = 105.0"
    );
    assert_eq!(set_refused("crowd.join.to_s", "106"), "--set crowd.join.to_s=106: must be at most end_s = 105.0");
}

#[test]
fn a_missing_file_is_answered_with_the_built_in_names() {
    let line = Scenario::load("no-such", &[]).unwrap_err().to_string();
    let start =
        "no-such: no such file: must be a scenario file or a built-in scenario: evening, voting-500k, voting-small, ";
    assert!(line.starts_with(start), "{line}");
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    assert!(refused("[vote\n").starts_with("my.toml:6: not TOML: "));
}

#[test]
fn names_follow_the_topology() {
    let names = parse("").unwrap().node_names();
    // Two regions of edge, broker, worker, kv, crowd, and seven nodes that are there once.
    assert_eq!(names.len(), 2 * 5 + 7);
    assert_eq!(names[..5], ["edge-us-east-0", "broker-us-east", "worker-us-east-0", "kv-us-east", "crowd-us-east"]);
    assert_eq!(names[10..], ["appcontext", "access", "auth", "audit", "history", "scheduler", "host"]);
}

#[test]
fn a_region_stands_for_its_nodes() {
    let scenario = parse("").unwrap();
    let members = |m: &[&str]| scenario.members(&m.iter().map(|m| m.to_string()).collect::<Vec<_>>());
    assert_eq!(members(&["eu-west"]).unwrap(), [5, 6, 7, 8, 9]);
    assert_eq!(members(&["all"]).unwrap().len(), 17);
    assert_eq!(members(&["audit", "kv-us-east"]).unwrap(), [3, 13]);
    assert_eq!(members(&["audit", "moon"]), Err("moon".to_string()));
}

#[test]
fn every_kind_of_fault_survives_the_echo() {
    let scenario = parse(
        "[vote]\nadd_shards = { at_s = 30, shards = 8 }\n\
         [[fault]]\nkind = \"partition\"\na = [\"us-east\"]\nb = [\"kv-eu-west\"]\none_way = true\nat_s = 1.25\nfor_s = 5\n\
         [[fault]]\nkind = \"degrade\"\na = [\"all\"]\nb = [\"all\"]\nloss_ppm = 5\nextra_ms = 1.5\nat_s = 1\nfor_s = 5\n\
         [[fault]]\nkind = \"clock\"\nnode = \"host\"\noffset_ms = -2.5\ndrift_ppm = -40\nat_s = 1\nfor_s = 5\n\
         [[fault]]\nkind = \"kv_errors\"\nregion = \"eu-west\"\nsilent_after_effect_ppm = 9\nat_s = 1\nfor_s = 5\n\
         [[fault]]\nkind = \"appcontext_errors\"\ndelay_ms = 3\nat_s = 1\nfor_s = 5.000000001\n\
         [[fault]]\nkind = \"audit_errors\"\nnode = \"audit\"\nat_s = 1\nfor_s = 5\n\
         [swarm]\nkinds = [\"one-way\"]\n",
    )
    .unwrap();
    assert_eq!(scenario.faults.len(), 6);
    assert_eq!(scenario.faults[4].lasts, 5 * SECOND + 1);
    assert_eq!(Scenario::parse("echo", &scenario.to_toml(), &[]).unwrap(), scenario);
}

#[test]
fn the_documented_variant_is_refused_where_everybody_cannot_hear_everybody() {
    let set = |users: &str| {
        let overrides =
            [("variant".to_string(), "documented".to_string()), ("crowd.users".to_string(), users.to_string())];
        Scenario::parse("my.toml", HEAD, &overrides)
    };
    assert!(set("20000").is_ok());
    let line = set("20001").expect_err("must be refused").to_string();
    assert!(line.contains("crowd.users") && line.contains("at most 20,000 in the documented variant"), "{line}");
}
