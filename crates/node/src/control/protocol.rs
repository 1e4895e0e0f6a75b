//! What is asked and answered on the control socket; values only.

use std::net::{IpAddr, SocketAddr};

use fernamt_charging::CallReference;
use fernamt_sip::time::UnixTime;
use serde::{Deserialize, Serialize};

/// A line is at most this long, in bytes.
pub const MAX_LINE_BYTES: usize = 256 * 1024;

/// A request: one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Who is registered? Answered by [`Response::Registration`]s and [`Response::Done`].
    Registrations {
        /// Only this user.
        user: Option<String>,
    },
    /// Calls in progress? Answered by [`Response::Call`]s and [`Response::Done`].
    Calls,
    /// The records have changed; take over what has changed. Answered by [`Response::Done`] when it
    /// is in force.
    Reload,
    /// Move the records of finished calls into the database now. Answered by [`Response::Done`] when
    /// they are there.
    Flush,
    /// What would happen to a call? Answered by [`Response::Route`].
    Route {
        /// The calling device's user name.
        from: String,
        /// What it dials.
        to: String,
    },
    /// Release a call. Answered by [`Response::Done`]; the count says whether there was such a call.
    Release {
        /// Which.
        call: CallReference,
    },
    /// How is it? Answered by [`Response::Status`].
    Status,
    /// Take no new calls. Answered by [`Response::Done`] with the calls that are left.
    Drain,
    /// Who is banned? Answered by [`Response::Ban`]s and [`Response::Done`].
    Bans,
    /// Make a time-limited credential of TURN for a device. Answered by [`Response::Turn`], or by
    /// [`Response::Done`] with a count of 0 when there is no such device.
    Turn {
        /// The device's user name.
        user: String,
        /// For how long.
        seconds: u64,
    },
    /// Lift a ban. Answered by [`Response::Done`]; the count says whether there was one.
    Lift {
        /// The source.
        source: IpAddr,
    },
}

/// A part of an answer: one line. An answer ends with the first line that is not one of a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
// The tag must not be the name of a field of any variant: a call has an `answer`.
#[serde(tag = "response", rename_all = "snake_case")]
pub enum Response {
    /// One binding of a listing.
    Registration(Registration),
    /// One call of a listing.
    Call(Call),
    /// One ban of a listing.
    Ban(Ban),
    /// The route of a call and its reasons.
    Route {
        /// The route as a JSON value whose shape is that of the exchange's routing.
        route: serde_json::Value,
        /// The reasons in order, one sentence each.
        reasons: Vec<String>,
    },
    /// How the node is.
    Status(Status),
    /// A credential of TURN.
    Turn(TurnCredential),
    /// It is done; the end of every listing.
    Done {
        /// How many things were listed, changed or are left.
        count: u64,
    },
    /// It could not be done.
    Error {
        /// Why, as a sentence.
        message: String,
    },
}

impl Response {
    /// Whether more lines follow this one.
    pub fn is_item(&self) -> bool {
        matches!(
            self,
            Response::Registration(_) | Response::Call(_) | Response::Ban(_)
        )
    }
}

/// A binding, as people want to see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The device's user name.
    pub user: String,
    /// The contact as registered.
    pub contact: String,
    /// Where it came from.
    pub received: SocketAddr,
    /// By which transport, for example `UDP`.
    pub transport: String,
    /// When it ends.
    pub expires: UnixTime,
    /// What the device calls itself.
    pub user_agent: Option<String>,
    /// Preference in thousandths.
    pub q: u16,
    /// What lies between the phone and us, for programs and for people.
    pub nat: (String, String),
}

/// A credential of TURN, good for a limited time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnCredential {
    /// Where TURN is served (RFC 7065), UDP first.
    pub uris: Vec<String>,
    /// The user name, which holds the time of its end.
    pub username: String,
    /// The password.
    pub password: String,
    /// The realm of the challenges.
    pub realm: String,
    /// When it ends.
    pub expires: UnixTime,
}

impl core::fmt::Debug for TurnCredential {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("TurnCredential")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// A call in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Names it.
    pub call: CallReference,
    /// Who calls.
    pub caller: String,
    /// What was dialled.
    pub dialled: String,
    /// `ringing`, `answered`, ….
    pub state: String,
    /// When it came in.
    pub start: UnixTime,
    /// When it was answered.
    pub answer: Option<UnixTime>,
    /// The codec, once answered.
    pub codec: Option<String>,
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// The source.
    pub source: IpAddr,
    /// Until when.
    pub until: UnixTime,
}

/// Something that is listened on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// For example `TLS`.
    pub transport: String,
    /// The address; an unspecified one stands for all of the machine's.
    pub address: SocketAddr,
}

/// How a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Process id.
    pub process: u32,
    /// How long it has been running.
    pub uptime_seconds: u64,
    /// What it listens on.
    pub listeners: Vec<Listener>,
    /// Shards.
    pub shards: u16,
    /// Devices known.
    pub devices: u64,
    /// Bindings that have not expired.
    pub bindings: u64,
    /// Calls in progress.
    pub calls: u64,
    /// Whether new calls are refused.
    pub draining: bool,
    /// Stream connections that are open.
    pub connections: u64,
    /// Messages and media, counted since the start.
    pub counters: Vec<(String, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_of_json() {
        let request = Request::Route {
            from: "anna".into(),
            to: "100\n".into(),
        };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(line, r#"{"request":"route","from":"anna","to":"100\n"}"#);
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        assert_eq!(
            serde_json::from_str::<Request>(r#"{"request":"calls"}"#).unwrap(),
            Request::Calls
        );
        assert!(serde_json::from_str::<Request>(r#"{"request":"destroy"}"#).is_err());
    }

    #[test]
    fn a_response_is_read_as_it_was_written() {
        let ban = Response::Ban(Ban {
            source: IpAddr::from([192, 0, 2, 1]),
            until: UnixTime::from_micros(1),
        });
        let call = Response::Call(Call {
            call: "1187200d1214bdbc".parse().unwrap(),
            caller: "anna".into(),
            dialled: "100".into(),
            state: "answered".into(),
            start: UnixTime::from_micros(1),
            answer: Some(UnixTime::from_micros(2)),
            codec: Some("PCMA/8000".into()),
        });
        let status = Response::Status(Status::default());
        for response in [&ban, &call, &status] {
            let line = serde_json::to_string(response).unwrap();
            assert_eq!(&serde_json::from_str::<Response>(&line).unwrap(), response);
        }
        assert!(ban.is_item() && call.is_item() && !status.is_item());
        assert!(!Response::Done { count: 0 }.is_item());
    }
}
