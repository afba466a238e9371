//! Devices that go from one region to another mid-session: from their cursor, and without a word.

use headcount_engine::contract::{MS, Nanos, SECOND};
use headcount_workloads::crowd::plan::place_of;
use headcount_workloads::friends::plan::Deed;
use headcount_workloads::friends::record::Told;
use headcount_workloads::scenario::Scenario;

use super::integration::{all_come, quiet};
use super::script::{Evening, friends_of, play};
use super::{counter, run, violated};

/// Twelve users of four regions, whom the other regions' edges await.
fn roaming() -> Scenario {
    quiet(12, 3, &[("friends.deeds.moves", "1")])
}

/// How often connections went on in another region, and the messages found there since their cursors.
fn moves(evening: &Evening) -> (u64, u64) {
    let seen = evening.seen();
    let records = seen.people.iter().map(|people| people.record());
    records.fold((0, 0), |sum, record| (sum.0 + record.region_moves, sum.1 + record.caught_up))
}

/// What a user was told of another in that time.
fn told_to(evening: &Evening, viewer: u32, of: u32, from: Nanos, to: Nanos) -> Vec<Told> {
    let told = evening.told_of(of).into_iter();
    told.filter(|told| told.viewer == viewer && (from..to).contains(&told.published)).collect()
}

/// User 0 is abroad from 10 s on and home again from 30 s on. One friend leaves at 20 s, and is back at 35 s.
#[test]
fn a_user_who_moves_to_another_region_and_home_is_told_of_friends_there_and_nobody_sees_it_go() {
    let friend = friends_of(&roaming(), 0)[0];
    let mut lines = all_come(0..12);
    lines.extend([
        (10 * SECOND, 0, Deed::Move(2)),
        (20 * SECOND, friend, Deed::Leave),
        (30 * SECOND, 0, Deed::Move(0)),
        (35 * SECOND, friend, Deed::Come),
    ]);
    let evening = play(roaming(), &lines, &[], &[]);
    assert_eq!(evening.violated(), Vec::<String>::new());
    let (moved, found) = moves(&evening);
    assert_eq!(moved, 2);
    // Both cursors are turned back by 30 s: the moves find the first coming of each of three friends again, and the second one
    // the leave besides. The counts of 10 and 20 s come on top.
    assert!(found >= 7, "{found}");
    // Abroad at once, and once more at home from the cursor; what is old changes no screen.
    let leave = told_to(&evening, 0, friend, 20 * SECOND, 30 * SECOND);
    assert_eq!(leave.iter().map(|told| (told.online, told.news)).collect::<Vec<_>>(), [(false, true), (false, false)]);
    assert!(leave[0].shown < 22 * SECOND, "NFR-1: {leave:?}");
    let back = told_to(&evening, 0, friend, 35 * SECOND, 45 * SECOND);
    assert_eq!(back.iter().map(|told| (told.online, told.news)).collect::<Vec<_>>(), [(true, true)]);
    // Twelve came, one left and came back; of user 0 nothing was said but that it came.
    assert_eq!(evening.counter("status.published"), 14);
    assert!(evening.told_of(0).iter().all(|told| told.online && told.published < 3 * SECOND));
}

/// Statuses are published in us-east, region 0, and take 35 ms at least to eu-west, region 2. User 2 leaves eu-west for us-east at the
/// moment when a friend's is published: it is gone before that comes to eu-west, and 35 ms at least too late for it in us-east. It
/// is found there from the cursor, before the list is loaded.
#[test]
fn what_is_said_while_a_device_is_between_two_regions_is_caught_up_with() {
    let friend = friends_of(&roaming(), 2)[0];
    let mut lines = all_come(0..12);
    lines.push((20 * SECOND, friend, Deed::Leave));
    let told = |evening: &Evening| told_to(evening, 2, friend, 20 * SECOND, 30 * SECOND);
    let heard = told(&play(roaming(), &lines, &[], &[]));
    let [Told { published: left, .. }] = heard[..] else { panic!("{heard:?}") };
    lines.push((left, 2, Deed::Move(0)));
    let moved = play(roaming(), &lines, &[], &[]);
    assert_eq!(moved.violated(), Vec::<String>::new());
    let heard = told(&moved);
    let [Told { published, online: false, news: true, shown, .. }] = heard[..] else { panic!("{heard:?}") };
    let (region, client) = place_of(2, 4);
    let moves = moved.seen().people[region as usize].record().moves_of(client);
    let [(_, true), (gone, false), (arrived, true)] = moves[..] else { panic!("{moves:?}") };
    assert_eq!((published, gone), (left, left));
    assert!(left + 35 * MS < arrived && arrived <= shown, "{left} {arrived} {shown}");
}

/// Where everybody is online from the beginning, edges name nobody but visitors.
#[test]
fn visitors_are_told_beside_those_who_are_not_named() {
    let overrides = [
        ("friends.users", "400"),
        ("friends.degree", "20"),
        ("friends.online", "true"),
        ("friends.deeds.moves", "60"),
        ("friends.deeds.leaves", "100"),
        ("friends.deeds.removals", "20"),
        ("friends.to_s", "60.0"),
    ];
    let outcome = run("friends-calm", &overrides, 5);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    // Some are drawn while they are away; of the others about half come home, if there is time.
    assert!((40..=120).contains(&counter(&outcome, "clients.moves")), "{}", counter(&outcome, "clients.moves"));
    assert_eq!(counter(&outcome, "presence.timeouts"), 0, "heartbeats go on");
    assert_eq!(counter(&outcome, "clients.reconnects"), 0, "edges abroad are heard");
}
