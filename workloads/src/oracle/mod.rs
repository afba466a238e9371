//! The properties: what a run must keep, judged by what clients sent and received and by what was durably stored. No
//! oracle asks the engine for the truth; each keeps its own small model.
//!
//! A property is a function in a file of its own idea and one line in [`CATALOGUE`]. It returns results: an `always`
//! with how often it was checked, and beside it a `sometimes` that says whether its situation was met at all, if the
//! scenario asks for that situation.

mod agreement;
mod audit_log;
mod ballots;
mod forgery;
mod idempotency;
mod latecomers;
mod liveness;
mod outage;
mod tallies;

pub use self::ballots::acknowledged_votes;

use headcount_engine::planted::{Bug, has};
use std::cell::OnceCell;

use headcount_engine::contract::Nanos;
use headcount_engine::patterns::voting::audit::Ledger;
use headcount_engine::patterns::voting::host::Done;
use headcount_engine::patterns::voting::session::SessionObject;

use crate::auditor;
use crate::crowd::plan::{self, VoteKind};
use crate::crowd::record::{Fate, Record, Vote};
use crate::outcome::{PropertyKind, PropertyResult, Verdict};
use crate::scenario::{Scenario, Variant};

/// Everything the oracles may look at.
pub struct Seen<'a> {
    pub scenario: &'a Scenario,
    /// What each region's crowd saw.
    pub crowds: Vec<&'a Record>,
    /// What has not come true at the end, by whom.
    pub pending: Vec<String>,
    /// Users who had no network at the end: nothing is promised to them.
    pub unreachable: Vec<Vec<bool>>,
    /// The audit database's tables.
    pub ledger: &'a Ledger,
    /// What the auditor was told, if there is one.
    pub auditor: Option<&'a auditor::Record>,
    pub host: &'a [Done],
    /// The session's object in App Context at the end.
    pub object: Option<SessionObject>,
    /// Faults as they happened: kind, what, from, to.
    pub faults: &'a [headcount_sim::FaultWindow],
    /// The most calls any execution made: KV, App Context and publishes, publishes, xhr, all.
    pub most_ops: [u32; 5],
    /// What more than one property needs, made when the first one asks.
    pub shared: Shared<'a>,
}

/// What is worked out once for all properties.
#[derive(Default)]
pub struct Shared<'a> {
    row_requests: OnceCell<Vec<Option<Request>>>,
    rows_by_request: OnceCell<Index<u32>>,
    by_request: OnceCell<Index<(usize, &'a Vote)>>,
}

/// A property's name, the promise it checks, and the check: of whatever the oracles of its pattern see.
pub struct PropertyOf<C> {
    pub name: &'static str,
    pub promise: &'static str,
    /// What it says, in a line.
    pub says: &'static str,
    pub(crate) check: C,
}

impl<C> PropertyOf<C> {
    /// What the check finds, where `ask` makes it.
    pub(crate) fn results(&self, ask: impl FnOnce(&C, &mut Checks)) -> Vec<PropertyResult> {
        let mut checks = Checks { name: self.name, promise: self.promise, results: Vec::new() };
        ask(&self.check, &mut checks);
        checks.results
    }

    /// Its name, and what it says of which promise.
    pub(crate) fn line(&self) -> (&'static str, String) {
        (self.name, format!("{} ({})", self.says, self.promise))
    }
}

