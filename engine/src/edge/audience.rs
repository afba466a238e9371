//! Who of a population listens to one channel at one edge: mostly one client, sometimes a few, sometimes all.

use smallvec::SmallVec;

use crate::contract::NodeId;
use crate::message::Client;

/// More clients than this are kept as bits.
const FEW: usize = 16;

/// Clients of one population, by their dense index.
#[derive(Debug)]
enum Clients {
    /// In order.
    Few(SmallVec<[Client; 2]>),
    /// A bit for each, and how many are set.
    Many(Vec<u64>, u32),
}

impl Clients {
    fn len(&self) -> u32 {
        match self {
            Self::Few(few) => few.len() as u32,
            Self::Many(_, count) => *count,
        }
    }

    /// Whether it was not there before.
    fn insert(&mut self, client: Client) -> bool {
        match self {
            Self::Few(few) => match few.binary_search(&client) {
                Ok(_) => false,
                Err(place) if few.len() < FEW => {
                    few.insert(place, client);
                    true
                }
                Err(_) => {
                    let mut many = Self::Many(Vec::new(), 0);
                    few.iter().for_each(|client| _ = many.insert(*client));
                    many.insert(client);
                    *self = many;
                    true
                }
            },
            Self::Many(bits, count) => {
                let (word, bit) = (client as usize / 64, 1u64 << (client % 64));
                if bits.len() <= word {
                    bits.resize(word + 1, 0);
                }
                let new = bits[word] & bit == 0;
                bits[word] |= bit;
                *count += u32::from(new);
                new
            }
        }
    }

    fn remove(&mut self, client: Client) -> bool {
        match self {
            Self::Few(few) => few.binary_search(&client).map(|place| few.remove(place)).is_ok(),
            Self::Many(bits, count) => {
                let (word, bit) = (client as usize / 64, 1u64 << (client % 64));
                let was = bits.get(word).is_some_and(|bits| bits & bit != 0);
                if was {
                    bits[word] &= !bit;
                    *count -= 1;
                }
                was
            }
        }
    }

    fn list(&self) -> Vec<Client> {
        match self {
            Self::Few(few) => few.to_vec(),
            Self::Many(bits, _) => {
                let of_word = |(word, bits): (usize, &u64)| {
                    let bits = *bits;
                    (0..64).filter(move |bit| bits & 1 << bit != 0).map(move |bit| word as u32 * 64 + bit)
                };
                bits.iter().enumerate().flat_map(of_word).collect()
            }
        }
    }
}

/// Whom a message is for, in one population.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    One(Client),
    /// These, in order.
    Some(Vec<Client>),
    /// Everybody who is connected.
    All,
}

/// Everybody who listens to one channel, by population. Most channels are one client's own: that case takes no more than a
/// pointer does.
#[derive(Debug, Default)]
pub enum Audience {
    #[default]
    Nobody,
    One(NodeId, Client),
    More(Box<Crowd>),
}

/// Populations in order, each with its clients.
#[derive(Debug, Default)]
pub struct Crowd {
    populations: SmallVec<[(NodeId, Clients); 2]>,
}

impl Crowd {
    fn insert(&mut self, population: NodeId, client: Client) {
        match self.populations.binary_search_by_key(&population, |(known, _)| *known) {
            Ok(place) => _ = self.populations[place].1.insert(client),
            Err(place) => {
                let mut few = SmallVec::new();
                few.push(client);
                self.populations.insert(place, (population, Clients::Few(few)));
            }
        }
    }
}

impl Audience {
    /// A client listens.
    pub fn insert(&mut self, population: NodeId, client: Client) {
        match self {
            Self::Nobody => *self = Self::One(population, client),
            Self::One(known, one) if (*known, *one) == (population, client) => {}
            Self::One(known, one) => {
                let mut crowd = Crowd::default();
                crowd.insert(*known, *one);
                crowd.insert(population, client);
                *self = Self::More(Box::new(crowd));
            }
            Self::More(crowd) => crowd.insert(population, client),
        }
    }

