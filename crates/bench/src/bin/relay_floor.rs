//! The least a relay can do: `relay_floor CALLS.txt` receives each packet and sends it once, on one
//! thread, with readiness from epoll. It looks at nothing, counts nothing, and is no product.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;

use fernamt_bench::calls;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

const PACKET_BYTES: usize = 2_048;
const EVENTS_AT_ONCE: usize = 512;

fn main() -> io::Result<()> {
    let list = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other("usage: relay_floor CALLS.txt"))?;
    let list = calls::read(&list)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut sides = Vec::with_capacity(2 * list.len());
    for call in &list {
        for side in [&call.a, &call.b] {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, side.relay))?;
            socket.connect((Ipv4Addr::LOCALHOST, side.local))?;
            socket.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(sides.len() as u64);
            epoll::add(&poll, &socket, data, epoll::EventFlags::IN)?;
            sides.push(socket);
        }
    }
    writeln!(io::stdout(), "relaying {} calls", list.len())?;
    let mut packet = [0; PACKET_BYTES];
    let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
    loop {
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in &events {
            let side = event.data.u64() as usize;
            // The two sides of a call stand beside each other.
            if let (Some(from), Some(to)) = (sides.get(side), sides.get(side ^ 1))
                && let Ok(length) = from.recv(&mut packet)
                && let Some(packet) = packet.get(..length)
            {
                // A party that does not listen any more is no reason to stop.
                let _ = to.send(packet);
            }
        }
    }
}
