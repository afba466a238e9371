//! How fast each kind of node serves.

use headcount_engine::contract::Nanos;

use super::bad_input::BadInput;
use super::form::Form;

/// A serving node's capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Station {
    /// Requests served at once, 1 to 100,000.
    pub servers: u32,
    pub service: Service,
    /// Requests that wait before one is refused, 0 to 10,000,000.
    pub queue: u32,
    /// Requests a second that are let in, 0 for no such limit.
    pub rate_per_s: f64,
}

/// How long one request takes a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// [ns]; the 99th percentile is above the mean and at most 14 times it.
    Lognormal { mean: Nanos, p99: Nanos },
    /// [ns].
    Constant { time: Nanos },
    /// [ns].
    Exponential { mean: Nanos },
}

/// A station for each kind of node; every node of the kind has one of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stations {
    pub edge: Station,
    pub broker: Station,
    pub worker: Station,
    pub kv: Station,
    pub audit: Station,
    pub appcontext: Station,
    pub auth: Station,
    pub access: Station,
    /// Outside services of a system.
    pub service: Station,
}

impl Stations {
    /// Each station with its key.
    pub fn by_kind(&self) -> [(&'static str, &Station); 9] {
        [
            ("edge", &self.edge),
            ("broker", &self.broker),
            ("worker", &self.worker),
            ("kv", &self.kv),
            ("audit", &self.audit),
            ("appcontext", &self.appcontext),
            ("auth", &self.auth),
            ("access", &self.access),
            ("service", &self.service),
        ]
    }

    pub(super) fn fields(&mut self, form: &mut Form<'_>, serves: bool) -> Result<(), BadInput> {
        form.section("edge", |form| self.edge.fields(form))?;
        form.section("broker", |form| self.broker.fields(form))?;
        form.section("worker", |form| self.worker.fields(form))?;
        form.section("kv", |form| self.kv.fields(form))?;
        form.section("audit", |form| self.audit.fields(form))?;
        form.section("appcontext", |form| self.appcontext.fields(form))?;
        form.section("auth", |form| self.auth.fields(form))?;
        form.section("access", |form| self.access.fields(form))?;
        // Where nothing outside serves, there is nothing to say of it.
        if serves { form.section("service", |form| self.service.fields(form)) } else { Ok(()) }
    }
}

impl Station {
    fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.whole("servers", &mut self.servers, 1, 100_000)?;
        form.inline("service", |form| self.service.fields(form))?;
        form.whole("queue", &mut self.queue, 0, 10_000_000)?;
        form.number("rate_per_s", &mut self.rate_per_s, 0.0, 1e9, "requests a second (0: no limit)")
    }
}

/// A service time's range [ms].
const MS: (f64, f64) = (0.0001, 60_000.0);

impl Service {
    fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        let now = match self {
            Service::Lognormal { .. } => "lognormal",
            Service::Constant { .. } => "constant",
            Service::Exponential { .. } => "exponential",
        };
        let kind = form.kind(now, &["lognormal", "constant", "exponential"])?;
        if kind != now {
            *self = match kind {
                "lognormal" => Service::Lognormal { mean: 0, p99: 0 },
                "constant" => Service::Constant { time: 0 },
                _ => Service::Exponential { mean: 0 },
            };
            form.need(match self {
                Service::Lognormal { .. } => &[("mean_ms", "milliseconds"), ("p99_ms", "milliseconds")],
                Service::Constant { .. } => &[("ms", "milliseconds")],
                Service::Exponential { .. } => &[("mean_ms", "milliseconds")],
            })?;
        }
        match self {
            Service::Lognormal { mean, p99 } => {
                form.millis("mean_ms", mean, MS.0, MS.1)?;
                form.millis("p99_ms", p99, MS.0, MS.1 * 14.0)?;
                // p99/mean = exp(2.326 s - s^2/2) is largest at s = 2.326: exp(2.706) = 14.97.
                if *p99 <= *mean || *p99 > 14 * *mean {
                    let right = "must be above mean_ms and at most 14 times mean_ms (no lognormal has a longer tail)";
                    return Err(form.bad("p99_ms", right));
                }
                Ok(())
            }
            Service::Constant { time } => form.millis("ms", time, MS.0, MS.1),
            Service::Exponential { mean } => form.millis("mean_ms", mean, MS.0, MS.1),
        }
    }
}
