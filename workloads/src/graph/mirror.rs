//! Where I am in my friend's row.

use super::Graph;

/// For each directed edge, by position: the place of the edge's user in the row of the friend.
#[derive(Debug)]
pub struct Mirror {
    places: Vec<u16>,
}

impl Mirror {
    /// Rows are sorted, so if users are visited in the order that rows have, a user is the next one in each of its
    /// friends' rows.
    pub(super) fn of(graph: &Graph) -> Self {
        let mut places = vec![0; graph.friends.len()];
        let mut next = vec![0u16; graph.users as usize];
        for region in 0..graph.regions {
            for user in (region..graph.users).step_by(graph.regions as usize) {
                let (start, row) = (graph.start(user) as usize, graph.row(user));
                for (place, friend) in places[start..start + row.len()].iter_mut().zip(row) {
                    let next = &mut next[*friend as usize];
                    *place = *next;
                    *next = next.wrapping_add(1);
                }
            }
        }
        Self { places }
    }

    /// The place of `user` in the row of `friend`, for the edge from `user` to `friend` at this position: the position
    /// of the edge back is `graph.start(friend)` and this more.
    #[inline]
    pub fn place(&self, position: u64) -> u32 {
        u32::from(self.places[position as usize])
    }

    /// The same for a run of positions, such as a whole row's.
    pub fn places(&self, positions: std::ops::Range<u64>) -> &[u16] {
        &self.places[positions.start as usize..positions.end as usize]
    }

    /// Everything the mirror holds [bytes].
    pub fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<u16>()
    }
}
