//! What every user of a pattern may do, where all have the same rights: channels, patterns, and channels of their own.

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
