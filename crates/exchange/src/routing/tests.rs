use fernamt_numbering::E164;
use fernamt_sip::digest::Ha1;
use fernamt_sip::transport::{ConnectionId, Transport};

use proptest::prelude::*;

use super::*;
use crate::directory::Directory;

fn config() -> Config {
    Config {
        domains: vec!["fernamt.example".into()],
        listeners: vec![
            (Transport::Udp, "0.0.0.0:5060".parse().unwrap()),
            (Transport::Tls, "0.0.0.0:5061".parse().unwrap()),
        ],
        addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        advertised: Some("203.0.113.1".parse().unwrap()),
        country_code: Some("49".into()),
        ..Config::default()
    }
}

fn device(user: &str, numbers: &[&str]) -> Device {
    Device {
        user: user.into(),
        name: None,
        numbers: numbers
            .iter()
            .map(|number| number.parse().unwrap())
            .collect(),
        ha1: Ha1::new(user, "fernamt", "secret"),
        direct_media: false,
        encryption: Default::default(),
        media_transport: Default::default(),
    }
}

fn binding(address: &str, q: u16) -> Arc<Binding> {
    Arc::new(Binding {
        contact: format!("sip:x@{address}").into(),
        q,
        expires: Default::default(),
        call_id: "c".into(),
        cseq: 1,
        instance: None,
        reg_id: 0,
        path: Vec::new(),
        user_agent: None,
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        received: address.parse().unwrap(),
        ice: false,
        connection: None,
        nat: Default::default(),
    })
}

fn flow(address: &str) -> Flow {
    Flow {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: address.parse().unwrap(),
        connection: None,
    }
}

struct Scene {
    config: Config,
    anna: Arc<Device>,
    flow: Flow,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            config: config(),
            anna: Arc::new(device("anna", &["+493012345"])),
            flow: flow("198.51.100.1:5060"),
        }
    }

    fn route(&self, dialled: &str, destination: Option<Destination>) -> Route {
        self.route_to(dialled, "192.0.2.1", destination)
    }

    fn route_to(&self, dialled: &str, host: &str, destination: Option<Destination>) -> Route {
        let route = route(&RouteRequest {
            config: &self.config,
            caller: Some(&self.anna),
            caller_flow: Some(&self.flow),
            dialled,
            host: Host::parse(host),
            port: None,
            destination: destination.as_ref(),
        });
        assert!(!route.reasons.is_empty(), "every route has a reason");
        for reason in &route.reasons {
            let is_sentence = reason.ends_with('.') && !reason.contains(char::is_control);
            assert!(is_sentence, "{reason:?}");
        }
        route
    }
}

fn at(device: &Arc<Device>, bindings: &[Arc<Binding>]) -> Option<Destination> {
    Some(Destination {
        device: Arc::clone(device),
        bindings: bindings.to_vec(),
    })
}

fn groups(route: &Route) -> Vec<Vec<&str>> {
    let Outcome::Device { groups, .. } = &route.outcome else {
        panic!("{route:?}")
    };
    groups
        .iter()
        .map(|group| group.iter().map(|binding| &*binding.contact).collect())
        .collect()
}

#[test]
fn a_registered_device_rings() {
    let ben = Arc::new(device("ben", &[]));
    let route = Scene::new().route("ben", at(&ben, &[binding("198.51.100.2:5060", 1000)]));
    assert_eq!(groups(&route), [["sip:x@198.51.100.2:5060"]]);
    assert_eq!(
        route
            .reasons
            .iter()
            .map(|reason| &**reason)
            .collect::<Vec<_>>(),
        [
            "ben is the user name of a device.",
            "ben is registered from UDP 198.51.100.2:5060."
        ]
    );
    assert_eq!(route.outcome.cause(), None);
}

#[test]
fn equal_preference_rings_at_once_and_lower_ones_follow() {
    let ben = Arc::new(device("ben", &[]));
    let bindings = [
        binding("198.51.100.2:1", 500),
        binding("198.51.100.2:2", 1000),
        binding("198.51.100.2:3", 500),
        binding("198.51.100.2:4", 0),
    ];
    let route = Scene::new().route("ben", at(&ben, &bindings));
    assert_eq!(
        groups(&route),
        [
            vec!["sip:x@198.51.100.2:2"],
            vec!["sip:x@198.51.100.2:1", "sip:x@198.51.100.2:3"],
            vec!["sip:x@198.51.100.2:4"]
        ]
    );
}

