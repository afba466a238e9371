//! The command line: what can be asked, and how a wrong question is answered.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use headcount_reports::kept;

use crate::terminal::{self, Problem};

/// What runs when nothing is asked.
pub const FLAGSHIP: &str = "evening";

/// Runs a real-time voting or presence system in a simulated world, breaks it on purpose, checks every promise.
///
/// Without a command: run the evening. Exit status: 0 holds, 1 violated, 2 usage or bad input, 3 inconclusive.
#[derive(Debug, Parser)]
#[command(name = "headcount", version)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run one scenario with one seed and write its folder
    Run(RunOptions),
    /// Run one scenario with many seeds
    Check(CheckOptions),
    /// Search the smallest configuration that keeps an SLO, with headroom
    Plan(PlanOptions),
    /// Compare two runs or two sets of seeds
    Compare(CompareOptions),
    /// Write what the documents' own logic keeps and breaks
    Findings(FindingsOptions),
    /// List scenarios, properties, faults and limits profiles
    List(ListOptions),
}

/// `headcount run`.
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// A built-in scenario's name, or a scenario file (*.toml)
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = FLAGSHIP)]
    pub scenario: String,
    /// Seed, decimal or 0x hex
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed, allow_negative_numbers = true)]
    pub seed: u64,
    /// Folder for the run's files [default: runs/<scenario>-<seed>]
    #[arg(long, value_name = "DIR", conflicts_with = "no_files")]
    pub out: Option<PathBuf>,
    /// Write the full trace to this file, a line an event
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Set a key of the scenario, as in its file; may be given many times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub overrides: Vec<(String, String)>,
    /// What the run must measure, as in 'ack.p99_ms<500'; on top of the scenario's own; may be given many times
    #[arg(long = "threshold", value_name = "THRESHOLD")]
    pub thresholds: Vec<String>,
    /// What a million of each billable kind costs, as a TOML file: the report then says what the run costs
    #[arg(long, value_name = "FILE")]
    pub prices: Option<String>,
    /// Print run.json instead of the summary
    #[arg(long)]
    pub json: bool,
    /// No progress, and only the verdict
    #[arg(long)]
    pub quiet: bool,
    /// Write no run folder
    #[arg(long)]
    pub no_files: bool,
}

