//! The rules of the house, kept by reading the workspace: each violation is named, with what would be right.

mod arrows;
mod gate;
mod rooms;
mod sources;
mod top_level;
mod walk;
