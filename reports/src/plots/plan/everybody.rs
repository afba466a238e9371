//! Everybody second by second: what they asked, what they had to ask again, and what was done of it.

use headcount_workloads::outcome::Series;
use headcount_workloads::plan::Sample;

use super::shards::{marks, sample};
use crate::plan::Plan;
use crate::plots::frame::Axis;
use crate::plots::lines::Lines;
use crate::plots::series::Bucket;
use crate::timeseries;

pub const TITLE: &str = "Everybody, second by second";

/// The lines of the first run of everybody, its faults shaded.
pub fn draw(plan: &Plan<'_>) -> Option<String> {
    let sample = sample(plan)?;
    let all = series(sample);
    let lines = Lines {
        title: TITLE,
        y_label: "votes per second (1/s)",
        bucket: Bucket::Mean,
        y_scale: None,
        nested: true,
        names: &[("submitted", "submitted"), ("counted", "counted"), ("resent", "submitted again")],
        caption: "the answer with all people, at the load without headroom",
    };
    lines.draw_over(Axis::seconds(sample.virtual_s), marks(sample), all.iter().collect())
}

/// A row for each second; `None` if nobody votes.
pub fn csv(plan: &Plan<'_>) -> Option<String> {
    let all = series(sample(plan)?);
    (!all.is_empty()).then(|| timeseries::csv_of(&all))
}

fn series(sample: &Sample) -> Vec<Series> {
    let all = [("submitted", "votes_submitted"), ("counted", "acks_accepted"), ("resent", "votes_resent")];
    let all = all.map(|(name, series)| (name, sample.series(series)));
    let all = all.into_iter().filter(|(_, values)| !values.is_empty());
    all.map(|(name, values)| Series { name: name.into(), unit: "1/s", group: "everybody", values: values.to_vec() })
        .collect()
}
