//! A plan's folder: plan.json and its tables.

use std::fs;
use std::path::Path;

use headcount_reports::plan::{Answer, Plan};
use headcount_reports::{plots, report};
use headcount_workloads::bill::{Kind, Prices};
use headcount_workloads::plan::cost::Cost;
use headcount_workloads::plan::{Infeasible, Search, Tried};
use headcount_workloads::slo::Slo;
use serde_json::{Value, json};

use crate::cli::PlanOptions;
use crate::terminal::Problem;

/// Asks, before a long plan, whether the folder may be written: new, empty, or an earlier plan's.
pub fn check(folder: &Path) -> Result<(), Problem> {
    let refuse = |why: String| Problem::new(format!("{}: {why}; name another folder (--out DIR)", folder.display()));
    if folder.exists() && !folder.join("plan.json").is_file() {
        let empty = fs::read_dir(folder).map_err(|error| refuse(error.to_string()))?.next().is_none();
        if !empty {
            return Err(refuse("is not empty and holds no plan.json".to_string()));
        }
    }
    fs::create_dir_all(folder).map_err(|error| refuse(error.to_string()))
}

/// What of each run is measured by nobody.
const WARM_UP: &str = "the first second of each window is left out: queues fill and Functions start";

/// The whole plan for programs. Nothing of the machine is in it: the same inputs give the same bytes.
pub fn json(options: &PlanOptions, slo: &Slo, found: &Result<Box<Answer>, Infeasible>, search: &Search<'_>) -> String {
    let answer = match found {
        Ok(answer) => json!({
            "configuration": answer.config.settings(),
            "at_load": answer.at_load,
            "with_headroom": answer.with_headroom,
            "everybody": answer.everybody,
            "ladder": answer.ladder,
            "max_rate_by_shards": answer.scaling,
            "usl": answer.usl,
            "cost": answer.cost,
        }),
        Err(_) => Value::Null,
    };
    let all = json!({
        "format_version": 1,
        "scenario": options.scenario,
        "users": options.users,
        "rate_per_s": options.rate,
        "headroom": options.headroom,
        "headroom_means": "the SLO is kept at headroom times the people and the rate",
        "seeds": options.seeds,
        "slo": slo.to_string(),
        "answer": answer,
        "infeasible": found.as_ref().err(),
        "tried": search.tried,
        "certificate": search.certificate(found.as_ref().ok().map(|answer| &answer.at_load), WARM_UP),
        "how": {
            "window": "2 s at the full rate, with the people who vote in it; they log in as densely as all would",
            "everybody": "the answer is run with all people until the last vote, at the load without headroom, with one seed",
            "seeds": "every configuration meets the same seeds; one that misses by a tenth after two seeds is not run with more",
            "intervals": "of the answer at the load without headroom, over the seeds",
        },
    });
    format!("{all:#}\n")
}

/// Every file of the folder beside plan.json: its path inside the folder, and its text. `text` is plan.json, whose
/// certificate the page shows.
pub fn all(text: &str, plan: &Plan<'_>) -> Vec<(String, String)> {
    let mut files = vec![("configurations.csv".to_string(), configurations(plan.tried))];
    if let Ok(answer) = plan.found {
        files.extend(answer.cost.iter().map(|cost| ("cost.csv".to_string(), cost_table(cost, plan.prices))));
        files.extend(tables(answer).map(|(name, table)| (name.to_string(), table)));
    }
    files.extend(plots::plan::shards_csv(plan).map(|table| ("shards.csv".to_string(), table)));
    let drawn = plots::plan::draw_all(plan);
    let all: Value = serde_json::from_str(text).expect("plan.json is JSON");
    let parts = ["certificate", "how"].into_iter().filter_map(|part| all[part].as_object()).flatten();
    let certificate = parts.map(|(name, value)| (name.clone(), value.clone())).collect();
    files.push(("report.html".to_string(), report::plan::html(plan, &drawn, &Value::Object(certificate), "")));
    files.extend(drawn.into_iter().map(|plot| (format!("plots/{}.svg", plot.name), plot.svg)));
    files
}

