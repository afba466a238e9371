//! `headcount run`: one scenario, one seed, one folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use headcount_reports::host::{HostFigures, peak_rss_bytes};
use headcount_reports::{bill, run_folder, run_json, summary};
use headcount_workloads::bill::Prices;
use headcount_workloads::outcome::Outcome;

use crate::backend::{self, Loaded, Prepared};
use crate::cli::RunOptions;
use crate::progress::{Progress, Unit};
use crate::terminal::{self, Problem, shell_word};

/// A debug build of a run at least this long is worth a warning: ten virtual minutes.
const LONG_RUN_NS: u64 = 600_000_000_000;

/// Runs, writes, and says what came out.
///
/// # Errors
/// Wrong input, or files that cannot be written: found out before the run as far as that can be.
pub fn run(options: &RunOptions) -> Result<ExitCode, Problem> {
    let loaded = backend::load(&options.scenario, &options.overrides, &options.thresholds)?;
    let prices = options.prices.as_deref().map(Prices::load).transpose().map_err(Problem::new)?;
    let folder = folder(options, &loaded);
    if let Some(folder) = &folder {
        run_folder::check(folder).map_err(Problem::new)?;
    }
    if let Some(file) = &options.trace {
        run_folder::check_file(file).map_err(Problem::new)?;
    }
    let total_ns = backend::virtual_ns_total(&loaded.scenario);
    if cfg!(debug_assertions) && total_ns >= LONG_RUN_NS && !options.quiet {
        terminal::note(
            "headcount: this is a debug build, which is many times slower; cargo run --release is meant for long runs",
        );
    }

    let started = Instant::now();
    let counter = Arc::new(AtomicU64::new(0));
    let progress =
        Progress::start(&loaded.scenario.name, Unit::VirtualSeconds, Arc::clone(&counter), total_ns, options.quiet);
    let prepared = Prepared::new(loaded.scenario.clone());
    let mut outcome = backend::run_once(&prepared, options.seed, options.trace.is_some(), Some(counter));
    drop(progress);
    let host = HostFigures { wall_s: started.elapsed().as_secs_f64(), peak_rss_bytes: peak_rss_bytes() };

    if let Some(file) = &options.trace {
        write_trace(file, &mut outcome)?;
    }
    if let Some(folder) = &folder {
        let repeat = repeat_in_report(options, &loaded);
        run_folder::write(folder, &outcome, &host, &repeat, prices.as_ref()).map_err(Problem::new)?;
    }
    // The folder as the user named it: that is where they will look.
    terminal::print(&said(options, &outcome, &host, folder.as_deref(), prices.as_ref()))?;
    Ok(terminal::status(outcome.verdict))
}

fn said(
    options: &RunOptions,
    outcome: &Outcome,
    host: &HostFigures,
    folder: Option<&Path>,
    prices: Option<&Prices>,
) -> String {
    if options.json {
        return run_json::text(outcome, host);
    }
    if options.quiet {
        return format!("{} ({})\n", summary::verdict_word(outcome.verdict), summary::expectation(outcome));
    }
    let repeat = repeat_command(&options.scenario, options.seed, &options.overrides, &options.thresholds);
    let cost =
        prices.map(|prices| format!("cost: {} at your prices\n", bill::money(bill::of(outcome).cost(prices), prices)));
    summary::text(outcome, host, folder, &(repeat + &prices_option(options))) + &cost.unwrap_or_default()
}

fn folder(options: &RunOptions, loaded: &Loaded) -> Option<PathBuf> {
    let default = || Path::new("runs").join(format!("{}-{}", loaded.scenario.name, options.seed));
    (!options.no_files).then(|| options.out.clone().unwrap_or_else(default))
}

fn write_trace(file: &Path, outcome: &mut Outcome) -> Result<(), Problem> {
    let mut text = outcome.trace.take().unwrap_or_default().join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    run_folder::write_file(file, text.as_bytes()).map_err(Problem::new)
}

/// The command that does a run again.
pub fn repeat_command(scenario: &str, seed: u64, overrides: &[(String, String)], thresholds: &[String]) -> String {
    let thresholds: String = thresholds.iter().map(|text| format!(" --threshold {}", shell_word(text))).collect();
    format!("headcount run {} --seed {seed}{}{thresholds}", shell_word(scenario), set_options(overrides))
}

/// The overrides of a scenario as options of a command, a space before each.
pub fn set_options(overrides: &[(String, String)]) -> String {
    overrides.iter().map(|(key, value)| format!(" --set {}", shell_word(&format!("{key}={value}")))).collect()
}

/// The same for the report, which is the same wherever it is written: a scenario file is named by its copy in the run
/// folder, which has every override in it.
fn repeat_in_report(options: &RunOptions, loaded: &Loaded) -> String {
    let command = if loaded.is_built_in {
        repeat_command(&options.scenario, options.seed, &options.overrides, &options.thresholds)
    } else {
        repeat_command("scenario.toml", options.seed, &[], &[])
    };
    command + &prices_option(options)
}

fn prices_option(options: &RunOptions) -> String {
    options.prices.as_ref().map_or_else(String::new, |file| format!(" --prices {}", shell_word(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_repeats_every_override() {
        let overrides = [("shards".to_string(), "4".to_string()), ("name".to_string(), "\"a b\"".to_string())];
        let command =
            repeat_command("voting-small", 17, &overrides, &["lost==0".to_string(), "kv.gets < 5".to_string()]);
        let set = "headcount run voting-small --seed 17 --set shards=4 --set 'name=\"a b\"'";
        assert_eq!(command, format!("{set} --threshold lost==0 --threshold 'kv.gets < 5'"));
    }
}
