//! The machine that the exchange runs on: it carries out what the shards put out, answers their
//! questions, and is killed and started again.

use core::time::Duration;

use fernamt_charging::MediaProtection;
use fernamt_exchange::Exchange;
use fernamt_exchange::interface::{
    Answer, Command, Destination, Event as News, Input, Output, Question, QuestionId, Write,
};
use fernamt_exchange::media;
use fernamt_exchange::registrar::Location;
use fernamt_sip::time::Time;
use fernamt_sip::transport::Transport;

use super::event::Event;
use super::{Sabotage, World};
use crate::scenario::Incident;

/// Outputs of one input, at most.
const MAX_OUTPUTS: u64 = 5_000;

/// What is killed after this has no time left to mend what it left behind.
const QUIET_AFTER: Time = Time::from_micros(400_000_000);

/// How long a stop takes that was announced.
const DRAINING: Duration = Duration::from_secs(5);

impl World {
    pub(super) fn start_exchange(&mut self) {
        self.outputs = 0;
        self.started_at = self.now.time;
        let config = self.config();
        self.location = Location::default();
        self.location
            .restore(self.now.unix, self.saved.values().cloned());
        for shard in 0..self.scenario.shards {
            let seed = self.random.seed();
            let exchange = Exchange::new(config.clone(), shard, seed).expect("a good realm");
            self.shards.push(exchange);
        }
        let states: Vec<Vec<u8>> = self.journal.states.values().cloned().collect();
        for state in states {
            match Exchange::shard_of_state(&state, self.scenario.shards) {
                Ok(shard) => {
                    let command = Command::Recover { state };
                    self.give(usize::from(shard), Input::Command(command));
                }
                Err(error) => self.breach(format!("a written call cannot be read: {error}")),
            }
        }
        for shard in 0..self.shards.len() {
            self.give(shard, Input::Command(Command::Recovered));
        }
    }

    /// The exchange is killed. What it had not yet put on disk is lost.
    pub(super) fn crash(&mut self, downtime: Duration) {
        if self.shards.is_empty() {
            return;
        }
        self.trace(|| "the exchange is killed".to_owned());
        self.report.counts.restarts += 1;
        self.killed_at.push(self.now.time);
        self.observer.has_restarted = true;
        let delay = self.scenario.commit_millis + self.scenario.media_millis + 5;
        let lived = self.now.time.since(self.started_at);
        let too_soon = lived <= Duration::from_millis(delay);
        self.observer.has_lost_states |= self.disk_trouble || too_soon;
        self.shards.clear();
        self.epoch += 1;
        self.flushing = false;
        let waiting = self.journal.waiting_count() as u64;
        let survivors = if self.random.percent(30) {
            self.random.below(waiting + 1)
        } else {
            0
        };
        for complaint in self.journal.crash(survivors as usize) {
            self.breach(complaint);
        }
        if self.options.sabotage == Some(Sabotage::LoseStates) {
            self.journal.states.clear();
        }
        self.media.crash();
        for connection in self.network.connections_of(None) {
            self.close_connection(connection);
        }
        self.queue.push(self.now.time + downtime, Event::Start);
    }

    /// Gives a shard something, and carries out what it says.
    pub(super) fn give(&mut self, shard: usize, input: Input<'_>) {
        let now = self.now;
        let Some(exchange) = self.shards.get_mut(shard) else {
            return;
        };
        exchange.handle(now, input);
        self.drain(shard);
    }

    fn drain(&mut self, shard: usize) {
        let epoch = self.epoch;
        let mut outputs = 0;
        while let Some(output) = self.shards.get_mut(shard).and_then(Exchange::poll) {
            outputs += 1;
            if outputs > MAX_OUTPUTS {
                return self.breach("one input has outputs without end".to_owned());
            }
            self.carry_out(shard, output);
            if self.epoch != epoch {
                return;
            }
            self.outputs += 1;
            let may_crash = self.now.time < QUIET_AFTER;
            if may_crash && self.scenario.crashes.first() == Some(&self.outputs) {
                self.scenario.crashes.remove(0);
                let downtime = self.random.millis(50, 8_000);
                return self.crash(downtime);
            }
        }
    }

    fn carry_out(&mut self, shard: usize, output: Output) {
        match output {
            Output::Send { flow, bytes, .. } => self.exchange_sends(shard, flow, bytes),
            Output::CloseConnection(connection) => self.close_connection(connection),
            Output::Ask { question, ask } => self.answer(shard, question, ask),
            Output::Media(command) => self.order_media(shard, &command),
            Output::Write(write) => {
                self.trace(|| format!("                  [{shard}] writes {}", in_words(&write)));
                for write in self.sabotaged(write) {
                    self.journal.push(shard, write);
                }
                self.schedule_flush();
            }
            Output::Publish(news) => {
                self.trace(|| format!("                  [{shard}] says {news:?}"));
                match news {
                    News::NotRecovered { error } => {
                        self.breach(format!("a call was not picked up: {error}"));
                    }
                    News::Malformed { reason, .. } => {
                        self.breach(format!("a good message was refused: {reason}"));
                    }
                    _ => {}
                }
            }
        }
    }

