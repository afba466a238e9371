//! The names of everything that a run counts, and whether more of it is better or worse.
//!
//! A run leaves out a counter that never went up in a family (`votes.rejected.…`), so what a pattern can count is written
//! here once, and a test holds runs of every pattern against it.

use super::Better::{self, Less, More, Neither};

/// What the platform's nodes count, whatever runs on them.
pub(super) const PLATFORM: &[(&str, Better)] = &[
    ("appcontext.deletes", Less),
    ("appcontext.listings", Less),
    ("appcontext.reads", Less),
    ("appcontext.writes", Less),
    ("auth.granted", Neither),
    ("auth.logins", Neither),
    ("broker.aborted", Less),
    ("broker.fired", Less),
    ("broker.function_timeouts", Less),
    ("broker.hops_exceeded", Less),
    ("broker.published", Less),
    ("broker.rate_limited", Less),
    ("broker.replicated_in", Less),
    ("clients.deliveries", Less),
    ("clients.logins", Neither),
    ("clients.missed_messages", Less),
    ("clients.reconnects", Less),
    ("edge.discarded", Less),
    ("edge.forbidden", Neither),
    ("edge.overloaded", Less),
    ("edge.pushes", Less),
    ("edge.refused", Less),
    ("edge.requests", Less),
    ("functions.call_timeouts", Less),
    ("functions.cold_starts", Less),
    ("functions.counter.function.errors", Less),
    ("functions.executions", Less),
    ("functions.kv_calls", Less),
    ("functions.objects_calls", Less),
    ("functions.publishes", Less),
    ("functions.queued", Less),
    ("functions.refused", Less),
    ("functions.timeouts", Less),
    ("functions.counter.publish.errors", Less),
    ("functions.xhr_calls", Less),
    ("history.pages", Less),
    ("history.stored", Less),
    ("kv.counters", Neither),
    ("kv.failed", Less),
    ("kv.gets", Less),
    ("kv.incrs", Less),
    ("kv.keys", Neither),
    ("kv.replicated", Less),
    ("kv.sets", Less),
    ("kv.throttled", Less),
    ("kv.unanswered", Less),
    ("network.cut", Less),
    ("network.duplicated", Neither),
    ("network.lost", Less),
    ("network.sent", Less),
];

/// What a vote counts (voting.md 11.2 has some of the names).
pub(super) const VOTING: &[(&str, Better)] = &[
    ("audit.casts", Less),
    ("audit.decisions", Neither),
    ("audit.errors", Less),
    ("audit.overloaded", Less),
    ("audit.queries", Neither),
    ("audit.queries_refused", Neither),
    ("audit.repeated_casts", Less),
    ("audit.rows", More),
    ("audit.snapshots", Neither),
    ("audit.unique_violations", Neither),
    ("auditor.answers", Neither),
    ("auditor.logins", Neither),
    ("auditor.pages", Neither),
    ("auditor.retries", Less),
    ("auditor.rows", Neither),
    ("auditor.token_refusals", Neither),
    ("clients.catch_up_messages", Neither),
    ("clients.polls", Less),
    ("clients.token_refreshes", Neither),
    ("functions.counter.alert.ack_unpublished", Less),
    ("functions.counter.alert.app_context_unavailable", Less),
    ("functions.counter.alert.audit_unavailable", Less),
    ("functions.counter.alert.dedupe_unavailable", Less),
    ("functions.counter.alert.tally_unpublished", Less),
    ("functions.counter.recorder.cache_failures", Less),
    ("functions.counter.recorder.membership_failures", Less),
    ("functions.counter.tally.updates", Neither),
    ("functions.counter.votes.accepted", Neither),
    ("functions.counter.votes.duplicates", Neither),
    ("functions.counter.votes.rejected.already_voted", Neither),
    ("functions.counter.votes.rejected.invalid_message", Neither),
    ("functions.counter.votes.rejected.invalid_option", Neither),
    ("functions.counter.votes.rejected.other", Less),
    ("functions.counter.votes.rejected.session_not_open", Neither),
    ("functions.counter.votes.submitted", Neither),
    ("session.participants", Neither),
    ("tally.updates", Neither),
    ("votes.accepted", More),
    ("votes.attempts", Less),
    ("votes.given_up", Less),
    ("votes.intended", Neither),
    ("votes.lost", Less),
    ("votes.refused", Less),
    ("votes.rejected.already_voted", Neither),
    ("votes.rejected.invalid_option", Neither),
    ("votes.rejected.other", Less),
    ("votes.rejected.session_not_open", Neither),
    ("votes.repeated_answers", Neither),
    ("votes.submitted", Neither),
    ("votes.unanswered", Less),
];

