//! `headcount plan`: the smallest configuration that keeps an SLO with headroom, why, and how far it reaches.

mod bench;
mod files;
mod growth;
mod storm;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use headcount_reports::jobs;
use headcount_reports::kept::Kept;
use headcount_reports::number::{count_of, percent, three_digits};
use headcount_reports::plan::{Answer, Asked, Plan};
use headcount_reports::{report, run_folder};
use headcount_workloads::bill::Prices;
use headcount_workloads::plan::growth::{Grown, USERS};
use headcount_workloads::plan::storm::{StormQuestion, Storms, people as storm_people, storms as make_storms};
use headcount_workloads::plan::{Config, Demand, Found, Infeasible, Look, Question, Search, Trouble, load};
use headcount_workloads::scenario::{Fault, Scenario};
use headcount_workloads::slo::Slo;

use super::run::set_options;
use crate::backend;
use crate::cli::PlanOptions;
use crate::progress::{Progress, Unit};
use crate::terminal::{self, Problem, shell_word};
use bench::Bench;

/// Seconds of a window that are measured.
const WINDOW_S: f64 = 2.0;
/// The same of friends: few come and go in a second, and each is seen by many.
const WINDOW_OF_FRIENDS_S: f64 = 10.0;

/// Plans, writes, and says what came out: status 0 for an answer, 1 if there is none.
///
/// # Errors
/// Wrong input, or files that cannot be written.
pub fn plan(options: &PlanOptions) -> Result<ExitCode, Problem> {
    let loaded = backend::load(&options.scenario, &options.overrides, &[])?;
    let (has_votes, has_friends) = (loaded.scenario.has_votes(), loaded.scenario.has_friends());
    if has_votes == has_friends && !loaded.scenario.is_station() {
        return Err(Problem::new(format!(
            "{}: pattern = {:?}: a plan takes a scenario of the pattern \"voting\", such as voting-500k, \"friends\" or \
             \"station\"; what another must measure stands in its thresholds, and headcount run judges it",
            options.scenario, loaded.scenario.pattern
        )));
    }
    let users = match options.users {
        Some(users) => users,
        // Jobs are nobody's.
        None if loaded.scenario.is_station() => 0,
        None => return Err(Problem::new("--users: must be given: how many people there are in all".to_string())),
    };
    if options.growth && !has_votes {
        let why = "grows a vote: friends take twice the shards for twice the people, and a station has no people";
        return Err(Problem::new(format!("--growth: {why}; leave it out")));
    }
    let slo = Slo::parse_for(&options.slo, &loaded.scenario).map_err(|bad| Problem::new(format!("--slo: {bad}")))?;
    let prices = options.prices.as_deref().map(Prices::load).transpose().map_err(Problem::new)?;
    let demand = Demand { users, rate_per_s: options.rate };
    let faults = faults(options, &loaded.scenario, demand)?;
    let folder =
        options.out.clone().unwrap_or_else(|| Path::new("runs").join(format!("plan-{}", loaded.scenario.name)));
    // Before the plan's folder is looked at: they cannot stand in it, because a later plan replaces it whole.
    let kept = Kept::open(&options.kept).map_err(Problem::new)?;
    run_folder::check_as(&run_folder::PLAN, &folder).map_err(Problem::new)?;
    let question = Question {
        scenario: &loaded.scenario,
        demand,
        promise: &slo,
        headroom: options.headroom,
        seeds: (1..=options.seeds).collect(),
        window_s: if has_friends { WINDOW_OF_FRIENDS_S } else { WINDOW_S },
        faults: &faults,
    };
    let bench = Bench::new(jobs::or_cores(options.jobs), kept);
    let mut search = Search::new(&question, &bench);
    let what = format!("plan {}", loaded.scenario.name);
    let (done, total) = (Arc::clone(&bench.people_done), Arc::clone(&bench.people_total));
    let progress = Progress::start_towards(&what, Unit::People, done, total, options.quiet);
    let made = make(&mut search, &bench, options);
    drop(progress);
    let (found, storms, grown) = made.map_err(Problem::new)?;
    if !options.quiet {
        tell(&bench, options);
    }
    let asked = asked(options, &question, &slo);
    let plan = Plan {
        asked: &asked,
        found: found.as_ref().map(Box::as_ref),
        tried: &search.tried,
        prices: prices.as_ref(),
        storms: storms.as_ref(),
        grown: &grown,
    };
    let json = files::json(&plan, options.users, &search);
    run_folder::write_as(&run_folder::PLAN, &folder, &files::all(&json, &plan)).map_err(Problem::new)?;
    let stormy = storms.as_ref().map_or_else(String::new, storm::said);
    let said = match &found {
        Ok(answer) => said(answer, &stormy, &folder),
        Err(nothing) => format!("NO CONFIGURATION: {}\nwhat would have to change: {}\n", nothing.why, nothing.change),
    };
    terminal::print(&if options.json { files::text(&json) } else { said })?;
    let comes_back = storms.as_ref().is_none_or(report::plan::storm::always_back);
    Ok(ExitCode::from(u8::from(found.is_err() || !comes_back)))
}

