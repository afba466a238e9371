//! The application patterns on the platform: what a customer deploys and runs.

pub mod voting;
