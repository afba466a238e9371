//! From a scenario and a load to what is run: a short window at the full rate, or everybody until the last one has voted.
//!
//! A window is honest about rates, and only about them: as many votes and logins a second as in the whole, from only as many
//! people as those seconds need. What grows with people and not with rates (memory, deliveries of a tally to everybody who
//! listens, heartbeats) is seen by the run of everybody alone, which is why an answer is tried on it.

use headcount_engine::contract::{MS, Nanos, SECOND};
use headcount_engine::patterns::friends::hardened::DEBOUNCE_MS;
use serde::{Deserialize, Serialize};

use crate::scenario::{ArrivalKind, BadInput, Deeds, Fault, JoinKind, Scenario};
use crate::slo::Slo;

/// Who asks how much.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// People in all.
    pub users: u32,
    /// Votes, or people who come or go, a second [1/s].
    pub rate_per_s: f64,
}

impl Demand {
    /// So many times the people and the rate.
    pub fn times(self, factor: f64) -> Self {
        Self { users: (f64::from(self.users) * factor) as u32, rate_per_s: self.rate_per_s * factor }
    }

    /// The same people at another rate.
    pub fn at(self, rate_per_s: f64) -> Self {
        Self { rate_per_s, ..self }
    }
}

/// Virtual time over which a run is measured [s].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// When the load begins: what is measured begins `warm_up_s` later.
    pub from_s: f64,
    /// What is left out at the beginning: queues fill and Functions start.
    pub warm_up_s: f64,
    /// When the load ends. Latencies of what began before it are measured however late they end.
    pub to_s: f64,
}

impl Window {
    /// Seconds that are measured.
    pub fn measured_s(&self) -> f64 {
        self.to_s - self.from_s - self.warm_up_s
    }
}

/// One scenario to run, with what to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub scenario: Scenario,
    pub window: Window,
}

impl Ask {
    /// People who take part.
    pub fn people(&self) -> u32 {
        let scenario = &self.scenario;
        if scenario.has_friends() { scenario.friends.users } else { scenario.crowd.users }
    }
}

/// A first second is warm-up: cold starts take up to that long.
const WARM_UP_S: f64 = 1.0;
/// Between the last login and the opening, the opening and the votes, the votes and the close, the close and the reveal.
const GAP: Nanos = SECOND;
/// Time for answers that come late: a client repeats its vote for this long.
pub(super) const CONVERGE: Nanos = 10 * SECOND;

/// What people do ends at `at`; what it made has [`CONVERGE`] more.
pub(super) fn end_at(scenario: &mut Scenario, at: Nanos) {
    scenario.heal = at;
    scenario.bounds.converge = CONVERGE;
    scenario.end = at + CONVERGE;
}

/// The vote closes at `at` and is revealed [`GAP`] later; what is late has [`CONVERGE`] more.
pub(super) fn close_at(scenario: &mut Scenario, at: Nanos) {
    (scenario.vote.close, scenario.vote.reveal) = (at, at + GAP);
    scenario.heal = at;
    scenario.bounds.converge = CONVERGE;
    scenario.end = scenario.vote.reveal + CONVERGE;
}

/// The scenario without what goes wrong in it and what judges it: a plan brings both.
fn bare(base: &Scenario) -> Scenario {
    Scenario { faults: Vec::new(), swarm: None, thresholds: Slo::default(), ..base.clone() }
}

/// The same with so many people, all online; who leaves is away for [`away_s`].
pub(super) fn with_friends(base: &Scenario, users: u32) -> Scenario {
    let mut scenario = bare(base);
    let (away_min_s, away_max_s) = away_s(base);
    let friends = &mut scenario.friends;
    friends.users = users;
    friends.degree = friends.degree.min(users - 1);
    friends.degree_max = friends.degree_max.min(users - 1);
    friends.online = true;
    (friends.away_min, friends.away_max) = (ns(away_min_s), ns(away_max_s));
    scenario
}