/// What is broken while everybody is there.
fn faults(options: &PlanOptions, scenario: &Scenario, demand: Demand) -> Result<Vec<Fault>, Problem> {
    let Some(path) = &options.fault_plan else { return Ok(Vec::new()) };
    scenario.fault_plan(path, load::length_s(scenario, demand)).map_err(Problem::new)
}

/// What was run, and what was not because it was kept.
fn tell(bench: &Bench, options: &PlanOptions) {
    let count = |runs: &AtomicU64| count_of(runs.load(Ordering::Relaxed), "run", "runs");
    let (made, kept) = (count(&bench.runs_made), count(&bench.runs_kept));
    terminal::note(&format!("{made} made, {kept} kept from before in {}", options.kept.display()));
    if bench.could_not_keep() {
        terminal::note(&format!(
            "headcount: {}: some results could not be kept; the same plan will make these runs again",
            options.kept.display()
        ));
    }
}

fn asked(options: &PlanOptions, question: &Question<'_>, slo: &Slo) -> Asked {
    Asked {
        scenario: options.scenario.clone(),
        demand: question.demand,
        headroom: options.headroom,
        slo: slo.to_string(),
        seeds: options.seeds,
        own: Config::of(question.scenario).settings(),
        fault_plan: options.fault_plan.clone(),
        repeat: repeat(options),
    }
}

/// The command that makes the plan again, wherever its files were put.
fn repeat(options: &PlanOptions) -> String {
    let file = |option: &str, file: &Option<String>| {
        file.as_ref().map_or_else(String::new, |file| format!(" {option} {}", shell_word(file)))
    };
    let files = file("--prices", &options.prices) + &file("--fault-plan", &options.fault_plan);
    format!(
        "headcount plan {}{} --rate {} --slo {} --headroom {} --seeds {}{}{}{}",
        shell_word(&options.scenario),
        options.users.map_or_else(String::new, |users| format!(" --users {users}")),
        options.rate,
        shell_word(&options.slo),
        options.headroom,
        options.seeds,
        if options.growth { " --growth" } else { "" },
        files,
        set_options(&options.overrides)
    )
}

/// An answer, or why there is none.
type Answered = Result<Box<Answer>, Infeasible>;

