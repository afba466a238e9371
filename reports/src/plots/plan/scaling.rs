//! How much more shards carry: the most within the SLO by number of shards, and the Universal Scalability Law through it.

use super::ladder::dotted;
use crate::number::three_digits;
use crate::plan::Plan;
use crate::plots::canvas::Colour;
use crate::plots::frame::{Axis, Frame, LegendEntry, PLOT_HEIGHT, Spec};
use crate::plots::scale::Scale;

pub const TITLE: &str = "The most within the SLO, by number of shards or servers";

const MEASURED: Colour = Colour::Hue(0, 1.0);
const FITTED: Colour = Colour::Hue(1, 1.0);
const EVEN: Colour = Colour::Ink(0.45);
/// Points of the law's curve.
const CURVE_POINTS: u32 = 120;

/// Measured rates, the law, and what as many times the first one would be.
pub fn draw(plan: &Plan<'_>) -> Option<String> {
    let answer = plan.found.ok()?;
    let points: Vec<(f64, f64)> = answer.scaling.iter().map(|one| (f64::from(one.shards), one.rate_per_s)).collect();
    let last = points.last().filter(|_| points.len() >= 2)?.0;
    let mut legend = vec![LegendEntry { text: "measured".into(), colour: MEASURED }];
    let mut caption = "the most that the answer carries within the SLO if only their number is another".to_string();
    let mut highest = points.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    if let Some(law) = answer.usl {
        let (sigma, kappa) = (three_digits(law.sigma), three_digits(law.kappa));
        let text = format!("Universal Scalability Law: sigma {sigma}, kappa {kappa}");
        legend.push(LegendEntry { text, colour: FITTED });
        legend.push(LegendEntry { text: format!("{}/s for each", three_digits(law.lambda)), colour: EVEN });
        caption.push_str("; sigma is what they queue at together, kappa what they tell each other");
        if let Some(peak) = law.peak() {
            caption.push_str(&format!("; beyond {} the law has more carry less", three_digits(peak)));
        }
        highest = highest.max(law.carries(last));
    }
    let mut frame = Frame::open(Spec {
        title: TITLE,
        caption,
        x: Axis::new("shards, or servers of the one station", Scale::from_zero(last)),
        y: Axis::new("carried per second (1/s)", Scale::from_zero(highest)),
        legend,
        over_time: None,
        plot_height: PLOT_HEIGHT,
        grid: true,
    });
    if let Some(law) = answer.usl {
        // As far as the axis reaches: a line that was cut at its edge would seem to bend.
        let Scale::Linear { to: top, .. } = Scale::from_zero(highest) else { return None };
        let end = last.min(top / law.lambda);
        frame.line(&[(0.0, 0.0), (end, end * law.lambda)], EVEN, 1.0);
        let at = |step: u32| 1.0 + (last - 1.0) * f64::from(step) / f64::from(CURVE_POINTS);
        let curve: Vec<(f64, f64)> = (0..=CURVE_POINTS).map(|step| (at(step), law.carries(at(step)))).collect();
        frame.line(&curve, FITTED, 2.2);
    }
    dotted(&mut frame, &points, MEASURED);
    Some(frame.finish())
}
