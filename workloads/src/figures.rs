//! From what the nodes counted to what a report shows: counters, latencies, series, stations.

use headcount_engine::appcontext::AppContext;
use headcount_engine::auth::AuthServer;
use headcount_engine::broker::Broker;
use headcount_engine::edge::Edge;
use headcount_engine::functions::Worker;
use headcount_engine::history::History;
use headcount_engine::kvstore::KvReplica;
use headcount_engine::patterns::voting::audit::AuditDb;
use std::collections::BTreeMap;

use crate::latency::{Buckets, Recorder};
use crate::metric::PERCENTILES;
use crate::oracle::Seen;
use crate::outcome::{Latency, Series, StationFigures};
use crate::run::{Counters, Ended, fate_word};

/// Exact counts of a vote, by the document's names (voting.md 11.2) where it has one.
pub fn counters(seen: &Seen<'_>, counters: &mut Counters) {
    let mut add = |name: &str, by: u64| *counters.entry(name.to_owned()).or_default() += by;
    for crowd in &seen.crowds {
        add("votes.intended", crowd.votes.len() as u64);
        add("votes.submitted", crowd.votes.iter().filter(|vote| vote.attempts > 0).count() as u64);
        add("votes.attempts", crowd.votes.iter().map(|vote| u64::from(vote.attempts)).sum());
        let mut fates: BTreeMap<&str, u64> = BTreeMap::new();
        crowd.votes.iter().for_each(|vote| *fates.entry(fate_word(vote.fate)).or_default() += 1);
        fates.into_iter().for_each(|(fate, votes)| add(fate, votes));
        add("votes.repeated_answers", crowd.repeated_answers);
        add("clients.logins", crowd.logins);
        add("clients.token_refreshes", crowd.token_refreshes);
        add("clients.reconnects", crowd.reconnects);
        add("clients.catch_up_messages", crowd.catch_up_messages);
        add("clients.missed_messages", crowd.missed_messages);
        add("clients.polls", crowd.polls);
        add("clients.deliveries", crowd.deliveries);
        for (&(mischief, status), count) in &crowd.mischief {
            let answer = if status == 0 { "sent".to_owned() } else { format!("answered_{status}") };
            add(&format!("mischief.{mischief:?}.{answer}").to_lowercase(), *count);
        }
    }
    let tallies = seen.crowds.iter().map(|crowd| crowd.broadcasts.len() as u64).max().unwrap_or(0);
    add("tally.updates", tallies);
    add("session.participants", u64::from(seen.scenario.crowd.users));
    add("audit.rows", seen.ledger.log().len() as u64);
    add("audit.decisions", seen.ledger.decisions().len() as u64);
    add("votes.lost", seen.lost());
    if let Some(auditor) = seen.auditor {
        add("auditor.answers", auditor.answers.len() as u64);
        add("auditor.pages", auditor.answers.iter().map(|answer| u64::from(answer.pages)).sum());
        add("auditor.rows", auditor.answers.iter().map(|answer| answer.rows.len() as u64).sum());
        add("auditor.retries", auditor.retries);
        add("auditor.logins", auditor.logins);
        add("auditor.token_refusals", auditor.refused);
    }
}

