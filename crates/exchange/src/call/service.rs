//! The exchange itself as the called party: the echo, and announcements that say why a call cannot
//! be connected. G.711 only, as every phone has it.

use core::time::Duration;

use fernamt_sdp::negotiate::{Capabilities, Codec, Endpoint};
use fernamt_sdp::{MediaRewrite, Profile, Rewrite, SessionDescription, TransportDescription};

use super::bridge::Side;
use super::release::Ending;
use super::{Call, Carry, Stage};
use crate::cause::Cause;
use crate::interface::Output;
use crate::leg::{Description, LegCommand, Progress, Rejection};
use crate::media::{self, Announcement};
use crate::stack::{Alarm, Stack};

/// An announcement that has not ended after this is cut.
const LONGEST_ANNOUNCEMENT: Duration = Duration::from_secs(15);

impl Call {
    /// Lets the exchange itself answer.
    pub(super) fn serve(&mut self, stack: &mut Stack, service: Carry) {
        match self.legs.first().and_then(|caller| caller.sip.offer()) {
            Some(offer) => self.carry(stack, Side::Caller, offer, service),
            None => {
                self.decided(
                    stack,
                    "The caller offers no media, and the exchange makes no offer.",
                );
                self.refuse(stack, Cause::BEARER_NOT_AVAILABLE, Some(488));
            }
        }
    }

    /// Tells the caller in words that the number is not known, then refuses the call.
    pub(super) fn announce(&mut self, stack: &mut Stack, announcement: Announcement) {
        let Announcement::NumberNotKnown = announcement;
        let rejection = Rejection {
            cause: Cause::UNALLOCATED_NUMBER,
            status: None,
        };
        let offer = self.legs.first().and_then(|caller| caller.sip.offer());
        let playable = offer
            .as_deref()
            .is_some_and(|offer| negotiate(stack, offer, NOWHERE).is_some());
        match offer.filter(|_| playable) {
            Some(offer) => {
                self.stage = Stage::Announcing {
                    rejection,
                    timer: None,
                };
                self.carry(stack, Side::Caller, offer, Carry::Announcement);
            }
            None => self.refuse(stack, rejection.cause, None),
        }
    }

    /// The endpoint is open: answers the caller's offer.
    pub(super) fn serve_offer(&mut self, stack: &mut Stack, offer: &[u8], service: Carry) {
        let Some((endpoint, local)) = self.bridge.first_open(Side::Caller) else {
            return self.refuse(stack, Cause::RESOURCE_UNAVAILABLE, None);
        };
        let public = stack
            .config
            .advertised
            .filter(|own| own.is_ipv4() == local.is_ipv4());
        let local = std::net::SocketAddr::new(public.unwrap_or(local.ip()), local.port());
        let Some(agreed) = negotiate(stack, offer, local) else {
            self.decided(
                stack,
                "The caller and the exchange have no codec in common.",
            );
            return self.refuse(stack, Cause::INCOMPATIBLE_DESTINATION, Some(488));
        };
        let description = self.answer_caller(stack, offer, &agreed.answer);
        if matches!(service, Carry::Announcement) {
            let order = media::Command::Play {
                endpoint,
                announcement: Announcement::NumberNotKnown,
                codec: agreed.codec,
                payload_type: agreed.payload_type,
            };
            stack.outputs.push_back(Output::Media(order));
            let timer = stack.set_timer(LONGEST_ANNOUNCEMENT, Alarm::AnnouncementTime(self.slot));
            if let Stage::Announcing { timer: running, .. } = &mut self.stage {
                *running = Some(timer);
            }
            let progress = Progress {
                alerting: false,
                description,
                offer: false,
            };
            return self.tell(stack, 0, LegCommand::Progress(progress));
        }
        stack
            .outputs
            .push_back(Output::Media(media::Command::Echo { endpoint }));
        self.codec = super::seek::first_codec(&agreed.answer);
        self.commit_answer(stack, None, description);
    }

    /// The exchange itself answers the caller, by the transport that the caller has offered.
    fn answer_caller(
        &mut self,
        stack: &mut Stack,
        offer: &[u8],
        answer: &[u8],
    ) -> Option<Description> {
        self.bridge.take_offer(stack, Side::Caller, offer);
        let description = self.bridge.write_answer(stack, Side::Caller, answer);
        self.connect_caller(stack);
        description
    }

    /// The caller of a service changes its mind in mid call (hold, another address).
    pub(super) fn reoffer_to_service(&mut self, stack: &mut Stack, offer: &[u8]) {
        let agreed = self.bridge.first_open(Side::Caller).and_then(|(_, local)| {
            let public = stack
                .config
                .advertised
                .filter(|own| own.is_ipv4() == local.is_ipv4());
            let local = std::net::SocketAddr::new(public.unwrap_or(local.ip()), local.port());
            negotiate(stack, offer, local)
        });
        match agreed {
            Some(agreed) => {
                let description = self.answer_caller(stack, offer, &agreed.answer);
                self.tell(stack, 0, LegCommand::AcceptOffer { description });
                self.write_change(stack);
            }
            None => self.refuse_offer(stack, 0, 488),
        }
    }

    /// The announcement has been heard, or has had its time.
    pub(crate) fn announced(&mut self, stack: &mut Stack) {
        let Stage::Announcing { rejection, timer } = &mut self.stage else {
            return;
        };
        let rejection = *rejection;
        let mut timer = timer.take();
        stack.cancel_timer(&mut timer);
        let ending = Ending::by_exchange(stack, rejection.cause);
        self.refuse_with(stack, rejection, ending);
    }
}

/// An address for a trial negotiation whose text nobody sees.
const NOWHERE: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 9);

struct Agreed {
    answer: Description,
    codec: media::Codec,
    payload_type: u8,
}

fn negotiate(stack: &mut Stack, offer: &[u8], local: std::net::SocketAddr) -> Option<Agreed> {
    let offer = in_clear(offer)?;
    let offer = SessionDescription::parse(&offer).ok()?;
    let mut endpoint = Endpoint::new(stack.random_u64(), local, capabilities());
    let (answer, agreed) = endpoint.answer(&offer).ok()?;
    let codec = if agreed.codec == 0 {
        media::Codec::Pcma
    } else {
        media::Codec::Pcmu
    };
    Some(Agreed {
        answer: answer.into_bytes().into(),
        codec,
        payload_type: agreed.payload.send,
    })
}

/// The same offer as a phone would make it that has neither keys nor ICE: what it says of codecs.
fn in_clear(offer: &[u8]) -> Option<Vec<u8>> {
    let offer = SessionDescription::parse(offer).ok()?;
    let clear = TransportDescription::new(Profile::Avp);
    let media = offer.media().iter().map(|media| MediaRewrite {
        transport: media.protocol.is_rtp().then_some(&clear),
        ..MediaRewrite::default()
    });
    let rewrite = Rewrite {
        media: media.collect(),
        ..Rewrite::default()
    };
    let mut text = Vec::with_capacity(offer.text().len());
    rewrite.apply(&offer, &mut text);
    Some(text)
}

fn capabilities() -> Capabilities {
    let g711 = |encoding: &'static str, payload_type| Codec {
        encoding: encoding.into(),
        clock_rate: 8000,
        channels: 1,
        payload_type,
        parameters: None,
    };
    Capabilities {
        codecs: vec![g711("PCMA", 8), g711("PCMU", 0)],
        telephone_event: Some(101),
        ptime_milliseconds: 20,
        rtcp_mux: false,
    }
}
