//! The properties of friends online (friends-online.md 2, 10, 15): judged by what was on the screens and what the stores
//! hold at the end. No oracle asks the engine who is online: the users know.

use std::collections::{BTreeMap, BTreeSet};

use headcount_engine::appcontext::AppContext;
use headcount_engine::contract::{Nanos, SECOND};
use headcount_engine::patterns::friends::names;
use headcount_engine::patterns::friends::profile::Profile;
use headcount_engine::registry::Registry;

use super::People;
use super::plan::{Intentions, status_text};
use super::record::{Record, Told};
use crate::crowd::plan::{place_of, user_id, user_of};
use crate::oracle::{Checks, troubled};
use crate::outcome::PropertyResult;
use crate::scenario::{Scenario, Variant};

/// Two publishes of one user lie at least this far apart (friends-online.md 7.1).
const DEBOUNCE: Nanos = 5 * SECOND;

/// Everything the oracles may look at.
pub struct Seen<'a> {
    pub scenario: &'a Scenario,
    pub intentions: &'a Intentions,
    pub people: Vec<&'a People>,
    /// App Context and the channel registry, as they are stored.
    pub objects: &'a AppContext,
    pub registry: &'a Registry,
    pub faults: &'a [headcount_sim::FaultWindow],
}

/// A property's name, the promise it checks, and the check.
pub struct Property {
    pub name: &'static str,
    pub promise: &'static str,
    /// What it says, in a line.
    pub says: &'static str,
    check: fn(&Seen<'_>, &mut Checks),
}

/// All properties.
pub const CATALOGUE: &[Property] = &[
    VIEWS_ARE_TRUE,
    STORE_IS_TRUE,
    TOLD_ONCE,
    SYMMETRIC,
    IN_ONE_GROUP,
    ENTITLED,
    NOTHING_LOST,
    COUNT_IS_NEAR,
    NOTHING_FORGED,
    EVERYBODY_IS_DONE,
];

/// Checks everything.
pub fn check(seen: &Seen<'_>) -> Vec<PropertyResult> {
    let checked = |property: &Property| {
        let mut checks = Checks::new(property.name, property.promise);
        (property.check)(seen, &mut checks);
        checks.into_results()
    };
    CATALOGUE.iter().flat_map(checked).collect()
}

const VIEWS_ARE_TRUE: Property = Property {
    name: "views-are-true-after-calm",
    promise: "FR-2, FR-3, FR-4, FR-6",
    says: "after calm, every connected user's screen shows every friend as that friend is, and nobody else",
    check: |seen, checks| {
        let online = seen.online_at_end();
        let (mut checked, mut wrong) = (0, None);
        for (viewer, screen) in seen.screens().filter(|(viewer, _)| online.contains(viewer)) {
            let friends = seen.intentions.friends_of(viewer);
            for friend in friends.iter().copied().chain(screen.keys().copied()).collect::<BTreeSet<u32>>() {
                checked += 1;
                let (listed, truth) = (friends.contains(&friend), online.contains(&friend));
                let shown = screen.get(&friend).map(|shown| shown.online);
                if shown != listed.then_some(truth) {
                    wrong.get_or_insert_with(|| {
                        let (viewer, friend) = (user_id(viewer), user_id(friend));
                        let is = match (listed, truth) {
                            (false, _) => "no friend",
                            (true, true) => "online",
                            (true, false) => "offline",
                        };
                        let shows = shown.map_or("nothing", |on| if on { "online" } else { "offline" });
                        format!("{viewer} sees {friend} as {shows}, which is {is}")
                    });
                }
            }
        }
        checks.eventually(checked, wrong);
        let told = || seen.told();
        checks.sometimes("a-friend-was-seen-to-come", told().filter(|told| told.news && told.online).count() as u64);
        checks.sometimes("a-friend-was-seen-to-go", told().filter(|told| told.news && !told.online).count() as u64);
        if seen.scenario.friends.deeds.losses > 0 {
            checks.sometimes(
                "somebody-lost-the-network",
                seen.sum(|record| record.seconds.iter().map(|second| u64::from(second.losses)).sum()),
            );
        }
    },
};

const STORE_IS_TRUE: Property = Property {
    name: "app-context-is-true-after-calm",
    promise: "5.1, 10.5, 15.4",
    says: "after calm, every user's record in App Context says whether the user is online",
    check: |seen, checks| {
        let online = seen.online_at_end();
        let (mut checked, mut wrong) = (0, None);
        for user in 0..seen.scenario.friends.users {
            let Some(profile) = seen.profile(user) else { continue };
            checked += 1;
            let truth = online.contains(&user);
            if profile.custom.online != truth {
                wrong.get_or_insert_with(|| {
                    format!("{} is online: {truth}, App Context says {}", user_id(user), profile.custom.online)
                });
            }
        }
        checks.eventually(checked, wrong);
    },
};

const TOLD_ONCE: Property = Property {
    name: "told-once-and-not-too-often",
    promise: "NFR-6, 7.1, 10.3",
    says: "one publish for a change, however many friends there are; and never two within the debounce window",
    check: |seen, checks| {
        // Publishes of each user, by the publisher's timetoken: what friends got, each once.
        let mut publishes: BTreeMap<u32, BTreeMap<Nanos, u64>> = BTreeMap::new();
        for told in seen.told() {
            publishes.entry(told.of).or_default().insert(told.published, told.stamp);
        }
        // Brokers' clocks give the timetokens: with clocks that are off nothing can be said to the second.
        let clocks = seen.faults.iter().any(|fault| fault.kind == "clock");
        let (mut checked, mut wrong, mut again) = (0, None, 0);
        for (user, publishes) in &publishes {
            let publishes: Vec<(Nanos, u64)> = publishes.iter().map(|(at, stamp)| (*at, *stamp)).collect();
            for pair in publishes.windows(2) {
                checked += 1;
                let ((before, first), (after, second)) = (pair[0], pair[1]);
                again += u64::from(first == second);
                // The same change twice is a copy that the network made, or a publish of which nobody knew whether it
                // happened: friends know it by its event id.
                if after - before < DEBOUNCE && !clocks && first != second {
                    wrong.get_or_insert_with(|| {
                        let (who, ms) = (user_id(*user), (after - before) / 1_000_000);
                        format!("{who}'s status was published twice within {ms} ms")
                    });
                }
            }
            // Without faults nobody needs to say anything twice.
            if again > 0 && seen.faults.is_empty() && seen.hardened() {
                wrong.get_or_insert_with(|| format!("{}'s change was published twice", user_id(*user)));
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("a-user-was-told-of-twice", checked);
    },
};

const SYMMETRIC: Property = Property {
    name: "friendship-is-symmetric",
    promise: "5.3, 8.5, FR-5, FR-7",
    says: "two users are friends in both lists and both groups or in none, and each has as many friends as its list is long",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        for (a, b) in seen.pairs() {
            let lists = [(a, b), (b, a)].map(|(owner, friend)| seen.lists(owner, friend));
            let groups = [(a, b), (b, a)].map(|(owner, friend)| seen.groups_with(owner, friend) > 0);
            checked += 1;
            if !(lists[0] == lists[1] && groups == lists) {
                wrong.get_or_insert_with(|| {
                    format!("{} and {}: lists {lists:?}, groups {groups:?}", user_id(a), user_id(b))
                });
            }
        }
        for user in 0..seen.scenario.friends.users {
            let Some(profile) = seen.profile(user) else { continue };
            checked += 1;
            let listed = seen.list(user).len() as u64;
            if profile.custom.friend_count != listed {
                wrong.get_or_insert_with(|| {
                    let (who, count) = (user_id(user), profile.custom.friend_count);
                    format!("{who} has {listed} friends in its list and friendCount {count}")
                });
            }
        }
        checks.eventually(checked, wrong);
        let became = |pairs: &BTreeSet<(u32, u32)>, wanted: bool| {
            pairs.iter().filter(|(a, b)| seen.lists(*a, *b) == wanted).count() as u64
        };
        if !seen.intentions.made.is_empty() {
            checks.sometimes("two-became-friends", became(&seen.intentions.made, true));
        }
        if !seen.intentions.ended.is_empty() {
            checks.sometimes("two-parted", became(&seen.intentions.ended, false));
        }
    },
};

const IN_ONE_GROUP: Property = Property {
    name: "groups-hold-every-friend-once",
    promise: "4.5, 10.4, 15.2",
    says: "a friend's status channel is in exactly one of a user's groups, and nobody else's is in any",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        for user in 0..seen.scenario.friends.users {
            let mut grouped: BTreeMap<u32, u32> = BTreeMap::new();
            for part in 0..names::GROUPS_MAX {
                for channel in seen.group(user, part) {
                    if let Some(friend) = names::parse_status_channel(&channel).and_then(user_of) {
                        *grouped.entry(friend).or_default() += 1;
                    }
                }
            }
            let listed = seen.list(user);
            for friend in grouped.keys().copied().chain(listed.iter().copied()).collect::<BTreeSet<u32>>() {
                checked += 1;
                let times = grouped.get(&friend).copied().unwrap_or(0);
                if times != u32::from(listed.contains(&friend)) {
                    wrong.get_or_insert_with(|| {
                        let (who, friend_id) = (user_id(user), user_id(friend));
                        let is = if listed.contains(&friend) { "is" } else { "is not" };
                        format!("{friend_id} {is} in {who}'s list and {times} times in its groups")
                    });
                }
            }
        }
        checks.eventually(checked, wrong);
    },
};

const ENTITLED: Property = Property {
    name: "only-friends-receive",
    promise: "9.4, 9.5, 8.2",
    says: "nobody gets the status of a stranger, of a friend of long ago, or a notice of a friendship that is none",
    check: |seen, checks| {
        let told = seen.told().count() as u64;
        let evidence = seen.people.iter().flat_map(|people| {
            let record = people.record();
            [&record.strangers, &record.former, &record.phantoms].map(|evidence| evidence.first.clone())
        });
        checks.always(told, evidence.flatten().next());
        if seen.scenario.friends.deeds.foreign_groups > 0 {
            let refused = |record: &Record| record.forged.get(&("group", 403)).copied().unwrap_or(0);
            checks.sometimes("a-foreign-group-was-refused", seen.sum(refused));
        }
    },
};

const NOTHING_LOST: Property = Property {
    name: "no-metadata-update-is-lost",
    promise: "5.1, 10.5",
    says: "the status message that a user wrote last, and App Context acknowledged, is the one that is stored",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        let regions = seen.people.len() as u32;
        for user in 0..seen.scenario.friends.users {
            let (region, client) = place_of(user, regions);
            let record = seen.people[region as usize].record();
            // The last one alone: one before it may have been acknowledged after it.
            let Some((number, true)) = record.written.get(&client).and_then(|written| written.last()) else { continue };
            checked += 1;
            let stored = seen.profile(user).and_then(|profile| profile.custom.status_message);
            if stored.as_deref() != Some(&status_text(*number)) {
                wrong.get_or_insert_with(|| {
                    let who = user_id(user);
                    format!("{who} wrote {:?}, App Context has {stored:?}", status_text(*number))
                });
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.friends.deeds.status_messages > 0 {
            checks.sometimes("a-status-message-was-written", checked);
        }
    },
};

const COUNT_IS_NEAR: Property = Property {
    name: "the-count-is-near-the-truth",
    promise: "FR-1, NFR-2",
    says: "a count of all shards lies between the fewest and the most who were online within the presence timeout before it, \
           give or take 3 and 2 %",
    check: |seen, checks| {
        let mut moves: Vec<(Nanos, i64)> = Vec::new();
        for people in &seen.people {
            for online in &people.record().online {
                moves.extend(online.iter().map(|(at, on)| (*at, if *on { 1 } else { -1 })));
            }
        }
        moves.sort_unstable();
        // Who is gone without a word is counted until its timeout, and a little for the way.
        let window = Nanos::from(seen.scenario.friends.presence_timeout_s) * SECOND + 15 * SECOND;
        let bounds = |at: Nanos| {
            let from = at.saturating_sub(window);
            let (mut now, mut least, mut most) = (0i64, i64::MAX, 0i64);
            for (when, by) in moves.iter().take_while(|(when, _)| *when <= at) {
                if *when > from {
                    (least, most) = (least.min(now), most.max(now));
                }
                now += by;
            }
            // A user whose subscribe was not answered is counted and does not know it.
            let slack = 3 + i64::from(seen.scenario.friends.users / 50);
            (least.min(now) - slack, most.max(now) + slack)
        };
        let (mut checked, mut short, mut wrong) = (0, 0, None);
        let counts = seen.people.iter().flat_map(|people| &people.record().counts);
        for count in counts.clone() {
            let calm = !seen.troubled(count.at.saturating_sub(window), count.at);
            if count.shards < seen.scenario.friends.shards {
                short += 1;
                if calm {
                    wrong.get_or_insert_with(|| {
                        let (s, of) = (count.at / SECOND, seen.scenario.friends.shards);
                        format!("the count at {s} s is of {} of {of} shards, in calm", count.shards)
                    });
                }
                continue;
            }
            if !calm {
                continue;
            }
            checked += 1;
            let (least, most) = bounds(count.at);
            if !(least..=most).contains(&(count.online as i64)) {
                wrong.get_or_insert_with(|| {
                    let s = count.at / SECOND;
                    format!("the count at {s} s is {}, {least} to {most} were online", count.online)
                });
            }
        }
        checks.always(checked, wrong);
        let all = counts.count() as u64;
        checks.sometimes("a-count-was-broadcast", all.saturating_sub(short));
    },
};

const NOTHING_FORGED: Property = Property {
    name: "nothing-forged-gets-through",
    promise: "9.4, 9.5",
    says: "no client's publish on a status channel reaches anybody, and no foreign channel group opens",
    check: |seen, checks| {
        let evidence = seen.people.iter().find_map(|people| people.record().forgeries_seen.first.clone());
        let through = |what: &'static str| seen.sum(|record| record.forged.get(&(what, 200)).copied().unwrap_or(0));
        let opened = (through("status") + through("group") > 0)
            .then(|| "a forged status or a foreign group was let through".to_owned());
        let tried = seen.sum(|record| record.forged.values().sum());
        checks.always(tried, evidence.or(opened));
        if seen.scenario.friends.deeds.forged_statuses > 0 {
            let refused = |record: &Record| record.forged.get(&("status", 403)).copied().unwrap_or(0);
            checks.sometimes("a-forged-status-was-refused", seen.sum(refused));
        }
    },
};

const EVERYBODY_IS_DONE: Property = Property {
    name: "everybody-is-done",
    promise: "FR-5, FR-6, 10.1",
    says: "after calm, everybody who wants to be is connected, and every wish for a friendship or its end is fulfilled",
    check: |seen, checks| {
        let pending: Vec<String> = seen.people.iter().flat_map(|people| people.pending()).collect();
        let users = u64::from(seen.scenario.friends.users);
        checks.eventually(users, (!pending.is_empty()).then(|| pending.join("; ")));
    },
};

impl Seen<'_> {
    fn hardened(&self) -> bool {
        self.scenario.variant == Variant::Hardened
    }

    fn sum(&self, of: impl Fn(&Record) -> u64) -> u64 {
        self.people.iter().map(|people| of(people.record())).sum()
    }

    fn told(&self) -> impl Iterator<Item = &Told> {
        self.people.iter().flat_map(|people| &people.record().told)
    }

    /// Every user's screen.
    fn screens(&self) -> impl Iterator<Item = (u32, &BTreeMap<u32, super::record::Shown>)> {
        let regions = self.people.len() as u32;
        self.people.iter().enumerate().flat_map(move |(region, people)| {
            let number = move |client: usize| crate::crowd::plan::user_at(region as u32, client as u32, regions);
            people.screens().enumerate().map(move |(client, screen)| (number(client), screen))
        })
    }

    fn online_at_end(&self) -> BTreeSet<u32> {
        let regions = self.people.len() as u32;
        let of_region = |(region, people): (usize, &&People)| {
            let connected: Vec<bool> = people.connected().collect();
            let number = move |client: usize| crate::crowd::plan::user_at(region as u32, client as u32, regions);
            (0..connected.len()).filter(|client| connected[*client]).map(number).collect::<Vec<u32>>()
        };
        self.people.iter().enumerate().flat_map(of_region).collect()
    }

    fn profile(&self, user: u32) -> Option<Profile> {
        Profile::from_body(&self.objects.user(&user_id(user))?.body)
    }

    fn lists(&self, owner: u32, friend: u32) -> bool {
        self.objects.membership(&user_id(friend), &names::list_channel(&user_id(owner))).is_some()
    }

    fn list(&self, owner: u32) -> BTreeSet<u32> {
        let members = self.objects.members(&names::list_channel(&user_id(owner)), 0, usize::MAX);
        members.into_iter().filter_map(|(user, _)| user_of(&user)).collect()
    }

    fn group(&self, user: u32, part: usize) -> Vec<headcount_engine::message::Channel> {
        let groups = self.registry.groups();
        groups.group_number(&names::group_part(&user_id(user), part)).map_or_else(Vec::new, |group| groups.list(group))
    }

    fn groups_with(&self, owner: u32, friend: u32) -> usize {
        let groups = self.registry.groups();
        let Some(channel) = groups.channel_number(&names::status_channel(&user_id(friend))) else { return 0 };
        let has = |part: &usize| {
            let group = groups.group_number(&names::group_part(&user_id(owner), *part));
            group.is_some_and(|group| groups.contains(group, channel))
        };
        (0..names::GROUPS_MAX).filter(has).count()
    }

    /// Every pair that was, is, or was to be friends.
    fn pairs(&self) -> BTreeSet<(u32, u32)> {
        let graph = &self.intentions.graph;
        let first = (0..graph.users()).flat_map(|a| graph.row(a).iter().filter(move |b| a < **b).map(move |b| (a, *b)));
        first.chain(self.intentions.made.iter().copied()).collect()
    }

    fn troubled(&self, from: Nanos, to: Nanos) -> bool {
        troubled(self.faults, from, to)
    }
}
