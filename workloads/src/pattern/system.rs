//! Any system of [`crate::systems`]: what they all have in common.

use std::sync::Arc;

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::Node;
use headcount_engine::functions::Function;
use headcount_engine::outside::Outside;
use headcount_engine::presence::{Presence, PresenceOptions};
use headcount_engine::scheduler::Job;
use headcount_sim::{CounterHash, Stream};

use super::{Busy, Pattern};
use crate::cluster::{Drawn, NodeBuilder};
use crate::metric::{self, Metric};
use crate::outcome::PropertyResult;
use crate::run::{Ended, Parts};
use crate::scenario::{BadInput, Check, Checked, Form, NodeKind, NodeSpec, Scenario};
use crate::systems::plan::Plan;
use crate::systems::users::{Users, UsersConfig};
use crate::systems::{self, ServerAt, System, judge};

/// The system of the scenario's word.
pub(super) struct AnySystem;

fn of(scenario: &Scenario) -> &'static dyn System {
    scenario.system().expect("the scenario's word is a system's")
}

impl Pattern for AnySystem {
    fn kinds(&self, scenario: &Scenario) -> Vec<NodeKind> {
        let system = of(scenario);
        let presence = system.has_presence().then_some(NodeKind::Presence);
        let service = (!system.services(scenario).is_empty()).then_some(NodeKind::Service);
        let server = system.has_server().then_some(NodeKind::Server);
        NodeKind::PLATFORM.into_iter().chain([NodeKind::Users]).chain(presence).chain(service).chain(server).collect()
    }

    fn fields(&self, scenario: &mut Scenario, form: &mut Form<'_>) -> Result<(), BadInput> {
        let system = of(scenario);
        scenario.system_fields(form, system)
    }

    fn check(&self, check: &Check<'_>) -> Checked {
        check.system()
    }

    fn check_end(&self, _: &Check<'_>) -> Checked {
        Ok(())
    }

    fn busy(&self, scenario: &Scenario) -> Busy {
        let table = &scenario.system;
        Busy { from: table.join_from, to: table.to, done: table.to }
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        of(scenario).functions(scenario)
    }

    fn jobs(&self, scenario: &Scenario) -> Vec<Job> {
        of(scenario).jobs(scenario)
    }

    fn grants(&self, scenario: &Scenario) -> Option<Box<dyn GrantRules + Send>> {
        Some(of(scenario).grants(scenario))
    }

    fn wifi_ppm(&self, scenario: &Scenario) -> Option<u32> {
        Some(scenario.system.wifi_ppm)
    }

    fn draw(&self, scenario: &Scenario, seed: u64, drawn: &mut Drawn) {
        drawn.system = Some(Arc::new(Plan::draw(of(scenario), scenario, seed)));
    }

    fn node(&self, build: &mut NodeBuilder<'_>, spec: &NodeSpec, seed: u64) -> Option<Box<dyn Node>> {
        Some(match spec.kind {
            NodeKind::Users => Box::new(users(build, spec.region)),
            NodeKind::Presence => {
                let broker = build.addresses.one(NodeKind::Broker, Some(spec.region));
                Box::new(Presence::new(broker, PresenceOptions::of(seed)))
            }
            NodeKind::Service => {
                let service = of(build.scenario).services(build.scenario).swap_remove(spec.number as usize);
                Box::new(Outside::new(service.serves, seed))
            }
            NodeKind::Server => {
                let (auth, home) = (build.addresses.one(NodeKind::Auth, None), Some(spec.region));
                let at = ServerAt { auth, edges: build.addresses.of(NodeKind::Edge, home) };
                of(build.scenario).server(build.scenario, at)?
            }
            _ => return None,
        })
    }

    fn catalogue(&self) -> Vec<(&'static str, String)> {
        systems::properties().collect()
    }

    fn properties(&self, ended: &Ended, scenario: &Scenario) -> Vec<PropertyResult> {
        systems::oracle::check(&ended.system_seen(scenario, of(scenario)))
    }

    fn parts(&self, ended: &Ended, scenario: &Scenario, seconds_in_all: usize, parts: &mut Parts) {
        let system = of(scenario);
        let seen = ended.system_seen(scenario, system);
        parts.readings.extend_from_slice(system.readings());
        judge::counters(&seen, &mut parts.counters);
        parts.latencies.extend(judge::latencies(&seen));
        parts.series.extend(judge::series(&seen, seconds_in_all));
        parts.deliveries += seen.heard().map(|heard| u64::from(heard.deliveries)).sum::<u64>();
    }

    fn remedy(&self, scenario: &Scenario) -> &'static str {
        of(scenario).remedy()
    }

    fn offered(&self, scenario: &Scenario) -> Vec<Metric> {
        metric::of_system(of(scenario), scenario)
    }
}

fn users(build: &NodeBuilder<'_>, region: usize) -> Users {
    let config = UsersConfig {
        system: of(build.scenario),
        scenario: Arc::new(build.scenario.clone()),
        region: region as u32,
        edges: build.addresses.of(NodeKind::Edge, Some(region)),
        auth: build.addresses.one(NodeKind::Auth, None),
        endpoints: build.addresses.of(NodeKind::Worker, Some(region)),
        services: build.services(),
        last_miles: build.last_miles.clone(),
        dice: CounterHash::new(&mut Stream::new(build.seed, "system.dice", region as u64)),
    };
    Users::new(config, build.system.clone().expect("a system has a plan"))
}
