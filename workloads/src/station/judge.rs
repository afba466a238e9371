//! What was measured of one station: after the warm-up, until the last job came.

use std::collections::BTreeMap;

use headcount_engine::contract::{Nanos, SECOND};
use headcount_sim::{StationReport, StationSecond};

use super::theory::Theory;
use super::{LINK, Served, Source};
use crate::certificate::AgainstTheory;
use crate::figures;
use crate::interval::Interval;
use crate::outcome::{Latency, Milestone, Series};
use crate::run::{Ended, Parts, seconds};
use crate::scenario::{OneStation, Scenario};

/// Into how many parts a run is cut to see how its means vary.
const BATCHES: usize = 30;
/// Of intervals: one in 10,000 misses the truth, so that many seeds can be checked at once.
const CONFIDENCE: f64 = 0.999_9;

/// Tables of service times are right to 0.02 %, and times are cut to whole nanoseconds; near saturation a wait changes by
/// 1 / (1 - rho) times that. As a share of what theory says.
const SLACK: f64 = 0.000_5;

/// What one station's run left.
pub struct Seen<'a> {
    pub scenario: &'a Scenario,
    pub source: &'a Source,
    pub served: &'a Served,
    pub report: &'a StationReport,
    pub theory: Option<Theory>,
}

impl<'a> Seen<'a> {
    /// Of a run with one station.
    pub fn new(ended: &'a Ended, scenario: &'a Scenario) -> Self {
        let source = ended.all::<Source>().next().expect("there is one source").1;
        let served = ended.all::<Served>().next().expect("there is one station").1;
        let report = ended.finished.stations.first().expect("it reports");
        Self { scenario, source, served, report, theory: Theory::of(scenario) }
    }

    fn spec(&self) -> &OneStation {
        &self.scenario.station
    }

    /// The waits of jobs that came after the warm-up [ns].
    pub fn waits(&self) -> &[Nanos] {
        let waits = &self.report.waits;
        &waits[(self.source.warm_up() as usize).min(waits.len())..]
    }

    /// The whole seconds after the warm-up and before the last job.
    pub fn seconds(&self) -> &[StationSecond] {
        let rows = &self.report.seconds;
        let to = (((self.source.last() + LINK) / SECOND) as usize).min(rows.len());
        let from = ((self.spec().measure_from + LINK).div_ceil(SECOND) as usize).min(to);
        &rows[from..to]
    }

    /// The mean wait with its interval [ms].
    pub fn wait_ms(&self) -> Option<Interval> {
        batches(self.waits(), |wait| *wait as f64 / 1e6)
    }

    /// The utilisation with its interval.
    pub fn utilisation(&self) -> Option<Interval> {
        let capacity = f64::from(self.report.servers) * 1e9;
        batches(self.seconds(), |second| second.busy_ns as f64 / capacity)
    }

    /// What theory says of the mean wait [ms], and of the utilisation.
    pub fn expected(&self) -> [Option<f64>; 2] {
        let theory = self.theory.as_ref();
        let rho = theory.filter(|theory| theory.is_stable()).map(|theory| theory.rho);
        [theory.and_then(|theory| theory.wait_mean_ms), rho]
    }

    /// Whether jobs enough were measured for their intervals to be trusted.
    pub fn is_enough(&self) -> bool {
        self.theory.as_ref().is_some_and(|theory| self.waits().len() as f64 >= theory.jobs_needed)
    }

    /// Whether an interval holds what theory says.
    pub fn agrees(&self, measured: &Interval, expected: f64) -> bool {
        let rho = self.theory.as_ref().map_or(0.0, |theory| theory.rho);
        measured.covers(expected, SLACK / (1.0 - rho) * expected)
    }

    /// Both comparisons, where they can be made.
    fn against_theory(&self) -> Vec<AgainstTheory> {
        let Some(theory) = self.theory.as_ref().filter(|_| self.is_enough()) else { return Vec::new() };
        let compare = |what: &str, expected: Option<f64>, measured: Option<Interval>| {
            let (expected, measured) = expected.zip(measured)?;
            Some(AgainstTheory {
                what: what.into(),
                model: theory.model.clone(),
                theory: expected,
                measured: measured.mean,
                half_width: measured.half_width,
                within: self.agrees(&measured, expected),
            })
        };
        let [wait, utilisation] = self.expected();
        let both =
            [compare("mean wait [ms]", wait, self.wait_ms()), compare("utilisation", utilisation, self.utilisation())];
        both.into_iter().flatten().collect()
    }

