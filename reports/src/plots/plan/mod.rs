//! The plots of a plan: a file for each. A plot without data is left out. Each has its numbers in a CSV of the plan's folder.

mod everybody;
mod growth;
mod ladder;
mod metastability;
mod scaling;
mod shards;
mod storm;
mod utilisation;

use super::Drawn;
use crate::plan::Plan;

pub use everybody::csv as everybody_csv;
pub use growth::KINDS;
pub use shards::csv as shards_csv;

/// One kind of plot of a plan: its file is `plots/<name>.svg`.
type Entry = (&'static str, &'static str, fn(&Plan<'_>) -> Option<String>);

/// Every plot, in the order in which the page shows them.
const CATALOGUE: &[Entry] = &[
    ("ladder", ladder::TITLE, ladder::draw),
    ("goodput", ladder::TITLE_GOODPUT, ladder::draw_goodput),
    ("utilisation", utilisation::TITLE, utilisation::draw),
    ("usl", scaling::TITLE, scaling::draw),
    ("everybody", everybody::TITLE, everybody::draw),
    ("shards", shards::TITLE, shards::draw),
    ("growth", growth::TITLE, growth::draw),
    ("storm", storm::TITLE, storm::draw),
    ("jitter", storm::TITLE_JITTER, storm::draw_jitter),
    ("metastability", metastability::TITLE, metastability::draw),
];

/// Draws every plot that has data.
pub fn draw_all(plan: &Plan<'_>) -> Vec<Drawn> {
    let drawn = CATALOGUE.iter().map(|(name, title, draw)| (*name, *title, draw(plan)));
    drawn.filter_map(|(name, title, svg)| Some(Drawn { name, title, svg: svg? })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{answer, asked, grown, plan as of, storms};

    #[test]
    fn every_plot_draws_the_fixture_and_stays_small() {
        let (asked, answer, grown, storms) = (asked(), answer(), grown(), storms());
        let plan = Plan { grown: &grown, storms: Some(&storms), ..of(&asked, &answer) };
        let drawn = draw_all(&plan);
        let names: Vec<&str> = drawn.iter().map(|plot| plot.name).collect();
        assert_eq!(names, CATALOGUE.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
        for plot in drawn {
            assert!(plot.svg.contains(&format!("<title>{}</title>", plot.title)), "{}", plot.name);
            assert!(!plot.svg.contains("NaN") && !plot.svg.contains("inf"), "{}", plot.name);
            assert!(plot.svg.len() < 150_000, "{} has {} bytes", plot.name, plot.svg.len());
        }
    }

    #[test]
    fn what_was_never_answered_does_not_stretch_the_axis() {
        let (asked, answer) = (asked(), answer());
        let svg = ladder::draw(&of(&asked, &answer)).unwrap();
        // 5,000 ms is the highest that was answered: the axis ends with 10,000, and what was never answered stands there.
        assert!(svg.contains(">10k</text>") && !svg.contains(">100k</text>"));
        assert!(svg.contains("never answered") && svg.contains(">knee, 20,000/s</text>"));
    }

    #[test]
    fn a_plan_that_never_climbed_has_neither_ladder_nor_law() {
        let (asked, mut answer) = (asked(), answer());
        answer.ladder.rungs.clear();
        answer.scaling.clear();
        answer.everybody.samples.clear();
        let drawn = draw_all(&of(&asked, &answer));
        assert_eq!(drawn.iter().map(|plot| plot.name).collect::<Vec<_>>(), ["utilisation"]);
    }

    #[test]
    fn a_heat_map_has_its_numbers() {
        let (asked, answer) = (asked(), answer());
        let table = shards_csv(&of(&asked, &answer)).unwrap();
        assert!(table.starts_with("second,shard_00_submits,shard_01_submits"));
        // 60 seconds and the header.
        assert_eq!(table.lines().count(), 61);
    }
}
