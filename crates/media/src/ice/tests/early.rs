//! Checks that come before the party is described.

use fernamt_exchange::media::IceOffer;
use fernamt_stun::message::{Class, TransactionId};

use super::super::early::{MAX_CHECK_BYTES, MAX_CHECKS};
use super::super::message::Request;
use super::*;
use crate::gate::{STRANGE_CHECKS_PER_SECOND, Trust};
use crate::socket::Channel;

fn offer(lite: bool) -> IceOffer {
    IceOffer {
        local: credentials("ours"),
        lite,
    }
}

/// A check of the party, which is led by us unless it says otherwise.
fn check(username: &str, password: &str, controlling: bool, tie_breaker: u64) -> Vec<u8> {
    let request = Request {
        transaction: TransactionId([7; 12]),
        username,
        priority: 1_000,
        controlling,
        tie_breaker,
        nominates: controlling,
    };
    let mut datagram = Vec::new();
    request.write(&Key::short_term(password).unwrap(), &mut datagram);
    datagram
}

fn good_check() -> Vec<u8> {
    let password = credentials("ours").password;
    check("oursfrag:theirfrag", &password, false, 5)
}

struct Early {
    agent: EarlyAgent,
    sent: Vec<(SocketAddr, Vec<u8>)>,
    now_micros: u64,
}

impl Early {
    fn new(lite: bool) -> Early {
        Early {
            agent: EarlyAgent::new(&offer(lite), &Random::new()).unwrap(),
            sent: Vec::new(),
            now_micros: 0,
        }
    }

    fn arrive(&mut self, datagram: &[u8], from: SocketAddr) -> bool {
        self.arrive_with(Trust::Nobody, datagram, from)
    }

    fn arrive_with(&mut self, trust: Trust, datagram: &[u8], from: SocketAddr) -> bool {
        let sent = &mut self.sent;
        let mut send = |to, datagram: &[u8]| sent.push((to, datagram.to_vec()));
        let (now, channel) = (self.now_micros, Channel::Rtp);
        self.agent
            .handle(channel, datagram, from, trust, now, &mut send)
    }

    /// The class of the last answer, when the party can prove that it is ours, and its error.
    fn answer(&self) -> Option<(Class, Option<u16>)> {
        let (_, datagram) = self.sent.last()?;
        let answer = Message::parse(datagram).unwrap();
        let key = Key::short_term(&credentials("ours").password).unwrap();
        answer.verify(&key)?;
        let error = answer.error_code().map(|(code, _)| code.code());
        Some((answer.class(), error))
    }

    /// The agent that goes on once the party is described.
    fn describe(&self, ice: &Ice) -> (Agent, Random) {
        let random = Random::new();
        let mut agent = Agent::new(ice, 1, address(OURS).ip(), &random, 0).unwrap();
        agent.recall(&self.agent, Channel::Rtp, 0);
        (agent, random)
    }
}

#[test]
fn a_check_is_answered_before_the_party_is_described_and_followed_up_after() {
    let mut early = Early::new(false);
    let from = address("203.0.113.9:4711");
    assert!(early.arrive(&good_check(), from));
    assert_eq!(early.answer(), Some((Class::Success, None)));
    assert_eq!(early.sent[0].0, from);
    let (mut agent, random) = early.describe(&ice(true));
    assert!(agent.was_asked_from(from));
    assert_eq!(agent.selected(), None, "a check of ours comes first");
    let mut asked = Vec::new();
    agent.on_time(&random, 0, &mut |to, _| asked.push(to));
    assert_eq!(asked, [from], "the party is asked back before all others");
    // It was for another party.
    let stranger = Ice {
        remote: credentials("other"),
        ..ice(true)
    };
    assert!(!early.describe(&stranger).0.was_asked_from(from));
}

