//! The built-in scenarios, embedded in the binary, and what else there is to choose from.

use headcount_engine::limits::Limits;

use crate::pattern;

/// A built-in scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What `run NAME` takes.
    pub name: &'static str,
    /// One line: what it shows. The same as the file's own `summary`.
    pub summary: &'static str,
}

macro_rules! scenarios {
    ($($name:literal: $summary:literal,)*) => {
        const ENTRIES: &[Entry] = &[$(Entry { name: $name, summary: $summary },)*];
        const TEXTS: &[&str] = &[$(include_str!(concat!("../scenarios/", $name, ".toml")),)*];
    };
}

scenarios! {
    "evening": "One evening: 500,000 friends online, a vote, a regional partition, a KV outage, and a reconnect storm",
    "voting-500k": "500,000 voters in ten minutes, a burst of 10,000 votes/s, a regional partition, a KV outage",
    "voting-small": "A few voters under a swarm of all faults: many seeds in little time",
    "voting-documented": "The same swarm against the document's own logic: expected to be violated",
    "voting-calm": "60,000 voters at 1,000 votes/s without faults: the figures of NFR-1 and NFR-2",
    "voting-sustained": "voting.md 12.3: 1,000 votes/s for ten minutes",
    "voting-burst": "voting.md 12.3: 10,000 votes in 10 seconds",
    "voting-ramp": "voting.md 12.3: from nobody to 10,000 voters over 5 minutes",
    "voting-reshard": "voting.md 12.3: shards added while people vote",
    "voting-kv-latency": "voting.md 12.4: every KV answer 500 ms later",
    "voting-kv-outage": "voting.md 12.4: KV errors for 30 seconds",
    "voting-function-timeout": "voting.md 12.4: an audit database slower than a Function may take",
    "voting-packet-loss": "voting.md 12.4: half of all packets lost",
    "friends-small": "Eighteen friends under a swarm of all faults: many seeds in little time",
    "friends-documented": "The same swarm against the document's own logic: expected to be violated",
    "friends-calm": "2,000 friends without faults, about 100 changes a second: the figures of NFR-1 and NFR-3",
    "friends-popular": "10,000 friends with 1,800 friends each: nearly a whole channel group, and a list of nineteen pages (NFR-3)",
    "friends-heavy": "24,000 friends, the most popular with thousands: several channel groups, and lists of a hundred pages (NFR-4)",
    "storm-500k": "500,000 friends online, 500 friends each; a region drops for a minute, and everyone in it reconnects at once",
    "storm-billion": "The crowd of storm-500k: its four regions drop in turn, ten times, until a billion deliveries were made and checked",
    "station": "One station and nothing else, to be checked against a textbook: M/M/c, M/D/1, M/G/1",
    "configuration-small": "A configuration that several admins change, under a swarm of all faults: many seeds in little time",
    "configuration-documented": "The same swarm against the document's one object: expected to be violated",
    "configuration-100k": "100,000 users whose messages are processed as a changing configuration says, through a KV outage",
    "counter-small": "Votes by signals, counted as keys, under a swarm of all faults: many seeds in little time",
    "counter-documented": "The same swarm against the document's own counters: expected to be violated",
    "counter-100k": "100,000 voters in ten polls, counted as keys, through a KV outage",
    "dedupe-small": "Messages deduplicated and cached, under a swarm of all faults: many seeds in little time",
    "dedupe-documented": "The same swarm against the document's own marks: expected to be violated",
    "dedupe-100k": "100,000 users whose messages are deduplicated and cached, through a KV outage",
    "enrichment-small": "Posts enriched by three outside services, under a swarm of all faults: many seeds in little time",
    "enrichment-documented": "The same swarm against the document's own pipeline: expected to be violated",
    "enrichment-100k": "100,000 authors whose profiles are cached, while moderation fails for a while",
    "ratelimit-small": "Requests limited by tier and endpoint, under a swarm of all faults: many seeds in little time",
    "ratelimit-documented": "The same swarm against the document's own limiter: expected to be violated",
    "ratelimit-100k": "100,000 users of three tiers and their bursts, through a KV outage",
    "hybrid-small": "Servers and users on channels of their own, every right tried, under a swarm of all faults: many seeds in little time",
    "hybrid-documented": "The same swarm against the document's own token: expected to be violated",
    "hybrid-100k": "100,000 users in rooms, games and inboxes, every right tried, through a partition of two regions",
    "metasync-small": "App Context kept like a database and like presence, under a swarm of all faults: many seeds in little time",
    "metasync-documented": "The same swarm against the document's own sync: expected to be violated",
    "metasync-100k": "100,000 users of teams who sign up, come and go, while App Context fails for a while",
    "middleware-small": "Chat and mentions through validation, moderation, a limit and notifications, under a swarm of all faults: many seeds in little time",
    "middleware-documented": "The same swarm against the document's own middleware: expected to be violated",
    "middleware-100k": "100,000 people who chat and mention each other, while notifications fail for a while",
    "orders-small": "Orders through payment, inventory, shipping and notification, under a swarm of all faults: many seeds in little time",
    "orders-documented": "The same swarm against the document's own workflow: expected to be violated",
    "orders-100k": "100,000 customers, 20,000 orders, through a payment service that errs for 20 s",
    "sessions-small": "Sessions that are logged in, used, logged out and expire, under a swarm of all faults: many seeds in little time",
    "sessions-documented": "The same swarm against the document's own sessions: expected to be violated",
    "sessions-100k": "100,000 users and their sessions, counted as keys, through a KV outage",
    "metrics-small": "Metrics by windows, a dashboard and alerts, under a swarm of all faults: many seeds in little time",
    "metrics-documented": "The same swarm against the document's own counters and alerts: expected to be violated",
    "metrics-100k": "100,000 senders of metrics, late ones and doubles among them, through an incident and a KV outage",
    "tokens-small": "Tokens of two minutes, refreshed and revoked, under a swarm of all faults: many seeds in little time",
    "tokens-documented": "The same swarm against the document's own client and goodbye: expected to be violated",
    "tokens-100k": "100,000 users in 10,000 teams refresh their tokens while the auth server is down",
    "robust-small": "Clients that reconnect, or give up and say so, under a swarm of all faults: many seeds in little time",
    "robust-documented": "The same swarm against the document's own client: expected to be violated",
    "robust-100k": "100,000 clients, half of which are cut off for 40 s",
    "authority-small": "Votes that the customer's server counts and publishes, under a swarm of all faults: many seeds in little time",
    "authority-documented": "The same swarm against the document's own server: expected to be violated",
    "authority-100k": "100,000 voters and one server, which is down for half a second, and then for twenty",
}

