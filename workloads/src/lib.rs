//! Where platform and world meet: populations, scenarios, faults chosen, oracles.

pub mod arrivals;
pub mod catalogue;
pub mod outcome;
pub mod scenario;