/// A property of the vote.
pub type Property = PropertyOf<fn(&Seen<'_>, &mut Checks)>;

/// All properties.
pub const CATALOGUE: &[Property] = &[
    ballots::ONE_COUNTED_VOTE,
    ballots::ACCEPTED_IS_COUNTED,
    ballots::COUNTED_WAS_CAST,
    ballots::CLOSE_WINS,
    ballots::TALLY_IS_ACKNOWLEDGED,
    idempotency::SAME_REQUEST_SAME_ANSWER,
    outage::FAIL_CLOSED,
    tallies::NEVER_GOES_DOWN,
    agreement::EVERYTHING_AGREES,
    agreement::SHARDS_BY_THE_HASH,
    forgery::NOTHING_FORGED,
    audit_log::TOLD_IS_STORED,
    audit_log::AUDITORS_ONLY,
    latecomers::LATE_JOINERS_SEE_THE_STATE,
    liveness::EVERYBODY_IS_ANSWERED,
    liveness::THREE_CALLS,
];

/// Collects the results of one property.
pub struct Checks {
    name: &'static str,
    promise: &'static str,
    results: Vec<PropertyResult>,
}

impl Checks {
    /// `always`: it was checked so often, and this is the first counter-example, if there is one.
    pub(crate) fn always(&mut self, times_checked: u64, counter_example: Option<String>) {
        let counter_example = counter_example.filter(|_| !has(Bug::OraclesNeverComplain));
        self.push(self.name, PropertyKind::Always, times_checked, counter_example);
    }

    /// `eventually`: likewise, once everything has healed.
    pub(crate) fn eventually(&mut self, times_checked: u64, what_is_missing: Option<String>) {
        self.push(self.name, PropertyKind::Eventually, times_checked, what_is_missing);
    }

    fn push(&mut self, name: &'static str, kind: PropertyKind, times_checked: u64, reason: Option<String>) {
        let verdict = if reason.is_some() { Verdict::Violated } else { Verdict::Holds };
        self.results.push(PropertyResult { name, kind, verdict, promise: self.promise, times_checked, reason });
    }

    /// `sometimes`: the situation called `name` was met so often.
    pub(crate) fn sometimes(&mut self, name: &'static str, seen: u64) {
        let seen = if has(Bug::OraclesSeeNoSituations) { 0 } else { seen };
        let never = || format!("{name} was never seen: nothing can be said of {}", self.name);
        let (verdict, reason) = if seen > 0 { (Verdict::Holds, None) } else { (Verdict::Inconclusive, Some(never())) };
        let kind = PropertyKind::Sometimes;
        self.results.push(PropertyResult { name, kind, verdict, promise: self.promise, times_checked: seen, reason });
    }
}

/// Checks everything.
pub fn check(seen: &Seen<'_>) -> Vec<PropertyResult> {
    CATALOGUE.iter().flat_map(|property| property.results(|check, checks| check(seen, checks))).collect()
}

/// A run's verdict: violated if any property is; inconclusive if a situation it asks for never came.
pub fn verdict(results: &[PropertyResult]) -> Verdict {
    results.iter().map(|result| result.verdict).max().unwrap_or(Verdict::Inconclusive)
}

/// What a requestId says: in whose name, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    user: u32,
    stamp: u64,
}

/// Things by their request: dealt out by user once, then found at their place. Half a million of them fit where a map of
/// texts would not.
struct Index<T> {
    /// Where each user's things begin, and where the last one's end.
    starts: Vec<u32>,
    /// Stamp and thing, user by user.
    things: Vec<(u64, T)>,
}

impl<T: Copy> Index<T> {
    /// Of the crowd's users; a request of anybody else is left out, for nobody will ask for it.
    fn new(users: u32, entries: impl Iterator<Item = (Request, T)> + Clone) -> Self {
        let mut starts = vec![0u32; users as usize + 1];
        let own = entries.filter(|(request, _)| request.user < users);
        own.clone().for_each(|(request, _)| starts[request.user as usize + 1] += 1);
        for user in 1..starts.len() {
            starts[user] += starts[user - 1];
        }
        let Some((first, thing)) = own.clone().next() else { return Self { starts, things: Vec::new() } };
        // Each user's place moves on with each of their things and so ends where the next one's begins.
        let mut things = vec![(first.stamp, thing); starts[users as usize] as usize];
        for (Request { user, stamp }, thing) in own {
            let place = &mut starts[user as usize];
            things[*place as usize] = (stamp, thing);
            *place += 1;
        }
        starts.rotate_right(1);
        starts[0] = 0;
        Self { starts, things }
    }

    /// All things of this request.
    fn get(&self, request: Request) -> impl Iterator<Item = T> + Clone {
        let own = self.of_user(request.user).iter();
        own.filter(move |(stamp, _)| *stamp == request.stamp).map(|(_, thing)| *thing)
    }

    /// All things of this user, each with its request's stamp.
    fn of_user(&self, user: u32) -> &[(u64, T)] {
        let user = user as usize;
        match self.starts.get(user..user + 2) {
            Some(ends) => &self.things[ends[0] as usize..ends[1] as usize],
            None => &[],
        }
    }
}

