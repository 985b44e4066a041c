//! What criterion measured.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The medians, in nanoseconds, of the benchmarks of each group: by name and, where there is one, by parameter.
#[derive(Default)]
pub(crate) struct Medians(BTreeMap<String, Vec<Median>>);

pub(crate) struct Median {
    pub(crate) name: String,
    pub(crate) parameter: Option<String>,
    pub(crate) nanoseconds: f64,
}

impl Medians {
    /// Finds what criterion wrote below a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut medians = Self::default();
        medians.add(folder)?;
        Ok(medians)
    }

    /// The benchmarks of a group, none if it did not run.
    pub(crate) fn group(&self, name: &str) -> &[Median] {
        self.0.get(name).map_or(&[], |medians| medians)
    }

    /// The folders `new` hold the last run of a benchmark each.
    fn add(&mut self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let estimates = folder.join("new/estimates.json");
        if estimates.is_file() {
            let benchmark = json(&folder.join("new/benchmark.json"))?;
            let estimates = json(&estimates)?;
            let text = |key: &str| benchmark[key].as_str().map(str::to_owned);
            let group = text("group_id").ok_or("a benchmark without a group")?;
            self.0.entry(group).or_default().push(Median {
                name: text("function_id").ok_or("a benchmark without a name")?,
                parameter: text("value_str"),
                nanoseconds: estimates["median"]["point_estimate"].as_f64().ok_or("no median")?,
            });
            return Ok(());
        }
        for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                self.add(&path)?;
            }
        }
        Ok(())
    }
}

fn json(path: &Path) -> Result<Value, Box<dyn Error>> {
    let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}
