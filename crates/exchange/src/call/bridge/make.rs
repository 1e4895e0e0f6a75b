//! How we offer or answer the transport of a section: keys, credentials and candidates of our own,
//! all drawn from the random source of the exchange. Nothing is read or written here.

use std::net::{IpAddr, SocketAddr};

use fernamt_sdp::{
    AnswerPolicy, Bundle, Candidate, Crypto, CryptoSuite, Fingerprint, HashFunction,
    IceCredentials, IceDescription, IceOptions, Keying, MasterKey, Profile, Setup, TransportAnswer,
    TransportDescription, TransportError,
};

use super::bundle::tag_in_answer;
use super::ends::End;
use crate::config::Config;
use crate::encryption::{self, Demand, IceMode, Policy};
use crate::stack::Stack;

/// The suites that we have. Offered in this order: every phone with SRTP has the first.
pub(super) const SUITES: [CryptoSuite; 6] = [
    CryptoSuite::AesCm128HmacSha1_80,
    CryptoSuite::AeadAes256Gcm,
    CryptoSuite::AesCm256HmacSha1_80,
    CryptoSuite::AeadAes128Gcm,
    CryptoSuite::AesCm128HmacSha1_32,
    CryptoSuite::AesCm256HmacSha1_32,
];

/// How many of the suites are offered; the others are only accepted. A short tag protects less, and
/// every line makes a datagram longer.
const OFFERED_SUITES: usize = 3;

/// Characters of a user name fragment: 48 random bits (RFC 8445 section 5.3 wants 24).
const UFRAG_CHARACTERS: usize = 8;

/// Characters of a password: 144 random bits (RFC 8445 section 5.3 wants 128).
const PASSWORD_CHARACTERS: usize = 24;

/// Room for the longest key with its salt.
const MAX_KEY_AND_SALT_BYTES: usize = 48;

/// Type preference of host candidates (RFC 8445 section 5.1.2.2).
const HOST_PREFERENCE: u32 = 126;

/// What our part of a description is made for.
pub(super) struct Maker<'m> {
    pub(super) policy: Policy,
    pub(super) end: &'m End,
    /// Our address for the party, as it is to know it.
    pub(super) address: SocketAddr,
    /// There is room for every suite in a datagram.
    pub(super) has_room: bool,
    /// Where the section stands in the description.
    pub(super) section: usize,
}

