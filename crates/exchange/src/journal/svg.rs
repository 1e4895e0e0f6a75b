//! A journal as a picture: one self-contained SVG, without script, link or outside resource.

use core::fmt::{self, Write as _};

use super::Entry;
use super::diagram::{Diagram, EXCHANGE, Kind, PAUSE, Row};
use super::words::{cells, shorten, since_start, wrap};

const SPACING: usize = 300;
const LEFT: usize = 220;
const RIGHT: usize = 150;
const HEAD: usize = 84;
const ARROW_HEIGHT: usize = 40;
const PAUSE_HEIGHT: usize = 18;
const BODY_LINE: usize = 15;
const NOTE_LINE: usize = 16;
const NOTE_WIDTH: usize = 340;
const SIDE_NOTE_WIDTH: usize = 250;
/// Mean widths of a character in hundredths of a pixel, a little too wide rather than too narrow.
const TEXT_CHARACTER: usize = 830;
const SMALL_CHARACTER: usize = 690;

/// Plain colours first, which every viewer understands; browsers in the dark take the second ones.
const STYLE: &str = "\
.fa{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:13px}\
.fa .back{fill:#ffffff}.fa text{fill:#1c2733}\
.fa .small{font-size:11.5px;fill:#526170}.fa .name{font-size:15px;font-weight:600}\
.fa .time{font-size:11.5px;fill:#526170;font-variant-numeric:tabular-nums}\
.fa .note text{font-size:11.5px}.fa .message{font-weight:600}\
.fa .life{stroke:#c8d0d9;stroke-width:1.5}\
.fa .arrow{stroke:#0b63b5;stroke-width:1.6}.fa .tip{fill:#0b63b5}\
.fa .bad .arrow{stroke:#b3261e}.fa .bad .tip,.fa .bad .message{fill:#b3261e}\
.fa .good .arrow{stroke:#1d7a46}.fa .good .tip,.fa .good .message{fill:#1d7a46}\
.fa .box{fill:#f3f5f8;stroke:#c8d0d9}.fa .media .box{fill:#ffffff;stroke-dasharray:4 3}\
.fa .end .box,.fa .restart .box{stroke:#1c2733;stroke-width:1.5}\
@media(prefers-color-scheme:dark){\
.fa .back{fill:#14191f}.fa text{fill:#e6ebf0}.fa .small,.fa .time{fill:#9aa8b6}\
.fa .note text{fill:#e6ebf0}.fa .life{stroke:#465361}.fa .arrow{stroke:#6cb4ff}.fa .tip{fill:#6cb4ff}\
.fa .bad .arrow{stroke:#ff8a80}.fa .bad .tip,.fa .bad .message{fill:#ff8a80}\
.fa .good .arrow{stroke:#62c98e}.fa .good .tip,.fa .good .message{fill:#62c98e}\
.fa .box{fill:#202832;stroke:#465361}.fa .media .box{fill:#14191f}\
.fa .end .box,.fa .restart .box{stroke:#e6ebf0}}";

/// The journal as an SVG picture.
///
/// Every text in it is escaped, so that it can stand in a web page.
pub fn svg(entries: &[Entry]) -> String {
    let diagram = Diagram::of(entries);
    let mut drawing = Drawing {
        body: String::new(),
        y: HEAD + 14,
    };
    let start = diagram.start().unwrap_or_default();
    let mut shown = String::new();
    let mut before = start;
    for row in &diagram.rows {
        if row.at().since(before) >= PAUSE {
            drawing.y += PAUSE_HEIGHT;
        }
        before = row.at();
        let time = since_start(start, row.at());
        if time != shown {
            drawing.time(&time);
        }
        shown = time;
        drawing.row(row);
    }
    frame(&diagram, &drawing)
}

fn column_x(column: usize) -> usize {
    LEFT + column * SPACING
}

/// The picture around the rows: background, heads and lifelines. Writing to a String does not fail.
fn frame(diagram: &Diagram, drawing: &Drawing) -> String {
    let last = diagram.columns.len().saturating_sub(1);
    // The notes of the exchange are wider than those of a party.
    let right = if last == EXCHANGE {
        NOTE_WIDTH / 2 + 20
    } else {
        RIGHT
    };
    let width = column_x(last) + right;
    let height = drawing.y + 18;
    let mut svg = String::with_capacity(drawing.body.len() + 4096);
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fa\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>Course of a call</title>\n\
         <style>{STYLE}</style>\n\
         <rect class=\"back\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    for (column, head) in diagram.columns.iter().enumerate() {
        let x = column_x(column);
        let name = shorten(&head.name, 28);
        let address = shorten(&head.address, 38);
        let _ = writeln!(
            svg,
            "<text class=\"name\" x=\"{x}\" y=\"34\" text-anchor=\"middle\">{}</text>\
             <text class=\"small\" x=\"{x}\" y=\"54\" text-anchor=\"middle\">{}</text>\
             <line class=\"life\" x1=\"{x}\" y1=\"68\" x2=\"{x}\" y2=\"{height}\"/>",
            Xml(&name),
            Xml(&address)
        );
    }
    svg.push_str(&drawing.body);
    svg.push_str("</svg>\n");
    svg
}

