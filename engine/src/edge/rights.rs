//! What a token lets its user do.

use std::sync::Arc;

use crate::access::{Permissions, Token};
use crate::error::ApiError;
use crate::message::{Channel, GroupsOp, ObjectsOp, PresenceCall};

/// Refuses with the channels that the token does not open.
pub fn allow_all(token: &Token, channels: &[Channel], wanted: Permissions) -> Result<(), ApiError> {
    if channels.iter().all(|channel| token.allows(channel, wanted)) {
        return Ok(());
    }
    let refused: Vec<&str> =
        channels.iter().filter(|channel| !token.allows(channel, wanted)).map(|channel| &**channel).collect();
    Err(ApiError::forbidden(refused))
}

/// App Context rights: GET and UPDATE on the channel; one's own user object and memberships are one's own.
pub fn check_objects(token: &Token, op: &ObjectsOp) -> Result<(), ApiError> {
    let own = |user: &Arc<str>| if **user == *token.grant.user { Ok(()) } else { Err(ApiError::forbidden::<&str>([])) };
    let on = |channel: &Channel, wanted| allow_all(token, std::slice::from_ref(channel), wanted);
    match op {
        ObjectsOp::GetChannel { channel }
        | ObjectsOp::ListMembers { channel, .. }
        | ObjectsOp::ListMemberColumns { channel, .. } => on(channel, Permissions::GET),
        ObjectsOp::SetChannel { channel, .. } => on(channel, Permissions::UPDATE),
        ObjectsOp::DeleteChannel { channel } => on(channel, Permissions::DELETE),
        // Not for clients: a listing shows everybody.
        ObjectsOp::ListUsers { .. } | ObjectsOp::ListUserIds { .. } | ObjectsOp::ListChannels { .. } => {
            Err(ApiError::forbidden::<&str>([]))
        }
        ObjectsOp::GetUser { user }
        | ObjectsOp::SetUser { user, .. }
        | ObjectsOp::DeleteUser { user }
        | ObjectsOp::ListMemberships { user, .. } => own(user),
        ObjectsOp::GetMembership { user, channel }
        | ObjectsOp::SetMembership { user, channel, .. }
        | ObjectsOp::DeleteMembership { user, channel } => own(user).and_then(|()| on(channel, Permissions::READ)),
    }
}

/// Presence: who reads a channel may see who is on it; state is one's own.
pub fn check_presence(token: &Token, call: &PresenceCall) -> Result<(), ApiError> {
    let own = |user: &Arc<str>| if **user == *token.grant.user { Ok(()) } else { Err(ApiError::forbidden::<&str>([])) };
    match call {
        PresenceCall::HereNow { channels, .. } => allow_all(token, channels, Permissions::READ),
        PresenceCall::WhereNow { user } => own(user),
        PresenceCall::Subscribed { user, channels, .. }
        | PresenceCall::Heartbeat { user, channels, .. }
        | PresenceCall::Leave { user, channels }
        | PresenceCall::SetState { user, channels, .. }
        | PresenceCall::GetState { user, channels } => {
            own(user).and_then(|()| allow_all(token, channels, Permissions::READ))
        }
    }
}

/// Channel groups: MANAGE on the group to change it, READ to list it.
pub fn check_groups(token: &Token, op: &GroupsOp) -> Result<(), ApiError> {
    let (group, wanted) = match op {
        GroupsOp::List { group } => (group, Permissions::READ),
        GroupsOp::Add { group, .. } | GroupsOp::Remove { group, .. } | GroupsOp::Delete { group } => {
            (group, Permissions::MANAGE)
        }
    };
    if token.allows_group(group, wanted) { Ok(()) } else { Err(ApiError::forbidden_groups([group])) }
}
