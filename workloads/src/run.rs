//! One scenario, one seed, one outcome: draw the crowd, build the cluster, plan the faults, run the world, ask the
//! oracles.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use headcount_engine::appcontext::AppContext;
use headcount_engine::contract::Node;
use headcount_engine::functions::Worker;
use headcount_engine::limits::Limits;
use headcount_engine::patterns::voting::audit::AuditDb;
use headcount_engine::patterns::voting::host::Host;
use headcount_engine::patterns::voting::session::SessionObject;
use headcount_engine::patterns::voting::shard;
use headcount_engine::registry::Registry;
use headcount_sim::Finished;

use crate::auditor::Auditor;
use crate::calibration::Calibrated;
use crate::certificate::{AgainstTheory, Evidence};
use crate::cluster::{self, Models};
use crate::crowd::{Crowd, record};
use crate::fault_names;
use crate::faults;
use crate::figures;
use crate::friends::plan::Intentions;
use crate::friends::{self, People};
use crate::oracle::{self, Seen};
use crate::outcome::{Alert, Latency, Milestone, Outcome, PropertyResult, Reading, Series, Verdict};
use crate::scenario::Scenario;
use crate::slo::{self, Judged};
use crate::systems::{self, System};
use crate::wire::{Hosted, Wire};

/// What a run is asked for besides its outcome.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The full trace, in memory.
    pub trace: bool,
    /// Gets the virtual time reached [ns] while the run goes on.
    pub progress: Option<Arc<AtomicU64>>,
    /// The process ends after this run: the world's memory is left to it. Taking half a million users apart, row by
    /// row, takes a second.
    pub last: bool,
}

/// What one seed of many came to.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedSeed {
    pub seed: u64,
    pub digest: u64,
    pub verdict: Verdict,
    pub properties: Vec<PropertyResult>,
    pub thresholds: Vec<Judged>,
    pub messages: u64,
}

/// A scenario made ready: what all its seeds share.
#[derive(Debug)]
pub struct Prepared {
    scenario: Scenario,
    models: Models,
}

impl Prepared {
    /// Makes the tables of a scenario.
    pub fn new(scenario: Scenario) -> Self {
        Self { models: Models::new(&scenario), scenario }
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Runs one seed.
    pub fn run(&self, seed: u64, options: RunOptions) -> Outcome {
        let last = options.last;
        let mut ended = self.play(seed, options);
        let outcome = ended.judge(&self.scenario, &self.models.calibration, seed);
        if last {
            std::mem::forget(ended);
        }
        outcome
    }

    /// Runs one seed for its verdict alone: no counters, no series, no latencies, unless there are thresholds on them.
    pub fn check(&self, seed: u64) -> CheckedSeed {
        if !self.scenario.thresholds.is_empty() {
            let Outcome { digest, verdict, properties, thresholds, messages, .. } =
                self.run(seed, RunOptions::default());
            return CheckedSeed { seed, digest, verdict, properties, thresholds, messages };
        }
        let ended = self.play(seed, RunOptions::default());
        let properties = ended.properties(&self.scenario);
        let verdict = oracle::verdict(&properties);
        let (digest, messages) = (ended.finished.digest, ended.finished.messages);
        CheckedSeed { seed, digest, verdict, properties, thresholds: Vec::new(), messages }
    }

    /// Runs one seed and looks at the end with `look`, for tests that compare runs.
    pub fn examine<T>(&self, seed: u64, look: impl FnOnce(&Seen<'_>) -> T) -> T {
        let ended = self.play(seed, RunOptions::default());
        look(&ended.seen(&self.scenario))
    }

    fn play(&self, seed: u64, options: RunOptions) -> Ended {
        let scenario = &self.scenario;
        let drawn = cluster::draw(scenario, seed);
        let (intentions, plan) = (drawn.friends.clone(), drawn.system.clone());
        let mut world = cluster::build(scenario, &self.models, drawn, seed, options.trace);
        world.plan(faults::plan(scenario, seed));
        world.trace(options.trace);
        if let Some(progress) = options.progress {
            world.progress(progress);
        }
        Ended { plan, ..Ended::new(scenario, intentions, world.run(scenario.end)) }
    }
}

/// Runs one seed of a scenario.
pub fn run(scenario: &Scenario, seed: u64, options: RunOptions) -> Outcome {
    Prepared::new(scenario.clone()).run(seed, options)
}

/// A world that has ended, its nodes by what they are.
pub struct Ended {
    /// The nodes with their kinds, regions and names, in the order of addresses.
    pub nodes: Vec<(crate::scenario::NodeSpec, Box<dyn Node>)>,
    /// The scenario's regions, by number.
    pub regions: Vec<String>,
    /// What people with friends intended.
    pub intentions: Option<Arc<Intentions>>,
    /// What users of a system intended.
    pub plan: Option<Arc<systems::plan::Plan>>,
    /// What else the world left.
    pub finished: Finished<Wire>,
}

impl Ended {
    fn new(scenario: &Scenario, intentions: Option<Arc<Intentions>>, mut finished: Finished<Wire>) -> Self {
        let node = |process: Box<dyn headcount_sim::Process<Wire>>| {
            process.into_any().downcast::<Hosted>().expect("every process is a hosted node").into_node()
        };
        let nodes = std::mem::take(&mut finished.nodes).into_iter().map(node);
        let nodes = scenario.nodes().into_iter().zip(nodes).collect();
        Self { nodes, regions: scenario.topology.regions.clone(), intentions, plan: None, finished }
    }

    /// Every node of a concrete type, with its place.
    pub fn all<T: 'static>(&self) -> impl Iterator<Item = (&crate::scenario::NodeSpec, &T)> {
        self.nodes.iter().filter_map(|(spec, node)| Some((spec, node.as_any().downcast_ref::<T>()?)))
    }

    /// The most calls any execution made.
    pub fn most_ops(&self) -> [u32; 5] {
        let mut most_ops = [0; 5];
        for (_, worker) in self.all::<Worker>() {
            for (most, ops) in most_ops.iter_mut().zip(worker.counts().most_ops) {
                *most = ops.max(*most);
            }
        }
        most_ops
    }

    /// The node of this type that every cluster has once, or the first of several.
    pub fn one<T: 'static>(&self) -> &T {
        self.all().next().expect("every cluster has one").1
    }

