//! Measures what records cost: CPU time per call (state written, closed, moved into the database) at a
//! steady rate, and per registration refreshed.
//!
//! ```text
//! cargo run --release -p fernamt-store --example store_cost [CALLS_PER_SECOND] [SECONDS] [FOLDER]
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, run by hand; it may stop at the first surprise"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fernamt_charging::{CallRecord, CallReference, LegRecord, LegRole, MediaProtection, Releaser};
use fernamt_exchange::interface::{Ticket, Write};
use fernamt_exchange::journal::Journal;
use fernamt_exchange::registrar::{Binding, BindingsOf};
use fernamt_numbering::E164;
use fernamt_sdp::CryptoSuite;
use fernamt_sip::time::UnixTime;
use fernamt_sip::transport::Transport;
use fernamt_store::records::{NewDevice, Secret};
use fernamt_store::{BindingJournal, CallJournal, CommitSink, DataFolder, Records};
use rustix::time::{ClockId, clock_gettime};

/// How often the generator wakes up.
const TICK: Duration = Duration::from_millis(5);

/// The state of a call with two legs, with dialogs, SDP and media, in bytes.
const STATE_BYTES: usize = 1_800;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rate: u64 = arguments.next().map_or(2_000, |text| text.parse().unwrap());
    let seconds: u64 = arguments.next().map_or(20, |text| text.parse().unwrap());
    let place = arguments.next();
    let own = tempfile::tempdir().unwrap();
    let folder = place.as_deref().map_or(own.path(), Path::new);
    let folder = DataFolder::open(folder).unwrap();
    calls(&folder, rate, seconds);
    registrations(&folder, rate * 2, seconds);
    devices(&folder);
}

struct Nobody;

impl CommitSink for Nobody {
    fn committed(&mut self, _: u16, _: &[Ticket]) {}
    fn failed(&mut self, _: u16, _: &[Ticket]) {}
}

/// CPU time of the threads of the store, and of handing values over to them; not of making the values.
struct Cpu {
    others: Duration,
    handing_over: Duration,
}

impl Cpu {
    fn start() -> Cpu {
        Cpu {
            others: other_threads(),
            handing_over: Duration::ZERO,
        }
    }

    fn hand_over<T>(&mut self, values: Vec<T>, act: impl FnMut(T)) {
        let before = clock(ClockId::ThreadCPUTime);
        values.into_iter().for_each(act);
        self.handing_over += clock(ClockId::ThreadCPUTime) - before;
    }

    fn tell(&self, what: &str, count: u64, rate: u64) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
        let (threads, handing_over) =
            (each(other_threads() - self.others), each(self.handing_over));
        println!(
            "{what}: {count} at {rate}/s: {:.2} µs CPU each ({handing_over:.2} to hand over, {threads:.2} \
             in the threads of the store)",
            threads + handing_over
        );
    }
}

