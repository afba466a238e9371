//! The scaling notes of friends-online.md 11 as data, and the same of a run: what its arithmetic gives, what was measured.

use headcount_workloads::outcome::Outcome;

/// A row of the cost comparison (friends-online.md 11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostRow {
    pub what: &'static str,
    /// Status changes that the row speaks of: users times the share of them that changes.
    pub changes: u64,
    /// Publishes with an inbox for each friend, and with channel groups, as written.
    pub inbox_written: u64,
    pub groups_written: u64,
}

/// Friends of a user in 11.1.
pub const FRIENDS: u64 = 500;

/// The rows of 11.1, in its order.
pub const DOCUMENT: [CostRow; 3] = [
    CostRow { what: "A user with 500 friends comes", changes: 1, inbox_written: 500, groups_written: 1 },
    CostRow {
        what: "1,000 users with 500 friends come",
        changes: 1_000,
        inbox_written: 500_000,
        groups_written: 1_000,
    },
    CostRow {
        what: "100,000 users, 10 % change in an hour",
        changes: 100_000 / 10,
        inbox_written: 5_000_000_000,
        groups_written: 10_000_000,
    },
];

impl CostRow {
    /// A publish to each friend's inbox for each change.
    pub fn inbox(&self) -> u64 {
        self.changes * FRIENDS
    }

    /// One publish for each change.
    pub fn groups(&self) -> u64 {
        self.changes
    }

    /// How many times too high the row is: 1 if it is right.
    pub fn off_by(&self) -> u64 {
        self.groups_written / self.groups()
    }
}

/// What telling friends cost in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FanOut {
    /// Times a user came or went, by its own account.
    pub changes: u64,
    /// Statuses that Functions published.
    pub published: u64,
    /// Of those, the ones that somebody heard; and the publishes of these if each friend had an inbox.
    pub heard: u64,
    pub inbox: u64,
    /// Statuses that came to a friend's device.
    pub deliveries: u64,
}

impl FanOut {
    /// Of a run of people with friends; `None` of any other.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let counter = |name: &str| outcome.counters.get(name).copied();
        Some(Self {
            changes: counter("fanout.changes")?,
            published: counter("functions.counter.status.published").unwrap_or(0),
            heard: counter("fanout.statuses")?,
            inbox: counter("fanout.inbox_publishes")?,
            deliveries: counter("status.told").unwrap_or(0),
        })
    }

    /// Publishes with inboxes for one change: as many fewer changes told, as many friends for each.
    pub fn inbox_per_change(&self) -> f64 {
        ratio(self.inbox, self.changes)
    }

    /// Publishes measured for one change.
    pub fn publishes_per_change(&self) -> f64 {
        ratio(self.published, self.changes)
    }

    /// Devices reached for one change.
    pub fn deliveries_per_change(&self) -> f64 {
        ratio(self.deliveries, self.changes)
    }

    /// Friends of those whose status was published, on average: how many times fewer publishes groups take.
    pub fn friends(&self) -> f64 {
        ratio(self.inbox, self.heard)
    }

    /// Devices that one publish reached, on average.
    pub fn deliveries_per_publish(&self) -> f64 {
        ratio(self.deliveries, self.published)
    }
}

/// `of / by`, NaN if there is nothing to divide by.
fn ratio(of: u64, by: u64) -> f64 {
    if by == 0 { f64::NAN } else { of as f64 / by as f64 }
}

/// A row of the shard tables: users, shards by 11.3, and the fewest and the most shards by 11.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardRow {
    pub users: u64,
    pub shards: u64,
    pub tier: (u64, u64),
}

/// The rows of 11.3, and beside them the tier of 11.2 that the number of users falls into; 500,000 are the end of one tier and
/// the beginning of the next, and are taken for the one that agrees.
pub const SHARDS: [ShardRow; 5] = [
    ShardRow { users: 50_000, shards: 10, tier: (50, 50) },
    ShardRow { users: 100_000, shards: 20, tier: (50, 50) },
    ShardRow { users: 250_000, shards: 50, tier: (100, 100) },
    ShardRow { users: 500_000, shards: 100, tier: (100, 100) },
    ShardRow { users: 1_000_000, shards: 200, tier: (200, 500) },
];

