//! A vote (voting.md): one session, its host, a crowd, and whoever asks the audit log.

use headcount_engine::access::Verifier;
use headcount_engine::auth::GrantRules;
use headcount_engine::contract::Node;
use headcount_engine::functions::Function;
use headcount_engine::patterns::voting::audit::AuditDb;
use headcount_engine::patterns::voting::grants::VotingGrants;
use headcount_engine::patterns::voting::host::{Done, Host, HostConfig};
use headcount_engine::patterns::voting::session::{SessionConfig, SessionSpec};
use headcount_engine::patterns::voting::{READINGS, TALLY_JOB, documented, hardened};
use headcount_engine::scheduler::Job;
use headcount_sim::{CounterHash, Stream};

use super::{Busy, Pattern};
use crate::auditor::{AUDITOR_ID, Auditor, AuditorConfig};
use crate::cluster::{Drawn, NodeBuilder};
use crate::crowd::{Crowd, CrowdConfig, plan};
use crate::figures;
use crate::metric::{self, Metric};
use crate::oracle::{self, Seen};
use crate::outcome::{Milestone, PropertyResult};
use crate::run::{Ended, Parts, seconds};
use crate::scenario::{BadInput, Check, Checked, Form, NodeKind, NodeSpec, Scenario, Variant};

/// People vote.
pub(super) struct Voting;

impl Pattern for Voting {
    fn kinds(&self, scenario: &Scenario) -> Vec<NodeKind> {
        let auditor = scenario.auditor.map(|_| NodeKind::Auditor);
        let own = [NodeKind::Crowd, NodeKind::Audit, NodeKind::Host];
        NodeKind::PLATFORM.into_iter().chain(own).chain(auditor).collect()
    }

    fn fields(&self, scenario: &mut Scenario, form: &mut Form<'_>) -> Result<(), BadInput> {
        scenario.vote_fields(form)
    }

    fn check(&self, check: &Check<'_>) -> Checked {
        check.vote()?;
        check.crowd()
    }

    fn check_end(&self, check: &Check<'_>) -> Checked {
        check.vote_end()
    }

    fn busy(&self, scenario: &Scenario) -> Busy {
        let vote = &scenario.vote;
        Busy { from: vote.create, to: vote.close, done: vote.reveal }
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        match scenario.variant {
            Variant::Documented => documented::functions(&scenario.vote.session_id),
            Variant::Hardened => hardened::functions(),
        }
    }

    fn jobs(&self, scenario: &Scenario) -> Vec<Job> {
        vec![Job { name: TALLY_JOB.into(), interval: scenario.vote.tally_interval }]
    }

    fn grants(&self, scenario: &Scenario) -> Option<Box<dyn GrantRules + Send>> {
        Some(Box::new(voting_grants(scenario)))
    }

    fn wifi_ppm(&self, scenario: &Scenario) -> Option<u32> {
        Some(scenario.crowd.wifi_ppm)
    }

    fn draw(&self, scenario: &Scenario, seed: u64, drawn: &mut Drawn) {
        drawn.votes = plan::draw(scenario, seed);
    }

    fn node(&self, build: &mut NodeBuilder<'_>, spec: &NodeSpec, seed: u64) -> Option<Box<dyn Node>> {
        Some(match spec.kind {
            NodeKind::Crowd => {
                let plan = build.votes[spec.region].take().expect("one crowd a region");
                Box::new(Crowd::new(crowd(build, spec.region), plan))
            }
            NodeKind::Audit => Box::new(AuditDb::new(Verifier::new(build.secret), seed)),
            NodeKind::Host => Box::new(Host::new(host(build))),
            NodeKind::Auditor => Box::new(Auditor::new(auditor(build))),
            _ => return None,
        })
    }

    fn catalogue(&self) -> Vec<(&'static str, String)> {
        oracle::CATALOGUE.iter().map(oracle::Property::line).collect()
    }

    fn properties(&self, ended: &Ended, scenario: &Scenario) -> Vec<PropertyResult> {
        oracle::check(&ended.seen(scenario))
    }

    fn parts(&self, ended: &Ended, scenario: &Scenario, seconds_in_all: usize, parts: &mut Parts) {
        let seen = ended.seen(scenario);
        figures::counters(&seen, &mut parts.counters);
        parts.latencies.extend(figures::latencies(&seen));
        parts.series.extend(figures::series(&seen, seconds_in_all));
        let milestone = |done: &Done| Milestone { label: done.what.into(), at_s: seconds(done.done) };
        parts.milestones.extend(seen.host.iter().map(milestone));
        parts.results = results(scenario, &seen);
        parts.deliveries += seen.crowds.iter().map(|crowd| crowd.deliveries).sum::<u64>();
        parts.readings.extend_from_slice(READINGS);
    }

