//! How much of a plan is still ahead: an estimate, for whoever waits. No result depends on it.

use super::load;
use super::search::{Look, Question, WHOLE};

/// A step of a plan: how many tries it usually takes, how closely these look, and what load they have on average, as a
/// share of the load with headroom. What plans of the built-in scenarios took.
struct Usual {
    step: &'static str,
    tries: f64,
    look: Look,
    load: f64,
}

const fn usual(step: &'static str, tries: f64, look: Look, load: f64) -> Usual {
    Usual { step, tries, look, load }
}

/// The steps in their order.
const USUAL: [Usual; 8] = [
    usual("ample", 1.0, Look::Glance, 1.0),
    usual("shards", 2.0, Look::Glance, 1.0),
    usual("servers", 3.0, Look::Glance, 1.0),
    usual("one knob", 6.0, Look::Glance, 1.0),
    usual("answer", 2.0, Look::Full, 0.8),
    usual(WHOLE, 1.0, Look::Glance, 1.0),
    usual("ladder", 9.0, Look::Glance, 0.7),
    usual("max rate", 20.0, Look::Glance, 0.6),
];

/// How many people the runs still to come have together, if `step` has been tried `done` times: this try and all after it.
pub(super) fn people_ahead(question: &Question<'_>, step: &str, done: usize) -> u64 {
    let Some(now) = USUAL.iter().position(|usual| usual.step == step) else { return 0 };
    let tries = |index: usize| match index.cmp(&now) {
        std::cmp::Ordering::Less => 0.0,
        // Longer than usual: it may end with every try.
        std::cmp::Ordering::Equal => (USUAL[index].tries - done as f64).max(1.0),
        std::cmp::Ordering::Greater => USUAL[index].tries,
    };
    let people = |usual: &Usual| {
        let demand = question.demand.times(question.headroom * usual.load);
        let (seeds, seconds) = question.extent(demand, usual.look);
        let window = || f64::from(load::people_of_window(demand, seconds));
        seeds as f64 * if usual.step == WHOLE { f64::from(question.demand.users) } else { window() }
    };
    (now..USUAL.len()).map(|index| tries(index) * people(&USUAL[index])).sum::<f64>() as u64
}

#[cfg(test)]
mod tests {
    use super::super::load::Demand;
    use super::*;
    use crate::scenario::Scenario;
    use crate::slo::Slo;

    #[test]
    fn less_is_ahead_with_every_try_and_never_nothing() {
        let (scenario, promise) = (Scenario::load("voting-calm", &[]).unwrap(), Slo::default());
        let demand = Demand { users: 1_000, rate_per_s: 10.0 };
        let (seeds, headroom, window_s) = (vec![1, 2], 2.0, 2.0);
        let question =
            Question { scenario: &scenario, demand, promise: &promise, headroom, seeds, window_s, faults: &[] };
        let ahead: Vec<u64> = USUAL
            .iter()
            .flat_map(|usual| (0..usual.tries as usize).map(move |done| (usual.step, done)))
            .map(|(step, done)| people_ahead(&question, step, done))
            .collect();
        assert!(ahead.windows(2).all(|pair| pair[0] > pair[1]), "{ahead:?}");
        // The last one: two seeds at 12/s for 3 s are 36 votes, and 5 sqrt(36) + 50 = 80 people more: 2 x 116 = 232.
        assert_eq!(ahead.last(), Some(&232));
        assert_eq!(people_ahead(&question, "max rate", 1_000), 232, "it takes longer than usual");
        assert_eq!(people_ahead(&question, "no step", 0), 0);
    }
}
