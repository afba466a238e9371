//! Token authentication, refresh and revocation (integration-patterns.md, pattern 1).

use std::collections::{BTreeMap, BTreeSet};

use headcount_engine::auth::{AuthOptions, GrantRules};
use headcount_engine::contract::{MINUTE, MS, Nanos, SECOND};
use headcount_engine::message::{Call, ChannelList, Envelope};
use headcount_engine::patterns::tokens::{self, Note, inbox, team_channel};
use headcount_sim::Stream;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::{Fate, NOTED_USERS_MAX};
use super::users::rules::ClientRules;
use super::{Doing, Judged, Reply, System, to_json};
use crate::crowd::plan::{user_id, user_of};
use crate::scenario::{NodeKind, Scenario, Setting, Variant};

/// Token authentication.
pub struct Tokens;

const NOTE: u8 = 0;
const TRESPASS: u8 = 1;
const SNOOP: u8 = 2;
const LOGOUT: u8 = 3;
const THEFT: u8 = 4;

/// From a goodbye to the end of every token: the access manager spreads a revocation after 10 s (platform.md 2.10), by streams that
/// send again after at most 8 s what was lost; the rest is the way.
const REVOKED_WITHIN: Nanos = 20 * SECOND;

impl System for Tokens {
    fn word(&self) -> &'static str {
        "tokens"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting { key: "teams", default: 4, low: 1, high: 100_000 },
            // Pattern 1 refreshes five minutes before the end.
            Setting { key: "refresh_before_s", default: 300, low: 0, high: 86_400 },
            // Parts in a million: of users who say goodbye, and of messages to somebody else's inbox, and looks into one.
            Setting { key: "logout_ppm", ..Setting::PPM },
            Setting { key: "trespass_ppm", ..Setting::PPM },
            Setting { key: "snoop_ppm", ..Setting::PPM },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        tokens::READINGS
    }

    fn remedy(&self) -> &'static str {
        "A goodbye revokes every token that its session was ever given, and is answered when the access manager has each. A \
         refresh that fails is tried again until the edge has answered, on the connection that is there and from its cursor: what \
         was published in between comes from the cursor, or comes twice."
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        let teams = scenario.system.get("teams") as u32;
        Box::new(tokens::rights(scenario.system.token_ttl_minutes, teams, user_of))
    }

    /// Short tokens are asked for more often than ten an hour.
    fn auth(&self, scenario: &Scenario, options: AuthOptions) -> AuthOptions {
        let logout = tokens::logout_rule(scenario.variant.in_engine());
        AuthOptions { tokens_per_hour_max: 1_000, logout, ..options }
    }

    fn client(&self, scenario: &Scenario) -> ClientRules {
        ClientRules {
            refresh_before: Some(refresh_before(scenario)),
            tries_refresh_again: scenario.variant == Variant::Hardened,
            ..ClientRules::default()
        }
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["note", "trespass", "snoop", "logout", "theft"]
    }

    /// Who says goodbye does so a little after the first refresh, and somebody who has a copy of the token before uses it when
    /// it should be revoked and has not expired.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let table = &scenario.system;
        let ppm = |key| table.get(key) as u32;
        let refreshed = table.join_to + life(scenario).saturating_sub(refresh_before(scenario));
        let mut acts = Vec::new();
        let mut leaves = vec![Nanos::MAX; table.users as usize];
        for (user, leaves) in (0..).zip(&mut leaves) {
            let (goes, after, then) =
                (dice.chance(ppm("logout_ppm")), dice.between(3_000, 15_000), dice.between(1, 25_000));
            if goes {
                *leaves = refreshed + after * MS;
                acts.push(Act { at: *leaves, user, kind: LOGOUT, what: [0, 0] });
                acts.push(Act { at: *leaves + REVOKED_WITHIN + then * MS, user, kind: THEFT, what: [0, 0] });
            }
        }
        for (at, user) in moments(scenario, dice) {
            let (trespass, snoop) = (dice.chance(ppm("trespass_ppm")), dice.chance(ppm("snoop_ppm")));
            let kind = match (trespass, snoop) {
                (true, _) => TRESPASS,
                (false, true) => SNOOP,
                (false, false) => NOTE,
            };
            if at < leaves[user as usize] {
                acts.push(Act { at, user, kind, what: [(user + 1) % table.users, 0] });
            }
        }
        acts
    }

    fn channels(&self, scenario: &Scenario, user: u32) -> ChannelList {
        [team_channel(team(scenario, user)), inbox(&user_id(user))].into_iter().map(Into::into).collect()
    }

    fn needs_edge(&self, act: &Act) -> bool {
        !matches!(act.kind, LOGOUT | THEFT)
    }

    fn doing(&self, scenario: &Scenario, number: u32, act: &Act) -> Doing {
        let others = inbox(&user_id(act.what[0])).into();
        let note = |channel| Call::Publish { channel, payload: to_json(&Note { number }), store: true };
        let own = team_channel(team(scenario, act.user)).into();
        match act.kind {
            TRESPASS => Doing::Api(note(others)),
            SNOOP => Doing::Api(Call::History { channel: others, start: None, max: 100 }),
            LOGOUT => Doing::Logout,
            THEFT => Doing::WithOldToken(note(own)),
            _ => Doing::Api(note(own)),
        }
    }

    /// Who has no right does not ask for a new token.
    fn judge(&self, act: &Act, reply: &Reply<'_>) -> Judged {
        match (act.kind, reply.by_status()) {
            (TRESPASS | SNOOP, Judged::NewToken) if reply.is_for_a_right() => Judged::Refused(403),
            (THEFT, Judged::NewToken) => Judged::Refused(403),
            (_, judged) => judged,
        }
    }

    fn shows(&self, envelope: &Envelope) -> Option<u32> {
        Some(serde_json::from_str::<Note>(&envelope.payload).ok()?.number)
    }

    fn properties(&self) -> &'static [Property] {
        &[RIGHTS, REVOKED, RECEIVED]
    }
}

