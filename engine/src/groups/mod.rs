//! Which channels are in which groups, by number.
//!
//! The friend groups of half a million users are 250 million pairs. Nobody keeps those as text: they are a
//! [`Provision`], data from elsewhere whose names follow a formula, and [`Groups`] holds only what has changed since. A
//! group that nobody has touched takes no memory here.

pub(crate) mod names;
mod replica;

use std::fmt::Debug;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use self::names::Names;
pub use self::replica::Replica;
use crate::message::{Channel, Client};

/// Groups that were there before the run began. Channels and groups are numbered from 0, and their names follow from
/// their numbers.
pub trait Provision: Debug + Send + Sync {
    /// How many channels there are names for: numbers `0 .. channels()`.
    fn channels(&self) -> u32;
    /// How many groups: numbers `0 .. groups()`.
    fn groups(&self) -> u32;
    /// The name of a channel, for a number below [`Provision::channels`].
    fn channel_name(&self, channel: u32) -> Channel;
    /// The number of a channel; `None` if the provision does not know it.
    fn channel_number(&self, name: &str) -> Option<u32>;
    /// The name of a group, for a number below [`Provision::groups`].
    fn group_name(&self, group: u32) -> Arc<str>;
    /// The number of a group; `None` if the provision does not know it.
    fn group_number(&self, name: &str) -> Option<u32>;
    /// A group's channels in any order, each once.
    fn channels_of(&self, group: u32) -> Vec<u32>;
    /// Whether a channel is in a group.
    fn contains(&self, group: u32, channel: u32) -> bool;
    /// The groups that a channel is in, in any order, each once.
    fn groups_of(&self, channel: u32) -> Vec<u32>;
    /// Whose group it is, if there is one user for it: the user's region, and the user's number among its clients.
    fn owner(&self, group: u32) -> Option<(u32, Client)>;
    /// All the groups whose owner is this one's, itself among them, in any order. No two of them hold the same channel.
    fn groups_beside(&self, group: u32) -> SmallVec<[u32; 1]> {
        std::iter::once(group).collect()
    }
    /// A wildcard that all the provision's channels match, and few others.
    fn wildcard(&self) -> Channel;
    /// How many channels are in a group.
    fn len(&self, group: u32) -> u32;
}

/// A channel that is in a group from now on, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub group: u32,
    pub channel: u32,
    pub present: bool,
}

/// What differs from the provision, sorted: of a group its channels, of a channel its groups.
#[derive(Clone, Debug, Default)]
struct Differences {
    added: Vec<u32>,
    removed: Vec<u32>,
}

/// Differences of groups or of channels; those without any have no entry.
type Overlay = FxHashMap<u32, Differences>;

/// The channels of all groups. Numbers are this object's own: only those of the provision are the same elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    provision: Option<Arc<dyn Provision>>,
    group_names: Names,
    channel_names: Names,
    by_group: Overlay,
    by_channel: Overlay,
}

impl Groups {
    /// No groups, or those of a provision.
    pub fn new(provision: Option<Arc<dyn Provision>>) -> Self {
        let (groups, channels) = provision.as_ref().map_or((0, 0), |p| (p.groups(), p.channels()));
        Self { provision, group_names: Names::from(groups), channel_names: Names::from(channels), ..Self::default() }
    }

    /// The number of a group that has one: groups get theirs from the provision or when a channel is first added.
    pub fn group_number(&self, name: &str) -> Option<u32> {
        let provisioned = self.provision.as_ref().and_then(|provision| provision.group_number(name));
        provisioned.or_else(|| self.group_names.number(name))
    }

    /// The number of a channel that has one: channels get theirs from the provision or when first added to a group.
    pub fn channel_number(&self, name: &str) -> Option<u32> {
        let provisioned = self.provision.as_ref().and_then(|provision| provision.channel_number(name));
        provisioned.or_else(|| self.channel_names.number(name))
    }

