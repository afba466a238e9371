//! People who lose their connections together and come back together: the work that it makes.

use headcount_workloads::plan::storm::{Storm, Storms};

use crate::number::whole_percent;
use crate::plan::Plan;
use crate::plots::canvas::Colour;
use crate::plots::frame::{Axis, Frame, LegendEntry, PLOT_HEIGHT, Spec};
use crate::plots::scale::Scale;

pub const TITLE: &str = "Storm drain: work by second";
pub const TITLE_JITTER: &str = "The largest storm, with jitter and in step";

/// A line for each size of the storm.
pub fn draw(plan: &Plan<'_>) -> Option<String> {
    let storms = plan.storms?;
    let lines =
        storms.storms.iter().map(|storm| (format!("{} of the people cut off", whole_percent(storm.share)), storm));
    work(TITLE, storms, lines.collect())
}

/// The largest storm, by how clients wait before they try again.
pub fn draw_jitter(plan: &Plan<'_>) -> Option<String> {
    let storms = plan.storms?;
    let (apart, in_step) = (storms.storms.last()?, storms.in_step.as_ref()?);
    let lines = [("each client waits for a time of its own", apart), ("all wait for the same time", in_step)];
    work(TITLE_JITTER, storms, lines.map(|(text, storm)| (text.to_string(), storm)).to_vec())
}

/// Work by second of some storms, each with its name.
fn work(title: &str, storms: &Storms, lines: Vec<(String, &Storm)>) -> Option<String> {
    let seconds = seconds(lines.iter().map(|(_, storm)| *storm))?;
    let highest = lines.iter().flat_map(|(_, storm)| &storm.work_per_s).copied().fold(0.0, f64::max);
    let colour = |place: usize| Colour::Hue(place, 1.0);
    let entry =
        |(place, (text, _)): (usize, &(String, &Storm))| LegendEntry { text: text.clone(), colour: colour(place) };
    let mut frame = Frame::open(Spec {
        title,
        caption: format!("{}; the dashed lines are the beginning and the end of the cut", storms.says.work),
        x: Axis::seconds(seconds),
        y: Axis::new("work per second (1/s)", Scale::from_zero(highest)),
        legend: lines.iter().enumerate().map(entry).collect(),
        over_time: None,
        plot_height: PLOT_HEIGHT,
        grid: true,
    });
    frame.upright(storms.cut_s);
    frame.upright(storms.healed_s);
    for (place, (_, storm)) in lines.iter().enumerate() {
        frame.line(&by_second(&storm.work_per_s, seconds), colour(place), 1.6);
    }
    Some(frame.finish())
}

/// Seconds to draw: until all is done, and a little of the quiet after it. `None` if there is nothing to see.
fn seconds<'a>(storms: impl IntoIterator<Item = &'a Storm>) -> Option<f64> {
    let done = storms.into_iter().filter_map(|storm| storm.work_per_s.iter().rposition(|work| *work > 0.0)).max()?;
    Some((done as f64 * 1.1).max(1.0))
}

/// Each second's value in its middle.
fn by_second(values: &[f64], seconds: f64) -> Vec<(f64, f64)> {
    let points = values.iter().enumerate().map(|(second, value)| (second as f64 + 0.5, *value));
    points.take_while(|(at, _)| *at <= seconds).collect()
}
