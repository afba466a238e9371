//! From text to thresholds: where it goes wrong, and what would be right there.

use std::fmt;

use super::{Comparison, Threshold};
use crate::metric;
use crate::scenario::Scenario;

/// How a right one looks.
const EXAMPLE: &str = "ack.p99_ms<500,results.p99_ms<1000,lost==0";

/// The most thresholds that one text, or one scenario, may have.
pub const THRESHOLDS_MAX: usize = 100;

/// The longest piece of the text that an error repeats, in characters.
const SHOWN_MAX: usize = 40;

/// What is wrong with an SLO, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSlo {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong there, and what would be right.
    pub what: String,
}

impl fmt::Display for BadSlo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "column {}: {}", self.column, self.what)
    }
}

impl std::error::Error for BadSlo {}

fn bad<T>(text: &str, at: usize, what: impl Into<String>) -> Result<T, BadSlo> {
    Err(BadSlo { column: text[..at].chars().count() + 1, what: what.into() })
}

/// A piece of the text as errors quote it.
fn shown(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= SHOWN_MAX {
        return format!("{text:?}");
    }
    format!("{:?}", text.chars().take(SHOWN_MAX - 1).chain(['…']).collect::<String>())
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "._-".contains(character)
}

/// Every threshold with the byte at which it begins.
pub(super) fn thresholds(text: &str) -> Result<Vec<(usize, Threshold)>, BadSlo> {
    if text.trim().is_empty() {
        return bad(text, 0, format!("must be thresholds with commas between them, as in {EXAMPLE}"));
    }
    let mut all = Vec::new();
    let mut at = 0;
    for piece in text.split(',') {
        all.push(one(text, at, piece)?);
        at += piece.len() + 1;
    }
    if all.len() > THRESHOLDS_MAX {
        let (at, _) = all[THRESHOLDS_MAX];
        return bad(text, at, format!("must be at most {THRESHOLDS_MAX} thresholds, not {}", all.len()));
    }
    Ok(all)
}

/// The threshold in `piece`, which begins at byte `at` of `text`.
fn one(text: &str, at: usize, piece: &str) -> Result<(usize, Threshold), BadSlo> {
    let begin = at + (piece.len() - piece.trim_start().len());
    let body = piece.trim();
    if body.is_empty() {
        return bad(text, begin.min(text.len()), "must be a threshold on each side of a comma, as in ack.p99_ms<500");
    }
    let name = body.split(|c| !is_name(c)).next().unwrap_or_default();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return bad(text, begin, format!("{} must begin with a metric's name, as in ack.p99_ms<500", shown(body)));
    }
    let rest = &body[name.len()..];
    let sign_at = begin + name.len() + (rest.len() - rest.trim_start().len());
    let rest = rest.trim_start();
    let found = Comparison::SIGNS.iter().find(|(sign, _)| rest.starts_with(sign));
    let Some((sign, comparison)) = found else {
        let what = if rest.is_empty() { "the end".to_owned() } else { shown(rest) };
        return bad(text, sign_at, format!("after {name} must come <, <=, >, >=, == or != and a number, not {what}"));
    };
    let rest = &rest[sign.len()..];
    let number_at = sign_at + sign.len() + (rest.len() - rest.trim_start().len());
    let number = rest.trim_start();
    // A float's own parser also takes inf and nan, which no value could be held against.
    let limit = number.parse::<f64>().ok().filter(|limit| limit.is_finite());
    match limit {
        Some(limit) => Ok((begin, Threshold { metric: metric::canonical(name), comparison: *comparison, limit })),
        None => {
            let what = if number.is_empty() { "the end".to_owned() } else { shown(number) };
            bad(text, number_at, format!("after {sign} must come a number in the metric's unit, as in 500, not {what}"))
        }
    }
}

/// Refuses a name that no run of `scenario` has.
pub(super) fn check_names(text: &str, read: &[(usize, Threshold)], scenario: &Scenario) -> Result<(), BadSlo> {
    let offered = metric::offered(scenario);
    for (at, threshold) in read {
        let name = &threshold.metric;
        if offered.iter().any(|metric| metric.name == *name) {
            continue;
        }
        let near = metric::near(name, &offered);
        let pattern = &scenario.pattern;
        let right = if near.is_empty() {
            "must be a counter, a figure or a latency of its run.json, as in messages or stations.utilisation"
                .to_owned()
        } else {
            format!("near it are {}", near.join(", "))
        };
        return bad(text, *at, format!("{name} is no metric of pattern {pattern:?}; {right}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Slo;
    use super::*;

    fn refused(text: &str) -> String {
        Slo::parse(text).expect_err("must be refused").to_string()
    }

    #[test]
    fn spaces_do_not_matter_and_numbers_are_plain_or_with_an_exponent() {
        let tight = Slo::parse("ack.p99_ms<=500,lost==0").unwrap();
        assert_eq!(Slo::parse("  ack.p99_ms  <=\t5e2 ,lost == 0.0 ").unwrap(), tight);
        assert_eq!(Slo::parse("ack.p99_9_ms<1").unwrap(), Slo::parse("ack.p999_ms<1").unwrap());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_column_and_what_would_be_right() {
        assert_eq!(refused(""), format!("column 1: must be thresholds with commas between them, as in {EXAMPLE}"));
        assert_eq!(
            refused("ack.p99_ms"),
            "column 11: after ack.p99_ms must come <, <=, >, >=, == or != and a number, not the end"
        );
        assert_eq!(
            refused("lost = 0"),
            "column 6: after lost must come <, <=, >, >=, == or != and a number, not \"= 0\""
        );
        assert_eq!(
            refused("lost==0,ack.p99_ms < fast"),
            "column 22: after < must come a number in the metric's unit, as in 500, not \"fast\""
        );
        assert_eq!(
            refused("ack.p99_ms<500ms"),
            "column 12: after < must come a number in the metric's unit, as in 500, not \"500ms\""
        );
        assert_eq!(refused("lost==0,"), "column 9: must be a threshold on each side of a comma, as in ack.p99_ms<500");
        assert_eq!(refused("500<ack"), "column 1: \"500<ack\" must begin with a metric's name, as in ack.p99_ms<500");
        for wrong in ["lost==inf", "lost==nan", "lost<", "<5", "é<5", "lost==0,,lost==0", "lost =< 5", "lost==0;a<5"] {
            assert!(!refused(wrong).contains('\n'), "{wrong}");
        }
        // Columns count characters, not bytes.
        assert!(refused("lost==0, é<5").starts_with("column 10: "));
        assert!(refused(&vec!["lost==0"; 101].join(",")).contains("at most 100 thresholds, not 101"));
    }

    #[test]
    fn a_name_that_is_no_metric_is_answered_with_those_that_are_near() {
        let refused = |name: &str, text: &str| {
            let scenario = Scenario::load(name, &[]).unwrap();
            Slo::parse_for(text, &scenario).expect_err("must be refused").to_string()
        };
        let line = refused("voting-small", "lost==0,ack.p99<500");
        assert!(
            line.starts_with("column 9: ack.p99 is no metric of pattern \"voting\"; near it are ack.p99_ms,"),
            "{line}"
        );
        let line = refused("friends-small", "zzz==0");
        assert!(line.ends_with("as in messages or stations.utilisation"), "{line}");
        let votes = Scenario::load("voting-small", &[]).unwrap();
        assert!(Slo::parse_for(EXAMPLE, &votes).is_ok());
        assert!(Slo::parse_for("ack.p99_9_ms<5, stations.kv.utilisation<0.7", &votes).is_ok());
    }
}