impl<'a> Seen<'a> {
    /// Every vote of the crowd, with its region.
    fn votes(&self) -> impl Iterator<Item = (usize, &'a Vote)> + Clone + '_ {
        self.crowds.iter().enumerate().flat_map(|(region, crowd)| crowd.votes.iter().map(move |vote| (region, vote)))
    }

    /// The user who cast it.
    fn user(&self, region: usize, vote: &Vote) -> u32 {
        plan::user_at(region as u32, vote.client, self.crowds.len() as u32)
    }

    /// The user in whose name it was cast.
    fn named(&self, region: usize, vote: &Vote) -> u32 {
        let user = self.user(region, vote);
        if vote.kind == VoteKind::Impostor { (user + 1) % self.scenario.crowd.users } else { user }
    }

    /// The requestId it travelled under.
    fn request_id(&self, region: usize, vote: &Vote) -> String {
        let name = plan::user_id(self.named(region, vote));
        format!("req_{name}_{}_{}", self.scenario.vote.session_id, vote.stamp)
    }

    /// The label-free id of the option at an index; `None` for one that is not there.
    fn option_id(&self, option: u8) -> Option<String> {
        ((option as usize) < self.scenario.vote.options.len()).then(|| format!("opt_{}", option + 1))
    }

    /// How many votes ended so.
    fn count(&self, wanted: impl Fn(&Vote) -> bool) -> u64 {
        self.votes().filter(|(_, vote)| wanted(vote)).count() as u64
    }

    /// The request of each row of the audit log, if it is one of this crowd's.
    fn row_requests(&self) -> &[Option<Request>] {
        self.shared
            .row_requests
            .get_or_init(|| self.ledger.log().iter().map(|row| self.request_of(&row.request_id)).collect())
    }

    /// The rows of the audit log by their requests.
    fn rows_by_request(&self) -> &Index<u32> {
        let row = |(number, request): (usize, &Option<Request>)| request.map(|request| (request, number as u32));
        let rows = || self.row_requests().iter().enumerate().filter_map(row);
        self.shared.rows_by_request.get_or_init(|| Index::new(self.scenario.crowd.users, rows()))
    }

    /// Every vote by its request, with its region.
    fn by_request(&self) -> &Index<(usize, &'a Vote)> {
        self.shared.by_request.get_or_init(|| self.index_votes())
    }

    fn index_votes(&self) -> Index<(usize, &'a Vote)> {
        let request = |(region, vote): (usize, &'a Vote)| {
            (Request { user: self.named(region, vote), stamp: vote.stamp }, (region, vote))
        };
        Index::new(self.scenario.crowd.users, self.votes().map(request))
    }

    /// The request of a requestId, if it is one of this crowd's.
    fn request_of(&self, request_id: &str) -> Option<Request> {
        let (head, stamp) = request_id.rsplit_once('_')?;
        let user = head.strip_prefix("req_")?.strip_suffix(&*self.scenario.vote.session_id)?.strip_suffix('_')?;
        Some(Request { user: plan::user_of(user)?, stamp: stamp.parse().ok()? })
    }

    /// When the host's step was asked for and done.
    fn step(&self, what: &str) -> Option<&'a Done> {
        self.host.iter().find(|done| done.what == what)
    }

    /// Counts per option of the current rows of the audit log, counted anew from the rows.
    fn audited_counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.scenario.vote.options.len()];
        for row in self.ledger.log().iter().filter(|row| !row.replaced) {
            let id = self.ledger.name(row.option);
            let index = id.strip_prefix("opt_").and_then(|n| n.parse::<usize>().ok());
            if let Some(count) = index.and_then(|n| counts.get_mut(n.wrapping_sub(1))) {
                *count += 1;
            }
        }
        counts
    }

    fn hardened(&self) -> bool {
        self.scenario.variant == Variant::Hardened
    }

    /// Whether any fault was on at some time in this span.
    fn troubled(&self, from: Nanos, to: Nanos) -> bool {
        troubled(self.faults, from, to)
    }

    /// Whether the scenario plans or draws faults at all.
    fn has_faults(&self) -> bool {
        !self.scenario.faults.is_empty() || self.scenario.swarm.is_some()
    }
}

/// Whether any of these faults was on at some time in this span.
pub(crate) fn troubled(faults: &[headcount_sim::FaultWindow], from: Nanos, to: Nanos) -> bool {
    faults.iter().any(|fault| fault.start < to && fault.end > from)
}

/// Whether a vote was accepted.
fn accepted(vote: &Vote) -> bool {
    matches!(vote.fate, Fate::Accepted(_))
}