    fn remedy(&self, _scenario: &Scenario) -> &'static str {
        "One transaction of the audit database decides each vote: whether the request was answered before, whether \
         the session is open, whether the user has a vote left. The answer is recorded with the decision and repeated \
         for a repeated request; KV, App Context and the channels carry copies. What cannot be decided is refused \
         with 503, and the client asks again under the same request id."
    }

    fn offered(&self, _: &Scenario) -> Vec<Metric> {
        metric::of_votes()
    }
}

/// The host of every built-in session.
const HOST_ID: &str = "host_user_123";

/// The session as the host creates it.
fn session_spec(scenario: &Scenario) -> SessionSpec {
    let vote = &scenario.vote;
    SessionSpec {
        session_id: vote.session_id.clone(),
        question: vote.question.clone(),
        options: SessionSpec::options_of(&vote.options),
        config: SessionConfig {
            allow_change_vote: vote.allow_change_vote,
            show_live_tally: vote.show_live_tally,
            anonymous_results: vote.anonymous_results,
            max_votes_per_user: vote.max_votes_per_user,
        },
        host_id: HOST_ID.into(),
    }
}

fn crowd(build: &NodeBuilder<'_>, region: usize) -> CrowdConfig {
    let scenario = build.scenario;
    CrowdConfig {
        variant: scenario.variant.in_engine(),
        region: region as u32,
        regions: scenario.topology.regions.len() as u32,
        users_in_all: scenario.crowd.users,
        edges: build.addresses.of(NodeKind::Edge, Some(region)),
        auth: build.addresses.one(NodeKind::Auth, None),
        session_id: scenario.vote.session_id.clone(),
        host_id: HOST_ID.into(),
        option_ids: session_spec(scenario).options.into_iter().map(|option| option.id).collect(),
        ack_timeout: scenario.crowd.ack_timeout,
        retry: scenario.crowd.retry,
        reconnect_jitter: scenario.crowd.reconnect_jitter,
        last_miles: build.last_miles.clone(),
        dice: CounterHash::new(&mut Stream::new(build.seed, "crowd.dice", region as u64)),
    }
}

fn voting_grants(scenario: &Scenario) -> VotingGrants {
    let vote = &scenario.vote;
    let mut shard_counts = vec![vote.shards];
    shard_counts.extend(vote.add_shards.map(|add| add.shards));
    let private = scenario.variant == Variant::Hardened;
    VotingGrants::new(&vote.session_id, &shard_counts, vote.token_ttl_minutes, private)
        .host(HOST_ID)
        .auditor(AUDITOR_ID)
}

/// Asks from the opening until half the time to converge after the reveal, so that its last question can be answered.
fn auditor(build: &NodeBuilder<'_>) -> AuditorConfig {
    let Scenario { vote, bounds, end, .. } = build.scenario;
    let spare = bounds.converge / 2;
    AuditorConfig {
        auth: build.addresses.one(NodeKind::Auth, None),
        audit: build.addresses.one(NodeKind::Audit, None),
        session_id: vote.session_id.clone(),
        users: build.scenario.crowd.users,
        from: vote.open,
        until: (vote.reveal + spare).min(end.saturating_sub(spare)),
        habits: build.scenario.auditor.expect("an auditor has habits"),
        dice: CounterHash::new(&mut Stream::new(build.seed, "auditor.dice", 0)),
    }
}

fn host(build: &NodeBuilder<'_>) -> HostConfig {
    let vote = &build.scenario.vote;
    HostConfig {
        variant: build.scenario.variant.in_engine(),
        spec: session_spec(build.scenario),
        shard_count: vote.shards,
        create_at: vote.create,
        open_at: vote.open,
        close_at: vote.close,
        reveal_at: vote.reveal,
        reshard: vote.add_shards.map(|add| (add.at, add.shards)),
        auth: build.addresses.one(NodeKind::Auth, None),
        edges: build.addresses.of(NodeKind::Edge, Some(build.scenario.home_region())),
    }
}

/// The final result: as revealed to the crowd, or as the audit log has it if nobody saw one.
fn results(scenario: &Scenario, seen: &Seen<'_>) -> Vec<(String, u64)> {
    let revealed = seen.crowds.iter().flat_map(|crowd| &crowd.revealed).next_back().cloned();
    let counts = revealed.unwrap_or_else(|| vec![0; scenario.vote.options.len()]);
    let label = |(index, count): (usize, u64)| (format!("opt_{} {}", index + 1, scenario.vote.options[index]), count);
    counts.into_iter().enumerate().map(label).collect()
}
