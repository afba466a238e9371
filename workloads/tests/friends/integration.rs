//! friends-online.md 13.2, row by row: what a few people do, written by hand, without faults.

use std::collections::BTreeSet;

use headcount_engine::contract::{MS, Nanos, SECOND};
use headcount_engine::patterns::friends::names;
use headcount_workloads::crowd::plan::user_id;
use headcount_workloads::friends::plan::Deed;
use headcount_workloads::graph::{Degrees, Graph, GraphOptions};
use headcount_workloads::scenario::Scenario;

use super::scenario;
use super::script::{Evening, Line, SEED, friends_of, play, play_on};

/// No longer than this from a friend's move to the screen (NFR-1).
const TOLD_WITHIN: Nanos = 2 * SECOND;

/// Nobody reads a list again of themselves: whatever is on a screen after the first load came by message.
pub fn quiet(users: u32, degree: u32, more: &[(&str, &str)]) -> Scenario {
    let (users, degree) = (users.to_string(), degree.to_string());
    let mut overrides = vec![
        ("friends.users", &*users),
        ("friends.degree", &*degree),
        ("friends.join_to_s", "2.0"),
        ("friends.from_s", "2.0"),
        ("friends.to_s", "30.0"),
        ("friends.reload_s", "3600.0"),
        ("bounds.converge_s", "20.0"),
    ];
    overrides.extend(more);
    scenario("friends-calm", &overrides)
}

/// All of them come, 10 ms apart, from 1 s on.
pub fn all_come(users: impl IntoIterator<Item = u32>) -> Vec<Line> {
    (0..).zip(users).map(|(n, user)| (SECOND + n * 10 * MS, user, Deed::Come)).collect()
}

/// Everybody who was told of this user's move at `at`, and that each was told once, of one publish, in time.
fn told_once(evening: &Evening, user: u32, online: bool, at: Nanos) -> BTreeSet<u32> {
    let told: Vec<_> = evening.told_of(user).into_iter().filter(|told| told.published >= at).collect();
    let publishes: BTreeSet<(Nanos, u64)> = told.iter().map(|told| (told.published, told.stamp)).collect();
    assert_eq!(publishes.len(), 1, "one publish: {publishes:?}");
    assert!(told.iter().all(|told| told.online == online), "{told:?}");
    let last = told.iter().map(|told| told.shown).max().expect("somebody was told");
    assert!(last - at < TOLD_WITHIN, "told after {} ms", (last - at) / MS);
    let viewers: BTreeSet<u32> = told.iter().map(|told| told.viewer).collect();
    assert_eq!(viewers.len(), told.len(), "each once");
    viewers
}

