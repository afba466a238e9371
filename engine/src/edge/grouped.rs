//! Who listens through channel groups at one edge.
//!
//! Half a million users with 500 friends each are 250 million pairs of a listener and a channel: nobody keeps those. What is
//! kept is who listens to which *group*; what is in the groups is the [`Replica`]'s. So a message on a channel asks for the
//! groups that it is in, and most often not even that: where each client of a population listens to the group that is its own,
//! a message is for [`Recipients::Members`], and the population finds them. Visitors, clients of another region's population, are
//! named beside them.
//!
//! A channel that is in two of a connection's groups is heard twice, and so is one that a connection also names itself: the
//! platform delivers a message for each subscription that it matches (platform.md 2.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::contract::{Nanos, NodeId, Outbox};
use crate::groups::{Change, Provision, Replica};
use crate::message::{Channel, ChannelList, Client, Members, Recipients, StreamFrame};

/// One client of a population.
type Listener = (NodeId, Client);

/// The groups that clients listen to here.
#[derive(Debug)]
pub struct Grouped {
    /// Durable.
    replica: Replica,
    /// The region whose users own groups of the provision and connect here, and the population that they are.
    owners: Option<(u32, NodeId)>,
    listeners: FxHashMap<u32, SmallVec<[Listener; 1]>>,
    of_client: FxHashMap<Listener, SmallVec<[u32; 1]>>,
    /// Of the owners' population: how many clients listen to a group of the provision that is their own, and how often one
    /// listens to another's.
    by_owners: u32,
    by_others: u32,
    /// How often a group of the provision is listened to from another population.
    by_visitors: u32,
    /// By client, of those who listen to some of their own groups: the others that are their own.
    unheard: BTreeMap<Client, SmallVec<[u32; 1]>>,
    /// Channels that no standing wildcard covers, and how many pairs of a listener and a group want each.
    wanted: FxHashMap<u32, u32>,
    changed: Vec<Change>,
}

impl Grouped {
    /// Nobody listens yet.
    pub fn new(registry: NodeId, provision: Option<Arc<dyn Provision>>, owners: Option<(u32, NodeId)>) -> Self {
        Self {
            replica: Replica::new(registry, provision),
            owners,
            listeners: FxHashMap::default(),
            of_client: FxHashMap::default(),
            by_owners: 0,
            by_others: 0,
            by_visitors: 0,
            unheard: BTreeMap::new(),
            wanted: FxHashMap::default(),
            changed: Vec::new(),
        }
    }

    /// Everybody is gone; what is known of groups stays.
    pub fn clear(&mut self) {
        self.listeners.clear();
        self.of_client.clear();
        self.wanted.clear();
        self.unheard.clear();
        (self.by_owners, self.by_others, self.by_visitors) = (0, 0, 0);
    }

    /// The edge's process died and comes up again.
    pub fn reboot(&mut self) {
        self.clear();
        self.replica.reboot();
    }

    /// What the edge listens to as long as it lives, whoever is connected.
    pub fn wildcard(&self) -> Option<Channel> {
        self.replica.groups().provision().map(|provision| provision.wildcard())
    }

    /// Whether all these groups are empty, as far as is known here.
    pub fn all_empty(&self, names: &[Arc<str>]) -> bool {
        let groups = self.replica.groups();
        names.iter().all(|name| groups.group_number(name).is_none_or(|group| groups.is_empty(group)))
    }

    /// The channels of these groups that the standing wildcard covers: what a cursor has to be looked up in besides.
    pub fn covered(&self, names: &[Arc<str>]) -> Vec<Channel> {
        let groups = self.replica.groups();
        let channels = names.iter().filter_map(|name| groups.group_number(name)).flat_map(|g| groups.channels_of(g));
        channels
            .filter(|channel| groups.is_known_channel(*channel))
            .map(|channel| groups.channel_name(channel))
            .collect()
    }

    /// Room for so many clients more, each with a group of its own.
    pub fn reserve(&mut self, clients: usize) {
        self.listeners.reserve(clients);
        self.of_client.reserve(clients);
    }

