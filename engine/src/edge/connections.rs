//! The connections of an edge: which client listens to what by name. What it listens to through channel groups is
//! [`super::grouped`]'s.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::audience::{Audience, Heard};
use crate::contract::NodeId;
use crate::message::{Channel, ChannelList, Client};

/// Everything that clients listen to here.
#[derive(Debug, Default)]
pub struct Connections {
    subscriptions: FxHashMap<(NodeId, Client), ChannelList>,
    audiences: FxHashMap<Channel, Audience>,
    /// How many clients of each population are connected.
    connected: FxHashMap<NodeId, u32>,
}

impl Connections {
    /// Everybody is gone.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// What a client asked for by name.
    pub fn subscription(&self, population: NodeId, client: Client) -> Option<&ChannelList> {
        self.subscriptions.get(&(population, client))
    }

    /// How many clients of a population are connected.
    pub fn connected(&self, population: NodeId) -> u32 {
        self.connected.get(&population).copied().unwrap_or(0)
    }

    /// Whether somebody listens to this channel.
    pub fn wants(&self, channel: &str) -> bool {
        self.audiences.contains_key(channel)
    }

    /// A client listens to this from now on, and to nothing else; returns the channels that nobody listens to any more.
    pub fn connect(&mut self, population: NodeId, client: Client, channels: ChannelList) -> ChannelList {
        if self.subscriptions.get(&(population, client)) == Some(&channels) {
            return ChannelList::new();
        }
        let before = self.take(population, client);
        for channel in &channels {
            self.audiences.entry(channel.clone()).or_default().insert(population, client);
        }
        *self.connected.entry(population).or_default() += 1;
        let silent = self.silence(population, client, before.iter().filter(|channel| !channels.contains(channel)));
        self.subscriptions.insert((population, client), channels);
        silent
    }

    /// A client is gone; returns the channels that nobody listens to any more.
    pub fn disconnect(&mut self, population: NodeId, client: Client) -> ChannelList {
        let before = self.take(population, client);
        self.silence(population, client, before.iter())
    }

    /// Takes a subscription out, but not yet out of the audiences; returns its channels.
    fn take(&mut self, population: NodeId, client: Client) -> ChannelList {
        let Some(channels) = self.subscriptions.remove(&(population, client)) else { return ChannelList::new() };
        *self.connected.get_mut(&population).expect("it was connected") -= 1;
        channels
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

    /// Who of a population listens to this channel, in order.
    pub fn names(&self, channel: &str, population: NodeId) -> Vec<Client> {
        self.audiences.get(channel).map_or_else(Vec::new, |audience| audience.names(population))
    }

    /// Whom a message on this channel is for.
    pub fn heard(&self, channel: &str) -> SmallVec<[(NodeId, Heard); 2]> {
        self.audiences
            .get(channel)
            .map_or_else(SmallVec::new, |audience| audience.heard(|population| self.connected(population)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_subscription_silences_only_what_it_lacks() {
        const HERE: NodeId = NodeId(3);
        let of = |channels: &[&str]| channels.iter().map(|&channel| channel.into()).collect();
        let mut connections = Connections::default();
        connections.connect(HERE, 1, of(&["a", "b"]));
        let silent = connections.connect(HERE, 1, of(&["b", "c"]));
        assert_eq!(silent.as_slice(), ["a".into()]);
        assert_eq!(["a", "b", "c"].map(|channel| connections.wants(channel)), [false, true, true]);
        assert_eq!((connections.connected(HERE), connections.disconnect(HERE, 1).len()), (1, 2));
        assert_eq!((connections.connected(HERE), connections.wants("b")), (0, false));
    }
}