/// End-to-end online: A connects, B receives friend.online via the channel group.
#[test]
fn a_user_who_connects_is_online_for_each_friend() {
    let quiet = quiet(12, 3, &[]);
    let friends: BTreeSet<u32> = friends_of(&quiet, 0).into_iter().collect();
    let mut lines = all_come(1..12);
    lines.push((10 * SECOND, 0, Deed::Come));
    let evening = play(quiet, &lines, &[], &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    assert_eq!(friends.len(), 3);
    assert_eq!(told_once(&evening, 0, true, 10 * SECOND), friends);
    assert!(friends.iter().all(|friend| evening.screen(*friend, 0) == Some(true)));
}

/// End-to-end offline: A disconnects, B receives friend.offline. Once with a word, once without: then the platform's
/// presence timeout (20 s, seen within a second) comes before the word.
#[test]
fn a_user_who_disconnects_is_offline_for_each_friend() {
    let quiet = quiet(12, 3, &[("friends.to_s", "50.0")]);
    let [parting, lost] = [0, 11].map(|user| friends_of(&quiet, user).into_iter().collect::<BTreeSet<u32>>());
    let mut lines = all_come(0..12);
    lines.push((10 * SECOND, 0, Deed::Leave));
    lines.push((11 * SECOND, 11, Deed::Lose));
    let evening = play(quiet, &lines, &[], &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    let here = |friends: &BTreeSet<u32>| friends - &BTreeSet::from([0, 11]);
    assert_eq!(&told_once(&evening, 0, false, 10 * SECOND) - &BTreeSet::from([11]), here(&parting));
    // Its last heartbeat was at most 20 / 2 - 1 = 9 s old: 11 s at the least and 21 s at the most until the timeout.
    let of_lost: Vec<_> = evening.told_of(11).into_iter().filter(|told| told.published > 11 * SECOND).collect();
    assert_eq!(of_lost.iter().map(|told| told.viewer).collect::<BTreeSet<u32>>(), here(&lost));
    assert!(of_lost.iter().all(|told| !told.online && (22 * SECOND..34 * SECOND).contains(&told.shown)), "{of_lost:?}");
}

/// The pair's first two users who are no friends.
fn strangers(scenario: &Scenario) -> (u32, u32) {
    let friends = friends_of(scenario, 0);
    (0, (1..scenario.friends.users).find(|user| !friends.contains(user)).expect("somebody is no friend"))
}

/// Whether each of the two has the other's status channel in the group and the other in the list.
fn are_friends(evening: &Evening, a: u32, b: u32) -> [bool; 4] {
    let seen = evening.seen();
    let groups = seen.registry.groups();
    let [in_group, in_list] = [true, false].map(|group| {
        [(a, b), (b, a)].map(|(owner, friend)| {
            let (owner, friend) = (user_id(owner), user_id(friend));
            if !group {
                return seen.objects.membership(&friend, &names::list_channel(&owner)).is_some();
            }
            let channel = groups.channel_number(&names::status_channel(&friend));
            let group = groups.group_number(&names::group_part(&owner, 0));
            group.zip(channel).is_some_and(|(group, channel)| groups.contains(group, channel))
        })
    });
    [in_group[0], in_group[1], in_list[0], in_list[1]]
}

/// New friend: A and B become friends. Groups and lists are updated and both are notified, and from then on each is told
/// what the other does.
#[test]
fn new_friends_are_in_both_groups_and_hear_of_each_other() {
    let quiet = quiet(12, 3, &[]);
    let (a, b) = strangers(&quiet);
    let mut lines = all_come(0..12);
    lines.extend([(10 * SECOND, a, Deed::Ask(b)), (12 * SECOND, b, Deed::Accept(a)), (25 * SECOND, b, Deed::Leave)]);
    let evening = play(quiet, &lines, &[(a.min(b), a.max(b))], &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    assert_eq!(are_friends(&evening, a, b), [true; 4]);
    // Lists are loaded 3 s after a wish was said, at 13 and 15 s, and 1 s after news of a new friend: those two are between.
    assert_eq!(evening.loads(13_050 * MS, 14_950 * MS), 2, "both were notified");
    assert!(told_once(&evening, b, false, 25 * SECOND).contains(&a));
    assert_eq!(evening.screen(a, b), Some(false));
}

/// Remove friend: A removes B. Groups and lists are updated and both are notified, and from then on neither is told what
/// the other does.
#[test]
fn parted_friends_are_in_no_group_and_hear_no_more_of_each_other() {
    let quiet = quiet(12, 3, &[]);
    let (a, b) = (0, friends_of(&quiet, 0)[0]);
    let mut lines = all_come(0..12);
    lines.extend([(10 * SECOND, a, Deed::Remove(b)), (20 * SECOND, b, Deed::Leave), (21 * SECOND, a, Deed::Leave)]);
    let evening = play(quiet, &lines, &[], &[(a.min(b), a.max(b))]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    assert_eq!(are_friends(&evening, a, b), [false; 4]);
    // The list is loaded 3 s after the wish was said, at 13 s, and by both 1 s after the news.
    assert_eq!(evening.loads(10_050 * MS, 12_950 * MS), 2, "both were notified");
    assert_eq!((evening.screen(a, b), evening.screen(b, a)), (None, None));
    let viewers = |user: u32| -> BTreeSet<u32> {
        evening.told_of(user).iter().filter(|told| told.published > 20 * SECOND).map(|told| told.viewer).collect()
    };
    assert!(!viewers(b).contains(&a) && viewers(b).len() == 2, "the two friends who are left: {:?}", viewers(b));
    assert!(!viewers(a).contains(&b) && viewers(a).len() == 2, "{:?}", viewers(a));
}

/// Connects at 10 s, disconnects, and is back, all within 3 s; 20 s of quiet after it.
fn flap(presence_debounce_s: &str) -> Evening {
    let quiet = quiet(12, 3, &[("friends.presence_debounce_s", presence_debounce_s)]);
    let mut lines = all_come(1..12);
    lines.extend([(10 * SECOND, 0, Deed::Come), (11_500 * MS, 0, Deed::Leave), (12_500 * MS, 0, Deed::Come)]);
    play(quiet, &lines, &[], &[])
}

/// Debounce: connect, disconnect, connect within 3 s: one status publish. With the platform's own debounce (2 s) the leave
/// was never announced; friends hear one word, for good.
#[test]
fn a_user_who_comes_goes_and_comes_within_three_seconds_is_published_once() {
    let evening = flap("2");
    assert_eq!(evening.violated(), Vec::<String>::new());
    assert_eq!(told_once(&evening, 0, true, 10 * SECOND).len(), 3);
    // Twelve users came, and nothing else happened.
    assert_eq!(evening.counter("status.published"), 12);
}

/// Without it three events reach the Function: one publish in the window of 5 s, and one word about the rest at its end
/// (who loaded a list in between saw the user offline). Never a word in between.
#[test]
fn without_the_platforms_debounce_the_rest_is_told_in_one_word_after_the_window() {
    let evening = flap("0");
    assert_eq!(evening.violated(), Vec::<String>::new());
    let told = evening.told_of(0);
    let publishes: BTreeSet<(Nanos, u64)> = told.iter().map(|told| (told.published, told.stamp)).collect();
    let publishes: Vec<Nanos> = publishes.into_iter().map(|(at, _)| at).collect();
    assert_eq!(publishes.len(), 2, "{publishes:?}");
    assert!(publishes[0] < 11 * SECOND, "{publishes:?}");
    assert!(
        (5 * SECOND..8 * SECOND).contains(&(publishes[1] - publishes[0])),
        "the sweep comes each second: {publishes:?}"
    );
    assert!(told.iter().all(|told| told.online), "nobody saw it go: {told:?}");
}

/// Large friend list: a user with 1,500 friends connects; all 1,500 are notified of a single publish. The most popular of
/// 6,000 asks for 2,800, of whom some are drawn twice; half of the others ask for less than 6.
#[test]
fn all_of_a_long_friend_list_are_told_of_a_single_publish() {
    let quiet = quiet(6_000, 6, &[("friends.to_s", "40.0")]);
    let degrees = Degrees::HeavyTailed { median: 6, max: 2_800 };
    let graph = Graph::build(&GraphOptions { users: 6_000, regions: 4, degrees, seed: SEED }).expect("a small graph");
    let popular = (0..6_000).max_by_key(|user| graph.degree(*user)).expect("users");
    let friends: BTreeSet<u32> = graph.row(popular).users().collect();
    assert!(friends.len() >= 1_500, "{}", friends.len());
    // 10 ms apart, the last of them by 1 + 2,800 x 0.01 = 29 s.
    let mut lines = all_come(friends.iter().copied());
    lines.push((30 * SECOND, popular, Deed::Come));
    let evening = play_on(graph, quiet, &lines, &[], &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    assert_eq!(told_once(&evening, popular, true, 30 * SECOND), friends);
    assert_eq!(evening.counter("status.published"), friends.len() as u64 + 1, "one for each user who came");
}

/// Concurrent users: 100 connect at once while their friends are there; each friend of each is told, once.
#[test]
fn a_hundred_who_connect_at_once_are_online_for_each_friend() {
    let quiet = quiet(200, 10, &[]);
    let friends: Vec<BTreeSet<u32>> = (0..100).map(|user| friends_of(&quiet, user).into_iter().collect()).collect();
    let mut lines = all_come(100..200);
    lines.extend((0..100).map(|user| (10 * SECOND, user, Deed::Come)));
    let evening = play(quiet, &lines, &[], &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    for (user, friends) in (0..).zip(friends) {
        // Those who came in the same moment hear of it by message or from their list.
        let there: BTreeSet<u32> = friends.iter().copied().filter(|friend| *friend >= 100).collect();
        assert_eq!(&told_once(&evening, user, true, 10 * SECOND) & &there, there, "user {user}");
        assert!(friends.iter().all(|friend| evening.screen(*friend, user) == Some(true)), "user {user}");
    }
}