    fn mean_over_seconds(&self, of: impl Fn(&StationSecond) -> f64) -> Option<f64> {
        let rows = self.seconds();
        (!rows.is_empty()).then(|| rows.iter().map(of).sum::<f64>() / rows.len() as f64)
    }
}

/// The mean over batches of the same size, the last ones, with its interval; `None` of fewer values than batches.
fn batches<T>(values: &[T], value: impl Fn(&T) -> f64) -> Option<Interval> {
    let size = values.len() / BATCHES;
    if size == 0 {
        return None;
    }
    let mean = |batch: &[T]| batch.iter().map(&value).sum::<f64>() / size as f64;
    let means: Vec<f64> = values[values.len() - size * BATCHES..].chunks_exact(size).map(mean).collect();
    Interval::student_t(&means, CONFIDENCE)
}

/// All that one station adds to a run.
pub(crate) fn parts(seen: &Seen<'_>, seconds_in_all: usize, parts: &mut Parts) {
    let counted = [
        ("station.jobs", seen.source.sent()),
        ("station.jobs_measured", seen.waits().len() as u64),
        ("station.left", seen.report.left),
        ("station.served", seen.served.served()),
    ];
    parts.counters.extend(counted.map(|(name, count)| (name.to_owned(), count)));
    parts.figures.extend(measured(seen));
    parts.theory = seen.against_theory();
    let (spec, last) = (seen.spec(), seen.source.last());
    let milestone = |label: &str, at| Milestone { label: label.into(), at_s: seconds(at) };
    parts.milestones.extend([milestone("measured from here", spec.measure_from), milestone("last job", last)]);
    parts.latencies.extend(sojourn(seen));
    let mut values = vec![0.0; seconds_in_all];
    for (value, second) in values.iter_mut().zip(&seen.report.seconds) {
        *value = second.queue_ns as f64 / 1e9;
    }
    parts.series.push(Series { name: "queue_station".into(), unit: "jobs", group: "queue", values });
    if let Some(theory) = seen.theory.as_ref().filter(|theory| !theory.is_stable()) {
        parts.notes.push(format!(
            "unstable: {} jobs/s of {} ms are {:.1} % of what {} can do; the queue grows as long as jobs come, and no mean \
             wait exists",
            spec.steady_rate_per_s().unwrap_or_default(),
            spec.service_mean as f64 / 1e6,
            theory.rho * 100.0,
            if spec.servers == 1 { "1 server".into() } else { format!("{} servers", spec.servers) },
        ));
    }
}

/// The figures that a textbook speaks of, and beside them what it says.
fn measured(seen: &Seen<'_>) -> BTreeMap<String, f64> {
    let (waits, sojourns) = (seen.waits(), seen.served.measured_ns());
    let mean_wait = waits.iter().map(|wait| u128::from(*wait)).sum::<u128>() as f64 / waits.len() as f64 / 1e6;
    let capacity = f64::from(seen.report.servers) * 1e9;
    let p99 = (!sojourns.is_empty()).then(|| sojourns.value_at_quantile(0.99) as f64 / 1e6);
    let figures = [
        ("station.queue_mean", seen.mean_over_seconds(|second| second.queue_ns as f64 / 1e9)),
        ("station.sojourn_p99_ms", p99),
        ("station.utilisation", seen.mean_over_seconds(|second| second.busy_ns as f64 / capacity)),
        ("station.utilisation_theory", seen.theory.as_ref().map(|theory| theory.rho)),
        ("station.wait_interval_ms", seen.wait_ms().map(|interval| interval.half_width)),
        ("station.wait_mean_ms", (!waits.is_empty()).then_some(mean_wait)),
        ("station.wait_theory_ms", seen.theory.as_ref().and_then(|theory| theory.wait_mean_ms)),
    ];
    figures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn sojourn(seen: &Seen<'_>) -> Option<Latency> {
    let recorder = seen.served.sojourns();
    let latency = || figures::latency("sojourn", "arrival at the station to the end of service", recorder);
    (!recorder.total().is_empty()).then(latency)
}
