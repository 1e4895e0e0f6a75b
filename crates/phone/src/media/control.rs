//! RTCP of one stream each way (RFC 3550 section 6): reports every five seconds, and what those of
//! the other side tell. No socket.

use core::time::Duration;

use fernamt_rtp::rtcp::{
    Compound, ReportBlock, Rtcp, SenderInfo, write_cname, write_goodbye, write_receiver_report,
    write_sender_report,
};
use fernamt_rtp::statistics::{Receiver, ntp_middle, ntp_of_unix, round_trip};
use fernamt_sip::time::{Now, Time};

/// How often reports go out in the mean (RFC 3550 section 6.2).
const REPORT_INTERVAL_MILLISECONDS: u32 = 5_000;

/// Round trips longer than this are clocks that jumped, not networks.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(30);

/// What the phone has sent, for its sender reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// RTP packets.
    pub(super) packets: u64,
    /// Bytes of payload.
    pub(super) octets: u64,
    /// The timestamp that belongs to now.
    pub(super) timestamp: u32,
}

/// What the other side tells about what it hears from the phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Remote {
    /// The latest round trip.
    pub(super) round_trip: Option<Duration>,
    /// Packets it misses in all.
    pub(super) lost: Option<u64>,
    /// The jitter it sees.
    pub(super) jitter: Option<Duration>,
}

/// The RTCP side of a call.
#[derive(Debug)]
pub(super) struct Control {
    ssrc: u32,
    cname: String,
    next_report: Time,
    chance: u32,
    packets_reported: u64,
    /// The last sender report of the other side: middle of its NTP time, and when it came.
    last_sender_report: Option<(u32, Time)>,
    pub(super) remote: Remote,
}

impl Control {
    /// A stream that begins now. The first report goes out after half an interval, so that even a
    /// short call has a round trip time.
    pub(super) fn new(ssrc: u32, cname: String, now: Time) -> Control {
        let mut control = Control {
            ssrc,
            cname,
            next_report: now,
            chance: ssrc,
            packets_reported: 0,
            last_sender_report: None,
            remote: Remote::default(),
        };
        control.next_report = now + control.interval() / 2;
        control
    }

    /// Intervals differ by chance, from half to one and a half times the mean and a little less
    /// than that (RFC 3550 section 6.3.1), so that both ends do not report at one moment: the one
    /// that reports later answers the other, who learns the round trip from it.
    fn interval(&mut self) -> Duration {
        // The numbers of a stream are random; this only stirs them. Nothing secret hangs on it.
        self.chance = self
            .chance
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let half = REPORT_INTERVAL_MILLISECONDS / 2;
        let milliseconds = half + (self.chance >> 8) % REPORT_INTERVAL_MILLISECONDS;
        Duration::from_millis(u64::from(milliseconds)) * 1_000 / 1_218
    }

    /// When the next report is due.
    pub(super) fn due(&self) -> Time {
        self.next_report
    }

    /// The report that is due, and the beginning of the next interval.
    pub(super) fn report(
        &mut self,
        now: Now,
        sent: Sent,
        heard: Option<(u32, &mut Receiver)>,
    ) -> Vec<u8> {
        self.next_report = now.time + self.interval();
        self.compound(now, sent, heard)
    }

    /// The last report, with a goodbye (RFC 3550 section 6.6).
    pub(super) fn goodbye(
        &mut self,
        now: Now,
        sent: Sent,
        heard: Option<(u32, &mut Receiver)>,
    ) -> Vec<u8> {
        let mut compound = self.compound(now, sent, heard);
        write_goodbye(self.ssrc, &mut compound);
        compound
    }

    fn compound(&mut self, now: Now, sent: Sent, heard: Option<(u32, &mut Receiver)>) -> Vec<u8> {
        let mut compound = Vec::with_capacity(128);
        let block = heard.map(|(ssrc, receiver)| self.block(now, ssrc, receiver));
        let blocks = block.as_slice();
        if sent.packets > self.packets_reported {
            self.packets_reported = sent.packets;
            let info = SenderInfo {
                ntp: ntp_of_unix(now.unix.as_micros()),
                rtp_timestamp: sent.timestamp,
                // These counters wrap on the wire.
                packets: sent.packets as u32,
                octets: sent.octets as u32,
            };
            write_sender_report(self.ssrc, &info, blocks, &mut compound);
        } else {
            write_receiver_report(self.ssrc, blocks, &mut compound);
        }
        write_cname(self.ssrc, &self.cname, &mut compound);
        compound
    }

