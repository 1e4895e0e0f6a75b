//! Whose an RTCP packet is: who has sent it, and whose media it is about. What it says of them is not
//! read here.

use super::feedback::FeedbackKind;
use super::{Compound, HEADER_BYTES, REPORT_BLOCK_BYTES, Rtcp};
use crate::bytes::{u16_at, u32_at};

/// Bytes of an entry of TMMBR and of FIR, which begins with the source that it is for (RFC 5104
/// sections 4.2.1.1 and 4.3.1.1).
const ENTRY_BYTES: usize = 8;

/// Where REMB has its sources: behind its name, their number and the bit rate.
const REMB_SOURCES_AT: usize = 8;

impl<'a> Compound<'a> {
    /// The first source that the first packet names: who has sent it. `None` for a packet that names
    /// nobody, such as a goodbye of no source.
    pub fn source(&self) -> Option<u32> {
        let words = u16_at(self.bytes, 2)?;
        u32_at(self.bytes, HEADER_BYTES).filter(|_| words > 0)
    }

    /// The sources whose media its reports and its feedback are about, in the order in which they
    /// stand there.
    pub fn about(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.iter().flat_map(about)
    }
}

fn about<'a>(packet: Rtcp<'a>) -> impl Iterator<Item = u32> + use<'a> {
    let (first, list, bytes): (Option<u32>, &[u8], usize) = match packet {
        Rtcp::SenderReport { reports, .. } | Rtcp::ReceiverReport { reports, .. } => {
            (None, reports.0, REPORT_BLOCK_BYTES)
        }
        Rtcp::Feedback {
            packet_type,
            format,
            media,
            control,
            ..
        } => {
            let (list, bytes) = sources_of(packet_type, format, control);
            // Where the sources stand in a list, this field says nothing and is zero.
            (Some(media).filter(|&media| media != 0), list, bytes)
        }
        _ => (None, &[], ENTRY_BYTES),
    };
    let entries = list.chunks(bytes).filter_map(|entry| u32_at(entry, 0));
    first.into_iter().chain(entries)
}

/// The list of sources in a feedback message, and how long each entry of it is.
fn sources_of(packet_type: u8, format: u8, control: &[u8]) -> (&[u8], usize) {
    match FeedbackKind::of(packet_type, format, control) {
        Some(
            FeedbackKind::Tmmbr
            | FeedbackKind::Tmmbn
            | FeedbackKind::FullIntra
            | FeedbackKind::TradeoffRequest
            | FeedbackKind::TradeoffNotification,
        ) => (control, ENTRY_BYTES),
        Some(FeedbackKind::Remb) => (control.get(REMB_SOURCES_AT..).unwrap_or_default(), 4),
        _ => (&[], ENTRY_BYTES),
    }
}