    /// A client listens to these groups from now on, and to no other. Returns the channels that must be listened to, and
    /// those that need not be any longer.
    pub fn connect(&mut self, listener: Listener, names: &[Arc<str>]) -> (ChannelList, ChannelList) {
        let silent = self.disconnect(listener);
        if names.is_empty() {
            return (ChannelList::new(), silent);
        }
        let mut own: SmallVec<[u32; 1]> = names.iter().map(|name| self.replica.intern_group(name)).collect();
        own.sort_unstable();
        own.dedup();
        let mut begin = ChannelList::new();
        for &group in &own {
            self.listeners.entry(group).or_default().push(listener);
            let groups = self.replica.groups();
            for channel in groups.unknown_channels_of(group) {
                *self.wanted.entry(channel).or_default() += 1;
                begin.push(groups.channel_name(channel));
            }
        }
        self.count(&own, listener, 1);
        self.of_client.insert(listener, own);
        let stays = |channel: &Channel| !begin.contains(channel);
        (begin.clone(), silent.into_iter().filter(stays).collect())
    }

    /// A client is gone; returns the channels that need not be listened to any longer.
    pub fn disconnect(&mut self, listener: Listener) -> ChannelList {
        let mut silent = ChannelList::new();
        let own = self.of_client.remove(&listener).unwrap_or_default();
        self.count(&own, listener, u32::MAX);
        for group in own {
            let who = self.listeners.get_mut(&group).expect("it was listened to");
            who.retain(|who| *who != listener);
            if who.is_empty() {
                self.listeners.remove(&group);
            }
            let groups = self.replica.groups();
            for channel in groups.unknown_channels_of(group) {
                if want(&mut self.wanted, channel, u32::MAX) {
                    silent.push(groups.channel_name(channel));
                }
            }
        }
        silent
    }

    /// One more listener of these groups, or (`u32::MAX`) one fewer.
    fn count(&mut self, groups: &[u32], (population, client): Listener, by: u32) {
        let Some(provision) = self.replica.groups().provision() else { return };
        let owner = self.owners.filter(|(_, people)| *people == population).map(|(region, _)| (region, client));
        let (mut own, mut others) = (None, 0u32);
        let known = groups.iter().filter(|group| **group < provision.groups());
        if owner.is_none() {
            self.by_visitors = self.by_visitors.wrapping_add(by.wrapping_mul(known.count() as u32));
            return;
        }
        for &group in known {
            if provision.owner(group) == owner {
                own = Some(group);
            } else {
                others += 1;
            }
        }
        self.by_others = self.by_others.wrapping_add(by.wrapping_mul(others));
        let Some(own) = own else { return };
        self.by_owners = self.by_owners.wrapping_add(by);
        let mut unheard = provision.groups_beside(own);
        unheard.retain(|group| !groups.contains(group));
        if by == 1 && !unheard.is_empty() {
            self.unheard.insert(client, unheard);
        } else {
            self.unheard.remove(&client);
        }
    }

    /// Whether a channel must be listened to because somebody's group has it; the standing wildcard always.
    pub fn wants(&self, channel: &str) -> bool {
        let number = self.replica.groups().channel_number(channel);
        let standing = self.replica.groups().provision().is_some_and(|provision| *provision.wildcard() == *channel);
        standing || number.is_some_and(|number| self.wanted.contains_key(&number))
    }

    /// The registry speaks. Returns the channels that must be listened to from now on, and those that need not be.
    pub fn registered(&mut self, now: Nanos, from: NodeId, frame: StreamFrame) -> (ChannelList, ChannelList) {
        let (mut begin, mut silent) = (ChannelList::new(), ChannelList::new());
        let mut changed = std::mem::take(&mut self.changed);
        self.replica.frame(now, from, frame, &mut changed);
        for Change { group, channel, present } in changed.drain(..) {
            let listeners = self.listeners.get(&group).map_or(0, |who| who.len() as u32);
            let groups = self.replica.groups();
            if listeners == 0 || groups.is_known_channel(channel) {
                continue;
            }
            if present {
                *self.wanted.entry(channel).or_default() += listeners;
                begin.push(groups.channel_name(channel));
            } else if want(&mut self.wanted, channel, listeners.wrapping_neg()) {
                silent.push(groups.channel_name(channel));
            }
        }
        self.changed = changed;
        (begin, silent)
    }

