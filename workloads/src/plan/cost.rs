//! What the answer takes of everything billable, and what the document's own logic would take instead.
//!
//! The answer's counts are those of the run of everybody. The document's logic cannot be run with everybody (each
//! acknowledgement goes to all), so both variants are run with few people over the same time, and extrapolated from two
//! numbers of people: what is done grows by so much for each vote, from what the session takes by itself; what a person
//! hears grows by so much for each vote, too, and there are as many people. Beside the measured counts stand the hardened
//! ones by the same way: so far can it be trusted.

use serde::Serialize;

use super::lab::Trouble;
use super::load::{self, Demand};
use super::search::{Search, Tried};
use crate::bill::{Bill, Kind};
use crate::scenario::Variant;

/// People of the two small runs; of fewer people than twice as many, a quarter and a half.
const SMALL: [u32; 2] = [500, 1_500];

/// One billable kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub kind: Kind,
    /// Of the run of everybody.
    pub measured: f64,
    /// Extrapolated from few people, by the hardened and by the documented variant.
    pub hardened: f64,
    pub documented: f64,
}

/// Acknowledgements, with everybody.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Acknowledgements {
    /// Votes that were acknowledged: as many publishes on either kind of channel.
    pub published: f64,
    /// Deliveries if each goes to its voter alone, and if each goes to everybody (voting.md 7.1).
    pub private: f64,
    pub shared: f64,
}

/// What a plan costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// People of the run whose counts are measured, and of those that are extrapolated from.
    pub users: u32,
    pub small: [u32; 2],
    pub lines: Vec<Line>,
    pub acknowledgements: Acknowledgements,
}

impl Cost {
    /// The measured counts as a bill.
    pub fn measured(&self) -> Bill {
        Bill(self.lines.iter().map(|line| (line.kind, line.measured)).collect())
    }

    /// What the document's logic is reckoned to take.
    pub fn documented(&self) -> Bill {
        Bill(self.lines.iter().map(|line| (line.kind, line.documented)).collect())
    }
}

impl Search<'_> {
    /// Counts what `everybody` took, and runs both variants with few people.
    pub fn cost(&mut self, everybody: &Tried) -> Result<Cost, Trouble> {
        let users = everybody.demand.users;
        let small = [SMALL[0].min(users / 4).max(2), SMALL[1].min(users / 2).max(2)];
        let votes = everybody.metric(VOTES).unwrap_or(0.0);
        let mut reckoned = Vec::new();
        for variant in [Variant::Hardened, Variant::Documented] {
            let few = [self.few(variant, everybody, small[0])?, self.few(variant, everybody, small[1])?];
            reckoned.push(move |kind: Kind| extrapolated(kind, &few, f64::from(users), votes));
        }
        let measured = Bill::of(&everybody.means);
        let line = |kind| Line {
            kind,
            measured: measured.count(kind),
            hardened: reckoned[0](kind),
            documented: reckoned[1](kind),
        };
        let acknowledgements = Acknowledgements { published: votes, private: votes, shared: votes * f64::from(users) };
        Ok(Cost { users, small, lines: Kind::all().map(line).collect(), acknowledgements })
    }

    /// What few people take, in as much time as everybody.
    fn few(&mut self, variant: Variant, everybody: &Tried, people: u32) -> Result<Few, Trouble> {
        let mut scenario = everybody.of.applied(self.question.scenario);
        scenario.variant = variant;
        let share = f64::from(people) / f64::from(everybody.demand.users);
        let demand = Demand { users: people, rate_per_s: everybody.demand.rate_per_s * share };
        let ask = load::whole(&scenario, demand)?;
        let sample = self.run_one(&ask)?;
        let votes = sample.metric(VOTES).unwrap_or(0.0);
        Ok(Few { people: f64::from(people), votes, bill: Bill::of(&sample.metrics) })
    }
}

/// The counter of votes that were acknowledged as counted.
const VOTES: &str = "votes.accepted";

/// What few people took.
struct Few {
    people: f64,
    votes: f64,
    bill: Bill,
}

/// A kind's count with so many people and votes, by the straight through two smaller ones: of the whole count, or for what
/// comes to people of the count for each of them.
fn extrapolated(kind: Kind, few: &[Few; 2], people: f64, votes: f64) -> f64 {
    let each = |people: f64| if kind == Kind::Deliveries { people } else { 1.0 };
    let [one, two] = [&few[0], &few[1]].map(|few| (few.votes, few.bill.count(kind) / each(few.people)));
    if two.0 <= one.0 {
        return two.1 / two.0.max(1.0) * votes * each(people);
    }
    let slope = ((two.1 - one.1) / (two.0 - one.0)).max(0.0);
    (two.1 + slope * (votes - two.0)) * each(people)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn few(kind: Kind, people: f64, votes: f64, count: f64) -> Few {
        Few { people, votes, bill: Bill([(kind, count)].into()) }
    }

    #[test]
    fn what_everybody_hears_of_everybody_grows_with_the_square() {
        // 10 people hear 9 votes and 3 tallies each, 20 people 18 votes and 3 tallies: 120 and 420.
        let kind = Kind::Deliveries;
        let found = extrapolated(kind, &[few(kind, 10.0, 9.0, 120.0), few(kind, 20.0, 18.0, 420.0)], 1_000.0, 900.0);
        // 1,000 x (900 + 3).
        assert!((found - 903_000.0).abs() < 1e-6, "{found}");
    }

    #[test]
    fn what_is_done_grows_with_votes_from_what_the_session_takes_by_itself() {
        // 5 for each vote and 50 besides: 95 at 9 votes, 140 at 18, 4,550 at 900.
        let kind = Kind::KvOperations;
        let found = extrapolated(kind, &[few(kind, 10.0, 9.0, 95.0), few(kind, 20.0, 18.0, 140.0)], 1_000.0, 900.0);
        assert!((found - 4_550.0).abs() < 1e-9, "{found}");
        // With no more than these people there are not two numbers of them.
        let same = || few(kind, 20.0, 20.0, 100.0);
        assert_eq!(extrapolated(kind, &[same(), same()], 20.0, 20.0), 100.0);
    }
}
