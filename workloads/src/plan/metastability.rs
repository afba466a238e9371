//! Metastability: once the trigger is gone, does goodput come back, and when?
//!
//! A small crowd stands for everybody, on stations of one server each, slowed down until the fullest is as full as asked for.
//! Storms of every size meet every load; the same seed without the storm is the calm that goodput is held against, block by
//! block. What comes back late has worked off a backlog, at the pace that the load leaves. What has not come back when the
//! watch ends is stuck, or as good as stuck.

use serde::Serialize;

use super::lab::{Lab, Trouble};
use super::sample::{Resource, Sample, mean_over};
use super::storm::{StormQuestion, Times, WATCHED_S, ask, seconds, series};
use crate::scenario::Scenario;

/// People of the small crowd.
const USERS: u32 = 2_000;
/// The least that come or go of them a second: fewer say nothing about ten seconds.
const RATE_MIN_PER_S: f64 = 20.0;
/// Loads, as shares of what fills the fullest station.
pub const LOADS: [f64; 5] = [0.3, 0.5, 0.7, 0.85, 0.95];
/// Goodput is judged by blocks of so many seconds.
const BLOCK_S: u32 = 10;
/// Goodput that has come back is at least so much of the calm's.
const BACK: f64 = 0.9;

/// Every load with every size of the storm.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Map {
    /// People of the small crowd.
    pub users: u32,
    /// By load, and then by the size of the storm.
    pub cells: Vec<Cell>,
}

/// One storm at one load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// People who are cut off, as a share of all.
    pub share: f64,
    /// Utilisation of the fullest station in the calm, as asked for and as measured.
    pub load: f64,
    pub utilisation: f64,
    /// From the end of the cut until goodput is back and stays; `None`: never while it was watched [s].
    pub back_s: Option<f64>,
    /// Screens changed a second in the last ten seconds of the watch, and in the calm.
    pub goodput_per_s: f64,
    pub calm_per_s: f64,
    /// Errors a second that clients still meet then.
    pub errors_per_s: f64,
}

/// Runs every storm at every load.
///
/// # Errors
/// A run broke.
pub(super) fn map(question: &StormQuestion<'_>, lab: &dyn Lab) -> Result<Map, Trouble> {
    let users = question.users.min(USERS);
    // As many come and go of each thousand as in the whole.
    let share = f64::from(users) / f64::from(question.users);
    let small = StormQuestion { users, rate_per_s: (question.rate_per_s * share).max(RATE_MIN_PER_S), ..*question };
    let slowed = |times: f64, cut: u32| {
        let scenario = slower(question.scenario, times);
        ask(&StormQuestion { scenario: &scenario, ..small }, cut)
    };
    let as_it_is = lab.run(&[(&slowed(1.0, 0)?, question.seed)])?.remove(0);
    let full = fullest(&as_it_is);
    if full <= 0.0 {
        return Ok(Map { users, cells: Vec::new() });
    }
    let regions = question.scenario.topology.regions.len() as u32;
    let mut asks = Vec::new();
    for load in LOADS {
        for cut in 0..=regions {
            asks.push(slowed(load / full, cut)?);
        }
    }
    let samples = lab.run(&asks.iter().map(|ask| (ask, question.seed)).collect::<Vec<_>>())?;
    let times = Times::of(question.scenario);
    let rows = LOADS.iter().zip(samples.chunks(regions as usize + 1));
    let cells = rows.flat_map(|(load, row)| {
        let (calm, stormy) = row.split_first().expect("the calm is the first");
        let cell = move |(cut, sample)| Cell::of(*load, f64::from(cut) / f64::from(regions), &times, calm, sample);
        (1..).zip(stormy).map(cell)
    });
    Ok(Map { users, cells: cells.collect() })
}

/// One server in each station, so many times slower.
fn slower(scenario: &Scenario, times: f64) -> Scenario {
    let mut scenario = scenario.clone();
    let stations = &mut scenario.stations;
    for station in [
        &mut stations.edge,
        &mut stations.broker,
        &mut stations.worker,
        &mut stations.kv,
        &mut stations.appcontext,
        &mut stations.auth,
        &mut stations.access,
    ] {
        station.servers = 1;
        station.service = station.service.stretched(times);
    }
    scenario
}

/// Utilisation of the fullest station.
fn fullest(sample: &Sample) -> f64 {
    let servers = sample.resources.iter().filter(|one| !one.is_channel());
    servers.map(|one: &Resource| one.utilisation).fold(0.0, f64::max)
}

impl Cell {
    fn of(load: f64, share: f64, times: &Times, calm: &Sample, stormy: &Sample) -> Self {
        // The mean of block `number` after the cut.
        let mean = |sample: &Sample, name: &str, number: u32| {
            let from_s = seconds(times.healed) + f64::from(number * BLOCK_S);
            mean_over(series(sample, name), from_s, from_s + f64::from(BLOCK_S))
        };
        let below = |number: &u32| {
            let less = |name: &str| mean(stormy, name, *number) < BACK * mean(calm, name, *number);
            less("screens_changed") || less("online")
        };
        let last = WATCHED_S / BLOCK_S - 1;
        let back_s = match (0..=last).rev().find(below) {
            None => Some(0.0),
            Some(number) if number == last => None,
            Some(number) => Some(f64::from((number + 1) * BLOCK_S)),
        };
        Self {
            share,
            load,
            utilisation: fullest(calm),
            back_s,
            goodput_per_s: mean(stormy, "screens_changed", last),
            calm_per_s: mean(calm, "screens_changed", last),
            errors_per_s: mean(stormy, "client_errors", last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing but what is seen of it: screens changed and people online by second.
    fn seen(screens: impl Fn(usize) -> f64, online: f64) -> Sample {
        let values = |value: &dyn Fn(usize) -> f64| (0..400).map(value).collect::<Vec<f64>>();
        let series = [("screens_changed", values(&screens)), ("online", values(&|_| online))];
        Sample { series: series.map(|(name, values)| (name.to_owned(), values)).into(), ..Sample::default() }
    }

    fn back_s(screens: impl Fn(usize) -> f64, online: f64) -> Option<f64> {
        let scenario = Scenario::load("friends-small", &[]).unwrap();
        let times = Times::of(&scenario);
        Cell::of(0.5, 0.25, &times, &seen(|_| 100.0, 50.0), &seen(screens, online)).back_s
    }

    #[test]
    fn goodput_is_back_with_nine_tenths_of_the_calm_and_of_the_people() {
        assert_eq!(back_s(|_| 90.0, 50.0), Some(0.0));
        assert_eq!(back_s(|_| 89.0, 50.0), None);
        assert_eq!(back_s(|_| 100.0, 40.0), None);
    }

    #[test]
    fn it_counts_from_the_last_time_that_it_was_away() {
        let scenario = Scenario::load("friends-small", &[]).unwrap();
        let healed = seconds(Times::of(&scenario).healed) as usize;
        // Away for twenty seconds, a surge, and away once more in the second from 45 on: the block from 40 to 50 has 0.8 of it.
        let wave = |second: usize| match second.saturating_sub(healed) {
            0..20 => 0.0,
            20..40 => 150.0,
            45..47 => 0.0,
            _ => 100.0,
        };
        assert_eq!(back_s(wave, 50.0), Some(50.0));
        assert_eq!(back_s(|second| if second < healed + 290 { 100.0 } else { 0.0 }, 50.0), None);
    }
}
