//! Which pages of its friend list a client asks for, and in which order it reads them.
//!
//! **One after the other** (the document's client, 5.5): each page is asked for with the token of the one before it. A list of
//! 2,000 friends is twenty round trips.
//!
//! **Side by side** (the hardened client): the first page says how long the list is, and its token is the offset of the second
//! page as recorded answers have it (platform.md 2.9: `MQ`, `Mg` are base64url of 1 and 2). So the client knows the tokens of all
//! pages, and asks for [`PAGES_AT_ONCE`] at a time. A page that says that the list has another length than the first one said is
//! of another list: somebody came or went meanwhile, offsets have moved, and the client begins again. A token that is no such
//! offset is taken for what it says, and pages are asked for one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use headcount_engine::base64url;
use headcount_engine::contract::Nanos;
use headcount_engine::message::MemberColumns;
use headcount_engine::patterns::friends::names;

use super::screens::Listing;

/// Friends on a page: the most that App Context lists at once (platform.md 2.1).
pub(super) const PAGE_FRIENDS: u32 = 100;
/// Pages that are asked for side by side: a browser has so many connections to one host.
const PAGES_AT_ONCE: u32 = 6;

/// A page to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub page: u32,
    pub token: Option<Arc<str>>,
}

/// A load of the friend list under way.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub number: u32,
    /// When the list was first asked for, and when the last answer came.
    pub began: Nanos,
    pub heard: Nanos,
    /// Wanted once more when it is done: what has happened since it began may not be in it.
    pub again: bool,
    pub listing: Listing,
    side_by_side: bool,
    /// Pages asked for, and pages read: all before this one.
    asked: u32,
    read: u32,
    /// How long the first page said the list is.
    total: u32,
    /// The last of the user's groups that a friend is in, as the pages read say.
    group_last: u64,
    /// The token that the last page read gave.
    next: Option<Arc<str>>,
    /// Pages that came before it was their turn.
    early: BTreeMap<u32, Arc<MemberColumns>>,
}

/// What a page that came makes of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// A copy of one that was there.
    Known,
    /// It is to be read in its turn: [`Load::take`].
    New,
    /// The list has changed since the first page.
    Changed,
}

impl Load {
    /// A load that begins now; its first page is to be asked for ([`Load::ask`]).
    pub fn begin(number: u32, now: Nanos, side_by_side: bool) -> Self {
        Self {
            number,
            began: now,
            heard: now,
            again: false,
            listing: Listing::default(),
            side_by_side,
            asked: 0,
            read: 0,
            total: 0,
            group_last: 0,
            next: None,
            early: BTreeMap::new(),
        }
    }

    /// Begins again from the first page: what came is of no use.
    pub fn restart(&self, number: u32, now: Nanos, side_by_side: bool) -> Self {
        Self { began: self.began, again: self.again, ..Self::begin(number, now, side_by_side) }
    }

    /// A page has come.
    pub fn came(&mut self, now: Nanos, page: u32, columns: Arc<MemberColumns>) -> Came {
        if page < self.read || page >= self.asked || self.early.contains_key(&page) {
            return Came::Known;
        }
        self.heard = now;
        if page == 0 {
            self.total = columns.total;
            self.side_by_side &= columns.next == token(1);
        } else if self.side_by_side && columns.total != self.total {
            return Came::Changed;
        }
        self.early.insert(page, columns);
        Came::New
    }

    /// The next page to read, if it has come.
    pub fn take(&mut self) -> Option<Arc<MemberColumns>> {
        let columns = self.early.remove(&self.read)?;
        self.read += 1;
        self.next = columns.next.clone();
        self.group_last = self.group_last.max(columns.member_most);
        Some(columns)
    }

    /// How many channel groups the friends on the list are in: as many as so many friends take (friends-online.md 4.5), and those
    /// that the memberships name.
    pub fn groups(&self) -> usize {
        names::groups_for(self.total as usize).max(self.group_last as usize + 1)
    }

    /// Whether the last page is read.
    pub fn is_done(&self) -> bool {
        self.read > 0 && self.next.is_none()
    }

    /// The next page to ask for now; `None`: first others must come, or there are no more.
    pub fn ask(&mut self) -> Option<Ask> {
        let waiting = self.asked - self.read - self.early.len() as u32;
        let ask = if self.asked == 0 || !self.side_by_side {
            let first = self.asked == 0;
            (waiting == 0 && (first || self.next.is_some())).then(|| Ask { page: self.asked, token: self.next.clone() })
        } else {
            let more = self.read > 0 && self.asked < self.total.div_ceil(PAGE_FRIENDS);
            (more && waiting < PAGES_AT_ONCE).then(|| Ask { page: self.asked, token: token(self.asked) })
        };
        self.asked += u32::from(ask.is_some());
        ask
    }
}

