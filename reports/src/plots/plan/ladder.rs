//! The rate ladder: what the answer's latency and what it gets done come to, from little load to too much.

use headcount_workloads::plan::NEVER_MS;
use headcount_workloads::plan::ladder::Rung;

use crate::number::{duration_ms, three_digits};
use crate::plan::{Answer, Plan};
use crate::plots::canvas::Colour;
use crate::plots::frame::{Axis, Frame, LegendEntry, PLOT_HEIGHT, Spec};
use crate::plots::scale::Scale;

pub const TITLE: &str = "Rate ladder: latency by load";
pub const TITLE_GOODPUT: &str = "Rate ladder: what is done of the load";

const MAIN: Colour = Colour::Hue(0, 1.0);
const HALF: Colour = Colour::Hue(5, 1.0);
const LIMIT: Colour = Colour::Hue(3, 1.0);
const ASKED: Colour = Colour::Hue(2, 1.0);
const HEADROOM: Colour = Colour::Hue(4, 1.0);
const KNEE: Colour = Colour::Ink(0.55);

/// Points on a line of the ladder are dots of this width, in points.
const DOT: f64 = 2.6;

/// Latency on a logarithmic axis, the knee, the limit, the load that was asked for.
pub fn draw(plan: &Plan<'_>) -> Option<String> {
    let answer = plan.found.ok()?;
    let rungs = rungs(answer)?;
    let limit = answer.latency_limit();
    let answered = |ms: &f64| ms.is_finite() && *ms > 0.0 && *ms < NEVER_MS;
    let shown = || rungs.iter().flat_map(|rung| [rung.latency_ms, rung.p50_ms]).chain(limit).filter(answered);
    let (lowest, highest) = (shown().fold(f64::INFINITY, f64::min), shown().fold(0.0, f64::max));
    if highest <= 0.0 {
        return None;
    }
    let metric = &answer.ladder.metric;
    let half = metric.rsplit_once('.').map_or(String::new(), |(name, _)| format!("{name}.p50_ms"));
    let mut legend = vec![entry(metric.clone(), MAIN), entry(half, HALF)];
    legend.extend(limit.map(|limit| entry(format!("limit {}", duration_ms(limit)), LIMIT)));
    legend.extend(marks(plan).map(|(text, colour, _)| entry(text, colour)));
    let knee = knee(answer);
    legend.extend(knee.map(|rate| entry(format!("knee, {}/s", three_digits(rate)), KNEE)));
    let mut caption =
        vec!["each point is the mean over the seeds, over a steady window without its warm-up".to_string()];
    if knee.is_some() {
        caption
            .push("the knee is where the logarithm of the latency lies farthest below its chord (Kneedle)".to_string());
    }
    if rungs.iter().any(|rung| rung.latency_ms >= NEVER_MS) {
        caption.push("a point on the upper edge was never answered".to_string());
    }
    let scale = Scale::decades(lowest, highest);
    let mut frame = Frame::open(Spec {
        title: TITLE,
        caption: caption.join("; "),
        x: axis(rungs),
        y: Axis::new("latency (ms, logarithmic)", scale),
        legend,
        over_time: None,
        plot_height: PLOT_HEIGHT,
        grid: true,
    });
    let Scale::Log { from: floor, to: ceiling } = scale else { return None };
    let right = rungs.last()?.rate_per_s;
    for (_, colour, rate) in marks(plan).filter(|(.., rate)| *rate <= right) {
        frame.line(&[(rate, floor), (rate, ceiling)], colour, 1.5);
    }
    knee.into_iter().for_each(|rate| frame.upright(rate));
    limit.into_iter().for_each(|limit| frame.line(&[(0.0, limit), (right, limit)], LIMIT, 1.5));
    let points = |of: fn(&Rung) -> f64| rungs.iter().map(|rung| (rung.rate_per_s, of(rung))).collect::<Vec<_>>();
    dotted(&mut frame, &points(|rung| rung.p50_ms), HALF);
    dotted(&mut frame, &points(|rung| rung.latency_ms), MAIN);
    Some(frame.finish())
}

/// What was counted of the load, against the load itself.
pub fn draw_goodput(plan: &Plan<'_>) -> Option<String> {
    let answer = plan.found.ok()?;
    let rungs = rungs(answer)?;
    let points = rungs.iter().map(|rung| Some((rung.rate_per_s, rung.goodput_per_s?)));
    let points = points.collect::<Option<Vec<(f64, f64)>>>()?;
    let right = rungs.last()?.rate_per_s;
    let mut legend = vec![entry("counted".to_string(), MAIN), entry("offered".to_string(), Colour::Ink(0.45))];
    legend.extend(marks(plan).map(|(text, colour, _)| entry(text, colour)));
    let mut frame = Frame::open(Spec {
        title: TITLE_GOODPUT,
        caption: "counted: votes of the window that were accepted, whenever their answer came".to_string(),
        x: axis(rungs),
        y: Axis::new("votes per second (1/s)", Scale::from_zero(right)),
        legend,
        over_time: None,
        plot_height: PLOT_HEIGHT,
        grid: true,
    });
    for (_, colour, rate) in marks(plan).filter(|(.., rate)| *rate <= right) {
        frame.line(&[(rate, 0.0), (rate, f64::MAX)], colour, 1.5);
    }
    frame.line(&[(0.0, 0.0), (right, right)], Colour::Ink(0.45), 1.0);
    dotted(&mut frame, &points, MAIN);
    Some(frame.finish())
}

/// A line with a dot at each of its points.
pub fn dotted(frame: &mut Frame, points: &[(f64, f64)], colour: Colour) {
    frame.line(points, colour, 1.6);
    points.iter().filter(|(_, y)| y.is_finite()).for_each(|point| frame.line(&[*point], colour, DOT));
}

fn rungs(answer: &Answer) -> Option<&[Rung]> {
    (answer.ladder.rungs.len() >= 2).then_some(&answer.ladder.rungs)
}

fn knee(answer: &Answer) -> Option<f64> {
    answer.ladder.bend().map(|rung| rung.rate_per_s)
}

/// The load that was asked for, without and with headroom.
fn marks(plan: &Plan<'_>) -> impl Iterator<Item = (String, Colour, f64)> {
    let (rate, headroom) = (plan.asked.demand.rate_per_s, plan.asked.headroom);
    let load = (format!("load, {}/s", three_digits(rate)), ASKED, rate);
    let heavy = rate * headroom;
    let heavy = (format!("with headroom {}, {}/s", three_digits(headroom), three_digits(heavy)), HEADROOM, heavy);
    [Some(load), (headroom > 1.0).then_some(heavy)].into_iter().flatten()
}

fn axis(rungs: &[Rung]) -> Axis {
    Axis::new("offered per second (1/s)", Scale::from_zero(rungs.iter().map(|one| one.rate_per_s).fold(0.0, f64::max)))
}

fn entry(text: String, colour: Colour) -> LegendEntry {
    LegendEntry { text, colour }
}
