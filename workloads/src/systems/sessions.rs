//! User sessions by On Request Functions (kvstore-module.md, example 3).

use std::collections::BTreeMap;

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::{MINUTE, MS, Nanos, SECOND};
use headcount_engine::functions::{Function, Needs, Secrets};
use headcount_engine::message::{ChannelList, HttpRequest};
use headcount_engine::patterns::sessions::{self, COUNT_JOB, Count, LoggedIn, Login, Valid};
use headcount_engine::scheduler::Job;
use headcount_engine::timetoken::unix_ms;
use headcount_sim::Stream;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::{Done, Fate};
use super::{Doing, System, to_json};
use crate::crowd::plan::user_id;
use crate::scenario::{Scenario, Setting};

/// User sessions.
pub struct Sessions;

const LOGIN: u8 = 0;
const FORGED: u8 = 1;
const USE: u8 = 2;
const LOGOUT: u8 = 3;
const USE_AFTER: u8 = 4;
const USE_LATE: u8 = 5;
const COUNT: u8 = 6;

/// A session lives by a store's clock, which is off by up to 5 s or jumps by as much, and a call may be under way for as long as
/// a Function may run.
const NEAR_ITS_END: Nanos = 20 * SECOND;

/// A key that was written while its store's clock was off lives longer or less long by as much.
const CLOCK_OFF: Nanos = 6 * SECOND;

impl System for Sessions {
    fn word(&self) -> &'static str {
        "sessions"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            // Example 3: 24 hours.
            Setting { key: "session_minutes", default: 1_440, low: 1, high: 1_440 },
            Setting { key: "count_every_ms", default: 5_000, low: 100, high: 3_600_000 },
            // Sessions that are logged out; of the others so many are used until the count was read, and the rest expire.
            Setting { key: "logout_ppm", default: 500_000, ..Setting::PPM },
            Setting { key: "kept_ppm", ..Setting::PPM },
            Setting { key: "forged_ppm", ..Setting::PPM },
            // How often somebody reads the count, once nobody logs in any more.
            Setting { key: "counts", default: 0, low: 0, high: 1_000 },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        sessions::READINGS
    }

    fn remedy(&self) -> &'static str {
        "A session is named by who logs in and by the request, so a repeated login finds the same one. It is two keys \
         that do not undo each other, one that it is active and one that it has ended. Nothing is counted up or down: \
         a job counts keys."
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        sessions::functions(scenario.variant.in_engine(), scenario.system.get("session_minutes") as u32)
    }

    fn needs(&self, scenario: &Scenario) -> Vec<Needs> {
        sessions::needs(scenario.variant.in_engine())
    }

    fn jobs(&self, scenario: &Scenario) -> Vec<Job> {
        vec![Job { name: COUNT_JOB.into(), interval: scenario.system.get("count_every_ms") * MS }]
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(sessions::rights(scenario.system.token_ttl_minutes))
    }

    fn secrets(&self) -> Secrets {
        sessions::secrets()
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["login", "forged_login", "use", "logout", "use_after_logout", "use_when_expired", "count"]
    }

    /// `what` is the session.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let get = |key| scenario.system.get(key);
        let (life, to) = (life(scenario), scenario.system.to);
        let mut acts = Vec::new();
        for (session, (at, user)) in (0..).zip(moments(scenario, dice)) {
            let mut act = |at, kind| acts.push(Act { at, user, kind, what: [session, 0] });
            let seconds = |dice: &mut Stream, low, high| dice.between(low, high) * SECOND;
            act(at, LOGIN);
            if dice.chance(get("forged_ppm") as u32) {
                act(at + dice.between(10, 3_000) * MS, FORGED);
            }
            let mut used = at + dice.between(500, 5_000) * MS;
            act(used, USE);
            if dice.chance(get("logout_ppm") as u32) {
                let out = used + dice.between(500, 10_000) * MS;
                // A use at the same moment: it may come before or after.
                act(out + dice.between(0, 20) * MS, USE);
                act(out + dice.between(0, 20) * MS, LOGOUT);
                act(out + seconds(dice, 1, 10), USE_AFTER);
            } else if dice.chance(get("kept_ppm") as u32) {
                while used < to + READ_FOR {
                    used += life / 4 + dice.below(life / 4);
                    act(used, USE);
                }
            } else {
                act(used + life + NEAR_ITS_END + seconds(dice, 5, 20), USE_LATE);
            }
        }
        for _ in 0..get("counts") {
            let user = dice.below(u64::from(scenario.system.users)) as u32;
            acts.push(Act { at: to + dice.between(CALM_AFTER, READ_FOR), user, kind: COUNT, what: [0, 0] });
        }
        acts
    }

    fn counts(&self) -> &'static [&'static str] {
        &["sessions.errors", "sessions.forged"]
    }

    fn channels(&self, _: &Scenario, _: u32) -> ChannelList {
        ChannelList::default()
    }

    fn brings(&self, act: &Act) -> Option<u32> {
        (act.kind == LOGIN).then_some(act.what[0])
    }

    fn made_from(&self, act: &Act) -> Option<u32> {
        matches!(act.kind, USE | LOGOUT | USE_AFTER | USE_LATE).then_some(act.what[0])
    }

    fn doing(&self, scenario: &Scenario, number: u32, act: &Act) -> Doing {
        if act.kind == COUNT {
            return call("count", "");
        }
        let user = if act.kind == FORGED { (act.user + 1) % scenario.system.users.max(2) } else { act.user };
        let login = Login { user_id: user_id(user), request_id: format!("login{number}") };
        call("login", &to_json(&login))
    }

    fn doing_with(&self, _: &Scenario, _: u32, act: &Act, answer: &str) -> Doing {
        let session = serde_json::from_str(answer).map_or_else(|_| String::new(), |in_: LoggedIn| in_.session_token);
        let Doing::Http { base, mut request } = call(if act.kind == LOGOUT { "logout" } else { "validate" }, "") else {
            unreachable!("sessions are called by HTTP");
        };
        request.headers.push(("Authorization".into(), format!("Bearer {session}").into()));
        Doing::Http { base, request }
    }

    fn properties(&self) -> &'static [Property] {
        &[LOGGED_OUT, EXPIRED, OWN, COUNTED]
    }
}

