//! How long friends' screens were wrong, by the kind of change.

use headcount_workloads::outcome::Outcome;

use super::latency_over_time::percentiles;

pub const TITLE_ONLINE: &str = "How long screens were wrong: somebody came";
pub const TITLE_OFFLINE: &str = "How long screens were wrong: somebody went";

/// What a reader must know of both.
const CAPTION: &str = "at the second in which the screen became true; one that never did is no point here but a property's \
    counter-example";

/// Percentiles of latency `online`, and with [`draw_offline`] each a plot of its own: those who fall silent are seen to be
/// gone only when their presence times out, a hundred times later than those who come.
pub fn draw_online(outcome: &Outcome) -> Option<String> {
    draw(outcome, "online", TITLE_ONLINE)
}

/// Percentiles of latency `offline`.
pub fn draw_offline(outcome: &Outcome) -> Option<String> {
    draw(outcome, "offline", TITLE_OFFLINE)
}

fn draw(outcome: &Outcome, name: &str, title: &'static str) -> Option<String> {
    let latency = outcome.latencies.iter().find(|latency| latency.name == name)?;
    percentiles(outcome, latency, title, CAPTION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn each_kind_of_change_is_a_plot_of_its_own_latency() {
        let outcome = fixture::friends();
        let (online, offline) = (draw_online(&outcome).unwrap(), draw_offline(&outcome).unwrap());
        // The fixture's latencies: 0.05 and 2 times the same values, 2 / 0.05 = 40 times apart: more than a decade.
        assert!(online.contains("Online: ") && offline.contains("Offline: "));
        assert_ne!(online.split_once("</title>").unwrap().1, offline.split_once("</title>").unwrap().1);
        let mut only = outcome.clone();
        only.latencies.retain(|latency| latency.name != "offline");
        assert!(draw_online(&only).is_some() && draw_offline(&only).is_none());
    }
}
