//! A robust client (integration-patterns.md, best practices 4).

use headcount_engine::auth::{AuthOptions, GrantRules};
use headcount_engine::contract::{KEEPALIVE_PATIENCE, MS, Nanos, SECOND};
use headcount_engine::message::{Call, ChannelList, Envelope};
use headcount_engine::patterns::robust::{self, Line, room};
use headcount_sim::Stream;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::Outage;
use super::users::rules::{Backoff, ClientRules};
use super::{Doing, System, to_json};
use crate::client::CALL_PATIENCE;
use crate::crowd::plan::{user_at, user_id};
use crate::scenario::{Scenario, Setting, Variant};

/// Robust clients.
pub struct Robust;

impl System for Robust {
    fn word(&self) -> &'static str {
        "robust"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting { key: "rooms", default: 4, low: 1, high: 100_000 },
            // Best practice 4: five attempts, 1 s times two to the power of the attempt's number, at most 30 s.
            Setting { key: "attempts_max", default: 5, low: 1, high: 100 },
            Setting { key: "backoff_ms", default: 1_000, low: 10, high: 600_000 },
            Setting { key: "backoff_max_ms", default: 30_000, low: 10, high: 3_600_000 },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        robust::READINGS
    }

    fn remedy(&self) -> &'static str {
        "Silence is a failure like an error, the wait is drawn between half of the document's and all of it, and a token that cannot \
         be had is a failed attempt: the client is connected, has an attempt to come, or has said that it gave up."
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(robust::rights(scenario.system.token_ttl_minutes))
    }

    /// Short tokens are asked for more often than ten an hour.
    fn auth(&self, _: &Scenario, options: AuthOptions) -> AuthOptions {
        AuthOptions { tokens_per_hour_max: 1_000, ..options }
    }

    fn client(&self, scenario: &Scenario) -> ClientRules {
        let hardened = scenario.variant == Variant::Hardened;
        ClientRules {
            refresh_before: None,
            tries_refresh_again: hardened,
            minds_silence: hardened,
            attempts_max: Some(attempts_max(scenario)),
            backoff: Some(backoff(scenario)),
        }
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["line"]
    }

    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        moments(scenario, dice).into_iter().map(|(at, user)| Act { at, user, kind: 0, what: [0, 0] }).collect()
    }

    fn channels(&self, scenario: &Scenario, user: u32) -> ChannelList {
        std::iter::once(room(room_of(scenario, user)).into()).collect()
    }

    fn doing(&self, scenario: &Scenario, number: u32, act: &Act) -> Doing {
        let channel = room(room_of(scenario, act.user)).into();
        Doing::Api(Call::Publish { channel, payload: to_json(&Line { number }), store: false })
    }

    fn shows(&self, envelope: &Envelope) -> Option<u32> {
        Some(serde_json::from_str::<Line>(&envelope.payload).ok()?.number)
    }

    fn properties(&self) -> &'static [Property] {
        &[SPEAKS, PATIENT]
    }
}

fn room_of(scenario: &Scenario, user: u32) -> u32 {
    user % scenario.system.get("rooms") as u32
}

fn attempts_max(scenario: &Scenario) -> u8 {
    scenario.system.get("attempts_max") as u8
}

fn backoff(scenario: &Scenario) -> Backoff {
    let ms = |key| scenario.system.get(key) * MS;
    Backoff { first: ms("backoff_ms"), max: ms("backoff_max_ms"), jitter: scenario.variant == Variant::Hardened }
}

/// Every time that a client was without a connection and how it ended, with the client's user.
fn outages<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = (u32, Outage)> + 'a {
    (0..).zip(&seen.records).flat_map(move |(region, record)| {
        record.outages.iter().map(move |outage| (user_at(region, outage.client, seen.plan.regions), *outage))
    })
}

const SPEAKS: Property = Property {
    name: "a-client-comes-back-or-says-so",
    promise: "integration-patterns.md, error handling: reconnect, fatal error",
    says: "after healing, every client is connected or has said that it gave up",
    check: |seen, checks| {
        let mut wrong = None;
        for (region, record) in (0..).zip(&seen.records) {
            if let Some((client, since)) = record.away.iter().next() {
                let user = user_at(region, *client, seen.plan.regions);
                wrong.get_or_insert_with(|| {
                    format!("{} has had no connection since {} ms and said nothing", user_id(user), since / MS)
                });
            }
        }
        checks.eventually(u64::from(seen.scenario.system.users), wrong);
        let again =
            outages(seen).filter(|(user, outage)| !outage.gave_up && outage.from > seen.plan.joins[*user as usize]);
        if seen.scenario.swarm.is_some() {
            checks.sometimes("a-client-came-back", again.count() as u64);
            let logins: u64 = seen.records.iter().map(|record| record.logins).sum();
            let more = logins.saturating_sub(u64::from(seen.scenario.system.users));
            checks.sometimes("a-client-asked-for-another-token", more);
        }
    },
};

const PATIENT: Property = Property {
    name: "no-client-gives-up-before-its-patience-is-over",
    promise: "integration-patterns.md, error handling: maxReconnectAttempts",
    says: "who gives up has been without a connection for as long as its waits take at least, and never for longer than a wait and \
           an attempt while nothing failed",
    check: |seen, checks| {
        let (backoff, attempts) = (backoff(seen.scenario), attempts_max(seen.scenario));
        let patience: Nanos = (0..attempts).map(|failures| backoff.wait(failures, 0)).sum();
        // The longest wait, a login and a subscribe that take as long as they may, and what it takes to see that an edge is lost.
        let calm_max = backoff.max + 2 * CALL_PATIENCE + KEEPALIVE_PATIENCE + SECOND;
        let (mut checked, mut wrong) = (0, None);
        let mut faults: Vec<(Nanos, Nanos)> = seen.faults.iter().map(|fault| (fault.start, fault.end)).collect();
        faults.sort_unstable();
        for (user, outage) in outages(seen).filter(|(_, outage)| outage.gave_up) {
            checked += 1;
            let took = outage.to - outage.from;
            let (mut calm_since, mut calm) = (outage.from, 0);
            for (from, to) in faults.iter().filter(|(from, to)| *from < outage.to && *to > outage.from) {
                calm = calm.max(from.saturating_sub(calm_since));
                calm_since = calm_since.max(*to);
            }
            calm = calm.max(outage.to.saturating_sub(calm_since));
            if took < patience || calm > calm_max {
                wrong.get_or_insert_with(|| {
                    let (took, calm) = (took / MS, calm / MS);
                    format!("{} gave up after {took} ms, of which nothing failed for {calm} ms", user_id(user))
                });
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.swarm.is_some() {
            checks.sometimes("a-client-gave-up", checked);
        }
    },
};
