//! Access Manager: tokens that say who may read and write what, until when.
//!
//! A real token is CBOR with an HMAC-SHA256 signature; here it is the same fields as plain data with a keyed
//! SipHash-2-4 over them in the signature's place: a client cannot make one that verifies.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::contract::Nanos;
use crate::message::{Channel, UserId};

/// What a user is in a session (voting.md 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Host,
    Participant,
    Viewer,
    Auditor,
}

/// Permission bits (platform.md 2.10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(pub u8);

impl Permissions {
    pub const READ: Self = Self(1);
    pub const WRITE: Self = Self(2);
    pub const MANAGE: Self = Self(4);
    pub const DELETE: Self = Self(8);
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
    /// `meta.role`.
    pub role: Role,
    /// `meta.sessionId`.
    pub session: Arc<str>,
}

/// A signed grant.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub grant: Grant,
    /// When it was issued, by the access manager's clock.
    pub issued: Nanos,
    pub signature: u64,
}
