//! Where voting.md's numbers cannot all hold: id, what the document says and where, the reading taken and why.

/// `(id, document, reading)`
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "nfr-2-against-the-tally-interval",
        "NFR-2 wants results updated within 1 s (p99); 10.4 allows one tally broadcast a second, 7.2 and 10.3 send one \
         every 5 s.",
        "NFR-2 is measured from the moment the tally is read to the moment it is on the screen. How old a shown count can \
         be on top of that (up to one interval) is reported as staleness. Hardened broadcasts every second, the most 10.4 \
         allows; documented every 5 s.",
    ),
    (
        "kv-ttl-unit",
        "7.1 stores the vote with TTL 86400 and the processed request with 3600; kvstore-module.md counts TTLs in minutes.",
        "Seconds were meant: a day and an hour. Hardened stores the processed request for 60 minutes; documented passes \
         the numbers as written, so its records live 60 days and 60 hours.",
    ),
    (
        "token-ttl-unit",
        "8.2 grants tokens with ttl 3600, 8.4 asks for one-hour tokens; the access manager counts minutes (1 to 43,200).",
        "One hour: hardened grants 60 minutes. Documented passes 3600 as written, which is 60 hours.",
    ),
    (
        "acks-to-everybody",
        "7.1 publishes every acknowledgement on vote-results.{sessionId}, which every participant reads: n votes make n x n \
         deliveries, 2.5 x 10^11 for 500,000 voters, against a queue of 100 messages a connection. 4.2 puts acks on the \
         submit channel, which participants cannot read.",
        "Hardened publishes each acknowledgement on vote-results.{sessionId}-{userId}, a results channel that only its user \
         can read. Documented publishes to all, and is refused above 20,000 users.",
    ),
    (
        "app-context-rights",
        "8.2 grants read and write; 5.4 and FR-7 have clients read App Context, which needs GET (and UPDATE to write).",
        "Whoever may read the control channel may GET its object; the host may UPDATE it.",
    ),
    (
        "request-id-form",
        "6.2: req_{userId}_{sessionId}_{clientTimestamp}; its example writes user_456 as user456.",
        "The user id as it is. Hardened checks it, so nobody can use up another user's request id.",
    ),
    (
        "conditional-set",
        "9.2 relies on a KV set that only sets if the key is absent; kvstore-module.md has none, and its replicas are \
         eventually consistent between regions.",
        "The audit database's UNIQUE (session_id, user_id) is the condition; KV is a cache in front of it.",
    ),
    (
        "append-only-against-unique",
        "11.4 allows one row per session and user; 3.1 wants an append-only log; allowChangeVote and maxVotesPerUser allow \
         more than one vote.",
        "The log keeps every accepted vote; vote_audit holds the current ones. With maxVotesPerUser n the constraint is \
         UNIQUE (session_id, user_id, nth vote).",
    ),
    (
        "processed-ttl-against-session-length",
        "9.4 keeps processed requests for an hour, 9.3 wants KV TTLs longer than the session, which may be very long.",
        "The database keeps every request's answer with the session; the KV entry may expire without harm.",
    ),
    (
        "who-owns-the-total",
        "6.1 has the host publish totalVotes and results, 14.1 forbids trusting client counts.",
        "Hardened replaces what the host sends by what the database holds, in a Before Publish Function on vote-control.*.",
    ),
    (
        "ties",
        "9.3 leaves the tie-breaker open: first to reach the count, or declare a tie.",
        "A tie is declared: winner is null. So it is with zero votes; totalVotes tells the two apart.",
    ),
    (
        "fail-closed",
        "9.1: when the KV store is unavailable the dedupe check fails and the vote is rejected, with an alert.",
        "Kept, though hardened dedupes in the database: without the cache in front of it a retry storm would land on the \
         database. The rejection is a 503, which a client retries with the same request id.",
    ),
    (
        "outbound-rate",
        "platform.md 3.3 (newest column): 100 outbound requests a second, xhr and vault together; 2.3 and 12.3 want 1,000 \
         to 10,000 votes a second, each of them written to the external audit store (FR-8).",
        "Per instance, as the same page counts its console lines: an instance runs one execution at a time and makes one \
         request in it. If the limit were the keyset's, no design with one audit write a vote could pass 100 votes a second, \
         neither the document's nor this one.",
    ),
    (
        "catch-up-retention",
        "platform.md 2.4: the sources keep a message for catch-up from 2 to 20 minutes.",
        "5 minutes in the newest profile, 20 in the documents' one: a client that was away for longer reads App Context.",
    ),
    (
        "shard-rate",
        "10.4 allows 1,000 vote submissions a second and shard.",
        "Each region's broker holds each submit channel to it, as a token bucket of one second.",
    ),
];