impl Maker<'_> {
    /// How we offer the section. What was agreed before stays (RFC 4568 section 7.1.4, RFC 8842
    /// section 5): the same keys, credentials and names.
    pub(super) fn offer(&self, stack: &mut Stack) -> TransportDescription {
        let agreed = self.end.agreed.as_ref().filter(|talk| talk.usable);
        match (
            agreed.and_then(|talk| talk.ours.as_ref()),
            &self.end.offered,
        ) {
            (Some(ours), _) => self.offer_again(ours),
            (None, Some(offered)) => offered.clone(),
            (None, None) => {
                let mut first = self.first_offer(stack);
                if self.policy.ice && first.ice.is_none() {
                    // Where `a=rtcp` says what else there is, a phone may take that (RFC 5761 section 5.1.3).
                    first.ice = self.ice(stack, first.rtcp_mux && first.rtcp.is_none());
                }
                first
            }
        }
    }

    /// The same offer with other keys: those in use are old.
    pub(super) fn offer_with_new_keys(&self, stack: &mut Stack) -> TransportDescription {
        let mut offer = self.offer(stack);
        for crypto in &mut offer.cryptos {
            if let Some(key) = new_key(stack, crypto.suite) {
                *crypto = crypto.answer(key);
            }
        }
        offer
    }

    fn offer_again(&self, ours: &TransportDescription) -> TransportDescription {
        let mut again = ours.clone();
        // Whoever plays which part is settled anew, and comes out the same (RFC 8842 section 5.5).
        again.setup = again.setup.map(|_| Setup::ActPass);
        if let Some(ice) = &mut again.ice {
            ice.remote_candidates.clear();
        }
        if let Some(bundle) = &mut again.bundle {
            bundle.only = false;
        }
        again
    }

    fn first_offer(&self, stack: &mut Stack) -> TransportDescription {
        let has_certificate = stack.config.fingerprint.is_some();
        let keying = match self.policy.keying {
            encryption::Keying::WebRtc if has_certificate && stack.config.ice != IceMode::Off => {
                encryption::Keying::WebRtc
            }
            encryption::Keying::Dtls | encryption::Keying::WebRtc if has_certificate => {
                encryption::Keying::Dtls
            }
            encryption::Keying::SdesFeedback => encryption::Keying::SdesFeedback,
            _ => encryption::Keying::Sdes,
        };
        let feedback = keying == encryption::Keying::SdesFeedback;
        match (self.policy.demand, keying) {
            (Demand::Never, _) => TransportDescription::new(clear_profile(feedback)),
            (_, encryption::Keying::Sdes | encryption::Keying::SdesFeedback) => {
                self.sdes_offer(stack, feedback)
            }
            (_, encryption::Keying::Dtls) => self.dtls_offer(&stack.config),
            (_, encryption::Keying::WebRtc) => self.browser_offer(stack),
        }
    }

    /// Where nothing is demanded and nothing is known of the phone, the profile stays the one that every
    /// phone has (RFC 8643).
    fn sdes_offer(&self, stack: &mut Stack, feedback: bool) -> TransportDescription {
        let profile = match (self.policy.strict, feedback) {
            (true, true) => Profile::Savpf,
            (true, false) => Profile::Savp,
            (false, _) => clear_profile(feedback),
        };
        TransportDescription {
            cryptos: first_cryptos(stack, self.has_room),
            ..TransportDescription::new(profile)
        }
    }

    /// One port needs one handshake. A phone that does not know how to share it takes two, of which
    /// `a=rtcp` names the second (RFC 5761 section 5.1.1).
    fn dtls_offer(&self, config: &Config) -> TransportDescription {
        let rtcp = self.address.port().checked_add(1);
        TransportDescription {
            fingerprints: own_fingerprint(config),
            setup: Some(Setup::ActPass),
            rtcp_mux: true,
            rtcp: rtcp.map(|port| SocketAddr::new(self.address.ip(), port)),
            ..TransportDescription::new(Profile::UdpTlsSavp)
        }
    }

    fn browser_offer(&self, stack: &mut Stack) -> TransportDescription {
        TransportDescription {
            fingerprints: own_fingerprint(&stack.config),
            setup: Some(Setup::ActPass),
            ice: self.ice(stack, true),
            rtcp_mux: true,
            rtcp_reduced_size: true,
            mid: Some(self.section.to_string().into()),
            bundle: Some(Bundle {
                tagged: 0,
                only: false,
            }),
            ..TransportDescription::new(Profile::UdpTlsSavpf)
        }
    }

    /// How we answer what the party has offered. What we said before stays where the offer lets it.
    pub(super) fn answer(
        &self,
        stack: &mut Stack,
        theirs: &TransportDescription,
        answer: &TransportAnswer,
    ) -> TransportDescription {
        let before = self.end.newest().and_then(|talk| talk.ours.as_ref());
        let mut ours = TransportDescription {
            rtcp_mux: answer.rtcp_mux,
            rtcp_reduced_size: answer.rtcp_reduced_size,
            mid: theirs.mid.clone(),
            mid_extension: tag_in_answer(theirs.mid_extension, theirs.mid.as_deref()),
            ..TransportDescription::new(answer.profile)
        };
        match answer.keying {
            Keying::None => {}
            Keying::Sdes { offered } => {
                let offered = theirs.cryptos.get(offered);
                ours.cryptos.extend(offered.and_then(|offered| {
                    let known = before.and_then(|before| {
                        let same = |own: &&Crypto| own.suite == offered.suite;
                        before.cryptos.iter().find(same)?.key()
                    });
                    match known {
                        Some(known) => Some(offered.answer(known.master.clone())),
                        None => Some(offered.answer(new_key(stack, offered.suite)?)),
                    }
                }));
            }
            Keying::Dtls { setup } => {
                ours.fingerprints = own_fingerprint(&stack.config);
                let role = before
                    .and_then(|before| before.setup)
                    .filter(|role| role.may_answer(theirs.setup.unwrap_or(Setup::ActPass)));
                ours.setup = Some(role.unwrap_or(setup));
            }
        }
        if answer.ice {
            ours.ice = match before.and_then(|before| before.ice.clone()) {
                Some(ice) => Some(ice),
                None => self.ice(stack, ours.rtcp_mux),
            };
        }
        ours
    }

    /// Fresh credentials and all our candidates.
    fn ice(&self, stack: &mut Stack, multiplexed: bool) -> Option<IceDescription> {
        let lite = match stack.config.ice {
            IceMode::Full => false,
            IceMode::Lite => true,
            IceMode::Off => return None,
        };
        let ufrag = random_text(stack, UFRAG_CHARACTERS);
        let password = random_text(stack, PASSWORD_CHARACTERS);
        let mut ice = IceDescription::new(IceCredentials::new(&ufrag, &password)?);
        ice.lite = lite;
        ice.options = IceOptions {
            trickle: true,
            ice2: true,
        };
        ice.candidates = self.candidates(multiplexed);
        ice.end_of_candidates = true;
        Some(ice)
    }

    fn candidates(&self, multiplexed: bool) -> Vec<Candidate> {
        let bound = self.end.rtp.map(|rtp| rtp.ip());
        let advertised = self.address.ip();
        let also = bound.filter(|bound| *bound != advertised);
        let components = if multiplexed { 1..=1 } else { 1..=2 };
        let addresses = [Some(advertised), also];
        let mut candidates = Vec::with_capacity(4);
        for (index, ip) in (0..).zip(addresses.into_iter().flatten()) {
            for component in components.clone() {
                candidates.extend(self.candidate(index, component, ip));
            }
        }
        candidates
    }

    fn candidate(&self, index: u32, component: u16, ip: IpAddr) -> Option<Candidate> {
        let port = self.address.port().checked_add(component - 1)?;
        let local_preference = 65_535 - index;
        let priority = HOST_PREFERENCE << 24 | local_preference << 8 | (256 - u32::from(component));
        let foundation = (index + 1).to_string();
        let address = SocketAddr::new(ip, port);
        Some(Candidate::host(&foundation, component, priority, address))
    }
}

