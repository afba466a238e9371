//! A scenario: a TOML file that says everything about a run, parsed once, checked once.
//!
//! Times in files carry their unit in the key (`_s`, `_ms`); inside they are nanoseconds from the run's start.
//! Unknown keys and impossible values are refused in one line ([`BadInput`]); what a file leaves out is filled in by
//! [`defaults`]; [`Scenario::to_toml`] writes all of it out, and parsing that gives the same scenario again.
//!
//! | room | idea |
//! |---|---|
//! | `document` | a TOML text in which every value knows its line, and `--set` overrides |
//! | `form` | one walk over the keys, for reading and for writing |
//! | `fields` | every key with its range |
//! | `defaults` | every value that a file may leave out, and why it is what it is |
//! | `fault`, `stations` | the tables that come in kinds |
//! | `fault_plan` | faults of a file of their own |
//! | `station` | one station, and what comes to it |
//! | `distribution`, `measured` | how long something takes, by a formula or as a user measured it |
//! | `links` | how long messages are under way |
//! | `spelling` | how values are written |
//! | `auditor` | who asks the audit log |
//! | `nodes` | what nodes a topology has, by name |
//! | `check` | what no single key can say: orders of times, names of nodes |

mod arrivals_csv;
mod auditor;
mod bad_input;
mod check;
mod crowd;
mod defaults;
mod distribution;
pub(crate) mod document;
mod fault;
mod fault_plan;
mod fields;
mod form;
mod friends;
mod links;
mod measured;
mod nodes;
mod spelling;
mod station;
mod stations;
mod system;
#[cfg(test)]
mod tests;

use std::path::Path;

use headcount_engine::contract::Nanos;

use crate::catalogue;
use crate::outcome::Verdict;
use crate::pattern::{self, Pattern};
use crate::slo::{BadSlo, Slo};
use crate::systems::{self, System};

pub use auditor::Auditor;
pub use bad_input::BadInput;
pub(crate) use check::{Check, Checked};
pub use crowd::{ArrivalKind, Arrivals, Crowd, Join, JoinKind, Misbehaviours, Retry, Spacing};
pub use distribution::{Distribution, Source};
pub use fault::{Fault, FaultKind, Store, Swarm, SwarmKind, Target};
pub(crate) use form::Form;
pub use friends::{Deeds, Friends};
pub use links::{Between, Links};
pub use measured::Quantiles;
pub use nodes::{NodeKind, NodeSpec, PLACES};
pub use station::{JobService, OneStation};
pub use stations::{Station, Stations};
pub use system::{Setting, SystemTable};

/// Which of a pattern's two variants runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The document's own logic, step by step, with what is wrong in it.
    Documented,
    /// The logic that keeps the document's promises under every fault.
    Hardened,
}

/// Everything about a run but its seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called in lists, files and reports: letters, digits and `-`, at most 64.
    pub name: String,
    /// One line for `headcount list`.
    pub summary: String,
    /// What runs: the name of a line of [`crate::pattern`].
    pub pattern: String,
    pub variant: Variant,
    /// The limits profile's name ([`headcount_engine::limits`]).
    pub limits: String,
    /// The verdict that the run should end with.
    pub expect: Verdict,
    /// What the run must measure; a missed one violates it. The file's `thresholds = ["ack.p99_ms < 500"]`.
    pub thresholds: Slo,
    /// When every fault has ended and liveness begins to count [ns]. Default: the end of the last fault.
    pub heal: Nanos,
    /// When the run ends [ns]; at least `heal` + `converge`, and after `vote.reveal`. Default: both with room.
    pub end: Nanos,
    pub topology: Topology,
    pub vote: Vote,
    pub crowd: Crowd,
    /// Somebody who asks the audit log; `None`: nobody does.
    pub auditor: Option<Auditor>,
    pub friends: Friends,
    /// Users of a system ([`Scenario::system`]).
    pub system: SystemTable,
    /// Where nothing else is.
    pub station: OneStation,
    pub stations: Stations,
    pub links: Links,
    pub faults: Vec<Fault>,
    /// Faults drawn from the seed, on top of `faults`.
    pub swarm: Option<Swarm>,
    pub bounds: Bounds,
}

/// Where the platform stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    /// Names out of [`PLACES`], 1 to 8, each once.
    pub regions: Vec<String>,
    /// Points of presence in each region, 1 to 8.
    pub edges_per_region: u32,
    /// Function workers in each region, 1 to 16.
    pub workers_per_region: u32,
    /// Executions that one worker keeps going at once, 1 to 100,000.
    pub worker_concurrency: u32,
    /// Where App Context, access manager, auth server, audit database, scheduler, history, host and auditor live: one of
    /// `regions`. Default: the first.
    pub home_region: String,
}