#[test]
fn ice_no_integrity_before_the_party_is_described() {
    let mut early = Early::new(false);
    let password = credentials("ours").password;
    let from = address(THEIRS);
    let good = good_check();
    let mut forged = good.clone();
    let last = forged.len() - 30;
    forged[last] ^= 1;
    let bare = check("oursfrag:theirfrag", "another-password-of-enough", false, 5);
    let other = check("otherfrag:theirfrag", &password, false, 5);
    for bad in [forged, bare, other, good[..20].to_vec(), b"noise".to_vec()] {
        assert!(!early.arrive(&bad, from));
    }
    assert_eq!(early.sent, []);
    assert_eq!(early.agent.kept(), 0);
}

#[test]
fn so_many_checks_are_kept_and_no_longer_ones_are_answered() {
    let mut early = Early::new(false);
    let from = |port: usize| SocketAddr::new(address(THEIRS).ip(), port as u16 + 1);
    for port in 0..=MAX_CHECKS {
        assert!(early.arrive(&good_check(), from(port)));
        assert!(early.arrive(&good_check(), from(port)));
        assert_eq!(early.agent.kept(), (port + 1).min(MAX_CHECKS));
    }
    let (agent, _) = early.describe(&ice(true));
    assert!(!agent.was_asked_from(from(0)));
    assert!(agent.was_asked_from(from(MAX_CHECKS)));
    // As long as may be, and one word more.
    let fragment = |bytes: usize| "f".repeat(bytes);
    let long = |bytes: usize| {
        let username = format!("oursfrag:{}", fragment(bytes));
        check(&username, &credentials("ours").password, false, 5)
    };
    let longest = (0..512)
        .map(long)
        .rfind(|check| check.len() <= MAX_CHECK_BYTES)
        .unwrap();
    assert_eq!(longest.len(), MAX_CHECK_BYTES);
    assert!(early.arrive(&longest, from(1)));
    let longer = (0..516)
        .map(long)
        .find(|check| check.len() > MAX_CHECK_BYTES)
        .unwrap();
    assert!(!early.arrive(&longer, from(1)));
}

#[test]
fn so_many_checks_of_one_source_are_answered_in_a_second() {
    let mut early = Early::new(false);
    for number in 0..=STRANGE_CHECKS_PER_SECOND {
        let is_answered = early.arrive(&good_check(), address(THEIRS));
        assert_eq!(is_answered, number < STRANGE_CHECKS_PER_SECOND);
    }
    // Others have shares of their own, and so has the party where it is expected.
    let others = (1..=20).map(|host| SocketAddr::new([203, 0, 113, host].into(), 1));
    let answered = others.filter(|other| early.arrive(&good_check(), *other));
    assert!(answered.count() > 10);
    assert!(early.arrive_with(Trust::Host, &good_check(), address(THEIRS)));
    early.now_micros = 1_000_000;
    assert!(early.arrive(&good_check(), address(THEIRS)));
}

#[test]
fn who_leads_is_settled_once_for_both() {
    let password = credentials("ours").password;
    let claims = |tie_breaker| check("oursfrag:theirfrag", &password, true, tie_breaker);
    let from = address(THEIRS);
    let mut early = Early::new(false);
    // The party leads when its number is the higher one, and is refused otherwise.
    assert!(early.arrive(&claims(0), from));
    assert_eq!(early.answer(), Some((Class::Error, Some(487))));
    assert_eq!(early.agent.kept(), 0);
    assert!(early.arrive(&claims(u64::MAX), from));
    assert_eq!(early.answer(), Some((Class::Success, None)));
    let (agent, _) = early.describe(&ice(true));
    assert!(agent.was_asked_from(from) && !agent.is_controlling);
    // A lite agent is led in any case, and believes the party.
    let mut early = Early::new(true);
    assert!(early.arrive(&claims(0), from));
    assert_eq!(early.answer(), Some((Class::Success, None)));
    let lite = Ice {
        lite: true,
        ..ice(false)
    };
    let (mut agent, random) = early.describe(&lite);
    agent.on_time(&random, 0, &mut |_, _| panic!("it asks nothing"));
    assert_eq!(agent.selected().map(|(way, _)| way), Some(from));
}
