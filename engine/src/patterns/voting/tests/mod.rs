//! The handlers of both variants, stepped by hand against the real stores.

mod auditor;
mod bench;
mod budgets;
mod lost_answers;
mod refusals;
mod sessions;
mod table_12_1;
