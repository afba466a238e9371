//! A region's log: which message has which place, and what a cursor has not seen yet.
//!
//! The cursor rule (platform.md, "the cursor rule"): a message's key is `max(p.t, last key + 1)`, a cursor gets what
//! has a greater key, and becomes the key of the last message it got. Messages of other regions arrive with an older
//! `p.t` than the log's end; the key puts them behind what was already delivered, so no cursor misses them.
//!
//! One log holds all channels, oldest first, and each entry knows its channel's entry before it: half a million users'
//! own channels, with a message or two each, cost a small table and no list of their own.
//!
//! Most of what a region logs nobody there will ever ask for: three of four regions have no listener of a user's own
//! channel. So a channel is *followed* from the moment somebody listens to it; the first cursor that asks for what came
//! before that makes the log follow every channel, from its oldest entry on, for good.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::entries::{Entries, Entry, UNKNOWN};
use crate::contract::Nanos;
use crate::message::{Channel, Envelope, Kind, Wildcard};
use crate::planted::{Bug, has};
use crate::timetoken::Timetoken;

/// Which of the region's edges want a channel: bit `n` is edge `n`; a region has at most 8 of them.
pub type EdgeSet = u8;

/// One channel that is followed in this region.
#[derive(Debug, Default)]
struct ChannelState {
    /// Number + 1 of its newest entry; 0: there is none.
    newest: u32,
    /// From this entry on all of the channel's entries are linked.
    since: u32,
    edges: EdgeSet,
}

/// What a cursor has not seen.
#[derive(Debug, PartialEq)]
pub struct CatchUp {
    pub cursor: Timetoken,
    /// At most the queue's length, oldest first.
    pub messages: Vec<Arc<Envelope>>,
    /// How many fell out of the queue: the platform discards the oldest and says nothing.
    pub missed: u32,
}

/// The log of a region.
#[derive(Debug)]
pub struct RegionLog {
    channels: FxHashMap<Channel, ChannelState>,
    /// Who wants whatever begins thus, `a.` for the wildcard `a.*`: channels, and presence events.
    wildcards: [FxHashMap<Channel, EdgeSet>; 2],
    entries: Entries,
    /// Whether every channel is followed, listened to or not.
    follows_all: bool,
    last_key: Timetoken,
    queue_messages: usize,
    retention: Nanos,
}

impl RegionLog {
    /// An empty log that serves at most `queue_messages` at once and remembers messages for `retention`.
    pub fn new(queue_messages: usize, retention: Nanos) -> Self {
        Self {
            channels: FxHashMap::default(),
            wildcards: Default::default(),
            entries: Entries::default(),
            follows_all: false,
            last_key: Timetoken::ZERO,
            queue_messages,
            retention,
        }
    }

    /// Appends a message and returns its key and the edges that want it.
    pub fn append(&mut self, envelope: &Arc<Envelope>) -> (Timetoken, EdgeSet) {
        let key = envelope.timetoken.max(Timetoken(self.last_key.0 + 1));
        self.last_key = key;
        let newest = self.entries.next() + 1;
        let state = if self.follows_all {
            Some(self.channels.entry(envelope.channel.clone()).or_default())
        } else {
            self.channels.get_mut(&envelope.channel)
        };
        let (previous, mut edges) = match state {
            Some(state) => (std::mem::replace(&mut state.newest, newest), state.edges),
            None => (UNKNOWN, 0),
        };
        if self.wildcards.iter().any(|wanted| !wanted.is_empty()) {
            for Wildcard { prefix, presence } in Wildcard::covering(&envelope.channel) {
                edges |= self.wildcards[usize::from(presence)].get(prefix).copied().unwrap_or(0);
            }
        }
        self.entries.push(Entry { key, previous, envelope: envelope.clone() });
        (key, edges)
    }

    /// Room for so many channels more.
    pub fn reserve(&mut self, channels: usize) {
        self.channels.reserve(channels);
    }

    /// From now on these edges get what is published on `channel`, or on all channels that a wildcard `a.*` covers.
    pub fn listen(&mut self, channel: &Channel, edges: EdgeSet) {
        if let Some(Wildcard { prefix, presence }) = Wildcard::parse(channel) {
            *self.wildcards[usize::from(presence)].entry(prefix.into()).or_default() |= edges;
            return;
        }
        let since = if self.follows_all { 0 } else { self.entries.next() };
        let new = || ChannelState { newest: 0, since, edges: 0 };
        self.channels.entry(channel.clone()).or_insert_with(new).edges |= edges;
    }