fn team(scenario: &Scenario, user: u32) -> u32 {
    user % scenario.system.get("teams") as u32
}

fn life(scenario: &Scenario) -> Nanos {
    u64::from(scenario.system.token_ttl_minutes) * MINUTE
}

fn refresh_before(scenario: &Scenario) -> Nanos {
    scenario.system.get("refresh_before_s") * SECOND
}

const RIGHTS: Property = Property {
    name: "nobody-publishes-or-reads-without-the-right",
    promise: "integration-patterns.md 1: validate token permissions",
    says: "no message to somebody else's inbox and no look into one is accepted, and nobody hears another team",
    check: |seen, checks| {
        let trials = || seen.acts().filter(|(_, act, done)| matches!(act.kind, TRESPASS | SNOOP) && done.answered > 0);
        let accepted = trials().find(|(_, _, done)| done.fate == Fate::Accepted);
        let mut wrong = accepted.map(|(number, act, _)| format!("act {number} of {} was accepted", user_id(act.user)));
        let mut checked = trials().count() as u64;
        for (user, heard) in seen.told() {
            checked += 1;
            let channel = &heard.envelope.channel;
            if !seen.system.channels(seen.scenario, user).contains(channel) {
                wrong.get_or_insert_with(|| format!("{} heard {channel}", user_id(user)));
            }
        }
        checks.always(checked, wrong);
        let refused = |kind| seen.ended(kind, Fate::Refused(403)).count() as u64;
        if seen.scenario.system.get("trespass_ppm") > 0 {
            checks.sometimes("a-message-without-the-right-was-refused", refused(TRESPASS));
        }
        if seen.scenario.system.get("snoop_ppm") > 0 {
            checks.sometimes("a-look-without-the-right-was-refused", refused(SNOOP));
        }
    },
};

