//! A store over a provision answers as one that was told all of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::dice::{below, draw};
use crate::message::{Filter, MemberColumns};

/// Some users and lists, drawn; ids with leading zeros or without: then 10 stands before 9 in listings.
#[derive(Debug)]
struct Drawn {
    zeros: bool,
    members: Vec<Vec<u32>>,
    lists_of: Vec<Vec<u32>>,
    /// How many texts of users were made.
    texts: AtomicU32,
}

const USERS: u32 = 130;
const LISTS: u32 = 12;

impl Drawn {
    fn new(zeros: bool) -> Self {
        let (mut members, mut lists_of) = (vec![Vec::new(); LISTS as usize], vec![Vec::new(); USERS as usize]);
        for list in 0..LISTS {
            // List 0 has everybody and so more than one page, list 1 nobody, the others about a third.
            for user in 0..USERS {
                if list == 0 || list > 1 && below(3, draw(77, u64::from(list * USERS + user))) == 0 {
                    members[list as usize].push(user);
                    lists_of[user as usize].push(list);
                }
            }
            members[list as usize].reverse();
        }
        Self { zeros, members, lists_of, texts: AtomicU32::new(0) }
    }

    fn name(&self, prefix: &str, number: u32) -> Arc<str> {
        if self.zeros { format!("{prefix}{number:03}").into() } else { format!("{prefix}{number}").into() }
    }

    fn number(&self, prefix: &str, name: &str, below: u32) -> Option<u32> {
        let number = name.strip_prefix(prefix)?.parse().ok().filter(|number| *number < below)?;
        (*self.name(prefix, number) == *name).then_some(number)
    }
}

impl Provision for Drawn {
    fn users(&self) -> u32 {
        USERS
    }
    fn user_id(&self, user: u32) -> UserId {
        self.name("u", user)
    }
    fn user_number(&self, id: &str) -> Option<u32> {
        self.number("u", id, USERS)
    }
    fn user_body(&self, user: u32) -> String {
        self.texts.fetch_add(1, Ordering::Relaxed);
        json!({ "email": null, "custom": { "shard": user % 3, "gone": null }, "name": format!("N{user}") }).to_string()
    }
    fn lists(&self) -> u32 {
        LISTS
    }
    fn list_channel(&self, list: u32) -> Channel {
        self.name("c", list)
    }
    fn list_number(&self, channel: &str) -> Option<u32> {
        self.number("c", channel, LISTS)
    }
    fn list_body(&self, list: u32) -> String {
        json!({ "status": "s", "custom": { "online": list.is_multiple_of(2) } }).to_string()
    }
    fn members_len(&self, list: u32) -> usize {
        self.members[list as usize].len()
    }
    fn members(&self, list: u32, offset: usize, max: usize) -> Vec<u32> {
        self.members[list as usize].iter().skip(offset).take(max).copied().collect()
    }
    fn is_member(&self, list: u32, user: u32) -> bool {
        self.members[list as usize].contains(&user)
    }
    fn lists_of(&self, user: u32) -> Vec<u32> {
        self.lists_of[user as usize].clone()
    }
    fn membership_custom(&self, list: u32, user: u32) -> String {
        json!({ "list": list, "user": user }).to_string()
    }
    fn user_field(&self, user: u32, field: &str) -> Value {
        if field == "shard" { json!(user % 3) } else { Value::Null }
    }
    // What it says of every second user needs no text.
    fn user_column(&self, user: u32) -> Option<u64> {
        user.is_multiple_of(2).then(|| u64::from(user % 3) + 1_000)
    }
}

/// 1,000 and the user's shard; 1,000 without one.
fn column(body: &str) -> u64 {
    let body: Value = serde_json::from_str(body).expect("a stored text is JSON");
    assert!(body["uuid"].is_string());
    body["custom"]["shard"].as_u64().unwrap_or(0) + 1_000
}

fn set_user(user: &UserId, patch: &str) -> ObjectsOp {
    ObjectsOp::SetUser { user: user.clone(), patch: patch.into(), if_match: None }
}

/// A store that was told all that the provision has.
fn told(provision: &Drawn) -> AppContext {
    let mut store = AppContext::new(1);
    for user in 0..USERS {
        store.apply(0, set_user(&provision.user_id(user), &provision.user_body(user))).unwrap();
    }
    for list in 0..LISTS {
        let (channel, patch) = (provision.list_channel(list), provision.list_body(list).into());
        store.apply(0, ObjectsOp::SetChannel { channel: channel.clone(), patch, if_match: None }).unwrap();
        for user in provision.members(list, 0, usize::MAX) {
            let custom = provision.membership_custom(list, user).into();
            let (user, channel) = (provision.user_id(user), channel.clone());
            store.apply(0, ObjectsOp::SetMembership { user, channel, custom }).unwrap();
        }
    }
    store.with_column(column)
}

