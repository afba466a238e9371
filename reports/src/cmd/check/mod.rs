//! `headcount check`: one scenario, many seeds, all cores; the answer does not depend on how many.
//!
//! Workers take seeds as they come; what they find is added up in the order of the seeds and never past the seed at
//! which a run with one worker would have stopped.

mod tally;
mod thresholds;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use headcount_reports::jobs;
use headcount_reports::number::{count_of, duration_s, three_digits};
use headcount_workloads::outcome::Verdict;

use crate::backend::{self, Prepared};
use crate::cli::CheckOptions;
use crate::progress::{Progress, Unit};
use crate::terminal::{self, Problem};
use tally::{SeedFound, Tally};

/// The status of a program that panicked, as the language has it: the simulation itself is broken, nothing is answered.
pub const STATUS_BROKEN: u8 = 101;

/// Runs every seed and says what they found together.
///
/// # Errors
/// Wrong input, or seeds beyond the last one there is.
pub fn check(options: &CheckOptions) -> Result<ExitCode, Problem> {
    let loaded = backend::load(&options.scenario, &options.overrides, &options.thresholds)?;
    if options.from.checked_add(options.seeds - 1).is_none() {
        let most = u64::MAX - options.from;
        return Err(Problem::new(format!(
            "--seeds {}: goes beyond the last seed; with --from {} at most {most}",
            options.seeds, options.from
        )));
    }
    let jobs = jobs::or_cores(options.jobs);
    let started = Instant::now();
    let counter = Arc::new(AtomicU64::new(0));
    let progress =
        Progress::start(&loaded.scenario.name, Unit::Seeds, Arc::clone(&counter), options.seeds, options.quiet);
    let ran = run_seeds(&Prepared::new(loaded.scenario), options, jobs, &counter);
    drop(progress);
    let tally = match ran {
        Ok(tally) => tally,
        Err(broken) => {
            terminal::note(&broken);
            return Ok(ExitCode::from(STATUS_BROKEN));
        }
    };
    if !options.quiet {
        let (seeds, wall_s) = (tally.seeds(), started.elapsed().as_secs_f64());
        let (rate, wall) = (three_digits(seeds as f64 / wall_s.max(1e-9)), duration_s(wall_s));
        let (seeds, jobs) = (count_of(seeds, "seed", "seeds"), count_of(jobs as u64, "job", "jobs"));
        terminal::note(&format!("{seeds} in {wall} with {jobs}: {rate} seeds/s"));
    }
    terminal::print(&if options.json { tally.json(options) } else { tally.text(options) })?;
    Ok(terminal::status(tally.verdict()))
}

/// What comes back from a worker: a seed's place in the row, and what it found or the panic's own words.
type Found = (u64, Result<SeedFound, String>);

fn run_seeds(prepared: &Prepared, options: &CheckOptions, jobs: usize, counter: &AtomicU64) -> Result<Tally, String> {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let stops_at_first = prepared.scenario().expect == Verdict::Violated && !options.keep_going;
    let mut tally = Tally::default();
    let (found, finds) = mpsc::channel::<Found>();
    std::thread::scope(|scope| -> Result<(), String> {
        for _ in 0..jobs {
            let (next, stop, found) = (&next, &stop, found.clone());
            scope.spawn(move || work(prepared, options, next, stop, &found));
        }
        // Once all workers have hung up there is nothing to wait for.
        drop(found);
        let mut waiting: BTreeMap<u64, Result<SeedFound, String>> = BTreeMap::new();
        let mut turn = 0;
        for (index, result) in finds {
            counter.fetch_add(1, Ordering::Relaxed);
            waiting.insert(index, result);
            while let Some(result) = waiting.remove(&turn) {
                turn += 1;
                let one =
                    result.map_err(|panic| broken(options, options.from + turn - 1, &panic)).inspect_err(|_| {
                        stop.store(true, Ordering::Relaxed);
                    })?;
                let ends = stops_at_first && one.verdict == Verdict::Violated;
                tally.add(one);
                if ends {
                    stop.store(true, Ordering::Relaxed);
                    return Ok(());
                }
            }
        }
        Ok(())
    })?;
    Ok(tally)
}

fn work(prepared: &Prepared, options: &CheckOptions, next: &AtomicU64, stop: &AtomicBool, found: &mpsc::Sender<Found>) {
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= options.seeds || stop.load(Ordering::Relaxed) {
            return;
        }
        let seed = options.from + index;
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| prepared.check(seed)));
        let expected = prepared.scenario().expect;
        let result = ran.map(|checked| SeedFound::of(checked, expected)).map_err(|panic| words(panic.as_ref()));
        // Nobody listens once the answer is known.
        if found.send((index, result)).is_err() {
            return;
        }
    }
}

impl CheckOptions {
    /// The command that runs one of the seeds again.
    fn repeat(&self, seed: u64) -> String {
        super::run::repeat_command(&self.scenario, seed, &self.overrides, &self.thresholds)
    }
}

/// What is said of a panic: a broken invariant of the simulation, not a finding about the scenario. It ends the check.
fn broken(options: &CheckOptions, seed: u64, panic: &str) -> String {
    let repeat = options.repeat(seed);
    format!("headcount: seed {seed}: the simulation itself broke: {panic}\nrepeat: {repeat}")
}

/// What a panic said.
pub fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_string())
}
