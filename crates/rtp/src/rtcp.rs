//! RTCP packets (RFC 3550 section 6, RFC 4585 section 6): bytes to views and back; no timing rules.

mod description;
pub mod feedback;
mod sources;

use crate::bytes::{u8_at, u16_at, u32_at};
use crate::packet::VERSION;

pub use description::{CNAME, Item, SourceDescription};

/// Bytes of the header that every packet has.
pub const HEADER_BYTES: usize = 4;

/// Bytes of one report block.
pub const REPORT_BLOCK_BYTES: usize = 24;

/// The longest text of a source description item.
pub const MAX_ITEM_BYTES: usize = 255;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const APPLICATION: u8 = 204;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;

/// Why bytes are no RTCP. The peer, or somebody who is none, broke a rule: the datagram is
/// dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// A header or a body ends too early, or a length says more than there is.
    #[error("an RTCP packet is longer than the bytes that came")]
    Short,
    /// Not version 2.
    #[error("RTCP version {0} instead of 2")]
    Version(u8),
    /// Padding in another than the last packet, or more of it than there are bytes.
    #[error("the padding of an RTCP packet does not fit")]
    Padding,
    /// The count in the header says more blocks, sources or items than the packet has.
    #[error("an RTCP packet of type {packet_type} has less in it than its header says")]
    Count {
        /// Which packet.
        packet_type: u8,
    },
}

/// What a receiver tells about one source (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Lost since the last report, as a fraction of 256.
    pub fraction_lost: u8,
    /// Lost in all, 24 bits with sign.
    pub cumulative_lost: i32,
    /// The highest sequence number with its cycles.
    pub extended_highest: u32,
    /// In ticks of the codec's clock.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report; 0 when none came.
    pub last_report: u32,
    /// How long ago that was, in 1/65,536 s.
    pub delay_since_last: u32,
}

/// What a sender tells about its own packets (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// When this was sent.
    pub ntp: u64,
    /// The same moment on the clock of the timestamps.
    pub rtp_timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Bytes of payload sent.
    pub octets: u32,
}

/// Report blocks as they lie in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlocks<'a>(&'a [u8]);

