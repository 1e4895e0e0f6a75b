//! The media plane as a relay for measuring: `relay CALLS.txt [THREADS]` carries the calls of a list
//! until it is stopped. There is no signalling.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use fernamt_bench::calls::{self, Keys, Side};
use fernamt_exchange::media::{Command, EndpointId, Event, Protection, Remote, SrtpKey, SrtpKeys};
use fernamt_media::{Plane, PlaneConfig};
use fernamt_rtp::srtp::MasterKey;
use fernamt_sdp::CryptoSuite;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What the parties may send: G.711 and key presses.
const PAYLOAD_TYPES: [u8; 3] = [0, 8, 101];

/// After so long without a packet a party would be reported; nobody listens.
const SILENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "relay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let list = arguments.next().map(PathBuf::from);
    let list = list.ok_or("usage: relay CALLS.txt [THREADS]")?;
    let threads = arguments.next().map_or(Ok(0), |threads| threads.parse())?;
    let config = PlaneConfig {
        threads,
        ..PlaneConfig::default()
    };
    let plane = Plane::start(config, |_| {})?;
    let calls = calls::read(&list)?;
    for (call, number) in calls.iter().zip(0_u64..) {
        let [a, b] = [EndpointId(2 * number), EndpointId(2 * number + 1)];
        open(&plane, a, &call.a)?;
        open(&plane, b, &call.b)?;
        plane.execute(Command::Bridge { a, b });
    }
    writeln!(io::stdout(), "relaying {} calls", calls.len())?;
    loop {
        std::thread::sleep(Duration::from_secs(3_600));
    }
}

fn open(plane: &Plane, endpoint: EndpointId, side: &Side) -> Result<(), String> {
    let order = Command::Open {
        endpoint,
        local: LOCAL,
        port: Some(side.relay),
    };
    if !matches!(plane.execute(order), Some(Event::Opened { .. })) {
        return Err(format!(
            "port {} cannot be bound (it must be even and free)",
            side.relay
        ));
    }
    let remote = Remote {
        payload_types: PAYLOAD_TYPES.to_vec(),
        silence: Some(SILENCE),
        protection: side
            .keys
            .as_ref()
            .map_or(Ok(Protection::None), protection)?,
        ..Remote::plain(SocketAddr::new(LOCAL, side.local))
    };
    let remote = Box::new(remote);
    plane.execute(Command::Remote { endpoint, remote });
    Ok(())
}

/// Keys that crossed in the signalling: what the party receives with is what we send with.
fn protection(keys: &Keys) -> Result<Protection, String> {
    Ok(Protection::Sdes(SrtpKeys {
        ours: key(&keys.receives)?,
        theirs: key(&keys.sends)?,
    }))
}

fn key(key: &MasterKey) -> Result<SrtpKey, String> {
    let name = key.suite().name();
    let suite = CryptoSuite::from_name(name);
    Ok(SrtpKey {
        suite: suite.ok_or_else(|| format!("the suite {name} is not known"))?,
        key_and_salt: key.inline().into(),
        identifier: Box::default(),
        lifetime_packets: None,
    })
}
