//! What the oracles of systems see, and the properties that every system has.

use std::collections::BTreeSet;
use std::sync::Arc;

use headcount_engine::appcontext::AppContext;
use headcount_engine::contract::Nanos;
use headcount_engine::contract::Node;
use headcount_engine::functions::Needs;
use headcount_engine::kvstore::KvReplica;
use headcount_engine::limits::Limits;
use headcount_engine::outside::Outside;
use headcount_sim::FaultWindow;
use serde::de::DeserializeOwned;

use super::System;
use super::plan::{Act, Plan};
use super::record::{Done, Fate, Heard, Record};
use crate::crowd::plan::{user_at, user_of};
use crate::oracle::{Checks, PropertyOf};
use crate::outcome::PropertyResult;
use crate::scenario::{NodeKind, Scenario};

/// Everything the oracles may look at.
pub struct Seen<'a> {
    pub scenario: &'a Scenario,
    pub system: &'a dyn System,
    pub plan: &'a Arc<Plan>,
    /// By region.
    pub records: Vec<&'a Record>,
    /// KV replicas by region, and App Context, as they are stored at the end.
    pub kv: Vec<&'a KvReplica>,
    pub objects: &'a AppContext,
    /// Outside services by name.
    pub services: Vec<(&'static str, &'a Outside)>,
    pub faults: &'a [FaultWindow],
    /// The customer's server, if there is one.
    pub server: Option<&'a dyn Node>,
    /// The most calls any execution made: see [`headcount_engine::functions::WorkerCounts::most_ops`].
    pub most_ops: [u32; 5],
    /// What has not come true at the end.
    pub pending: Vec<String>,
}

impl<'a> Seen<'a> {
    /// Every act with its number and what became of it.
    pub fn acts(&self) -> impl Iterator<Item = (u32, &'a Act, &'a Done)> + '_ {
        let plan: &'a Plan = self.plan;
        self.records.iter().flat_map(move |record| {
            record
                .numbers
                .iter()
                .zip(&record.done)
                .map(move |(number, done)| (*number, &plan.acts[*number as usize], done))
        })
    }

    /// What an act is, in a word.
    pub fn kind(&self, act: &Act) -> &'static str {
        self.system.kinds()[usize::from(act.kind)]
    }

    /// Acts of one kind.
    pub fn of_kind(&self, kind: u8) -> impl Iterator<Item = (u32, &'a Act, &'a Done)> + '_ {
        self.acts().filter(move |(_, act, _)| act.kind == kind)
    }

    /// Those of one kind that had an answer, for good or not.
    pub fn answered(&self, kind: u8) -> impl Iterator<Item = (u32, &'a Act, &'a Done)> + '_ {
        self.of_kind(kind).filter(|(_, _, done)| done.answered > 0)
    }

    /// Those of one kind that ended so.
    pub fn ended(&self, kind: u8, fate: Fate) -> impl Iterator<Item = (u32, &'a Act, &'a Done)> + '_ {
        self.of_kind(kind).filter(move |(_, _, done)| done.fate == fate)
    }

    /// Every message as each region first heard it.
    pub fn heard(&self) -> impl Iterator<Item = &'a Heard> + '_ {
        self.records.iter().flat_map(|record| &record.heard)
    }

    /// Every delivery that was noted (see [`Record::told`]): to which user, and what.
    pub fn told(&self) -> impl Iterator<Item = (u32, &'a Heard)> + '_ {
        (0..).zip(&self.records).flat_map(move |(region, record)| {
            let told = record.told.iter().map(|(client, heard)| (*client, &record.heard[*heard as usize]));
            told.map(move |(client, heard)| (user_at(region, client, self.plan.regions), heard))
        })
    }

    /// Every message heard that reads as a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> impl Iterator<Item = (&'a Heard, T)> + '_ {
        self.heard().filter_map(|heard| Some((heard, serde_json::from_str(&heard.envelope.payload).ok()?)))
    }

    /// Every such message of a user's once: whose, and when by its publisher's region, which says what is the same elsewhere.
    pub fn published<T: DeserializeOwned>(&self) -> impl Iterator<Item = (u32, Nanos, T)> + '_ {
        let mut known = BTreeSet::new();
        self.read().filter_map(move |(heard, what)| {
            let envelope = &heard.envelope;
            let user = user_of(&envelope.publisher)?;
            known.insert((envelope.timetoken, envelope.region)).then(|| (user, envelope.timetoken.nanos(), what))
        })
    }

    /// Acts whose effect came to somebody.
    pub fn shown(&self) -> BTreeSet<u32> {
        self.heard().filter_map(|heard| heard.shows).collect()
    }

    /// Whether a connection's queue ran over, and messages were lost by it.
    pub fn queues_ran_over(&self) -> bool {
        self.records.iter().any(|record| record.missed_messages > 0)
    }

    /// Whether every message published from one moment to another came to somebody. Not so if connections' queues ran over, or
    /// if a network was cut or bad: what is lost on its last leg in less time than a client needs to notice is not sent again.
    pub fn all_was_heard(&self, from: Nanos, to: Nanos) -> bool {
        let lossy = ["partition", "one_way_partition", "degrade"];
        let lost = |fault: &FaultWindow| lossy.contains(&fault.kind) && fault.start <= to && fault.end >= from;
        !self.queues_ran_over() && !self.faults.iter().any(lost)
    }

    /// From when on nothing fails any more, and the world has had so long to catch up.
    pub fn calm_from(&self, to_catch_up: Nanos) -> Nanos {
        self.faults.iter().map(|fault| fault.end + to_catch_up).max().unwrap_or(0)
    }

    /// Whether the network doubled packets: a call that comes twice is counted twice, and nobody made it twice.
    pub fn network_doubles(&self) -> bool {
        self.faults.iter().any(|fault| fault.kind == "degrade")
    }

    /// The kind of node that a crash or a pause hit.
    pub fn hit(&self, fault: &headcount_sim::FaultWindow) -> Option<NodeKind> {
        if !matches!(fault.kind, "crash" | "pause") {
            return None;
        }
        // The first number in what it says is the node's.
        let node = fault.what.split(' ').find_map(|word| word.parse::<usize>().ok())?;
        Some(self.scenario.nodes().get(node)?.kind)
    }

    /// The customer's server, if it is of this type.
    pub fn server<T: 'static>(&self) -> Option<&'a T> {
        self.server?.as_any().downcast_ref()
    }

    /// Calls that outside services answered with an error.
    pub fn service_errors(&self) -> u64 {
        self.services.iter().map(|(_, outside)| outside.counts().errors).sum()
    }

    /// An outside service by the type that serves it.
    pub fn service<T: 'static>(&self) -> Option<&'a T> {
        self.services.iter().find_map(|(_, outside)| outside.service())
    }
}

