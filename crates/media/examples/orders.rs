//! What the orders of a call cost without any media: `orders [CALLS] [CALLS_PER_SECOND]`. A call is
//! two endpoints opened, two descriptions, a bridge, two endpoints closed 150 ms later. Prints the
//! processor time for one call.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use fernamt_exchange::media::{Command, EndpointId, Event, Remote};
use fernamt_media::{Plane, PlaneConfig};
use rustix::time::{ClockId, clock_gettime};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CALL: Duration = Duration::from_millis(150);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u32>());
    let calls = arguments.next().unwrap_or(Ok(10_000))?;
    let rate = arguments.next().unwrap_or(Ok(1_000))?;
    let plane = Plane::start(PlaneConfig::default(), |_| {})?;
    let (begin, process) = (Instant::now(), processor_time(ClockId::ProcessCPUTime));
    let mut orders = Duration::ZERO;
    let mut answered = VecDeque::new();
    let mut refused = 0;
    for call in 0..calls {
        let due = begin + Duration::from_secs(1) * call / rate;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let before = processor_time(ClockId::ThreadCPUTime);
        while let Some(&(since, ids)) = answered.front()
            && due >= since + CALL
        {
            answered.pop_front();
            close(&plane, ids);
        }
        match open(&plane, u64::from(call)) {
            Some(ids) => answered.push_back((due, ids)),
            None => refused += 1,
        }
        orders += processor_time(ClockId::ThreadCPUTime) - before;
    }
    let process = per_call(processor_time(ClockId::ProcessCPUTime) - process, calls);
    let orders = per_call(orders, calls);
    writeln!(
        io::stdout(),
        "{orders:.1} µs a call in orders, {process:.1} µs with threads and pacing, {refused} refused"
    )?;
    writeln!(io::stdout(), "{:?}", plane.usage())?;
    Ok(())
}

fn open(plane: &Plane, call: u64) -> Option<[EndpointId; 2]> {
    let ids = [EndpointId(2 * call), EndpointId(2 * call + 1)];
    for endpoint in ids {
        let order = Command::Open {
            endpoint,
            local: LOCAL,
            port: None,
        };
        let Some(Event::Opened { rtp, .. }) = plane.execute(order) else {
            return None;
        };
        let remote = Remote {
            rtcp: None,
            payload_types: vec![0, 8, 101],
            silence: Some(Duration::from_secs(60)),
            ..Remote::plain(rtp)
        };
        plane.execute(Command::Remote {
            endpoint,
            remote: Box::new(remote),
        });
    }
    let [a, b] = ids;
    plane.execute(Command::Bridge { a, b });
    Some(ids)
}

fn close(plane: &Plane, ids: [EndpointId; 2]) {
    for endpoint in ids {
        plane.execute(Command::Close { endpoint });
    }
}

fn processor_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn per_call(time: Duration, calls: u32) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(calls.max(1))
}
