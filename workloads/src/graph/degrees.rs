//! How many friends everybody has.
//!
//! Users are ranked, the most popular first, and lie in classes of equal degree. Every user has as many *stubs* as it
//! asks for friends, and all stubs are numbered through in the order of ranks: so whose stub it is follows from its
//! number by a search among few classes and one division, and no table of stubs is needed.

use headcount_sim::Stream;

use super::GraphError;

/// How many friends users ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Degrees {
    /// Everybody the same (friends-online.md 1: 500 to 1,000).
    Constant(u32),
    /// Half of all users ask for more than `median`, the most popular one for `max`. The tail falls like a power on
    /// both sides of the median (log-Laplace): with 500,000 users, median 500 and maximum 20,000, half a per cent ask
    /// for more than 2,000 (friends-online.md 2.3: 2,000 to 20,000 in the largest tier), and the mean is 10 % above
    /// the median.
    HeavyTailed { median: u32, max: u32 },
}

/// Most friends a user may ask for: places in a row are kept in 16 bits.
pub const DEGREE_MAX: u32 = u16::MAX as u32;

/// Users of the same degree: ranks `first_rank ..`, stubs `first_stub ..`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub first_rank: u32,
    pub users: u32,
    pub degree: u32,
    pub first_stub: u32,
}

impl Degrees {
    /// The most friends anybody asks for.
    pub fn max(&self) -> u32 {
        match *self {
            Self::Constant(degree) => degree,
            Self::HeavyTailed { max, .. } => max,
        }
    }

    /// The classes, from the most popular on; users who ask for nobody are left out.
    pub(super) fn classes(&self, users: u32) -> Result<Vec<Class>, GraphError> {
        let most = self.max();
        if most > DEGREE_MAX || most >= users {
            return Err(GraphError::DegreeTooLarge { degree: most, most: DEGREE_MAX.min(users - 1) });
        }
        let sizes = match *self {
            Self::Constant(degree) => vec![(degree, users)],
            Self::HeavyTailed { median, max } => {
                if median == 0 || median > max {
                    return Err(GraphError::MedianOutOfRange { median, max });
                }
                heavy_tailed(median, max, users)
            }
        };
        let (mut classes, mut rank, mut stub) = (Vec::new(), 0, 0u64);
        for (degree, users) in sizes.into_iter().filter(|(degree, _)| *degree > 0) {
            classes.push(Class { first_rank: rank, users, degree, first_stub: stub as u32 });
            rank += users;
            stub += u64::from(degree) * u64::from(users);
            if stub > EDGES_MAX {
                return Err(GraphError::TooManyEdges { most: EDGES_MAX });
            }
        }
        Ok(classes)
    }
}

/// Positions are 32-bit numbers, and the pairing needs some room above the last stub.
pub(super) const EDGES_MAX: u64 = 4_000_000_000;

/// (degree, users) from the most popular on, by classes that are at most 3 % wide.
fn heavy_tailed(median: u32, max: u32, users: u32) -> Vec<(u32, u32)> {
    let half = f64::from(users) / 2.0;
    let middle = f64::from(median);
    let power = if half > 1.0 { libm::log(f64::from(max) / middle) / libm::log(half) } else { 0.0 };
    // Above the median max * rank^-power, below it the mirror image on a logarithmic scale.
    let degree = |rank: u32| {
        let (above, below) = (f64::from(rank + 1), f64::from(users - rank));
        let degree = if above <= half {
            middle * libm::pow(half / above, power)
        } else {
            middle * libm::pow((below / half).min(1.0), power)
        };
        (libm::round(degree) as u32).clamp(1, max)
    };
    // Six significant bits say which class it is.
    let cell = |degree: u32| {
        let below = degree.ilog2().saturating_sub(5);
        degree >> below << below
    };
    let mut sizes = Vec::new();
    let mut first = 0;
    while first < users {
        let own = cell(degree(first));
        // Degrees fall with the rank, so the end of the class can be searched for.
        let (mut inside, mut outside) = (first, users);
        while outside - inside > 1 {
            let middle = inside + (outside - inside) / 2;
            if cell(degree(middle)) == own { inside = middle } else { outside = middle }
        }
        sizes.push((degree(first + (outside - first) / 2), outside - first));
        first = outside;
    }
    sizes
}

