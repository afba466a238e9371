//! Storms of a few friends, and the arithmetic of their ends.

use super::kind::{StormQuestion, Times, ask};
use super::*;
use crate::plan::load::Ask;
use crate::run::{RunOptions, run};

struct Here;

impl Lab for Here {
    fn run(&self, asks: &[(&Ask, u64)]) -> Result<Vec<Sample>, Trouble> {
        let one = |(ask, seed): &(&Ask, u64)| Sample::of(ask, &run(&ask.scenario, *seed, RunOptions::default()));
        Ok(asks.iter().map(one).collect())
    }
}

/// The calm, and a storm of each size.
fn storms_of(question: &StormQuestion<'_>) -> Vec<Storm> {
    let kind = kind_of(question.scenario);
    let regions = question.scenario.topology.regions.len() as u32;
    let asks: Vec<(Ask, Times)> = (0..=regions).map(|cut| ask(kind, question, cut).unwrap()).collect();
    let samples = Here.run(&asks.iter().map(|(ask, _)| (ask, 1)).collect::<Vec<_>>()).unwrap();
    let storm = |cut: u32| Storm::of(kind, cut, regions, &asks[0].1, &samples[0], &samples[cut as usize]);
    (1..=regions).map(storm).collect()
}

fn each(storm: &Storm, name: &str) -> f64 {
    storm.counts.iter().find(|count| count.name == name).unwrap().each
}

#[test]
fn who_is_cut_off_loses_its_connection_is_told_gone_and_comes_back() {
    let scenario = Scenario::load("friends-small", &[]).unwrap();
    let storms = storms_of(&StormQuestion { scenario: &scenario, users: 60, rate_per_s: 0.0, seed: 1 });
    // Half of sixty people live in each of the two regions.
    assert_eq!((storms[0].lost, storms[1].lost), (30.0, 60.0), "{storms:?}");
    for storm in &storms {
        // Each is told gone and told back: two presence events.
        let events = each(storm, "presence_events");
        assert!((1.9..=2.2).contains(&events) && storm.amplification > events, "{storm:?}");
        assert!(storm.back_s.is_some_and(|back| back <= 15.0), "{storm:?}");
        assert!(storm.drain_s.is_some_and(|drain| drain <= 40.0), "{storm:?}");
    }
}

#[test]
fn voters_who_are_cut_off_vote_when_they_are_back() {
    let scenario = Scenario::load("voting-calm", &[]).unwrap();
    let question = StormQuestion { scenario: &scenario, users: 2_000, rate_per_s: 50.0, seed: 1 };
    let storms = storms_of(&question);
    // 2,000 people in four regions, all of them connected.
    assert_eq!(storms.iter().map(|storm| storm.lost).collect::<Vec<_>>(), [500.0, 1_000.0, 1_500.0, 2_000.0]);
    for storm in &storms {
        // 10 s of 50 votes/s wait; they come within the first wait of their clients and the way there.
        assert!(storm.back_s.is_some_and(|back| back <= 15.0), "{storm:?}");
        assert!(storm.drain_s.is_some_and(|drain| drain > 0.0 && drain <= 20.0), "{storm:?}");
        // For 5 s nobody believes the edge dead, and people vote: 50/s x 5 s of 2,000 are 0.125 for each, sent once again or twice.
        let again = each(storm, "sent_again");
        assert!((0.12..0.3).contains(&again) && storm.amplification >= again, "{storm:?}");
    }
    // The votes of ten seconds come at once: more than twice as many as in any calm second of 50.
    assert!(storms[3].busiest_per_s > 100.0, "{storms:?}");
    assert!(storms[3].busiest_per_s > 2.0 * storms[0].busiest_per_s.min(60.0), "{storms:?}");
}

#[test]
fn the_end_of_the_work_is_where_nearly_all_of_it_is_done() {
    // After second 1: 50, 40, 9, 1, 0. Of 100, 99 are done at the end of the third.
    let values = [1_000.0, 50.0, 40.0, 9.0, 1.0, 0.0];
    assert_eq!(done_after_s(&values, 1, 6, 0.99), Some(3.0));
    assert_eq!(done_after_s(&values, 5, 6, 0.99), Some(0.0));
    assert_eq!(done_after_s(&values, 9, 9, 0.99), Some(0.0));
    // Watched for three seconds, all of them busy: nobody has seen the end.
    assert_eq!(done_after_s(&values, 1, 4, 0.99), None);
}

#[test]
fn who_waits_in_step_comes_back_in_step() {
    let busiest = |jitter: bool| {
        let mut scenario = Scenario::load("friends-small", &[]).unwrap();
        scenario.friends.reconnect_jitter = jitter;
        let question = StormQuestion { scenario: &scenario, users: 200, rate_per_s: 0.0, seed: 1 };
        storms_of(&question)[1].busiest_per_s
    };
    // Waits of up to eight seconds spread 200 joins over as many; in step they fall into one or two.
    let (apart, in_step) = (busiest(true), busiest(false));
    assert!(in_step > 1.5 * apart, "{in_step} {apart}");
}
