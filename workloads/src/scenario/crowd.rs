//! The crowd: who joins when, who votes when, and who does it wrong.

use headcount_engine::contract::Nanos;

use super::bad_input::BadInput;
use super::form::{Form, Words};
use super::{arrivals_csv, defaults};

/// The voters, and everybody who behaves like one.
#[derive(Clone, Debug, PartialEq)]
pub struct Crowd {
    /// People, 1 to 5,000,000.
    pub users: u32,
    pub join: Join,
    /// Users who join at some moment while the vote is open instead [ppm].
    pub late_join_ppm: u32,
    /// When votes begin: their intended start, from which latency is measured.
    pub arrivals: Arrivals,
    /// Users on wifi [ppm]; the others are on cellular networks.
    pub wifi_ppm: u32,
    /// How the users choose: a weight for each option, not all 0. Default: all alike.
    pub option_weights: Vec<u32>,
    /// How long a client waits for its ack before it submits again [ns], 100 ms to 60 s.
    pub ack_timeout: Nanos,
    pub retry: Retry,
    /// Whether each client waits for a time of its own before it connects again; else all wait for the same time, and who lost
    /// the connection together comes back together.
    pub reconnect_jitter: bool,
    pub misbehaviour: Misbehaviours,
}

/// When users log in and subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    pub kind: JoinKind,
    /// From when [ns].
    pub from: Nanos,
    /// To when [ns]; nobody who joins `at_once` looks at it.
    pub to: Nanos,
}

/// The shape of joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// Evenly between `from` and `to`.
    Ramp,
    /// Everybody at `from`.
    AtOnce,
}

impl Words for JoinKind {
    const WORDS: &'static [(&'static str, Self)] = &[("ramp", Self::Ramp), ("at_once", Self::AtOnce)];
}

/// The votes' intended starts: an open process, which waits for nobody's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrivals {
    pub kind: ArrivalKind,
    /// The first vote is not before [ns].
    pub from: Nanos,
    /// No vote is at or after [ns].
    pub to: Nanos,
}

/// The shape of the arrivals. Each user votes at most once: a process that would bring more ends with the last user; jobs for a
/// station likewise end with the last job.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrivalKind {
    /// Evenly spaced votes.
    Constant { rate_per_s: f64 },
    /// Votes that know nothing of each other: exponential gaps.
    Poisson { rate_per_s: f64 },
    /// A rate that changes linearly over the window.
    Ramp { from_per_s: f64, to_per_s: f64, spacing: Spacing },
    /// A steady rate, and another one from `burst_at` for `burst_for` [ns].
    Burst { base_per_s: f64, burst_per_s: f64, burst_at: Nanos, burst_for: Nanos, spacing: Spacing },
    /// Every user once, each at a moment uniform over the window.
    Spread,
    /// So many votes in each second from `from`, at moments uniform over the second. What a CSV becomes.
    PerSecond { counts: Vec<u32> },
}

/// How votes follow each other at a given rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Evenly: the count is exact.
    Even,
    /// With exponential gaps: the count is Poisson.
    Poisson,
}

impl Words for Spacing {
    const WORDS: &'static [(&'static str, Self)] = &[("even", Self::Even), ("poisson", Self::Poisson)];
}

/// How a client repeats what got no answer, always with the same `requestId` (voting.md 7.4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// The first wait [ns], 10 ms to 60 s.
    pub first: Nanos,
    /// What each wait is multiplied with for the next, 1 to 10.
    pub factor: f64,
    /// The longest wait [ns], `first` to 10 min.
    pub max: Nanos,
    /// Submissions in all, 1 to 1,000.
    pub attempts: u32,
    /// The time after the first one at which a client stops [ns], 1 s to 1 h.
    pub give_up_after: Nanos,
}