/// `headcount check`.
#[derive(Clone, Debug, Args)]
pub struct CheckOptions {
    /// A built-in scenario's name, or a scenario file (*.toml)
    #[arg(value_name = "SCENARIO|FILE.toml")]
    pub scenario: String,
    /// How many seeds
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub seeds: u64,
    /// The first seed, decimal or 0x hex
    #[arg(long, value_name = "K", default_value = "1", value_parser = seed, allow_negative_numbers = true)]
    pub from: u64,
    /// Seeds run at the same time [default: the machine's cores]
    #[arg(long, value_name = "J", value_parser = jobs, allow_negative_numbers = true)]
    pub jobs: Option<usize>,
    /// Set a key of the scenario, as in its file; may be given many times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub overrides: Vec<(String, String)>,
    /// What the run must measure, as in 'ack.p99_ms<500'; on top of the scenario's own; may be given many times
    #[arg(long = "threshold", value_name = "THRESHOLD")]
    pub thresholds: Vec<String>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// Run all seeds even of a scenario that is expected to be violated
    #[arg(long)]
    pub keep_going: bool,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

/// `headcount plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanOptions {
    /// A built-in scenario's name, or a scenario file (*.toml), of the pattern voting or station
    #[arg(value_name = "SCENARIO|FILE.toml")]
    pub scenario: String,
    /// People in all; one station needs none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=5_000_000))]
    pub users: Option<u32>,
    /// Votes, jobs, or people who come or go, a second
    #[arg(long, value_name = "R", value_parser = rate, allow_negative_numbers = true)]
    pub rate: f64,
    /// What must be kept, as in ack.p99_ms<500,results.p99_ms<1000,lost==0
    #[arg(long, value_name = "SLO")]
    pub slo: String,
    /// So many times the load must be carried within the SLO, 1 to 10
    #[arg(long, value_name = "X", default_value = "2", value_parser = headroom)]
    pub headroom: f64,
    /// Seeds that every configuration meets, from 1
    #[arg(long, value_name = "K", default_value = "3", value_parser = clap::value_parser!(u64).range(1..=100))]
    pub seeds: u64,
    /// Runs at the same time [default: the machine's cores]
    #[arg(long, value_name = "J", value_parser = jobs, allow_negative_numbers = true)]
    pub jobs: Option<usize>,
    /// Set a key of the scenario, as in its file; may be given many times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub overrides: Vec<(String, String)>,
    /// What a million of each billable kind costs, as a TOML file (workloads/prices-example.toml is an example)
    #[arg(long, value_name = "FILE")]
    pub prices: Option<String>,
    /// Break this while everybody is there: a TOML file with [[fault]] tables; times count from the beginning of the load
    #[arg(long, value_name = "FILE")]
    pub fault_plan: Option<String>,
    /// Also run the answer for 50,000 to 2,000,000 voters, and say what each number of them takes
    #[arg(long)]
    pub growth: bool,
    /// Folder for the plan's files [default: runs/plan-<scenario>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder in which the results of runs are kept, for a plan that is repeated or was interrupted
    #[arg(long, value_name = "DIR", default_value = kept::FOLDER)]
    pub kept: PathBuf,
    /// Print plan.json instead of text
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

/// `headcount compare`.
#[derive(Clone, Debug, Args)]
pub struct CompareOptions {
    /// A run folder, a folder of run folders, a built-in scenario's name, or a scenario file (*.toml): what was
    #[arg(value_name = "A")]
    pub a: String,
    /// The same: what is
    #[arg(value_name = "B")]
    pub b: String,
    /// Seeds of scenarios [default: 5]
    #[arg(long, value_name = "K", value_parser = at_least_one, allow_negative_numbers = true)]
    pub seeds: Option<u64>,
    /// The first seed, decimal or 0x hex [default: 1]
    #[arg(long, value_name = "N", value_parser = seed, allow_negative_numbers = true)]
    pub from: Option<u64>,
    /// Set a key of the scenarios, as in their files; may be given many times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub overrides: Vec<(String, String)>,
    /// Set a key of scenario B alone; may be given many times
    #[arg(long = "set-b", value_name = "KEY=VALUE", value_parser = key_value)]
    pub overrides_b: Vec<(String, String)>,
    /// End with status 1 if a metric got worse by more than this, beyond chance
    #[arg(long, value_name = "PERCENT", value_parser = percentage, allow_hyphen_values = true)]
    pub fail_over: Option<f64>,
    /// Judge this metric alone, as in ack.p99_ms; may be given many times [default: all that can be better or worse]
    #[arg(long = "metric", value_name = "NAME", requires = "fail_over")]
    pub metrics: Vec<String>,
    /// Runs at the same time [default: the machine's cores]
    #[arg(long, value_name = "J", value_parser = jobs, allow_negative_numbers = true)]
    pub jobs: Option<usize>,
    /// Folder for the comparison's files [default: runs/compare-<A>-<B>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder in which the results of runs are kept
    #[arg(long, value_name = "DIR", default_value = kept::FOLDER)]
    pub kept: PathBuf,
    /// Print compare.json instead of text
    #[arg(long)]
    pub json: bool,
    /// No progress, and only the answer
    #[arg(long)]
    pub quiet: bool,
}

/// `headcount findings`.
#[derive(Clone, Debug, Args)]
pub struct FindingsOptions {
    /// Seeds of each variant, from 1
    #[arg(long, value_name = "K", default_value_t = headcount_workloads::findings::SEEDS, value_parser = at_least_one, allow_negative_numbers = true)]
    pub seeds: u64,
    /// Runs at the same time [default: the machine's cores]
    #[arg(long, value_name = "J", value_parser = jobs, allow_negative_numbers = true)]
    pub jobs: Option<usize>,
    /// Folder for the page's files [default: runs/findings]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print findings.json instead of text
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

/// `headcount list`.
#[derive(Clone, Debug, Args)]
pub struct ListOptions {
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Why there is nothing to do.
pub enum Stop {
    /// Help or the version was asked for.
    Said(String),
    Wrong(Problem),
}

impl Stop {
    /// Says so: help on stdout with status 0, a wrong use in one line on stderr with status 2.
    pub fn say(self) -> ExitCode {
        match self {
            Self::Said(text) => match terminal::print(&text) {
                Ok(()) => ExitCode::SUCCESS,
                Err(problem) => terminal::refuse(&problem),
            },
            Self::Wrong(problem) => terminal::refuse(&problem),
        }
    }
}

/// Reads the command line; the first argument is the command's own name.
///
/// # Errors
/// Help and version come back as what to print, wrong use as its one line.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Verb, Stop> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let verbs = ["run", "check", "plan", "compare", "findings", "list"];
    let verb = verbs.into_iter().find(|verb| arguments.get(1).is_some_and(|first| first == verb));
    let cli = Cli::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Said(error.render().to_string()),
        ErrorKind::InvalidSubcommand => Stop::Wrong(no_verb(&error.render().to_string(), &verbs)),
        _ => Stop::Wrong(one_line(&error.render().to_string(), verb)),
    })?;
    Ok(cli.verb.unwrap_or_else(flagship))
}

fn flagship() -> Verb {
    let scenario = FLAGSHIP.to_string();
    let (out, trace, prices, overrides, thresholds) = (None, None, None, Vec::new(), Vec::new());
    Verb::Run(RunOptions {
        scenario,
        seed: 1,
        out,
        trace,
        overrides,
        thresholds,
        prices,
        json: false,
        quiet: false,
        no_files: false,
    })
}

