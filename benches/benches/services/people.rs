//! Half a million users with a list of 500 friends each, as a provision: nobody is stored before anybody is written.

use std::fmt;
use std::sync::Arc;

use criterion::Criterion;
use headcount_engine::appcontext::{AppContext, Provision};
use headcount_engine::message::{Channel, Filter, ObjectsOk, ObjectsOp, UserId};
use serde_json::{Value, json};

use super::stepped::{BATCH, LATER, measure};

/// How many users there are.
const USERS: u32 = 500_000;
/// Members of a list.
const FRIENDS: u32 = 500;
/// Every how many users two have the same list: 2,048 different ones are 4 MB, more than a core's own cache holds.
const ROWS: u32 = 2_048;
const SHARDS: u32 = 100;

/// Users and their lists; a list's members lie about 1,000 numbers apart.
struct People {
    rows: Vec<Vec<u32>>,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").finish_non_exhaustive()
    }
}

impl People {
    fn new() -> Self {
        let step = USERS / FRIENDS;
        let member = |row: u32, at: u32| at * step + (row * 7_919 + at * 104_729) % step;
        Self { rows: (0..ROWS).map(|row| (0..FRIENDS).map(|at| member(row, at)).collect()).collect() }
    }
}

fn numbered(text: &str, prefix: &str) -> Option<u32> {
    text.strip_prefix(prefix)?.parse().ok().filter(|number| *number < USERS)
}

/// A change of eight fields, as a status is told (friends-online.md 7.1), the `round`-th of this user.
fn status_patch(user: u32, round: u32) -> String {
    let (online, time) = (round.is_multiple_of(2), u64::from(round) * 1_000 + u64::from(user));
    let seen = format!("2026-01-01T00:00:{:02}.000Z", round % 60);
    format!(
        r#"{{"custom":{{"online":{online},"lastSeen":"{seen}","lastOnline":"{seen}","statusChange":{time},"statusTold":{time},"statusPending":{online},"statusMark":"held","statusToldBy":{time}}}}}"#
    )
}

/// What a client reads of a friend: when the status changed, and whether the friend is online.
fn column(body: &str) -> u64 {
    let number = |field: &str| {
        let digits = &body[body.find(field)? + field.len()..];
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    };
    number(r#""statusChange":"#).unwrap_or(0) << 1 | u64::from(body.contains(r#""online":true"#))
}

impl Provision for People {
    fn users(&self) -> u32 {
        USERS
    }
    fn user_id(&self, user: u32) -> UserId {
        format!("user_{user:06}").into()
    }
    fn user_number(&self, id: &str) -> Option<u32> {
        numbered(id, "user_")
    }
    fn user_body(&self, user: u32) -> String {
        let (shard, time) = (user % SHARDS, "2026-01-01T00:00:00.000Z");
        format!(
            r#"{{"name":"Name of user_{user:06}","email":"user_{user:06}@example.com","profileUrl":"https://example.com/avatars/user_{user:06}.png","custom":{{"schemaVersion":"1.0","type":"user","online":false,"lastSeen":"{time}","lastOnline":"{time}","lastOffline":"{time}","shardId":{shard},"friendCount":500,"statusMessage":"at the beach till Monday","createdAt":"{time}","friendsVersion":3,"statusChange":0,"statusTold":0,"statusPending":false,"statusMark":"told","statusToldBy":0}}}}"#
        )
    }
    fn lists(&self) -> u32 {
        USERS
    }
    fn list_channel(&self, list: u32) -> Channel {
        format!("friends.user_{list:06}").into()
    }
    fn list_number(&self, channel: &str) -> Option<u32> {
        numbered(channel, "friends.user_")
    }
    fn list_body(&self, list: u32) -> String {
        json!({ "name": format!("Friends of user_{list:06}") }).to_string()
    }
    fn members_len(&self, list: u32) -> usize {
        self.rows[(list % ROWS) as usize].len()
    }
    fn members(&self, list: u32, offset: usize, max: usize) -> Vec<u32> {
        self.rows[(list % ROWS) as usize].iter().skip(offset).take(max).copied().collect()
    }
    fn is_member(&self, list: u32, user: u32) -> bool {
        self.rows[(list % ROWS) as usize].binary_search(&user).is_ok()
    }
    /// As many as there are members: friendship has two sides.
    fn lists_of(&self, user: u32) -> Vec<u32> {
        self.members(user, 0, usize::MAX)
    }
    fn membership_custom(&self, list: u32, _user: u32) -> String {
        json!({ "type": "friend", "addedBy": format!("user_{list:06}") }).to_string()
    }
    fn user_field(&self, user: u32, field: &str) -> Value {
        match field {
            "shardId" => (user % SHARDS).into(),
            "online" | "statusPending" => false.into(),
            _ => panic!("nobody lists users by {field}"),
        }
    }
    fn user_column(&self, _user: u32) -> Option<u64> {
        Some(0)
    }
}

/// Numbers of users without a pattern that a cache would see, none twice.
fn scattered(count: usize) -> impl Iterator<Item = u32> {
    (0..count as u64).map(|n| (n * 0x9E37_79B1 % u64::from(USERS)) as u32)
}

fn page(objects: &mut AppContext, op: ObjectsOp) -> (usize, Option<Arc<str>>) {
    match objects.apply(LATER, op) {
        Ok(ObjectsOk::Columns(page)) => (page.numbered.len() + page.named.len(), page.next.clone()),
        Ok(ObjectsOk::Page { items, next, .. }) => (items.len(), next),
        other => panic!("a listing is answered with a page, not {other:?}"),
    }
}

/// Reads these lists whole, page by page. Returns how many members were on the pages.
fn read(objects: &mut AppContext, lists: Vec<Channel>) -> usize {
    let mut members = 0;
    for channel in lists {
        let mut token = None;
        loop {
            let op = ObjectsOp::ListMemberColumns { channel: channel.clone(), limit: 100, page: token };
            let (count, next) = page(objects, op);
            members += count;
            token = next;
            if token.is_none() {
                break;
            }
        }
    }
    members
}

/// Lists are read, and users are written while two listings by fields are kept up.
pub fn friends(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("app context, 500000 users with 500 friends");
    let mut objects = AppContext::provisioned(1, Arc::new(People::new())).with_column(column);
    let lists = BATCH / FRIENDS as usize;
    measure(
        &mut group,
        "list member columns",
        BATCH,
        || scattered(lists).map(|list| format!("friends.user_{list:06}").into()).collect(),
        |lists| read(&mut objects, lists),
        |members| assert_eq!(members, BATCH),
    );
    for filter in
        [vec![Filter::new("statusPending", true)], vec![Filter::new("shardId", 3), Filter::new("online", true)]]
    {
        assert_eq!(page(&mut objects, ObjectsOp::ListUsers { filter, limit: 0, page: None }), (0, None));
    }
    let mut round = 0;
    measure(
        &mut group,
        "set user, two indexes",
        BATCH,
        || {
            round += 1;
            let set = |user| {
                let patch = status_patch(user, round).into();
                ObjectsOp::SetUser { user: format!("user_{user:06}").into(), patch, if_match: None }
            };
            scattered(BATCH).map(set).collect::<Vec<_>>()
        },
        |ops| ops.into_iter().map(|op| objects.apply(LATER, op)).filter(Result::is_ok).count(),
        |done| assert_eq!(done, BATCH),
    );
    group.finish();
}
