//! The connections of an edge: which client listens to what, itself or through its channel groups.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::audience::{Audience, Heard};
use crate::contract::NodeId;
use crate::message::{Channel, ChannelList, Client};

/// What one connection asked for.
#[derive(Debug, PartialEq)]
pub struct Subscription {
    pub channels: ChannelList,
    /// Most keysets have none: boxed, so that they cost no more than a pointer.
    pub groups: Box<[Arc<str>]>,
}

/// Everything that clients listen to here, and the channel groups as far as they are known here.
#[derive(Debug, Default)]
pub struct Connections {
    subscriptions: FxHashMap<(NodeId, Client), Subscription>,
    audiences: FxHashMap<Channel, Audience>,
    /// How many clients of each population are connected.
    connected: FxHashMap<NodeId, u32>,
    /// Who subscribed to a group.
    of_group: FxHashMap<Arc<str>, SmallVec<[(NodeId, Client); 1]>>,
    groups: FxHashMap<Arc<str>, BTreeSet<Channel>>,
}

impl Connections {
    /// Everybody is gone; what is known of groups stays.
    pub fn clear(&mut self) {
        let groups = std::mem::take(&mut self.groups);
        *self = Self { groups, ..Self::default() };
    }

    /// What a client asked for.
    pub fn subscription(&self, population: NodeId, client: Client) -> Option<&Subscription> {
        self.subscriptions.get(&(population, client))
    }

    /// Whether all these groups are empty, as far as is known here.
    pub fn all_empty(&self, groups: &[Arc<str>]) -> bool {
        groups.iter().all(|group| self.groups.get(group).is_none_or(BTreeSet::is_empty))
    }

    /// Every channel of a subscription, once, in order: its own ones first.
    pub fn channels_of(&self, subscription: &Subscription) -> ChannelList {
        let mut channels = subscription.channels.clone();
        for channel in subscription.groups.iter().filter_map(|group| self.groups.get(group)).flatten() {
            if !channels.contains(channel) {
                channels.push(channel.clone());
            }
        }
        channels
    }

    /// A client listens to this from now on, and to nothing else; returns the channels that nobody listens to any more.
    pub fn connect(&mut self, population: NodeId, client: Client, subscription: Subscription) -> ChannelList {
        if self.subscriptions.get(&(population, client)) == Some(&subscription) {
            return ChannelList::new();
        }
        let before = self.take(population, client);
        let now = self.channels_of(&subscription);
        for channel in &now {
            let grouped = !subscription.channels.contains(channel);
            self.audiences.entry(channel.clone()).or_default().insert(population, client, grouped);
        }
        for group in &subscription.groups {
            self.of_group.entry(group.clone()).or_default().push((population, client));
        }
        *self.connected.entry(population).or_default() += 1;
        self.subscriptions.insert((population, client), subscription);
        self.silence(population, client, before.iter().filter(|channel| !now.contains(channel)))
    }

    /// A client is gone; returns the channels that nobody listens to any more.
    pub fn disconnect(&mut self, population: NodeId, client: Client) -> ChannelList {
        let before = self.take(population, client);
        self.silence(population, client, before.iter())
    }

    /// Takes a subscription out, but not yet out of the audiences; returns its channels.
    fn take(&mut self, population: NodeId, client: Client) -> ChannelList {
        let Some(subscription) = self.subscriptions.remove(&(population, client)) else { return ChannelList::new() };
        *self.connected.get_mut(&population).expect("it was connected") -= 1;
        for group in &subscription.groups {
            let who = self.of_group.get_mut(group).expect("it was subscribed to");
            who.retain(|who| *who != (population, client));
            if who.is_empty() {
                self.of_group.remove(group);
            }
        }
        self.channels_of(&subscription)
    }

