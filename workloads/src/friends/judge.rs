//! From what people saw to what a report shows: counters, latencies, series.

use std::collections::BTreeMap;

use headcount_engine::contract::{Nanos, US};
use headcount_engine::dice::{below, draw};
use headcount_engine::functions::Worker;
use headcount_engine::groups::Groups;
use headcount_engine::patterns::friends::{PUBLISH_LATENCY, names};
use headcount_engine::per_second::PerSecond;
use headcount_engine::presence::{Activity, Presence};
use headcount_engine::registry::Registry;

use super::oracle::Seen;
use super::record::{Record, Second};
use super::scale;
use crate::crowd::plan::place_of;
use crate::latency::Recorder;
use crate::outcome::Series;
use crate::run::{Counters, Ended};

/// Exact counts, by the document's names (friends-online.md 12.2) where it has one.
pub fn counters(ended: &Ended, seen: &Seen<'_>, counters: &mut Counters) {
    let mut add = |name: &str, by: u64| *counters.entry(name.to_owned()).or_default() += by;
    for people in &seen.people {
        let record = people.record();
        add("clients.logins", record.logins);
        add("clients.reconnects", record.reconnects);
        add("clients.heartbeats", record.heartbeats);
        add("clients.pages_loaded", record.pages);
        add("clients.loads_restarted", record.loads_restarted);
        add("clients.regroups", record.regroups);
        add("clients.moves", record.region_moves);
        add("clients.catch_up_messages", record.caught_up);
        add("clients.wishes_said", record.nudges);
        add("clients.deliveries", record.deliveries);
        add("clients.missed_messages", record.missed_messages);
        add("status.told", record.statuses);
        for ((what, status), count) in &record.forged {
            add(&format!("forged.{what}.answered_{status}"), *count);
        }
    }
    add("users", u64::from(seen.scenario.friends.users));
    add("friendships", seen.intentions.graph.edges() / 2);
    for (_, presence) in ended.all::<Presence>() {
        let counts = presence.counts();
        add("presence.joins", counts.joins);
        add("presence.leaves", counts.leaves);
        add("presence.timeouts", counts.timeouts);
        add("presence.heartbeats", counts.heartbeats);
        add("presence.announced", counts.announce_events);
        add("presence.intervals", counts.interval_events);
        add("presence.here_now", counts.here_now);
    }
    for (_, registry) in ended.all::<Registry>() {
        let sizes = group_sizes(registry.groups());
        add("channelgroup.changed", registry.groups().groups_changed() as u64);
        add("channelgroup.groups", sizes.groups);
        add("channelgroup.channels", sizes.channels);
        add("channelgroup.size_max", sizes.largest);
        add("channelgroup.above_1500", sizes.watched);
    }
    for (name, count) in scale::counters(seen) {
        add(name, count);
    }
}

/// How full channel groups are (friends-online.md 12.2 and 12.4).
#[derive(Default)]
struct GroupSizes {
    /// Those that hold anything.
    groups: u64,
    channels: u64,
    largest: u64,
    /// Those with more than [`GROUP_WATCHED`].
    watched: u64,
}

/// A group with more channels than this is one to look at (friends-online.md 12.4).
const GROUP_WATCHED: u64 = 1_500;

fn group_sizes(groups: &Groups) -> GroupSizes {
    let provisioned = groups.provision().map_or(0, |provision| provision.groups());
    // New groups have numbers from there on, and each of them has been changed.
    let made = groups.changed().filter(|group| *group >= provisioned);
    (0..provisioned).chain(made).map(|group| u64::from(groups.len(group))).filter(|size| *size > 0).fold(
        GroupSizes::default(),
        |sum, size| GroupSizes {
            groups: sum.groups + 1,
            channels: sum.channels + size,
            largest: sum.largest.max(size),
            watched: sum.watched + u64::from(size > GROUP_WATCHED),
        },
    )
}

/// How long Functions took from a presence event to the status published.
pub fn publish_latency(ended: &Ended) -> Recorder {
    let mut recorder = Recorder::default();
    for (_, worker) in ended.all::<Worker>() {
        for (at, took) in worker.counts().timings.get(PUBLISH_LATENCY).into_iter().flatten() {
            recorder.record(*at, took / US);
        }
    }
    recorder
}

