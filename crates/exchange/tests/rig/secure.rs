//! A call in which one side or both are encrypted, between phones that take what they are offered.

use fernamt_exchange::config::Config;
use fernamt_exchange::interface::Input;
use fernamt_exchange::media::{self, Remote};
use fernamt_sip::transport::Transport;

use super::sdp::{Kind, answer};
use super::{Phone, Rig, Talk, body};

pub(crate) fn config() -> Config {
    let all = [Transport::Udp, Transport::Tls, Transport::Wss];
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
    let (mut anna, mut bert) = super::two_phones(&mut rig);
    if !contact.is_empty() {
        bert.contact_params = contact;
        bert.register(&mut rig);
    }
    let offer = kind.offer("198.51.100.7", 4000);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    let offered = body(&invite);
    let his_answer = answer(&offered, "198.51.100.8", 5000, true) + lines;
    bert.respond(&mut rig, &invite, "200 OK", "", &his_answer);
    bert.expect(&mut rig, "ACK");
    let ok = anna.expect(&mut rig, "SIP/2.0 200");
    let mut hers = anna.talk_as_caller(&sent, &ok);
    let ack = anna.in_dialog(&mut hers, "ACK", "", "");
    anna.send(&mut rig, &ack);
    Talking {
        hers,
        his: bert.talk_as_callee(&invite),
        rig,
        anna,
        bert,
        offer,
        offered,
        answered: body(&ok),
    }
}

impl Talking {
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
        let his = answer(&body(&invite), "198.51.100.8", 5000, true) + lines;
        bert.respond(rig, &invite, "200 OK", "", &his);
        bert.expect(rig, "ACK");
        let ok = anna.expect(rig, "SIP/2.0 200");
        let ack = anna.in_dialog(hers, "ACK", "", "");
        anna.send(rig, &ack);
        (body(&invite), body(&ok))
    }

    pub(crate) fn sides(&self) -> (Remote, Remote) {
        let remotes = self.rig.remotes();
        let [(_, caller), (_, callee)] = &remotes[..] else {
            panic!("{remotes:?}")
        };
        (caller.clone(), callee.clone())
    }

    pub(crate) fn media(&mut self, event: media::Event) {
        self.rig.input(Input::Media(event));
    }

    pub(crate) fn words(&self) -> String {
        format!("{:?}", self.rig.records.last().unwrap().1)
    }
}
