//! Prints what criterion measured as Markdown: a table for each group, with the ratios to this library's first row.
//!
//! Takes the folder that criterion wrote to and the name of the row that the others are compared with.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::Value;

/// The name and the median, in nanoseconds, of each benchmark of a group.
type Groups = BTreeMap<String, Vec<(String, f64)>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(unit)) = (arguments.next(), arguments.next()) else {
        return Err("usage: table CRITERION_FOLDER ROW".into());
    };
    let mut groups = Groups::new();
    read(Path::new(&folder), &mut groups)?;
    if groups.is_empty() {
        return Err(format!("criterion wrote no `new/estimates.json` anywhere below {folder}").into());
    }
    let mut out = io::stdout().lock();
    for (group, rows) in &mut groups {
        rows.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        let own = rows.iter().find(|(name, _)| *name == unit);
        let (_, own) = *own.ok_or_else(|| format!("the group `{group}` has no row `{unit}`"))?;
        writeln!(out, "\n## {group}\n\n| | median, ns | × `{unit}` |\n|---|---:|---:|")?;
        for (name, median) in rows {
            writeln!(out, "| `{name}` | {median:.1} | {:.2} |", *median / own)?;
        }
    }
    Ok(())
}

/// Finds the folders `new`, which hold the last run of a benchmark each.
fn read(folder: &Path, groups: &mut Groups) -> Result<(), Box<dyn Error>> {
    let estimates = folder.join("new/estimates.json");
    if estimates.is_file() {
        let benchmark = json(&folder.join("new/benchmark.json"))?;
        let estimates = json(&estimates)?;
        let group = benchmark["group_id"].as_str().ok_or("a benchmark without a group")?;
        let name = benchmark["function_id"].as_str().ok_or("a benchmark without a name")?;
        let median = estimates["median"]["point_estimate"].as_f64().ok_or("no median")?;
        groups
            .entry(group.to_owned())
            .or_default()
            .push((name.to_owned(), median));
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, groups)?;
        }
    }
    Ok(())
}

fn json(path: &Path) -> Result<Value, Box<dyn Error>> {
    let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}
