//! Voting (voting.md): a host asks, participants vote once, everybody sees the count.
//!
//! - [`message`], [`session`], [`shard`], [`grants`]: the document's messages, objects, names and rights;
//! - [`documented`]: the handlers as the document has them; [`hardened`]: the ones that keep its promises;
//! - [`audit`]: the customer's audit database; [`host`]: the host's client;
//! - [`READINGS`]: where the document's numbers cannot all hold, and how they are read here.

pub mod audit;
pub mod documented;
pub mod grants;
pub mod hardened;
pub mod host;
pub mod message;
mod readings;
pub mod session;
pub mod shard;
#[cfg(test)]
mod tests;

pub use self::readings::READINGS;
pub use super::Variant;

/// The job that broadcasts tallies.
pub const TALLY_JOB: &str = "vote-tally";

/// What the crowd's clients say of themselves: `vote_audit.user_agent`.
pub const USER_AGENT: &str = "headcount-crowd/1.0";

/// The counter `votes.rejected` (voting.md 11.2: by reason).
fn rejected_counter(reason: &str) -> &'static str {
    match reason {
        message::reason::SESSION_NOT_OPEN => "votes.rejected.session_not_open",
        message::reason::INVALID_OPTION => "votes.rejected.invalid_option",
        message::reason::ALREADY_VOTED => "votes.rejected.already_voted",
        _ => "votes.rejected.other",
    }
}
