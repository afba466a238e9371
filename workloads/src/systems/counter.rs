//! Votes counted by signals, results published on an interval (functions-patterns.md, pattern 1).

use std::collections::{BTreeMap, BTreeSet};

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::{MS, Nanos};
use headcount_engine::functions::{Function, Needs};
use headcount_engine::message::{Call, ChannelList};
use headcount_engine::patterns::counter::{self, RESULTS_JOB, Results};
use headcount_engine::scheduler::Job;
use headcount_sim::Stream;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::Fate;
use super::{Doing, System, ears};
use crate::crowd::plan::user_id;
use crate::scenario::{Scenario, Setting};

/// Distributed counter voting.
pub struct Counter;

const VOTE: u8 = 0;
const DOUBLE: u8 = 1;
const SECOND_VOTE: u8 = 2;
const OVERSIZED: u8 = 3;

impl System for Counter {
    fn word(&self) -> &'static str {
        "counter"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting { key: "polls", default: 10, low: 1, high: 1_000 },
            Setting { key: "options", default: 2, low: 2, high: 20 },
            // Pattern 1 runs its aggregator every 30 seconds.
            Setting { key: "results_every_ms", default: 30_000, low: 100, high: 3_600_000 },
            Setting { key: "double_click_ppm", ..Setting::PPM },
            Setting { key: "second_vote_ppm", ..Setting::PPM },
            Setting { key: "oversized_ppm", ..Setting::PPM },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        counter::READINGS
    }

    fn remedy(&self) -> &'static str {
        "Nothing is counted while people vote: each vote is a key of its own, claimed first, and the aggregator \
         counts keys, page by page. What was written twice is there once."
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        counter::functions(scenario.variant.in_engine())
    }

    fn needs(&self, scenario: &Scenario) -> Vec<Needs> {
        let get = |key| scenario.system.get(key) as u32;
        counter::needs(scenario.variant.in_engine(), get("polls"), get("options"))
    }

    fn jobs(&self, scenario: &Scenario) -> Vec<Job> {
        vec![Job { name: RESULTS_JOB.into(), interval: scenario.system.get("results_every_ms") * MS }]
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(counter::rights(scenario.system.token_ttl_minutes))
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["vote", "double_click", "second_vote", "oversized"]
    }

    /// A user's votes go to one poll after the other: a second one in a poll is a double click or a change of mind.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let get = |key| scenario.system.get(key);
        let (polls, options) = (get("polls") as u32, get("options") as u32);
        let mut votes = vec![0u32; scenario.system.users as usize];
        let mut acts = Vec::new();
        for (at, user) in moments(scenario, dice) {
            let nth = &mut votes[user as usize];
            *nth += 1;
            if *nth > polls {
                continue;
            }
            let (poll, option) = ((user * 7 + *nth) % polls, dice.below(u64::from(options)) as u32);
            let other = (option + 1) % options;
            let mut act =
                |after: Nanos, kind, option| acts.push(Act { at: at + after, user, kind, what: [poll, option] });
            act(0, VOTE, option);
            let mut happens = |key| (dice.chance(get(key) as u32), dice.between(5, 150), dice.between(1_000, 5_000));
            let (double, soon, _) = happens("double_click_ppm");
            let (second, _, later) = happens("second_vote_ppm");
            let (oversized, _, then) = happens("oversized_ppm");
            if double {
                act(soon * MS, DOUBLE, option);
            }
            if second {
                act(later * MS, SECOND_VOTE, other);
            }
            if oversized {
                act(then * MS, OVERSIZED, option);
            }
        }
        acts
    }

    fn counts(&self) -> &'static [&'static str] {
        &["votes.counted", "votes.duplicates"]
    }

    fn channels(&self, scenario: &Scenario, user: u32) -> ChannelList {
        // Where there are few users, everybody hears all results; else those of one poll.
        let polls = scenario.system.get("polls") as u32;
        if ears::everybody_listens(scenario) {
            std::iter::once("vote_results.*".into()).collect()
        } else {
            std::iter::once(counter::results_channel(user % polls).into()).collect()
        }
    }

    fn doing(&self, _: &Scenario, _: u32, act: &Act) -> Doing {
        let [poll, option] = act.what;
        let mut vote = serde_json::json!({ "optionId": counter::option_id(option), "userId": user_id(act.user) });
        if act.kind == OVERSIZED {
            vote["note"] = "a signal is a small thing, and this is none".into();
        }
        Doing::Api(Call::Signal { channel: counter::vote_channel(poll).into(), payload: vote.to_string().into() })
    }

    fn properties(&self) -> &'static [Property] {
        &[ONCE, SUM, CONVERGE, SMALL]
    }
}

/// Results that came to somebody, and when.
fn published<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = (Nanos, Results)> + 'a {
    seen.read().map(|(heard, results)| (heard.at, results))
}

fn poll_number(results: &Results) -> Option<u32> {
    results.poll_id.strip_prefix("poll")?.parse().ok()
}

