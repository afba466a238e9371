//! Faults chosen by the scenario: timed entries of a plan, and the swarm from which a seed draws more.

use headcount_engine::contract::Nanos;
use headcount_engine::message::Misbehaviour;

use super::bad_input::BadInput;
use super::crowd::TIME_MAX_S;
use super::form::{Form, Words};
use super::nodes::NodeKind;

/// One fault with its window.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub kind: FaultKind,
    /// When it begins [ns].
    pub at: Nanos,
    /// How long it lasts [ns]: 1 ms or more.
    pub lasts: Nanos,
}

/// What is broken. `a` and `b` list nodes, regions or `all`; see [`super::Scenario::members`].
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// Nothing gets from `a` to `b`, and, unless `one_way`, from `b` to `a`.
    Partition { a: Vec<String>, b: Vec<String>, one_way: bool },
    /// The process dies at the start and comes up again at the end: volatile state is lost.
    Crash { node: String },
    /// The process stands still and then goes on where it was.
    Pause { node: String },
    /// Links between `a` and `b`, both ways, do this to messages [ppm]; `extra` is added to their latency [ns].
    Degrade { a: Vec<String>, b: Vec<String>, loss_ppm: u32, duplicate_ppm: u32, reorder_ppm: u32, extra: Nanos },
    /// The node's clock is off by `offset_ns` (± 1 h) and runs fast by `drift_ppm` (± 100,000).
    Clock { node: String, offset_ns: i64, drift_ppm: i32 },
    /// A store misbehaves.
    Errors { store: Store, target: Target, misbehaviour: Misbehaviour },
}

/// A store that can misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Kv,
    Audit,
    AppContext,
    Presence,
    Registry,
    /// Outside services of a system.
    Service,
}

/// Which nodes of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    All,
    Region(String),
    Node(String),
}

const KINDS: [&str; 11] = [
    "partition",
    "crash",
    "pause",
    "degrade",
    "clock",
    "kv_errors",
    "audit_errors",
    "appcontext_errors",
    "presence_errors",
    "registry_errors",
    "service_errors",
];

impl Fault {
    /// When it ends [ns].
    pub fn end(&self) -> Nanos {
        self.at + self.lasts
    }

    /// The word of its kind, as the file has it.
    pub fn word(&self) -> &'static str {
        match &self.kind {
            FaultKind::Partition { .. } => "partition",
            FaultKind::Crash { node } if node.is_empty() => "",
            FaultKind::Crash { .. } => "crash",
            FaultKind::Pause { .. } => "pause",
            FaultKind::Degrade { .. } => "degrade",
            FaultKind::Clock { .. } => "clock",
            FaultKind::Errors { store: Store::Kv, .. } => "kv_errors",
            FaultKind::Errors { store: Store::Audit, .. } => "audit_errors",
            FaultKind::Errors { store: Store::AppContext, .. } => "appcontext_errors",
            FaultKind::Errors { store: Store::Presence, .. } => "presence_errors",
            FaultKind::Errors { store: Store::Registry, .. } => "registry_errors",
            FaultKind::Errors { store: Store::Service, .. } => "service_errors",
        }
    }

    /// Whether it can keep an answer from whoever waits for it although the question took effect.
    pub fn can_lose_answers(&self) -> bool {
        match &self.kind {
            FaultKind::Partition { .. } | FaultKind::Crash { .. } | FaultKind::Pause { .. } => true,
            FaultKind::Degrade { loss_ppm, duplicate_ppm, .. } => *loss_ppm > 0 || *duplicate_ppm > 0,
            FaultKind::Clock { .. } => false,
            // A KV call decides nothing: the answer it is asked for before is not given, or given already.
            FaultKind::Errors { store, misbehaviour, .. } => {
                let lost = misbehaviour.error_after_effect_ppm > 0 || misbehaviour.silent_after_effect_ppm > 0;
                *store == Store::Audit && lost
            }
        }
    }

    /// What an entry is read into: no kind yet.
    pub(super) fn blank() -> Self {
        Self { kind: FaultKind::Crash { node: String::new() }, at: 0, lasts: 0 }
    }

    pub(super) fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        let kind = form.kind(self.word(), &KINDS)?;
        if form.is_reading() {
            form.need(required(kind))?;
            form.need(&[("at_s", "when it begins, in seconds"), ("for_s", "how long it lasts, in seconds")])?;
            self.kind = empty(kind);
        }
        form.seconds("at_s", &mut self.at, 0.0, TIME_MAX_S)?;
        form.seconds("for_s", &mut self.lasts, 0.001, TIME_MAX_S)?;
        match &mut self.kind {
            FaultKind::Partition { a, b, one_way } => {
                form.texts("a", a)?;
                form.texts("b", b)?;
                form.flag("one_way", one_way)
            }
            FaultKind::Crash { node } | FaultKind::Pause { node } => name(form, "node", node),
            FaultKind::Degrade { a, b, loss_ppm, duplicate_ppm, reorder_ppm, extra } => {
                form.texts("a", a)?;
                form.texts("b", b)?;
                form.ppm("loss_ppm", loss_ppm)?;
                form.ppm("duplicate_ppm", duplicate_ppm)?;
                form.ppm("reorder_ppm", reorder_ppm)?;
                form.millis("extra_ms", extra, 0.0, 60_000.0)
            }
            FaultKind::Clock { node, offset_ns, drift_ppm } => {
                name(form, "node", node)?;
                form.signed_millis("offset_ms", offset_ns, -3_600_000.0, 3_600_000.0)?;
                form.whole("drift_ppm", drift_ppm, -100_000, 100_000)
            }
            FaultKind::Errors { target, misbehaviour, .. } => {
                target.fields(form)?;
                form.ppm("error_ppm", &mut misbehaviour.error_ppm)?;
                form.ppm("error_after_effect_ppm", &mut misbehaviour.error_after_effect_ppm)?;
                form.ppm("silent_after_effect_ppm", &mut misbehaviour.silent_after_effect_ppm)?;
                form.ppm("throttle_ppm", &mut misbehaviour.throttle_ppm)?;
                form.millis("delay_ms", &mut misbehaviour.delay, 0.0, 600_000.0)
            }
        }
    }
}

