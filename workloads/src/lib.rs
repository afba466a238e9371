//! Where platform and world meet: populations, scenarios, faults chosen, oracles.

pub mod outcome;
