//! Progress on stderr: a bar on a terminal, otherwise a line every few seconds.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use headcount_reports::number::{duration_ms, grouped};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal;

const LINE_EVERY: Duration = Duration::from_secs(5);
const BAR_EVERY: Duration = Duration::from_millis(100);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    VirtualSeconds,
    Seeds,
    /// People of all runs of a plan: how many there will be is an estimate.
    People,
}

impl Unit {
    /// How many of the counter's steps make one that is shown: virtual time is counted in nanoseconds.
    fn steps(self) -> u64 {
        match self {
            Self::VirtualSeconds => 1_000_000_000,
            Self::Seeds | Self::People => 1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::VirtualSeconds => "virtual seconds",
            Self::Seeds => "seeds",
            Self::People => "people simulated (estimate)",
        }
    }
}

/// Shows a counter until it is dropped.
pub struct Progress {
    stop: Option<mpsc::Sender<()>>,
    shower: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts to show `counter` on its way to `total`, both in the unit's steps; `quiet` shows nothing.
    pub fn start(what: &str, unit: Unit, counter: Arc<AtomicU64>, total: u64, quiet: bool) -> Self {
        Self::start_towards(what, unit, counter, Arc::new(AtomicU64::new(total)), quiet)
    }

    /// The same where the total moves.
    pub fn start_towards(what: &str, unit: Unit, counter: Arc<AtomicU64>, total: Arc<AtomicU64>, quiet: bool) -> Self {
        if quiet {
            return Self { stop: None, shower: None };
        }
        let (stop, stopped) = mpsc::channel();
        let what = what.to_string();
        let shower = std::thread::spawn(move || {
            if std::io::stderr().is_terminal() {
                show_bar(&what, unit, (&counter, &total), &stopped);
            } else {
                show_lines(&what, unit, (&counter, &total), &stopped);
            }
        });
        Self { stop: Some(stop), shower: Some(shower) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(shower) = self.shower.take() {
            // A progress bar that failed is no reason to lose the run.
            let _ = shower.join();
        }
    }
}

/// Waits; `false` once the work is done.
fn goes_on(stopped: &mpsc::Receiver<()>, wait: Duration) -> bool {
    stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout)
}

/// A counter and its total.
type Counted<'a> = (&'a AtomicU64, &'a AtomicU64);

fn show_bar(what: &str, unit: Unit, (counter, total): Counted<'_>, stopped: &mpsc::Receiver<()>) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = format!("{{prefix}} {{wide_bar}} {{human_pos}}/{{human_len}} {} ({{eta}} left)", unit.name());
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_string());
    while goes_on(stopped, BAR_EVERY) {
        bar.set_length(total.load(Ordering::Relaxed) / unit.steps());
        bar.set_position(counter.load(Ordering::Relaxed) / unit.steps());
    }
    bar.finish_and_clear();
}

fn show_lines(what: &str, unit: Unit, (counter, total): Counted<'_>, stopped: &mpsc::Receiver<()>) {
    let started = Instant::now();
    while goes_on(stopped, LINE_EVERY) {
        let (done, total) = (counter.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
        terminal::note(&format!("{what}: {}", line(unit, done, total, started.elapsed())));
    }
}

/// `120 of 660 virtual seconds, 18 %, 9 s left`.
fn line(unit: Unit, done: u64, total: u64, elapsed: Duration) -> String {
    let (shown, all) = (grouped(done / unit.steps()), grouped(total / unit.steps()));
    if done == 0 || total == 0 {
        return format!("{shown} of {all} {}", unit.name());
    }
    let share = (done as f64 / total as f64).min(1.0);
    let left_ms = elapsed.as_secs_f64() * 1000.0 * (1.0 - share) / share;
    format!("{shown} of {all} {}, {:.0} %, {} left", unit.name(), share * 100.0, duration_ms(left_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_long_yet() {
        // A quarter took 5 s: three quarters take 15 s.
        let text = line(Unit::VirtualSeconds, 165_000_000_000, 660_000_000_000, Duration::from_secs(5));
        assert_eq!(text, "165 of 660 virtual seconds, 25 %, 15 s left");
        assert_eq!(line(Unit::Seeds, 0, 2_000, Duration::from_secs(5)), "0 of 2,000 seeds");
    }

    #[test]
    fn progress_ends_at_once_when_dropped() {
        let started = Instant::now();
        drop(Progress::start("x", Unit::Seeds, Arc::new(AtomicU64::new(0)), 10, false));
        assert!(started.elapsed() < LINE_EVERY);
    }
}
