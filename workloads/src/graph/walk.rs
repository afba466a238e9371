//! A status goes to all friends: the hot loop, up to hundreds of millions of deliveries in a run.
//!
//! One delivery is three things: is the friend connected to this edge; how long does its last mile take; and what does
//! its screen now say about the publisher. The first is a byte per client, the second a draw counted in one of 8,192
//! cells, the third a bit at the position of the edge from publisher to friend, written 64 at a time. There is no jump
//! in it that depends on who is there: a quarter of friends away at random would cost more than all the rest.

use std::hint::black_box;

use super::{REGIONS_MAX, USERS_MAX};
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

/// The clients of one region, as a walk sees them.
#[derive(Clone, Copy, Debug)]
pub struct Clients<'c> {
    /// By number in the region: edge and access, or [`AWAY`].
    conn: &'c [u8],
    /// 2^32 / regions, rounded up: a product of a user of 24 bits and a region of 8 is below 2^32, so dividing by
    /// multiplication is exact.
    per_region: u64,
}

const _: () = assert!(USERS_MAX as u64 * REGIONS_MAX as u64 <= 1 << 32);

impl<'c> Clients<'c> {
    /// The region's bytes, by number in the region; a friend's number is `friend / regions`.
    pub fn new(conn: &'c [u8], regions: u32) -> Self {
        assert!((1..=REGIONS_MAX).contains(&regions), "a graph has 1 to 255 regions");
        Self { conn, per_region: (1u64 << 32).div_ceil(u64::from(regions)) }
    }

    /// The byte of a user of the region.
    #[inline]
    fn conn(&self, user: u32) -> u8 {
        self.conn[((u64::from(user) * self.per_region) >> 32) as usize]
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
/// `friends` is a part of a publisher's row that lies in the clients' region, and `start` the position of its first
/// entry ([`super::Graph::slice`]). `views` has a bit for each position: what the friend's screen says of the
/// publisher; the bits of friends reached become `status.online`. Each friend reached counts once in `legs`, at a
/// latency drawn from the salt and the friend's number alone.
pub fn show(
    friends: &[u32],
    start: u64,
    clients: Clients<'_>,
    status: Status,
    views: &mut [u64],
    legs: &mut Legs,
) -> Walked {
    let Status { edge, online, salt } = status;
    let salt = strew(salt ^ SALT);
    let wanted = if online { u64::MAX } else { 0 };
    let mut walked = Walked::default();
    // Rows of random publishers are nowhere in the caches. Asked for one after the other, their lines would be waited
    // for one after the other; so one word of each of the first lines is read now, and all of them come at once.
    let first_view = views.get((start / 64) as usize).map_or(0, |view| *view as u32);
    let ahead = friends.iter().step_by(LINE_FRIENDS).take(LINES_AHEAD_MAX);
    black_box(ahead.fold(first_view, |all, friend| all ^ friend));
    let (mut word, mut bit, mut rest) = ((start / 64) as usize, (start % 64) as u32, friends);
    while !rest.is_empty() {
        let (some, later) = rest.split_at(rest.len().min(64 - bit as usize));
        let mut reached = 0u64;
        for friend in some {
            let conn = clients.conn(*friend);
            let here = u64::from(conn & AWAY == edge);
            let leg = (leg_bits(salt, *friend) >> (64 - LEGS.trailing_zeros())) as usize;
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
        (word, bit, rest) = (word + 1, 0, later);
    }
    walked
}

/// Friends in a cache line of 64 bytes.
const LINE_FRIENDS: usize = 16;
/// Further down the row the machine itself has seen where it goes.
const LINES_AHEAD_MAX: usize = 64;

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
    use crate::graph::{Degrees, Graph, GraphOptions};

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
                let (start, friends) = graph.slice(user, region);
                let mut legs = Legs::new();
                let clients = Clients::new(&conn, REGIONS);
                let walked = show(friends, start, clients, status, &mut views, &mut legs);
                let (mut expected, mut over_wifi) = (Walked::default(), 0);
                for (position, friend) in (start as usize..).zip(friends) {
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

    #[test]
    fn last_miles_are_equally_likely_whoever_the_friends_are() {
        // 4,096 cells; 409,600 draws are 100 each. Chi-square with 4,095 degrees of freedom has mean 4,095 and standard
        // deviation sqrt(2 * 4,095) = 90: five of them either way, so that neither too uneven nor too even passes.
        let conn = vec![EDGE | WIFI; 500_000];
        let chi = |rows: &mut dyn Iterator<Item = Vec<u32>>| {
            let (mut legs, mut views) = (Legs::new(), vec![0; 500_000 / 64 + 1]);
            for (salt, row) in rows.enumerate() {
                let status = Status { edge: EDGE, online: true, salt: salt as u64 };
                show(&row, 0, Clients::new(&conn, 1), status, &mut views, &mut legs);
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
    fn a_clients_number_in_its_region_is_exact() {
        for regions in [1, 2, 3, 7, 100, 254, 255] {
            for last in [USERS_MAX - 1, 1_000_003] {
                // The last user of a region, and the one before it in the same region.
                let number = last / regions;
                let mut conn = vec![AWAY; number as usize + 1];
                conn[number as usize] = EDGE;
                let clients = Clients::new(&conn, regions);
                assert_eq!((clients.conn(last), clients.conn(number * regions)), (EDGE, EDGE));
                assert_eq!(clients.conn(number * regions - 1), AWAY, "{regions}");
            }
        }
    }

    #[test]
    fn a_draw_depends_on_the_salt_and_the_friend_alone() {
        let conn = [EDGE; 100];
        let legs_of = |friends: &[u32], salt| {
            let mut legs = Legs::new();
            let status = Status { edge: EDGE, online: true, salt };
            show(friends, 5, Clients::new(&conn, 1), status, &mut [0; 3], &mut legs);
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