/// A property of a system.
pub type Property = PropertyOf<fn(&Seen<'_>, &mut Checks)>;

/// Checks the system's own properties and those that all have.
pub fn check(seen: &Seen<'_>) -> Vec<PropertyResult> {
    let all = seen.system.properties().iter().chain(COMMON);
    all.flat_map(|property| property.results(|check, checks| check(seen, checks))).collect()
}

/// What holds of every system.
pub const COMMON: &[Property] = &[FITS, EVERYBODY];

const FITS: Property = Property {
    name: "handlers-fit-their-limits",
    promise: "platform.md 3.3",
    says: "every handler can run under the scenario's limits profile, and makes no more calls than it declares",
    check: |seen, checks| {
        let limits = Limits::named(&seen.scenario.limits).expect("a scenario names a profile that is there");
        let needs = seen.system.needs(seen.scenario);
        let misfit = needs.iter().flat_map(|needs| needs.misfits(limits)).next();
        let declared = Needs::most(&needs);
        let undeclared = (!declared.covers(seen.most_ops)).then(|| {
            format!(
                "an execution made {:?} calls (KV, pubnub, publish, xhr, all), declared are {declared:?}",
                seen.most_ops
            )
        });
        checks.always(needs.len() as u64, misfit.map(|misfit| misfit.to_string()).or(undeclared));
        if !needs.is_empty() {
            checks.sometimes("a-handler-ran", u64::from(seen.most_ops[4]));
        }
    },
};

const EVERYBODY: Property = Property {
    name: "everything-intended-is-settled",
    promise: "liveness",
    says: "after healing, every user is connected and everything that was intended is answered",
    check: |seen, checks| {
        checks.eventually(seen.plan.acts.len() as u64, (!seen.pending.is_empty()).then(|| seen.pending.join("; ")));
        checks.sometimes("something-was-accepted", seen.acts().filter(|(_, _, done)| done.answered > 0).count() as u64);
    },
};
