//! Service times and latencies that a user measured, through the command: what goes in, what the run folder says of it, and
//! that the folder needs none of the user's files.

mod command_line;

use std::fs;
use std::path::Path;

use command_line::{headcount, text};
use serde_json::Value;

const SCENARIO: &str = "name = \"mine\"
[crowd]
users = 300
[stations.audit]
service = { kind = \"measured\", path = \"ack.hlog\", unit = \"us\" }
[links]
wifi = { kind = \"measured\", path = \"wifi.csv\" }
cellular = { kind = \"constant\", ms = 20.0 }
";

fn run(folder: &Path, arguments: &[&str]) -> Value {
    let output = headcount(folder, &[&["run"], arguments, &["--seed", "1"]].concat());
    assert!(output.status.code().is_some_and(|code| code == 0 || code == 3), "{}", text(&output.stderr));
    let out = arguments.last().unwrap();
    serde_json::from_str(&fs::read_to_string(folder.join(out).join("run.json")).unwrap()).unwrap()
}

/// A histogram log of one run is what a station of the next one serves by.
#[test]
fn what_was_measured_goes_in_and_the_certificate_names_it() {
    let home = tempfile::tempdir().unwrap();
    let first = run(home.path(), &["voting-small", "--out", "first"]);
    fs::copy(home.path().join("first/latency-ack.hlog"), home.path().join("ack.hlog")).unwrap();
    fs::write(home.path().join("wifi.csv"), "value_ms,count\n4,90\n12.5,9\n80,1\n").unwrap();
    fs::write(home.path().join("mine.toml"), SCENARIO).unwrap();
    let measured = run(home.path(), &["mine.toml", "--out", "second"]);
    let calibration = measured["certificate"]["calibration"].as_array().unwrap();
    let find = |what: &str| calibration.iter().find(|one| one["what"] == what).unwrap();
    let ack = &first["latencies"]["ack"];
    let audit = find("stations.audit.service");
    assert_eq!(audit["basis"], "measured");
    assert!(audit["source"].as_str().unwrap().starts_with("ack.hlog, "));
    // Logs of seconds have two digits, and quantiles half a per cent: 1.5 % together.
    for figure in ["mean_ms", "p99_ms"] {
        let (is, should) = (audit[figure].as_f64().unwrap(), ack[figure].as_f64().unwrap());
        assert!((is / should - 1.0).abs() < 0.015, "{figure}: {is} of {should}");
    }
    // 0.9 x 4 + 0.09 x 12.5 + 0.01 x 80 = 5.525.
    let wifi = find("links.wifi");
    assert!((wifi["mean_ms"].as_f64().unwrap() - 5.525).abs() < 1e-9, "{wifi}");
    assert_eq!(wifi["source"], "wifi.csv, 100 values");
    assert_eq!(
        (&find("links.cellular")["basis"], &find("stations.kv.service")["basis"]),
        (&"scenario".into(), &"assumed".into())
    );
    let page = fs::read_to_string(home.path().join("second/report.html")).unwrap();
    assert!(
        page.contains("2 of 11 measured, 1 from the scenario, 5 from documents and public tables, 3 assumed"),
        "the page says it too"
    );

    // Its folder alone gives the same run again.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::copy(home.path().join("second/scenario.toml"), elsewhere.path().join("again.toml")).unwrap();
    let again = run(elsewhere.path(), &["again.toml", "--out", "again"]);
    assert_eq!((&again["digest"], &again["certificate"]), (&measured["digest"], &measured["certificate"]));
    let toml = |folder: &Path| fs::read(folder.join("scenario.toml")).unwrap();
    assert_eq!(toml(&elsewhere.path().join("again")), toml(&home.path().join("second")));
}

#[test]
fn a_bad_file_ends_the_command_with_one_line() {
    let home = tempfile::tempdir().unwrap();
    let says = |service: &str, line: &str| {
        let output =
            headcount(home.path(), &["run", "voting-small", "--set", &format!("stations.kv.service={service}")]);
        assert_eq!((text(&output.stderr), output.status.code()), (format!("headcount: {line}\n"), Some(2)));
    };
    let csv = "{ kind = \"measured\", path = \"kv.csv\" }";
    fs::write(home.path().join("kv.csv"), "value_ms\n1\n").unwrap();
    says(csv, "kv.csv:1: header value_ms: must be two columns, value_ms,count");
    fs::write(home.path().join("kv.csv"), "latency_ms\n1\n-1\n").unwrap();
    says(csv, "kv.csv:3: latency_ms = -1: must be a number, 0 to 600,000");
    // A V1 histogram: its cookie and nothing else.
    fs::write(home.path().join("kv.hlog"), "0.0,1.0,0.1,HISTEQ==\n").unwrap();
    let log = "{ kind = \"measured\", path = \"kv.hlog\", unit = \"ms\" }";
    says(log, "kv.hlog:1: a histogram of version V1: must be V2, deflated or not");
    fs::write(home.path().join("kv.hlog"), "0.0,1.0,0.1,HIST\n").unwrap();
    says(log, "kv.hlog:1: the histogram is cut: must be the whole line that was written");
}
