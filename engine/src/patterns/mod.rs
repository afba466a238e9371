//! The application patterns on the platform: what a customer deploys and runs.

pub mod authority;
pub mod claim;
pub mod configuration;
pub mod counter;
pub mod dedupe;
pub mod enrichment;
pub mod friends;
pub mod hash;
pub mod hybrid;
pub mod metasync;
pub mod metrics;
pub mod middleware;
pub mod orders;
pub mod ratelimit;
pub mod rights;
pub mod robust;
pub mod sessions;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod voting;

/// Which handlers are deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The document's own, step by step.
    Documented,
    /// Those that keep the document's promises under every fault.
    Hardened,
}
