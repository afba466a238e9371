//! Where I am in my friend's row.

use super::Graph;

/// For each directed edge, by position: the place of the edge's user in the friend's slice of the user's region.
///
/// Of a place the lowest eight bits are kept. That is all of it in a slice of up to 256 friends: with half a million users
/// in four regions who have 500 friends each, in all of them. In a longer one a look at every 256th place tells which.
#[derive(Debug)]
pub struct Mirror {
    places: Vec<u8>,
}

/// Friends of a slice whose places are known by eight bits.
const PLACES: usize = 1 << 8;

impl Mirror {
    /// Slices are sorted, so if a region's users are visited in the order of numbers, a user is the next one in each of
    /// its friends' slices.
    pub(super) fn of(graph: &Graph) -> Self {
        let mut places = vec![0; graph.friends.len()];
        let mut next = vec![0u8; graph.users as usize];
        for region in 0..graph.regions {
            next.fill(0);
            for user in (region..graph.users).step_by(graph.regions as usize) {
                let mut at = graph.start(user) as usize;
                for part in graph.row(user).parts() {
                    let end = at + part.numbers.len();
                    for (place, friend) in places[at..end].iter_mut().zip(part.users()) {
                        let next = &mut next[friend as usize];
                        *place = *next;
                        *next = next.wrapping_add(1);
                    }
                    at = end;
                }
            }
        }
        Self { places }
    }

    /// The lowest eight bits of a run of places, such as a whole row's.
    pub fn places(&self, positions: std::ops::Range<u64>) -> &[u8] {
        &self.places[positions.start as usize..positions.end as usize]
    }

    /// Everything the mirror holds [bytes].
    pub fn bytes(&self) -> usize {
        self.places.capacity()
    }
}

impl Graph {
    /// The place of `user` in the slice of `friend` for the user's region, which has `len` friends in all, by what the
    /// mirror has at the edge from `user` to `friend`.
    #[inline]
    pub fn place_back(&self, user: u32, friend: u32, mirrored: u8, len: usize) -> usize {
        if len <= PLACES {
            return usize::from(mirrored);
        }
        self.slice(friend, user % self.regions).place_ending(mirrored, user)
    }
}
