//! Distributions of durations, made once and shared: a [`Sampler`] turns 64 random bits into nanoseconds in a few
//! nanoseconds, gives the same answer on every machine (only `libm` and IEEE arithmetic), and is cheap to clone.
//!
//! A table holds the quantile function at 2,048 + 1 equidistant probabilities; within a cell it is interpolated, and in the
//! last cell, where a long tail bends most, the exact formula is used. For an exponential distribution what is left of the
//! interpolation error is, cell `j` from the end, `h^3/12 * Q''` with `h = 1/2048` and `Q'' = 1/(j h)^2`; summed
//! `h/12 * pi^2/6 = 0.013 %` of the mean. A world has some thirty tables, and these stay in the cache beside its nodes.

mod empirical;

use std::sync::Arc;

use self::empirical::Empirical;
use crate::contract::Nanos;
use crate::stream::Stream;

const CELL_BITS: u32 = 11;
const CELLS: usize = 1 << CELL_BITS;
/// 2^-64 and 2^-52, as far as a random word and a place within a cell go.
const PER_WORD: f64 = 1.0 / 18_446_744_073_709_551_616.0;
const PER_CELL: f64 = 1.0 / (1u64 << (64 - CELL_BITS)) as f64;
/// Beyond these the arithmetic would lose the nanosecond or overflow: 10^15 ns are 11 days.
const NS_MAX: f64 = 1e15;

/// Why a distribution cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DistributionError {
    /// A duration is negative, not a number or above 11 days.
    OutOfRange,
    /// A mean or a coefficient of variation must be above 0.
    NotPositive,
    /// The upper bound is below the lower one, or quantiles do not rise.
    NotRising,
    /// No lognormal distribution has such a p99 for its mean: it must be more than the mean and less than 14.9 times it.
    NoSuchTail,
}

impl std::fmt::Display for DistributionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OutOfRange => "a duration must be between 0 and 10^15 ns (11 days)",
            Self::NotPositive => "a mean and a coefficient of variation must be above 0",
            Self::NotRising => "bounds and quantiles must rise, with probabilities from 0 to 1",
            Self::NoSuchTail => "a lognormal p99 must be above the mean and below 14.9 times the mean",
        })
    }
}

impl std::error::Error for DistributionError {}

/// A distribution of durations, ready to draw from.
#[derive(Clone, Debug)]
pub struct Sampler {
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Constant(Nanos),
    /// Both ends belong to it.
    Uniform {
        low: Nanos,
        high: Nanos,
    },
    Table(Arc<Table>),
    Empirical(Arc<Empirical>),
}

#[derive(Debug)]
struct Table {
    /// Quantiles at `i / 2048`, but for the last one: there the formula stands in. Single precision halves what the table takes
    /// of the cache and is finer than any latency is known.
    quantiles_ns: Box<[f32]>,
    tail: Tail,
    /// Added to each sample.
    shift_ns: Nanos,
    /// The mean in exact arithmetic, with the shift.
    mean_ns: f64,
}

/// The exact quantile function: of it the table is made, and the last cell is drawn.
#[derive(Clone, Debug)]
enum Tail {
    Exponential { mean_ns: f64 },
    Lognormal { mu: f64, sigma: f64 },
}

impl Tail {
    /// The quantile whose upper tail has probability `upper`, which keeps its digits near 0.
    fn quantile_ns(&self, upper: f64) -> f64 {
        match *self {
            Self::Exponential { mean_ns } => -mean_ns * libm::log(upper),
            Self::Lognormal { mu, sigma } => libm::exp(mu - sigma * normal_quantile(upper)),
        }
    }
}

impl Sampler {
    /// Always `ns`.
    pub fn constant(ns: Nanos) -> Self {
        Self { shape: Shape::Constant(ns) }
    }

    /// Each whole number of nanoseconds from `low` to `high`, both included.
    pub fn uniform(low: Nanos, high: Nanos) -> Result<Self, DistributionError> {
        if high < low {
            return Err(DistributionError::NotRising);
        }
        Ok(Self { shape: if low == high { Shape::Constant(low) } else { Shape::Uniform { low, high } } })
    }

    /// Exponential with this mean.
    pub fn exponential(mean_ns: Nanos) -> Result<Self, DistributionError> {
        let mean_ns = positive(mean_ns as f64)?;
        Ok(Self::table(mean_ns, Tail::Exponential { mean_ns }))
    }

