//! How far a key has been used, and when it is old (RFC 3711 section 9.2, RFC 4568 section 6.1): counts
//! packets, and sees none.

use super::{MAX_RTCP_PACKETS, MasterKey};

/// A key is old after so many sixteenths of its life, so that there is time to agree on another one.
const OLD_SIXTEENTHS: u64 = 14;

/// The life of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    limit: u64,
    rtcp_limit: u64,
    pub(super) packets: u64,
    pub(super) rtcp_packets: u64,
    /// The sixteenths of its life after which it was told that it is old.
    told_sixteenths: u64,
}

impl Life {
    pub(super) fn new(master: &MasterKey) -> Life {
        let mut life = Life {
            limit: 0,
            rtcp_limit: 0,
            packets: 0,
            rtcp_packets: 0,
            told_sixteenths: 0,
        };
        life.set_limit(master.lifetime_packets());
        life
    }

    /// Packets of RTP and of RTCP are each held to it.
    pub(super) fn set_limit(&mut self, packets: u64) {
        self.limit = packets.max(1);
        self.rtcp_limit = self.limit.min(u64::from(MAX_RTCP_PACKETS));
    }

    /// Whether it is over. Whichever of RTP and RTCP comes to its end first, the key is at its end for
    /// both.
    pub(super) const fn is_over(&self, grace_packets: u64) -> bool {
        self.packets >= self.limit.saturating_add(grace_packets)
            || self.rtcp_packets >= self.rtcp_limit.saturating_add(grace_packets)
    }

    /// Whether the key is old and that was not told yet; told again after each further sixteenth of its
    /// life, up to its end.
    pub(super) fn take_old(&mut self) -> bool {
        let sixteenths = |packets: u64, limit: u64| packets.saturating_mul(16) / limit.max(1);
        let lived = sixteenths(self.packets, self.limit);
        let lived = lived
            .max(sixteenths(self.rtcp_packets, self.rtcp_limit))
            .min(16);
        if lived < OLD_SIXTEENTHS || lived <= self.told_sixteenths {
            return false;
        }
        self.told_sixteenths = lived;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::Suite;

    fn life(packets: u64) -> Life {
        let suite = Suite::AeadAes128Gcm;
        let master = MasterKey::new(suite, &[1; 28]).unwrap();
        Life::new(&master.with_lifetime(packets).unwrap())
    }

    #[test]
    fn a_key_is_told_to_be_old_with_each_sixteenth_at_the_end_of_its_life() {
        let mut life = life(160);
        let mut told = Vec::new();
        for packets in 1..=200 {
            life.packets = packets;
            if life.take_old() {
                told.push(packets);
            }
            assert_eq!(life.is_over(0), packets >= 160);
            assert_eq!(life.is_over(10), packets >= 170);
        }
        assert_eq!(told, [140, 150, 160]);
    }

    #[test]
    fn rtcp_is_counted_apart_and_has_a_limit_of_its_own() {
        let mut life = life(160);
        (life.packets, life.rtcp_packets) = (10, 159);
        assert!(life.take_old() && !life.is_over(0));
        life.rtcp_packets = 160;
        assert!(life.is_over(0));
        let mut life = super::tests::life(1 << 48);
        life.rtcp_packets = u64::from(MAX_RTCP_PACKETS);
        assert!(life.is_over(0));
    }
}
