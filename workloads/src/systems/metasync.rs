//! App Context kept like the customer's database and like presence (integration-patterns.md, pattern 4).

use std::collections::{BTreeMap, BTreeSet};

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::{MS, Nanos, SECOND};
use headcount_engine::functions::{Function, Needs};
use headcount_engine::message::{Call, ChannelList, HttpRequest, ObjectsOp};
use headcount_engine::patterns::metasync::{
    self, Change, DATABASE_JOB, Database, PRESENCE, PRESENCE_JOB, Profile, Row,
};
use headcount_engine::scheduler::Job;
use headcount_sim::Stream;

use super::oracle::{Property, Seen};
use super::plan::{Absence, Act, moments};
use super::record::Fate;
use super::{Doing, ServiceSpec, System, to_json};
use crate::crowd::plan::user_id;
use crate::scenario::{Scenario, Setting};

/// Metadata synchronisation.
pub struct MetaSync;

const SIGN_UP: u8 = 0;
const RENAME: u8 = 1;
const PROMOTE: u8 = 2;
const LOOK: u8 = 3;

/// Users of a team: few enough for presence to tell of each.
const TEAM: u32 = 8;

impl System for MetaSync {
    fn word(&self) -> &'static str {
        "metasync"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting { key: "presence_timeout_s", default: 300, low: 20, high: 320 },
            Setting { key: "sync_every_ms", default: 1_000, low: 50, high: 3_600_000 },
            // Of renamings: those with which somebody else changes the role. Of users: those who come and go, and those who
            // go for good; and of both, those who do so without a word.
            Setting { key: "promote_ppm", ..Setting::PPM },
            Setting { key: "restless_ppm", ..Setting::PPM },
            Setting { key: "leaving_ppm", ..Setting::PPM },
            Setting { key: "silent_ppm", default: 500_000, ..Setting::PPM },
            // Users who look at their own profile once nobody changes anything any more.
            Setting { key: "looks", default: 0, low: 0, high: 100_000 },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        metasync::READINGS
    }

    fn remedy(&self) -> &'static str {
        "Each source writes its own fields alone. A row is written over the object that was read, and only if its version \
         is newer; the database remembers what has not arrived, and a job takes it. A presence event is a reason to look, and \
         another job looks where no event told."
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        metasync::functions(scenario.variant.in_engine())
    }

    fn needs(&self, scenario: &Scenario) -> Vec<Needs> {
        metasync::needs(scenario.variant.in_engine())
    }

    fn jobs(&self, scenario: &Scenario) -> Vec<Job> {
        let interval = scenario.system.get("sync_every_ms") * MS;
        [DATABASE_JOB, PRESENCE_JOB].map(|name| Job { name: name.into(), interval }).into()
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(metasync::rights(scenario.system.token_ttl_minutes))
    }

    fn services(&self, _: &Scenario) -> Vec<ServiceSpec> {
        vec![ServiceSpec { name: "database", base: metasync::DATABASE, serves: Box::new(Database::default()) }]
    }

    fn has_presence(&self) -> bool {
        true
    }

    fn presence_timeout_s(&self, scenario: &Scenario) -> u32 {
        scenario.system.get("presence_timeout_s") as u32
    }

    /// In the second half of the time, after everybody has signed up.
    fn absences(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Absence> {
        let ppm = |key| scenario.system.get(key) as u32;
        let (half, to) = (half(scenario), scenario.system.to);
        let mut absences = Vec::new();
        for user in 0..scenario.system.users {
            let (leaves, restless) = (dice.chance(ppm("leaving_ppm")), dice.chance(ppm("restless_ppm")));
            let (from, says_so) = (dice.between(half, to), !dice.chance(ppm("silent_ppm")));
            let back = from + dice.between(50, 40_000) * MS;
            if leaves {
                absences.push(Absence { user, from, to: None, says_so });
            } else if restless {
                absences.push(Absence { user, from, to: Some(back), says_so });
            }
        }
        absences
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["sign_up", "rename", "promote", "look"]
    }

    /// `what` is whose row, and the change's number.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let users = scenario.system.users;
        let (from, to) = (scenario.system.from, scenario.system.to);
        let mut acts: Vec<Act> = (0..users)
            .map(|user| Act { at: dice.between(from, half(scenario)), user, kind: SIGN_UP, what: [user, 0] })
            .collect();
        for (number, (at, user)) in (1..).zip(moments(scenario, dice)) {
            acts.push(Act { at, user, kind: RENAME, what: [user, number] });
            if dice.chance(scenario.system.get("promote_ppm") as u32) {
                let other = dice.below(u64::from(users)) as u32;
                acts.push(Act { at: at + dice.between(0, 20) * MS, user: other, kind: PROMOTE, what: [user, number] });
            }
        }
        for _ in 0..scenario.system.get("looks") {
            let user = dice.below(u64::from(users)) as u32;
            acts.push(Act { at: to + CALM_AFTER + dice.between(0, 10) * SECOND, user, kind: LOOK, what: [user, 0] });
        }
        acts
    }

    fn counts(&self) -> &'static [&'static str] {
        &["looks.left_to_the_job", "rows.left_to_the_job", "rows.taken_by_the_job", "users.looked_for"]
    }

    fn channels(&self, _: &Scenario, user: u32) -> ChannelList {
        std::iter::once(format!("{PRESENCE}{}", team(user)).into()).collect()
    }

    fn doing(&self, _: &Scenario, number: u32, act: &Act) -> Doing {
        let [whose, nth] = act.what;
        let (user, request_id) = (user_id(whose), format!("change{number}"));
        if act.kind == LOOK {
            return Doing::Api(Call::Objects(Box::new(ObjectsOp::GetUser { user: user.into() })));
        }
        let change = Change { request_id, user_id: user.clone(), ..Change::default() };
        let change = match act.kind {
            SIGN_UP => Change { name: Some(user), role: Some("member".into()), team_id: Some(team(whose)), ..change },
            RENAME => Change { name: Some(format!("{user} {nth}")), ..change },
            _ => Change { role: Some(format!("role {nth}")), ..change },
        };
        let request = HttpRequest::new("POST", metasync::PATH, to_json(&change));
        Doing::Http { base: metasync::PATH, request }
    }

    fn properties(&self) -> &'static [Property] {
        &[LIKE_DATABASE, LIKE_PRESENCE, LOOKED]
    }
}

