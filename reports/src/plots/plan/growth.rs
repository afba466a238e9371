//! What each person takes, by how many there are.

use headcount_workloads::bill::Kind;

use super::ladder::dotted;
use crate::plan::Plan;
use crate::plots::canvas::Colour;
use crate::plots::frame::{Axis, Frame, LegendEntry, PLOT_HEIGHT, Spec};
use crate::plots::scale::Scale;

pub const TITLE: &str = "What each person takes, by the number of people";

/// The kinds of the bill that grow with people, and what they are called.
pub const KINDS: [(Kind, &str); 4] = [
    (Kind::Publishes, "publishes"),
    (Kind::Deliveries, "deliveries"),
    (Kind::FunctionExecutions, "executions"),
    (Kind::KvOperations, "KV operations"),
];

/// A line for each kind: flat is what grows with people and no faster.
pub fn draw(plan: &Plan<'_>) -> Option<String> {
    let (first, last) = (plan.grown.first()?, plan.grown.last()?);
    let lines = KINDS.map(|(kind, _)| {
        let point = |one: &headcount_workloads::plan::growth::Grown| {
            let users = f64::from(one.users);
            (users, one.bill.count(kind) / users)
        };
        plan.grown.iter().map(point).collect::<Vec<(f64, f64)>>()
    });
    let each = || lines.iter().flatten().map(|(_, each)| *each).filter(|each| *each > 0.0);
    let (least, most) = (each().fold(f64::INFINITY, f64::min), each().fold(0.0, f64::max));
    let colour = |place: usize| Colour::Hue(place, 1.0);
    let entry =
        |(place, (_, text)): (usize, &(Kind, &str))| LegendEntry { text: (*text).to_string(), colour: colour(place) };
    let mut frame = Frame::open(Spec {
        title: TITLE,
        caption: "everybody to the last vote, both axes by their logarithm".to_string(),
        x: Axis::new("people", Scale::decades(f64::from(first.users), f64::from(last.users))),
        y: Axis::new("of each kind for each person", Scale::decades(least.min(most), most)),
        legend: KINDS.iter().enumerate().map(entry).collect(),
        over_time: None,
        plot_height: PLOT_HEIGHT,
        grid: true,
    });
    lines.iter().enumerate().for_each(|(place, points)| dotted(&mut frame, points, colour(place)));
    Some(frame.finish())
}
