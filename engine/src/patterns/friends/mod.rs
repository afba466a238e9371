//! Friends online (friends-online.md): who of one's friends is online, told once to all of them, and how many are in all.
//!
//! - [`names`], [`message`], [`profile`]: the document's channels and groups, messages and objects.

pub mod message;
pub mod names;
pub mod profile;
