//! What every plot shares: title, legend, faults and milestones, axes, caption, each in room of its own.
//!
//! From above: title, legend, lanes of faults and milestones, the plot, its axis, the caption. Nothing but the data,
//! the grid and the shading of faults is ever drawn inside the plot.

use headcount_workloads::outcome::Outcome;

use super::canvas::{Anchor, Canvas, Colour, Lettering, text_width};
use super::lanes::{self, Lanes, Marks};
use super::scale::{Scale, tick_text, time_ticks, time_unit};

/// All sheets are this wide, in points.
const WIDTH: f64 = 760.0;
/// Height of the plot itself when nothing asks for another.
pub const PLOT_HEIGHT: f64 = 250.0;
const TITLE_SIZE: f64 = 15.0;
const TEXT_SIZE: f64 = 12.0;
const LANE_TEXT_SIZE: f64 = 11.0;
const LINE_HEIGHT: f64 = 18.0;
const LANE_HEIGHT: f64 = 17.0;
const MARGIN: f64 = 12.0;

/// An axis with its name and unit.
pub struct Axis {
    pub label: String,
    pub scale: Scale,
    /// Value and text of each tick.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis whose ticks are written as plain numbers.
    pub fn new(label: impl Into<String>, scale: Scale) -> Self {
        let ticks = scale.ticks().into_iter().map(|value| (value, tick_text(value))).collect();
        Self { label: label.into(), scale, ticks }
    }

    /// Virtual time from 0 to the end of the run, in seconds, with ticks in the unit that fits.
    pub fn time(outcome: &Outcome) -> Self {
        Self::seconds(span_s(outcome))
    }

    /// Virtual time from 0 to `span_s`.
    pub fn seconds(span_s: f64) -> Self {
        let unit = time_unit(span_s);
        let ticks = time_ticks(span_s).into_iter().map(|tick| (tick * unit.seconds, tick_text(tick)));
        Self {
            label: format!("virtual time ({})", unit.name),
            scale: Scale::Linear { from: 0.0, to: span_s },
            ticks: ticks.collect(),
        }
    }
}

/// The whole time of a run: what it says, or as far as its series go.
pub fn span_s(outcome: &Outcome) -> f64 {
    let seconds = outcome.series.iter().map(|series| series.values.len()).max().unwrap_or(0);
    outcome.virtual_s.max(seconds as f64).max(1.0)
}

/// How a line of the legend looks.
#[derive(Clone, Debug)]
pub struct LegendEntry {
    pub text: String,
    pub colour: Colour,
}

/// What a plot wants around its data.
pub struct Spec<'a> {
    pub title: &'a str,
    /// What the reader must know to read it; may be empty.
    pub caption: String,
    pub x: Axis,
    pub y: Axis,
    pub legend: Vec<LegendEntry>,
    /// Shade these faults and mark these milestones: for plots over virtual time.
    pub over_time: Option<Marks<'a>>,
    pub plot_height: f64,
    /// Lines across the plot at the ticks; no use where cells fill it.
    pub grid: bool,
}

