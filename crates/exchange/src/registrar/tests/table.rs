use super::*;

fn register(
    location: &mut Location,
    now: u64,
    binding: &Binding,
    seconds: u64,
) -> Vec<Arc<Binding>> {
    location
        .apply(at(now), "anna", update([lasts(binding, seconds)]))
        .unwrap()
}

fn bound(location: &Location, now: u64) -> Vec<Arc<Binding>> {
    location.bindings(at(now), "anna")
}

#[test]
fn a_binding_lasts_until_it_expires() {
    let mut location = Location::default();
    register(&mut location, 0, &binding("sip:anna@198.51.100.1"), 60);
    assert_eq!(bound(&location, 59).len(), 1);
    assert_eq!(
        bound(&location, 60).len(),
        0,
        "expired, though nothing has swept it away yet"
    );
    assert_eq!(location.next_expiry(), Some(at(60)));
    assert_eq!(location.expire(at(59)), 0);
    assert_eq!(location.expire(at(60)), 1);
    assert_eq!((location.len(), location.next_expiry()), (0, None));
    assert_eq!(location.counters().expired, 1);
}

#[test]
fn a_refresh_prolongs_and_a_removal_removes() {
    let mut location = Location::default();
    let mut phone = binding("sip:anna@198.51.100.1");
    register(&mut location, 0, &phone, 60);
    phone.cseq = 2;
    register(&mut location, 50, &phone, 60);
    assert_eq!(location.expire(at(60)), 0);
    assert_eq!(bound(&location, 100).len(), 1);
    phone.cseq = 3;
    assert_eq!(register(&mut location, 100, &phone, 0).len(), 0);
    assert_eq!(location.len(), 0);
    phone.cseq = 4;
    assert_eq!(
        register(&mut location, 100, &phone, 0).len(),
        0,
        "nothing there to remove"
    );
    let counters = location.counters();
    assert_eq!(
        (counters.added, counters.refreshed, counters.removed),
        (1, 1, 1)
    );
}

#[test]
fn equivalent_contacts_are_one_binding() {
    let mut location = Location::default();
    register(
        &mut location,
        0,
        &binding("sip:anna@Phone.example:5060;Transport=UDP"),
        60,
    );
    let same = Binding {
        cseq: 2,
        ..binding("sip:%61nna@phone.EXAMPLE:5060;transport=udp")
    };
    let all = register(&mut location, 1, &same, 60);
    assert_eq!(
        contacts(&all),
        ["sip:%61nna@phone.EXAMPLE:5060;transport=udp"]
    );
}

#[test]
fn an_older_register_changes_nothing() {
    let mut location = Location::default();
    let newer = Binding {
        cseq: 7,
        ..binding("sip:anna@198.51.100.1")
    };
    register(&mut location, 0, &newer, 60);
    for cseq in [6, 7] {
        let older = Binding {
            cseq,
            ..newer.clone()
        };
        for seconds in [0, 60] {
            let refused = location.apply(at(1), "anna", update([lasts(&older, seconds)]));
            assert_eq!(refused, Err(RefusedChange::OutOfOrder), "{cseq} {seconds}");
        }
        let star = RegisterChange::RemoveAll {
            call_id: "call-1".into(),
            cseq,
        };
        assert_eq!(
            location.apply(at(1), "anna", star),
            Err(RefusedChange::OutOfOrder)
        );
    }
    assert_eq!(bound(&location, 1)[0].cseq, 7);
    let rebooted = Binding {
        call_id: "call-2".into(),
        ..binding("sip:anna@198.51.100.1")
    };
    assert_eq!(register(&mut location, 1, &rebooted, 60).len(), 1);
    assert_eq!(location.counters().refused, 6);
}

#[test]
fn all_or_nothing() {
    let mut location = Location::default();
    let known = Binding {
        cseq: 5,
        ..binding("sip:anna@198.51.100.1")
    };
    register(&mut location, 0, &known, 60);
    location.drain_changes();
    let fresh = Binding {
        call_id: "x".into(),
        ..binding("sip:anna2@198.51.100.2")
    };
    let change = update([lasts(&fresh, 60), lasts(&known, 0)]);
    assert_eq!(
        location.apply(at(1), "anna", change),
        Err(RefusedChange::OutOfOrder)
    );
    assert_eq!(contacts(&bound(&location, 1)), ["sip:anna@198.51.100.1"]);
    assert_eq!(location.drain_changes(), []);
}

