//! Friendships: a record for each pair, steps that can be taken again, and a state that says which come next.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::settle;

use crate::functions::{Context, Event, OpError, Resolution};
use crate::message::{ObjectsOk, ObjectsOp};
use crate::patterns::friends::message::{Added, Message, Pair, Removed, kind};
use crate::patterns::friends::names::{self, GROUP_CHANNELS_MAX, GROUPS_MAX};
use crate::patterns::friends::profile::{Friend, Profile};
use crate::planted::{Bug, has};
use crate::timetoken::{iso8601, unix_ms};

/// Where a friendship stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Requested,
    /// Groups and lists are being written.
    Adding,
    /// Counts and news are.
    Counting,
    Friends,
    Declined,
    Removing,
    Uncounting,
    Removed,
}

/// The record's `custom`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Custom {
    pub state: State,
    /// Who asked.
    pub by: String,
    /// When it came into this state.
    pub since: String,
    /// Whether steps remain to be taken: what the sweep looks for.
    pub open: bool,
    /// Which of its groups each of the two has the other in; `a` is the first by name.
    #[serde(default)]
    pub part_a: usize,
    #[serde(default)]
    pub part_b: usize,
}

impl Custom {
    fn is_open(state: State) -> bool {
        matches!(state, State::Adding | State::Counting | State::Removing | State::Uncounting)
    }
}

/// A pair, its record and the version of it.
struct Record {
    a: String,
    b: String,
    custom: Custom,
    etag: Option<Arc<str>>,
}

#[derive(Deserialize)]
struct Body {
    custom: Custom,
}

impl Record {
    /// Reads the record of two users; `None` if there never was one.
    async fn read(context: &Context, one: &str, other: &str) -> Result<Option<Self>, OpError> {
        let (a, b) = if one < other { (one, other) } else { (other, one) };
        let object = match context.get_channel(names::pair_channel(a, b)).await {
            Err(OpError::Api(error)) if error.status == 404 => return Ok(None),
            result => result?,
        };
        let body = serde_json::from_str::<Body>(&object.body).ok();
        Ok(body.map(|body| Self { a: a.into(), b: b.into(), custom: body.custom, etag: Some(object.etag.clone()) }))
    }

    /// A record that is not there yet.
    fn new(one: &str, other: &str, by: &str) -> Self {
        let (a, b) = if one < other { (one, other) } else { (other, one) };
        let custom =
            Custom { state: State::Removed, by: by.into(), since: String::new(), open: false, part_a: 0, part_b: 0 };
        Self { a: a.into(), b: b.into(), custom, etag: None }
    }

    /// Writes the record over the version that was read.
    async fn write(&mut self, context: &Context, state: State) -> Result<(), OpError> {
        self.custom.state = state;
        self.custom.open = Custom::is_open(state);
        self.custom.since = iso8601(context.now());
        let patch = json!({ "custom": self.custom }).to_string();
        let channel = names::pair_channel(&self.a, &self.b);
        let written = context.set_channel_if_match(channel, patch, self.etag.clone()).await?;
        self.etag = Some(written.etag.clone());
        Ok(())
    }

    /// Both directions: whose list, who comes in, and which group.
    fn sides(&self) -> [(&str, &str, usize); 2] {
        [(&self.a, &self.b, self.custom.part_a), (&self.b, &self.a, self.custom.part_b)]
    }
}

/// After Publish on `friend-requests.*`: only the channel's own user can write there.
pub async fn on_request(context: Context, event: Event) -> Resolution {
    report(&context, request(&context, &event).await);
    Resolution::Ok(None)
}

/// After Publish on `friend-management.*`, likewise.
pub async fn on_management(context: Context, event: Event) -> Resolution {
    report(&context, end(&context, &event).await);
    Resolution::Ok(None)
}

/// After a fire of the sweep: takes a record up where it stands.
pub async fn on_sweep(context: Context, event: Event) -> Resolution {
    let pair = event.channel.strip_prefix("friend-sweep.").and_then(|pair| pair.split_once('~'));
    if let Some((a, b)) = pair {
        let result = match Record::read(&context, a, b).await {
            Ok(Some(record)) => proceed(&context, record).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        report(&context, result);
    }
    Resolution::Ok(None)
}

/// A record that stays open is the sweep's; an answer that was lost is asked for again by whoever wants it.
fn report(context: &Context, result: Result<(), OpError>) {
    if let Err(error) = result {
        context.count("friendship.errors");
        context.log(|| format!("FUNC ERROR friendship: {error}"));
    }
}

/// The two users of a message, if its publisher is one of them and they are two.
fn parties<'m>(event: &Event, message: &'m Message<'_, Pair<'_>>) -> Option<(&'m str, &'m str)> {
    let (a, b) = (&*message.payload.user_a, &*message.payload.user_b);
    (a != b && !a.is_empty() && !b.is_empty() && (*event.publisher == *a || *event.publisher == *b)).then_some((a, b))
}

