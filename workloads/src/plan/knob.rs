//! What a plan may turn: each knob a number of the scenario, with the range in which it can stand.

use serde::{Deserialize, Serialize};

use crate::scenario::{NodeKind, Scenario, Station};

/// The kinds of stations whose servers a plan chooses, in the order in which a vote meets them.
const STATIONS: [&str; 8] = ["edge", "broker", "worker", "kv", "audit", "appcontext", "auth", "access"];

/// A number of the scenario that a plan may turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knob {
    /// `vote.shards`: submit channels (voting.md 4.3).
    VoteShards,
    /// `friends.shards`: presence channels (friends-online.md 11.3).
    PresenceShards,
    /// `topology.worker_concurrency`: executions that one Function worker keeps going at once.
    Concurrency,
    /// `stations.<kind>.servers`: what each node of the kind serves at once; an index into the kinds.
    Servers(usize),
    /// `station.servers`: what the one station serves at once.
    StationServers,
}

impl Knob {
    /// The knobs that a scenario has, those that split the load first.
    pub fn of(scenario: &Scenario) -> Vec<Self> {
        let mut knobs = Vec::new();
        if scenario.has_votes() {
            knobs.push(Self::VoteShards);
        }
        if scenario.has_friends() {
            knobs.push(Self::PresenceShards);
        }
        let kinds: Vec<&str> = scenario.nodes().iter().map(|node| node.kind.word()).collect();
        knobs.extend((0..STATIONS.len()).filter(|kind| kinds.contains(&STATIONS[*kind])).map(Self::Servers));
        if kinds.contains(&NodeKind::Worker.word()) {
            knobs.push(Self::Concurrency);
        }
        if kinds.contains(&NodeKind::Station.word()) {
            knobs.push(Self::StationServers);
        }
        knobs
    }

    /// Whether it splits the load over channels, rather than adding servers.
    pub fn is_shards(self) -> bool {
        matches!(self, Self::VoteShards | Self::PresenceShards)
    }

    /// The key of the scenario file.
    pub fn key(self) -> String {
        match self {
            Self::VoteShards => "vote.shards".into(),
            Self::PresenceShards => "friends.shards".into(),
            Self::Concurrency => "topology.worker_concurrency".into(),
            Self::Servers(kind) => format!("stations.{}.servers", STATIONS[kind]),
            Self::StationServers => "station.servers".into(),
        }
    }

    /// The kind of station whose servers it sets.
    pub fn station(self) -> Option<&'static str> {
        match self {
            Self::Servers(kind) => Some(STATIONS[kind]),
            Self::StationServers => Some(NodeKind::Station.word()),
            _ => None,
        }
    }

    /// The most that a scenario takes.
    pub fn max(self) -> u32 {
        match self {
            Self::VoteShards => 32,
            Self::PresenceShards => 500,
            Self::Concurrency | Self::Servers(_) | Self::StationServers => 100_000,
        }
    }

    /// What a scenario has.
    pub fn get(self, scenario: &Scenario) -> u32 {
        match self {
            Self::VoteShards => scenario.vote.shards,
            Self::PresenceShards => scenario.friends.shards,
            Self::Concurrency => scenario.topology.worker_concurrency,
            Self::StationServers => scenario.station.servers,
            Self::Servers(kind) => {
                let all = scenario.stations.by_kind();
                all.iter().find(|(word, _)| *word == STATIONS[kind]).expect("every kind has a station").1.servers
            }
        }
    }

    /// Turns it.
    pub fn set(self, scenario: &mut Scenario, value: u32) {
        match self {
            Self::VoteShards => scenario.vote.shards = value,
            Self::PresenceShards => scenario.friends.shards = value,
            Self::Concurrency => scenario.topology.worker_concurrency = value,
            Self::StationServers => scenario.station.servers = value,
            Self::Servers(kind) => station(scenario, STATIONS[kind]).servers = value,
        }
    }

    /// What a value of it says to people: `12 vote shards`, `8 servers in each kv`.
    pub fn says(self, value: u32) -> String {
        let s = if value == 1 { "" } else { "s" };
        match self {
            Self::VoteShards => format!("{value} vote shard{s}"),
            Self::PresenceShards => format!("{value} presence shard{s}"),
            Self::Concurrency => format!("{value} execution{s} at once in each worker"),
            Self::Servers(kind) => format!("{value} server{s} in each {}", STATIONS[kind]),
            Self::StationServers => format!("{value} server{s}"),
        }
    }
}

