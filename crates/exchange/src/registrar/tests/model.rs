//! The table against a model that is too slow and too simple to be wrong in the same way.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const USERS: [&str; 3] = ["anna", "ben", "carl"];

/// Every phone of the model has one place, and several ways of naming itself.
#[derive(Clone, Debug)]
enum Step {
    Register {
        user: usize,
        contacts: Vec<(u8, u8, u64)>,
        call_id: u8,
        cseq: u32,
        kind: Kind,
    },
    RemoveAll {
        user: usize,
        call_id: u8,
        cseq: u32,
    },
    Query {
        user: usize,
    },
    Pass {
        seconds: u64,
    },
    Expire,
    Close {
        connection: u64,
    },
    Forget {
        user: usize,
    },
    Drain,
    Restart,
}

/// How a phone names itself, and where it registers from.
#[derive(Clone, Copy, Debug)]
struct Kind {
    instance: Option<u8>,
    reg_id: u32,
    agent: Option<u8>,
    q: u16,
    connection: Option<u64>,
}

fn kind() -> impl Strategy<Value = Kind> {
    let instance = prop::option::of(0..2_u8);
    let connection = prop::option::of(0..4_u64);
    let q = prop::sample::select(vec![0, 500, 1000]);
    (instance, 0..3_u32, prop::option::of(0..2_u8), q, connection).prop_map(
        |(instance, reg_id, agent, q, connection)| {
            let reg_id = if instance.is_some() { reg_id } else { 0 };
            Kind {
                instance,
                reg_id,
                agent,
                q,
                connection,
            }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..USERS.len();
    let contact = (
        0..2_u8,
        0..3_u8,
        prop::sample::select(vec![0_u64, 30, 60, 90]),
    );
    let register = (
        user.clone(),
        prop::collection::vec(contact, 1..4),
        0..3_u8,
        0..6_u32,
        kind(),
    );
    prop_oneof![
        8 => register.prop_map(|(user, contacts, call_id, cseq, kind)| {
            Step::Register { user, contacts, call_id, cseq, kind }
        }),
        1 => (user.clone(), 0..3_u8, 0..6_u32)
            .prop_map(|(user, call_id, cseq)| Step::RemoveAll { user, call_id, cseq }),
        1 => user.clone().prop_map(|user| Step::Query { user }),
        3 => (1..40_u64).prop_map(|seconds| Step::Pass { seconds }),
        2 => Just(Step::Expire),
        2 => (0..4_u64).prop_map(|connection| Step::Close { connection }),
        1 => user.prop_map(|user| Step::Forget { user }),
        2 => Just(Step::Drain),
        1 => Just(Step::Restart),
    ]
}

fn made(user_part: u8, host: u8, call_id: u8, cseq: u32, kind: Kind) -> Binding {
    let transport = if kind.connection.is_some() {
        Transport::Tcp
    } else {
        Transport::Udp
    };
    Binding {
        contact: format!("sip:{user_part}@198.51.100.{host}:5060").into(),
        q: kind.q,
        call_id: format!("call-{call_id}").into(),
        cseq,
        instance: kind
            .instance
            .map(|instance| format!("urn:{instance}").into()),
        reg_id: kind.reg_id,
        user_agent: kind.agent.map(|agent| format!("agent {agent}").into()),
        transport,
        received: ([198, 51, 100, host], 40_000).into(),
        connection: kind.connection.map(ConnectionId),
        nat: Default::default(),
        ..binding("")
    }
}

/// All bindings of a device in the order in which they were made.
#[derive(Default)]
struct Model {
    devices: BTreeMap<&'static str, Vec<Binding>>,
}

impl Model {
    fn of(&mut self, now: UnixTime, user: &'static str) -> &mut Vec<Binding> {
        let bindings = self.devices.entry(user).or_default();
        bindings.retain(|binding| binding.expires > now);
        bindings
    }

    fn register(
        &mut self,
        now: UnixTime,
        user: &'static str,
        changes: &[ContactChange],
    ) -> Result<(), RefusedChange> {
        let before = self.of(now, user).clone();
        let mut after = before.clone();
        let mut touched: BTreeSet<usize> = BTreeSet::new();
        // Marks by place in a list that only grows; a removed one becomes a hole.
        let mut list: Vec<Option<Binding>> = after.drain(..).map(Some).collect();
        for change in changes {
            let new = Binding {
                expires: now + change.lasts,
                ..change.binding.clone()
            };
            let same = list
                .iter()
                .position(|old| old.as_ref().is_some_and(|old| is_same(&new, old)));
            let ordered = |old: &Binding| old.call_id != new.call_id || old.cseq < new.cseq;
            if let Some(place) = same
                && !touched.contains(&place)
                && !ordered(list[place].as_ref().unwrap())
            {
                return Err(RefusedChange::OutOfOrder);
            }
            if change.lasts.is_zero() {
                if let Some(place) = same {
                    list[place] = None;
                }
                continue;
            }
            let others = |place: &usize| Some(*place) != same && !touched.contains(place);
            let left: Vec<usize> = (0..list.len())
                .filter(others)
                .filter(|place| list[*place].as_ref().is_some_and(|old| has_left(&new, old)))
                .collect();
            if left
                .iter()
                .any(|place| !ordered(list[*place].as_ref().unwrap()))
            {
                return Err(RefusedChange::OutOfOrder);
            }
            if left.is_empty() && same.is_none() {
                let dead = (0..list.len())
                    .filter(others)
                    .filter(|place| list[*place].as_ref().is_some_and(|old| lost(&new, old)))
                    .min_by_key(|place| {
                        let old = list[*place].as_ref().unwrap();
                        // Stored by preference, so that is the order of equals.
                        (
                            old.received.ip() != new.received.ip(),
                            old.expires,
                            u16::MAX - old.q,
                        )
                    });
                if let Some(dead) = dead {
                    list[dead] = None;
                }
            }
            for place in left {
                list[place] = None;
            }
            match same {
                Some(place) => {
                    list[place] = Some(new);
                    touched.insert(place);
                }
                None => {
                    touched.insert(list.len());
                    list.push(Some(new));
                }
            }
        }
        // The table keeps the order by preference from one request to the next.
        let mut bindings: Vec<Binding> = list.into_iter().flatten().collect();
        bindings.sort_by_key(|binding| u16::MAX - binding.q);
        *self.of(now, user) = bindings;
        Ok(())
    }
}

fn is_same(new: &Binding, old: &Binding) -> bool {
    match (&new.instance, &old.instance) {
        (Some(one), Some(other)) if one != other => false,
        (Some(_), Some(_)) if new.reg_id > 0 && old.reg_id > 0 => new.reg_id == old.reg_id,
        _ => new.contact == old.contact,
    }
}

fn user_part(binding: &Binding) -> &str {
    binding.contact.split('@').next().unwrap()
}

fn has_left(new: &Binding, old: &Binding) -> bool {
    match (&new.instance, &old.instance) {
        (Some(one), Some(other)) => {
            one == other && (new.reg_id == old.reg_id || new.reg_id == 0 || old.reg_id == 0)
        }
        _ => new.call_id == old.call_id && user_part(new) == user_part(old),
    }
}

fn lost(new: &Binding, old: &Binding) -> bool {
    old.transport == Transport::Tcp
        && old.connection.is_none()
        && !(new.instance.is_some() && old.instance.is_some())
        && new.user_agent.is_some()
        && new.user_agent == old.user_agent
        && user_part(new) == user_part(old)
}

/// In the model every phone on TCP listens on port 5060 of its address, so that only flows die with
/// their connection.
fn close(bindings: &mut Vec<Binding>, connection: ConnectionId) {
    bindings.retain(|binding| binding.connection != Some(connection) || binding.reg_id == 0);
    for binding in bindings {
        if binding.connection == Some(connection) {
            binding.connection = None;
        }
    }
}

/// What the store has, by what it was told.
type Stored = BTreeMap<Box<str>, Vec<Binding>>;

fn drain(location: &mut Location, stored: &mut Stored) {
    for BindingsOf { user, bindings } in location.drain_changes() {
        if bindings.is_empty() {
            stored.remove(&user);
        } else {
            stored.insert(
                user,
                plain(&bindings).iter().map(without_connection).collect(),
            );
        }
    }
}

/// Connections are not written down.
fn without_connection(binding: &Binding) -> Binding {
    Binding {
        connection: None,
        nat: Default::default(),
        ..binding.clone()
    }
}

fn plain(bindings: &[Arc<Binding>]) -> Vec<Binding> {
    bindings.iter().map(|binding| (**binding).clone()).collect()
}

proptest! {
    #[test]
    fn the_table_does_what_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        let mut location = Location::default();
        let mut model = Model::default();
        let mut stored = Stored::new();
        let mut now = at(0);
        for step in steps {
            match step.clone() {
                Step::Register { user, contacts, call_id, cseq, kind } => {
                    let changes: Vec<ContactChange> = contacts
                        .iter()
                        .map(|(part, host, seconds)| lasts(&made(*part, *host, call_id, cseq, kind), *seconds))
                        .collect();
                    let expected = model.register(now, USERS[user], &changes);
                    let result = location.apply(now, USERS[user], RegisterChange::Update(changes));
                    prop_assert_eq!(result.as_ref().err(), expected.as_ref().err(), "{:?}", step);
                }
                Step::RemoveAll { user, call_id, cseq } => {
                    let call_id: Box<str> = format!("call-{call_id}").into();
                    let bindings = model.of(now, USERS[user]);
                    let newer = |old: &Binding| old.call_id == call_id && old.cseq >= cseq;
                    let expected = if bindings.iter().any(newer) {
                        Err(RefusedChange::OutOfOrder)
                    } else {
                        bindings.clear();
                        Ok(vec![])
                    };
                    let change = RegisterChange::RemoveAll { call_id, cseq };
                    prop_assert_eq!(location.apply(now, USERS[user], change), expected);
                }
                Step::Query { user } => {
                    let all = location.apply(now, USERS[user], RegisterChange::Query).unwrap();
                    prop_assert_eq!(&plain(&all), model.of(now, USERS[user]));
                }
                Step::Pass { seconds } => now = now + Duration::from_secs(seconds),
                Step::Expire => {
                    location.expire(now);
                    prop_assert!(location.next_expiry().is_none_or(|next| next > now));
                    let alive: usize = USERS.iter().map(|user| model.of(now, user).len()).sum();
                    prop_assert_eq!(location.len(), alive);
                }
                Step::Close { connection } => {
                    for user in USERS {
                        close(model.of(now, user), ConnectionId(connection));
                    }
                    location.connection_closed(ConnectionId(connection));
                }
                Step::Forget { user } => {
                    model.of(now, USERS[user]).clear();
                    location.forget(USERS[user]);
                }
                Step::Drain => drain(&mut location, &mut stored),
                Step::Restart => {
                    drain(&mut location, &mut stored);
                    let saved = stored.iter().map(|(user, bindings)| BindingsOf {
                        user: user.clone(),
                        bindings: bindings.iter().cloned().map(Arc::new).collect(),
                    });
                    location = Location::default();
                    location.restore(now, saved.collect::<Vec<_>>());
                    for binding in model.devices.values_mut().flatten() {
                        binding.connection = None;
                    }
                }
            }
            let mut devices = 0;
            for user in USERS {
                let expected = model.of(now, user);
                devices += usize::from(!expected.is_empty());
                prop_assert_eq!(&plain(&location.bindings(now, user)), expected, "{} after {:?}", user, step);
            }
            prop_assert_eq!(location.page(now, 0, 100).devices.len(), devices);
        }
        drain(&mut location, &mut stored);
        for user in USERS {
            let saved = stored.get(user).map_or(&[][..], Vec::as_slice);
            let alive: Vec<Binding> = saved.iter().filter(|binding| binding.expires > now).cloned().collect();
            let expected: Vec<Binding> = model.of(now, user).iter().map(without_connection).collect();
            prop_assert_eq!(alive, expected, "what was written down of {}", user);
        }
    }
}