/// What the platform's nodes counted, whatever runs on them.
pub fn platform_counters(ended: &Ended) -> Counters {
    let mut counters = Counters::new();
    let mut add = |name: &str, by: u64| *counters.entry(name.to_owned()).or_default() += by;
    for (_, edge) in ended.all::<Edge>() {
        let counts = edge.counts();
        add("edge.requests", counts.requests);
        add("edge.forbidden", counts.forbidden);
        add("edge.refused", counts.refused);
        add("edge.overloaded", counts.overloaded);
        add("edge.pushes", counts.pushes);
        add("edge.discarded", counts.discarded);
    }
    for (_, broker) in ended.all::<Broker>() {
        let counts = broker.counts();
        add("broker.published", counts.published);
        add("broker.fired", counts.fired);
        add("broker.aborted", counts.aborted);
        add("broker.rate_limited", counts.rate_limited);
        add("broker.function_timeouts", counts.function_timeouts);
        add("broker.replicated_in", counts.replicated_in);
        add("broker.hops_exceeded", counts.hops_exceeded);
    }
    for (_, worker) in ended.all::<Worker>() {
        let counts = worker.counts();
        add("functions.executions", counts.executions);
        add("functions.cold_starts", counts.cold_starts);
        add("functions.queued", counts.queued);
        add("functions.refused", counts.refused);
        add("functions.timeouts", counts.handler_timeouts);
        add("functions.call_timeouts", counts.op_timeouts);
        add("functions.kv_calls", counts.kv_ops);
        add("functions.publishes", counts.publishes);
        add("functions.objects_calls", counts.objects_ops);
        add("functions.xhr_calls", counts.xhr);
        for (name, count) in &counts.counters {
            add(&format!("functions.counter.{name}"), *count);
        }
    }
    for (_, kv) in ended.all::<KvReplica>() {
        let counts = kv.counts();
        add("kv.keys", kv.len() as u64);
        add("kv.counters", kv.counters_len() as u64);
        add("kv.gets", counts.gets + counts.counter_gets);
        add("kv.sets", counts.sets + counts.removes);
        add("kv.incrs", counts.incrs);
        add("kv.failed", counts.failed);
        add("kv.throttled", counts.throttled);
        add("kv.unanswered", counts.unanswered);
        add("kv.replicated", counts.replicated);
    }
    for (_, store) in ended.all::<AppContext>() {
        let counts = store.counts();
        add("appcontext.reads", counts.reads);
        add("appcontext.writes", counts.writes);
        add("appcontext.deletes", counts.deletes);
        add("appcontext.listings", counts.listings);
    }
    for (_, history) in ended.all::<History>() {
        let counts = history.counts();
        add("history.stored", counts.stored);
        add("history.pages", counts.pages);
    }
    for (_, auth) in ended.all::<AuthServer>() {
        let counts = auth.counts();
        add("auth.logins", counts.logins);
        add("auth.granted", counts.granted);
    }
    for (_, audit) in ended.all::<AuditDb>() {
        let counts = audit.counts();
        add("audit.casts", counts.casts);
        add("audit.repeated_casts", counts.repeated);
        add("audit.unique_violations", counts.unique_violations);
        add("audit.snapshots", counts.snapshots);
        add("audit.queries", counts.queries);
        add("audit.queries_refused", counts.queries_refused);
        add("audit.errors", counts.errors);
        add("audit.overloaded", counts.overloaded);
    }
    let network = &ended.finished.network;
    add("network.sent", network.sent);
    add("network.lost", network.lost);
    add("network.cut", network.cut);
    add("network.duplicated", network.duplicated);
    counters
}

/// The three latencies of a vote.
pub fn latencies(seen: &Seen<'_>) -> Vec<Latency> {
    let mut ack = Recorder::default();
    let mut results = Recorder::default();
    for crowd in &seen.crowds {
        ack.add(&crowd.ack_latency);
        results.add(&crowd.results_latency);
    }
    let mut latencies = vec![
        latency("ack", "submit to acknowledgement, from the intended start (NFR-1)", &ack),
        latency("results", "tally read to screen (NFR-2)", &results),
    ];
    let staleness = staleness(seen);
    if !staleness.total().is_empty() {
        latencies.push(latency("staleness", "vote counted to vote shown everywhere", &staleness));
    }
    latencies
}

/// For each counted vote, how long until the first tally that contains it had come to every region that was connected
/// to it: the last region's arrival, as the crowds saw it at their points of presence.
fn staleness(seen: &Seen<'_>) -> Recorder {
    // By number: when the tally was read, and when it came last.
    let mut tallies: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for tally in seen.crowds.iter().flat_map(|crowd| &crowd.broadcasts) {
        let entry = tallies.entry(tally.number).or_insert((tally.read_at, tally.arrived));
        entry.1 = entry.1.max(tally.arrived);
    }
    let mut tallies: Vec<(u64, u64)> = tallies.into_values().collect();
    tallies.sort_unstable();
    let mut recorder = Recorder::default();
    for row in seen.ledger.log() {
        // `read_at` is known to the millisecond: a vote of the same millisecond may or may not be in it.
        let first = tallies.partition_point(|(read_at, _)| *read_at < row.server_ts);
        if let Some((_, arrived)) = tallies.get(first) {
            recorder.record(row.server_ts, arrived.saturating_sub(row.server_ts) / 1_000);
        }
    }
    recorder
}

/// A latency out of what was recorded.
pub fn latency(name: &'static str, title: &'static str, recorder: &Recorder) -> Latency {
    let second = |buckets: &Buckets| (!buckets.is_empty()).then(|| buckets.to_histogram(2));
    Latency {
        name,
        title,
        histogram: recorder.total().to_histogram(3),
        by_second: recorder.seconds().iter().map(second).collect(),
    }
}

