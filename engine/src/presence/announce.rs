//! What is told of arrivals and departures, when and how: at once, after the debounce, or in interval events.

use std::cmp::Reverse;

use super::Presence;
use super::event::{Action, Deltas};
use super::rows::{ANNOUNCED, HELD, HERE, PENDING, TIMED_OUT};
use crate::contract::{Nanos, Outbox, SECOND};
use crate::message::{Msg, Payload};

impl Presence {
    fn debounce(&self) -> Nanos {
        u64::from(self.options.debounce_s) * SECOND
    }

    fn interval(&self) -> Nanos {
        u64::from(self.options.interval_s.max(1)) * SECOND
    }

    /// The user, who was not here, is here from now on.
    pub(super) fn arrive(&mut self, now: Nanos, row: u32, out: &mut Outbox) {
        self.counts.joins += 1;
        self.rows.enter(row);
        let entry = self.rows.row_mut(row);
        let (held, room) = (entry.is(HELD), entry.channel);
        entry.flags &= !(TIMED_OUT | HELD);
        let announce_max = self.options.announce_max;
        let room = self.rows.room_mut(room);
        if room.occupancy > announce_max && room.interval_since.is_none() {
            room.interval_since = Some(now);
        }
        if held {
            self.counts.debounced += 1;
        } else {
            self.tell(now, row, Action::Join, now, out);
        }
    }

    /// The user is here, and everybody knows.
    pub(super) fn arrive_untold(&mut self, row: u32) {
        self.rows.enter(row);
        let entry = self.rows.row_mut(row);
        entry.flags |= ANNOUNCED;
        let room = entry.channel;
        let announce_max = self.options.announce_max;
        let room = self.rows.room_mut(room);
        if room.occupancy > announce_max && room.interval_since.is_none() {
            room.interval_since = Some(0);
        }
    }

    /// The user, who was here, left by its own word.
    pub(super) fn leave(&mut self, now: Nanos, row: u32, out: &mut Outbox) {
        self.counts.leaves += 1;
        self.depart(row);
        let hold_until = now + self.debounce();
        let entry = self.rows.row_mut(row);
        let room = entry.channel;
        if hold_until > now && entry.is(ANNOUNCED) {
            entry.flags |= HELD;
            entry.deadline = hold_until;
            self.held.push_back((hold_until, row));
        } else {
            self.tell(now, row, Action::Leave, now, out);
        }
        self.close_interval(now, room, out);
    }

    /// The user, who was here, has been silent for too long.
    pub(super) fn time_out(&mut self, now: Nanos, row: u32, out: &mut Outbox) {
        self.counts.timeouts += 1;
        self.depart(row);
        let entry = self.rows.row_mut(row);
        let room = entry.channel;
        entry.flags |= TIMED_OUT;
        self.tell(now, row, Action::Timeout, now, out);
        self.close_interval(now, room, out);
    }

    fn depart(&mut self, row: u32) {
        self.rows.exit(row);
        self.states.remove(&row);
    }

    /// A leave was announced to wait until `until`. Nothing happens if the user came back since.
    pub(super) fn end_hold(&mut self, now: Nanos, until: Nanos, row: u32, out: &mut Outbox) {
        let debounce = self.debounce();
        let entry = self.rows.row_mut(row);
        if entry.is(HELD) && entry.deadline == until {
            entry.flags &= !HELD;
            self.tell(now, row, Action::Leave, until - debounce, out);
        }
    }

    /// Tells at once that the user came or went at `at`, or notes it for the interval event.
    fn tell(&mut self, now: Nanos, row: u32, action: Action, at: Nanos, out: &mut Outbox) {
        let room = self.rows.row(row).channel;
        if self.rows.room(room).interval_since.is_some() {
            self.note_change(now, row, room);
            return;
        }
        let entry = self.rows.row_mut(row);
        let here = action == Action::Join;
        assert_ne!(entry.is(ANNOUNCED), here, "in announce mode readers know who is here");
        entry.flags ^= ANNOUNCED;
        self.single(now, row, action, at, None, out);
        if !here {
            self.rows.release(row);
        }
    }

