//! Relays the calls of a list, for measuring: `relay CALLS.txt [THREADS]`. A line of the list is one
//! call, `aLocal aRelay bLocal bRelay`: ports on 127.0.0.1, those of the parties and the even ones of
//! the relay that face them. It relays until it is stopped.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use fernamt_exchange::media::{Command, EndpointId, Event, Remote};
use fernamt_media::{Plane, PlaneConfig};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

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
    let list = arguments.next().ok_or("usage: relay CALLS.txt [THREADS]")?;
    let threads = arguments.next().map_or(Ok(0), |threads| threads.parse())?;
    let plane = Plane::start(
        PlaneConfig {
            threads,
            ..PlaneConfig::default()
        },
        |_| {},
    )?;
    let mut calls = 0;
    for (line, number) in std::fs::read_to_string(list)?.lines().zip(0_u64..) {
        let ports: Result<Vec<u16>, _> = line.split_whitespace().map(str::parse).collect();
        let &[a_local, a_relay, b_local, b_relay] = ports?.as_slice() else {
            return Err(format!("line {}: not four ports", number + 1).into());
        };
        let [a, b] = [EndpointId(2 * number), EndpointId(2 * number + 1)];
        open(&plane, a, a_relay, a_local)?;
        open(&plane, b, b_relay, b_local)?;
        plane.execute(Command::Bridge { a, b });
        calls += 1;
    }
    writeln!(io::stdout(), "relaying {calls} calls")?;
    loop {
        std::thread::sleep(Duration::from_secs(3_600));
    }
}

fn open(plane: &Plane, endpoint: EndpointId, port: u16, party: u16) -> Result<(), String> {
    let order = Command::Open {
        endpoint,
        local: LOCAL,
        port: Some(port),
    };
    if !matches!(plane.execute(order), Some(Event::Opened { .. })) {
        return Err(format!(
            "port {port} cannot be bound (it must be even and free)"
        ));
    }
    let remote = Remote {
        payload_types: vec![0, 8, 101],
        silence: Some(Duration::from_secs(60)),
        ..Remote::plain(SocketAddr::new(LOCAL, party))
    };
    plane.execute(Command::Remote { endpoint, remote });
    Ok(())
}
