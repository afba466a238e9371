//! Ways of doing the same, timed in turns in one process, so that a machine that gets slower does so for all of them.

use std::time::Instant;

/// Wall time of each way in ns, the median of `rounds` rounds; `once` does the work of one way and checks it.
pub fn medians<const N: usize>(rounds: usize, mut once: impl FnMut(usize)) -> [f64; N] {
    let mut ns = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (way, ns) in ns.iter_mut().enumerate() {
            let started = Instant::now();
            once(way);
            ns.push(started.elapsed().as_nanos() as f64);
        }
    }
    ns.map(|mut ns| {
        ns.sort_by(f64::total_cmp);
        ns[ns.len() / 2]
    })
}

/// Whether figures are wanted; else `cargo test --benches` only wants to see that it works.
pub fn measuring() -> bool {
    if cfg!(debug_assertions) {
        eprintln!("note: without optimisation these figures say nothing");
    }
    std::env::args().any(|argument| argument == "--bench")
}
