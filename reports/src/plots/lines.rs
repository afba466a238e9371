//! The plot most plots are: series of one group as lines over virtual time.

use headcount_workloads::outcome::{Outcome, Series};

use super::canvas::{COLOURS, Colour};
use super::frame::{Axis, Frame, LegendEntry, PLOT_HEIGHT, Spec};
use super::lanes::Marks;
use super::scale::Scale;
use super::series::{self, Bucket, POINTS_MAX};

/// What a plot of lines says beyond its series.
pub struct Lines {
    pub title: &'static str,
    /// Name and unit.
    pub y_label: &'static str,
    pub bucket: Bucket,
    /// The y axis; `None`: from 0 to the highest point.
    pub y_scale: Option<Scale>,
    /// The first line thick and pale and each further one thinner: for lines that lie on each other.
    pub nested: bool,
    /// Words for a legend that say more than a series' name does: series, text. The others are named by
    /// [`series::short_names`].
    pub names: &'static [(&'static str, &'static str)],
    /// What else the caption says; may be empty.
    pub caption: &'static str,
}

impl Lines {
    /// Draws `all` series of a run (the highest if there are more than colours); `None` if there are none.
    pub fn draw(&self, outcome: &Outcome, all: Vec<&Series>) -> Option<String> {
        self.draw_over(Axis::time(outcome), outcome.into(), all)
    }

    /// The same over any time, with these marks.
    pub fn draw_over(&self, time: Axis, marks: Marks<'_>, all: Vec<&Series>) -> Option<String> {
        let (kept, left_out) = series::highest(all, COLOURS);
        let len = kept.iter().map(|series| series.values.len()).max()?;
        let seconds = series::seconds_per_point(len, POINTS_MAX);
        let lines: Vec<_> = kept.iter().map(|one| series::points(&one.values, seconds, self.bucket)).collect();
        let highest = lines.iter().flatten().map(|(_, y)| *y).filter(|y| y.is_finite()).fold(0.0, f64::max);
        let names = kept.iter().zip(series::short_names(&kept)).enumerate();
        let legend = names.map(|(i, (series, short))| {
            let words = self.names.iter().find(|(name, _)| *name == series.name);
            LegendEntry { text: words.map_or(short, |(_, text)| text.to_string()), colour: Colour::Hue(i, 1.0) }
        });
        let mut captions = vec![self.caption.to_string(), self.bucket.caption(seconds)];
        if left_out > 0 {
            captions.push(format!("the {COLOURS} highest are shown, {left_out} more are in timeseries.csv"));
        }
        captions.retain(|caption| !caption.is_empty());

        let mut frame = Frame::open(Spec {
            title: self.title,
            caption: captions.join("; "),
            x: time,
            y: Axis::new(self.y_label, self.y_scale.unwrap_or(Scale::from_zero(highest))),
            legend: legend.collect(),
            over_time: Some(marks),
            plot_height: PLOT_HEIGHT,
            grid: true,
        });
        for (i, points) in lines.iter().enumerate() {
            let (width, opacity) = match (self.nested, i) {
                (false, _) => (1.5, 1.0),
                (true, 0) => (5.0, 0.65),
                (true, 1) => (3.0, 0.9),
                (true, _) => (1.5, 1.0),
            };
            frame.line(points, Colour::Hue(i, opacity), width);
        }
        Some(frame.finish())
    }
}
