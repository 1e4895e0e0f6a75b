//! A journal as a picture: one self-contained SVG, without script, link or outside resource.

use core::fmt::{self, Write as _};

use super::Entry;
use super::diagram::{Diagram, EXCHANGE, Kind, Row};
use super::words::{cells, shorten, since_start, wrap};

const SPACING: usize = 270;
const LEFT: usize = 180;
const RIGHT: usize = 170;
const HEAD: usize = 84;
const ARROW_HEIGHT: usize = 40;
const BODY_LINE: usize = 15;
const NOTE_LINE: usize = 16;
const NOTE_WIDTH: usize = 300;
/// Mean widths of a character in hundredths of a pixel, a little too wide rather than too narrow.
const TEXT_CHARACTER: usize = 640;
const SMALL_CHARACTER: usize = 600;

const STYLE: &str = "\
.fa{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;\
--ink:#1c2733;--soft:#5b6b7b;--line:#c3ccd6;--back:#ffffff;--in:#0b63b5;--out:#0b63b5;\
--fail:#b3261e;--note:#f3f5f8;--good:#1d7a46}\
@media(prefers-color-scheme:dark){.fa{--ink:#e6ebf0;--soft:#9aa8b6;--line:#465361;--back:#14191f;\
--in:#6cb4ff;--out:#6cb4ff;--fail:#ff8a80;--note:#202832;--good:#62c98e}}\
.fa .back{fill:var(--back)}.fa text{fill:var(--ink)}.fa .small{font-size:11.5px;fill:var(--soft)}\
.fa .name{font-size:15px;font-weight:600}.fa .time{font-size:11.5px;fill:var(--soft);\
font-variant-numeric:tabular-nums}.fa .life{stroke:var(--line);stroke-width:1.5}\
.fa .arrow{stroke:var(--in);stroke-width:1.6}.fa .tip{fill:var(--in)}\
.fa .bad .arrow{stroke:var(--fail)}.fa .bad .tip{fill:var(--fail)}.fa .bad .message{fill:var(--fail)}\
.fa .good .arrow{stroke:var(--good)}.fa .good .tip{fill:var(--good)}\
.fa .message{font-weight:600}.fa .box{fill:var(--note);stroke:var(--line)}\
.fa .media .box{stroke-dasharray:4 3}.fa .end .box{stroke:var(--ink);stroke-width:1.5}";

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
    for row in &diagram.rows {
        let time = since_start(start, row.at());
        if time != shown {
            drawing.time(&time);
        }
        shown = time;
        drawing.row(&diagram, row);
    }
    frame(&diagram, &drawing)
}

fn column_x(column: usize) -> usize {
    LEFT + column * SPACING
}

/// The picture around the rows: background, heads and lifelines. Writing to a String does not fail.
fn frame(diagram: &Diagram, drawing: &Drawing) -> String {
    let width = column_x(diagram.columns.len().saturating_sub(1)) + RIGHT;
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
            "<text class=\"time\" x=\"70\" y=\"{y}\" text-anchor=\"end\">{}</text>",
            Xml(time)
        );
    }

    fn row(&mut self, diagram: &Diagram, row: &Row) {
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
                self.note(diagram.columns.len(), *column, *kind, text);
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
        let room = (x1.abs_diff(x2) - 24) * 100;
        let middle = usize::midpoint(x1, x2);
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

    fn note(&mut self, columns: usize, column: usize, kind: Kind, text: &str) {
        let width = if column == EXCHANGE || columns < 2 {
            NOTE_WIDTH
        } else {
            NOTE_WIDTH - 60
        };
        let lines = wrap(text, (width - 24) * 100 / SMALL_CHARACTER);
        let widest = lines.iter().map(|line| cells(line)).max().unwrap_or(0);
        let width = width.min(widest * SMALL_CHARACTER / 100 + 28);
        let height = lines.len() * NOTE_LINE + 10;
        let x = column_x(column);
        let left = x - width / 2;
        let top = self.y + 6;
        let class = match kind {
            Kind::Decision => "decision",
            Kind::Media => "media",
            Kind::Restart => "restart",
            Kind::End => "end",
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
                "<text class=\"small\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
                Xml(line)
            );
        }
        self.body.push_str("</g>\n");
        self.y += height + 12;
    }
}

/// How an arrow looks: final failures stand out, and so do answers.
fn class_of(message: &str) -> &'static str {
    match message.as_bytes() {
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