    /// Whom a message on this channel is for, population by population. `connected` says how many clients of the owners'
    /// population are connected here; `epoch` is the edge's.
    pub fn heard(
        &self,
        channel: &str,
        epoch: u64,
        connected: impl Fn(NodeId) -> u32,
    ) -> SmallVec<[(NodeId, Recipients); 1]> {
        let mut heard = SmallVec::new();
        let groups = self.replica.groups();
        let Some(channel) = groups.channel_number(channel).filter(|_| !self.listeners.is_empty()) else { return heard };
        // All the owners listen to the group that is their own, and to nobody else's: then the provision says who.
        let people = self.owners.map(|(_, people)| people).filter(|people| {
            groups.is_known_channel(channel) && self.by_others == 0 && self.by_owners == connected(*people)
        });
        let mut named: Vec<Listener> = Vec::new();
        let added = groups.added_to(channel);
        let by_name: &mut dyn Iterator<Item = u32> = match people {
            Some(_) if self.by_visitors == 0 => &mut added.iter().copied(),
            _ => &mut groups.groups_of(channel),
        };
        for group in by_name {
            let listeners = self.listeners.get(&group).into_iter().flatten();
            match people {
                // The provision says who of its owners' population, and visitors are named.
                Some(people) if added.binary_search(&group).is_err() => {
                    named.extend(listeners.filter(|(population, _)| *population != people));
                }
                _ => named.extend(listeners),
            }
        }
        named.sort_unstable();
        if let Some(people) = people {
            let own = |group: &u32| {
                let mut listeners = self.listeners.get(group)?.iter();
                listeners.find(|(population, _)| *population == people).map(|(_, client)| *client)
            };
            let plus: Vec<Client> =
                named.extract_if(.., |(population, _)| *population == people).map(|who| who.1).collect();
            let mut minus: Vec<Client> = groups.removed_from(channel).iter().filter_map(own).collect();
            // Who does not listen to the one of its groups that the provision has the channel in.
            let provision = groups.provision().expect("only a provision has owners");
            let deaf = |own: &SmallVec<[u32; 1]>| own.iter().any(|group| provision.contains(*group, channel));
            minus.extend(self.unheard.iter().filter(|(_, own)| deaf(own)).map(|(client, _)| *client));
            minus.sort_unstable();
            if self.by_owners > 0 {
                heard.push((people, Recipients::Members(Box::new(Members { channel, epoch, plus, minus }))));
            }
        }
        for some in named.chunk_by(|a, b| a.0 == b.0) {
            let to = match some {
                [(_, client)] => Recipients::One(*client),
                some => Recipients::These(some.iter().map(|(_, client)| *client).collect()),
            };
            heard.push((some[0].0, to));
        }
        heard
    }

    /// Acknowledges what is due.
    pub fn on_wake(&mut self, now: Nanos, out: &mut Outbox) {
        self.replica.on_wake(now, out);
    }

    /// When [`Grouped::on_wake`] has something to do.
    pub fn next_wake(&self) -> Option<Nanos> {
        self.replica.next_wake()
    }
}

/// Changes how many want a channel; whether nobody does any more.
fn want(wanted: &mut FxHashMap<u32, u32>, channel: u32, by: u32) -> bool {
    let Some(count) = wanted.get_mut(&channel) else { return false };
    *count = count.wrapping_add(by);
    if *count == 0 {
        wanted.remove(&channel);
        return true;
    }
    false
}

#[cfg(test)]
#[path = "grouped_tests.rs"]
mod tests;
