//! A plan's folder: plan.json and its tables.

use headcount_reports::plan::{Answer, Plan};
use headcount_reports::table::{csv_text, or_empty, row};
use headcount_reports::{plots, report};
use headcount_workloads::bill::{Kind, Prices};
use headcount_workloads::plan::cost::Cost;
use headcount_workloads::plan::{Search, Tried};
use serde_json::{Value, json};

/// What of each run is measured by nobody.
const WARM_UP: &str = "the first second of each window is left out: queues fill and Functions start";

/// The whole plan for programs, of so many people if anybody takes part. Nothing of the machine is in it: the same inputs
/// give the same bytes.
pub fn json(plan: &Plan<'_>, users: Option<u32>, search: &Search<'_>) -> Value {
    let (asked, found) = (plan.asked, plan.found);
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
    let mut how = json!({
        "window": "2 s at the full rate, with the people who vote in it, who log in as densely as all would; 10 s with friends, \
                   who are all online and some of whom come and go",
        "glance": "what is compared (the search, the ladder, the most within the SLO) is looked at with the first two seeds, \
                   and for 1 s where that is 20,000 votes or more; of each try the seeds and seconds are written down",
        "answer": "run with all seeds for 2 s, with the load and with headroom; it is smallest to a twentieth of each number \
                   of servers, and to a quarter of the executions at once",
        "full": "no station may be more than 95 % full over the window, nor full for a whole second, whatever the SLO says: \
                 a window cannot show that a longer queue ends",
        "everybody": "the answer is run with all people until the last vote, at the load without headroom, with two seeds",
        "seeds": "every configuration meets the same seeds; one that misses by a tenth after two seeds is not run with more",
        "intervals": "of the answer at the load without headroom, over the seeds",
    });
    if let Some(storms) = plan.storms {
        how["storms"] = super::storm::how(storms);
    }
    json!({
        "format_version": 1,
        "written_by": "headcount",
        "scenario": asked.scenario,
        "users": users,
        "rate_per_s": asked.demand.rate_per_s,
        "headroom": asked.headroom,
        "headroom_means": "the SLO is kept at headroom times the people and the rate",
        "seeds": asked.seeds,
        "slo": asked.slo,
        "fault_plan": asked.fault_plan,
        "faults": found.ok().and_then(|answer| answer.everybody.samples.first()).map(|sample| &sample.faults),
        "answer": answer,
        "storms": plan.storms,
        "growth": plan.grown,
        "infeasible": found.err(),
        "tried": plan.tried,
        "certificate": search.certificate(found.ok().map(|answer| &answer.at_load), WARM_UP),
        "how": how,
    })
}

/// plan.json.
pub fn text(json: &Value) -> String {
    format!("{json:#}\n")
}

/// Every file of the folder: its path inside the folder, and its bytes. The page shows the certificate of `json`.
pub fn all(json: &Value, plan: &Plan<'_>) -> Vec<(String, Vec<u8>)> {
    let mut files =
        vec![("plan.json".to_string(), text(json)), ("configurations.csv".to_string(), configurations(plan.tried))];
    if let Ok(answer) = plan.found {
        files.extend(answer.cost.iter().map(|cost| ("cost.csv".to_string(), cost_table(cost, plan.prices))));
        files.extend(tables(answer).map(|(name, table)| (name.to_string(), table)));
    }
    files.extend(plots::plan::everybody_csv(plan).map(|table| ("everybody.csv".to_string(), table)));
    if !plan.grown.is_empty() {
        files.push(("growth.csv".to_string(), super::growth::table(plan.grown)));
    }
    let storms = plan.storms.map(super::storm::tables).into_iter().flatten();
    files.extend(storms.map(|(name, table)| (name.to_string(), table)));
    files.extend(plots::plan::shards_csv(plan).map(|table| ("shards.csv".to_string(), table)));
    let drawn = plots::plan::draw_all(plan);
    let parts = ["certificate", "how"].into_iter().filter_map(|part| json[part].as_object()).flatten();
    let certificate = parts.map(|(name, value)| (name.clone(), value.clone())).collect();
    files.push(("report.html".to_string(), report::plan::html(plan, &drawn, &Value::Object(certificate))));
    files.extend(drawn.into_iter().map(|plot| (format!("plots/{}.svg", plot.name), plot.svg)));
    files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect()
}

/// The tables of an answer, each with its name.
fn tables(answer: &Answer) -> [(&'static str, String); 3] {
    let head = ["rate_per_s", "goodput_per_s", "p50_ms", "latency_ms", "meets", "fullest", "utilisation"];
    let rungs = answer.ladder.rungs.iter().map(|rung| {
        let number = |value: f64| or_empty(Some(value).filter(|value| value.is_finite()));
        let (done, p50, latency) = (or_empty(rung.goodput_per_s), number(rung.p50_ms), number(rung.latency_ms));
        row(&[&rung.rate_per_s, &done, &p50, &latency, &rung.meets, &rung.fullest, &rung.utilisation])
    });
    let ladder = csv_text(head, rungs);
    let head = ["resource", "capacity", "utilisation", "utilisation_with_headroom", "peak"];
    let resources = answer.resources().into_iter().map(|(one, heavy)| {
        let heavy = or_empty(heavy.map(|heavy| heavy.utilisation));
        row(&[&one.name, &one.capacity, &one.utilisation, &heavy, &one.peak])
    });
    let utilisation = csv_text(head, resources);
    let scaling = answer.scaling.iter().map(|one| {
        let fitted = or_empty(answer.usl.map(|law| law.carries(f64::from(one.shards))));
        row(&[&one.shards, &one.rate_per_s, &fitted, &one.limited_by])
    });
    let usl = csv_text(["shards", "rate_per_s", "fitted_per_s", "limited_by"], scaling);
    [("ladder.csv", ladder), ("utilisation.csv", utilisation), ("usl.csv", usl)]
}

/// Every kind, and then acknowledgements by the kind of their channel; prices where there are any.
fn cost_table(cost: &Cost, prices: Option<&Prices>) -> String {
    let money = |kind: Kind, count: f64| or_empty(prices.map(|prices| prices.of(kind, count)));
    let head = [
        "what",
        "measured",
        "hardened_extrapolated",
        "documented_extrapolated",
        "per_million",
        "cost",
        "documented_cost",
    ];
    let kinds = cost.lines.iter().map(|line| {
        let (kind, measured, documented) = (line.kind, line.measured, line.documented);
        let (million, cost, other) = (money(kind, 1e6), money(kind, measured), money(kind, documented));
        row(&[&kind.name(), &measured, &line.hardened, &documented, &million, &cost, &other])
    });
    let acks = cost.acknowledgements;
    let channels = [("ack_deliveries_private", acks.private), ("ack_deliveries_shared", acks.shared)];
    let channels = channels.into_iter().map(|(what, count)| {
        row(&[&what, &count, &"", &"", &money(Kind::Deliveries, 1e6), &money(Kind::Deliveries, count), &""])
    });
    csv_text(head, kinds.chain(channels))
}

fn configurations(tried: &[Tried]) -> String {
    let keys = tried.first().into_iter().flat_map(|one| one.config.iter().map(|setting| setting.key.as_str()));
    let head = ["step", "users", "rate_per_s", "seeds", "window_s", "meets"].into_iter().chain(keys);
    let rows = tried.iter().map(|one| {
        let fields =
            row(&[&one.step, &one.demand.users, &one.demand.rate_per_s, &one.seeds, &one.window_s, &one.meets]);
        fields.into_iter().chain(one.config.iter().map(|setting| setting.value.to_string()))
    });
    csv_text(head, rows)
}