/// So long after the last login, and until then, the count is read; a network has healed by the first.
const CALM_AFTER: Nanos = 25 * SECOND;
const READ_FOR: Nanos = 80 * SECOND;

fn life(scenario: &Scenario) -> Nanos {
    scenario.system.get("session_minutes") * MINUTE
}

fn call(action: &str, body: &str) -> Doing {
    let request = HttpRequest::new("POST", format!("{}?action={action}", sessions::PATH), body);
    Doing::Http { base: sessions::PATH, request }
}

fn is_use(act: &Act) -> bool {
    matches!(act.kind, USE | USE_AFTER | USE_LATE)
}

/// What users did with a session that they logged in to.
#[derive(Default)]
struct Session<'a> {
    login: Option<&'a Done>,
    uses: Vec<&'a Done>,
    logout: Option<&'a Done>,
}

impl Session<'_> {
    /// Attempts that may have kept it alive: logins and uses, each from when it was first sent until it was last answered.
    fn activity(&self) -> impl Iterator<Item = &Done> {
        self.login.iter().chain(&self.uses).copied().filter(|done| done.attempts > 0)
    }

    /// Whether it was active, beyond doubt, from one moment to another.
    fn was_active(&self, from: Nanos, to: Nanos, life: Nanos) -> bool {
        let kept = |done: &Done| {
            done.fate == Fate::Accepted && done.answered < from && done.first_sent + life > to + CLOCK_OFF
        };
        self.activity().any(kept) && self.logout.is_none_or(|out| out.attempts == 0 || out.first_sent > to)
    }

    /// Whether it may have been active at some moment between two.
    fn may_have_been_active(&self, from: Nanos, to: Nanos, life: Nanos) -> bool {
        let began = self.login.is_some_and(|login| login.attempts > 0 && login.first_sent < to);
        let ended = self.logout.is_some_and(|out| out.fate == Fate::Accepted && out.answered < from);
        let kept = |done: &Done| match done.fate {
            Fate::Refused(_) => false,
            Fate::Accepted => done.answered + life + CLOCK_OFF > from,
            Fate::Open | Fate::GaveUp => true,
        };
        began && !ended && self.activity().any(kept)
    }
}

fn sessions_of<'a>(seen: &'a Seen<'_>) -> BTreeMap<u32, Session<'a>> {
    let mut sessions: BTreeMap<u32, Session<'_>> = BTreeMap::new();
    for (_, act, done) in seen.acts().filter(|(_, act, _)| !matches!(act.kind, FORGED | COUNT)) {
        let session = sessions.entry(act.what[0]).or_default();
        match act.kind {
            LOGIN => session.login = Some(done),
            LOGOUT => session.logout = Some(done),
            _ => session.uses.push(done),
        }
    }
    sessions
}

