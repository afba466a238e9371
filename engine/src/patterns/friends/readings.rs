//! Where friends-online.md's numbers cannot all hold: id, what the document says and where, the reading taken and why.

/// `(id, document, reading)`
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "announce-limit-against-shard-size",
        "11.3 puts 5,000 users on a presence shard; 7.1 acts on join, leave and timeout events and ignores every other. Above \
         its announce limit (20 by default, platform.md 2.5) a channel sends interval events only.",
        "The keyset's announce limit has to lie above a shard's occupancy: the scenario sets it. Hardened understands \
         interval events with deltas too, and a reconcile job finds what they leave out; documented does not.",
    ),
    (
        "presence-debounce-against-nfr-1",
        "NFR-1 wants a change on friends' screens within 2 s (p99); a keyset holds the announcement of a leave back for 2 s \
         (presence_debounce), should the user return.",
        "The platform's debounce is a key of the scenario. With 2 s a leave cannot be seen within 2 s; friends-calm sets it \
         to 0, since the pattern has a debounce of its own.",
    ),
    (
        "debounce-drops-the-last-change",
        "7.1 does not publish a change within 5 s of the one before, and 10.2 none in a storm; nobody comes back to either.",
        "Held back, not dropped: hardened publishes the latest change as soon as the window allows. Documented drops it, so \
         friends see the wrong status until the next change.",
    ),
    (
        "friend-added-on-the-status-channel",
        "8.2 publishes friend.added for A's new friend on status.A, \"directly to their status channel\". A's friends read that \
         channel; A does not (B.1).",
        "Hardened publishes news for one user on a channel of that user alone, friend-news.{userId}. Documented does as \
         written: every friend of A is told of a friend that is A's, and its client (B.2) puts that one on the list.",
    ),
    (
        "who-may-write-requests",
        "8.2 and 8.3 act on friend-requests.* and friend-management.*; who may publish there, and as whom, is not said.",
        "Hardened: each user on its own channel, and only about itself; an acceptance needs a request by the other. \
         Documented: everybody anywhere, since its handlers do not look at the publisher.",
    ),
    (
        "a-call-for-each-shard",
        "7.2 asks here-now for each of 100 shards in one execution; an execution may make ten calls (platform.md 3.3).",
        "Hardened asks for many channels in one call. Documented stops at the tenth call and has none left for the publish: \
         under the newest limits profile no count is ever broadcast.",
    ),
    (
        "friendship-in-one-execution",
        "8.2 makes twelve calls in one execution: two on channel groups, eight on App Context, two publishes.",
        "Ten are allowed. Documented is cut off after the first of its two notices. Hardened divides the work over executions \
         that a record in App Context ties together.",
    ),
    (
        "kv-ttl-unit",
        "7.1 and 7.2 pass TTLs of 60 and 86400; kvstore-module.md counts minutes.",
        "Seconds were meant: a minute and a day. Documented passes the numbers as written (an hour, and 60 days).",
    ),
    (
        "publishes-an-hour",
        "11.1: with 100K users online and 10 % of them changing in an hour, 5 billion publishes an hour for inboxes and 10 \
         million for channel groups.",
        "100,000 x 10 % = 10,000 changes an hour: 10,000 x 500 = 5 million publishes for inboxes and 10,000 for channel \
         groups. Both figures are 1,000 times too high; their ratio, 500, is right.",
    ),
    (
        "shards-of-two-tables",
        "11.3 puts 5,000 users on a presence shard: 10 shards for 50,000 users, 20 for 100,000, 50 for 250,000. The tiers of 11.2 \
         have 50, 50 and 100 shards for the same users.",
        "The number of shards is a key of the scenario. From 500,000 users on the two agree.",
    ),
    (
        "storm-threshold-against-nfr-1",
        "10.2 publishes for at most 100 events of a shard in a second; 11.3 puts 5,000 users on it; NFR-1 wants friends to know \
         within 2 s (p99).",
        "When a whole shard comes back at once, its last user is told of 5,000 / 100 = 50 s later at best. Both are kept: in a \
         storm NFR-1 is measured and missed.",
    ),
    (
        "group-names-of-large-users",
        "4.5 names the groups of a user with more than 2,000 friends -0, -1, -2; 10.4 creates -1 for the 2,001st friend, and \
         everybody else's group has no number.",
        "The first group keeps its plain name for ever, the second is -1: names do not change as friends are made.",
    ),
    (
        "token-ttl-unit",
        "9.2 grants with ttl 3600; 9.4 says one hour; the platform counts minutes (platform.md 2.8).",
        "One hour was meant: 60 minutes.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_has_an_id_of_its_own() {
        let mut ids: Vec<&str> = READINGS.iter().map(|(id, _, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), READINGS.len());
    }
}