/// Whose stub is it, and which stubs has a user? Users are named by their *place*, their number in the order of
/// regions, since rows are in that order too.
pub(super) trait Owners {
    /// Turns stubs into the places of the users who have them.
    fn owners(&self, stubs: &mut [u32]);
    /// A place's first stub, and how many it has.
    fn stubs(&self, place: u32) -> (u32, u32);
}

/// Division by a constant of 16 bits as a multiplication: exact for dividends of 32 bits, since their product is below
/// the 2^63 that the reciprocal is scaled by (Granlund and Montgomery 1994).
#[derive(Clone, Copy, Debug)]
pub(super) struct Divisor {
    reciprocal: u64,
}

impl Divisor {
    pub fn new(divisor: u32) -> Self {
        assert!((1..1 << 16).contains(&divisor), "divisors have 16 bits");
        Self { reciprocal: (1u64 << 63).div_ceil(u64::from(divisor)) }
    }

    #[inline]
    pub fn divide(self, dividend: u32) -> u32 {
        ((u128::from(self.reciprocal) * u128::from(dividend)) >> 63) as u32
    }
}

/// Everybody has the same degree: ranks are places.
pub(super) struct Equal {
    degree: u32,
    divisor: Divisor,
}

impl Equal {
    pub fn new(degree: u32) -> Self {
        Self { degree, divisor: Divisor::new(degree) }
    }
}

impl Owners for Equal {
    #[inline]
    fn owners(&self, stubs: &mut [u32]) {
        stubs.iter_mut().for_each(|stub| *stub = self.divisor.divide(*stub));
    }

    fn stubs(&self, place: u32) -> (u32, u32) {
        (place * self.degree, self.degree)
    }
}

/// Classes of degrees, their users strewn over all places.
pub(super) struct Ranked {
    classes: Vec<Class>,
    /// Beside `classes`, what is needed to find an owner: a quarter of a cache line each.
    entries: Vec<Entry>,
    /// For stub >> `shift`: the class of the first stub of that cell.
    cells: Vec<u16>,
    shift: u32,
    strewing: Strewing,
}

#[derive(Clone, Copy)]
struct Entry {
    first_stub: u32,
    first_rank: u32,
    by_degree: Divisor,
}

/// Cells of the index from stubs to classes: as many bits.
const CELL_BITS: u32 = 12;

impl Ranked {
    pub fn new(classes: Vec<Class>, users: u32, seed: u64) -> Self {
        let last = classes.last().map_or(0, |class| class.first_stub + class.users * class.degree - 1);
        let shift = (last | 1).ilog2().saturating_sub(CELL_BITS - 1);
        let class_of = |stub: u32| classes.partition_point(|class| class.first_stub <= stub).saturating_sub(1) as u16;
        let cells = (0..=last >> shift).map(|cell| class_of(cell << shift)).collect();
        let entry = |class: &Class| Entry {
            first_stub: class.first_stub,
            first_rank: class.first_rank,
            by_degree: Divisor::new(class.degree),
        };
        // Behind the last class stands one that no stub reaches.
        let end = Entry { first_stub: u32::MAX, first_rank: users, by_degree: Divisor::new(1) };
        let entries = classes.iter().map(entry).chain([end]).collect();
        Self { classes, entries, cells, shift, strewing: Strewing::new(users, seed) }
    }