#[test]
fn star_removes_everything() {
    let mut location = Location::default();
    register(&mut location, 0, &binding("sip:anna@198.51.100.1"), 60);
    let second = Binding {
        call_id: "call-2".into(),
        cseq: 9,
        ..binding("sip:b@198.51.100.2")
    };
    register(&mut location, 0, &second, 60);
    let star = RegisterChange::RemoveAll {
        call_id: "call-1".into(),
        cseq: 2,
    };
    assert_eq!(location.apply(at(1), "anna", star), Ok(vec![]));
    assert!(location.is_empty());
}

#[test]
fn bindings_come_by_preference_then_by_age() {
    let mut location = Location::default();
    for (number, q) in [(1, 500), (2, 1000), (3, 500), (4, 0)] {
        let contact = format!("sip:{number}@198.51.100.1");
        let phone = Binding {
            q,
            call_id: contact.clone().into(),
            ..binding(&contact)
        };
        register(&mut location, 0, &phone, 60);
    }
    let order = [
        "sip:2@198.51.100.1",
        "sip:1@198.51.100.1",
        "sip:3@198.51.100.1",
        "sip:4@198.51.100.1",
    ];
    assert_eq!(contacts(&bound(&location, 0)), order);
}

#[test]
fn several_contacts_of_one_register_stand_side_by_side() {
    let mut location = Location::default();
    let v4 = binding("sip:anna@198.51.100.1");
    let v6 = binding("sip:anna@[2001:db8::1]");
    let all = location
        .apply(at(0), "anna", update([lasts(&v4, 60), lasts(&v6, 60)]))
        .unwrap();
    assert_eq!(
        all.len(),
        2,
        "the same Call-ID and user, but both are wanted"
    );
    let (v4, v6) = (Binding { cseq: 2, ..v4 }, Binding { cseq: 2, ..v6 });
    let all = location
        .apply(at(1), "anna", update([lasts(&v6, 60), lasts(&v4, 60)]))
        .unwrap();
    assert_eq!(all.len(), 2);
    let twice = Binding {
        cseq: 3,
        q: 500,
        ..v4.clone()
    };
    let all = location
        .apply(
            at(1),
            "anna",
            update([lasts(&twice, 60), lasts(&twice, 30)]),
        )
        .unwrap();
    assert_eq!(
        all.len(),
        1,
        "one contact twice is one; the other address was left"
    );
    assert_eq!(all[0].expires, at(31));
}

#[test]
fn a_phone_that_moved_leaves_no_stale_binding() {
    let new_place = |old: &Binding| Binding {
        contact: "sip:anna@203.0.113.9:1024".into(),
        received: "203.0.113.9:1024".parse().unwrap(),
        ..old.clone()
    };
    let same_instance = Binding {
        instance: Some("urn:uuid:1".into()),
        ..binding("sip:anna@198.51.100.1")
    };
    let cases = [
        // The same instance, rebooted: the Call-ID and even the user part may be new.
        (
            same_instance.clone(),
            Binding {
                call_id: "call-2".into(),
                ..new_place(&same_instance)
            },
        ),
        // The same sequence of REGISTERs.
        (
            binding("sip:anna@198.51.100.1"),
            Binding {
                cseq: 2,
                ..new_place(&binding("sip:anna@198.51.100.1"))
            },
        ),
    ];
    for (old, new) in cases {
        let mut location = Location::default();
        register(&mut location, 0, &old, 3600);
        let all = register(&mut location, 10, &new, 3600);
        assert_eq!(contacts(&all), ["sip:anna@203.0.113.9:1024"]);
        assert_eq!(location.counters().replaced, 1);
    }
}

