//! Prints what was measured as Markdown: a table for each section, and before them whether the targets are met.
//!
//! Takes the folder that criterion and the plain programs wrote to. Sections that nothing was measured for are left
//! out, unless `--all` says that there has to be something for each.

mod criterion;
mod sections;
mod targets;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;

use cache_benches::table::Table;

use criterion::Medians;
use sections::{CHAPTERS, Chapter, Section};
use targets::targets;

const ABOUT_TARGETS: &str =
    "From the figures below. `#[concurrent_cached]` is that of `cached`. The worst insert is the
least worst of three runs, so that a single pause of the machine does not count.";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, all) = match &arguments[..] {
        [folder] => (folder, false),
        [all, folder] if all == "--all" => (folder, true),
        _ => return Err("usage: table [--all] FOLDER".into()),
    };
    let folder = Path::new(folder);
    let medians = Medians::read(folder)?;
    let mut chapters: Vec<(&Chapter, Vec<(&Section, Table)>)> = Vec::new();
    for chapter in CHAPTERS {
        let mut tables = Vec::new();
        for section in chapter.sections {
            match section.table(&medians, folder)? {
                Some(table) => tables.push((section, table)),
                None if all => return Err(format!("nothing was measured for “{}”", section.title).into()),
                None => {}
            }
        }
        chapters.push((chapter, tables));
    }
    chapters.retain(|(_, tables)| !tables.is_empty());

    let find = |title: &str| {
        let mut tables = chapters.iter().flat_map(|(_, tables)| tables);
        Some(&tables.find(|(section, _)| section.title == title)?.1)
    };
    let mut out = io::stdout().lock();
    let mut targets = targets(find);
    if all && let Some(target) = targets.iter().find(|target| target.measured.is_none()) {
        return Err(format!("nothing was measured for the target “{}”", target.what).into());
    }
    targets.retain(|target| target.measured.is_some());
    if !targets.is_empty() {
        writeln!(out, "\n## Targets\n\n{ABOUT_TARGETS}\n")?;
        writeln!(out, "| | target | measured | |\n|---|---:|---:|---|")?;
        for target in targets {
            writeln!(out, "{target}")?;
        }
    }
    for (chapter, tables) in &chapters {
        writeln!(out, "\n## {}\n\n{}", chapter.title, chapter.about)?;
        for (section, table) in tables {
            write!(out, "\n### {}\n\n{}\n\n{table}", section.title, section.about)?;
        }
    }
    Ok(())
}
