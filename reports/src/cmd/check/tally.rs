//! What many seeds found together, added up in the order of the seeds.

use headcount_reports::number::{count_of, grouped};
use headcount_reports::summary::{it_is, reason, verdict_word};
use headcount_workloads::outcome::{PropertyKind, PropertyResult, Verdict};
use headcount_workloads::run::CheckedSeed;
use headcount_workloads::slo::Judged;
use serde_json::json;

use super::thresholds::ThresholdTally;
use crate::cli::CheckOptions;

/// Violated properties that are named beside a failing seed's command; the rest is counted, and named by the run itself.
const NAMED_MAX: usize = 2;

/// What is kept of one seed's outcome.
#[derive(Clone, Debug)]
pub struct SeedFound {
    pub seed: u64,
    pub digest: u64,
    pub verdict: Verdict,
    pub expected: Verdict,
    pub properties: Vec<PropertyResult>,
    pub thresholds: Vec<Judged>,
}

impl SeedFound {
    pub fn of(checked: CheckedSeed, expected: Verdict) -> Self {
        let CheckedSeed { seed, digest, verdict, properties, thresholds, .. } = checked;
        Self { seed, digest, verdict, expected, properties, thresholds }
    }
}

/// One property over all seeds.
#[derive(Clone, Debug)]
struct PropertyTally {
    name: &'static str,
    kind: PropertyKind,
    promise: &'static str,
    times_checked: u64,
    seeds_held: u64,
    seeds_violated: u64,
}

/// A seed that violated something.
#[derive(Clone, Debug)]
struct Failing {
    seed: u64,
    /// Name and reason of each violated property and each missed threshold.
    violated: Vec<(String, String)>,
}

/// All seeds so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Seeds in which nothing was violated.
    held: u64,
    /// Of those, the seeds that alone did not meet every situation.
    held_in_part: u64,
    violated: u64,
    expected: Option<Verdict>,
    digest: Digest,
    properties: Vec<PropertyTally>,
    /// In the scenario's order, as every seed has them.
    thresholds: Vec<ThresholdTally>,
    failing: Vec<Failing>,
}

