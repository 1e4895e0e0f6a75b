//! What a message is matched to its transaction by (RFC 3261 sections 17.1.3 and 17.2.3), made
//! into 128 bits.
//!
//! The bits are keyed hashes: nobody outside can make two messages meet, and by chance it does not
//! happen (two of a million transactions: once in 2^88). So the text itself need not be kept.

use core::hash::Hasher;
use std::hash::DefaultHasher;

use crate::header::Via;
use crate::header::via::MAGIC_COOKIE;
use crate::message::{HeaderError, Message, Method, Name};
use crate::uri::Host;

/// Names a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) hash: u64,
    check: u64,
}

/// What a request is a retransmission of, and what it belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class<'a> {
    /// INVITE, and the ACK and the CANCEL that speak of it.
    Invite,
    /// Any other request on its own.
    Own(Method<'a>),
}

impl<'a> Class<'a> {
    /// The class that a request itself belongs to; ACK belongs to its INVITE.
    pub(super) fn of(method: Method<'a>) -> Class<'a> {
        match method {
            Method::Invite | Method::Ack => Class::Invite,
            other => Class::Own(other),
        }
    }

    fn as_str(&self) -> &'a str {
        match self {
            Class::Invite => "INVITE",
            Class::Own(method) => method.as_str(),
        }
    }
}

/// Texts that are hashed at once.
const BUFFER_BYTES: usize = 192;

/// Hashes the same text under two keys.
struct Pair {
    first: DefaultHasher,
    second: DefaultHasher,
    buffer: [u8; BUFFER_BYTES],
    used: usize,
}

impl Pair {
    /// Collects, because one long text is hashed faster than many short ones.
    fn write(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        if let Some(place) = self.buffer.get_mut(self.used..end) {
            place.copy_from_slice(bytes);
            self.used = end;
            return;
        }
        self.flush();
        self.first.write(bytes);
        self.second.write(bytes);
    }

    fn flush(&mut self) {
        let collected = self.buffer.get(..self.used).unwrap_or_default();
        self.first.write(collected);
        self.second.write(collected);
        self.used = 0;
    }

    /// Texts of any length follow each other without running together.
    fn write_text(&mut self, text: &str) {
        self.write(text.as_bytes());
        self.write(&[0xff]);
    }

    fn write_host(&mut self, host: Host<'_>) {
        match host {
            Host::V4(address) => self.write(&address.octets()),
            Host::V6(address) => self.write(&address.octets()),
            Host::Name(name) => {
                let mut lower = [0; 32];
                for chunk in name.as_bytes().chunks(lower.len()) {
                    let Some(lower) = lower.get_mut(..chunk.len()) else {
                        continue;
                    };
                    lower.copy_from_slice(chunk);
                    lower.make_ascii_lowercase();
                    self.write(lower);
                }
            }
        }
        self.write(&[0xff]);
    }

    fn finish(mut self) -> Fingerprint {
        self.flush();
        Fingerprint {
            hash: self.first.finish(),
            check: self.second.finish(),
        }
    }
}

/// The last request that was received, which its user may accept next.
#[derive(Default)]
struct Memo {
    via: String,
    method: String,
    fingerprint: Option<Fingerprint>,
}

impl Memo {
    fn find(&self, via: &str, class: Class<'_>) -> Option<Fingerprint> {
        let is_it = self.via == via && self.method == class.as_str();
        self.fingerprint.filter(|_| is_it)
    }

    fn keep(&mut self, via: &str, class: Class<'_>, fingerprint: Fingerprint) {
        self.via.clear();
        self.via.push_str(via);
        self.method.clear();
        self.method.push_str(class.as_str());
        self.fingerprint = Some(fingerprint);
    }
}

/// Makes fingerprints under one secret.
pub(super) struct Fingerprints {
    first: DefaultHasher,
    second: DefaultHasher,
    memo: Memo,
}

