//! The friend list, loaded page by page, and what comes for users.

use headcount_engine::contract::{Nanos, NodeId, Outbox, SECOND, US};
use headcount_engine::message::{ApiOk, Call, Delivery, Envelope, Members, Msg, ObjectsOk, ObjectsOp, Recipients};
use headcount_engine::patterns::Variant;
use headcount_engine::patterns::friends::message::kind;
use headcount_engine::patterns::friends::names;
use serde::Deserialize;

use super::paging::{Ask, Came, Load, PAGE_FRIENDS};
use super::plan::Deed;
use super::record::{Arrival, Counted, Publish, Shown, Told};
use super::{Later, People, tag};
use crate::client::{AWAY, CALL_PATIENCE, Connection, WIFI};
use crate::crowd::plan::{place_of, user_of};

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

/// What a message says.
#[derive(Clone, Copy, Debug)]
pub(super) enum News {
    Status { of: u32, new: Shown },
    Added { of: u32, online: bool },
    Removed { of: u32 },
    Count { online: u64, shards: u32 },
    Other,
}

impl People {
    /// Loads the whole list; if it is being loaded, once more after that.
    pub(super) fn load(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        self.load_once(now, client, out);
        // And again, whatever has been heard by then; not all at the same time.
        let generation = self.users[client as usize].generation;
        let reload = self.config.reload;
        let wait = reload - reload / 4 + self.throw(client) % (reload / 2);
        self.after(now + wait, Later::Reload { client, generation });
    }

    /// The same, and no more after it.
    pub(super) fn load_once(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        match &mut self.users[client as usize].load {
            Some(under_way) => under_way.again = true,
            None => self.begin_load(now, client, out),
        }
    }

    /// Loads the list from its first page on, whatever has come of it.
    fn begin_load(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        let side_by_side = self.config.variant == Variant::Hardened;
        let user = &mut self.users[client as usize];
        user.loads += 1;
        let number = user.loads;
        let load = match &user.load {
            Some(under_way) => under_way.restart(number, now, side_by_side),
            None => Load::begin(number, now, side_by_side),
        };
        user.load = Some(Box::new(load));
        self.after(now + CALL_PATIENCE, Later::LoadDeadline { client, load: number });
        self.ask_pages(client, out);
    }

    /// If nothing has come of this load for too long, it begins again.
    pub(super) fn load_is_late(&mut self, now: Nanos, client: u32, number: u32, out: &mut Outbox) {
        let user = &self.users[client as usize];
        let load = user.load.as_ref().filter(|load| load.number == number);
        let Some(load) = load.filter(|_| user.connection == Connection::Connected) else { return };
        let deadline = load.heard + CALL_PATIENCE;
        if now < deadline {
            return self.after(deadline, Later::LoadDeadline { client, load: number });
        }
        self.begin_load(now, client, out);
    }

    /// Asks for the pages that can be asked for now.
    fn ask_pages(&mut self, client: u32, out: &mut Outbox) {
        while let Some(load) = &mut self.users[client as usize].load {
            let number = load.number;
            let Some(Ask { page, token }) = load.ask() else { return };
            self.record.pages += 1;
            let channel = names::list_channel(&self.id(client)).into();
            let op = ObjectsOp::ListMemberColumns { channel, limit: PAGE_FRIENDS, page: token };
            let tag = tag::LOAD | u64::from(page) << 32 | u64::from(number);
            self.call(client, tag, Call::Objects(Box::new(op)), out);
        }
    }

    /// A page has come: the tag says of which load, and which page.
    pub(super) fn loaded(&mut self, now: Nanos, client: u32, tag: u64, msg: Msg, out: &mut Outbox) {
        let (page, number) = ((tag & !tag::KIND) >> 32, tag as u32);
        let user = &mut self.users[client as usize];
        let Some(load) = user.load.as_mut().filter(|load| load.number == number) else { return };
        let Msg::Answer { result, .. } = msg else { return };
        let columns = match result {
            Ok(ApiOk::Objects(ObjectsOk::Columns(columns))) => columns,
            Err(error) if error.status == 403 => {
                user.token = None;
                self.disconnect(now, client);
                return self.connect(now, client, out);
            }
            // Asked again at the deadline.
            _ => return self.record.second(now).errors += 1,
        };
        match load.came(now, page as u32, columns) {
            Came::Known => return,
            Came::Changed => {
                self.record.loads_restarted += 1;
                return self.begin_load(now, client, out);
            }
            Came::New => {}
        }
        while let Some(columns) = load.take() {
            self.screens.page(client, &mut load.listing, &columns.numbered);
            let named = columns.named.iter().filter_map(|(user, column)| Some((user_of(user)?, *column)));
            let named: Vec<(u32, u64)> = named.collect();
            self.screens.page(client, &mut load.listing, &named);
        }
        if !load.is_done() {
            return self.ask_pages(client, out);
        }
        let load = user.load.take().expect("it was just there");
        let groups = load.groups();
        self.screens.listed(client, load.listing);
        let down = self.last_mile(client);
        self.record.second(now).loads += 1;
        self.record.loads_us.push((load.began, (now + down - load.began) / 1_000));
        self.look_at_wishes(client);
        if groups > usize::from(self.users[client as usize].groups) {
            return self.regroup(now, client, groups, out);
        }
        if load.again {
            self.begin_load(now, client, out);
        }
    }

