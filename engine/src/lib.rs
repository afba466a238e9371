//! The platform and the patterns as pure state machines. No clock, no I/O, no runtime.

pub mod access;
pub mod contract;
pub mod error;
pub mod message;
pub mod timetoken;
