//! The channel groups that everybody's friends are in at the beginning: 2,000 to a group, in the order of the list
//! (friends-online.md 4.5).

use std::sync::Arc;

use headcount_engine::groups::Provision;
use headcount_engine::message::{Channel, Client};
use headcount_engine::patterns::friends::names::{self, GROUP_CHANNELS_MAX, GROUPS_MAX};
use smallvec::SmallVec;

use super::plan::Intentions;
use crate::crowd::plan::{place_of, user_id, user_of};
use crate::graph::Graph;

/// Channel groups of one connection.
pub type Groups = SmallVec<[Arc<str>; 1]>;

/// A user's first `count` channel groups; no connection takes more than ten.
pub fn groups_of(user: &str, count: usize) -> Groups {
    (0..count.min(GROUPS_MAX)).map(|part| names::group_part(user, part).into()).collect()
}

/// What all status channels match.
pub(super) fn wildcard() -> Channel {
    "status.*".into()
}

/// The groups of users who have more than one, beyond the first.
#[derive(Debug, Default)]
pub struct Overflow {
    /// Users, in order, and the place of the first of each in `groups`.
    users: Vec<(u32, u32)>,
    /// The owner of each, and which of its groups it is.
    groups: Vec<(u32, u32)>,
}

impl Overflow {
    /// Those of a graph.
    pub fn of(graph: &Graph) -> Self {
        let mut overflow = Self::default();
        for user in 0..graph.users() {
            let parts = names::groups_for(graph.degree(user) as usize) as u32;
            if parts > 1 {
                overflow.users.push((user, overflow.groups.len() as u32));
                overflow.groups.extend((1..parts).map(|part| (user, part)));
            }
        }
        overflow
    }

    /// Users with more than one group.
    pub fn users(&self) -> impl Iterator<Item = u32> + '_ {
        self.users.iter().map(|(user, _)| *user)
    }

    /// The places of a user's groups.
    fn places(&self, user: u32) -> std::ops::Range<u32> {
        let Ok(at) = self.users.binary_search_by_key(&user, |(user, _)| *user) else { return 0..0 };
        let end = self.users.get(at + 1).map_or(self.groups.len() as u32, |(_, first)| *first);
        self.users[at].1..end
    }
}

/// The groups of the first friendships. A user's first group has the user's number; the others' numbers follow behind all
/// users'.
#[derive(Debug)]
pub(super) struct FriendGroups(Arc<Intentions>);

impl FriendGroups {
    pub fn new(world: &Arc<Intentions>) -> Self {
        Self(world.clone())
    }

    fn users(&self) -> u32 {
        self.0.graph.users()
    }

    /// Whose group it is, and which of that user's groups.
    fn owner_and_part(&self, group: u32) -> (u32, u32) {
        group.checked_sub(self.users()).map_or((group, 0), |place| self.0.overflow.groups[place as usize])
    }

    fn number(&self, user: u32, part: usize) -> Option<u32> {
        if part == 0 {
            return Some(user).filter(|user| *user < self.users());
        }
        let place = self.0.overflow.places(user).nth(part - 1)?;
        Some(self.users() + place)
    }
}

impl Provision for FriendGroups {
    fn channels(&self) -> u32 {
        self.users()
    }

    fn groups(&self) -> u32 {
        self.users() + self.0.overflow.groups.len() as u32
    }

    fn channel_name(&self, channel: u32) -> Channel {
        names::status_channel(&user_id(channel)).into()
    }

    fn channel_number(&self, name: &str) -> Option<u32> {
        user_of(names::parse_status_channel(name)?).filter(|user| *user < self.users())
    }

    fn group_name(&self, group: u32) -> Arc<str> {
        let (user, part) = self.owner_and_part(group);
        names::group_part(&user_id(user), part as usize).into()
    }

    fn group_number(&self, name: &str) -> Option<u32> {
        let (user, part) = names::parse_group_part(name)?;
        self.number(user_of(user)?, part)
    }

