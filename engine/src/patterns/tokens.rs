//! Token authentication: login, grant, refresh, revocation (integration-patterns.md, pattern 1).
//!
//! Nothing runs on the platform here: clients log in at the customer's auth server, which asks the access manager. What is
//! `documented` and what `hardened` lies in what the client does with a refresh that fails, and in what a goodbye revokes:
//! [`logout_rule`].
//!
//! **Why a goodbye revokes every token.** A refresh gives a new token and ends no old one: until it expires, whoever has a copy
//! of the one before may use it. Only the auth server knows all that it has handed over; it keeps them durably, revokes them all,
//! says so only when the access manager has each, and hands over nothing that was asked for before the goodbye.
//!
//! **Why nothing is lost across a refresh.** The client subscribes with the new token from its cursor, on the connection that it
//! has, and tries again until the edge has answered: what was published in between comes from the cursor, or comes twice.

use serde::{Deserialize, Serialize};

use super::Variant;
use super::rights::{Rights, RightsByKind};
use crate::access::Permissions;
use crate::auth::LogoutRule;

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "who-may-refresh",
        "Pattern 1's refresh takes a user's id from the body and asks for nothing else.",
        "Logging in is not modelled: in both variants a refresh gives a token to the user who asks, and to nobody else.",
    ),
    (
        "five-minutes-of-one",
        "Pattern 1 refreshes five minutes before the end; the security principles allow tokens of 10 minutes, the platform of one.",
        "How long before is a setting; a token is never refreshed before a tenth of its life is over.",
    ),
    (
        "a-refresh-that-fails",
        "Pattern 1 logs a refresh that fails; its timer comes back after as long as the first time, when the token has expired.",
        "Documented does so. Hardened tries again every 10 s.",
    ),
    (
        "what-a-goodbye-revokes",
        "Pattern 1's client destroys itself without revoking; the table of best practices revokes the token on logout. Tokens \
         from before a refresh live on.",
        "Documented revokes the token that the client shows. Hardened revokes all.",
    ),
];

/// A message to a team.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Note {
    /// Which of the senders' messages this is.
    pub number: u32,
}

/// A team's channel.
pub fn team_channel(team: u32) -> String {
    format!("team.{team}")
}

/// A user's own channel.
pub fn inbox(user: &str) -> String {
    format!("inbox.{user}")
}

/// What a goodbye revokes.
pub fn logout_rule(variant: Variant) -> LogoutRule {
    match variant {
        Variant::Documented => LogoutRule::Shown,
        Variant::Hardened => LogoutRule::All,
    }
}

/// What tokens of `ttl_minutes` open, to read and write: the channel of the own team, the lobby and the own inbox. Users are
/// dealt out to so many teams; `number` reads a user's number from the id.
pub fn rights(ttl_minutes: u32, teams: u32, number: fn(&str) -> Option<u32>) -> RightsByKind {
    let both = Permissions::READ.and(Permissions::WRITE);
    let of_team = |team| {
        let open = [("public.lobby", both), (&*team_channel(team), both)];
        Rights::new("tokens", ttl_minutes, &open, &[(&inbox(""), both)])
    };
    RightsByKind::new(Vec::from_iter((0..teams).map(of_team)), move |user| Some((number(user)? % teams) as usize))
}