#[test]
fn other_phones_stay_when_one_moves() {
    let mut location = Location::default();
    let phone = |number: u8| Binding {
        call_id: format!("call-{number}").into(),
        received: ([198, 51, 100, number], 5060).into(),
        ..binding(&format!("sip:anna@198.51.100.{number}"))
    };
    register(&mut location, 0, &phone(1), 3600);
    register(&mut location, 0, &phone(2), 3600);
    let other_instance = Binding {
        instance: Some("urn:uuid:2".into()),
        ..phone(3)
    };
    register(&mut location, 0, &other_instance, 3600);
    let moved = Binding {
        call_id: "call-1".into(),
        cseq: 2,
        instance: Some("urn:uuid:1".into()),
        ..phone(9)
    };
    let all = register(&mut location, 1, &moved, 3600);
    assert_eq!(all.len(), 3);
    // Another user part is another contact that the same phone wants besides.
    let besides = Binding {
        cseq: 3,
        call_id: "call-1".into(),
        ..binding("sip:fax@198.51.100.9")
    };
    assert_eq!(register(&mut location, 2, &besides, 3600).len(), 4);
}

#[test]
fn a_late_register_from_the_old_address_is_refused() {
    let mut location = Location::default();
    let new = Binding {
        cseq: 8,
        ..binding("sip:anna@203.0.113.9")
    };
    register(&mut location, 0, &new, 3600);
    let late = Binding {
        cseq: 7,
        ..binding("sip:anna@198.51.100.1")
    };
    let refused = location.apply(at(1), "anna", update([lasts(&late, 3600)]));
    assert_eq!(refused, Err(RefusedChange::OutOfOrder));
}

#[test]
fn flows_of_one_instance_are_told_apart_by_reg_id() {
    let mut location = Location::default();
    let flow = |reg_id: u32, address: &str| Binding {
        instance: Some("urn:uuid:1".into()),
        reg_id,
        call_id: format!("call-{reg_id}-{address}").into(),
        ..binding(&format!("sip:anna@{address}"))
    };
    register(&mut location, 0, &flow(1, "198.51.100.1"), 3600);
    register(&mut location, 0, &flow(2, "198.51.100.1"), 3600);
    assert_eq!(
        bound(&location, 0).len(),
        2,
        "the same contact over two flows"
    );
    let all = register(&mut location, 1, &flow(1, "203.0.113.9"), 3600);
    assert_eq!(
        contacts(&all),
        ["sip:anna@203.0.113.9", "sip:anna@198.51.100.1"]
    );
}

#[test]
fn two_instances_behind_two_routers_may_have_the_same_private_contact() {
    let mut location = Location::default();
    for instance in ["urn:uuid:1", "urn:uuid:2"] {
        let phone = Binding {
            instance: Some(instance.into()),
            ..binding("sip:anna@192.168.1.10")
        };
        register(
            &mut location,
            0,
            &Binding {
                call_id: instance.into(),
                ..phone
            },
            3600,
        );
    }
    assert_eq!(bound(&location, 0).len(), 2);
}

fn on_connection(contact: &str, connection: u64) -> Binding {
    Binding {
        transport: Transport::Tcp,
        connection: Some(ConnectionId(connection)),
        received: "203.0.113.9:40000".parse().unwrap(),
        call_id: format!("call-{contact}-{connection}").into(),
        ..binding(contact)
    }
}

#[test]
fn a_binding_dies_with_its_connection() {
    let mut location = Location::default();
    register(
        &mut location,
        0,
        &on_connection("sip:anna@192.168.1.10:5060", 7),
        3600,
    );
    register(
        &mut location,
        0,
        &on_connection("sip:anna@192.168.1.11:5060", 8),
        3600,
    );
    location.drain_changes();
    assert_eq!(location.connection_closed(ConnectionId(7)), 1);
    assert_eq!(location.connection_closed(ConnectionId(7)), 0);
    assert_eq!(location.connection_closed(ConnectionId(99)), 0);
    assert_eq!(
        contacts(&bound(&location, 0)),
        ["sip:anna@192.168.1.11:5060"]
    );
    assert_eq!(location.drain_changes().len(), 1);
}