fn station<'a>(scenario: &'a mut Scenario, kind: &str) -> &'a mut Station {
    let stations = &mut scenario.stations;
    match kind {
        "edge" => &mut stations.edge,
        "broker" => &mut stations.broker,
        "worker" => &mut stations.worker,
        "kv" => &mut stations.kv,
        "audit" => &mut stations.audit,
        "appcontext" => &mut stations.appcontext,
        "auth" => &mut stations.auth,
        "access" => &mut stations.access,
        other => unreachable!("{other} is no kind of station"),
    }
}

/// A value for each knob, in the order of [`Knob::of`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Config(pub Vec<(Knob, u32)>);

impl Config {
    /// What a scenario has.
    pub fn of(scenario: &Scenario) -> Self {
        Self(Knob::of(scenario).into_iter().map(|knob| (knob, knob.get(scenario))).collect())
    }

    /// A scenario with all knobs turned.
    pub fn applied(&self, scenario: &Scenario) -> Scenario {
        let mut scenario = scenario.clone();
        self.0.iter().for_each(|(knob, value)| knob.set(&mut scenario, *value));
        scenario
    }

    /// The value of a knob; `None` if the scenario has no such knob.
    pub fn value(&self, knob: Knob) -> Option<u32> {
        self.0.iter().find(|(known, _)| *known == knob).map(|(_, value)| *value)
    }

    /// The same with one knob turned, within its range.
    pub fn with(&self, knob: Knob, value: u32) -> Self {
        let turned = value.clamp(1, knob.max());
        Self(self.0.iter().map(|(known, old)| (*known, if *known == knob { turned } else { *old })).collect())
    }

    /// The knob that splits the load, with its value.
    pub fn shards(&self) -> Option<(Knob, u32)> {
        self.0.iter().copied().find(|(knob, _)| knob.is_shards())
    }

    /// The knob over which a plan measures how far the configuration scales: what splits the load, or else the one station.
    pub fn scales(&self) -> Option<(Knob, u32)> {
        let station = || self.0.iter().copied().find(|(knob, _)| *knob == Knob::StationServers);
        self.shards().or_else(station)
    }

    /// For files: key and value.
    pub fn settings(&self) -> Vec<Setting> {
        self.0.iter().map(|(knob, value)| Setting { key: knob.key(), value: *value, says: knob.says(*value) }).collect()
    }
}

/// One turned knob, for files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The key of the scenario file: `vote.shards`.
    pub key: String,
    pub value: u32,
    /// For people: `12 vote shards`.
    pub says: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_reads_what_it_was_turned_to_and_its_key_is_one_of_the_file() {
        for name in ["voting-small", "friends-small", "evening", "station"] {
            let mut scenario = Scenario::load(name, &[]).unwrap();
            let config = Config::of(&scenario);
            for (knob, value) in &config.0 {
                assert_eq!(knob.get(&scenario), *value);
                knob.set(&mut scenario, value + 1);
                assert_eq!(knob.get(&scenario), value + 1);
                let text = (value + 1).to_string();
                let set = Scenario::load(name, &[(knob.key(), text)]).unwrap_or_else(|bad| panic!("{bad}"));
                assert_eq!(knob.get(&set), value + 1, "{}", knob.key());
            }
        }
    }

    #[test]
    fn a_turned_knob_stays_in_its_range() {
        let config = Config::of(&Scenario::load("voting-small", &[]).unwrap());
        assert_eq!(config.with(Knob::VoteShards, 99).value(Knob::VoteShards), Some(32));
        assert_eq!(config.with(Knob::VoteShards, 0).value(Knob::VoteShards), Some(1));
        assert_eq!(config.with(Knob::VoteShards, 7).shards(), Some((Knob::VoteShards, 7)));
    }
}
