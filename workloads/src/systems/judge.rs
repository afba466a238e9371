//! From what a system's users saw to what a report shows: counters, latencies, series, the same for every system.

use headcount_engine::kvstore::KvReplica;
use headcount_engine::outside::Outside;

use super::System;
use super::oracle::Seen;
use super::record::{Fate, Second};
use super::users::Users;
use crate::figures;
use crate::latency::Recorder;
use crate::outcome::{Latency, Series};
use crate::run::{Counters, Ended};
use crate::scenario::{NodeKind, Scenario};

/// What the oracles may look at.
pub fn seen<'a>(ended: &'a Ended, scenario: &'a Scenario, system: &'a dyn System) -> Seen<'a> {
    let names = system.services(scenario).into_iter().map(|service| service.name);
    Seen {
        scenario,
        system,
        plan: ended.plan.as_ref().expect("a system has a plan"),
        records: ended.all::<Users>().map(|(_, users)| users.record()).collect(),
        kv: ended.all::<KvReplica>().map(|(_, kv)| kv).collect(),
        objects: ended.one(),
        services: names.zip(ended.all::<Outside>().map(|(_, outside)| outside)).collect(),
        server: ended.nodes.iter().find(|(spec, _)| spec.kind == NodeKind::Server).map(|(_, node)| &**node),
        faults: &ended.finished.faults,
        most_ops: ended.most_ops(),
        pending: ended.all::<Users>().flat_map(|(_, users)| users.pending()).collect(),
    }
}

/// Exact counts.
pub fn counters(seen: &Seen<'_>, counters: &mut Counters) {
    let mut add = |name: &str, by: u64| *counters.entry(name.to_owned()).or_default() += by;
    for (_, act, done) in seen.acts() {
        let kind = seen.kind(act);
        let fate = match done.fate {
            Fate::Open => "unanswered".to_owned(),
            Fate::Accepted => "accepted".to_owned(),
            Fate::Refused(status) => format!("refused_{status}"),
            Fate::GaveUp => "given_up".to_owned(),
        };
        add(&format!("acts.{kind}.intended"), 1);
        add(&format!("acts.{kind}.{fate}"), 1);
        add(&format!("acts.{kind}.attempts"), u64::from(done.attempts));
    }
    for record in &seen.records {
        add("clients.logins", record.logins);
        add("clients.reconnects", record.reconnects);
        add("clients.missed_messages", record.missed_messages);
        add("clients.refreshes", record.refreshes);
        add("clients.gave_up", record.outages.iter().filter(|outage| outage.gave_up).count() as u64);
        add("clients.catch_up_messages", record.catch_up_messages);
        add("clients.deliveries", record.heard.iter().map(|heard| u64::from(heard.deliveries)).sum());
    }
    for (name, count) in seen.system.counters() {
        add(name, count(seen));
    }
    for (name, outside) in &seen.services {
        let counts = outside.counts();
        add(&format!("service.{name}.served"), counts.served);
        add(&format!("service.{name}.errors"), counts.errors);
        add(&format!("service.{name}.unanswered"), counts.unanswered);
        add(&format!("service.{name}.refused"), counts.refused);
    }
}

/// Of answers, and of effects where they are seen.
pub fn latencies(seen: &Seen<'_>) -> Vec<Latency> {
    let (mut answers, mut effects) = (Recorder::default(), Recorder::default());
    for record in &seen.records {
        answers.add(&record.answers);
        effects.add(&record.effects);
    }
    let named = [
        ("answer", "intended to answered for good", answers),
        ("effect", "intended to the screens that show it", effects),
    ];
    let some = named.iter().filter(|(_, _, recorder)| !recorder.total().is_empty());
    some.map(|(name, title, recorder)| figures::latency(name, title, recorder)).collect()
}

/// By virtual second.
pub fn series(seen: &Seen<'_>, seconds: usize) -> Vec<Series> {
    let sum = |of: fn(&Second) -> f64| -> Vec<f64> {
        let mut values = vec![0.0; seconds];
        for record in &seen.records {
            for (value, second) in values.iter_mut().zip(&record.seconds) {
                *value += of(second);
            }
        }
        values
    };
    let mut connected = 0.0;
    let online = sum(|second| second.moves as f64).into_iter().map(|moves| {
        connected += moves;
        connected
    });
    let online = online.collect();
    let row = |name: &str, unit, group, values| Series { name: name.into(), unit, group, values };
    vec![
        row("acts_sent", "1/s", "acts", sum(|second| f64::from(second.sent))),
        row("acts_resent", "1/s", "acts", sum(|second| f64::from(second.resent))),
        row("outcome_accepted", "1/s", "outcomes", sum(|second| f64::from(second.accepted))),
        row("outcome_refused", "1/s", "outcomes", sum(|second| f64::from(second.refused))),
        row("outcome_error_retried", "1/s", "outcomes", sum(|second| f64::from(second.errors))),
        row("outcome_timeout_retried", "1/s", "outcomes", sum(|second| f64::from(second.timeouts))),
        row("outcome_given_up", "1/s", "outcomes", sum(|second| f64::from(second.given_up))),
        row("online", "connections", "online", online),
        row("deliveries", "1/s", "deliveries", sum(|second| second.deliveries as f64)),
    ]
}