    /// Lognormal with this mean and 99th percentile. With `z` the normal 99th percentile (2.326), `ln(p99 / mean) = z s -
    /// s^2 / 2`, solved for the smaller `s`.
    pub fn lognormal_p99(mean_ns: Nanos, p99_ns: Nanos) -> Result<Self, DistributionError> {
        let (mean_ns, p99_ns) = (positive(mean_ns as f64)?, positive(p99_ns as f64)?);
        let z = normal_quantile(0.99);
        let ratio = libm::log(p99_ns / mean_ns);
        if ratio <= 0.0 || z * z < 2.0 * ratio {
            return Err(DistributionError::NoSuchTail);
        }
        Ok(Self::lognormal(mean_ns, z - libm::sqrt(z * z - 2.0 * ratio)))
    }

    /// Lognormal with this mean and coefficient of variation (standard deviation over mean): `s^2 = ln(1 + cv^2)`.
    pub fn lognormal_cv(mean_ns: Nanos, cv: f64) -> Result<Self, DistributionError> {
        let mean_ns = positive(mean_ns as f64)?;
        if !(cv > 0.0 && cv < 1e3) {
            return Err(DistributionError::NotPositive);
        }
        Ok(Self::lognormal(mean_ns, libm::sqrt(libm::log(1.0 + cv * cv))))
    }

    fn lognormal(mean_ns: f64, sigma: f64) -> Self {
        let mu = libm::log(mean_ns) - sigma * sigma / 2.0;
        Self::table(mean_ns, Tail::Lognormal { mu, sigma })
    }

    /// From measured quantiles `(probability, ns)`, straight between them: probabilities from exactly 0 to exactly 1, neither
    /// they nor durations fall. Two points with one probability are a jump.
    pub fn empirical(quantiles: &[(f64, Nanos)]) -> Result<Self, DistributionError> {
        Ok(Self { shape: Shape::Empirical(Arc::new(Empirical::new(quantiles)?)) })
    }

    fn table(mean_ns: f64, tail: Tail) -> Self {
        let at = |cell: usize| match (cell, &tail) {
            (0, Tail::Lognormal { .. }) => 0.0,
            // Never read: the formula stands in for the last cell.
            (CELLS, _) => 0.0,
            _ => tail.quantile_ns(1.0 - cell as f64 / CELLS as f64).clamp(0.0, NS_MAX) as f32,
        };
        let quantiles_ns = (0..=CELLS).map(at).collect();
        Self { shape: Shape::Table(Arc::new(Table { quantiles_ns, tail, shift_ns: 0, mean_ns })) }
    }

    /// The same distribution, `shift_ns` later: a fixed part such as propagation, and a random part on top.
    pub fn shifted(&self, shift_ns: Nanos) -> Self {
        let shape = match &self.shape {
            Shape::Constant(ns) => Shape::Constant(ns + shift_ns),
            Shape::Uniform { low, high } => Shape::Uniform { low: low + shift_ns, high: high + shift_ns },
            Shape::Table(table) => Shape::Table(Arc::new(Table {
                quantiles_ns: table.quantiles_ns.clone(),
                tail: table.tail.clone(),
                shift_ns: table.shift_ns + shift_ns,
                mean_ns: table.mean_ns + shift_ns as f64,
            })),
            Shape::Empirical(empirical) => Shape::Empirical(Arc::new(empirical.shifted(shift_ns))),
        };
        Self { shape }
    }

    /// The duration that belongs to 64 random bits.
    #[inline]
    pub fn sample(&self, bits: u64) -> Nanos {
        match &self.shape {
            Shape::Constant(ns) => *ns,
            Shape::Uniform { low, high } => low + ((u128::from(bits) * (u128::from(high - low) + 1)) >> 64) as Nanos,
            Shape::Table(table) => table.sample(bits),
            Shape::Empirical(empirical) => empirical.sample(bits),
        }
    }

    /// A duration drawn from `stream`; one that never varies draws nothing.
    #[inline]
    pub fn draw(&self, stream: &mut Stream) -> Nanos {
        self.as_constant().unwrap_or_else(|| self.sample(stream.next_u64()))
    }

    /// The duration it always gives, if there is but one: then no random bits need be drawn.
    #[inline]
    pub fn as_constant(&self) -> Option<Nanos> {
        match self.shape {
            Shape::Constant(ns) => Some(ns),
            _ => None,
        }
    }