    /// The name of a group; its number must have come from here.
    pub fn group_name(&self, group: u32) -> Arc<str> {
        match &self.provision {
            Some(provision) if group < provision.groups() => provision.group_name(group),
            _ => self.group_names.name(group).expect("numbers come from here").clone(),
        }
    }

    /// The name of a channel; its number must have come from here.
    pub fn channel_name(&self, channel: u32) -> Channel {
        match &self.provision {
            Some(provision) if channel < provision.channels() => provision.channel_name(channel),
            _ => self.channel_names.name(channel).expect("numbers come from here").clone(),
        }
    }

    /// The group of this name, with a number from now on.
    pub fn intern_group(&mut self, name: &Arc<str>) -> u32 {
        self.group_number(name).unwrap_or_else(|| self.group_names.intern(name))
    }

    /// The channel of this name, with a number from now on.
    pub fn intern_channel(&mut self, name: &Channel) -> u32 {
        self.channel_number(name).unwrap_or_else(|| self.channel_names.intern(name))
    }

    /// Puts a channel into a group; whether it was not there before.
    pub fn add(&mut self, group: u32, channel: u32) -> bool {
        self.put(group, channel, true)
    }

    /// Takes a channel out of a group; whether it was there before.
    pub fn remove(&mut self, group: u32, channel: u32) -> bool {
        self.put(group, channel, false)
    }

    /// Takes all channels out of a group; those that were there, by number.
    pub fn delete(&mut self, group: u32) -> Vec<u32> {
        let mut channels: Vec<u32> = self.channels_of(group).collect();
        channels.sort_unstable();
        for &channel in &channels {
            self.remove(group, channel);
        }
        channels
    }

    /// Puts a channel into a group by name, or takes it out; `None` if that changes nothing. Only names that are added
    /// get numbers.
    pub fn set(&mut self, group: &Arc<str>, channel: &Channel, present: bool) -> Option<Change> {
        let (group, channel) = if present {
            (self.intern_group(group), self.intern_channel(channel))
        } else {
            (self.group_number(group)?, self.channel_number(channel)?)
        };
        self.put(group, channel, present).then_some(Change { group, channel, present })
    }

    fn put(&mut self, group: u32, channel: u32, present: bool) -> bool {
        let provisioned = self.is_provisioned(group, channel);
        let changed = differ(&mut self.by_group, group, channel, provisioned, present);
        if changed {
            let both = differ(&mut self.by_channel, channel, group, provisioned, present);
            assert!(both, "both directions say the same");
        }
        changed
    }

    /// Whether a channel is in a group.
    pub fn contains(&self, group: u32, channel: u32) -> bool {
        let differences = self.by_group.get(&group);
        if self.is_provisioned(group, channel) {
            differences.is_none_or(|differences| differences.removed.binary_search(&channel).is_err())
        } else {
            differences.is_some_and(|differences| differences.added.binary_search(&channel).is_ok())
        }
    }

