//! The verbs of the command, a file each.

pub mod check;
pub mod compare;
pub mod findings;
pub mod list;
pub mod plan;
pub mod run;
