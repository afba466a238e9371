//! The handlers of both variants, on a worker that is stepped by hand.

mod bench;
mod friendships;
mod large_shards;
mod table_13_1;
