//! The voting scenarios, run: one binary, a module for each part of voting.md 12 and for what this project adds.
//!
//! Every row of voting.md 12 and the test that holds it. Those of 12.1 step the handlers by hand and stand in the
//! engine, `patterns/voting/tests/`; the scenarios in brackets run the row at the document's own size.
//!
//! | Row | Test |
//! |---|---|
//! | 12.1 Valid vote submit | `table_12_1::valid_vote_submit_is_accepted_and_acknowledged`, `a_valid_vote_is_in_the_next_tally` |
//! | 12.1 Missing requestId | `table_12_1::missing_request_id_is_a_validation_error` |
//! | 12.1 Invalid optionId | `table_12_1::invalid_option_id_is_rejected_with_invalid_option` |
//! | 12.1 Session not open | `table_12_1::a_session_that_is_not_open_rejects_with_session_not_open` |
//! | 12.1 Duplicate vote | `table_12_1::a_duplicate_vote_is_rejected_with_already_voted_and_the_existing_vote` |
//! | 12.1 Idempotent retry | `table_12_1::hardened_answers_an_idempotent_retry_with_the_same_bytes`, `documented_cached_ack_lacks_request_and_user` |
//! | 12.2 End-to-end vote | `integration::end_to_end_every_vote_is_in_the_results_and_in_the_audit_log` |
//! | 12.2 Duplicate handling | `integration::the_same_vote_submitted_twice_is_answered_alike_and_counted_once`, `integration::a_double_click_is_one_vote_and_one_already_voted` |
//! | 12.2 Late joiner sync | `integration::a_late_joiner_reads_the_state_and_the_votes_so_far` |
//! | 12.2 Token refresh | `integration::votes_before_and_after_a_token_expired_are_both_counted` |
//! | 12.2 Host controls | `integration::a_vote_before_the_opening_or_after_the_close_is_rejected` |
//! | 12.3 Sustained load | `load::sustained_load_is_acknowledged_within_half_a_second_and_loses_nothing` (`voting-sustained`) |
//! | 12.3 Burst load | `burst_and_ramp::a_burst_is_processed_and_drained_within_two_seconds` (`voting-burst`) |
//! | 12.3 Scale up | `burst_and_ramp::a_ramp_of_voters_sees_no_errors_and_no_latency_beyond_proportion` (`voting-ramp`) |
//! | 12.3 Shard rebalance | `load::shards_added_during_the_vote_lose_nothing` (`voting-reshard`) |
//! | 12.4 KV store latency | `chaos::a_slow_kv_store_delays_votes_and_loses_none` (`voting-kv-latency`) |
//! | 12.4 KV store failure | `chaos::without_the_kv_store_votes_are_rejected_and_recover` (`voting-kv-outage`) |
//! | 12.4 Function timeout | `chaos::a_slow_external_call_times_out_and_is_retried_without_duplicates` (`voting-function-timeout`) |
//! | 12.4 Network partition | `chaos::half_of_the_packets_lost_is_no_vote_lost_and_none_doubled` (`voting-packet-loss`) |

mod auditor;
mod burst_and_ramp;
mod chaos;
mod determinism;
mod flood;
mod integration;
mod load;
mod rows;
#[path = "../support/same_seed.rs"]
mod same_seed;
mod seeds;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/table.rs"]
mod table;

use support::{counter, prepared, run, violated};
