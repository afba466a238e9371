//! Who is a member of which channel: dense records, for hundreds of thousands of voters in one session.
//!
//! A membership takes 40 bytes here and a user with memberships 40 more, 21 bytes of index at most, and 4 to 8 in the
//! channel's list: about 110 bytes beside the text of its `custom`.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::roster::Record;
use crate::chunks::Chunks;
use crate::chunks::index::Index;
use crate::contract::Nanos;
use crate::message::{Channel, UserId};

/// One membership.
#[derive(Debug)]
pub struct Membership {
    pub custom: Arc<str>,
    pub updated: Nanos,
    user: u32,
    channel: u32,
    /// Where it stands in its channel's list.
    place: u32,
}

impl Membership {
    /// What it says.
    pub fn record(&self) -> Record {
        Record { custom: self.custom.clone(), updated: self.updated }
    }
}

#[derive(Debug)]
struct Member {
    id: UserId,
    /// Numbers of memberships; most users have one or two.
    memberships: SmallVec<[u32; 4]>,
}

#[derive(Debug)]
struct Room {
    name: Channel,
    members: Vec<u32>,
}

/// All memberships. Lists are in order of joining, but a leaver's place is taken by the last one.
#[derive(Debug, Default)]
pub struct Memberships {
    records: Chunks<Membership>,
    users: Chunks<Member>,
    user_index: Index,
    rooms: Vec<Room>,
    room_index: FxHashMap<Channel, u32>,
}

impl Memberships {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The membership of a user in a channel.
    pub fn get(&self, user: &str, channel: &str) -> Option<&Membership> {
        self.find(user, channel).map(|at| &self.records[at as usize])
    }

    /// Writes a membership, new or not: `custom` makes the text to write of the one there is. `None` if it makes none;
    /// then nothing has changed.
    pub fn write(
        &mut self,
        user: &UserId,
        channel: &Channel,
        updated: Nanos,
        custom: impl FnOnce(Option<&Arc<str>>) -> Option<Arc<str>>,
    ) -> Option<&Membership> {
        let found = self.find(user, channel);
        let custom = custom(found.map(|at| &self.records[at as usize].custom))?;
        let at = match found {
            Some(at) => {
                let record = &mut self.records[at as usize];
                (record.custom, record.updated) = (custom, updated);
                at
            }
            None => self.add(user, channel, custom, updated),
        };
        Some(&self.records[at as usize])
    }

    fn add(&mut self, user: &UserId, channel: &Channel, custom: Arc<str>, updated: Nanos) -> u32 {
        let at = u32::try_from(self.records.len()).expect("fewer than 2^32 memberships");
        let user = self.user_number(user);
        let room = match self.room_index.get(channel) {
            Some(room) => *room,
            None => {
                let room = self.rooms.len() as u32;
                self.rooms.push(Room { name: channel.clone(), members: Vec::new() });
                self.room_index.insert(channel.clone(), room);
                room
            }
        };
        let members = &mut self.rooms[room as usize].members;
        let place = members.len() as u32;
        members.push(at);
        self.users[user as usize].memberships.push(at);
        self.records.push(Membership { custom, updated, user, channel: room, place });
        at
    }

    /// Removes a membership; whether there was one.
    pub fn remove(&mut self, user: &str, channel: &str) -> bool {
        let Some(at) = self.find(user, channel) else { return false };
        // Out of its channel's list: the last of the list takes its place.
        let Membership { user, channel, place, .. } = self.records[at as usize];
        let members = &mut self.rooms[channel as usize].members;
        members.swap_remove(place as usize);
        if let Some(moved) = members.get(place as usize) {
            self.records[*moved as usize].place = place;
        }
        let own = &mut self.users[user as usize].memberships;
        let position = own.iter().position(|number| *number == at).expect("a user lists own memberships");
        own.remove(position);
        // Out of the records: the last record takes its number.
        self.records.swap_remove(at as usize);
        let last = self.records.len() as u32;
        if let Some(moved) = self.records.get(at as usize) {
            self.rooms[moved.channel as usize].members[moved.place as usize] = at;
            let own = &mut self.users[moved.user as usize].memberships;
            *own.iter_mut().find(|number| **number == last).expect("a user lists own memberships") = at;
        }
        true
    }

