//! What the header fields of a message mean; each accessor reads its field when it is called.

use super::authorization::{Challenge, Credentials};
use super::{HeaderError, Message, Name};
use crate::header::name_addr::delta_seconds;
use crate::header::session_expires::parse_min_se;
use crate::header::{
    CSeq, Event, Malformed, NameAddr, RAck, Reason, Replaces, RetryAfter, SessionExpires,
    SubscriptionState, Tokens, Via,
};
use crate::multipart::is_media_type;
use crate::text;

/// What an optional field holds: nothing when it is not there.
pub(crate) type Optional<T> = Result<Option<T>, HeaderError>;

impl<'a> Message<'a> {
    /// The Via of the hop that the message came from.
    ///
    /// # Errors
    /// When there is none or it is malformed.
    pub fn top_via(&self) -> Result<Via<'a>, HeaderError> {
        *self.read.top_via.get_or_init(|| {
            self.vias()
                .next()
                .unwrap_or(Err(HeaderError::Missing(Name::Via)))
        })
    }

    /// All Vias, the last hop first.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'a>, HeaderError>> + use<'_, 'a> {
        self.list(Name::Via)
            .map(|element| Via::parse(element).map_err(|_| HeaderError::Malformed(Name::Via)))
    }

    /// Who sent the request.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn from(&self) -> Result<NameAddr<'a>, HeaderError> {
        let read = || self.required(Name::From, NameAddr::parse);
        *self.read.from.get_or_init(read)
    }

    /// Whom the request was first meant for.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn to(&self) -> Result<NameAddr<'a>, HeaderError> {
        let read = || self.required(Name::To, NameAddr::parse);
        *self.read.to.get_or_init(read)
    }

    /// The Call-ID; compared byte by byte.
    ///
    /// # Errors
    /// When it is missing, empty or holds white space.
    pub fn call_id(&self) -> Result<&'a str, HeaderError> {
        self.required(Name::CallId, |value| {
            let is_word = !value.is_empty() && !value.bytes().any(text::is_white);
            is_word.then_some(value).ok_or(Malformed("Call-ID"))
        })
    }

    /// The CSeq.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn cseq(&self) -> Result<CSeq<'a>, HeaderError> {
        let read = || self.required(Name::CSeq, CSeq::parse);
        *self.read.cseq.get_or_init(read)
    }

    /// All contacts; a `*` is an error here, see [`Message::contact_is_star`].
    pub fn contacts(
        &self,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, HeaderError>> + use<'_, 'a> {
        self.addresses(Name::Contact)
    }

    /// The first contact: where requests in the dialog go.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn contact(&self) -> Optional<NameAddr<'a>> {
        self.contacts().next().transpose()
    }

    /// Whether all bindings are meant (RFC 3261 section 10.2.2): the one contact is `*`.
    pub fn contact_is_star(&self) -> bool {
        let mut contacts = self.list(Name::Contact);
        contacts.next() == Some("*") && contacts.next().is_none()
    }

    /// How many hops the request may still take.
    ///
    /// # Errors
    /// When it is no number; RFC 3261 section 20.22 ends at 255, and more counts as that.
    pub fn max_forwards(&self) -> Optional<u8> {
        let hops = self.optional(Name::MaxForwards, |value| {
            delta_seconds(value).ok_or(Malformed("Max-Forwards"))
        })?;
        Ok(hops.map(|hops| u8::try_from(hops).unwrap_or(u8::MAX)))
    }

    /// The Expires field, in seconds; too large a number counts as 2**32-1.
    ///
    /// # Errors
    /// When it is no number.
    pub fn expires(&self) -> Optional<u32> {
        self.seconds(Name::Expires)
    }

    /// The Min-Expires field, in seconds.
    ///
    /// # Errors
    /// When it is no number.
    pub fn min_expires(&self) -> Optional<u32> {
        self.seconds(Name::MinExpires)
    }

    /// The Flow-Timer field, in seconds (RFC 5626 section 11.1).
    ///
    /// # Errors
    /// When it is no number.
    pub fn flow_timer(&self) -> Optional<u32> {
        self.seconds(Name::FlowTimer)
    }

    /// The length of the body as the sender gave it; [`Message::parse`] has checked it.
    pub fn content_length(&self) -> Option<usize> {
        self.value(Name::ContentLength).and_then(text::number)
    }

    /// The type of the body as it stands, for example `application/sdp`.
    pub fn content_type(&self) -> Option<&'a str> {
        self.value(Name::ContentType)
    }

    /// Whether the body is of `media_type`, whatever its parameters: `application/sdp`.
    pub fn has_content_type(&self, media_type: &str) -> bool {
        self.content_type()
            .is_some_and(|value| is_media_type(value, media_type))
    }

    /// The hops that the request is to take (RFC 3261 section 20.34).
    pub fn routes(&self) -> impl Iterator<Item = Result<NameAddr<'a>, HeaderError>> + use<'_, 'a> {
        self.addresses(Name::Route)
    }

    /// The hops that want to see the requests of the dialog (RFC 3261 section 20.30).
    pub fn record_routes(
        &self,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, HeaderError>> + use<'_, 'a> {
        self.addresses(Name::RecordRoute)
    }

    /// The hops between a registrar and the phone (RFC 3327).
    pub fn paths(&self) -> impl Iterator<Item = Result<NameAddr<'a>, HeaderError>> + use<'_, 'a> {
        self.addresses(Name::Path)
    }

    /// The hops for requests of a registered phone (RFC 3608).
    pub fn service_routes(
        &self,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, HeaderError>> + use<'_, 'a> {
        self.addresses(Name::ServiceRoute)
    }

    /// The extensions without which the recipient must refuse (RFC 3261 section 20.32).
    pub fn require(&self) -> Tokens<'_, 'a> {
        Tokens::new(self.list(Name::Require))
    }

    /// The extensions without which a proxy must refuse (RFC 3261 section 20.29).
    pub fn proxy_require(&self) -> Tokens<'_, 'a> {
        Tokens::new(self.list(Name::ProxyRequire))
    }

    /// The extensions that the sender knows (RFC 3261 section 20.37).
    pub fn supported(&self) -> Tokens<'_, 'a> {
        Tokens::new(self.list(Name::Supported))
    }

    /// The extensions that were required and are not known (RFC 3261 section 20.40).
    pub fn unsupported(&self) -> Tokens<'_, 'a> {
        Tokens::new(self.list(Name::Unsupported))
    }

    /// The methods that the sender knows (RFC 3261 section 20.5).
    pub fn allow(&self) -> Tokens<'_, 'a> {
        Tokens::new(self.list(Name::Allow))
    }

    /// The event packages that the sender knows (RFC 6665 section 8.2.2).
    pub fn allow_events(&self) -> Tokens<'_, 'a> {
        Tokens::new(self.list(Name::AllowEvents))
    }

    /// The types of body that the sender takes, as they stand; `application/sdp` when there is no
    /// such field (RFC 3261 section 20.1).
    pub fn accept(&self) -> impl Iterator<Item = &'a str> + use<'_, 'a> {
        self.list(Name::Accept)
    }

    /// How long the session lasts (RFC 4028).
    ///
    /// # Errors
    /// When it is malformed.
    pub fn session_expires(&self) -> Optional<SessionExpires> {
        self.optional(Name::SessionExpires, SessionExpires::parse)
    }

    /// The shortest session that the sender takes, in seconds (RFC 4028).
    ///
    /// # Errors
    /// When it is malformed.
    pub fn min_se(&self) -> Optional<u32> {
        self.optional(Name::MinSe, parse_min_se)
    }

    /// The number of a reliable provisional response (RFC 3262).
    ///
    /// # Errors
    /// When it is no number.
    pub fn rseq(&self) -> Optional<u32> {
        self.optional(Name::RSeq, |value| {
            text::number(value).ok_or(Malformed("RSeq"))
        })
    }

    /// What a PRACK acknowledges (RFC 3262).
    ///
    /// # Errors
    /// When it is malformed.
    pub fn rack(&self) -> Optional<RAck<'a>> {
        self.optional(Name::RAck, RAck::parse)
    }

    /// Why the request is sent (RFC 3326); reasons that cannot be read are left out.
    pub fn reasons(&self) -> impl Iterator<Item = Reason<'a>> + use<'_, 'a> {
        self.list(Name::Reason)
            .filter_map(|element| Reason::parse(element).ok())
    }

    /// The first reason that can be read (RFC 3326).
    pub fn reason(&self) -> Option<Reason<'a>> {
        self.reasons().next()
    }

    /// The first Q.850 cause among the reasons, from 1 to 127.
    pub fn q850_cause(&self) -> Option<u8> {
        self.reasons().find_map(|reason| reason.q850_cause())
    }

    /// Where a call is to be sent (RFC 3515).
    ///
    /// # Errors
    /// When it is malformed.
    pub fn refer_to(&self) -> Optional<NameAddr<'a>> {
        self.optional(Name::ReferTo, NameAddr::parse)
    }

    /// Who sends a call elsewhere (RFC 3892).
    ///
    /// # Errors
    /// When it is malformed.
    pub fn referred_by(&self) -> Optional<NameAddr<'a>> {
        self.optional(Name::ReferredBy, NameAddr::parse)
    }

    /// The dialog that this one takes the place of (RFC 3891).
    ///
    /// # Errors
    /// When it is malformed.
    pub fn replaces(&self) -> Optional<Replaces<'a>> {
        self.optional(Name::Replaces, Replaces::parse)
    }

    /// The dialog that makes this request welcome (RFC 4538).
    ///
    /// # Errors
    /// When it is malformed.
    pub fn target_dialog(&self) -> Optional<Replaces<'a>> {
        self.optional(Name::TargetDialog, Replaces::parse_target_dialog)
    }

    /// The challenges of WWW-Authenticate or Proxy-Authenticate.
    pub fn challenges(
        &self,
        name: Name,
    ) -> impl Iterator<Item = Result<Challenge<'a>, HeaderError>> + use<'_, 'a> {
        self.values(name)
            .flat_map(Challenge::split)
            .map(move |challenge| challenge.map_err(|_| HeaderError::Malformed(name)))
    }

    /// The credentials of Authorization or Proxy-Authorization, one a field.
    pub fn credentials(
        &self,
        name: Name,
    ) -> impl Iterator<Item = Result<Credentials<'a>, HeaderError>> + use<'_, 'a> {
        self.values(name)
            .map(move |value| Credentials::parse(value).map_err(|_| HeaderError::Malformed(name)))
    }

    /// When the sender will be there again.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn retry_after(&self) -> Optional<RetryAfter<'a>> {
        self.optional(Name::RetryAfter, RetryAfter::parse)
    }

    /// What is subscribed to (RFC 6665).
    ///
    /// # Errors
    /// When it is malformed.
    pub fn event(&self) -> Optional<Event<'a>> {
        self.optional(Name::Event, Event::parse)
    }

    /// How a subscription stands (RFC 6665).
    ///
    /// # Errors
    /// When it is malformed.
    pub fn subscription_state(&self) -> Optional<SubscriptionState<'a>> {
        self.optional(Name::SubscriptionState, SubscriptionState::parse)
    }

    /// Who the caller is, as the network vouches for it (RFC 3325).
    pub fn p_asserted_identities(
        &self,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, HeaderError>> + use<'_, 'a> {
        self.addresses(Name::PAssertedIdentity)
    }

    /// The first asserted identity that can be read (RFC 3325).
    pub fn p_asserted_identity(&self) -> Option<NameAddr<'a>> {
        self.p_asserted_identities().find_map(Result::ok)
    }

    /// Which identity the caller would like to show (RFC 3325).
    pub fn p_preferred_identity(&self) -> Option<NameAddr<'a>> {
        self.addresses(Name::PPreferredIdentity)
            .find_map(Result::ok)
    }

    /// Who the caller is, as older gear says it: Remote-Party-ID.
    pub fn remote_party_id(&self) -> Option<NameAddr<'a>> {
        self.addresses(Name::RemotePartyId).find_map(Result::ok)
    }

    /// From where the call was diverted, the last time first (RFC 5806).
    pub fn diversions(
        &self,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, HeaderError>> + use<'_, 'a> {
        self.addresses(Name::Diversion)
    }

    /// What the caller wants hidden: tokens such as `id`, `user`, `none` (RFC 3323, RFC 3325).
    pub fn privacy(&self) -> impl Iterator<Item = &'a str> + use<'_, 'a> {
        self.values(Name::Privacy)
            .flat_map(|value| value.split([';', ',']))
            .map(text::trim)
            .filter(|token| text::is_token(token))
    }

    /// Whether the caller wants `what` hidden, for example `id`.
    pub fn wants_privacy(&self, what: &str) -> bool {
        self.privacy().any(|token| token.eq_ignore_ascii_case(what))
    }

    /// The name and version of the program that sent the message, as it stands.
    pub fn user_agent(&self) -> Option<&'a str> {
        self.value(Name::UserAgent)
            .or_else(|| self.value(Name::Server))
    }

    /// The elements of all fields called `name`, read as names with addresses.
    pub fn addresses(
        &self,
        name: Name,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, HeaderError>> + use<'_, 'a> {
        self.list(name)
            .map(move |element| NameAddr::parse(element).map_err(|_| HeaderError::Malformed(name)))
    }

    fn seconds(&self, name: Name) -> Optional<u32> {
        self.optional(name, |value| {
            delta_seconds(value).ok_or(Malformed("number of seconds"))
        })
    }

    fn required<T>(
        &self,
        name: Name,
        read: impl Fn(&'a str) -> Result<T, Malformed>,
    ) -> Result<T, HeaderError> {
        self.optional(name, read)?.ok_or(HeaderError::Missing(name))
    }

    fn optional<T>(
        &self,
        name: Name,
        read: impl Fn(&'a str) -> Result<T, Malformed>,
    ) -> Optional<T> {
        match self.value(name) {
            Some(value) => read(value)
                .map(Some)
                .map_err(|_| HeaderError::Malformed(name)),
            None => Ok(None),
        }
    }
}
