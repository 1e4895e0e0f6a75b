//! A journal as columns and rows: what the ladder and the picture have in common.

use core::time::Duration;

use fernamt_sip::time::UnixTime;

use super::words::plain;
use super::{Entry, Event, Party};
use crate::cause::Cause;

/// The column of the exchange: between the caller and everybody else.
pub(super) const EXCHANGE: usize = 1;

/// A pause that is worth some room.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// Most columns that are drawn; further parties share the last one.
const MAX_COLUMNS: usize = 12;

/// One party or the exchange.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) address: String,
}

/// One step of the call.
pub(super) enum Row {
    /// A message.
    Arrow {
        at: UnixTime,
        from: usize,
        to: usize,
        message: String,
        body: String,
    },
    /// Something that is no message.
    Note {
        at: UnixTime,
        column: usize,
        kind: Kind,
        text: String,
    },
}

/// What kind of note it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Decision,
    Media,
    Restart,
    End,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Decision => "decided",
            Kind::Media => "media",
            Kind::Restart => "restart",
            Kind::End => "end",
        }
    }
}

/// The whole picture; every text in it is safe to print.
pub(super) struct Diagram {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
}

impl Diagram {
    pub(super) fn of(entries: &[Entry]) -> Diagram {
        let exchange = Column {
            name: "exchange".to_owned(),
            address: String::new(),
        };
        let caller = Column {
            name: "caller".to_owned(),
            address: String::new(),
        };
        let mut diagram = Diagram {
            columns: vec![caller, exchange],
            rows: Vec::new(),
        };
        for entry in entries {
            diagram.add(entry);
        }
        diagram.number_namesakes();
        diagram
    }

    /// Two phones of one device get numbers, so that they can be told apart.
    fn number_namesakes(&mut self) {
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        for (number, column) in self.columns.iter_mut().enumerate() {
            let same = |name: &&String| **name == column.name;
            if names.iter().filter(same).count() > 1 {
                let before = names.iter().take(number).filter(same).count();
                column.name = format!("{} ({})", column.name, before + 1);
            }
        }
    }

    pub(super) fn start(&self) -> Option<UnixTime> {
        self.rows.first().map(Row::at)
    }

    fn add(&mut self, entry: &Entry) {
        let at = entry.at;
        let row = match &entry.event {
            Event::Party {
                party,
                name,
                address,
            } => {
                let column = self.column(*party);
                if let Some(column) = self.columns.get_mut(column) {
                    *column = Column {
                        name: plain(name),
                        address: plain(address),
                    };
                }
                return;
            }
            Event::Received {
                party,
                message,
                body,
            } => {
                let from = self.column(*party);
                Row::Arrow {
                    at,
                    from,
                    to: EXCHANGE,
                    message: plain(message),
                    body: plain(body),
                }
            }
            Event::Sent {
                party,
                message,
                body,
            } => {
                let to = self.column(*party);
                Row::Arrow {
                    at,
                    from: EXCHANGE,
                    to,
                    message: plain(message),
                    body: plain(body),
                }
            }
            Event::Decided { why } => note(at, EXCHANGE, Kind::Decision, plain(why)),
            Event::Media { party, what } => note(at, self.column(*party), Kind::Media, plain(what)),
            Event::Recovered => {
                let text = "The exchange was restarted and picked the call up again.".to_owned();
                note(at, EXCHANGE, Kind::Restart, text)
            }
            Event::Released { cause, why } => {
                let cause = Cause(*cause);
                let text = format!("Call ended: {}. {cause}.", plain(why).trim_end_matches('.'));
                note(at, EXCHANGE, Kind::End, text)
            }
        };
        self.rows.push(row);
    }

    /// The column of a party; made when it is not there yet.
    fn column(&mut self, party: Party) -> usize {
        let column = match usize::from(party) {
            0 => 0,
            party => (party + EXCHANGE).min(MAX_COLUMNS - 1),
        };
        while self.columns.len() <= column {
            let name = format!("party {}", self.columns.len() - EXCHANGE);
            self.columns.push(Column {
                name,
                address: String::new(),
            });
        }
        column
    }
}

impl Row {
    pub(super) fn at(&self) -> UnixTime {
        match self {
            Row::Arrow { at, .. } | Row::Note { at, .. } => *at,
        }
    }
}

fn note(at: UnixTime, column: usize, kind: Kind, text: String) -> Row {
    Row::Note {
        at,
        column,
        kind,
        text,
    }
}
