//! A user's friends, as they are read: one after the other, or the part in each segment.

use super::SEGMENT_USERS;

/// A user's friends in one segment of one region.
#[derive(Clone, Copy, Debug)]
pub struct Part<'g> {
    /// Their numbers in the segment, ascending.
    pub numbers: &'g [u16],
    /// The number in the region of the segment's first user.
    pub first: u32,
    /// That user.
    pub first_user: u32,
    /// How far apart neighbours in the segment are: the number of regions.
    pub regions: u32,
}

impl<'g> Part<'g> {
    /// The friends.
    #[inline]
    pub fn users(self) -> impl Iterator<Item = u32> + 'g {
        self.numbers.iter().map(move |number| self.first_user + u32::from(*number) * self.regions)
    }
}

/// A user's friends in all regions, or in one of them, in the order of regions, then of numbers.
#[derive(Clone, Copy, Debug)]
pub struct Row<'g> {
    /// The region of the first part, of so many regions, with so many segments each.
    pub(super) region: u32,
    pub(super) regions: u32,
    pub(super) segments: u32,
    /// The position where each part begins, and where the last one ends.
    pub(super) starts: &'g [u32],
    /// By position, of the whole graph.
    pub(super) friends: &'g [u16],
}

impl<'g> Row<'g> {
    /// The position of the first of them.
    #[inline]
    pub fn start(self) -> u64 {
        u64::from(self.starts[0])
    }

    /// How many they are.
    #[inline]
    pub fn len(self) -> usize {
        (self.starts[self.starts.len() - 1] - self.starts[0]) as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// All of them.
    #[inline]
    pub fn users(self) -> impl Iterator<Item = u32> + 'g {
        self.users_from(0)
    }

    /// All but so many of the first.
    #[inline]
    pub fn users_from(self, mut without: usize) -> impl Iterator<Item = u32> + 'g {
        self.parts().flat_map(move |part| {
            let (before, after) = part.numbers.split_at(without.min(part.numbers.len()));
            without -= before.len();
            Part { numbers: after, ..part }.users()
        })
    }

    /// The parts, in the order of regions, then of segments; a part may be empty.
    #[inline]
    pub fn parts(self) -> impl Iterator<Item = Part<'g>> {
        let (mut region, mut segment) = (self.region, 0);
        self.starts.windows(2).map(move |bounds| {
            let first = segment * SEGMENT_USERS;
            let first_user = first * self.regions + region;
            segment += 1;
            if segment == self.segments {
                (region, segment) = (region + 1, 0);
            }
            let numbers = &self.friends[bounds[0] as usize..bounds[1] as usize];
            Part { numbers, first, first_user, regions: self.regions }
        })
    }

    /// The numbers of all parts, one behind the other.
    #[inline]
    pub(super) fn numbers(self) -> &'g [u16] {
        &self.friends[self.starts[0] as usize..self.starts[self.starts.len() - 1] as usize]
    }

    /// The position of the edge to a user of these regions, if it is one of the friends.
    pub fn position(self, friend: u32) -> Option<u64> {
        let (part, number) = self.part_of(friend);
        let [begin, end] = [part, part + 1].map(|at| self.starts[at] as usize);
        self.friends[begin..end].binary_search(&number).ok().map(|at| (begin + at) as u64)
    }

    /// The place of one of the friends among them, when its lowest eight bits are known.
    pub(super) fn place_ending(self, bits: u8, friend: u32) -> usize {
        let (part, number) = self.part_of(friend);
        let [begin, end] = [part, part + 1].map(|at| (self.starts[at] - self.starts[0]) as usize);
        let first = begin + usize::from(bits.wrapping_sub(begin as u8));
        let numbers = self.numbers();
        (first..end).step_by(1 << 8).find(|place| numbers[*place] == number).expect("it is one of them")
    }

    /// In which part a user's number would be, and the number in its segment.
    fn part_of(self, user: u32) -> (usize, u16) {
        let (region, number) = (user % self.regions, user / self.regions);
        ((((region - self.region) * self.segments) + number / SEGMENT_USERS) as usize, number as u16)
    }
}
