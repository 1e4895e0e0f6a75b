//! How one section is transported: profile, keys, ICE, bundle, RTCP. One plain value that is read
//! from a description of a party or made by ourselves and written into one.

mod answer;
mod profile;
mod write;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use answer::{
    AnswerPolicy, Encryption, Keying, Settled, SettledKeying, TransportAnswer, TransportError,
};
pub use profile::Profile;
pub(crate) use write::{is_of_browsers, is_transport, put_section, put_session};

use crate::attribute::{Attribute, RtcpAttribute};
use crate::bundle::{Bundle, MAX_MID_BYTES};
use crate::crypto::Crypto;
use crate::description::{Connection, SessionDescription};
use crate::extmap::{ExtMap, MID_URI};
use crate::fingerprint::Fingerprint;
use crate::ice::{IceDescription, IceLines};
use crate::media::Media;
use crate::setup::Setup;
use crate::tls_id::TlsId;

/// The most crypto lines of one section that are read; what is beyond is passed over.
pub const MAX_CRYPTOS: usize = 16;

/// The most fingerprints of one section that are read; what is beyond is passed over.
pub const MAX_FINGERPRINTS: usize = 8;

/// How a section is transported, by the words of the one who wrote it. What the session says for
/// all sections is in it, and so is what a bundled section leaves to the one whose transport it
/// shares. Of a phone that has nothing but RTP/AVP, nothing is allocated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportDescription {
    /// The protocol of the m-line.
    pub profile: Profile,
    /// `a=crypto` with suites that are known (RFC 4568).
    pub cryptos: Vec<Crypto>,
    /// `a=fingerprint` with hash functions that are known (RFC 8122).
    pub fingerprints: Vec<Fingerprint>,
    /// `a=setup` (RFC 4145).
    pub setup: Option<Setup>,
    /// `a=tls-id` (RFC 8842).
    pub tls_id: Option<TlsId>,
    /// ICE, when there are credentials fit for use (RFC 8839).
    pub ice: Option<IceDescription>,
    /// `a=rtcp-mux` (RFC 5761).
    pub rtcp_mux: bool,
    /// `a=rtcp-mux-only` (RFC 8858): RTCP has no port of its own at all. Only in an offer, and beside
    /// `a=rtcp-mux`.
    pub rtcp_mux_only: bool,
    /// `a=rtcp-rsize` (RFC 5506).
    pub rtcp_reduced_size: bool,
    /// Where `a=rtcp` says that RTCP goes (RFC 3605); `None` without it.
    pub rtcp: Option<SocketAddr>,
    /// `a=mid` (RFC 5888).
    pub mid: Option<Box<str>>,
    /// The section's part in a bundle.
    pub bundle: Option<Bundle>,
    /// The number of the header extension with the `mid` (RFC 9143).
    pub mid_extension: Option<u8>,
}

impl TransportDescription {
    /// With nothing but a profile.
    pub const fn new(profile: Profile) -> TransportDescription {
        TransportDescription {
            profile,
            cryptos: Vec::new(),
            fingerprints: Vec::new(),
            setup: None,
            tls_id: None,
            ice: None,
            rtcp_mux: false,
            rtcp_mux_only: false,
            rtcp_reduced_size: false,
            rtcp: None,
            mid: None,
            bundle: None,
            mid_extension: None,
        }
    }

    /// How the section in this place is transported; `None` when there is no such section or it is
    /// not RTP.
    pub fn of(
        description: &SessionDescription<'_>,
        section: usize,
    ) -> Option<TransportDescription> {
        let media = description.media().get(section)?;
        let mut own = Reader::read(media)?;
        let mid = own.transport.mid.as_deref();
        own.transport.bundle = mid.and_then(|mid| Bundle::of(description, mid, own.bundle_only));
        if let Some(bundle) = own
            .transport
            .bundle
            .filter(|bundle| bundle.tagged != section)
        {
            let tagged = description
                .media()
                .get(bundle.tagged)
                .and_then(Reader::read);
            if let Some(tagged) = tagged {
                own.share(tagged);
            }
        }
        own.inherit(description);
        Some(own.finish())
    }

    /// Whether the writer takes and sends feedback messages (RFC 4585).
    pub const fn feedback(&self) -> bool {
        self.profile.has_feedback()
    }

    /// Whether keys are offered although the profile has none (RFC 8643).
    pub const fn is_opportunistic(&self) -> bool {
        !self.profile.is_secure() && (!self.cryptos.is_empty() || !self.fingerprints.is_empty())
    }

    /// Whether the writer is a browser, or speaks like one: DTLS, ICE and feedback. Such a reader
    /// understands lines about sources and header extensions.
    pub const fn is_webrtc(&self) -> bool {
        self.feedback() && !self.fingerprints.is_empty() && self.ice.is_some()
    }

    /// Whether this, after `before` from the same party, restarts ICE (RFC 8839 section 4.4.1.1.1).
    pub fn restarts_ice(&self, before: &TransportDescription) -> bool {
        match (&self.ice, &before.ice) {
            (Some(now), Some(before)) => now.credentials.restart(&before.credentials),
            _ => false,
        }
    }

