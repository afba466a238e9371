//! What is on the screens: the friend list, loaded page by page, and the statuses that come.

use std::collections::BTreeMap;

use headcount_engine::contract::{Nanos, Outbox, SECOND};
use headcount_engine::message::{ApiOk, Call, Envelope, Msg, Object, ObjectsOk, ObjectsOp};
use headcount_engine::patterns::Variant;
use headcount_engine::patterns::friends::message::kind;
use headcount_engine::patterns::friends::names;
use serde::Deserialize;

use super::plan::Deed;
use super::record::{Counted, Shown, Told};
use super::{Later, Load, People, tag};
use crate::client::CALL_PATIENCE;
use crate::crowd::plan::user_of;

/// A member of the list, as far as the screen shows it.
#[derive(Deserialize)]
struct Member<'a> {
    #[serde(borrow)]
    uuid: User<'a>,
}

#[derive(Deserialize)]
struct User<'a> {
    uuid: &'a str,
    #[serde(default)]
    custom: Custom,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Custom {
    online: bool,
    status_change: u64,
    last_seen: Option<String>,
}

/// The frame of a message, and what the screen needs of its payload.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    event_id: &'a str,
    payload: Payload<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Payload<'a> {
    #[serde(borrow)]
    user_id: Option<&'a str>,
    online: bool,
    online_count: u64,
    shards_counted: u32,
}

impl People {
    /// Loads the whole list, from its first page on.
    pub(super) fn load(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        user.loads += 1;
        let number = user.loads;
        user.load = Some(Load { number, asked: now, page: None, seen: BTreeMap::new(), heard: BTreeMap::new() });
        self.next_page(now, client, out);
        // And again, whatever has been heard by then; not all at the same time.
        let generation = self.users[client as usize].generation;
        let reload = self.config.reload;
        let wait = reload - reload / 4 + self.throw(client) % (reload / 2);
        self.after(now + wait, Later::Reload { client, generation });
    }

    fn next_page(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        let channel = names::list_channel(&self.id(client)).into();
        let load = self.users[client as usize].load.as_ref().expect("a load is under way");
        let (number, page) = (load.number, load.page.clone());
        self.record.pages += 1;
        self.after(now + CALL_PATIENCE, Later::LoadDeadline { client, load: number });
        let op = ObjectsOp::ListMembers { channel, limit: 100, page, users: true };
        self.call(client, tag::LOAD | u64::from(number), Call::Objects(Box::new(op)), out);
    }

    pub(super) fn loaded(&mut self, now: Nanos, client: u32, number: u32, msg: Msg, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        let Some(load) = user.load.as_mut().filter(|load| load.number == number) else { return };
        let Msg::Answer { result, .. } = msg else { return };
        let (items, next) = match result {
            Ok(ApiOk::Objects(ObjectsOk::Page { items, next, .. })) => (items, next),
            Err(error) if error.status == 403 => {
                user.load = None;
                user.token = None;
                self.disconnect(now, client);
                return self.connect(now, client, out);
            }
            // Asked again at the deadline.
            _ => return self.record.second(now).errors += 1,
        };
        load.seen.extend(items.iter().filter_map(|item| member(item)));
        load.page = next;
        if load.page.is_some() {
            return self.next_page(now, client, out);
        }
        let load = user.load.take().expect("it was just there");
        // What came by message while the list was loading may be newer than the list.
        let mut screen = load.seen;
        for (friend, shown) in &mut screen {
            for known in [user.screen.get(friend), load.heard.get(friend)].into_iter().flatten() {
                if known.stamp > shown.stamp {
                    *shown = *known;
                }
            }
        }
        user.screen = screen;
        let down = self.last_mile(client);
        self.record.second(now).loads += 1;
        self.record.loads_us.push((load.asked, (now + down - load.asked) / 1_000));
        self.look_at_wishes(client);
    }

