//! What is on the screens of one region's users: who is listed, and whether each is shown online.
//!
//! Most of it is one bit for each directed friendship, at the place of the viewer in the publisher's row of the graph: so a
//! status that goes to all friends writes bits side by side ([`crate::graph::walk`]). Lists that differ from the graph, by
//! friendships made and ended or by a store that errs, are kept as what they differ in.
//!
//! **Old news.** The client shows a status if the number in its event id is not below that of what it shows. The bits have no
//! numbers; the region keeps the highest number heard of each publisher instead. Old news is what comes after newer news came
//! *to the region*: who has not heard the newer one is told it by its own edge, or loads its list anew when it has lost that.

use headcount_engine::planted::{Bug, has};
use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::plan::Intentions;
use super::record::Shown;
use crate::client::{AWAY, WIFI};
use crate::crowd::plan::user_at;
use crate::graph::Row;
use crate::graph::walk::{self, Legs, Status, Walked};

/// How one user's list differs from its row in the graph.
#[derive(Debug, Default)]
struct Differences {
    missing: BTreeSet<u32>,
    others: BTreeMap<u32, Shown>,
}

/// The pages of a list that have come so far.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// So many are the row's own, in its order.
    in_order: u32,
    rest: BTreeMap<u32, Shown>,
}

/// What a region knows of one publisher: what a page asks for of each member lies in one cache line.
#[derive(Clone, Copy, Debug, Default)]
struct Publisher {
    /// The newest status heard here, as [`Shown::column`].
    latest: u64,
    /// The bit of the first user of this region in its row, and how many they are.
    first: u32,
    here: u32,
}

/// Members of a page that are looked at together.
const AT_ONCE: usize = 128;

/// The screens of one region.
pub struct Screens {
    world: Arc<Intentions>,
    region: u32,
    regions: u32,
    publishers: Vec<Publisher>,
    views: Vec<u64>,
    /// By client: no list has been loaded yet, nothing is shown.
    blank: Vec<bool>,
    differences: FxHashMap<u32, Differences>,
}

impl Screens {
    /// Screens of a region with so many users: blank, or with everybody listed and online.
    pub fn new(world: Arc<Intentions>, region: u32, users_here: usize, online: bool) -> Self {
        let (users, regions) = (world.graph.users(), world.graph.regions());
        let latest = Shown { online, stamp: u64::from(online) }.column();
        let mut bits = 0;
        let publisher = |user| {
            let (first, here) = (bits, world.graph.slice(user, region).len() as u32);
            bits += here;
            Publisher { latest, first, here }
        };
        let publishers = (0..users).map(publisher).collect();
        Self {
            region,
            regions,
            publishers,
            views: vec![if online { u64::MAX } else { 0 }; bits as usize / 64 + 1],
            blank: vec![!online; users_here],
            differences: FxHashMap::default(),
            world,
        }
    }

    fn number(&self, client: u32) -> u32 {
        user_at(self.region, client, self.regions)
    }

    fn latest(&self, of: u32) -> Shown {
        Shown::of(self.publishers[of as usize].latest)
    }

