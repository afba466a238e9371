//! Randomness: one stream per purpose and entity, all derived from the run's seed. A draw added to one stream moves no
//! other.
//!
//! The derivation is pinned: changing it changes every run there ever was, so a test holds its values.
//! Each of the key's four 64-bit words starts from `mix(seed + (word + 1) * GOLDEN)`; it then absorbs the purpose's bytes
//! as little-endian 64-bit chunks (the last one padded with zeros), the purpose's length in bytes, and the entity, each by
//! `state = mix(state ^ chunk) + GOLDEN`. `mix` is the finaliser of SplitMix64 (Steele, Lea, Flood 2014).

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// 2^64 divided by the golden ratio, odd: the step of SplitMix64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64: a bijection of 64-bit words in which each input bit moves about half of the output bits.
pub(crate) const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Folds `value` into a running digest.
pub(crate) const fn fold(digest: u64, value: u64) -> u64 {
    let x = (digest ^ value).wrapping_mul(0x9FB2_1C65_1E98_DF25);
    (x ^ (x >> 32)).wrapping_add(GOLDEN)
}

/// Folds a text into a running digest.
pub(crate) fn fold_text(digest: u64, text: &str) -> u64 {
    let folded = text.bytes().fold(digest, |digest, byte| fold(digest, u64::from(byte)));
    fold(folded, text.len() as u64)
}

/// Turns 64 random bits into a number in `[0, 1)`, using the upper 53.
pub fn unit_from_bits(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Whether 64 random bits fall into the first `ppm` millionths.
pub fn chance_from_bits(bits: u64, ppm: u32) -> bool {
    ((u128::from(bits) * 1_000_000) >> 64) < u128::from(ppm)
}

/// A stream of random numbers: ChaCha8, keyed by seed, purpose and entity.
#[derive(Clone, Debug)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Stream {
    /// The stream of `entity` (a node, a link, a user, 0 if there is but one) for `purpose` in the run of `seed`.
    pub fn new(seed: u64, purpose: &str, entity: u64) -> Self {
        let mut key = [0u8; 32];
        for (word, bytes) in key.chunks_exact_mut(8).enumerate() {
            let mut state = mix(seed.wrapping_add(GOLDEN.wrapping_mul(word as u64 + 1)));
            let mut absorb = |chunk: u64| state = mix(state ^ chunk).wrapping_add(GOLDEN);
            for chunk in purpose.as_bytes().chunks(8) {
                let mut padded = [0u8; 8];
                padded[..chunk.len()].copy_from_slice(chunk);
                absorb(u64::from_le_bytes(padded));
            }
            absorb(purpose.len() as u64);
            absorb(entity);
            bytes.copy_from_slice(&state.to_le_bytes());
        }
        Self { rng: ChaCha8Rng::from_seed(key) }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A whole number in `0..n`, each as likely as the other (Lemire's multiplication with rejection). `n` must not be 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is no number below 0");
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if (product as u64) < n {
            let unfair = n.wrapping_neg() % n;
            while (product as u64) < unfair {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// A whole number in `low..=high`; `low` if the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        match high.checked_sub(low) {
            None => low,
            Some(u64::MAX) => self.next_u64(),
            Some(span) => low + self.below(span + 1),
        }
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        unit_from_bits(self.next_u64())
    }

    /// True in `ppm` of a million cases. Always draws once, so that a changed probability moves no later draw.
    pub fn chance(&mut self, ppm: u32) -> bool {
        chance_from_bits(self.next_u64(), ppm)
    }

    /// One of `items`; `None` if there are none (and then draws nothing).
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        (!items.is_empty()).then(|| &items[self.below(items.len() as u64) as usize])
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// Random numbers without state, for dense populations: the `n`-th number of `entity` is a pure function of the key,
/// the entity and `n`, so half a million users need not keep half a million streams.
#[derive(Clone, Copy, Debug)]
pub struct CounterHash {
    entity_key: u64,
    counter_key: u64,
}

impl CounterHash {
    /// Keyed from a stream, of which it takes two draws.
    pub fn new(stream: &mut Stream) -> Self {
        Self { entity_key: stream.next_u64(), counter_key: stream.next_u64() }
    }

    /// 64 random bits: the `n`-th number of `entity`.
    pub fn hash(&self, entity: u64, n: u64) -> u64 {
        self.entity(entity).hash(n)
    }

    /// The numbers of one entity, at half the price when many are drawn.
    pub fn entity(&self, entity: u64) -> EntityHash {
        EntityHash { start: mix(mix(entity.wrapping_mul(GOLDEN) ^ self.entity_key).wrapping_add(self.counter_key)) }
    }
}

/// The numbers of one entity of a [`CounterHash`]: SplitMix64 from a start of its own, read at any place.
#[derive(Clone, Copy, Debug)]
pub struct EntityHash {
    start: u64,
}

impl EntityHash {
    /// The entity's `n`-th number.
    pub fn hash(&self, n: u64) -> u64 {
        mix(self.start.wrapping_add(n.wrapping_add(1).wrapping_mul(GOLDEN)))
    }
}
