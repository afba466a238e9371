//! Storms of a few friends, and the arithmetic of their ends.

use super::*;
use crate::run::{RunOptions, run};

struct Here;

impl Lab for Here {
    fn run(&self, asks: &[(&Ask, u64)]) -> Result<Vec<Sample>, Trouble> {
        let one = |(ask, seed): &(&Ask, u64)| Sample::of(ask, &run(&ask.scenario, *seed, RunOptions::default()));
        Ok(asks.iter().map(one).collect())
    }
}

fn storm_of(users: u32) -> (Vec<Sample>, Vec<Storm>) {
    let scenario = Scenario::load("friends-small", &[]).unwrap();
    let question = StormQuestion { scenario: &scenario, users, rate_per_s: 0.0, seed: 1 };
    let asks: Vec<Ask> = (0..=2).map(|cut| ask(&question, cut).unwrap()).collect();
    let samples = Here.run(&asks.iter().map(|ask| (ask, 1)).collect::<Vec<_>>()).unwrap();
    let times = Times::of(&scenario);
    let storms = (1..=2).map(|cut| Storm::of(cut, 2, &times, &samples[0], &samples[cut as usize])).collect();
    (samples, storms)
}

#[test]
fn who_is_cut_off_loses_its_connection_is_told_gone_and_comes_back() {
    let (_, storms) = storm_of(60);
    // Half of sixty people live in each of the two regions.
    assert_eq!((storms[0].lost, storms[1].lost), (30.0, 60.0), "{storms:?}");
    for storm in &storms {
        // Each is told gone and told back: two presence events.
        assert!((1.9..=2.2).contains(&storm.presence_events), "{storm:?}");
        assert!(
            storm.back_s.is_some_and(|back| back <= 15.0) && storm.drain_s.is_some_and(|drain| drain <= 40.0),
            "{storm:?}"
        );
        assert!(storm.amplification > storm.presence_events, "{storm:?}");
    }
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
        let asks = [ask(&question, 0).unwrap(), ask(&question, 2).unwrap()];
        let samples = Here.run(&[(&asks[0], 1), (&asks[1], 1)]).unwrap();
        Storm::of(2, 2, &Times::of(&scenario), &samples[0], &samples[1]).busiest_per_s
    };
    // Waits of up to eight seconds spread 200 joins over as many; in step they fall into one or two.
    let (apart, in_step) = (busiest(true), busiest(false));
    assert!(in_step > 1.5 * apart, "{in_step} {apart}");
}
