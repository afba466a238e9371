//! Friendships are made and ended on both sides, or not at all: friends-online.md 8, 10.4, 13.1.

use super::bench::{Bench, SHARDS, node};
use crate::message::Trigger;
use crate::patterns::Variant;
use crate::patterns::friends::message::kind;
use crate::patterns::friends::names;
use crate::patterns::tests::bench::publish;

const A: &str = "user_000001";
const B: &str = "user_000002";
const C: &str = "user_000003";

fn bench(variant: Variant) -> Bench {
    let mut bench = Bench::new(variant);
    bench.register(&[A, B, C]);
    bench
}

fn make_friends(bench: &mut Bench) {
    bench.says(A, kind::REQUEST, A, B);
    bench.says(B, kind::ACCEPTED, A, B);
}

fn counts(bench: &Bench) -> [u64; 2] {
    [A, B].map(|user| bench.profile(user).custom.friend_count)
}

#[test]
fn an_acceptance_adds_each_to_the_other_in_every_store() {
    let mut bench = bench(Variant::Hardened);
    bench.presence(B, "join");
    make_friends(&mut bench);
    bench.sweep(2);
    assert_eq!((bench.friends(A, B), counts(&bench)), (Some(true), [1, 1]));
    // Each hears of the other, alone.
    let news = bench.told_on(&names::news_channel(A));
    let added = news.iter().find(|(_, message)| message["type"] == kind::ADDED).expect("A hears of it");
    assert_eq!((&added.1["payload"]["userId"], &added.1["payload"]["online"]), (&B.into(), &true.into()));
    assert!(bench.told(A).is_empty() && bench.told(B).is_empty());
}

#[test]
fn the_document_makes_half_a_friendship_under_the_newest_limits() {
    // Two group calls, two memberships, two of each for the counts, one for the first one's details, and its notice: that is
    // ten, and the other is not told.
    let mut bench = bench(Variant::Documented);
    make_friends(&mut bench);
    assert_eq!(bench.friends(A, B), Some(true));
    assert_eq!(counts(&bench), [1, 1]);
    let told: usize = [A, B].iter().map(|user| bench.told(user).len()).sum();
    assert_eq!(told, 1);
    assert_eq!(bench.worker.counts().counters.get("friendship.errors"), Some(&1));
}

#[test]
fn a_removal_takes_each_from_the_other_in_every_store() {
    for (variant, provisioned) in [(Variant::Hardened, false), (Variant::Hardened, true), (Variant::Documented, true)] {
        let mut bench = bench(variant);
        if provisioned {
            bench.befriend(A, B);
        } else {
            make_friends(&mut bench);
        }
        bench.says(B, kind::REMOVE, A, B);
        bench.sweep(2);
        assert_eq!((bench.friends(A, B), counts(&bench)), (Some(false), [0, 0]), "{variant:?}");
        // Again: nothing changes.
        bench.says(A, kind::REMOVE, A, B);
        bench.sweep(2);
        assert_eq!(bench.friends(A, B), Some(false), "{variant:?}");
        assert_eq!(counts(&bench), [0, 0], "{variant:?}");
    }
}

#[test]
fn only_who_was_asked_accepts() {
    let mut hardened = bench(Variant::Hardened);
    // Nobody asked; the asker accepts; a third one accepts.
    hardened.says(B, kind::ACCEPTED, A, B);
    hardened.says(A, kind::REQUEST, A, B);
    hardened.says(A, kind::ACCEPTED, A, B);
    hardened.says(C, kind::ACCEPTED, A, B);
    hardened.sweep(5);
    assert_eq!(hardened.friends(A, B), Some(false));
    // In the document anybody makes anybody friends.
    let mut documented = bench(Variant::Documented);
    documented.says(C, kind::ACCEPTED, A, B);
    assert_eq!(documented.friends(A, B), Some(true));
}

#[test]
fn a_request_can_be_declined_and_made_again() {
    let mut bench = bench(Variant::Hardened);
    bench.says(A, kind::REQUEST, A, B);
    bench.says(B, kind::DECLINED, A, B);
    bench.says(B, kind::ACCEPTED, A, B);
    assert_eq!(bench.friends(A, B), Some(false), "what was declined is over");
    bench.says(B, kind::REQUEST, B, A);
    bench.says(A, kind::ACCEPTED, B, A);
    bench.sweep(2);
    assert_eq!(bench.friends(A, B), Some(true));
}