/// A steady window of `measured_s` seconds.
pub fn window(base: &Scenario, demand: Demand, measured_s: f64) -> Result<Ask, BadInput> {
    if base.is_station() {
        return station(base, demand, base.station.jobs.min(JOBS_OF_WINDOW));
    }
    if base.has_friends() {
        return friends(base, demand, friends_of_window(base, demand, measured_s), measured_s);
    }
    voting(base, demand, people_of_window(demand, measured_s), measured_s + WARM_UP_S)
}

/// Enough people with friends that nobody need leave twice in a window, and more than anybody has friends.
fn friends_of_window(base: &Scenario, demand: Demand, measured_s: f64) -> u32 {
    let leaves = demand.rate_per_s * (measured_s + 2.0 * away_s(base).1) / 2.0;
    let needed = 4.0 * leaves + 2.0 * f64::from(base.friends.degree) + 200.0;
    (needed.ceil() as u32).min(demand.users).max(2)
}

pub(super) fn ns(seconds: f64) -> Nanos {
    (seconds * 1e9) as Nanos
}

/// How long who leaves is away, at least and at most [s]: longer than any debounce, so that what is measured is the way and not
/// the waiting, and no longer, so that as many come as go soon after the beginning.
pub(super) fn away_s(base: &Scenario) -> (f64, f64) {
    let debounced_s = f64::from(base.friends.presence_debounce_s) + DEBOUNCE_MS as f64 / 1e3;
    (debounced_s + 2.0, debounced_s + 6.0)
}

/// As many people as vote in a window of `measured_s` seconds.
pub(super) fn people_of_window(demand: Demand, measured_s: f64) -> u32 {
    // A Poisson window has its mean in votes and some more: five deviations.
    let mean = demand.rate_per_s * (measured_s + WARM_UP_S);
    let needed = (mean + 5.0 * libm::sqrt(mean) + 50.0).ceil();
    (needed as u32).min(demand.users.max(1)).max(2)
}

/// How long everybody needs [s]: until the last one has voted, the last job has come, or friends have come and gone for
/// long enough.
pub fn length_s(base: &Scenario, demand: Demand) -> f64 {
    if base.has_friends() {
        return FRIENDS_S;
    }
    let all = if base.is_station() { base.station.jobs } else { demand.users };
    f64::from(all) / demand.rate_per_s
}

/// The same under faults, which are counted from the beginning of the load. It goes on, and the vote stays open, until the
/// last one has ended and what waited for it has been repeated.
pub fn under(mut ask: Ask, faults: &[Fault]) -> Result<Ask, BadInput> {
    let from = ns(ask.window.from_s);
    ask.scenario.faults = faults.iter().map(|fault| Fault { at: fault.at + from, ..fault.clone() }).collect();
    let ended = ask.scenario.faults.iter().map(Fault::end).max().unwrap_or(0);
    let votes = ask.scenario.has_votes();
    let scenario = &mut ask.scenario;
    scenario.heal = scenario.heal.max(ended);
    scenario.end = scenario.end.max(scenario.heal + CONVERGE);
    if votes {
        let vote = &mut scenario.vote;
        vote.close = vote.close.max(ended + CONVERGE);
        vote.reveal = vote.close + GAP;
        scenario.end = scenario.end.max(vote.reveal + CONVERGE);
    }
    checked(ask.scenario, ask.window)
}

/// Everybody, until the last one has voted; friends come and go for half a minute.
pub fn whole(base: &Scenario, demand: Demand) -> Result<Ask, BadInput> {
    if base.is_station() {
        return station(base, demand, base.station.jobs);
    }
    if base.has_friends() {
        return friends(base, demand, demand.users, FRIENDS_S);
    }
    voting(base, demand, demand.users, length_s(base, demand))
}

/// Seconds that are measured of everybody with friends.
const FRIENDS_S: f64 = 30.0;