    /// The rank of the user with this stub.
    #[inline]
    fn rank(&self, stub: u32) -> u32 {
        let mut at = usize::from(self.cells[(stub >> self.shift) as usize]);
        // Seldom: there are ten times as many cells as classes.
        while self.entries[at + 1].first_stub <= stub {
            at += 1;
        }
        let entry = &self.entries[at];
        entry.first_rank + entry.by_degree.divide(stub - entry.first_stub)
    }
}

impl Owners for Ranked {
    #[inline]
    fn owners(&self, stubs: &mut [u32]) {
        stubs.iter_mut().for_each(|stub| *stub = self.rank(*stub));
        stubs.iter_mut().for_each(|rank| *rank = self.strewing.place(*rank));
    }

    fn stubs(&self, place: u32) -> (u32, u32) {
        let rank = self.strewing.rank(place);
        let at = self.classes.partition_point(|class| class.first_rank <= rank) - 1;
        let class = &self.classes[at];
        let within = rank - class.first_rank;
        if within < class.users { (class.first_stub + within * class.degree, class.degree) } else { (0, 0) }
    }
}

/// A permutation of users by two small tables, which stay in a first-level cache where a list of all users would not:
/// a number (hi, lo) in mixed radix, lo moved by a random function of hi, then hi by one of lo. A class of neighbouring
/// ranks so comes to lie everywhere.
struct Strewing {
    users: u32,
    highs: u32,
    lows: u32,
    by_lows: Divisor,
    /// By hi: values below `lows`.
    along: Vec<u16>,
    /// By lo: values below `highs`.
    across: Vec<u16>,
}

impl Strewing {
    fn new(users: u32, seed: u64) -> Self {
        let highs = users.isqrt().max(1);
        let lows = users.div_ceil(highs);
        let mut stream = Stream::new(seed, "friends: ranks", 0);
        let mut table =
            |entries: u32, below: u32| (0..entries).map(|_| stream.below(u64::from(below)) as u16).collect();
        let (along, across) = (table(highs, lows), table(lows, highs));
        Self { users, highs, lows, by_lows: Divisor::new(lows), along, across }
    }

    /// Numbers from `users` up to `highs * lows`, fewer than `highs`, are passed through until one below comes out.
    #[inline]
    fn place(&self, rank: u32) -> u32 {
        let mut number = rank;
        loop {
            let hi = self.by_lows.divide(number);
            let lo = number - hi * self.lows;
            let lo = less(lo + u32::from(self.along[hi as usize]), self.lows);
            let hi = less(hi + u32::from(self.across[lo as usize]), self.highs);
            number = hi * self.lows + lo;
            if number < self.users {
                return number;
            }
        }
    }

    fn rank(&self, place: u32) -> u32 {
        let mut number = place;
        loop {
            let hi = self.by_lows.divide(number);
            let lo = number - hi * self.lows;
            let hi = less(hi + self.highs - u32::from(self.across[lo as usize]), self.highs);
            let lo = less(lo + self.lows - u32::from(self.along[hi as usize]), self.lows);
            number = hi * self.lows + lo;
            if number < self.users {
                return number;
            }
        }
    }
}