impl Fingerprints {
    pub(super) fn new(seed: [u64; 2]) -> Fingerprints {
        let [first, second] = seed;
        let keyed = |number: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(first);
            hasher.write_u64(second);
            hasher.write_u64(u64::from(number));
            hasher
        };
        Fingerprints {
            first: keyed(1),
            second: keyed(2),
            memo: Memo::default(),
        }
    }

    fn hashers(&self, purpose: u8) -> Pair {
        let mut hashers = Pair {
            first: self.first.clone(),
            second: self.second.clone(),
            buffer: [0; BUFFER_BYTES],
            used: 0,
        };
        hashers.write(&[purpose]);
        hashers
    }

    /// Of a request, as the server transaction sees it.
    ///
    /// Requests of RFC 2543 peers have no unique branch and are told apart by everything that
    /// stays the same in INVITE, ACK and CANCEL. The To tag is left out: ACK has one and INVITE
    /// has not, and all the rest being equal it decides nothing.
    pub(super) fn server(
        &self,
        message: &Message<'_>,
        class: Class<'_>,
    ) -> Result<Fingerprint, HeaderError> {
        let value = message.value(Name::Via).unwrap_or_default();
        if let Some(fingerprint) = self.memo.find(value, class) {
            return Ok(fingerprint);
        }
        let via = message.top_via()?;
        match unique_branch(&via) {
            Some(branch) => Ok(self.unique(&via, branch, class)),
            None => self.of_old_peer(message, &via, class),
        }
    }

    /// As [`Fingerprints::server`], and remembers the result: a request that is new is accepted
    /// right away. Where the Via alone decides, equal text means an equal fingerprint.
    pub(super) fn server_first(
        &mut self,
        message: &Message<'_>,
        class: Class<'_>,
    ) -> Result<Fingerprint, HeaderError> {
        let via = message.top_via()?;
        let Some(branch) = unique_branch(&via) else {
            return self.of_old_peer(message, &via, class);
        };
        let fingerprint = self.unique(&via, branch, class);
        let value = message.value(Name::Via).unwrap_or_default();
        self.memo.keep(value, class, fingerprint);
        Ok(fingerprint)
    }

    fn unique(&self, via: &Via<'_>, branch: &str, class: Class<'_>) -> Fingerprint {
        let mut hashers = self.hashers(b'S');
        hashers.write_text(class.as_str());
        hashers.write_text(branch);
        hashers.write_host(via.host());
        hashers.write(&via.port().unwrap_or(0).to_be_bytes());
        hashers.finish()
    }

    fn of_old_peer(
        &self,
        message: &Message<'_>,
        via: &Via<'_>,
        class: Class<'_>,
    ) -> Result<Fingerprint, HeaderError> {
        let mut hashers = self.hashers(b's');
        hashers.write_text(class.as_str());
        hashers.write_text(message.request_uri().unwrap_or(""));
        hashers.write_text(message.from()?.tag().unwrap_or(""));
        hashers.write_text(message.call_id()?);
        hashers.write(&message.cseq()?.number.to_be_bytes());
        hashers.write_text(via.transport_name());
        hashers.write_text(via.sent_by());
        hashers.write_text(via.params().as_str());
        Ok(hashers.finish())
    }

    /// Of a client transaction: our own branch and the method (RFC 3261 section 17.1.3).
    pub(super) fn client(&self, branch: &str, method: Method<'_>) -> Fingerprint {
        let mut hashers = self.hashers(b'C');
        hashers.write_text(method.as_str());
        hashers.write_text(branch);
        hashers.finish()
    }

    /// Of a request that opens something, by what stays the same on all ways that it may take
    /// (RFC 3261 section 8.2.2.2); `None` for a request inside a dialog, and for REGISTER, which
    /// does no harm when it is served twice.
    pub(super) fn merge(&self, message: &Message<'_>) -> Result<Option<Fingerprint>, HeaderError> {
        if message.method() == Method::Register || message.to()?.tag().is_some() {
            return Ok(None);
        }
        let cseq = message.cseq()?;
        let mut hashers = self.hashers(b'M');
        hashers.write_text(message.call_id()?);
        hashers.write_text(message.from()?.tag().unwrap_or(""));
        hashers.write_text(cseq.method.as_str());
        hashers.write(&cseq.number.to_be_bytes());
        Ok(Some(hashers.finish()))
    }
}

/// The branch, when it names the transaction alone.
fn unique_branch<'a>(via: &Via<'a>) -> Option<&'a str> {
    via.branch().filter(|branch| {
        let cookie = branch.get(..MAGIC_COOKIE.len());
        branch.len() > MAGIC_COOKIE.len()
            && cookie.is_some_and(|cookie| cookie.eq_ignore_ascii_case(MAGIC_COOKIE))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Fingerprint {
        let message = Message::parse(text.as_bytes()).unwrap();
        Fingerprints::new([1, 2])
            .server(&message, Class::of(message.method()))
            .unwrap()
    }

    fn request(method: &str, via: &str, to: &str) -> String {
        format!(
            "{method} sip:bob@example.com SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:c@d>{to}\r\nCall-ID: x\r\nCSeq: 7 {method}\r\n\r\n"
        )
    }

    #[test]
    fn invite_and_ack_meet_and_other_methods_do_not() {
        let via = "SIP/2.0/UDP host:5060;branch=z9hG4bKabc";
        let invite = of(&request("INVITE", via, ""));
        assert_eq!(of(&request("ACK", via, ";tag=9")), invite);
        for method in ["CANCEL", "BYE", "INFO", "INVITEX"] {
            assert_ne!(of(&request(method, via, "")), invite, "{method}");
        }
    }

    #[test]
    fn the_branch_and_the_sent_by_decide() {
        let of = |via: &str| of(&request("INVITE", via, ""));
        let base = of("SIP/2.0/UDP Some.Host;branch=z9hG4bKabc;rport");
        assert_eq!(
            of("SIP/2.0/TCP some.host;branch=z9hG4bKabc;received=1.2.3.4"),
            base
        );
        for via in [
            "SIP/2.0/UDP some.host;branch=z9hG4bKabd",
            "SIP/2.0/UDP some.host:5060;branch=z9hG4bKabc",
            "SIP/2.0/UDP other.host;branch=z9hG4bKabc",
        ] {
            assert_ne!(of(via), base, "{via}");
        }
    }

    #[test]
    fn without_a_unique_branch_the_rest_of_the_request_decides() {
        for via in [
            "SIP/2.0/UDP host",
            "SIP/2.0/UDP host;branch=1",
            "SIP/2.0/UDP h;branch=z9hG4bK",
        ] {
            let invite = request("INVITE", via, "");
            assert_eq!(of(&request("ACK", via, ";tag=9")), of(&invite));
            for (from, to) in [
                ("sip:bob@example.com", "sip:eve@example.com"),
                ("tag=1", "tag=2"),
                ("Call-ID: x", "Call-ID: y"),
                ("CSeq: 7", "CSeq: 8"),
                ("SIP/2.0/UDP h", "SIP/2.0/UDP g"),
            ] {
                assert_ne!(of(&invite.replacen(from, to, 1)), of(&invite), "{from}");
            }
        }
    }
}