    /// A message from an edge.
    pub(super) fn deliver(&mut self, now: Nanos, from: NodeId, delivery: &Delivery) {
        let Some(edge) = self.config.edges.iter().position(|edge| *edge == from).map(|edge| edge as u8) else { return };
        self.heard += 1;
        self.reached(edge, delivery.cursor);
        let envelope = &*delivery.envelope;
        let Some(news) = self.understand(envelope) else { return };
        match &delivery.to {
            Recipients::One(client) => self.show_here(now, edge, *client, news, envelope),
            Recipients::These(clients) => {
                clients.iter().for_each(|client| self.show_here(now, edge, *client, news, envelope));
            }
            Recipients::Subscribers => match news {
                News::Count { online, shards } => {
                    self.delivered(now, self.connected[usize::from(edge)]);
                    self.counted(now, online, shards);
                }
                _ => (0..self.users.len() as u32).for_each(|client| self.show_here(now, edge, client, news, envelope)),
            },
            // Of another epoch: those connections are gone.
            Recipients::Members(members) if self.edges[usize::from(edge)].announced() != members.epoch => {}
            Recipients::Members(members) => {
                match news {
                    News::Status { of, new } => self.tell_members(now, edge, (of, new), members, envelope),
                    _ => {
                        let world = self.world.clone();
                        for user in world.graph.slice(members.channel, self.config.region).users() {
                            let (_, client) = place_of(user, self.config.regions);
                            if members.minus.binary_search(&client).is_err() {
                                self.show_here(now, edge, client, news, envelope);
                            }
                        }
                    }
                }
                members.plus.iter().for_each(|client| self.show_here(now, edge, *client, news, envelope));
            }
        }
    }

    /// What it says, if it is from whom it should be.
    pub(super) fn understand(&mut self, envelope: &Envelope) -> Option<News> {
        let message = serde_json::from_str::<Message<'_>>(&envelope.payload).ok()?;
        if *envelope.publisher != *"functions" && !message.kind.starts_with("friend.request") {
            let what = || format!("{} published {} on {}", envelope.publisher, message.kind, envelope.channel);
            self.record.forgeries_seen.note(what);
            return None;
        }
        let about = message.payload.user_id.and_then(user_of);
        Some(match (message.kind, about) {
            (kind::ONLINE | kind::OFFLINE, Some(of)) => {
                let stamp = message.event_id.rsplit('_').next().and_then(|stamp| stamp.parse().ok()).unwrap_or(0);
                let new = Shown { online: message.kind == kind::ONLINE, stamp };
                let published = envelope.timetoken.nanos();
                if self.last_published.get(of as usize).is_some_and(|last| *last != published) {
                    self.last_published[of as usize] = published;
                    self.record.publishes.push(Publish { of, online: new.online, stamp, published });
                }
                News::Status { of, new }
            }
            (kind::ADDED, Some(of)) => News::Added { of, online: message.payload.online },
            (kind::REMOVED, Some(of)) => News::Removed { of },
            (kind::COUNT, _) => {
                News::Count { online: message.payload.online_count, shards: message.payload.shards_counted }
            }
            _ => News::Other,
        })
    }

    /// A message for this user, if it is connected to that edge.
    pub(super) fn show_here(&mut self, now: Nanos, edge: u8, client: u32, news: News, envelope: &Envelope) {
        if self.conn[client as usize] & AWAY != edge {
            return;
        }
        self.delivered(now, 1);
        match news {
            News::Status { of, new } => self.told(now, client, envelope, of, new),
            News::Added { of, online } => {
                self.notice(client, of, &envelope.channel);
                if self.config.variant == Variant::Hardened {
                    self.reload_soon(now, client);
                } else {
                    self.screens.add(client, of, online);
                }
            }
            News::Removed { of } => {
                self.screens.remove(client, of);
                if self.config.variant == Variant::Hardened {
                    self.reload_soon(now, client);
                }
            }
            News::Count { online, shards } => self.counted(now, online, shards),
            News::Other => {}
        }
    }

    fn counted(&mut self, now: Nanos, online: u64, shards: u32) {
        if self.record.counts.last().is_none_or(|last| last.at != now) {
            self.record.counts.push(Counted { at: now, online, shards });
        }
    }

    fn reload_soon(&mut self, now: Nanos, client: u32) {
        let generation = self.users[client as usize].generation;
        // The channel group gets to the edges after the news: a little later, and in a storm not so little. What is said in
        // between is in the list alone.
        for wait in [SECOND, 15 * SECOND] {
            self.after(now + wait, Later::Reload { client, generation });
        }
    }

