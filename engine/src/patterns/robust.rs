//! A robust client: it reconnects with backoff, gets a new token when the old one is refused, and says so when it gives up
//! (integration-patterns.md, best practices 4).
//!
//! Nothing runs on the platform here; what the client does is what is looked at.
//!
//! **The hardened client** takes silence for a failure as it takes an error, waits at random between half of the document's wait and
//! all of it so that those who lost their connection together do not come back together, and counts a token that it cannot
//! get as a failed attempt. So it is always in one of three states: connected, with an attempt to come, or having said that
//! it gave up; and between two attempts there is at most the longest wait and the time of a call.

use serde::{Deserialize, Serialize};

use super::rights::Rights;
use crate::access::Permissions;

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "a-timeout-is-a-warning",
        "Best practice 4 reconnects on network issues and only logs a timeout.",
        "Documented reconnects when a connection is lost or refused, and does nothing more when a subscribe is not answered. \
         Hardened takes both alike.",
    ),
    (
        "a-refresh-that-fails",
        "Best practice 4 logs a refresh that fails, and neither tries again nor gives up.",
        "Documented does so: the client stands still and says nothing. Hardened counts it as an attempt.",
    ),
    (
        "two-to-the-first",
        "Best practice 4 counts an attempt before it computes the wait: the first wait is 2 s, not the 1 s that is doubled.",
        "Both variants wait as it computes; hardened at least half as long.",
    ),
];

/// A message to a room.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Line {
    /// Which of the senders' messages this is.
    pub number: u32,
}

/// A room's channel.
pub fn room(room: u32) -> String {
    format!("chat.room{room}")
}

/// What a user's token opens.
pub fn rights(ttl_minutes: u32) -> Rights {
    Rights::new("robust", ttl_minutes, &[("chat.*", Permissions::READ.and(Permissions::WRITE))], &[])
}