impl<'a> ReportBlocks<'a> {
    /// The blocks, at most 31.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.0
            .chunks_exact(REPORT_BLOCK_BYTES)
            .filter_map(ReportBlock::read)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len() / REPORT_BLOCK_BYTES
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ReportBlock {
    fn read(bytes: &[u8]) -> Option<ReportBlock> {
        let loss = u32_at(bytes, 4)?;
        Some(ReportBlock {
            ssrc: u32_at(bytes, 0)?,
            fraction_lost: (loss >> 24) as u8,
            // The sign is bit 23.
            cumulative_lost: (loss << 8).cast_signed() >> 8,
            extended_highest: u32_at(bytes, 8)?,
            jitter: u32_at(bytes, 12)?,
            last_report: u32_at(bytes, 16)?,
            delay_since_last: u32_at(bytes, 20)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let cumulative = self
            .cumulative_lost
            .clamp(-0x80_0000, 0x7f_ffff)
            .cast_unsigned();
        let loss = (u32::from(self.fraction_lost) << 24) | (cumulative & 0x00ff_ffff);
        for word in [
            self.ssrc,
            loss,
            self.extended_highest,
            self.jitter,
            self.last_report,
            self.delay_since_last,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rtcp<'a> {
    /// From one who sends.
    SenderReport {
        /// Who reports.
        ssrc: u32,
        /// About its own packets.
        info: SenderInfo,
        /// About those of others.
        reports: ReportBlocks<'a>,
    },
    /// From one who only listens.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// About the packets of others.
        reports: ReportBlocks<'a>,
    },
    /// Who the sources are.
    SourceDescription(SourceDescription<'a>),
    /// Sources leave.
    Goodbye {
        /// The sources, four bytes each.
        sources: &'a [u8],
        /// Why, in UTF-8 perhaps.
        reason: &'a [u8],
    },
    /// Of an application.
    Application {
        /// Five bits of its own.
        subtype: u8,
        /// Who sent it.
        ssrc: u32,
        /// Four letters.
        name: [u8; 4],
        /// The rest.
        data: &'a [u8],
    },
    /// Feedback about transport (205) or payload (206) (RFC 4585 section 6.1), carried; see
    /// [`feedback`].
    Feedback {
        /// 205 or 206.
        packet_type: u8,
        /// Which kind of message.
        format: u8,
        /// Who sent it.
        sender: u32,
        /// About whose media.
        media: u32,
        /// The rest.
        control: &'a [u8],
    },
    /// An extended report (RFC 3611), whose blocks are carried.
    ExtendedReport {
        /// Who reports.
        ssrc: u32,
        /// Whole blocks, one behind the other.
        blocks: &'a [u8],
    },
    /// A packet of a type that is not read here, carried.
    Other {
        /// Which type.
        packet_type: u8,
        /// Five bits of the header.
        count: u8,
        /// What follows the header.
        body: &'a [u8],
    },
}

/// A datagram of RTCP: one or more packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks a datagram from beginning to end; after that its packets are read without errors.
    ///
    /// A single packet is accepted, and so is any first packet (reduced-size RTCP, RFC 5506): a
    /// relay carries more than it would send itself.
    ///
    /// # Errors
    /// [`RtcpError`] when any length in it does not fit.
    pub fn parse(bytes: &'a [u8]) -> Result<Compound<'a>, RtcpError> {
        if bytes.is_empty() {
            return Err(RtcpError::Short);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = read(rest)?.1;
        }
        Ok(Compound { bytes })
    }

    /// The packets.
    pub const fn iter(&self) -> Packets<'a> {
        Packets { rest: self.bytes }
    }
}

impl<'a> IntoIterator for Compound<'a> {
    type Item = Rtcp<'a>;
    type IntoIter = Packets<'a>;

    fn into_iter(self) -> Packets<'a> {
        self.iter()
    }
}

/// Goes through the packets of a compound.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Rtcp<'a>;

    fn next(&mut self) -> Option<Rtcp<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (packet, rest) = read(self.rest).ok()?;
        self.rest = rest;
        Some(packet)
    }
}

/// Splits the first packet from the rest.
fn read(bytes: &[u8]) -> Result<(Rtcp<'_>, &[u8]), RtcpError> {
    let first = u8_at(bytes, 0).ok_or(RtcpError::Short)?;
    if first >> 6 != VERSION {
        return Err(RtcpError::Version(first >> 6));
    }
    let packet_type = u8_at(bytes, 1).ok_or(RtcpError::Short)?;
    let words = usize::from(u16_at(bytes, 2).ok_or(RtcpError::Short)?);
    let (packet, rest) = bytes
        .split_at_checked(HEADER_BYTES + words * 4)
        .ok_or(RtcpError::Short)?;
    let body = packet.get(HEADER_BYTES..).unwrap_or_default();
    let body = if first & 0x20 == 0 {
        body
    } else {
        without_padding(packet_type, body, rest)?
    };
    let count = first & 0x1f;
    let packet = read_body(packet_type, count, body).ok_or(RtcpError::Count { packet_type })?;
    Ok((packet, rest))
}

/// Only the last packet may be padded, to a multiple of four bytes (RFC 3550 section 6.4.1). Feedback
/// is padded with less by browsers, which fill it up to a word so.
fn without_padding<'a>(
    packet_type: u8,
    body: &'a [u8],
    rest: &[u8],
) -> Result<&'a [u8], RtcpError> {
    let padding = usize::from(*body.last().ok_or(RtcpError::Padding)?);
    let is_feedback = matches!(packet_type, TRANSPORT_FEEDBACK | PAYLOAD_FEEDBACK);
    let fits = padding != 0 && (is_feedback || padding.is_multiple_of(4));
    if !rest.is_empty() || !fits {
        return Err(RtcpError::Padding);
    }
    let length = body.len().checked_sub(padding).ok_or(RtcpError::Padding)?;
    body.get(..length).ok_or(RtcpError::Padding)
}

