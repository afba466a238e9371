//! Requests limited by tier and endpoint (functions-patterns.md, pattern 3).

use std::collections::BTreeMap;

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::{MS, SECOND};
use headcount_engine::functions::{Function, Needs};
use headcount_engine::message::{Call, ChannelList, Envelope};
use headcount_engine::patterns::ratelimit::{self, ENDPOINTS, Limits, Refusal, Request, Tier, tier_of};
use headcount_sim::Stream;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::{Done, Fate};
use super::windows::{NEAR_AN_EDGE, window_of, windows};
use super::{Doing, Judged, Reply, System, ears, to_json};
use crate::crowd::plan::{user_id, user_of};
use crate::scenario::{Scenario, Setting};

/// Rate limiting.
pub struct RateLimit;

const REQUEST: u8 = 0;
const BURST: u8 = 1;
const FORGED: u8 = 2;

impl System for RateLimit {
    fn word(&self) -> &'static str {
        "ratelimit"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            // Pattern 3: 100, 1,000 and 10,000 an hour.
            Setting { key: "free_limit", default: 100, low: 1, high: 1_000_000 },
            Setting { key: "premium_limit", default: 1_000, low: 1, high: 1_000_000 },
            Setting { key: "enterprise_limit", default: 10_000, low: 1, high: 1_000_000 },
            Setting { key: "window_s", default: 3_600, low: 1, high: 86_400 },
            // Requests that come with this one, within 100 ms.
            Setting { key: "burst", default: 0, low: 0, high: 100 },
            Setting { key: "forged_ppm", ..Setting::PPM },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        ratelimit::READINGS
    }

    fn remedy(&self) -> &'static str {
        "It counts first and looks at the number that the count came to, so no two requests get the same one. The \
         tier is that of the channel, which the access manager opens to users of that tier alone. A store that errs \
         is a 503, and what was counted stays counted: trouble makes the limit smaller, never larger."
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        ratelimit::functions(scenario.variant.in_engine(), limits(scenario))
    }

    fn needs(&self, scenario: &Scenario) -> Vec<Needs> {
        ratelimit::needs(scenario.variant.in_engine())
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(ratelimit::rights(scenario.system.token_ttl_minutes, user_of))
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["request", "burst", "forged_tier"]
    }

    /// `what` is the endpoint.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let get = |key| scenario.system.get(key);
        let mut acts = Vec::new();
        for (at, user) in moments(scenario, dice) {
            let mut endpoint = || dice.below(ENDPOINTS.len() as u64) as u32;
            acts.push(Act { at, user, kind: REQUEST, what: [endpoint(), 0] });
            for _ in 0..get("burst") {
                let what = [endpoint(), 0];
                acts.push(Act { at, user, kind: BURST, what });
            }
            if dice.chance(get("forged_ppm") as u32) {
                let after = dice.between(200, 2_000) * MS;
                acts.push(Act { at: at + after, user, kind: FORGED, what: [0, 0] });
            }
        }
        for act in acts.iter_mut().filter(|act| act.kind == BURST) {
            act.at += dice.between(0, 100) * MS;
        }
        acts
    }

    fn counts(&self) -> &'static [&'static str] {
        &["requests.forged", "requests.limited", "requests.not_counted", "requests.unlimited"]
    }

    fn channels(&self, scenario: &Scenario, user: u32) -> ChannelList {
        ears::channels(scenario, user, &["api.requests.*"])
    }

    fn doing(&self, _: &Scenario, number: u32, act: &Act) -> Doing {
        let tier = tier_of(act.user);
        let (endpoint, _) = ENDPOINTS[act.what[0] as usize];
        let request = Request {
            request_id: number,
            user_id: user_id(act.user),
            endpoint: endpoint.into(),
            user_tier: if act.kind == FORGED { Tier::Enterprise } else { tier },
            rate_limit_info: None,
        };
        Doing::Api(Call::Publish { channel: ratelimit::channel(tier).into(), payload: to_json(&request), store: false })
    }

    /// Over the limit is an answer, and the client comes back in the next window with something else.
    fn judge(&self, _: &Act, reply: &Reply<'_>) -> Judged {
        match reply.status() {
            429 if reply.body().is_some_and(|body| serde_json::from_str::<Refusal>(body).is_ok()) => {
                Judged::Refused(429)
            }
            _ => reply.by_status(),
        }
    }

    fn shows(&self, envelope: &Envelope) -> Option<u32> {
        Some(serde_json::from_str::<Request>(&envelope.payload).ok()?.request_id)
    }

    fn properties(&self) -> &'static [Property] {
        &[WITHIN, SERVED, RETRY_AFTER]
    }
}

fn limits(scenario: &Scenario) -> Limits {
    let get = |key| scenario.system.get(key);
    let requests = [get("free_limit"), get("premium_limit"), get("enterprise_limit")];
    Limits { requests, window_s: get("window_s") }
}

/// Windows are those of the workers' clocks.
fn window_ms(scenario: &Scenario) -> u64 {
    scenario.system.get("window_s") * 1_000
}

/// Requests let through, by user and window.
fn let_through(seen: &Seen<'_>) -> BTreeMap<(u32, u64), Vec<Request>> {
    let window_ms = window_ms(seen.scenario);
    let mut let_through: BTreeMap<(u32, u64), Vec<Request>> = BTreeMap::new();
    for (user, at, request) in seen.published() {
        if let Some(window) = window_of(at, window_ms) {
            let_through.entry((user, window)).or_default().push(request);
        }
    }
    let_through
}

