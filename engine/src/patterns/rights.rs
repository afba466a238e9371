//! What the users of a pattern may do, where all have the same rights, or all of a kind: channels, patterns, and channels of
//! their own.

use std::sync::Arc;

use crate::access::{Grant, OwnNames, Permissions, Role};
use crate::auth::GrantRules;
use crate::message::UserId;

/// The same rights for every user, in the role [`Role::User`].
#[derive(Clone, Debug)]
pub struct Rights {
    session: Arc<str>,
    ttl_minutes: u32,
    patterns: Arc<[(Arc<str>, Permissions)]>,
    own: Arc<OwnNames>,
}

impl Rights {
    /// Tokens of `ttl_minutes` (1 to 43,200) for who logs in under `session`, the pattern's word. `patterns` are names or
    /// `name.*`; `own` are channels by what stands before the user's id.
    pub fn new(session: &str, ttl_minutes: u32, patterns: &[(&str, Permissions)], own: &[(&str, Permissions)]) -> Self {
        let names = |names: &[(&str, Permissions)]| names.iter().map(|(name, may)| ((*name).into(), *may)).collect();
        let channels: Vec<(Arc<str>, Permissions)> = names(own);
        Self {
            session: session.into(),
            ttl_minutes,
            patterns: names(patterns).into(),
            own: Arc::new(OwnNames { channels, groups: Vec::new() }),
        }
    }
}

impl GrantRules for Rights {
    fn grant(&self, user: &UserId, role: Role, session: &Arc<str>) -> Option<Grant> {
        (role == Role::User && *session == self.session).then(|| Grant {
            ttl_minutes: self.ttl_minutes,
            user: user.clone(),
            channels: Default::default(),
            patterns: self.patterns.clone(),
            own: self.own.clone(),
            role,
            session: self.session.clone(),
        })
    }
}

/// Which kind a user is of, by the id.
type KindOf = dyn Fn(&str) -> Option<usize> + Send;

/// Rights that depend on which of some kinds a user is of.
pub struct RightsByKind {
    kinds: Vec<Rights>,
    kind_of: Box<KindOf>,
}

impl RightsByKind {
    /// `kind_of` says by the user's id which of `kinds` it is of, from 0; `None`: the user is unknown.
    pub fn new(kinds: impl Into<Vec<Rights>>, kind_of: impl Fn(&str) -> Option<usize> + Send + 'static) -> Self {
        Self { kinds: kinds.into(), kind_of: Box::new(kind_of) }
    }
}

impl GrantRules for RightsByKind {
    fn grant(&self, user: &UserId, role: Role, session: &Arc<str>) -> Option<Grant> {
        self.kinds[(self.kind_of)(user)?].grant(user, role, session)
    }
}
