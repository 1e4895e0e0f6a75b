//! From the options of `fernamt call` to the settings of a phone.

use core::time::Duration;
use std::io::{self, BufRead as _};

use fernamt_phone::agent::{self, Identity};
use fernamt_phone::audio::Sound;
use fernamt_phone::media::Voice;
use fernamt_phone::shell::{Task, Trust};
use fernamt_phone::{PhoneSettings, ServerAddress, Target};
use fernamt_sip::uri::Uri;

use super::{Codec, Encryption, Options};
use crate::exit::{Exit, ExitWith as _, Failure};

/// The settings that these options mean.
pub(super) fn of(options: Options) -> Result<PhoneSettings, Failure> {
    let mut server: Option<ServerAddress> = options
        .server
        .as_deref()
        .map(str::parse)
        .transpose()
        .exit_with(Exit::Usage)?;
    let mut user = options.user;
    let task = if options.answer {
        if let Some(uri) = &options.uri {
            let own = Target::parse(uri, server.as_ref()).exit_with(Exit::Usage)?;
            user = user.or_else(|| user_of(&own.uri));
            server.get_or_insert(own.server);
        }
        Task::Answer {
            ring: options.ring.unwrap_or(Duration::ZERO),
            reject: options.reject,
        }
    } else {
        let uri = options.uri.as_deref().unwrap_or("");
        let target = Target::parse(uri, server.as_ref()).exit_with(Exit::Usage)?;
        if user.is_some() {
            server.get_or_insert_with(|| target.server.clone());
        }
        Task::Call(target)
    };
    let password = password(options.password)?;
    let identity = user.map(|user| Identity {
        user: user.into(),
        password,
    });
    let register = options.register || (options.answer && identity.is_some() && server.is_some());
    Ok(PhoneSettings {
        task,
        identity,
        server,
        register,
        listen: options.listen,
        sound: sound(options.tone, options.play, options.repeat),
        record: options.record,
        voices: voices(&options.codec),
        encryption: match options.encryption {
            Encryption::Never => agent::Encryption::Never,
            Encryption::Offered => agent::Encryption::Offered,
            Encryption::Required => agent::Encryption::Required,
        },
        talk: options.seconds,
        wait: options.wait,
        trust: match (options.insecure, options.ca) {
            (true, _) => Trust::Anybody,
            (false, Some(file)) => Trust::File(file),
            (false, None) => Trust::System,
        },
        trace: options.trace,
    })
}

fn user_of(uri: &str) -> Option<String> {
    Uri::parse(uri).ok()?.user_unescaped().map(Into::into)
}

fn password(given: Option<String>) -> Result<Option<Box<str>>, Failure> {
    match given {
        Some(dash) if dash == "-" => {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line)?;
            Ok(Some(line.trim_end_matches(['\r', '\n']).into()))
        }
        given => Ok(given.map(Into::into)),
    }
}

fn sound(tone: Option<u16>, play: Option<std::path::PathBuf>, repeat: bool) -> Sound {
    match (tone, play) {
        (Some(hertz), _) => Sound::Tone {
            frequency_hz: hertz.into(),
        },
        (None, Some(path)) => Sound::File { path, repeat },
        (None, None) => Sound::Silence,
    }
}

fn voices(codecs: &[Codec]) -> Vec<Voice> {
    let mut voices = Vec::new();
    for codec in codecs {
        let voice = match codec {
            Codec::Pcma => Voice::Pcma,
            Codec::Pcmu => Voice::Pcmu,
        };
        if !voices.contains(&voice) {
            voices.push(voice);
        }
    }
    if voices.is_empty() {
        vec![Voice::Pcma, Voice::Pcmu]
    } else {
        voices
    }
}