/// A sheet with everything but the data.
pub struct Frame {
    canvas: Canvas,
    title: String,
    x: Scale,
    y: Scale,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    /// Draws what `spec` says and leaves the plot open for data.
    pub fn open(spec: Spec<'_>) -> Self {
        let tick_width = spec.y.ticks.iter().map(|(_, text)| text_width(text, TEXT_SIZE)).fold(0.0, f64::max);
        let (left, right) = (MARGIN + LINE_HEIGHT + tick_width + 8.0, WIDTH - MARGIN - 14.0);
        let legend = legend_rows(&spec.legend, right - MARGIN);
        let x_of = |seconds: f64| left + spec.x.scale.place(seconds) * (right - left);
        let lanes =
            spec.over_time.map_or_else(Lanes::default, |run| lanes::place(run, (left, right), LANE_TEXT_SIZE, x_of));
        let lanes_top = MARGIN + LINE_HEIGHT + 6.0 + legend.len() as f64 * LINE_HEIGHT + 4.0;
        let top = lanes_top + lanes.count as f64 * LANE_HEIGHT + 4.0;
        let bottom = top + spec.plot_height;
        let mut caption = spec.caption.clone();
        if lanes.unnamed > 0 {
            let more = format!("{} more faults are shaded without their names", lanes.unnamed);
            caption = if caption.is_empty() { more } else { format!("{caption}; {more}") };
        }
        let caption = wrapped(&sentence(&caption), TEXT_SIZE, right - MARGIN);
        let caption_top = bottom + 2.0 * LINE_HEIGHT + 8.0;
        let height = caption_top + caption.len() as f64 * LINE_HEIGHT + MARGIN / 2.0;

        let mut frame = Self {
            canvas: Canvas::new(WIDTH, height),
            title: spec.title.to_string(),
            x: spec.x.scale,
            y: spec.y.scale,
            left,
            right,
            top,
            bottom,
        };
        frame.words((MARGIN, MARGIN + LINE_HEIGHT / 2.0), spec.title, TITLE_SIZE, Anchor::Start, true);
        for (row, entries) in legend.iter().enumerate() {
            frame.legend_row(entries, MARGIN + LINE_HEIGHT * (row as f64 + 1.5) + 6.0);
        }
        if let Some(run) = spec.over_time {
            frame.faults(run, &lanes, lanes_top);
        }
        frame.axes(&spec);
        for (row, line) in caption.iter().enumerate() {
            let at = (MARGIN, caption_top + (row as f64 + 0.5) * LINE_HEIGHT);
            frame.canvas.text(at, line, lettering(TEXT_SIZE, Anchor::Start, Colour::Ink(0.7)));
        }
        frame
    }

