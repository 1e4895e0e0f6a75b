//! Session timers (RFC 4028): who keeps a dialog alive, and how it is found out that the peer has
//! vanished. Where a peer knows nothing of session timers we ask it ourselves from time to time.

use core::time::Duration;
use std::sync::Arc;

use fernamt_sip::builder::Builder;
use fernamt_sip::dialog::session_timer::{
    MAX_INTERVAL_SECONDS, SessionTimer, SessionTimerAnswer, SessionTimerOffer, SessionTimerPolicy,
};
use fernamt_sip::header::SessionExpires;
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::time::Time;
use fernamt_sip::timer::TimerId;
use fernamt_sip::transaction::ServerId;

use super::flow::{binding_flow, binding_of_peer};
use super::transaction_use::{Purpose, TransactionUse};
use super::write::{ALLOWED, Reply};
use super::{Context, LegTimer, Phase, SipLeg};
use crate::cause::Cause;
use crate::config::Config;
use crate::leg::{LegEvent, Release};
use crate::registrar::Binding;
use crate::stack::{Alarm, Stack};

/// How long to wait with a refresh while an offer is on its way.
const REFRESH_LATER: Duration = Duration::from_secs(5);

/// Refreshes in a row that may find no way to the peer.
const MAX_NO_WAY: u8 = 6;

/// What was agreed about keeping the session alive.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) agreed: SessionTimer,
    timer: Option<TimerId>,
    /// When the session is over unless it is refreshed.
    ends: Time,
    /// Refreshes in a row that found no way to the peer.
    no_way: u8,
}

impl Session {
    pub(super) fn stop(&mut self, stack: &mut Stack) {
        stack.cancel_timer(&mut self.timer);
    }
}

/// What this exchange wants of session timers.
pub(crate) fn policy(config: &Config) -> SessionTimerPolicy {
    SessionTimerPolicy {
        interval_seconds: seconds(config.session_interval),
        min_se_seconds: seconds(config.session_minimum),
        prefer_to_refresh: true,
    }
}

/// The header fields about the session timer of one message.
pub(super) struct SessionHeaders {
    expires: Option<SessionExpires>,
    require: bool,
}

impl SessionHeaders {
    pub(super) fn write<Kind>(&self, builder: &mut Builder<'_, Kind>) {
        if let Some(expires) = &self.expires {
            builder.header(Name::SessionExpires, expires);
        }
        if self.require {
            builder.header(Name::Require, "timer");
        }
    }
}

impl SipLeg {
    /// Agrees on the session timer that a request of the peer asks for.
    pub(super) fn agree_on_session_as_server(&mut self, stack: &mut Stack, request: &Message<'_>) {
        let offer = SessionTimerOffer::of(request).unwrap_or_default();
        if let SessionTimerAnswer::Agreed(agreed) = policy(&stack.config).answer(offer) {
            self.begin_session(stack, agreed);
        }
    }

    /// Agrees on the session timer that a 2xx of the peer says.
    pub(super) fn agree_on_session_as_client(&mut self, stack: &mut Stack, response: &Message<'_>) {
        let policy = policy(&stack.config);
        let granted = response.session_expires().ok().flatten();
        self.begin_session(stack, policy.settle(policy.offer(), granted));
    }

    /// Runs the session timer anew.
    pub(super) fn begin_session(&mut self, stack: &mut Stack, agreed: SessionTimer) {
        if let Some(mut session) = self.session.take() {
            session.stop(stack);
        }
        let (after, timer) = if agreed.we_refresh {
            (agreed.refresh_after(), LegTimer::Refresh)
        } else {
            (agreed.end_after(), LegTimer::SessionExpiry)
        };
        let timer = Some(stack.set_timer(after, Alarm::Leg(self.id, timer)));
        self.session = Some(Session {
            agreed,
            timer,
            ends: stack.now.time + agreed.end_after(),
            no_way: 0,
        });
    }

    /// The header fields for a 2xx of ours.
    pub(super) fn session_in_response(&self) -> SessionHeaders {
        let agreed = self
            .session
            .as_ref()
            .filter(|_| self.abilities.timer)
            .map(|it| it.agreed);
        SessionHeaders {
            expires: agreed.map(|agreed| agreed.response_header()),
            require: agreed.is_some_and(|agreed| agreed.response_requires_timer()),
        }
    }

    /// The header fields for a request of ours.
    pub(super) fn session_in_request(&self) -> SessionHeaders {
        let agreed = self
            .session
            .as_ref()
            .filter(|_| self.abilities.timer)
            .map(|it| it.agreed);
        SessionHeaders {
            expires: agreed.map(|agreed| agreed.refresh_header()),
            require: false,
        }
    }

    /// Answers 422 where the peer wants a shorter interval than we allow. True: it did.
    pub(super) fn refuses_short_session(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerId,
        request: &Message<'_>,
    ) -> bool {
        let offer = SessionTimerOffer::of(request).unwrap_or_default();
        let answer = policy(&cx.stack.config).answer(offer);
        let SessionTimerAnswer::TooShort { min_se_seconds } = answer else {
            return false;
        };
        self.respond(cx, server, request, &Reply::status(422), |builder| {
            builder.header(Name::MinSe, min_se_seconds);
        });
        true
    }

    /// An UPDATE without a description: nothing but a refresh.
    pub(super) fn refreshed_by_peer(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerId,
        request: &Message<'_>,
    ) {
        self.abilities.add(request);
        if !matches!(self.phase, Phase::Incoming(_) | Phase::Outgoing(_)) {
            self.agree_on_session_as_server(cx.stack, request);
        }
        let session = self.session_in_response();
        self.respond(cx, server, request, &Reply::status(200), |builder| {
            session.write(builder)
        });
    }

