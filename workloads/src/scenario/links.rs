//! `[links]`: how long a message is under way, by the places that it joins. One way, between two processes.

use std::sync::LazyLock;

use headcount_sim::{Jittered, Place};

use super::bad_input::BadInput;
use super::distribution::{Distribution, Source};
use super::form::Form;

/// Latencies of a scenario's links. They are the same in both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Links {
    /// Between two nodes of a region.
    pub same_region: Distribution,
    /// From a user on wifi to the nearest edge, and back.
    pub wifi: Distribution,
    /// Likewise on a cellular network.
    pub cellular: Distribution,
    /// Between regions.
    pub between: Vec<Between>,
}

/// The link of two regions.
#[derive(Clone, Debug, PartialEq)]
pub struct Between {
    /// In the order of [`Place::ALL`].
    pub places: (Place, Place),
    pub latency: Distribution,
}

impl Links {
    /// As the presets have them.
    pub fn presets() -> Self {
        Self {
            same_region: Distribution::of_preset(Jittered::SAME_REGION),
            wifi: Distribution::of_preset(Jittered::WIFI),
            cellular: Distribution::of_preset(Jittered::CELLULAR),
            between: Vec::new(),
        }
    }

    /// Between two places, or within one.
    pub fn between(&self, one: Place, other: Place) -> Distribution {
        let places = in_order(one, other);
        let own = self.between.iter().find(|between| between.places == places);
        match own {
            Some(between) => between.latency.clone(),
            None if one == other => self.same_region.clone(),
            None => Distribution::of_preset(Jittered::between(one, other)),
        }
    }

    /// Every link with its key, where the number stands that nobody measured, and the source of that.
    pub fn by_key(&self) -> Vec<(&'static str, &Distribution, Distribution, Source)> {
        const WITHIN: Source = Source::Documents(
            "half a ping of 0.7 ms between zones, and 0.2 ms of kernels and proxies; platform.md 2: 0.3-0.8 ms",
        );
        const WIFI: Source = Source::Documents(
            "FCC Measuring Broadband America: pings of 10-30 ms on fixed lines; 12 ms one way, wifi included",
        );
        const CELLULAR: Source =
            Source::Documents("public 4G/5G surveys: median pings of 30-60 ms; 40 ms one way in the mean");
        const BETWEEN: Source = Source::Documents(
            "half a ping of public tables (cloudping.co, Azure round trips), 2 % of jitter, 15 % at p99",
        );
        let presets = Self::presets();
        let own = [
            ("same_region", &self.same_region, presets.same_region, WITHIN),
            ("wifi", &self.wifi, presets.wifi, WIFI),
            ("cellular", &self.cellular, presets.cellular, CELLULAR),
        ];
        let between = self.between.iter().map(|Between { places: (one, other), latency }| {
            (key(*one, *other), latency, Distribution::of_preset(Jittered::between(*one, *other)), BETWEEN)
        });
        own.into_iter().chain(between).collect()
    }

    /// The table, with a key for each two of these regions: `us-east_eu-west`, in either order.
    pub(super) fn fields(&mut self, form: &mut Form<'_>, regions: &[String]) -> Result<(), BadInput> {
        form.inline("same_region", |form| self.same_region.fields(form))?;
        form.inline("wifi", |form| self.wifi.fields(form))?;
        form.inline("cellular", |form| self.cellular.fields(form))?;
        // A region that is no place is refused where it stands, when all is read.
        let places: Vec<Place> = regions.iter().filter_map(|name| Place::named(name)).collect();
        let mut between = Vec::new();
        for (at, &one) in places.iter().enumerate() {
            for &other in places[at + 1..].iter().filter(|other| **other != one) {
                let places = in_order(one, other);
                let mut latency = self.between(one, other);
                let [there, back] = [key(places.0, places.1), key(places.1, places.0)];
                form.inline(if form.has(back) { back } else { there }, |form| latency.fields(form))?;
                between.push(Between { places, latency });
            }
        }
        self.between = between;
        Ok(())
    }
}

fn in_order(one: Place, other: Place) -> (Place, Place) {
    (one.min(other), one.max(other))
}

fn key(one: Place, other: Place) -> &'static str {
    static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let pairs = Place::ALL.iter().flat_map(|one| Place::ALL.iter().map(move |other| (one, other)));
        pairs.map(|(one, other)| format!("{}_{}", one.name(), other.name())).collect()
    });
    &KEYS[one as usize * Place::ALL.len() + other as usize]
}
