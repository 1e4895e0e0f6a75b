//! The voice of one call, without sockets: what is agreed, what is sent, what is heard and how it
//! was. Signalling is in `agent`, sockets are in `shell`.

mod analysis;
mod control;
mod figures;
mod guard;
mod incoming;
mod outgoing;
mod plan;
mod session;

pub use figures::{Figures, HeardTone, Score};
pub(crate) use plan::capabilities;
pub use plan::{MediaPlan, Protection, Voice};
pub use session::{MediaOutput, MediaSession, StreamNumbers};

#[cfg(test)]
mod tests {
    use fernamt_sdp::Direction;

    use super::{MediaPlan, Voice};

    pub(super) fn plan() -> MediaPlan {
        MediaPlan {
            voice: Voice::Pcma,
            payload_type: 8,
            accepted: vec![(8, Voice::Pcma), (0, Voice::Pcmu)],
            telephone_event: None,
            remote: ([192, 0, 2, 7], 4_000).into(),
            remote_rtcp: Some(([192, 0, 2, 7], 4_001).into()),
            rtcp_mux: false,
            direction: Direction::SendRecv,
            ptime_milliseconds: 20,
            protection: None,
        }
    }
}
