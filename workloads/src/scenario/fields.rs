//! The keys of a scenario's own tables, each with its range. Order matters: a key is read after those on which its
//! default depends.

use headcount_engine::limits::Limits;
use headcount_engine::patterns;

use crate::outcome::Verdict;
use crate::pattern;
use crate::slo::{Slo, Threshold};
use crate::systems::System;

use super::bad_input::BadInput;
use super::crowd::TIME_MAX_S;
use super::form::{Form, Words};
use super::spelling::one_of;
use super::{AddShards, Fault, Scenario, SystemTable, Topology, Variant, Vote, auditor, defaults};

impl Words for Variant {
    const WORDS: &'static [(&'static str, Self)] = &[("documented", Self::Documented), ("hardened", Self::Hardened)];
}

impl Variant {
    /// `documented` or `hardened`.
    pub fn name(self) -> &'static str {
        self.word()
    }

    /// The same in the engine's words.
    pub fn in_engine(self) -> patterns::Variant {
        match self {
            Self::Documented => patterns::Variant::Documented,
            Self::Hardened => patterns::Variant::Hardened,
        }
    }
}

impl Words for Verdict {
    const WORDS: &'static [(&'static str, Self)] =
        &[("holds", Self::Holds), ("violated", Self::Violated), ("inconclusive", Self::Inconclusive)];
}

/// What a name may consist of.
fn is_word(text: &str, more: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

impl Scenario {
    /// Reads or writes everything.
    pub(super) fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.need(&[("name", "what the scenario is called")])?;
        form.text("name", &mut self.name, "letters, digits and -, at most 64", |n| is_word(n, "-", 64))?;
        form.text("summary", &mut self.summary, "one line of at most 200 characters", |s| {
            s.chars().count() <= 200 && !s.contains('\n')
        })?;
        form.text("pattern", &mut self.pattern, &one_of(pattern::names()), |name| pattern::named(name).is_some())?;
        let has_platform = self.has_platform();
        if has_platform {
            form.word("variant", &mut self.variant)?;
            if form.is_reading() {
                defaults::after_variant(self);
            }
            let profiles = one_of(Limits::all().iter().map(|l| l.name));
            form.text("limits", &mut self.limits, &profiles, |name| Limits::named(name).is_some())?;
        } else {
            self.limits = "unlimited".into();
        }
        form.word("expect", &mut self.expect)?;
        self.threshold_fields(form)?;
        if has_platform {
            form.section("topology", |form| self.topology_fields(form))?;
        } else {
            defaults::after_regions(self);
        }
        for pattern in self.patterns() {
            pattern.fields(self, form)?;
        }
        if has_platform {
            let serves = self.system().is_some();
            form.section("stations", |form| self.stations.fields(form, serves))?;
            form.section("links", |form| self.links.fields(form, &self.topology.regions))?;
        }
        form.section("bounds", |form| form.seconds("converge_s", &mut self.bounds.converge, 1.0, 3_600.0))?;
        if form.has("swarm") {
            self.swarm = Some(defaults::swarm(self));
        }
        match &mut self.swarm {
            Some(swarm) => form.section("swarm", |form| swarm.fields(form))?,
            None => form.absent("swarm"),
        }
        form.list("fault", &mut self.faults, &Fault::blank(), Fault::fields)?;
        if form.is_reading() {
            self.heal = defaults::heal(self);
        }
        form.seconds("heal_s", &mut self.heal, 0.0, TIME_MAX_S)?;
        if form.is_reading() {
            self.end = defaults::end(self);
        }
        form.seconds("end_s", &mut self.end, 0.001, TIME_MAX_S)
    }

    /// One threshold in each text, so that an error can name its place.
    fn threshold_fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        let mut texts: Vec<String> = self.thresholds.thresholds.iter().map(Threshold::to_string).collect();
        form.texts("thresholds", &mut texts)?;
        if form.is_reading() {
            self.thresholds = Slo::default();
            for (i, text) in texts.iter().enumerate() {
                let path = format!("thresholds.{i}");
                let mut read = Slo::parse(text).map_err(|bad| form.bad(&path, &bad.to_string()))?.thresholds;
                if read.len() > 1 {
                    return Err(form.bad(
                        &path,
                        "must be one threshold in each text, as in [\"ack.p99_ms < 500\", \"lost == 0\"]",
                    ));
                }
                self.thresholds.thresholds.append(&mut read);
            }
        }
        Ok(())
    }

    /// The tables of a vote: session, crowd, auditor.
    pub(crate) fn vote_fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.section("vote", |form| self.vote.fields(form))?;
        if form.is_reading() {
            defaults::after_vote(self);
        }
        form.section("crowd", |form| self.crowd.fields(form))?;
        if form.has("auditor") {
            self.auditor = Some(auditor::defaults());
        }
        match &mut self.auditor {
            Some(auditor) => form.section("auditor", |form| auditor.fields(form)),
            None => {
                form.absent("auditor");
                Ok(())
            }
        }
    }

    /// The table of people with friends.
    pub(crate) fn friends_fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.section("friends", |form| self.friends.fields(form))
    }

    /// The table of a system's users.
    pub(crate) fn system_fields(&mut self, form: &mut Form<'_>, system: &dyn System) -> Result<(), BadInput> {
        if form.is_reading() {
            self.system = SystemTable::new(Some(system));
        }
        form.section("system", |form| self.system.fields(form, system))
    }

    /// The tables of one station.
    pub(crate) fn station_fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        self.station.fields(form)
    }

    fn topology_fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.texts("regions", &mut self.topology.regions)?;
        if form.is_reading() {
            defaults::after_regions(self);
        }
        let Topology { edges_per_region, workers_per_region, worker_concurrency, home_region, .. } = &mut self.topology;
        form.whole("edges_per_region", edges_per_region, 1, 8)?;
        form.whole("workers_per_region", workers_per_region, 1, 16)?;
        form.whole("worker_concurrency", worker_concurrency, 1, 100_000)?;
        form.text("home_region", home_region, "one of topology.regions", |_| true)
    }
}