    /// The place of a value, in points of the sheet.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let across = self.left + self.x.place(x) * (self.right - self.left);
        (across, self.bottom - self.y.place(y) * (self.bottom - self.top))
    }

    /// A line through points (x, y) in the axes' values, broken where y is no number.
    pub fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64) {
        for run in points.split(|(_, y)| !y.is_finite()) {
            let placed: Vec<(f64, f64)> = run.iter().map(|(x, y)| self.at(*x, *y)).collect();
            self.canvas.line(&placed, colour, width);
        }
    }

    /// The area between two lines over the same x: points (x, lower, upper).
    pub fn area(&mut self, points: &[(f64, f64, f64)], colour: Colour) {
        let upper = points.iter().map(|(x, _, upper)| self.at(*x, *upper));
        let lower = points.iter().rev().map(|(x, lower, _)| self.at(*x, *lower));
        let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
        self.canvas.polygon(&outline, colour);
    }

    /// A dashed line upwards across the plot, for a value of x that the legend names.
    pub fn upright(&mut self, x: f64) {
        let x = self.at(x, 0.0).0;
        self.dashes(x, self.top, self.bottom);
    }

    /// A filled cell between two corners in the axes' values.
    pub fn cell(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour) {
        let (a, b) = (self.at(from.0, from.1), self.at(to.0, to.1));
        self.canvas.rect((a.0, b.1), (b.0, a.1), colour);
    }

    /// Words in the middle of a cell, around a point in the axes' values.
    pub fn inside(&mut self, at: (f64, f64), text: &str) {
        self.words(self.at(at.0, at.1), text, TEXT_SIZE, Anchor::Middle, false);
    }

    /// The finished SVG document.
    pub fn finish(self) -> String {
        self.canvas.finish(&self.title)
    }

    fn words(&mut self, at: (f64, f64), text: &str, size: f64, anchor: Anchor, bold: bool) {
        self.canvas.text(at, text, Lettering { bold, ..lettering(size, anchor, Colour::Ink(1.0)) });
    }

    fn legend_row(&mut self, entries: &[(f64, LegendEntry)], y: f64) {
        for (x, entry) in entries {
            self.canvas.rect((*x, y - 5.0), (x + 16.0, y + 5.0), entry.colour);
            self.words((x + 21.0, y), &entry.text, TEXT_SIZE, Anchor::Start, false);
        }
    }

    fn faults(&mut self, run: Marks<'_>, lanes: &Lanes, lanes_top: f64) {
        let bars = run.faults.iter().map(|fault| (self.at(fault.from_s, 0.0).0, self.at(fault.to_s, 0.0).0));
        // Once, however many faults lie on each other: the lines have to show on it.
        for (from, to) in united(bars.map(|(from, to)| (from, to.max(from + 1.0))).collect()) {
            self.canvas.rect((from, self.top), (to, self.bottom), Colour::Ink(0.10));
        }
        let lane_y = |lane: usize| lanes_top + lane as f64 * LANE_HEIGHT;
        for placed in &lanes.faults {
            let y = lane_y(placed.lane);
            self.canvas.rect((placed.bar.0, y + 1.0), (placed.bar.1, y + LANE_HEIGHT - 1.0), Colour::Ink(0.18));
            self.words((placed.text_x, y + LANE_HEIGHT / 2.0), &placed.text, LANE_TEXT_SIZE, Anchor::Start, false);
        }
        for placed in &lanes.milestones {
            let (x, y) = (placed.bar.0, lane_y(placed.lane));
            self.dashes(x, y + 2.0, y + LANE_HEIGHT);
            for lane in (placed.lane + 1..lanes.count).filter(|lane| !lanes.is_taken(*lane, x, LANE_TEXT_SIZE)) {
                self.dashes(x, lane_y(lane), lane_y(lane + 1));
            }
            self.dashes(x, self.top, self.bottom);
            let colour = Colour::Ink(0.75);
            let at = (placed.text_x, y + LANE_HEIGHT / 2.0);
            self.canvas.text(at, &placed.text, lettering(LANE_TEXT_SIZE, Anchor::Start, colour));
        }
    }

    /// A dashed line downwards, for milestones.
    fn dashes(&mut self, x: f64, from: f64, to: f64) {
        let mut y = from;
        while y < to {
            self.canvas.line(&[(x, y), (x, (y + 5.0).min(to))], Colour::Ink(0.55), 1.0);
            y += 9.0;
        }
    }

    fn axes(&mut self, spec: &Spec<'_>) {
        if spec.grid {
            for value in spec.y.scale.minor_ticks() {
                let y = self.at(0.0, value).1;
                self.canvas.line(&[(self.left, y), (self.right, y)], Colour::Ink(0.06), 0.5);
            }
        }
        for (value, text) in &spec.y.ticks {
            let y = self.at(0.0, *value).1;
            if spec.grid {
                self.canvas.line(&[(self.left, y), (self.right, y)], Colour::Ink(0.16), 0.5);
            }
            self.words((self.left - 6.0, y), text, TEXT_SIZE, Anchor::End, false);
        }
        let mut free_from = 0.0;
        for (value, text) in &spec.x.ticks {
            let x = self.at(*value, 0.0).0;
            self.canvas.line(&[(x, self.bottom), (x, self.bottom + 4.0)], Colour::Ink(0.6), 1.0);
            // Within the sheet, and not where the text before it stands.
            let half = text_width(text, TEXT_SIZE) / 2.0;
            let middle = x.min(WIDTH - MARGIN / 2.0 - half);
            if middle - half >= free_from {
                self.words((middle, self.bottom + LINE_HEIGHT / 2.0 + 5.0), text, TEXT_SIZE, Anchor::Middle, false);
                free_from = middle + half + MARGIN / 2.0;
            }
        }
        self.canvas.line(&[(self.left, self.bottom), (self.right, self.bottom)], Colour::Ink(0.6), 1.0);
        let middle = (self.left + self.right) / 2.0;
        self.words((middle, self.bottom + 1.5 * LINE_HEIGHT + 6.0), &spec.x.label, TEXT_SIZE, Anchor::Middle, false);
        let at = (MARGIN + TEXT_SIZE / 2.0, (self.top + self.bottom) / 2.0);
        let upwards = Lettering { upwards: true, ..lettering(TEXT_SIZE, Anchor::Middle, Colour::Ink(1.0)) };
        self.canvas.text(at, &spec.y.label, upwards);
    }
}