/// `users` with friends, all online; of them as many come or go a second as the demand says, from the time at which as many
/// come as go to that after which nobody leaves who would not be back by the end.
fn friends(base: &Scenario, demand: Demand, users: u32, measured_s: f64) -> Result<Ask, BadInput> {
    let mut scenario = with_friends(base, users);
    let away_max_s = away_s(base).1;
    let length_s = measured_s + 2.0 * away_max_s;
    let friends = &mut scenario.friends;
    (friends.from, friends.to) = (2 * SECOND, 2 * SECOND + ns(length_s));
    // Each who leaves comes back.
    let leaves = (demand.rate_per_s * length_s / 2.0).round() as u32;
    friends.deeds = Deeds { leaves: leaves.max(1), ..Deeds::default() };
    let to = scenario.friends.to;
    end_at(&mut scenario, to);
    let from_s = scenario.friends.from as f64 / 1e9;
    checked(scenario, Window { from_s, warm_up_s: away_max_s, to_s: from_s + away_max_s + measured_s })
}

/// Jobs of a window on one station: with these, three seeds know the mean wait at 80 % to about 1.5 %, and so the rate for a
/// given wait to 0.3 %.
const JOBS_OF_WINDOW: u32 = 200_000;

/// One station under a steady Poisson load of so many jobs. The first tenth is warm-up: the station begins empty.
fn station(base: &Scenario, demand: Demand, jobs: u32) -> Result<Ask, BadInput> {
    let mut scenario = bare(base);
    let station = &mut scenario.station;
    station.arrivals.kind = ArrivalKind::Poisson { rate_per_s: demand.rate_per_s };
    station.arrivals.from = 0;
    station.jobs = jobs;
    station.arrivals.to = station.time_for_all();
    let length_s = f64::from(jobs) / demand.rate_per_s;
    station.measure_from = (length_s * 1e8) as Nanos;
    let to = scenario.station.arrivals.to;
    end_at(&mut scenario, to);
    // The last job comes at its mean time but for five deviations.
    let to_s = length_s * (1.0 - 5.0 / libm::sqrt(f64::from(jobs))).max(0.5);
    checked(scenario, Window { from_s: 0.0, warm_up_s: length_s / 10.0, to_s })
}

/// `users` of the demand's people join as densely as all of them would in the scenario's own time to join, and vote at its rate.
fn voting(base: &Scenario, demand: Demand, users: u32, length_s: f64) -> Result<Ask, BadInput> {
    let mut scenario = bare(base);
    let vote = &mut scenario.vote;
    let crowd = &mut scenario.crowd;
    let join_all = base.crowd.join.to.saturating_sub(base.crowd.join.from).max(SECOND);
    let share = f64::from(users) / f64::from(demand.users.max(1));
    let join = ((join_all as f64 * share) as Nanos).max(200 * MS);
    vote.create = SECOND;
    crowd.join.kind = JoinKind::Ramp;
    crowd.join.from = 2 * SECOND;
    crowd.join.to = crowd.join.from + join;
    vote.open = whole_second(crowd.join.to + GAP);
    crowd.arrivals.from = vote.open + GAP;
    crowd.arrivals.to = crowd.arrivals.from + ns(length_s);
    crowd.arrivals.kind = ArrivalKind::Poisson { rate_per_s: demand.rate_per_s };
    vote.add_shards = None;
    crowd.users = users;
    crowd.late_join_ppm = 0;
    scenario.auditor = None;
    let close = scenario.crowd.arrivals.to + GAP;
    close_at(&mut scenario, close);
    let window = Window {
        from_s: scenario.crowd.arrivals.from as f64 / 1e9,
        warm_up_s: WARM_UP_S.min(length_s / 2.0),
        to_s: scenario.crowd.arrivals.to as f64 / 1e9,
    };
    checked(scenario, window)
}

/// Seconds of a series are easier to read when the load begins with one.
fn whole_second(at: Nanos) -> Nanos {
    at.div_ceil(SECOND) * SECOND
}

