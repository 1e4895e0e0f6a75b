//! The exchange's end of the control socket.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fernamt_exchange::exchange::CallSummary;
use fernamt_exchange::interface::Command;
use fernamt_exchange::registrar::BindingsOf;
use fernamt_exchange::routing::{Outcome, Route, RouteRequest, route};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::protocol::{Ban, Call, MAX_LINE_BYTES, Registration, Request, Response};
use crate::clock;
use crate::location::Place;
use crate::running::Running;
use crate::shard::Item;

/// Commands at once.
const MAX_CLIENTS: usize = 64;

/// A command that sends nothing for this long is gone.
const CLIENT_TIME: Duration = Duration::from_secs(60);

/// Opens the socket so that only its owner can use it. The folder's lock is held, so a socket that
/// is there already belongs to nobody.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves commands for ever.
pub(crate) async fn serve(running: Arc<Running>, listener: UnixListener) {
    let places = Arc::new(Semaphore::new(MAX_CLIENTS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let running = Arc::clone(&running);
                tokio::spawn(async move {
                    if let Err(error) = serve_client(&running, stream).await {
                        tracing::debug!(%error, "a command went away");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a command cannot be taken in");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The way back to a command.
struct Output(BufWriter<OwnedWriteHalf>);

impl Output {
    async fn put(&mut self, response: &Response) -> io::Result<()> {
        let mut line = serde_json::to_vec(response)?;
        line.push(b'\n');
        self.0.write_all(&line).await
    }
}

async fn serve_client(running: &Arc<Running>, stream: UnixStream) -> io::Result<()> {
    let (read, write) = stream.into_split();
    let mut input = BufReader::new(read);
    let mut output = Output(BufWriter::new(write));
    loop {
        let line = tokio::time::timeout(CLIENT_TIME, read_line(&mut input));
        let Ok(Some(line)) = line.await.map_err(|_| io::ErrorKind::TimedOut)? else {
            return Ok(());
        };
        let last = match serde_json::from_slice(&line) {
            Ok(request) => answer(running, request, &mut output).await?,
            Err(error) => failed(format!("the request is not understood: {error}")),
        };
        output.put(&last).await?;
        output.0.flush().await?;
    }
}

/// One line; `None` at the end, and for a line that is too long.
async fn read_line(input: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let bound = MAX_LINE_BYTES as u64 + 1;
    input.take(bound).read_until(b'\n', &mut line).await?;
    Ok(Some(line).filter(|line| line.last() == Some(&b'\n') && line.len() <= MAX_LINE_BYTES))
}

fn failed(message: impl ToString) -> Response {
    Response::Error {
        message: message.to_string(),
    }
}

fn done(count: u64) -> Response {
    Response::Done { count }
}

/// Carries out a request; puts out the items of a listing and gives back the last line.
async fn answer(
    running: &Arc<Running>,
    request: Request,
    output: &mut Output,
) -> io::Result<Response> {
    Ok(match request {
        Request::Registrations { user } => return registrations(running, user, output).await,
        Request::Calls => {
            let calls = list_calls(running).await;
            let count = calls.len() as u64;
            for call in calls {
                output.put(&Response::Call(call_of(call))).await?;
            }
            done(count)
        }
        Request::Reload => {
            running.reload_certificate();
            running.reload().await.map_or_else(failed, done)
        }
        Request::Flush => flush(running).await,
        Request::Route { from, to } => route_of(running, &from, &to),
        Request::Release { call } => {
            let known = list_calls(running)
                .await
                .iter()
                .any(|other| other.call == call);
            if known {
                running
                    .services
                    .inboxes
                    .push_all(|| Item::Command(Command::Release(call)));
            }
            done(u64::from(known))
        }
        Request::Status => Response::Status(running.status()),
        Request::Drain => {
            running.services.drain();
            done(running.call_count())
        }
        Request::Bans => {
            let bans = running.services.access.banned(clock::now().unix);
            let count = bans.len() as u64;
            for (source, until) in bans {
                output.put(&Response::Ban(Ban { source, until })).await?;
            }
            done(count)
        }
        Request::Turn { user, seconds } => turn_of(running, &user, seconds),
        Request::Lift { source } => {
            if let Some(turn) = &running.turn {
                turn.forgive(source);
            }
            let lifted = running.services.lift_ban(source, clock::now().unix);
            done(u64::from(lifted))
        }
    })
}

async fn list_calls(running: &Arc<Running>) -> Vec<CallSummary> {
    let running = Arc::clone(running);
    spawn_blocking(move || running.calls())
        .await
        .unwrap_or_default()
}

async fn flush(running: &Arc<Running>) -> Response {
    let running = Arc::clone(running);
    let flushed = spawn_blocking(move || {
        running.write_bindings();
        running
            .bindings
            .flush()
            .and_then(|()| running.services.journal.flush())
    });
    match flushed.await {
        Ok(Ok(())) => done(0),
        Ok(Err(error)) => failed(error),
        Err(error) => failed(error),
    }
}

async fn registrations(
    running: &Running,
    user: Option<String>,
    output: &mut Output,
) -> io::Result<Response> {
    let now = clock::now().unix;
    let mut count = 0;
    if let Some(user) = user {
        let bindings = running.services.locations.bindings(now, &user);
        count += put_bindings(
            output,
            &BindingsOf {
                user: user.into(),
                bindings,
            },
        )
        .await?;
        return Ok(done(count));
    }
    let mut place = Some(Place::default());
    while let Some(at) = place {
        let (page, next) = running.services.locations.page(now, at);
        for bindings in page {
            count += put_bindings(output, &bindings).await?;
        }
        place = next;
    }
    Ok(done(count))
}

async fn put_bindings(output: &mut Output, of: &BindingsOf) -> io::Result<u64> {
    for binding in &of.bindings {
        let registration = Registration {
            user: of.user.clone().into(),
            contact: binding.contact.clone().into(),
            received: binding.received,
            transport: binding.transport.to_string(),
            expires: binding.expires,
            user_agent: binding.user_agent.clone().map(Into::into),
            q: binding.q,
            nat: (binding.nat().as_str().to_owned(), binding.nat().to_string()),
        };
        output.put(&Response::Registration(registration)).await?;
    }
    Ok(of.bindings.len() as u64)
}

fn call_of(call: CallSummary) -> Call {
    Call {
        call: call.call,
        caller: call.caller.into(),
        dialled: call.dialled.into(),
        state: call.state.to_owned(),
        start: call.start,
        answer: call.answer,
        codec: call.codec.map(Into::into),
    }
}

fn turn_of(running: &Running, user: &str, seconds: u64) -> Response {
    let Some(turn) = &running.turn else {
        return failed("TURN is not served here; see the section [turn] of the settings");
    };
    let services = &running.services;
    if services.directory().device(user).is_none() {
        return done(0);
    }
    let now = clock::now().unix;
    Response::Turn(turn.credential(&services.config, user, now + Duration::from_secs(seconds)))
}

fn route_of(running: &Running, from: &str, to: &str) -> Response {
    let services = &running.services;
    let Some(caller) = services.directory().device(from).cloned() else {
        return failed(format!("there is no device {}", from.escape_debug()));
    };
    let destination = services.destination(clock::now().unix, to);
    let found = route(&RouteRequest {
        config: &services.config,
        caller: Some(&caller),
        caller_flow: None,
        dialled: to,
        host: None,
        port: None,
        destination: destination.as_ref(),
    });
    Response::Route {
        route: shape_of(&found),
        reasons: found.reasons.into_iter().map(Into::into).collect(),
    }
}

/// A route as a value for programs.
fn shape_of(route: &Route) -> serde_json::Value {
    let contact = |binding: &std::sync::Arc<fernamt_exchange::registrar::Binding>| {
        serde_json::json!({
            "contact": binding.contact,
            "transport": binding.transport.to_string(),
            "received": binding.received,
        })
    };
    let cause = route.outcome.cause().map(|cause| cause.to_string());
    match &route.outcome {
        Outcome::Echo => serde_json::json!({ "to": "echo" }),
        Outcome::Device { device, groups } => {
            let groups: Vec<Vec<_>> = groups
                .iter()
                .map(|group| group.iter().map(contact).collect())
                .collect();
            serde_json::json!({ "to": "device", "user": device.user, "groups": groups })
        }
        Outcome::Unknown => serde_json::json!({ "to": "unknown", "cause": cause }),
        Outcome::Offline { device } => {
            serde_json::json!({ "to": "offline", "user": device.user, "cause": cause })
        }
        Outcome::Refused { .. } => serde_json::json!({ "to": "refused", "cause": cause }),
    }
}