#[test]
fn a_number_is_explained_as_it_was_understood() {
    let ben = Arc::new(device("ben", &["+493067890"]));
    let bindings = [binding("198.51.100.2:5060", 1000)];
    let route = Scene::new().route("03067890", at(&ben, &bindings));
    assert_eq!(
        &*route.reasons[0],
        "03067890 means +493067890. +493067890 is a number of the device ben."
    );
}

#[test]
fn a_device_that_is_not_registered_is_offline() {
    let ben = Arc::new(device("ben", &[]));
    let route = Scene::new().route("ben", at(&ben, &[]));
    assert_eq!(route.outcome, Outcome::Offline { device: ben });
    assert_eq!(route.outcome.cause(), Some(Cause(20)));
    assert_eq!(route.outcome.cause().unwrap().status(), 480);
}

#[test]
fn nobody_is_unknown() {
    let scene = Scene::new();
    for dialled in [
        "carl",
        "+4930999",
        "0800",
        "tel:+4930999",
        "12",
        "\u{202e}\r\nSIP",
    ] {
        let route = scene.route(dialled, None);
        assert_eq!(route.outcome, Outcome::Unknown, "{dialled}");
        assert_eq!(route.outcome.cause().unwrap().status(), 404);
    }
}

#[test]
fn the_echo_number_echoes_unless_a_device_has_its_name() {
    let scene = Scene::new();
    assert_eq!(scene.route("*43", None).outcome, Outcome::Echo);
    let odd = Arc::new(device("*43", &[]));
    let route = scene.route("*43", at(&odd, &[binding("198.51.100.2:5060", 1000)]));
    assert!(matches!(route.outcome, Outcome::Device { .. }));
}

#[test]
fn other_networks_are_not_reached() {
    let scene = Scene::new();
    for host in ["example.com", "192.0.2.2", "[2001:db8::2]"] {
        let route = scene.route_to("ben", host, None);
        let cause = Cause::NO_ROUTE_TO_DESTINATION;
        assert_eq!(route.outcome, Outcome::Refused { cause }, "{host}");
    }
}

#[test]
fn who_calls_oneself_rings_at_the_other_phones_or_is_busy() {
    let scene = Scene::new();
    let own = binding("198.51.100.1:5060", 1000);
    let other = binding("198.51.100.9:5060", 500);
    let route = scene.route("anna", at(&scene.anna, &[Arc::clone(&own), other]));
    assert_eq!(groups(&route), [["sip:x@198.51.100.9:5060"]]);
    let route = scene.route("anna", at(&scene.anna, &[own]));
    assert_eq!(
        route.outcome,
        Outcome::Refused {
            cause: Cause::USER_BUSY
        }
    );
    assert_eq!(route.outcome.cause().unwrap().status(), 486);
}

#[test]
fn a_phone_on_a_connection_is_known_by_its_connection() {
    let mut scene = Scene::new();
    scene.flow.transport = Transport::Tls;
    scene.flow.connection = Some(ConnectionId(7));
    let on = |connection: u64| {
        let mut binding = Binding::clone(&binding("198.51.100.1:5060", 1000));
        binding.contact = format!("sip:x@{connection}").into();
        binding.connection = Some(ConnectionId(connection));
        binding.transport = Transport::Tls;
        Arc::new(binding)
    };
    let route = scene.route("anna", at(&scene.anna, &[on(7), on(8)]));
    assert_eq!(groups(&route), [["sip:x@8"]]);
}

#[test]
fn what_is_dialled_is_bounded() {
    let scene = Scene::new();
    let longest = "a".repeat(MAX_DIALLED_BYTES);
    assert_eq!(scene.route(&longest, None).outcome, Outcome::Unknown);
    let too_long = "a".repeat(MAX_DIALLED_BYTES + 1);
    let cause = Cause::ADDRESS_INCOMPLETE;
    assert_eq!(
        scene.route(&too_long, None).outcome,
        Outcome::Refused { cause }
    );
    assert_eq!(scene.route("", None).outcome, Outcome::Refused { cause });
}

