use fernamt_sip::digest::Algorithm;

use super::*;

fn parse(text: &str) -> Result<NodeConfig, ConfigError> {
    NodeConfig::parse(Path::new("fernamt.toml"), text)
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.listen, ListenConfig::default());
    assert_eq!(&*config.exchange.realm, "fernamt");
    assert_eq!(
        config.media.ports,
        PortRange {
            first: 10_000,
            last: 59_999
        }
    );
}

#[test]
fn every_section_is_read() {
    let config = parse(
        r#"
        data = "/srv/fernamt"
        log = "debug"
        shards = 3
        drain_seconds = 20
        [listen]
        sip = ["192.0.2.1:5070", "[2001:db8::1]:5070"]
        tls = "192.0.2.1:5075"
        websocket = false
        [identity]
        realm = "office"
        digest = ["SHA-256", "md5"]
        domains = ["Example.ORG"]
        advertised = "203.0.113.7"
        [tls]
        certificate = "c.pem"
        key = "k.pem"
        [media]
        address = "192.0.2.1"
        ports = "30000-30999"
        [turn]
        listen = "192.0.2.1:3479"
        tls = false
        relay_ports = "50000-50999"
        allow_peers = ["10.0.0.0/8"]
        allocations_per_device = 3
        [access]
        trusted = ["10.0.0.0/8"]
        denied = ["198.51.100.1"]
        [limits]
        calls = 10
        ban_seconds = 30
        [registration]
        minimum_seconds = 30
        [calls]
        echo_number = "600"
        country_code = "49"
        media_silence_seconds = 0
        "#,
    )
    .unwrap();
    assert_eq!(config.data, PathBuf::from("/srv/fernamt"));
    assert_eq!(
        config.exchange.digest_algorithms,
        [Algorithm::Sha256, Algorithm::Md5]
    );
    assert_eq!(config.shards, Some(3));
    assert_eq!(config.drain, Duration::from_secs(20));
    assert_eq!(config.listen.sip.len(), 2);
    assert_eq!(
        config.listen.tls,
        Listen::At(vec!["192.0.2.1:5075".parse().unwrap()])
    );
    assert_eq!(config.listen.websocket, Listen::Off);
    assert_eq!(config.listen.secure_websocket, Listen::Beside);
    assert_eq!(&*config.exchange.domains[0], "example.org");
    assert_eq!(
        config.exchange.advertised,
        Some("203.0.113.7".parse().unwrap())
    );
    assert_eq!(
        config.media.ports,
        PortRange {
            first: 30_000,
            last: 30_999
        }
    );
    assert!(config.turn.enabled);
    assert_eq!(
        config.turn.listen,
        Listen::At(vec!["192.0.2.1:3479".parse().unwrap()])
    );
    assert_eq!(config.turn.tls, Listen::Off);
    assert_eq!(config.turn.relay_ports.first, 50_000);
    assert_eq!(config.turn.allow_peers.len(), 1);
    assert_eq!(config.turn.allocations_per_device, 3);
    assert_eq!(config.exchange.trusted_sources.len(), 1);
    assert_eq!(config.exchange.max_calls, 10);
    assert_eq!(config.exchange.guard.ban, Duration::from_secs(30));
    assert_eq!(config.exchange.media_silence, None);
    assert_eq!(config.exchange.country_code.as_deref(), Some("49"));
}

#[test]
fn a_wrong_key_is_named_with_its_line_and_the_nearest_key() {
    let error = parse("log = \"info\"\n\n[listen]\nsipp = \"0.0.0.0:5060\"\n").unwrap_err();
    assert_eq!(error.line, Some(4));
    assert_eq!(error.key.as_deref(), Some("listen.sipp"));
    assert_eq!(
        error.to_string(),
        "fernamt.toml, line 4, key `listen.sipp`: there is no such key; did you mean `sip`?"
    );
}

#[test]
fn a_wrong_section_is_named_too() {
    let error = parse("[listem]\nsip = \"0.0.0.0:5060\"\n").unwrap_err();
    assert_eq!(error.line, Some(1));
    assert!(
        error.to_string().contains("did you mean `listen`?"),
        "{error}"
    );
}

#[test]
fn a_wrong_type_is_named_with_what_is_wanted() {
    let error = parse("[limits]\ncalls = \"many\"\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "fernamt.toml, line 2, key `limits.calls`: wanted a whole number, found this string"
    );
    assert!(
        parse("listen = 5060")
            .unwrap_err()
            .to_string()
            .contains("[listen]")
    );
    assert!(parse("[media]\nports = \"9-1\"").is_err());
    assert!(parse("[registration]\nminimum_seconds = -1").is_err());
}

#[test]
fn what_is_not_toml_is_an_error_with_its_line() {
    let error = parse("log = \"info\"\nthis is not toml\n").unwrap_err();
    assert_eq!(error.line, Some(2));
}

#[test]
fn a_media_address_is_read_from_the_command_line() {
    let mut media = NodeConfig::default().media;
    media.set("127.0.0.1:100-200").unwrap();
    assert_eq!(media.address, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(
        media.ports,
        PortRange {
            first: 100,
            last: 200
        }
    );
    media.set("[::1]:300-400").unwrap();
    assert_eq!(media.address, Some("::1".parse().unwrap()));
    media.set("0.0.0.0:300-400").unwrap();
    assert_eq!(media.address, None);
    assert!(media.set("127.0.0.1").is_err());
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let error = NodeConfig::load(Path::new("/nonexistent/fernamt.toml")).unwrap_err();
    assert!(
        error.to_string().starts_with("/nonexistent/fernamt.toml: "),
        "{error}"
    );
}

#[test]
fn the_file_of_defaults_says_the_defaults() {
    let config = parse(DEFAULT_FILE).unwrap();
    assert_eq!(
        format!("{config:?}"),
        format!("{:?}", NodeConfig::default())
    );
}

#[test]
fn the_file_of_defaults_names_every_key() {
    // What is left out by default stands there as a comment.
    let all = DEFAULT_FILE.replace("\n# ", "\n");
    let commented = all.lines().filter(|line| line.contains(" = ")).count();
    let text: String = all
        .lines()
        .filter(|line| !line.starts_with("Every setting"))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parse(&text).unwrap();
    assert_eq!(config.shards, Some(2));
    assert_eq!(config.exchange.country_code.as_deref(), Some("49"));
    assert_eq!(config.media.endpoints, Some(20_000));
    let source = include_str!("mod.rs");
    let keys = [".read(\"", ".optional(\"", ".optional::<Duration>(\""];
    let read: usize = keys.iter().map(|call| source.matches(call).count()).sum();
    assert_eq!(commented, read);
}
