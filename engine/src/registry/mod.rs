//! The channel registry: which channels are in which channel groups (platform.md 2.1 and 2.6).
//!
//! One node holds the truth and takes the calls; each edge holds a [`crate::groups::Replica`] and learns every change, in order, over
//! a reliable stream. So groups are eventually consistent (friends-online.md 10.5): an edge that is cut off serves
//! the groups it knows, and gets what it missed when it is back.
//!
//! - **Calls** are idempotent. One that would leave a group with more channels than allowed, or that names what cannot be a
//!   channel or a group, is refused whole and changes nothing.
//! - **Durable**: groups, and what edges have not acknowledged. Volatile: the rate limit's bucket.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::contract::{Input, MS, Nanos, Node, NodeId, Outbox};
use crate::dice::{Fate, Mischief};
use crate::error::ApiError;
use crate::groups::names::{BadName, check};
use crate::groups::{Groups, Provision};
use crate::limits::TokenBucket;
use crate::message::{Channel, GroupsOk, GroupsOp, Misbehaviour, Msg, StreamFrame, StreamItem};
use crate::planted::{Bug, has};
use crate::stream::{Outgoing, StreamOptions, earlier};

/// As the platform calls it in its answers.
const SERVICE: &str = "channel-registry";

/// How the registry works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryOptions {
    /// Most channels in a group.
    pub channels_per_group_max: u32,
    /// Changing calls a second before the registry answers 429; `None`: as many as come.
    pub changes_per_s: Option<u32>,
    /// Longest name of a channel or a group [characters].
    pub name_chars_max: u32,
    /// How long changes wait for others to share a frame.
    pub replication_frame: Nanos,
    /// How the streams to the edges send.
    pub stream: StreamOptions,
    /// For the dice of misbehaviour.
    pub seed: u64,
}

impl RegistryOptions {
    /// 2,000 channels a group (platform.md 2.6, friends-online.md 4.5), about 100 changes a second (friends-online.md
    /// 11.4; a call counts once however many channels it names, for batching is the document's advice), names of 92
    /// characters (platform.md 2.6). Frames of 50 ms, as KV replicas send them, are chosen: "quickly but not instant"
    /// is all that friends-online.md 10.5 says.
    pub fn documented(seed: u64) -> Self {
        Self {
            channels_per_group_max: 2_000,
            changes_per_s: Some(100),
            name_chars_max: 92,
            replication_frame: 50 * MS,
            stream: StreamOptions::wide_area(),
            seed,
        }
    }
}

/// What the registry has been asked and what it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistryCounts {
    pub adds: u64,
    pub removes: u64,
    pub lists: u64,
    pub deletes: u64,
    /// Channels put into groups or taken out of them.
    pub changes: u64,
    /// Calls refused for what they say: names, full groups.
    pub refused: u64,
    /// Calls refused as too many, by the rate limit or misbehaviour.
    pub throttled: u64,
    /// Calls answered 503, with or without effect, by misbehaviour or a full queue.
    pub failed: u64,
    /// Calls that took effect and got no answer.
    pub unanswered: u64,
}

/// The registry node.
#[derive(Debug)]
pub struct Registry {
    options: RegistryOptions,
    mischief: Mischief,
    counts: RegistryCounts,
    // Durable.
    groups: Groups,
    /// One stream for each edge.
    outgoing: Vec<Outgoing>,
    // Volatile.
    bucket: Option<TokenBucket>,
    flush_at: Option<Nanos>,
}

impl Registry {
    /// A registry that starts from `provision`, as the replicas at `edges` do.
    pub fn new(edges: &[NodeId], provision: Option<Arc<dyn Provision>>, options: RegistryOptions) -> Self {
        Self {
            options,
            mischief: Mischief::new(options.seed),
            counts: RegistryCounts::default(),
            groups: Groups::new(provision),
            outgoing: edges.iter().map(|edge| Outgoing::new(*edge, 0, options.stream)).collect(),
            bucket: options.changes_per_s.map(|per_s| TokenBucket::new(per_s, 0)),
            flush_at: None,
        }
    }

    /// The groups as they are.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// What has been asked and done since the run began.
    pub fn counts(&self) -> RegistryCounts {
        self.counts
    }

    /// Whether every edge has acknowledged every change.
    pub fn is_replicated(&self) -> bool {
        self.outgoing.iter().all(|outgoing| outgoing.pending() == 0)
    }

    fn call(&mut self, now: Nanos, from: NodeId, tag: u64, op: GroupsOp, out: &mut Outbox) {
        let changing = self.count(&op);
        let fate = self.mischief.fate();
        let admitted = !changing || self.bucket.as_mut().is_none_or(|bucket| bucket.admit(now));
        let mut result = if fate == Fate::Throttled || !admitted {
            self.counts.throttled += 1;
            Err(ApiError::too_many_requests(SERVICE))
        } else if fate.takes_effect() {
            let result = self.apply(now, op);
            self.counts.refused += u64::from(result.is_err());
            result
        } else {
            self.counts.failed += 1;
            Err(ApiError::service_unavailable(SERVICE))
        };
        if fate == Fate::ErrorAfterEffect && result.is_ok() {
            self.counts.failed += 1;
            result = Err(ApiError::service_unavailable(SERVICE));
        }
        if fate == Fate::SilentAfterEffect && result.is_ok() {
            self.counts.unanswered += 1;
            return;
        }
        out.send_after(self.mischief.delay(), from, Msg::GroupsAnswer { tag, result });
    }