    /// These edges no longer want `channel`.
    pub fn unlisten(&mut self, channel: &Channel, edges: EdgeSet) {
        if let Some(Wildcard { prefix, presence }) = Wildcard::parse(channel) {
            let wildcards = &mut self.wildcards[usize::from(presence)];
            if let Some(wanted) = wildcards.get_mut(prefix) {
                *wanted &= !edges;
                if *wanted == 0 {
                    wildcards.remove(prefix);
                }
            }
            return;
        }
        if let Some(state) = self.channels.get_mut(channel) {
            state.edges &= !edges;
            if state.edges == 0 && state.newest <= self.entries.first() {
                self.channels.remove(channel);
            }
        }
    }

    /// These edges no longer want anything.
    pub fn forget_edges(&mut self, edges: EdgeSet) {
        let first = self.entries.first();
        for wildcards in &mut self.wildcards {
            wildcards.retain(|_, wanted| {
                *wanted &= !edges;
                *wanted != 0
            });
        }
        self.channels.retain(|_, state| {
            state.edges &= !edges;
            state.edges != 0 || state.newest > first
        });
    }

    /// What these channels, and `also` these, hold beyond `cursor`. Cursor 0 is a handshake: no messages, just where the log
    /// ends.
    pub fn catch_up(&mut self, channels: &[Channel], also: &[Channel], cursor: Timetoken, now: Timetoken) -> CatchUp {
        if cursor == Timetoken::ZERO || has(Bug::LogForgetsTheCursor) {
            return CatchUp { cursor: self.last_key.max(now), messages: Vec::new(), missed: 0 };
        }
        let mut all = channels.iter().chain(also);
        if !self.follows_all && all.any(|channel| self.was_not_followed(channel, cursor)) {
            self.follow_all();
        }
        let mut unseen: Vec<&Entry> = Vec::new();
        for channel in channels.iter().chain(also) {
            if let Some(wildcard) = Wildcard::parse(channel) {
                let newest_first = (self.entries.first()..self.entries.next()).rev();
                let entries = newest_first.filter_map(|number| self.entries.get(number));
                let beyond = entries.take_while(|entry| entry.key > cursor);
                unseen.extend(beyond.filter(|entry| wildcard.covers(&entry.envelope.channel)));
                continue;
            }
            let mut number = self.channels.get(channel).map_or(0, |state| state.newest);
            while number > self.entries.first() {
                let entry = self.entries.get(number - 1).expect("what is not forgotten is there");
                if entry.key <= cursor {
                    break;
                }
                unseen.push(entry);
                number = entry.previous;
            }
        }
        unseen.sort_unstable_by_key(|entry| entry.key);
        keep_last_signals(&mut unseen);
        let missed = unseen.len().saturating_sub(self.queue_messages);
        CatchUp {
            cursor: unseen.last().map_or(cursor, |entry| entry.key),
            messages: unseen[missed..].iter().map(|entry| Arc::clone(&entry.envelope)).collect(),
            missed: missed as u32,
        }
    }

    /// Whether there may be a message of this channel (no wildcard) beyond `cursor` that nobody linked.
    fn was_not_followed(&self, channel: &Channel, cursor: Timetoken) -> bool {
        if Wildcard::parse(channel).is_some() {
            return false;
        }
        let since = self.channels.get(channel).map_or(self.entries.next(), |state| state.since);
        // The newest message from before the channel was followed.
        since > 0 && self.entries.get(since - 1).is_some_and(|entry| entry.key > cursor)
    }

    /// Links all entries of all channels.
    fn follow_all(&mut self) {
        self.follows_all = true;
        self.channels.values_mut().for_each(|state| (state.newest, state.since) = (0, 0));
        for number in self.entries.first()..self.entries.next() {
            let entry = self.entries.get_mut(number).expect("what is not forgotten is there");
            let state = self.channels.entry(entry.envelope.channel.clone()).or_default();
            entry.previous = std::mem::replace(&mut state.newest, number + 1);
        }
    }

    /// Forgets messages older than the retention. Each append pays for at most two.
    pub fn sweep(&mut self, now: Timetoken) {
        for _ in 0..2 {
            let oldest = self.entries.get(self.entries.first());
            if oldest.is_none_or(|entry| entry.key.0 + self.retention / 100 > now.0) {
                return;
            }
            let entry = self.entries.pop_front().expect("it has a front");
            if entry.previous == UNKNOWN && !self.follows_all {
                continue;
            }
            let channel = &entry.envelope.channel;
            let idle = |state: &ChannelState| state.edges == 0 && state.newest <= self.entries.first();
            if self.channels.get(channel).is_some_and(idle) {
                self.channels.remove(channel);
            }
        }
    }

