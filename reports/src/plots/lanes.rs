//! Faults and milestones above a plot: each in the first lane where its bar and its text meet nobody else's.

use headcount_workloads::outcome::{FaultWindow, Milestone, Outcome};

use super::canvas::{fitted, text_width};

/// The most lanes a plot gives away to faults; what finds no place is shaded and counted, not named.
pub const LANES_MAX: usize = 5;

/// The widest text of a fault, in points; within its own bar it may be wider.
const LABEL_WIDTH_MAX: f64 = 230.0;

/// Room between two neighbours in a lane, in points.
const GAP: f64 = 6.0;

/// One fault or milestone with its place, in points of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub lane: usize,
    pub text: String,
    /// Where the text starts.
    pub text_x: f64,
    /// Where the bar starts and ends; both the same for a milestone.
    pub bar: (f64, f64),
}

/// The lanes over one plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lanes {
    pub milestones: Vec<Placed>,
    pub faults: Vec<Placed>,
    pub count: usize,
    /// Faults that are shaded but found no place for their name.
    pub unnamed: usize,
}

impl Lanes {
    /// Whether a bar or a text of `lane` covers the place `x`.
    pub fn is_taken(&self, lane: usize, x: f64, text_size: f64) -> bool {
        let covers = |placed: &&Placed| {
            let text_end = placed.text_x + text_width(&placed.text, text_size);
            placed.bar.0.min(placed.text_x) <= x && x <= placed.bar.1.max(text_end)
        };
        self.milestones.iter().chain(&self.faults).filter(|placed| placed.lane == lane).any(|placed| covers(&placed))
    }
}

/// What stands over a plot over virtual time: moments of a run, and when something was broken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks<'a> {
    pub milestones: &'a [Milestone],
    pub faults: &'a [FaultWindow],
}

impl<'a> From<&'a Outcome> for Marks<'a> {
    fn from(run: &'a Outcome) -> Self {
        Self { milestones: &run.milestones, faults: &run.faults }
    }
}

/// Places all names over a plot that reaches from `left` to `right`; `x` gives the place of a virtual second.
/// Milestones come first: they are few, and they tell what the run did.
pub fn place(
    Marks { milestones, faults }: Marks<'_>,
    (left, right): (f64, f64),
    text_size: f64,
    x: impl Fn(f64) -> f64,
) -> Lanes {
    let mut taken: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut lanes = Lanes::default();
    for milestone in milestones {
        let at = x(milestone.at_s);
        let found = put(&mut taken, &milestone.label, (at, at), (left, right), text_size);
        lanes.milestones.extend(found);
    }
    for fault in faults {
        let bar = (x(fault.from_s), x(fault.to_s).max(x(fault.from_s) + 2.0));
        match put(&mut taken, &fault.label, bar, (left, right), text_size) {
            Some(placed) => lanes.faults.push(placed),
            None => lanes.unnamed += 1,
        }
    }
    lanes.count = taken.len();
    lanes
}

fn put(
    taken: &mut Vec<Vec<(f64, f64)>>,
    label: &str,
    bar: (f64, f64),
    (left, right): (f64, f64),
    text_size: f64,
) -> Option<Placed> {
    let text = fitted(label, text_size, LABEL_WIDTH_MAX.max(bar.1 - bar.0 - 8.0));
    let width = text_width(&text, text_size);
    // After the start of its bar. Where it would leave the plot: before a line, and over a bar as far left as it must.
    let text_x = match bar.0 + 4.0 {
        after if after + width <= right => after,
        _ if bar.1 > bar.0 => (right - width).max(left),
        _ => (bar.0 - 4.0 - width).max(left),
    };
    let extent = (bar.0.min(text_x) - GAP, bar.1.max(text_x + width) + GAP);
    let is_free = |lane: &Vec<(f64, f64)>| lane.iter().all(|other| extent.1 <= other.0 || other.1 <= extent.0);
    let lane = match taken.iter().position(is_free) {
        Some(lane) => lane,
        None if taken.len() < LANES_MAX => {
            taken.push(Vec::new());
            taken.len() - 1
        }
        None => return None,
    };
    taken[lane].push(extent);
    Some(Placed { lane, text, text_x, bar })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn extents(placed: &[&Placed], lane: usize) -> Vec<(f64, f64)> {
        let own = placed.iter().filter(|placed| placed.lane == lane);
        let mut all: Vec<(f64, f64)> =
            own.map(|p| (p.bar.0.min(p.text_x), p.bar.1.max(p.text_x + text_width(&p.text, 11.0)))).collect();
        all.sort_by(|one, other| one.0.total_cmp(&other.0));
        all
    }

    #[test]
    fn no_name_meets_another_or_leaves_the_plot() {
        let outcome = fixture::violated();
        let lanes = place((&outcome).into(), (50.0, 750.0), 11.0, |s| 50.0 + s * 700.0 / 660.0);
        let all: Vec<&Placed> = lanes.milestones.iter().chain(&lanes.faults).collect();
        assert!(lanes.count <= LANES_MAX);
        assert_eq!(lanes.faults.len() + lanes.unnamed, outcome.faults.len());
        for lane in 0..lanes.count {
            let extents = extents(&all, lane);
            assert!(extents.windows(2).all(|pair| pair[0].1 < pair[1].0), "{extents:?}");
            assert!(extents.iter().all(|(from, to)| *from >= 50.0 && *to <= 750.0), "{extents:?}");
        }
    }

    #[test]
    fn a_name_at_the_right_edge_moves_left() {
        let late = [Milestone { label: "revealed".into(), at_s: 99.0 }];
        let lanes = place(Marks { milestones: &late, faults: &[] }, (0.0, 100.0), 11.0, |s| s);
        // It ends before its own line, which would otherwise go through it.
        assert!(lanes.milestones[0].text_x + text_width("revealed", 11.0) <= 99.0);
        assert!(lanes.is_taken(0, 98.0, 11.0) && lanes.is_taken(0, 60.0, 11.0));
        assert!(!lanes.is_taken(0, 20.0, 11.0) && !lanes.is_taken(1, 98.0, 11.0));
        assert_eq!(lanes.milestones[0].bar, (99.0, 99.0));
    }
}