    fn block(&self, now: Now, ssrc: u32, receiver: &mut Receiver) -> ReportBlock {
        let loss = receiver.report();
        let (last_report, delay_since_last) = match self.last_sender_report {
            Some((middle, at)) => (middle, short_ntp(now.time.since(at))),
            None => (0, 0),
        };
        ReportBlock {
            ssrc,
            fraction_lost: loss.fraction,
            cumulative_lost: loss.cumulative,
            extended_highest: loss.extended_highest,
            jitter: loss.jitter,
            last_report,
            delay_since_last,
        }
    }

    /// Takes a datagram of the other side; what is no RTCP is ignored.
    pub(super) fn received(&mut self, now: Now, bytes: &[u8]) {
        let Ok(compound) = Compound::parse(bytes) else {
            return;
        };
        for packet in compound {
            let reports = match packet {
                Rtcp::SenderReport { info, reports, .. } => {
                    self.last_sender_report = Some((ntp_middle(info.ntp), now.time));
                    reports
                }
                Rtcp::ReceiverReport { reports, .. } => reports,
                _ => continue,
            };
            if let Some(block) = reports.iter().find(|block| block.ssrc == self.ssrc) {
                self.take_block(now, &block);
            }
        }
    }

    fn take_block(&mut self, now: Now, block: &ReportBlock) {
        let ntp = ntp_of_unix(now.unix.as_micros());
        let trip = round_trip(ntp, block.last_report, block.delay_since_last);
        if let Some(trip) = trip.filter(|trip| *trip < LONGEST_ROUND_TRIP) {
            self.remote.round_trip = Some(trip);
        }
        // Duplicates make the count negative: then nothing is lost.
        self.remote.lost = Some(u64::try_from(block.cumulative_lost).unwrap_or(0));
        self.remote.jitter = Some(Duration::from_micros(u64::from(block.jitter) * 1_000 / 8));
    }
}

/// A duration in units of 1/65,536 s.
fn short_ntp(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros() * 65_536 / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fernamt_sip::time::UnixTime;

    fn at(millis: u64) -> Now {
        Now {
            time: Time::from_micros(millis * 1_000),
            unix: UnixTime::from_micros(1_700_000_000_000_000 + millis.cast_signed() * 1_000),
        }
    }

    #[test]
    fn two_ends_that_exchange_reports_learn_the_round_trip_and_the_loss() {
        let mut left = Control::new(1, "left".into(), at(0).time);
        let mut right = Control::new(2, "right".into(), at(0).time);
        let mut heard = Receiver::new(8_000);
        for index in (0..50_u16).filter(|index| *index != 7) {
            heard.packet(index, u32::from(index) * 160, u64::from(index) * 20_000);
        }
        let sent = Sent {
            packets: 50,
            octets: 8_000,
            timestamp: 8_000,
        };
        let report = left.report(at(1_000), sent, None);
        right.received(at(1_030), &report);
        let answer = right.report(at(1_500), Sent::default(), Some((1, &mut heard)));
        left.received(at(1_530), &answer);
        let trip = left.remote.round_trip.expect("a round trip").as_millis();
        assert!((59..=61).contains(&trip), "{trip}");
        assert_eq!(left.remote.lost, Some(1));
    }

    #[test]
    fn reports_go_out_about_every_five_seconds_at_moments_of_chance() {
        let mut control = Control::new(77, "x".into(), at(0).time);
        let mut gaps = Vec::new();
        let mut before = Time::ZERO;
        for _ in 0..100 {
            let due = control.due();
            gaps.push(due.since(before).as_millis());
            before = due;
            let unix = UnixTime::from_micros(0);
            control.report(Now { time: due, unix }, Sent::default(), None);
        }
        assert!((1_020..3_100).contains(&gaps[0]), "{gaps:?}");
        assert!(
            gaps[1..].iter().all(|gap| (2_050..6_200).contains(gap)),
            "{gaps:?}"
        );
        let mean = gaps.iter().sum::<u128>() / 100;
        assert!((3_700..4_500).contains(&mean), "{mean}");
    }

    #[test]
    fn what_is_no_rtcp_changes_nothing() {
        let mut control = Control::new(1, "x".into(), at(0).time);
        for bytes in [
            &b""[..],
            b"\x80",
            b"\x80\xc8\x00\x06short",
            b"INVITE sip:x SIP/2.0\r\n",
        ] {
            control.received(at(1), bytes);
        }
        assert_eq!(control.remote, Remote::default());
    }
}
