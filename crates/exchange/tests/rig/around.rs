//! What is around the exchange: time passes, and the directory, the media plane and the disk do what they
//! are told.

use std::net::SocketAddr;
use std::time::Duration;

use fernamt_exchange::interface::{Answer, Destination, Input, Output, Question, Ticket, Write};
use fernamt_exchange::media;
use fernamt_sip::time::{Now, Time};

use super::Rig;

impl Rig {
    pub(crate) fn input(&mut self, input: Input<'_>) {
        let begin = std::time::Instant::now();
        self.exchange.handle(self.now, input);
        self.drain();
        self.thinking += begin.elapsed();
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now.time + duration;
        while let Some(deadline) = self
            .exchange
            .next_deadline()
            .filter(|deadline| *deadline <= end)
        {
            self.advance(deadline.max(self.now.time));
            self.exchange.handle(self.now, Input::Timer);
            self.drain();
        }
        self.advance(end);
        self.exchange.handle(self.now, Input::Timer);
        self.drain();
    }

    fn advance(&mut self, to: Time) {
        let passed = to.since(self.now.time);
        self.now = Now {
            time: to,
            unix: self.now.unix + passed,
        };
    }

    fn drain(&mut self) {
        while let Some(output) = self.exchange.poll() {
            match output {
                Output::Send { flow, bytes, .. } => {
                    self.wire
                        .push_back((flow, String::from_utf8(bytes.to_vec()).unwrap()));
                }
                Output::Ask { question, ask } => {
                    let answer = self.answer(ask);
                    self.exchange
                        .handle(self.now, Input::Answer { question, answer });
                }
                Output::Media(command) => {
                    let event = self.execute(&command);
                    self.media.push(command);
                    if let Some(event) = event {
                        self.exchange.handle(self.now, Input::Media(event));
                    }
                }
                Output::Write(write) => self.write(write),
                Output::Publish(event) => self.events.push(event),
                Output::CloseConnection(_) => {}
            }
        }
    }

    fn answer(&mut self, ask: Question) -> Answer {
        match ask {
            Question::Device { user } => Answer::Device(self.directory.device(&user).cloned()),
            Question::Destination { dialled } => {
                let device = self.directory.destination(&dialled, Some("49"));
                Answer::Destination(device.map(|device| {
                    let bindings = self.location.bindings(self.now.unix, &device.user);
                    Destination { device, bindings }
                }))
            }
            Question::Register { user, change } => {
                Answer::Bindings(self.location.apply(self.now.unix, &user, *change))
            }
            Question::Resolve(_) => Answer::Targets(self.targets.clone()),
        }
    }

    fn execute(&mut self, command: &media::Command) -> Option<media::Event> {
        match command {
            media::Command::Open { endpoint, .. } if self.media_full => {
                Some(media::Event::Refused {
                    endpoint: *endpoint,
                    reason: media::Refusal::NoPort,
                })
            }
            media::Command::Open {
                endpoint,
                local,
                port,
            } => {
                self.next_port += 2;
                self.open_ports.push(*endpoint);
                let rtp = SocketAddr::new(*local, port.unwrap_or(self.next_port));
                Some(media::Event::Opened {
                    endpoint: *endpoint,
                    rtp,
                })
            }
            media::Command::Close { endpoint } => {
                self.open_ports.retain(|open| open != endpoint);
                let statistics = media::Statistics::default();
                Some(media::Event::Closed {
                    endpoint: *endpoint,
                    statistics,
                })
            }
            _ => None,
        }
    }

    fn write(&mut self, write: Write) {
        let ticket = write.ticket();
        match write {
            Write::State { call, state, .. } => {
                if !self.disk_full {
                    self.states.retain(|(known, _)| *known != call);
                    self.states.push((call, state));
                }
            }
            Write::Closed {
                record, journal, ..
            } => {
                self.states.retain(|(known, _)| *known != record.call);
                self.records.push((*record, journal.entries()));
            }
        }
        match ticket {
            Some(ticket) if self.disk_slow => self.writing.push((ticket, !self.disk_full)),
            Some(ticket) => self.written(ticket, !self.disk_full),
            None => {}
        }
    }

    fn written(&mut self, ticket: Ticket, done: bool) {
        let input = match done {
            true => Input::Committed(ticket),
            false => Input::CommitFailed(ticket),
        };
        self.exchange.handle(self.now, input);
    }

    /// All that was to be written is on disk, or has failed.
    pub(crate) fn finish_writing(&mut self) {
        for (ticket, done) in std::mem::take(&mut self.writing) {
            self.written(ticket, done);
        }
        self.drain();
    }
}
