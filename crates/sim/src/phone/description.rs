//! Session descriptions of a phone: each carries who has made it, so that both sides can tell whom
//! they talk to.

use fernamt_sdp::SessionDescription;

use super::Phone;

impl Phone {
    /// Notes what a description of the other side says about who is there.
    pub(super) fn note_peer(&mut self, call: usize, body: &[u8]) {
        let text = core::str::from_utf8(body).unwrap_or("");
        self.calls[call].peer = text.lines().find_map(|line| {
            let (phone, call) = line.strip_prefix("a=x-sim:")?.split_once('.')?;
            Some((phone.parse().ok()?, call.trim_end().parse().ok()?))
        });
        self.calls[call].changed_at = self.now;
    }

    /// Takes the answer to our offer.
    pub(super) fn take_answer(&mut self, call: usize, body: &[u8]) {
        let plain = self.expose(call, body);
        let found = &mut self.calls[call];
        let result = match SessionDescription::parse(plain.as_bytes()) {
            Ok(answer) => found.sdp.accept(&answer).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match result {
            Ok(negotiated) => {
                found.negotiated = Some(negotiated);
                found.keys.note_agreement();
            }
            Err(error) => {
                let text = String::from_utf8_lossy(body).replace("\r\n", " | ");
                self.complain(format!("an answer does not fit the offer: {error}: {text}"));
            }
        }
        self.note_peer(call, body);
    }

    /// Answers an offer; `None` when there is nothing in common.
    pub(super) fn make_answer(&mut self, call: usize, body: &[u8]) -> Option<String> {
        let plain = self.expose(call, body);
        let kind = self.plan.media;
        let found = &mut self.calls[call];
        if found.negotiated.is_none() && kind.refuses(&plain) {
            return None;
        }
        let offer = match SessionDescription::parse(plain.as_bytes()) {
            Ok(offer) => offer,
            Err(error) => {
                self.complain(format!("an offer cannot be read: {error}"));
                return None;
            }
        };
        match found.sdp.answer(&offer) {
            Ok((answer, negotiated)) => {
                found.negotiated = Some(negotiated);
                found.keys.note_agreement();
                self.note_peer(call, body);
                let answer = self.protect_answer(call, &answer);
                Some(self.marked(call, answer))
            }
            Err(error) => {
                self.complain(format!("an offer cannot be answered: {error}"));
                None
            }
        }
    }

    pub(super) fn make_offer(&mut self, call: usize) -> String {
        let offer = self.calls[call].sdp.offer();
        let offer = self.protect_offer(call, &offer);
        self.marked(call, offer)
    }

    /// Puts into a description who we are, so that the other side knows whom it talks to.
    fn marked(&self, call: usize, mut description: String) -> String {
        if self.plan.character.large {
            for _ in 0..12 {
                description.push_str("a=x-filling:it takes many words to say very little here\r\n");
            }
        }
        description.push_str(&format!("a=x-sim:{}.{call}\r\n", self.index));
        description
    }
}