/// Who does what a careful client would not [ppm of the users].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Misbehaviours {
    /// Submits twice within a moment, with two `requestId`s.
    pub double_click_ppm: u32,
    /// Later votes again, for another option.
    pub second_vote_ppm: u32,
    /// Votes before the vote opens.
    pub early_vote_ppm: u32,
    /// Votes after it closed.
    pub late_vote_ppm: u32,
    /// Votes for an option that is not there.
    pub unknown_option_ppm: u32,
    /// Sends a message with a field missing or of the wrong type.
    pub malformed_ppm: u32,
    /// Sends a message larger than the schema allows.
    pub oversized_ppm: u32,
    /// Publishes a tally of its own.
    pub forged_tally_ppm: u32,
    /// Publishes on a channel that its token does not allow.
    pub wrong_channel_ppm: u32,
    /// Puts somebody else's id into `payload.userId`.
    pub impostor_ppm: u32,
    /// Has a viewer's token and votes.
    pub viewer_ppm: u32,
    /// Loses its network once, for `flap_min` to `flap_max`.
    pub offline_flap_ppm: u32,
    /// [ns], 0.1 s to 1 h.
    pub flap_min: Nanos,
    /// [ns], `flap_min` to 1 h.
    pub flap_max: Nanos,
}

/// The largest crowd. The arrays of a population grow with it; 5 million take a few hundred megabytes.
pub(super) const USERS_MAX: u32 = 5_000_000;
/// The highest rate a scenario may ask for [1/s].
const RATE_MAX: f64 = 1_000_000.0;
/// The latest moment of a run [s]: eleven days.
pub(super) const TIME_MAX_S: f64 = 1_000_000.0;

impl Crowd {
    pub(super) fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.whole("users", &mut self.users, 1, USERS_MAX)?;
        form.ppm("late_join_ppm", &mut self.late_join_ppm)?;
        form.ppm("wifi_ppm", &mut self.wifi_ppm)?;
        form.wholes("option_weights", &mut self.option_weights, 1_000_000)?;
        form.millis("ack_timeout_ms", &mut self.ack_timeout, 100.0, 60_000.0)?;
        form.inline("join", |form| {
            form.word("kind", &mut self.join.kind)?;
            form.seconds("from_s", &mut self.join.from, 0.0, TIME_MAX_S)?;
            form.seconds("to_s", &mut self.join.to, 0.0, TIME_MAX_S)
        })?;
        form.inline("arrivals", |form| self.arrivals.fields(form))?;
        form.inline("retry", |form| self.retry.fields(form))?;
        form.flag("reconnect_jitter", &mut self.reconnect_jitter)?;
        form.section("misbehaviour", |form| self.misbehaviour.fields(form))
    }
}

impl Retry {
    pub(super) fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.millis("first_ms", &mut self.first, 10.0, 60_000.0)?;
        form.number("factor", &mut self.factor, 1.0, 10.0, "times")?;
        form.millis("max_ms", &mut self.max, 10.0, 600_000.0)?;
        form.whole("attempts", &mut self.attempts, 1, 1_000)?;
        form.seconds("give_up_after_s", &mut self.give_up_after, 1.0, 3_600.0)
    }

    /// The wait after so many attempts [ns]: first x factor^(attempts - 1), at most max; by multiplication, which is exact on
    /// every machine.
    pub fn wait(&self, attempts: u16) -> Nanos {
        let mut wait = self.first as f64;
        for _ in 1..attempts.min(64) {
            wait = (wait * self.factor).min(self.max as f64);
        }
        wait as Nanos
    }
}

