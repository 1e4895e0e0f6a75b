//! A journal as a ladder diagram for a terminal: one column a party, arrows for messages, notes
//! beside the lines.

use fernamt_sip::time::UnixTime;

use super::Entry;
use super::diagram::{Diagram, EXCHANGE, Kind, PAUSE, Row};
use super::words::{cell, cells, shorten, since_start, wrap};

/// How wide a diagram is that has so many columns that they would need more.
const WIDTH_CELLS: usize = 120;

/// How wide a diagram is at least, so that notes do not become columns of single words.
const LEAST_WIDTH_CELLS: usize = 96;

/// Room to the right of the last column, for notes.
const RIGHT_CELLS: usize = 24;

/// How far columns stand apart at least: narrower, a message would not fit between them.
const MIN_SPACING_CELLS: usize = 21;

/// How far columns stand apart at most.
const MAX_SPACING_CELLS: usize = 32;

/// The journal as a ladder diagram in Unicode, 80 to 120 columns wide for up to four parties.
pub fn ladder(entries: &[Entry]) -> String {
    let diagram = Diagram::of(entries);
    let Some(start) = diagram.start() else {
        return String::new();
    };
    let layout = Layout::of(&diagram, start);
    let mut picture = Picture {
        layout,
        text: String::new(),
    };
    picture.heads(&diagram);
    let mut shown = String::new();
    let mut before = start;
    for row in &diagram.rows {
        if row.at().since(before) >= PAUSE {
            picture.gap();
        }
        before = row.at();
        let time = since_start(start, row.at());
        let label = if time == shown {
            String::new()
        } else {
            time.clone()
        };
        shown = time;
        picture.row(&label, row);
    }
    picture.text
}

struct Layout {
    /// Cells of the times.
    gutter: usize,
    /// Where the lines of the parties stand.
    lines: Vec<usize>,
    width: usize,
}

impl Layout {
    fn of(diagram: &Diagram, start: UnixTime) -> Layout {
        let times = diagram
            .rows
            .iter()
            .map(|row| cells(&since_start(start, row.at())));
        let gutter = times.max().unwrap_or(0).max(6) + 1;
        let first = gutter + 3;
        let gaps = diagram.columns.len().saturating_sub(1).max(1);
        let room = WIDTH_CELLS.saturating_sub(first + RIGHT_CELLS);
        let spacing = (room / gaps).clamp(MIN_SPACING_CELLS, MAX_SPACING_CELLS);
        let lines: Vec<usize> = (0..diagram.columns.len())
            .map(|column| first + column * spacing)
            .collect();
        let width = lines
            .last()
            .map_or(0, |last| last + RIGHT_CELLS)
            .max(LEAST_WIDTH_CELLS);
        Layout {
            gutter,
            lines,
            width,
        }
    }

    fn line(&self, column: usize) -> usize {
        self.lines.get(column).copied().unwrap_or(0)
    }
}

struct Picture {
    layout: Layout,
    text: String,
}

impl Picture {
    fn heads(&mut self, diagram: &Diagram) {
        let spacing = self.layout.line(1) - self.layout.line(0);
        let mut names = Line::empty(self.layout.width);
        let mut addresses = Line::empty(self.layout.width);
        for (column, head) in diagram.columns.iter().enumerate() {
            let at = self.layout.line(column);
            names.center(at, &shorten(&head.name, spacing - 2));
            addresses.center(at, &shorten(&head.address, spacing - 2));
        }
        self.finish(&names);
        self.finish(&addresses);
    }

    fn row(&mut self, time: &str, row: &Row) {
        match row {
            Row::Arrow {
                from,
                to,
                message,
                body,
                ..
            } => self.arrow(time, (*from, *to), message, body),
            Row::Note {
                column, kind, text, ..
            } => self.note(time, *column, *kind, text),
        }
    }

    fn arrow(&mut self, time: &str, (from, to): (usize, usize), message: &str, body: &str) {
        let (left, right) = (from.min(to), from.max(to));
        let (start, end) = (self.layout.line(left) + 1, self.layout.line(right));
        let room = end.saturating_sub(start);
        let mut line = self.lifelines(time);
        for at in start..end {
            let crossing = self.layout.lines.contains(&at);
            line.put(at, if crossing { "┼" } else { "─" });
        }
        let label = format!(" {} ", shorten(message, room.saturating_sub(4)));
        if to > from {
            line.put(end - 1, "▶");
            line.put(start + 1, &label);
        } else {
            line.put(start, "◀");
            line.put(end.saturating_sub(1 + cells(&label)), &label);
        }
        self.finish(&line);
        if !body.is_empty() {
            for part in wrap(body, room.saturating_sub(3)) {
                let mut line = self.lifelines("");
                line.put(start + 2, &part);
                self.finish(&line);
            }
        }
    }

    fn note(&mut self, time: &str, column: usize, kind: Kind, text: &str) {
        let at = self.layout.line(column);
        let sign = match kind {
            Kind::Decision => "●",
            Kind::Media => "♪",
            Kind::Restart => "↻",
            Kind::End => "■",
        };
        // What a party's media did stays beside its line; what the exchange did may need more room.
        let end = match kind {
            Kind::Media if column != EXCHANGE => self
                .layout
                .lines
                .get(column + 1)
                .copied()
                .unwrap_or(self.layout.width),
            _ => self.layout.width,
        };
        let room = end.saturating_sub(at + 3);
        for (number, part) in wrap(text, room).iter().enumerate() {
            let mut line = self.lifelines(if number == 0 { time } else { "" });
            if number == 0 {
                line.put(at, sign);
            }
            line.put(at + 1, &format!(" {part} "));
            self.finish(&line);
        }
    }

    fn gap(&mut self) {
        let mut line = Line::empty(self.layout.width);
        for &at in &self.layout.lines {
            line.put(at, "┊");
        }
        self.finish(&line);
    }

    fn lifelines(&self, time: &str) -> Line {
        let mut line = Line::empty(self.layout.width);
        line.put(self.layout.gutter.saturating_sub(cells(time)), time);
        for &at in &self.layout.lines {
            line.put(at, "│");
        }
        line
    }

    fn finish(&mut self, line: &Line) {
        let text: String = line.cells.iter().flatten().collect();
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }
}

/// One line of the terminal; a cell that a wide character covers is `None`.
struct Line {
    cells: Vec<Option<char>>,
}

impl Line {
    fn empty(width: usize) -> Line {
        Line {
            cells: vec![Some(' '); width],
        }
    }

    /// Writes over what stands there; what does not fit is left out.
    fn put(&mut self, at: usize, text: &str) {
        let mut at = at;
        for character in text.chars() {
            let wide = cell(character);
            if wide == 0 {
                continue;
            }
            let Some(places) = self.cells.get_mut(at..at + wide) else {
                return;
            };
            for place in places.iter_mut() {
                *place = None;
            }
            if let Some(first) = places.first_mut() {
                *first = Some(character);
            }
            at += wide;
        }
    }

    fn center(&mut self, at: usize, text: &str) {
        self.put(at.saturating_sub(cells(text) / 2), text);
    }
}
