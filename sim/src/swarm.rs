//! Plans of faults, drawn from a seed.