    fn channels_of(&self, group: u32) -> Vec<u32> {
        let (user, part) = self.owner_and_part(group);
        self.0.graph.row(user).users_from(part as usize * GROUP_CHANNELS_MAX).take(GROUP_CHANNELS_MAX).collect()
    }

    fn contains(&self, group: u32, channel: u32) -> bool {
        let (user, part) = self.owner_and_part(group);
        self.0.graph.contains(user, channel) && self.0.part(user, channel) == part as usize
    }

    /// Friendship is mutual.
    fn groups_of(&self, channel: u32) -> Vec<u32> {
        let group = |user| self.number(user, self.0.part(user, channel)).expect("every part has a number");
        self.0.graph.row(channel).users().map(group).collect()
    }

    fn len(&self, group: u32) -> u32 {
        let (user, part) = self.owner_and_part(group);
        let before = part * GROUP_CHANNELS_MAX as u32;
        self.0.graph.degree(user).saturating_sub(before).min(GROUP_CHANNELS_MAX as u32)
    }

    fn owner(&self, group: u32) -> Option<(u32, Client)> {
        Some(place_of(self.owner_and_part(group).0, self.0.graph.regions()))
    }

    fn groups_beside(&self, group: u32) -> SmallVec<[u32; 1]> {
        let user = self.owner_and_part(group).0;
        let others = self.0.overflow.places(user).map(|place| self.users() + place);
        std::iter::once(user).chain(others).collect()
    }

    fn wildcard(&self) -> Channel {
        wildcard()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::graph::{Degrees, GraphOptions};

    /// The most popular of 9,000 asks for 8,500 friends: a few users have several groups, everybody else has one.
    fn world() -> Arc<Intentions> {
        let degrees = Degrees::HeavyTailed { median: 4, max: 8_500 };
        Arc::new(Intentions::of(Graph::build(&GraphOptions { users: 9_000, regions: 4, degrees, seed: 3 }).unwrap()))
    }

    #[test]
    fn every_friend_is_in_one_group_and_both_ways_say_the_same() {
        let world = world();
        let groups = FriendGroups::new(&world);
        let heavy: Vec<u32> = world.overflow.users().collect();
        assert!(!heavy.is_empty() && groups.groups() > 9_000, "{heavy:?}");
        for user in (0..40).chain(heavy) {
            let beside = groups.groups_beside(user);
            assert_eq!(beside.len(), names::groups_for(world.graph.degree(user) as usize));
            let mut seen = BTreeSet::new();
            for (part, &group) in beside.iter().enumerate() {
                let name = names::group_part(&user_id(user), part);
                assert_eq!((&*groups.group_name(group), groups.group_number(&name)), (&*name, Some(group)));
                assert_eq!((groups.owner(group), groups.groups_beside(group)), (groups.owner(user), beside.clone()));
                let channels = groups.channels_of(group);
                assert_eq!(channels.len(), groups.len(group) as usize);
                assert!(channels.len() <= GROUP_CHANNELS_MAX);
                for friend in channels {
                    assert!(seen.insert(friend), "twice");
                    let holding: Vec<u32> = beside.iter().copied().filter(|g| groups.contains(*g, friend)).collect();
                    assert_eq!(holding, [group]);
                    assert_eq!(groups.groups_of(friend).iter().filter(|g| beside.contains(g)).count(), 1);
                    assert!(groups.groups_of(friend).contains(&group));
                }
            }
            assert_eq!(seen, world.graph.row(user).users().collect());
        }
        assert_eq!(groups.group_number("cg-friends-user_000000-9"), None);
        assert_eq!(groups.group_number(&names::group("user_009000")), None);
    }

    #[test]
    fn a_connection_takes_ten_groups() {
        assert_eq!(groups_of("u", 1).len(), 1);
        assert_eq!(groups_of("u", 11).last().map(|name| &**name), Some("cg-friends-u-9"));
    }
}