const REVOKED: Property = Property {
    name: "revoked-means-revoked",
    promise: "integration-patterns.md, token management: revoke on logout; platform.md 2.10: not instant",
    says: "20 s after a goodbye was answered, and after the last fault before, no token of that user is accepted",
    check: |seen, checks| {
        let goodbyes: BTreeMap<u32, Nanos> =
            seen.ended(LOGOUT, Fate::Accepted).map(|(_, act, done)| (act.user, done.answered)).collect();
        let (mut checked, mut refused, mut wrong) = (0, 0, None);
        for (number, act, done) in seen.answered(THEFT) {
            let Some(&answered) = goodbyes.get(&act.user) else { continue };
            let before = seen.faults.iter().filter(|fault| fault.start <= done.answered);
            let since = before.map(|fault| fault.end).max().unwrap_or(0).max(answered);
            if done.first_sent < since + REVOKED_WITHIN {
                continue;
            }
            checked += 1;
            refused += u64::from(done.fate == Fate::Refused(403));
            if done.fate == Fate::Accepted {
                wrong.get_or_insert_with(|| {
                    let ms = (done.first_sent - answered) / MS;
                    format!("message {number} of {} was accepted {ms} ms after the goodbye", user_id(act.user))
                });
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.system.get("logout_ppm") > 0 {
            checks.sometimes("somebody-said-goodbye", goodbyes.len() as u64);
            checks.sometimes("a-revoked-token-was-refused", refused);
        }
    },
};

/// Whether nothing on the way from an edge to its users, and nothing that holds what is published, failed.
fn reaches_everybody(seen: &Seen<'_>) -> bool {
    let is_harmless = |fault: &headcount_sim::FaultWindow| match fault.kind {
        "partition" | "one_way_partition" | "degrade" | "crash_region" => false,
        "crash" | "pause" => {
            !matches!(seen.hit(fault), None | Some(NodeKind::Edge | NodeKind::Broker | NodeKind::Users))
        }
        _ => true,
    };
    seen.faults.iter().all(is_harmless)
}

const RECEIVED: Property = Property {
    name: "nothing-is-lost-across-a-refresh",
    promise: "integration-patterns.md 1: token refresh",
    says: "after healing, where neither network nor edges nor brokers failed, an accepted message came to everybody of the team who \
           had been connected before and stays, whatever became of tokens meanwhile",
    check: |seen, checks| {
        let noted = seen.scenario.system.users <= NOTED_USERS_MAX;
        let reached = reaches_everybody(seen);
        let heard: BTreeSet<(u32, u32)> = seen.told().filter_map(|(user, heard)| Some((user, heard.shows?))).collect();
        let (mut here, mut leaves) = (BTreeMap::<u32, Nanos>::new(), BTreeSet::new());
        for (_, act, done) in seen.acts() {
            match act.kind {
                LOGOUT => _ = leaves.insert(act.user),
                THEFT => {}
                _ if done.attempts > 0 => {
                    let first = here.entry(act.user).or_insert(done.first_sent);
                    *first = done.first_sent.min(*first);
                }
                _ => {}
            }
        }
        let (mut checked, mut wrong) = (0, None);
        for (number, act, done) in seen.ended(NOTE, Fate::Accepted).filter(|_| noted && reached) {
            let members = (0..seen.scenario.system.users)
                .filter(|user| team(seen.scenario, *user) == team(seen.scenario, act.user));
            for user in members.filter(|user| !leaves.contains(user)) {
                // Who did something was connected; a second is more than a handshake takes.
                if here.get(&user).is_some_and(|since| since + SECOND < done.first_sent) {
                    checked += 1;
                    if !heard.contains(&(user, number)) {
                        wrong.get_or_insert_with(|| format!("message {number} never came to {}", user_id(user)));
                    }
                }
            }
        }
        checks.eventually(checked, wrong);
        checks.sometimes("a-token-was-refreshed", seen.records.iter().map(|record| record.refreshes).sum());
        checks.sometimes("a-message-was-accepted", seen.ended(NOTE, Fate::Accepted).count() as u64);
    },
};