/// Percentiles of the latencies in milliseconds, and rates out of the counters.
pub fn figures(latencies: &[Latency], counters: &Counters) -> BTreeMap<String, f64> {
    let mut figures = BTreeMap::new();
    for latency in latencies.iter().filter(|latency| !latency.histogram.is_empty()) {
        for (word, quantile) in PERCENTILES {
            let micros = latency.histogram.value_at_quantile(quantile);
            figures.insert(format!("{}.{word}", latency.name), micros as f64 / 1_000.0);
        }
        figures.insert(format!("{}.max_ms", latency.name), latency.histogram.max() as f64 / 1_000.0);
    }
    let counter = |name: &str| counters.get(name).copied().unwrap_or(0) as f64;
    let groups = counter("channelgroup.groups");
    if groups > 0.0 {
        figures.insert("channelgroup.size_mean".into(), counter("channelgroup.channels") / groups);
    }
    let accepted = counter("votes.accepted");
    if accepted > 0.0 {
        figures.insert("kv.calls_per_accepted_vote".into(), counter("functions.kv_calls") / accepted);
        figures.insert("executions_per_accepted_vote".into(), counter("functions.executions") / accepted);
        figures.insert("attempts_per_accepted_vote".into(), counter("votes.attempts") / accepted);
    }
    figures
}

/// Every station over the whole run.
pub fn stations(ended: &Ended) -> Vec<StationFigures> {
    let figures = |report: &headcount_sim::StationReport| {
        let (spec, _) = &ended.nodes[report.node.0 as usize];
        let total = &report.total;
        let capacity = |seconds: f64| f64::from(report.servers) * seconds * 1e9;
        let peak = report.seconds.iter().map(|second| second.busy_ns).max().unwrap_or(0);
        let mean_ms = |sum: u64, of: u64| if of == 0 { 0.0 } else { sum as f64 / of as f64 / 1e6 };
        let virtual_s = ended.finished.virtual_ns as f64 / 1e9;
        StationFigures {
            node: report.name.clone(),
            kind: spec.kind.word().into(),
            region: ended.regions[spec.region].clone(),
            servers: report.servers,
            utilisation: total.busy_ns as f64 / capacity(virtual_s),
            utilisation_peak: peak as f64 / capacity(1.0),
            arrivals: total.arrivals,
            refused: total.refused,
            wait_mean_ms: mean_ms(total.wait_ns_sum, total.begun),
            service_mean_ms: mean_ms(total.busy_ns, total.begun),
            sojourn_mean_ms: mean_ms(report.served_ns_sum as u64, total.served),
            queue_mean: report.flow.waiting_ns as f64 / ended.finished.virtual_ns as f64,
            queue_max: u64::from(total.queue_max),
            lost_to_crashes: report.lost_to_crashes,
            left: report.left,
            little_deviation: report.flow.deviation_ns() as f64 / report.flow.inside_ns.max(1) as f64,
        }
    };
    ended.finished.stations.iter().map(figures).collect()
}

/// A vote by virtual second.
pub fn series(seen: &Seen<'_>, seconds: usize) -> Vec<Series> {
    let mut all = Vec::new();
    let mut push = |name: String, unit, group, values: Vec<f64>| all.push(Series { name, unit, group, values });
    let sum = |of: &dyn Fn(&crate::crowd::record::Second) -> f64| -> Vec<f64> {
        let mut values = vec![0.0; seconds];
        for crowd in &seen.crowds {
            for (value, second) in values.iter_mut().zip(&crowd.seconds) {
                *value += of(second);
            }
        }
        values
    };
    push("votes_submitted".into(), "1/s", "votes", sum(&|s| f64::from(s.submitted)));
    push("votes_resent".into(), "1/s", "votes", sum(&|s| f64::from(s.resent)));
    push("acks_accepted".into(), "1/s", "votes", sum(&|s| f64::from(s.accepted)));
    push("outcome_accepted".into(), "1/s", "outcomes", sum(&|s| f64::from(s.accepted)));
    push("outcome_session_not_open".into(), "1/s", "outcomes", sum(&|s| f64::from(s.rejected_not_open)));
    push("outcome_invalid_option".into(), "1/s", "outcomes", sum(&|s| f64::from(s.rejected_option)));
    push("outcome_already_voted".into(), "1/s", "outcomes", sum(&|s| f64::from(s.rejected_already)));
    push("outcome_refused".into(), "1/s", "outcomes", sum(&|s| f64::from(s.refused)));
    push("outcome_error_retried".into(), "1/s", "outcomes", sum(&|s| f64::from(s.errors)));
    push("outcome_timeout_retried".into(), "1/s", "outcomes", sum(&|s| f64::from(s.timeouts)));
    push("online".into(), "connections", "online", online(seen, seconds));
    push("deliveries".into(), "1/s", "deliveries", sum(&|s| s.deliveries as f64));
    tallies(seen, seconds, &mut push);
    let shards = seen.crowds.iter().map(|crowd| crowd.shards.len()).max().unwrap_or(0);
    for shard in 0..shards {
        let mut values = vec![0.0; seconds];
        for row in seen.crowds.iter().filter_map(|crowd| crowd.shards.get(shard)) {
            for (value, count) in values.iter_mut().zip(row) {
                *value += f64::from(*count);
            }
        }
        push(format!("shard_{shard:02}_submits"), "1/s", "shards", values);
    }
    all
}

