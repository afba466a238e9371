//! The capacity plan: how much is enough, what fills first, and how sure that is.
//!
//! | room | idea |
//! |---|---|
//! | [`knob`] | what a plan may turn, and a configuration of it |
//! | [`load`] | a window at the full rate, or everybody: what is run |
//! | [`sample`] | what is kept of a run |
//! | [`lab`] | who makes the runs, and what must be kept |
//! | [`search`] | the smallest configuration that keeps the promise |
//! | `fewest` | the fewest shards, servers and executions at once |
//! | `outlook` | how much of it is still ahead |
//! | [`confirm`] | the same with everybody, enlarged where that takes more |
//! | [`cost`] | what the answer takes of everything billable |
//! | [`ladder`] | latency by rate, its knee, and the most that a configuration carries |
//! | [`growth`] | what more people take |
//! | [`storm`] | friends who lose their connections together and come back together |
//! | [`metastability`] | at which loads they bring it down for good |
//! | [`usl`], [`knee`](mod@knee) | the Universal Scalability Law and the knee of a curve |

pub mod confirm;
pub mod cost;
mod fewest;
pub mod growth;
pub mod knee;
pub mod knob;
pub mod lab;
pub mod ladder;
pub mod load;
pub mod metastability;
mod outlook;
pub mod sample;
pub mod search;
pub mod storm;
pub mod usl;

pub use knob::{Config, Knob, Setting};
pub use lab::{Judgement, Lab, Promise, Trouble};
pub use load::{Ask, Demand, Window};
pub use sample::{NEVER_MS, Resource, Sample};
pub use search::{Found, Infeasible, Look, Question, Search, Tried};
pub use usl::Usl;