impl Arrivals {
    fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        self.shape_fields(form)?;
        match self.kind {
            // The window is as long as the list, and not a key of its own.
            ArrivalKind::PerSecond { .. } => Ok(()),
            _ => form.seconds("to_s", &mut self.to, 0.0, TIME_MAX_S),
        }
    }

    /// Everything but the window's end; a list of counts sets that too.
    pub(super) fn shape_fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        const KINDS: [&str; 7] = ["constant", "poisson", "ramp", "burst", "spread", "csv", "per_second"];
        let now = match &self.kind {
            ArrivalKind::Constant { .. } => "constant",
            ArrivalKind::Poisson { .. } => "poisson",
            ArrivalKind::Ramp { .. } => "ramp",
            ArrivalKind::Burst { .. } => "burst",
            ArrivalKind::Spread => "spread",
            ArrivalKind::PerSecond { .. } => "per_second",
        };
        let kind = form.kind(now, &KINDS)?;
        form.seconds("from_s", &mut self.from, 0.0, TIME_MAX_S)?;
        if form.is_reading() {
            form.need(required(kind))?;
            self.kind = blank(kind);
        }
        match &mut self.kind {
            ArrivalKind::Constant { rate_per_s } | ArrivalKind::Poisson { rate_per_s } => {
                rate(form, "rate_per_s", rate_per_s)?;
            }
            ArrivalKind::Ramp { from_per_s, to_per_s, spacing } => {
                rate(form, "from_per_s", from_per_s)?;
                rate(form, "to_per_s", to_per_s)?;
                form.word("spacing", spacing)?;
            }
            ArrivalKind::Burst { base_per_s, burst_per_s, burst_at, burst_for, spacing } => {
                rate(form, "base_per_s", base_per_s)?;
                rate(form, "burst_per_s", burst_per_s)?;
                form.seconds("burst_at_s", burst_at, 0.0, TIME_MAX_S)?;
                form.seconds("burst_for_s", burst_for, 0.001, TIME_MAX_S)?;
                form.word("spacing", spacing)?;
            }
            ArrivalKind::Spread => {}
            ArrivalKind::PerSecond { counts } => {
                if kind == "csv" {
                    let file = form.file("path", "a CSV with the header second,arrivals")?;
                    *counts = arrivals_csv::read(&file)?;
                } else {
                    form.wholes("counts", counts, USERS_MAX)?;
                }
                self.to = self.from + counts.len() as Nanos * headcount_engine::contract::SECOND;
            }
        }
        Ok(())
    }
}

/// The unit of a rate.
const RATE: &str = "arrivals a second";

fn rate(form: &mut Form<'_>, key: &'static str, value: &mut f64) -> Result<(), BadInput> {
    form.number(key, value, 0.0, RATE_MAX, RATE)
}

fn required(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "constant" | "poisson" => &[("rate_per_s", RATE)],
        "ramp" => &[("from_per_s", RATE), ("to_per_s", RATE)],
        "burst" => &[
            ("base_per_s", RATE),
            ("burst_per_s", RATE),
            ("burst_at_s", "when the burst begins, in seconds"),
            ("burst_for_s", "how long it lasts, in seconds"),
        ],
        "csv" => &[("path", "the path of a CSV file `second,arrivals`")],
        "per_second" => &[("counts", "a list of arrivals in each second")],
        _ => &[],
    }
}

fn blank(kind: &str) -> ArrivalKind {
    let spacing = defaults::SPACING;
    match kind {
        "constant" => ArrivalKind::Constant { rate_per_s: 0.0 },
        "poisson" => ArrivalKind::Poisson { rate_per_s: 0.0 },
        "ramp" => ArrivalKind::Ramp { from_per_s: 0.0, to_per_s: 0.0, spacing },
        "burst" => ArrivalKind::Burst { base_per_s: 0.0, burst_per_s: 0.0, burst_at: 0, burst_for: 0, spacing },
        "spread" => ArrivalKind::Spread,
        "csv" | "per_second" => ArrivalKind::PerSecond { counts: Vec::new() },
        other => unreachable!("{other} is not in the list of kinds"),
    }
}

impl Misbehaviours {
    fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.ppm("double_click_ppm", &mut self.double_click_ppm)?;
        form.ppm("second_vote_ppm", &mut self.second_vote_ppm)?;
        form.ppm("early_vote_ppm", &mut self.early_vote_ppm)?;
        form.ppm("late_vote_ppm", &mut self.late_vote_ppm)?;
        form.ppm("unknown_option_ppm", &mut self.unknown_option_ppm)?;
        form.ppm("malformed_ppm", &mut self.malformed_ppm)?;
        form.ppm("oversized_ppm", &mut self.oversized_ppm)?;
        form.ppm("forged_tally_ppm", &mut self.forged_tally_ppm)?;
        form.ppm("wrong_channel_ppm", &mut self.wrong_channel_ppm)?;
        form.ppm("impostor_ppm", &mut self.impostor_ppm)?;
        form.ppm("viewer_ppm", &mut self.viewer_ppm)?;
        form.ppm("offline_flap_ppm", &mut self.offline_flap_ppm)?;
        form.seconds("flap_min_s", &mut self.flap_min, 0.1, 3_600.0)?;
        form.seconds("flap_max_s", &mut self.flap_max, 0.1, 3_600.0)
    }
}
