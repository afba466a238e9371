use std::collections::BTreeMap;

use super::*;
use crate::dice::{below, draw};
use crate::groups::tests::Ring;
use crate::message::StreamItem;

const REGISTRY: NodeId = NodeId(1);
const HERE: NodeId = NodeId(3);
/// Users 0, 2, 4, 6 of the ring live here, as clients 0 to 3.
const PEOPLE: NodeId = NodeId(4);

/// An edge's groups, and the frames of the registry to it.
struct Bench {
    grouped: Grouped,
    sent: u64,
}

impl Bench {
    fn new(provision: bool) -> Self {
        let ring: Option<Arc<dyn Provision>> = provision.then(|| Arc::new(Ring::new()) as Arc<dyn Provision>);
        Self { grouped: Grouped::new(REGISTRY, ring, provision.then_some((0, PEOPLE))), sent: 0 }
    }

    fn change(&mut self, group: &str, channel: &str, present: bool) -> (ChannelList, ChannelList) {
        let items = vec![StreamItem::Group { group: group.into(), channel: channel.into(), present }];
        let frame = StreamFrame::Data { epoch: 1, base: 0, first_seq: self.sent, items };
        self.sent += 1;
        self.grouped.registered(0, REGISTRY, frame)
    }

    fn connect(&mut self, listener: Listener, groups: &[&str]) -> (ChannelList, ChannelList) {
        let names: Vec<Arc<str>> = groups.iter().map(|&name| name.into()).collect();
        self.grouped.connect(listener, &names)
    }

    /// Who hears a channel, each as often as it does; members found as a population finds them.
    fn heard(&self, channel: &str) -> Vec<Listener> {
        let people = self.grouped.of_client.keys().filter(|(population, _)| *population == PEOPLE).count() as u32;
        let mut all = Vec::new();
        for (population, to) in self.grouped.heard(channel, 7, |_| people) {
            match to {
                Recipients::One(client) => all.push((population, client)),
                Recipients::These(clients) => all.extend(clients.iter().map(|client| (population, *client))),
                Recipients::Members(members) => {
                    assert_eq!((population, members.epoch), (PEOPLE, 7));
                    let ring = Ring::new();
                    let own = ring.groups_of(members.channel).into_iter().filter_map(|group| ring.owner(group));
                    let here = own.filter(|(region, _)| *region == 0).map(|(_, client)| client);
                    let connected = |client: &u32| self.grouped.of_client.contains_key(&(PEOPLE, *client));
                    let who = here.filter(connected).filter(|client| !members.minus.contains(client));
                    all.extend(who.chain(members.plus.iter().copied()).map(|client| (PEOPLE, client)));
                }
                Recipients::Subscribers => panic!("nobody is only counted"),
            }
        }
        all.sort_unstable();
        all
    }
}

fn names(list: &ChannelList) -> Vec<&str> {
    list.iter().map(|name| &**name).collect()
}

#[test]
fn a_group_brings_its_channels_whenever_they_come() {
    let mut bench = Bench::new(false);
    assert!(bench.change("g", "a", true).0.is_empty(), "nobody listens");
    let (begin, _) = bench.connect((HERE, 1), &["g"]);
    assert_eq!(names(&begin), ["a"]);
    assert_eq!((bench.heard("a"), bench.heard("b")), (vec![(HERE, 1)], vec![]));
    let (begin, _) = bench.change("g", "b", true);
    assert_eq!(names(&begin), ["b"]);
    assert_eq!(bench.heard("b"), [(HERE, 1)]);
    let (_, silent) = bench.change("g", "a", false);
    assert_eq!(names(&silent), ["a"]);
    assert!(bench.heard("a").is_empty());
    assert_eq!(names(&bench.grouped.disconnect((HERE, 1))), ["b"]);
    assert!(bench.heard("b").is_empty());
}

#[test]
fn what_is_in_two_groups_is_heard_twice_and_listened_to_until_both_are_gone() {
    let mut bench = Bench::new(false);
    bench.change("g", "a", true);
    bench.change("h", "a", true);
    bench.connect((HERE, 1), &["g", "h"]);
    assert_eq!(bench.heard("a"), [(HERE, 1), (HERE, 1)]);
    assert!(bench.change("g", "a", false).1.is_empty());
    assert_eq!(bench.heard("a"), [(HERE, 1)]);
    assert_eq!(names(&bench.change("h", "a", false).1), ["a"]);
    assert!(bench.grouped.all_empty(&["g".into(), "unknown".into()]));
}

