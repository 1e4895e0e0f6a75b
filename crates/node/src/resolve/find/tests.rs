use std::collections::HashMap;

use super::*;

#[derive(Default)]
struct Table {
    naptr: HashMap<&'static str, Vec<Naptr>>,
    srv: HashMap<&'static str, Vec<Srv>>,
    hosts: HashMap<&'static str, Vec<IpAddr>>,
    silent: Vec<&'static str>,
}

impl Table {
    fn get<T: Clone>(
        &self,
        map: &HashMap<&'static str, Vec<T>>,
        name: &str,
    ) -> Result<Vec<T>, Unanswered> {
        if self.silent.contains(&name) {
            return Err(Unanswered);
        }
        Ok(map.get(name).cloned().unwrap_or_default())
    }
}

impl Lookup for Table {
    async fn naptr(&self, name: &str) -> Result<Vec<Naptr>, Unanswered> {
        self.get(&self.naptr, name)
    }

    async fn srv(&self, name: &str) -> Result<Vec<Srv>, Unanswered> {
        self.get(&self.srv, name)
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unanswered> {
        self.get(&self.hosts, host)
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn srv(priority: u16, port: u16, target: &str) -> Srv {
    Srv {
        priority,
        weight: 0,
        port,
        target: target.into(),
    }
}

fn table() -> Table {
    let naptr = |order, service: &str, replacement: &str| Naptr {
        order,
        preference: 0,
        flags: "S".into(),
        service: service.into(),
        replacement: replacement.into(),
    };
    let mut table = Table::default();
    table.naptr.insert(
        "example.org",
        vec![
            naptr(20, "SIP+D2U", "_sip._udp.example.org"),
            naptr(10, "SIPS+D2T", "_sips._tcp.example.org"),
        ],
    );
    table.srv.insert(
        "_sips._tcp.example.org",
        vec![srv(0, 5061, "one.example.org")],
    );
    table.srv.insert(
        "_sip._udp.example.org",
        vec![
            srv(2, 5062, "two.example.org"),
            srv(1, 5060, "one.example.org"),
        ],
    );
    table
        .hosts
        .insert("one.example.org", vec![ip("192.0.2.1"), ip("2001:db8::1")]);
    table.hosts.insert("two.example.org", vec![ip("192.0.2.2")]);
    table
        .hosts
        .insert("plain.example.org", vec![ip("192.0.2.9")]);
    table
}

fn query(host: &str) -> HostQuery {
    HostQuery {
        host: host.into(),
        port: None,
        transport: None,
        secure: false,
    }
}

const BOTH: Families = Families {
    ipv4: true,
    ipv6: true,
};

fn find(table: &Table, query: &HostQuery, families: Families) -> Result<Vec<String>, Unanswered> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let found = runtime.block_on(targets(table, query, families, &mut |_| 0))?;
    Ok(found
        .iter()
        .map(|target| format!("{} {}", target.transport, target.address))
        .collect())
}

#[test]
fn naptr_leads_to_srv_and_srv_to_addresses_in_the_order_to_try() {
    let found = find(&table(), &query("example.org"), BOTH).unwrap();
    assert_eq!(
        found,
        [
            "TLS 192.0.2.1:5061",
            "TLS [2001:db8::1]:5061",
            "UDP 192.0.2.1:5060",
            "UDP [2001:db8::1]:5060",
            "UDP 192.0.2.2:5062"
        ]
    );
    let only_v4 = Families {
        ipv4: true,
        ipv6: false,
    };
    assert_eq!(
        find(&table(), &query("example.org"), only_v4)
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn the_certificate_must_carry_the_name_that_was_asked_for() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let query = HostQuery {
        secure: true,
        ..query("example.org")
    };
    let found = runtime
        .block_on(targets(&table(), &query, BOTH, &mut |_| 0))
        .unwrap();
    assert_eq!(found.len(), 2);
    assert!(
        found
            .iter()
            .all(|target| target.server_name.as_deref() == Some("example.org"))
    );
}

#[test]
fn a_port_in_the_uri_leaves_nothing_to_ask_but_addresses() {
    let query = HostQuery {
        port: Some(5099),
        ..query("one.example.org")
    };
    let found = find(&table(), &query, BOTH).unwrap();
    assert_eq!(found, ["UDP 192.0.2.1:5099", "UDP [2001:db8::1]:5099"]);
}

#[test]
fn a_transport_in_the_uri_chooses_the_srv_name() {
    let mut table = table();
    table.srv.insert(
        "_sip._tcp.example.org",
        vec![srv(0, 5070, "two.example.org")],
    );
    let query = HostQuery {
        transport: Some(Transport::Tcp),
        ..query("example.org")
    };
    assert_eq!(find(&table, &query, BOTH).unwrap(), ["TCP 192.0.2.2:5070"]);
}

#[test]
fn without_any_record_the_host_itself_is_tried_at_the_default_port() {
    assert_eq!(
        find(&table(), &query("plain.example.org"), BOTH).unwrap(),
        ["UDP 192.0.2.9:5060"]
    );
    let secure = HostQuery {
        secure: true,
        ..query("plain.example.org")
    };
    assert_eq!(
        find(&table(), &secure, BOTH).unwrap(),
        ["TLS 192.0.2.9:5061"]
    );
}

#[test]
fn a_name_that_leads_nowhere_gives_an_empty_list() {
    assert!(
        find(&table(), &query("nowhere.example.org"), BOTH)
            .unwrap()
            .is_empty()
    );
    let over_udp = HostQuery {
        secure: true,
        transport: Some(Transport::Udp),
        ..query("plain.example.org")
    };
    assert!(find(&table(), &over_udp, BOTH).unwrap().is_empty());
}

#[test]
fn srv_that_says_no_is_not_overruled_by_the_address() {
    let mut table = table();
    table
        .srv
        .insert("_sip._udp.plain.example.org", vec![srv(0, 0, "")]);
    assert!(
        find(&table, &query("plain.example.org"), BOTH)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn silence_of_the_name_service_is_not_a_no() {
    let mut table = table();
    table.silent.push("example.org");
    assert_eq!(find(&table, &query("example.org"), BOTH), Err(Unanswered));
    // One silent host of several is passed over.
    let mut table = self::table();
    table.silent.push("two.example.org");
    assert_eq!(find(&table, &query("example.org"), BOTH).unwrap().len(), 4);
}

#[test]
fn one_target_more_than_the_limit_is_not_given() {
    let mut table = Table::default();
    let many = (0..MAX_RECORDS + 1).map(|n| srv(u16::try_from(n).unwrap(), 5060, "192.0.2.1"));
    let records = many
        .map(|record| Srv {
            port: record.priority + 1,
            ..record
        })
        .collect();
    table.srv.insert("_sip._udp.many.example.org", records);
    assert_eq!(
        find(&table, &query("many.example.org"), BOTH)
            .unwrap()
            .len(),
        MAX_TARGETS
    );
    let addresses = (1..=9).map(|n| IpAddr::from([192, 0, 2, n])).collect();
    table.hosts.insert("wide.example.org", addresses);
    let wide = HostQuery {
        port: Some(1),
        ..query("wide.example.org")
    };
    assert_eq!(
        find(&table, &wide, BOTH).unwrap().len(),
        MAX_ADDRESSES_PER_HOST
    );
}