    /// Loses every message and listener; the end of the log stays, so that no key is given twice.
    pub fn lose(&mut self) {
        self.channels.clear();
        self.wildcards.iter_mut().for_each(FxHashMap::clear);
        self.entries.clear();
        self.follows_all = false;
    }
}

/// Of each channel only its last signal is kept (platform.md 2.4).
fn keep_last_signals(unseen: &mut Vec<&Entry>) {
    let is_signal = |entry: &&Entry| entry.envelope.kind == Kind::Signal;
    if !unseen.iter().any(is_signal) {
        return;
    }
    let signals = unseen.iter().filter(|entry| is_signal(entry));
    let last: FxHashMap<&str, Timetoken> = signals.map(|entry| (&*entry.envelope.channel, entry.key)).collect();
    unseen.retain(|entry| !is_signal(entry) || last[&*entry.envelope.channel] == entry.key);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(channel: &str, timetoken: u64) -> Arc<Envelope> {
        Arc::new(Envelope {
            channel: channel.into(),
            timetoken: Timetoken(timetoken),
            region: 0,
            publisher: "p".into(),
            payload: timetoken.to_string().into(),
            store: false,
            kind: Kind::Message,
        })
    }

    /// A and B are published in that order elsewhere, and arrive as B, A: the recorded case of platform.md 2.3.
    #[test]
    fn a_late_message_of_another_region_is_delivered_behind_the_cursor() {
        let mut log = RegionLog::new(100, 1_000_000);
        let (b, _) = log.append(&message("c", 200));
        let (a, _) = log.append(&message("c", 100));
        assert_eq!((b.0, a.0), (200, 201));
        let next = log.catch_up(&["c".into()], &[], b, Timetoken(300));
        assert_eq!(next.messages.len(), 1);
        assert_eq!(next.messages[0].timetoken.0, 100, "older p.t than the cursor, and delivered all the same");
        assert_eq!(next.cursor.0, 201);
    }

    #[test]
    fn a_handshake_returns_no_messages() {
        let mut log = RegionLog::new(100, 1_000_000);
        log.append(&message("c", 200));
        let answer = log.catch_up(&["c".into()], &[], Timetoken::ZERO, Timetoken(150));
        assert_eq!(answer, CatchUp { cursor: Timetoken(200), messages: vec![], missed: 0 });
    }

    #[test]
    fn overflow_discards_the_oldest_across_all_channels_of_the_connection() {
        let mut log = RegionLog::new(100, 1_000_000);
        for tt in 0..60 {
            log.append(&message("a", 1_000 + 2 * tt));
            log.append(&message("b", 1_001 + 2 * tt));
        }
        let answer = log.catch_up(&["a".into(), "b".into()], &[], Timetoken(1), Timetoken(9_999));
        // 120 messages for a queue of 100: the 20 oldest, ten of each channel, are gone.
        assert_eq!((answer.messages.len(), answer.missed), (100, 20));
        assert_eq!(answer.messages[0].timetoken.0, 1_020);
    }

    #[test]
    fn the_log_forgets_after_its_retention() {
        // Retention 1 ms = 10,000 units of 100 ns.
        let mut log = RegionLog::new(100, 1_000_000);
        log.append(&message("c", 1_000));
        log.append(&message("c", 1_500));
        log.sweep(Timetoken(10_999));
        assert_eq!(log.catch_up(&["c".into()], &[], Timetoken(1), Timetoken(10_999)).messages.len(), 2);
        log.sweep(Timetoken(11_000));
        assert_eq!(log.catch_up(&["c".into()], &[], Timetoken(1), Timetoken(11_000)).messages.len(), 1);
        log.sweep(Timetoken(11_500));
        assert_eq!(log.catch_up(&["c".into()], &[], Timetoken(1), Timetoken(11_500)).messages.len(), 0);
        assert!(log.channels.is_empty(), "nobody listens and nothing is left");
    }

    /// A user comes from another region with a cursor from there: the messages that nobody here listened to are found.
    #[test]
    fn a_cursor_gets_what_came_before_anybody_listened() {
        let mut log = RegionLog::new(100, 1_000_000);
        let (own, other): (Channel, Channel) = ("own".into(), "other".into());
        for tt in 1..=10 {
            log.append(&message(if tt % 2 == 0 { "own" } else { "other" }, tt));
        }
        assert!(log.channels.is_empty(), "nobody listens, and nothing is followed");
        log.listen(&own, 1);
        log.append(&message("own", 12));
        let answer = log.catch_up(std::slice::from_ref(&own), &[], Timetoken(5), Timetoken(99));
        assert_eq!(answer.messages.iter().map(|m| m.timetoken.0).collect::<Vec<_>>(), [6, 8, 10, 12]);
        // From then on every channel is followed.
        log.append(&message("other", 13));
        let answer = log.catch_up(std::slice::from_ref(&other), &[], Timetoken(7), Timetoken(99));
        assert_eq!(answer.messages.iter().map(|m| m.timetoken.0).collect::<Vec<_>>(), [9, 13]);
    }

    #[test]
    fn a_cursor_from_after_the_first_listener_needs_no_other_channel() {
        let mut log = RegionLog::new(100, 1_000_000);
        let own: Channel = "own".into();
        (1..=10).for_each(|tt| _ = log.append(&message("other", tt)));
        log.listen(&own, 1);
        (11..=20).for_each(|tt| _ = log.append(&message(if tt % 2 == 0 { "own" } else { "other" }, tt)));
        let answer = log.catch_up(std::slice::from_ref(&own), &[], Timetoken(10), Timetoken(99));
        assert_eq!(answer.messages.len(), 5);
        assert_eq!(log.channels.len(), 1, "the other channel is still not followed");
    }

    #[test]
    fn listeners_are_a_set_of_edges() {
        let mut log = RegionLog::new(100, 1_000_000);
        let channel: Channel = "c".into();
        log.listen(&channel, 0b01);
        log.listen(&channel, 0b10);
        assert_eq!(log.append(&message("c", 1)).1, 0b11);
        log.unlisten(&channel, 0b01);
        assert_eq!(log.append(&message("c", 2)).1, 0b10);
        log.forget_edges(0b10);
        assert_eq!(log.append(&message("c", 3)).1, 0);
    }

    #[test]
    fn a_wildcard_stands_for_what_follows_its_dot() {
        let mut log = RegionLog::new(100, 1_000);
        log.listen(&"s.*".into(), 2);
        log.listen(&"s.a".into(), 1);
        let edges = |log: &mut RegionLog, channel: &str, at: u64| log.append(&message(channel, at)).1;
        assert_eq!(
            [("s.a", 10), ("s.b", 11), ("s.", 12), ("t.a", 13)].map(|(c, at)| edges(&mut log, c, at)),
            [3, 2, 0, 0]
        );
        let caught = log.catch_up(&["s.*".into()], &[], Timetoken(10), Timetoken(14));
        assert_eq!(caught.messages.iter().map(|m| m.timetoken.0).collect::<Vec<_>>(), [11]);
        // The cursor of a channel that came through a wildcard.
        let caught = log.catch_up(&[], &["s.b".into()], Timetoken(1), Timetoken(14));
        assert_eq!(caught.messages.len(), 1);
        // What matches twice is there twice (platform.md 2.3).
        let caught = log.catch_up(&["s.a".into(), "s.*".into()], &[], Timetoken(1), Timetoken(14));
        assert_eq!(caught.messages.iter().map(|m| m.timetoken.0).collect::<Vec<_>>(), [10, 10, 11]);
        log.unlisten(&"s.*".into(), 2);
        assert_eq!(edges(&mut log, "s.b", 20), 0);
        log.listen(&"s.*".into(), 3);
        log.forget_edges(1);
        assert_eq!(edges(&mut log, "s.b", 21), 2);
    }

    #[test]
    fn presence_events_come_through_the_wildcard_that_says_so() {
        let mut log = RegionLog::new(100, 1_000);
        log.listen(&"s.*".into(), 1);
        log.listen(&"s.*-pnpres".into(), 2);
        log.listen(&"s.a.*".into(), 4);
        let edges = |log: &mut RegionLog, channel: &str, at: u64| log.append(&message(channel, at)).1;
        assert_eq!(
            [("s.b", 10), ("s.b-pnpres", 11), ("s.a.c", 12), ("s", 13)].map(|(c, at)| edges(&mut log, c, at)),
            [1, 2, 5, 0]
        );
        let caught = log.catch_up(&["s.*-pnpres".into()], &[], Timetoken(1), Timetoken(14));
        assert_eq!(caught.messages.iter().map(|m| m.timetoken.0).collect::<Vec<_>>(), [11]);
        log.unlisten(&"s.*-pnpres".into(), 2);
        assert_eq!(edges(&mut log, "s.b-pnpres", 20), 0);
    }
}