fn read_body(packet_type: u8, count: u8, body: &[u8]) -> Option<Rtcp<'_>> {
    Some(match packet_type {
        SENDER_REPORT => {
            let info = SenderInfo {
                ntp: (u64::from(u32_at(body, 4)?) << 32) | u64::from(u32_at(body, 8)?),
                rtp_timestamp: u32_at(body, 12)?,
                packets: u32_at(body, 16)?,
                octets: u32_at(body, 20)?,
            };
            let reports = blocks(body.get(24..)?, count)?;
            Rtcp::SenderReport {
                ssrc: u32_at(body, 0)?,
                info,
                reports,
            }
        }
        RECEIVER_REPORT => {
            let reports = blocks(body.get(4..)?, count)?;
            Rtcp::ReceiverReport {
                ssrc: u32_at(body, 0)?,
                reports,
            }
        }
        SOURCE_DESCRIPTION => Rtcp::SourceDescription(SourceDescription::check(body, count)?),
        GOODBYE => {
            let (sources, rest) = body.split_at_checked(usize::from(count) * 4)?;
            Rtcp::Goodbye {
                sources,
                reason: goodbye_reason(rest)?,
            }
        }
        APPLICATION => Rtcp::Application {
            subtype: count,
            ssrc: u32_at(body, 0)?,
            name: *body.get(4..)?.first_chunk()?,
            data: body.get(8..)?,
        },
        TRANSPORT_FEEDBACK | PAYLOAD_FEEDBACK => Rtcp::Feedback {
            packet_type,
            format: count,
            sender: u32_at(body, 0)?,
            media: u32_at(body, 4)?,
            control: body.get(8..)?,
        },
        EXTENDED_REPORT => Rtcp::ExtendedReport {
            ssrc: u32_at(body, 0)?,
            blocks: whole_blocks(body.get(4..)?)?,
        },
        _ => Rtcp::Other {
            packet_type,
            count,
            body,
        },
    })
}

/// The blocks of an extended report, when their lengths fill it (RFC 3611 section 3).
fn whole_blocks(blocks: &[u8]) -> Option<&[u8]> {
    let mut rest = blocks;
    while !rest.is_empty() {
        let words = usize::from(u16_at(rest, 2)?);
        rest = rest.get(HEADER_BYTES + words * 4..)?;
    }
    Some(blocks)
}

/// What follows the blocks is a profile's own and is not read.
fn blocks(bytes: &[u8], count: u8) -> Option<ReportBlocks<'_>> {
    bytes
        .get(..usize::from(count) * REPORT_BLOCK_BYTES)
        .map(ReportBlocks)
}

fn goodbye_reason(rest: &[u8]) -> Option<&[u8]> {
    match rest.split_first() {
        None => Some(b""),
        Some((&length, text)) => text.get(..usize::from(length)),
    }
}

/// Writes a sender report, and with it the reports about others, to the end of `out`. At most 31
/// reports are written.
pub fn write_sender_report(
    ssrc: u32,
    info: &SenderInfo,
    reports: &[ReportBlock],
    out: &mut Vec<u8>,
) {
    let reports = write_header(SENDER_REPORT, 6, reports, out);
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(&info.ntp.to_be_bytes());
    for word in [info.rtp_timestamp, info.packets, info.octets] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    reports.for_each(|report| report.write(out));
}

/// Writes a receiver report to the end of `out`. At most 31 reports are written.
pub fn write_receiver_report(ssrc: u32, reports: &[ReportBlock], out: &mut Vec<u8>) {
    let reports = write_header(RECEIVER_REPORT, 1, reports, out);
    out.extend_from_slice(&ssrc.to_be_bytes());
    reports.for_each(|report| report.write(out));
}

fn write_header<'r>(
    packet_type: u8,
    words: usize,
    reports: &'r [ReportBlock],
    out: &mut Vec<u8>,
) -> impl Iterator<Item = &'r ReportBlock> + use<'r> {
    let count = reports.len().min(31);
    let words = (words + count * REPORT_BLOCK_BYTES / 4) as u16;
    out.extend_from_slice(&[(VERSION << 6) | count as u8, packet_type]);
    out.extend_from_slice(&words.to_be_bytes());
    reports.iter().take(count)
}

/// Writes a source description with a canonical name, which every compound has (RFC 3550
/// section 6.1); of the name, at most [`MAX_ITEM_BYTES`].
pub fn write_cname(ssrc: u32, name: &str, out: &mut Vec<u8>) {
    let name = name.as_bytes();
    let name = name
        .get(..name.len().min(MAX_ITEM_BYTES))
        .unwrap_or_default();
    // Source, kind, length, text, and one to four zeros up to the next word.
    let words = (4 + 2 + name.len()) / 4 + 1;
    let zeros = words * 4 - (4 + 2 + name.len());
    out.extend_from_slice(&[(VERSION << 6) | 1, SOURCE_DESCRIPTION]);
    out.extend_from_slice(&(words as u16).to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(&[CNAME, name.len() as u8]);
    out.extend_from_slice(name);
    out.resize(out.len() + zeros, 0);
}

/// Writes that a source leaves (RFC 3550 section 6.6).
pub fn write_goodbye(ssrc: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[(VERSION << 6) | 1, GOODBYE, 0, 1]);
    out.extend_from_slice(&ssrc.to_be_bytes());
}
