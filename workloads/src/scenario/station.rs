//! The `[arrivals]` and `[station]` tables: jobs for one station, and the station.

use headcount_engine::contract::{MS, Nanos, SECOND};

use super::bad_input::BadInput;
use super::crowd::{ArrivalKind, Arrivals, TIME_MAX_S};
use super::form::{Form, Words};

/// One station and what comes to it.
#[derive(Clone, Debug, PartialEq)]
pub struct OneStation {
    /// When jobs come.
    pub arrivals: Arrivals,
    /// The arrivals end with this job, 1 to 10,000,000. Default: a million; as many as come where the file says until when.
    pub jobs: u32,
    /// Jobs served at once, 1 to 100,000.
    pub servers: u32,
    pub service: JobService,
    /// How long a job is served in the mean [ns], 0.01 ms to 60 s.
    pub service_mean: Nanos,
    /// Coefficient of variation of a lognormal service: standard deviation over mean, 0.01 to 3.
    pub service_cv: f64,
    /// Jobs and seconds before this are warm-up, and measured by nobody [ns]. Default: a tenth of the arrivals' time.
    pub measure_from: Nanos,
}

/// How services vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobService {
    Exponential,
    Constant,
    Lognormal,
}

impl Words for JobService {
    const WORDS: &'static [(&'static str, Self)] =
        &[("exponential", Self::Exponential), ("constant", Self::Constant), ("lognormal", Self::Lognormal)];
}

const JOBS_MAX: u32 = 10_000_000;
/// With these, the mean wait of M/M/1 at 80 % is known to about 1 %.
const JOBS: u32 = 1_000_000;

/// M/M/1 at 80 %.
pub(super) fn defaults() -> OneStation {
    OneStation {
        arrivals: Arrivals { kind: ArrivalKind::Poisson { rate_per_s: 80.0 }, from: 0, to: 0 },
        jobs: JOBS,
        servers: 1,
        service: JobService::Exponential,
        service_mean: 10 * MS,
        service_cv: 1.0,
        measure_from: 0,
    }
}

impl OneStation {
    pub(super) fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.section("arrivals", |form| self.arrivals_fields(form))?;
        form.section("station", |form| self.station_fields(form))
    }

    fn arrivals_fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        let ends_by_itself = form.has("to_s");
        self.arrivals.shape_fields(form)?;
        let is_list = matches!(self.arrivals.kind, ArrivalKind::PerSecond { .. });
        if form.is_reading() && (ends_by_itself || is_list) && self.arrivals.kind != ArrivalKind::Spread {
            self.jobs = JOBS_MAX;
        }
        form.whole("jobs", &mut self.jobs, 1, JOBS_MAX)?;
        if is_list {
            return Ok(());
        }
        if form.is_reading() {
            self.arrivals.to = self.arrivals.from.saturating_add(self.time_for_all());
        }
        form.seconds("to_s", &mut self.arrivals.to, 0.0, TIME_MAX_S)
    }

    /// Whole seconds in which all jobs come at a steady rate, but for one run in 10^9: six deviations more than the mean.
    pub fn time_for_all(&self) -> Nanos {
        let jobs = f64::from(self.jobs);
        let Some(rate_per_s) = self.steady_rate_per_s().filter(|rate| *rate > 0.0) else { return 1_000 * SECOND };
        let seconds = ((jobs + 6.0 * libm::sqrt(jobs) + 6.0) / rate_per_s).ceil();
        seconds as Nanos * SECOND
    }

    /// The rate of the arrivals, if it is one [1/s].
    pub fn steady_rate_per_s(&self) -> Option<f64> {
        match self.arrivals.kind {
            ArrivalKind::Poisson { rate_per_s } | ArrivalKind::Constant { rate_per_s } => Some(rate_per_s),
            _ => None,
        }
    }

    fn station_fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.whole("servers", &mut self.servers, 1, 100_000)?;
        form.word("service", &mut self.service)?;
        form.millis("service_mean_ms", &mut self.service_mean, 0.01, 60_000.0)?;
        if self.service == JobService::Lognormal {
            form.number("service_cv", &mut self.service_cv, 0.01, 3.0, "times the mean")?;
        } else if form.has("service_cv") {
            return Err(form.bad("service_cv", "must stand beside service = \"lognormal\" alone"));
        }
        if form.is_reading() {
            let Arrivals { from, to, .. } = self.arrivals;
            self.measure_from = from + to.saturating_sub(from) / 10;
        }
        form.seconds("measure_from_s", &mut self.measure_from, 0.0, TIME_MAX_S)
    }
}
