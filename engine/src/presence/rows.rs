//! Who is on which channel, densely: users and channels are numbers, and a user on a channel is one row of 32 bytes.
//!
//! A row is found through its user, who is on few channels: a sorted list of (channel, row) in the user's own entry. A
//! row stands in its channel's list in the order of joining.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use crate::chunks::Chunks;
use crate::contract::Nanos;
use crate::message::{Channel, UserId};

/// No row, no bucket.
pub(super) const NONE: u32 = u32::MAX;

/// The user is on the channel.
pub(super) const HERE: u8 = 1;
/// Whoever reads the events takes the user to be on the channel.
pub(super) const ANNOUNCED: u8 = 2;
/// The user left, and the debounce has not passed yet.
pub(super) const HELD: u8 = 4;
/// The row is on its channel's list of what changed in this interval.
pub(super) const PENDING: u8 = 8;
/// The user's latest departure was a timeout.
pub(super) const TIMED_OUT: u8 = 16;

/// One user on one channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// While here: when the user times out. While held: when the debounce has passed.
    pub deadline: Nanos,
    pub user: u32,
    pub channel: u32,
    /// The bucket in which this row's place is looked at next, [`NONE`] if in none. It outlives the row's user, as the
    /// bucket holds the place and not the user.
    pub queued: u32,
    before: u32,
    after: u32,
    pub flags: u8,
}

impl Row {
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

#[derive(Debug)]
struct User {
    id: UserId,
    /// (channel, row), by channel.
    rows: SmallVec<[(u32, u32); 2]>,
}

/// A channel with at least one row.
#[derive(Debug)]
pub(super) struct Room {
    pub name: Channel,
    /// Users here.
    pub occupancy: u32,
    /// Since when the channel is in interval mode.
    pub interval_since: Option<Nanos>,
    /// What changed in this interval, in order of the first change.
    pub pending: Vec<u32>,
    first: u32,
    last: u32,
    rows: u32,
}

/// Rows, users and channels, each with a free list.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub rows: Chunks<Row>,
    free_rows: Vec<u32>,
    users: Chunks<User>,
    free_users: Vec<u32>,
    user_index: HashTable<u32>,
    rooms: Chunks<Room>,
    free_rooms: Vec<u32>,
    room_index: HashTable<u32>,
}

fn hash(name: &str) -> u64 {
    FxBuildHasher.hash_one(name)
}

/// The next free number of a table of `len` entries.
fn number(free: &mut Vec<u32>, len: usize) -> u32 {
    free.pop().unwrap_or_else(|| u32::try_from(len).ok().filter(|n| *n != NONE).expect("fewer than 2^32 - 1 entries"))
}

/// Puts `entry` where the number says: in a freed place or at the end.
fn put<T>(entries: &mut Chunks<T>, number: u32, entry: T) {
    if (number as usize) < entries.len() {
        entries[number as usize] = entry;
    } else {
        entries.push(entry);
    }
}

impl Rows {
    pub fn find_user(&self, id: &str) -> Option<u32> {
        self.user_index.find(hash(id), |user| *self.users[*user as usize].id == *id).copied()
    }

    pub fn find_room(&self, name: &str) -> Option<u32> {
        self.room_index.find(hash(name), |room| *self.rooms[*room as usize].name == *name).copied()
    }

    pub fn user_id(&self, row: u32) -> &UserId {
        &self.users[self.rows[row as usize].user as usize].id
    }

    pub fn room(&self, room: u32) -> &Room {
        &self.rooms[room as usize]
    }

    pub fn room_mut(&mut self, room: u32) -> &mut Room {
        &mut self.rooms[room as usize]
    }

    pub fn row(&self, row: u32) -> &Row {
        &self.rows[row as usize]
    }

    pub fn row_mut(&mut self, row: u32) -> &mut Row {
        &mut self.rows[row as usize]
    }

    /// The row of a user on a channel, whether or not it is here.
    pub fn find(&self, user: u32, room: u32) -> Option<u32> {
        let rows = &self.users[user as usize].rows;
        match &rows[..] {
            [(only, row)] => (*only == room).then_some(*row),
            _ => rows.binary_search_by_key(&room, |(room, _)| *room).ok().map(|at| rows[at].1),
        }
    }

    /// The row of a user who is on the channel.
    pub fn find_here(&self, user: u32, channel: &str) -> Option<u32> {
        self.find(user, self.find_room(channel)?).filter(|row| self.row(*row).is(HERE))
    }

    /// A user's rows, in no order that means anything.
    pub fn of_user(&self, user: u32) -> impl Iterator<Item = u32> {
        self.users[user as usize].rows.iter().map(|(_, row)| *row)
    }

    /// The users here, in the order in which they joined.
    pub fn here(&self, room: u32) -> impl Iterator<Item = u32> {
        let or_none = |row: u32| (row != NONE).then_some(row);
        std::iter::successors(or_none(self.room(room).first), move |row| or_none(self.row(*row).after))
    }

