//! A packet that is relayed takes nothing from the heap: every allocation is counted.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

#[path = "../../sip/tests/counting/mod.rs"]
mod counting;
mod desk;

use counting::allocations;
use desk::{Desk, address, flow};
use fernamt_stun::server::Input;

#[test]
fn a_relayed_packet_takes_nothing_from_the_heap() {
    const PEER: &str = "203.0.113.9:5000";
    const OTHER: &str = "203.0.113.9:5001";
    let mut desk = Desk::new(|_| {});
    let client = flow("203.0.113.1:40000");
    let (relay, _) = desk.allocate(client);
    assert_eq!(desk.bind(client, 0x4000, PEER), 0);
    let mut channel_data = vec![0x40, 0, 0, 172];
    channel_data.resize(176, 7);
    let sent_by = |desk: &mut Desk| {
        let inputs = [
            Input::Received {
                flow: client,
                bytes: &channel_data,
            },
            Input::FromPeer {
                relay,
                peer: address(PEER),
                data: &[7; 172],
            },
            // As a Data indication.
            Input::FromPeer {
                relay,
                peer: address(OTHER),
                data: &[7; 172],
            },
        ];
        let mut sent = 0;
        for input in inputs {
            desk.server.handle(desk.now, input);
            while let Some(output) = desk.server.poll() {
                std::hint::black_box(output);
                sent += 1;
            }
        }
        sent
    };
    // The buffers find their size.
    assert_eq!(sent_by(&mut desk), 3);
    let count = allocations(|| {
        for _ in 0..1000 {
            assert_eq!(sent_by(&mut desk), 3);
        }
    });
    assert_eq!(count, 0);
}