/// Ranges as the least number of ranges that cover the same, in order.
fn united(mut ranges: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    ranges.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut all: Vec<(f64, f64)> = Vec::new();
    for (from, to) in ranges {
        match all.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => all.push((from, to)),
        }
    }
    all
}

fn lettering(size: f64, anchor: Anchor, colour: Colour) -> Lettering {
    Lettering { size, anchor, bold: false, upwards: false, colour }
}

/// The legend's entries in rows no wider than `width`, each with its place.
fn legend_rows(entries: &[LegendEntry], width: f64) -> Vec<Vec<(f64, LegendEntry)>> {
    let mut rows: Vec<Vec<(f64, LegendEntry)>> = Vec::new();
    let mut x = f64::INFINITY;
    for entry in entries {
        let entry_width = 21.0 + text_width(&entry.text, TEXT_SIZE) + 14.0;
        if x + entry_width > width {
            rows.push(Vec::new());
            x = MARGIN;
        }
        if let Some(row) = rows.last_mut() {
            row.push((x, entry.clone()));
        }
        x += entry_width;
    }
    rows
}

/// `text` with a capital and a full stop; nothing stays nothing.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), characters.as_str()))
}

fn wrapped(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(line, size) + text_width(word, size) + size / 2.0 <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> LegendEntry {
        LegendEntry { text: text.into(), colour: Colour::Hue(0, 1.0) }
    }

    #[test]
    fn a_long_legend_takes_more_rows_and_no_row_is_too_wide() {
        let entries: Vec<LegendEntry> = (0..12).map(|i| entry(&format!("functions eu-west {i}"))).collect();
        let rows = legend_rows(&entries, 700.0);
        assert!(rows.len() > 1);
        assert_eq!(rows.iter().map(Vec::len).sum::<usize>(), 12);
        for (x, entry) in rows.iter().flatten() {
            assert!(x + 21.0 + text_width(&entry.text, TEXT_SIZE) <= 700.0);
        }
    }

    #[test]
    fn faults_that_lie_on_each_other_are_shaded_once() {
        let ranges = vec![(5.0, 9.0), (1.0, 3.0), (2.0, 4.0), (6.0, 7.0)];
        assert_eq!(united(ranges), [(1.0, 4.0), (5.0, 9.0)]);
    }

    #[test]
    fn texts_of_an_axis_stay_on_the_sheet_and_off_each_other() {
        let texts = ["0", "99.99999", "99.999999", "99.9999999"];
        let ticks = texts.iter().enumerate().map(|(i, text)| (i as f64 / 20.0, text.to_string()));
        let mut ticks: Vec<(f64, String)> = ticks.collect();
        ticks.push((1.0, "99.99999999".to_string()));
        let frame = Frame::open(Spec {
            title: "t",
            caption: String::new(),
            x: Axis { label: "x".into(), scale: Scale::Linear { from: 0.0, to: 1.0 }, ticks },
            y: Axis::new("y", Scale::from_zero(1.0)),
            legend: Vec::new(),
            over_time: None,
            plot_height: PLOT_HEIGHT,
            grid: true,
        });
        let svg = frame.finish();
        // 700 points / 20 = 35 between ticks, a text takes 60: every second one has room. The last one moves left.
        let shown = |text: &str| svg.contains(&format!(">{text}</text>"));
        assert!(shown("0") && shown("99.999999") && shown("99.99999999"));
        assert!(!shown("99.9999999"));
        let last = svg.lines().find(|line| line.contains(">99.99999999</text>")).unwrap();
        let x: f64 = last.split("x=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        assert!(x / 2.0 + text_width("99.99999999", TEXT_SIZE) / 2.0 <= WIDTH, "{last}");
    }

    #[test]
    fn captions_are_sentences_and_wrap() {
        assert_eq!(sentence("each point is the mean of 2 s"), "Each point is the mean of 2 s.");
        assert_eq!(sentence(""), "");
        let lines = wrapped(&"words and more words ".repeat(20), 12.0, 300.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| text_width(line, 12.0) <= 300.0));
    }
}
