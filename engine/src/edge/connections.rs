//! The connections of an edge: which client listens to what by name. What it listens to through channel groups is
//! [`super::grouped`]'s.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::audience::{Audience, Heard};
use crate::access::Token;
use crate::contract::{Nanos, NodeId};
use crate::message::{Channel, ChannelList, Client, Wildcard};
use crate::stream::earlier;

/// What a client asked for by name, and with which token: one that has been connected since before the run needs none.
#[derive(Debug)]
struct Subscription {
    channels: ChannelList,
    token: Option<Arc<Token>>,
}

/// A connection: whose, and with which token.
type Connected = (NodeId, Client, Arc<Token>);

/// Everything that clients listen to here.
#[derive(Debug, Default)]
pub struct Connections {
    subscriptions: FxHashMap<(NodeId, Client), Subscription>,
    audiences: FxHashMap<Channel, Audience>,
    /// Wildcards among them, by their prefix: for channels, and for presence events.
    wildcards: [FxHashMap<Channel, Channel>; 2],
    /// How many clients of each population are connected.
    connected: FxHashMap<NodeId, u32>,
}

impl Connections {
    /// Everybody is gone.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Room for so many clients more, each with a channel of its own.
    pub fn reserve(&mut self, clients: usize) {
        self.subscriptions.reserve(clients);
        self.audiences.reserve(clients);
    }

    /// What a client asked for by name.
    pub fn subscription(&self, population: NodeId, client: Client) -> Option<&ChannelList> {
        self.subscriptions.get(&(population, client)).map(|subscription| &subscription.channels)
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
    pub fn connect(
        &mut self,
        population: NodeId,
        client: Client,
        channels: ChannelList,
        token: Option<Arc<Token>>,
    ) -> ChannelList {
        if let Some(known) = self.subscriptions.get_mut(&(population, client))
            && known.channels == channels
        {
            known.token = token;
            return ChannelList::new();
        }
        let before = self.take(population, client);
        for channel in &channels {
            if let Some(Wildcard { prefix, presence }) = Wildcard::parse(channel) {
                self.wildcards[usize::from(presence)].entry(prefix.into()).or_insert_with(|| channel.clone());
            }
            self.audiences.entry(channel.clone()).or_default().insert(population, client);
        }
        *self.connected.entry(population).or_default() += 1;
        let silent = self.silence(population, client, before.iter().filter(|channel| !channels.contains(channel)));
        self.subscriptions.insert((population, client), Subscription { channels, token });
        silent
    }

    /// A client is gone; returns the channels that nobody listens to any more.
    pub fn disconnect(&mut self, population: NodeId, client: Client) -> ChannelList {
        let before = self.take(population, client);
        self.silence(population, client, before.iter())
    }

    /// Takes a subscription out, but not yet out of the audiences; returns its channels.
    fn take(&mut self, population: NodeId, client: Client) -> ChannelList {
        let Some(Subscription { channels, .. }) = self.subscriptions.remove(&(population, client)) else {
            return ChannelList::new();
        };
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
                if let Some(Wildcard { prefix, presence }) = Wildcard::parse(channel) {
                    self.wildcards[usize::from(presence)].remove(prefix);
                }
                silent.push(channel.clone());
            }
        }
        silent
    }

    /// The connections whose tokens are over, in order, and when the next token of the others expires.
    pub fn over(&self, is_over: impl Fn(&Token) -> bool) -> (Vec<Connected>, Option<Nanos>) {
        let (mut over, mut next) = (Vec::new(), None);
        for ((population, client), Subscription { token, .. }) in &self.subscriptions {
            match token {
                Some(token) if is_over(token) => over.push((*population, *client, token.clone())),
                Some(token) => next = earlier(next, Some(token.expires())),
                None => (),
            }
        }
        over.sort_unstable_by_key(|(population, client, _)| (*population, *client));
        (over, next)
    }

    /// Who of a population listens to this channel, in order.
    pub fn names(&self, channel: &str, population: NodeId) -> Vec<Client> {
        self.audiences.get(channel).map_or_else(Vec::new, |audience| audience.names(population))
    }

    /// The wildcards that somebody listens to and that stand for this channel: at most two. One is not its own.
    pub fn wildcards_over<'c>(&self, channel: &'c str) -> SmallVec<[Channel; 2]> {
        let mut over = SmallVec::new();
        if self.wildcards.iter().any(|wildcards| !wildcards.is_empty()) {
            let named = |Wildcard { prefix, presence }: Wildcard<'c>| self.wildcards[usize::from(presence)].get(prefix);
            over.extend(Wildcard::covering(channel).filter_map(named).filter(|name| ***name != *channel).cloned());
        }
        over
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
        connections.connect(HERE, 1, of(&["a", "b"]), None);
        let silent = connections.connect(HERE, 1, of(&["b", "c"]), None);
        assert_eq!(silent.as_slice(), ["a".into()]);
        assert_eq!(["a", "b", "c"].map(|channel| connections.wants(channel)), [false, true, true]);
        assert_eq!((connections.connected(HERE), connections.disconnect(HERE, 1).len()), (1, 2));
        assert_eq!((connections.connected(HERE), connections.wants("b")), (0, false));
    }

    #[test]
    fn a_wildcard_is_over_what_it_stands_for_while_somebody_listens_to_it() {
        const HERE: NodeId = NodeId(3);
        let of = |channels: &[&str]| channels.iter().map(|&channel| channel.into()).collect();
        let mut connections = Connections::default();
        let over = |connections: &Connections, channel| connections.wildcards_over(channel).into_vec();
        assert!(over(&connections, "a.b.c").is_empty());
        connections.connect(HERE, 1, of(&["a.*", "a.b.*"]), None);
        connections.connect(HERE, 2, of(&["a.*", "a.*-pnpres"]), None);
        assert_eq!(over(&connections, "a.b.c"), ["a.*".into(), "a.b.*".into()]);
        assert_eq!(over(&connections, "a.b-pnpres"), ["a.*-pnpres".into()]);
        assert!(over(&connections, "a.*-pnpres").is_empty(), "events of the wildcard's own presence come by its name");
        assert_eq!(connections.disconnect(HERE, 1).as_slice(), ["a.b.*".into()]);
        assert_eq!(over(&connections, "a.b.c"), ["a.*".into()]);
    }
}
