//! Access Manager: tokens that say who may read and write what, until when.
//!
//! A real token is CBOR with an HMAC-SHA256 signature; here it is the same fields as plain data with a keyed
//! SipHash-1-3 over them in the signature's place: a client cannot make one that verifies.

mod manager;
mod verifier;

pub use manager::{AccessCounts, AccessManager, AccessOptions};
pub use verifier::Verifier;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::contract::{MINUTE, Nanos};
use crate::message::{Channel, UserId};
use crate::planted::{Bug, has};

/// What a user is: in a vote (voting.md 8.1), or among friends (friends-online.md 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Host,
    Participant,
    Viewer,
    Auditor,
    User,
}

/// Permission bits (platform.md 2.10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(pub u8);

impl Permissions {
    pub const READ: Self = Self(1);
    pub const WRITE: Self = Self(2);
    pub const MANAGE: Self = Self(4);
    pub const DELETE: Self = Self(8);
    pub const CREATE: Self = Self(16);
    pub const GET: Self = Self(32);
    pub const UPDATE: Self = Self(64);
    pub const JOIN: Self = Self(128);

    /// Whether every bit of `wanted` is granted.
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// Both sets of bits.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a server asks the access manager to grant.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Minutes, 1 to 43,200.
    pub ttl_minutes: u32,
    /// `authorized_uuid`: the only user who can use the token.
    pub user: UserId,
    /// Exact channel names.
    pub channels: SmallVec<[(Channel, Permissions); 4]>,
    /// Patterns, `name.*`.
    pub patterns: Arc<[(Arc<str>, Permissions)]>,
    /// Names that end in the user's own id.
    pub own: Arc<OwnNames>,
    /// `meta.role`.
    pub role: Role,
    /// `meta.sessionId`.
    pub session: Arc<str>,
}

/// Names that end in the user's own id, by what comes before it: `status.` stands for `status.{user}`. As good as a list of
/// exact names, and every user's token can share it: half a million tokens of 17 names each are 400 MB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnNames {
    pub channels: Vec<(Arc<str>, Permissions)>,
    /// Channel groups: the plain name, and its parts `{prefix}{user}-{number}`, as the pattern `^{prefix}{user}(-[0-9]+)?$` of
    /// a real grant has it.
    pub groups: Vec<(Arc<str>, Permissions)>,
}

/// A signed grant.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub grant: Grant,
    /// When it was issued, by the access manager's clock.
    pub issued: Nanos,
    pub signature: u64,
}

impl Token {
    /// When it stops being valid, by the clock it was issued by.
    pub fn expires(&self) -> Nanos {
        self.issued.saturating_add(u64::from(self.grant.ttl_minutes) * MINUTE)
    }

    /// What the token allows on a channel. An exact name decides alone, even when it grants nothing; else every
    /// pattern that matches adds what it grants. A wildcard `a.*` is a name like others, and a pattern over its channels is
    /// one over it; but it is nobody's own name.
    pub fn permissions_on(&self, channel: &str) -> Permissions {
        if let Some((_, permissions)) = self.grant.channels.iter().find(|(name, _)| &**name == channel) {
            return *permissions;
        }
        let own = |name: &str| channel.strip_prefix(name).is_some_and(|rest| *rest == *self.grant.user && rest != "*");
        if let Some((_, permissions)) = self.grant.own.channels.iter().find(|(name, _)| own(name)) {
            return *permissions;
        }
        let matching = self.grant.patterns.iter().filter(|(pattern, _)| matches(pattern, channel));
        matching.fold(Permissions::default(), |all, (_, permissions)| all.and(*permissions))
    }

    /// Whether the token allows all of `wanted` on a channel group.
    pub fn allows_group(&self, group: &str, wanted: Permissions) -> bool {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let own = |name: &str| {
            let rest = group.strip_prefix(name).and_then(|rest| rest.strip_prefix(&*self.grant.user));
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(digits))
        };
        self.grant.own.groups.iter().any(|(name, permissions)| permissions.contains(wanted) && own(name))
    }

    /// Whether the token allows all of `wanted` on a channel.
    pub fn allows(&self, channel: &str, wanted: Permissions) -> bool {
        self.permissions_on(channel).contains(wanted) || has(Bug::TokensOpenEverything)
    }
}

/// Whether `name.*` covers the channel: something must follow the dot.
fn matches(pattern: &str, channel: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => channel.len() > prefix.len() && channel.starts_with(prefix),
        None => pattern == channel,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// voting.md 8.2, the host's token: exact names and patterns.
    pub(crate) fn host_grant() -> Grant {
        let read = Permissions::READ;
        Grant {
            ttl_minutes: 60,
            user: "host_user_123".into(),
            channels: [
                ("vote-control.abc123".into(), read.and(Permissions::WRITE)),
                ("vote-results.abc123".into(), read),
                ("vote-submit.abc123".into(), Permissions::default()),
            ]
            .into_iter()
            .collect(),
            patterns: [("vote-control.*".into(), read), ("vote-results.*".into(), read)].into(),
            own: Arc::default(),
            role: Role::Host,
            session: "abc123".into(),
        }
    }

    #[test]
    fn an_exact_name_decides_and_patterns_cover_the_rest() {
        let token = Token { grant: host_grant(), issued: 0, signature: 0 };
        assert!(token.allows("vote-control.abc123", Permissions::READ.and(Permissions::WRITE)));
        assert!(token.allows("vote-control.other", Permissions::READ));
        assert!(!token.allows("vote-control.other", Permissions::WRITE));
        assert!(!token.allows("vote-submit.abc123", Permissions::READ));
        assert!(!token.allows("vote-submit.abc123-shard-1", Permissions::WRITE));
        assert!(!token.allows("vote-control.", Permissions::READ) && !token.allows("vote-control", Permissions::READ));
    }
}
