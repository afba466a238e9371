use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::dice::{below, draw};

/// The friends of eight users: user n knows n + 1, n + 2 and n + 5 modulo 8. Channel `status.n`, group `cg-n`.
#[derive(Debug)]
pub(crate) struct Ring {
    rows: Vec<[u32; 3]>,
    /// Who knows each.
    known_by: Vec<[u32; 3]>,
}

impl Ring {
    pub(crate) fn new() -> Self {
        let rows = (0..8).map(|n| [1, 2, 5].map(|step| (n + step) % 8)).collect();
        // 8 - step is the way back.
        Self { rows, known_by: (0..8).map(|n| [7, 6, 3].map(|back| (n + back) % 8)).collect() }
    }
}

fn number(name: &str, prefix: &str) -> Option<u32> {
    name.strip_prefix(prefix)?.parse().ok().filter(|number| *number < 8)
}

impl Provision for Ring {
    fn channels(&self) -> u32 {
        8
    }
    fn groups(&self) -> u32 {
        8
    }
    fn channel_name(&self, channel: u32) -> Channel {
        format!("status.{channel}").into()
    }
    fn channel_number(&self, name: &str) -> Option<u32> {
        number(name, "status.")
    }
    fn group_name(&self, group: u32) -> Arc<str> {
        format!("cg-{group}").into()
    }
    fn group_number(&self, name: &str) -> Option<u32> {
        number(name, "cg-")
    }
    fn channels_of(&self, group: u32) -> Vec<u32> {
        self.rows[group as usize].to_vec()
    }
    fn contains(&self, group: u32, channel: u32) -> bool {
        self.rows[group as usize].contains(&channel)
    }
    fn groups_of(&self, channel: u32) -> Vec<u32> {
        self.known_by[channel as usize].to_vec()
    }
    fn len(&self, group: u32) -> u32 {
        self.rows[group as usize].len() as u32
    }
    /// Two regions.
    fn owner(&self, group: u32) -> Option<(u32, Client)> {
        Some((group % 2, group / 2))
    }
    fn wildcard(&self) -> Channel {
        "status.*".into()
    }
}

/// What anybody would write: names and sets of names.
pub(crate) type Naive = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn naive(provision: Option<&Ring>) -> Naive {
    let mut groups = Naive::new();
    for (group, row) in provision.iter().flat_map(|ring| ring.rows.iter().enumerate()) {
        groups.insert(format!("cg-{group}"), row.iter().map(|channel| format!("status.{channel}")).collect());
    }
    groups
}

/// Some group and channel of the dice, half of them unknown to the ring.
pub(crate) fn some_names(dice: u64) -> (Arc<str>, Channel) {
    let (group, channel) = (below(12, draw(dice, 1)), below(12, draw(dice, 2)));
    let of = |number, known: &str, new: &str| format!("{}{number}", if number < 8 { known } else { new });
    (of(group, "cg-", "team-").into(), of(channel, "status.", "chat.").into())
}

fn check_against(groups: &Groups, naive: &Naive, ring: Option<&Ring>) {
    let empty = BTreeSet::new();
    for n in 0..12 {
        let group = if n < 8 { format!("cg-{n}") } else { format!("team-{n}") };
        let expected = naive.get(&group).unwrap_or(&empty);
        let Some(number) = groups.group_number(&group) else {
            assert!(expected.is_empty(), "{group} has no number");
            continue;
        };
        assert_eq!(*groups.group_name(number), *group);
        let listed: Vec<String> = groups.list(number).iter().map(|channel| channel.to_string()).collect();
        assert_eq!(listed, expected.iter().cloned().collect::<Vec<_>>(), "{group}");
        assert_eq!((groups.len(number) as usize, groups.is_empty(number)), (expected.len(), expected.is_empty()));
        for channel in 0..12 {
            let name = if channel < 8 { format!("status.{channel}") } else { format!("chat.{channel}") };
            let there = groups.channel_number(&name).is_some_and(|channel| groups.contains(number, channel));
            assert_eq!(there, expected.contains(&name), "{name} in {group}");
        }
    }
    // A fan-out over the provision, less what was removed, and what was added: everybody who has the channel.
    for n in 0..12 {
        let name = if n < 8 { format!("status.{n}") } else { format!("chat.{n}") };
        let Some(channel) = groups.channel_number(&name) else { continue };
        let provisioned = (0..8).filter(|group| ring.is_some_and(|ring| n < 8 && ring.contains(*group, n)));
        let kept = provisioned.filter(|group| !groups.removed_from(channel).contains(group));
        let reached: Vec<u32> = kept.chain(groups.added_to(channel).iter().copied()).collect();
        let reached_names: BTreeSet<String> =
            reached.iter().map(|group| groups.group_name(*group).to_string()).collect();
        assert_eq!(reached.len(), reached_names.len(), "{name}: nobody is reached twice");
        let expected = naive.iter().filter(|(_, channels)| channels.contains(&name)).map(|(group, _)| group.clone());
        assert_eq!(reached_names, expected.collect::<BTreeSet<_>>(), "{name}");
    }
}

