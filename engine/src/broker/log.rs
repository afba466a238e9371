//! A region's log: which message has which place, and what a cursor has not seen yet.
//!
//! The cursor rule (platform.md, "the cursor rule"): a message's key is `max(p.t, last key + 1)`, a cursor gets what
//! has a greater key, and becomes the key of the last message it got. Messages of other regions arrive with an older
//! `p.t` than the log's end; the key puts them behind what was already delivered, so no cursor misses them.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::contract::{Nanos, NodeId};
use crate::message::{Channel, Envelope};
use crate::timetoken::Timetoken;

/// One channel in this region: its messages still remembered, and the edges that want new ones.
#[derive(Debug, Default)]
struct ChannelLog {
    /// Most channels carry one message or two: a user's own acknowledgements.
    entries: SmallVec<[(Timetoken, Arc<Envelope>); 1]>,
    edges: SmallVec<[NodeId; 2]>,
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
    channels: FxHashMap<Channel, ChannelLog>,
    /// Channels in the order in which a message of theirs was logged, for forgetting old ones.
    by_age: VecDeque<(Timetoken, Channel)>,
    last_key: Timetoken,
    queue_messages: usize,
    retention: Nanos,
}

impl RegionLog {
    /// An empty log that serves at most `queue_messages` at once and remembers messages for `retention`.
    pub fn new(queue_messages: usize, retention: Nanos) -> Self {
        Self {
            channels: FxHashMap::default(),
            by_age: VecDeque::new(),
            last_key: Timetoken::ZERO,
            queue_messages,
            retention,
        }
    }

    /// Appends a message and returns its key and the edges that want it.
    pub fn append(&mut self, envelope: &Arc<Envelope>) -> (Timetoken, &[NodeId]) {
        let key = envelope.timetoken.max(Timetoken(self.last_key.0 + 1));
        self.last_key = key;
        let log = self.channels.entry(envelope.channel.clone()).or_default();
        log.entries.push((key, envelope.clone()));
        self.by_age.push_back((key, envelope.channel.clone()));
        (key, &log.edges)
    }

    /// From now on `edge` gets what is published on `channel`.
    pub fn listen(&mut self, channel: &Channel, edge: NodeId) {
        let log = self.channels.entry(channel.clone()).or_default();
        if !log.edges.contains(&edge) {
            log.edges.push(edge);
        }
    }

    /// `edge` no longer wants `channel`.
    pub fn unlisten(&mut self, channel: &Channel, edge: NodeId) {
        if let Some(log) = self.channels.get_mut(channel) {
            log.edges.retain(|e| *e != edge);
            if log.edges.is_empty() && log.entries.is_empty() {
                self.channels.remove(channel);
            }
        }
    }

    /// `edge` no longer wants anything.
    pub fn forget_edge(&mut self, edge: NodeId) {
        self.channels.retain(|_, log| {
            log.edges.retain(|e| *e != edge);
            !log.edges.is_empty() || !log.entries.is_empty()
        });
    }

    /// What these channels hold beyond `cursor`. Cursor 0 is a handshake: no messages, just where the log ends.
    pub fn catch_up(&self, channels: &[Channel], cursor: Timetoken, now: Timetoken) -> CatchUp {
        if cursor == Timetoken::ZERO {
            return CatchUp { cursor: self.last_key.max(now), messages: Vec::new(), missed: 0 };
        }
        let mut found: Vec<(Timetoken, &Arc<Envelope>)> = Vec::new();
        for channel in channels {
            let Some(log) = self.channels.get(channel) else { continue };
            let unseen = log.entries.partition_point(|(key, _)| *key <= cursor);
            found.extend(log.entries[unseen..].iter().map(|(key, envelope)| (*key, envelope)));
        }
        found.sort_unstable_by_key(|(key, _)| *key);
        let missed = found.len().saturating_sub(self.queue_messages);
        CatchUp {
            cursor: found.last().map_or(cursor, |(key, _)| *key),
            messages: found[missed..].iter().map(|(_, envelope)| Arc::clone(envelope)).collect(),
            missed: missed as u32,
        }
    }

    /// Forgets messages older than the retention. Each append pays for at most two.
    pub fn sweep(&mut self, now: Timetoken) {
        for _ in 0..2 {
            let Some((key, _)) = self.by_age.front() else { return };
            if key.0 + self.retention / 100 > now.0 {
                return;
            }
            let (key, channel) = self.by_age.pop_front().expect("it has a front");
            if let Some(log) = self.channels.get_mut(&channel) {
                log.entries.retain(|(k, _)| *k > key);
                if log.edges.is_empty() && log.entries.is_empty() {
                    self.channels.remove(&channel);
                }
            }
        }
    }

    /// Loses every message and listener; the end of the log stays, so that no key is given twice.
    pub fn lose(&mut self) {
        self.channels.clear();
        self.by_age.clear();
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
        log.sweep(Timetoken(10_999));
        assert_eq!(log.catch_up(&["c".into()], Timetoken(1), Timetoken(10_999)).messages.len(), 1);
        log.sweep(Timetoken(11_000));
        assert_eq!(log.catch_up(&["c".into()], Timetoken(1), Timetoken(11_000)).messages.len(), 0);
    }
}
