//! Whom an edge talks to, what it knows from the beginning, and what it counts.

use std::sync::Arc;

use crate::access::Verifier;
use crate::contract::{Nanos, NodeId};
use crate::groups::Provision;
use crate::limits::Limits;

/// Whom an edge talks to, and what it checks.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    pub broker: NodeId,
    /// Who says which tokens are revoked.
    pub access: NodeId,
    pub app_context: NodeId,
    pub history: NodeId,
    /// The channel registry, where the keyset has channel groups.
    pub registry: Option<GroupsConfig>,
    /// Presence, where the keyset has it, and the channels that have presence: an exact name or `prefix*`.
    pub presence: Option<(NodeId, &'static str)>,
    /// The populations that connect here.
    pub populations: Vec<NodeId>,
    /// How long after an answer the clients' next polls come, equally likely; none: at once.
    pub round_trips: Arc<[Nanos]>,
    pub verifier: Verifier,
    pub limits: &'static Limits,
}

/// Channel groups, as an edge knows them from the beginning.
#[derive(Clone, Debug)]
pub struct GroupsConfig {
    pub registry: NodeId,
    /// The groups that are there from the beginning: the registry's own provision.
    pub provision: Option<Arc<dyn Provision>>,
    /// The region whose users own groups of the provision and connect here, and the population that they are.
    pub owners: Option<(u32, NodeId)>,
}

/// What an edge did, by outcome -- output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeCounts {
    pub requests: u64,
    pub forbidden: u64,
    pub refused: u64,
    pub overloaded: u64,
    pub pushes: u64,
    /// Messages that fell out of connections' queues between two polls.
    pub discarded: u64,
}