impl Vote {
    fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        let right = "letters, digits, - and _, at most 64";
        form.text("session_id", &mut self.session_id, right, |s| is_word(s, "-_", 64))?;
        form.text("question", &mut self.question, "a text of 1 to 1,000 bytes", |q| (1..=1_000).contains(&q.len()))?;
        form.texts("options", &mut self.options)?;
        form.whole("shards", &mut self.shards, 1, 32)?;
        form.seconds("create_s", &mut self.create, 0.0, TIME_MAX_S)?;
        form.seconds("open_s", &mut self.open, 0.0, TIME_MAX_S)?;
        form.seconds("close_s", &mut self.close, 0.0, TIME_MAX_S)?;
        form.seconds("reveal_s", &mut self.reveal, 0.0, TIME_MAX_S)?;
        form.flag("allow_change_vote", &mut self.allow_change_vote)?;
        form.flag("show_live_tally", &mut self.show_live_tally)?;
        form.flag("anonymous_results", &mut self.anonymous_results)?;
        form.whole("max_votes_per_user", &mut self.max_votes_per_user, 1, 10)?;
        form.millis("tally_interval_ms", &mut self.tally_interval, 100.0, 60_000.0)?;
        form.whole("token_ttl_minutes", &mut self.token_ttl_minutes, 1, 43_200)?;
        if form.has("add_shards") {
            self.add_shards = Some(defaults::add_shards(self));
        }
        match &mut self.add_shards {
            Some(AddShards { at, shards }) => form.inline("add_shards", |form| {
                form.seconds("at_s", at, 0.0, TIME_MAX_S)?;
                form.whole("shards", shards, 1, 32)
            }),
            None => {
                form.absent("add_shards");
                Ok(())
            }
        }
    }
}