    /// The users of this region in a publisher's row: their bits lie side by side.
    fn row_here(&self, publisher: u32) -> Row<'_> {
        self.world.graph.slice(publisher, self.region)
    }

    /// The bit for what this client's screen says of that user, if they are friends in the graph.
    fn bit(&self, client: u32, of: u32) -> Option<usize> {
        let publisher = self.publishers.get(of as usize)?;
        let here = self.row_here(of);
        let position = here.position(self.number(client))?;
        Some(publisher.first as usize + (position - here.start()) as usize)
    }

    fn is_set(&self, bit: usize) -> bool {
        self.views[bit / 64] >> (bit % 64) & 1 == 1
    }

    fn set(&mut self, bit: usize, online: bool) {
        // Without a jump: in a storm nobody can foresee who is online.
        if has(Bug::ScreensForgetBits) {
            return;
        }
        let (word, bit) = (&mut self.views[bit / 64], bit % 64);
        *word = *word & !(1 << bit) | u64::from(online) << bit;
    }

    /// What a screen shows of a user; `None`: it is not listed.
    pub fn shown(&self, client: u32, of: u32) -> Option<bool> {
        let differences = self.differences.get(&client);
        if let Some(shown) = differences.and_then(|differences| differences.others.get(&of)) {
            return Some(shown.online);
        }
        let missing = differences.is_some_and(|differences| differences.missing.contains(&of));
        self.bit(client, of).filter(|_| !missing && !self.blank[client as usize]).map(|bit| self.is_set(bit))
    }

    /// How many friends a screen lists.
    pub fn len(&self, client: u32) -> usize {
        let row = self.world.graph.degree(self.number(client)) as usize;
        let (missing, others) = match self.differences.get(&client) {
            Some(differences) => (differences.missing.len(), differences.others.len()),
            None => (0, 0),
        };
        if self.blank[client as usize] { others } else { row - missing + others }
    }

    /// Everybody whom a screen lists, and whether each is shown online, in order of numbers.
    pub fn screen(&self, client: u32) -> BTreeMap<u32, bool> {
        let row = self.world.graph.row(self.number(client)).users();
        let others =
            self.differences.get(&client).into_iter().flat_map(|differences| differences.others.keys().copied());
        row.chain(others).filter_map(|of| Some((of, self.shown(client, of)?))).collect()
    }

    /// Clients whose lists differ from the graph, in any order.
    pub fn different(&self) -> impl Iterator<Item = u32> + '_ {
        self.differences.keys().copied()
    }

    /// Whether a client's list has been loaded.
    pub fn is_blank(&self, client: u32) -> bool {
        self.blank[client as usize]
    }

    /// For a publisher, by its row's users of this region: what each shows, lists and differences aside.
    pub fn bits_of(&self, publisher: u32) -> impl Iterator<Item = (u32, bool)> + '_ {
        let first = self.publishers[publisher as usize].first as usize;
        self.row_here(publisher).users().zip(first..).map(|(viewer, bit)| (viewer, self.is_set(bit)))
    }

    /// Whether every user of this region in a publisher's row shows it so, lists and differences aside.
    pub fn all_show(&self, publisher: u32, online: bool) -> bool {
        let Publisher { first, here, .. } = self.publishers[publisher as usize];
        let (mut at, mut left) = (first as usize, here as usize);
        let other = if online { 0 } else { u64::MAX };
        while left > 0 {
            // The bits of one word that are the row's.
            let (bit, count) = (at % 64, left.min(64 - at % 64));
            let mask = (u64::MAX >> (64 - count)) << bit;
            if (self.views[at / 64] ^ other) & mask != mask {
                return false;
            }
            (at, left) = (at + count, left - count);
        }
        true
    }

    /// Whether this is old news here; if not, it is the newest from now on.
    fn is_old(&mut self, of: u32, new: Shown) -> bool {
        let latest = &mut self.publishers[of as usize].latest;
        if new.stamp < Shown::of(*latest).stamp {
            return true;
        }
        *latest = new.column();
        false
    }

    /// A status comes to every friend in the graph who is connected to `edge`, as `conn` has it by client. Who lists nobody yet,
    /// or not this one, is counted all the same.
    pub fn tell_all(&mut self, of: u32, new: Shown, edge: u8, conn: &[u8], salt: u64, legs: &mut Legs) -> Walked {
        let is_old = self.is_old(of, new);
        let here = self.world.graph.slice(of, self.region);
        if is_old {
            let reached = |user: &u32| conn[(*user / self.regions) as usize] & AWAY == edge;
            return Walked { delivered: here.users().filter(reached).count() as u32, changed: 0 };
        }
        let first = u64::from(self.publishers[of as usize].first);
        let status = Status { edge, online: new.online, salt };
        walk::show(here, first, conn, status, &mut self.views, legs)
    }

    /// A status comes to one client; whether its screen says something else from now on. With `anybody` it is listed from now
    /// on, whoever it is.
    pub fn tell(&mut self, client: u32, of: u32, new: Shown, anybody: bool) -> bool {
        let before = self.shown(client, of);
        if let Some(known) = self.differences.get_mut(&client).and_then(|differences| differences.others.get_mut(&of)) {
            if new.stamp >= known.stamp {
                *known = new;
            }
            return before != Some(known.online);
        }
        if self.is_old(of, new) {
            return false;
        }
        match self.bit(client, of) {
            Some(bit) => {
                self.set(bit, new.online);
                if anybody {
                    self.relist(client, of);
                }
            }
            None if anybody => _ = self.differences.entry(client).or_default().others.insert(of, new),
            None => {}
        }
        let after = self.shown(client, of);
        // Who was not there counts as offline.
        after.is_some_and(|after| after != before.unwrap_or(false))
    }

    /// This one is on the list from now on.
    pub fn add(&mut self, client: u32, of: u32, online: bool) {
        match self.bit(client, of) {
            Some(bit) => {
                self.set(bit, online);
                self.relist(client, of);
            }
            None => {
                let others = &mut self.differences.entry(client).or_default().others;
                others.insert(of, Shown { online, stamp: 0 });
            }
        }
    }

    fn relist(&mut self, client: u32, of: u32) {
        if let Some(differences) = self.differences.get_mut(&client) {
            differences.missing.remove(&of);
            self.tidy(client);
        }
    }

    /// This one is no longer on the list.
    pub fn remove(&mut self, client: u32, of: u32) {
        let known = self.bit(client, of).is_some();
        if !known && !self.differences.contains_key(&client) {
            return;
        }
        let differences = self.differences.entry(client).or_default();
        differences.others.remove(&of);
        if known {
            differences.missing.insert(of);
        }
        self.tidy(client);
    }

    fn tidy(&mut self, client: u32) {
        if self.differences.get(&client).is_some_and(|d| d.missing.is_empty() && d.others.is_empty()) {
            self.differences.remove(&client);
        }
    }

    /// A page of a client's list has come: users and what the store says of each ([`Shown::of`]). What has been heard since is
    /// newer.
    pub fn page(&mut self, client: u32, listing: &mut Listing, members: &[(u32, u64)]) {
        let me = self.number(client);
        let world = self.world.clone();
        let row = world.graph.row(me);
        let at = listing.in_order as usize;
        let in_order = listing.rest.is_empty()
            && at + members.len() <= row.len()
            && row.users_from(at).zip(members).all(|(of, (member, _))| of == *member);
        if !in_order {
            listing.rest.extend(members.iter().map(|(of, column)| (*of, Shown::of(*column))));
            return;
        }
        listing.in_order += members.len() as u32;
        let first = row.start() + at as u64;
        let places = world.mirror.places(first..first + members.len() as u64);
        // Friends are nowhere in the caches. In a loop that does nothing else, what is known of each is asked for at once, and
        // so are the words that their bits lie in.
        let (mut known, mut bits) = ([Publisher::default(); AT_ONCE], [0; AT_ONCE]);
        for (members, places) in members.chunks(AT_ONCE).zip(places.chunks(AT_ONCE)) {
            known.iter_mut().zip(members).for_each(|(known, (of, _))| *known = self.publishers[*of as usize]);
            let bits = &mut bits[..members.len()];
            for (((bit, (of, _)), place), Publisher { first, here, .. }) in
                bits.iter_mut().zip(members).zip(places).zip(&known)
            {
                *bit = *first as usize + world.graph.place_back(me, *of, *place, *here as usize);
            }
            black_box(bits.iter().fold(0, |all, bit| all ^ self.views[bit / 64]));
            for ((bit, (_, column)), Publisher { latest, .. }) in bits.iter().zip(members).zip(&known) {
                let newest = if Shown::of(*latest).stamp > Shown::of(*column).stamp { *latest } else { *column };
                self.set(*bit, Shown::of(newest).online);
            }
        }
    }

    /// The last page of a client's list has come: it is what the screen lists from now on.
    pub fn listed(&mut self, client: u32, listing: Listing) {
        self.blank[client as usize] = false;
        let world = self.world.clone();
        let row = world.graph.row(self.number(client));
        let in_order = listing.in_order as usize;
        if in_order == row.len() && listing.rest.is_empty() {
            self.differences.remove(&client);
            return;
        }
        let mut differences = Differences::default();
        let old = self.differences.remove(&client).unwrap_or_default();
        differences.missing.extend(row.users_from(in_order).filter(|of| !listing.rest.contains_key(of)));
        for (of, shown) in listing.rest {
            // What was heard after the page was read is newer, be it before the page came or between it and the last one.
            match self.bit(client, of) {
                Some(bit) => {
                    let latest = self.latest(of);
                    self.set(bit, if latest.stamp > shown.stamp { latest.online } else { shown.online });
                }
                None => {
                    let latest = || self.publishers.get(of as usize).map(|publisher| Shown::of(publisher.latest));
                    let known = old.others.get(&of).copied().or_else(latest);
                    differences.others.insert(of, known.filter(|known| known.stamp > shown.stamp).unwrap_or(shown));
                }
            }
        }
        debug_assert!(row.users().take(in_order).all(|of| !differences.others.contains_key(&of)));
        if !differences.missing.is_empty() || !differences.others.is_empty() {
            self.differences.insert(client, differences);
        }
    }
}

