//! Who is logged in: which tokens each user holds, so that a goodbye can revoke them all. Durable, as the customer's own
//! database is.

use std::collections::BTreeMap;

use crate::access::Token;
use crate::contract::Nanos;
use crate::message::UserId;

/// What a goodbye revokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutRule {
    /// The token that the user shows, and no other (integration-patterns.md, token management: revoke on logout).
    Shown,
    /// Every token of the user's that has not expired; and what has been asked for and not granted is not handed over.
    All,
}

/// A user's tokens, and how often it has said goodbye.
#[derive(Debug, Default)]
struct Held {
    tokens: Vec<(Nanos, u64)>,
    goodbyes: u32,
}

/// Everybody's tokens; nothing is kept where a goodbye revokes only what is shown.
#[derive(Debug)]
pub(super) struct Sessions {
    rule: LogoutRule,
    held: BTreeMap<UserId, Held>,
}

impl Sessions {
    pub fn new(rule: LogoutRule) -> Self {
        Self { rule, held: BTreeMap::new() }
    }

    /// How often the user has said goodbye.
    pub fn goodbyes(&self, user: &UserId) -> u32 {
        self.held.get(user).map_or(0, |held| held.goodbyes)
    }

    /// The user has this token from now on; expired ones are forgotten.
    pub fn hold(&mut self, now: Nanos, token: &Token) {
        if self.rule == LogoutRule::All {
            let held = self.held.entry(token.grant.user.clone()).or_default();
            held.tokens.retain(|(expires, _)| *expires > now);
            held.tokens.push((token.expires(), token.signature));
        }
    }

    /// The user says goodbye: the signatures to revoke, the same ones each time until they are [`Sessions::revoked`].
    pub fn leave(&mut self, token: &Token) -> Vec<u64> {
        let mut signatures = vec![token.signature];
        if self.rule == LogoutRule::All {
            let held = self.held.entry(token.grant.user.clone()).or_default();
            held.goodbyes += 1;
            signatures.extend(held.tokens.iter().map(|(_, signature)| *signature));
            signatures.sort_unstable();
            signatures.dedup();
        }
        signatures
    }

    /// The access manager has it.
    pub fn revoked(&mut self, user: &UserId, revoked: u64) {
        if let Some(held) = self.held.get_mut(user) {
            held.tokens.retain(|(_, signature)| *signature != revoked);
        }
    }
}
