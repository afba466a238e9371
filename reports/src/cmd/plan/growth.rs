//! `--growth`: what 50,000 to 2,000,000 people take. Each number of people is a process of its own, whose memory is its own;
//! wall-clock time and memory are said and written nowhere, because no two machines agree about them.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;
use std::sync::atomic::Ordering;

use headcount_reports::number::{bytes, duration_s, grouped};
use headcount_reports::table::{csv_text, row};
use headcount_workloads::bill::{Bill, Kind};
use headcount_workloads::plan::growth::{Grown, Stage, USERS, stage};
use headcount_workloads::plan::{Config, Question, Trouble};
use serde_json::Value;

use super::bench::Bench;
use crate::terminal;

/// Runs every number of people, one after the other: side by side they would take each other's time.
///
/// # Errors
/// A run broke, or there are more people than a scenario can have.
pub fn grow(question: &Question<'_>, answer: &Config, bench: &Bench, quiet: bool) -> Result<Vec<Grown>, Trouble> {
    let grown = |users: u32| {
        let stage = stage(question, answer, users)?;
        let metrics = bench.kept_or("growth of a plan", &stage.ask.scenario, 1, || {
            let run = apart(&stage, quiet);
            bench.people_done.fetch_add(u64::from(users), Ordering::Relaxed);
            run
        })?;
        let messages = metrics.get("messages").copied().unwrap_or(0.0);
        let (rate_per_s, shards) = (stage.demand.rate_per_s, stage.shards);
        Ok(Grown { users, rate_per_s, shards, bill: Bill::of(&metrics), messages })
    };
    USERS.into_iter().map(grown).collect()
}

/// The run in a process of its own: its counters, deliveries and messages.
fn apart(stage: &Stage, quiet: bool) -> Result<BTreeMap<String, f64>, Trouble> {
    let users = stage.demand.users;
    let broken = |why: String| Trouble::Broken(format!("the run of {} people: {why}", grouped(u64::from(users))));
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().map_err(|error| broken(error.to_string()))?;
    file.write_all(stage.ask.scenario.to_toml().as_bytes()).map_err(|error| broken(error.to_string()))?;
    let own = std::env::current_exe().map_err(|error| broken(error.to_string()))?;
    let output = Command::new(own).arg("run").arg(file.path()).args(["--no-files", "--json", "--quiet"]).output();
    let output = output.map_err(|error| broken(error.to_string()))?;
    let run: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| broken(String::from_utf8_lossy(&output.stderr).trim().to_string()))?;
    if !quiet {
        terminal::note(&spent(users, &run));
    }
    let counters = run["counters"].as_object().into_iter().flatten();
    let whole = ["deliveries", "messages"].map(|name| (name.to_string(), run[name].as_f64().unwrap_or(0.0)));
    Ok(counters.filter_map(|(name, count)| Some((name.clone(), count.as_f64()?))).chain(whole).collect())
}

/// What the machine spent on it.
fn spent(users: u32, run: &Value) -> String {
    let each = |of: f64| of / f64::from(users);
    let wall_s = run["wall_s"].as_f64().unwrap_or(0.0);
    let memory = run["peak_rss_bytes"].as_u64().map_or_else(String::new, |peak| {
        format!(", {} of memory ({} each)", bytes(peak), bytes(each(peak as f64) as u64))
    });
    let (all, one) = (duration_s(wall_s), duration_s(each(wall_s)));
    format!("growth: {} people: {all} ({one} each){memory}", grouped(u64::from(users)))
}

/// `growth.csv`: a row for each number of people.
pub fn table(grown: &[Grown]) -> String {
    let head = ["users", "rate_per_s", "shards", "messages"].into_iter().chain(Kind::all().map(Kind::name));
    let rows = grown.iter().map(|one| {
        let fields = row(&[&one.users, &one.rate_per_s, &one.shards, &one.messages]);
        fields.into_iter().chain(Kind::all().map(|kind| one.bill.count(kind).to_string()))
    });
    csv_text(head, rows)
}
