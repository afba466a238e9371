//! How a user's client keeps its token and its connection.

use headcount_engine::contract::Nanos;

use crate::client::backoff;

/// What a client does when something fails.
#[derive(Clone, Copy, Debug)]
pub struct ClientRules {
    /// A token is refreshed so long before it expires; `None`: when it is refused.
    pub refresh_before: Option<Nanos>,
    /// Whether a refresh that fails is tried again, or only noted.
    pub tries_refresh_again: bool,
    /// Whether a subscribe without an answer counts as a failure, or only as a warning.
    pub minds_silence: bool,
    /// Attempts to connect after which the client gives up and says so; `None`: it never does.
    pub attempts_max: Option<u8>,
    /// How long to wait before the next attempt; `None`: as all clients here do ([`crate::client::backoff`]).
    pub backoff: Option<Backoff>,
}

/// Waits that double from attempt to attempt, as the document computes them: the first is twice `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: Nanos,
    pub max: Nanos,
    /// Whether each wait is anywhere from half of it on.
    pub jitter: bool,
}

impl Backoff {
    /// The wait after so many failures; `bits` throw the dice, and 0 gives the shortest.
    pub fn wait(&self, failures: u8, bits: u64) -> Nanos {
        let whole = self.first.saturating_mul(2 << failures.min(20)).min(self.max);
        if self.jitter { whole / 2 + bits % (whole / 2).max(1) } else { whole }
    }
}

impl ClientRules {
    pub(super) fn wait(&self, failures: u8, bits: u64) -> Nanos {
        self.backoff.map_or_else(|| backoff(failures, bits), |backoff| backoff.wait(failures, bits))
    }
}

impl Default for ClientRules {
    /// Patient: it tries for ever, and gets a new token when the old one is refused.
    fn default() -> Self {
        Self { refresh_before: None, tries_refresh_again: true, minds_silence: true, attempts_max: None, backoff: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headcount_engine::contract::SECOND;

    /// The document's: 2, 4, 8, 16, 30, 30 s; with jitter from half of it to just below.
    #[test]
    fn waits_double_to_thirty_seconds() {
        let plain = Backoff { first: SECOND, max: 30 * SECOND, jitter: false };
        assert_eq!([0, 1, 2, 3, 4, 200].map(|failures| plain.wait(failures, 7) / SECOND), [2, 4, 8, 16, 30, 30]);
        let jittered = Backoff { jitter: true, ..plain };
        assert_eq!(
            (jittered.wait(1, 0), jittered.wait(1, u64::MAX)),
            (2 * SECOND, 2 * SECOND + u64::MAX % (2 * SECOND))
        );
    }
}
