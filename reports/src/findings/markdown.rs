//! The page as Markdown.

use headcount_workloads::findings::{Cost, Finding, Promise, Smallest};

use crate::number::{count_of, three_digits};

/// The whole page.
pub fn markdown(findings: &[Finding]) -> String {
    let seeds = findings.iter().flat_map(|finding| &finding.promises).map(|promise| promise.seeds).max().unwrap_or(0);
    let mut page = format!(
        "# What the documents keep, and what they break\n\n\
         Each system of the documents ran twice with seeds 1 to {seeds}, under a swarm of faults: once by the document's own \
         steps, once by the hardened variant. A promise is *broken* in a seed if its property found a counter-example there. The \
         smallest run is the one with the fewest kinds of faults, and of those the one with the fewest users, among 25 seeds of \
         each size; its command shows it again. `headcount findings` writes this page.\n\n\
         How many promises of each system the document's steps break, and how many the hardened variant does:\n\n\
         | system | promises | document | hardened |\n|---|---:|---:|---:|\n"
    );
    for finding in findings {
        page.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            finding.system,
            finding.promises.len(),
            finding.broken(),
            finding.hardened_broken()
        ));
    }
    findings.iter().for_each(|finding| page.push_str(&system(finding)));
    page
}

fn system(finding: &Finding) -> String {
    let mut text = format!(
        "\n## {}\n\n`{}` against `{}`.\n\n| property | promise | the document | hardened |\n|---|---|---|---|\n",
        finding.system, finding.documented, finding.hardened
    );
    for promise in &finding.promises {
        text.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            promise.property,
            cell(&promise.says),
            kept(promise.broken_in, promise.seeds),
            kept(promise.hardened_broken_in, promise.seeds)
        ));
    }
    for promise in &finding.promises {
        if let Some(smallest) = &promise.smallest {
            text.push_str(&counter_example(promise, smallest));
        }
    }
    text.push_str(&format!("\n### What the hardened variant does instead\n\n{}\n", finding.remedy));
    if !finding.price.costs.is_empty() {
        text.push_str(&format!(
            "\nWhat that costs, for the same people without a fault, {}:\n\n| | documented | hardened | times |\n|---|---:|---:|---:|\n",
            count_of(finding.price.seeds, "seed", "seeds")
        ));
        finding.price.costs.iter().for_each(|cost| text.push_str(&price(cost)));
    }
    if !finding.readings.is_empty() {
        text.push_str("\n### Where the document contradicts itself or the platform\n\n| what | it says | how it was read |\n|---|---|---|\n");
        for reading in &finding.readings {
            text.push_str(&format!(
                "| {} | {} | {} |\n",
                cell(reading.id),
                cell(reading.document),
                cell(reading.reading)
            ));
        }
    }
    text
}

fn kept(broken_in: u64, seeds: u64) -> String {
    if broken_in == 0 {
        "kept".to_string()
    } else {
        format!("**broken** in {broken_in} of {}", count_of(seeds, "seed", "seeds"))
    }
}

fn counter_example(promise: &Promise, smallest: &Smallest) -> String {
    let users = count_of(u64::from(smallest.users), "user", "users");
    format!(
        "\n### {}\n\n{users}; what had to go wrong: {}; seed {}: {}\n\n```text\n{}\n\n{}\n```\n",
        promise.property,
        smallest.faults,
        smallest.seed,
        cell(&smallest.reason),
        smallest.command,
        smallest.timeline.join("\n")
    )
}

fn price(cost: &Cost) -> String {
    let times = if cost.documented > 0.0 {
        format!("{}x", three_digits(cost.hardened / cost.documented))
    } else {
        String::new()
    };
    format!(
        "| {} | {} | {} | {times} |\n",
        cell(&cost.what),
        three_digits(cost.documented),
        three_digits(cost.hardened)
    )
}

/// Text for a cell of a table: what means something in Markdown is taken as it is.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '*' | '_' | '<' | '>' | '`' | '[' | ']' | '\\' => out.extend(['\\', character]),
            '\n' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_markdown_is_escaped() {
        assert_eq!(cell("a|b_c*\n<d>"), "a\\|b\\_c\\* \\<d\\>");
    }
}
