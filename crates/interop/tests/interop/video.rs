//! Video between a phone and a browser: VP8 in RTP/AVP on one side, as WebRTC on the other.

use fernamt_interop::baresip::{self, BARESIP, Baresip};
use fernamt_interop::browser::{Browser, Page, lab_with};
use fernamt_interop::exchange::{Account, Exchange, Setup};
use fernamt_interop::lab::skip;
use fernamt_interop::network::{EXCHANGE, Nat, OUTSIDE, prefix};
use fernamt_interop::wait::{SOON, until_true};

/// So many pictures must arrive more than there were.
const PICTURES: u64 = 20;

/// The payload type of VP8, as Chromium calls it in its offers.
const VP8: u8 = 96;

/// What must be heard of the other side beside it, in seconds.
const HEARD_SECONDS: f64 = 1.0;

fn with_video(account: &Account, exchange: &Exchange<'_>) -> baresip::Setup {
    baresip::Setup {
        video: true,
        ..baresip::Setup::new(account, exchange.sip(), 440)
    }
}

/// Both go on to see each other: so many more pictures arrive.
#[track_caller]
fn assert_seeing(page: &Page<'_>, baresip: &mut Baresip, pictures: u64) {
    let seen = page.figures()["frames"].as_u64().unwrap_or(0);
    let shown = baresip.pictures();
    page.wait_for_frames(seen + pictures);
    until_true("pictures in baresip", SOON, || {
        baresip.pictures() >= shown + pictures
    });
}

fn call(browser_calls: bool) {
    let Some(lab) = lab_with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let (wanda, bert) = (exchange.add_device("wanda"), exchange.add_device("bert"));
    let mut baresip = Baresip::start_as(&lab, &with_video(&bert, &exchange));
    let browser = Browser::start(&lab, 1_000, Some(&exchange));
    let page = browser.open();
    page.register(&exchange, &wanda);
    match browser_calls {
        true => page.call("bert", true),
        false => baresip.dial("wanda"),
    }
    page.wait_for("confirmed");
    baresip.wait_event("CALL_ESTABLISHED");
    assert_seeing(&page, &mut baresip, PICTURES);
    assert_seeing(&page, &mut baresip, PICTURES);
    page.hang_up();
    baresip.wait_event("CALL_CLOSED");
    assert_eq!(exchange.wait_records(1)[0].cause, 16);
    baresip.quit_and(|heard| heard.assert_tone(1_000, HEARD_SECONDS));
    browser.quit();
    exchange.finish();
}

#[test]
fn a_browser_calls_a_phone_with_video_and_both_see_each_other() {
    call(true);
}

#[test]
fn a_phone_with_video_calls_a_browser_and_both_see_each_other() {
    call(false);
}

/// What is lost makes either side ask for a whole picture, and either gets it.
#[test]
fn a_picture_that_was_spoilt_by_loss_comes_back_on_both_sides() {
    let Some(lab) = lab_with(&[BARESIP]) else {
        return;
    };
    let nat = match Nat::build() {
        Ok(nat) => nat,
        Err(why) => return skip(&format!("no networks can be made here: {why}")),
    };
    let exchange = Exchange::start_as(
        &lab,
        Setup {
            addresses: vec![EXCHANGE.into()],
            media: EXCHANGE.into(),
            prefix: prefix(&nat.exchange),
            ..Setup::default()
        },
    );
    let (wanda, bert) = (exchange.add_device("wanda"), exchange.add_device("bert"));
    let mut baresip = Baresip::start_as(
        &lab,
        &baresip::Setup {
            address: OUTSIDE.into(),
            namespace: Some(nat.outside.clone()),
            ..with_video(&bert, &exchange)
        },
    );
    let browser = Browser::start_behind(&lab, &prefix(&nat.inside), 1_000, Some(&exchange));
    let page = browser.open();
    page.register(&exchange, &wanda);
    page.call("bert", true);
    page.wait_for("confirmed");
    baresip.wait_event("CALL_ESTABLISHED");
    assert_seeing(&page, &mut baresip, PICTURES);
    let figure = |name: &str| page.figures()[name].as_u64().unwrap_or(0);
    let (whole, asking, asked) = (figure("whole"), figure("asking"), figure("asked"));
    nat.lose_packets(VP8).expect("packets can be lost here");
    until_true("the browser to ask for a picture", SOON, || {
        figure("asking") > asking
    });
    until_true("the browser to be asked for a picture", SOON, || {
        figure("asked") > asked
    });
    nat.lose_nothing().expect("losing can end");
    until_true("a whole picture in the browser", SOON, || {
        figure("whole") > whole
    });
    assert_seeing(&page, &mut baresip, PICTURES);
    page.hang_up();
    baresip.wait_event("CALL_CLOSED");
    baresip.quit_and(|heard| heard.assert_tone(1_000, HEARD_SECONDS));
    browser.quit();
    exchange.finish();
}
