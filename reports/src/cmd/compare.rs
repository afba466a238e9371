//! `headcount compare`: two runs or two sets of seeds, side by side, and a gate for a build server.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use headcount_reports::compare::{Answer, Comparison, Gate, OneRun, Side, files, page, plots, text};
use headcount_reports::jobs;
use headcount_reports::kept::Kept;
use headcount_reports::run_folder::{self, COMPARISON};
use headcount_workloads::run::{Prepared, RunOptions};

use super::check::{STATUS_BROKEN, words};
use crate::backend::{self, Scenario};
use crate::cli::CompareOptions;
use crate::progress::{Progress, Unit};
use crate::terminal::{self, Problem, shell_word};

/// Seeds of two scenarios, if nobody says how many.
const SEEDS: u64 = 5;

/// Compares, writes, and says what came out: status 1 if something is worse by more than the gate allows.
///
/// # Errors
/// Wrong input, or files that cannot be written: found out before any run as far as that can be.
pub fn compare(options: &CompareOptions) -> Result<ExitCode, Problem> {
    let sides = [Source::of(&options.a, options, &[])?, Source::of(&options.b, options, &options.overrides_b)?];
    let seeds = seeds(options, &sides)?;
    let folder = options.out.clone().unwrap_or_else(|| Path::new("runs").join(folder_name(options)));
    run_folder::check_as(&COMPARISON, &folder).map_err(Problem::new)?;
    let (a, b) = match made(options, sides, &seeds)? {
        Ok(sides) => sides,
        Err(broken) => {
            terminal::note(&broken);
            return Ok(ExitCode::from(STATUS_BROKEN));
        }
    };
    let gate = options.fail_over.map(|percent| Gate { limit: percent / 100.0, only: options.metrics.clone() });
    let comparison = Comparison::of(a, b, gate).map_err(Problem::new)?;
    let json = files::json(&comparison);
    let mut written = vec![
        ("compare.json".to_string(), json.clone().into_bytes()),
        ("compare.csv".to_string(), files::metrics_csv(&comparison).into_bytes()),
        ("differences.csv".to_string(), files::differences_csv(&comparison).into_bytes()),
        ("report.html".to_string(), page::html(&comparison, &repeat(options)).into_bytes()),
    ];
    let drawn = plots::draw_all(&comparison).into_iter();
    written.extend(drawn.map(|plot| (format!("plots/{}.svg", plot.name), plot.svg.into_bytes())));
    run_folder::write_as(&COMPARISON, &folder, &written).map_err(Problem::new)?;
    terminal::print(&if options.json {
        json
    } else if options.quiet {
        format!("{}\n", text::answer_word(&comparison))
    } else {
        text::text(&comparison, &folder)
    })?;
    Ok(ExitCode::from(u8::from(comparison.answer() == Answer::Beyond)))
}

/// Where a side's runs come from.
enum Source {
    Folder(Side),
    Scenario(Box<Scenario>),
}

impl Source {
    /// A built-in scenario's name comes first; a folder of the same name can be written with `./`.
    fn of(named: &str, options: &CompareOptions, more: &[(String, String)]) -> Result<Self, Problem> {
        if Scenario::builtin(named).is_none() && Path::new(named).is_dir() {
            return Side::read(Path::new(named)).map(Self::Folder).map_err(Problem::new);
        }
        let overrides = [&options.overrides, more].concat();
        Ok(Self::Scenario(Box::new(backend::load(named, &overrides, &[])?.scenario)))
    }
}

/// The seeds to run: those of a folder, or as many as were asked for.
fn seeds(options: &CompareOptions, sides: &[Source; 2]) -> Result<Vec<u64>, Problem> {
    let read: Vec<&Side> =
        sides.iter().filter_map(|side| if let Source::Folder(side) = side { Some(side) } else { None }).collect();
    let refuse = |flag: &str, why: &str| Err(Problem::new(format!("{flag}: {why}")));
    if read.len() == 2 && !(options.overrides.is_empty() && options.overrides_b.is_empty()) {
        return refuse(
            "--set",
            "A and B are run folders, where nothing can be set any more; name a scenario to run it",
        );
    }
    if let Source::Folder(_) = &sides[1]
        && !options.overrides_b.is_empty()
    {
        return refuse("--set-b", "B is a run folder, where nothing can be set any more; name a scenario to run it");
    }
    if let Some(side) = read.first() {
        if options.seeds.is_some() || options.from.is_some() {
            let flag = if options.seeds.is_some() { "--seeds" } else { "--from" };
            return refuse(flag, &format!("{} is a run folder and has its own seeds; leave it out", side.label));
        }
        return Ok(side.runs.keys().copied().collect());
    }
    let (from, count) = (options.from.unwrap_or(1), options.seeds.unwrap_or(SEEDS));
    match from.checked_add(count - 1) {
        Some(last) => Ok((from..=last).collect()),
        None => {
            refuse("--seeds", &format!("goes beyond the last seed; with --from {from} at most {}", u64::MAX - from))
        }
    }
}

