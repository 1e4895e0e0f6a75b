//! A call in which one side or both are encrypted, between phones that take what they are offered.

use fernamt_exchange::config::Config;
use fernamt_exchange::interface::Input;
use fernamt_exchange::media::{self, Remote, SrtpKey, SrtpKeys, StreamPosition};
use fernamt_sdp::CryptoSuite;
use fernamt_sip::transport::Transport;

use super::sdp::Kind;
use super::{Phone, Rig, Talk, body};

pub(crate) fn config() -> Config {
    let all = [
        Transport::Udp,
        Transport::Tcp,
        Transport::Tls,
        Transport::Ws,
        Transport::Wss,
    ];
    Config {
        listeners: all
            .map(|transport| (transport, super::EXCHANGE.parse().unwrap()))
            .to_vec(),
        fingerprint: Some(media::Fingerprint {
            function: "sha-256".into(),
            hash: [7; 32].into(),
        }),
        ..super::config()
    }
}

pub(crate) struct Talking {
    pub(crate) rig: Rig,
    pub(crate) anna: Phone,
    pub(crate) bert: Phone,
    pub(crate) hers: Talk,
    pub(crate) his: Talk,
    pub(crate) offer: String,
    pub(crate) offered: String,
    pub(crate) answered: String,
}

/// Anna has called Bert, who has SRTP when he is offered it.
pub(crate) fn talking(kind: Kind, wish: &str) -> Talking {
    talking_by(kind, wish, "automatic", "", "")
}

/// The same, where he is offered this transport, has registered with these parameters of his contact, and
/// answers with these lines, too.
pub(crate) fn talking_by(
    kind: Kind,
    wish: &str,
    transport: &str,
    contact: &'static str,
    lines: &str,
) -> Talking {
    let mut rig = Rig::with(config());
    rig.wish("bert", wish, transport);
    let (anna, mut bert) = super::two_phones(&mut rig);
    if !contact.is_empty() {
        bert.contact_params = contact;
        bert.register(&mut rig);
    }
    Talking::begin_with(rig, (anna, bert), kind.offer("198.51.100.7", 4000), lines)
}

impl Talking {
    /// Anna calls Bert with this offer; he has SRTP when he is offered it, and both confirm.
    pub(crate) fn begin(rig: Rig, phones: (Phone, Phone), offer: String) -> Talking {
        Talking::begin_with(rig, phones, offer, "")
    }

    /// The same, where his answer has these lines, too.
    fn begin_with(
        mut rig: Rig,
        (mut anna, bert): (Phone, Phone),
        offer: String,
        lines: &str,
    ) -> Talking {
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        let invite = bert.expect(&mut rig, "INVITE");
        bert.accept_with(&mut rig, &invite, true, lines);
        bert.expect(&mut rig, "ACK");
        let ok = anna.expect(&mut rig, "SIP/2.0 200");
        let mut hers = anna.talk_as_caller(&sent, &ok);
        anna.confirm(&mut rig, &mut hers, "");
        Talking {
            hers,
            his: bert.talk_as_callee(&invite),
            rig,
            anna,
            bert,
            offer,
            offered: body(&invite),
            answered: body(&ok),
        }
    }

    /// Anna offers something else: what Bert was offered and what she was answered.
    pub(crate) fn reoffer(&mut self, offer: &str) -> (String, String) {
        self.reoffer_and_answer(offer, "")
    }

    /// The same, where his answer has these lines, too.
    pub(crate) fn reoffer_and_answer(&mut self, offer: &str, lines: &str) -> (String, String) {
        let Talking {
            rig,
            anna,
            bert,
            hers,
            ..
        } = self;
        rig.media.clear();
        let reinvite = anna.in_dialog(hers, "INVITE", "", offer);
        anna.send(rig, &reinvite);
        anna.expect(rig, "SIP/2.0 100");
        let invite = bert.expect(rig, "INVITE");
        bert.accept_with(rig, &invite, true, lines);
        bert.expect(rig, "ACK");
        let ok = anna.expect(rig, "SIP/2.0 200");
        anna.confirm(rig, hers, "");
        (body(&invite), body(&ok))
    }

    pub(crate) fn sides(&self) -> (Remote, Remote) {
        self.rig.sides()
    }

    pub(crate) fn hang_up(&mut self) {
        self.anna.hang_up(&mut self.rig, &mut self.hers);
    }

    pub(crate) fn media(&mut self, event: media::Event) {
        self.rig.input(Input::Media(event));
    }
}

/// Keys of both sides, made of two numbers from this one on.
pub(crate) fn keys(suite: CryptoSuite, first: u8) -> SrtpKeys {
    let key = |byte| SrtpKey {
        suite,
        key_and_salt: vec![byte; suite.key_and_salt_bytes()].into(),
        identifier: Box::default(),
        lifetime_packets: None,
    };
    SrtpKeys {
        ours: key(first),
        theirs: key(first + 1),
    }
}

/// Where a stream has come to that has gone round.
pub(crate) fn position(ssrc: u32) -> StreamPosition {
    StreamPosition {
        ssrc,
        index: 0x3_0001,
        shift: 2,
    }
}