    /// It is our turn to refresh.
    pub(super) fn refresh_session(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.phase, Phase::Established) {
            return;
        }
        if self.own.is_some() || self.asked.is_some() {
            return self.refresh_later(cx);
        }
        let headers = self.session_in_request();
        let usage = TransactionUse::Leg(self.id, Purpose::Refresh);
        let method = match self.abilities.timer {
            true if !self.abilities.update && self.described.is_some() => {
                // It carries an offer, and those are the call's.
                return cx.stack.emit(self.id, LegEvent::RefreshDue);
            }
            true => Method::Update,
            // The peer would not know what to do with a refresh; it can still say that it is there.
            false => Method::Options,
        };
        self.request_in_dialog(cx, method, usage, None, |builder| {
            builder
                .header(Name::Allow, ALLOWED)
                .header(Name::Supported, "timer, 100rel");
            headers.write(builder);
        });
    }

    /// Tries once more in a moment, or gives up when the session is over by then.
    pub(super) fn refresh_later(&mut self, cx: &mut Context<'_>) {
        let Some(session) = &mut self.session else {
            return;
        };
        cx.stack.cancel_timer(&mut session.timer);
        let left = session.ends.since(cx.stack.now.time);
        let (after, timer) = if left > REFRESH_LATER {
            (REFRESH_LATER, LegTimer::Refresh)
        } else {
            (left, LegTimer::SessionExpiry)
        };
        session.timer = Some(cx.stack.set_timer(after, Alarm::Leg(self.id, timer)));
    }

    /// The connection to the peer is gone. It may come back; but when it does not soon, the peer is
    /// gone as well.
    fn no_way_to_refresh(&mut self, cx: &mut Context<'_>) {
        let Some(session) = &mut self.session else {
            return;
        };
        session.no_way += 1;
        if session.no_way >= MAX_NO_WAY {
            return self.session_expired(cx);
        }
        self.refresh_later(cx);
        cx.stack.emit(self.id, LegEvent::Lost);
    }

    /// The device of a peer whose connection was lost has these bindings now.
    pub(crate) fn found_again(&mut self, cx: &mut Context<'_>, bindings: &[Arc<Binding>]) {
        let target = self.dialog.as_deref().map(|dialog| &*dialog.remote_target);
        let Some(binding) = target.and_then(|target| binding_of_peer(bindings, target)) else {
            return;
        };
        let flow = binding_flow(binding);
        if flow != self.flow && flow.transport.is_reliable() {
            self.flow = flow;
            cx.journal.decided(
                cx.stack.now.unix,
                "The device has come back on another connection.",
            );
            self.refresh_session(cx);
        }
    }

    /// The leg was picked up after a restart: the peer is asked before long whether it is there.
    pub(super) fn resume_session(&mut self, stack: &mut Stack, agreed: SessionTimer) {
        self.begin_session(stack, agreed);
        let milliseconds = stack.random_between(30_000, 60_000);
        let (Some(session), true) = (&mut self.session, agreed.we_refresh) else {
            return;
        };
        stack.cancel_timer(&mut session.timer);
        let alarm = Alarm::Leg(self.id, LegTimer::Refresh);
        session.timer = Some(stack.set_timer(Duration::from_millis(milliseconds), alarm));
    }

    /// The response to our refresh, or `408`/`503` where none came.
    pub(super) fn refresh_response(
        &mut self,
        cx: &mut Context<'_>,
        status: u16,
        response: Option<&Message<'_>>,
    ) {
        match (status, response) {
            (..200, _) => {}
            (200..=299, Some(response)) if matches!(self.phase, Phase::Established) => {
                cx.received(self.id, response);
                self.agree_on_session_as_client(cx.stack, response);
            }
            _ => self.refresh_refused(cx, status, response),
        }
    }

    /// Our refresh was refused, or has had no response.
    pub(super) fn refresh_refused(
        &mut self,
        cx: &mut Context<'_>,
        status: u16,
        response: Option<&Message<'_>>,
    ) {
        if !matches!(self.phase, Phase::Established) {
            return;
        }
        match (status, response) {
            (408 | 481, _) => self.gone_if(cx, status),
            (422, Some(response)) => {
                let wanted = response.min_se().ok().flatten();
                if let Some(interval_seconds) = wanted.filter(|it| *it <= MAX_INTERVAL_SECONDS) {
                    let agreed = SessionTimer {
                        interval_seconds,
                        we_refresh: true,
                    };
                    self.begin_session(cx.stack, agreed);
                }
                self.refresh_later(cx);
            }
            (_, None) => self.no_way_to_refresh(cx),
            (491 | 500..=599, _) => self.refresh_later(cx),
            // Whatever else it says, it is there.
            _ => {
                if let Some(agreed) = self.session.as_ref().map(|session| session.agreed) {
                    self.begin_session(cx.stack, agreed);
                }
            }
        }
    }

    /// The peer should have refreshed and has not.
    pub(super) fn session_expired(&mut self, cx: &mut Context<'_>) {
        if matches!(self.phase, Phase::Established) {
            cx.journal
                .decided(cx.stack.now.unix, "The session was not refreshed in time.");
            let cause = Cause::RECOVERY_ON_TIMER_EXPIRY;
            self.say_bye(cx, cause);
            self.leave(
                cx,
                Release {
                    cause,
                    by_party: false,
                    status: None,
                },
            );
        }
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
