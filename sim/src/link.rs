//! What a path between two nodes is like, as a value; and presets for paths people know.
//!
//! Latencies are one-way, between two processes: propagation, network stacks and proxies. The presets are orders of
//! magnitude for planning, not measurements of one provider on one day: a scenario that depends on them states its own.

use std::sync::{Arc, LazyLock};

use crate::contract::{MS, Nanos, US};
use crate::distribution::Sampler;

/// No path is faster: a message between two processes costs at least the system calls at both ends. It also bounds how
/// finely the world must cut time.
pub const LATENCY_NS_MIN: Nanos = 10 * US;

/// One direction of a path between two nodes.
#[derive(Clone, Debug)]
pub struct LinkModel {
    /// One-way latency of each message.
    pub latency: Sampler,
    /// No message is faster than this; below [`LATENCY_NS_MIN`] that holds.
    pub floor_ns: Nanos,
    /// Messages lost, per million.
    pub loss_ppm: u32,
    /// Messages that arrive twice, per million. The copy takes a latency of its own.
    pub duplicate_ppm: u32,
    /// Messages that leave the line, per million: they take up to `reorder_extra_ns` longer and do not hold up the ones
    /// behind them. All others arrive in the order they were sent, as on a TCP connection.
    pub reorder_ppm: u32,
    /// The most a reordered message is late by.
    pub reorder_extra_ns: Nanos,
    /// Bandwidth: each message occupies the sending end for its bytes over this rate. `None`: unlimited.
    pub bytes_per_s: Option<u64>,
    /// Messages that may be under way at once; what is sent beyond is dropped. `None`: unlimited.
    pub capacity_messages: Option<u32>,
}

impl LinkModel {
    /// A path with this latency and no other flaw; its floor is the distribution's minimum.
    pub fn new(latency: Sampler) -> Self {
        let floor_ns = latency.min_ns().max(LATENCY_NS_MIN);
        Self {
            latency,
            floor_ns,
            loss_ppm: 0,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            reorder_extra_ns: 0,
            bytes_per_s: None,
            capacity_messages: None,
        }
    }

    /// A path on which each message takes exactly `ns` (at least [`LATENCY_NS_MIN`]).
    pub fn constant(ns: Nanos) -> Self {
        Self::new(Sampler::constant(ns))
    }

    /// The least time a message can take.
    pub fn latency_ns_min(&self) -> Nanos {
        self.floor_ns.max(self.latency.min_ns()).max(LATENCY_NS_MIN)
    }

    /// Between two machines of one zone ([`Jittered::SAME_ZONE`]).
    pub fn same_zone() -> Self {
        // Every region of every world begins with it.
        static LATENCY: LazyLock<Sampler> = LazyLock::new(|| Jittered::SAME_ZONE.sampler());
        Self::new(LATENCY.clone())
    }

    /// Between two zones of one region ([`Jittered::SAME_REGION`]).
    pub fn same_region() -> Self {
        Self::new(Jittered::SAME_REGION.sampler())
    }

    /// Between two places in the world ([`Jittered::between`]).
    pub fn cross_region(from: Place, to: Place) -> Self {
        Self::new(Jittered::between(from, to).sampler())
    }

    /// A client on wifi ([`Jittered::WIFI`]).
    pub fn wifi() -> Self {
        Self::new(Jittered::WIFI.sampler())
    }

    /// A client on a cellular network ([`Jittered::CELLULAR`]), 0.1 % of messages lost for good: radio loss is mostly
    /// retransmitted and shows as latency.
    pub fn cellular() -> Self {
        Self { loss_ppm: 1_000, ..Self::new(Jittered::CELLULAR.sampler()) }
    }
}

/// A latency of the presets: a fixed part and a lognormal part on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jittered {
    /// The fixed part.
    pub min_ns: Nanos,
    /// Of both parts together.
    pub mean_ns: Nanos,
    /// Of both parts together.
    pub p99_ns: Nanos,
}

impl Jittered {
    /// Between two machines of one zone. 0.3 ms one way: half of a 0.2 ms ping between instances of an availability
    /// zone, plus 0.2 ms for kernels, TLS and a proxy.
    pub const SAME_ZONE: Self = Self { min_ns: 300 * US, mean_ns: 400 * US, p99_ns: 1_500 * US };

