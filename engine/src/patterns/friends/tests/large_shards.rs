//! A shard of more users than any page shows, whose events were lost.

use super::bench::{Bench, SHARDS, node};
use crate::contract::SECOND;
use crate::patterns::Variant;
use crate::patterns::friends::hardened;
use crate::patterns::friends::names;

/// 2,600 users of shard 3: 26 pages of App Context, three of here-now, three stretches of the walk.
const USERS: usize = 2_600;

/// Those users, without friends: what is stored is all there is to see.
fn crowd() -> (Bench, Vec<String>) {
    let mut bench = Bench::new(Variant::Hardened);
    let of_shard = |user: &String| names::shard_of(user, SHARDS) == 3;
    let users: Vec<String> = (0..).map(|n| format!("user_{n:06}")).filter(of_shard).take(USERS).collect();
    bench.register(&users.iter().map(|user| &**user).collect::<Vec<&str>>());
    (bench, users)
}

/// The shard's reconcile, every 3 s.
fn reconcile(bench: &mut Bench, seconds: u64) {
    let job = hardened::reconcile_jobs(SHARDS).nth(3).expect("there are ten shards");
    for _ in 0..seconds / hardened::RECONCILE_INTERVAL_S {
        bench.now += hardened::RECONCILE_INTERVAL_S * SECOND;
        bench.job(&job);
    }
}

fn wrong(bench: &Bench, users: &[String]) -> usize {
    let here = &bench.present[&names::presence_channel(3)];
    users.iter().filter(|user| bench.profile(user).custom.online != here.contains(*user)).count()
}

/// Amy, who is there and whose friend Bob was told so, and her shard's job.
fn amy_is_there() -> (Bench, String) {
    let mut bench = Bench::new(Variant::Hardened);
    bench.register(&["amy", "bob"]);
    bench.befriend("amy", "bob");
    bench.presence("amy", "join");
    assert_eq!(bench.told("amy").len(), 1);
    let job = hardened::reconcile_jobs(SHARDS).nth(names::shard_of("amy", SHARDS) as usize);
    (bench, job.expect("there are ten shards"))
}

/// The platform holds a leave back for 2 s. A walk within them sees her gone; before the second look, 5 s later by the clock
/// and however many executions that is, she is back, and nothing was changed or told.
#[test]
fn who_was_away_for_as_long_as_the_platform_holds_a_leave_back_is_not_settled() {
    let (mut bench, job) = amy_is_there();
    let stands = bench.profile("amy");
    bench.now += 10 * SECOND;
    bench.moves("amy", "leave");
    for _ in 0..9 {
        // 1.8 s of executions, five times a second.
        bench.now += SECOND / 5;
        bench.job(&job);
    }
    bench.moves("amy", "join");
    for _ in 0..10 {
        bench.now += SECOND;
        bench.job(&job);
    }
    assert_eq!(bench.profile("amy"), stands);
    assert_eq!(bench.told("amy").len(), 1);
}

/// A leave that was lost is settled 5 s after the look that found it: 4.5 s are too few for nine executions, the next is due.
#[test]
fn who_stays_away_is_settled_five_seconds_after_the_first_look() {
    let (mut bench, job) = amy_is_there();
    bench.now += 10 * SECOND;
    bench.moves("amy", "leave");
    bench.job(&job);
    for _ in 0..9 {
        bench.now += SECOND / 2;
        bench.job(&job);
    }
    assert!(bench.profile("amy").custom.online, "4.5 s, and a few calls of 1 ms");
    bench.now += SECOND / 2;
    bench.job(&job);
    assert!(!bench.profile("amy").custom.online);
    assert!(!bench.seen("amy"));
    assert_eq!(bench.told("amy").len(), 2);
}

/// Every fifth of those who come is missed, and later every seventh of those who go. Each walk is some 4 executions, and two find
/// who is wrong; those are at most 520, 100 of them settled by an execution. One execution more is there to see that nothing moves:
/// 1 + 8 + 6 = 15, and 22 to be safe.
#[test]
fn whoever_was_missed_is_found_on_any_page_of_a_large_shard() {
    let (mut bench, users) = crowd();
    for (n, user) in users.iter().enumerate() {
        let event = bench.moves(user, "join");
        if n % 5 > 0 {
            bench.deliver(user, &event);
        }
    }
    assert_eq!(wrong(&bench, &users), USERS / 5);
    reconcile(&mut bench, 66);
    assert_eq!(wrong(&bench, &users), 0, "after joins that were lost");
    let gone = users.iter().step_by(7);
    gone.for_each(|user| _ = bench.moves(user, "leave"));
    assert_eq!(wrong(&bench, &users), USERS.div_ceil(7));
    reconcile(&mut bench, 66);
    assert_eq!(wrong(&bench, &users), 0, "after leaves that were lost");
}

