//! Pages of listings, and how memberships look in them.

use std::sync::Arc;

use super::object::{membership_etag, push_quoted};
use super::roster::{Record, Walked};
use crate::base64url;
use crate::error::ApiError;
use crate::message::{MemberColumns, Object, ObjectsOk, UserId};

/// Most entries on a page, and how many there are when a call does not say (platform.md 2.1).
pub const PAGE_MAX: u32 = 100;

/// Where a page begins and how long it is at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub offset: usize,
    pub max: usize,
}

impl Page {
    /// The page that a call asks for: 100 entries when it says 0 or more than 100.
    pub fn asked(token: Option<&str>, limit: u32) -> Result<Self, ApiError> {
        let offset = match token {
            None => 0,
            Some(token) => {
                let text = base64url::decode(token).and_then(|bytes| String::from_utf8(bytes).ok());
                text.and_then(|text| text.parse().ok()).ok_or_else(ApiError::objects_invalid_input)?
            }
        };
        Ok(Self { offset, max: if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) } as usize })
    }

    /// The page with these entries, of `total` in all.
    pub fn answer(self, items: Vec<Arc<Object>>, total: usize) -> ObjectsOk {
        ObjectsOk::Page { next: self.next(items.len(), total), items, total: total as u32 }
    }

    /// The page with these ids, of `total` in all.
    pub fn answer_ids(self, ids: Vec<UserId>, total: usize) -> ObjectsOk {
        ObjectsOk::Ids { next: self.next(ids.len(), total), ids, total: total as u32 }
    }

    /// The page with these columns: the members that were walked.
    pub fn answer_columns(self, numbered: Vec<(u32, u64)>, named: Vec<(UserId, u64)>, walked: Walked) -> ObjectsOk {
        let next = self.next(walked.members, walked.total);
        let (total, member_most) = (walked.total as u32, walked.most);
        ObjectsOk::Columns(Arc::new(MemberColumns { numbered, named, next, total, member_most }))
    }

    /// The token of the page behind this one: platform.md 2.9 has the offset there.
    fn next(self, count: usize, total: usize) -> Option<Arc<str>> {
        let end = self.offset.saturating_add(count);
        (end < total && count > 0).then(|| base64url::encode(end.to_string().as_bytes()).into())
    }
}

/// A membership as the API shows it: `channel`, `uuid`, `custom`.
pub(super) fn shown(user: &str, channel: &str, record: &Record) -> Arc<Object> {
    shown_with(user, None, channel, record)
}

/// The same, with the user's object in the place of its id where there is one.
pub(super) fn shown_with(user: &str, object: Option<&str>, channel: &str, record: &Record) -> Arc<Object> {
    let custom = &record.custom;
    let of_user = object.map_or(user.len(), str::len);
    let mut body = String::with_capacity(channel.len() + of_user + custom.len() + 40);
    body.push_str(r#"{"channel":"#);
    push_quoted(&mut body, channel);
    body.push_str(r#","uuid":"#);
    match object {
        Some(object) => body.push_str(object),
        None => push_quoted(&mut body, user),
    }
    body.push_str(r#","custom":"#);
    body.push_str(custom);
    body.push('}');
    let mut id = String::with_capacity(user.len() + channel.len() + 1);
    id.push_str(user);
    id.push('/');
    id.push_str(channel);
    Arc::new(Object { id: id.into(), body: body.into(), etag: membership_etag(custom), updated: record.updated })
}