#[test]
fn another_subscription_ends_only_what_it_lacks() {
    let mut bench = Bench::new(false);
    bench.change("g", "a", true);
    bench.change("h", "b", true);
    bench.change("h", "c", true);
    bench.connect((HERE, 1), &["g", "h"]);
    let (_, silent) = bench.connect((HERE, 1), &["h"]);
    assert_eq!(names(&silent), ["a"]);
    assert_eq!(bench.heard("c"), [(HERE, 1)]);
}

#[test]
fn owners_of_their_groups_are_not_named_and_anybody_else_is() {
    let mut bench = Bench::new(true);
    assert_eq!(bench.grouped.wildcard().as_deref(), Some("status.*"));
    // User 0 knows 1, 2 and 5; user 4 knows 5, 6 and 1.
    assert!(bench.connect((PEOPLE, 0), &["cg-0"]).0.is_empty(), "the wildcard covers it");
    bench.connect((PEOPLE, 2), &["cg-4"]);
    let named = |bench: &Bench| {
        let heard = bench.grouped.heard("status.5", 7, |_| 2);
        !heard.iter().any(|(_, to)| matches!(to, Recipients::Members(_)))
    };
    assert!(!named(&bench));
    assert_eq!(bench.heard("status.5"), [(PEOPLE, 0), (PEOPLE, 2)]);
    // A visitor from another population is named beside them.
    bench.connect((HERE, 9), &["cg-4"]);
    assert!(!named(&bench));
    assert_eq!(bench.heard("status.5"), [(HERE, 9), (PEOPLE, 0), (PEOPLE, 2)]);
    // One of theirs listens to a group that is not its own.
    bench.connect((PEOPLE, 1), &["cg-4"]);
    assert!(named(&bench));
    assert_eq!(bench.heard("status.5"), [(HERE, 9), (PEOPLE, 0), (PEOPLE, 1), (PEOPLE, 2)]);
    assert_eq!(bench.grouped.covered(&["cg-0".into()]).len(), 3);
}

/// User 1 of the ring lives elsewhere, as client 0 of its region: the same number as user 0 has here. It knows 2, 3 and 6; user 0
/// knows 1, 2 and 5.
#[test]
fn a_visitor_who_parts_with_a_friend_makes_no_owner_of_the_same_number_deaf() {
    let mut bench = Bench::new(true);
    bench.connect((PEOPLE, 0), &["cg-0"]);
    bench.connect((HERE, 0), &["cg-1"]);
    assert_eq!(bench.heard("status.2"), [(HERE, 0), (PEOPLE, 0)]);
    bench.change("cg-1", "status.2", false);
    assert_eq!(bench.heard("status.2"), [(PEOPLE, 0)]);
    bench.change("cg-1", "status.7", true);
    assert_eq!(bench.heard("status.7"), [(HERE, 0)]);
    bench.grouped.disconnect((HERE, 0));
    assert_eq!((bench.heard("status.7"), bench.grouped.by_visitors), (vec![], 0));
}

/// Against sets of pairs: 4,000 changes of groups and subscriptions, known and unknown names, owners and others.
#[test]
fn whoever_listens_to_whatever_hears_what_a_plain_model_says() {
    let mut bench = Bench::new(true);
    let ring = Ring::new();
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for group in 0..8 {
        let channels = ring.channels_of(group).into_iter().map(|channel| format!("status.{channel}")).collect();
        groups.insert(format!("cg-{group}"), channels);
    }
    let mut listens: BTreeMap<Listener, Vec<String>> = BTreeMap::new();
    for step in 0..4_000u64 {
        let dice = |n: u64, of: u64| below(of, draw(5, 6 * step + n));
        let group = if dice(0, 4) > 0 { format!("cg-{}", dice(1, 8)) } else { format!("g{}", dice(1, 3)) };
        let channel = if dice(2, 4) > 0 { format!("status.{}", dice(3, 8)) } else { format!("c{}", dice(3, 3)) };
        match dice(4, 4) {
            0 => {
                bench.change(&group, &channel, true);
                let channels = groups.entry(group).or_default();
                if !channels.contains(&channel) {
                    channels.push(channel.clone());
                }
            }
            1 => {
                bench.change(&group, &channel, false);
                groups.entry(group).or_default().retain(|known| *known != channel);
            }
            2 => {
                // Mostly to the own group; visitors to another's too, and in the first half now and then so does one of these.
                let client = dice(5, 4) as Client;
                let own = format!("cg-{}", 2 * client);
                let (who, wants) = match dice(1, 8) {
                    0 => ((HERE, client), vec![group, own]),
                    1 if step < 2_000 => ((PEOPLE, client), vec![group, own]),
                    _ => ((PEOPLE, client), vec![own]),
                };
                bench.connect(who, &wants.iter().map(|name| &**name).collect::<Vec<&str>>());
                let mut wants = wants;
                wants.sort();
                wants.dedup();
                listens.insert(who, wants);
            }
            _ => {
                let who = ([HERE, PEOPLE][dice(5, 2) as usize], dice(1, 4) as Client);
                bench.grouped.disconnect(who);
                listens.remove(&who);
            }
        }
        if step == 2_000 {
            for client in 0..4 {
                bench.grouped.disconnect((PEOPLE, client));
                listens.remove(&(PEOPLE, client));
            }
        }
        let mut wanted: Vec<Listener> = Vec::new();
        for (who, wants) in &listens {
            let times = wants.iter().filter(|group| groups.get(*group).is_some_and(|in_it| in_it.contains(&channel)));
            wanted.extend(times.map(|_| *who));
        }
        assert_eq!(bench.heard(&channel), wanted, "{channel} after step {step}");
        let known = bench.grouped.replica.groups().channel_number(&channel);
        let covered = known.is_some_and(|known| known < 8);
        assert_eq!(bench.grouped.wants(&channel), !covered && !wanted.is_empty(), "{channel} after step {step}");
    }
}