/// All runs of a plan: the answer's; then storms of it; and more people, if that was asked.
fn make(
    search: &mut Search<'_>,
    bench: &Bench,
    options: &PlanOptions,
) -> Result<(Answered, Option<Storms>, Vec<Grown>), Trouble> {
    let question = search.question;
    let has_storms = !question.scenario.is_station();
    let of_storms = if has_storms { storm_people(&stormy(question, question.scenario)) } else { 0 };
    let of_growth = if options.growth { USERS.iter().map(|users| u64::from(*users)).sum() } else { 0 };
    bench.step(0, of_storms + of_growth);
    let found = answer(search)?;
    let storms = match &found {
        Ok(answer) if has_storms => {
            bench.step(of_storms, of_growth);
            Some(make_storms(&stormy(question, &answer.config.applied(question.scenario)), bench)?)
        }
        _ => None,
    };
    let grown = match &found {
        Ok(answer) if options.growth => {
            bench.step(of_growth, 0);
            growth::grow(question, &answer.config, bench, options.quiet)?
        }
        _ => Vec::new(),
    };
    Ok((found, storms, grown))
}

/// Searches, tries everybody, climbs.
fn answer(search: &mut Search<'_>) -> Result<Answered, Trouble> {
    let config = match search.run()? {
        Found::Answer(config) => config,
        Found::Nothing(nothing) => return Ok(Err(nothing)),
    };
    let (config, everybody) = match search.confirm(&config)? {
        Ok(confirmed) => confirmed,
        Err(nothing) => return Ok(Err(nothing)),
    };
    let demand = search.question.demand;
    let with_headroom = search.try_window("answer", &config, demand.times(search.question.headroom), Look::Full)?;
    let at_load = search.try_window("answer", &config, demand, Look::Full)?;
    let ladder = search.ladder(&config)?;
    let (scaling, usl) = search.scaling(&config)?;
    let cost = if search.question.scenario.has_votes() { Some(search.cost(&everybody)?) } else { None };
    Ok(Ok(Box::new(Answer { config, at_load, with_headroom, everybody, ladder, scaling, usl, cost })))
}

/// What is asked about storms of a configuration.
fn stormy<'a>(question: &Question<'_>, scenario: &'a Scenario) -> StormQuestion<'a> {
    let Demand { users, rate_per_s } = question.demand;
    StormQuestion { scenario, users, rate_per_s, seed: question.seeds[0] }
}

/// The answer first, then why.
fn said(answer: &Answer, stormy: &str, folder: &Path) -> String {
    let Answer { config, at_load, ladder, usl, .. } = answer;
    let mut text = String::from("use ");
    text.push_str(&config.0.iter().map(|(knob, value)| knob.says(*value)).collect::<Vec<_>>().join(", "));
    let p99 = answer.latency().unwrap_or_else(|| "–".to_string());
    let full: Vec<String> =
        at_load.resources.iter().take(2).map(|one| format!("{} at {}", one.name, percent(one.utilisation))).collect();
    text.push_str(&format!("; {} {p99}; first to saturate: {}", ladder.metric, full.join(", then ")));
    let all = match (config.shards(), &answer.cost) {
        (None, _) => "the whole run, to the last job",
        (Some(_), Some(_)) => "everybody, to the last vote",
        (Some(_), None) => "everybody",
    };
    let broken =
        if answer.everybody.samples.iter().any(|one| !one.faults.is_empty()) { " under the faults" } else { "" };
    text.push_str(&format!("\n{all}{broken}: the SLO is kept\n"));
    if let Some(knee) = ladder.bend() {
        text.push_str(&format!("latency bends at {}/s\n", three_digits(knee.rate_per_s)));
    }
    if let Some(law) = usl {
        let (sigma, kappa) = (three_digits(law.sigma), three_digits(law.kappa));
        let over = if config.shards().is_some() { "shards" } else { "servers" };
        let each = three_digits(law.lambda);
        text.push_str(&format!("USL over {over}: {each}/s each, sigma {sigma}, kappa {kappa}\n"));
    }
    if let Some(most) = answer.max_rate() {
        text.push_str(&format!("with {} it carries up to {}/s\n", most.says, three_digits(most.rate_per_s)));
    }
    text.push_str(stormy);
    text.push_str(&format!("files: {0}, {0}/report.html to read\n", folder.display()));
    text
}