/// So long after the last change users look at what has become of it: longer than a silent user's timeout.
const CALM_AFTER: Nanos = 60 * SECOND;

fn half(scenario: &Scenario) -> Nanos {
    scenario.system.from.midpoint(scenario.system.to)
}

fn team(user: u32) -> String {
    format!("t{}", user / TEAM)
}

/// The rows of the database at the end, by user id.
fn rows<'a>(seen: &Seen<'a>) -> impl Iterator<Item = &'a Row> + use<'a> {
    let database: &Database = seen.service().expect("the system has a database");
    database.rows()
}

fn profile(seen: &Seen<'_>, user: &str) -> Option<Profile> {
    Some(Profile::of(&seen.objects.user(user)?.body))
}

const LIKE_DATABASE: Property = Property {
    name: "app-context-converges-to-the-database",
    promise: "integration-patterns.md 4: sync database to App Context",
    says: "after healing, App Context has of every user what the database has",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        for row in rows(seen) {
            checked += 1;
            let profile = profile(seen, &row.id);
            if !profile.as_ref().is_some_and(|profile| profile.shows(row)) {
                wrong.get_or_insert_with(|| format!("the database has {row:?}, App Context {profile:?}"));
            }
        }
        // Everybody has signed up, unless it closed the app before.
        let known: BTreeSet<&str> = rows(seen).map(|row| &*row.id).collect();
        for (_, act, _) in seen.ended(SIGN_UP, Fate::Accepted) {
            if !known.contains(&*user_id(act.user)) {
                wrong.get_or_insert_with(|| format!("{} signed up and is not in the database", user_id(act.user)));
            }
        }
        checks.eventually(checked, wrong);
        let accepted = |kind| seen.ended(kind, Fate::Accepted).count() as u64;
        checks.sometimes("a-row-was-changed", accepted(RENAME));
        if seen.scenario.system.get("promote_ppm") > 0 {
            checks.sometimes("a-row-was-changed-by-two", accepted(PROMOTE));
        }
    },
};

/// By user, whether it is gone for good at the end.
fn is_gone(seen: &Seen<'_>) -> BTreeMap<String, bool> {
    seen.plan.absences.iter().map(|absence| (user_id(absence.user), absence.to.is_none())).collect()
}

const LIKE_PRESENCE: Property = Property {
    name: "app-context-converges-to-presence",
    promise: "integration-patterns.md 4: sync presence to App Context",
    says: "after healing, App Context has everybody online who is connected, and nobody who has closed the app",
    check: |seen, checks| {
        let gone = is_gone(seen);
        let (mut checked, mut wrong) = (0, None);
        let (mut offline, mut back) = (0, 0);
        for row in rows(seen) {
            checked += 1;
            let (is_gone, was_away) = (gone.get(&row.id) == Some(&true), gone.contains_key(&row.id));
            (offline, back) = (offline + u64::from(is_gone), back + u64::from(was_away && !is_gone));
            let online = profile(seen, &row.id).and_then(|profile| profile.custom.online);
            if online != Some(!is_gone) {
                wrong.get_or_insert_with(|| {
                    let is = if is_gone { "closed the app" } else { "is connected" };
                    format!("{} {is}, and App Context has online {online:?}", row.id)
                });
            }
        }
        checks.eventually(checked, wrong);
        if seen.scenario.system.get("leaving_ppm") > 0 {
            checks.sometimes("somebody-left-for-good", offline);
        }
        if seen.scenario.system.get("restless_ppm") > 0 {
            checks.sometimes("somebody-left-and-came-back", back);
        }
    },
};

/// What a network needs to catch up once it has healed, and the jobs to take what was left to them.
const CAUGHT_UP: Nanos = 45 * SECOND;

const LOOKED: Property = Property {
    name: "neither-overwrites-the-others-fields",
    promise: "integration-patterns.md 4: query App Context",
    says: "who looks at its own profile once the world has been calm finds itself online and what the database has",
    check: |seen, checks| {
        let rows: BTreeMap<&str, &Row> = rows(seen).map(|row| (&*row.id, row)).collect();
        let calm = seen.calm_from(CAUGHT_UP);
        let last_change = seen.acts().filter(|(_, act, _)| act.kind != LOOK).map(|(_, _, done)| done.answered).max();
        let (mut checked, mut wrong) = (0, None);
        for (_, act, done) in seen.ended(LOOK, Fate::Accepted) {
            if done.first_sent < calm.max(last_change.unwrap_or(0) + CAUGHT_UP) {
                continue;
            }
            let Some(row) = rows.get(&*user_id(act.user)) else { continue };
            checked += 1;
            let profile = Profile::of(done.body.as_deref().unwrap_or(""));
            if !profile.shows(row) || profile.custom.online != Some(true) {
                wrong.get_or_insert_with(|| {
                    format!("{} looked and found {profile:?}; the database has {row:?}", row.id)
                });
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.system.get("looks") > 0 {
            checks.sometimes("a-user-looked-at-its-profile", checked);
        }
    },
};
