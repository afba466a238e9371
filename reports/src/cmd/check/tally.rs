//! What many seeds found together, added up in the order of the seeds.

use headcount_reports::number::{count_of, grouped};
use headcount_reports::summary::{reason, verdict_word};
use headcount_workloads::outcome::{PropertyKind, PropertyResult, Verdict};
use headcount_workloads::run::CheckedSeed;
use serde_json::json;

use super::super::run::repeat_command;
use crate::cli::CheckOptions;

/// Failing seeds that are shown one by one; all are counted.
const FAILING_MAX: usize = 10;

/// What is kept of one seed's outcome.
#[derive(Clone, Debug)]
pub struct SeedFound {
    pub seed: u64,
    pub digest: u64,
    pub verdict: Verdict,
    pub expected: Verdict,
    pub properties: Vec<PropertyResult>,
}

impl SeedFound {
    pub fn of(checked: CheckedSeed, expected: Verdict) -> Self {
        let CheckedSeed { seed, digest, verdict, properties, .. } = checked;
        Self { seed, digest, verdict, expected, properties }
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
    /// Name and reason of each violated property.
    violated: Vec<(&'static str, String)>,
}

/// All seeds so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    held: u64,
    violated: u64,
    inconclusive: u64,
    expected: Option<Verdict>,
    digest: Digest,
    properties: Vec<PropertyTally>,
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
            Verdict::Holds => self.held += 1,
            Verdict::Violated => self.violated += 1,
            // One seed need not meet every situation: what no seed met is said of all of them together.
            Verdict::Inconclusive => self.held += 1,
        }
        self.expected = Some(found.expected);
        self.digest.fold(found.digest);
        for property in &found.properties {
            self.property(property).add(property);
        }
        if found.verdict == Verdict::Violated && self.failing.len() < FAILING_MAX {
            let violated = found.properties.iter().filter(|property| property.verdict == Verdict::Violated);
            let violated = violated.map(|property| (property.name, reason(property))).collect();
            self.failing.push(Failing { seed: found.seed, violated });
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
        self.held + self.violated + self.inconclusive
    }

    /// The verdict over all seeds: violated if one was. Inconclusive if some property met its situation in none; a
    /// seed alone may well leave a property out, since the swarm gives each only some of the faults.
    pub fn verdict(&self) -> Verdict {
        if self.violated > 0 {
            Verdict::Violated
        } else if self.properties.is_empty() || self.properties.iter().any(|property| property.seeds_held == 0) {
            Verdict::Inconclusive
        } else {
            Verdict::Holds
        }
    }

    /// The `sometimes` that no seed saw.
    fn never_seen(&self) -> Vec<&'static str> {
        let unseen =
            |property: &&PropertyTally| property.kind == PropertyKind::Sometimes && property.times_checked == 0;
        self.properties.iter().filter(unseen).map(|property| property.name).collect()
    }

    /// For people: failing seeds first, the verdict last.
    pub fn text(&self, options: &CheckOptions) -> String {
        let mut text = String::new();
        for failing in &self.failing {
            text.push_str(&format!("seed {} violated\n", failing.seed));
            for (name, why) in &failing.violated {
                text.push_str(&format!("  {name}: {why}\n"));
            }
            text.push_str(&format!(
                "  repeat: {}\n",
                repeat_command(&options.scenario, failing.seed, &options.overrides)
            ));
        }
        let unlisted = self.violated - self.failing.len() as u64;
        if unlisted > 0 {
            text.push_str(&format!("and {} failed\n", count_of(unlisted, "more seed", "more seeds")));
        }
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
        for name in self.never_seen() {
            text.push_str(&format!("never seen in any seed: {name}\n"));
        }
        text.push_str(&format!(
            "{}: {} held, {} violated, {} inconclusive; digest {:016x}\n",
            count_of(self.seeds(), "seed", "seeds"),
            grouped(self.held),
            grouped(self.violated),
            grouped(self.inconclusive),
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

    /// For machines: one object, with nothing in it that two machines could disagree on.
    pub fn json(&self, options: &CheckOptions) -> String {
        let failing = self.failing.iter().map(|failing| {
            let violated = failing.violated.iter().map(|(name, why)| json!({ "name": name, "reason": why }));
            json!({
                "seed": failing.seed,
                "violated": violated.collect::<Vec<_>>(),
                "repeat": repeat_command(&options.scenario, failing.seed, &options.overrides),
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
            "violated": self.violated,
            "inconclusive": self.inconclusive,
            "failing": failing.collect::<Vec<_>>(),
            "properties": properties.collect::<Vec<_>>(),
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
        SeedFound { seed, digest: seed * 7, verdict, expected: Verdict::Holds, properties }
    }

    fn options() -> CheckOptions {
        let (jobs, overrides) = (None, vec![("shards".to_string(), "4".to_string())]);
        let scenario = "voting-small".to_string();
        CheckOptions { scenario, seeds: 3, from: 1, jobs, overrides, json: false, keep_going: false, quiet: false }
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
    fn failing_seeds_come_with_their_command_and_are_counted_beyond_ten() {
        let all = tally((1..=12).map(|seed| found(seed, Verdict::Violated, 1)));
        let text = all.text(&options());
        assert!(text.contains("seed 10 violated\n  one-vote: no reason given\n  repeat: headcount run voting-small --seed 10 --set shards=4\n"));
        assert!(!text.contains("seed 11 violated") && text.contains("and 2 more seeds failed\n"));
        assert!(text.contains("12 seeds: 0 held, 12 violated, 0 inconclusive"));
        assert!(text.ends_with("VIOLATED (expected: holds)\n"));
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