    fn intern_user(&mut self, id: &UserId) -> u32 {
        self.find_user(id).unwrap_or_else(|| {
            let user = number(&mut self.free_users, self.users.len());
            put(&mut self.users, user, User { id: id.clone(), rows: SmallVec::new() });
            let users = &self.users;
            self.user_index.insert_unique(hash(id), user, |user| hash(&users[*user as usize].id));
            user
        })
    }

    fn intern_room(&mut self, name: &Channel) -> u32 {
        self.find_room(name).unwrap_or_else(|| {
            let room = number(&mut self.free_rooms, self.rooms.len());
            let entry = Room {
                name: name.clone(),
                occupancy: 0,
                interval_since: None,
                pending: Vec::new(),
                first: NONE,
                last: NONE,
                rows: 0,
            };
            put(&mut self.rooms, room, entry);
            let rooms = &self.rooms;
            self.room_index.insert_unique(hash(name), room, |room| hash(&rooms[*room as usize].name));
            room
        })
    }

    /// The row of a user on a channel, a new one if there is none: not here, not announced.
    pub fn find_or_add(&mut self, id: &UserId, name: &Channel) -> u32 {
        let (user, room) = (self.intern_user(id), self.intern_room(name));
        let rows = &mut self.users[user as usize].rows;
        let at = match rows.binary_search_by_key(&room, |(room, _)| *room) {
            Ok(at) => return rows[at].1,
            Err(at) => at,
        };
        let row = number(&mut self.free_rows, self.rows.len());
        rows.insert(at, (room, row));
        self.rooms[room as usize].rows += 1;
        let queued = self.rows.get(row as usize).map_or(NONE, |old| old.queued);
        let entry = Row { deadline: 0, user, channel: room, queued, before: NONE, after: NONE, flags: 0 };
        put(&mut self.rows, row, entry);
        row
    }

    /// Forgets a row that is not here, and its user and channel if it was their last.
    pub fn release(&mut self, row: u32) {
        let Row { user, channel, flags, .. } = self.rows[row as usize];
        assert_eq!(flags & (HERE | HELD | PENDING), 0, "somebody still needs row {row}");
        let entry = &mut self.users[user as usize];
        let at = entry.rows.binary_search_by_key(&channel, |(room, _)| *room).expect("a row stands with its user");
        entry.rows.remove(at);
        if entry.rows.is_empty() {
            let place = self.user_index.find_entry(hash(&entry.id), |there| *there == user);
            place.expect("a user is in the index").remove();
            entry.id = "".into();
            self.free_users.push(user);
        }
        let room = &mut self.rooms[channel as usize];
        room.rows -= 1;
        if room.rows == 0 {
            let place = self.room_index.find_entry(hash(&room.name), |there| *there == channel);
            place.expect("a channel is in the index").remove();
            self.free_rooms.push(channel);
        }
        self.free_rows.push(row);
    }

    /// The user is here from now on, last in the order of joining.
    pub fn enter(&mut self, row: u32) {
        let room = &mut self.rooms[self.rows[row as usize].channel as usize];
        let last = std::mem::replace(&mut room.last, row);
        if last == NONE {
            room.first = row;
        } else {
            self.rows[last as usize].after = row;
        }
        room.occupancy += 1;
        let entry = &mut self.rows[row as usize];
        (entry.before, entry.after) = (last, NONE);
        entry.flags |= HERE;
    }

    /// The user is no longer here.
    pub fn exit(&mut self, row: u32) {
        let Row { channel, before, after, .. } = self.rows[row as usize];
        let room = &mut self.rooms[channel as usize];
        room.occupancy -= 1;
        if before == NONE {
            room.first = after;
        } else {
            self.rows[before as usize].after = after;
        }
        if after == NONE {
            room.last = before;
        } else {
            self.rows[after as usize].before = before;
        }
        self.rows[row as usize].flags &= !HERE;
    }

    /// Rows in use.
    pub fn len(&self) -> usize {
        self.rows.len() - self.free_rows.len()
    }

    /// Memory in use [bytes], spare capacity included but for a chunk's, texts of ids and names not.
    pub fn memory_bytes(&self) -> usize {
        fn of<T>(entries: &Chunks<T>) -> usize {
            entries.len() * size_of::<T>()
        }
        let free = [&self.free_rows, &self.free_users, &self.free_rooms];
        let free: usize = free.iter().map(|list| list.capacity() * 4).sum();
        let spilled: usize = self.users.iter().filter(|u| u.rows.spilled()).map(|u| u.rows.capacity() * 8).sum();
        let pending: usize = self.rooms.iter().map(|room| room.pending.capacity() * 4).sum();
        let lists = of(&self.rows) + of(&self.users) + of(&self.rooms) + free + spilled + pending;
        lists + self.user_index.allocation_size() + self.room_index.allocation_size()
    }
}
