//! What the terminal shows at the end of a run: a dozen lines, the answer first.

use std::path::Path;

use headcount_workloads::metric;
use headcount_workloads::outcome::{Outcome, PropertyKind, PropertyResult, Verdict};
use headcount_workloads::slo::Judged;

use crate::host::HostFigures;
use crate::latency_files::quantile_ms;
use crate::number::{bytes, count_of, duration_ms, duration_s, grouped, percent, six_digits};

/// Properties named one by one before the rest is counted.
const REASONS_MAX: usize = 6;
/// What is said of a threshold without a value.
pub const NOTHING: &str = "there was nothing to measure";
/// Options of the result that are named.
const OPTIONS_MAX: usize = 4;

/// A verdict as one word: `holds`, `inconclusive`, `violated`.
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Violated => "violated",
    }
}

/// `as expected`, or what was expected instead.
pub fn expectation(outcome: &Outcome) -> String {
    if outcome.verdict == outcome.expected {
        "as expected".to_string()
    } else {
        format!("expected: {}", verdict_word(outcome.expected))
    }
}

/// `voting hardened`, or the pattern alone where it has no variants.
pub fn what_runs(outcome: &Outcome) -> String {
    [outcome.pattern.as_str(), outcome.variant.as_str()].join(" ").trim_end().to_string()
}

/// The lines; `folder` is where the files are, `repeat` the command that does the run again.
pub fn text(outcome: &Outcome, host: &HostFigures, folder: Option<&Path>, repeat: &str) -> String {
    let mut lines = vec![format!("{} ({})", verdict_word(outcome.verdict).to_uppercase(), expectation(outcome))];
    let mut put = |name: &str, text: String| lines.push(format!("  {name:<12} {text}"));
    put("scenario", format!("{}, {}", outcome.scenario, what_runs(outcome)));
    put("seed", format!("{}, digest {:016x}", outcome.seed, outcome.digest));
    if !outcome.results.is_empty() {
        put("result", results(outcome));
    }
    for latency in outcome.latencies.iter().filter(|latency| !latency.histogram.is_empty()) {
        let at = |quantile| quantile_ms(&latency.histogram, quantile).map_or_else(String::new, duration_ms);
        put(latency.name, format!("p50 {}, p99 {}, max {}", at(0.5), at(0.99), at(1.0)));
    }
    let held = outcome.properties.iter().filter(|property| property.verdict == Verdict::Holds).count() as u64;
    let all = count_of(outcome.properties.len() as u64, "property", "properties");
    put("properties", format!("{} of {all} hold", grouped(held)));
    if !outcome.thresholds.is_empty() {
        let met = outcome.thresholds.iter().filter(|judged| judged.met).count() as u64;
        let all = count_of(outcome.thresholds.len() as u64, "threshold", "thresholds");
        put("thresholds", format!("{} of {all} met", grouped(met)));
    }
    let mut broken: Vec<&PropertyResult> = outcome.properties.iter().filter(|p| p.verdict != Verdict::Holds).collect();
    // The broken ones before those that never met their situation; otherwise in the outcome's order.
    broken.sort_by_key(|property| std::cmp::Reverse(property.verdict));
    for property in broken.iter().take(REASONS_MAX) {
        put(verdict_word(property.verdict), format!("{}: {}", property.name, reason(property)));
    }
    for judged in outcome.thresholds.iter().filter(|judged| judged.verdict() != Verdict::Holds) {
        put(verdict_word(judged.verdict()), format!("{}: {}", judged.threshold, it_is(judged)));
    }
    if broken.len() > REASONS_MAX {
        put("", format!("and {} more, in run.json and the report", broken.len() - REASONS_MAX));
    }
    let delivered = format!("{} messages, {} deliveries", grouped(outcome.messages), grouped(outcome.deliveries));
    let memory = host.peak_rss_bytes.map_or_else(String::new, |peak| format!(", {} of memory", bytes(peak)));
    let (virtual_time, wall) = (duration_s(outcome.virtual_s), duration_s(host.wall_s));
    put("run", format!("{virtual_time} of virtual time in {wall}{memory}; {delivered}"));
    if let Some(folder) = folder {
        put("report", folder.join("report.html").display().to_string());
    }
    put("repeat", repeat.to_string());
    lines.join("\n") + "\n"
}

/// How a threshold was met: `it is 612.4 ms`.
pub fn it_is(judged: &Judged) -> String {
    measured(judged).map_or_else(|| NOTHING.to_string(), |value| format!("it is {value}"))
}