    /// What reaches the disk of a write.
    fn sabotaged(&self, write: Write) -> Vec<Write> {
        match (self.options.sabotage, write) {
            (Some(Sabotage::LoseRecords), Write::Closed { .. }) => Vec::new(),
            (Some(Sabotage::RepeatRecords), write @ Write::Closed { .. }) => {
                vec![write.clone(), write]
            }
            (
                Some(sabotage @ (Sabotage::StretchRecords | Sabotage::ClearRecords)),
                Write::Closed {
                    mut record,
                    journal,
                    ticket,
                },
            ) => {
                match sabotage {
                    Sabotage::StretchRecords => record.duration += Duration::from_secs(5),
                    _ => {
                        for leg in &mut record.legs {
                            leg.protection = Some(MediaProtection::Clear);
                        }
                    }
                }
                vec![Write::Closed {
                    record,
                    journal,
                    ticket,
                }]
            }
            (_, write) => vec![write],
        }
    }

    fn schedule_flush(&mut self) {
        if !self.flushing {
            self.flushing = true;
            let after = self.random.millis(0, self.scenario.commit_millis);
            let epoch = self.epoch;
            self.queue
                .push(self.now.time + after, Event::Flush { epoch });
        }
    }

    fn flush(&mut self) {
        self.flushing = false;
        let (written, complaints) = self.journal.flush();
        for complaint in complaints {
            self.breach(complaint);
        }
        let epoch = self.epoch;
        for written in written {
            let after = self.random.millis(0, 2);
            let super::journal::Written {
                shard,
                ticket,
                done,
            } = written;
            let event = Event::Committed {
                epoch,
                shard,
                ticket,
                done,
            };
            self.queue.push(self.now.time + after, event);
        }
    }

    fn answer(&mut self, shard: usize, question: QuestionId, ask: Question) {
        let answer = match ask {
            _ if self.directory_down => Answer::Unavailable,
            Question::Device { user } => Answer::Device(self.directory.device(&user).cloned()),
            Question::Destination { dialled } => {
                let device = self.directory.destination(&dialled, Some("49"));
                Answer::Destination(device.map(|device| {
                    let bindings = self.location.bindings(self.now.unix, &device.user);
                    Destination { device, bindings }
                }))
            }
            Question::Register { user, change } => {
                let epoch = self.epoch;
                let at = self.now.time + Duration::from_millis(300);
                self.queue.push(at, Event::SaveBindings { epoch });
                Answer::Bindings(self.location.apply(self.now.unix, &user, *change))
            }
            Question::Resolve(_) => Answer::Targets(Vec::new()),
        };
        let after = self.random.millis(0, self.scenario.directory_millis);
        let epoch = self.epoch;
        let event = Event::Answer {
            epoch,
            shard,
            question,
            answer,
        };
        self.queue.push(self.now.time + after, event);
    }

    fn order_media(&mut self, shard: usize, command: &media::Command) {
        self.trace(|| format!("                  [{shard}] orders {command:?}"));
        let played = matches!(command, media::Command::Play { .. });
        let kept = self.options.sabotage == Some(Sabotage::KeepEndpoints);
        let result = match command {
            media::Command::Close { endpoint } if kept => {
                let statistics = media::Statistics::default();
                Ok(Some(media::Event::Closed {
                    endpoint: *endpoint,
                    statistics,
                }))
            }
            _ => self.media.execute(self.now.time, shard, command),
        };
        match result {
            Ok(Some(event)) => {
                let after = match played {
                    true => Duration::from_secs(3),
                    false => self.random.millis(0, self.scenario.media_millis),
                };
                let epoch = self.epoch;
                self.queue.push(
                    self.now.time + after,
                    Event::Media {
                        epoch,
                        shard,
                        event,
                    },
                );
            }
            Ok(None) => {}
            Err(complaint) => self.breach(complaint),
        }
    }