    /// A client no longer listens; whether nobody is left.
    pub fn remove(&mut self, population: NodeId, client: Client) -> bool {
        match self {
            Self::Nobody => return true,
            Self::One(known, one) => {
                if (*known, *one) == (population, client) {
                    *self = Self::Nobody;
                    return true;
                }
            }
            Self::More(crowd) => {
                let populations = &mut crowd.populations;
                if let Ok(place) = populations.binary_search_by_key(&population, |(known, _)| *known) {
                    let clients = &mut populations[place].1;
                    clients.remove(client);
                    if clients.len() == 0 {
                        populations.remove(place);
                    }
                }
                if populations.is_empty() {
                    *self = Self::Nobody;
                    return true;
                }
            }
        }
        false
    }

    /// Who of a population listens, in order.
    pub fn names(&self, population: NodeId) -> Vec<Client> {
        match self {
            Self::Nobody => Vec::new(),
            Self::One(known, client) => {
                if *known == population {
                    vec![*client]
                } else {
                    Vec::new()
                }
            }
            Self::More(crowd) => {
                let found = crowd.populations.binary_search_by_key(&population, |(known, _)| *known);
                found.map_or_else(|_| Vec::new(), |place| crowd.populations[place].1.list())
            }
        }
    }

    /// Whom a message is for, population by population. `connected` says how many clients a population has here: if all of
    /// them listen, and each for itself, nobody has to be named.
    pub fn heard(&self, connected: impl Fn(NodeId) -> u32) -> SmallVec<[(NodeId, Heard); 2]> {
        match self {
            Self::Nobody => SmallVec::new(),
            Self::One(population, client) => std::iter::once((*population, Heard::One(*client))).collect(),
            Self::More(crowd) => {
                let heard = |(population, clients): &(NodeId, Clients)| {
                    let heard = match clients {
                        Clients::Few(few) if few.len() == 1 => Heard::One(few[0]),
                        clients if clients.len() == connected(*population) => Heard::All,
                        clients => Heard::Some(clients.list()),
                    };
                    (*population, heard)
                };
                crowd.populations.iter().map(heard).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use crate::dice::{below, draw};

    const HERE: NodeId = NodeId(3);

    #[test]
    fn clients_in_any_order_agree_with_a_plain_set() {
        let mut clients = Clients::Few(SmallVec::new());
        let mut model = BTreeSet::new();
        for step in 0..5_000u64 {
            let client = below(300, draw(1, 2 * step)) as Client;
            // Grows to some 200 of 300, and so from few to many.
            if below(3, draw(1, 2 * step + 1)) < 2 {
                assert_eq!(clients.insert(client), model.insert(client));
            } else {
                assert_eq!(clients.remove(client), model.remove(&client));
            }
            assert_eq!(clients.len() as usize, model.len());
        }
        assert!(matches!(clients, Clients::Many(..)));
        assert!(clients.list().into_iter().eq(model));
    }

    #[test]
    fn an_audience_takes_16_bytes() {
        assert_eq!(size_of::<Audience>(), 16);
    }

    #[test]
    fn one_is_named_some_are_listed_and_all_are_counted() {
        let mut audience = Audience::default();
        let heard = |audience: &Audience, connected| audience.heard(move |_| connected).into_vec();
        audience.insert(HERE, 7);
        assert_eq!(heard(&audience, 1), [(HERE, Heard::One(7))]);
        audience.insert(HERE, 5);
        audience.insert(NodeId(1), 9);
        assert_eq!(heard(&audience, 2), [(NodeId(1), Heard::One(9)), (HERE, Heard::All)]);
        assert_eq!(heard(&audience, 3)[1], (HERE, Heard::Some(vec![5, 7])));
        assert!(!audience.remove(HERE, 5) && !audience.remove(HERE, 7));
        assert!(audience.remove(NodeId(1), 9), "nobody is left");
    }
}
