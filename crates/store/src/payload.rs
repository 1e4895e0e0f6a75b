//! The stored forms of values: a version byte and postcard. In which files they stand is not known
//! here.

mod first_binding;
mod first_record;

use std::sync::Arc;

use fernamt_charging::CallRecord;
use fernamt_exchange::journal::{Entry, Journal};
use fernamt_exchange::packed;
use fernamt_exchange::registrar::Binding;
use serde::de::DeserializeOwned;

use first_binding::FirstBinding;
use first_record::FirstRecord;

/// The first version of everything. A change of a stored type makes a new one, and the old one stays
/// readable.
const FIRST_VERSION: u8 = 1;

/// The version of call records that is written. Version 1 knew nothing of the protection of media.
const RECORD_VERSION: u8 = 2;

/// The version of the course of a call that is written: a journal as it was in the call. In version 1
/// it was a list of entries.
const COURSE_VERSION: u8 = 2;

/// The version of bindings that is written. Version 1 knew nothing of ICE.
const BINDINGS_VERSION: u8 = 2;

/// Why bytes are not a stored value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecodable {
    /// There is nothing, or not enough.
    #[error("it is too short")]
    Short,
    /// A newer program wrote it.
    #[error("it has version {0}, which this program does not know")]
    Version(u8),
    /// It is damaged, or not what it should be.
    #[error("{0}")]
    Postcard(#[from] postcard::Error),
}

/// Puts the record of a call behind what is in the buffer.
///
/// # Errors
/// The value has no such form (a map of unknown length); none of ours is like that.
pub(crate) fn encode_record(
    record: &CallRecord,
    buffer: &mut Vec<u8>,
) -> Result<(), postcard::Error> {
    buffer.push(RECORD_VERSION);
    packed::append(record, buffer)
}

/// Reads the record of a call.
pub(crate) fn decode_record(bytes: &[u8]) -> Result<CallRecord, Undecodable> {
    match bytes.split_first() {
        Some((&RECORD_VERSION, bytes)) => Ok(postcard::from_bytes(bytes)?),
        _ => decode_first::<FirstRecord>(bytes).map(CallRecord::from),
    }
}

/// Reads the first version of a value.
fn decode_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Undecodable> {
    match bytes.split_first() {
        Some((&FIRST_VERSION, bytes)) => Ok(postcard::from_bytes(bytes)?),
        Some((&version, _)) => Err(Undecodable::Version(version)),
        None => Err(Undecodable::Short),
    }
}

/// Puts the course of a call behind what is in the buffer.
///
/// # Errors
/// As [`encode_record`].
pub(crate) fn encode_course(course: &Journal, buffer: &mut Vec<u8>) -> Result<(), postcard::Error> {
    buffer.push(COURSE_VERSION);
    packed::append(course, buffer)
}

/// Reads the course of a call.
pub(crate) fn decode_entries(bytes: &[u8]) -> Result<Vec<Entry>, Undecodable> {
    match bytes.split_first() {
        Some((&COURSE_VERSION, bytes)) => Ok(postcard::from_bytes::<Journal>(bytes)?.entries()),
        _ => decode_first(bytes),
    }
}

/// Puts the bindings of a device behind what is in the buffer.
///
/// # Errors
/// As [`encode_record`].
pub(crate) fn encode_bindings(
    bindings: &[Arc<Binding>],
    buffer: &mut Vec<u8>,
) -> Result<(), postcard::Error> {
    buffer.push(BINDINGS_VERSION);
    packed::append(bindings, buffer)
}

/// Reads the bindings of a device.
pub(crate) fn decode_bindings(bytes: &[u8]) -> Result<Vec<Arc<Binding>>, Undecodable> {
    match bytes.split_first() {
        Some((&BINDINGS_VERSION, bytes)) => Ok(postcard::from_bytes(bytes)?),
        _ => {
            let first: Vec<FirstBinding> = decode_first(bytes)?;
            Ok(first.into_iter().map(Binding::from).map(Arc::new).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{at, course, entries, record};
    use fernamt_sip::transport::Transport;
    use serde::Serialize;

    /// As version 1 was written.
    fn encode_first(value: &(impl Serialize + ?Sized)) -> Vec<u8> {
        let mut bytes = vec![FIRST_VERSION];
        packed::append(value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_record_of_a_call_is_read_in_both_versions() {
        let record = record(7, 1_000);
        let old = include_bytes!("../tests/data/record-version-1.bin");
        assert_eq!(old[0], FIRST_VERSION);
        let mut without = record.clone();
        for leg in &mut without.legs {
            assert!(leg.protection.take().is_some());
        }
        assert_eq!(decode_record(old), Ok(without));
        let mut new = Vec::new();
        encode_record(&record, &mut new).unwrap();
        assert_eq!(new[0], RECORD_VERSION);
        assert_eq!(decode_record(&new), Ok(record));
    }

    #[test]
    fn the_course_of_a_call_is_read_in_both_versions() {
        let old = encode_first(&entries());
        assert_eq!(decode_entries(&old), Ok(entries()));
        let mut new = Vec::new();
        encode_course(&course(), &mut new).unwrap();
        assert_eq!(new[0], 2);
        assert_eq!(decode_entries(&new), Ok(entries()));
    }

    #[test]
    fn bindings_are_read_in_both_versions() {
        let binding = Binding {
            contact: "sip:anna@192.0.2.7".into(),
            q: 1000,
            expires: at(3_600),
            call_id: "id@phone".into(),
            cseq: 1,
            instance: Some("urn:uuid:1".into()),
            reg_id: 1,
            path: vec!["<sip:edge.example.com;lr>".into()],
            user_agent: None,
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            received: "192.0.2.7:5060".parse().unwrap(),
            ice: true,
            connection: None,
            nat: Default::default(),
        };
        let old = encode_first(&[FirstBinding::of(&binding)].as_slice());
        let without = Binding {
            ice: false,
            ..binding.clone()
        };
        assert_eq!(decode_bindings(&old), Ok(vec![Arc::new(without)]));
        let mut new = Vec::new();
        let bindings = [Arc::new(binding)];
        encode_bindings(&bindings, &mut new).unwrap();
        assert_eq!(new[0], BINDINGS_VERSION);
        assert_eq!(decode_bindings(&new), Ok(bindings.to_vec()));
    }

    #[test]
    fn a_form_of_a_newer_version_is_refused_and_named() {
        let mut bytes = Vec::new();
        encode_course(&course(), &mut bytes).unwrap();
        bytes[0] = COURSE_VERSION + 1;
        assert_eq!(
            decode_entries(&bytes),
            Err(Undecodable::Version(COURSE_VERSION + 1))
        );
        assert_eq!(decode_entries(&[]), Err(Undecodable::Short));
        let newer = [RECORD_VERSION + 1, 0];
        assert_eq!(decode_record(&newer), Err(Undecodable::Version(newer[0])));
    }
}