/// The token of a page behind the first one.
fn token(page: u32) -> Option<Arc<str>> {
    (page > 0).then(|| base64url::encode((page * PAGE_FRIENDS).to_string().as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Page `page` of a list of so many friends.
    fn page(page: u32, total: u32) -> Arc<MemberColumns> {
        let friends = page * PAGE_FRIENDS..total.min((page + 1) * PAGE_FRIENDS);
        let next = token(page + 1).filter(|_| friends.end < total);
        Arc::new(MemberColumns {
            numbered: friends.map(|of| (of, 0)).collect(),
            named: Vec::new(),
            next,
            total,
            member_most: 0,
        })
    }

    fn asked(load: &mut Load) -> Vec<u32> {
        std::iter::from_fn(|| load.ask()).map(|ask| ask.page).collect()
    }

    /// What is read now, by the first friend of each page.
    fn read(load: &mut Load) -> Vec<u32> {
        std::iter::from_fn(|| load.take()).map(|columns| columns.numbered[0].0).collect()
    }

    /// platform.md 2.9: `MQ` is 1, `Mg` is 2; so 100 is `MTAw`.
    #[test]
    fn a_token_is_the_offset() {
        assert_eq!(token(0), None);
        assert_eq!(token(1).as_deref(), Some("MTAw"));
        assert_eq!((base64url::encode(b"1"), base64url::encode(b"2")), ("MQ".into(), "Mg".into()));
    }

    /// 850 friends: the first page, then six of the other eight, and one more for each that comes.
    #[test]
    fn pages_side_by_side_are_six_at_a_time_and_read_in_order() {
        let mut load = Load::begin(1, 0, true);
        assert_eq!(asked(&mut load), [0]);
        assert_eq!(load.came(1, 0, page(0, 850)), Came::New);
        assert_eq!(read(&mut load), [0]);
        assert_eq!(asked(&mut load), [1, 2, 3, 4, 5, 6]);
        // The third before the second one, and twice.
        assert_eq!(load.came(2, 2, page(2, 850)), Came::New);
        assert_eq!((read(&mut load), asked(&mut load)), (vec![], vec![7]));
        assert_eq!(load.came(3, 2, page(2, 850)), Came::Known);
        assert_eq!((load.heard, asked(&mut load)), (2, vec![]));
        assert_eq!(load.came(4, 1, page(1, 850)), Came::New);
        assert_eq!((read(&mut load), asked(&mut load)), (vec![100, 200], vec![8]));
        for number in [8, 7, 6, 5, 4, 3] {
            assert!(!load.is_done());
            assert_eq!(load.came(5, number, page(number, 850)), Came::New);
            assert_eq!(load.ask(), None);
            read(&mut load);
        }
        assert!(load.is_done());
        assert_eq!(load.came(6, 8, page(8, 850)), Came::Known);
    }

    #[test]
    fn a_list_that_changes_between_two_pages_is_seen_to() {
        let mut load = Load::begin(1, 0, true);
        asked(&mut load);
        load.came(1, 0, page(0, 300));
        read(&mut load);
        assert_eq!(asked(&mut load), [1, 2]);
        assert_eq!(load.came(2, 2, page(2, 299)), Came::Changed);
    }

    /// By the document's client, and by ours where the token says nothing to it: the one token leads to the next.
    #[test]
    fn pages_one_after_the_other_go_by_the_tokens() {
        for side_by_side in [false, true] {
            let mut load = Load::begin(1, 0, side_by_side);
            let mut given: Option<Arc<str>> = None;
            for number in 0..3 {
                assert_eq!(load.ask(), Some(Ask { page: number, token: given.clone() }));
                assert_eq!(load.ask(), None);
                given = (number < 2).then(|| format!("opaque-{number}").into());
                let columns = MemberColumns { next: given.clone(), ..(*page(number, 250)).clone() };
                assert_eq!(load.came(1, number, columns.into()), Came::New);
                assert_eq!(read(&mut load), [number * PAGE_FRIENDS]);
            }
            assert!(load.is_done() && load.ask().is_none());
        }
    }

    /// 2,003 friends were in two groups; four left the first one, and three are still in the second.
    #[test]
    fn a_list_that_shrank_may_take_more_groups_than_its_length() {
        let groups = |total: u32, member_most: u64| {
            let mut load = Load::begin(1, 0, false);
            load.ask();
            load.came(1, 0, Arc::new(MemberColumns { member_most, ..(*page(0, total)).clone() }));
            load.take();
            load.groups()
        };
        assert_eq!([groups(2_000, 0), groups(2_001, 0), groups(1_999, 1), groups(0, 0)], [1, 2, 2, 1]);
    }

    #[test]
    fn an_empty_list_is_one_page() {
        let mut load = Load::begin(1, 0, true);
        asked(&mut load);
        assert_eq!(load.came(1, 0, page(0, 0)), Came::New);
        assert!(load.take().is_some() && load.is_done() && load.ask().is_none());
    }
}