/// What answers the offer of a party with this policy.
pub(super) fn transport_answer(
    config: &Config,
    policy: Policy,
    theirs: &TransportDescription,
) -> Result<TransportAnswer, TransportError> {
    theirs.answer(&answer_policy(config, policy, theirs))
}

const fn clear_profile(feedback: bool) -> Profile {
    match feedback {
        true => Profile::Avpf,
        false => Profile::Avp,
    }
}

/// What we can do towards a party with this policy.
fn answer_policy<'p>(
    config: &Config,
    policy: Policy,
    theirs: &TransportDescription,
) -> AnswerPolicy<'p> {
    AnswerPolicy {
        encryption: policy.demand.into(),
        suites: &SUITES,
        dtls: config.fingerprint.is_some(),
        ice: config.ice != IceMode::Off,
        // Phones that can do without have RTCP on a port of its own, as ever.
        rtcp_mux: theirs.profile.is_dtls() || theirs.ice.is_some() || theirs.rtcp_mux_only,
    }
}

fn first_cryptos(stack: &mut Stack, has_room: bool) -> Vec<Crypto> {
    let count = if has_room { OFFERED_SUITES } else { 1 };
    let suites = SUITES.into_iter().take(count);
    let lines = (1..).zip(suites).filter_map(|(tag, suite)| {
        let key = new_key(stack, suite)?;
        Some(Crypto::new(tag, suite, key))
    });
    lines.collect()
}

fn new_key(stack: &mut Stack, suite: CryptoSuite) -> Option<MasterKey> {
    let mut bytes = zeroize::Zeroizing::new([0; MAX_KEY_AND_SALT_BYTES]);
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&stack.random_u64().to_le_bytes());
    }
    MasterKey::new(suite, bytes.get(..suite.key_and_salt_bytes())?)
}

/// Random characters that may stand in credentials of ICE, of six bits each.
fn random_text(stack: &mut Stack, characters: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(characters);
    while text.len() < characters {
        let random = stack.random_u64().to_le_bytes();
        let letters = random
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
        let missing = characters - text.len();
        text.extend(letters.take(missing).map(|letter| char::from(*letter)));
    }
    text
}

fn own_fingerprint(config: &Config) -> Vec<Fingerprint> {
    let own = config.fingerprint.as_ref().and_then(|own| {
        let function = HashFunction::from_name(&own.function)?;
        Fingerprint::new(function, &own.hash)
    });
    own.into_iter().collect()
}
