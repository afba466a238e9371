//! The properties of friends online (friends-online.md 2, 10, 15): judged by what was on the screens and what the stores
//! hold at the end. No oracle asks the engine who is online: the users know.

use std::collections::{BTreeMap, BTreeSet};

use headcount_engine::appcontext::AppContext;
use headcount_engine::contract::{Nanos, SECOND};
use headcount_engine::patterns::friends::names;
use headcount_engine::patterns::friends::profile::Profile;
use headcount_engine::registry::Registry;

use super::People;
use super::count::COUNT_IS_NEAR;
use super::last_change::LAST_CHANGE_GETS_OUT;
use super::plan::{Intentions, status_text};
use super::record::Record;
use crate::crowd::plan::{place_of, user_at, user_id, user_of};
use crate::oracle::{Checks, PropertyOf, troubled};
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
    /// By user: whether it is connected at the end, by its own account.
    pub online: Vec<bool>,
}

/// A property of friends online.
pub type Property = PropertyOf<fn(&Seen<'_>, &mut Checks)>;

/// All properties.
pub const CATALOGUE: &[Property] = &[
    VIEWS_ARE_TRUE,
    STORE_IS_TRUE,
    TOLD_ONCE,
    LAST_CHANGE_GETS_OUT,
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
    CATALOGUE.iter().flat_map(|property| property.results(|check, checks| check(seen, checks))).collect()
}

const VIEWS_ARE_TRUE: Property = Property {
    name: "views-are-true-after-calm",
    promise: "FR-2, FR-3, FR-4, FR-6",
    says: "after calm, every connected user's screen shows every friend as that friend is, and nobody else",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        for (region, people) in seen.people.iter().enumerate() {
            let special = seen.special(region as u32, people);
            // Whose list is the graph's row: all of them are looked at publisher by publisher, as the bits lie.
            let judged = |viewer: u32| seen.online[viewer as usize] && !special.contains(&viewer);
            let here = (0..people.connected().count() as u32)
                .map(|client| user_at(region as u32, client, seen.people.len() as u32));
            let rows =
                here.filter(|viewer| judged(*viewer)).map(|viewer| u64::from(seen.intentions.graph.degree(viewer)));
            checked += rows.sum::<u64>();
            for of in 0..seen.intentions.graph.users() {
                let truth = seen.online[of as usize];
                if people.screens().all_show(of, truth) {
                    continue;
                }
                for (viewer, shown) in people.screens().bits_of(of) {
                    if judged(viewer) && shown != truth {
                        wrong.get_or_insert_with(|| untrue(viewer, of, Some(shown), Some(truth)));
                    }
                }
            }
            for &viewer in special.iter().filter(|viewer| seen.online[**viewer as usize]) {
                let screen = people.screens().screen(place_of(viewer, seen.people.len() as u32).1);
                let friends = seen.intentions.friends_of(viewer);
                for of in friends.iter().copied().chain(screen.keys().copied()).collect::<BTreeSet<u32>>() {
                    checked += 1;
                    let truth = friends.contains(&of).then(|| seen.online[of as usize]);
                    let shown = screen.get(&of).copied();
                    if shown != truth {
                        wrong.get_or_insert_with(|| untrue(viewer, of, shown, truth));
                    }
                }
            }
        }
        checks.eventually(checked, wrong);
        checks.sometimes("a-friend-was-seen-to-come", seen.sum(|record| record.news[1]));
        checks.sometimes("a-friend-was-seen-to-go", seen.sum(|record| record.news[0]));
        if seen.scenario.friends.deeds.losses > 0 {
            checks.sometimes(
                "somebody-lost-the-network",
                seen.sum(|record| record.seconds.iter().map(|second| u64::from(second.losses)).sum()),
            );
        }
        if seen.scenario.friends.deeds.gone > 0 {
            let gone = seen.people.iter().map(|people| people.gone()).sum();
            checks.sometimes("somebody-went-for-good-without-a-word", gone);
        }
        if seen.scenario.friends.deeds.moves > 0 {
            checks.sometimes("somebody-moved-to-another-region", seen.sum(|record| record.region_moves));
        }
    },
};

