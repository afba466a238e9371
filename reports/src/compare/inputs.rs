//! Where two scenarios differ, key by key, as they write themselves out: every key on a line of its own.

use std::collections::BTreeMap;

use serde::Serialize;

/// The longest value that is shown, in characters.
const SHOWN_MAX: usize = 80;

/// A key in which they differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputDifference {
    /// `vote.shards`, `fault.0.at_s`.
    pub key: String,
    /// As TOML; `None` where the scenario does not have the key.
    pub a: Option<String>,
    pub b: Option<String>,
}

/// Every key in which the scenarios differ, in alphabetical order.
pub fn differences(a: &str, b: &str) -> Vec<InputDifference> {
    let (a, b) = (keys(a), keys(b));
    let mut all: Vec<&String> = a.keys().chain(b.keys()).collect();
    all.sort();
    all.dedup();
    let differing = all.into_iter().filter(|key| a.get(*key) != b.get(*key));
    let shown = |value: Option<&String>| value.map(|value| shortened(value));
    differing.map(|key| InputDifference { key: key.clone(), a: shown(a.get(key)), b: shown(b.get(key)) }).collect()
}

fn shortened(value: &str) -> String {
    if value.chars().count() <= SHOWN_MAX {
        return value.to_string();
    }
    value.chars().take(SHOWN_MAX - 1).chain(['…']).collect()
}

/// Values by dotted path. Tables that are many are counted from 0, as `--set` counts them.
fn keys(toml: &str) -> BTreeMap<String, String> {
    let (mut path, mut counts, mut all) = (String::new(), BTreeMap::<String, usize>::new(), BTreeMap::new());
    for line in toml.lines() {
        if let Some(name) = line.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
            let count = counts.entry(name.to_string()).or_default();
            path = format!("{name}.{count}.");
            *count += 1;
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            path = format!("{name}.");
        } else if let Some((key, value)) = line.split_once(" = ") {
            all.insert(format!("{path}{key}"), value.to_string());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use headcount_workloads::scenario::Scenario;

    #[test]
    fn every_key_that_was_set_is_named_and_no_other() {
        let sets =
            [("vote.shards", "8"), ("swarm.kinds", "[\"pause\"]")].map(|(key, value)| (key.into(), value.into()));
        let one = Scenario::load("voting-small", &[]).unwrap().to_toml();
        let other = Scenario::load("voting-small", &sets).unwrap().to_toml();
        let found = differences(&one, &other);
        assert_eq!(found.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["swarm.kinds", "vote.shards"]);
        assert_eq!(found[1].b.as_deref(), Some("8"));
        assert!(differences(&one, &one).is_empty());
    }

    #[test]
    fn tables_that_are_many_are_counted() {
        let found = differences(
            "a = 1\n\n[[fault]]\nat_s = 1.0\n\n[[fault]]\nat_s = 2.0\n",
            "a = 1\n\n[[fault]]\nat_s = 1.0\n",
        );
        let only = InputDifference { key: "fault.1.at_s".into(), a: Some("2.0".into()), b: None };
        assert_eq!(found, [only]);
    }
}
