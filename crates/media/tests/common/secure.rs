//! A phone that speaks SRTP.

use fernamt_exchange::media::{Protection, Remote, SrtpKey, SrtpKeys};
use fernamt_rtp::srtp::{MasterKey, Protector, Suite, Unprotector};
use fernamt_sdp::CryptoSuite;

use super::Party;

/// More than protection adds to a packet.
const ROOM: usize = 200;

/// Both ends of the keys of one party.
pub struct Cipher {
    pub keys: SrtpKeys,
    protector: Protector,
    unprotector: Unprotector,
}

impl Cipher {
    pub fn new(suite: CryptoSuite, fill: u8) -> Cipher {
        let key = |fill: u8| SrtpKey {
            suite,
            key_and_salt: vec![fill; suite_of(suite).inline_bytes()].into(),
            identifier: Box::default(),
            lifetime_packets: None,
        };
        Cipher::of(&SrtpKeys {
            ours: key(fill),
            theirs: key(fill + 1),
        })
    }

    /// The party's end of keys that are written as the exchange sees them.
    pub fn of(keys: &SrtpKeys) -> Cipher {
        let master =
            |key: &SrtpKey| MasterKey::new(suite_of(key.suite), &key.key_and_salt).unwrap();
        Cipher {
            keys: keys.clone(),
            protector: Protector::new(&master(&keys.theirs)),
            unprotector: Unprotector::new(&master(&keys.ours)),
        }
    }

    /// What the description of the party says.
    pub fn remote(&self, party: &Party) -> Remote {
        Remote {
            protection: Protection::Sdes(self.keys.clone()),
            ..party.remote()
        }
    }

    pub fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut room = [packet, &[0; ROOM]].concat();
        let length = self.protector.protect_rtp(&mut room, packet.len()).unwrap();
        room.truncate(length);
        room
    }

    pub fn open(&mut self, mut datagram: Vec<u8>) -> Vec<u8> {
        let length = self.unprotector.unprotect_rtp(&mut datagram).unwrap();
        datagram.truncate(length);
        datagram
    }

    pub fn seal_rtcp(&mut self, datagram: &[u8]) -> Vec<u8> {
        let mut room = [datagram, &[0; ROOM]].concat();
        let length = self
            .protector
            .protect_rtcp(&mut room, datagram.len())
            .unwrap();
        room.truncate(length);
        room
    }

    pub fn open_rtcp(&mut self, mut datagram: Vec<u8>) -> Vec<u8> {
        let length = self.unprotector.unprotect_rtcp(&mut datagram).unwrap();
        datagram.truncate(length);
        datagram
    }

    /// Says the next packet of a party's stream, protected: what it was in clear.
    pub fn speak(&mut self, party: &mut Party) -> Vec<u8> {
        let packet = party.packet(super::PCMA);
        party.send(&self.seal(&packet));
        packet
    }

    /// What a party hears next, in clear.
    pub fn hear(&mut self, party: &Party) -> Vec<u8> {
        self.open(party.hear())
    }
}

pub fn suite_of(suite: CryptoSuite) -> Suite {
    match suite {
        CryptoSuite::AesCm128HmacSha1_80 => Suite::AesCm128HmacSha1_80,
        CryptoSuite::AesCm128HmacSha1_32 => Suite::AesCm128HmacSha1_32,
        CryptoSuite::AesCm256HmacSha1_80 => Suite::AesCm256HmacSha1_80,
        CryptoSuite::AesCm256HmacSha1_32 => Suite::AesCm256HmacSha1_32,
        CryptoSuite::AeadAes128Gcm => Suite::AeadAes128Gcm,
        CryptoSuite::AeadAes256Gcm => Suite::AeadAes256Gcm,
    }
}