    /// A user's memberships: the channels and records from `offset` on, and how many there are in all.
    pub fn of_user(&self, user: &str, offset: usize, max: usize) -> (Vec<(&Channel, &Membership)>, usize) {
        let Some(user) = self.find_user(user) else { return (Vec::new(), 0) };
        let own = &self.users[user as usize].memberships;
        let page = own.iter().skip(offset).take(max).map(|at| {
            let record = &self.records[*at as usize];
            (&self.rooms[record.channel as usize].name, record)
        });
        (page.collect(), own.len())
    }

    /// A channel's members, likewise.
    pub fn of_channel(&self, channel: &str, offset: usize, max: usize) -> (Vec<(&UserId, &Membership)>, usize) {
        let Some(room) = self.room_index.get(channel) else { return (Vec::new(), 0) };
        let members = &self.rooms[*room as usize].members;
        let page = members.iter().skip(offset).take(max).map(|at| {
            let record = &self.records[*at as usize];
            (&self.users[record.user as usize].id, record)
        });
        (page.collect(), members.len())
    }

    /// Every membership's user and channel.
    pub fn iter(&self) -> impl Iterator<Item = (&UserId, &Channel)> {
        let names = |record: &Membership| (record.user as usize, record.channel as usize);
        self.records.iter().map(names).map(|(user, room)| (&self.users[user].id, &self.rooms[room].name))
    }

    fn find(&self, user: &str, channel: &str) -> Option<u32> {
        let room = *self.room_index.get(channel)?;
        let own = &self.users[self.find_user(user)? as usize].memberships;
        own.iter().copied().find(|at| self.records[*at as usize].channel == room)
    }

    fn find_user(&self, user: &str) -> Option<u32> {
        self.user_index.find(user, |at| &*self.users[at].id == user)
    }

    fn user_number(&mut self, user: &UserId) -> u32 {
        if let Some(number) = self.find_user(user) {
            return number;
        }
        let number = self.users.len();
        self.user_index.insert(&**user, number);
        self.users.push(Member { id: user.clone(), memberships: SmallVec::new() });
        number as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::dice::{below, draw};

    #[test]
    fn a_membership_and_its_user_take_80_bytes_of_records() {
        // custom 16 + updated 8 + three numbers 12, padded to 40; id 16 + four numbers inline 24 = 40.
        assert_eq!((size_of::<Membership>(), size_of::<Member>()), (40, 40));
    }

    #[test]
    fn writes_and_removals_in_any_order_agree_with_a_plain_map() {
        let mut memberships = Memberships::default();
        let mut model = BTreeMap::new();
        for step in 0..20_000u64 {
            let user: UserId = format!("u{}", below(60, draw(1, 3 * step))).into();
            let channel: Channel = format!("c{}", below(9, draw(1, 3 * step + 1))).into();
            if below(5, draw(1, 3 * step + 2)) < 3 {
                let custom: Arc<str> = step.to_string().into();
                memberships.write(&user, &channel, step, |_| Some(custom.clone())).unwrap();
                model.insert((user, channel), custom);
            } else {
                let was = memberships.remove(&user, &channel);
                assert_eq!(was, model.remove(&(user, channel)).is_some());
            }
        }
        assert_eq!(memberships.len(), model.len());
        assert!(model.len() > 100);
        for ((user, channel), custom) in &model {
            assert_eq!(&memberships.get(user, channel).unwrap().custom, custom);
        }
        for n in 0..9 {
            let channel = format!("c{n}");
            let (members, total) = memberships.of_channel(&channel, 0, usize::MAX);
            let mut users: Vec<_> = members.iter().map(|(user, _)| (*user).clone()).collect();
            users.sort();
            let wanted: Vec<_> = model.keys().filter(|key| *key.1 == *channel).map(|key| key.0.clone()).collect();
            assert_eq!((users, total), (wanted.clone(), wanted.len()));
        }
        for n in 0..60 {
            let user = format!("u{n}");
            let wanted = model.keys().filter(|key| *key.0 == *user).count();
            assert_eq!(memberships.of_user(&user, 0, usize::MAX).1, wanted);
        }
    }
}
