//! The platform and the patterns as pure state machines. No clock, no I/O, no runtime.

pub mod access;
pub mod appcontext;
pub mod auth;
pub mod base64url;
pub mod broker;
pub mod chunks;
pub mod contract;
pub mod dice;
pub mod edge;
pub mod error;
pub mod functions;
pub mod groups;
pub mod history;
pub mod kvstore;
pub mod limits;
pub mod message;
pub mod outside;
pub mod patterns;
pub mod per_second;
pub mod planted;
pub mod presence;
pub mod registry;
pub mod scheduler;
pub mod slab;
pub mod stream;
pub mod timetoken;
