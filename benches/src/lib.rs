//! Criterion benches live in `benches/benches`, the rules of the house in `benches/tests`; this library is empty on purpose.
