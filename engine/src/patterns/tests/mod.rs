//! What tests of all patterns have in common.

pub mod bench;
