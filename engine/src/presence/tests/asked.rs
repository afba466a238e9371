//! Here-now, where-now and states.

use super::*;

#[test]
fn here_now_pages_in_the_order_of_joining_and_a_leave_moves_only_what_is_behind_it() {
    let mut node = Presence::new(BROKER, PresenceOptions { here_now_cache_s: 0, ..PresenceOptions::of(1) });
    for user in ["z", "y", "a", "m", "b"] {
        events(&mut node, 0, subscribed(user, &["c"], 300));
    }
    let mut users = |now, limit, offset| page(answer(&mut node, now, here_now(&["c"], limit, offset)));
    assert_eq!(users(1, 2, 0), (5, vec!["z".into(), "y".into()]));
    assert_eq!(users(1, 2, 2), (5, vec!["a".into(), "m".into()]));
    assert_eq!(users(1, 2, 4), (5, vec!["b".into()]));
    assert_eq!(users(1, 2, 5), (5, vec![]));
    events(&mut node, 2, leave("y", &["c"]));
    events(&mut node, 3, subscribed("y", &["c"], 300));
    let order: Vec<String> = ["z", "a", "m", "b", "y"].map(Into::into).into();
    assert_eq!(page(answer(&mut node, 4, here_now(&["c"], 1_000, 0))), (5, order.clone()));
    assert_eq!(node.here("c").iter().map(|user| user.to_string()).collect::<Vec<_>>(), order);
}

#[test]
fn here_now_lists_a_thousand_at_most_and_none_when_only_the_number_is_wanted() {
    let mut node = node();
    for user in 0..1_500 {
        events(&mut node, 0, subscribed(&format!("u{user:04}"), &["c"], 300));
    }
    let full = page(answer(&mut node, 1, here_now(&["c"], u32::MAX, 0)));
    assert_eq!((full.0, full.1.len(), &*full.1[999]), (1_500, 1_000, "u0999"));
    let rest = page(answer(&mut node, 1, here_now(&["c"], 1_000, 1_000)));
    assert_eq!((rest.1.len(), &*rest.1[0]), (500, "u1000"));
    assert_eq!(page(answer(&mut node, 1, here_now(&["c"], 0, 0))), (1_500, vec![]));
    let channels = on(&["c", "nobody"]).to_vec();
    let call = PresenceCall::HereNow { channels, uuids: false, state: true, limit: 9, offset: 3 };
    let PresenceOk::HereNow(counts) = answer(&mut node, 1, call) else { panic!() };
    let counted: Vec<_> = counts.channels.iter().map(|c| (&*c.channel, c.occupancy, c.users.len())).collect();
    assert_eq!((counts.total_occupancy, counted), (1_500, vec![("c", 1_500, 0), ("nobody", 0, 0)]));
    // Two channels in the last call, and one of them answered as before: no users are no users, however one asks.
    assert_eq!((node.counts().here_now, node.counts().here_now_cached), (5, 1));
}

#[test]
fn the_same_question_gets_the_same_answer_for_3_seconds() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["c"], 300));
    let occupancy = |node: &mut Presence, now, limit| page(answer(node, now, here_now(&["c"], limit, 0))).0;
    assert_eq!(occupancy(&mut node, SECOND, 5), 1);
    events(&mut node, 2 * SECOND, subscribed("b", &["c"], 300));
    assert_eq!(occupancy(&mut node, 4 * SECOND - 1, 5), 1); // stale
    assert_eq!(occupancy(&mut node, 4 * SECOND - 1, 6), 2); // another question
    assert_eq!(occupancy(&mut node, 4 * SECOND, 5), 2); // 3 s after 1 s
    assert_eq!(occupancy(&mut node, 5 * SECOND, 6), 2);
    assert_eq!((node.counts().here_now, node.counts().here_now_cached), (5, 2));
}

#[test]
fn where_now_names_the_channels_of_one_user_in_order() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["z", "m", "b"], 300));
    events(&mut node, 0, subscribed("b", &["q"], 300));
    assert_eq!(where_now(&mut node, 1, "a"), ["b", "m", "z"]);
    events(&mut node, 2, leave("a", &["m"]));
    assert_eq!(where_now(&mut node, 3, "a"), ["b", "z"]);
    assert_eq!(where_now(&mut node, 3, "stranger"), [""; 0]);
}

#[test]
fn state_is_told_when_it_changes_and_gone_after_a_leave() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["c", "d"], 300));
    let told = events(&mut node, SECOND, set_state("a", &["c", "elsewhere"], r#"{"mood":"good"}"#));
    // The platform's order of fields, and the state behind them.
    let plain = event("state-change", "a", SECOND, 1);
    assert_eq!(told, [format!(r#"{},"data":{{"mood":"good"}}}}"#, &plain[..plain.len() - 1])]);
    assert_eq!(events(&mut node, SECOND, set_state("a", &["c"], r#"{"mood":"good"}"#)), [""; 0]);
    let states = vec![("c".into(), r#"{"mood":"good"}"#.into())];
    assert_eq!(answer(&mut node, 2, get_state("a", &["c", "d", "elsewhere"])), PresenceOk::State(states));
    let call = PresenceCall::HereNow { channels: on(&["c"]).to_vec(), uuids: true, state: true, limit: 1, offset: 0 };
    let PresenceOk::HereNow(here) = answer(&mut node, SECOND, call) else { panic!() };
    assert_eq!(*here.channels[0].users, [("a".into(), Some(r#"{"mood":"good"}"#.into()))]);
    // Even a leave that is taken back loses it.
    events(&mut node, 2 * SECOND, leave("a", &["c"]));
    events(&mut node, 3 * SECOND, subscribed("a", &["c"], 20));
    assert_eq!(answer(&mut node, 3 * SECOND, get_state("a", &["c"])), PresenceOk::State(vec![]));
    // And so does a timeout.
    events(&mut node, 3 * SECOND, set_state("a", &["c"], "{}"));
    wake(&mut node, 23 * SECOND);
    events(&mut node, 23 * SECOND, heartbeat("a", &["c"], 20));
    assert_eq!(answer(&mut node, 23 * SECOND, get_state("a", &["c"])), PresenceOk::State(vec![]));
    assert_eq!(node.counts().state_changes, 2);
}

#[test]
fn a_state_that_is_no_object_and_a_user_without_a_proper_id_are_refused_and_change_nothing() {
    let mut node = node();
    events(&mut node, 0, subscribed("a", &["c"], 300));
    for state in ["", "7", "[1]", "{\"a\":", "null"] {
        assert_eq!(
            ask(&mut node, 1, set_state("a", &["c"], state)),
            (vec![], Some(Err(ApiError::presence_invalid_state())))
        );
    }
    let long = "ü".repeat(93);
    for user in ["", &*long] {
        let refused = (vec![], Some(Err(ApiError::presence_invalid_user())));
        assert_eq!(ask(&mut node, 1, heartbeat(user, &["c"], 300)), refused);
        assert_eq!(ask(&mut node, 1, subscribed(user, &["c"], 300)), (vec![], None));
    }
    assert_eq!(events(&mut node, 2, heartbeat(&"ü".repeat(92), &["c", "c"], 300)).len(), 1);
    assert_eq!((node.counts().refused, node.counts().state_changes, node.len()), (5 + 4, 0, 2));
}
