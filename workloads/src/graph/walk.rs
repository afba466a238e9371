//! A status goes to all friends: the hot loop, up to hundreds of millions of deliveries in a run.
//!
//! One delivery is three things: is the friend connected to this edge; how long does its last mile take; and what does
//! its screen now say about the publisher. The first is a byte per client, the second a draw counted in one of 8,192
//! cells, the third a bit at the position of the edge from publisher to friend, written 64 at a time. There is no jump
//! in it that depends on who is there: a quarter of friends away at random would cost more than all the rest.

use std::hint::black_box;

use super::Row;
pub use crate::client::{AWAY, LEGS, WIFI};

/// How often each of the equally likely last miles was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legs {
    /// Cellular first, then wifi.
    counts: Box<[u32; 2 * LEGS]>,
}

impl Legs {
    /// Nothing drawn yet.
    pub fn new() -> Self {
        Self { counts: Box::new([0; 2 * LEGS]) }
    }

    /// How often each latency was drawn over this kind of access, the shortest first.
    pub fn counts(&self, wifi: bool) -> &[u32] {
        let (cellular, over_wifi) = self.counts.split_at(LEGS);
        if wifi { over_wifi } else { cellular }
    }

    /// All draws.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// Forgets all draws.
    pub fn clear(&mut self) {
        self.counts.fill(0);
    }
}

impl Default for Legs {
    fn default() -> Self {
        Self::new()
    }
}

/// What reaches a publisher's friends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The edge that delivers it, below [`AWAY`].
    pub edge: u8,
    /// Whether the publisher is online from now on.
    pub online: bool,
    /// A number that no other delivery of the run has: it seeds the draws.
    pub salt: u64,
}

/// What a walk found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Friends connected to the edge: the status reached them.
    pub delivered: u32,
    /// Of those, the ones whose screen said something else before.
    pub changed: u32,
}

/// Shows a status to those of `friends` who are connected to the status's edge.
///
/// `friends` is the slice of a publisher's row ([`super::Graph::slice`]) for the region whose clients are in `conn`: by
/// number in the region, edge and access, or [`AWAY`]. `views` has a bit for each friend, from bit `first` on: what the
/// friend's screen says of the publisher; the bits of friends reached become `status.online`. Each friend reached counts
/// once in `legs`, at a latency drawn from the salt and the friend's number alone.
pub fn show(friends: Row<'_>, first: u64, conn: &[u8], status: Status, views: &mut [u64], legs: &mut Legs) -> Walked {
    let Status { edge, online, salt } = status;
    let salt = strew(salt ^ SALT);
    let wanted = if online { u64::MAX } else { 0 };
    let mut walked = Walked::default();
    // Rows of random publishers are nowhere in the caches. Asked for one after the other, their lines would be waited
    // for one after the other; so one word of each of the first lines is read now, and all of them come at once.
    let first_view = views.get((first / 64) as usize).map_or(0, |view| *view as u16);
    let ahead = friends.numbers().iter().step_by(LINE_FRIENDS).take(LINES_AHEAD_MAX);
    black_box(ahead.fold(first_view, |all, number| all ^ number));
    let (mut word, mut bit) = ((first / 64) as usize, (first % 64) as u32);
    for part in friends.parts() {
        let mut rest = part.numbers;
        if rest.is_empty() {
            continue;
        }
        let conn = &conn[part.first as usize..];
        while !rest.is_empty() {
            let (some, later) = rest.split_at(rest.len().min(64 - bit as usize));
            let mut reached = 0u64;
            for number in some {
                let conn = conn[usize::from(*number)];
                let here = u64::from(conn & AWAY == edge);
                let friend = part.first_user + u32::from(*number) * part.regions;
                let leg = (leg_bits(salt, friend) >> (64 - LEGS.trailing_zeros())) as usize;
                legs.counts[(usize::from(conn & WIFI) * (LEGS / WIFI as usize)) | leg] += here as u32;
                // Shifting in from above needs no shift by a variable.
                reached = reached >> 1 | here << 63;
            }
            reached = reached >> (64 - some.len()) << bit;
            let view = &mut views[word];
            let changed = (*view ^ wanted) & reached;
            *view ^= changed;
            walked.delivered += reached.count_ones();
            walked.changed += changed.count_ones();
            bit += some.len() as u32;
            (word, bit, rest) = (word + (bit / 64) as usize, bit % 64, later);
        }
    }
    walked
}