/// As many missed who came as who went: the numbers alone say that nothing differs. A shard of 1,300 users is walked all the same
/// each 5 x (1 + 1,300 / 500) = 15 executions; two walks of 3, and the settling: 22 executions.
#[test]
fn who_differs_is_found_though_both_listings_are_equally_long() {
    let (mut bench, users) = crowd();
    for user in &users[..1_300] {
        let event = bench.moves(user, "join");
        bench.deliver(user, &event);
    }
    for user in [&users[3], &users[1_297]] {
        bench.moves(user, "leave");
    }
    for user in [&users[1_301], &users[2_599]] {
        bench.moves(user, "join");
    }
    reconcile(&mut bench, 22 * hardened::RECONCILE_INTERVAL_S);
    assert_eq!(wrong(&bench, &users), 0);
}

/// Of 15 executions each asks for the total, and one walk reads 13 pages of 1,300 users; but for the one or two that go on with the
/// walk. Nobody is settled.
#[test]
fn a_shard_that_is_as_it_should_be_is_counted_and_seldom_walked() {
    let (mut bench, users) = crowd();
    users[..1_300].iter().for_each(|user| bench.presence(user, "join"));
    reconcile(&mut bench, 15 * hardened::RECONCILE_INTERVAL_S);
    let (listings, reads) = (bench.objects.counts().listings, bench.objects.counts().reads);
    reconcile(&mut bench, 15 * hardened::RECONCILE_INTERVAL_S);
    let listed = bench.objects.counts().listings - listings;
    assert!((15 - 2 + 13..=15 + 13).contains(&listed), "{listed}");
    assert_eq!(bench.objects.counts().reads, reads);
}

/// Before each execution somebody else leaves, and App Context does not hear of it: the totals differ more and more, and a
/// listing an execution is for the total. The ten executions are behind the one in 15 that walks all the
/// same.
#[test]
fn a_shard_in_which_users_come_and_go_is_not_walked_until_it_rests() {
    let (mut bench, users) = crowd();
    users[..1_300].iter().for_each(|user| bench.presence(user, "join"));
    // Up to behind the walk of one in 15 executions.
    while {
        let listings = bench.objects.counts().listings;
        reconcile(&mut bench, hardened::RECONCILE_INTERVAL_S);
        bench.objects.counts().listings == listings + 1
    } {}
    reconcile(&mut bench, 2 * hardened::RECONCILE_INTERVAL_S);
    let listings = bench.objects.counts().listings;
    for user in &users[..10] {
        bench.moves(user, "leave");
        reconcile(&mut bench, hardened::RECONCILE_INTERVAL_S);
    }
    assert_eq!(bench.objects.counts().listings - listings, 10);
    reconcile(&mut bench, 60);
    assert_eq!(wrong(&bench, &users), 0);
}

/// In a storm many move between the reading of one listing and that of the other. Here 400 leave while the walk is under way, and
/// Functions hear of it at once: whoever is suspected for that is looked at once more by the walk, and nobody is settled.
#[test]
fn who_moved_while_the_walk_read_is_not_settled() {
    let (mut bench, users) = crowd();
    users.iter().for_each(|user| bench.presence(user, "join"));
    // Somebody is missed, so that there is a walk: the second execution that finds this reads a stretch.
    bench.moves(&users[2_000], "leave");
    reconcile(&mut bench, 2 * hardened::RECONCILE_INTERVAL_S);
    users.iter().take(400).for_each(|user| bench.presence(user, "leave"));
    let reads = bench.objects.counts().reads;
    reconcile(&mut bench, 20 * hardened::RECONCILE_INTERVAL_S);
    assert_eq!(wrong(&bench, &users), 0);
    // The handler reads the record of the one who was missed, and those two or three times at most.
    assert!(bench.objects.counts().reads - reads <= 3);
}

/// Nobody at all was written, since App Context was away while all came, and then KV, which has the walk: it begins again.
#[test]
fn a_walk_goes_on_after_stores_were_away() {
    let (mut bench, users) = crowd();
    bench.broken.insert(node::OBJECTS);
    users.iter().for_each(|user| bench.presence(user, "join"));
    reconcile(&mut bench, 12);
    assert_eq!(wrong(&bench, &users), USERS);
    bench.broken = [node::KV].into();
    reconcile(&mut bench, 12);
    bench.broken.clear();
    // 2,600 users at 100 an execution are 26 executions. A walk keeps 10,000 bytes of names at 14 each, some 700 users, so
    // there are four; each is some 4 executions, and the wait for the second look 2 more. 26 + 4 x 6 = 50.
    reconcile(&mut bench, 50 * hardened::RECONCILE_INTERVAL_S);
    assert_eq!(wrong(&bench, &users), 0);
}

/// An execution that dies leaves the walk where it was; whoever it had begun to settle is settled all the same.
#[test]
fn a_worker_that_dies_in_the_walk_delays_it_and_no_more() {
    let (mut bench, users) = crowd();
    users.iter().for_each(|user| _ = bench.moves(user, "join"));
    for step in 0..14 {
        bench.dies_after = Some(step);
        reconcile(&mut bench, hardened::RECONCILE_INTERVAL_S);
        bench.dies_after = None;
    }
    reconcile(&mut bench, 50 * hardened::RECONCILE_INTERVAL_S);
    assert_eq!(wrong(&bench, &users), 0);
}