    /// A message for this user.
    pub(super) fn show(&mut self, now: Nanos, client: u32, envelope: &Envelope) {
        self.record.deliveries += 1;
        let Ok(message) = serde_json::from_str::<Message<'_>>(&envelope.payload) else { return };
        if *envelope.publisher != *"functions" && !message.kind.starts_with("friend.request") {
            let what = || format!("{} published {} on {}", envelope.publisher, message.kind, envelope.channel);
            self.record.forgeries_seen.note(what);
            return;
        }
        let about = message.payload.user_id.and_then(user_of);
        match (message.kind, about) {
            (kind::ONLINE | kind::OFFLINE, Some(of)) => {
                let online = message.kind == kind::ONLINE;
                let stamp = message.event_id.rsplit('_').next().and_then(|stamp| stamp.parse().ok()).unwrap_or(0);
                self.told(now, client, envelope, of, Shown { online, stamp });
            }
            (kind::ADDED, Some(of)) => {
                self.notice(client, of, &envelope.channel);
                if self.config.variant == Variant::Hardened {
                    self.reload_soon(now, client);
                } else {
                    self.users[client as usize].screen.insert(of, Shown { online: message.payload.online, stamp: 0 });
                }
            }
            (kind::REMOVED, Some(of)) => {
                self.users[client as usize].screen.remove(&of);
                if self.config.variant == Variant::Hardened {
                    self.reload_soon(now, client);
                }
            }
            (kind::COUNT, _) => {
                let (online, shards) = (message.payload.online_count, message.payload.shards_counted);
                let known = self.record.counts.last().is_some_and(|last| last.at == now);
                if !known {
                    self.record.counts.push(Counted { at: now, online, shards });
                }
            }
            _ => {}
        }
    }

    fn reload_soon(&mut self, now: Nanos, client: u32) {
        let generation = self.users[client as usize].generation;
        // A little later: the channel group gets to the edges after the news.
        self.after(now + SECOND, Later::Reload { client, generation });
    }

    /// A notice of a new friend: is it one?
    fn notice(&mut self, client: u32, of: u32, channel: &str) {
        if !self.friends[client as usize].contains(&of) && !self.ended[client as usize].contains(&of) {
            let who = self.id(client);
            let what = || format!("{who} was told on {channel} that user {of} is its friend");
            self.record.phantoms.note(what);
        }
    }

    fn told(&mut self, now: Nanos, client: u32, envelope: &Envelope, of: u32, new: Shown) {
        let who = self.id(client);
        let (friend, former) = (self.friends[client as usize].contains(&of), self.ended[client as usize].contains(&of));
        if !friend && !former {
            self.record.strangers.note(|| format!("{who} was told the status of user {of}, a stranger"));
        } else if !friend && now > self.config.settled {
            self.record.former.note(|| format!("{who} was told the status of user {of}, long no friend"));
        }
        let user = &mut self.users[client as usize];
        if let Some(load) = &mut user.load {
            let heard = load.heard.entry(of).or_insert(new);
            if heard.stamp < new.stamp {
                *heard = new;
            }
        }
        // The document's client shows whoever it hears of; ours only those on its list.
        let listed = self.config.variant == Variant::Documented || user.screen.contains_key(&of);
        let shown = user.screen.get(&of).copied().unwrap_or(Shown { online: false, stamp: 0 });
        let newer = new.stamp >= shown.stamp;
        let news = listed && newer && shown.online != new.online;
        if listed && newer {
            user.screen.insert(of, new);
        }
        let down = self.last_mile(client);
        self.record.second(now).told += 1;
        self.record.told.push(Told {
            of,
            viewer: self.number(client),
            online: new.online,
            stamp: new.stamp,
            published: envelope.timetoken.nanos(),
            shown: now + down,
            news,
        });
    }

    /// Wishes that the list fulfils are wishes no more.
    fn look_at_wishes(&mut self, client: u32) {
        let user = &mut self.users[client as usize];
        let screen = &user.screen;
        user.wishes.retain(|about, deed| match deed {
            Deed::Remove(_) => screen.contains_key(about),
            _ => !screen.contains_key(about),
        });
    }
}

fn member(item: &Object) -> Option<(u32, Shown)> {
    let member: Member<'_> = serde_json::from_str(&item.body).ok()?;
    let custom = member.uuid.custom;
    // The document's records have no number: the time of the last event stands for it, in ms as its event ids have it.
    let seen = custom.last_seen.as_deref().and_then(headcount_engine::timetoken::parse_iso8601);
    let stamp = custom.status_change.max(seen.map_or(0, headcount_engine::timetoken::unix_ms));
    Some((user_of(member.uuid.uuid)?, Shown { online: custom.online, stamp }))
}
