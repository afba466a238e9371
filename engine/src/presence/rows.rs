//! Who is on which channel, densely: channels are numbers, and a user on a channel is one row of 48 bytes, found by the
//! hash of the user: a user is on few channels, and its rows are found together. A row stands in its channel's list in the
//! order of joining.

use std::hash::BuildHasher;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::index::Index;
use crate::chunks::Chunks;
use crate::contract::Nanos;
use crate::dice::mix;
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
#[derive(Debug)]
pub(super) struct Row {
    /// `None`: the row is free.
    user: Option<UserId>,
    /// While here: when the user times out. While held: when the debounce has passed.
    pub deadline: Nanos,
    pub channel: u32,
    /// Of the user.
    hash: u32,
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
    /// Where the page behind the last one that was read begins, until somebody goes: how many are before it, and the row.
    next_page: (u32, u32),
}

/// Rows and channels, each with a free list.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub rows: Chunks<Row>,
    free_rows: Vec<u32>,
    index: Index,
    rooms: Chunks<Room>,
    free_rooms: Vec<u32>,
    room_index: Index,
}

/// A user's id with its hash, which is worth keeping where several channels are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who<'a> {
    id: &'a UserId,
    hash: u32,
}

impl<'a> Who<'a> {
    pub fn of(id: &'a UserId) -> Self {
        Self { id, hash: hash_name(id) }
    }
}

fn hash_name(name: &str) -> u32 {
    mix(FxBuildHasher.hash_one(name)) as u32
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
    pub fn find_room(&self, name: &str) -> Option<u32> {
        self.room_index.find(hash_name(name), |room| *self.rooms[room as usize].name == *name)
    }

    pub fn user_id(&self, row: u32) -> &UserId {
        self.rows[row as usize].user.as_ref().expect("the row is in use")
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
    fn find(&self, who: Who<'_>, room: u32) -> Option<u32> {
        self.index.find(who.hash, |row| self.rows[row as usize].channel == room && self.is_of(row, who))
    }

    fn is_of(&self, row: u32, who: Who<'_>) -> bool {
        let user = self.rows[row as usize].user.as_ref();
        user.is_some_and(|user| Arc::ptr_eq(user, who.id) || user == who.id)
    }

    /// The row of a user who is on the channel.
    pub fn find_here(&self, who: Who<'_>, channel: &str) -> Option<u32> {
        self.find(who, self.find_room(channel)?).filter(|row| self.row(*row).is(HERE))
    }

    /// The channels that the user is on, in no order that means anything.
    pub fn channels_of(&self, who: Who<'_>) -> impl Iterator<Item = &Channel> {
        let here = self.index.all(who.hash).filter(move |row| self.row(*row).is(HERE) && self.is_of(*row, who));
        here.map(|row| &self.rooms[self.row(row).channel as usize].name)
    }

    /// The users here, in the order in which they joined.
    pub fn here(&self, room: u32) -> impl Iterator<Item = u32> {
        let or_none = |row: u32| (row != NONE).then_some(row);
        std::iter::successors(or_none(self.room(room).first), move |row| or_none(self.row(*row).after))
    }

    /// At most `limit` users here behind the first `offset`, in the order in which they joined. Pages read one after the other
    /// cost no more than their own rows.
    pub fn page(&mut self, room: u32, offset: u32, limit: u32) -> Vec<u32> {
        let room = &mut self.rooms[room as usize];
        if offset >= room.occupancy || limit == 0 {
            return Vec::new();
        }
        let (mut before, mut row) = match room.next_page {
            known @ (before, row) if row != NONE && before <= offset => known,
            _ => (0, room.first),
        };
        let count = limit.min(room.occupancy - offset);
        let mut page = Vec::with_capacity(count as usize);
        while page.len() < count as usize {
            if before >= offset {
                page.push(row);
            }
            row = self.rows[row as usize].after;
            before += 1;
        }
        room.next_page = (before, row);
        page
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
                next_page: (0, NONE),
            };
            put(&mut self.rooms, room, entry);
            self.room_index.insert(hash_name(name), room);
            room
        })
    }

    /// The row of a user on a channel, a new one if there is none: not here, not announced.
    pub fn find_or_add(&mut self, who: Who<'_>, name: &Channel) -> u32 {
        let room = self.intern_room(name);
        if let Some(row) = self.find(who, room) {
            return row;
        }
        let row = number(&mut self.free_rows, self.rows.len());
        let hash = who.hash;
        self.index.insert(hash, row);
        self.rooms[room as usize].rows += 1;
        let queued = self.rows.get(row as usize).map_or(NONE, |old| old.queued);
        let user = Some(who.id.clone());
        let entry = Row { user, deadline: 0, channel: room, hash, queued, before: NONE, after: NONE, flags: 0 };
        put(&mut self.rows, row, entry);
        row
    }

    /// Forgets a row that is not here, and its channel if it was the last.
    pub fn release(&mut self, row: u32) {
        let entry = &mut self.rows[row as usize];
        assert_eq!(entry.flags & (HERE | HELD | PENDING), 0, "somebody still needs row {row}");
        entry.user = None;
        self.index.remove(entry.hash, row);
        let channel = entry.channel;
        let room = &mut self.rooms[channel as usize];
        room.rows -= 1;
        if room.rows == 0 {
            self.room_index.remove(hash_name(&room.name), channel);
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
        let &Row { channel, before, after, .. } = self.row(row);
        let room = &mut self.rooms[channel as usize];
        room.occupancy -= 1;
        room.next_page = (0, NONE);
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
        let free = (self.free_rows.capacity() + self.free_rooms.capacity()) * size_of::<u32>();
        let pending: usize = self.rooms.iter().map(|room| room.pending.capacity() * size_of::<u32>()).sum();
        of(&self.rows) + of(&self.rooms) + free + pending + self.index.memory_bytes() + self.room_index.memory_bytes()
    }
}