    /// A group's channels by number: those of the provision in its order, then the added ones in the order of numbers.
    pub fn channels_of(&self, group: u32) -> impl Iterator<Item = u32> + '_ {
        let (added, removed) = both(&self.by_group, group);
        let provisioned = match &self.provision {
            Some(provision) if group < provision.groups() => provision.channels_of(group),
            _ => Vec::new(),
        };
        without(provisioned, removed).chain(added.iter().copied())
    }

    /// Those of a group's channels that the provision does not know, in the order of numbers.
    pub fn unknown_channels_of(&self, group: u32) -> impl Iterator<Item = u32> + '_ {
        let added = both(&self.by_group, group).0.iter().copied();
        added.filter(|channel| !self.is_known_channel(*channel))
    }

    /// A group's channels by name, in order.
    pub fn list(&self, group: u32) -> Vec<Channel> {
        let mut names: Vec<Channel> = self.channels_of(group).map(|channel| self.channel_name(channel)).collect();
        names.sort_unstable();
        names
    }

    /// How many channels are in a group.
    pub fn len(&self, group: u32) -> u32 {
        let provision = self.provision.as_ref().filter(|provision| group < provision.groups());
        let (added, removed) = both(&self.by_group, group);
        provision.map_or(0, |provision| provision.len(group)) + added.len() as u32 - removed.len() as u32
    }

    /// Whether no channel is in a group: a subscription to such groups alone is refused (platform.md 2.6).
    pub fn is_empty(&self, group: u32) -> bool {
        self.len(group) == 0
    }

    /// The groups that a channel is in, by number: those of the provision first.
    pub fn groups_of(&self, channel: u32) -> impl Iterator<Item = u32> + '_ {
        let (added, removed) = both(&self.by_channel, channel);
        let provisioned = match &self.provision {
            Some(provision) if channel < provision.channels() => provision.groups_of(channel),
            _ => Vec::new(),
        };
        without(provisioned, removed).chain(added.iter().copied())
    }

    /// What was there before the run began.
    pub fn provision(&self) -> Option<&Arc<dyn Provision>> {
        self.provision.as_ref()
    }

    /// Whether a channel, by number, is one of the provision's.
    pub fn is_known_channel(&self, channel: u32) -> bool {
        self.provision.as_ref().is_some_and(|provision| channel < provision.channels())
    }

    /// Whether a group, by number, is one of the provision's.
    pub fn is_known_group(&self, group: u32) -> bool {
        self.provision.as_ref().is_some_and(|provision| group < provision.groups())
    }

    /// The groups that a channel is in beyond those of the provision, in the order of numbers: what a fan-out over the
    /// provision must add. For a channel that the provision does not know, all its groups.
    pub fn added_to(&self, channel: u32) -> &[u32] {
        both(&self.by_channel, channel).0
    }

    /// The groups that a channel is in by the provision and no longer in fact, in the order of numbers: what a fan-out
    /// over the provision must leave out.
    pub fn removed_from(&self, channel: u32) -> &[u32] {
        both(&self.by_channel, channel).1
    }

    /// The groups that differ from the provision, by number, in any order.
    pub fn changed(&self) -> impl Iterator<Item = u32> + '_ {
        self.by_group.keys().copied()
    }

    /// How many groups differ from the provision.
    pub fn groups_changed(&self) -> usize {
        self.by_group.len()
    }

    /// Whether the provision has this channel in this group.
    fn is_provisioned(&self, group: u32, channel: u32) -> bool {
        self.provision.as_ref().is_some_and(|provision| {
            group < provision.groups() && channel < provision.channels() && provision.contains(group, channel)
        })
    }
}

fn without(numbers: Vec<u32>, removed: &[u32]) -> impl Iterator<Item = u32> {
    numbers.into_iter().filter(|number| removed.binary_search(number).is_err())
}

/// (added, removed) of a group or a channel.
fn both(overlay: &Overlay, of: u32) -> (&[u32], &[u32]) {
    overlay.get(&of).map_or((&[], &[]), |differences| (&differences.added, &differences.removed))
}

/// Notes that `what` is with `of` or not, where the provision says `provisioned`; whether that is news.
fn differ(overlay: &mut Overlay, of: u32, what: u32, provisioned: bool, present: bool) -> bool {
    if provisioned == present {
        // Back to the provision: at most a difference less.
        let Some(differences) = overlay.get_mut(&of) else { return false };
        let list = if provisioned { &mut differences.removed } else { &mut differences.added };
        let Ok(at) = list.binary_search(&what) else { return false };
        list.remove(at);
        if differences.added.is_empty() && differences.removed.is_empty() {
            overlay.remove(&of);
        }
    } else {
        let differences = overlay.entry(of).or_default();
        let list = if provisioned { &mut differences.removed } else { &mut differences.added };
        let Err(at) = list.binary_search(&what) else { return false };
        list.insert(at, what);
    }
    true
}

#[cfg(test)]
pub(crate) mod tests;
