//! A region's log: which message has which place, and what a cursor has not seen yet.
//!
//! The cursor rule (platform.md, "the cursor rule"): a message's key is `max(p.t, last key + 1)`, a cursor gets what
//! has a greater key, and becomes the key of the last message it got. Messages of other regions arrive with an older
//! `p.t` than the log's end; the key puts them behind what was already delivered, so no cursor misses them.
//!
//! One log holds all channels, oldest first, and each entry knows its channel's entry before it: half a million users'
//! own channels, with a message or two each, cost a small table and no list of their own.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::contract::Nanos;
use crate::message::{Channel, Envelope};
use crate::timetoken::Timetoken;

/// Which of the region's edges want a channel: bit `n` is edge `n`; a region has at most 8 of them.
pub type EdgeSet = u8;

/// A message in the log.
#[derive(Debug)]
struct Entry {
    key: Timetoken,
    /// Number + 1 of the channel's entry before this one; 0: there is none.
    previous: u64,
    envelope: Arc<Envelope>,
}

/// One channel in this region.
#[derive(Debug, Default)]
struct ChannelState {
    /// Number + 1 of its newest entry; 0: there is none.
    newest: u64,
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
    entries: VecDeque<Entry>,
    /// The number of `entries[0]`.
    first: u64,
    last_key: Timetoken,
    queue_messages: usize,
    retention: Nanos,
}

impl RegionLog {
    /// An empty log that serves at most `queue_messages` at once and remembers messages for `retention`.
    pub fn new(queue_messages: usize, retention: Nanos) -> Self {
        Self {
            channels: FxHashMap::default(),
            entries: VecDeque::new(),
            first: 0,
            last_key: Timetoken::ZERO,
            queue_messages,
            retention,
        }
    }

    /// Appends a message and returns its key and the edges that want it.
    pub fn append(&mut self, envelope: &Arc<Envelope>) -> (Timetoken, EdgeSet) {
        let key = envelope.timetoken.max(Timetoken(self.last_key.0 + 1));
        self.last_key = key;
        let number = self.first + self.entries.len() as u64;
        let channel = self.channels.entry(envelope.channel.clone()).or_default();
        let previous = std::mem::replace(&mut channel.newest, number + 1);
        self.entries.push_back(Entry { key, previous, envelope: envelope.clone() });
        (key, channel.edges)
    }

    /// From now on these edges get what is published on `channel`.
    pub fn listen(&mut self, channel: &Channel, edges: EdgeSet) {
        self.channels.entry(channel.clone()).or_default().edges |= edges;
    }

    /// These edges no longer want `channel`.
    pub fn unlisten(&mut self, channel: &Channel, edges: EdgeSet) {
        if let Some(state) = self.channels.get_mut(channel) {
            state.edges &= !edges;
            if state.edges == 0 && state.newest <= self.first {
                self.channels.remove(channel);
            }
        }
    }

    /// These edges no longer want anything.
    pub fn forget_edges(&mut self, edges: EdgeSet) {
        let first = self.first;
        self.channels.retain(|_, state| {
            state.edges &= !edges;
            state.edges != 0 || state.newest > first
        });
    }

    /// What these channels hold beyond `cursor`. Cursor 0 is a handshake: no messages, just where the log ends.
    pub fn catch_up(&self, channels: &[Channel], cursor: Timetoken, now: Timetoken) -> CatchUp {
        if cursor == Timetoken::ZERO {
            return CatchUp { cursor: self.last_key.max(now), messages: Vec::new(), missed: 0 };
        }
        let mut unseen: Vec<&Entry> = Vec::new();
        for channel in channels {
            let mut number = self.channels.get(channel).map_or(0, |state| state.newest);
            while number > self.first {
                let entry = &self.entries[(number - 1 - self.first) as usize];
                if entry.key <= cursor {
                    break;
                }
                unseen.push(entry);
                number = entry.previous;
            }
        }
        unseen.sort_unstable_by_key(|entry| entry.key);
        let missed = unseen.len().saturating_sub(self.queue_messages);
        CatchUp {
            cursor: unseen.last().map_or(cursor, |entry| entry.key),
            messages: unseen[missed..].iter().map(|entry| Arc::clone(&entry.envelope)).collect(),
            missed: missed as u32,
        }
    }

    /// Forgets messages older than the retention. Each append pays for at most two.
    pub fn sweep(&mut self, now: Timetoken) {
        for _ in 0..2 {
            if self.entries.front().is_none_or(|entry| entry.key.0 + self.retention / 100 > now.0) {
                return;
            }
            let entry = self.entries.pop_front().expect("it has a front");
            self.first += 1;
            let channel = &entry.envelope.channel;
            if self.channels.get(channel).is_some_and(|state| state.edges == 0 && state.newest <= self.first) {
                self.channels.remove(channel);
            }
        }
    }

    /// Loses every message and listener; the end of the log stays, so that no key is given twice.
    pub fn lose(&mut self) {
        self.channels.clear();
        self.first += self.entries.len() as u64;
        self.entries.clear();
    }
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
        })
    }

    /// A and B are published in that order elsewhere, and arrive as B, A: the recorded case of platform.md 2.3.
    #[test]
    fn a_late_message_of_another_region_is_delivered_behind_the_cursor() {
        let mut log = RegionLog::new(100, 1_000_000);
        let (b, _) = log.append(&message("c", 200));
        let (a, _) = log.append(&message("c", 100));
        assert_eq!((b.0, a.0), (200, 201));
        let next = log.catch_up(&["c".into()], b, Timetoken(300));
        assert_eq!(next.messages.len(), 1);
        assert_eq!(next.messages[0].timetoken.0, 100, "older p.t than the cursor, and delivered all the same");
        assert_eq!(next.cursor.0, 201);
    }

    #[test]
    fn a_handshake_returns_no_messages() {
        let mut log = RegionLog::new(100, 1_000_000);
        log.append(&message("c", 200));
        let answer = log.catch_up(&["c".into()], Timetoken::ZERO, Timetoken(150));
        assert_eq!(answer, CatchUp { cursor: Timetoken(200), messages: vec![], missed: 0 });
    }

    #[test]
    fn overflow_discards_the_oldest_across_all_channels_of_the_connection() {
        let mut log = RegionLog::new(100, 1_000_000);
        for tt in 0..60 {
            log.append(&message("a", 1_000 + 2 * tt));
            log.append(&message("b", 1_001 + 2 * tt));
        }
        let answer = log.catch_up(&["a".into(), "b".into()], Timetoken(1), Timetoken(9_999));
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
        assert_eq!(log.catch_up(&["c".into()], Timetoken(1), Timetoken(10_999)).messages.len(), 2);
        log.sweep(Timetoken(11_000));
        assert_eq!(log.catch_up(&["c".into()], Timetoken(1), Timetoken(11_000)).messages.len(), 1);
        log.sweep(Timetoken(11_500));
        assert_eq!(log.catch_up(&["c".into()], Timetoken(1), Timetoken(11_500)).messages.len(), 0);
        assert!(log.channels.is_empty(), "nobody listens and nothing is left");
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
}
