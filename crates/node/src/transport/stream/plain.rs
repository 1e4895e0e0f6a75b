//! SIP on a stream of bytes (RFC 3261 section 18.3): TCP, and TLS on top of it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fernamt_sip::stream::{Frame, FrameError, Framer, PONG};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep_until;

use super::outlet::Outbound;
use super::session::{End, Session};

/// Bytes per read. Lives on the stack of a read only, so that an idle connection has no buffer.
const READ_BYTES: usize = 8192;

/// Messages per write.
const WRITE_SLICES: usize = 16;

/// Keep-alive answers that may wait; a peer that pings faster than it reads gets no more.
const MAX_PONGS: usize = 64;

enum Piece {
    Message(Outbound),
    Pong,
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Message(outbound) => &outbound.bytes,
            Piece::Pong => PONG,
        }
    }
}

/// What is being written.
#[derive(Default)]
struct Writer {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are written.
    offset: usize,
    flush: bool,
}

impl Writer {
    fn is_idle(&self) -> bool {
        self.pieces.is_empty() && !self.flush
    }

    fn pong(&mut self) {
        if self.pieces.len() < MAX_PONGS {
            self.pieces.push_back(Piece::Pong);
        }
    }

    fn refill(&mut self, session: &Session) {
        while self.pieces.len() < WRITE_SLICES {
            match session.outlet.take() {
                Some(outbound) => self.pieces.push_back(Piece::Message(outbound)),
                None => return,
            }
        }
    }

    fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<()>> {
        if self.pieces.is_empty() {
            ready!(Pin::new(stream).poll_flush(context))?;
            self.flush = false;
            return Poll::Ready(Ok(()));
        }
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
        let mut skip = self.offset;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece.bytes().get(skip..).unwrap_or_default());
            skip = 0;
        }
        let used = self.pieces.len().min(WRITE_SLICES);
        let slices = slices.get(..used).unwrap_or_default();
        let written = ready!(Pin::new(stream).poll_write_vectored(context, slices))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.flush = true;
        self.advance(written);
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(piece) = self.pieces.front() {
            let left = piece.bytes().len().saturating_sub(self.offset);
            if written < left {
                self.offset += written;
                return;
            }
            written -= left;
            self.offset = 0;
            self.pieces.pop_front();
        }
    }
}

enum Step {
    Read(usize),
    Wrote,
}

/// Serves the connection to its end.
pub(super) async fn run<S>(session: &mut Session, stream: &mut S) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut framer = Framer::new();
    let mut writer = Writer::default();
    let end = serve(session, stream, &mut framer, &mut writer).await;
    for piece in writer.pieces {
        if let Piece::Message(outbound) = piece {
            session.give_back(outbound);
        }
    }
    end
}

async fn serve<S>(
    session: &mut Session,
    stream: &mut S,
    framer: &mut Framer,
    writer: &mut Writer,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let outlet = std::sync::Arc::clone(&session.outlet);
    loop {
        writer.refill(session);
        if !writer.is_idle() {
            session.wants_to_write();
        }
        let step = tokio::select! {
            step = std::future::poll_fn(|context| poll(context, stream, framer, writer)) => step,
            () = outlet.changed() => {
                if outlet.is_closed() {
                    return End::Closed;
                }
                continue;
            }
            () = sleep_until(session.deadline()) => return session.lateness(),
        };
        match step {
            Ok(Step::Read(0)) => return End::Peer,
            Ok(Step::Read(_)) => {
                if let Err(error) = take_frames(session, framer, writer).await {
                    return error.into();
                }
            }
            Ok(Step::Wrote) => session.wrote(!writer.is_idle()),
            Err(end) => return end,
        }
    }
}

fn poll<S>(
    context: &mut Context<'_>,
    stream: &mut S,
    framer: &mut Framer,
    writer: &mut Writer,
) -> Poll<Result<Step, End>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !writer.is_idle()
        && let Poll::Ready(result) = writer.poll_write(context, stream)
    {
        return Poll::Ready(result.map(|()| Step::Wrote).map_err(End::Io));
    }
    let mut space = [std::mem::MaybeUninit::uninit(); READ_BYTES];
    let mut buffer = ReadBuf::uninit(&mut space);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    let read = buffer.filled();
    framer.push(read)?;
    Poll::Ready(Ok(Step::Read(read.len())))
}

async fn take_frames(
    session: &mut Session,
    framer: &mut Framer,
    writer: &mut Writer,
) -> Result<(), FrameError> {
    loop {
        let message: Box<[u8]> = match framer.next_frame()? {
            None => break,
            Some(Frame::Ping) => {
                writer.pong();
                continue;
            }
            Some(Frame::Message(bytes)) => bytes.into(),
        };
        session.message_whole();
        session.deliver(message).await;
    }
    session.heard(!framer.is_idle());
    Ok(())
}
