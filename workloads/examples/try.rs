use headcount_workloads::run::*;
use headcount_workloads::scenario::Scenario;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let s = Scenario::load(&a[1], &[]).unwrap_or_else(|e| {
        eprintln!("{e}");
        std::process::exit(2)
    });
    let from: u64 = a[2].parse().unwrap();
    let n: u64 = a[3].parse().unwrap();
    let p = Prepared::new(s);
    let t = std::time::Instant::now();
    let mut bad = 0;
    for seed in from..from + n {
        let o = p.run(seed, RunOptions { trace: a.len() > 4, progress: None });
        if n == 1 {
            println!(
                "{:?} digest {:x} messages {} deliveries {} {:?}",
                o.verdict,
                o.digest,
                o.messages,
                o.deliveries,
                t.elapsed()
            );
            for p in &o.properties {
                println!("{:?} {:?} {} {} {:?}", p.verdict, p.kind, p.name, p.times_checked, p.reason);
            }
            println!("{:#?}", o.counters);
            println!("{:#?}", o.figures);
            println!("{:?}", o.results);
            println!("{:#?}", o.faults);
            println!("{:?}", o.milestones);
            if let Some(t) = o.trace {
                std::fs::write(&a[4], t.join("\n")).unwrap();
            }
        }
        let v: Vec<_> =
            o.properties.iter().filter(|p| p.verdict == headcount_workloads::outcome::Verdict::Violated).collect();
        if !v.is_empty() {
            bad += 1;
            if bad < 8 {
                println!("seed {seed}:");
                for p in v {
                    println!("   {} {:?}", p.name, p.reason);
                }
            }
        }
    }
    println!("{} seeds {} bad {:?} {:.1}/s", n, bad, t.elapsed(), n as f64 / t.elapsed().as_secs_f64());
}
