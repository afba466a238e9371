//! Server-authoritative voting: clients submit, the customer's server counts and publishes (integration-patterns.md, pattern 2).
//!
//! `documented` listens, knows a vote again by its event's id, and publishes a tally after each vote. A server that starts
//! anew listens from then on: what was published while it was down is gone, and nobody learns of it. `hardened` is the same
//! server with a place: see [`Server`].

mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::server::{Books, Gap, Server, ServerConfig};
use super::rights::{Rights, RightsByKind};
use crate::access::Permissions;

/// The server's own user.
pub const SERVER: &str = "vote-server";
/// The word of the session under which everybody logs in.
const SESSION: &str = "authority";

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "the-secret-key",
        "Pattern 2's server uses the keyset's secret and needs no token.",
        "Here it logs in as everybody does, and its token alone opens submissions to read and results to write.",
    ),
    (
        "what-a-duplicate-is",
        "Pattern 2 looks for the event's id, which the client makes anew for each submission.",
        "Documented does so: whoever submits twice votes twice. Hardened counts one vote of a user in a session, the first.",
    ),
    (
        "where-the-server-begins",
        "Pattern 2's server subscribes when it starts; that what was published before is not delivered is not said.",
        "Documented begins at the end. Hardened begins at the cursor that it stored with the last votes.",
    ),
    (
        "a-wildcard-for-a-server",
        "Pattern 2 subscribes to vote-submit.* and hears every session on one connection, whose queue holds 100 messages \
         (platform.md 2.4).",
        "Both do so. Hardened says so when as many have come at once that some may have been discarded.",
    ),
];

/// Where a session's votes are submitted.
pub fn submit_channel(session: u32) -> String {
    format!("vote-submit.session{session}")
}

/// Where a session's tallies are published.
pub fn result_channel(session: &str) -> String {
    format!("vote-result.{session}")
}

/// A vote as it is submitted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    /// `vote.submit`
    #[serde(rename = "type")]
    pub kind: String,
    pub schema_version: String,
    pub event_id: String,
    pub payload: Choice,
}

/// What was chosen.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    pub option_id: String,
}

/// A tally as it is published.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// `vote.tally`
    #[serde(rename = "type")]
    pub kind: String,
    pub session_id: String,
    pub options: BTreeMap<String, u64>,
    pub total_votes: u64,
    /// Grows with each change: of two tallies the one with the larger number is the newer. The document's has none.
    #[serde(default)]
    pub version: u64,
    /// Whether votes may be missing: more may have come at once than a queue holds, or its memory may have been lost.
    #[serde(default)]
    pub incomplete: bool,
}

/// What tokens of `ttl_minutes` open: voters submit and read results; the server reads submissions and publishes results.
pub fn rights(ttl_minutes: u32) -> RightsByKind {
    let (read, write) = (Permissions::READ, Permissions::WRITE);
    let rights = |submit, result| {
        Rights::new(SESSION, ttl_minutes, &[("vote-submit.*", submit), ("vote-result.*", result)], &[])
    };
    RightsByKind::new([rights(write, read), rights(read, write)], |user| Some(usize::from(user == SERVER)))
}
