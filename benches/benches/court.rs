//! What is thrown in the benches of hosting, and where.

use std::net::SocketAddr;

use headcount_sim::Payload;

/// A message: how often it is still to be handed on, and a cache line's worth of freight.
#[derive(Clone)]
pub struct Ball {
    pub hops_left: u64,
    pub freight: [u64; 4],
}

impl Ball {
    /// One that is still to be handed on so often.
    pub fn new(hops_left: u64) -> Self {
        Self { hops_left, freight: [0; 4] }
    }

    /// As it is handed on; `None` after the last hop.
    pub fn next(self) -> Option<Self> {
        Some(Self { hops_left: self.hops_left.checked_sub(1)?, freight: self.freight })
    }
}

impl Payload for Ball {
    fn wire_bytes(&self) -> u32 {
        100
    }
    fn kind(&self) -> &'static str {
        "ball"
    }
    fn fingerprint(&self) -> u64 {
        self.hops_left ^ self.freight[0]
    }
    fn describe(&self) -> String {
        self.hops_left.to_string()
    }
}

/// madsim's state is the thread's, so each runtime gets a thread of its own.
pub fn on_fresh_thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(run).join().expect("no panic")
}

/// A player's address in madsim's network; fewer than 255 players.
pub fn address(player: u64) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, player as u8 + 1], 1))
}