async fn request(context: &Context, event: &Event) -> Result<(), OpError> {
    let Ok(message) = serde_json::from_str::<Message<'_, Pair<'_>>>(&event.payload) else { return Ok(()) };
    let Some((asker, asked)) = parties(event, &message) else {
        context.count("friendship.refused");
        return Ok(());
    };
    let record = Record::read(context, asker, asked).await?;
    let state = record.as_ref().map_or(State::Removed, |record| record.custom.state);
    match &*message.kind {
        kind::REQUEST if *event.publisher == *asker => {
            // Those who are friends already, perhaps from before there were records, need not ask.
            if matches!(state, State::Removed | State::Declined) && !is_member(context, asker, asked).await? {
                let mut record = record.unwrap_or_else(|| Record::new(asker, asked, asker));
                record.custom.by = asker.to_owned();
                record.write(context, State::Requested).await?;
            }
            if matches!(state, State::Removed | State::Declined | State::Requested) {
                context.publish(names::news_channel(asked), event.payload.clone(), true).await?;
            }
        }
        kind::ACCEPTED if *event.publisher == *asked => {
            // Only what was asked for by the other is accepted.
            let Some(mut record) = record.filter(|record| record.custom.by == asker) else {
                context.count("friendship.refused");
                return Ok(());
            };
            if state == State::Requested {
                record.write(context, State::Adding).await?;
            }
            proceed(context, record).await?;
        }
        kind::DECLINED if *event.publisher == *asked => {
            if let Some(mut record) = record.filter(|_| state == State::Requested) {
                record.write(context, State::Declined).await?;
            }
        }
        _ => context.count("friendship.refused"),
    }
    Ok(())
}

async fn end(context: &Context, event: &Event) -> Result<(), OpError> {
    let Ok(message) = serde_json::from_str::<Message<'_, Pair<'_>>>(&event.payload) else { return Ok(()) };
    let Some((one, other)) = parties(event, &message).filter(|_| message.kind == kind::REMOVE) else {
        context.count("friendship.refused");
        return Ok(());
    };
    let record = match Record::read(context, one, other).await? {
        Some(record) => Some(record),
        None => unrecorded(context, one, other).await?,
    };
    let Some(mut record) = record else { return Ok(()) };
    match record.custom.state {
        // Taken back before it was answered.
        State::Requested => record.write(context, State::Declined).await,
        State::Adding | State::Counting | State::Friends => {
            record.write(context, State::Removing).await?;
            proceed(context, record).await
        }
        // A record that was just made, of a friendship from before there were records.
        State::Removed if record.etag.is_none() => {
            record.write(context, State::Removing).await?;
            proceed(context, record).await
        }
        State::Removing | State::Uncounting => proceed(context, record).await,
        State::Declined | State::Removed => Ok(()),
    }
}

async fn is_member(context: &Context, list: &str, user: &str) -> Result<bool, OpError> {
    member_group(context, list, user).await.map(|group| group.is_some())
}