impl Target {
    fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        if form.is_reading() && form.has("region") {
            if form.has("node") {
                return Err(form.bad("region", "must not stand beside node: one of the two"));
            }
            *self = Target::Region(String::new());
        } else if form.is_reading() {
            *self = Target::Node("all".to_string());
        }
        match self {
            Target::Region(region) => name(form, "region", region)?,
            Target::Node(node) => name(form, "node", node)?,
            Target::All => name(form, "node", &mut "all".to_string())?,
        }
        if *self == Target::Node("all".to_string()) {
            *self = Target::All;
        }
        Ok(())
    }
}

fn name(form: &mut Form<'_>, key: &'static str, value: &mut String) -> Result<(), BadInput> {
    form.text(key, value, "a name", |n| !n.is_empty())
}

fn required(kind: &str) -> &'static [(&'static str, &'static str)] {
    const MEMBERS: &str = "a list of regions or nodes, or [\"all\"]";
    match kind {
        "partition" | "degrade" => &[("a", MEMBERS), ("b", MEMBERS)],
        "crash" | "pause" | "clock" => &[("node", "the name of a node")],
        _ => &[],
    }
}

fn empty(kind: &str) -> FaultKind {
    let (a, b, node) = (Vec::new(), Vec::new(), String::new());
    let store = match kind {
        "partition" => return FaultKind::Partition { a, b, one_way: false },
        "crash" => return FaultKind::Crash { node },
        "pause" => return FaultKind::Pause { node },
        "degrade" => {
            return FaultKind::Degrade { a, b, loss_ppm: 0, duplicate_ppm: 0, reorder_ppm: 0, extra: 0 };
        }
        "clock" => return FaultKind::Clock { node, offset_ns: 0, drift_ppm: 0 },
        "kv_errors" => Store::Kv,
        "audit_errors" => Store::Audit,
        "appcontext_errors" => Store::AppContext,
        "presence_errors" => Store::Presence,
        "registry_errors" => Store::Registry,
        "service_errors" => Store::Service,
        other => unreachable!("{other} is not in the list of kinds"),
    };
    FaultKind::Errors { store, target: Target::All, misbehaviour: Misbehaviour::default() }
}

/// What a seed may draw: each run takes a random subset of the kinds, with random intensities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swarm {
    /// Kinds that may come, each at most once; of an empty list none does. Default: all.
    pub kinds: Vec<SwarmKind>,
    /// Events of one kind in a run, 1 to 100.
    pub events_max: u32,
    /// No event begins before [ns]. Default: when the vote is created.
    pub from: Nanos,
    /// Every event has ended by then [ns]; at most `heal_s`.
    pub to: Nanos,
}

/// A kind of fault that the swarm can draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SwarmKind {
    Crash,
    Pause,
    Partition,
    OneWay,
    Degrade,
    Clock,
    Kv,
    Audit,
    AppContext,
    Presence,
    Registry,
    Service,
}

impl SwarmKind {
    /// What scenarios call it.
    pub fn name(self) -> &'static str {
        self.word()
    }

    /// Whether the scenario has what this breaks.
    pub(super) fn is_there(self, scenario: &super::Scenario) -> bool {
        let kind = match self {
            Self::Kv => NodeKind::Kv,
            Self::Audit => NodeKind::Audit,
            Self::AppContext => NodeKind::AppContext,
            Self::Presence => NodeKind::Presence,
            Self::Registry => NodeKind::Registry,
            Self::Service => NodeKind::Service,
            _ => return true,
        };
        scenario.kinds().contains(&kind)
    }
}

impl Words for SwarmKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("crash", Self::Crash),
        ("pause", Self::Pause),
        ("partition", Self::Partition),
        ("one-way", Self::OneWay),
        ("degrade", Self::Degrade),
        ("clock", Self::Clock),
        ("kv", Self::Kv),
        ("audit", Self::Audit),
        ("appcontext", Self::AppContext),
        ("presence", Self::Presence),
        ("registry", Self::Registry),
        ("service", Self::Service),
    ];
}

impl Swarm {
    pub(super) fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.words("kinds", &mut self.kinds)?;
        form.whole("events_max", &mut self.events_max, 1, 100)?;
        form.seconds("from_s", &mut self.from, 0.0, TIME_MAX_S)?;
        form.seconds("to_s", &mut self.to, 0.0, TIME_MAX_S)
    }
}
