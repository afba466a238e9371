//! What the terminal shows of a comparison: the answer first, then what changed most.

use std::path::Path;

use super::{Answer, Change, Compared, Comparison, Side, seeds_said};
use crate::number::{count_of, digits, percent, three_digits};

/// Changes that are named one by one before the rest is counted, of each kind.
const NAMED_MAX: usize = 8;
/// Keys of the inputs that are named.
const KEYS_MAX: usize = 6;

/// The answer as a word or two.
pub fn answer_word(comparison: &Comparison) -> String {
    let limit = comparison.gate.as_ref().map_or_else(String::new, |gate| percent_short(gate.limit));
    match comparison.answer() {
        Answer::Same => "same".to_string(),
        Answer::Different if comparison.is_equal() => "equal in every metric".to_string(),
        Answer::Different => "different".to_string(),
        Answer::Within => format!("not worse by more than {limit}"),
        Answer::Beyond => format!("worse by more than {limit}"),
    }
}

/// `5 %`, `2.5 %`.
fn percent_short(share: f64) -> String {
    format!("{} %", three_digits(share * 100.0))
}

/// The answer as a sentence.
pub fn answer_said(comparison: &Comparison) -> String {
    let seeds = count_of(comparison.seeds.len() as u64, "seed", "seeds");
    let all = comparison.metrics.len() as u64;
    if comparison.answer() == Answer::Same {
        return format!("No difference at all: {seeds}, the same digests, all {all} metrics equal to the last digit.");
    }
    if comparison.answer() == Answer::Different && comparison.is_equal() {
        return format!(
            "Other messages, and nothing to see of it: {seeds}, other digests, all {all} metrics equal to the last digit."
        );
    }
    let count = |change| comparison.with(change).count() as u64;
    let mut text = format!(
        "Of {} over {seeds}, {} got worse, {} better; {} moved, {} cannot be told from chance, {} are equal.",
        count_of(all, "metric", "metrics"),
        count(Change::Worse),
        count(Change::Better),
        count(Change::Moved),
        count(Change::Unclear),
        count(Change::Same),
    );
    if comparison.gate.is_some() {
        let failing = comparison.failing().count() as u64;
        let limit = answer_word(comparison);
        let what = if failing == 0 { "Nothing is".to_string() } else { count_of(failing, "metric is", "metrics are") };
        text = format!("{what} {}. {text}", limit.trim_start_matches("not "));
    }
    if comparison.seeds.len() == 1 {
        text.push_str(" One seed has no interval: its differences stand as they are.");
    }
    text
}

/// Below it, noughts would take more room than digits.
const TINY: f64 = 1e-4;

/// A value with its unit, to four digits: `310.3 ms`, `0.0062`, `2.27e-7`.
pub fn value_said(one: &Compared, value: f64) -> String {
    let number = if value != 0.0 && value.abs() < TINY { format!("{value:.2e}") } else { digits(value, 4) };
    if ["ms", "s"].contains(&one.metric.unit) { format!("{number} {}", one.metric.unit) } else { number }
}

/// `312.4 ms → 402.1 ms, +28.8 % ± 3.1 %`.
pub fn change_said(one: &Compared) -> String {
    let shown = |value: Option<f64>| value.map_or_else(|| "nothing".to_string(), |value| value_said(one, value));
    if one.pairs == 0 {
        let (a, b) = one.values.first().copied().unwrap_or_default();
        return format!("{} → {}", shown(a), shown(b));
    }
    let values = format!("{} → {}", shown(one.mean_a), shown(one.mean_b));
    match relative_said(one) {
        Some(relative) => format!("{values}, {relative}"),
        None => values,
    }
}

/// `+28.8 % ± 3.1 %`; `None` of what was 0.
pub fn relative_said(one: &Compared) -> Option<String> {
    let relative = one.relative()?;
    let sign = if relative > 0.0 { "+" } else { "" };
    let width = one.relative_half_width().map_or_else(String::new, |width| format!(" ± {}", percent(width)));
    Some(format!("{sign}{}{width}", percent(relative)))
}

