//! On turmoil: each actor is a host with a UDP socket; each timer is a task that sleeps on the one host there is.
//!
//! turmoil stands on tokio, not on madsim, whose cfg it does not know: the two are strangers in one process.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use turmoil::net::UdpSocket;
use turmoil::{Builder, Sim};

use super::court::Ball;
use super::{ACTORS, Done, PingPong, Timers};

const PORT: u16 = 1;
const MS: Duration = Duration::from_millis(1);

/// A simulation of ticks and links of 1 ms.
fn simulation(in_flight: u64) -> Sim<'static> {
    let mut builder = Builder::new();
    builder.rng_seed(1).epoch(SystemTime::UNIX_EPOCH).tick_duration(MS);
    builder.min_message_latency(MS).max_message_latency(MS).udp_capacity(in_flight as usize);
    builder.simulation_duration(Duration::MAX).build()
}

/// Ticks until so much is handled.
fn run(mut simulation: Sim<'_>, handled: &Cell<u64>, wanted: u64) -> Done {
    while handled.get() < wanted {
        simulation.step().expect("no host fails");
    }
    let virtual_ms = simulation.elapsed().as_millis() as u64;
    // Long enough for any message too many to show.
    (0..10).for_each(|_| _ = simulation.step().expect("no host fails"));
    Done { handled: handled.get(), virtual_ms }
}

fn address(player: u64) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, player as u8 + 1)
}

fn bytes(ball: &Ball) -> [u8; 40] {
    let mut bytes = [0; 40];
    let words = std::iter::once(ball.hops_left).chain(ball.freight);
    words.zip(bytes.chunks_exact_mut(8)).for_each(|(word, bytes)| bytes.copy_from_slice(&word.to_le_bytes()));
    bytes
}

fn ball(bytes: &[u8]) -> Ball {
    let word = |n: usize| u64::from_le_bytes(bytes[8 * n..8 * n + 8].try_into().expect("eight bytes"));
    Ball { hops_left: word(0), freight: [word(1), word(2), word(3), word(4)] }
}

pub fn ping_pong(load: PingPong) -> Done {
    let mut simulation = simulation(load.balls);
    let caught = Rc::new(Cell::new(0));
    for own in 0..ACTORS {
        let caught = caught.clone();
        simulation.host(IpAddr::V4(address(own)), move || player(load, own, caught.clone()));
    }
    run(simulation, &caught, load.balls * load.hops)
}

async fn player(load: PingPong, own: u64, caught: Rc<Cell<u64>>) -> turmoil::Result {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let opposite = (address(own ^ 1), PORT);
    for _ in 0..load.share() {
        socket.send_to(&bytes(&Ball::new(load.hops - 1)), opposite).await?;
    }
    let mut buffer = [0; 40];
    loop {
        let (length, _) = socket.recv_from(&mut buffer).await?;
        caught.set(caught.get() + 1);
        if let Some(ball) = ball(&buffer[..length]).next() {
            socket.send_to(&bytes(&ball), opposite).await?;
        }
    }
}

pub fn timers(load: Timers) -> Done {
    let mut simulation = simulation(1);
    let fired = Rc::new(Cell::new(0));
    let counted = fired.clone();
    simulation.host("timers", move || {
        let fired = counted.clone();
        async move {
            let timer = |own| {
                let fired = fired.clone();
                async move {
                    for n in 0..load.arms {
                        tokio::time::sleep(Duration::from_millis(Timers::delay_ms(own, n))).await;
                        fired.set(fired.get() + 1);
                    }
                }
            };
            let timers: Vec<_> = (0..load.timers).map(|own| tokio::task::spawn_local(timer(own))).collect();
            for timer in timers {
                timer.await?;
            }
            Ok(())
        }
    });
    run(simulation, &fired, load.timers * load.arms)
}