/// Every built-in scenario, the flagship first.
pub fn all() -> &'static [Entry] {
    ENTRIES
}

/// Every property: its name, the promise it checks, and what it says.
pub fn properties() -> Vec<(&'static str, String)> {
    pattern::each().flat_map(|pattern| pattern.catalogue()).collect()
}

/// Every kind of fault that a scenario's `[[fault]]` takes.
pub fn faults() -> Vec<(&'static str, String)> {
    let lines = [
        ("partition", "nothing gets from a to b, and, unless one_way, from b to a"),
        ("crash", "a process dies and comes up again: volatile state is lost, durable state kept"),
        ("pause", "a process stands still and goes on where it was"),
        ("degrade", "links lose, repeat, reorder and delay messages"),
        ("clock", "a node's clock is off and drifts"),
        ("kv_errors", "a KV store refuses, throttles, delays, or loses answers after their effect"),
        ("audit_errors", "likewise the audit database"),
        ("appcontext_errors", "likewise App Context"),
        ("presence_errors", "likewise presence"),
        ("registry_errors", "likewise the channel registry"),
        ("service_errors", "likewise the outside services of a system"),
    ];
    lines.map(|(name, says)| (name, says.to_owned())).to_vec()
}

/// Every limits profile, with its first number and where that was read.
pub fn limits_profiles() -> Vec<(&'static str, String)> {
    let line = |limits: &&Limits| {
        let (field, value, source) = limits.sources().swap_remove(0);
        (limits.name, format!("{field} {value} ({source})"))
    };
    Limits::all().iter().map(line).collect()
}

/// The text of the one called `name`.
pub fn text(name: &str) -> Option<&'static str> {
    ENTRIES.iter().position(|e| e.name == name).map(|i| TEXTS[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn every_built_in_scenario_parses_under_its_own_name_and_summary() {
        for entry in all() {
            let scenario = Scenario::load(entry.name, &[]).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!((scenario.name.as_str(), scenario.summary.as_str()), (entry.name, entry.summary));
        }
    }

    #[test]
    fn every_echo_parses_back_to_the_same_scenario() {
        for entry in all() {
            let scenario = Scenario::load(entry.name, &[]).unwrap();
            let echo = scenario.to_toml();
            let again = Scenario::parse("echo", &echo, &[]).unwrap_or_else(|e| panic!("{e}\n{echo}"));
            assert_eq!(again, scenario);
            assert_eq!(again.to_toml(), echo);
        }
    }
}
