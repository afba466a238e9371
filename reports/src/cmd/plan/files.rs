//! A plan's folder: plan.json and its tables.

use std::fs;
use std::path::Path;

use headcount_workloads::plan::{Infeasible, Search, Tried};
use headcount_workloads::slo::Slo;
use serde_json::{Value, json};

use super::Answer;
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

/// Writes the folder's files.
pub fn write(
    folder: &Path,
    text: &str,
    found: &Result<Box<Answer>, Infeasible>,
    tried: &[Tried],
) -> Result<(), Problem> {
    let mut files = vec![("plan.json", text.to_string()), ("configurations.csv", configurations(tried))];
    if let Ok(answer) = found {
        let rows = answer.ladder.rungs.iter().map(|rung| {
            let (rate, done, latency) = (rung.rate_per_s, rung.goodput_per_s, rung.latency_ms);
            format!("{rate},{done},{latency},{},{},{}\n", rung.meets, rung.fullest, rung.utilisation)
        });
        let head = "rate_per_s,goodput_per_s,latency_ms,meets,fullest,utilisation\n";
        files.push(("ladder.csv", head.to_string() + &rows.collect::<String>()));
        let rows = answer.at_load.resources.iter();
        let rows = rows.map(|one| format!("{},{},{},{}\n", one.name, one.capacity, one.utilisation, one.peak));
        files.push(("utilisation.csv", format!("resource,capacity,utilisation,peak\n{}", rows.collect::<String>())));
        let fitted =
            |shards: u32| answer.usl.map_or_else(String::new, |law| law.carries(f64::from(shards)).to_string());
        let rows = answer.scaling.iter();
        let rows =
            rows.map(|one| format!("{},{},{},{}\n", one.shards, one.rate_per_s, fitted(one.shards), one.limited_by));
        files.push(("usl.csv", format!("shards,rate_per_s,fitted_per_s,limited_by\n{}", rows.collect::<String>())));
    }
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::write(&path, bytes)
            .map_err(|error| Problem::new(format!("{}: cannot be written ({error})", path.display())))?;
    }
    Ok(())
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
