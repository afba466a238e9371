//! The properties of one station: Little's law, and the textbook.

use super::judge::Seen;
use crate::interval::Interval;
use crate::oracle::{Checks, PropertyOf};
use crate::outcome::PropertyResult;

/// A property of one station.
pub type Property = PropertyOf<fn(&Seen<'_>, &mut Checks)>;

/// All properties.
pub const CATALOGUE: &[Property] = &[LITTLES_LAW, ALL_ACCOUNTED_FOR, WAIT_IS_THEORYS, UTILISATION_IS_THEORYS];

/// Checks everything.
pub fn check(seen: &Seen<'_>) -> Vec<PropertyResult> {
    CATALOGUE.iter().flat_map(|property| property.results(|check, checks| check(seen, checks))).collect()
}

const LITTLES_LAW: Property = Property {
    name: "littles-law-holds",
    promise: "L = lambda W",
    says: "the number inside, integrated over time, is the sum of the times inside, to the nanosecond; likewise in the queue",
    check: |seen, checks| {
        let flow = &seen.report.flow;
        let apart = flow.deviation_ns();
        checks.always(flow.entered, (apart > 0).then(|| format!("the two sides are {apart} ns apart: {flow:?}")));
        checks.sometimes("a-job-waited", u64::from(flow.waiting_ns > 0));
    },
};

const ALL_ACCOUNTED_FOR: Property = Property {
    name: "every-job-is-accounted-for",
    promise: "first come, first served",
    says: "every job that came was served, is still inside, was refused, or died in a crash; without faults every one came",
    check: |seen, checks| {
        let (report, served) = (seen.report, seen.served);
        let ended = served.served() + served.refused() + report.left + report.lost_to_crashes;
        let came = report.total.arrivals;
        let is_calm = seen.scenario.faults.is_empty() && seen.scenario.swarm.is_none();
        let wrong = if ended != came {
            Some(format!("{came} jobs came, {ended} were served, refused, lost in crashes or left"))
        } else if is_calm && came != seen.source.sent() {
            Some(format!("{} jobs were sent, {came} came", seen.source.sent()))
        } else {
            None
        };
        checks.always(came, wrong);
        checks.sometimes("a-job-was-served", served.served());
    },
};

const WAIT_IS_THEORYS: Property = Property {
    name: "the-mean-wait-is-theorys",
    promise: "Erlang C; Pollaczek and Khinchine",
    says: "the mean wait lies within its interval of what theory says, where theory has a formula",
    check: |seen, checks| {
        against_theory(seen, checks, seen.wait_ms(), seen.expected()[0], "ms");
    },
};

const UTILISATION_IS_THEORYS: Property = Property {
    name: "the-utilisation-is-the-load",
    promise: "rho = lambda s / c",
    says: "the share of time that servers serve lies within its interval of the offered load over servers",
    check: |seen, checks| {
        against_theory(seen, checks, seen.utilisation(), seen.expected()[1], "of the servers' time");
    },
};

fn against_theory(seen: &Seen<'_>, checks: &mut Checks, measured: Option<Interval>, expected: Option<f64>, unit: &str) {
    let Some(theory) = &seen.theory else { return checks.always(0, None) };
    let jobs = seen.waits().len() as u64;
    let enough = measured.filter(|_| seen.is_enough());
    let Some((expected, measured)) = expected.zip(enough) else {
        checks.always(0, None);
        if !theory.is_stable() {
            checks.sometimes("a-load-that-can-be-carried", 0);
        } else if expected.is_some() {
            checks.sometimes("enough-arrivals", 0);
        }
        return;
    };
    let wrong = || {
        format!(
            "{}: theory says {expected:.6} {unit}, measured are {:.6} within {:.6}",
            theory.model, measured.mean, measured.half_width
        )
    };
    checks.always(jobs, (!seen.agrees(&measured, expected)).then(wrong));
    checks.sometimes("enough-arrivals", jobs);
}
