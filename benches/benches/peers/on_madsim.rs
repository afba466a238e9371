//! On madsim as it is: each actor is a node with an `Endpoint`, each timer a task that sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use madsim::net::{Endpoint, NetSim};
use madsim::runtime::Runtime;
use madsim::time::Instant;

use super::court::{Ball, address, on_fresh_thread};
use super::{ACTORS, Done, PingPong, Timers};

/// How often a waiter looks whether all is done.
const LOOK: Duration = Duration::from_millis(1);
/// By then all have bound.
const SERVE: Duration = Duration::from_millis(5);

pub fn ping_pong(load: PingPong) -> Done {
    on_fresh_thread(move || {
        let mut config = madsim::Config::default();
        // An empty range is refused: one nanosecond of choice.
        config.net.send_latency = Duration::from_millis(1)..Duration::from_nanos(1_000_001);
        let runtime = Runtime::with_seed_and_config(1, config);
        let caught = Arc::new(AtomicU64::new(0));
        for own in 0..ACTORS {
            let node = runtime.handle().create_node().name(format!("player {own}")).ip(address(own).ip()).build();
            node.spawn(player(load, own, caught.clone()));
        }
        runtime.block_on(async move {
            madsim::time::sleep(SERVE).await;
            let served = Instant::now();
            while caught.load(Ordering::Relaxed) < load.balls * load.hops {
                madsim::time::sleep(LOOK).await;
            }
            let virtual_ms = served.elapsed().as_millis() as u64;
            // Long enough for any message too many to show.
            madsim::time::sleep(10 * LOOK).await;
            let sent = madsim::plugin::simulator::<NetSim>().stat().msg_count;
            assert_eq!(sent, load.balls * load.hops, "madsim's own count");
            Done { handled: caught.load(Ordering::Relaxed), virtual_ms }
        })
    })
}

async fn player(load: PingPong, own: u64, caught: Arc<AtomicU64>) {
    let endpoint = Endpoint::bind(address(own)).await.expect("the address is its own");
    let opposite = address(own ^ 1);
    madsim::time::sleep(SERVE).await;
    let throw = async |ball: Ball| endpoint.send_to_raw(opposite, 0, Box::new(ball)).await.expect("it goes");
    for _ in 0..load.share() {
        throw(Ball::new(load.hops - 1)).await;
    }
    loop {
        let (ball, _) = endpoint.recv_from_raw(0).await.expect("the socket is open");
        caught.fetch_add(1, Ordering::Relaxed);
        if let Some(ball) = ball.downcast::<Ball>().expect("only balls are thrown").next() {
            throw(ball).await;
        }
    }
}

pub fn timers(load: Timers) -> Done {
    on_fresh_thread(move || {
        Runtime::with_seed_and_config(1, madsim::Config::default()).block_on(async move {
            let started = Instant::now();
            let timer = |own| async move {
                for n in 0..load.arms {
                    madsim::time::sleep(Duration::from_millis(Timers::delay_ms(own, n))).await;
                }
                load.arms
            };
            let timers: Vec<_> = (0..load.timers).map(|own| madsim::task::spawn(timer(own))).collect();
            let mut handled = 0;
            for timer in timers {
                handled += timer.await.expect("no timer panics");
            }
            Done { handled, virtual_ms: started.elapsed().as_millis() as u64 }
        })
    })
}
