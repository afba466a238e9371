//! The `[system]` table: users of a system of [`crate::systems`], what they do and how often, and keys of the system's own.

use std::collections::BTreeMap;

use headcount_engine::contract::{MS, Nanos, SECOND};

use super::Retry;
use super::bad_input::BadInput;
use super::crowd::TIME_MAX_S;
use super::form::Form;
use crate::systems::System;

/// A key of a system's own: a whole number; its unit stands in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub key: &'static str,
    pub default: u64,
    pub low: u64,
    pub high: u64,
}

impl Setting {
    /// Parts in a million, none unless a scenario says so; the key is the system's.
    pub const PPM: Self = Self { key: "", default: 0, low: 0, high: 1_000_000 };
}

/// Users of a system.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemTable {
    /// 1 to 1,000,000.
    pub users: u32,
    /// What users intend in all, 0 to 10,000,000; the system's plan says what.
    pub acts: u32,
    /// They log in and connect in this time [ns].
    pub join_from: Nanos,
    pub join_to: Nanos,
    /// What they intend, they intend in this time [ns].
    pub from: Nanos,
    pub to: Nanos,
    /// Parts in a million on wifi; the others are on a cellular network.
    pub wifi_ppm: u32,
    /// Life of a user's token [minutes], 1 to 43,200.
    pub token_ttl_minutes: u32,
    /// A call without an answer for so long is tried again [ns].
    pub ack_timeout: Nanos,
    /// How it is tried again.
    pub retry: Retry,
    /// The system's own keys.
    own: BTreeMap<&'static str, u64>,
}

impl SystemTable {
    /// Forty users for a minute, with a client's patience longer than any fault of it.
    pub(super) fn new(system: Option<&dyn System>) -> Self {
        let own = system.map_or(&[][..], System::settings).iter().map(|setting| (setting.key, setting.default));
        Self {
            users: 40,
            acts: 40,
            join_from: SECOND,
            join_to: 5 * SECOND,
            from: 6 * SECOND,
            to: 40 * SECOND,
            wifi_ppm: 650_000,
            token_ttl_minutes: 60,
            ack_timeout: 2 * SECOND,
            retry: Retry { first: 500 * MS, factor: 2.0, max: 4 * SECOND, attempts: 100, give_up_after: 120 * SECOND },
            own: own.collect(),
        }
    }

    /// One of the system's own keys.
    pub fn get(&self, key: &str) -> u64 {
        *self.own.get(key).unwrap_or_else(|| panic!("the system has no setting {key}"))
    }

    pub(super) fn fields(&mut self, form: &mut Form<'_>, system: &dyn System) -> Result<(), BadInput> {
        form.whole("users", &mut self.users, 1, 1_000_000)?;
        form.whole("acts", &mut self.acts, 0, 10_000_000)?;
        form.seconds("join_from_s", &mut self.join_from, 0.0, TIME_MAX_S)?;
        form.seconds("join_to_s", &mut self.join_to, 0.0, TIME_MAX_S)?;
        form.seconds("from_s", &mut self.from, 0.0, TIME_MAX_S)?;
        form.seconds("to_s", &mut self.to, 0.0, TIME_MAX_S)?;
        form.ppm("wifi_ppm", &mut self.wifi_ppm)?;
        form.whole("token_ttl_minutes", &mut self.token_ttl_minutes, 1, 43_200)?;
        form.millis("ack_timeout_ms", &mut self.ack_timeout, 100.0, 60_000.0)?;
        form.inline("retry", |form| self.retry.fields(form))?;
        for setting in system.settings() {
            let value = self.own.get_mut(setting.key).expect("every setting has its default");
            form.whole(setting.key, value, setting.low, setting.high)?;
        }
        Ok(())
    }
}
