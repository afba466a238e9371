//! Clients and servers on channels of their own (integration-patterns.md, pattern 3).

use std::collections::BTreeSet;

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::{Nanos, SECOND};
use headcount_engine::message::{Call, Channel, ChannelList, Envelope};
use headcount_engine::patterns::hybrid::{
    self, ANNOUNCEMENT, CHAT, COMMENT, GAME, HybridRights, INBOX, MODERATION, PAYMENT, Place, TYPING,
};
use headcount_engine::timetoken::Timetoken;
use headcount_sim::Stream;

use super::oracle::Property;
use super::plan::{Act, moments};
use super::record::Fate;
use super::{Doing, Judged, Reply, System};
use crate::crowd::plan::{user_id, user_of};
use crate::scenario::{Scenario, Setting, Variant};

/// Hybrid channels.
pub struct Hybrid;

/// What is done, by an act's kind.
const OPERATIONS: [&str; 5] = ["publish", "signal", "fire", "history", "subscribe"];
const PUBLISH: u8 = 0;
const SIGNAL: u8 = 1;
const FIRE: u8 = 2;
const HISTORY: u8 = 3;

/// Columns of the matrix: a family of channels, and whether it is the user's own channel of it or another one's.
const COLUMNS: [(&str, bool); 15] = [
    (CHAT, true),
    (CHAT, false),
    (COMMENT, true),
    (COMMENT, false),
    (TYPING, true),
    (TYPING, false),
    (ANNOUNCEMENT, true),
    (PAYMENT, true),
    (PAYMENT, false),
    (GAME, true),
    (GAME, false),
    (MODERATION, true),
    (MODERATION, false),
    (INBOX, true),
    (INBOX, false),
];

/// Cells of one row: every column and operation.
const CELLS: usize = COLUMNS.len() * OPERATIONS.len();

/// The first user is the server.
const SERVER: u32 = 0;

