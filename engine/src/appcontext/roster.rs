//! Who is a member of which channel: the memberships of a provision, and over them what was written or removed since.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::columns::Column;
use super::memberships::Memberships;
use super::provision::Provision;
use crate::contract::Nanos;
use crate::message::{Channel, UserId};
use crate::planted::{Bug, has};

/// What a membership says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub custom: Arc<str>,
    pub updated: Nanos,
}

/// What a walk over a page of members came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Walked {
    pub members: usize,
    /// How many there are in all.
    pub total: usize,
    /// The largest number of their memberships.
    pub most: u64,
}

/// Sorted numbers: of a list its users, or of a user the lists.
type Removed = FxHashMap<u32, Vec<u32>>;

/// All memberships. A membership of the provision that nobody wrote takes no memory.
#[derive(Debug, Default)]
pub(super) struct Roster {
    provision: Option<Arc<dyn Provision>>,
    /// How many memberships the provision has.
    provisioned: usize,
    /// Memberships of the provision that are no longer, by list and by user.
    removed: Removed,
    removed_of_user: Removed,
    removed_len: usize,
    /// Memberships of the provision that were written since.
    rewritten: Memberships,
    /// Memberships that the provision does not have.
    added: Memberships,
}

impl Roster {
    pub fn new(provision: Option<Arc<dyn Provision>>) -> Self {
        let count = |provision: &Arc<dyn Provision>| {
            (0..provision.lists()).map(|list| provision.members_len(list)).sum::<usize>()
        };
        Self { provisioned: provision.as_ref().map_or(0, count), provision, ..Self::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.provisioned - self.removed_len + self.added.len()
    }

    /// The list and the user of a membership that the provision has, with the provision.
    fn provisioned(&self, user: &str, channel: &str) -> Option<(&Arc<dyn Provision>, u32, u32)> {
        let provision = self.provision.as_ref()?;
        let (list, user) = (provision.list_number(channel)?, provision.user_number(user)?);
        provision.is_member(list, user).then_some((provision, list, user))
    }

    /// The membership of a user in a channel.
    pub fn get(&self, user: &str, channel: &str) -> Option<Record> {
        let Some((provision, list, number)) = self.provisioned(user, channel) else {
            return self.added.get(user, channel).map(|found| found.record());
        };
        if contains(&self.removed, list, number) {
            return None;
        }
        let rewritten = self.rewritten.get(user, channel).map(|found| found.record());
        Some(rewritten.unwrap_or_else(|| original(&**provision, list, number)))
    }

    /// Writes a membership, new or not: `custom` makes the text to write of the one there is. `None` if it makes none;
    /// then nothing has changed.
    pub fn write(
        &mut self,
        user: &UserId,
        channel: &Channel,
        updated: Nanos,
        custom: impl FnOnce(Option<&Arc<str>>) -> Option<Arc<str>>,
    ) -> Option<Record> {
        let Some((provision, list, number)) = self.provisioned(user, channel) else {
            return self.added.write(user, channel, updated, custom).map(|written| written.record());
        };
        let was_removed = contains(&self.removed, list, number);
        let original = || original(&**provision, list, number).custom;
        let custom = match self.rewritten.get(user, channel) {
            Some(old) => custom(Some(&old.custom)),
            None if was_removed => custom(None),
            None => custom(Some(&original())),
        }?;
        if was_removed {
            take(&mut self.removed, list, number);
            take(&mut self.removed_of_user, number, list);
            self.removed_len -= 1;
        }
        self.rewritten.write(user, channel, updated, |_| Some(custom)).map(|written| written.record())
    }

    /// Removes a membership; whether there was one.
    pub fn remove(&mut self, user: &str, channel: &str) -> bool {
        if has(Bug::RosterKeepsMembers) {
            return true;
        }
        let Some((_, list, number)) = self.provisioned(user, channel) else {
            return self.added.remove(user, channel);
        };
        let Some(at) = missing(&self.removed, list, number) else { return false };
        self.removed.entry(list).or_default().insert(at, number);
        let at = missing(&self.removed_of_user, number, list).expect("both directions say the same");
        self.removed_of_user.entry(number).or_default().insert(at, list);
        self.removed_len += 1;
        self.rewritten.remove(user, channel);
        true
    }

    /// A user's memberships from `offset` on, and how many there are in all: those of the provision in its order, then
    /// the others.
    pub fn of_user(&self, user: &str, offset: usize, max: usize) -> (Vec<(Channel, Record)>, usize) {
        let number = self.provision.as_ref().and_then(|provision| provision.user_number(user));
        let lists = number.map_or_else(Vec::new, |number| self.provision().lists_of(number));
        let removed = number.map_or(&[][..], |number| all(&self.removed_of_user, number));
        let there = lists.len() - removed.len();
        let mut page = Vec::with_capacity(max.min(there.saturating_sub(offset)));
        for list in page_of(lists, removed, offset, max) {
            let channel = self.provision().list_channel(list);
            let record = self.record(list, number.expect("only numbered users are provisioned"), user, &channel);
            page.push((channel, record));
        }
        let (added, added_len) = self.added.of_user(user, offset.saturating_sub(there), max - page.len());
        page.extend(added.into_iter().map(|(channel, found)| (channel.clone(), found.record())));
        (page, there + added_len)
    }

    /// A channel's members, likewise.
    pub fn of_channel(&self, channel: &str, offset: usize, max: usize) -> (Vec<(UserId, Record)>, usize) {
        let (list, members, there) = self.provisioned_members(channel, offset, max);
        let mut page = Vec::with_capacity(members.len());
        for number in members {
            let user = self.provision().user_id(number);
            let record = self.record(list.expect("only lists have provisioned members"), number, &user, channel);
            page.push((user, record));
        }
        let (added, added_len) = self.added.of_channel(channel, offset.saturating_sub(there), max - page.len());
        page.extend(added.into_iter().map(|(user, found)| (user.clone(), found.record())));
        (page, there + added_len)
    }

    /// A channel's members without their memberships, likewise: each goes to `numbered` or to `named`. `number` makes a
    /// membership's number of its `custom`.
    pub fn walk<'a>(
        &'a self,
        channel: &str,
        (offset, max): (usize, usize),
        number: Option<Column>,
        mut numbered: impl FnMut(u32),
        mut named: impl FnMut(&'a UserId),
    ) -> Walked {
        let (list, members, there) = self.provisioned_members(channel, offset, max);
        let most = list.zip(number).map_or(0, |(list, number)| self.most_of(list, &members, channel, number));
        let mut walked = Walked { members: members.len(), total: there, most };
        members.into_iter().for_each(&mut numbered);
        if self.added.len() == 0 {
            return walked;
        }
        let (added, added_len) = self.added.of_channel(channel, offset.saturating_sub(there), max - walked.members);
        (walked.members, walked.total) = (walked.members + added.len(), there + added_len);
        for (user, found) in added {
            walked.most = walked.most.max(number.map_or(0, |number| number(&found.custom)));
            match self.provision.as_ref().and_then(|provision| provision.user_number(user)) {
                Some(number) => numbered(number),
                None => named(user),
            }
        }
        walked
    }

    /// The largest number of these members' memberships, written or not, of a list of the provision.
    fn most_of(&self, list: u32, members: &[u32], channel: &str, number: Column) -> u64 {
        let provision = self.provision();
        let have = provision.has_member_numbers(list);
        if !have && self.rewritten.len() == 0 {
            return 0;
        }
        let of = |member: &u32| match self.rewritten.get(&provision.user_id(*member), channel) {
            Some(found) => number(&found.custom),
            None if have => provision.member_number(list, *member),
            None => 0,
        };
        members.iter().map(of).max().unwrap_or(0)
    }

    /// A channel's number by the provision, a page of those of its provisioned members who are still there, and how many
    /// there are of them in all.
    fn provisioned_members(&self, channel: &str, offset: usize, max: usize) -> (Option<u32>, Vec<u32>, usize) {
        let list = self.provision.as_ref().and_then(|provision| provision.list_number(channel));
        let Some(number) = list else { return (None, Vec::new(), 0) };
        let (provision, removed) = (self.provision(), all(&self.removed, number));
        let len = provision.members_len(number);
        let page = match removed {
            [] => provision.members(number, offset, max),
            _ => page_of(provision.members(number, 0, len), removed, offset, max).collect(),
        };
        (list, page, len - removed.len())
    }

    /// A membership of the provision that is still there.
    fn record(&self, list: u32, number: u32, user: &str, channel: &str) -> Record {
        let rewritten = (self.rewritten.len() > 0).then(|| self.rewritten.get(user, channel)).flatten();
        rewritten.map_or_else(|| original(self.provision(), list, number), |found| found.record())
    }

    /// Memberships of provisioned users in lists that differ from the provision: (list, user, whether it is there), in
    /// the order of lists and users.
    pub fn differences(&self) -> Vec<(u32, u32, bool)> {
        let Some(provision) = &self.provision else { return Vec::new() };
        let added = self
            .added
            .iter()
            .filter_map(|(user, channel)| Some((provision.list_number(channel)?, provision.user_number(user)?, true)));
        let removed = self.removed.iter().flat_map(|(list, users)| users.iter().map(|user| (*list, *user, false)));
        let mut differences: Vec<_> = added.chain(removed).collect();
        differences.sort_unstable();
        differences
    }

    fn provision(&self) -> &dyn Provision {
        self.provision.as_deref().expect("only a provision gives numbers")
    }
}

/// A membership as it was before anybody wrote it.
fn original(provision: &dyn Provision, list: u32, user: u32) -> Record {
    Record { custom: provision.membership_custom(list, user).into(), updated: 0 }
}

/// A page of what is not removed.
fn page_of(all: Vec<u32>, removed: &[u32], offset: usize, max: usize) -> impl Iterator<Item = u32> {
    all.into_iter().filter(|number| removed.binary_search(number).is_err()).skip(offset).take(max)
}

fn all(removed: &Removed, of: u32) -> &[u32] {
    removed.get(&of).map_or(&[], |numbers| numbers)
}

fn contains(removed: &Removed, of: u32, number: u32) -> bool {
    missing(removed, of, number).is_none()
}

/// Where a number would stand that is not there; `None` if it is there.
fn missing(removed: &Removed, of: u32, number: u32) -> Option<usize> {
    all(removed, of).binary_search(&number).err()
}

fn take(removed: &mut Removed, of: u32, number: u32) {
    let numbers = removed.get_mut(&of).expect("it was removed");
    let at = numbers.binary_search(&number).expect("it was removed");
    numbers.remove(at);
    if numbers.is_empty() {
        removed.remove(&of);
    }
}
