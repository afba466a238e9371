//! What the world promises, each promise on a small world built for it.

mod clocks;
mod determinism;
mod faults;
mod links;
mod plans;
mod queueing;
mod support;
mod timing;
