//! A run in ten lines: of its trace, what concerns whom the broken promise is about.

use crate::outcome::Outcome;
use crate::scenario::Scenario;

/// Lines at most.
const LINES: usize = 10;
/// Of these, faults at most.
const FAULTS: usize = 3;
/// Characters of a line at most.
const WIDTH: usize = 180;

/// Messages that say what somebody did or was told; the others carry these about.
const TOLD: [&str; 9] =
    ["broker-publish", "invoked", "http", "http-answer", "objects", "presence-event", "audit", "signal", "job"];

/// The run's story, in the order of time.
pub fn of(outcome: &Outcome, scenario: &Scenario, property: &str, reason: &str) -> Vec<String> {
    let trace = outcome.trace.as_deref().unwrap_or_default();
    let nodes = scenario.node_names();
    let ids = ids(reason);
    let concerns = |line: &str| ids.iter().any(|id| mentions(line, id));
    let mut told: Vec<(f64, String)> =
        trace.iter().filter(|line| concerns(line)).filter_map(|line| said(line, &nodes)).collect();
    if told.is_empty() {
        told = trace.iter().filter_map(|line| said(line, &nodes)).collect();
    }
    told.dedup_by(|one, other| one.1 == other.1);
    let faults: Vec<(f64, String)> = outcome
        .faults
        .iter()
        .take(FAULTS)
        .map(|fault| (fault.from_s, format!("FAULT {}, until {:.3} s", fault.label, fault.to_s)))
        .collect();
    // How it begins, and how it ends: what is in between is more of the same.
    let room = LINES - 1 - faults.len();
    if told.len() > room {
        let end = told.split_off(told.len() - room / 2);
        told.truncate(room - room / 2);
        told.extend(end);
    }
    told.extend(faults);
    told.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut lines: Vec<String> = told.into_iter().map(|(at, what)| cut(format!("{at:.3} s  {what}"))).collect();
    lines.push(format!("{:.3} s  {property}: {reason}", outcome.virtual_s));
    lines
}

/// Names in a sentence: `user_000014`, `poll36`.
fn ids(reason: &str) -> Vec<&str> {
    let words = reason.split(|c: char| !c.is_ascii_alphanumeric() && !"_-.:".contains(c));
    let words = words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
    let is_name = |word: &&str| {
        word.len() > 3
            && word.contains(|c: char| c.is_ascii_digit())
            && word.starts_with(|c: char| c.is_ascii_alphabetic())
    };
    words.filter(is_name).collect()
}

/// Whether a line has this name, and not as a part of a longer one.
fn mentions(line: &str, id: &str) -> bool {
    line.match_indices(id).any(|(at, _)| {
        let after = line[at + id.len()..].chars().next();
        after.is_none_or(|c| !c.is_ascii_alphanumeric())
    })
}

/// When and what, of a line of the trace that says what somebody did or was told.
fn said(line: &str, nodes: &[String]) -> Option<(f64, String)> {
    let mut words = line.splitn(3, ' ');
    let (at, node, what) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    if let Some(note) = what.strip_prefix("note ") {
        return Some((at, format!("{node} notes: {note}")));
    }
    let mut words = what.strip_prefix("<- ")?.splitn(3, ' ');
    let (from, word, message) = (words.next()?, words.next()?, words.next()?);
    if !TOLD.contains(&word) {
        return None;
    }
    let from = from.parse().ok().and_then(|from: usize| nodes.get(from))?;
    Some((at, format!("{from} -> {node}: {}", plain(message))))
}

/// A message as it is printed for programmers, without what only they need.
fn plain(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for part in message.split_inclusive(", ") {
        let part = part.replace("\\\"", "\"");
        let number = part.find("tag: ").map(|at| at + 5);
        match number {
            Some(at) if part[at..].trim_end_matches([',', ' ']).bytes().all(|c| c.is_ascii_digit()) => {
                out.push_str(&part[..at - 5])
            }
            _ => out.push_str(&part),
        }
    }
    out
}

fn cut(line: String) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{} …", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_has_letters_and_digits() {
        assert_eq!(ids("poll3: 3 users were told; act 32 of user_000014 came, 2x"), ["poll3", "user_000014"]);
        assert!(
            mentions("vote.poll3 of", "poll3") && mentions("a poll3", "poll3") && !mentions("vote.poll36", "poll3")
        );
    }

    #[test]
    fn a_message_is_told_without_its_tag() {
        let message = r#"Publish(Publish { tag: 85, channel: "vote.a", payload: "{\"n\":1}" })"#;
        assert_eq!(plain(message), r#"Publish(Publish { channel: "vote.a", payload: "{"n":1}" })"#);
    }
}
