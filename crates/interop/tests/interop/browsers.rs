//! Phones in a browser: JsSIP in Chromium, by secure WebSocket.

use fernamt_interop::baresip::{BARESIP, Baresip};
use fernamt_interop::browser::{Browser, Page, lab_with};
use fernamt_interop::exchange::Exchange;
use fernamt_interop::records::Record;
use fernamt_interop::sound::HEARD_SECONDS;

/// The browser heard the other side, encrypted and as G.711.
#[track_caller]
fn assert_browser_heard(page: &Page<'_>, tone_hz: u16, codec: &str) {
    page.heard().assert_tone(tone_hz, HEARD_SECONDS);
    let figures = page.figures();
    assert_eq!(figures["dtls"], "connected", "{figures}");
    assert!(figures["cipher"].is_string(), "{figures}");
    assert_eq!(figures["codec"], codec, "{figures}");
}

#[track_caller]
fn assert_answered(record: &Record, caller: &str, callee: &str, released_by: &str) {
    assert_eq!(record.caller.as_deref(), Some(caller), "{record:?}");
    assert_eq!(record.callee.as_deref(), Some(callee), "{record:?}");
    assert_eq!(
        (record.cause, record.released_by.as_str()),
        (16, released_by)
    );
}

#[test]
fn the_browser_of_these_tests_hears_its_own_microphone_and_sees_its_own_camera() {
    let Some(lab) = lab_with(&[]) else { return };
    let browser = Browser::start(&lab, 1_000, None);
    let page = browser.open();
    page.talk_to_itself(true);
    page.wait_for_tone(1_000, HEARD_SECONDS);
    page.heard().assert_tone(1_000, HEARD_SECONDS);
    assert_eq!(page.heard().tone_seconds(440), 0.0);
    page.wait_for_frames(10);
    browser.quit();
}

#[test]
fn a_browser_calls_a_baresip_and_both_hear_each_other() {
    let Some(lab) = lab_with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let (wanda, bert) = (exchange.add_device("wanda"), exchange.add_device("bert"));
    let mut baresip = Baresip::start(&lab, &bert, exchange.sip(), 440);
    let browser = Browser::start(&lab, 1_000, Some(&exchange));
    let page = browser.open();
    page.register(&exchange, &wanda);
    assert_eq!(exchange.wait_registered("wanda"), "WSS");
    page.call("bert", false);
    page.wait_for("confirmed");
    baresip.wait_event("CALL_ESTABLISHED");
    page.wait_for_tone(440, HEARD_SECONDS);
    assert_browser_heard(&page, 440, "audio/PCMA");
    page.hang_up();
    baresip.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    assert_answered(record, "wanda", "bert", "caller");
    assert_eq!(record.codec.as_deref(), Some("PCMA/8000"));
    baresip.quit_and(|heard| heard.assert_tone(1_000, HEARD_SECONDS));
    page.unregister();
    browser.quit();
    exchange.finish();
}

#[test]
fn a_baresip_calls_a_browser_and_both_hear_each_other() {
    let Some(lab) = lab_with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let (anna, wanda) = (exchange.add_device("anna"), exchange.add_device("wanda"));
    let browser = Browser::start(&lab, 1_000, Some(&exchange));
    let page = browser.open();
    page.register(&exchange, &wanda);
    let mut baresip = Baresip::start(&lab, &anna, exchange.sip(), 440);
    baresip.dial("wanda");
    baresip.wait_event("CALL_ESTABLISHED");
    page.wait_for_tone(440, HEARD_SECONDS);
    assert_browser_heard(&page, 440, "audio/PCMA");
    baresip.hang_up();
    page.wait_for("ended");
    let record = &exchange.wait_records(1)[0];
    assert_answered(record, "anna", "wanda", "caller");
    baresip.quit_and(|heard| heard.assert_tone(1_000, HEARD_SECONDS));
    browser.quit();
    exchange.finish();
}

#[test]
fn a_browser_that_calls_the_echo_number_hears_its_own_tone() {
    let Some(lab) = lab_with(&[]) else { return };
    let exchange = Exchange::start(&lab);
    let wanda = exchange.add_device("wanda");
    let browser = Browser::start(&lab, 1_000, Some(&exchange));
    let page = browser.open();
    page.register(&exchange, &wanda);
    page.call("*43", false);
    page.wait_for("confirmed");
    page.wait_for_tone(1_000, HEARD_SECONDS);
    page.hang_up();
    let record = &exchange.wait_records(1)[0];
    assert_eq!((record.dialled.as_str(), record.cause), ("*43", 16));
    browser.quit();
    exchange.finish();
}

#[test]
fn two_browsers_hear_and_see_each_other() {
    const PICTURES: u64 = 20;
    let Some(lab) = lab_with(&[]) else { return };
    let exchange = Exchange::start(&lab);
    let (wanda, willi) = (exchange.add_device("wanda"), exchange.add_device("willi"));
    let (here, there) = (
        Browser::start(&lab, 1_000, Some(&exchange)),
        Browser::start(&lab, 700, Some(&exchange)),
    );
    let (calling, answering) = (here.open(), there.open());
    answering.register(&exchange, &willi);
    calling.register(&exchange, &wanda);
    calling.call("willi", true);
    for (page, tone_hz) in [(&calling, 700), (&answering, 1_000)] {
        page.wait_for("confirmed");
        page.wait_for_tone(tone_hz, HEARD_SECONDS);
        page.wait_for_frames(PICTURES);
        assert_browser_heard(page, tone_hz, "audio/opus");
    }
    // They go on, on both sides at the same time.
    let seen = [&calling, &answering].map(|page| page.figures()["frames"].as_u64().unwrap_or(0));
    calling.wait_for_frames(seen[0] + PICTURES);
    answering.wait_for_frames(seen[1] + PICTURES);
    answering.hang_up();
    calling.wait_for("ended");
    assert_answered(&exchange.wait_records(1)[0], "wanda", "willi", "callee");
    here.quit();
    there.quit();
    exchange.finish();
}