const STORE_IS_TRUE: Property = Property {
    name: "app-context-is-true-after-calm",
    promise: "5.1, 10.5, 15.4",
    says: "after calm, every user's record in App Context says whether the user is online",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        let mut written = vec![false; seen.online.len()];
        seen.objects.changed_users().for_each(|user| written[user as usize] = true);
        for (user, truth) in (0..).zip(seen.online.iter().copied()) {
            // Whom nobody has written is as it was at the beginning.
            let stored = match written[user as usize] {
                true => seen.profile(user).map(|profile| profile.custom.online),
                false => Some(seen.intentions.online),
            };
            checked += 1;
            if stored != Some(truth) {
                wrong.get_or_insert_with(|| {
                    format!("{} is online: {truth}, App Context says {stored:?}", user_id(user))
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
        let all = seen.people.iter().flat_map(|people| &people.record().publishes);
        let mut publishes: Vec<(u32, Nanos, u64)> = all.map(|p| (p.of, p.published, p.stamp)).collect();
        publishes.sort_unstable();
        publishes.dedup_by_key(|(of, at, _)| (*of, *at));
        // Brokers' clocks give the timetokens: with clocks that are off nothing can be said to the second.
        let clocks = seen.faults.iter().any(|fault| fault.kind == "clock");
        let (mut checked, mut wrong, mut again) = (0, None, 0);
        for publishes in publishes.chunk_by(|a, b| a.0 == b.0) {
            let user = publishes[0].0;
            for pair in publishes.windows(2) {
                checked += 1;
                let ((_, before, first), (_, after, second)) = (pair[0], pair[1]);
                again += u64::from(first == second);
                // The same change twice is a copy that the network made, or a publish of which nobody knew whether it
                // happened: friends know it by its event id.
                if after - before < DEBOUNCE && !clocks && first != second {
                    wrong.get_or_insert_with(|| {
                        let (who, ms) = (user_id(user), (after - before) / 1_000_000);
                        format!("{who}'s status was published twice within {ms} ms")
                    });
                }
            }
            // Without faults nobody needs to say anything twice.
            if again > 0 && seen.faults.is_empty() && seen.hardened() {
                wrong.get_or_insert_with(|| format!("{}'s change was published twice", user_id(user)));
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
        for (a, b) in seen.changed() {
            let lists = [(a, b), (b, a)].map(|(owner, friend)| seen.lists(owner, friend));
            let groups = [(a, b), (b, a)].map(|(owner, friend)| seen.groups_with(owner, friend) > 0);
            checked += 1;
            if !(lists[0] == lists[1] && groups == lists) {
                wrong.get_or_insert_with(|| {
                    format!("{} and {}: lists {lists:?}, groups {groups:?}", user_id(a), user_id(b))
                });
            }
        }
        for user in seen.objects.changed_users() {
            let Some(profile) = seen.profile(user) else { continue };
            checked += 1;
            let listed = seen.list_len(user) as u64;
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
        // Whatever nobody has changed since the beginning is the graph, and that is symmetric; but whoever has several groups.
        let changed = seen.changed().into_iter().flat_map(|(a, b)| [a, b]);
        let judged: BTreeSet<u32> = changed.chain(seen.intentions.overflow.users()).collect();
        let (mut several, mut beyond) = (0, 0);
        for user in judged {
            several += u64::from(seen.group_len(user, 1) > 0);
            let mut grouped: BTreeMap<u32, u32> = BTreeMap::new();
            for part in 0..names::GROUPS_MAX {
                for channel in seen.group(user, part) {
                    if let Some(friend) = names::parse_status_channel(&channel).and_then(user_of) {
                        *grouped.entry(friend).or_default() += 1;
                        beyond += u64::from(part > 0 && !seen.intentions.graph.contains(user, friend));
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
        if seen.intentions.overflow.users().next().is_some() {
            checks.sometimes("a-user-had-several-groups", several);
            if !seen.intentions.made.is_empty() {
                checks.sometimes("a-new-friend-went-beyond-the-first-group", beyond);
            }
        }
    },
};

const ENTITLED: Property = Property {
    name: "only-friends-receive",
    promise: "9.4, 9.5, 8.2",
    says: "nobody gets the status of a stranger, of a friend of long ago, or a notice of a friendship that is none",
    check: |seen, checks| {
        let told = seen.sum(|record| record.statuses);
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

/// What a screen shows of a user that is otherwise; `None`: not listed, and no friend.
fn untrue(viewer: u32, of: u32, shown: Option<bool>, truth: Option<bool>) -> String {
    let (viewer, of) = (user_id(viewer), user_id(of));
    let word = |online: bool| if online { "online" } else { "offline" };
    format!("{viewer} sees {of} as {}, which is {}", shown.map_or("nothing", word), truth.map_or("no friend", word))
}

impl<'a> Seen<'a> {
    /// What a world's nodes hold at its end: the people, and the stores (App Context and the channel registry).
    pub fn new(
        scenario: &'a Scenario,
        intentions: &'a Intentions,
        people: Vec<&'a People>,
        (objects, registry): (&'a AppContext, &'a Registry),
        faults: &'a [headcount_sim::FaultWindow],
    ) -> Self {
        let regions = people.len() as u32;
        let mut online = vec![false; scenario.friends.users as usize];
        for (region, people) in (0..).zip(&people) {
            for (client, connected) in (0..).zip(people.connected()) {
                online[user_at(region, client, regions) as usize] = connected;
            }
        }
        Self { scenario, intentions, people, objects, registry, faults, online }
    }

    fn hardened(&self) -> bool {
        self.scenario.variant == Variant::Hardened
    }

    pub(super) fn sum(&self, of: impl Fn(&Record) -> u64) -> u64 {
        self.people.iter().map(|people| of(people.record())).sum()
    }

    /// Those of a region who cannot be judged by the graph's rows: lists that differ from them, or should, or are not there.
    fn special(&self, region: u32, people: &People) -> BTreeSet<u32> {
        let regions = self.people.len() as u32;
        let screens = people.screens();
        let different = screens.different().map(|client| user_at(region, client, regions));
        let of_pairs = self.intentions.made.iter().chain(&self.intentions.ended).flat_map(|(a, b)| [*a, *b]);
        let here = of_pairs.filter(|user| place_of(*user, regions).0 == region);
        let clients = 0..people.connected().count() as u32;
        let blank = clients.filter(|client| screens.is_blank(*client)).map(|client| user_at(region, client, regions));
        different.chain(here).chain(blank).collect()
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

    fn list_len(&self, owner: u32) -> usize {
        self.objects.members_len(&names::list_channel(&user_id(owner)))
    }

    fn group(&self, user: u32, part: usize) -> Vec<headcount_engine::message::Channel> {
        let groups = self.registry.groups();
        groups.group_number(&names::group_part(&user_id(user), part)).map_or_else(Vec::new, |group| groups.list(group))
    }

    fn group_len(&self, user: u32, part: usize) -> u32 {
        let groups = self.registry.groups();
        groups.group_number(&names::group_part(&user_id(user), part)).map_or(0, |group| groups.len(group))
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

    /// Every pair that was to become friends or to part, or that any store has otherwise than at the beginning.
    fn changed(&self) -> BTreeSet<(u32, u32)> {
        let in_lists = self.objects.changed_lists().map(|(list, user, _)| (list, user));
        let groups = self.registry.groups();
        let in_groups = groups.changed().flat_map(|group| {
            let name = groups.group_name(group);
            let owner = names::parse_group(&name).and_then(user_of);
            let now: BTreeSet<u32> = groups.channels_of(group).collect();
            let first: BTreeSet<u32> = match groups.provision().filter(|provision| group < provision.groups()) {
                Some(provision) => provision.channels_of(group).into_iter().collect(),
                None => BTreeSet::new(),
            };
            let friends = now.symmetric_difference(&first).map(|channel| groups.channel_name(*channel));
            let friends: Vec<u32> = friends.filter_map(|name| user_of(names::parse_status_channel(&name)?)).collect();
            owner.into_iter().flat_map(move |owner| friends.clone().into_iter().map(move |friend| (owner, friend)))
        });
        let stored = in_lists.chain(in_groups).map(|(a, b)| (a.min(b), a.max(b)));
        stored.chain(self.intentions.made.iter().copied()).chain(self.intentions.ended.iter().copied()).collect()
    }

    /// Whether any fault was on at some time in this span.
    pub(super) fn troubled(&self, from: Nanos, to: Nanos) -> bool {
        troubled(self.faults, from, to)
    }
}
