//! Storms of voters: who is cut off votes when the connection is back, or sends again what got no answer.

use headcount_engine::contract::{Nanos, SECOND};

use super::kind::{Counted, Kind, Says, StormQuestion, Times, seconds};
use crate::plan::lab::Trouble;
use crate::plan::load::{self, CONVERGE, Demand};
use crate::scenario::Scenario;

/// People vote for so long before the cut, if there are enough of them.
const BEFORE: Nanos = 10 * SECOND;
/// A client believes its edge dead when it has not heard of it for 5 s (`KEEPALIVE_PATIENCE`): this is noticed by everybody.
const CUT: Nanos = 10 * SECOND;
/// Clients stop sending again after a minute and a half.
const WATCHED_S: u32 = 120;
/// Votes a second of the map's small crowd: 400 in each ten seconds that are judged.
const SMALL_RATE_PER_S: f64 = 40.0;
/// People of it who log in a second.
const SMALL_JOINS_PER_S: f64 = 10.0;

pub(super) static KIND: Kind = Kind {
    says: Says {
        work: "votes sent, for the first time and again",
        goodput: "votes accepted",
        trouble: "votes sent again",
        watched_s: WATCHED_S,
        jitter_key: "crowd.reconnect_jitter",
    },
    work: &["votes_submitted", "votes_resent"],
    goodput: "acks_accepted",
    trouble: "votes_resent",
    counts: &[
        Counted { name: "sent_again", says: "votes sent again", metrics: &["votes.attempts"], is_event: true },
        Counted { name: "executions", says: "executions", metrics: &["functions.executions"], is_event: true },
        Counted { name: "publishes", says: "publishes", metrics: &["broker.published"], is_event: true },
        Counted { name: "kv_operations", says: "KV operations", metrics: &["functions.kv_calls"], is_event: false },
        Counted { name: "caught_up", says: "caught up", metrics: &["clients.catch_up_messages"], is_event: false },
    ],
    calm,
    whole: |question| *question,
    small,
    unhurried,
    jitter: |scenario| &mut scenario.crowd.reconnect_jitter,
};

/// Few votes a second, and as many people as vote at that rate until the watch ends.
fn small<'a>(question: &StormQuestion<'a>) -> StormQuestion<'a> {
    let length_s = seconds(BEFORE + CUT) + f64::from(WATCHED_S);
    let rate_per_s = (f64::from(question.users) / length_s).min(SMALL_RATE_PER_S);
    StormQuestion { users: (rate_per_s * length_s).ceil() as u32, rate_per_s, ..*question }
}

/// To let somebody in takes more than a vote does: the small crowd comes slowly.
fn unhurried(scenario: &mut Scenario, users: u32) {
    let join = &mut scenario.crowd.join;
    join.to = join.to.max(join.from + load::ns(f64::from(users) / SMALL_JOINS_PER_S));
}

/// Everybody is connected and votes at the rate; the vote stays open until the watch ends.
fn calm(question: &StormQuestion<'_>) -> Result<(Scenario, Times), Trouble> {
    let StormQuestion { users, rate_per_s, .. } = *question;
    let mut scenario = load::whole(question.scenario, Demand { users, rate_per_s })?.scenario;
    let from = scenario.crowd.arrivals.from;
    let third = (scenario.crowd.arrivals.to - from) / 3 / SECOND * SECOND;
    let cut = from + third.clamp(SECOND, BEFORE);
    let healed = cut + CUT;
    let watched = healed + Nanos::from(WATCHED_S) * SECOND;
    // It stays open for what is late.
    let close = scenario.vote.close.max(watched + CONVERGE);
    load::close_at(&mut scenario, close);
    Ok((scenario, Times { from, cut, healed, watched }))
}