#[test]
fn a_worker_that_dies_at_any_step_leaves_no_half_of_a_friendship() {
    // More steps than any of the executions takes.
    for step in 0..16 {
        let mut bench = bench(Variant::Hardened);
        bench.says(A, kind::REQUEST, A, B);
        bench.dies_after = Some(step);
        bench.says(B, kind::ACCEPTED, A, B);
        bench.dies_after = None;
        bench.sweep(8);
        // Before the record was written nothing has happened, and B's client asks again.
        if bench.friends(A, B) == Some(false) {
            assert!(step < 3, "{step}");
            bench.says(B, kind::ACCEPTED, A, B);
            bench.sweep(8);
        }
        assert_eq!((bench.friends(A, B), counts(&bench)), (Some(true), [1, 1]), "died after {step} messages");

        bench.dies_after = Some(step);
        bench.says(A, kind::REMOVE, A, B);
        bench.dies_after = None;
        bench.sweep(8);
        if bench.friends(A, B) == Some(true) {
            assert!(step < 3, "{step}");
            bench.says(A, kind::REMOVE, A, B);
            bench.sweep(8);
        }
        assert_eq!((bench.friends(A, B), counts(&bench)), (Some(false), [0, 0]), "died after {step} messages");
    }
}

#[test]
fn the_documents_handler_leaves_halves_when_it_dies() {
    let halves = (0..10).filter(|step| {
        let mut bench = bench(Variant::Documented);
        bench.dies_after = Some(*step);
        bench.says(B, kind::ACCEPTED, A, B);
        bench.friends(A, B).is_none()
    });
    assert!(halves.count() >= 2);
}

#[test]
fn a_registry_that_is_away_delays_a_friendship() {
    let mut bench = bench(Variant::Hardened);
    bench.broken.insert(node::REGISTRY);
    make_friends(&mut bench);
    bench.sweep(3);
    assert_eq!(bench.friends(A, B), Some(false));
    bench.broken.clear();
    bench.sweep(3);
    assert_eq!((bench.friends(A, B), counts(&bench)), (Some(true), [1, 1]));
}

#[test]
fn the_2001st_friend_goes_into_the_second_group_and_comes_out_of_it() {
    let mut bench = bench(Variant::Hardened);
    let full = (0..2_000).map(|n| names::status_channel(&format!("other_{n}"))).collect();
    bench.groups.insert(names::group(A), full);
    make_friends(&mut bench);
    bench.sweep(5);
    let second = names::group_part(A, 1);
    assert!(bench.groups[&second].contains(&names::status_channel(B)));
    assert_eq!((bench.groups[&names::group(A)].len(), bench.friends(A, B)), (2_000, Some(true)));
    bench.says(A, kind::REMOVE, A, B);
    bench.sweep(5);
    assert!(bench.groups[&second].is_empty());
    assert_eq!(bench.friends(A, B), Some(false));
}

#[test]
fn two_writers_of_one_users_record_lose_nothing() {
    // A's status and A's friends change at the same time: both handlers are started before either is stepped.
    for variant in [Variant::Hardened, Variant::Documented] {
        let mut bench = bench(variant);
        if variant == Variant::Hardened {
            bench.says(A, kind::REQUEST, A, B);
        }
        bench.presence(C, "join");
        let event = bench.moves(A, "join");
        let shard = names::presence_channel(names::shard_of(A, SHARDS));
        let accepted = serde_json::json!({
            "type": kind::ACCEPTED, "schemaVersion": "1.0.0", "eventId": "e", "ts": "t",
            "payload": { "userA": A, "userB": B },
        });
        bench.start(Trigger::AfterPublish, publish(&names::requests_channel(B), &accepted.to_string(), B));
        // So many steps later the count is read and not yet written.
        bench.start(Trigger::AfterPresence, publish(&shard, &event, A));
        bench.run();
        bench.sweep(20);
        assert_eq!(bench.friends(A, B), Some(true), "{variant:?}");
        let custom = bench.profile(A).custom;
        if variant == Variant::Hardened {
            assert_eq!((custom.online, custom.friend_count), (true, 1));
        }
    }
}