/// Two users of one region: user 0 has the groups 0 (channel 2) and 2 (channel 3), user 1 the group 1 (channels 2 and 3).
#[derive(Debug)]
struct Several;

impl Provision for Several {
    fn channels(&self) -> u32 {
        4
    }
    fn groups(&self) -> u32 {
        3
    }
    fn channel_name(&self, channel: u32) -> Channel {
        format!("c{channel}").into()
    }
    fn channel_number(&self, name: &str) -> Option<u32> {
        name.strip_prefix('c')?.parse().ok().filter(|number| *number < 4)
    }
    fn group_name(&self, group: u32) -> Arc<str> {
        format!("g{group}").into()
    }
    fn group_number(&self, name: &str) -> Option<u32> {
        name.strip_prefix('g')?.parse().ok().filter(|number| *number < 3)
    }
    fn channels_of(&self, group: u32) -> Vec<u32> {
        [vec![2], vec![2, 3], vec![3]][group as usize].clone()
    }
    fn contains(&self, group: u32, channel: u32) -> bool {
        self.channels_of(group).contains(&channel)
    }
    fn groups_of(&self, channel: u32) -> Vec<u32> {
        (0..3).filter(|group| self.contains(*group, channel)).collect()
    }
    fn owner(&self, group: u32) -> Option<(u32, Client)> {
        Some((0, group % 2))
    }
    fn groups_beside(&self, group: u32) -> SmallVec<[u32; 1]> {
        (0..3).filter(|other| other % 2 == group % 2).collect()
    }
    fn wildcard(&self) -> Channel {
        "c*".into()
    }
    fn len(&self, group: u32) -> u32 {
        self.channels_of(group).len() as u32
    }
}

/// One message for the members either way; who takes one of two groups is left out of what is in the other.
#[test]
fn whoever_takes_some_of_the_own_groups_hears_those() {
    let mut bench = Bench { grouped: Grouped::new(REGISTRY, Some(Arc::new(Several)), Some((0, PEOPLE))), sent: 0 };
    let left_out = |bench: &Bench, channel: &str| match bench.grouped.heard(channel, 7, |_| 2).as_slice() {
        [(PEOPLE, Recipients::Members(members))] => members.minus.clone(),
        other => panic!("{other:?}"),
    };
    bench.connect((PEOPLE, 1), &["g1"]);
    bench.connect((PEOPLE, 0), &["g0"]);
    assert_eq!([left_out(&bench, "c2"), left_out(&bench, "c3")], [vec![], vec![0]]);
    bench.connect((PEOPLE, 0), &["g0", "g2"]);
    assert_eq!([left_out(&bench, "c2"), left_out(&bench, "c3")], [Vec::<u32>::new(), vec![]]);
    bench.connect((PEOPLE, 0), &["g2"]);
    assert_eq!([left_out(&bench, "c2"), left_out(&bench, "c3")], [vec![0], vec![]]);
    // Out of the first one as well, which is not taken anyway: once.
    bench.change("g0", "c2", false);
    assert_eq!(left_out(&bench, "c2"), [0]);
    bench.grouped.disconnect((PEOPLE, 0));
    assert_eq!((bench.grouped.by_owners, bench.grouped.unheard.len()), (1, 0));
    // Somebody else takes a group that is not its own: everybody is named.
    bench.connect((PEOPLE, 0), &["g0", "g2", "g1"]);
    assert!(bench.grouped.heard("c3", 7, |_| 2).iter().all(|(_, to)| !matches!(to, Recipients::Members(_))));
}