fn other_threads() -> Duration {
    clock(ClockId::ProcessCPUTime) - clock(ClockId::ThreadCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Calls that last two seconds, so that states and ends go into different places of the journal.
fn calls(folder: &DataFolder, rate: u64, seconds: u64) {
    let (journal, _) = CallJournal::open(folder, Nobody).unwrap();
    let (count, lasting) = (rate * seconds, rate * 2);
    let mut cpu = Cpu::start();
    steadily(rate, count + lasting, |numbers| {
        let mut writes = Vec::new();
        for number in numbers {
            if number < count {
                writes.push(Write::State {
                    call: reference(number),
                    state: vec![b's'; STATE_BYTES],
                    ticket: Some(Ticket(number)),
                });
            }
            if let Some(ended) = number.checked_sub(lasting) {
                let record = Box::new(record(ended));
                writes.push(Write::Closed {
                    record,
                    journal: course(),
                    ticket: Some(Ticket(number)),
                });
            }
        }
        cpu.hand_over(writes, |write| journal.append(0, write).unwrap());
    });
    journal.flush().unwrap();
    cpu.tell("calls", count, rate);
    let size = |path: std::path::PathBuf| path.metadata().map_or(0, |file| file.len());
    println!(
        "  database {} bytes a call",
        size(folder.database()) / count
    );
}

fn registrations(folder: &DataFolder, rate: u64, seconds: u64) {
    let users = 20_000.min(rate * seconds / 2);
    let (journal, _) = BindingJournal::open(folder).unwrap();
    for user in 0..users {
        journal.write(bindings(user, 3_600));
    }
    journal.flush().unwrap();
    let count = rate * seconds;
    // In no order of their names.
    let user = |number: u64| number.wrapping_mul(7_919) % users;
    let mut cpu = Cpu::start();
    steadily(rate, count, |numbers| {
        let changes = numbers
            .map(|number| bindings(user(number), 3_600))
            .collect();
        cpu.hand_over(changes, |change| journal.write(change));
    });
    journal.flush().unwrap();
    cpu.tell("registrations refreshed", count, rate);
    let mut cpu = Cpu::start();
    steadily(rate, count, |numbers| {
        let moved = |number| bindings_from(user(number), 3_600, number as u16);
        cpu.hand_over(numbers.map(moved).collect(), |change| journal.write(change));
    });
    journal.flush().unwrap();
    cpu.tell("registrations with a new address", count, rate);
}

fn devices(folder: &DataFolder) {
    const COUNT: u64 = 100_000;
    let device = |number: u64| NewDevice {
        user: format!("phone{number}").into(),
        name: Some("Desk".into()),
        numbers: E164::from_u64(493_000_000_000 + number)
            .into_iter()
            .collect(),
        direct_media: false,
        encryption: Default::default(),
        media_transport: Default::default(),
        secret: Secret::Password(format!("secret{number}").into()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let records = Records::open(folder).await.unwrap();
        let start = Instant::now();
        records
            .import((0..COUNT).map(device).collect(), |_| ())
            .await
            .unwrap();
        println!(
            "import of {COUNT} devices: {:.2} s",
            start.elapsed().as_secs_f64()
        );
        let start = Instant::now();
        let all = records
            .devices_changed_since(fernamt_store::records::Revision(0))
            .await
            .unwrap();
        println!(
            "loading {} devices: {:.2} s",
            all.changed.len(),
            start.elapsed().as_secs_f64()
        );
    });
}

/// Does something `count` times, `rate` times a second.
fn steadily(rate: u64, count: u64, mut act: impl FnMut(std::ops::Range<u64>)) {
    let start = Instant::now();
    let mut done = 0;
    while done < count {
        let due = (start.elapsed().as_micros() as u64 * rate / 1_000_000).min(count);
        act(done..due);
        done = due;
        std::thread::sleep(TICK);
    }
}

/// As random as those of an exchange.
fn reference(number: u64) -> CallReference {
    let mut value = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    CallReference(value ^ (value >> 31))
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixTime::from_micros(since.as_micros() as i64)
}

fn record(number: u64) -> CallRecord {
    let call = reference(number);
    let leg = |role, user: String| LegRecord {
        role,
        call_id: format!("{:x}-{call}@192.0.2.17", number).into(),
        user: Some(user.into()),
        peer: "UDP 192.0.2.17:5060".into(),
        protection: Some(MediaProtection::Sdes {
            suite: CryptoSuite::AesCm128HmacSha1_80,
            signalling_encrypted: true,
        }),
    };
    let (caller, callee) = (
        format!("phone{}", number % 10_000),
        format!("phone{}", number * 31 % 10_000),
    );
    CallRecord {
        call,
        caller: Some(caller.clone().into()),
        caller_number: format!("+4930{:07}", number % 10_000).into(),
        dialled: format!("+4930{:07}", number * 31 % 10_000).into(),
        callee: Some(callee.clone().into()),
        start: now(),
        answer: Some(now()),
        end: now(),
        duration: Duration::from_secs(2),
        cause: 16,
        cause_text: "normal call clearing".into(),
        status: None,
        released_by: Releaser::Caller,
        codec: Some("PCMA/8000".into()),
        legs: vec![leg(LegRole::Caller, caller), leg(LegRole::Callee, callee)],
    }
}

/// The course of an answered call.
fn course() -> Journal {
    let at = now();
    let mut course = Journal::new(at);
    let why = "+49301234567 reaches device phone2";
    course.party(at, 0, "phone1", "UDP 192.0.2.17:5060");
    course.received(at, 0, "INVITE", "");
    course.sent(at, 0, "100 Trying", "");
    course.decided(at, why);
    course.party(at, 1, "phone2", "UDP 192.0.2.17:5060");
    course.sent(at, 1, "INVITE", "");
    course.received(at, 1, "180 Ringing", "");
    course.sent(at, 0, "180 Ringing", "");
    course.received(at, 1, "200 OK", "");
    course.media(at, 1, "relayed, PCMA");
    course.sent(at, 0, "200 OK", "");
    course.received(at, 0, "ACK", "");
    course.sent(at, 1, "ACK", "");
    course.received(at, 0, "BYE", "");
    course.sent(at, 0, "200 OK", "");
    course.sent(at, 1, "BYE", "");
    course.received(at, 1, "200 OK", "");
    course.released(at, 16, "the caller hung up");
    course
}

fn bindings(user: u64, seconds: i64) -> BindingsOf {
    bindings_from(user, seconds, 5_060)
}

fn bindings_from(user: u64, seconds: i64, port: u16) -> BindingsOf {
    let binding = Binding {
        contact: format!("sip:phone{user}@192.0.2.17:5060;transport=udp").into(),
        q: 1000,
        expires: now() + Duration::from_secs(seconds.unsigned_abs()),
        call_id: format!("reg-{user:x}@192.0.2.17").into(),
        cseq: 1,
        instance: Some(format!("urn:uuid:00000000-0000-1000-8000-{user:012x}").into()),
        reg_id: 0,
        path: Vec::new(),
        user_agent: Some("Example Phone 1.2.3".into()),
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        received: (std::net::Ipv4Addr::new(192, 0, 2, 17), port).into(),
        ice: false,
        connection: None,
        nat: Default::default(),
    };
    BindingsOf {
        user: format!("phone{user}").into(),
        bindings: vec![Arc::new(binding)],
    }
}
