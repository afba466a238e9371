//! App Context: metadata of channels, users and memberships, in one home region (voting.md 5, platform.md 2.9).
//!
//! A write is partial (see [`ObjectsOp`]); an eTag is made of the content, so that writing the same again gives the
//! same eTag; a write with `If-Match` happens only on the version that was read. Everything is durable. Reading a
//! channel or a user that was written hands out the stored text itself.
//!
//! A store may begin with what a [`Provision`] has: then it holds in memory only what was written or deleted since.

mod columns;
mod events;
mod finder;
mod listing;
mod memberships;
mod object;
mod objects;
mod provision;
#[cfg(test)]
mod provision_tests;
mod roster;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::sync::Arc;

use crate::contract::{Input, Nanos, Node, NodeId, Outbox};
use crate::dice::{Fate, Mischief};
use crate::error::ApiError;
use crate::message::{Channel, Misbehaviour, Msg, Object, ObjectsOk, ObjectsOp, UserId};

use columns::{Column, Columns};
use events::Subject;
use listing::{Page, shown, shown_with};
use objects::Objects;
use provision::{Base, Kind};
use roster::Roster;

pub use listing::PAGE_MAX;
pub use provision::Provision;

/// What the store has been asked and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectsCounts {
    pub reads: u64,
    pub writes: u64,
    pub deletes: u64,
    pub listings: u64,
    /// Answers 404.
    pub missing: u64,
    /// Answers 412: the eTag was no longer that one.
    pub conflicts: u64,
    /// Answers 429 and 503, with or without effect.
    pub failed: u64,
    /// Calls that took effect and got no answer.
    pub unanswered: u64,
}

/// The App Context node.
#[derive(Debug)]
pub struct AppContext {
    mischief: Mischief,
    counts: ObjectsCounts,
    /// The broker that publishes events, where the keyset has them.
    events: Option<NodeId>,
    // Durable.
    channels: Objects,
    users: Objects,
    roster: Roster,
    columns: Option<Columns>,
    /// Makes a number of a membership's `custom`.
    member_number: Option<Column>,
    provision: Option<Arc<dyn Provision>>,
}

impl AppContext {
    /// An empty store; `seed` is for the dice of misbehaviour.
    pub fn new(seed: u64) -> Self {
        Self::over(seed, None)
    }

    /// A store that begins with what the provision has, all of it last written at 0.
    pub fn provisioned(seed: u64, provision: Arc<dyn Provision>) -> Self {
        Self::over(seed, Some(provision))
    }

    fn over(seed: u64, provision: Option<Arc<dyn Provision>>) -> Self {
        Self {
            mischief: Mischief::new(seed),
            counts: ObjectsCounts::default(),
            events: None,
            channels: Objects::new(Base::new(Kind::Channels, provision.clone())),
            users: Objects::new(Base::new(Kind::Users, provision.clone())),
            roster: Roster::new(provision.clone()),
            columns: None,
            member_number: None,
            provision,
        }
    }

    /// The store of a keyset with App Context events: each write and deletion is told through this broker.
    pub fn with_events(mut self, broker: NodeId) -> Self {
        self.events = Some(broker);
        self
    }

    /// The store with a column: a number that `column` makes of each user's object (its whole text) whenever it is
    /// written, for [`ObjectsOp::ListMemberColumns`]. It stands for what a client reads of a user in a list, and takes
    /// 8 bytes a provisioned user.
    pub fn with_column(mut self, column: fn(&str) -> u64) -> Self {
        let users = self.provision.as_ref().map_or(0, |provision| provision.users());
        let provided = |user: u32| self.provision.as_ref().and_then(|provision| provision.user_column(user));
        let of_text = |user: u32| self.users.numbered(user).map_or(0, |object| column(&object.body));
        let numbered = (0..users).map(|user| provided(user).unwrap_or_else(|| of_text(user))).collect();
        let mut columns = Columns::new(column, numbered);
        for user in self.users.changed() {
            columns.set(&objects::Place::Numbered(user), None);
        }
        for (place, object) in self.users.written() {
            columns.set(&place, Some(&object.body));
        }
        self.columns = Some(columns);
        self
    }

    /// The store with a number that `number` makes of each membership's `custom`: listings of columns say the largest on a
    /// page. It stands for what a client reads of the memberships in a list.
    pub fn with_member_number(mut self, number: fn(&str) -> u64) -> Self {
        self.member_number = Some(number);
        self
    }

    /// A channel's object.
    pub fn channel(&self, channel: &str) -> Option<Arc<Object>> {
        self.channels.get(channel)
    }