#[test]
fn a_phone_that_listens_itself_survives_its_connection() {
    let mut location = Location::default();
    register(
        &mut location,
        0,
        &on_connection("sip:anna@203.0.113.9:5060;transport=tcp", 7),
        3600,
    );
    assert_eq!(location.connection_closed(ConnectionId(7)), 0);
    assert_eq!(bound(&location, 0)[0].connection, None);
    let outbound = Binding {
        reg_id: 1,
        instance: Some("urn:uuid:1".into()),
        ..on_connection("sip:anna@203.0.113.9:5060;transport=tcp", 8)
    };
    register(&mut location, 0, &outbound, 3600);
    assert_eq!(
        location.connection_closed(ConnectionId(8)),
        1,
        "a flow is its connection"
    );
    let ephemeral = on_connection("sip:anna@203.0.113.9:40000;transport=tcp", 9);
    register(&mut location, 0, &ephemeral, 3600);
    assert_eq!(
        location.connection_closed(ConnectionId(9)),
        1,
        "nobody listens on that port"
    );
}

#[test]
fn a_refresh_on_a_new_connection_leaves_the_old_one() {
    let mut location = Location::default();
    register(
        &mut location,
        0,
        &on_connection("sip:anna@192.168.1.10", 7),
        3600,
    );
    register(
        &mut location,
        1,
        &on_connection("sip:anna@192.168.1.10", 8),
        3600,
    );
    assert_eq!(location.connection_closed(ConnectionId(7)), 0);
    assert_eq!(bound(&location, 1).len(), 1);
}

#[test]
fn after_a_restart_a_phone_takes_the_place_of_its_dead_connection() {
    let mut before = Location::default();
    for (port, connection) in [(1, 7), (2, 8)] {
        register(
            &mut before,
            0,
            &on_connection(&format!("sip:anna@192.168.1.10:{port}"), connection),
            3600,
        );
    }
    let saved: Vec<BindingsOf> = before.drain_changes();
    let saved = postcard::to_allocvec(&saved).unwrap();
    let saved: Vec<BindingsOf> = postcard::from_bytes(&saved).unwrap();
    let mut location = Location::default();
    assert_eq!(location.restore(at(10), saved), 2);
    assert_eq!(bound(&location, 10).len(), 2, "a restart forgets nothing");
    assert_eq!(
        location.drain_changes(),
        [],
        "what was just read is not written again"
    );
    // One of the two phones, which are alike, comes back on a new connection and port.
    let back = on_connection("sip:anna@192.168.1.10:3", 1);
    assert_eq!(
        register(&mut location, 11, &back, 3600).len(),
        2,
        "exactly one is replaced"
    );
    let other_model = Binding {
        user_agent: Some("Other".into()),
        ..on_connection("sip:anna@192.168.1.10:4", 2)
    };
    assert_eq!(register(&mut location, 12, &other_model, 3600).len(), 3);
}

#[test]
fn expired_bindings_are_not_restored() {
    let mut before = Location::default();
    register(&mut before, 0, &binding("sip:anna@198.51.100.1"), 60);
    let saved = before.drain_changes();
    let mut location = Location::default();
    assert_eq!(location.restore(at(60), saved), 0);
    assert!(location.is_empty() && location.page(at(60), 0, 10).devices.is_empty());
}

#[test]
fn a_device_has_a_limited_number_of_bindings() {
    let mut location = Location::default();
    let phone = |number: usize| {
        let contact = format!("sip:{number}@198.51.100.1");
        Binding {
            call_id: contact.clone().into(),
            ..binding(&contact)
        }
    };
    for number in 0..MAX_BINDINGS_PER_DEVICE {
        register(&mut location, 0, &phone(number), 60);
    }
    let one_more = update([lasts(&phone(MAX_BINDINGS_PER_DEVICE), 60)]);
    assert_eq!(
        location.apply(at(1), "anna", one_more.clone()),
        Err(RefusedChange::TooMany)
    );
    assert_eq!(bound(&location, 1).len(), MAX_BINDINGS_PER_DEVICE);
    assert!(
        location.apply(at(60), "anna", one_more).is_ok(),
        "the others have expired"
    );
    let phone = Binding {
        cseq: 2,
        ..phone(MAX_BINDINGS_PER_DEVICE)
    };
    assert!(
        location
            .apply(at(60), "anna", update([lasts(&phone, 60)]))
            .is_ok()
    );
}