    /// The shortest duration it gives.
    pub fn min_ns(&self) -> Nanos {
        self.sample(0)
    }

    /// Its mean.
    pub fn mean_ns(&self) -> f64 {
        match &self.shape {
            Shape::Constant(ns) => *ns as f64,
            Shape::Uniform { low, high } => (*low as f64 + *high as f64) / 2.0,
            Shape::Table(table) => table.mean_ns,
            Shape::Empirical(empirical) => empirical.mean_ns(),
        }
    }

    /// The duration that a share `p` (0 to 1) of the samples does not exceed.
    pub fn quantile_ns(&self, p: f64) -> Nanos {
        // The cast saturates: p = 1 gives the last word, not an overflow.
        self.sample((p.clamp(0.0, 1.0) / PER_WORD) as u64)
    }
}

impl Table {
    #[inline]
    fn sample(&self, bits: u64) -> Nanos {
        let cell = (bits >> (64 - CELL_BITS)) as usize;
        if cell == CELLS - 1 {
            return self.shift_ns + self.tail.quantile_ns((!bits as f64 + 0.5) * PER_WORD).min(NS_MAX) as Nanos;
        }
        let part = ((bits << CELL_BITS) >> CELL_BITS) as f64 * PER_CELL;
        let (low, high) = (f64::from(self.quantiles_ns[cell]), f64::from(self.quantiles_ns[cell + 1]));
        self.shift_ns + (low + (high - low) * part) as Nanos
    }
}

fn positive(ns: f64) -> Result<f64, DistributionError> {
    match ns {
        ns if ns > NS_MAX => Err(DistributionError::OutOfRange),
        ns if ns > 0.0 => Ok(ns),
        _ => Err(DistributionError::NotPositive),
    }
}

/// The normal distribution's quantile function: algorithm AS 241 (PPND16) of M. J. Wichura, Applied Statistics 37 (1988),
/// good to about 1 part in 10^16. `p` is in (0, 1).
pub fn normal_quantile(p: f64) -> f64 {
    fn poly(x: f64, coefficients: [f64; 8]) -> f64 {
        coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * poly(r, AS241_A) / poly(r, AS241_B);
    }
    let r = libm::sqrt(-libm::log(if q < 0.0 { p } else { 1.0 - p }));
    let z = if r <= 5.0 {
        poly(r - 1.6, AS241_C) / poly(r - 1.6, AS241_D)
    } else {
        poly(r - 5.0, AS241_E) / poly(r - 5.0, AS241_F)
    };
    if q < 0.0 { -z } else { z }
}