/// What friends online count (friends-online.md 12.2 has some of the names).
pub(super) const FRIENDS: &[(&str, Better)] = &[
    ("channelgroup.above_1500", Neither),
    ("channelgroup.changed", Neither),
    ("channelgroup.channels", Neither),
    ("channelgroup.groups", Neither),
    ("channelgroup.size_max", Neither),
    ("clients.catch_up_messages", Neither),
    ("clients.heartbeats", Less),
    ("clients.loads_restarted", Less),
    ("clients.moves", Neither),
    ("clients.pages_loaded", Less),
    ("clients.regroups", Neither),
    ("clients.wishes_said", Less),
    ("fanout.changes", Neither),
    ("fanout.inbox_publishes", Neither),
    ("fanout.statuses", Less),
    ("friendships", Neither),
    ("functions.counter.channelgroup.add", Neither),
    ("functions.counter.channelgroup.full", Less),
    ("functions.counter.channelgroup.large", Neither),
    ("functions.counter.channelgroup.remove", Neither),
    ("functions.counter.count.shards_missing", Less),
    ("functions.counter.friendship.errors", Less),
    ("functions.counter.friendship.refused", Neither),
    ("functions.counter.global.counts", Neither),
    ("functions.counter.presence.events.debounced", Neither),
    ("functions.counter.presence.events.interval", Neither),
    ("functions.counter.presence.events.join", Neither),
    ("functions.counter.presence.events.leave", Neither),
    ("functions.counter.presence.events.other", Neither),
    ("functions.counter.presence.events.storm", Less),
    ("functions.counter.presence.events.timeout", Neither),
    ("functions.counter.reconcile.differences", Less),
    ("functions.counter.status.contended", Less),
    ("functions.counter.status.published", Less),
    ("functions.counter.status.update_failures", Less),
    ("functions.counter.sweep.fires", Less),
    ("presence.announced", Less),
    ("presence.heartbeats", Less),
    ("presence.here_now", Less),
    ("presence.intervals", Less),
    ("presence.joins", Neither),
    ("presence.leaves", Neither),
    ("presence.timeouts", Neither),
    ("shard.count", Neither),
    ("shard.users_max", Neither),
    ("shard.users_min", Neither),
    ("status.told", Neither),
    ("users", Neither),
    ("users.online_max", Neither),
];

/// What is counted of one station.
pub(super) const STATION: &[(&str, Better)] =
    &[("station.jobs", Neither), ("station.jobs_measured", Neither), ("station.left", Less), ("station.served", More)];

/// What clients that misbehave in a vote do; each with `sent` and the answers below.
pub(super) const MISCHIEF: [&str; 4] = ["malformed", "oversized", "forgedtally", "wrongchannel"];
/// What friends forge; each with the answers below.
pub(super) const FORGED: [&str; 3] = ["acceptance", "group", "status"];
/// The statuses with which the platform answers (its error table: facts of each are in the engine's `error`).
pub(super) const STATUSES: [u16; 9] = [200, 400, 403, 404, 413, 414, 429, 500, 503];

/// Whether `name` is one of the counters above, or of a family of them: those are 0 where a run does not have them.
pub(super) fn is_counter(name: &str) -> bool {
    let among = |all: &[(&str, Better)]| all.iter().any(|(counter, _)| *counter == name);
    among(PLATFORM)
        || among(VOTING)
        || among(FRIENDS)
        || among(STATION)
        || ["mischief.", "forged.", "acts.", "service."].iter().any(|family| name.starts_with(family))
}