    /// A user's object.
    pub fn user(&self, user: &str) -> Option<Arc<Object>> {
        self.users.get(user)
    }

    /// A membership's `custom`, JSON text.
    pub fn membership(&self, user: &str, channel: &str) -> Option<Arc<str>> {
        self.roster.get(user, channel).map(|record| record.custom)
    }

    /// Members of a channel with their `custom`, from the `offset`-th on, at most `max`.
    pub fn members(&self, channel: &str, offset: usize, max: usize) -> Vec<(UserId, Arc<str>)> {
        let (page, _) = self.roster.of_channel(channel, offset, max);
        page.into_iter().map(|(user, record)| (user, record.custom)).collect()
    }

    /// How many members a channel has.
    pub fn members_len(&self, channel: &str) -> usize {
        self.roster.of_channel(channel, 0, 0).1
    }

    /// How many memberships there are.
    pub fn memberships_len(&self) -> usize {
        self.roster.len()
    }

    /// In which lists of the provision which of its users are members otherwise than it says: (list, user, whether the
    /// user is a member now), in the order of lists and users.
    pub fn changed_lists(&self) -> impl Iterator<Item = (u32, u32, bool)> + use<> {
        self.roster.differences().into_iter()
    }

    /// The numbers of the provision's users that were written or deleted since, in order.
    pub fn changed_users(&self) -> impl Iterator<Item = u32> + use<> {
        self.users.changed().into_iter()
    }

    /// What has been asked since the run began.
    pub fn counts(&self) -> ObjectsCounts {
        self.counts
    }

    /// Serves one call, as the node does for a message but without its misbehaviour: for building a world.
    pub fn apply(&mut self, now: Nanos, op: ObjectsOp) -> Result<ObjectsOk, ApiError> {
        let result = self.serve(now, op);
        match &result {
            Err(error) if error.status == 404 => self.counts.missing += 1,
            Err(error) if error.status == 412 => self.counts.conflicts += 1,
            _ => (),
        }
        result
    }

    fn serve(&mut self, now: Nanos, op: ObjectsOp) -> Result<ObjectsOk, ApiError> {
        match op {
            ObjectsOp::GetChannel { channel } => {
                self.counts.reads += 1;
                self.channels.get(&channel).map(ObjectsOk::Object).ok_or_else(ApiError::object_not_found)
            }
            ObjectsOp::GetUser { user } => {
                self.counts.reads += 1;
                self.users.get(&user).map(ObjectsOk::Object).ok_or_else(ApiError::object_not_found)
            }
            ObjectsOp::SetChannel { channel, patch, if_match } => {
                self.counts.writes += 1;
                let place = self.channels.place(&channel);
                self.channels.write(&place, &channel, &patch, if_match.as_deref(), now).map(ObjectsOk::Object)
            }
            ObjectsOp::SetUser { user, patch, if_match } => {
                self.counts.writes += 1;
                let place = self.users.place(&user);
                let object = self.users.write(&place, &user, &patch, if_match.as_deref(), now)?;
                if let Some(columns) = &mut self.columns {
                    columns.set(&place, Some(&object.body));
                }
                Ok(ObjectsOk::Object(object))
            }
            ObjectsOp::DeleteChannel { channel } => {
                self.counts.deletes += 1;
                let place = self.channels.place(&channel);
                deleted(self.channels.delete(&place))
            }
            ObjectsOp::DeleteUser { user } => {
                self.counts.deletes += 1;
                let place = self.users.place(&user);
                let was_there = self.users.delete(&place);
                if let Some(columns) = &mut self.columns {
                    columns.set(&place, None);
                }
                deleted(was_there)
            }
            ObjectsOp::ListUsers { filter, limit, page } => {
                self.counts.listings += 1;
                let page = Page::asked(page.as_deref(), limit)?;
                let (found, total) = self.users.find(&filter, page.offset, page.max);
                Ok(page.answer(found, total))
            }
            ObjectsOp::ListUserIds { filter, limit, page } => {
                self.counts.listings += 1;
                let page = Page::asked(page.as_deref(), limit)?;
                let (ids, total) = self.users.find_ids(&filter, page.offset, page.max);
                Ok(page.answer_ids(ids, total))
            }
            ObjectsOp::ListChannels { filter, limit, page } => {
                self.counts.listings += 1;
                let page = Page::asked(page.as_deref(), limit)?;
                let (found, total) = self.channels.find(&filter, page.offset, page.max);
                Ok(page.answer(found, total))
            }
            ObjectsOp::GetMembership { user, channel } => {
                self.counts.reads += 1;
                let record = self.roster.get(&user, &channel).ok_or_else(ApiError::object_not_found)?;
                Ok(ObjectsOk::Object(shown(&user, &channel, &record)))
            }
            ObjectsOp::SetMembership { user, channel, custom } => {
                self.counts.writes += 1;
                if user.is_empty() || channel.is_empty() {
                    return Err(ApiError::objects_invalid_input());
                }
                let patched = |old: Option<&Arc<str>>| object::patched_custom(old, &custom);
                let record = self.roster.write(&user, &channel, now, patched);
                let record = record.ok_or_else(ApiError::objects_invalid_input)?;
                Ok(ObjectsOk::Object(shown(&user, &channel, &record)))
            }
            ObjectsOp::DeleteMembership { user, channel } => {
                self.counts.deletes += 1;
                deleted(self.roster.remove(&user, &channel))
            }
            ObjectsOp::ListMemberships { user, limit, page } => {
                self.counts.listings += 1;
                let page = Page::asked(page.as_deref(), limit)?;
                let (found, total) = self.roster.of_user(&user, page.offset, page.max);
                let items = found.iter().map(|(channel, record)| shown(&user, channel, record)).collect();
                Ok(page.answer(items, total))
            }
            ObjectsOp::ListMembers { channel, limit, page, users } => {
                self.counts.listings += 1;
                let page = Page::asked(page.as_deref(), limit)?;
                let (found, total) = self.roster.of_channel(&channel, page.offset, page.max);
                let item = |(user, record): &(UserId, _)| {
                    let object = users.then(|| self.users.get(user)).flatten();
                    shown_with(user, object.as_ref().map(|object| &*object.body), &channel, record)
                };
                Ok(page.answer(found.iter().map(item).collect(), total))
            }
            ObjectsOp::ListMemberColumns { channel, limit, page } => {
                self.counts.listings += 1;
                self.list_columns(&channel, Page::asked(page.as_deref(), limit)?)
            }
        }
    }

