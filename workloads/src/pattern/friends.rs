//! Friends online (friends-online.md): people with friends, their presence and their channel groups.

use std::sync::Arc;

use headcount_engine::access::Verifier;
use headcount_engine::auth::GrantRules;
use headcount_engine::contract::Node;
use headcount_engine::functions::Function;
use headcount_engine::patterns::friends::READINGS;
use headcount_engine::scheduler::Job;

use super::{Busy, Pattern};
use crate::cluster::{Drawn, NodeBuilder};
use crate::figures;
use crate::friends::{alerts, build as platform, judge, oracle, plan};
use crate::metric::{self, Metric};
use crate::outcome::PropertyResult;
use crate::run::{Ended, Parts};
use crate::scenario::{BadInput, Check, Checked, Form, NodeKind, NodeSpec, Scenario};

/// People have friends.
pub(super) struct Friends;

impl Pattern for Friends {
    fn kinds(&self, _: &Scenario) -> Vec<NodeKind> {
        let own = [NodeKind::People, NodeKind::Presence, NodeKind::Registry];
        NodeKind::PLATFORM.into_iter().chain(own).collect()
    }

    fn fields(&self, scenario: &mut Scenario, form: &mut Form<'_>) -> Result<(), BadInput> {
        scenario.friends_fields(form)
    }

    fn check(&self, check: &Check<'_>) -> Checked {
        check.friends()
    }

    fn check_end(&self, check: &Check<'_>) -> Checked {
        check.friends_end()
    }

    fn busy(&self, scenario: &Scenario) -> Busy {
        let friends = &scenario.friends;
        Busy { from: friends.from, to: friends.to, done: friends.to }
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        platform::functions(scenario)
    }

    fn jobs(&self, scenario: &Scenario) -> Vec<Job> {
        platform::jobs(scenario)
    }

    fn grants(&self, scenario: &Scenario) -> Option<Box<dyn GrantRules + Send>> {
        Some(Box::new(platform::grants(scenario)))
    }

    fn wifi_ppm(&self, scenario: &Scenario) -> Option<u32> {
        Some(scenario.friends.wifi_ppm)
    }

    fn draw(&self, scenario: &Scenario, seed: u64, drawn: &mut Drawn) {
        drawn.friends = Some(Arc::new(plan::draw(scenario, seed)));
    }

    fn node(&self, build: &mut NodeBuilder<'_>, spec: &NodeSpec, seed: u64) -> Option<Box<dyn Node>> {
        let (at, here) = (&build.addresses, Some(spec.region));
        Some(match spec.kind {
            NodeKind::People => Box::new(platform::people(
                build.scenario,
                build.intentions(),
                spec.region as u32,
                build.edges_for(spec.region),
                at.one(NodeKind::Auth, None),
                build.last_miles.clone(),
                (build.seed, Verifier::new(build.secret)),
            )),
            NodeKind::Presence => {
                let broker = at.one(NodeKind::Broker, here);
                Box::new(platform::presence(build.scenario, build.intentions(), broker, seed))
            }
            NodeKind::Registry => Box::new(platform::registry(&at.of(NodeKind::Edge, None), build.intentions(), seed)),
            _ => return None,
        })
    }

    fn catalogue(&self) -> Vec<(&'static str, String)> {
        oracle::CATALOGUE.iter().map(oracle::Property::line).collect()
    }

    fn properties(&self, ended: &Ended, scenario: &Scenario) -> Vec<PropertyResult> {
        oracle::check(&ended.friends_seen(scenario))
    }

    fn parts(&self, ended: &Ended, scenario: &Scenario, seconds_in_all: usize, parts: &mut Parts) {
        let seen = ended.friends_seen(scenario);
        parts.readings.extend_from_slice(READINGS);
        judge::counters(ended, &seen, &mut parts.counters);
        let judge::Ways { gaps: [comes, goes], notices } = judge::ways(&seen);
        let named = [
            ("online", "a friend comes online to the screen shows it (NFR-1)", comes),
            ("offline", "a friend is gone to the screen shows it (NFR-1)", goes),
            ("notice", "a status is published to the screen shows it", notices),
            ("load", "the whole friend list asked for to loaded (NFR-3)", judge::loads(&seen)),
            ("publish", "presence event to status published (12.2)", judge::publish_latency(ended)),
        ];
        let some = named.iter().filter(|(_, _, recorder)| !recorder.total().is_empty());
        parts.latencies.extend(some.map(|(name, title, recorder)| figures::latency(name, title, recorder)));
        let series = judge::series(ended, &seen, seconds_in_all);
        parts.alerts = alerts::alerts(&parts.counters, &series);
        parts.series.extend(series);
        parts.deliveries += seen.people.iter().map(|people| people.record().deliveries).sum::<u64>();
    }

    fn remedy(&self, _scenario: &Scenario) -> &'static str {
        "A presence event is a reason to look, not a fact: the handler asks presence where the user is, and writes it \
         into the user's record under If-Match, with a mark of what friends were told. A sweep tells what a debounce, \
         a storm or a crash held back, a reconcile job finds whom events missed, and a friendship is a record of its \
         own whose steps can all be taken twice."
    }

    fn offered(&self, _: &Scenario) -> Vec<Metric> {
        metric::of_friends()
    }
}
