//! The verbs of the command, a file each.

pub mod check;
pub mod list;
pub mod plan;
pub mod run;