const WITHIN: Property = Property {
    name: "never-more-than-the-limit",
    promise: "functions-patterns.md 3: rate limits by user tier and endpoint",
    says: "of a user's requests in one window no more are let through than the user's own tier has, in all and at each endpoint",
    check: |seen, checks| {
        let limits = limits(seen.scenario);
        let (mut checked, mut wrong, mut full) = (0, None, 0);
        for ((user, window), requests) in let_through(seen) {
            checked += 1;
            let tier = tier_of(user);
            let mut over = |passed: u64, limit: u64, what: &str| {
                full += u64::from(passed == limit);
                if passed > limit {
                    wrong.get_or_insert_with(|| {
                        let (user, tier) = (user_id(user), tier.word());
                        format!("{user} ({tier}) had {passed} of {limit} requests{what} in window {window}")
                    });
                }
            };
            over(requests.len() as u64, limits.of(tier), "");
            for (endpoint, _) in ENDPOINTS {
                let passed = requests.iter().filter(|request| request.endpoint == endpoint).count() as u64;
                over(passed, limits.at(tier, endpoint), &format!(" to {endpoint}"));
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("a-limit-was-reached", full);
        if seen.scenario.system.get("forged_ppm") > 0 {
            checks.sometimes("somebody-claimed-another-tier", seen.answered(FORGED).count() as u64);
        }
    },
};

/// Whether a request costs its user anything. An enterprise's user who says so has forged nothing.
fn is_counted(act: &Act) -> bool {
    act.kind != FORGED || tier_of(act.user) == Tier::Enterprise
}

/// Refused as over the limit, with what the refusal says.
fn limited<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = (u32, &'a Act, &'a Done, Refusal)> + 'a {
    let refused = seen.acts().filter(|(_, _, done)| done.fate == Fate::Refused(429));
    refused.filter_map(|(number, act, done)| Some((number, act, done, done.answer()?)))
}

const SERVED: Property = Property {
    name: "nobody-is-refused-below-the-limit",
    promise: "functions-patterns.md 3: requests below the limit are allowed",
    says: "where the network doubles nothing, who is refused had sent as many requests to that endpoint, or in all, as a \
           window has, each attempt counted",
    check: |seen, checks| {
        let (limits, window_ms) = (limits(seen.scenario), window_ms(seen.scenario));
        // Attempts by user, in all and by endpoint, each in every window that it can have been counted in.
        let mut sent: BTreeMap<(u32, u64, Option<u32>), u64> = BTreeMap::new();
        for (_, act, done) in seen.acts().filter(|(_, act, done)| is_counted(act) && done.attempts > 0) {
            for window in windows(done.first_sent, done.answered.max(done.first_sent), window_ms) {
                for endpoint in [None, Some(act.what[0])] {
                    *sent.entry((act.user, window, endpoint)).or_default() += u64::from(done.attempts);
                }
            }
        }
        let (mut checked, mut wrong) = (0, None);
        for (number, act, done, _) in limited(seen).filter(|_| !seen.network_doubles()) {
            checked += 1;
            let tier = tier_of(act.user);
            let enough = windows(done.first_sent, done.answered, window_ms).any(|window| {
                let sent = |endpoint| sent.get(&(act.user, window, endpoint)).copied().unwrap_or(0);
                let (endpoint, _) = ENDPOINTS[act.what[0] as usize];
                sent(None) > limits.of(tier) || sent(Some(act.what[0])) > limits.at(tier, endpoint)
            });
            if !enough {
                wrong.get_or_insert_with(|| format!("request {number} of {} was refused", user_id(act.user)));
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("a-request-was-refused", limited(seen).count() as u64);
        let served = seen.acts().filter(|(_, act, done)| act.kind != FORGED && done.fate == Fate::Accepted);
        checks.sometimes("a-request-was-let-through", served.count() as u64);
    },
};

const RETRY_AFTER: Property = Property {
    name: "retry-after-leads-into-the-next-window",
    promise: "functions-patterns.md 3: retryAfter",
    says: "retryAfter is at least a second and at most a window, and who waits for so long is in the next window",
    check: |seen, checks| {
        let window_s = seen.scenario.system.get("window_s");
        let (mut checked, mut wrong, mut soon) = (0, None, 0);
        for (number, act, done, Refusal { retry_after }) in limited(seen) {
            checked += 1;
            soon += u64::from(retry_after <= 2);
            // By the worker's clock, at some moment between the first attempt and the last answer.
            let wait = retry_after * SECOND;
            let back_in = windows(done.first_sent + wait, done.answered + wait, window_ms(seen.scenario));
            let leads_on = back_in.start() < back_in.end() || window_s * SECOND <= 4 * NEAR_AN_EDGE;
            if !(1..=window_s).contains(&retry_after) || !leads_on {
                wrong.get_or_insert_with(|| {
                    let user = user_id(act.user);
                    format!(
                        "request {number} of {user} is to come back after {retry_after} s, far from a window's edge"
                    )
                });
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.swarm.is_some() {
            checks.sometimes("a-request-was-refused-near-a-windows-edge", soon);
        }
    },
};
