//! Thresholds over many seeds.

use headcount_reports::number::{count_of, six_digits};
use headcount_workloads::metric;
use headcount_workloads::outcome::Verdict;
use headcount_workloads::slo::{Comparison, Judged, Threshold};
use serde_json::{Value, json};

/// One threshold over all seeds.
#[derive(Clone, Debug)]
pub struct ThresholdTally {
    pub threshold: Threshold,
    seeds_met: u64,
    pub seeds_missed: u64,
    /// Seeds in which there was nothing to measure.
    seeds_without: u64,
    /// The seed that came nearest to missing it, or missed it by most, and its value.
    worst: Option<(u64, f64)>,
}

impl ThresholdTally {
    /// No seed yet.
    pub fn new(threshold: Threshold) -> Self {
        Self { threshold, seeds_met: 0, seeds_missed: 0, seeds_without: 0, worst: None }
    }

    /// Adds the next seed.
    pub fn add(&mut self, seed: u64, judged: &Judged) {
        match judged.verdict() {
            Verdict::Holds => self.seeds_met += 1,
            Verdict::Violated => self.seeds_missed += 1,
            Verdict::Inconclusive => self.seeds_without += 1,
        }
        if let Some(value) = judged.value
            && self.worst.is_none_or(|(_, worst)| self.badness(value) > self.badness(worst))
        {
            self.worst = Some((seed, value));
        }
    }

    /// The greater, the worse.
    fn badness(&self, value: f64) -> f64 {
        match self.threshold.comparison {
            Comparison::Below | Comparison::AtMost => value,
            Comparison::Above | Comparison::AtLeast => -value,
            Comparison::Equal => (value - self.threshold.limit).abs(),
            Comparison::Not => -(value - self.threshold.limit).abs(),
        }
    }

    /// Whether no seed measured it.
    pub fn is_open(&self) -> bool {
        self.seeds_met + self.seeds_missed == 0
    }

    /// `met in 5 seeds, missed in 1 seed; worst 612.4 ms (seed 3)`.
    pub fn said(&self) -> String {
        let mut text = format!("met in {}", count_of(self.seeds_met, "seed", "seeds"));
        let more = [("missed in", self.seeds_missed), ("nothing to measure in", self.seeds_without)];
        for (what, seeds) in more.into_iter().filter(|(_, seeds)| *seeds > 0) {
            text.push_str(&format!(", {what} {}", count_of(seeds, "seed", "seeds")));
        }
        if let Some((seed, value)) = self.worst {
            text.push_str(&format!("; worst {} (seed {seed})", self.shown(value)));
        }
        text
    }

    fn shown(&self, value: f64) -> String {
        six_digits(value, metric::unit(&self.threshold.metric))
    }

    /// For machines.
    pub fn json(&self) -> Value {
        json!({
            "threshold": self.threshold.to_string(),
            "seeds_met": self.seeds_met,
            "seeds_missed": self.seeds_missed,
            "seeds_without_value": self.seeds_without,
            "worst": self.worst.map(|(seed, value)| json!({ "seed": seed, "value": value })),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headcount_workloads::slo::Slo;

    fn tally(text: &str, values: &[Option<f64>]) -> ThresholdTally {
        let slo = Slo::parse(text).unwrap();
        let mut tally = ThresholdTally::new(slo.thresholds[0].clone());
        for (index, value) in values.iter().enumerate() {
            tally.add(index as u64 + 1, &slo.judge_with(|_| *value)[0]);
        }
        tally
    }

    #[test]
    fn the_worst_seed_is_the_one_furthest_to_the_wrong_side() {
        let values = [Some(100.0), None, Some(612.4), Some(300.0)];
        let said = tally("ack.p99_ms<500", &values).said();
        assert_eq!(said, "met in 2 seeds, missed in 1 seed, nothing to measure in 1 seed; worst 612.4 ms (seed 3)");
        assert!(tally("ack.p99_ms>=50", &values).said().ends_with("worst 100 ms (seed 1)"));
        // 300 is 10 off, 612.4 is 302.4 off.
        assert!(tally("kv.gets==310", &values).said().ends_with("worst 612.4 (seed 3)"));
        assert!(tally("kv.gets!=310", &values).said().ends_with("worst 300 (seed 4)"));
    }

    #[test]
    fn what_no_seed_measured_is_open() {
        let open = tally("ack.p99_ms<500", &[None, None]);
        assert!(open.is_open() && open.said() == "met in 0 seeds, nothing to measure in 2 seeds");
        assert!(!tally("ack.p99_ms<500", &[None, Some(600.0)]).is_open());
    }
}