const AS241_A: [f64; 8] = [
    3.387_132_872_796_366_5,
    1.331_416_678_917_843_8e2,
    1.971_590_950_306_551_3e3,
    1.373_169_376_550_946e4,
    4.592_195_393_154_987e4,
    6.726_577_092_700_87e4,
    3.343_057_558_358_813e4,
    2.509_080_928_730_122_7e3,
];
const AS241_B: [f64; 8] = [
    1.0,
    4.231_333_070_160_091e1,
    6.871_870_074_920_579e2,
    5.394_196_021_424_751e3,
    2.121_379_430_158_659_7e4,
    3.930_789_580_009_271e4,
    2.872_908_573_572_194_3e4,
    5.226_495_278_852_854e3,
];
const AS241_C: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    2.417_807_251_774_506e-1,
    2.272_384_498_926_918_4e-2,
    7.745_450_142_783_414e-4,
];
const AS241_D: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    6.897_673_349_851e-1,
    1.481_039_764_274_800_8e-1,
    1.519_866_656_361_645_7e-2,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const AS241_E: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    2.965_605_718_285_048_7e-1,
    2.653_218_952_657_612_4e-2,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const AS241_F: [f64; 8] = [
    1.0,
    5.998_322_065_558_88e-1,
    1.369_298_809_227_358e-1,
    1.487_536_129_085_061_5e-2,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    /// The mean over `n` evenly spread words: the integral of the quantile function, without the noise of drawing.
    fn mean_ms(sampler: &Sampler) -> f64 {
        const N: u64 = 1 << 20;
        let step = u64::MAX / N;
        let sum: f64 = (0..N).map(|i| sampler.sample(i * step + step / 2) as f64).sum();
        sum / N as f64 / MS as f64
    }

    /// The rule above cuts the last 2^-21 of the tail off the exponential: about 2^-20 of the mean. Samples are cut to whole ns.
    #[test]
    fn means_are_right_to_a_thousandth() {
        let uniform = Sampler::uniform(MS, 3 * MS).expect("it rises");
        let exponential = Sampler::exponential(5 * MS).expect("above 0");
        let lognormal = Sampler::lognormal_cv(5 * MS, 1.0).expect("above 0");
        let empirical =
            Sampler::empirical(&[(0.0, MS), (0.5, 2 * MS), (0.99, 10 * MS), (1.0, 50 * MS)]).expect("rises");
        // 0.5 * 1.5 + 0.49 * 6 + 0.01 * 30 = 0.75 + 2.94 + 0.3
        for (sampler, mean) in [(uniform, 2.0), (exponential, 5.0), (lognormal, 5.0), (empirical, 3.99)] {
            assert!((sampler.mean_ns() / MS as f64 / mean - 1.0).abs() < 1e-9);
            assert!((mean_ms(&sampler) / mean - 1.0).abs() < 0.001, "{} should be {mean}", mean_ms(&sampler));
            let shifted = sampler.shifted(7 * MS);
            assert!((mean_ms(&shifted) / (mean + 7.0) - 1.0).abs() < 0.001);
        }
    }

    /// Exponential: -ln(1 - p) means; lognormal: as made.
    #[test]
    fn quantiles_are_those_of_the_formula() {
        let exponential = Sampler::exponential(MS).expect("above 0");
        for (p, expected) in [(0.75, 1.386_294), (0.95, 2.995_732), (0.99, 4.605_170), (0.9999, 9.210_340)] {
            let quantile = exponential.quantile_ns(p) as f64 / MS as f64;
            assert!((quantile / expected - 1.0).abs() < 1e-4, "{p}: {quantile}");
        }
        let lognormal = Sampler::lognormal_p99(10 * MS, 60 * MS).expect("it is possible");
        assert!((lognormal.quantile_ns(0.99) as f64 / (60 * MS) as f64 - 1.0).abs() < 1e-3);
        assert!((mean_ms(&lognormal) / 10.0 - 1.0).abs() < 0.001);
    }

    /// Published values: z(0.975) = 1.959964, z(0.99) = 2.326348, z(1e-10) = -6.361341.
    #[test]
    fn the_normal_quantile_is_the_published_one() {
        for (p, z) in [(0.5, 0.0), (0.975, 1.959_963_985), (0.99, 2.326_347_874), (1e-10, -6.361_340_902)] {
            assert!((normal_quantile(p) - z).abs() < 1e-8, "{p}: {}", normal_quantile(p));
        }
    }

    #[test]
    fn samples_rise_with_their_bits_and_never_pass_the_bounds() {
        let uniform = Sampler::uniform(10, 12).expect("it rises");
        assert_eq!((uniform.sample(0), uniform.sample(u64::MAX / 2), uniform.sample(u64::MAX)), (10, 11, 12));
        let lognormal = Sampler::lognormal_cv(MS, 2.0).expect("above 0");
        let samples: Vec<Nanos> = (0..100_000u64).map(|i| lognormal.sample(i * (u64::MAX / 100_000))).collect();
        assert!(samples.is_sorted());
        assert_eq!(Sampler::constant(5).as_constant(), Some(5));
        let (mut stream, mut same) = (Stream::new(1, "draw", 0), Stream::new(1, "draw", 0));
        assert_eq!(Sampler::constant(5).draw(&mut stream), 5);
        assert_eq!(lognormal.draw(&mut stream), lognormal.sample(same.next_u64()), "the constant drew nothing");
        assert_eq!(lognormal.as_constant(), None);
    }

    #[test]
    fn impossible_distributions_are_refused() {
        use DistributionError::*;
        assert_eq!(Sampler::uniform(2, 1).err(), Some(NotRising));
        assert_eq!(Sampler::exponential(0).err(), Some(NotPositive));
        assert_eq!(Sampler::exponential(u64::MAX).err(), Some(OutOfRange));
        assert_eq!(Sampler::lognormal_p99(MS, MS).err(), Some(NoSuchTail));
        assert_eq!(Sampler::lognormal_p99(MS, 15 * MS).err(), Some(NoSuchTail));
        assert_eq!(Sampler::lognormal_cv(MS, f64::NAN).err(), Some(NotPositive));
    }
}
