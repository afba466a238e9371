//! What no single key can say: the order of times, names that must be there, lists that must fit each other.

use headcount_engine::contract::{Nanos, SECOND};

use super::bad_input::BadInput;
use super::crowd::TIME_MAX_S;
use super::document::Origins;
use super::fault::{Fault, FaultKind, Store, Target};
use super::nodes::{NodeKind, NodeSpec, PLACES};
use super::spelling::{decimal, one_of};
use super::{ArrivalKind, Arrivals, JoinKind, Scenario, Variant};
use crate::slo::{Slo, THRESHOLDS_MAX};

/// The documented variant publishes each acknowledgement to everybody: n users make n x n deliveries, 4 x 10^8 at this.
const DOCUMENTED_USERS_MAX: u32 = 20_000;

pub(crate) type Checked = Result<(), BadInput>;

/// Checks the whole scenario; the first thing that is wrong is the answer.
pub(super) fn check(scenario: &Scenario, origins: &Origins) -> Checked {
    let check = Check { scenario, origins, nodes: scenario.nodes() };
    check.topology()?;
    scenario.patterns().iter().try_for_each(|pattern| pattern.check(&check))?;
    check.faults()?;
    check.swarm()?;
    check.thresholds()?;
    check.end()
}

/// Checks the faults alone.
pub(super) fn faults(scenario: &Scenario, origins: &Origins) -> Checked {
    Check { scenario, origins, nodes: scenario.nodes() }.faults()
}

/// A scenario under examination.
pub(crate) struct Check<'a> {
    pub scenario: &'a Scenario,
    origins: &'a Origins,
    nodes: Vec<NodeSpec>,
}

/// A time as files write it.
fn s(time: Nanos) -> String {
    decimal(time as i64, 9)
}