    /// An event of one user on its channel: what it did at `at`.
    pub(super) fn single(
        &mut self,
        now: Nanos,
        row: u32,
        action: Action,
        at: Nanos,
        state: Option<&str>,
        out: &mut Outbox,
    ) {
        self.counts.announce_events += 1;
        let room = self.rows.row(row).channel;
        let occupancy = self.rows.room(room).occupancy;
        let payload = self.writer.single(action, self.rows.user_id(row), at, occupancy, state);
        self.send(now, room, Some(action), payload, out);
    }

    fn send(&mut self, now: Nanos, room: u32, action: Option<Action>, payload: Payload, out: &mut Outbox) {
        let channel = self.rows.room(room).name.clone();
        self.activity.note(now, &channel, action);
        out.note(|| format!("presence of {channel}: {payload}"));
        out.send(self.broker, Msg::PresenceEvent { channel, payload });
    }

    fn note_change(&mut self, now: Nanos, row: u32, room: u32) {
        let entry = self.rows.row_mut(row);
        if entry.is(PENDING) {
            return;
        }
        entry.flags |= PENDING;
        let interval = self.interval();
        let channel = self.rows.room_mut(room);
        channel.pending.push(row);
        if let (1, Some(since)) = (channel.pending.len(), channel.interval_since) {
            let tick = since + ((now - since) / interval + 1) * interval;
            self.ticks.push(Reverse((tick, room, since)));
        }
    }

    /// The interval of a channel ends, if the channel is still in the interval mode that began at `since`.
    pub(super) fn tick(&mut self, now: Nanos, room: u32, since: Nanos, out: &mut Outbox) {
        if self.rows.room(room).interval_since == Some(since) {
            self.flush(now, room, out);
        }
    }

    /// Goes back to announce mode if there is room for it; what has not been told yet is told in an interval event now.
    fn close_interval(&mut self, now: Nanos, room: u32, out: &mut Outbox) {
        let channel = self.rows.room_mut(room);
        if channel.interval_since.is_some() && channel.occupancy <= self.options.announce_max {
            channel.interval_since = None;
            self.flush(now, room, out);
        }
    }

    /// The difference between who is here and who was when the readers heard last, in an event; none if there is none.
    fn flush(&mut self, now: Nanos, room: u32, out: &mut Outbox) {
        let (occupancy, pending) = {
            let channel = self.rows.room_mut(room);
            (channel.occupancy, std::mem::take(&mut channel.pending))
        };
        let mut deltas = Deltas::default();
        let told = |flags: u8| flags & (HERE | ANNOUNCED);
        for &row in &pending {
            let flags = self.rows.row(row).flags;
            let list = match told(flags) {
                HERE => &mut deltas.join,
                ANNOUNCED if flags & HELD != 0 => continue, // It may come back before the debounce has passed.
                ANNOUNCED if flags & TIMED_OUT != 0 => &mut deltas.timeout,
                ANNOUNCED => &mut deltas.leave,
                _ => continue, // Came and went, or went and came back: nothing to tell.
            };
            list.push(self.rows.user_id(row).clone());
        }
        if !deltas.is_empty() {
            self.counts.interval_events += 1;
            let lists = self.options.deltas.then_some(&deltas);
            let (payload, too_long) = self.writer.interval(now, occupancy, lists, self.options.deltas_bytes_max);
            self.counts.refreshes += u64::from(too_long);
            self.send(now, room, None, payload, out);
        }
        // Only now: the last row takes the channel's name with it.
        for row in pending {
            let entry = self.rows.row_mut(row);
            entry.flags &= !PENDING;
            if entry.is(HERE) {
                entry.flags |= ANNOUNCED;
            } else if !entry.is(HELD) {
                self.rows.release(row);
            }
        }
    }
}
