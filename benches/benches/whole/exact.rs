//! Numbers without noise as a criterion measurement: of the same seed and scenario they are the same in every run, so criterion
//! says 0 % until the program does something else, and then by exactly how much.

use std::thread;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{BenchmarkId, Criterion, Throughput};

/// A number with this unit.
#[derive(Clone, Copy)]
pub struct Exact {
    pub unit: &'static str,
}

impl Measurement for Exact {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}

    fn end(&self, (): ()) -> f64 {
        unreachable!("numbers are handed over, not timed")
    }

    fn add(&self, one: &f64, other: &f64) -> f64 {
        one + other
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for Exact {
    /// Criterion's own four digits would hide a small change.
    fn format_value(&self, value: f64) -> String {
        format!("{value:.6} {}", self.unit)
    }

    fn scale_values(&self, _: f64, _: &mut [f64]) -> &'static str {
        self.unit
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, _: &mut [f64]) -> &'static str {
        self.unit
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        self.unit
    }
}

/// Hands `value` over to criterion under `group/name/parameter`, so that the next bench is compared with it.
pub fn report(group: &str, name: &str, parameter: u32, value: f64, unit: &'static str) {
    // A multiple of 2^-20: criterion multiplies it by how often it asked and divides again, and loses nothing of it.
    let value = (value * f64::from(1 << 20)).round() / f64::from(1 << 20);
    // No density can be drawn of what does not vary.
    let criterion = Criterion::default().with_measurement(Exact { unit }).without_plots();
    let mut criterion = criterion
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(30))
        // Whatever changes is a change.
        .noise_threshold(1e-9)
        .configure_from_args();
    let mut group = criterion.benchmark_group(group);
    group.bench_function(BenchmarkId::new(name, parameter), |bencher| {
        bencher.iter_custom(|times| {
            // Criterion reckons how often to ask from how long that takes.
            thread::sleep(Duration::from_micros(times));
            value * times as f64
        });
    });
    group.finish();
}