/// Friends in a cache line of 64 bytes.
const LINE_FRIENDS: usize = 32;
/// Further down the row the machine itself has seen where it goes.
const LINES_AHEAD_MAX: usize = 32;

/// Told apart from other uses of the same salt.
const SALT: u64 = 0x6c61_7374_6d69_6c65;

/// 64 bits for one friend's last mile, the upper ones good: two multiplications, for the upper half of one reaches the
/// upper half of the next only by way of the lower.
#[inline]
fn leg_bits(salt: u64, friend: u32) -> u64 {
    let x = (salt ^ u64::from(friend)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// The finaliser of splitmix64.
fn strew(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Degrees, Graph, GraphOptions, SEGMENT_USERS};

    const REGIONS: u32 = 3;
    const EDGE: u8 = 1;

    fn graph() -> Graph {
        let degrees = Degrees::HeavyTailed { median: 40, max: 900 };
        Graph::build(&GraphOptions { users: 4_001, regions: REGIONS, degrees, seed: 3 }).unwrap()
    }

    /// Edges 0 to 2 and away, wifi or not, by dice.
    fn conn(region: u32, graph: &Graph) -> Vec<u8> {
        let byte = |client: u32| {
            let dice = strew(u64::from(client * REGIONS + region));
            [0, EDGE, 2, AWAY][dice as usize % 4] | if dice >> 32 & 1 == 1 { WIFI } else { 0 }
        };
        (0..graph.users().div_ceil(REGIONS)).map(byte).collect()
    }

    #[test]
    fn a_walk_does_what_one_look_at_each_friend_does() {
        let graph = graph();
        let words = graph.edges().div_ceil(64) as usize;
        let mut views = vec![0u64; words];
        let mut naive = vec![false; words * 64];
        let mut all = Walked::default();
        for region in 0..REGIONS {
            let conn = conn(region, &graph);
            for (round, user) in (0..graph.users()).chain((0..graph.users()).step_by(3)).enumerate() {
                let status =
                    Status { edge: EDGE, online: !(user + round as u32).is_multiple_of(5), salt: round as u64 };
                let friends = graph.slice(user, region);
                let mut legs = Legs::new();
                let walked = show(friends, friends.start(), &conn, status, &mut views, &mut legs);
                let (mut expected, mut over_wifi) = (Walked::default(), 0);
                for (position, friend) in (friends.start() as usize..).zip(friends.users()) {
                    let conn = conn[(friend / REGIONS) as usize];
                    if conn & AWAY == EDGE {
                        expected.delivered += 1;
                        expected.changed += u32::from(naive[position] != status.online);
                        over_wifi += u32::from(conn & WIFI != 0);
                        naive[position] = status.online;
                    }
                }
                assert_eq!(walked, expected);
                assert_eq!(legs.counts(true).iter().sum::<u32>(), over_wifi);
                assert_eq!(legs.total(), u64::from(expected.delivered));
                all = Walked { delivered: all.delivered + walked.delivered, changed: all.changed + walked.changed };
            }
        }
        assert!((0..naive.len()).all(|at| (views[at / 64] >> (at % 64) & 1 == 1) == naive[at]));
        assert!(all.changed > 1_000 && all.delivered > all.changed + 1_000, "{all:?}: both happen");
    }

    /// A row by hand: users of one region, in their segments.
    struct Handmade {
        starts: Vec<u32>,
        numbers: Vec<u16>,
    }

    impl Handmade {
        fn of(users: &[u32]) -> Self {
            let segments = users.iter().max().map_or(1, |last| last / SEGMENT_USERS + 1);
            let (mut starts, mut numbers) = (vec![0], Vec::new());
            for segment in 0..segments {
                let own = users.iter().filter(|user| **user / SEGMENT_USERS == segment);
                numbers.extend(own.map(|user| *user as u16));
                starts.push(numbers.len() as u32);
            }
            Self { starts, numbers }
        }

        fn row(&self) -> Row<'_> {
            let segments = self.starts.len() as u32 - 1;
            Row { region: 0, regions: 1, segments, starts: &self.starts, friends: &self.numbers }
        }
    }

    #[test]
    fn last_miles_are_equally_likely_whoever_the_friends_are() {
        // 4,096 cells; 409,600 draws are 100 each. Chi-square with 4,095 degrees of freedom has mean 4,095 and standard
        // deviation sqrt(2 * 4,095) = 90: five of them either way, so that neither too uneven nor too even passes.
        let conn = vec![EDGE | WIFI; 500_000];
        let chi = |rows: &mut dyn Iterator<Item = Vec<u32>>| {
            let (mut legs, mut views) = (Legs::new(), vec![0; 500_000 / 64 + 1]);
            for (salt, row) in rows.enumerate() {
                let status = Status { edge: EDGE, online: true, salt: salt as u64 };
                show(Handmade::of(&row).row(), 0, &conn, status, &mut views, &mut legs);
            }
            assert_eq!((legs.total(), legs.counts(false).iter().max()), (409_600, Some(&0)));
            legs.counts(true).iter().map(|seen| u64::from(seen.abs_diff(100).pow(2))).sum::<u64>() / 100
        };
        // One crowd in order; every 16th of many; few friends, the same, a thousand times.
        let in_order = chi(&mut std::iter::once((0..409_600).collect()));
        let strided = chi(&mut (0..16).map(|first| (0..25_600).map(|n| n * 16 + first).collect()));
        let again = chi(&mut (0..1_024).map(|_| (0..400).map(|n| n * 1_000).collect()));
        for chi in [in_order, strided, again] {
            assert!((3_640..4_550).contains(&chi), "{in_order} {strided} {again}");
        }
    }

    #[test]
    fn a_friends_byte_is_found_in_every_segment() {
        // Either side of the borders of three segments, and the last one of all.
        let last = 2 * SEGMENT_USERS + 7;
        let friends = [0, SEGMENT_USERS - 1, SEGMENT_USERS, 2 * SEGMENT_USERS - 1, 2 * SEGMENT_USERS, last];
        let row = Handmade::of(&friends);
        for (at, friend) in friends.iter().enumerate() {
            let mut conn = vec![AWAY; last as usize + 1];
            conn[*friend as usize] = EDGE;
            let mut views = [0; 2];
            let status = Status { edge: EDGE, online: true, salt: 1 };
            let walked = show(row.row(), 61, &conn, status, &mut views, &mut Legs::new());
            assert_eq!(walked, Walked { delivered: 1, changed: 1 });
            assert_eq!(u128::from(views[0]) | u128::from(views[1]) << 64, 1 << (61 + at));
        }
    }

    #[test]
    fn a_draw_depends_on_the_salt_and_the_friend_alone() {
        let conn = [EDGE; 100];
        let legs_of = |friends: &[u32], salt| {
            let mut legs = Legs::new();
            let status = Status { edge: EDGE, online: true, salt };
            show(Handmade::of(friends).row(), 5, &conn, status, &mut [0; 3], &mut legs);
            legs
        };
        let friends: Vec<u32> = (0..100).collect();
        let backwards: Vec<u32> = (0..100).rev().collect();
        assert_eq!(legs_of(&friends, 9), legs_of(&backwards, 9));
        assert_ne!(legs_of(&friends, 9), legs_of(&friends, 10));
        let mut cleared = legs_of(&friends, 9);
        cleared.clear();
        assert_eq!(cleared, Legs::new());
    }
}
