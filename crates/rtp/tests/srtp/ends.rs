//! A sender and a receiver with the same key, and packets for them.

use fernamt_rtp::packet::Header;
use fernamt_rtp::srtp::{
    MAX_OVERHEAD_BYTES, MasterKey, Position, ProtectError, Protector, Suite, UnprotectError,
    Unprotector,
};

pub(crate) const SSRC: u32 = 0x0102_0304;

/// The largest datagram of UDP over IPv4.
pub(crate) const LARGEST: usize = 65_507;

pub(crate) fn master(suite: Suite) -> MasterKey {
    let bytes: Vec<u8> = (1..=suite.inline_bytes() as u8).collect();
    MasterKey::new(suite, &bytes).unwrap()
}

pub(crate) fn ends(suite: Suite) -> (Protector, Unprotector) {
    let master = master(suite);
    (Protector::new(&master), Unprotector::new(&master))
}

pub(crate) fn rtp_of(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        sequence,
        ssrc,
        payload_type: 8,
        timestamp: u32::from(sequence) * 160,
        ..Header::default()
    };
    [&header.to_bytes()[..], payload].concat()
}

pub(crate) fn rtp(sequence: u16) -> Vec<u8> {
    rtp_of(SSRC, sequence, &[sequence as u8; 160])
}

pub(crate) fn try_protect(sender: &mut Protector, packet: &[u8]) -> Result<Vec<u8>, ProtectError> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_OVERHEAD_BYTES, 0xee);
    let length = sender.protect_rtp(&mut buffer, packet.len())?;
    buffer.truncate(length);
    Ok(buffer)
}

pub(crate) fn protect(sender: &mut Protector, packet: &[u8]) -> Vec<u8> {
    try_protect(sender, packet).unwrap()
}

pub(crate) fn protect_rtcp(sender: &mut Protector, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_OVERHEAD_BYTES, 0xee);
    let length = sender.protect_rtcp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

/// What comes out of a datagram; when nothing does, the datagram must be as it was.
pub(crate) fn unprotect(
    receiver: &mut Unprotector,
    datagram: &[u8],
) -> Result<Vec<u8>, UnprotectError> {
    let mut buffer = datagram.to_vec();
    let opened = receiver.unprotect_rtp(&mut buffer);
    opened.map_or_else(
        |error| {
            assert_eq!(buffer, datagram, "a refused datagram is left alone");
            Err(error)
        },
        |length| Ok(buffer[..length].to_vec()),
    )
}

pub(crate) fn unprotect_rtcp(
    receiver: &mut Unprotector,
    datagram: &[u8],
) -> Result<Vec<u8>, UnprotectError> {
    let mut buffer = datagram.to_vec();
    let opened = receiver.unprotect_rtcp(&mut buffer);
    opened.map_or_else(
        |error| {
            assert_eq!(buffer, datagram, "a refused datagram is left alone");
            Err(error)
        },
        |length| Ok(buffer[..length].to_vec()),
    )
}

/// The rollover counter of a source, where it is known.
pub(crate) fn rollover(positions: impl Iterator<Item = Position>, ssrc: u32) -> Option<u32> {
    let mut positions = positions;
    let position = positions.find(|position| position.ssrc == ssrc)?;
    Some((position.index >> 16) as u32)
}

pub(crate) const REPORT: [u8; 8] = [0x80, 201, 0, 1, 1, 2, 3, 4];

/// A report with a name behind it.
pub(crate) fn rtcp() -> Vec<u8> {
    let name = [
        0x81, 202, 0, 3, 1, 2, 3, 4, 1, 5, b'p', b'h', b'o', b'n', b'e', 0,
    ];
    [&REPORT[..], &name].concat()
}
