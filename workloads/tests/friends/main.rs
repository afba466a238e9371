//! Friends online, run: one binary, a module for each part of friends-online.md 13 and for what this project adds.
//!
//! Every row of friends-online.md 13 and the test that holds it. Those of 13.1 step the handlers by hand and stand in the
//! engine, `patterns/friends/tests/`.
//!
//! | Row | Test |
//! |---|---|
//! | 13.1 Valid join event | `table_13_1::a_join_updates_the_status_and_is_published_once` |
//! | 13.1 Valid leave event | `table_13_1::a_leave_and_a_timeout_update_the_status_and_are_published` |
//! | 13.1 Debounced event | `table_13_1::a_second_event_within_five_seconds_updates_the_status_only`, `a_change_that_was_held_back_is_told_five_seconds_after_the_one_before` |
//! | 13.1 Flapping detection | `table_13_1::five_events_in_ten_seconds_are_suppressed_and_the_last_one_counts` |
//! | 13.1 Storm detection | `table_13_1::in_a_storm_events_update_the_status_only` |
//! | 13.1 Channel group add | `friendships::an_acceptance_adds_each_to_the_other_in_every_store`, `the_2001st_friend_goes_into_the_second_group_and_comes_out_of_it` |
//! | 13.1 Channel group remove | `friendships::a_removal_takes_each_from_the_other_in_every_store` |
//! | 13.2 End-to-end online | `integration::a_user_who_connects_is_online_for_each_friend` |
//! | 13.2 End-to-end offline | `integration::a_user_who_disconnects_is_offline_for_each_friend` |
//! | 13.2 New friend | `integration::new_friends_are_in_both_groups_and_hear_of_each_other` |
//! | 13.2 Remove friend | `integration::parted_friends_are_in_no_group_and_hear_no_more_of_each_other` |
//! | 13.2 Debounce test | `integration::a_user_who_comes_goes_and_comes_within_three_seconds_is_published_once`, `integration::without_the_platforms_debounce_the_rest_is_told_in_one_word_after_the_window` |
//! | 13.2 Large friend list | `integration::all_of_a_long_friend_list_are_told_of_a_single_publish` |
//! | 13.2 Concurrent users | `integration::a_hundred_who_connect_at_once_are_online_for_each_friend` |
//! | 13.3 Sustained load | `load::a_hundred_changes_a_second_are_told_within_half_a_second` (`friends-calm`) |
//! | 13.3 Spike test | `load::a_spike_of_users_is_told_to_all_friends_within_five_seconds` |
//! | 13.3 Soak test | `load::a_long_evening_ends_as_it_began` |
//! | 13.3 Friend list scale | `load::many_users_with_long_lists_are_told_to_all_friends_within_two_seconds` |
//! | 13.4 Function timeout | `chaos::calls_that_time_out_are_made_up_for_by_a_later_event` |
//! | 13.4 Channel group API failure | `chaos::friendships_that_a_failing_registry_left_half_made_are_completed` |
//! | 13.4 High latency publish | `chaos::slow_links_delay_notices_and_lose_none` |

mod chaos;
mod determinism;
mod heavy;
mod integration;
mod load;
mod moves;
mod rows;
#[path = "../support/same_seed.rs"]
mod same_seed;
mod script;
mod seeds;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/table.rs"]
mod table;

use support::{counter, prepared, run, scenario, violated};
