//! How fast each kind of node serves.

use super::bad_input::BadInput;
use super::defaults;
use super::distribution::{Distribution, Source};
use super::form::Form;

/// A serving node's capacity.
#[derive(Clone, Debug, PartialEq)]
pub struct Station {
    /// Requests served at once, 1 to 100,000.
    pub servers: u32,
    /// How long one request takes a server.
    pub service: Distribution,
    /// Requests that wait before one is refused, 0 to 10,000,000.
    pub queue: u32,
    /// Requests a second that are let in, 0 for no such limit.
    pub rate_per_s: f64,
}

/// A station for each kind of node; every node of the kind has one of its own.
#[derive(Clone, Debug, PartialEq)]
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

    /// Each station with its key, the service time that stands where nobody said another, and the source of that.
    pub fn with_sources(&self) -> Vec<(&'static str, &Station, Distribution, Source)> {
        let defaults = defaults::stations();
        let with_default = self.by_kind().into_iter().zip(defaults.by_kind());
        with_default.map(|((kind, now), (_, default))| (kind, now, default.service.clone(), source(kind))).collect()
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

/// Where a kind's service time is from. The documents know whole steps, with the ways between nodes and the waits in them;
/// what a server alone takes of such a step is an order of magnitude, set here.
fn source(kind: &str) -> Source {
    match kind {
        "edge" => Source::Documents(
            "friends-online.md 11.5: a publish takes 10-50 ms, ways and waits included; of these the edge serves for this long",
        ),
        "broker" => Source::Documents(
            "friends-online.md 11.5: routing to subscribers takes 50-100 ms, ways and waits included; of these the broker serves for this long",
        ),
        "worker" => Source::Documents(
            "friends-online.md 11.5: an execution takes 50-200 ms, its calls included; each of its steps computes for this long",
        ),
        "appcontext" => Source::Documents(
            "friends-online.md 11.5: an update takes 50-100 ms, ways and waits included; of these the store serves for this long",
        ),
        "kv" => Source::Assumed("kvstore-module.md gives no time: an order of magnitude for a store in memory"),
        "audit" => Source::Assumed(
            "voting.md gives no time: an order of magnitude for a transaction that is flushed to a disk",
        ),
        "auth" | "access" => {
            Source::Assumed("no document gives a time: an order of magnitude for a signature and a look-up")
        }
        _ => Source::Assumed(
            "no document gives a time: an order of magnitude for somebody else's machines over the open network",
        ),
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