#[test]
fn groups_are_what_a_map_of_sets_of_names_is_with_and_without_a_provision() {
    for provisioned in [false, true] {
        let ring = provisioned.then(Ring::new);
        let provision = provisioned.then(|| Arc::new(Ring::new()) as Arc<dyn Provision>);
        let mut groups = Groups::new(provision);
        let mut naive = naive(ring.as_ref());
        let mut news = 0;
        for step in 0..4_000 {
            let dice = draw(17, step);
            let (group, channel) = some_names(dice);
            match below(20, dice) {
                0 => {
                    let gone = groups.group_number(&group).map_or(Vec::new(), |number| groups.delete(number));
                    assert_eq!(gone.len(), naive.remove(&*group).map_or(0, |channels| channels.len()));
                }
                1..9 => {
                    let expected = naive.get_mut(&*group).is_some_and(|channels| channels.remove(&*channel));
                    let change = groups.set(&group, &channel, false);
                    assert_eq!(change.is_some(), expected);
                }
                _ => {
                    let expected = naive.entry(group.to_string()).or_default().insert(channel.to_string());
                    let change = groups.set(&group, &channel, true);
                    assert_eq!(change.is_some(), expected);
                    news += usize::from(expected);
                }
            }
            if step % 10 == 0 {
                check_against(&groups, &naive, ring.as_ref());
            }
        }
        assert!(news > 500, "{news}");
        check_against(&groups, &naive, ring.as_ref());
    }
}

#[test]
fn a_group_that_is_again_as_provisioned_takes_no_memory() {
    let mut groups = Groups::new(Some(Arc::new(Ring::new())));
    assert_eq!((groups.groups_changed(), groups.len(3)), (0, 3));
    // 3 knows 4, 5 and 0; nobody of 3 and 4 knows 7.
    assert!(groups.remove(3, 4) && groups.add(3, 7) && groups.add(4, 7));
    assert_eq!(groups.groups_changed(), 2);
    assert_eq!((groups.removed_from(4), groups.added_to(7)), (&[3][..], &[3, 4][..]));
    assert!(groups.add(3, 4) && groups.remove(3, 7) && groups.remove(4, 7));
    assert_eq!((groups.groups_changed(), groups.by_channel.len()), (0, 0));
    assert_eq!(groups.channels_of(3).collect::<Vec<_>>(), [4, 5, 0]);
}

#[test]
fn names_that_change_nothing_get_no_number() {
    let mut groups = Groups::new(None);
    assert_eq!(groups.set(&"g".into(), &"c".into(), false), None);
    assert_eq!((groups.group_number("g"), groups.channel_number("c")), (None, None));
    let change = groups.set(&"g".into(), &"c".into(), true).unwrap();
    assert_eq!(groups.set(&"g".into(), &"c".into(), true), None);
    assert_eq!((groups.group_number("g"), groups.channel_number("c")), (Some(change.group), Some(change.channel)));
    assert_eq!(groups.delete(change.group), [change.channel]);
    assert!(groups.is_empty(change.group) && groups.delete(change.group).is_empty());
}

#[test]
fn both_directions_agree_whatever_is_changed() {
    let mut groups = Groups::new(Some(Arc::new(Ring::new())));
    for step in 0..3_000u64 {
        let (group, channel) = (below(8, draw(7, 3 * step)) as u32, below(8, draw(7, 3 * step + 1)) as u32);
        if below(2, draw(7, 3 * step + 2)) == 0 {
            groups.add(group, channel);
        } else {
            groups.remove(group, channel);
        }
        let through: BTreeSet<u32> = groups.groups_of(channel).collect();
        let naive: BTreeSet<u32> = (0..8).filter(|group| groups.contains(*group, channel)).collect();
        assert_eq!(through, naive);
    }
}