    /// What the oracles may look at.
    pub fn seen<'a>(&'a self, scenario: &'a Scenario) -> Seen<'a> {
        let crowds: Vec<&Crowd> = self.all::<Crowd>().map(|(_, crowd)| crowd).collect();
        let host: &Host = self.one();
        let mut pending: Vec<String> = crowds.iter().flat_map(|crowd| crowd.pending()).collect();
        pending.extend(host.pending());
        let auditor = self.all::<Auditor>().next().map(|(_, auditor)| auditor);
        pending.extend(auditor.and_then(Auditor::pending));
        let audit: &AuditDb = self.one();
        let object = self.one::<AppContext>().channel(&shard::control_channel(&scenario.vote.session_id));
        Seen {
            scenario,
            pending,
            unreachable: crowds.iter().map(|crowd| crowd.unreachable()).collect(),
            crowds: crowds.iter().map(|crowd| crowd.record()).collect(),
            ledger: audit.ledger(),
            auditor: auditor.map(Auditor::record),
            host: host.done(),
            object: object.and_then(|object| SessionObject::from_body(&object.body)),
            faults: &self.finished.faults,
            most_ops: self.most_ops(),
            shared: oracle::Shared::default(),
        }
    }

    /// What the oracles of people with friends may look at.
    pub fn friends_seen<'a>(&'a self, scenario: &'a Scenario) -> friends::oracle::Seen<'a> {
        friends::oracle::Seen::new(
            scenario,
            self.intentions.as_ref().expect("people with friends have intentions"),
            self.all::<People>().map(|(_, people)| people).collect(),
            (self.one::<AppContext>(), self.one::<Registry>()),
            &self.finished.faults,
        )
    }

    /// Every property of the patterns that run.
    fn properties(&self, scenario: &Scenario) -> Vec<PropertyResult> {
        scenario.patterns().iter().flat_map(|pattern| pattern.properties(self, scenario)).collect()
    }

