//! SIP on WebSocket (RFC 7118): one message of the WebSocket is one SIP message.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fernamt_sip::limits::MAX_MESSAGE_BYTES;
use fernamt_sip::stream::PING;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::handshake::server::{
    Callback, ErrorResponse, Request, Response,
};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::outlet::Outbound;
use super::session::{End, Session};

/// How often the peer is asked whether it is there. Proxies close connections that are silent for a
/// minute.
const PING_INTERVAL: Duration = Duration::from_secs(25);

/// A peer that has not been heard for this long, though it was asked, is gone.
const PING_LIMIT: Duration = Duration::from_secs(70);

/// How long the closing handshake may take (RFC 6455 section 7).
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// The sub-protocol of SIP (RFC 7118 section 4.1).
const SUBPROTOCOL: &str = "sip";

/// Accepts the handshake on the paths `/` and `/sip` when the peer speaks SIP.
struct Handshake;

impl Callback for Handshake {
    // The type of the refusal is the library's.
    #[allow(clippy::result_large_err)]
    fn on_request(
        self,
        request: &Request,
        mut response: Response,
    ) -> Result<Response, ErrorResponse> {
        if !matches!(request.uri().path(), "/" | "/sip") {
            return Err(refusal(
                StatusCode::NOT_FOUND,
                "SIP is served on the path /sip",
            ));
        }
        let offered = request
            .headers()
            .get_all(SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|protocol| protocol.trim().eq_ignore_ascii_case(SUBPROTOCOL));
        if !offered {
            return Err(refusal(
                StatusCode::BAD_REQUEST,
                "the WebSocket sub-protocol must be sip (RFC 7118)",
            ));
        }
        response.headers_mut().insert(
            SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        );
        Ok(response)
    }
}

fn refusal(status: StatusCode, sentence: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(format!("{sentence}\n")));
    *response.status_mut() = status;
    response
}

enum Step {
    Read(Message),
    Wrote,
}

/// What is being written.
#[derive(Default)]
struct Writer {
    /// In the hands of the library, but perhaps not yet on the network.
    unflushed: Vec<Outbound>,
    control: Option<Message>,
    flush: bool,
}

/// Shakes hands and serves the connection to its end.
pub(super) async fn run<S>(session: &mut Session, stream: S) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_MESSAGE_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let work = async {
        accept_hdr_async_with_config(stream, Handshake, Some(config))
            .await
            .map_err(end_of)
    };
    let mut socket = match session.handshake(session.handshake_time(), work).await {
        Ok(socket) => socket,
        Err(end) => return end,
    };
    let mut writer = Writer::default();
    let end = serve(session, &mut socket, &mut writer).await;
    if matches!(end, End::Peer | End::Closed | End::Idle) {
        // The answer to the peer's close frame, or ours. Nothing is lost when it cannot be sent.
        let closing = std::future::poll_fn(|context| Pin::new(&mut socket).poll_close(context));
        let _ = timeout(CLOSE_TIME, closing).await;
    }
    for outbound in writer.unflushed {
        session.give_back(outbound);
    }
    end
}

async fn serve<S>(
    session: &mut Session,
    socket: &mut WebSocketStream<S>,
    writer: &mut Writer,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let outlet = std::sync::Arc::clone(&session.outlet);
    let mut heard = Instant::now();
    let mut next_ping = heard + PING_INTERVAL;
    loop {
        let deadline = session.deadline();
        let step = tokio::select! {
            step = std::future::poll_fn(|context| poll(context, session, socket, writer)) => step,
            () = outlet.changed() => {
                if outlet.is_closed() {
                    return End::Closed;
                }
                continue;
            }
            () = sleep_until(next_ping) => {
                if heard.elapsed() > PING_LIMIT {
                    return End::Idle;
                }
                next_ping = Instant::now() + PING_INTERVAL;
                writer.control = Some(Message::Ping(Default::default()));
                continue;
            }
            () = sleep_until(deadline) => return session.lateness(),
        };
        match step {
            Ok(Step::Read(message)) => {
                heard = Instant::now();
                if let Err(end) = take(session, writer, message).await {
                    return end;
                }
            }
            Ok(Step::Wrote) => session.wrote(writer.flush),
            Err(end) => return end,
        }
    }
}

async fn take(session: &mut Session, writer: &mut Writer, message: Message) -> Result<(), End> {
    session.heard(false);
    let bytes: Box<[u8]> = match &message {
        Message::Text(text) => text.as_bytes().into(),
        Message::Binary(bytes) => bytes.as_ref().into(),
        // The library answers pings by itself (the pong leaves with the next flush).
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
        Message::Close(_) => return Err(End::Peer),
    };
    if &*bytes == PING {
        writer.control = Some(Message::text("\r\n"));
    } else if bytes.iter().any(|byte| !byte.is_ascii_whitespace()) {
        session.deliver(bytes).await;
    }
    Ok(())
}

fn poll<S>(
    context: &mut Context<'_>,
    session: &mut Session,
    socket: &mut WebSocketStream<S>,
    writer: &mut Writer,
) -> Poll<Result<Step, End>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Poll::Ready(result) = poll_write(context, session, socket, writer) {
        match result {
            Ok(true) => return Poll::Ready(Ok(Step::Wrote)),
            Ok(false) => {}
            Err(error) => return Poll::Ready(Err(end_of(error))),
        }
    }
    match ready!(Pin::new(socket).poll_next(context)) {
        Some(Ok(message)) => Poll::Ready(Ok(Step::Read(message))),
        Some(Err(error)) => Poll::Ready(Err(end_of(error))),
        None => Poll::Ready(Err(End::Peer)),
    }
}

/// Writes what waits; whether anything was done.
fn poll_write<S>(
    context: &mut Context<'_>,
    session: &mut Session,
    socket: &mut WebSocketStream<S>,
    writer: &mut Writer,
) -> Poll<Result<bool, Error>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut done = false;
    loop {
        if Pin::new(&mut *socket).poll_ready(context)?.is_pending() {
            session.wants_to_write();
            break;
        }
        let message = match writer.control.take() {
            Some(control) => control,
            None => match session.outlet.take() {
                Some(outbound) => {
                    let message = message_of(&outbound.bytes);
                    writer.unflushed.push(outbound);
                    message
                }
                None => break,
            },
        };
        Pin::new(&mut *socket).start_send(message)?;
        writer.flush = true;
        done = true;
    }
    if writer.flush {
        session.wants_to_write();
        ready!(Pin::new(socket).poll_flush(context))?;
        writer.flush = false;
        writer.unflushed.clear();
        done = true;
    }
    Poll::Ready(Ok(done))
}

/// A text where it is one (RFC 7118 section 4.2: browsers read it as such), else bytes.
fn message_of(bytes: &[u8]) -> Message {
    match core::str::from_utf8(bytes) {
        Ok(text) => Message::text(text),
        Err(_) => Message::binary(bytes.to_vec()),
    }
}

fn end_of(error: Error) -> End {
    match error {
        Error::Io(error) => End::Io(error),
        Error::ConnectionClosed | Error::AlreadyClosed => End::Peer,
        other => End::WebSocket(other.to_string()),
    }
}