impl ShardRow {
    /// Whether 11.2 says the same.
    pub fn agrees(&self) -> bool {
        (self.tier.0..=self.tier.1).contains(&self.shards)
    }
}

/// Users of a shard (11.3), as written for every row.
pub const USERS_PER_SHARD: u64 = 5_000;

/// Events of a shard in a second above which statuses are held (10.2) [1/s].
pub const STORM_THRESHOLD: u64 = 100;

/// How presence shards were used in a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shards {
    pub count: u64,
    /// The most users online at the same time: on all shards, on the emptiest and on the fullest.
    pub users: u64,
    pub users_min: u64,
    pub users_max: u64,
    /// Presence events of a shard in a second: over the whole run, and the most [1/s].
    pub events_mean: f64,
    pub events_max: f64,
    /// Seconds of single shards with more events than [`STORM_THRESHOLD`], and all of them.
    pub stormy: u64,
    pub seconds: u64,
}

impl Shards {
    /// Of a run of people with friends; `None` of any other.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let counter = |name: &str| outcome.counters.get(name).copied();
        let count = counter("shard.count")?;
        let values = || {
            let shards = outcome.series.iter().filter(|series| series.group == "shards");
            shards.flat_map(|series| series.values.iter().copied()).filter(|value| value.is_finite())
        };
        let seconds = values().count();
        Some(Self {
            count,
            users: counter("users.online_max")?,
            users_min: counter("shard.users_min")?,
            users_max: counter("shard.users_max")?,
            events_mean: if seconds == 0 { f64::NAN } else { values().sum::<f64>() / seconds as f64 },
            events_max: values().fold(0.0, f64::max),
            stormy: values().filter(|events| *events > STORM_THRESHOLD as f64).count() as u64,
            seconds: seconds as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_documents_first_rows_are_right_and_the_third_is_a_thousand_times_too_high() {
        // 1 x 500, 1,000 x 500, 10,000 x 500.
        assert_eq!(DOCUMENT.map(|row| row.inbox()), [500, 500_000, 5_000_000]);
        assert_eq!(DOCUMENT.map(|row| row.groups()), [1, 1_000, 10_000]);
        assert_eq!(DOCUMENT.map(|row| row.off_by()), [1, 1, 1_000]);
        for row in DOCUMENT {
            assert_eq!(row.inbox_written, row.inbox() * row.off_by(), "both columns are off by the same");
            assert_eq!(row.inbox_written / row.groups_written, FRIENDS, "the ratio is right in every row");
        }
    }

    #[test]
    fn the_shard_table_divides_and_the_tiers_ask_for_more_shards_below_half_a_million() {
        assert!(SHARDS.iter().all(|row| row.users / row.shards == USERS_PER_SHARD));
        let agree = SHARDS.iter().filter(|row| row.agrees()).map(|row| row.users);
        assert_eq!(agree.collect::<Vec<_>>(), [500_000, 1_000_000]);
    }

    #[test]
    fn a_run_is_divided_by_its_own_changes() {
        let run = FanOut::of(&fixture::friends()).unwrap();
        // 30,000 changes, 24,000 published and heard, 45 friends each, 40 of them online.
        assert_eq!((run.publishes_per_change(), run.friends()), (0.8, 45.0));
        assert_eq!((run.inbox_per_change(), run.deliveries_per_publish()), (36.0, 40.0));
        assert!(FanOut::of(&fixture::outcome()).is_none() && Shards::of(&fixture::outcome()).is_none());
        let nothing = FanOut { changes: 0, published: 0, heard: 0, inbox: 0, deliveries: 0 };
        assert!(nothing.publishes_per_change().is_nan());
    }

    #[test]
    fn a_stormy_second_is_one_above_the_threshold() {
        let mut outcome = fixture::friends();
        let mut shards = outcome.series.iter_mut().filter(|series| series.group == "shards");
        shards.by_ref().take(1).for_each(|series| series.values = vec![100.0, 101.0, f64::NAN, 3.0]);
        shards.for_each(|series| series.values = vec![0.0]);
        let found = Shards::of(&outcome).unwrap();
        // Three seconds of the first shard and one of each of the 15 others: (100 + 101 + 3) / 18.
        assert_eq!((found.stormy, found.seconds, found.events_max), (1, 18, 101.0));
        assert!((found.events_mean - 204.0 / 18.0).abs() < 1e-12);
    }
}