/// A sum of two numbers below `modulus`, modulo that.
#[inline]
fn less(sum: u32, modulus: u32) -> u32 {
    sum.min(sum.wrapping_sub(modulus))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_division_by_multiplication_is_exact() {
        for divisor in [1, 2, 3, 7, 255, 500, 641, 4_096, 65_535] {
            let fast = Divisor::new(divisor);
            let near = (0..20u64).flat_map(|k| {
                let multiple = (u64::from(u32::MAX) / u64::from(divisor) * k / 19) * u64::from(divisor);
                [multiple.saturating_sub(1), multiple, multiple + 1, multiple + u64::from(divisor) - 1]
            });
            for dividend in near.map(|n| n.min(u64::from(u32::MAX)) as u32) {
                assert_eq!(fast.divide(dividend), dividend / divisor, "{dividend} / {divisor}");
            }
        }
    }

    #[test]
    fn a_heavy_tail_has_its_median_its_maximum_and_half_a_per_cent_above_2000() {
        let users = 500_000;
        let classes = Degrees::HeavyTailed { median: 500, max: 20_000 }.classes(users).unwrap();
        assert_eq!((classes[0].degree, classes[0].first_rank), (20_000, 0));
        assert!(classes.len() < 500, "{}", classes.len());
        assert!(classes.windows(2).all(|pair| pair[0].degree > pair[1].degree));
        assert_eq!(classes.iter().map(|class| class.users).sum::<u32>(), users);
        let median = classes.iter().rfind(|class| class.first_rank <= users / 2).unwrap().degree;
        assert!(median.abs_diff(500) <= 15, "{median}");
        // power = ln 40 / ln 250,000 = 0.297; above 2,000 = 4 medians: 0.5 * 4^(-1 / 0.297) = 0.0047 of all.
        let above: u32 = classes.iter().filter(|class| class.degree > 2_000).map(|class| class.users).sum();
        assert!((2_150..2_550).contains(&above), "{above}");
        // Mean = 500 / (1 - 0.297^2) = 548.
        let mean = classes.iter().map(|c| u64::from(c.degree) * u64::from(c.users)).sum::<u64>() / u64::from(users);
        assert!((535..560).contains(&mean), "{mean}");
    }

    #[test]
    fn a_stub_is_among_the_stubs_of_its_owner() {
        let users = 3_000;
        let classes = Degrees::HeavyTailed { median: 10, max: 900 }.classes(users).unwrap();
        let end = classes.last().map(|class| class.first_stub + class.users * class.degree).unwrap();
        let ranked = Ranked::new(classes, users, 5);
        let equal = Equal::new(7);
        for (owners, end) in [(&ranked as &dyn Owners, end), (&equal, 7 * users)] {
            let mut places: Vec<u32> = (0..end).collect();
            owners.owners(&mut places);
            for (stub, place) in places.into_iter().enumerate() {
                let (first, count) = owners.stubs(place);
                assert!((first..first + count).contains(&(stub as u32)), "{stub}");
            }
        }
    }

    #[test]
    fn every_rank_has_a_place_of_its_own_and_neighbours_lie_far_apart() {
        for users in [1, 2, 3, 10, 99, 10_007] {
            let strewing = Strewing::new(users, 5);
            let mut taken = vec![false; users as usize];
            for rank in 0..users {
                let place = strewing.place(rank);
                assert!(!std::mem::replace(&mut taken[place as usize], true));
                assert_eq!(strewing.rank(place), rank);
            }
        }
        // The first 1,000 of 10,007 ranks: in each tenth of the places 100, standard deviation 9.5; six of them.
        let strewing = Strewing::new(10_007, 5);
        let mut tenths = [0u32; 11];
        (0..1_000).for_each(|rank| tenths[strewing.place(rank) as usize / 1_000] += 1);
        assert!(tenths[..10].iter().all(|seen| seen.abs_diff(100) < 57), "{tenths:?}");
    }

    #[test]
    fn impossible_degrees_are_refused() {
        assert_eq!(Degrees::Constant(10).classes(10).unwrap_err(), GraphError::DegreeTooLarge { degree: 10, most: 9 });
        assert_eq!(
            Degrees::HeavyTailed { median: 5, max: 70_000 }.classes(100_000).unwrap_err(),
            GraphError::DegreeTooLarge { degree: 70_000, most: 65_535 }
        );
        assert_eq!(
            Degrees::HeavyTailed { median: 50, max: 40 }.classes(100).unwrap_err(),
            GraphError::MedianOutOfRange { median: 50, max: 40 }
        );
        // 1,000,000 * 5,000 = 5 * 10^9.
        assert_eq!(
            Degrees::Constant(5_000).classes(1_000_000).unwrap_err(),
            GraphError::TooManyEdges { most: EDGES_MAX }
        );
    }
}