    /// Counts a call; whether it is one of those that change something.
    fn count(&mut self, op: &GroupsOp) -> bool {
        let (count, changing) = match op {
            GroupsOp::Add { .. } => (&mut self.counts.adds, true),
            GroupsOp::Remove { .. } => (&mut self.counts.removes, true),
            GroupsOp::Delete { .. } => (&mut self.counts.deletes, true),
            GroupsOp::List { .. } => (&mut self.counts.lists, false),
        };
        *count += 1;
        changing
    }

    fn apply(&mut self, now: Nanos, op: GroupsOp) -> Result<GroupsOk, ApiError> {
        let (GroupsOp::Add { group, .. }
        | GroupsOp::Remove { group, .. }
        | GroupsOp::Delete { group }
        | GroupsOp::List { group }) = &op;
        check(group, self.options.name_chars_max).map_err(|_| ApiError::invalid_channel_group())?;
        match op {
            GroupsOp::Add { group, channels } => {
                self.check_channels(&channels)?;
                if self.len_with(&group, &channels) > self.options.channels_per_group_max {
                    return Err(ApiError::channel_group_full());
                }
                channels.iter().for_each(|channel| self.set(now, &group, channel, true));
                Ok(GroupsOk::Done)
            }
            GroupsOp::Remove { group, channels } => {
                self.check_channels(&channels)?;
                channels.iter().for_each(|channel| self.set(now, &group, channel, has(Bug::GroupsKeepChannels)));
                Ok(GroupsOk::Done)
            }
            GroupsOp::Delete { group } => {
                let number = self.groups.group_number(&group);
                for channel in number.map_or_else(Vec::new, |number| self.groups.delete(number)) {
                    let channel = self.groups.channel_name(channel);
                    self.tell(now, &group, &channel, false);
                }
                Ok(GroupsOk::Done)
            }
            GroupsOp::List { group } => {
                let number = self.groups.group_number(&group);
                Ok(GroupsOk::Channels(number.map_or_else(Vec::new, |number| self.groups.list(number))))
            }
        }
    }

    fn check_channels(&self, channels: &[Channel]) -> Result<(), ApiError> {
        channels.iter().try_for_each(|channel| {
            check(channel, self.options.name_chars_max).map_err(|bad| match bad {
                BadName::Wildcard => ApiError::wildcard_in_channel_group(),
                BadName::Length | BadName::Character => ApiError::invalid_channel_in_group(),
            })
        })
    }

    /// How many channels the group would have with these.
    fn len_with(&self, group: &str, channels: &[Channel]) -> u32 {
        let number = self.groups.group_number(group);
        let is_there = |channel: &str| {
            number.zip(self.groups.channel_number(channel)).is_some_and(|(g, c)| self.groups.contains(g, c))
        };
        let new: BTreeSet<&str> = channels.iter().map(|channel| &**channel).filter(|name| !is_there(name)).collect();
        number.map_or(0, |number| self.groups.len(number)) + new.len() as u32
    }

    fn set(&mut self, now: Nanos, group: &Arc<str>, channel: &Channel, present: bool) {
        if self.groups.set(group, channel, present).is_some() {
            self.tell(now, group, channel, present);
        }
    }

    /// Every edge shall hear of a change.
    fn tell(&mut self, now: Nanos, group: &Arc<str>, channel: &Channel, present: bool) {
        self.counts.changes += 1;
        for outgoing in &mut self.outgoing {
            outgoing.push(StreamItem::Group { group: group.clone(), channel: channel.clone(), present });
        }
        self.flush_soon(now);
    }

    fn flush_soon(&mut self, now: Nanos) {
        if !self.outgoing.is_empty() {
            self.flush_at.get_or_insert(now + self.options.replication_frame);
        }
    }

    fn acknowledged(&mut self, now: Nanos, from: NodeId, frame: &StreamFrame) {
        let &StreamFrame::Ack { epoch, next_seq } = frame else { return };
        if let Some(outgoing) = self.outgoing.iter_mut().find(|outgoing| outgoing.peer() == from) {
            outgoing.on_ack(now, epoch, next_seq);
        }
    }
}

impl Node for Registry {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Message { from, msg: Msg::Groups { tag, op } } => self.call(now, from, tag, *op, out),
            Input::Message { from, msg: Msg::Stream(frame) } => self.acknowledged(now, from, &frame),
            Input::Message { msg: Msg::Misbehave(orders), .. } => self.mischief.set(orders),
            Input::Overload { from, msg: Msg::Groups { tag, .. } } => {
                self.counts.failed += 1;
                out.send(from, Msg::GroupsAnswer { tag, result: Err(ApiError::service_unavailable(SERVICE)) });
            }
            // An acknowledgement that found the queue full is lost; the next one says more.
            Input::Message { .. } | Input::Overload { .. } | Input::Start => (),
            Input::Wake => {
                if self.flush_at.is_some_and(|at| at <= now) {
                    self.flush_at = None;
                    self.outgoing.iter_mut().for_each(|outgoing| outgoing.flush(now, out));
                }
                self.outgoing.iter_mut().for_each(|outgoing| outgoing.on_wake(now, out));
            }
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        self.outgoing.iter().fold(self.flush_at, |wake, outgoing| earlier(wake, outgoing.next_wake()))
    }

    fn reboot(&mut self, now: Nanos) {
        // A new process behaves.
        self.mischief.set(Misbehaviour::default());
        self.outgoing.iter_mut().for_each(Outgoing::reboot);
        self.bucket = self.options.changes_per_s.map(|per_s| TokenBucket::new(per_s, now));
        self.flush_at = None;
        if !self.is_replicated() {
            self.flush_soon(now);
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests;