#[test]
fn own_names_and_addresses_are_ours() {
    let config = config();
    let ours = |host: &str, port| is_ours(Host::parse(host).unwrap(), port, &config);
    for (host, port) in [
        ("192.0.2.1", None),
        ("192.0.2.1", Some(5060)),
        ("192.0.2.1", Some(5061)),
        ("[2001:db8::1]", Some(5060)),
        ("[2001:0DB8:0::1]", None),
        ("[::ffff:192.0.2.1]", None),
        ("127.0.0.1", Some(5060)),
        ("[::1]", None),
        ("localhost", Some(5060)),
        ("fernamt.example", None),
        ("FERNAMT.Example.", Some(15060)),
        ("203.0.113.1", Some(15060)),
    ] {
        assert!(ours(host, port), "{host} {port:?}");
    }
    for (host, port) in [
        ("192.0.2.1", Some(5062)),
        ("127.0.0.1", Some(5062)),
        ("localhost", Some(80)),
        ("192.0.2.2", None),
        ("0.0.0.0", None),
        ("example", None),
        ("xfernamt.example", None),
    ] {
        assert!(!ours(host, port), "{host} {port:?}");
    }
}

fn number(text: &str) -> Dialled {
    Dialled::Number(E164::parse(text).unwrap())
}

#[test]
fn numbers_are_read_as_they_are_dialled_in_the_country() {
    for dialled in [
        "+493012345",
        "00493012345",
        "03012345",
        "493012345",
        "tel:+49-30-12345",
        "TEL:+49(30)12345;ext=7",
        "tel:3012345;phone-context=+49",
        "+49.30.12345;user=x",
        "030-12345",
    ] {
        assert_eq!(
            Dialled::of(dialled, Some("49")),
            number("+493012345"),
            "{dialled}"
        );
    }
    assert_eq!(Dialled::of("011493012345", Some("1")), number("+493012345"));
    assert_eq!(
        Dialled::of("12025550100", Some("1")),
        number("+12025550100")
    );
    assert_eq!(
        Dialled::of("0612345678", Some("39")),
        number("+390612345678")
    );
    assert_eq!(Dialled::of("612345678", Some("34")), number("+34612345678"));
}

#[test]
fn without_a_country_only_international_numbers_are_understood() {
    assert_eq!(Dialled::of("+493012345", None), number("+493012345"));
    assert_eq!(Dialled::of("00493012345", None), number("+493012345"));
    assert_eq!(Dialled::of("03012345", None), Dialled::National);
}

#[test]
fn names_and_service_codes_are_no_numbers() {
    for dialled in [
        "anna",
        "*43",
        "#31#",
        "",
        "+",
        "+49x",
        "12",
        "1 2 3 4 5",
        "tel:",
        "+0301234567",
    ] {
        assert_eq!(
            Dialled::of(dialled, Some("49")),
            Dialled::Name,
            "{dialled:?}"
        );
    }
}

#[test]
fn the_directory_prefers_a_user_name_to_a_number() {
    let mut directory = Directory::default();
    directory.insert(device("03012345", &[]));
    directory.insert(device("ben", &["+493012345"]));
    let found = |dialled| {
        directory
            .destination(dialled, Some("49"))
            .map(|found| found.user.clone())
    };
    assert_eq!(found("03012345").as_deref(), Some("03012345"));
    assert_eq!(found("+493012345").as_deref(), Some("ben"));
    assert_eq!(found("ben").as_deref(), Some("ben"));
    assert_eq!(found("Ben"), None, "user names are compared exactly");
    assert_eq!(found("+4930"), None);
}

proptest! {
    #[test]
    fn a_number_is_found_in_every_form(value in 1_000_000_u64..999_999_999_999_999) {
        let number = E164::from_u64(value).unwrap();
        let digits = number.digits();
        for text in [format!("+{}", &*digits), format!("00{}", &*digits), format!("tel:+{}", &*digits)] {
            prop_assert_eq!(Dialled::of(&text, Some("49")), Dialled::Number(number));
            prop_assert_eq!(Dialled::of(&text, None), Dialled::Number(number));
        }
    }

    #[test]
    fn anything_can_be_dialled(dialled in "\\PC{0,20}|[0-9+*#;=a-z:%-]{0,40}", country in 0..1000_u16) {
        let scene = Scene::new();
        let country = country.to_string();
        Dialled::of(&dialled, Some(&country));
        Dialled::of(&dialled, None);
        let outcome = scene.route(&dialled, None).outcome;
        prop_assert!(outcome == Outcome::Echo || outcome.cause().is_some());
    }
}