    /// Whether this, after `before` from the same party, asks for a new DTLS association (RFC 8842
    /// section 3.1): another name of it, other certificates, or another role. An ICE restart alone
    /// does not.
    pub fn restarts_dtls(&self, before: &TransportDescription) -> bool {
        let same_role = match (self.setup, before.setup) {
            // Offers again and again leave the choice open.
            (Some(Setup::ActPass), _) | (_, Some(Setup::ActPass)) => true,
            (now, before) => now == before,
        };
        let same_certificates = self.fingerprints.len() == before.fingerprints.len()
            && self
                .fingerprints
                .iter()
                .all(|fingerprint| before.fingerprints.contains(fingerprint));
        self.tls_id != before.tls_id || !same_certificates || !same_role
    }
}

/// A section while it is read.
struct Reader<'a> {
    transport: TransportDescription,
    ice: IceLines<'a>,
    bundle_only: bool,
}

impl<'a> Reader<'a> {
    fn read(media: &Media<'a>) -> Option<Reader<'a>> {
        let mut reader = Reader::new(Profile::of(&media.protocol)?);
        let connection = media.connection();
        for attribute in media.attributes() {
            reader.take(&attribute, connection.as_ref());
        }
        Some(reader)
    }

    fn new(profile: Profile) -> Reader<'a> {
        Reader {
            transport: TransportDescription::new(profile),
            ice: IceLines::default(),
            bundle_only: false,
        }
    }

    fn take(&mut self, attribute: &Attribute<'a>, connection: Option<&Connection<'a>>) {
        let transport = &mut self.transport;
        match attribute.name {
            "crypto" if transport.cryptos.len() < MAX_CRYPTOS => {
                transport.cryptos.extend(Crypto::parse(attribute));
            }
            "rtcp-mux" => transport.rtcp_mux = true,
            "rtcp-mux-only" => transport.rtcp_mux_only = true,
            "rtcp-rsize" => transport.rtcp_reduced_size = true,
            "rtcp" => transport.rtcp = rtcp_address(attribute, connection),
            "mid" => transport.mid = mid_of(attribute),
            "bundle-only" => self.bundle_only = true,
            _ => {
                if !self.take_for_all(attribute) {
                    self.ice.take(attribute);
                }
            }
        }
    }

    /// What may stand in the session too; false: it is nothing of that.
    fn take_for_all(&mut self, attribute: &Attribute<'a>) -> bool {
        let transport = &mut self.transport;
        match attribute.name {
            "fingerprint" if transport.fingerprints.len() < MAX_FINGERPRINTS => {
                transport.fingerprints.extend(Fingerprint::parse(attribute));
            }
            "setup" => transport.setup = Setup::parse(attribute),
            "tls-id" => transport.tls_id = TlsId::parse(attribute),
            "extmap" => {
                let extension = ExtMap::parse(attribute).filter(|map| map.uri == MID_URI);
                let id = extension.and_then(|extension| u8::try_from(extension.id).ok());
                transport.mid_extension = transport.mid_extension.or(id);
            }
            _ => return false,
        }
        true
    }

    /// Fills in what only the session says.
    fn inherit(&mut self, description: &SessionDescription<'a>) {
        let mut session = Reader::new(self.transport.profile);
        for attribute in description.attributes() {
            if !session.take_for_all(&attribute) {
                session.ice.take(&attribute);
            }
        }
        self.ice.inherit(&session.ice);
        self.fill(session.transport);
    }

    /// Fills in what a bundled section leaves to the one whose transport it shares (RFC 9143
    /// section 7.3).
    fn share(&mut self, tagged: Reader<'a>) {
        self.transport.rtcp_mux |= tagged.transport.rtcp_mux;
        self.transport.rtcp_mux_only |= tagged.transport.rtcp_mux_only;
        if self.ice.credentials().is_none() && self.ice.candidates.is_empty() {
            self.ice = tagged.ice;
        }
        self.fill(tagged.transport);
    }

    fn fill(&mut self, other: TransportDescription) {
        let transport = &mut self.transport;
        if transport.fingerprints.is_empty() {
            transport.fingerprints = other.fingerprints;
        }
        transport.setup = transport.setup.or(other.setup);
        if transport.tls_id.is_none() {
            transport.tls_id = other.tls_id;
        }
        transport.mid_extension = transport.mid_extension.or(other.mid_extension);
    }

    fn finish(self) -> TransportDescription {
        TransportDescription {
            ice: self.ice.finish(),
            ..self.transport
        }
    }
}

fn rtcp_address(
    attribute: &Attribute<'_>,
    connection: Option<&Connection<'_>>,
) -> Option<SocketAddr> {
    let rtcp = RtcpAttribute::parse(attribute)?;
    let connection = rtcp.connection.as_ref().or(connection)?;
    Some(SocketAddr::new(connection.ip()?, rtcp.port))
}

fn mid_of(attribute: &Attribute<'_>) -> Option<Box<str>> {
    let value = attribute.value_text();
    let is_word = !value.bytes().any(|byte| byte.is_ascii_whitespace());
    ((1..=MAX_MID_BYTES).contains(&value.len()) && is_word).then(|| value.into())
}
