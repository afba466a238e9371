//! A world to run any node in: virtual time, a network, servers that can be overloaded, and everything that goes wrong.
//! It knows nothing of what the nodes do. The same seed and the same nodes give the same digest, on any machine, at any
//! optimisation level, however many worlds run beside it.
//!
//! # A map of the code
//! - [`contract`]: what a node is: [`Process`], [`Input`], [`Outbox`], [`Payload`].
//! - [`world`]: [`WorldBuilder`] puts a world together and runs it; [`Finished`] is what is left.
//! - `driver`: the loop that moves time, on a madsim runtime; `stretch`: window after window between two faults; `host`: one
//!   node living through one window; `injector`: the plan's faults, begun and ended.
//! - `wheel`: what is under way, by due time. `network`: which link, and what becomes of a message on it.
//! - [`link`]: what a path is like, with presets. [`partition`]: rules that cut paths or make them worse.
//! - [`station`]: servers, queue, rate limit. [`clock`]: clocks that are wrong.
//! - [`stream`]: random numbers that do not disturb each other. [`distribution`]: durations drawn from them.
//! - [`fault`]: faults as values. [`swarm`]: plans of faults, drawn from a seed.
//! - [`trace`]: what happened, in lines, and where two runs part.
//!
//! # How time moves, exactly
//! No message is faster than the fastest link; call that the lookahead. Time is cut into slots no wider than it. So nothing that
//! is sent within a slot is due within it, and the nodes can live through a slot one after another, in any order, each with its
//! own events in exact order. Order at one instant is fixed by the events themselves (sender, sender's count), never by who
//! ran first. A slot is cut where a fault begins or ends.
//!
//! madsim hosts the nodes: each is a madsim node with one task, killed and restarted by the plan, under madsim's guards
//! against real time, threads and entropy. Between two faults the tasks take turns: the one that is woken carries all nodes
//! that are up through the next windows, for to wake each for each of them costs as much as the messages. Its timers, its network and its random numbers are not used: its sleep has a
//! floor of 1 ms, and its links know only loss and a range.

#[cfg(not(madsim))]
compile_error!(
    "headcount-sim needs `--cfg madsim`, which .cargo/config.toml sets. A RUSTFLAGS variable in the environment replaces that \
     line: unset it, or add `--cfg madsim` to it"
);

#[cfg(madsim)]
pub mod clock;
#[cfg(madsim)]
pub mod contract;
#[cfg(madsim)]
pub mod distribution;
#[cfg(madsim)]
mod driver;
#[cfg(madsim)]
pub mod fault;
#[cfg(madsim)]
mod host;
#[cfg(madsim)]
mod injector;
#[cfg(madsim)]
pub mod link;
#[cfg(madsim)]
mod network;
#[cfg(madsim)]
pub mod partition;
#[cfg(madsim)]
pub mod station;
#[cfg(madsim)]
pub mod stream;
#[cfg(madsim)]
mod stretch;
#[cfg(madsim)]
pub mod swarm;
#[cfg(madsim)]
pub mod trace;
#[cfg(madsim)]
mod wheel;
#[cfg(madsim)]
pub mod world;

#[cfg(madsim)]
pub use crate::{
    contract::{Input, MS, Nanos, NodeId, Outbox, Payload, Process, RegionId, SECOND, US},
    distribution::{DistributionError, Sampler},
    driver::HALT_GRAIN,
    fault::{Fault, FaultEntry, FaultWindow},
    link::{Jittered, LinkModel, Place},
    network::NetworkCounters,
    partition::{Degrade, Direction, Group, Verdict},
    station::{Flow, StationReport, StationSecond, StationSpec},
    stream::{CounterHash, EntityHash, Stream},
    swarm::{SwarmKind, SwarmPlan, SwarmWindow, draw_plan},
    trace::{Difference, TraceRecord, TraceTo, first_difference},
    world::{Finished, NodeSpec, WorldBuilder, WorldError},
};