/// What a threshold was held against, with its unit.
pub fn measured(judged: &Judged) -> Option<String> {
    judged.value.map(|value| six_digits(value, metric::unit(&judged.threshold.metric)))
}

/// Why a property does not hold, on one line, without the property's own name before it: that stands beside it.
pub fn reason(property: &PropertyResult) -> String {
    let fallback = match property.kind {
        PropertyKind::Sometimes => "never seen",
        PropertyKind::Always | PropertyKind::Eventually => "no reason given",
    };
    let text = property.reason.as_deref().unwrap_or(fallback).split_whitespace().collect::<Vec<_>>().join(" ");
    let rest = text.strip_prefix(property.name).and_then(|rest| rest.strip_prefix(' '));
    rest.map(str::to_string).unwrap_or(text)
}

fn results(outcome: &Outcome) -> String {
    let total: u64 = outcome.results.iter().map(|(_, votes)| votes).sum();
    let mut ranked: Vec<&(String, u64)> = outcome.results.iter().collect();
    ranked.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
    let share = |votes: u64| if total == 0 { 0.0 } else { votes as f64 / total as f64 };
    let named = ranked.iter().take(OPTIONS_MAX);
    let named: Vec<String> =
        named.map(|(option, votes)| format!("{option} {} ({})", grouped(*votes), percent(share(*votes)))).collect();
    let more = ranked.len().saturating_sub(OPTIONS_MAX);
    let more =
        if more > 0 { format!(", {}", count_of(more as u64, "other option", "other options")) } else { String::new() };
    format!("{}{more}; {} in all", named.join(", "), count_of(total, "vote", "votes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    const HOST: HostFigures = HostFigures { wall_s: 12.3, peak_rss_bytes: Some(1 << 30) };

    #[test]
    fn the_answer_stands_first_and_the_command_last() {
        let text = text(&fixture::outcome(), &HOST, Some(Path::new("runs/x")), "headcount run x --seed 1");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "HOLDS (as expected)");
        assert!(lines.len() <= 13, "{text}");
        assert!(lines.last().unwrap().ends_with("headcount run x --seed 1"));
        assert!(text.contains("11 min of virtual time in 12.3 s, 1 GiB of memory"), "{text}");
        // 201,345 of 498,765 = 40.4 %.
        assert!(text.contains("red 201,345 (40.4 %)") && text.contains("498,765 votes in all"), "{text}");
    }

    #[test]
    fn what_is_violated_comes_with_its_reason_before_what_is_inconclusive() {
        let text = text(&fixture::violated(), &HOST, None, "again");
        assert!(text.starts_with("VIOLATED (as expected)"));
        let violated = text.find("violated     one-counted-vote-per-user: user 17").unwrap();
        assert!(violated < text.find("inconclusive close-wins: no vote").unwrap());
        assert!(text.contains("3 of 5 properties hold"));
        assert!(text.contains("1 of 3 thresholds met"), "{text}");
        assert!(text.contains("violated     ack.p99_ms < 500: it is 8,400 ms\n"), "{text}");
        assert!(text.contains("inconclusive online.p99_ms < 500: there was nothing to measure\n"), "{text}");
    }

    #[test]
    fn a_surprise_says_what_was_expected() {
        let mut outcome = fixture::outcome();
        outcome.verdict = Verdict::Inconclusive;
        assert!(text(&outcome, &HOST, None, "again").starts_with("INCONCLUSIVE (expected: holds)"));
    }

    #[test]
    fn a_reason_does_not_say_the_name_that_stands_beside_it() {
        let mut property = fixture::violated().properties[0].clone();
        property.reason = Some(format!("{} was never seen", property.name));
        assert_eq!(reason(&property), "was never seen");
        property.reason = Some(format!("{}s differ", property.name));
        assert_eq!(reason(&property), format!("{}s differ", property.name));
    }

    #[test]
    fn a_long_list_of_broken_properties_is_cut() {
        let mut outcome = fixture::violated();
        let broken = outcome.properties[0].clone();
        outcome.properties.extend(std::iter::repeat_n(broken, 9));
        // 11 do not hold, 6 are named.
        let text = text(&outcome, &HOST, None, "again");
        assert!(text.contains("and 5 more, in run.json"));
        assert_eq!(text.matches("user 17").count(), 6);
    }
}
