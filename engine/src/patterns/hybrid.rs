//! Clients and servers that publish on channels of their own (integration-patterns.md, pattern 3). There is no handler: the whole
//! pattern is what tokens open.
//!
//! `documented` grants the example's token: chat, announcements, the game and the inbox. It leaves out what the pattern's own list
//! of channels has users write (comments, typing) and what it has the server write for them (payments, moderation). `hardened`
//! grants all of that list, and nothing else: who reads what a server writes is whom it is for.

use std::sync::Arc;

use super::Variant;
use crate::access::{Grant, OwnNames, Permissions, Role};
use crate::auth::GrantRules;
use crate::message::UserId;

/// Where the document contradicts itself or the platform: id, what it says, the reading taken.
pub const READINGS: &[(&str, &str, &str)] = &[
    (
        "listed-and-not-granted",
        "Pattern 3 lists comments and typing indicators among what clients publish; its token opens neither.",
        "Documented grants the token as it stands: both are refused. Hardened grants what is listed.",
    ),
    (
        "published-for-nobody",
        "Pattern 3 has the server publish payments and moderation; its token lets nobody read them.",
        "Documented does so. Hardened lets users read their own payments and their own room's moderation.",
    ),
    (
        "an-inbox-from-nowhere",
        "Pattern 3's token reads an inbox that its list of channels does not have.",
        "The server writes it, in both variants.",
    ),
    (
        "a-secret-key-is-no-token",
        "Pattern 3's server has the secret key and no restriction.",
        "The server logs in as others do, and its token opens every channel of the pattern.",
    ),
];

/// What channels begin with; then comes a room, a post, a user or a game, and nothing after [`ANNOUNCEMENT`].
pub const CHAT: &str = "chat.room.";
pub const COMMENT: &str = "comment.post.";
pub const TYPING: &str = "typing.room.";
pub const ANNOUNCEMENT: &str = "system.announcement";
pub const PAYMENT: &str = "payment.confirmed.";
pub const GAME: &str = "game.state.";
pub const MODERATION: &str = "moderation.action.";
pub const INBOX: &str = "inbox.";

/// Where a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A server, which is everywhere.
    Server,
    /// A user in this room, who plays this game.
    User { room: u32, game: u32 },
}

/// The customer's own books: where the user with this id is.
pub type Books = Box<dyn Fn(&str) -> Option<Place> + Send>;

/// Tokens by the customer's own books.
pub struct HybridRights {
    variant: Variant,
    ttl_minutes: u32,
    place_of: Books,
    server: Arc<[(Arc<str>, Permissions)]>,
    users: Arc<[(Arc<str>, Permissions)]>,
    own: Arc<OwnNames>,
}

impl HybridRights {
    /// Tokens of `ttl_minutes`; `place_of` says where a user is, by the id.
    pub fn new(variant: Variant, ttl_minutes: u32, place_of: Books) -> Self {
        let both = Permissions::READ.and(Permissions::WRITE);
        let families = [CHAT, COMMENT, TYPING, PAYMENT, GAME, MODERATION, INBOX];
        let everything = families.map(|family| format!("{family}*")).into_iter().chain([ANNOUNCEMENT.to_owned()]);
        let (users, own): (&[_], &[_]) = match variant {
            Variant::Documented => (&[], &[INBOX]),
            Variant::Hardened => (&[("comment.post.*", both)], &[INBOX, PAYMENT]),
        };
        Self {
            variant,
            ttl_minutes,
            place_of,
            server: everything.map(|pattern| (pattern.into(), both)).collect(),
            users: users.iter().map(|(pattern, may)| ((*pattern).into(), *may)).collect(),
            own: Arc::new(OwnNames {
                channels: own.iter().map(|family| ((*family).into(), Permissions::READ)).collect(),
                groups: Vec::new(),
            }),
        }
    }
}

impl GrantRules for HybridRights {
    fn grant(&self, user: &UserId, role: Role, session: &Arc<str>) -> Option<Grant> {
        let place = (self.place_of)(user).filter(|_| role == Role::User && **session == *"hybrid")?;
        let (read, both) = (Permissions::READ, Permissions::READ.and(Permissions::WRITE));
        let (channels, patterns) = match place {
            Place::Server => (Vec::new(), &self.server),
            Place::User { room, game } => {
                let mut channels = vec![
                    (format!("{CHAT}{room}"), both),
                    (ANNOUNCEMENT.to_owned(), read),
                    (format!("{GAME}{game}"), read),
                ];
                if self.variant == Variant::Hardened {
                    channels.push((format!("{TYPING}{room}"), both));
                    channels.push((format!("{MODERATION}{room}"), read));
                }
                (channels, &self.users)
            }
        };
        Some(Grant {
            ttl_minutes: self.ttl_minutes,
            user: user.clone(),
            channels: channels.into_iter().map(|(channel, may)| (channel.into(), may)).collect(),
            patterns: patterns.clone(),
            own: self.own.clone(),
            role,
            session: session.clone(),
        })
    }
}