const ONCE: Property = Property {
    name: "a-signalled-vote-counts-once",
    promise: "functions-patterns.md 1: prevent duplicate votes",
    says: "no published result counts more votes than users had signalled one in that poll",
    check: |seen, checks| {
        // By poll: when each user first sent a vote.
        let mut voters: BTreeMap<u32, BTreeMap<u32, Nanos>> = BTreeMap::new();
        for (_, act, done) in seen.acts().filter(|(_, act, done)| act.kind != OVERSIZED && done.attempts > 0) {
            let first = voters.entry(act.what[0]).or_default().entry(act.user).or_insert(done.first_sent);
            *first = done.first_sent.min(*first);
        }
        let (mut checked, mut wrong) = (0, None);
        for (at, results) in published(seen) {
            let Some(users) = poll_number(&results).and_then(|poll| voters.get(&poll)) else {
                wrong.get_or_insert_with(|| format!("results of {}, in which nobody voted", results.poll_id));
                continue;
            };
            checked += 1;
            let could = users.values().filter(|sent| **sent <= at).count() as u64;
            if results.total_votes > could {
                wrong.get_or_insert_with(|| {
                    format!("{} had {could} voters and a result of {} votes", results.poll_id, results.total_votes)
                });
            }
        }
        checks.always(checked, wrong);
        let tried = |kind| seen.of_kind(kind).filter(|(_, _, done)| done.attempts > 0).count() as u64;
        if seen.scenario.system.get("double_click_ppm") > 0 {
            checks.sometimes("somebody-signalled-twice", tried(DOUBLE));
        }
        if seen.scenario.system.get("second_vote_ppm") > 0 {
            checks.sometimes("somebody-signalled-another-option", tried(SECOND_VOTE));
        }
    },
};

const SUM: Property = Property {
    name: "a-total-is-the-sum-of-its-options",
    promise: "functions-patterns.md 1: vote_count, total_votes",
    says: "every published total is the sum of its options, and so is the total that is stored",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        for (_, results) in published(seen) {
            checked += 1;
            let sum: u64 = results.results.values().sum();
            if sum != results.total_votes {
                wrong.get_or_insert_with(|| format!("{} says {} of {sum}", results.poll_id, results.total_votes));
            }
        }
        for kv in &seen.kv {
            for key in kv.counter_keys() {
                let Some(poll) = key.strip_prefix("total_votes:") else { continue };
                checked += 1;
                let options = 0..seen.scenario.system.get("options") as u32;
                let count = |option| kv.counter(&format!("vote_count:{poll}:{}", counter::option_id(option)));
                let (total, sum) = (kv.counter(&key), options.map(count).sum::<i64>());
                if total != sum {
                    wrong.get_or_insert_with(|| format!("{poll} has a total of {total} and options of {sum}"));
                }
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("a-result-was-heard", published(seen).count() as u64);
    },
};

const CONVERGE: Property = Property {
    name: "published-results-converge",
    promise: "functions-patterns.md 1: results aggregator",
    says: "after healing, the last result of every poll counts every user whose vote was accepted, and nobody who sent none",
    check: |seen, checks| {
        // By poll: users with an accepted vote, and users who sent one.
        let mut polls: BTreeMap<u32, (BTreeSet<u32>, BTreeSet<u32>)> = BTreeMap::new();
        for (_, act, done) in seen.acts().filter(|(_, act, done)| act.kind != OVERSIZED && done.attempts > 0) {
            let (accepted, sent) = polls.entry(act.what[0]).or_default();
            sent.insert(act.user);
            if done.fate == Fate::Accepted {
                accepted.insert(act.user);
            }
        }
        let mut last: BTreeMap<u32, (Nanos, u64)> = BTreeMap::new();
        for (at, results) in published(seen) {
            let Some(poll) = poll_number(&results) else { continue };
            let latest = last.entry(poll).or_default();
            *latest = (*latest).max((at, results.total_votes));
        }
        let mut wrong = None;
        for (poll, (accepted, sent)) in &polls {
            let total = last.get(poll).map_or(0, |(_, total)| *total);
            if !(accepted.len() as u64..=sent.len() as u64).contains(&total) {
                wrong.get_or_insert_with(|| {
                    let (accepted, sent) = (accepted.len(), sent.len());
                    format!("poll{poll}: {accepted} users were told that they voted, {sent} tried, the last result is {total}")
                });
            }
        }
        checks.eventually(polls.len() as u64, wrong);
        let accepted = polls.values().map(|(accepted, _)| accepted.len() as u64).sum();
        checks.sometimes("a-signalled-vote-was-accepted", accepted);
        if seen.scenario.system.get("polls") * seen.scenario.system.get("options") > 100 {
            let keys = seen.kv.iter().map(|kv| kv.counters_len().max(kv.len())).max().unwrap_or(0);
            checks.sometimes("more-keys-than-a-page-has", u64::from(keys > 100));
        }
    },
};

const SMALL: Property = Property {
    name: "a-signal-over-64-bytes-is-refused",
    promise: "platform.md 2.7",
    says: "no signal of more than 64 bytes is accepted",
    check: |seen, checks| {
        let mut accepted = seen.ended(OVERSIZED, Fate::Accepted);
        checks.always(
            seen.answered(OVERSIZED).count() as u64,
            accepted.next().map(|(number, act, _)| format!("act {number} of {} was accepted", user_id(act.user))),
        );
        if seen.scenario.system.get("oversized_ppm") > 0 {
            let refused = seen.ended(OVERSIZED, Fate::Refused(400)).count();
            checks.sometimes("an-oversized-signal-was-refused", refused as u64);
        }
    },
};
