//! Columns that line up. No frames and no colours: the output is also read by `awk`.

/// Rows of text under headings.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(headings: &[&'static str]) -> Table {
        Table {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; text from outside must have been made safe to show.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The whole table, every line ended; `nothing` instead of headings without rows.
    pub(crate) fn to_text(&self, nothing: &str) -> String {
        if self.rows.is_empty() {
            return format!("{nothing}\n");
        }
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| heading.len()).collect();
        for row in &self.rows {
            for (cell, widest) in row.iter().zip(&mut widths) {
                *widest = (*widest).max(width(cell));
            }
        }
        let headings: Vec<String> = self
            .headings
            .iter()
            .map(|text| (*text).to_owned())
            .collect();
        let mut text = String::new();
        for row in core::iter::once(&headings).chain(&self.rows) {
            write_row(&mut text, row, &widths);
        }
        text
    }
}

fn write_row(text: &mut String, row: &[String], widths: &[usize]) {
    let start = text.len();
    for (cell, widest) in row.iter().zip(widths) {
        text.push_str(cell);
        let padding = widest.saturating_sub(width(cell)) + 2;
        text.extend(core::iter::repeat_n(' ', padding));
    }
    let end = text.trim_end().len().max(start);
    text.truncate(end);
    text.push('\n');
}

/// The columns that `text` takes where every character is as wide as every other.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_blanks() {
        let mut table = Table::new(&["USER", "NAME", "NUMBERS"]);
        table.row([
            "anna".to_owned(),
            "K\u{fc}che".to_owned(),
            "+4930123".to_owned(),
        ]);
        table.row(["10".to_owned(), String::new(), String::new()]);
        assert_eq!(
            table.to_text("none"),
            "USER  NAME   NUMBERS\nanna  K\u{fc}che  +4930123\n10\n"
        );
    }

    #[test]
    fn a_table_without_rows_says_so() {
        assert_eq!(
            Table::new(&["USER"]).to_text("No devices."),
            "No devices.\n"
        );
    }
}