/// FNV-1a over the digests of the seeds, in their order: the same seeds with the same digests give the same 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    fn fold(&mut self, digest: u64) {
        for byte in digest.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl Tally {
    /// Adds the next seed.
    pub fn add(&mut self, found: SeedFound) {
        match found.verdict {
            Verdict::Violated => self.violated += 1,
            // One seed need not meet every situation: what no seed met is said of all of them together.
            Verdict::Holds | Verdict::Inconclusive => self.held += 1,
        }
        self.held_in_part += u64::from(found.verdict == Verdict::Inconclusive);
        self.expected = Some(found.expected);
        self.digest.fold(found.digest);
        for property in &found.properties {
            self.property(property).add(property);
        }
        if self.thresholds.is_empty() {
            self.thresholds.extend(found.thresholds.iter().map(|judged| ThresholdTally::new(judged.threshold.clone())));
        }
        for (tally, judged) in self.thresholds.iter_mut().zip(&found.thresholds) {
            tally.add(found.seed, judged);
        }
        if found.verdict == Verdict::Violated {
            let violated = found.properties.iter().filter(|property| property.verdict == Verdict::Violated);
            let violated = violated.map(|property| (property.name.to_string(), reason(property)));
            let missed = found.thresholds.iter().filter(|judged| judged.verdict() == Verdict::Violated);
            let missed = missed.map(|judged| (judged.threshold.to_string(), it_is(judged)));
            self.failing.push(Failing { seed: found.seed, violated: violated.chain(missed).collect() });
        }
    }

    fn property(&mut self, property: &PropertyResult) -> &mut PropertyTally {
        let place = self.properties.iter().position(|known| known.name == property.name);
        let place = place.unwrap_or_else(|| {
            self.properties.push(PropertyTally {
                name: property.name,
                kind: property.kind,
                promise: property.promise,
                times_checked: 0,
                seeds_held: 0,
                seeds_violated: 0,
            });
            self.properties.len() - 1
        });
        &mut self.properties[place]
    }

    /// Seeds added.
    pub fn seeds(&self) -> u64 {
        self.held + self.violated
    }

    /// The verdict over all seeds: violated if one was, inconclusive if no seed saw some `sometimes` or measured what some
    /// threshold is about. A seed alone may well leave one out, since the swarm gives each only some of the faults.
    pub fn verdict(&self) -> Verdict {
        if self.violated > 0 {
            Verdict::Violated
        } else if self.never_seen().is_empty() && !self.thresholds.iter().any(ThresholdTally::is_open) {
            Verdict::Holds
        } else {
            Verdict::Inconclusive
        }
    }

    /// The `sometimes` that no seed saw.
    fn never_seen(&self) -> Vec<&'static str> {
        let unseen =
            |property: &&PropertyTally| property.kind == PropertyKind::Sometimes && property.times_checked == 0;
        self.properties.iter().filter(unseen).map(|property| property.name).collect()
    }

    /// For people: what failed and why, a command for each failing seed, the verdict last.
    pub fn text(&self, options: &CheckOptions) -> String {
        let mut text = self.reasons_text();
        text.push_str(&self.failing_text(options));
        if self.seeds() < options.seeds {
            text.push_str(
                "stopped at the first counter-example, which this scenario expects; --keep-going runs every seed\n",
            );
        }
        text.push_str("properties over all seeds\n");
        let width = self.properties.iter().map(|property| property.name.len()).max().unwrap_or(0);
        for property in &self.properties {
            text.push_str(&format!("  {:width$}  {}\n", property.name, property.said()));
        }
        if !self.thresholds.is_empty() {
            text.push_str("thresholds over all seeds\n");
            let texts: Vec<String> = self.thresholds.iter().map(|tally| tally.threshold.to_string()).collect();
            let width = texts.iter().map(String::len).max().unwrap_or(0);
            for (tally, threshold) in self.thresholds.iter().zip(texts) {
                text.push_str(&format!("  {threshold:width$}  {}\n", tally.said()));
            }
        }
        for name in self.never_seen() {
            text.push_str(&format!("never seen in any seed: {name}\n"));
        }
        let in_part = match self.held_in_part {
            0 => String::new(),
            seeds => format!(" ({} of them met only some situations)", grouped(seeds)),
        };
        text.push_str(&format!(
            "{}: {} held{in_part}, {} violated; digest {:016x}\n",
            count_of(self.seeds(), "seed", "seeds"),
            grouped(self.held),
            grouped(self.violated),
            self.digest.0
        ));
        let verdict = self.verdict();
        let expected = match self.expected {
            Some(expected) if expected != verdict => format!("expected: {}", verdict_word(expected)),
            _ => "as expected".to_string(),
        };
        text.push_str(&format!("{} ({expected})\n", verdict_word(verdict).to_uppercase()));
        text
    }

    /// Each property that was violated and each threshold that was missed: in how many seeds, and what the first of them
    /// said.
    fn reasons_text(&self) -> String {
        let properties = self.properties.iter().map(|property| (property.name.to_string(), property.seeds_violated));
        let thresholds = self.thresholds.iter().map(|tally| (tally.threshold.to_string(), tally.seeds_missed));
        let line = |(broken, seeds): (String, u64)| {
            let why = |failing: &Failing| failing.violated.iter().find(|(name, _)| *name == broken).cloned();
            let first = self.failing.iter().find_map(|failing| Some((failing.seed, why(failing)?.1)));
            let (seed, why) = first.unwrap_or_default();
            format!("violated in {}: {broken}\n  seed {seed}: {why}\n", count_of(seeds, "seed", "seeds"))
        };
        properties.chain(thresholds).filter(|(_, seeds)| *seeds > 0).map(line).collect()
    }

    /// The command for every failing seed, a line each, to be pasted as it is: what it violated is a comment to a shell.
    fn failing_text(&self, options: &CheckOptions) -> String {
        if self.failing.is_empty() {
            return String::new();
        }
        let command = |failing: &Failing| options.repeat(failing.seed);
        let width = self.failing.iter().map(|failing| command(failing).chars().count()).max().unwrap_or(0);
        let line = |failing: &Failing| {
            let mut names: Vec<&str> = failing.violated.iter().map(|(name, _)| name.as_str()).collect();
            let more = names.len().saturating_sub(NAMED_MAX);
            names.truncate(NAMED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("  {:width$}  # {}{more}\n", command(failing), names.join(", "))
        };
        let lines: String = self.failing.iter().map(line).collect();
        let heading = count_of(self.violated, "failing seed, with its command", "failing seeds, each with its command");
        format!("{heading}\n{lines}")
    }

    /// For machines: one object, with nothing in it that two machines could disagree on.
    pub fn json(&self, options: &CheckOptions) -> String {
        let failing = self.failing.iter().map(|failing| {
            let violated = failing.violated.iter().map(|(name, why)| json!({ "name": name, "reason": why }));
            json!({
                "seed": failing.seed,
                "violated": violated.collect::<Vec<_>>(),
                "repeat": options.repeat(failing.seed),
            })
        });
        let properties = self.properties.iter().map(|property| {
            json!({
                "name": property.name,
                "kind": property.kind,
                "promise": property.promise,
                "times_checked": property.times_checked,
                "seeds_held": property.seeds_held,
                "seeds_violated": property.seeds_violated,
            })
        });
        let all = json!({
            "format_version": 1,
            "scenario": options.scenario,
            "from": options.from,
            "seeds": self.seeds(),
            "digest": format!("{:016x}", self.digest.0),
            "verdict": self.verdict(),
            "expected": self.expected,
            "held": self.held,
            "held_in_part": self.held_in_part,
            "violated": self.violated,
            "failing": failing.collect::<Vec<_>>(),
            "properties": properties.collect::<Vec<_>>(),
            "thresholds": self.thresholds.iter().map(ThresholdTally::json).collect::<Vec<_>>(),
            "never_seen": self.never_seen(),
        });
        format!("{all:#}\n")
    }
}