#[test]
fn a_full_table_takes_refreshes_and_nothing_new() {
    let mut location = Location::with_limit(2);
    let apply = |location: &mut Location, user: &str, cseq, seconds| {
        let phone = Binding {
            cseq,
            ..binding("sip:x@198.51.100.1")
        };
        location
            .apply(at(0), user, update([lasts(&phone, seconds)]))
            .map(|all| all.len())
    };
    assert_eq!(apply(&mut location, "a", 1, 60), Ok(1));
    assert_eq!(apply(&mut location, "b", 1, 60), Ok(1));
    assert_eq!(apply(&mut location, "c", 1, 60), Err(RefusedChange::Full));
    assert_eq!(apply(&mut location, "a", 2, 60), Ok(1));
    assert_eq!(apply(&mut location, "a", 3, 0), Ok(0));
    assert_eq!(apply(&mut location, "c", 1, 60), Ok(1));
    assert_eq!(location.len(), 2);
}

#[test]
fn a_query_changes_nothing() {
    let mut location = Location::default();
    assert_eq!(
        location.apply(at(0), "nobody", RegisterChange::Query),
        Ok(vec![])
    );
    register(&mut location, 0, &binding("sip:anna@198.51.100.1"), 60);
    location.drain_changes();
    let all = location
        .apply(at(1), "anna", RegisterChange::Query)
        .unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(location.drain_changes(), []);
}

#[test]
fn a_device_that_is_no_more_is_forgotten() {
    let mut location = Location::default();
    register(&mut location, 0, &binding("sip:anna@198.51.100.1"), 60);
    assert!(location.forget("anna") && !location.forget("anna") && !location.forget("ben"));
    let changes = location.drain_changes();
    assert_eq!(
        changes,
        [BindingsOf {
            user: "anna".into(),
            bindings: vec![]
        }]
    );
}

#[test]
fn pages_show_every_device_once() {
    let mut location = Location::default();
    let mut expected: Vec<String> = (0..25).map(|number| format!("user{number:02}")).collect();
    for user in &expected {
        let change = update([lasts(&binding("sip:x@198.51.100.1"), 60)]);
        location.apply(at(0), user, change).unwrap();
    }
    location.forget("user07");
    expected.retain(|user| user != "user07");
    let mut seen = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page = location.page(at(1), from, 10);
        assert!(page.devices.len() <= 10);
        seen.extend(
            page.devices
                .into_iter()
                .map(|device| device.user.into_string()),
        );
        next = page.next;
    }
    seen.sort();
    assert_eq!(seen, expected);
}

#[test]
fn expiring_is_done_in_pieces() {
    let mut location = Location::default();
    for number in 0..2_500 {
        let change = update([lasts(&binding("sip:x@198.51.100.1"), 60)]);
        location.apply(at(0), &number.to_string(), change).unwrap();
    }
    assert_eq!(
        [1, 2, 3, 4].map(|_| location.expire(at(60))),
        [1000, 1000, 500, 0]
    );
}

#[test]
fn contacts_are_listed_with_what_remains_of_their_time() {
    let mut location = Location::default();
    let phone = Binding {
        q: 700,
        instance: Some("urn:uuid:00000000-0000-1000-8000-000A95A0E128".into()),
        reg_id: 1,
        ..binding("sip:anna@198.51.100.1;transport=udp")
    };
    register(&mut location, 0, &phone, 60);
    register(
        &mut location,
        0,
        &Binding {
            call_id: "x".into(),
            ..binding("sip:b@198.51.100.2")
        },
        60,
    );
    let mut list = String::new();
    write_contacts(
        &mut list,
        &bound(&location, 10),
        at(10) + Duration::from_millis(500),
    );
    assert_eq!(
        list,
        "<sip:b@198.51.100.2>;expires=50, <sip:anna@198.51.100.1;transport=udp>;expires=50;q=0.700;\
         +sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\";reg-id=1"
    );
}
