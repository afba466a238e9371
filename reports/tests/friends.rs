//! A run of people with friends, from the scenario to its files: what the plots show is what the run counted.

mod command_line;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use command_line::{headcount, names, text};

/// A small evening without faults, so that no clock is off: every second of every counter lies within the run.
const CALM: [&str; 9] = [
    "run",
    "friends-calm",
    "--set",
    "friends.users=200",
    "--set",
    "friends.deeds.leaves=150",
    "--out",
    "calm",
    "--json",
];

/// By column of `timeseries.csv`, the sum over all seconds.
fn sums(folder: &Path) -> BTreeMap<String, f64> {
    let mut reader = csv::Reader::from_path(folder.join("timeseries.csv")).unwrap();
    let headers: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut sums: BTreeMap<String, f64> = headers.iter().map(|name| (name.clone(), 0.0)).collect();
    assert_eq!(sums.len(), headers.len(), "every column has a name of its own");
    for row in reader.records() {
        for (name, field) in headers.iter().zip(row.unwrap().iter()) {
            *sums.get_mut(name).unwrap() += field.parse().unwrap_or(0.0);
        }
    }
    sums
}

#[test]
fn seconds_add_up_to_what_the_run_counted_and_every_plot_of_friends_is_drawn() {
    let home = tempfile::tempdir().unwrap();
    let output = headcount(home.path(), &CALM);
    let run: serde_json::Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let folder = home.path().join("calm");
    let (sums, counter) = (sums(&folder), |name: &str| run["counters"][name].as_u64().unwrap_or(0) as f64);

    for (column, name) in [
        ("deliveries", "clients.deliveries"),
        ("statuses_told", "status.told"),
        ("status_published", "functions.counter.status.published"),
        ("status_debounced", "functions.counter.presence.events.debounced"),
        ("presence_intervals", "presence.intervals"),
    ] {
        assert_eq!(sums[column], counter(name), "{column}");
    }
    let kinds = ["joins", "leaves", "timeouts", "state_changes"].map(|kind| sums[&format!("presence_{kind}")]);
    assert_eq!(kinds.iter().sum::<f64>(), counter("presence.announced"));
    // 20 shards, and each event is of one of them.
    let shards: Vec<f64> = (0..20).map(|shard| sums[&format!("shard_{shard:02}_events")]).collect();
    assert_eq!(shards.iter().sum::<f64>(), counter("presence.announced") + counter("presence.intervals"));

    // Each status published was heard by somebody or by nobody; nobody has more users on a shard than there are.
    assert!(counter("fanout.statuses") > 0.0 && counter("fanout.statuses") <= sums["status_published"]);
    assert!(counter("fanout.changes") >= sums["status_published"], "nobody's status is published twice for one change");
    assert_eq!((counter("shard.count"), counter("users.online_max")), (20.0, 200.0));
    let (fewest, most) = (counter("shard.users_min"), counter("shard.users_max"));
    // 200 users on 20 shards are 10 on each, if they are spread evenly.
    assert!((1.0..=10.0).contains(&fewest) && (10.0..40.0).contains(&most), "{fewest} to {most}");

    let plots = names(&folder.join("plots"));
    for name in
        ["deliveries", "fan-out", "latency", "presence", "publishes", "shards", "truth-gap-offline", "truth-gap-online"]
    {
        assert!(plots.contains(&format!("{name}.svg")), "{name} is not among {plots:?}");
    }
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("id=\"fan-out\"") && page.contains("id=\"shard-size\""));
}