/// A client's byte: which edge it is connected to, and over what.
pub fn conn(edge: Option<u8>, wifi: bool) -> u8 {
    edge.unwrap_or(AWAY) | if wifi { WIFI } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::plan::place_of;
    use crate::graph::{Degrees, Graph, GraphOptions};

    const REGIONS: u32 = 2;
    const REGION: u32 = 1;

    fn world() -> Arc<Intentions> {
        let options = GraphOptions { users: 40, regions: REGIONS, degrees: Degrees::Constant(6), seed: 5 };
        Arc::new(Intentions::of(Graph::build(&options).unwrap()))
    }

    fn dice(n: u64, of: u64) -> u64 {
        headcount_engine::dice::below(of, headcount_engine::dice::draw(9, n))
    }

    /// Against one map for each client, 20,000 random steps: statuses to all and to one, lists with and without strangers.
    /// Numbers only grow, as within a run they do but for what is late; that is the test below.
    #[test]
    fn dense_screens_show_what_plain_maps_show() {
        let world = world();
        let graph = &world.graph;
        let here = 20u32;
        let mut screens = Screens::new(world.clone(), REGION, here as usize, false);
        let mut plain: Vec<BTreeMap<u32, bool>> = vec![BTreeMap::new(); here as usize];
        let mut blank = vec![true; here as usize];
        let mut latest = [false; 40];
        let conns: Vec<u8> = (0..here).map(|client| conn((client % 3 != 0).then_some(0), false)).collect();
        let mut legs = Legs::new();
        for step in 0..20_000u64 {
            let (of, client) = (dice(4 * step, 40) as u32, dice(4 * step + 1, u64::from(here)) as u32);
            let new = Shown { online: dice(4 * step + 2, 2) == 1, stamp: step + 1 };
            match dice(4 * step + 3, 6) {
                0 | 1 => {
                    let walked = screens.tell_all(of, new, 0, &conns, step, &mut legs);
                    latest[of as usize] = new.online;
                    let mut delivered = 0;
                    for viewer in graph.slice(of, REGION).users() {
                        let client = place_of(viewer, REGIONS).1 as usize;
                        if conns[client] & AWAY == 0 {
                            delivered += 1;
                            plain[client].entry(of).and_modify(|shown| *shown = new.online);
                        }
                    }
                    assert_eq!(walked.delivered, delivered);
                }
                2 => {
                    let known = plain[client as usize].get(&of).copied();
                    let changed = screens.tell(client, of, new, false);
                    assert_eq!(changed, known.is_some_and(|known| known != new.online));
                    if known.is_some() {
                        plain[client as usize].insert(of, new.online);
                    }
                    latest[of as usize] = new.online;
                }
                3 if !blank[client as usize] => {
                    screens.remove(client, of);
                    plain[client as usize].remove(&of);
                }
                4 if !blank[client as usize] => {
                    screens.add(client, of, new.online);
                    plain[client as usize].insert(of, new.online);
                }
                _ => {
                    // The whole list, now and then without one or with a stranger; the store knows what was heard last.
                    let mut list: Vec<u32> = graph.row(user_at(REGION, client, REGIONS)).users().collect();
                    if dice(step, 3) == 0 {
                        list.remove(dice(step, 3) as usize);
                    }
                    if dice(step, 5) == 0 && !list.contains(&of) {
                        list.push(of);
                    }
                    let shown = |of: &u32| (*of, step << 1 | u64::from(latest[*of as usize]));
                    let members: Vec<(u32, u64)> = list.iter().map(shown).collect();
                    let mut listing = Listing::default();
                    for page in members.chunks(4) {
                        screens.page(client, &mut listing, page);
                    }
                    screens.listed(client, listing);
                    blank[client as usize] = false;
                    plain[client as usize] = list.iter().map(|of| (*of, latest[*of as usize])).collect();
                }
            }
            let client = dice(step, u64::from(here)) as u32;
            assert_eq!(screens.screen(client), plain[client as usize], "client {client} after step {step}");
            assert_eq!(screens.len(client), plain[client as usize].len());
            for online in [false, true] {
                let all = screens.bits_of(of).all(|(_, shown)| shown == online);
                assert_eq!(screens.all_show(of, online), all);
            }
        }
    }

    #[test]
    fn old_news_changes_nothing_and_a_list_does_not_undo_what_was_heard() {
        let world = world();
        let mut screens = Screens::new(world.clone(), REGION, 20, true);
        let of = 3;
        let viewer = world.graph.slice(of, REGION).users().next().unwrap();
        let client = place_of(viewer, REGIONS).1;
        let conns = vec![conn(Some(0), true); 20];
        let mut legs = Legs::new();
        let mut tell = |screens: &mut Screens, online, stamp| {
            screens.tell_all(of, Shown { online, stamp }, 0, &conns, stamp, &mut legs)
        };
        assert!(tell(&mut screens, false, 50).changed > 0);
        assert_eq!(tell(&mut screens, true, 40).changed, 0, "late");
        assert_eq!(screens.shown(client, of), Some(false));
        // The list was read before the change.
        let row: Vec<u32> = world.graph.row(viewer).users().collect();
        let members: Vec<(u32, u64)> = row.iter().map(|of| (*of, 45 << 1 | 1)).collect();
        let mut listing = Listing::default();
        screens.page(client, &mut listing, &members);
        screens.listed(client, listing);
        assert_eq!(screens.shown(client, of), Some(false));
        assert_eq!(screens.different().count(), 0);
        // Of a list in another order than the row's, one is heard of between two pages.
        let others = row.iter().copied().rev().filter(|other| *other != of);
        let members: Vec<(u32, u64)> = std::iter::once(of).chain(others).map(|of| (of, 60 << 1)).collect();
        let mut listing = Listing::default();
        screens.page(client, &mut listing, &members[..5]);
        assert!(tell(&mut screens, true, 70).changed > 0);
        screens.page(client, &mut listing, &members[5..]);
        screens.listed(client, listing);
        assert_eq!(screens.screen(client).values().filter(|online| **online).count(), 1);
        assert_eq!(screens.shown(client, of), Some(true));
    }
}
