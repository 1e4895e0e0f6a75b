//! Clients that begin anew in the middle, and hellos that somebody else writes in their name.

use super::*;

/// The hello of a handshake that nobody goes on with: whoever wrote it does not hear the answers.
fn forged_hello() -> Vec<u8> {
    let strange = certificate();
    let mut forger = Side::new(DtlsRole::Client, &strange, &strange, CLIENT);
    let mut world = World::new();
    world.begin(&mut forger, SERVER);
    world.under_way.remove(0).2
}

/// Lets a datagram arrive at the server as if the client had sent it.
fn forge(world: &mut World, hello: &[u8]) {
    let (from, to) = (address(CLIENT), address(SERVER));
    world.under_way.push((from, to, hello.to_vec()));
}

#[test]
fn a_client_that_begins_anew_in_the_middle_does_not_have_to_wait() {
    // After every step of a handshake; the sixth is its end.
    for steps in 1..=6 {
        let (one, other) = (certificate(), certificate());
        let mut first = Side::new(DtlsRole::Client, &one, &other, CLIENT);
        let mut server = Side::new(DtlsRole::Server, &other, &one, SERVER);
        let mut world = World::new();
        world.begin(&mut first, SERVER);
        for _ in 0..steps {
            world.step(&mut [&mut first, &mut server]);
        }
        // Whoever begins anew has not heard what was under way.
        world.under_way.clear();
        let told = server.agreed.len();
        let mut again = Side::new(DtlsRole::Client, &one, &other, CLIENT);
        world.begin(&mut again, SERVER);
        world.run(&mut [&mut again, &mut server], 200);
        assert_agreed(&again, &server);
        assert_eq!(server.agreed.len(), told + 1, "after {steps} steps");
        world.run(&mut [&mut again, &mut server], 59_000);
        assert_eq!(server.agreed.len(), told + 1, "after {steps} steps");
        assert_eq!(server.agreement.rtp.associations.len(), 1);
    }
}

#[test]
fn a_client_may_begin_anew_from_another_of_its_checked_addresses() {
    let (one, other) = (certificate(), certificate());
    let mut first = Side::new(DtlsRole::Client, &one, &other, CLIENT);
    let mut server = Side::new(DtlsRole::Server, &other, &one, SERVER);
    let mut world = World::new();
    world.is_found = Some(true);
    world.begin(&mut first, SERVER);
    for _ in 0..3 {
        world.step(&mut [&mut first, &mut server]);
    }
    world.under_way.clear();
    let mut again = Side::new(DtlsRole::Client, &one, &other, "192.0.2.1:4002");
    world.begin(&mut again, SERVER);
    world.run(&mut [&mut again, &mut server], 200);
    assert_agreed(&again, &server);
}

/// A part of CVE-2023-49786: whoever can write the address of the party needs no more for it.
#[test]
fn dtls_hello_race_in_the_name_of_the_party() {
    for before in 0..=8 {
        let (mut client, mut server) = pair();
        let mut world = World::new();
        for step in 0..40 {
            forge(&mut world, &forged_hello());
            if step == before {
                world.begin(&mut client, SERVER);
            }
            world.step(&mut [&mut client, &mut server]);
            let associations = server.agreement.rtp.associations.len();
            assert!(associations <= 1, "nothing is kept of a forged hello");
        }
        assert_agreed(&client, &server);
        assert!(world.now_micros < 400_000, "nothing was sent again");
        world.run(&mut [&mut client, &mut server], 50_000);
        assert_eq!(server.agreed.len(), 1, "{:?}", server.agreed);
    }
}

/// What the old handshake would repeat is no answer to the new one, which has lost its first.
#[test]
fn a_handshake_that_was_begun_anew_is_not_spoken_into() {
    let (one, other) = (certificate(), certificate());
    let mut first = Side::new(DtlsRole::Client, &one, &other, CLIENT);
    let mut server = Side::new(DtlsRole::Server, &other, &one, SERVER);
    let mut world = World::new();
    world.begin(&mut first, SERVER);
    for _ in 0..3 {
        world.step(&mut [&mut first, &mut server]);
    }
    world.under_way.clear();
    let mut again = Side::new(DtlsRole::Client, &one, &other, CLIENT);
    world.begin(&mut again, SERVER);
    world.step(&mut [&mut again, &mut server]);
    world.under_way.clear();
    world.run(&mut [&mut again, &mut server], 400);
    assert_agreed(&again, &server);
    assert_eq!(again.agreed.len(), 1, "{:?}", again.agreed);
}

/// What has not got beyond a hello is nobody's failure, and ends no call.
#[test]
fn a_forged_hello_is_told_to_nobody() {
    let (mut client, mut server) = pair();
    let mut world = World::new();
    forge(&mut world, &forged_hello());
    world.run(&mut [&mut client, &mut server], 90_000);
    assert_eq!(server.agreed, []);
    world.begin(&mut client, SERVER);
    world.run(&mut [&mut client, &mut server], 2_000);
    assert_agreed(&client, &server);
    forge(&mut world, &forged_hello());
    world.run(&mut [&mut client, &mut server], 90_000);
    assert_eq!(server.agreed.len(), 1, "{:?}", server.agreed);
}

