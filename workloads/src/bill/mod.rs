//! What somebody pays for: how many of each billable kind a run took, and what that costs at prices of the user's own.
//!
//! Nothing here knows a price. Providers bill by these kinds under names and with bundles of their own; a price table says
//! what a million of each costs, and what it leaves out costs nothing.

mod prices;

use std::collections::BTreeMap;

use serde::Serialize;

pub use prices::Prices;

/// Something that is counted and may be billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Messages, signals and fires that a broker took, from clients and from Functions.
    Publishes,
    /// Messages that came to a client: one for each subscriber of each publish.
    Deliveries,
    /// Functions started, whatever started them.
    FunctionExecutions,
    /// Calls of Functions to the KV store, counters included.
    KvOperations,
    /// Objects and memberships read, written, removed or listed (a page each), by clients and by Functions.
    #[serde(rename = "appcontext_operations")]
    AppContextOperations,
    /// Joins, leaves, timeouts and intervals that were announced.
    PresenceEvents,
    /// Heartbeats of connected clients.
    PresenceHeartbeats,
    /// Messages stored for later.
    HistoryStored,
    /// Pages of stored messages that were handed out.
    HistoryPages,
}

/// Each kind with its name in files and the counters that are its sum.
const KINDS: [(Kind, &str, &[&str]); 9] = [
    (Kind::Publishes, "publishes", &["broker.published", "broker.fired"]),
    (Kind::Deliveries, "deliveries", &["deliveries"]),
    (Kind::FunctionExecutions, "function_executions", &["functions.executions"]),
    (Kind::KvOperations, "kv_operations", &["functions.kv_calls"]),
    (
        Kind::AppContextOperations,
        "appcontext_operations",
        &["appcontext.reads", "appcontext.writes", "appcontext.deletes", "appcontext.listings"],
    ),
    (Kind::PresenceEvents, "presence_events", &["presence.announced", "presence.intervals"]),
    (Kind::PresenceHeartbeats, "presence_heartbeats", &["presence.heartbeats"]),
    (Kind::HistoryStored, "history_stored", &["history.stored"]),
    (Kind::HistoryPages, "history_pages", &["history.pages"]),
];

impl Kind {
    /// Every kind, in the order in which tables show them.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(kind, ..)| *kind)
    }

    /// `function_executions`: its name in files.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        KINDS.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| *kind)
    }

    /// The counters of a run that are its sum.
    pub fn counters(self) -> &'static [&'static str] {
        self.row().2
    }

    fn row(self) -> &'static (Self, &'static str, &'static [&'static str]) {
        KINDS.iter().find(|(kind, ..)| *kind == self).expect("every kind has a row")
    }
}

/// How many of each kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Bill(pub BTreeMap<Kind, f64>);

impl Bill {
    /// What the counters of a run come to; a counter that it does not have is 0.
    pub fn of(metrics: &BTreeMap<String, f64>) -> Self {
        let count = |kind: Kind| {
            kind.counters().iter().filter_map(|name| metrics.get(*name)).fold(0.0, |sum, count| sum + count)
        };
        Self(Kind::all().map(|kind| (kind, count(kind))).collect())
    }

    /// How many of a kind.
    pub fn count(&self, kind: Kind) -> f64 {
        self.0.get(&kind).copied().unwrap_or(0.0)
    }

    /// What all of it costs, in the prices' currency.
    pub fn cost(&self, prices: &Prices) -> f64 {
        self.0.iter().map(|(kind, count)| prices.of(*kind, *count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Measured;
    use crate::run::{RunOptions, run};
    use crate::scenario::Scenario;

    #[test]
    fn a_vote_is_published_answered_and_executed_and_has_no_presence() {
        let scenario = Scenario::load("voting-small", &[]).unwrap();
        let measured = Measured::of(&run(&scenario, 7, RunOptions::default()));
        let bill = Bill::of(&measured.0);
        let votes = measured.get("votes.accepted").unwrap();
        // Each vote is a publish and its acknowledgement another; each runs a Function.
        assert!(votes > 0.0 && bill.count(Kind::Publishes) >= 2.0 * votes, "{bill:?}");
        assert!(bill.count(Kind::FunctionExecutions) >= votes && bill.count(Kind::Deliveries) >= votes, "{bill:?}");
        assert!(bill.count(Kind::AppContextOperations) > 0.0 && bill.count(Kind::HistoryStored) > 0.0, "{bill:?}");
        assert_eq!(bill.count(Kind::PresenceEvents), 0.0);
    }

    #[test]
    fn every_kind_is_counted_by_counters_that_there_are() {
        let of = |name: &str| Measured::of(&run(&Scenario::load(name, &[]).unwrap(), 1, RunOptions::default()));
        let (vote, friends) = (of("voting-small"), of("friends-small"));
        for counter in Kind::all().flat_map(Kind::counters) {
            assert!(vote.0.contains_key(*counter) || friends.0.contains_key(*counter), "{counter}");
        }
    }

    #[test]
    fn names_are_those_that_serde_writes() {
        for kind in Kind::all() {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("votes"), None);
    }
}
