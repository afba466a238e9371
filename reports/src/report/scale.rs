//! The document's scaling notes beside the run: what it says, what its arithmetic gives, what was measured.

use headcount_workloads::outcome::Outcome;

use super::html::{Cell, Narrow, paragraph, section, table};
use crate::number::{count_of, grouped, percent, three_digits};
use crate::scale::{DOCUMENT, FRIENDS, FanOut, SHARDS, STORM_THRESHOLD, Shards, USERS_PER_SHARD};

/// The costs of fanning out (friends-online.md 11.1) and the presence shards (11.3); nothing for a run without friends.
pub fn sections(outcome: &Outcome) -> String {
    let costs = FanOut::of(outcome).map_or_else(String::new, |run| costs(&run));
    let shards = Shards::of(outcome).map_or_else(String::new, |run| shards(&run));
    costs + &shards
}

/// The table of 11.1, written and reckoned, and what is wrong in it.
pub(super) fn document() -> String {
    let number = |count: u64| Cell::Number(grouped(count));
    let document = DOCUMENT.iter().map(|row| {
        let verdict = match row.off_by() {
            1 => Cell::Mark("holds", "no".to_string()),
            times => Cell::Mark("violated", format!("{} times", grouped(times))),
        };
        vec![
            Cell::Text(row.what.to_string()),
            number(row.inbox_written),
            number(row.inbox()),
            number(row.groups_written),
            number(row.groups()),
            verdict,
        ]
    });
    let headings = [
        "friends-online.md 11.1",
        "#Inbox, written",
        "#Inbox, reckoned",
        "#Groups, written",
        "#Groups, reckoned",
        "Too high",
    ];
    let off: Vec<String> = DOCUMENT.iter().filter(|row| row.off_by() > 1).map(|row| {
        format!(
            "The last row of 11.1 is off: {} changes an hour, with {FRIENDS} friends each, are {} publishes an hour to \
             inboxes and {} on status channels. Both of its figures are {} times too high; their ratio, {FRIENDS}, is right.",
            grouped(row.changes),
            grouped(row.inbox()),
            grouped(row.groups()),
            grouped(row.off_by())
        )
    }).collect();
    table(Narrow::Cards, &headings, &document.collect::<Vec<_>>())
        + &off.iter().map(|text| paragraph(text)).collect::<String>()
}

fn costs(run: &FanOut) -> String {
    let measured = [
        ("Status changes: users who came or went, by their own account", grouped(run.changes)),
        ("Publishes with channel groups, measured", grouped(run.published)),
        ("Publishes with inboxes, one to each friend, for the same statuses", grouped(run.inbox)),
        ("Deliveries of statuses to friends, measured; inboxes would not save one", grouped(run.deliveries)),
        ("Publishes for one status change (NFR-6: 1)", three_digits(run.publishes_per_change())),
        (
            "Friends of a user who was told of, mean: so many times fewer publishes than with inboxes",
            three_digits(run.friends()),
        ),
        ("Deliveries for one publish", three_digits(run.deliveries_per_publish())),
    ];
    let measured = measured.map(|(what, value)| vec![Cell::Text(what.to_string()), Cell::Number(value)]);
    let body = [
        document(),
        table(Narrow::Cards, &["This run", "#Count"], &measured),
        paragraph(
            "Fewer publishes than changes: some were debounced, held in a storm, taken back within a moment, or nobody was \
             told since nothing had changed when a handler looked. More: a publish was repeated because nobody knew whether \
             it had happened. Groups save publishes and not deliveries: every friend online gets the message either way, and \
             what a delivery costs, the comparison of 11.1 does not count.",
        ),
    ];
    section("fan-out", "Cost: inboxes against channel groups", &body.concat())
}

fn shards(run: &Shards) -> String {
    let per_shard = |users: u64, shards: u64| users / shards.max(1);
    let range = |(low, high): (u64, u64)| {
        if low == high { grouped(low) } else { format!("{} to {}", grouped(low), grouped(high)) }
    };
    let document = SHARDS.iter().map(|row| {
        vec![
            Cell::Number(grouped(row.users)),
            Cell::Number(grouped(row.shards)),
            Cell::Number(grouped(per_shard(row.users, row.shards))),
            Cell::Number(range(row.tier)),
            Cell::Number(range((per_shard(row.users, row.tier.1), per_shard(row.users, row.tier.0)))),
        ]
    });
    let headings =
        ["#Users online", "#Shards, 11.3", "#Users on each", "#Shards, tier of 11.2", "#Users on each there"];
    let measured = [
        ("Users online at the same time, at most", grouped(run.users)),
        ("Presence shards", grouped(run.count)),
        ("Users on a shard at the same time: emptiest to fullest shard", range((run.users_min, run.users_max))),
        ("Presence events of a shard in a second, mean", three_digits(run.events_mean)),
        ("Presence events of a shard in a second, most", three_digits(run.events_max)),
        (
            "Seconds of a shard above the storm threshold of 10.2",
            format!(
                "{} of {} ({})",
                grouped(run.stormy),
                grouped(run.seconds),
                percent(run.stormy as f64 / run.seconds.max(1) as f64)
            ),
        ),
    ];
    let measured = measured.map(|(what, value)| vec![Cell::Text(what.to_string()), Cell::Number(value)]);
    let apart: Vec<String> = SHARDS.iter().filter(|row| !row.agrees()).map(|row| grouped(row.users)).collect();
    let drain_s = USERS_PER_SHARD / STORM_THRESHOLD;
    let body = [
        table(Narrow::Cards, &headings, &document.collect::<Vec<_>>()),
        paragraph(&format!(
            "The divisions of 11.3 are right: {} users on a shard in every row. But the tiers of 11.2 ask for 2 to 5 times as \
             many shards for {} users. And neither asks what a shard may say: 10.2 publishes for at most {} a second, so \
             when the {} users of a shard come back at once, the last is told of {drain_s} s later at best, where NFR-1 \
             wants 2 s.",
            grouped(USERS_PER_SHARD),
            apart.join(", "),
            count_of(STORM_THRESHOLD, "event", "events"),
            grouped(USERS_PER_SHARD)
        )),
        table(Narrow::Cards, &["This run", "#Count"], &measured),
    ];
    section("shard-size", "Presence shards", &body.concat())
}
