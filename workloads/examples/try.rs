#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
use headcount_workloads::outcome::Verdict;
use headcount_workloads::run::*;
use headcount_workloads::scenario::Scenario;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let s = Scenario::load(&a[1], &[]).unwrap_or_else(|e| { eprintln!("{e}"); std::process::exit(2) });
    let from: u64 = a[2].parse().unwrap();
    let n: u64 = a[3].parse().unwrap();
    let p = Prepared::new(s);
    let t = std::time::Instant::now();
    let mut bad = 0;
    let mut never = std::collections::BTreeMap::new();
    for seed in from..from + n {
        let props = if n > 1 { p.examine(seed, headcount_workloads::oracle::check) } else {
            let pr=std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0)); let pp=pr.clone(); let t0=t;
 std::thread::spawn(move||{let mut last=0; loop{std::thread::sleep(std::time::Duration::from_millis(1000)); let v=pp.load(std::sync::atomic::Ordering::Relaxed)/1_000_000_000; eprintln!("{:.1} s wall: virtual {v} (+{})",t0.elapsed().as_secs_f64(),v-last); last=v;}});
            let o = p.run(seed, RunOptions { trace: a.len() > 4, progress: Some(pr) });
            println!("{:?} digest {:x} messages {} deliveries {} {:?}", o.verdict, o.digest, o.messages, o.deliveries, t.elapsed());
            for p in &o.properties { println!("{:?} {:?} {} {} {:?}", p.verdict, p.kind, p.name, p.times_checked, p.reason); }
            println!("{:#?}\n{:#?}\n{:?}\n{:#?}\n{:?}", o.counters, o.figures, o.results, o.faults, o.milestones);
            for s in &o.stations { println!("{:?}",s); }
            if let Some(t) = o.trace { std::fs::write(&a[4], t.join("\n")).unwrap(); }
            o.properties
        };
        for p in &props { *never.entry((p.name,format!("{:?}",p.kind))).or_insert(0u64) += p.times_checked; }
        let v: Vec<_> = props.iter().filter(|p| p.verdict == Verdict::Violated).collect();
        if !v.is_empty() { bad += 1; if bad < 8 { println!("seed {seed}:"); for p in v { println!("   {} {:?}", p.name, p.reason); } } }
    }
    println!("{} seeds {} bad {:?} {:.1}/s {:?}", n, bad, t.elapsed(), n as f64 / t.elapsed().as_secs_f64(), never.iter().filter(|(_,n)|**n==0).collect::<Vec<_>>());
}