/// What was put together obeys the rules of every scenario.
pub(super) fn checked(scenario: Scenario, window: Window) -> Result<Ask, BadInput> {
    let text = scenario.to_toml();
    let scenario = Scenario::parse(&format!("the plan's own {}", scenario.name), &text, &[])?;
    Ok(Ask { scenario, window })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: Demand = Demand { users: 500_000, rate_per_s: 10_000.0 };

    #[test]
    fn a_window_has_the_rates_of_the_whole_and_only_the_people_it_needs() {
        let base = Scenario::load("voting-500k", &[]).unwrap();
        let ask = window(&base, DEMAND, 3.0).unwrap();
        // 10,000/s x 4 s = 40,000, and 5 x sqrt(40,000) + 50 = 1,050 more.
        let crowd = &ask.scenario.crowd;
        assert_eq!(crowd.users, 41_050);
        assert_eq!(crowd.arrivals.kind, ArrivalKind::Poisson { rate_per_s: 10_000.0 });
        // 500,000 in 60 s are 8,333 a second; 41,050 take 4.926 s.
        let join_s = (crowd.join.to - crowd.join.from) as f64 / 1e9;
        assert!((f64::from(crowd.users) / join_s - 8_333.3).abs() < 1.0, "{join_s}");
        assert_eq!((ask.window.measured_s(), ask.window.from_s.fract()), (3.0, 0.0));
        assert!(ask.scenario.faults.is_empty());
    }

    #[test]
    fn friends_come_and_go_at_the_rate_and_the_window_has_enough_of_them() {
        let base = Scenario::load("friends-calm", &[]).unwrap();
        let demand = Demand { users: 100_000, rate_per_s: 100.0 };
        let ask = window(&base, demand, 10.0).unwrap();
        // Away for 7 to 11 s: 10 + 2 x 11 s at 50 leaves a second, who come back, are 1,600; 4 x 1,600 + 2 x 50 + 200 people.
        let friends = &ask.scenario.friends;
        assert_eq!((friends.deeds.leaves, friends.users, ask.people()), (1_600, 6_700, 6_700));
        assert_eq!((ask.window.measured_s(), ask.window.warm_up_s), (10.0, 11.0));
        assert_eq!(whole(&base, demand).unwrap().scenario.friends.users, 100_000);
    }

    #[test]
    fn the_whole_is_everybody() {
        let base = Scenario::load("voting-500k", &[]).unwrap();
        let ask = whole(&base, DEMAND).unwrap();
        assert_eq!(ask.scenario.crowd.users, 500_000);
        // 500,000 / 10,000 = 50 s.
        assert_eq!(ask.window.to_s - ask.window.from_s, 50.0);
    }

    #[test]
    fn faults_are_counted_from_the_first_vote_and_the_vote_outlasts_them() {
        let base = Scenario::load("voting-small", &[]).unwrap();
        let calm = whole(&base, Demand { users: 100, rate_per_s: 50.0 }).unwrap();
        let kind = crate::scenario::FaultKind::Crash { node: "audit".into() };
        let ask = under(calm.clone(), &[Fault { kind, at: SECOND, lasts: 30 * SECOND }]).unwrap();
        let (from, scenario) = (ns(ask.window.from_s), &ask.scenario);
        // It begins 1 s after the first vote and ends 30 s later; late answers have 10 s, and the reveal comes a second after.
        assert_eq!((scenario.faults[0].at, scenario.heal), (from + SECOND, from + 31 * SECOND));
        assert_eq!((scenario.vote.close, scenario.end), (from + 41 * SECOND, from + 52 * SECOND));
        assert_eq!(under(calm.clone(), &[]).unwrap(), calm);
    }

    #[test]
    fn a_small_crowd_votes_at_its_rate_until_nobody_is_left() {
        let base = Scenario::load("voting-small", &[]).unwrap();
        let ask = window(&base, Demand { users: 100, rate_per_s: 50.0 }, 10.0).unwrap();
        assert_eq!(ask.scenario.crowd.users, 100);
    }
}
