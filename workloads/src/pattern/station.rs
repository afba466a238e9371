//! One station and nothing else.

use headcount_engine::contract::Node;
use headcount_sim::{LinkModel, StationSpec};

use super::{Busy, Pattern};
use crate::cluster::NodeBuilder;
use crate::metric::{self, Metric};
use crate::outcome::PropertyResult;
use crate::run::{Ended, Parts, seconds};
use crate::scenario::{BadInput, Check, Checked, Form, NodeKind, NodeSpec, Scenario};
use crate::station::{LINK, Served, Source, judge, oracle, theory};

/// Jobs come to a station.
pub(super) struct OneStation;

impl Pattern for OneStation {
    fn kinds(&self, _: &Scenario) -> Vec<NodeKind> {
        vec![NodeKind::Source, NodeKind::Station]
    }

    fn fields(&self, scenario: &mut Scenario, form: &mut Form<'_>) -> Result<(), BadInput> {
        scenario.station_fields(form)
    }

    fn check(&self, check: &Check<'_>) -> Checked {
        check.station()
    }

    fn check_end(&self, check: &Check<'_>) -> Checked {
        check.station_end()
    }

    fn busy(&self, scenario: &Scenario) -> Busy {
        let arrivals = &scenario.station.arrivals;
        Busy { from: arrivals.from, to: arrivals.to, done: arrivals.to }
    }

    fn link(&self) -> Option<LinkModel> {
        Some(LinkModel::constant(LINK))
    }

    fn stations(&self, scenario: &Scenario) -> Vec<(&'static str, StationSpec)> {
        vec![(NodeKind::Station.word(), theory::station_spec(&scenario.station))]
    }

    fn node(&self, build: &mut NodeBuilder<'_>, spec: &NodeSpec, _: u64) -> Option<Box<dyn Node>> {
        let station = &build.scenario.station;
        Some(match spec.kind {
            NodeKind::Source => {
                Box::new(Source::new(station, build.addresses.one(NodeKind::Station, None), build.seed))
            }
            NodeKind::Station => Box::new(Served::new(station)),
            _ => return None,
        })
    }

    fn catalogue(&self) -> Vec<(&'static str, String)> {
        oracle::CATALOGUE.iter().map(oracle::Property::line).collect()
    }

    fn properties(&self, ended: &Ended, scenario: &Scenario) -> Vec<PropertyResult> {
        oracle::check(&judge::Seen::new(ended, scenario))
    }

    fn parts(&self, ended: &Ended, scenario: &Scenario, seconds_in_all: usize, parts: &mut Parts) {
        judge::parts(&judge::Seen::new(ended, scenario), seconds_in_all, parts);
    }

    fn warm_up(&self, scenario: &Scenario) -> Option<String> {
        let from_s = seconds(scenario.station.measure_from);
        Some(format!(
            "jobs and seconds before {from_s} s are left out: the station begins empty (station.measure_from_s)"
        ))
    }

    fn offered(&self, _: &Scenario) -> Vec<Metric> {
        metric::of_station()
    }
}