/// Both stores, asked the same.
struct Twins {
    provision: Arc<Drawn>,
    over: AppContext,
    told: AppContext,
    draws: u64,
}

impl Twins {
    fn new(zeros: bool) -> Self {
        let provision = Arc::new(Drawn::new(zeros));
        let over = AppContext::provisioned(1, provision.clone()).with_column(column);
        Self { over, told: told(&provision), provision, draws: 0 }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.draws += 1;
        below(bound, draw(5, self.draws))
    }

    /// Mostly one of the provision, sometimes one that it does not know.
    fn user(&mut self) -> UserId {
        let number = self.below(u64::from(USERS) + 20) as u32;
        if number == USERS { "x".into() } else { self.provision.name("u", number) }
    }

    fn channel(&mut self) -> Channel {
        let number = self.below(u64::from(LISTS) + 4) as u32;
        self.provision.name("c", number)
    }

    fn patch(&mut self) -> Arc<str> {
        let (shard, online) = (self.below(4), self.below(2) == 0);
        let patch = match self.below(7) {
            0 => json!({ "custom": null, "email": "e" }),
            1 => json!({ "custom": { "shard": null, "online": online }, "name": null }),
            2 => json!([]),
            3 => json!({ "name": format!("M{shard}"), "uuid": "other", "channel": 1 }),
            _ => json!({ "custom": { "shard": shard, "online": online } }),
        };
        patch.to_string().into()
    }

    /// None, the right one, or a wrong one.
    fn if_match(&mut self, stored: Option<Arc<Object>>) -> Option<Arc<str>> {
        match self.below(4) {
            0 => Some(stored.map_or("gone".into(), |object| object.etag.clone())),
            1 => Some("other".into()),
            _ => None,
        }
    }

