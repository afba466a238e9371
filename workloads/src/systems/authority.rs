//! Server-authoritative voting (integration-patterns.md, pattern 2).

use std::collections::{BTreeMap, BTreeSet};

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::{MINUTE, MS, Nanos, Node};
use headcount_engine::limits::Limits;
use headcount_engine::message::{Call, ChannelList};
use headcount_engine::patterns::authority::{
    self, Choice, Gap, SERVER, Server, ServerConfig, Submission, Tally, result_channel, submit_channel,
};
use headcount_engine::timetoken::Timetoken;
use headcount_sim::Stream;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::Fate;
use super::windows::NEAR_AN_EDGE;
use super::{Doing, Judged, OwnCounter, Reply, ServerAt, System, ears, to_json};
use crate::crowd::plan::user_id;
use crate::scenario::{NodeKind, Scenario, Setting, Variant};

/// Server-authoritative voting.
pub struct Authority;

const VOTE: u8 = 0;
const DOUBLE: u8 = 1;
const SECOND_VOTE: u8 = 2;
const FORGERY: u8 = 3;

const OPTIONS: u32 = 3;

impl System for Authority {
    fn word(&self) -> &'static str {
        "authority"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting { key: "sessions", default: 4, low: 1, high: 10_000 },
            // Between two questions of the server's.
            Setting { key: "poll_ms", default: 500, low: 10, high: 60_000 },
            // Parts in a million of votes that come with a second one: the same, another, and a result of the voter's own making.
            Setting { key: "double_click_ppm", ..Setting::PPM },
            Setting { key: "second_vote_ppm", ..Setting::PPM },
            Setting { key: "forged_ppm", ..Setting::PPM },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        authority::READINGS
    }

    fn remedy(&self) -> &'static str {
        "The server asks from a cursor that it stores with the votes, so that a crash loses nothing that a queue holds, and says so when \
         more may be gone. A vote is known by session and publisher; tallies are numbered, and said again until they are heard."
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(authority::rights(scenario.system.token_ttl_minutes))
    }

    fn has_server(&self) -> bool {
        true
    }

    fn server(&self, scenario: &Scenario, at: ServerAt) -> Option<Box<dyn Node>> {
        let limits = Limits::named(&scenario.limits).expect("the scenario's limits profile is known");
        Some(Box::new(Server::new(ServerConfig {
            variant: scenario.variant.in_engine(),
            auth: at.auth,
            edges: at.edges,
            poll: scenario.system.get("poll_ms") * MS,
            queue_messages: limits.queue_messages.value.map_or(usize::MAX, |max| max as usize),
            remembered: Nanos::from(limits.catch_up_minutes.value) * MINUTE,
        })))
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["vote", "double_click", "second_vote", "forgery"]
    }

    /// `what` is the session and the option.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let sessions = scenario.system.get("sessions") as u32;
        let ppm = |key| scenario.system.get(key) as u32;
        let mut votes = vec![0u32; scenario.system.users as usize];
        let mut acts = Vec::new();
        for (at, user) in moments(scenario, dice) {
            let nth = &mut votes[user as usize];
            *nth += 1;
            if *nth > sessions {
                continue;
            }
            let (session, option) = ((user * 7 + *nth) % sessions, dice.below(u64::from(OPTIONS)) as u32);
            let mut act =
                |after: Nanos, kind, option| acts.push(Act { at: at + after, user, kind, what: [session, option] });
            act(0, VOTE, option);
            let mut happens = |key| (dice.chance(ppm(key)), dice.between(5, 3_000) * MS);
            for (key, kind, option) in [
                ("double_click_ppm", DOUBLE, option),
                ("second_vote_ppm", SECOND_VOTE, (option + 1) % OPTIONS),
                ("forged_ppm", FORGERY, option),
            ] {
                let (is_so, after) = happens(key);
                if is_so {
                    act(after, kind, option);
                }
            }
        }
        acts
    }

    fn channels(&self, scenario: &Scenario, user: u32) -> ChannelList {
        ears::channels(scenario, user, &["vote-result.*"])
    }

    fn doing(&self, _: &Scenario, number: u32, act: &Act) -> Doing {
        let [session, option] = act.what;
        let option_id = format!("option_{option}");
        if act.kind == FORGERY {
            let session = session_id(session);
            let tally = Tally {
                kind: "vote.tally".into(),
                options: [(option_id, 1_000_000)].into(),
                total_votes: 1_000_000,
                version: u64::from(u32::MAX),
                incomplete: false,
                session_id: session.clone(),
            };
            let channel = result_channel(&session).into();
            return Doing::Api(Call::Publish { channel, payload: to_json(&tally), store: true });
        }
        let vote = Submission {
            kind: "vote.submit".into(),
            schema_version: "1.0".into(),
            // Made anew for each submission, as the document's client does.
            event_id: format!("vote_{number}"),
            payload: Choice { option_id },
        };
        Doing::Api(Call::Publish { channel: submit_channel(session).into(), payload: to_json(&vote), store: true })
    }

    /// Who has no right to publish results does not ask for a new token.
    fn judge(&self, act: &Act, reply: &Reply<'_>) -> Judged {
        match reply.by_status() {
            Judged::NewToken if act.kind == FORGERY && reply.is_for_a_right() => Judged::Refused(403),
            judged => judged,
        }
    }

    fn counters(&self) -> &'static [OwnCounter] {
        &[
            ("server.caught_up", |seen| server(seen).books().caught_up),
            ("server.duplicates", |seen| server(seen).books().duplicates),
            ("server.gaps", |seen| server(seen).books().gaps.len() as u64),
            ("server.votes", |seen| server(seen).books().votes.values().map(|votes| votes.len() as u64).sum()),
        ]
    }

    fn properties(&self) -> &'static [Property] {
        &[FORGED, ONCE, NOTHING_LOST, CONVERGE]
    }
}