/// The vote session (voting.md 4, 5.1, 6.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Vote {
    /// The `channelId` of the session's channels: letters, digits, `-`, `_`, at most 64 (a dot would add a level).
    pub session_id: String,
    /// At most 1,000 bytes.
    pub question: String,
    /// Labels of 2 to 20 options, each under 100 characters (voting.md 6.4); their ids are `opt_1`, `opt_2`, ….
    pub options: Vec<String>,
    /// Submit channels at the start, 1 to 32 (voting.md 4.3).
    pub shards: u32,
    /// When the host creates, opens, closes and reveals [ns], in this order.
    pub create: Nanos,
    pub open: Nanos,
    pub close: Nanos,
    pub reveal: Nanos,
    pub allow_change_vote: bool,
    pub show_live_tally: bool,
    pub anonymous_results: bool,
    /// Votes one user may have counted, 1 to 10.
    pub max_votes_per_user: u32,
    /// Time between tally broadcasts [ns], 100 ms to 60 s.
    pub tally_interval: Nanos,
    /// Shards added while the vote is open (voting.md 12.3, "Shard rebalance").
    pub add_shards: Option<AddShards>,
    /// Life of a participant's token [minutes], 1 to 43,200. The document's 3600 (8.2) reads as seconds in its 8.4.
    pub token_ttl_minutes: u32,
}

/// More submit channels from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddShards {
    /// When [ns]: while the vote is open.
    pub at: Nanos,
    /// How many there are then in all: more than before, at most 32.
    pub shards: u32,
}

/// What must come true, and by when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Time from `heal` within which everything must have converged [ns], 1 s to 1 h.
    pub converge: Nanos,
}

impl Scenario {
    /// The text of a built-in scenario; `None` if there is none of this name.
    pub fn builtin(name: &str) -> Option<&'static str> {
        catalogue::text(name)
    }

    /// A scenario by its built-in name, or by the path of a `.toml` file.
    pub fn load(name_or_path: &str, overrides: &[(String, String)]) -> Result<Self, BadInput> {
        if let Some(text) = Self::builtin(name_or_path) {
            return Self::parse(name_or_path, text, overrides);
        }
        let text = std::fs::read_to_string(name_or_path).map_err(|e| {
            let why = match e.kind() {
                std::io::ErrorKind::NotFound => "no such file".to_string(),
                std::io::ErrorKind::InvalidData => "not UTF-8 text".to_string(),
                std::io::ErrorKind::IsADirectory => "is a folder".to_string(),
                std::io::ErrorKind::PermissionDenied => "cannot be read (permission denied)".to_string(),
                _ => e.to_string(),
            };
            let names: Vec<_> = catalogue::all().iter().map(|e| e.name).collect();
            BadInput::new(format!(
                "{name_or_path}: {why}: must be a scenario file or a built-in scenario: {}",
                names.join(", ")
            ))
        })?;
        let folder = Path::new(name_or_path).parent().unwrap_or(Path::new(""));
        Self::parse_in(folder, name_or_path, &text, overrides)
    }

    /// Parses and checks a scenario's text. `source` names it in errors, `overrides` are (dotted key, TOML value) pairs
    /// that replace what the text says. Paths of other files are taken from the current folder.
    pub fn parse(source: &str, text: &str, overrides: &[(String, String)]) -> Result<Self, BadInput> {
        Self::parse_in(Path::new(""), source, text, overrides)
    }

    /// The same, with paths of other files in the text taken from `folder`; those of overrides are not.
    pub fn parse_in(folder: &Path, source: &str, text: &str, overrides: &[(String, String)]) -> Result<Self, BadInput> {
        let mut root = document::parse(source, text)?;
        for (key, value) in overrides {
            document::set(&mut root, key, value)?;
        }
        let origins = document::Origins::new(folder, source, &root);
        let mut scenario = defaults::scenario();
        form::Form::read(root, &origins, |form| scenario.fields(form))?;
        check::check(&scenario, &origins)?;
        Ok(scenario)
    }

    /// The whole scenario as TOML: every key, defaults filled in, arrivals of a CSV written out. Parsing it gives the
    /// same scenario.
    pub fn to_toml(&self) -> String {
        let origins = document::Origins::default();
        let mut copy = self.clone();
        form::Form::write(&origins, |form| copy.fields(form))
    }

    /// What runs in it.
    pub(crate) fn patterns(&self) -> &'static [&'static dyn Pattern] {
        pattern::named(&self.pattern).expect("a scenario names a pattern that is there")
    }

    /// Whether the platform is there.
    pub fn has_platform(&self) -> bool {
        self.kinds().contains(&NodeKind::Broker)
    }

    /// One more threshold, or several with commas between them, on top of those of the file.
    ///
    /// # Errors
    /// It does not parse, or names nothing that this scenario measures.
    pub fn add_thresholds(&mut self, text: &str) -> Result<(), BadSlo> {
        let more = Slo::parse_for(text, self)?;
        self.thresholds.thresholds.extend(more.thresholds);
        Ok(())
    }

    /// Whether it is one station and nothing else.
    pub fn is_station(&self) -> bool {
        self.kinds().contains(&NodeKind::Station)
    }

    /// Whether people vote.
    pub fn has_votes(&self) -> bool {
        self.kinds().contains(&NodeKind::Crowd)
    }

    /// Whether people have friends.
    pub fn has_friends(&self) -> bool {
        self.kinds().contains(&NodeKind::People)
    }

    /// The system that runs, if it is none of the flagships.
    pub fn system(&self) -> Option<&'static dyn System> {
        systems::find(&self.pattern)
    }

    /// How long the run is in virtual time [s].
    pub fn virtual_s(&self) -> f64 {
        self.end as f64 / 1e9
    }
}
