//! What a user's token opens (friends-online.md 9.2).
//!
//! The document grants the own status channel, the own shard, the online count and the own channel group, to read. It does
//! not say on which channel a user asks for friendships and with what right: in the hardened variant on the user's own and no
//! other; in the documented one, whose handlers do not look at who publishes, on any. Reading one's list in App Context
//! takes GET on it (platform.md 2.10).

use std::sync::Arc;

use smallvec::SmallVec;

use super::names;
use crate::access::{Grant, Permissions, Role};
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
}

impl FriendsGrants {
    /// Rules for this many shards; `ttl_minutes` is what tokens get, 1 to 43,200.
    pub fn new(variant: Variant, shards: u32, ttl_minutes: u32) -> Self {
        let write = Permissions::WRITE;
        Self {
            variant,
            shards,
            ttl_minutes,
            session: SESSION.into(),
            global: names::GLOBAL.into(),
            anywhere: [("friend-requests.*".into(), write), ("friend-management.*".into(), write)].into(),
            nothing: Arc::new([]),
        }
    }
}

impl GrantRules for FriendsGrants {
    fn grant(&self, user: &UserId, role: Role, session: &Arc<str>) -> Option<Grant> {
        if *session != self.session || role != Role::User {
            return None;
        }
        let (read, write) = (Permissions::READ, Permissions::WRITE);
        let shard = names::shard_of(user, self.shards);
        let mut channels: SmallVec<_> = [
            (names::presence_channel(shard).into(), read),
            (self.global.clone(), read),
            (names::status_channel(user).into(), read),
            (names::list_channel(user).into(), Permissions::GET),
        ]
        .into_iter()
        .collect();
        let patterns = match self.variant {
            Variant::Documented => self.anywhere.clone(),
            Variant::Hardened => {
                channels.push((names::news_channel(user).into(), read));
                channels.push((names::requests_channel(user).into(), write));
                channels.push((names::management_channel(user).into(), write));
                self.nothing.clone()
            }
        };
        let groups: Vec<(Arc<str>, Permissions)> =
            (0..names::GROUPS_MAX).map(|part| (names::group_part(user, part).into(), read)).collect();
        Some(Grant {
            ttl_minutes: self.ttl_minutes,
            user: user.clone(),
            channels,
            patterns,
            groups: groups.into(),
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
            assert!(!token.allows_group(&names::group("user_000002"), read));
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
