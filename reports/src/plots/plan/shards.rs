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
    let all = series(plan, sample);
    let seconds = all.iter().map(|one| one.values.len()).max().filter(|seconds| *seconds > 0)?;
    let unit = if plan.storms.is_some() { shards::EVENTS } else { shards::REQUESTS };
    let time = Axis::seconds((seconds as f64).max(sample.virtual_s));
    shards::heat_map(time, marks(sample), &all.iter().collect::<Vec<_>>(), unit)
}

/// A row for each second, a column for each shard [1/s]; `None` if there is nothing to say.
pub fn csv(plan: &Plan<'_>) -> Option<String> {
    let all = series(plan, sample(plan)?);
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

/// Submits of a vote, presence events of friends.
fn series(plan: &Plan<'_>, sample: &Sample) -> Vec<Series> {
    let what = if plan.storms.is_some() { "events" } else { "submits" };
    let one = |(shard, values): (usize, &Vec<f64>)| Series {
        name: format!("shard_{shard:02}_{what}"),
        unit: "1/s",
        group: "shards",
        values: values.clone(),
    };
    sample.shards_per_s.iter().enumerate().map(one).collect()
}