impl Check<'_> {
    fn that(&self, holds: bool, path: &str, right: impl FnOnce() -> String) -> Checked {
        if holds { Ok(()) } else { Err(self.origins.bad(path, &right())) }
    }

    /// `path` must be above `other`.
    fn after(&self, path: &str, time: Nanos, other: &str, bound: Nanos) -> Checked {
        self.that(time > bound, path, || format!("must be after {other} = {}", s(bound)))
    }

    /// `path` must be at most `other`.
    fn by(&self, path: &str, time: Nanos, other: &str, bound: Nanos) -> Checked {
        self.that(time <= bound, path, || format!("must be at most {other} = {}", s(bound)))
    }

    /// Every threshold names what this scenario measures.
    fn thresholds(&self) -> Checked {
        let thresholds = &self.scenario.thresholds.thresholds;
        let most = || format!("must be at most {THRESHOLDS_MAX} thresholds");
        self.that(thresholds.len() <= THRESHOLDS_MAX, "thresholds", most)?;
        for (i, threshold) in thresholds.iter().enumerate() {
            let named = Slo::parse_for(&threshold.to_string(), self.scenario);
            named.map_err(|bad| self.origins.bad(&format!("thresholds.{i}"), &bad.what))?;
        }
        Ok(())
    }

    fn topology(&self) -> Checked {
        let topology = &self.scenario.topology;
        let regions = &topology.regions;
        self.that((1..=8).contains(&regions.len()), "topology.regions", || "must list 1 to 8 regions".to_string())?;
        for (i, region) in regions.iter().enumerate() {
            let path = format!("topology.regions.{i}");
            self.that(PLACES.contains(&region.as_str()), &path, || {
                format!("must be {}", one_of(PLACES.iter().copied()))
            })?;
            self.that(!regions[..i].contains(region), &path, || "must be listed once".to_string())?;
        }
        self.that(regions.contains(&topology.home_region), "topology.home_region", || {
            format!("must be {}", one_of(regions.iter().map(String::as_str)))
        })
    }

    pub fn vote(&self) -> Checked {
        let vote = &self.scenario.vote;
        self.after("vote.open_s", vote.open, "vote.create_s", vote.create)?;
        self.after("vote.close_s", vote.close, "vote.open_s", vote.open)?;
        self.after("vote.reveal_s", vote.reveal, "vote.close_s", vote.close)?;
        let options = &vote.options;
        self.that((2..=20).contains(&options.len()), "vote.options", || {
            format!("must be 2 to 20 labels, there are {}", options.len())
        })?;
        for (i, label) in options.iter().enumerate() {
            self.that((1..100).contains(&label.chars().count()), &format!("vote.options.{i}"), || {
                "must be a label of 1 to 99 characters".to_string()
            })?;
        }
        // voting.md 6.4: vote.created is under 8 KB; ids, keys and config take under 2 KB of it.
        let bytes = vote.question.len() + options.iter().map(String::len).sum::<usize>();
        self.that(bytes <= 6_000, "vote.options", || {
            format!("must take, with the question, at most 6,000 bytes (vote.created is under 8 KB), not {bytes}")
        })?;
        if let Some(add) = vote.add_shards {
            self.that((vote.open..vote.close).contains(&add.at), "vote.add_shards.at_s", || {
                format!("must be while the vote is open, {} to {}", s(vote.open), s(vote.close))
            })?;
            self.that(add.shards > vote.shards, "vote.add_shards.shards", || {
                format!("must be above vote.shards = {}, shards are only added", vote.shards)
            })?;
        }
        Ok(())
    }

    pub fn crowd(&self) -> Checked {
        let all_hear_all = self.scenario.variant == Variant::Documented;
        self.that(!all_hear_all || self.scenario.crowd.users <= DOCUMENTED_USERS_MAX, "crowd.users", || {
            "must be at most 20,000 in the documented variant, which sends every acknowledgement to every user"
                .to_string()
        })?;
        let crowd = &self.scenario.crowd;
        let join = &crowd.join;
        if join.kind == JoinKind::Ramp {
            self.after("crowd.join.to_s", join.to, "crowd.join.from_s", join.from)?;
        }
        let options = self.scenario.vote.options.len();
        self.that(crowd.option_weights.len() == options, "crowd.option_weights", || {
            format!("must be {options} weights, one for each of vote.options")
        })?;
        self.that(crowd.option_weights.iter().any(|w| *w > 0), "crowd.option_weights", || {
            "must have a weight above 0".to_string()
        })?;
        let arrivals = &crowd.arrivals;
        if let ArrivalKind::PerSecond { counts } = &arrivals.kind {
            self.that(!counts.is_empty(), "crowd.arrivals.counts", || "must have a second".to_string())?;
            // More could only be dropped without a word: a user votes once.
            let (all, users) = (counts.iter().map(|n| u64::from(*n)).sum::<u64>(), crowd.users);
            self.that(all <= users.into(), "crowd.arrivals", || {
                format!("must have at most crowd.users = {users} arrivals in all, one for each user; it has {all}")
            })?;
        }
        self.arrivals("crowd.arrivals", arrivals)?;
        let (retry, wrong) = (&crowd.retry, &crowd.misbehaviour);
        self.that(retry.max >= retry.first, "crowd.retry.max_ms", || {
            format!("must be at least crowd.retry.first_ms = {}", decimal(retry.first as i64, 6))
        })?;
        self.that(wrong.flap_max >= wrong.flap_min, "crowd.misbehaviour.flap_max_s", || {
            format!("must be at least crowd.misbehaviour.flap_min_s = {}", s(wrong.flap_min))
        })
    }

    /// The window of arrivals, and that a burst is in it.
    fn arrivals(&self, path: &str, arrivals: &Arrivals) -> Checked {
        let key = |key: &str| format!("{path}.{key}");
        if !matches!(arrivals.kind, ArrivalKind::PerSecond { .. }) {
            self.after(&key("to_s"), arrivals.to, &key("from_s"), arrivals.from)?;
        }
        if let ArrivalKind::Burst { burst_at, burst_for, .. } = arrivals.kind {
            self.that(burst_at >= arrivals.from, &key("burst_at_s"), || {
                format!("must be at least {} = {}", key("from_s"), s(arrivals.from))
            })?;
            self.that(burst_at + burst_for <= arrivals.to, &key("burst_for_s"), || {
                format!("must end by {} = {}", key("to_s"), s(arrivals.to))
            })?;
        }
        Ok(())
    }

    pub fn friends(&self) -> Checked {
        let friends = &self.scenario.friends;
        self.that(friends.degree < friends.users, "friends.degree", || {
            format!("must be below friends.users = {}", friends.users)
        })?;
        self.that(friends.degree_max < friends.users, "friends.degree_max", || {
            format!("must be below friends.users = {}", friends.users)
        })?;
        self.that(friends.degree_max == 0 || friends.degree_max >= friends.degree, "friends.degree_max", || {
            format!("must be 0, or at least friends.degree = {}, which half of all have", friends.degree)
        })?;
        let elsewhere = friends.deeds.moves == 0 || self.scenario.topology.regions.len() > 1;
        self.that(elsewhere, "friends.deeds.moves", || {
            "must be 0 with one region in topology.regions: there is no other to move to".to_owned()
        })?;
        self.after("friends.join_to_s", friends.join_to, "friends.join_from_s", friends.join_from)?;
        self.after("friends.to_s", friends.to, "friends.from_s", friends.from)?;
        self.that(friends.away_max >= friends.away_min, "friends.away_max_s", || {
            format!("must be at least friends.away_min_s = {}", s(friends.away_min))
        })
    }

    pub fn system(&self) -> Checked {
        let table = &self.scenario.system;
        self.by("system.join_from_s", table.join_from, "system.join_to_s", table.join_to)?;
        self.after("system.to_s", table.to, "system.from_s", table.from)?;
        let right = || format!("must be after system.to_s = {}", s(table.to));
        self.that(self.scenario.end > table.to, "end_s", right)
    }

    fn faults(&self) -> Checked {
        let mut faults = self.scenario.faults.iter().enumerate();
        faults.try_for_each(|(i, fault)| self.fault(&format!("fault.{i}"), fault))
    }

    fn fault(&self, path: &str, fault: &Fault) -> Checked {
        match &fault.kind {
            FaultKind::Partition { a, b, .. } => {
                let (a, b) = (self.members(path, "a", a)?, self.members(path, "b", b)?);
                if let Some(both) = a.iter().find(|n| b.contains(n)) {
                    let right = format!("must share no node with a; {} is in both", self.nodes[*both].name);
                    return Err(self.origins.bad(&format!("{path}.b"), &right));
                }
            }
            FaultKind::Degrade { a, b, .. } => {
                self.members(path, "a", a)?;
                self.members(path, "b", b)?;
            }
            FaultKind::Crash { node } | FaultKind::Pause { node } => {
                self.node(path, node, |n| !n.kind.is_users())?;
            }
            FaultKind::Clock { node, .. } => self.node(path, node, |_| true)?,
            FaultKind::Errors { store, target, .. } => self.target(path, *store, target)?,
        }
        let heal = self.scenario.heal;
        self.that(fault.end() <= heal, &format!("{path}.for_s"), || {
            format!("must end by heal_s = {}; it ends at {}", s(heal), s(fault.end()))
        })
    }

    fn members(&self, path: &str, key: &str, members: &[String]) -> Result<Vec<usize>, BadInput> {
        let path = format!("{path}.{key}");
        self.that(!members.is_empty(), &path, || "must list a region or a node".to_string())?;
        self.scenario.members(members).map_err(|wrong| {
            let at = members.iter().position(|m| *m == wrong).unwrap_or(0);
            let regions = self.scenario.topology.regions.iter().map(String::as_str);
            let there = ["all"].into_iter().chain(regions).chain(self.nodes.iter().map(|n| n.name.as_str()));
            self.origins.bad(&format!("{path}.{at}"), &format!("must be {}", one_of(there)))
        })
    }

    fn node(&self, path: &str, name: &str, fits: impl Fn(&NodeSpec) -> bool) -> Checked {
        let there = || self.nodes.iter().filter(|n| fits(n)).map(|n| n.name.as_str());
        self.that(there().any(|n| n == name), &format!("{path}.node"), || format!("must be {}", one_of(there())))
    }

    fn target(&self, path: &str, store: Store, target: &Target) -> Checked {
        let kind = match store {
            Store::Kv => NodeKind::Kv,
            Store::Audit => NodeKind::Audit,
            Store::AppContext => NodeKind::AppContext,
            Store::Presence => NodeKind::Presence,
            Store::Registry => NodeKind::Registry,
            Store::Service => NodeKind::Service,
        };
        let stores = || self.nodes.iter().filter(|n| n.kind == kind);
        match target {
            Target::All => Ok(()),
            Target::Node(name) => self.that(stores().any(|n| n.name == *name), &format!("{path}.node"), || {
                format!("must be {}", one_of(["all"].into_iter().chain(stores().map(|n| n.name.as_str()))))
            }),
            Target::Region(name) => {
                let regions = &self.scenario.topology.regions;
                let there = || stores().map(|n| regions[n.region].as_str());
                let right = || format!("must be {}", one_of(there()));
                self.that(there().any(|r| r == name), &format!("{path}.region"), right)
            }
        }
    }

    fn swarm(&self) -> Checked {
        let Some(swarm) = &self.scenario.swarm else { return Ok(()) };
        for (i, kind) in swarm.kinds.iter().enumerate() {
            let once = !swarm.kinds[..i].contains(kind);
            self.that(once, &format!("swarm.kinds.{i}"), || "must be listed once".to_string())?;
            self.that(kind.is_there(self.scenario), &format!("swarm.kinds.{i}"), || {
                format!("must be a fault of something that pattern = {:?} has", self.scenario.pattern)
            })?;
        }
        self.after("swarm.to_s", swarm.to, "swarm.from_s", swarm.from)?;
        self.by("swarm.to_s", swarm.to, "heal_s", self.scenario.heal)
    }

    /// A vote is over when the run ends, and so are the votes' arrivals.
    pub fn vote_end(&self) -> Checked {
        let Scenario { end, vote, crowd, .. } = self.scenario;
        self.after("end_s", *end, "vote.reveal_s", vote.reveal)?;
        self.arrivals_end("crowd.arrivals", &crowd.arrivals)?;
        if crowd.join.kind == JoinKind::Ramp {
            self.by("crowd.join.to_s", crowd.join.to, "end_s", *end)?;
        }
        Ok(())
    }

    fn arrivals_end(&self, path: &str, arrivals: &Arrivals) -> Checked {
        let end = self.scenario.end;
        if matches!(arrivals.kind, ArrivalKind::PerSecond { .. }) {
            self.that(arrivals.to <= end, path, || {
                format!("must be over by end_s = {}; it lasts to {}", s(end), s(arrivals.to))
            })
        } else {
            self.by(&format!("{path}.to_s"), arrivals.to, "end_s", end)
        }
    }

    /// One station: when jobs come, and from when on they are measured.
    pub fn station(&self) -> Checked {
        let station = &self.scenario.station;
        let Arrivals { from, to, .. } = station.arrivals;
        if let Some(rate) = station.steady_rate_per_s() {
            self.that(rate > 0.0, "arrivals.rate_per_s", || "must be above 0".to_string())?;
        }
        self.that(to <= TIME_MAX_S as Nanos * SECOND, "arrivals.jobs", || {
            format!("must be fewer at this rate: they take {} seconds, a run at most 1,000,000", s(to))
        })?;
        self.arrivals("arrivals", &station.arrivals)?;
        self.that((from..to).contains(&station.measure_from), "station.measure_from_s", || {
            format!("must be while jobs come, {} to {}", s(from), s(to))
        })
    }

    /// Its arrivals are over when the run ends.
    pub fn station_end(&self) -> Checked {
        self.arrivals_end("arrivals", &self.scenario.station.arrivals)
    }

    /// Likewise what friends do.
    pub fn friends_end(&self) -> Checked {
        self.after("end_s", self.scenario.end, "friends.to_s", self.scenario.friends.to)
    }

    fn end(&self) -> Checked {
        let Scenario { heal, end, bounds, .. } = self.scenario;
        self.scenario.patterns().iter().try_for_each(|pattern| pattern.check_end(self))?;
        let needed = heal + bounds.converge;
        self.that(*end >= needed, "end_s", || {
            format!("must be at least heal_s + bounds.converge_s = {}, or liveness cannot be checked", s(needed))
        })
    }
}