/// clap says what is wrong in the first paragraph, what may be right in a tip, and then how everything is used. Its tip
/// to write `--` before an unknown option is left out: nothing here takes such a value.
fn one_line(rendered: &str, verb: Option<&str>) -> Problem {
    let mut paragraphs = rendered.split("\n\n");
    let wrong = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let is_tip = |text: &&str| text.trim_start().starts_with("tip: ") && !text.contains("as a value");
    let tip = paragraphs.find(is_tip).map_or_else(String::new, |tip| format!(" ({})", tip.trim()));
    let help = verb.map_or_else(|| "headcount --help".to_string(), |verb| format!("headcount {verb} --help"));
    Problem::new(format!("{wrong}{tip}; see {help}"))
}

/// Who leaves out the verb most likely wants a run.
fn no_verb(rendered: &str, verbs: &[&str]) -> Problem {
    let wrong = rendered.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let verbs = verbs.join(", ");
    Problem::new(format!("{wrong}: must be one of {verbs}, as in headcount run voting-small; see headcount --help"))
}

fn seed(text: &str) -> Result<u64, String> {
    let right = "a seed is a whole number from 0 to 18446744073709551615, as in 17 or 0x11";
    let hex = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    // `from_str_radix` would take a sign.
    let (digits, radix) = hex.map_or((text, 10), |digits| (digits, 16));
    let is_digits = digits.chars().all(|digit| digit.is_digit(radix));
    u64::from_str_radix(digits, radix).ok().filter(|_| is_digits).ok_or_else(|| right.to_string())
}

fn at_least_one(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| "it takes a whole number of seeds, 1 or more".to_string())
}

fn jobs(text: &str) -> Result<usize, String> {
    let in_range = |count: &usize| (1..=1024).contains(count);
    text.parse().ok().filter(in_range).ok_or_else(|| "it takes a whole number of threads, 1 to 1024".to_string())
}

fn rate(text: &str) -> Result<f64, String> {
    let in_range = |rate: &f64| (0.1..=100_000.0).contains(rate);
    text.parse().ok().filter(in_range).ok_or_else(|| "it takes votes a second, 0.1 to 100000".to_string())
}

fn headroom(text: &str) -> Result<f64, String> {
    let in_range = |times: &f64| (1.0..=10.0).contains(times);
    text.parse().ok().filter(in_range).ok_or_else(|| "it takes a number from 1 to 10".to_string())
}

fn percentage(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
    let in_range = |percent: &f64| (0.0..=1000.0).contains(percent);
    number.filter(in_range).ok_or_else(|| "it takes a percentage, 0% to 1000%, as in 5%".to_string())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(key, value)| (key.trim().to_string(), value.trim().to_string()));
    pair.filter(|(key, _)| !key.is_empty()).ok_or_else(|| "it takes a key and a value, as in vote.shards=4".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(line: &str) -> String {
        match parse(line.split(' ').map(OsString::from)) {
            Err(Stop::Wrong(problem)) => problem.0,
            _ => panic!("{line} was taken"),
        }
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn seeds_are_decimal_or_hex_and_nothing_else() {
        let right = [("0", 0), ("17", 17), ("0x11", 17), ("0XfF", 255), ("18446744073709551615", u64::MAX)];
        for (text, value) in right {
            assert_eq!(seed(text), Ok(value));
        }
        for text in ["", "0x", "+1", "-1", "0x-1", "1.5", "seven", "18446744073709551616", "1e3", " 1"] {
            assert!(seed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrong_use_is_one_line_that_names_the_option() {
        let line = wrong("headcount run voting-small --seed many");
        assert!(line.contains("'--seed <N>'") && line.contains("a whole number from 0"), "{line}");
        assert!(wrong("headcount check voting-small --seeds 0").contains("--seeds <N>"));
        assert!(wrong("headcount check voting-small").contains("--seeds <N>"));
        assert!(wrong("headcount run x --sed 1").contains("--seed"), "the tip is kept");
        assert!(wrong("headcount run x --set shards").contains("as in vote.shards=4"));
        let line = "unrecognized subcommand 'voting-calm': must be one of run, check, plan, compare, findings, list, as in headcount run voting-small";
        assert_eq!(wrong("headcount voting-calm"), format!("{line}; see headcount --help"));
        assert!(wrong("headcount check x --seeds -3").contains("1 or more"), "a minus is a wrong number, no option");
        for percent in ["5", "-5%", "%", "x%", "1001%", "nan%"] {
            assert!(wrong(&format!("headcount compare a b --fail-over {percent}")).contains("as in 5%"), "{percent}");
        }
        assert!(wrong("headcount compare a b --metric x").contains("--fail-over"));
        let line = wrong("headcount run x --jobs 2");
        assert_eq!(line, "unexpected argument '--jobs' found; see headcount run --help");
        assert!(wrong("headcount run x --out a --no-files").contains("--no-files"));
        for line in ["headcount check", "headcount run a b", "headcount check x --seeds 1 --jobs 0"] {
            assert!(!wrong(line).contains('\n'));
        }
    }

    #[test]
    fn nothing_asked_runs_the_flagship() {
        let Ok(Verb::Run(options)) = parse(["headcount".into()]) else { panic!("no run") };
        assert_eq!((options.scenario.as_str(), options.seed, options.no_files), (FLAGSHIP, 1, false));
    }
}
