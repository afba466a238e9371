//! How much of a plan is still ahead: an estimate, for whoever waits. No result depends on it.

use super::load::{self, Demand};
use super::search::Question;

/// The steps of a plan in their order, with how many tries each usually takes and what load these have on average, as a
/// share of the load with headroom. What plans of the built-in scenarios took.
const USUAL: [(&str, f64, f64); 8] = [
    ("ample", 3.0, 1.0),
    ("shards", 2.0, 1.0),
    ("servers", 3.0, 1.0),
    ("one knob", 30.0, 1.0),
    ("answer", 1.0, 0.5),
    ("everybody", 1.0, 1.0),
    ("ladder", 6.0, 0.6),
    ("max rate", 20.0, 0.6),
];

/// How many people the runs still to come have together, if `step` has been tried `done` times: this try and all after it.
pub(super) fn people_ahead(question: &Question<'_>, step: &str, done: usize) -> u64 {
    let Some(now) = USUAL.iter().position(|(name, ..)| *name == step) else { return 0 };
    let tries = |index: usize| match index.cmp(&now) {
        std::cmp::Ordering::Less => 0.0,
        // Longer than usual: it may end with every try.
        std::cmp::Ordering::Equal => (USUAL[index].1 - done as f64).max(1.0),
        std::cmp::Ordering::Greater => USUAL[index].1,
    };
    let (demand, seeds) = (question.demand, question.seeds.len() as f64);
    let people = |index: usize| {
        let (name, _, share) = USUAL[index];
        if name == super::search::WHOLE {
            return f64::from(demand.users);
        }
        seeds * window_people(demand.times(question.headroom * share), question.window_s)
    };
    (now..USUAL.len()).map(|index| tries(index) * people(index)).sum::<f64>() as u64
}

fn window_people(demand: Demand, measured_s: f64) -> f64 {
    f64::from(load::people_of_window(demand, measured_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::slo::Slo;

    #[test]
    fn less_is_ahead_with_every_try_and_never_nothing() {
        let (scenario, promise) = (Scenario::load("voting-calm", &[]).unwrap(), Slo::default());
        let demand = Demand { users: 1_000, rate_per_s: 10.0 };
        let (seeds, headroom, window_s) = (vec![1, 2], 2.0, 2.0);
        let question = Question { scenario: &scenario, demand, promise: &promise, headroom, seeds, window_s };
        let ahead: Vec<u64> = USUAL
            .iter()
            .flat_map(|(step, tries, _)| (0..*tries as usize).map(move |done| (*step, done)))
            .map(|(step, done)| people_ahead(&question, step, done))
            .collect();
        assert!(ahead.windows(2).all(|pair| pair[0] > pair[1]), "{ahead:?}");
        // The last one: two seeds at 12/s for 3 s are 36 votes, and 5 sqrt(36) + 50 = 80 people more: 2 x 116 = 232.
        assert_eq!(ahead.last(), Some(&232));
        assert_eq!(people_ahead(&question, "max rate", 1_000), 232, "it takes longer than usual");
        assert_eq!(people_ahead(&question, "no step", 0), 0);
    }
}