impl System for Hybrid {
    fn word(&self) -> &'static str {
        "hybrid"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            // Each with a game, a post and a moderator's channel of its own; users are dealt out.
            Setting { key: "rooms", default: 2, low: 2, high: 100_000 },
            // So many times in a thousand it is the server that acts.
            Setting { key: "server_permille", default: 333, low: 0, high: 1_000 },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        hybrid::READINGS
    }

    fn remedy(&self) -> &'static str {
        "The token opens all that the document lists and nothing else: comments and typing to write, and of what the \
         server writes whatever is meant for the user."
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        let rooms = rooms(scenario);
        let place_of = move |user: &str| match user_of(user)? {
            SERVER => Some(Place::Server),
            user => Some(Place::User { room: user % rooms, game: user % rooms }),
        };
        let (variant, ttl_minutes) = (scenario.variant.in_engine(), scenario.system.token_ttl_minutes);
        Box::new(HybridRights::new(variant, ttl_minutes, Box::new(place_of)))
    }

    fn kinds(&self) -> &'static [&'static str] {
        &OPERATIONS
    }

    /// `what` is the column and, for others' channels, whose. Cells come in turn, the server's and users' each by themselves,
    /// so that a run with acts enough meets every one.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let (users, rooms) = (scenario.system.users, rooms(scenario));
        let mut turns = [0; 2];
        let moments = moments(scenario, dice);
        let act = |(at, user)| {
            let server = user == SERVER || dice.chance(scenario.system.get("server_permille") as u32 * 1_000);
            let turn = &mut turns[usize::from(server)];
            let (column, kind) = (*turn % CELLS / OPERATIONS.len(), *turn % OPERATIONS.len());
            *turn += 1;
            // Somebody else, of another room where users fill all rooms alike.
            let other = (user + 1 + rooms * dice.below(u64::from((users / rooms).max(1))) as u32) % users;
            let other = if other == SERVER { 1 + user % 2 } else { other };
            let (_, own) = COLUMNS[column];
            // The server's columns are others' too.
            let whose = if own && !server { user } else { other };
            Act { at, user: if server { SERVER } else { user }, kind: kind as u8, what: [column as u32, whose] }
        };
        moments.into_iter().map(act).collect()
    }

    fn channels(&self, scenario: &Scenario, user: u32) -> ChannelList {
        if user == SERVER {
            return [CHAT, COMMENT, TYPING].map(|family| Channel::from(format!("{family}*"))).into_iter().collect();
        }
        // A subscription of which one channel is refused is refused whole: documented's users ask for what they have.
        let granted =
            |family: &str| scenario.variant == Variant::Hardened || [CHAT, ANNOUNCEMENT, GAME, INBOX].contains(&family);
        let own = COLUMNS.into_iter().filter(|(family, own)| *own && granted(family));
        own.map(|(family, _)| channel(scenario, family, user)).collect()
    }

    fn doing(&self, scenario: &Scenario, number: u32, act: &Act) -> Doing {
        let channel = target(scenario, act);
        let payload = number.to_string().into();
        Doing::Api(match act.kind {
            PUBLISH => Call::Publish { channel, payload, store: true },
            SIGNAL => Call::Signal { channel, payload },
            FIRE => Call::Fire { channel, payload },
            HISTORY => Call::History { channel, start: None, max: 10 },
            _ => {
                // Beside what the user listens to anyway.
                let mut channels = self.channels(scenario, act.user);
                if !channels.contains(&channel) {
                    channels.push(channel);
                }
                Call::Subscribe { channels, cursor: Timetoken::ZERO, with: None }
            }
        })
    }

    /// A refusal for want of rights is what is looked for here, and no reason for a new token.
    fn judge(&self, _: &Act, reply: &Reply<'_>) -> Judged {
        match reply.status() {
            403 => Judged::Refused(403),
            _ => reply.by_status(),
        }
    }

    fn shows(&self, envelope: &Envelope) -> Option<u32> {
        envelope.payload.parse().ok()
    }

    fn properties(&self) -> &'static [Property] {
        &[MATRIX, HEARD, ARRIVES]
    }
}

fn rooms(scenario: &Scenario) -> u32 {
    scenario.system.get("rooms") as u32
}

/// A user's own channel of a family.
fn channel(scenario: &Scenario, family: &str, user: u32) -> Channel {
    match family {
        ANNOUNCEMENT => family.into(),
        PAYMENT | INBOX => format!("{family}{}", user_id(user)).into(),
        _ => format!("{family}{}", user % rooms(scenario)).into(),
    }
}

/// The channel of an act.
fn target(scenario: &Scenario, act: &Act) -> Channel {
    let [column, whose] = act.what;
    channel(scenario, COLUMNS[column as usize].0, whose)
}

/// What the document lets a user read: all of its own, and comments on whatever post. The server reads everything.
fn may_read(scenario: &Scenario, user: u32, name: &str) -> bool {
    let own = |(family, _): (&str, bool)| *channel(scenario, family, user) == *name;
    user == SERVER || name.starts_with(COMMENT) || COLUMNS.into_iter().any(own)
}

/// What it lets a user write: chat and typing in the user's own room, and comments. The server writes everything.
fn may_write(scenario: &Scenario, user: u32, name: &str) -> bool {
    let own = |family: &str| *channel(scenario, family, user) == *name;
    user == SERVER || name.starts_with(COMMENT) || own(CHAT) || own(TYPING)
}

