//! What a user's token opens (friends-online.md 9.2).
//!
//! The document grants the own status channel, the own shard, the online count and the own channel group, to read. It does
//! not say on which channel a user asks for friendships and with what right: in the hardened variant on the user's own and no
//! other; in the documented one, whose handlers do not look at who publishes, on any. Reading one's list in App Context
//! takes GET on it (platform.md 2.10).

use std::sync::Arc;

use super::names;
use crate::access::{Grant, OwnNames, Permissions, Role};
use crate::auth::GrantRules;
use crate::message::UserId;
use crate::patterns::Variant;

/// The `session` under which users of this pattern log in.
pub const SESSION: &str = "friends";

/// Who gets what.
#[derive(Clone, Debug)]
pub struct FriendsGrants {
    variant: Variant,
    shards: u32,
    ttl_minutes: u32,
    session: Arc<str>,
    global: Arc<str>,
    anywhere: Arc<[(Arc<str>, Permissions)]>,
    nothing: Arc<[(Arc<str>, Permissions)]>,
    own: Arc<OwnNames>,
    /// By shard.
    presence: Vec<Arc<str>>,
}

impl FriendsGrants {
    /// Rules for this many shards; `ttl_minutes` is what tokens get, 1 to 43,200.
    pub fn new(variant: Variant, shards: u32, ttl_minutes: u32) -> Self {
        let (read, write) = (Permissions::READ, Permissions::WRITE);
        // What a name is before the user's id.
        let prefix = |name: fn(&str) -> String| Arc::<str>::from(name(""));
        let mut channels = vec![(prefix(names::status_channel), read), (prefix(names::list_channel), Permissions::GET)];
        if variant == Variant::Hardened {
            channels.push((prefix(names::news_channel), read));
            channels.push((prefix(names::requests_channel), write));
            channels.push((prefix(names::management_channel), write));
        }
        Self {
            variant,
            shards,
            ttl_minutes,
            session: SESSION.into(),
            global: names::GLOBAL.into(),
            anywhere: [("friend-requests.*".into(), write), ("friend-management.*".into(), write)].into(),
            nothing: Arc::new([]),
            own: Arc::new(OwnNames { channels, groups: vec![(prefix(names::group), read)] }),
            presence: (0..shards).map(|shard| names::presence_channel(shard).into()).collect(),
        }
    }
}

impl GrantRules for FriendsGrants {
    fn grant(&self, user: &UserId, role: Role, session: &Arc<str>) -> Option<Grant> {
        if *session != self.session || role != Role::User {
            return None;
        }
        let (read, shard) = (Permissions::READ, names::shard_of(user, self.shards));
        let shard = self.presence[shard as usize].clone();
        let patterns = match self.variant {
            Variant::Documented => &self.anywhere,
            Variant::Hardened => &self.nothing,
        };
        Some(Grant {
            ttl_minutes: self.ttl_minutes,
            user: user.clone(),
            channels: [(shard, read), (self.global.clone(), read)].into_iter().collect(),
            patterns: patterns.clone(),
            own: self.own.clone(),
            role,
            session: self.session.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Verifier;

    const USER: &str = "user_000001";

    #[test]
    fn a_user_reads_its_own_and_writes_no_status() {
        for variant in [Variant::Documented, Variant::Hardened] {
            let rules = FriendsGrants::new(variant, 10, 60);
            let grant = rules.grant(&USER.into(), Role::User, &SESSION.into()).expect("a user");
            let token = Verifier::new(1).sign(grant, 0);
            let (read, write) = (Permissions::READ, Permissions::WRITE);
            assert!(
                token.allows(&names::status_channel(USER), read) && !token.allows(&names::status_channel(USER), write)
            );
            assert!(token.allows_group(&names::group(USER), read));
            assert!(!token.allows_group(&names::group(USER), Permissions::MANAGE));
            assert!(token.allows_group(&names::group_part(USER, 9), read));
            for foreign in ["user_000002", "user_0000011", "user_000001x", "user_000001-", "user_000001-x", ""] {
                assert!(!token.allows_group(&names::group(foreign), read), "{foreign}");
            }
            let other_shard = (names::shard_of(USER, 10) + 1) % 10;
            assert!(!token.allows(&names::presence_channel(other_shard), read));
            // In another's name only where nobody looks.
            let others = token.allows(&names::requests_channel("user_000002"), write);
            assert_eq!(others, variant == Variant::Documented);
        }
        let rules = FriendsGrants::new(Variant::Hardened, 10, 60);
        assert!(rules.grant(&USER.into(), Role::Host, &SESSION.into()).is_none());
    }
}