    /// Something happens.
    pub(super) fn happen(&mut self, event: Event) {
        let current = self.epoch;
        match event {
            Event::ToExchange { phone, flow, bytes } => self.arrives(phone, flow, &bytes),
            Event::ToPhone { phone, flow, bytes } => {
                let open = flow
                    .connection
                    .is_none_or(|id| self.network.connection(id).is_some());
                if !self.phones[phone].gone && open {
                    self.phones[phone].receive(self.now.time, flow, &bytes);
                    self.drain_phone(phone);
                }
            }
            Event::Disconnected { phone, connection } if !self.phones[phone].gone => {
                self.phones[phone].disconnected(self.now.time, connection);
                self.drain_phone(phone);
            }
            Event::SendFailed { epoch, shard, flow } if epoch == current => {
                self.give(shard, Input::SendFailed { flow });
            }
            Event::Answer {
                epoch,
                shard,
                question,
                answer,
            } if epoch == current => {
                self.give(shard, Input::Answer { question, answer });
            }
            Event::Media {
                epoch,
                shard,
                event,
            } if epoch == current => {
                self.give(shard, Input::Media(event));
            }
            Event::Flush { epoch } if epoch == current => self.flush(),
            Event::Committed {
                epoch,
                shard,
                ticket,
                done,
            } if epoch == current => {
                let input = if done {
                    Input::Committed(ticket)
                } else {
                    Input::CommitFailed(ticket)
                };
                self.give(shard, input);
            }
            Event::SaveBindings { epoch } if epoch == current => self.save_bindings(),
            Event::Phone { phone, action } if !self.phones[phone].gone => {
                self.trace(|| format!("phone {phone}: {action:?}"));
                self.phones[phone].act(self.now.time, action);
                self.drain_phone(phone);
            }
            Event::Incident(incident) => self.incident(incident),
            Event::Over(incident) => self.incident_over(incident),
            Event::Stop { epoch } if epoch == current => {
                self.flush();
                self.save_bindings();
                self.crash(Duration::from_millis(200));
            }
            Event::Start => {
                self.trace(|| "the exchange is started again".to_owned());
                self.start_exchange();
            }
            Event::Traffic => self.traffic(),
            _ => {}
        }
    }

    fn save_bindings(&mut self) {
        for change in self.location.drain_changes() {
            self.saved.insert(change.user.clone(), change);
        }
    }

    fn incident(&mut self, incident: Incident) {
        self.trace(|| format!("incident: {incident:?}"));
        let now = self.now.time;
        match incident {
            Incident::Partition { phone, lasts } => self.network.cut_off(phone, now + lasts),
            Incident::Move { phone } => {
                self.trouble = true;
                self.move_phone(phone);
            }
            Incident::Disconnect { phone } => {
                self.trouble |= self.phones[phone].plan.transport == Transport::Tcp;
                for connection in self.network.connections_of(Some(phone)) {
                    self.close_connection(connection);
                }
            }
            Incident::Vanish { phone } => {
                self.trouble = true;
                self.phones[phone].gone = true;
                self.gone_at.insert(phone, now);
            }
            Incident::Unregister { phone } => {
                let action = crate::phone::Action::Unregister;
                self.queue.push(now, Event::Phone { phone, action });
            }
            Incident::DiskFull { .. } => {
                self.journal.is_full = true;
                self.disk_trouble = true;
            }
            Incident::DirectoryDown { .. } => self.directory_down = true,
            Incident::MediaFull { .. } => self.media.full = true,
            Incident::Crash => {
                let downtime = self.random.millis(50, 8_000);
                self.crash(downtime);
            }
            Incident::Restart => {
                for shard in 0..self.shards.len() {
                    self.give(shard, Input::Command(Command::Drain));
                }
                let epoch = self.epoch;
                self.queue.push(now + DRAINING, Event::Stop { epoch });
            }
            Incident::Release => {
                for shard in 0..self.shards.len() {
                    let call = self
                        .shards
                        .get(shard)
                        .and_then(|it| it.calls().first().cloned());
                    if let Some(call) = call {
                        self.give(shard, Input::Command(Command::Release(call.call)));
                    }
                }
            }
        }
        if let Incident::Partition { lasts, .. }
        | Incident::DiskFull { lasts }
        | Incident::DirectoryDown { lasts }
        | Incident::MediaFull { lasts } = incident
        {
            self.trouble = true;
            self.queue.push(now + lasts, Event::Over(incident));
        }
    }

    fn incident_over(&mut self, incident: Incident) {
        match incident {
            Incident::DiskFull { .. } => {
                self.journal.is_full = false;
                if self.journal.is_waiting() {
                    self.schedule_flush();
                }
            }
            Incident::DirectoryDown { .. } => self.directory_down = false,
            Incident::MediaFull { .. } => self.media.full = false,
            _ => {}
        }
    }
}

fn in_words(write: &Write) -> String {
    match write {
        Write::State {
            call,
            state,
            ticket,
        } => {
            format!("state of {call}, {} bytes, {ticket:?}", state.len())
        }
        Write::Closed { record, .. } => format!("record {record:?}"),
    }
}
