//! What is played into a call, frame by frame.

use std::path::PathBuf;

use fernamt_codec::tone::{Sine, Source as _};
use fernamt_codec::{Frame, SILENCE};

use super::wav::{self, WavError};

/// The level of a tone that is played.
const TONE_DBFS: f32 = -10.0;

/// What a person wants to be played.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Sound {
    /// Nothing.
    #[default]
    Silence,
    /// A steady tone.
    Tone {
        /// Its frequency.
        frequency_hz: f32,
    },
    /// A WAV file.
    File {
        /// Which.
        path: PathBuf,
        /// Again and again, instead of silence after its end.
        repeat: bool,
    },
}

/// Plays a sound.
#[derive(Clone, Debug)]
pub struct Player(Playing);

#[derive(Clone, Debug)]
enum Playing {
    Silence,
    Tone(Sine),
    Samples {
        samples: Vec<i16>,
        at: usize,
        repeat: bool,
    },
}

impl Player {
    /// Makes everything ready, so that nothing fails later.
    ///
    /// # Errors
    /// [`WavError`] when a file cannot be played.
    pub fn open(sound: &Sound) -> Result<Player, WavError> {
        Ok(match sound {
            Sound::Silence => Player(Playing::Silence),
            Sound::Tone { frequency_hz } => {
                Player(Playing::Tone(Sine::new(*frequency_hz, TONE_DBFS)))
            }
            Sound::File { path, repeat } => Player::of_samples(wav::read(path)?, *repeat),
        })
    }

    /// Plays samples of telephone speech.
    pub fn of_samples(samples: Vec<i16>, repeat: bool) -> Player {
        Player(Playing::Samples {
            samples,
            at: 0,
            repeat,
        })
    }

    /// The next 20 ms.
    pub fn frame(&mut self) -> Frame {
        let mut frame = SILENCE;
        match &mut self.0 {
            Playing::Silence => {}
            Playing::Tone(sine) => sine.fill(&mut frame),
            Playing::Samples {
                samples,
                at,
                repeat,
            } => {
                for sample in &mut frame {
                    if *repeat && *at >= samples.len() {
                        *at = 0;
                    }
                    let Some(next) = samples.get(*at) else { break };
                    *sample = *next;
                    *at += 1;
                }
            }
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_played_once_and_then_silence_or_again() {
        let mut once = Player::of_samples(vec![5; 200], false);
        assert_eq!(once.frame(), [5; 160]);
        let second = once.frame();
        assert_eq!((second[39], second[40]), (5, 0));
        assert_eq!(once.frame(), SILENCE);
        let mut again = Player::of_samples(vec![5; 200], true);
        for _ in 0..10 {
            assert_eq!(again.frame(), [5; 160]);
        }
        assert_eq!(Player::of_samples(Vec::new(), true).frame(), SILENCE);
    }
}
