//! Who is whose friend: a symmetric graph without loops or repeated edges, from a seed (friends-online.md 1 and 5.3).
//!
//! Half a million users with 500 friends each are 250 million directed edges, half a gigabyte at two bytes each. So a row
//! is written once, where it stays, in order:
//!
//! | file | idea |
//! |---|---|
//! | [`degrees`] | how many friends everybody asks for, and whose stub is whose |
//! | `pairing` | a random matching of stubs by formula: the partner of my partner am I |
//! | `marks` | a row's places in a bitset: sorted, and nobody twice |
//! | [`row`] | a user's friends, as they are read |
//! | `mirror` | where I am in my friend's row |
//! | [`walk`] | a status goes to all friends: the hot loop |
//!
//! A user's region is `user % regions` and its number in the region `user / regions`. Rows are in the order of regions, then of
//! numbers; a region's part of a row, its *slice*, is contiguous.
//!
//! A region's users lie in *segments* of 65,536, by number: within one, 16 bits say who a friend is. A slice has a *part*
//! for each segment, and the rows know where each part begins.

pub mod degrees;
mod marks;
mod mirror;
mod pairing;
pub mod row;
pub mod walk;

use std::fmt;

pub use self::degrees::Degrees;
pub use self::mirror::Mirror;
pub use self::row::{Part, Row};

use self::degrees::{Equal, Owners, Ranked};
use self::marks::Marks;
use self::pairing::Pairing;

/// Who there is, and how many friends they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphOptions {
    /// Users, numbered from 0; 1 to 16 million.
    pub users: u32,
    /// Regions, 1 to 255.
    pub regions: u32,
    pub degrees: Degrees,
    pub seed: u64,
}

/// What no graph can be built of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphError {
    /// Not 1 to [`USERS_MAX`] users.
    UsersOutOfRange { users: u32 },
    /// Not 1 to [`REGIONS_MAX`] regions.
    RegionsOutOfRange { regions: u32 },
    /// Somebody asks for more friends than there are others, or than a row can hold.
    DegreeTooLarge { degree: u32, most: u32 },
    /// A median of 0 or above the maximum.
    MedianOutOfRange { median: u32, max: u32 },
    /// More directed edges than positions.
    TooManyEdges { most: u64 },
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UsersOutOfRange { users } => write!(f, "{users} users: 1 to {USERS_MAX} are possible"),
            Self::RegionsOutOfRange { regions } => write!(f, "{regions} regions: 1 to {REGIONS_MAX} are possible"),
            Self::DegreeTooLarge { degree, most } => write!(f, "{degree} friends: at most {most} are possible"),
            Self::MedianOutOfRange { median, max } => {
                write!(f, "a median of {median} friends: 1 to the maximum of {max} is possible")
            }
            Self::TooManyEdges { most } => write!(f, "more than {most} friendships, counted from both sides"),
        }
    }
}

impl std::error::Error for GraphError {}

/// Most users of a graph.
pub const USERS_MAX: u32 = 1 << 24;
/// Most regions of a graph.
pub const REGIONS_MAX: u32 = 255;

/// Users of a segment: as many as 16 bits tell apart.
const SEGMENT_USERS: u32 = 1 << 16;

/// The friendships of all users, as rows one after the other.
///
/// A directed edge is a place in this sequence: its *position*, from 0 to [`Graph::edges`]. At full size this is half a
/// gigabyte, so it cannot be cloned: those who need it share it in an `Arc`.
#[derive(Debug)]
pub struct Graph {
    users: u32,
    regions: u32,
    /// Segments of the largest region; every slice has as many parts.
    segments: u32,
    asked: u64,
    /// Where each user's part for each segment of each region begins, users in order, and where the last one ends.
    starts: Vec<u32>,
    /// By position: the friend's number in its segment.
    friends: Vec<u16>,
}

impl Graph {
    /// The graph of these options; the same options give the same graph on every machine.
    ///
    /// Degrees are as asked, but for friends drawn twice and oneself drawn, who are dropped on both sides: about
    /// `d * (d - 1) / (2 * users)` of the `d` friends of a user among users alike, 0.25 of 500 with 500,000 users.
    /// In all [`Graph::edges_dropped`].
    pub fn build(options: &GraphOptions) -> Result<Self, GraphError> {
        let &GraphOptions { users, regions, degrees, seed } = options;
        if users == 0 || users > USERS_MAX {
            return Err(GraphError::UsersOutOfRange { users });
        }
        if regions == 0 || regions > REGIONS_MAX {
            return Err(GraphError::RegionsOutOfRange { regions });
        }
        let classes = degrees.classes(users)?;
        let stubs = classes.last().map_or(0, |class| class.first_stub + class.users * class.degree);
        let segments = users.div_ceil(regions).div_ceil(SEGMENT_USERS);
        let empty = Self { users, regions, segments, asked: u64::from(stubs), starts: Vec::new(), friends: Vec::new() };
        let pairing = || Pairing::new(stubs, seed);
        Ok(match *classes {
            [] => Self { starts: vec![0; users as usize * empty.parts() + 1], ..empty },
            // With one class the pairing alone strews enough.
            [class] => empty.filled(&pairing(), &Equal::new(class.degree)),
            _ => empty.filled(&pairing(), &Ranked::new(classes, users, seed)),
        })
    }

