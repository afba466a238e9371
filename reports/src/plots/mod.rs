//! The plots of a run: a file for each, a line of [`CATALOGUE`] for each. A plot without data is left out.
//!
//! To add one: write a function `draw(&Outcome) -> Option<String>` in a file of its own, and give it its line here.

use headcount_workloads::outcome::Outcome;

pub(crate) mod canvas;
pub(crate) mod frame;
mod lanes;
pub(crate) mod scale;
mod series;

mod deliveries;
mod fan_out;
mod latency_by_percentile;
mod latency_over_time;
mod latency_p99;
mod lines;
mod moves;
mod online;
mod outcomes;
pub mod plan;
mod presence;
mod publishes;
mod queue;
mod shards;
mod tally;
mod told;
mod truth_gap;
mod utilisation;
mod votes;

/// One kind of plot.
pub struct Entry {
    /// Its file is `plots/<name>.svg`.
    pub name: &'static str,
    /// What it shows, for a list of plots.
    pub title: &'static str,
    /// The SVG document, or `None` if the run has nothing to show here.
    pub draw: fn(&Outcome) -> Option<String>,
}

/// Every plot, in the order in which a report shows them.
pub const CATALOGUE: &[Entry] = &[
    Entry { name: "votes", title: votes::TITLE, draw: votes::draw },
    Entry { name: "moves", title: moves::TITLE, draw: moves::draw },
    Entry { name: "online", title: online::TITLE, draw: online::draw },
    Entry { name: "presence", title: presence::TITLE, draw: presence::draw },
    Entry { name: "publishes", title: publishes::TITLE, draw: publishes::draw },
    Entry { name: "truth-gap-online", title: truth_gap::TITLE_ONLINE, draw: truth_gap::draw_online },
    Entry { name: "truth-gap-offline", title: truth_gap::TITLE_OFFLINE, draw: truth_gap::draw_offline },
    Entry { name: "told", title: told::TITLE, draw: told::draw },
    Entry { name: "deliveries", title: deliveries::TITLE, draw: deliveries::draw },
    Entry { name: "fan-out", title: fan_out::TITLE, draw: fan_out::draw },
    Entry { name: "latency", title: latency_over_time::TITLE, draw: latency_over_time::draw },
    Entry { name: "latency-p99", title: latency_p99::TITLE, draw: latency_p99::draw },
    Entry { name: "outcomes", title: outcomes::TITLE, draw: outcomes::draw },
    Entry { name: "tally", title: tally::TITLE, draw: tally::draw },
    Entry { name: "shards", title: shards::TITLE, draw: shards::draw },
    Entry { name: "utilisation", title: utilisation::TITLE, draw: utilisation::draw },
    Entry { name: "queue", title: queue::TITLE, draw: queue::draw },
    Entry { name: "latency-by-percentile", title: latency_by_percentile::TITLE, draw: latency_by_percentile::draw },
];

/// A plot that had data.
pub struct Drawn {
    pub name: &'static str,
    pub title: &'static str,
    pub svg: String,
}

/// Draws every plot of the catalogue that has data.
pub fn draw_all(outcome: &Outcome) -> Vec<Drawn> {
    let drawn = CATALOGUE.iter().map(|entry| (entry, (entry.draw)(outcome)));
    drawn.filter_map(|(entry, svg)| Some(Drawn { name: entry.name, title: entry.title, svg: svg? })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// A run of each pattern, and the plots that it has nothing for.
    fn runs() -> [(Outcome, &'static [&'static str]); 2] {
        let no_friend = &["moves", "presence", "publishes", "truth-gap-online", "truth-gap-offline", "told", "fan-out"];
        [(fixture::outcome(), no_friend), (fixture::friends(), &["votes", "outcomes", "tally", "queue"])]
    }

    fn names_without(absent: &[&str]) -> Vec<&'static str> {
        CATALOGUE.iter().map(|entry| entry.name).filter(|name| !absent.contains(name)).collect()
    }

    #[test]
    fn every_plot_of_the_catalogue_draws_the_fixture() {
        let [(_, no_vote), (_, no_friend)] = runs();
        assert!(no_vote.iter().all(|name| !no_friend.contains(name)), "each plot draws one of the two at least");
        for (outcome, absent) in runs() {
            let drawn = draw_all(&outcome);
            assert_eq!(drawn.iter().map(|plot| plot.name).collect::<Vec<_>>(), names_without(absent));
            drawn.iter().for_each(is_whole);
        }
    }

    fn is_whole(plot: &Drawn) {
        assert!(plot.svg.contains(&format!("<title>{}</title>", plot.title)), "{}", plot.name);
        assert!(plot.svg.matches("<text").count() > 8, "{}: axes and legend are text", plot.name);
        assert!(!plot.svg.contains("NaN") && !plot.svg.contains("inf"), "{}", plot.name);
        // Every plot but the percentile axis and the costs runs over time, and so shows the faults and the milestones.
        let over_time = !["latency-by-percentile", "fan-out"].contains(&plot.name);
        for text in ["partition eu-west | the rest", ">closed<"] {
            assert_eq!(plot.svg.contains(text), over_time, "{}: {text}", plot.name);
        }
    }

    #[test]
    fn plots_stay_small() {
        for plot in runs().iter().flat_map(|(outcome, _)| draw_all(outcome)) {
            assert!(plot.svg.len() < 150_000, "{} has {} bytes", plot.name, plot.svg.len());
        }
    }

    #[test]
    fn a_run_without_data_has_no_plots() {
        for (mut outcome, _) in runs() {
            // Series that say nothing are no data either.
            outcome.latencies.iter_mut().for_each(|latency| {
                latency.histogram.reset();
                latency.by_second.clear();
            });
            outcome.series.iter_mut().for_each(|series| series.values.fill(f64::NAN));
            outcome.counters.values_mut().for_each(|count| *count = 0);
            assert!(draw_all(&outcome).is_empty());
            outcome.series.clear();
            outcome.latencies.clear();
            assert!(draw_all(&outcome).is_empty());
        }
    }

    #[test]
    fn a_run_of_one_second_can_be_drawn() {
        for (mut outcome, absent) in runs() {
            outcome.virtual_s = 1.0;
            outcome.series.iter_mut().for_each(|series| series.values = vec![0.5]);
            outcome.latencies.iter_mut().for_each(|latency| {
                let second = latency.by_second[10].clone();
                latency.by_second = vec![second];
            });
            assert_eq!(draw_all(&outcome).len(), names_without(absent).len());
        }
    }
}
