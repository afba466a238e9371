//! Metastability: once the trigger is gone, does goodput come back, and when?
//!
//! A small crowd stands for everybody, on stations of one server each, slowed down until the fullest is as full as asked for.
//! Storms of every size meet every load; the same seed without the storm is the calm that goodput is held against, block by
//! block. What comes back late has worked off a backlog, at the pace that the load leaves. What has not come back when the
//! watch ends is stuck, or as good as stuck.

use serde::Serialize;

use super::lab::{Lab, Trouble};
use super::sample::{Resource, Sample, mean_over};
use super::storm::kind::{Kind, StormQuestion, ask, seconds};
use crate::scenario::Scenario;

/// Loads, as shares of what fills the fullest station.
pub const LOADS: [f64; 5] = [0.3, 0.5, 0.7, 0.85, 0.95];
/// Goodput is judged by blocks of so many seconds.
const BLOCK_S: u32 = 10;
/// The least of it in a block of the calm that says anything: of 50 nine tenths are 45, and chance makes 7 of it.
const BLOCK_MIN: f64 = 50.0;
/// Goodput that has come back is at least so much of the calm's.
const BACK: f64 = 0.9;

/// Every load with every size of the storm.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Map {
    /// People of the small crowd.
    pub users: u32,
    /// Votes a second, or people who come or go a second.
    pub rate_per_s: f64,
    /// By load, and then by the size of the storm. None of too few people.
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
    /// Whether the calm carries the load at all: nine tenths of what servers as fast as they are would do of it.
    pub carried: bool,
    /// From the end of the cut until goodput is back and stays; `None`: never while it was watched [s].
    pub back_s: Option<f64>,
    /// Goodput in the last ten seconds of the watch, and in the calm.
    pub goodput_per_s: f64,
    pub calm_per_s: f64,
    /// What still goes wrong for people then.
    pub trouble_per_s: f64,
}

/// Runs every storm at every load.
///
/// # Errors
/// A run broke.
pub(super) fn map(question: &StormQuestion<'_>, kind: &Kind, lab: &dyn Lab) -> Result<Map, Trouble> {
    let small = (kind.small)(question);
    let StormQuestion { users, rate_per_s, .. } = small;
    let slowed = |times: f64, cut: u32| {
        let mut scenario = slower(question.scenario, times);
        (kind.unhurried)(&mut scenario, users);
        ask(kind, &StormQuestion { scenario: &scenario, ..small }, cut)
    };
    let (as_it_is, times) = slowed(1.0, 0)?;
    let as_it_is = lab.run_one(&as_it_is, question.seed)?;
    let full = fullest(&as_it_is);
    let watched_s = f64::from(kind.says.watched_s);
    let goodput = mean_over(as_it_is.series(kind.goodput), seconds(times.healed), seconds(times.healed) + watched_s);
    // A block more or less would be chance.
    if full <= 0.0 || goodput * f64::from(BLOCK_S) < BLOCK_MIN {
        return Ok(Map { users, rate_per_s, cells: Vec::new() });
    }
    let regions = question.scenario.topology.regions.len() as u32;
    let mut asks = Vec::new();
    for load in LOADS {
        for cut in 0..=regions {
            asks.push(slowed(load / full, cut)?);
        }
    }
    let samples = lab.run(&asks.iter().map(|(ask, _)| (ask, question.seed)).collect::<Vec<_>>())?;
    let (healed_s, as_it_is) = (seconds(times.healed), &as_it_is);
    let rows = LOADS.iter().zip(samples.chunks(regions as usize + 1));
    let cells = rows.flat_map(|(load, row)| {
        let (calm, stormy) = row.split_first().expect("the calm is the first");
        let cell = move |(cut, sample)| {
            Cell::of(kind, *load, f64::from(cut) / f64::from(regions), healed_s, [as_it_is, calm, sample])
        };
        (1..).zip(stormy).map(cell)
    });
    Ok(Map { users, rate_per_s, cells: cells.collect() })
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
        &mut stations.audit,
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
    fn of(kind: &Kind, load: f64, share: f64, healed_s: f64, [as_it_is, calm, stormy]: [&Sample; 3]) -> Self {
        // The mean of block `number` after the cut.
        let mean = |sample: &Sample, name: &str, number: u32| {
            let from_s = healed_s + f64::from(number * BLOCK_S);
            mean_over(sample.series(name), from_s, from_s + f64::from(BLOCK_S))
        };
        let below = |number: &u32| {
            let less = |name: &str| mean(stormy, name, *number) < BACK * mean(calm, name, *number);
            less(kind.goodput) || less("online")
        };
        let last = kind.says.watched_s / BLOCK_S - 1;
        let back_s = match (0..=last).rev().find(below) {
            None => Some(0.0),
            Some(number) if number == last => None,
            Some(number) => Some(f64::from((number + 1) * BLOCK_S)),
        };
        Self {
            share,
            load,
            utilisation: fullest(calm),
            carried: mean(calm, kind.goodput, last) >= BACK * mean(as_it_is, kind.goodput, last),
            back_s,
            goodput_per_s: mean(stormy, kind.goodput, last),
            calm_per_s: mean(calm, kind.goodput, last),
            trouble_per_s: mean(stormy, kind.trouble, last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::storm::kind_of;

    const HEALED_S: f64 = 34.0;

    /// Nothing but what is seen of it: screens changed and people online by second.
    fn seen(screens: impl Fn(usize) -> f64, online: f64) -> Sample {
        let values = |value: &dyn Fn(usize) -> f64| (0..400).map(value).collect::<Vec<f64>>();
        let series = [("screens_changed", values(&screens)), ("online", values(&|_| online))];
        Sample { series: series.map(|(name, values)| (name.to_owned(), values)).into(), ..Sample::default() }
    }

    fn cell(calm: impl Fn(usize) -> f64, screens: impl Fn(usize) -> f64, online: f64) -> Cell {
        let samples = [seen(|_| 100.0, 50.0), seen(calm, 50.0), seen(screens, online)];
        Cell::of(kind_of(&Scenario::load("friends-small", &[]).unwrap()), 0.5, 0.25, HEALED_S, samples.each_ref())
    }

    fn back_s(screens: impl Fn(usize) -> f64, online: f64) -> Option<f64> {
        cell(|_| 100.0, screens, online).back_s
    }

    #[test]
    fn a_load_that_the_calm_does_not_carry_is_told_apart() {
        assert!(cell(|_| 91.0, |_| 91.0, 50.0).carried);
        let broken_down = cell(|_| 10.0, |_| 10.0, 50.0);
        assert_eq!((broken_down.carried, broken_down.back_s), (false, Some(0.0)));
    }

    #[test]
    fn goodput_is_back_with_nine_tenths_of_the_calm_and_of_the_people() {
        assert_eq!(back_s(|_| 90.0, 50.0), Some(0.0));
        assert_eq!(back_s(|_| 89.0, 50.0), None);
        assert_eq!(back_s(|_| 100.0, 40.0), None);
    }

    #[test]
    fn it_counts_from_the_last_time_that_it_was_away() {
        let healed = HEALED_S as usize;
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