/// The lines; `folder` is where the files are.
pub fn text(comparison: &Comparison, folder: &Path) -> String {
    let mut lines = vec![answer_word(comparison).to_uppercase(), format!("  {}", answer_said(comparison))];
    let mut put = |name: &str, text: String| lines.push(format!("  {name:<8} {text}"));
    put("A", side_said(&comparison.a));
    put("B", side_said(&comparison.b));
    put("inputs", comparison.inputs_said());
    for input in comparison.inputs.iter().take(KEYS_MAX) {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_string());
        put("", format!("{} = {} → {}", input.key, shown(&input.a), shown(&input.b)));
    }
    if comparison.inputs.len() > KEYS_MAX {
        put("", format!("and {} more, in the report", comparison.inputs.len() - KEYS_MAX));
    }
    if comparison.left_out > 0 {
        put(
            "left out",
            count_of(comparison.left_out as u64, "run whose seed is", "runs whose seeds are") + " on one side alone",
        );
    }
    let failing: Vec<&Compared> = comparison.failing().collect();
    let worse = comparison.with(Change::Worse).filter(|one| !failing.contains(one)).collect();
    let better = comparison.with(Change::Better).collect();
    for (name, all) in [("BEYOND", failing.clone()), ("worse", worse), ("better", better)] {
        for one in all.iter().take(NAMED_MAX) {
            put(name, format!("{}: {}", one.metric.name, change_said(one)));
        }
        if all.len() > NAMED_MAX {
            put("", format!("and {} more, in compare.csv and the report", all.len() - NAMED_MAX));
        }
    }
    put("report", folder.join("report.html").display().to_string());
    lines.join("\n") + "\n"
}

/// `voting-calm, hardened, seeds 1 to 5, of runs/base`.
pub fn side_said(side: &Side) -> String {
    let from = if side.is_read { format!(", of {}", side.label) } else { String::new() };
    format!("{}, {}, {}{from}", side.scenario, side.variant, seeds_said(side))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{gate, side};
    use super::*;

    #[test]
    fn the_answer_stands_first_and_what_is_beyond_the_gate_next() {
        let (a, b) = (side("a", &[(100.0, 5.0), (200.0, 5.0)]), side("b", &[(150.0, 4.0), (251.0, 4.0)]));
        let text = text(&Comparison::of(a, b, gate(0.05)).unwrap(), Path::new("runs/x"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "WORSE BY MORE THAN 5 %");
        assert!(
            lines[1]
                .starts_with("  1 metric is worse by more than 5 %. Of 2 metrics over 2 seeds, 1 got worse, 1 better;"),
            "{text}"
        );
        // Means 150 and 200.5: 50.5 more, a third; the deviation is 0.7071, t(0.975; 1) = 12.706: 12.706 x 0.5 = 6.353.
        assert!(text.contains("BEYOND   ack.p99_ms: 150 ms → 200.5 ms, +33.7 % ± 4.2 %\n"), "{text}");
        assert!(text.contains("better   kv.gets: 5 → 4, -20.0 % ± 0.0 %\n"), "{text}");
    }

    #[test]
    fn a_value_takes_little_room_however_small_it_is() {
        let comparison = Comparison::of(side("a", &[(1.0, 2.0)]), side("b", &[(1.0, 2.0)]), None).unwrap();
        let said = |at: usize, value| value_said(&comparison.metrics[at], value);
        assert_eq!([310.32, 0.0, -0.000_000_227_1].map(|value| said(1, value)), ["310.3", "0", "-2.27e-7"]);
        assert_eq!(said(0, 1_002.39), "1,002 ms");
    }

    #[test]
    fn no_difference_is_said_in_so_many_words() {
        let same = Comparison::of(side("a", &[(1.0, 2.0)]), side("b", &[(1.0, 2.0)]), None).unwrap();
        let text = text(&same, Path::new("x"));
        assert!(
            text.starts_with("SAME\n  No difference at all: 1 seed, the same digests, all 2 metrics equal"),
            "{text}"
        );
    }
}
