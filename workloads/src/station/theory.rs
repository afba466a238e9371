//! What queueing theory says of one station with Poisson arrivals.

use headcount_sim::{Sampler, StationSpec};

use crate::scenario::{ArrivalKind, JobService, OneStation, Scenario};

/// How the station serves.
pub fn station_spec(spec: &OneStation) -> StationSpec {
    let checked = "the scenario's service times are checked";
    let service = match spec.service {
        JobService::Exponential => Sampler::exponential(spec.service_mean).expect(checked),
        JobService::Constant => Sampler::constant(spec.service_mean),
        JobService::Lognormal => Sampler::lognormal_cv(spec.service_mean, spec.service_cv).expect(checked),
    };
    StationSpec { keep_waits: true, ..StationSpec::new(spec.servers, service) }
}

/// What is known of a station under a steady load.
#[derive(Clone, Debug, PartialEq)]
pub struct Theory {
    /// Kendall's notation: `M/M/3`.
    pub model: String,
    /// Offered load over servers: arrival rate x mean service / servers. From 1 on the queue grows without end.
    pub rho: f64,
    /// The mean wait in the queue [ms], if `rho` is below 1 and there is an exact formula: exponential services for any
    /// number of servers (Erlang C), any services for one server (Pollaczek and Khinchine).
    pub wait_mean_ms: Option<f64>,
    /// Jobs after the warm-up that are enough for intervals of batch means to be trusted.
    pub jobs_needed: f64,
}

impl Theory {
    /// Of a scenario with one station; `None` where arrivals are no steady Poisson process, or faults are planned.
    pub fn of(scenario: &Scenario) -> Option<Self> {
        let spec = &scenario.station;
        let ArrivalKind::Poisson { rate_per_s } = spec.arrivals.kind else { return None };
        let is_calm = scenario.faults.is_empty() && scenario.swarm.is_none();
        is_calm.then(|| Self::of_load(spec, rate_per_s))
    }

    fn of_load(spec: &OneStation, rate_per_s: f64) -> Self {
        let (mean_s, servers) = (spec.service_mean as f64 / 1e9, f64::from(spec.servers));
        let offered = rate_per_s * mean_s;
        let rho = offered / servers;
        let (letter, cv) = match spec.service {
            JobService::Exponential => ("M", 1.0),
            JobService::Constant => ("D", 0.0),
            JobService::Lognormal => ("G", spec.service_cv),
        };
        let waits = if spec.servers == 1 { rho } else { erlang_c(spec.servers, offered) };
        let wait_s = match spec.service {
            JobService::Exponential => Some(waits * mean_s / (servers * (1.0 - rho))),
            _ if spec.servers == 1 => Some(rho * (1.0 + cv * cv) / (2.0 * (1.0 - rho)) * mean_s),
            _ => None,
        };
        // A queue forgets after about 2 (1 + cv^2) / (1 - rho)^2 services; thirty batches of ten times that are 600. A
        // lognormal's tail is heavier than its cv says: the third moment stands for it, (1 + cv^2)^3 times the mean's cube.
        let spread = if spec.service == JobService::Lognormal { (1.0 + cv * cv).powi(3) } else { 1.0 + cv * cv };
        Self {
            model: format!("M/{letter}/{}", spec.servers),
            rho,
            wait_mean_ms: wait_s.filter(|_| rho < 1.0).map(|wait| wait * 1e3),
            jobs_needed: 600.0 * spread / ((1.0 - rho) * (1.0 - rho)) / waits.clamp(1e-9, 1.0),
        }
    }

    /// Whether the station can do what it is asked for.
    pub fn is_stable(&self) -> bool {
        self.rho < 1.0
    }
}

/// The probability that a job waits with so many exponential servers, by Erlang's recursion for B: `B(0) = 1`,
/// `B(k) = a B(k-1) / (k + a B(k-1))`, `C = B / (1 - rho (1 - B))`. 1 if they cannot do what they are offered.
pub fn erlang_c(servers: u32, offered: f64) -> f64 {
    let rho = offered / f64::from(servers);
    if rho >= 1.0 {
        return 1.0;
    }
    let blocked = (1..=servers).fold(1.0, |b, k| offered * b / (f64::from(k) + offered * b));
    blocked / (1.0 - rho * (1.0 - blocked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theory(overrides: &[(&str, &str)]) -> Theory {
        let overrides: Vec<_> = overrides.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Theory::of(&Scenario::load("station", &overrides).unwrap()).unwrap()
    }

    /// As sim's own test reckons it: 21.845333 / 36.626667.
    #[test]
    fn erlang_c_is_the_textbooks() {
        assert!((erlang_c(4, 3.2) - 0.596_432).abs() < 1e-6);
        assert!((erlang_c(1, 0.8) - 0.8).abs() < 1e-12);
        assert_eq!(erlang_c(2, 2.0), 1.0);
    }

    #[test]
    fn mean_waits_are_the_textbooks() {
        // M/M/3 with a = 2.5: a^3/3!/(1 - 5/6) = 15.625; 1 + 2.5 + 3.125 = 6.625; C = 15.625/22.25 = 0.702247;
        // W = C x 10 ms / (3 x 1/6) = 14.044944 ms.
        let mm3 = theory(&[]);
        assert_eq!(mm3.model, "M/M/3");
        assert!((mm3.wait_mean_ms.unwrap() - 14.044_944).abs() < 1e-5 && (mm3.rho - 5.0 / 6.0).abs() < 1e-12);
        // M/D/1 at 80 %: 0.8 / (2 x 0.2) = 2 services; M/G/1 with cv 0.5: 1.25 times as many.
        let one = [("station.servers", "1"), ("arrivals.rate_per_s", "80")];
        let with = |more: &[(&str, &str)]| theory(&[&one, more].concat()).wait_mean_ms.unwrap();
        assert!((with(&[("station.service", "constant")]) - 20.0).abs() < 1e-9);
        assert!((with(&[("station.service", "lognormal"), ("station.service_cv", "0.5")]) - 25.0).abs() < 1e-9);
        assert!((with(&[]) - 40.0).abs() < 1e-9);
    }

    #[test]
    fn what_no_formula_knows_is_not_known() {
        let constant = theory(&[("station.service", "constant")]);
        assert_eq!((constant.wait_mean_ms, constant.is_stable()), (None, true));
        let unstable = theory(&[("arrivals.rate_per_s", "300")]);
        assert_eq!((unstable.wait_mean_ms, unstable.is_stable()), (None, false));
    }
}