#[test]
fn a_late_copy_of_a_hello_begins_nothing() {
    let (mut client, mut server) = pair();
    let mut world = World::new();
    world.begin(&mut client, SERVER);
    let mut hellos = vec![world.under_way[0].2.clone()];
    world.step(&mut [&mut client, &mut server]);
    world.step(&mut [&mut client, &mut server]);
    hellos.push(world.under_way[0].2.clone());
    world.run(&mut [&mut client, &mut server], 2_000);
    assert_agreed(&client, &server);
    for hello in &hellos {
        forge(&mut world, hello);
        world.step(&mut [&mut server]);
    }
    assert_eq!(server.agreement.rtp.associations.len(), 1);
    // Nor does one with the cookie of somebody else.
    let (_, mut other) = pair();
    forge(&mut world, &hellos[1]);
    world.step(&mut [&mut other]);
    assert_eq!(other.agreement.rtp.associations.len(), 0);
}

/// A hello with large keys in it takes two datagrams. When the second arrives first, it has to come
/// again: nothing is kept of somebody who has not shown that he is there.
#[test]
fn a_hello_in_two_pieces_is_put_together() {
    for is_turned in [false, true] {
        let (mut client, mut server) = pair();
        let mut world = World::new();
        world.begin(&mut client, SERVER);
        let mut agreed_micros = None;
        for _ in 0..80 {
            let arriving = core::mem::take(&mut world.under_way);
            for (from, to, datagram) in arriving {
                let mut pieces = match to == address(SERVER) {
                    true => pieces(&datagram),
                    false => vec![datagram],
                };
                if is_turned && world.now_micros < 200_000 {
                    pieces.reverse();
                }
                let pieces = pieces.into_iter().map(|piece| (from, to, piece));
                world.under_way.extend(pieces);
            }
            world.step(&mut [&mut client, &mut server]);
            if !server.agreed.is_empty() {
                agreed_micros.get_or_insert(world.now_micros);
            }
        }
        assert_agreed(&client, &server);
        let is_quick = agreed_micros.is_some_and(|at| at < 200_000);
        assert_eq!(is_quick, !is_turned);
    }
}

/// Without the cookie the hello just fits one record.
#[test]
fn a_hello_that_only_the_cookie_makes_too_long_is_put_together() {
    let (mut client, mut server) = pair();
    let mut world = World::new();
    world.begin(&mut client, SERVER);
    for _ in 0..20 {
        let arriving = core::mem::take(&mut world.under_way);
        for (from, to, datagram) in arriving {
            let is_first = KeyAgreement::is_hello(&datagram) && datagram[10] == 0;
            let pieces = match to == address(SERVER) && !is_first {
                true => pieces_of(&datagram, 1, |bytes| bytes - 10),
                false => vec![datagram],
            };
            let pieces = pieces.into_iter().map(|piece| (from, to, piece));
            world.under_way.extend(pieces);
        }
        world.step(&mut [&mut client, &mut server]);
    }
    assert_agreed(&client, &server);
}

/// The two halves of a datagram with a hello, and what else a client says, with the numbers that its
/// records then have.
fn pieces(datagram: &[u8]) -> Vec<Vec<u8>> {
    let number = datagram[10];
    pieces_of(datagram, 2 * number, |bytes| bytes / 2 + 1)
}

/// The same with a hello whose first piece is a record of this number, and has so many of its bytes.
fn pieces_of(datagram: &[u8], first: u8, at: impl Fn(usize) -> usize) -> Vec<Vec<u8>> {
    let mut all = datagram.to_vec();
    if !KeyAgreement::is_hello(datagram) {
        let mut at = 0;
        while at < all.len() {
            let length = usize::from(u16::from_be_bytes([all[at + 11], all[at + 12]]));
            if all[at + 4] == 0 {
                all[at + 10] += 10;
            }
            at += 13 + length;
        }
        return vec![all];
    }
    let (header, message) = datagram.split_at(13);
    let (head, body) = message.split_at(12);
    let half = at(body.len());
    let piece = |number: u8, offset: usize, part: &[u8]| {
        let (offset, length) = (offset as u32, part.len() as u32);
        let mut piece = header[..11].to_vec();
        piece[10] = first + number;
        piece.extend((part.len() as u16 + 12).to_be_bytes());
        piece.extend(&head[..6]);
        piece.extend(&offset.to_be_bytes()[1..]);
        piece.extend(&length.to_be_bytes()[1..]);
        piece.extend(part);
        piece
    };
    vec![piece(0, 0, &body[..half]), piece(1, half, &body[half..])]
}
