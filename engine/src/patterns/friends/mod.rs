//! Friends online (friends-online.md): who of one's friends is online, told once to all of them, and how many are in all.
//!
//! - [`names`], [`message`], [`profile`], [`grants`]: the document's channels and groups, messages, objects and rights;
//! - [`documented`]: the handlers as the document has them; [`hardened`]: the ones that keep its promises;
//! - [`READINGS`]: where the document's numbers cannot all hold, and how they are read here.

pub mod documented;
pub mod grants;
pub mod hardened;
pub mod message;
pub mod names;
pub mod profile;
mod readings;
#[cfg(test)]
mod tests;

pub use self::readings::READINGS;

/// The job that broadcasts the online count.
pub const COUNT_JOB: &str = "global-count";

/// The histogram `status.publish.latency`: from the presence event to the publish done (friends-online.md 12.2).
pub const PUBLISH_LATENCY: &str = "status.publish.latency";

/// The counter `presence.events` (friends-online.md 12.2: by type).
fn event_counter(action: &str) -> &'static str {
    match action {
        "join" => "presence.events.join",
        "leave" => "presence.events.leave",
        "timeout" => "presence.events.timeout",
        "interval" => "presence.events.interval",
        _ => "presence.events.other",
    }
}
