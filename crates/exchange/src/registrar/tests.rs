mod model;
mod reading;
mod table;

use super::*;

/// Seconds after the start of the test.
fn at(seconds: u64) -> UnixTime {
    UnixTime::from_micros(1_790_000_000_000_000) + Duration::from_secs(seconds)
}

/// A binding of a UDP phone that registers from its own address.
fn binding(contact: &str) -> Binding {
    Binding {
        contact: contact.into(),
        q: 1000,
        expires: UnixTime::default(),
        call_id: "call-1".into(),
        cseq: 1,
        instance: None,
        reg_id: 0,
        path: Vec::new(),
        user_agent: Some("Phone/1.0".into()),
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        received: "198.51.100.1:5060".parse().unwrap(),
        ice: false,
        connection: None,
        nat: Default::default(),
    }
}

fn lasts(binding: &Binding, seconds: u64) -> ContactChange {
    ContactChange {
        binding: binding.clone(),
        lasts: Duration::from_secs(seconds),
    }
}

fn update(changes: impl IntoIterator<Item = ContactChange>) -> RegisterChange {
    RegisterChange::Update(changes.into_iter().collect())
}

fn contacts(bindings: &[Arc<Binding>]) -> Vec<&str> {
    bindings.iter().map(|binding| &*binding.contact).collect()
}
