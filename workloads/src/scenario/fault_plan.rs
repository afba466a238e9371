//! Faults of a file of their own: for a plan, which makes its own timetable of a scenario.

use std::path::Path;

use super::bad_input::BadInput;
use super::fault::Fault;
use super::{Scenario, check, document, form};

impl Scenario {
    /// The faults of a TOML file: `[[fault]]` tables as in a scenario, and nothing else. They must fit what this scenario
    /// has, and begin within `length_s` seconds of what they are counted from.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong: one line that names it, the line and what would be right.
    pub fn fault_plan(&self, path: &str, length_s: f64) -> Result<Vec<Fault>, BadInput> {
        let text = document::read(path, "a TOML file with [[fault]] tables, as a scenario has them")?;
        self.parse_fault_plan(path, &text, length_s)
    }

    /// The same of a text; `source` is what errors call it.
    ///
    /// # Errors
    /// As [`fault_plan`](Self::fault_plan).
    pub fn parse_fault_plan(&self, source: &str, text: &str, length_s: f64) -> Result<Vec<Fault>, BadInput> {
        let root = document::parse(source, text)?;
        let origins = document::Origins::new(Path::new(""), source, &root);
        let mut scenario = self.clone();
        scenario.faults.clear();
        form::Form::read(root, &origins, |form| {
            form.list("fault", &mut scenario.faults, &Fault::blank(), Fault::fields)
        })?;
        if scenario.faults.is_empty() {
            return Err(BadInput::new(format!("{source}: fault: missing: a [[fault]] table for each fault")));
        }
        scenario.heal = scenario.faults.iter().map(Fault::end).max().unwrap_or(0);
        check::faults(&scenario, &origins)?;
        let late = scenario.faults.iter().position(|fault| fault.at as f64 / 1e9 >= length_s);
        match late {
            Some(late) => Err(origins.bad(
                &format!("fault.{late}.at_s"),
                &format!("must be before the load ends: it begins at 0 and lasts {length_s:.0} s"),
            )),
            None => Ok(scenario.faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Fault>, String> {
        let scenario = Scenario::load("voting-small", &[]).unwrap();
        scenario.parse_fault_plan("f.toml", text, 50.0).map_err(|bad| bad.to_string())
    }

    const CRASH: &str = "[[fault]]\nkind = \"crash\"\nnode = \"audit\"\nat_s = 3.0\nfor_s = 2.0\n";

    #[test]
    fn faults_are_read_as_a_scenario_reads_them() {
        let faults = parsed(&format!("{CRASH}{}", CRASH.replace("3.0", "49.0"))).unwrap();
        assert_eq!(
            faults.iter().map(|fault| (fault.word(), fault.at, fault.end())).collect::<Vec<_>>(),
            [("crash", 3_000_000_000, 5_000_000_000), ("crash", 49_000_000_000, 51_000_000_000)]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_file_and_line() {
        let wrong = |from: &str, to: &str| parsed(&CRASH.replace(from, to)).unwrap_err();
        assert!(wrong("\"audit\"", "\"moon\"").starts_with("f.toml:3: fault.0.node"), "{}", wrong("audit", "moon"));
        assert!(wrong("crash", "crush").starts_with("f.toml:2: "));
        assert!(wrong("for_s = 2.0", "for_s = 0").starts_with("f.toml:5: "));
        assert!(wrong("3.0", "50.0").contains("f.toml:4: fault.0.at_s = 50.0: must be before the load ends"));
        assert!(wrong("[[fault]]", "[[faults]]").contains("unknown key; here can stand: fault"));
        assert!(parsed("").unwrap_err().contains("missing: a [[fault]] table"));
    }
}
