//! What users' apps are given to show: statuses of friends told one by one, and lists of friends loaded whole.

use headcount_workloads::outcome::{Outcome, Series};

use super::lines::Lines;
use super::scale::Scale;
use super::series::{self, Bucket};

pub const TITLE: &str = "Statuses told and lists loaded per second";

/// Lines of groups `told` and `loads`. A status goes to every friend who is online and a list to one user: dozens of
/// times apart, they share a logarithmic axis.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let all: Vec<&Series> = ["told", "loads"].iter().flat_map(|name| series::group(outcome, name)).collect();
    let highest = all.iter().map(|one| series::peak(one)).fold(0.0, f64::max);
    let lines = Lines {
        title: TITLE,
        y_label: "per second (1/s, logarithmic)",
        bucket: Bucket::Mean,
        y_scale: Some(Scale::decades(LOWEST_PER_S, highest)),
        nested: false,
        names: &[("statuses_told", "statuses told to friends"), ("lists_loaded", "friend lists loaded")],
        caption: "the foot of the axis stands for everything below it, none included",
    };
    lines.draw(outcome, all)
}

/// The foot of the axis [1/s]: what happens at all happens once in a second.
const LOWEST_PER_S: f64 = 1.0;
