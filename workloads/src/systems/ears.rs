//! Who listens where all may hear the same.

use headcount_engine::message::ChannelList;

use crate::scenario::Scenario;

/// With more users than this not everybody listens: what one hears the next one hears too, and every delivery costs time.
const EARS_MAX: u32 = 1_000;
/// Of more users, so many share a listener.
const USERS_AN_EAR: u32 = 500;

/// Whether users are so few that each can listen to everything.
pub fn everybody_listens(scenario: &Scenario) -> bool {
    scenario.system.users <= EARS_MAX
}

/// What a user subscribes to where there is the same for all: these channels, or nothing.
pub fn channels(scenario: &Scenario, user: u32, same_for_all: &[&str]) -> ChannelList {
    if everybody_listens(scenario) || user.is_multiple_of(USERS_AN_EAR) {
        same_for_all.iter().copied().map(Into::into).collect()
    } else {
        ChannelList::default()
    }
}
