//! What can be done wrong on purpose, between the exchange and its world, to see that it is found.
//! Nothing here looks for what is wrong.

use std::sync::Arc;

use core::time::Duration;

use fernamt_charging::MediaProtection;
use fernamt_exchange::interface::Write;
use fernamt_exchange::media::{Command, Protection};

/// What a line with a key of RFC 4568 has before it.
const INLINE: &[u8] = b" inline:";

/// Something that is done wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Records of calls do not reach the disk.
    LoseRecords,
    /// Each record reaches the disk twice.
    RepeatRecords,
    /// Records say that a call was five seconds longer.
    StretchRecords,
    /// Records say that nothing was encrypted.
    ClearRecords,
    /// States of calls that are answered do not reach the disk.
    LoseStates,
    /// Endpoints that are closed go on.
    KeepEndpoints,
    /// Endpoints that are to be protected are not.
    LoseProtection,
    /// What is heard on one endpoint goes out of the next one.
    CrossWires,
    /// Responses that refuse a call do not reach the caller.
    SwallowRefusals,
    /// BYE does not reach the phones.
    SwallowByes,
    /// Every phone is given the same key.
    RepeatKeys,
}

impl Sabotage {
    /// What reaches the disk of a write.
    pub(super) fn written(self, write: Write) -> Vec<Write> {
        match (self, write) {
            (Sabotage::LoseRecords, Write::Closed { .. }) => Vec::new(),
            (Sabotage::RepeatRecords, write @ Write::Closed { .. }) => vec![write.clone(), write],
            (Sabotage::StretchRecords, mut write) => {
                if let Write::Closed { record, .. } = &mut write {
                    record.duration += Duration::from_secs(5);
                }
                vec![write]
            }
            (Sabotage::ClearRecords, mut write) => {
                if let Write::Closed { record, .. } = &mut write {
                    let clear = Some(MediaProtection::Clear);
                    record
                        .legs
                        .iter_mut()
                        .for_each(|leg| leg.protection = clear);
                }
                vec![write]
            }
            (_, write) => vec![write],
        }
    }

    /// What leaves the exchange of a message, if anything.
    pub(super) fn sent(self, bytes: Arc<[u8]>) -> Option<Arc<[u8]>> {
        match self {
            Sabotage::SwallowRefusals if bytes.starts_with(b"SIP/2.0 48") => None,
            Sabotage::SwallowByes if bytes.starts_with(b"BYE ") => None,
            Sabotage::RepeatKeys => Some(with_one_key(&bytes)),
            _ => Some(bytes),
        }
    }

    /// What the media plane is told of an order.
    pub(super) fn ordered(self, command: &Command) -> Command {
        let mut command = command.clone();
        if self == Sabotage::LoseProtection
            && let Command::Remote { remote, .. } = &mut command
        {
            remote.protection = Protection::None;
        }
        command
    }
}

/// The message with all its keys made one, of the same length.
fn with_one_key(bytes: &[u8]) -> Arc<[u8]> {
    let mut changed = bytes.to_vec();
    let starts = bytes.windows(INLINE.len()).enumerate();
    for (start, _) in starts.filter(|(_, window)| *window == INLINE) {
        let key = changed.iter_mut().skip(start + INLINE.len());
        key.take_while(|byte| byte.is_ascii_alphanumeric())
            .for_each(|byte| *byte = b'A');
    }
    changed.into()
}