/// When users of one region came and went.
struct Moves {
    /// Each client's in order of time, one client's after the other's.
    moves: Vec<(Nanos, bool)>,
    /// By client: where its moves begin; and where the last one's end.
    first: Vec<u32>,
    online_from_0: bool,
}

impl Moves {
    fn of(record: &Record, online_from_0: bool) -> Self {
        let clients = record.moves.iter().map(|(_, client, _)| *client as usize + 1).max().unwrap_or(0);
        let mut first = vec![0; clients + 1];
        record.moves.iter().for_each(|(_, client, _)| first[*client as usize + 1] += 1);
        (1..first.len()).for_each(|at| first[at] += first[at - 1]);
        let (mut next, mut moves) = (first.clone(), vec![(0, false); record.moves.len()]);
        for (at, client, online) in &record.moves {
            let next = &mut next[*client as usize];
            moves[*next as usize] = (*at, *online);
            *next += 1;
        }
        Self { moves, first, online_from_0 }
    }

    /// Since when a user has been what a friend was told at `at`, by the user's own account.
    fn since(&self, client: u32, online: bool, at: Nanos) -> Option<Nanos> {
        let own = match self.first.get(client as usize..client as usize + 2) {
            Some(&[first, end]) => &self.moves[first as usize..end as usize],
            _ => &[],
        };
        let next = own.partition_point(|(when, _)| *when <= at);
        let (since, now) = next.checked_sub(1).map_or((0, self.online_from_0), |last| own[last]);
        (now == online).then_some(since)
    }
}

/// Last miles that are drawn for the friends whom a status reached at one edge: for each, up to so many; then each stands for
/// several.
const DRAWS_MAX: u32 = 32;
/// With more statuses than this the latencies are as smooth with fewer draws for each.
const MANY_ARRIVALS: usize = 100_000;

/// How long statuses took to friends' screens.
#[derive(Debug, Default)]
pub struct Ways {
    /// From the change itself, by the user's own account: those who came, and those who went.
    pub gaps: [Recorder; 2],
    /// From the publish.
    pub notices: Recorder,
}

/// Follows each status that changed a friend's screen.
pub fn ways(seen: &Seen<'_>) -> Ways {
    let regions = seen.people.len() as u32;
    let moves: Vec<Moves> =
        seen.people.iter().map(|people| Moves::of(people.record(), seen.intentions.online)).collect();
    let last_miles = seen.people[0].last_miles();
    let wifi_ppm = u64::from(seen.scenario.friends.wifi_ppm);
    let arrivals: usize = seen.people.iter().map(|people| people.record().arrivals.len()).sum();
    let draws_max = if arrivals > MANY_ARRIVALS { DRAWS_MAX / 4 } else { DRAWS_MAX };
    let mut ways = Ways::default();
    for arrival in seen.people.iter().flat_map(|people| &people.record().arrivals) {
        let (region, client) = place_of(arrival.of, regions);
        let since = moves[region as usize].since(client, arrival.online, arrival.at);
        let draws = arrival.news.min(draws_max);
        let salt = arrival.at ^ u64::from(arrival.of) << 40;
        for n in 0..draws {
            let bits = draw(salt, u64::from(n));
            let last_mile = last_miles.draw(below(1_000_000, bits) < wifi_ppm, draw(bits, 1));
            let shown = arrival.at + last_mile;
            let stands_for = arrival.news / draws + u32::from(n < arrival.news % draws);
            let notice_us = u64::from(arrival.way_us) + last_mile / US;
            ways.notices.second(shown).record_many(notice_us, stands_for);
            if let Some(since) = since {
                ways.gaps[usize::from(!arrival.online)].second(shown).record_many((shown - since) / US, stands_for);
            }
        }
    }
    ways
}

/// How long lists took to load.
pub fn loads(seen: &Seen<'_>) -> Recorder {
    let mut recorder = Recorder::default();
    for (asked, us) in seen.people.iter().flat_map(|people| &people.record().loads_us) {
        recorder.record(*asked, *us);
    }
    recorder
}

