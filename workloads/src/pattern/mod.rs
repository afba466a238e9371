//! What can run in a world. A pattern says here, in one place, all that differs between patterns: its tables of a scenario,
//! its nodes, its properties and its figures. To add one: a file with an `impl Pattern`, and a line in [`ALL`]; a system of
//! [`crate::systems`] needs neither.

mod friends;
mod station;
mod system;
mod voting;

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::{Nanos, Node};
use headcount_engine::functions::Function;
use headcount_engine::scheduler::Job;
use headcount_sim::{LinkModel, StationSpec};

use crate::cluster::{Drawn, NodeBuilder};
use crate::metric::Metric;
use crate::outcome::PropertyResult;
use crate::run::{Ended, Parts};
use crate::scenario::{BadInput, Check, Checked, Form, NodeKind, NodeSpec, Scenario};
use crate::systems;

/// When a pattern does what it does [ns].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy {
    /// Faults of a swarm come in this time.
    pub from: Nanos,
    pub to: Nanos,
    /// What was done has its last consequence: the vote is revealed.
    pub done: Nanos,
}

/// One pattern.
pub(crate) trait Pattern: Sync {
    /// The kinds of nodes that it needs, the platform's included.
    fn kinds(&self, scenario: &Scenario) -> Vec<NodeKind>;

    /// Reads or writes its own tables.
    fn fields(&self, scenario: &mut Scenario, form: &mut Form<'_>) -> Result<(), BadInput>;

    /// Checks its own tables.
    fn check(&self, check: &Check<'_>) -> Checked;

    /// Checks that it is over when the run ends.
    fn check_end(&self, check: &Check<'_>) -> Checked;

    /// When it is busy.
    fn busy(&self, scenario: &Scenario) -> Busy;

    /// Its Functions.
    fn functions(&self, _scenario: &Scenario) -> Vec<Function> {
        Vec::new()
    }

    /// What the scheduler calls for it.
    fn jobs(&self, _scenario: &Scenario) -> Vec<Job> {
        Vec::new()
    }

    /// Whom the auth server gives tokens.
    fn grants(&self, _scenario: &Scenario) -> Option<Box<dyn GrantRules + Send>> {
        None
    }

    /// Between any two nodes, if it is not what the places in the world say.
    fn link(&self) -> Option<LinkModel> {
        None
    }

    /// How nodes of its own serve, by the word of their kind.
    fn stations(&self, _scenario: &Scenario) -> Vec<(&'static str, StationSpec)> {
        Vec::new()
    }

    /// Its users on wifi [ppm], if it has users.
    fn wifi_ppm(&self, _scenario: &Scenario) -> Option<u32> {
        None
    }

    /// Draws what its users intend.
    fn draw(&self, _scenario: &Scenario, _seed: u64, _drawn: &mut Drawn) {}

    /// Makes a node of its own; `None` if it is the platform's, or another pattern's.
    fn node(&self, build: &mut NodeBuilder<'_>, spec: &NodeSpec, seed: u64) -> Option<Box<dyn Node>>;

    /// Its properties: name, and what it says of which promise.
    fn catalogue(&self) -> Vec<(&'static str, String)>;

    /// What its oracles say of a run.
    fn properties(&self, ended: &Ended, scenario: &Scenario) -> Vec<PropertyResult>;

    /// Its counters, latencies, series and the like.
    fn parts(&self, ended: &Ended, scenario: &Scenario, seconds_in_all: usize, parts: &mut Parts);

    /// What its hardened variant does instead of the document's own logic, in a few sentences; empty where there is but one.
    fn remedy(&self, _scenario: &Scenario) -> &'static str {
        ""
    }

    /// What of a run it leaves out as warm-up, if it does.
    fn warm_up(&self, _scenario: &Scenario) -> Option<String> {
        None
    }

    /// Every metric that it may add to a run.
    fn offered(&self, scenario: &Scenario) -> Vec<Metric>;
}

/// Every word of a scenario's `pattern`, and what runs then.
const ALL: [(&str, &[&dyn Pattern]); 4] = [
    ("voting", &[&voting::Voting]),
    ("friends", &[&friends::Friends]),
    ("evening", &[&voting::Voting, &friends::Friends]),
    ("station", &[&station::OneStation]),
];

/// What runs under the word of a system ([`systems::SYSTEMS`]).
const SYSTEM: &[&dyn Pattern] = &[&system::AnySystem];

/// What runs under this name.
pub(crate) fn named(name: &str) -> Option<&'static [&'static dyn Pattern]> {
    let flagship = ALL.iter().find(|(known, _)| *known == name).map(|(_, patterns)| *patterns);
    flagship.or_else(|| systems::find(name).map(|_| SYSTEM))
}

/// Each pattern, once.
pub(crate) fn each() -> impl Iterator<Item = &'static dyn Pattern> {
    let alone = ALL.iter().filter(|(_, patterns)| patterns.len() == 1).map(|(_, patterns)| patterns[0]);
    alone.chain(SYSTEM.iter().copied())
}

/// Every name.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name).chain(systems::SYSTEMS.iter().map(|system| system.word()))
}