    /// What the oracles of a system may look at.
    pub fn system_seen<'a>(&'a self, scenario: &'a Scenario, system: &'a dyn System) -> systems::oracle::Seen<'a> {
        systems::judge::seen(self, scenario, system)
    }

    /// What the patterns that run have to say besides.
    fn parts(&self, scenario: &Scenario, seconds_in_all: usize) -> Parts {
        let mut parts = Parts { counters: figures::platform_counters(self), ..Parts::default() };
        for pattern in scenario.patterns() {
            pattern.parts(self, scenario, seconds_in_all, &mut parts);
        }
        parts.series.extend(figures::common_series(self, &parts.latencies, seconds_in_all));
        parts
    }

    fn judge(&mut self, scenario: &Scenario, calibration: &[Calibrated], seed: u64) -> Outcome {
        let trace = self.finished.trace.take().map(|trace| self.render(&trace));
        let properties = self.properties(scenario);
        let seconds_in_all = self.finished.virtual_ns.div_ceil(1_000_000_000) as usize;
        let parts = self.parts(scenario, seconds_in_all);
        let mut outcome = Outcome {
            scenario: scenario.name.clone(),
            scenario_toml: scenario.to_toml(),
            pattern: scenario.pattern.clone(),
            // One station has no variants.
            variant: if scenario.has_platform() { scenario.variant.name().into() } else { String::new() },
            limits_profile: scenario.limits.clone(),
            limits: limits(scenario),
            seed,
            digest: self.finished.digest,
            verdict: oracle::verdict(&properties),
            expected: scenario.expect,
            properties,
            thresholds: Vec::new(),
            figures: figures::figures(&parts.latencies, &parts.counters).into_iter().chain(parts.figures).collect(),
            counters: parts.counters,
            readings: parts.readings.iter().map(|&(id, document, reading)| Reading { id, document, reading }).collect(),
            faults: fault_names::windows(scenario, &faults::plan(scenario, seed), &self.finished.faults),
            milestones: parts.milestones,
            alerts: parts.alerts,
            stations: figures::stations(self),
            series: parts.series,
            latencies: parts.latencies,
            results: parts.results,
            notes: parts.notes,
            virtual_s: seconds(self.finished.virtual_ns),
            messages: self.finished.messages,
            deliveries: parts.deliveries,
            evidence: Evidence {
                theory: parts.theory,
                warm_up: warm_up(scenario),
                calibration: calibration.to_vec(),
                ..Evidence::of(self, seed)
            },
            trace,
        };
        outcome.thresholds = scenario.thresholds.judge(&outcome);
        outcome.verdict = outcome.verdict.max(slo::verdict(&outcome.thresholds));
        outcome.notes.extend(notes(&outcome, scenario));
        outcome
    }

    fn render(&self, trace: &[headcount_sim::TraceRecord]) -> Vec<String> {
        let name = |id: u32| self.nodes.get(id as usize).map_or("world", |(spec, _)| &spec.name);
        let line = |record: &headcount_sim::TraceRecord| {
            let (s, ns) = (record.at / 1_000_000_000, record.at % 1_000_000_000);
            format!("{s}.{ns:09} {} {}", name(record.node.0), record.what)
        };
        trace.iter().map(line).collect()
    }
}

/// What patterns add to an outcome.
#[derive(Default)]
pub(crate) struct Parts {
    pub counters: Counters,
    /// Besides those of the latencies.
    pub figures: BTreeMap<String, f64>,
    pub notes: Vec<String>,
    pub theory: Vec<AgainstTheory>,
    pub latencies: Vec<Latency>,
    pub series: Vec<Series>,
    pub milestones: Vec<Milestone>,
    pub alerts: Vec<Alert>,
    pub results: Vec<(String, u64)>,
    pub readings: Vec<(&'static str, &'static str, &'static str)>,
    pub deliveries: u64,
}

/// Nanoseconds as seconds, to the millisecond.
pub fn seconds(ns: u64) -> f64 {
    (ns / 1_000_000) as f64 / 1_000.0
}

/// Every number of the scenario's limits profile, and where it was read.
fn limits(scenario: &Scenario) -> Vec<(String, String, String)> {
    let profile = Limits::named(&scenario.limits).expect("a scenario names a profile that is there");
    profile.sources().into_iter().map(|(field, value, source)| (field.into(), value, source.into())).collect()
}

/// What of a run is measured by nobody.
fn warm_up(scenario: &Scenario) -> String {
    let own = scenario.patterns().iter().find_map(|pattern| pattern.warm_up(scenario));
    own.unwrap_or_else(|| "nothing is left out: that people join and Functions start is part of the run".into())
}

fn notes(outcome: &Outcome, scenario: &Scenario) -> Vec<String> {
    let mut notes = Vec::new();
    let counter = |name: &str| outcome.counters.get(name).copied().unwrap_or(0);
    if counter("votes.given_up") > 0 {
        notes.push(format!(
            "{} votes were given up by their clients: counted or not, they cannot know",
            counter("votes.given_up")
        ));
    }
    if scenario.limits == "documents-2026-01" && counter("functions.over_budget") > 0 {
        notes.push("executions ran over the three-operation budget of the documents".into());
    }
    notes
}

/// The kinds of fates, for counters.
pub(crate) fn fate_word(fate: record::Fate) -> &'static str {
    match fate {
        record::Fate::Open => "votes.unanswered",
        record::Fate::Accepted(_) => "votes.accepted",
        record::Fate::Rejected(record::Reason::SessionNotOpen) => "votes.rejected.session_not_open",
        record::Fate::Rejected(record::Reason::InvalidOption) => "votes.rejected.invalid_option",
        record::Fate::Rejected(record::Reason::AlreadyVoted) => "votes.rejected.already_voted",
        record::Fate::Rejected(record::Reason::Other) => "votes.rejected.other",
        record::Fate::Refused(_) => "votes.refused",
        record::Fate::GaveUp => "votes.given_up",
    }
}

/// Counters by name.
pub(crate) type Counters = BTreeMap<String, u64>;
