//! Feedback messages (RFC 4585 section 6, RFC 5104 section 4): which kind one is, and taking out of a
//! datagram those that the other side did not negotiate; not what they ask for.

use super::{Compound, HEADER_BYTES, PAYLOAD_FEEDBACK, Rtcp, RtcpError, TRANSPORT_FEEDBACK, read};
use super::{RECEIVER_REPORT, SENDER_REPORT};
use crate::packet::VERSION;

/// What a feedback message is about, as far as `a=rtcp-fb` (RFC 4585 section 4.2) tells such messages apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeedbackKind {
    /// Packets are missing (RFC 4585 section 6.2.1).
    Nack,
    /// A limit of the bit rate is asked for (RFC 5104 section 4.2.1).
    Tmmbr,
    /// Which limits hold (RFC 5104 section 4.2.2).
    Tmmbn,
    /// When each packet arrived, for congestion control (draft-holmer-rmcat-transport-wide-cc).
    TransportWide,
    /// A picture is lost (RFC 4585 section 6.3.1).
    PictureLoss,
    /// A slice is lost (RFC 4585 section 6.3.2).
    SliceLoss,
    /// Which picture to refer to (RFC 4585 section 6.3.3).
    ReferencePicture,
    /// A whole picture is asked for (RFC 5104 section 4.3.1).
    FullIntra,
    /// Sharp pictures or many of them (RFC 5104 section 4.3.2).
    TradeoffRequest,
    /// The answer to that (RFC 5104 section 4.3.3).
    TradeoffNotification,
    /// A message of H.271 (RFC 5104 section 4.3.4).
    VideoBackChannel,
    /// An estimate of the bit rate there is room for (draft-alvestrand-rmcat-remb).
    Remb,
    /// Of an application (RFC 4585 section 6.4), or of a kind that is not known here.
    Other,
}

impl FeedbackKind {
    /// The kind of a message; `None` when what follows its header has not the size that the kind
    /// asks for.
    pub fn of(packet_type: u8, format: u8, control: &[u8]) -> Option<FeedbackKind> {
        let (kind, fits) = match (packet_type, format) {
            (TRANSPORT_FEEDBACK, 1) => (FeedbackKind::Nack, is_many(control, 4)),
            (TRANSPORT_FEEDBACK, 3) => (FeedbackKind::Tmmbr, is_many(control, 8)),
            // There may be no limit any more.
            (TRANSPORT_FEEDBACK, 4) => (FeedbackKind::Tmmbn, control.len().is_multiple_of(8)),
            (TRANSPORT_FEEDBACK, 15) => (FeedbackKind::TransportWide, control.len() >= 8),
            (PAYLOAD_FEEDBACK, 1) => (FeedbackKind::PictureLoss, control.is_empty()),
            (PAYLOAD_FEEDBACK, 2) => (FeedbackKind::SliceLoss, is_many(control, 4)),
            (PAYLOAD_FEEDBACK, 3) => (FeedbackKind::ReferencePicture, control.len() >= 4),
            (PAYLOAD_FEEDBACK, 4) => (FeedbackKind::FullIntra, is_many(control, 8)),
            (PAYLOAD_FEEDBACK, 5) => (FeedbackKind::TradeoffRequest, is_many(control, 8)),
            (PAYLOAD_FEEDBACK, 6) => (FeedbackKind::TradeoffNotification, is_many(control, 8)),
            (PAYLOAD_FEEDBACK, 7) => (FeedbackKind::VideoBackChannel, control.len() >= 8),
            (PAYLOAD_FEEDBACK, 15) if control.starts_with(b"REMB") => {
                (FeedbackKind::Remb, remb_fits(control))
            }
            _ => (FeedbackKind::Other, true),
        };
        fits.then_some(kind)
    }
}

/// One or more entries.
const fn is_many(control: &[u8], entry_bytes: usize) -> bool {
    !control.is_empty() && control.len().is_multiple_of(entry_bytes)
}

/// Name, number of sources, bit rate, sources.
fn remb_fits(control: &[u8]) -> bool {
    let sources = control.get(4).copied().map_or(0, usize::from);
    control.len() == 8 + 4 * sources
}

/// What is left of a datagram of RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing: nothing is sent.
    Nothing,
    /// So many bytes that begin with a report, as RTCP without RFC 5506 has to (RFC 3550 section 6.1).
    Compound(usize),
    /// So many bytes that begin with something else: for a side that negotiated `rtcp-rsize`
    /// (RFC 5506) as they are, for any other [`behind_report`].
    ReducedSize(usize),
}

/// Leaves only the feedback that `keep` wants in a datagram of RTCP, in place; what is no feedback
/// stays. Feedback whose size does not fit its kind is taken out without asking.
///
/// # Errors
/// [`RtcpError`] when the datagram is no RTCP from beginning to end; it is as it was then.
pub fn retain_feedback(
    datagram: &mut [u8],
    mut keep: impl FnMut(FeedbackKind) -> bool,
) -> Result<Left, RtcpError> {
    Compound::parse(datagram)?;
    let (mut at, mut kept) = (0, 0);
    while let Some(rest) = datagram.get(at..).filter(|rest| !rest.is_empty()) {
        let (packet, behind) = read(rest)?;
        let length = rest.len() - behind.len();
        let stays = match packet {
            Rtcp::Feedback {
                packet_type,
                format,
                control,
                ..
            } => FeedbackKind::of(packet_type, format, control).is_some_and(&mut keep),
            _ => true,
        };
        if stays {
            if kept != at {
                datagram.copy_within(at..at + length, kept);
            }
            kept += length;
        }
        at += length;
    }
    Ok(match datagram.get(1) {
        _ if kept < HEADER_BYTES => Left::Nothing,
        Some(&(SENDER_REPORT | RECEIVER_REPORT)) => Left::Compound(kept),
        _ => Left::ReducedSize(kept),
    })
}

/// Bytes of a report without blocks.
pub const EMPTY_REPORT_BYTES: usize = 8;

/// Puts an empty receiver report of the same source before a datagram of `length` bytes in `room`
/// that begins with something else, for a side that takes compound packets only (RFC 3550 section
/// 6.1). The length then; `None` when there is no room for it, or the first
/// packet names no source.
///
/// A name of the source (CNAME) is not put there: its own reports carry it, and one that we make
/// up would be another name of the same source.
pub fn behind_report(room: &mut [u8], length: usize) -> Option<usize> {
    let source = Compound {
        bytes: room.get(..length)?,
    }
    .source()?;
    let whole = room.get_mut(..length.checked_add(EMPTY_REPORT_BYTES)?)?;
    whole.copy_within(..length, EMPTY_REPORT_BYTES);
    let report: &mut [u8; EMPTY_REPORT_BYTES] = whole.first_chunk_mut()?;
    let [s0, s1, s2, s3] = source.to_be_bytes();
    *report = [VERSION << 6, RECEIVER_REPORT, 0, 1, s0, s1, s2, s3];
    Some(whole.len())
}
