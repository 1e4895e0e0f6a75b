//! Reading the WAV files of the announcements: 8 kHz, 16 bits, one channel and nothing else.

/// The samples of a file; `None` when it is not of that kind or damaged.
pub(crate) fn samples(file: &[u8]) -> Option<Vec<i16>> {
    let chunks = file
        .strip_prefix(b"RIFF")?
        .get(4..)?
        .strip_prefix(b"WAVE")?;
    if !is_telephone_quality(chunk(chunks, *b"fmt ")?) {
        return None;
    }
    let data = chunk(chunks, *b"data")?;
    let words = data
        .chunks_exact(2)
        .filter_map(|word| word.first_chunk::<2>());
    Some(words.map(|word| i16::from_le_bytes(*word)).collect())
}

/// The first chunk of that name.
fn chunk(mut rest: &[u8], wanted: [u8; 4]) -> Option<&[u8]> {
    loop {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let content = after.get(..length)?;
        if *name == wanted {
            return Some(content);
        }
        // Chunks begin at even places.
        rest = after.get(length.checked_next_multiple_of(2)?..)?;
    }
}

/// Whether the format is linear, one channel, 8,000 samples a second, 16 bits.
fn is_telephone_quality(format: &[u8]) -> bool {
    let word = |at: usize| {
        let bytes = format.get(at..).and_then(|bytes| bytes.first_chunk::<2>());
        bytes.map(|bytes| u16::from_le_bytes(*bytes))
    };
    let rate = format.get(4..).and_then(|bytes| bytes.first_chunk::<4>());
    word(0) == Some(1)
        && word(2) == Some(1)
        && rate.map(|rate| u32::from_le_bytes(*rate)) == Some(8_000)
        && word(14) == Some(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(rate: u32, channels: u16, bits: u16, samples: &[i16]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0".to_vec();
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend((rate * 2).to_le_bytes());
        file.extend(2_u16.to_le_bytes());
        file.extend(bits.to_le_bytes());
        file.extend(b"LIST\x03\0\0\0odd\0data");
        file.extend(u32::try_from(samples.len() * 2).unwrap().to_le_bytes());
        samples
            .iter()
            .for_each(|sample| file.extend(sample.to_le_bytes()));
        file
    }

    #[test]
    fn the_samples_are_found_behind_other_chunks() {
        assert_eq!(
            samples(&file(8_000, 1, 16, &[1, -2, 300])).unwrap(),
            [1, -2, 300]
        );
    }

    #[test]
    fn other_qualities_are_refused() {
        assert_eq!(samples(&file(16_000, 1, 16, &[1])), None);
        assert_eq!(samples(&file(8_000, 2, 16, &[1])), None);
        assert_eq!(samples(&file(8_000, 1, 8, &[1])), None);
    }

    #[test]
    fn a_file_cut_anywhere_is_refused_and_nothing_panics() {
        let whole = file(8_000, 1, 16, &[1, 2, 3]);
        for length in 0..whole.len() {
            assert_eq!(samples(&whole[..length]), None, "cut at {length}");
        }
    }
}
