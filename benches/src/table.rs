//! Figures by row and column: how programs hand them to `table`, and how they look as Markdown.

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where plain programs leave their tables, in the folder that criterion writes to.
const PLAIN: &str = "plain";

/// Figures by row and column. Where there is none, there was nothing to measure.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Column {
    name: String,
    digits: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    name: String,
    cells: Vec<Option<f64>>,
}

impl Table {
    /// A table with columns of these names and digits after the point.
    pub fn new(columns: &[(&str, usize)]) -> Self {
        let columns = columns.iter().map(|&(name, digits)| Column {
            name: name.to_owned(),
            digits,
        });
        Self {
            columns: columns.collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has not as many cells as the table has columns.
    pub fn push(&mut self, name: &str, cells: impl Into<Vec<Option<f64>>>) {
        let cells = cells.into();
        assert_eq!(cells.len(), self.columns.len(), "the cells of `{name}`");
        self.rows.push(Row {
            name: name.to_owned(),
            cells,
        });
    }

    /// Adds a column, whose figures come from the names of the rows and what they have so far.
    pub fn add_column(&mut self, name: &str, digits: usize, figure: impl Fn(&str, &[Option<f64>]) -> Option<f64>) {
        self.columns.push(Column {
            name: name.to_owned(),
            digits,
        });
        for row in &mut self.rows {
            let cell = figure(&row.name, &row.cells);
            row.cells.push(cell);
        }
    }

    /// The figure at a row and a column, if there is one.
    pub fn cell(&self, row: &str, column: &str) -> Option<f64> {
        let column = self.columns.iter().position(|known| known.name == column)?;
        self.rows.iter().find(|known| known.name == row)?.cells[column]
    }

    /// The figures of a row, none if there is no such row.
    pub fn row(&self, name: &str) -> &[Option<f64>] {
        self.rows
            .iter()
            .find(|row| row.name == name)
            .map_or(&[], |row| &row.cells)
    }

    /// The figures of a column, none if there is no such column.
    pub fn column(&self, name: &str) -> impl Iterator<Item = f64> {
        let column = self.columns.iter().position(|known| known.name == name);
        let cells = self.rows.iter().map(move |row| row.cells[column?]);
        cells.flatten()
    }

    /// Keeps it for `table` under this name, if `scripts/bench` runs the program.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, name: &str) -> Result<(), Box<dyn Error>> {
        let Some(folder) = std::env::var_os("CRITERION_HOME") else {
            return Ok(());
        };
        let folder = Path::new(&folder);
        fs::create_dir_all(folder.join(PLAIN))?;
        let path = Self::path(folder, name);
        fs::write(&path, serde_json::to_vec_pretty(self)?)
            .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
    }

    /// Reads what was [saved](Self::save) in a folder, if it was.
    ///
    /// # Errors
    /// If it is there but cannot be read.
    pub fn load(folder: &Path, name: &str) -> Result<Option<Self>, Box<dyn Error>> {
        let path = Self::path(folder, name);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?)
    }

    fn path(folder: &Path, name: &str) -> PathBuf {
        folder.join(PLAIN).join(name).with_extension("json")
    }
}

/// As Markdown.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| |")?;
        for column in &self.columns {
            write!(f, " {} |", column.name)?;
        }
        writeln!(f, "\n|---|{}", "---:|".repeat(self.columns.len()))?;
        for row in &self.rows {
            write!(f, "| `{}` |", row.name)?;
            for (cell, column) in row.cells.iter().zip(&self.columns) {
                match cell {
                    Some(figure) => write!(f, " {figure:.*} |", column.digits)?,
                    None => write!(f, " |")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