/// Both sides with their runs: made now unless they are kept. The inner error is a broken simulation.
fn made(options: &CompareOptions, sides: [Source; 2], seeds: &[u64]) -> Result<Result<(Side, Side), String>, Problem> {
    let mut prepared: Vec<Prepared> = Vec::new();
    // Two names of the same scenario are run once.
    for side in &sides {
        if let Source::Scenario(scenario) = side
            && !prepared.iter().any(|known| known.scenario() == &**scenario)
        {
            prepared.push(Prepared::new((**scenario).clone()));
        }
    }
    let asks: Vec<(usize, u64)> =
        (0..prepared.len()).flat_map(|which| seeds.iter().map(move |seed| (which, *seed))).collect();
    let kept = if asks.is_empty() { None } else { Some(Kept::open(&options.kept).map_err(Problem::new)?) };
    let done = Arc::new(AtomicU64::new(0));
    let progress = Progress::start("compare", Unit::Seeds, Arc::clone(&done), asks.len() as u64, options.quiet);
    let runs = jobs::in_order(jobs::or_cores(options.jobs), &asks, |(which, seed)| {
        let found = one(kept.as_ref().expect("there are runs to make"), &prepared[*which], *seed);
        done.fetch_add(1, Ordering::Relaxed);
        found
    });
    drop(progress);
    if kept.as_ref().is_some_and(Kept::has_failed) {
        let folder = options.kept.display();
        terminal::note(&format!("headcount: {folder}: some results could not be kept; they will be made again"));
    }
    let mut by_scenario: Vec<BTreeMap<u64, OneRun>> = vec![BTreeMap::new(); prepared.len()];
    for ((which, seed), found) in asks.into_iter().zip(runs) {
        match found {
            Ok(run) => by_scenario[which].insert(seed, run),
            Err(broken) => return Ok(Err(broken)),
        };
    }
    let side = |source: Source, named: &str| match source {
        Source::Folder(side) => side,
        Source::Scenario(scenario) => {
            let which = prepared.iter().position(|known| known.scenario() == &*scenario).expect("it was prepared");
            Side::made(named, &scenario, by_scenario[which].clone())
        }
    };
    let [a, b] = sides;
    Ok(Ok((side(a, &options.a), side(b, &options.b))))
}

fn one(kept: &Kept, prepared: &Prepared, seed: u64) -> Result<OneRun, String> {
    let scenario = prepared.scenario();
    if let Some(run) = kept.get(OneRun::LOOKED_AT, scenario, seed) {
        return Ok(run);
    }
    let ran = catch_unwind(AssertUnwindSafe(|| OneRun::of(&prepared.run(seed, RunOptions::default()))));
    ran.map(|run| kept.put(OneRun::LOOKED_AT, scenario, seed, run)).map_err(|panic| {
        format!("headcount: seed {seed} of {}: the simulation itself broke: {}", scenario.name, words(panic.as_ref()))
    })
}

/// `compare-base-new`, of the last part of each name.
fn folder_name(options: &CompareOptions) -> String {
    let last = |named: &str| {
        let name = PathBuf::from(named).file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect::<String>()
    };
    format!("compare-{}-{}", last(&options.a), last(&options.b))
}

/// The command that compares again.
fn repeat(options: &CompareOptions) -> String {
    let mut words =
        vec!["headcount".to_string(), "compare".to_string(), shell_word(&options.a), shell_word(&options.b)];
    let mut put = |flag: &str, value: &str| words.extend([flag.to_string(), shell_word(value)]);
    options.seeds.iter().for_each(|seeds| put("--seeds", &seeds.to_string()));
    options.from.iter().for_each(|from| put("--from", &from.to_string()));
    options.overrides.iter().for_each(|(key, value)| put("--set", &format!("{key}={value}")));
    options.overrides_b.iter().for_each(|(key, value)| put("--set-b", &format!("{key}={value}")));
    options.fail_over.iter().for_each(|percent| put("--fail-over", &format!("{percent}%")));
    options.metrics.iter().for_each(|name| put("--metric", name));
    words.join(" ")
}
