//! What a system adds: its users' acts, its services, what its Functions count, and two latencies.

use super::{Better, Metric, counters, of_latency};
use crate::scenario::Scenario;
use crate::systems::System;

/// The latencies of any system ([`crate::systems::judge::latencies`] says what they are).
const LATENCIES: [&str; 2] = ["answer", "effect"];
/// Statuses with which patterns refuse, besides the platform's own.
const REFUSALS: [u16; 4] = [401, 402, 409, 422];

/// Every metric of a system's own.
pub(crate) fn offered(system: &dyn System, scenario: &Scenario) -> Vec<Metric> {
    let acts = system.kinds().iter().flat_map(|kind| of_act(kind));
    let services = system.services(scenario).into_iter().flat_map(|service| of_service(service.name));
    let counts = system.counts().iter().map(|name| Metric::new(format!("functions.counter.{name}"), Better::Neither));
    let clients = ["catch_up_messages", "gave_up", "heartbeats", "refreshes"];
    let clients = clients.map(|name| Metric::new(format!("clients.{name}"), Better::Neither));
    let own = system.counters().iter().map(|(name, _)| Metric::new((*name).to_owned(), Better::Neither));
    let latencies = LATENCIES.into_iter().flat_map(of_latency);
    acts.chain(services).chain(counts).chain(clients).chain(own).chain(latencies).collect()
}

fn of_act(kind: &str) -> Vec<Metric> {
    let fates = [
        ("accepted", Better::More),
        ("attempts", Better::Less),
        ("given_up", Better::Less),
        ("intended", Better::Neither),
        ("unanswered", Better::Less),
    ];
    let fates = fates.map(|(fate, better)| Metric::new(format!("acts.{kind}.{fate}"), better));
    let statuses = counters::STATUSES.into_iter().filter(|status| *status != 200).chain(REFUSALS);
    let refused = statuses.map(|status| Metric::new(format!("acts.{kind}.refused_{status}"), Better::Neither));
    fates.into_iter().chain(refused).collect()
}

fn of_service(name: &str) -> Vec<Metric> {
    let counts =
        [("errors", Better::Less), ("refused", Better::Less), ("served", Better::Less), ("unanswered", Better::Less)];
    counts.map(|(count, better)| Metric::new(format!("service.{name}.{count}"), better)).to_vec()
}