/// Latencies and stations by virtual second, whatever the pattern.
pub fn common_series(ended: &Ended, latencies: &[Latency], seconds: usize) -> Vec<Series> {
    let mut all = Vec::new();
    let mut push = |name: String, unit, group, values: Vec<f64>| all.push(Series { name, unit, group, values });
    for latency in latencies {
        for (word, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            let value = |second: usize| match latency.by_second.get(second) {
                Some(Some(histogram)) => histogram.value_at_quantile(quantile) as f64 / 1_000.0,
                _ => f64::NAN,
            };
            push(format!("{}_{word}_ms", latency.name), "ms", "latency", (0..seconds).map(value).collect());
        }
    }
    for report in &ended.finished.stations {
        let capacity = f64::from(report.servers) * 1e9;
        let mut values = vec![0.0; seconds];
        for (value, second) in values.iter_mut().zip(&report.seconds) {
            *value = second.busy_ns as f64 / capacity;
        }
        push(format!("util_{}", report.name), "ratio", "utilisation", values);
    }
    all
}

/// A crowd notes how many are online whenever something happens; a second in which nothing does keeps the last number.
fn online(seen: &Seen<'_>, seconds: usize) -> Vec<f64> {
    let mut values = vec![0.0; seconds];
    for crowd in &seen.crowds {
        let mut last = 0.0;
        for (second, value) in values.iter_mut().enumerate() {
            if let Some(noted) = crowd.seconds.get(second).filter(|noted| noted.happened()) {
                last = f64::from(noted.online);
            }
            *value += last;
        }
    }
    values
}

/// Votes counted by the audit log, as the newest tally read has them, and as the last region's screens show them.
fn tallies(seen: &Seen<'_>, seconds: usize, push: &mut impl FnMut(String, &'static str, &'static str, Vec<f64>)) {
    let mut counted = vec![0.0; seconds];
    for row in seen.ledger.log() {
        if let Some(value) = counted.get_mut((row.server_ts / 1_000_000_000) as usize) {
            *value += 1.0;
        }
    }
    for second in 1..seconds {
        counted[second] += counted[second - 1];
    }
    push("tally_counted".into(), "votes", "tally", counted);
    let steps =
        |when: &dyn Fn(&crate::crowd::record::Broadcast) -> u64, of: &crate::crowd::record::Record| -> Vec<f64> {
            let mut values: Vec<f64> = vec![0.0; seconds];
            for tally in &of.broadcasts {
                if let Some(value) = values.get_mut((when(tally) / 1_000_000_000) as usize) {
                    *value = value.max(tally.total as f64);
                }
            }
            for second in 1..seconds {
                values[second] = values[second].max(values[second - 1]);
            }
            values
        };
    let merge = |values: Vec<Vec<f64>>, pick: fn(f64, f64) -> f64| -> Vec<f64> {
        values.into_iter().reduce(|a, b| a.iter().zip(&b).map(|(a, b)| pick(*a, *b)).collect()).unwrap_or_default()
    };
    let read = seen.crowds.iter().map(|crowd| steps(&|tally| tally.read_at, crowd)).collect();
    push("tally_broadcast".into(), "votes", "tally", merge(read, f64::max));
    let shown = seen.crowds.iter().map(|crowd| steps(&|tally| tally.arrived, crowd)).collect();
    push("tally_shown".into(), "votes", "tally", merge(shown, f64::min));
}