    /// Between two zones of one region. 0.55 ms one way: half of a 0.7 ms ping between zones (providers state "single-digit
    /// milliseconds"), plus 0.2 ms as above. platform.md 2 saw 0.3-0.8 ms between two servers of the platform's own region.
    pub const SAME_REGION: Self = Self { min_ns: 550 * US, mean_ns: 700 * US, p99_ns: 2_500 * US };

    /// A client on wifi and a fixed line, to the nearest point of presence. The shape, a short body and a tail from contention
    /// and retransmission on the air, is what access studies (FCC Measuring Broadband America, fixed lines 10-30 ms ping)
    /// report; the figures are set here.
    pub const WIFI: Self = Self { min_ns: 3 * MS, mean_ns: 12 * MS, p99_ns: 63 * MS };

    /// A client on a 4G/5G network, likewise. Public 4G/5G surveys give 30-60 ms median pings.
    pub const CELLULAR: Self = Self { min_ns: 15 * MS, mean_ns: 40 * MS, p99_ns: 215 * MS };

    /// Between two places in the world: half of [`Place::ping_ms`], a jitter of 2 % in the mean and 15 % at p99. Within a place
    /// [`Self::SAME_REGION`].
    pub fn between(from: Place, to: Place) -> Self {
        if from == to {
            return Self::SAME_REGION;
        }
        let min_ns = Nanos::from(from.ping_ms(to)) * MS / 2;
        Self { min_ns, mean_ns: min_ns + min_ns / 50, p99_ns: min_ns + min_ns * 15 / 100 }
    }

    /// Ready to draw from.
    pub fn sampler(&self) -> Sampler {
        let Self { min_ns, mean_ns, p99_ns } = *self;
        let jitter =
            Sampler::lognormal_p99(mean_ns - min_ns, p99_ns - min_ns).expect("the presets' tails are possible");
        jitter.shifted(min_ns)
    }
}

/// Places of the world's cloud regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Virginia.
    UsEast,
    /// California.
    UsWest,
    /// Sao Paulo.
    SaEast,
    /// Ireland.
    EuWest,
    /// Frankfurt.
    EuCentral,
    /// Mumbai.
    ApSouth,
    /// Singapore.
    ApSoutheast,
    /// Tokyo.
    ApNortheast,
}

impl Place {
    /// All of them, in the order of their numbers.
    pub const ALL: [Place; 8] = [
        Self::UsEast,
        Self::UsWest,
        Self::SaEast,
        Self::EuWest,
        Self::EuCentral,
        Self::ApSouth,
        Self::ApSoutheast,
        Self::ApNortheast,
    ];

    /// Its name as scenarios write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::UsEast => "us-east",
            Self::UsWest => "us-west",
            Self::SaEast => "sa-east",
            Self::EuWest => "eu-west",
            Self::EuCentral => "eu-central",
            Self::ApSouth => "ap-south",
            Self::ApSoutheast => "ap-southeast",
            Self::ApNortheast => "ap-northeast",
        }
    }

    /// The place of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.name() == name)
    }

    /// Round trip between two places in ms: rounded medians in the range that public inter-region ping tables of the large
    /// clouds show (cloudping.co, Azure network round-trip statistics). 1 ms within a place.
    pub fn ping_ms(self, other: Place) -> u32 {
        const PING_MS: [[u32; 8]; 8] = [
            // us-e us-w  sa-e  eu-w  eu-c  ap-s ap-se ap-ne
            [1, 62, 114, 68, 92, 190, 218, 148],
            [62, 1, 174, 128, 148, 228, 170, 108],
            [114, 174, 1, 178, 200, 300, 326, 256],
            [68, 128, 178, 1, 26, 122, 176, 204],
            [92, 148, 200, 26, 1, 112, 160, 224],
            [190, 228, 300, 122, 112, 1, 58, 128],
            [218, 170, 326, 176, 160, 58, 1, 70],
            [148, 108, 256, 204, 224, 128, 70, 1],
        ];
        PING_MS[self as usize][other as usize]
    }
}

/// A [`LinkModel`] shared by all links that are like it.
pub(crate) type SharedLink = Arc<LinkModel>;
