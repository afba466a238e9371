//! How the load of everybody spreads over the answer's shards, second by second.

use headcount_workloads::outcome::Series;
use headcount_workloads::plan::Sample;

use crate::plan::Plan;
use crate::plots::frame::Axis;
use crate::plots::lanes::Marks;
use crate::plots::shards;
use crate::timeseries;

pub use crate::plots::shards::TITLE;

/// The heat map of the run of everybody.
pub fn draw(plan: &Plan<'_>) -> Option<String> {
    let sample = sample(plan)?;
    let all = series(sample);
    let seconds = all.iter().map(|one| one.values.len()).max().filter(|seconds| *seconds > 0)?;
    let unit = if is_of_votes(sample) { shards::REQUESTS } else { shards::EVENTS };
    let time = Axis::seconds((seconds as f64).max(sample.virtual_s));
    shards::heat_map(time, marks(sample), &all.iter().collect::<Vec<_>>(), unit)
}

/// A row for each second, a column for each shard [1/s]; `None` if there is nothing to say.
pub fn csv(plan: &Plan<'_>) -> Option<String> {
    let all = series(sample(plan)?);
    (!all.is_empty()).then(|| timeseries::csv_of(&all))
}

/// The first run of everybody.
pub(super) fn sample<'a>(plan: &Plan<'a>) -> Option<&'a Sample> {
    plan.found.ok()?.everybody.samples.first()
}

/// What was broken meanwhile.
pub(super) fn marks(sample: &Sample) -> Marks<'_> {
    Marks { faults: &sample.faults, milestones: &[] }
}

fn is_of_votes(sample: &Sample) -> bool {
    !sample.series("votes_submitted").is_empty()
}

/// Submits of a vote, presence events of friends.
fn series(sample: &Sample) -> Vec<Series> {
    let what = if is_of_votes(sample) { "submits" } else { "events" };
    let one = |(shard, values): (usize, &Vec<f64>)| Series {
        name: format!("shard_{shard:02}_{what}"),
        unit: "1/s",
        group: "shards",
        values: values.clone(),
    };
    sample.shards_per_s.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{answer, asked, plan as of, storms};

    #[test]
    fn a_plan_of_votes_counts_submits_whatever_storms_it_has() {
        let (asked, answer, storms) = (asked(), answer(), storms());
        let plan = Plan { storms: Some(&storms), ..of(&asked, &answer) };
        assert!(csv(&plan).unwrap().starts_with("second,shard_00_submits,"));
        assert!(draw(&plan).unwrap().to_lowercase().contains(shards::REQUESTS));
        let mut answer = answer.clone();
        answer.everybody.samples[0].series.clear();
        let plan = Plan { found: Ok(&answer), ..plan };
        assert!(csv(&plan).unwrap().starts_with("second,shard_00_events,"));
    }
}