/// What happened second by second.
pub fn series(ended: &Ended, seen: &Seen<'_>, seconds: usize) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    let mut push = |name: &str, unit: &'static str, group: &'static str, values: Vec<f64>| {
        all.push(Series { name: name.into(), unit, group, values });
    };
    let per_second = |of: fn(&Second) -> u32| {
        let mut values = vec![0.0; seconds];
        for people in &seen.people {
            for (value, second) in values.iter_mut().zip(&people.record().seconds) {
                *value += f64::from(of(second));
            }
        }
        values
    };
    push("users_come", "1/s", "moves", per_second(|second| second.comes));
    push("users_leave", "1/s", "moves", per_second(|second| second.leaves));
    push("users_lost", "1/s", "moves", per_second(|second| second.losses));
    push("deliveries", "1/s", "deliveries", per_second(|second| second.deliveries));
    push("screens_changed", "1/s", "deliveries", per_second(|second| second.news));
    push("statuses_told", "1/s", "told", per_second(|second| second.told));
    push("lists_loaded", "1/s", "loads", per_second(|second| second.loads));
    push("client_errors", "1/s", "errors", per_second(|second| second.errors));
    // Who is online, by themselves and by the last count.
    let mut moves: BTreeMap<usize, i64> = BTreeMap::new();
    for people in &seen.people {
        for (at, _, online) in &people.record().moves {
            *moves.entry((*at / 1_000_000_000) as usize).or_default() += if *online { 1 } else { -1 };
        }
    }
    let first = if seen.intentions.online { seen.online.len() as i64 } else { 0 };
    let (mut online, mut truth) = (first, vec![0.0; seconds]);
    for (second, value) in truth.iter_mut().enumerate() {
        online += moves.get(&second).copied().unwrap_or(0);
        *value = online as f64;
    }
    push("online", "users", "online", truth);
    let (mut counted, mut last) = (vec![f64::NAN; seconds], f64::NAN);
    let mut counts: Vec<(usize, u64)> = seen.people.first().map_or_else(Vec::new, |people| {
        people.record().counts.iter().map(|count| ((count.at / 1_000_000_000) as usize, count.online)).collect()
    });
    counts.sort_unstable();
    let mut counts = counts.into_iter().peekable();
    for (second, value) in counted.iter_mut().enumerate() {
        while let Some((_, online)) = counts.next_if(|(at, _)| *at <= second) {
            last = online as f64;
        }
        *value = last;
    }
    push("online_reported", "users", "online", counted);
    all.extend(platform_series(ended, seen, seconds));
    all
}

/// How a presence event is counted: a series' name, and where its count stands.
type Kind = (&'static str, fn(&Activity) -> &PerSecond);

/// The kinds of presence events that are sent.
const KINDS: [Kind; 5] = [
    ("presence_joins", |activity| &activity.joins),
    ("presence_leaves", |activity| &activity.leaves),
    ("presence_timeouts", |activity| &activity.timeouts),
    ("presence_state_changes", |activity| &activity.state_changes),
    ("presence_intervals", |activity| &activity.intervals),
];

/// What became of the changes that a handler saw: a series' name, and the handlers' counter (friends-online.md 12.2).
const DECISIONS: [(&str, &str); 3] = [
    ("status_published", "status.published"),
    ("status_debounced", "presence.events.debounced"),
    ("status_storm_held", "presence.events.storm"),
];

/// What presence said and what the handlers made of it, each by its node's own clock (friends-online.md 12.4).
fn platform_series(ended: &Ended, seen: &Seen<'_>, seconds: usize) -> Vec<Series> {
    let activities = || ended.all::<Presence>().map(|(_, presence)| presence.activity());
    let counts = |all: &mut dyn Iterator<Item = &PerSecond>| {
        let mut values = vec![0.0; seconds];
        all.for_each(|counted| counted.add_to(&mut values));
        values
    };
    let one = |name: String, group, values| Series { name, unit: "1/s", group, values };
    let kinds = KINDS.map(|(name, kind)| one(name.into(), "presence", counts(&mut activities().map(kind))));
    let decisions = DECISIONS.map(|(name, counter)| {
        let workers = ended.all::<Worker>().map(|(_, worker)| &worker.counts().counters_per_second);
        one(name.into(), "publishes", counts(&mut workers.filter_map(|counters| counters.get(counter))))
    });
    let shards = seen.scenario.friends.shards;
    let digits = (shards - 1).to_string().len();
    let events = (0..shards).map(|shard| {
        let channel = names::presence_channel(shard);
        let values = counts(&mut activities().filter_map(|activity| activity.on(&channel)));
        one(format!("shard_{shard:0digits$}_events"), "shards", values)
    });
    kinds.into_iter().chain(decisions).chain(events).collect()
}
