//! Objects that were there before the run began.
//!
//! Half a million users with 500 friends each are 250 million memberships. Nobody keeps those as records: they are a
//! [`Provision`], data from elsewhere whose ids and texts follow formulas, and the store holds only what was written or
//! deleted since. An object that nobody wrote takes no memory here but its place in the indexes that were asked for.

use std::fmt::Debug;
use std::sync::Arc;

use serde_json::Value;

use super::object::Parts;
use crate::message::{Channel, UserId};

/// Users and lists (channels whose members are users), numbered from 0, and made by formula when they are first read.
pub trait Provision: Debug + Send + Sync {
    /// How many users: numbers `0 .. users()`.
    fn users(&self) -> u32;
    /// The id of a user, for a number below [`Provision::users`]. No two are the same.
    fn user_id(&self, user: u32) -> UserId;
    /// The number of a user; `None` if the provision does not know it.
    fn user_number(&self, id: &str) -> Option<u32>;
    /// A user's object as the patch that would have made it: JSON text without `uuid`.
    fn user_body(&self, user: u32) -> String;
    /// How many lists: numbers `0 .. lists()`.
    fn lists(&self) -> u32;
    /// The channel of a list, for a number below [`Provision::lists`]. No two are the same.
    fn list_channel(&self, list: u32) -> Channel;
    /// The number of the list with this channel; `None` if the provision does not know it.
    fn list_number(&self, channel: &str) -> Option<u32>;
    /// A list's object as the patch that would have made it: JSON text without `channel`.
    fn list_body(&self, list: u32) -> String;
    /// How many members a list has.
    fn members_len(&self, list: u32) -> usize;
    /// A page of a list's members as numbers of users, in the list's order, each once: those from the `offset`-th on, at
    /// most `max`.
    fn members(&self, list: u32, offset: usize, max: usize) -> Vec<u32>;
    /// Whether a user is a member of a list.
    fn is_member(&self, list: u32, user: u32) -> bool;
    /// The lists that a user is a member of, each once.
    fn lists_of(&self, user: u32) -> Vec<u32>;
    /// The `custom` of a membership: a JSON object without nulls.
    fn membership_custom(&self, list: u32, user: u32) -> String;

    /// What [`Provision::user_body`] has in `custom.{field}`, null if there is nothing. Indexes are made of it: a
    /// provision with many users says it without making the text.
    fn user_field(&self, user: u32, field: &str) -> Value {
        custom_field(&self.user_body(user), field)
    }

    /// What [`Provision::list_body`] has in `custom.{field}`, likewise.
    fn list_field(&self, list: u32, field: &str) -> Value {
        custom_field(&self.list_body(list), field)
    }

    /// What the store's column (see [`super::AppContext::with_column`]) makes of the user's object, for a provision
    /// that knows it without making the text. `None`: the store shall make it of the text.
    fn user_column(&self, user: u32) -> Option<u64> {
        let _ = user;
        None
    }

    /// Whether memberships of a list have another number than 0: what the store makes of their `custom`
    /// ([`super::AppContext::with_member_number`]).
    fn has_member_numbers(&self, list: u32) -> bool {
        let _ = list;
        false
    }

    /// That number of a membership, of a list that has them.
    fn member_number(&self, list: u32, user: u32) -> u64 {
        let _ = (list, user);
        0
    }
}

fn custom_field(body: &str, field: &str) -> Value {
    let parts = Parts::of_patch(body);
    let value = parts.as_ref().and_then(|parts| parts.custom()?.get(field));
    value.and_then(|value| serde_json::from_str(value).ok()).unwrap_or_default()
}

/// What a provision has of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Users,
    Channels,
}

/// The provisioned objects of one kind; of a store without a provision, none.
#[derive(Clone, Debug)]
pub(super) struct Base {
    kind: Kind,
    provision: Option<Arc<dyn Provision>>,
}

impl Base {
    pub fn new(kind: Kind, provision: Option<Arc<dyn Provision>>) -> Self {
        Self { kind, provision }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How many: numbers `0 .. len()`.
    pub fn len(&self) -> u32 {
        self.provision.as_ref().map_or(0, |provision| match self.kind {
            Kind::Users => provision.users(),
            Kind::Channels => provision.lists(),
        })
    }

    /// The number of an id.
    pub fn number(&self, id: &str) -> Option<u32> {
        let provision = self.provision.as_ref()?;
        match self.kind {
            Kind::Users => provision.user_number(id),
            Kind::Channels => provision.list_number(id),
        }
    }

    /// The id of a number below [`Base::len`].
    pub fn id(&self, number: u32) -> Arc<str> {
        match self.kind {
            Kind::Users => self.provision().user_id(number),
            Kind::Channels => self.provision().list_channel(number),
        }
    }

    /// The patch that would have made the object.
    pub fn patch(&self, number: u32) -> String {
        match self.kind {
            Kind::Users => self.provision().user_body(number),
            Kind::Channels => self.provision().list_body(number),
        }
    }

    /// `custom.{field}` as JSON, as it was before anybody wrote the object.
    pub fn field(&self, number: u32, field: &str) -> Value {
        match self.kind {
            Kind::Users => self.provision().user_field(number, field),
            Kind::Channels => self.provision().list_field(number, field),
        }
    }

    fn provision(&self) -> &dyn Provision {
        self.provision.as_deref().expect("only a provision gives numbers")
    }
}
