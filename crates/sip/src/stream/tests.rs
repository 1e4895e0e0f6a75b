use super::*;

const OPTIONS: &str = "OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 4\r\n\r\nbody";
const INFO: &str = "INFO sip:a SIP/2.0\r\nl :\r\n 0\r\n\r\n";

#[derive(Debug, PartialEq)]
enum Owned {
    Message(String),
    Ping,
}

fn drain(framer: &mut Framer) -> Result<Vec<Owned>, FrameError> {
    let mut frames = Vec::new();
    while let Some(frame) = framer.next_frame()? {
        frames.push(match frame {
            Frame::Message(bytes) => Owned::Message(String::from_utf8(bytes.to_vec()).unwrap()),
            Frame::Ping => Owned::Ping,
        });
    }
    Ok(frames)
}

fn message(text: &str) -> Owned {
    Owned::Message(text.to_owned())
}

#[test]
fn pipelined_messages_come_out_one_by_one() {
    let mut framer = Framer::new();
    framer
        .push(format!("{OPTIONS}{INFO}{OPTIONS}").as_bytes())
        .unwrap();
    assert_eq!(
        drain(&mut framer),
        Ok(vec![message(OPTIONS), message(INFO), message(OPTIONS)])
    );
    assert!(framer.is_idle());
}

#[test]
fn messages_come_out_the_same_however_they_are_split() {
    let stream = format!("\r\n{OPTIONS}\r\n\r\n{INFO}\r\n\r\n\r\n{OPTIONS}\r\n");
    let expected = [
        message(OPTIONS),
        Owned::Ping,
        message(INFO),
        Owned::Ping,
        message(OPTIONS),
    ];
    for size in 1..=stream.len() {
        let mut framer = Framer::new();
        let mut frames = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            framer.push(piece).unwrap();
            frames.extend(drain(&mut framer).unwrap());
        }
        assert_eq!(frames, expected, "in pieces of {size}");
    }
}

#[test]
fn a_ping_is_answered_and_a_single_line_end_is_not() {
    let mut framer = Framer::new();
    framer.push(b"\r\n").unwrap();
    assert_eq!(drain(&mut framer), Ok(vec![]));
    framer.push(b"\r\n").unwrap();
    assert_eq!(drain(&mut framer), Ok(vec![Owned::Ping]));
    framer.push(&PING.repeat(3)).unwrap();
    assert_eq!(
        drain(&mut framer),
        Ok(vec![Owned::Ping, Owned::Ping, Owned::Ping])
    );
}

#[test]
fn a_stream_needs_content_length() {
    let mut framer = Framer::new();
    framer
        .push(b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n")
        .unwrap();
    assert_eq!(framer.next_frame(), Err(FrameError::MissingContentLength));
    assert_eq!(framer.next_frame(), Err(FrameError::MissingContentLength));
    assert_eq!(
        framer.push(INFO.as_bytes()),
        Err(FrameError::MissingContentLength)
    );
}

#[test]
fn content_length_insane() {
    for (length, expected) in [
        ("-1", FrameError::MalformedContentLength),
        ("+1", FrameError::MalformedContentLength),
        ("0x10", FrameError::MalformedContentLength),
        ("", FrameError::MalformedContentLength),
        ("1 1", FrameError::MalformedContentLength),
        ("1\r\nl: 2", FrameError::MalformedContentLength),
        (
            "99999999999999999999999",
            FrameError::MalformedContentLength,
        ),
        ("18446744073709551615", FrameError::MessageTooLarge),
        ("65535", FrameError::MessageTooLarge),
    ] {
        let mut framer = Framer::new();
        framer
            .push(format!("INFO sip:a SIP/2.0\r\nContent-Length: {length}\r\n\r\n").as_bytes())
            .unwrap();
        assert_eq!(framer.next_frame(), Err(expected), "{length}");
    }
}

#[test]
fn a_message_of_the_largest_size_passes_and_one_byte_more_does_not() {
    let head = |length: usize| format!("INFO sip:a SIP/2.0\r\nContent-Length: {length}\r\n\r\n");
    let room = MAX_MESSAGE_BYTES - head(65_000).len();
    let mut framer = Framer::new();
    framer
        .push(format!("{}{}", head(room), "b".repeat(room)).as_bytes())
        .unwrap();
    assert!(
        matches!(framer.next_frame(), Ok(Some(Frame::Message(bytes))) if bytes.len() == MAX_MESSAGE_BYTES)
    );
    framer.push(head(room + 1).as_bytes()).unwrap();
    assert_eq!(framer.next_frame(), Err(FrameError::MessageTooLarge));
}

#[test]
fn a_header_section_without_end_is_cut_off() {
    let mut framer = Framer::new();
    framer.push(b"INFO sip:a SIP/2.0\r\n").unwrap();
    let mut pushed = 20;
    let failure = loop {
        framer.push(b"Subject: 1\r\n").unwrap();
        pushed += 12;
        if let Err(failure) = framer.next_frame() {
            break failure;
        }
    };
    assert_eq!(failure, FrameError::HeaderSectionTooLarge);
    assert!(pushed < MAX_HEADER_SECTION_BYTES + 12);
}

#[test]
fn what_is_no_sip_is_noticed_at_once() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"\0\0\0\0",
        b"\n\n",
        b"\rX",
        b" INVITE",
        b"{\"a\":1}",
    ] {
        let mut framer = Framer::new();
        framer.push(bytes).unwrap();
        assert_eq!(framer.next_frame(), Err(FrameError::NotSip), "{bytes:?}");
    }
    let mut framer = Framer::new();
    framer.push(&b"A".repeat(MAX_URI_BYTES * 2)).unwrap();
    assert_eq!(framer.next_frame(), Err(FrameError::NotSip));
}

#[test]
fn memory_is_bounded_and_given_back() {
    let mut framer = Framer::new();
    framer.push(&vec![b'A'; MAX_STREAM_BUFFER_BYTES]).unwrap();
    assert_eq!(framer.push(b"A"), Err(FrameError::Overflow));

    let mut framer = Framer::new();
    assert_eq!(framer.buffer.capacity(), 0);
    let large = format!(
        "INFO sip:a SIP/2.0\r\nl: 60000\r\n\r\n{}",
        "b".repeat(60_000)
    );
    framer.push(large.as_bytes()).unwrap();
    assert_eq!(drain(&mut framer).unwrap().len(), 1);
    framer.push(b"").unwrap();
    assert!(framer.buffer.capacity() <= IDLE_BUFFER_BYTES);
}