fn session_id(session: u32) -> String {
    format!("session{session}")
}

fn server<'a>(seen: &Seen<'a>) -> &'a Server {
    seen.server().expect("somebody counts")
}

/// Tallies that came to somebody, and when.
fn tallies<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = (&'a str, Nanos, Timetoken, Tally)> + 'a {
    seen.read().map(|(heard, tally)| (&*heard.envelope.publisher, heard.at, heard.envelope.timetoken, tally))
}

/// By session: who submitted a vote and when first, and whether any of the submissions was accepted by the platform.
fn voters(seen: &Seen<'_>) -> BTreeMap<String, BTreeMap<u32, (Nanos, bool)>> {
    let mut voters: BTreeMap<String, BTreeMap<u32, (Nanos, bool)>> = BTreeMap::new();
    for (_, act, done) in seen.acts().filter(|(_, act, done)| act.kind != FORGERY && done.attempts > 0) {
        let session = voters.entry(session_id(act.what[0])).or_default();
        let (first, accepted) = session.entry(act.user).or_insert((done.first_sent, false));
        *first = done.first_sent.min(*first);
        *accepted |= done.fate == Fate::Accepted;
    }
    voters
}

const FORGED: Property = Property {
    name: "no-forged-tally-is-accepted",
    promise: "integration-patterns.md 2: clients cannot forge critical events",
    says: "nobody but the server gets a result published, and nobody hears one of anybody else",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        for (number, act, done) in seen.answered(FORGERY) {
            checked += 1;
            if done.fate == Fate::Accepted {
                wrong.get_or_insert_with(|| {
                    format!("the result that {} made in act {number} was accepted", user_id(act.user))
                });
            }
        }
        for (publisher, .., tally) in tallies(seen) {
            checked += 1;
            if publisher != SERVER {
                wrong.get_or_insert_with(|| format!("a result of {} came from {publisher}", tally.session_id));
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.system.get("forged_ppm") > 0 {
            checks.sometimes("a-forged-tally-was-refused", seen.ended(FORGERY, Fate::Refused(403)).count() as u64);
        }
    },
};

const ONCE: Property = Property {
    name: "a-submitted-vote-counts-once",
    promise: "integration-patterns.md 2: check for duplicate",
    says: "no tally counts more votes than users had submitted one in that session, and its total is the sum of its options",
    check: |seen, checks| {
        let voters = voters(seen);
        let (mut checked, mut wrong) = (0, None);
        for (_, at, _, tally) in tallies(seen) {
            checked += 1;
            let users = voters.get(&tally.session_id);
            let could = users.map_or(0, |users| users.values().filter(|(sent, _)| *sent <= at).count() as u64);
            if tally.total_votes > could || tally.total_votes != tally.options.values().sum::<u64>() {
                wrong.get_or_insert_with(|| format!("{could} users had voted, and the result was {tally:?}"));
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("a-result-was-heard", checked);
        let twice = seen.acts().filter(|(_, act, done)| matches!(act.kind, DOUBLE | SECOND_VOTE) && done.attempts > 0);
        if seen.scenario.system.get("double_click_ppm") + seen.scenario.system.get("second_vote_ppm") > 0 {
            checks.sometimes("somebody-submitted-twice", twice.count() as u64);
        }
    },
};

/// Whether a broker died: what its region's log held and had not handed on died with it, and no server can know of it.
fn a_broker_died(seen: &Seen<'_>) -> bool {
    let died = |fault: &headcount_sim::FaultWindow| fault.kind == "crash" && seen.hit(fault) == Some(NodeKind::Broker);
    seen.faults.iter().any(died)
}

const NOTHING_LOST: Property = Property {
    name: "no-vote-is-lost-in-silence",
    promise: "integration-patterns.md 2: server subscribes; platform.md 2.4: a queue of 100 messages",
    says: "after healing, whoever's vote the platform accepted is in the server's books, or the server says that votes from that \
           time may be missing",
    check: |seen, checks| {
        let books = server(seen).books();
        let stored = |session: &str, user: u32| {
            let votes = books.votes.get(session);
            votes.is_some_and(|votes| votes.contains_key(&*user_id(user)))
        };
        // The document's books know votes by their events.
        let events: BTreeSet<&str> = books.votes.values().flat_map(|votes| votes.keys().map(|key| &**key)).collect();
        let died = a_broker_died(seen);
        let said = |from: Nanos, to: Nanos| {
            let meets = |gap: &Gap| from <= gap.to + NEAR_AN_EDGE && gap.from.saturating_sub(NEAR_AN_EDGE) <= to;
            books.gaps.iter().any(meets)
        };
        let (mut checked, mut missing, mut wrong) = (0, 0, None);
        let votes = seen.acts().filter(|(_, act, done)| act.kind != FORGERY && done.fate == Fate::Accepted);
        for (number, act, done) in votes {
            checked += 1;
            let session = session_id(act.what[0]);
            if stored(&session, act.user) || events.contains(&*format!("vote_{number}")) {
                continue;
            }
            missing += 1;
            if !died && !said(done.first_sent, done.answered) {
                wrong.get_or_insert_with(|| {
                    let ms = done.answered / MS;
                    format!(
                        "the vote of {} in {session}, accepted at {ms} ms, is nowhere, and nobody says so",
                        user_id(act.user)
                    )
                });
            }
        }
        checks.eventually(checked, wrong);
        checks.sometimes("a-vote-was-stored", checked - missing);
        if seen.scenario.swarm.is_some() && seen.scenario.variant == Variant::Hardened {
            checks.sometimes("a-server-caught-up", books.caught_up);
            checks.sometimes("a-gap-was-said", books.gaps.len() as u64);
        }
    },
};

const CONVERGE: Property = Property {
    name: "the-last-tally-is-the-servers-count",
    promise: "integration-patterns.md 2: publish authoritative result",
    says: "after healing, the newest tally that anybody heard of a session counts all of the server's votes in it, each of a user \
           who submitted one, and says so if some may be missing",
    check: |seen, checks| {
        let books = server(seen).books();
        let voters = voters(seen);
        let mut newest: BTreeMap<String, (u64, Timetoken, Tally)> = BTreeMap::new();
        for (_, _, timetoken, tally) in tallies(seen) {
            let known = newest.get(&tally.session_id).map(|(version, at, _)| (*version, *at));
            if known < Some((tally.version, timetoken)) {
                newest.insert(tally.session_id.clone(), (tally.version, timetoken, tally));
            }
        }
        let mut wrong = None;
        for session in books.votes.keys() {
            let (right, could) = (books.tally(session), voters.get(session).map_or(0, BTreeMap::len) as u64);
            let last = newest.get(session).map(|(.., tally)| tally);
            let is_right =
                last.is_some_and(|last| (&last.options, last.incomplete) == (&right.options, right.incomplete));
            if !is_right || right.total_votes > could {
                wrong.get_or_insert_with(|| {
                    format!("{could} users voted, stored is {right:?}, the last heard is {last:?}")
                });
            }
        }
        checks.eventually(books.votes.len() as u64, wrong);
        checks.sometimes("a-session-had-votes", books.votes.len() as u64);
    },
};