    fn silence<'c>(
        &mut self,
        population: NodeId,
        client: Client,
        channels: impl Iterator<Item = &'c Channel>,
    ) -> ChannelList {
        let mut silent = ChannelList::new();
        for channel in channels {
            if self.audiences.get_mut(channel).is_some_and(|audience| audience.remove(population, client)) {
                self.audiences.remove(channel);
                silent.push(channel.clone());
            }
        }
        silent
    }

    /// A channel is in a group from now on, or no longer. Says whether somebody begins to listen to it, or whether nobody
    /// listens to it any more.
    pub fn group_changed(&mut self, group: &Arc<str>, channel: &Channel, present: bool) -> Changed {
        let members = self.groups.entry(group.clone()).or_default();
        let changed = if present { members.insert(channel.clone()) } else { members.remove(channel) };
        if members.is_empty() {
            self.groups.remove(group);
        }
        let Some(who) = self.of_group.get(group).filter(|_| changed).cloned() else { return Changed::Nothing };
        if present {
            let audience = self.audiences.entry(channel.clone()).or_default();
            who.iter().for_each(|(population, client)| audience.insert(*population, *client, true));
            return Changed::Begins;
        }
        let mut ends = false;
        for (population, client) in who {
            // It may be there by itself, or in another group of the same client.
            let subscription = &self.subscriptions[&(population, client)];
            let otherwise = subscription.channels.contains(channel)
                || subscription.groups.iter().any(|g| self.groups.get(g).is_some_and(|g| g.contains(channel)));
            if !otherwise {
                ends |= !self.silence(population, client, std::iter::once(channel)).is_empty();
            }
        }
        if ends { Changed::Ends } else { Changed::Nothing }
    }

    /// Who of a population listens to this channel, in order.
    pub fn names(&self, channel: &str, population: NodeId) -> Vec<Client> {
        self.audiences.get(channel).map_or_else(Vec::new, |audience| audience.names(population))
    }

    /// Whom a message on this channel is for.
    pub fn heard(&self, channel: &str) -> SmallVec<[(NodeId, Heard); 2]> {
        let connected = |population| self.connected.get(&population).copied().unwrap_or(0);
        self.audiences.get(channel).map_or_else(SmallVec::new, |audience| audience.heard(connected))
    }
}

/// What a change of a group changed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Nothing,
    Begins,
    Ends,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: NodeId = NodeId(3);

    fn of(channels: &[&str], groups: &[&str]) -> Subscription {
        Subscription {
            channels: channels.iter().map(|&channel| channel.into()).collect(),
            groups: groups.iter().map(|&group| group.into()).collect(),
        }
    }

    fn change(connections: &mut Connections, group: &str, channel: &str, present: bool) -> Changed {
        connections.group_changed(&group.into(), &channel.into(), present)
    }

    fn hears(connections: &Connections, channel: &str) -> bool {
        !connections.heard(channel).is_empty()
    }

    #[test]
    fn a_group_brings_its_channels_whenever_they_come() {
        let mut connections = Connections::default();
        assert_eq!(change(&mut connections, "g", "a", true), Changed::Nothing);
        connections.connect(HERE, 1, of(&["own"], &["g"]));
        assert!(hears(&connections, "own") && hears(&connections, "a") && !hears(&connections, "b"));
        assert_eq!(change(&mut connections, "g", "b", true), Changed::Begins);
        assert_eq!(change(&mut connections, "g", "b", true), Changed::Nothing, "it was there");
        assert!(hears(&connections, "b"));
        assert_eq!(change(&mut connections, "g", "a", false), Changed::Ends);
        assert!(!hears(&connections, "a"));
        assert_eq!(connections.disconnect(HERE, 1).len(), 2);
        assert!(!hears(&connections, "own") && !hears(&connections, "b"));
    }

    #[test]
    fn what_is_there_twice_is_heard_until_both_are_gone() {
        let mut connections = Connections::default();
        change(&mut connections, "g", "a", true);
        change(&mut connections, "h", "a", true);
        connections.connect(HERE, 1, of(&["a"], &["g", "h"]));
        assert_eq!(change(&mut connections, "g", "a", false), Changed::Nothing);
        assert_eq!(change(&mut connections, "h", "a", false), Changed::Nothing);
        assert!(hears(&connections, "a"), "it asked for the channel itself");
        connections.connect(HERE, 1, of(&[], &["g", "h"]));
        assert!(!hears(&connections, "a"));
        assert!(connections.all_empty(&["g".into(), "unknown".into()]));
    }

    #[test]
    fn another_subscription_silences_only_what_it_lacks() {
        let mut connections = Connections::default();
        connections.connect(HERE, 1, of(&["a", "b"], &[]));
        let silent = connections.connect(HERE, 1, of(&["b", "c"], &[]));
        assert_eq!(silent.as_slice(), ["a".into()]);
        assert!(hears(&connections, "b") && hears(&connections, "c"));
    }
}