    /// Whether the two are friends when all is done, and whether they were at the beginning or later.
    fn friendship(&self, client: u32, of: u32) -> (bool, bool) {
        let me = self.number(client);
        (self.world.friends(me, of), self.world.ended.contains(&(me.min(of), me.max(of))))
    }

    /// A notice of a new friend: is it one?
    fn notice(&mut self, client: u32, of: u32, channel: &str) {
        if self.friendship(client, of) == (false, false) {
            let who = self.id(client);
            let what = || format!("{who} was told on {channel} that user {of} is its friend");
            self.record.phantoms.note(what);
        }
    }

    /// A status for everybody who has this user in the group of friends.
    fn tell_members(&mut self, now: Nanos, edge: u8, (of, new): (u32, Shown), members: &Members, envelope: &Envelope) {
        // Whoever has it no more is not there for the walk.
        let hidden: Vec<(u32, u8)> =
            members.minus.iter().map(|client| (*client, self.conn[*client as usize])).collect();
        hidden.iter().for_each(|(client, conn)| self.conn[*client as usize] = conn & WIFI | AWAY);
        if now > self.config.settled {
            for client in self.ended.get(&of).into_iter().flatten() {
                if self.conn[*client as usize] & AWAY == edge {
                    let who = self.id(*client);
                    self.record.former.note(|| format!("{who} was told the status of user {of}, long no friend"));
                }
            }
        }
        let before = if self.notes_each() { self.screens_before(edge, of) } else { Vec::new() };
        let walked = self.screens.tell_all(of, new, edge, &self.conn, self.heard, &mut self.legs);
        for (client, before) in before {
            let news = self.screens.shown(client, of).is_some_and(|after| Some(after) != before);
            self.note(now, client, envelope, (of, new), news);
        }
        hidden.iter().for_each(|(client, conn)| self.conn[*client as usize] = *conn);
        self.delivered(now, walked.delivered);
        self.record.statuses += u64::from(walked.delivered);
        self.record.second(now).told += walked.delivered;
        self.changed(now, envelope, of, new, walked.changed);
    }

    fn screens_before(&self, edge: u8, of: u32) -> Vec<(u32, Option<bool>)> {
        let here = self.world.graph.slice(of, self.config.region).users();
        let clients = here.map(|user| place_of(user, self.config.regions).1);
        let connected = clients.filter(|client| self.conn[*client as usize] & AWAY == edge);
        connected.map(|client| (client, self.screens.shown(client, of))).collect()
    }

    /// A message came to so many users.
    fn delivered(&mut self, now: Nanos, users: u32) {
        self.record.deliveries += u64::from(users);
        self.record.second(now).deliveries += users;
    }

    /// So many screens say something else now.
    fn changed(&mut self, now: Nanos, envelope: &Envelope, of: u32, new: Shown, news: u32) {
        self.record.news[usize::from(new.online)] += u64::from(news);
        if news > 0 {
            self.record.second(now).news += news;
            let way = now.saturating_sub(envelope.timetoken.nanos()) / US;
            let way_us = u32::try_from(way).unwrap_or(u32::MAX);
            self.record.arrivals.push(Arrival { of, online: new.online, at: now, way_us, news });
        }
    }

    fn note(&mut self, now: Nanos, client: u32, envelope: &Envelope, (of, new): (u32, Shown), news: bool) {
        let shown = now + self.last_mile(client);
        let (viewer, published) = (self.number(client), envelope.timetoken.nanos());
        self.record.told.push(Told { of, viewer, online: new.online, stamp: new.stamp, published, shown, news });
    }

    /// A status for one user.
    fn told(&mut self, now: Nanos, client: u32, envelope: &Envelope, of: u32, new: Shown) {
        let (friend, former) = self.friendship(client, of);
        if !friend && !former {
            let who = self.id(client);
            self.record.strangers.note(|| format!("{who} was told the status of user {of}, a stranger"));
        } else if !friend && now > self.config.settled {
            let who = self.id(client);
            self.record.former.note(|| format!("{who} was told the status of user {of}, long no friend"));
        }
        // The document's client shows whoever it hears of; ours only those on its list.
        let news = self.screens.tell(client, of, new, self.config.variant == Variant::Documented);
        self.record.statuses += 1;
        self.record.second(now).told += 1;
        self.changed(now, envelope, of, new, u32::from(news));
        if self.notes_each() {
            self.note(now, client, envelope, (of, new), news);
        }
    }

    /// Wishes that the list fulfils are wishes no more.
    fn look_at_wishes(&mut self, client: u32) {
        let own = self.wishes.range((client, 0)..=(client, u32::MAX));
        let fulfilled = |(key, deed): (&(u32, u32), &Deed)| {
            let listed = self.screens.shown(client, key.1).is_some();
            (listed != matches!(deed, Deed::Remove(_))).then_some(*key)
        };
        let fulfilled: Vec<(u32, u32)> = own.filter_map(fulfilled).collect();
        fulfilled.iter().for_each(|key| _ = self.wishes.remove(key));
    }
}