    fn filled(self, pairing: &Pairing, owners: &impl Owners) -> Self {
        let (users, regions, parts) = (self.users, self.regions, self.parts());
        let mut marks = Marks::new(users);
        // By part: the place of its segment's first user, and the one behind its last.
        let places: Vec<(u32, u32)> = (0..regions).flat_map(|region| self.segments_of(region)).collect();
        let mut starts = Vec::with_capacity(users as usize * parts + 1);
        // Zeroed by the system when first touched, so this costs nothing.
        let mut friends = vec![0; self.asked as usize];
        let mut next = 0;
        for user in 0..users {
            let own = place(users, regions, user);
            let (first, count) = owners.stubs(own);
            pairing.partners(first, count, |some| {
                owners.owners(some);
                some.iter().for_each(|place| marks.insert(*place));
            });
            marks.remove(own);
            let row = &mut friends[next..next + count as usize];
            let (mut part, mut taken) = (0, 0);
            let (mut begin, mut end) = places[0];
            starts.push(next as u32);
            marks.drain(|place| {
                while place >= end {
                    part += 1;
                    (begin, end) = places[part];
                    starts.push((next + taken) as u32);
                }
                row[taken] = (place - begin) as u16;
                taken += 1;
            });
            next += taken;
            starts.resize((user as usize + 1) * parts, next as u32);
        }
        starts.push(next as u32);
        friends.truncate(next);
        Self { starts, friends, ..self }
    }

    /// The places of each segment of a region: the first, and the one behind the last.
    fn segments_of(&self, region: u32) -> impl Iterator<Item = (u32, u32)> + use<> {
        let (first, end) =
            (first_place(self.users, self.regions, region), first_place(self.users, self.regions, region + 1));
        (0..self.segments).map(move |segment| {
            let begin = first + segment * SEGMENT_USERS;
            (begin.min(end), (begin + SEGMENT_USERS).min(end))
        })
    }

    /// Parts of a row.
    fn parts(&self) -> usize {
        self.regions as usize * self.segments as usize
    }

    /// How many users there are.
    pub fn users(&self) -> u32 {
        self.users
    }

    /// How many regions they live in.
    pub fn regions(&self) -> u32 {
        self.regions
    }

    /// Directed edges: two for each friendship.
    pub fn edges(&self) -> u64 {
        self.friends.len() as u64
    }

    /// Directed edges that were asked for and are not there: see [`Graph::build`].
    pub fn edges_dropped(&self) -> u64 {
        self.asked - self.edges()
    }

    /// Everything the graph holds [bytes].
    pub fn bytes(&self) -> usize {
        self.friends.capacity() * size_of::<u16>() + self.starts.capacity() * size_of::<u32>()
    }

    /// The position where a user's row begins.
    pub fn start(&self, user: u32) -> u64 {
        u64::from(self.starts[user as usize * self.parts()])
    }

    /// A user's friends, in the order of regions, then of numbers.
    pub fn row(&self, user: u32) -> Row<'_> {
        self.row_in(user, 0, self.parts())
    }

    /// A user's friends in one region.
    pub fn slice(&self, user: u32, region: u32) -> Row<'_> {
        assert!(region < self.regions, "regions are numbered from 0");
        self.row_in(user, region, self.segments as usize)
    }

    fn row_in(&self, user: u32, region: u32, parts: usize) -> Row<'_> {
        let first = user as usize * self.parts() + region as usize * self.segments as usize;
        let &Self { regions, segments, .. } = self;
        Row { region, regions, segments, starts: &self.starts[first..=first + parts], friends: &self.friends }
    }

    /// How many friends a user has.
    pub fn degree(&self, user: u32) -> u32 {
        self.row(user).len() as u32
    }

    /// Whether the two are friends.
    pub fn contains(&self, user: u32, friend: u32) -> bool {
        self.position(user, friend).is_some()
    }

    /// The position of the edge from `user` to `friend`, if they are friends.
    pub fn position(&self, user: u32, friend: u32) -> Option<u64> {
        if user >= self.users || friend >= self.users {
            return None;
        }
        self.slice(user, friend % self.regions).position(friend)
    }

    /// Where everybody is in the rows of their friends: half as much memory again.
    pub fn mirror(&self) -> Mirror {
        Mirror::of(self)
    }
}

/// How many users live in the regions before this one, for `region` up to the number of regions.
fn first_place(users: u32, regions: u32, region: u32) -> u32 {
    region * (users / regions) + region.min(users % regions)
}

/// A user's place: its number when all users are counted region by region.
fn place(users: u32, regions: u32, user: u32) -> u32 {
    first_place(users, regions, user % regions) + user / regions
}

#[cfg(test)]
mod tests;
