//! Candidates that come while a session runs: the body `application/trickle-ice-sdpfrag` (RFC 8840
//! section 9). It is no session description, and nothing else of one is read from it.

use super::{Candidate, IceCredentials, IceLines};
use crate::attribute::Attribute;
use crate::line::Lines;
use crate::{MAX_BYTES, MAX_LINES, MAX_MEDIA, ParseError};

/// A body of INFO with more candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrickleFragment {
    /// One for each pseudo m-line.
    pub sections: Vec<TrickleSection>,
    /// No more candidates will come for any section.
    pub end_of_candidates: bool,
}

/// What a fragment says about one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrickleSection {
    /// `a=mid` of the section that is meant; without one it is the section in the same place.
    pub mid: Option<Box<str>>,
    /// The credentials that the candidates belong to, of the section or of the whole fragment. Others
    /// than those of the description: the candidates are of a generation that is gone.
    pub credentials: Option<IceCredentials>,
    /// The candidates, all that there are so far; at most [`super::MAX_CANDIDATES`].
    pub candidates: Vec<Candidate>,
    /// No more will come for this section.
    pub end_of_candidates: bool,
}

impl TrickleFragment {
    /// Reads a body. Lines that are not known are passed over.
    ///
    /// # Errors
    /// [`ParseError`] when there is too much of something, or a line has no form.
    pub fn parse(body: &[u8]) -> Result<TrickleFragment, ParseError> {
        if body.len() > MAX_BYTES {
            return Err(ParseError::TooLong { bytes: body.len() });
        }
        let mut session = IceLines::default();
        let mut sections: Vec<(Option<Box<str>>, IceLines<'_>)> = Vec::new();
        let mut lines = Lines::new(body);
        let mut number = 0;
        while let Some(line) = lines.next_checked(number + 1) {
            let line = line?;
            number += 1;
            if number > MAX_LINES {
                return Err(ParseError::TooManyLines);
            }
            match (line.letter, line.text().map(Attribute::parse)) {
                (b'm', _) if sections.len() == MAX_MEDIA => {
                    return Err(ParseError::TooManyMedia { line: number });
                }
                (b'm', _) => sections.push((None, IceLines::default())),
                (b'a', Some(attribute)) => match sections.last_mut() {
                    Some((mid, _)) if attribute.name == "mid" => {
                        *mid = Some(attribute.value_text().into());
                    }
                    Some((_, ice)) => {
                        ice.take(&attribute);
                    }
                    None => {
                        session.take(&attribute);
                    }
                },
                _ => {}
            }
        }
        Ok(TrickleFragment {
            end_of_candidates: session.end_of_candidates,
            sections: sections
                .into_iter()
                .map(|(mid, mut ice)| {
                    ice.inherit(&session);
                    TrickleSection {
                        mid,
                        credentials: ice.credentials(),
                        end_of_candidates: ice.end_of_candidates,
                        candidates: ice.candidates,
                    }
                })
                .collect(),
        })
    }
}