const MATRIX: Property = Property {
    name: "the-permission-matrix-holds",
    promise: "integration-patterns.md 3: channel strategy",
    says: "every operation of the server and of users, on their own channels and on others', is done if the document allows it, \
           and refused with 403 if not",
    check: |seen, checks| {
        let (mut wrong, mut cells) = (None, BTreeSet::new());
        let mut answered = [0; 2];
        for (number, act, done) in seen.acts() {
            let name = target(seen.scenario, act);
            let writes = matches!(act.kind, PUBLISH | SIGNAL | FIRE);
            let may = if writes { may_write } else { may_read }(seen.scenario, act.user, &name);
            let right = match done.fate {
                Fate::Accepted => may,
                Fate::Refused(403) => !may,
                Fate::Refused(_) => false,
                Fate::Open | Fate::GaveUp => continue,
            };
            answered[usize::from(may)] += 1;
            cells.insert((act.user == SERVER, act.what[0], act.kind));
            if !right {
                wrong.get_or_insert_with(|| {
                    let (kind, who) = (seen.kind(act), user_id(act.user));
                    format!("act {number}, a {kind} of {who} on {name}, ended {:?}", done.fate)
                });
            }
        }
        let [refused, allowed] = answered;
        checks.always(refused + allowed, wrong);
        checks.sometimes("every-cell-of-the-matrix-was-tried", u64::from(cells.len() == 2 * CELLS));
        checks.sometimes("something-was-allowed", allowed);
        checks.sometimes("something-was-refused", refused);
    },
};

const HEARD: Property = Property {
    name: "nobody-hears-or-says-without-right",
    promise: "integration-patterns.md 3: clients and servers publish to different channels",
    says: "whatever comes to somebody was published by who may write there, and came to who may read there",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        let mut check = |fine: bool, what: &str, user: u32, name: &str| {
            checked += 1;
            if !fine {
                wrong.get_or_insert_with(|| format!("{} {what} on {name}", user_id(user)));
            }
        };
        for heard in seen.heard() {
            let name = &heard.envelope.channel;
            let publisher = user_of(&heard.envelope.publisher);
            let may = |user| may_write(seen.scenario, user, name);
            check(publisher.is_some_and(may), "was heard", publisher.unwrap_or(u32::MAX), name);
        }
        // Of a broadcast the edge says: all who are connected. Where connections break, it and they may count differently for a
        // moment, and who heard what is not known to the user.
        let steady = seen.faults.iter().all(|fault| ["clock", "tell", "heal_all"].contains(&fault.kind));
        for (user, heard) in seen.told().filter(|_| steady) {
            let name = &heard.envelope.channel;
            check(may_read(seen.scenario, user, name), "heard something", user, name);
        }
        checks.always(checked, wrong);
        let by_server = seen.heard().filter(|heard| user_of(&heard.envelope.publisher) == Some(SERVER)).count();
        checks.sometimes("a-server-was-heard", by_server as u64);
        checks.sometimes("a-user-was-heard", (seen.heard().count() - by_server) as u64);
    },
};

/// Clients are connected so long after a network has healed.
const BACK_AGAIN: Nanos = 15 * SECOND;

const ARRIVES: Property = Property {
    name: "what-is-published-arrives",
    promise: "integration-patterns.md 3: clients and servers publish",
    says: "after healing, every message whose publish to a room, a post, a game or to all was accepted came to somebody",
    check: |seen, checks| {
        let told = seen.shown();
        let (mut checked, mut wrong) = (0, None);
        // Whoever has a channel alone may not be connected, and nobody may be just after a network was cut.
        let is_shared = |act: &Act| ![PAYMENT, INBOX].contains(&COLUMNS[act.what[0] as usize].0);
        for (number, act, done) in seen.ended(PUBLISH, Fate::Accepted).filter(|(_, act, _)| is_shared(act)) {
            checked += 1;
            let from = done.first_sent.saturating_sub(BACK_AGAIN);
            if !told.contains(&number) && seen.all_was_heard(from, done.answered) {
                wrong.get_or_insert_with(|| {
                    format!("act {number} of {} on {} was not heard", user_id(act.user), target(seen.scenario, act))
                });
            }
        }
        checks.eventually(checked, wrong);
        checks.sometimes("a-message-arrived", told.len() as u64);
    },
};