struct Drawing {
    body: String,
    /// Where the next row begins.
    y: usize,
}

impl Drawing {
    fn time(&mut self, time: &str) {
        let y = self.y + 21;
        let _ = writeln!(
            self.body,
            "<text class=\"time\" x=\"84\" y=\"{y}\" text-anchor=\"end\">{}</text>",
            Xml(time)
        );
    }

    fn row(&mut self, row: &Row) {
        match row {
            Row::Arrow {
                from,
                to,
                message,
                body,
                ..
            } => self.arrow((*from, *to), message, body),
            Row::Note {
                column, kind, text, ..
            } => {
                self.note(*column, *kind, text);
            }
        }
    }

    fn arrow(&mut self, (from, to): (usize, usize), message: &str, body: &str) {
        let (x1, x2) = (column_x(from), column_x(to));
        let y = self.y + 25;
        let (tip, shaft_end) = if x2 > x1 {
            (
                format!("{x2},{y} {0},{1} {0},{2}", x2 - 9, y - 5, y + 5),
                x2 - 8,
            )
        } else {
            (
                format!("{x2},{y} {0},{1} {0},{2}", x2 + 9, y - 5, y + 5),
                x2 + 8,
            )
        };
        // The words stand between the exchange and its neighbour, where no other line crosses them.
        let room = (SPACING - 24) * 100;
        let left_of_words = if from.max(to) > EXCHANGE { EXCHANGE } else { 0 };
        let middle = column_x(left_of_words) + SPACING / 2;
        let _ = writeln!(
            self.body,
            "<g class=\"{}\"><line class=\"arrow\" x1=\"{x1}\" y1=\"{y}\" x2=\"{shaft_end}\" y2=\"{y}\"/>\
             <polygon class=\"tip\" points=\"{tip}\"/>\
             <text class=\"message\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
            class_of(message),
            y - 7,
            Xml(&shorten(message, room / TEXT_CHARACTER))
        );
        self.y += ARROW_HEIGHT;
        if body.is_empty() {
            return;
        }
        for part in wrap(body, room / SMALL_CHARACTER) {
            let y = self.y;
            let _ = writeln!(
                self.body,
                "<text class=\"small\" x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
                Xml(&part)
            );
            self.y += BODY_LINE;
        }
    }

    fn note(&mut self, column: usize, kind: Kind, text: &str) {
        let width = if column == EXCHANGE {
            NOTE_WIDTH
        } else {
            SIDE_NOTE_WIDTH
        };
        let lines = wrap(text, (width - 24) * 100 / SMALL_CHARACTER);
        let widest = lines.iter().map(|line| cells(line)).max().unwrap_or(0);
        let width = width.min(widest * SMALL_CHARACTER / 100 + 28);
        let height = lines.len() * NOTE_LINE + 10;
        let x = column_x(column);
        let left = x - width / 2;
        let top = self.y + 6;
        let class = match kind {
            Kind::Decision => "note",
            Kind::Media => "note media",
            Kind::Restart => "note restart",
            Kind::End => "note end",
        };
        let _ = write!(
            self.body,
            "<g class=\"{class}\"><rect class=\"box\" x=\"{left}\" y=\"{top}\" width=\"{width}\" \
             height=\"{height}\" rx=\"5\"/>"
        );
        for (number, line) in lines.iter().enumerate() {
            let y = top + 17 + number * NOTE_LINE;
            let _ = write!(
                self.body,
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
                Xml(line)
            );
        }
        self.body.push_str("</g>\n");
        self.y += height + 12;
    }
}

/// How an arrow looks: answers stand out, and so do failures, but for a challenge and the end of a
/// cancelled call, which are the usual course of things.
fn class_of(message: &str) -> &'static str {
    match message.as_bytes() {
        [b'4', b'0', b'1' | b'7', ..] | [b'4', b'8', b'7', ..] => "plain",
        [b'4'..=b'6', b'0'..=b'9', b'0'..=b'9', ..] => "bad",
        [b'2', b'0'..=b'9', b'0'..=b'9', ..] => "good",
        _ => "plain",
    }
}

/// Writes text as XML character data; what XML does not allow at all becomes `�`.
struct Xml<'a>(&'a str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                '\u{fffe}' | '\u{ffff}' => formatter.write_char('\u{fffd}')?,
                control if control.is_control() => formatter.write_char('\u{fffd}')?,
                plain => formatter.write_char(plain)?,
            }
        }
        Ok(())
    }
}