/// The group of the list's owner that this friend is in, as the membership says; `None`: no friend.
async fn member_group(context: &Context, list: &str, user: &str) -> Result<Option<usize>, OpError> {
    #[derive(Deserialize)]
    struct Membership {
        custom: Friend,
    }
    let op = ObjectsOp::GetMembership { user: user.into(), channel: names::list_channel(list).into() };
    match context.objects(op).await {
        Ok(ObjectsOk::Object(object)) => {
            let membership = serde_json::from_str::<Membership>(&object.body).ok();
            Ok(Some(membership.map_or(0, |membership| membership.custom.group)))
        }
        Ok(_) => unreachable!("a membership is answered with an object"),
        Err(OpError::Api(error)) if error.status == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// The record of a friendship from before there were records; `None`: there is none.
async fn unrecorded(context: &Context, one: &str, other: &str) -> Result<Option<Record>, OpError> {
    let mut record = Record::new(one, other, one);
    let Some(part_a) = member_group(context, &record.a, &record.b).await? else { return Ok(None) };
    record.custom.part_a = part_a;
    record.custom.part_b = member_group(context, &record.b, &record.a).await?.unwrap_or(0);
    Ok(Some(record))
}

/// Takes the steps of an open record's state, and hands the rest to an execution with a budget of its own.
async fn proceed(context: &Context, mut record: Record) -> Result<(), OpError> {
    match record.custom.state {
        State::Adding => {
            link(context, &mut record).await?;
            record.write(context, State::Counting).await?;
        }
        State::Removing => {
            unlink(context, &record).await?;
            record.write(context, State::Uncounting).await?;
        }
        State::Counting => {
            count_and_tell(context, &record, true).await?;
            return record.write(context, State::Friends).await;
        }
        State::Uncounting => {
            count_and_tell(context, &record, false).await?;
            return record.write(context, State::Removed).await;
        }
        _ => return Ok(()),
    }
    let pair = format!("friend-sweep.{}~{}", record.a, record.b);
    context.fire(pair, "{}").await.map(|_| ())
}

/// Groups and lists of both. The group is written down before it is used, so that whoever comes after uses the same.
async fn link(context: &Context, record: &mut Record) -> Result<(), OpError> {
    let added_at = iso8601(context.now());
    for side in 0..if has(Bug::FriendshipIsOneSided) { 1 } else { 2 } {
        let (owner, friend, part) = record.sides()[side];
        let (owner, friend) = (owner.to_owned(), friend.to_owned());
        let added = context.add_to_group(names::group_part(&owner, part), names::status_channel(&friend)).await;
        match added {
            Err(OpError::Api(error)) if error.status == 400 && part + 1 < GROUPS_MAX => {
                // Full. The next one, from the next execution on.
                context.count("channelgroup.full");
                *(if side == 0 { &mut record.custom.part_a } else { &mut record.custom.part_b }) += 1;
                record.write(context, State::Adding).await?;
                return Err(OpError::Api(error));
            }
            result => result?,
        }
        context.count("channelgroup.add");
        let custom = Friend::new(&added_at, &record.custom.by).in_group(part).to_json();
        context.set_membership(&*friend, names::list_channel(&owner), custom).await?;
    }
    Ok(())
}

async fn unlink(context: &Context, record: &Record) -> Result<(), OpError> {
    for (owner, friend, part) in record.sides() {
        context.remove_from_group(names::group_part(owner, part), names::status_channel(friend)).await?;
        context.count("channelgroup.remove");
        context.remove_membership(friend, names::list_channel(owner)).await?;
    }
    Ok(())
}

/// Each of the two has as many friends as its list is long, and hears of the other.
async fn count_and_tell(context: &Context, record: &Record, friends: bool) -> Result<(), OpError> {
    let now = iso8601(context.now());
    let mut profiles = Vec::new();
    for (owner, _, _) in record.sides() {
        // In this order: what is written over the version read here was counted after it.
        let object = context.get_user(owner).await?;
        let profile = Profile::from_body(&object.body).unwrap_or_default();
        let list = names::list_channel(owner).into();
        let op = ObjectsOp::ListMembers { channel: list, limit: 1, page: None, users: false };
        let ObjectsOk::Page { total, .. } = context.objects(op).await? else {
            unreachable!("a listing is answered with a page")
        };
        // Written even if it is the same: whoever counted before, and writes later, must fail. The version makes the content,
        // and so the eTag, one that there never was before.
        let version = profile.custom.friends_version + 1;
        let mut custom = settle::carried_over(&object);
        custom.insert("friendCount".into(), (total + u32::from(has(Bug::FriendsAreCountedWrong))).into());
        custom.insert("friendsVersion".into(), version.into());
        let patch = json!({ "custom": custom }).to_string();
        context.set_user(owner, patch, Some(object.etag.clone())).await?;
        if total as usize > GROUP_CHANNELS_MAX * 3 / 4 {
            // friends-online.md 15.5: alert on groups above 1,500.
            context.count("channelgroup.large");
        }
        profiles.push(profile);
    }
    let stamp = unix_ms(context.now());
    for (side, (owner, friend, _)) in record.sides().into_iter().enumerate() {
        let of = &profiles[1 - side];
        let text = if friends {
            let payload = Added {
                user_id: friend.into(),
                name: of.name.as_deref().map(Into::into),
                profile_url: of.profile_url.as_deref().map(Into::into),
                online: of.custom.online,
                added_at: (&*now).into(),
            };
            Message::new(kind::ADDED, format!("evt_added_{friend}_{stamp}"), &*now, payload).to_json()
        } else {
            let payload = Removed { user_id: friend.into(), removed_at: (&*now).into() };
            Message::new(kind::REMOVED, format!("evt_removed_{friend}_{stamp}"), &*now, payload).to_json()
        };
        context.publish(names::news_channel(owner), text, true).await?;
    }
    Ok(())
}