/// Writes plan.json and the others.
pub fn write(folder: &Path, text: &str, plan: &Plan<'_>) -> Result<(), Problem> {
    let mut files = all(text, plan);
    files.push(("plan.json".to_string(), text.to_string()));
    put(folder, files)
}

/// Writes files, each a path inside the folder and its text.
pub fn put(folder: &Path, files: Vec<(String, String)>) -> Result<(), Problem> {
    let refuse =
        |path: &Path, error: std::io::Error| Problem::new(format!("{}: cannot be written ({error})", path.display()));
    let plots = folder.join("plots");
    fs::create_dir_all(&plots).map_err(|error| refuse(&plots, error))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(|error| refuse(&path, error))?;
    }
    Ok(())
}

/// The tables of an answer, each with its name.
fn tables(answer: &Answer) -> [(&'static str, String); 3] {
    let rows = answer.ladder.rungs.iter().map(|rung| {
        let (rate, done, p50, latency) = (rung.rate_per_s, rung.goodput_per_s, rung.p50_ms, rung.latency_ms);
        format!("{rate},{done},{p50},{latency},{},{},{}\n", rung.meets, rung.fullest, rung.utilisation)
    });
    let ladder = "rate_per_s,goodput_per_s,p50_ms,latency_ms,meets,fullest,utilisation\n".to_string();
    let ladder = ladder + &rows.collect::<String>();
    let rows = answer.resources().into_iter().map(|(one, heavy)| {
        let heavy = heavy.map_or_else(String::new, |heavy| heavy.utilisation.to_string());
        format!("{},{},{},{heavy},{}\n", one.name, one.capacity, one.utilisation, one.peak)
    });
    let utilisation = "resource,capacity,utilisation,utilisation_with_headroom,peak\n".to_string();
    let utilisation = utilisation + &rows.collect::<String>();
    let fitted = |shards: u32| answer.usl.map_or_else(String::new, |law| law.carries(f64::from(shards)).to_string());
    let rows = answer.scaling.iter();
    let rows = rows.map(|one| format!("{},{},{},{}\n", one.shards, one.rate_per_s, fitted(one.shards), one.limited_by));
    let usl = format!("shards,rate_per_s,fitted_per_s,limited_by\n{}", rows.collect::<String>());
    [("ladder.csv", ladder), ("utilisation.csv", utilisation), ("usl.csv", usl)]
}

/// Every kind, and then acknowledgements by the kind of their channel; prices where there are any.
fn cost_table(cost: &Cost, prices: Option<&Prices>) -> String {
    let money = |kind: Kind, count: f64| prices.map_or_else(String::new, |prices| prices.of(kind, count).to_string());
    let mut text =
        "what,measured,hardened_extrapolated,documented_extrapolated,per_million,cost,documented_cost\n".to_string();
    for line in &cost.lines {
        let (kind, measured, documented) = (line.kind, line.measured, line.documented);
        let (million, cost, other) = (money(kind, 1e6), money(kind, measured), money(kind, documented));
        text.push_str(&format!("{},{measured},{},{documented},{million},{cost},{other}\n", kind.name(), line.hardened));
    }
    let acks = cost.acknowledgements;
    for (what, count) in [("ack_deliveries_private", acks.private), ("ack_deliveries_shared", acks.shared)] {
        let (million, cost) = (money(Kind::Deliveries, 1e6), money(Kind::Deliveries, count));
        text.push_str(&format!("{what},{count},,,{million},{cost},\n"));
    }
    text
}

fn configurations(tried: &[Tried]) -> String {
    let keys: Vec<String> =
        tried.first().map(|one| one.config.iter().map(|setting| setting.key.clone()).collect()).unwrap_or_default();
    let mut text = format!("step,users,rate_per_s,seeds,meets,{}\n", keys.join(","));
    for one in tried {
        let values: Vec<String> = one.config.iter().map(|setting| setting.value.to_string()).collect();
        let (users, rate) = (one.demand.users, one.demand.rate_per_s);
        text.push_str(&format!("{},{users},{rate},{},{},{}\n", one.step, one.seeds, one.meets, values.join(",")));
    }
    text
}
