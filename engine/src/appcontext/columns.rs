//! A number of each user that listings of members carry: what a client needs of the user's object, ready made.

use rustc_hash::FxHashMap;

use super::finder::Place;
use crate::message::UserId;

/// Makes a user's number of the text of the user's object, or a membership's of its `custom`.
pub(super) type Column = fn(&str) -> u64;

/// The column of every user that has an object; 0 for the others.
#[derive(Debug)]
pub(super) struct Columns {
    column: Column,
    /// Of provisioned users, by number.
    numbered: Vec<u64>,
    /// Of other users.
    named: FxHashMap<UserId, u64>,
}

impl Columns {
    /// Those of the provisioned users as they were provided.
    pub fn new(column: Column, numbered: Vec<u64>) -> Self {
        Self { column, numbered, named: FxHashMap::default() }
    }

    /// A user's object has this text now; `None`: it was deleted.
    pub fn set(&mut self, place: &Place, body: Option<&str>) {
        let value = body.map(self.column);
        match place {
            Place::Numbered(number) => self.numbered[*number as usize] = value.unwrap_or(0),
            Place::Named(id) => match value {
                Some(value) => _ = self.named.insert(id.clone(), value),
                None => _ = self.named.remove(id),
            },
        }
    }

    /// Of a provisioned user.
    pub fn numbered(&self, user: u32) -> u64 {
        self.numbered[user as usize]
    }

    /// Of another user.
    pub fn named(&self, user: &str) -> u64 {
        self.named.get(user).copied().unwrap_or(0)
    }
}