    /// A page of columns; a store without one refuses.
    fn list_columns(&self, channel: &Channel, page: Page) -> Result<ObjectsOk, ApiError> {
        let columns = self.columns.as_ref().ok_or_else(ApiError::objects_invalid_input)?;
        let (mut numbered, mut named) = (Vec::new(), Vec::new());
        let walked = self.roster.walk(
            channel,
            (page.offset, page.max),
            self.member_number,
            |user| {
                if numbered.is_empty() {
                    numbered.reserve_exact(page.max);
                }
                numbered.push((user, columns.numbered(user)));
            },
            |user| named.push((user.clone(), columns.named(user))),
        );
        Ok(page.answer_columns(numbered, named, walked))
    }
}

fn deleted(was_there: bool) -> Result<ObjectsOk, ApiError> {
    if was_there { Ok(ObjectsOk::Deleted) } else { Err(ApiError::object_not_found()) }
}

const SERVICE: &str = "objects";

impl Node for AppContext {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Message { from, msg: Msg::Objects { tag, op } } => {
                let fate = self.mischief.fate();
                let mut result = match fate {
                    Fate::Throttled => Err(ApiError::too_many_requests(SERVICE)),
                    Fate::Error => Err(ApiError::service_unavailable(SERVICE)),
                    _ => {
                        let told = self.events.and_then(|broker| Some((broker, Subject::of(&op)?)));
                        let result = self.apply(now, *op);
                        if let (Some((broker, subject)), Ok(ok)) = (told, &result) {
                            subject.tell(ok, broker, out);
                        }
                        result
                    }
                };
                if fate == Fate::ErrorAfterEffect && result.is_ok() {
                    result = Err(ApiError::service_unavailable(SERVICE));
                }
                if fate == Fate::SilentAfterEffect && result.is_ok() {
                    self.counts.unanswered += 1;
                    return;
                }
                if fate != Fate::Served && matches!(&result, Err(error) if matches!(error.status, 429 | 503)) {
                    self.counts.failed += 1;
                }
                out.send_after(self.mischief.delay(), from, Msg::ObjectsAnswer { tag, result });
            }
            Input::Message { msg: Msg::Misbehave(orders), .. } => self.mischief.set(orders),
            Input::Overload { from, msg: Msg::Objects { tag, .. } } => {
                self.counts.failed += 1;
                out.send(from, Msg::ObjectsAnswer { tag, result: Err(ApiError::service_unavailable(SERVICE)) });
            }
            Input::Message { .. } | Input::Overload { .. } | Input::Start | Input::Wake => (),
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        None
    }

    /// All of it is durable.
    fn reboot(&mut self, _now: Nanos) {
        // A new process behaves.
        self.mischief.set(Misbehaviour::default());
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