impl PropertyTally {
    fn add(&mut self, property: &PropertyResult) {
        self.times_checked += property.times_checked;
        self.seeds_held += u64::from(property.verdict == Verdict::Holds);
        self.seeds_violated += u64::from(property.verdict == Verdict::Violated);
    }

    fn said(&self) -> String {
        let did = if self.kind == PropertyKind::Sometimes { "seen" } else { "checked" };
        let mut text = format!("{did} {}", count_of(self.times_checked, "time", "times"));
        if self.seeds_violated > 0 {
            text.push_str(&format!(", violated in {}", count_of(self.seeds_violated, "seed", "seeds")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(name: &'static str, kind: PropertyKind, verdict: Verdict, times_checked: u64) -> PropertyResult {
        PropertyResult { name, kind, verdict, promise: "FR-1", times_checked, reason: None }
    }

    fn found(seed: u64, verdict: Verdict, seen: u64) -> SeedFound {
        let seen_verdict = if seen > 0 { Verdict::Holds } else { Verdict::Inconclusive };
        let properties = vec![
            property("one-vote", PropertyKind::Always, verdict, 10),
            property("second-vote", PropertyKind::Sometimes, seen_verdict, seen),
        ];
        SeedFound { seed, digest: seed * 7, verdict, expected: Verdict::Holds, properties, thresholds: Vec::new() }
    }

    fn options() -> CheckOptions {
        let (jobs, overrides) = (None, vec![("shards".to_string(), "4".to_string())]);
        let scenario = "voting-small".to_string();
        let (thresholds, json, keep_going, quiet) = (Vec::new(), false, false, false);
        CheckOptions { scenario, seeds: 3, from: 1, jobs, overrides, thresholds, json, keep_going, quiet }
    }

    fn tally(all: impl IntoIterator<Item = SeedFound>) -> Tally {
        all.into_iter().fold(Tally::default(), |mut tally, found| {
            tally.add(found);
            tally
        })
    }

    #[test]
    fn one_seed_that_saw_it_is_enough_for_all() {
        let seeds = [found(1, Verdict::Holds, 0), found(2, Verdict::Inconclusive, 0)];
        assert_eq!(tally(seeds.clone()).verdict(), Verdict::Inconclusive);
        assert_eq!(tally(seeds.clone()).never_seen(), ["second-vote"]);
        let all = tally(seeds.into_iter().chain([found(3, Verdict::Holds, 5)]));
        assert_eq!(all.verdict(), Verdict::Holds);
        assert!(all.text(&options()).ends_with("HOLDS (as expected)\n"));
        // One-vote was checked 10 times in each of three seeds.
        assert!(all.text(&options()).contains("one-vote     checked 30 times\n"), "{}", all.text(&options()));
    }

    #[test]
    fn an_always_that_no_seed_checked_is_not_what_makes_a_check_inconclusive() {
        let idle = |seed| {
            let mut found = found(seed, Verdict::Inconclusive, 5);
            found.properties[0] = property("one-vote", PropertyKind::Always, Verdict::Inconclusive, 0);
            found
        };
        let all = tally([idle(1), idle(2)]);
        assert_eq!(all.verdict(), Verdict::Holds);
        assert!(all.text(&options()).contains("2 seeds: 2 held (2 of them met only some situations), 0 violated;"));
    }

    #[test]
    fn every_failing_seed_comes_with_its_command() {
        let twelve_fail = (1..=12).map(|seed| found(seed, Verdict::Violated, 1));
        let all = tally(twelve_fail.chain([found(13, Verdict::Holds, 1)]));
        let text = all.text(&options());
        assert!(
            text.starts_with("violated in 12 seeds: one-vote\n  seed 1: no reason given\n12 failing seeds, "),
            "{text}"
        );
        for seed in 1..=12 {
            let command = format!("headcount run voting-small --seed {seed} --set shards=4");
            // The longest command has a seed of two digits.
            let line = format!("\n  {command:width$}  # one-vote\n", width = command.len() + usize::from(seed < 10));
            assert!(text.contains(&line), "{text}");
        }
        assert_eq!(text.matches("headcount run").count(), 12);
        assert!(text.contains("\n13 seeds: 1 held, 12 violated; digest "), "{text}");
        assert!(text.ends_with("VIOLATED (expected: holds)\n"));
        let value: serde_json::Value = serde_json::from_str(&all.json(&options())).unwrap();
        assert_eq!(value["failing"].as_array().unwrap().len(), 12);
    }

    #[test]
    fn a_reason_is_given_once_from_the_first_seed_that_gave_it() {
        let because = |seed, why: &str| {
            let mut found = found(seed, Verdict::Violated, 1);
            found.properties[0].reason = Some(why.to_string());
            found
        };
        let text = tally([because(4, "user 3 twice"), because(5, "user 9 twice")]).text(&options());
        assert!(text.starts_with("violated in 2 seeds: one-vote\n  seed 4: user 3 twice\n"), "{text}");
        assert!(!text.contains("user 9"));
    }

    #[test]
    fn the_digest_depends_on_every_seed_and_on_their_order() {
        let (one, other) = (found(1, Verdict::Holds, 1), found(2, Verdict::Holds, 1));
        let digest = |seeds: [&SeedFound; 2]| tally(seeds.map(Clone::clone)).digest;
        assert_eq!(digest([&one, &other]), digest([&one, &other]));
        assert_ne!(digest([&one, &other]), digest([&other, &one]));
    }

    #[test]
    fn the_json_says_the_same_as_the_text() {
        let all = tally([found(1, Verdict::Violated, 1), found(2, Verdict::Holds, 1)]);
        let value: serde_json::Value = serde_json::from_str(&all.json(&options())).unwrap();
        assert_eq!(
            (&value["verdict"], &value["seeds"], &value["violated"]),
            (&json!("violated"), &json!(2), &json!(1))
        );
        assert_eq!(value["failing"][0]["repeat"], "headcount run voting-small --seed 1 --set shards=4");
        assert_eq!(value["properties"][1]["times_checked"], 2);
    }
}