const LOGGED_OUT: Property = Property {
    name: "a-logged-out-session-is-refused",
    promise: "kvstore-module.md, example 3: logout ends the session",
    says: "a session is never valid for a call that was first sent after its logout was answered",
    check: |seen, checks| {
        let (mut checked, mut wrong, mut raced) = (0, None, 0);
        for (number, session) in sessions_of(seen) {
            let Some(out) = session.logout.filter(|out| out.fate == Fate::Accepted) else { continue };
            for used in session.uses.iter().filter(|used| used.attempts > 0) {
                raced += u64::from(used.first_sent <= out.answered && used.answered >= out.first_sent);
                if used.first_sent <= out.answered {
                    continue;
                }
                checked += 1;
                if used.fate == Fate::Accepted {
                    wrong.get_or_insert_with(|| {
                        let after = (used.first_sent - out.answered) / MS;
                        format!("session {number} was valid for a call {after} ms after it had been logged out")
                    });
                }
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("a-logged-out-session-was-tried", checked);
        checks.sometimes("a-session-was-used-while-it-was-logged-out", raced);
    },
};

const EXPIRED: Property = Property {
    name: "expired-means-expired",
    promise: "kvstore-module.md, example 3: sessions have a life",
    says: "a session is valid while it is used within its life and not logged out, and not after",
    check: |seen, checks| {
        let life = life(seen.scenario);
        let (mut checked, mut wrong, mut expired) = (0, None, 0);
        for (number, session) in sessions_of(seen) {
            for used in session.uses.iter().filter(|used| used.attempts > 0 && used.answered > 0) {
                checked += 1;
                // Kept by anything that was under way not longer than a life before.
                let from = used.first_sent.saturating_sub(life + NEAR_ITS_END);
                let kept = |done: &Done| {
                    !std::ptr::eq(done, *used)
                        && done.first_sent <= used.answered
                        && (done.answered >= from || !matches!(done.fate, Fate::Accepted | Fate::Refused(_)))
                };
                let was_kept = session.activity().any(kept);
                expired += u64::from(!was_kept);
                let due = used.first_sent.saturating_sub(NEAR_ITS_END)..=used.answered + NEAR_ITS_END;
                let wrongly = match used.fate {
                    Fate::Accepted => !was_kept,
                    Fate::Refused(_) => session.was_active(used.first_sent, *due.end(), life),
                    Fate::Open | Fate::GaveUp => false,
                };
                if wrongly {
                    wrong.get_or_insert_with(|| {
                        format!("session {number}, used at {} ms, was {:?}", used.first_sent / MS, used.fate)
                    });
                }
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("an-expired-session-was-tried", expired);
    },
};

const OWN: Property = Property {
    name: "nobody-has-the-session-of-another",
    promise: "kvstore-module.md, example 3: a session is its user's",
    says: "a login under another's name is refused, and a valid session names who logged in",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        for (_, act, done) in seen.acts().filter(|(_, _, done)| done.fate == Fate::Accepted) {
            let fine = match act.kind {
                FORGED => false,
                _ if is_use(act) => done.answer().is_some_and(|named: Valid| named.user_id == user_id(act.user)),
                _ => continue,
            };
            checked += 1;
            if !fine {
                wrong.get_or_insert_with(|| {
                    let kind = seen.kind(act);
                    format!("a {kind} of {} was answered {:?}", user_id(act.user), done.body)
                });
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.system.get("forged_ppm") > 0 {
            checks.sometimes("somebody-logged-in-as-another", seen.answered(FORGED).count() as u64);
        }
    },
};

/// What a network needs to catch up once it has healed.
const CAUGHT_UP: Nanos = 20 * SECOND;
/// What lies between a use and its key in the region where keys are counted, without faults.
const SOON: Nanos = 3 * SECOND;
/// A count is read so long after it was made, and as long as making it took.
const STALE: Nanos = 30 * SECOND;

const COUNTED: Property = Property {
    name: "the-count-of-active-sessions-does-not-drift",
    promise: "kvstore-module.md, example 3: track active sessions count",
    says: "a count that is read once the world has been calm is that of the sessions that were active when it was made",
    check: |seen, checks| {
        let (sessions, life) = (sessions_of(seen), life(seen.scenario));
        let calm = seen.calm_from(CAUGHT_UP);
        let epoch_ms = unix_ms(0);
        let (mut checked, mut wrong, mut some) = (0, None, 0);
        for (_, act, done) in seen.ended(COUNT, Fate::Accepted) {
            let Some(count) = done.answer::<Count>() else {
                wrong.get_or_insert_with(|| format!("{} read the count {:?}", user_id(act.user), done.body));
                continue;
            };
            let at = |ms: Option<u64>, else_: Nanos| ms.map_or(else_, |ms| ms.saturating_sub(epoch_ms) * MS);
            let (from, to) = (at(count.from_ms, done.first_sent), at(count.to_ms, done.answered));
            if from < calm {
                continue;
            }
            checked += 1;
            some += u64::from(count.active > 0);
            let (low, high) = (from.saturating_sub(SOON), to + SOON);
            let sure = sessions.values().filter(|session| session.was_active(low, high, life)).count() as i64;
            let most = sessions.values().filter(|session| session.may_have_been_active(low, high, life)).count() as i64;
            let stale = done.first_sent > to + STALE + (to - from);
            if stale || !(sure..=most).contains(&count.active) {
                wrong.get_or_insert_with(|| {
                    let (active, from, to) = (count.active, from / MS, to / MS);
                    let read = done.answered / MS;
                    format!("the count read at {read} ms was {active}, of {from} to {to} ms, when {sure} to {most} were active")
                });
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.system.get("counts") > 0 {
            checks.sometimes("a-count-was-read", checked);
            if seen.scenario.system.get("kept_ppm") > 0 {
                checks.sometimes("a-count-was-not-zero", some);
            }
        }
    },
};