    fn draw_op(&mut self) -> ObjectsOp {
        let (user, channel) = (self.user(), self.channel());
        match self.below(18) {
            0 => ObjectsOp::GetUser { user },
            1 => ObjectsOp::GetChannel { channel },
            2..=4 => {
                let if_match = self.if_match(self.told.user(&user));
                ObjectsOp::SetUser { user, patch: self.patch(), if_match }
            }
            5 => {
                let if_match = self.if_match(self.told.channel(&channel));
                ObjectsOp::SetChannel { channel, patch: self.patch(), if_match }
            }
            6 => ObjectsOp::DeleteUser { user },
            7 if self.below(3) == 0 => ObjectsOp::DeleteChannel { channel },
            7 | 8 => ObjectsOp::GetMembership { user, channel },
            9..=11 => {
                let custom = ["{}", r#"{"user":null,"b":2}"#, "[]", r#"{"a":1}"#][self.below(4) as usize].into();
                ObjectsOp::SetMembership { user, channel, custom }
            }
            12 | 13 => ObjectsOp::DeleteMembership { user, channel },
            14 | 15 => self.find(),
            16 => ObjectsOp::ListMembers { channel, limit: self.below(120) as u32, page: self.page(), users: true },
            _ => ObjectsOp::ListMemberships { user, limit: self.below(5) as u32, page: self.page() },
        }
    }

    fn page(&mut self) -> Option<Arc<str>> {
        [None, Some("MQ".into()), Some("Mw".into()), Some("OQ".into()), Some("%".into())][self.below(5) as usize]
            .clone()
    }

    fn find(&mut self) -> ObjectsOp {
        let online = [json!(true), json!(false), json!(null)][self.below(3) as usize].clone();
        let by_shard =
            Filter::new("shard", [json!(null), json!(0), json!(1), json!(2)][self.below(4) as usize].clone());
        let by_online = Filter::new("online", online);
        let filter = [vec![by_shard.clone()], vec![by_online.clone()], vec![by_shard, by_online], vec![]];
        let filter = filter[self.below(4) as usize].clone();
        let (limit, page) = (self.below(30) as u32, self.page());
        match self.below(3) {
            0 => ObjectsOp::ListUsers { filter, limit, page },
            1 => ObjectsOp::ListUserIds { filter, limit, page },
            _ => ObjectsOp::ListChannels { filter, limit, page },
        }
    }

    /// Listings of memberships have an order of their own in each store: only how many is the same.
    fn step(&mut self, now: Nanos) {
        let op = self.draw_op();
        let lists_memberships = matches!(op, ObjectsOp::ListMembers { .. } | ObjectsOp::ListMemberships { .. });
        let shown = format!("{now}: {op:?}");
        match (self.over.apply(now, op.clone()), self.told.apply(now, op)) {
            (
                Ok(ObjectsOk::Page { items: a, next, total }),
                Ok(ObjectsOk::Page { items: b, next: next_b, total: total_b }),
            ) if lists_memberships => assert_eq!((a.len(), next, total), (b.len(), next_b, total_b), "{shown}"),
            (over, told) => assert_eq!(over, told, "{shown}"),
        }
    }

    /// Everything that the stores hold, page by page.
    fn compare(&mut self) {
        assert_eq!(self.over.memberships_len(), self.told.memberships_len());
        let ids: Vec<UserId> = (0..USERS + 21).map(|user| self.provision.name("u", user)).collect();
        for channel in (0..LISTS + 5).map(|list| self.provision.name("c", list)) {
            let op = |page| ObjectsOp::ListMembers { channel: channel.clone(), limit: 0, page, users: true };
            let over = all(&mut self.over, op);
            assert_eq!(sorted(&over), sorted(&all(&mut self.told, op)));
            assert_eq!(columns(&mut self.over, &channel, &ids), columns(&mut self.told, &channel, &ids));
            // Those of the provision come in its order, and before the others.
            let number = self.provision.list_number(&channel);
            let members = number.map_or_else(Vec::new, |list| self.provision.members(list, 0, usize::MAX));
            let there = |user: &&u32| self.over.membership(&ids[**user as usize], &channel).is_some();
            let first = members.iter().filter(there).map(|user| format!("{}/{channel}", ids[*user as usize]));
            let first: Vec<String> = first.collect();
            assert!(over.iter().map(|item| &*item.id).zip(&first).all(|(id, wanted)| id == wanted));
            assert!(over.len() >= first.len());
        }
        for user in &ids {
            assert_eq!(self.over.user(user), self.told.user(user));
            let op = |page| ObjectsOp::ListMemberships { user: user.clone(), limit: 7, page };
            assert_eq!(sorted(&all(&mut self.over, op)), sorted(&all(&mut self.told, op)));
        }
        let differences: BTreeSet<_> = self.over.changed_lists().collect();
        for (list, user) in (0..LISTS).flat_map(|list| (0..USERS).map(move |user| (list, user))) {
            let is = self.told.membership(&ids[user as usize], &self.provision.list_channel(list)).is_some();
            let is_news = is != self.provision.is_member(list, user);
            assert_eq!(differences.contains(&(list, user, is)), is_news, "{list} {user}");
        }
    }
}

fn all(store: &mut AppContext, op: impl Fn(Option<Arc<str>>) -> ObjectsOp) -> Vec<Arc<Object>> {
    let (mut all, mut page) = (Vec::new(), None);
    loop {
        let Ok(ObjectsOk::Page { items, next, total }) = store.apply(0, op(page)) else { panic!("it is a listing") };
        all.extend(items);
        page = next;
        if page.is_none() {
            assert_eq!(all.len(), total as usize);
            return all;
        }
    }
}

fn sorted(items: &[Arc<Object>]) -> Vec<&Arc<Object>> {
    let mut items: Vec<_> = items.iter().collect();
    items.sort_by_key(|item| &item.id);
    items
}

fn columns(store: &mut AppContext, channel: &Channel, ids: &[UserId]) -> Vec<(UserId, u64)> {
    let (mut all, mut page) = (Vec::new(), None);
    loop {
        let op = ObjectsOp::ListMemberColumns { channel: channel.clone(), limit: 60, page };
        let Ok(ObjectsOk::Columns(answer)) = store.apply(0, op) else { panic!("there is a column") };
        let MemberColumns { numbered, named, next, total, .. } = &*answer;
        assert!(numbered.len() + named.len() <= 60);
        all.extend(numbered.iter().map(|(user, value)| (ids[*user as usize].clone(), *value)));
        all.extend(named.iter().cloned());
        page = next.clone();
        if page.is_none() {
            assert_eq!(all.len(), *total as usize);
            all.sort();
            return all;
        }
    }
}

fn thousands_of_calls(zeros: bool) {
    let mut twins = Twins::new(zeros);
    let (fill, mut written) = (twins.told.counts().writes, BTreeSet::new());
    twins.compare();
    assert_eq!((twins.over.changed_lists().count(), twins.over.changed_users().count()), (0, 0));
    for now in 1..=6_000 {
        let user = twins.user();
        if let Some(number) = twins.provision.user_number(&user) {
            // Written without being changed is written too.
            if now % 50 == 0 {
                written.insert(number);
                let op = set_user(&user, "{}");
                assert_eq!(twins.over.apply(now, op.clone()), twins.told.apply(now, op));
            }
        }
        twins.step(now);
        if now % 1_500 == 0 {
            twins.compare();
        }
    }
    let (over, mut told) = (twins.over.counts(), twins.told.counts());
    told.writes -= fill;
    assert_eq!(over, told);
    assert!(over.conflicts > 100 && over.missing > 100, "{over:?}");
    let changed: BTreeSet<u32> = twins.over.changed_users().collect();
    assert!(written.is_subset(&changed));
    let touched = |user: &u32| twins.told.user(&twins.provision.user_id(*user)).is_none_or(|user| user.updated > 0);
    assert_eq!(changed, (0..USERS).filter(touched).collect());
}

#[test]
fn a_store_over_a_provision_answers_as_one_that_was_told_all_of_it() {
    thousands_of_calls(true);
}

#[test]
fn listings_are_in_the_order_of_ids_when_numbers_are_not() {
    thousands_of_calls(false);
}

#[test]
fn what_nobody_wrote_is_made_when_it_is_read() {
    let mut store = AppContext::provisioned(1, Arc::new(Drawn::new(true)));
    let user = store.user("u007").unwrap();
    assert_eq!((&*user.body, user.updated), (r#"{"uuid":"u007","name":"N7","custom":{"shard":1}}"#, 0));
    assert_eq!(store.channel("c002").unwrap().etag.len(), 32);
    assert_eq!(store.membership("u007", "c000").as_deref(), Some(r#"{"list":0,"user":7}"#));
    // List 1 has nobody, and a number too much is nobody's.
    assert_eq!((store.membership("u007", "c001"), store.user("u130"), store.channel("c012")), (None, None, None));
    // Only what is written is kept, under the eTag that was read.
    let op = ObjectsOp::SetUser { user: "u007".into(), patch: "{}".into(), if_match: Some(user.etag.clone()) };
    assert_eq!(store.apply(9, op), Ok(ObjectsOk::Object(Arc::new(Object { updated: 9, ..(*user).clone() }))));
    assert_eq!(store.changed_users().collect::<Vec<_>>(), [7]);
}

#[test]
fn a_store_without_a_column_refuses_to_list_it() {
    let mut store = AppContext::provisioned(1, Arc::new(Drawn::new(true)));
    let op = ObjectsOp::ListMemberColumns { channel: "c000".into(), limit: 0, page: None };
    assert_eq!(store.apply(0, op.clone()).unwrap_err().status, 400);
    // A column that comes later knows what was written before: user 8's shard was 8 % 3 = 2, user 9 is deleted.
    store.apply(1, set_user(&"u008".into(), r#"{"custom":{"shard":50}}"#)).unwrap();
    store.apply(1, ObjectsOp::DeleteUser { user: "u009".into() }).unwrap();
    let mut store = store.with_column(column);
    let Ok(ObjectsOk::Columns(page)) = store.apply(0, op) else { panic!("there is a column") };
    // The list is from 129 down; the first page ends with 30.
    assert_eq!((page.numbered.len(), page.numbered[99], page.total), (100, (30, 1_000), 130));
    assert_eq!(page.next.as_deref(), Some("MTAw"));
    let op = ObjectsOp::ListMemberColumns { channel: "c000".into(), limit: 0, page: page.next.clone() };
    let Ok(ObjectsOk::Columns(page)) = store.apply(0, op) else { panic!("there is a column") };
    assert_eq!(page.numbered[20..=22], [(9, 0), (8, 1_050), (7, 1_001)]);
}

#[test]
fn what_a_provision_says_of_itself_is_not_made_of_texts() {
    let provision = Arc::new(Drawn::new(true));
    let texts = || provision.texts.swap(0, Ordering::Relaxed);
    let mut store = AppContext::provisioned(1, provision.clone());
    assert_eq!(texts(), 0);
    store = store.with_column(column);
    assert_eq!(texts(), USERS / 2, "every second one has no column");
    let filter = vec![Filter::new("shard", 1)];
    let found = store.apply(0, ObjectsOp::ListUsers { filter, limit: 10, page: None });
    let Ok(ObjectsOk::Page { items, total, .. }) = found else { panic!("it is a listing") };
    // 1, 4, .. 127 are 43 users; the page shows ten, and only those are made.
    assert_eq!((items.len(), total, texts()), (10, 43, 10));
    let op = ObjectsOp::ListMemberColumns { channel: "c000".into(), limit: 0, page: None };
    assert!(store.apply(0, op).is_ok());
    assert_eq!((texts(), store.memberships_len() as u32 > USERS), (0, true));
}
