//! Chromium, headless, with a fake microphone that plays a tone, and in it a phone made of JsSIP. A
//! test steers it by the DevTools protocol; nothing is shown to anybody.

mod devtools;
mod scripts;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::exchange::{Account, Exchange};
use crate::lab::{Lab, PROFILE_FOLDER};
use crate::process::run;
use crate::sound::{Recording, tone_file};
use crate::wait::{SOON, until};
use devtools::DevTools;

/// The program and its package.
pub const CHROMIUM: (&str, &str) = ("chromium", "chromium");

/// Computes which key Chromium is to trust.
const OPENSSL: (&str, &str) = ("openssl", "openssl");

/// Chromium starts slowly where the machine is busy.
const START_TIME: Duration = Duration::from_secs(90);

/// How often a page is asked.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A tone lasts longer than any test.
const TONE_SECONDS: u32 = 120;

/// What makes Chromium a phone without hands, without a screen and without curiosity.
const FLAGS: [&str; 18] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-audio-output",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    // Calls on this machine alone, with its real addresses in the offer.
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
];

/// A room for a test with Chromium and other programs; `None` when something is missing and that is
/// allowed.
///
/// # Panics
/// When something is missing and that is not allowed.
pub fn lab_with(programs: &[(&str, &str)]) -> Option<Lab> {
    let all = [&[CHROMIUM, OPENSSL], programs].concat();
    let lab = Lab::with(&all)?;
    match scripts::check() {
        Ok(()) => Some(lab),
        Err(why) => {
            Lab::pass_over(&why);
            None
        }
    }
}

/// A running Chromium; each of its pages is a phone.
#[derive(Debug)]
pub struct Browser {
    tools: DevTools,
    page: PathBuf,
}

impl Browser {
    /// Starts one whose microphone plays a tone, and that trusts the certificate of the exchange.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(lab: &Lab, tone_hz: u16, exchange: Option<&Exchange<'_>>) -> Browser {
        Browser::start_behind(lab, &[], tone_hz, exchange)
    }

    /// The same with words before the command, for example `ip netns exec NAME`.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start_behind(
        lab: &Lab,
        prefix: &[String],
        tone_hz: u16,
        exchange: Option<&Exchange<'_>>,
    ) -> Browser {
        let name = lab.unique("chromium");
        let home = lab.make_folder(&name);
        let page = scripts::write(&home);
        let tone = tone_file(lab, tone_hz, TONE_SECONDS);
        let mut flags = FLAGS.map(str::to_owned).to_vec();
        flags.push(format!(
            "--user-data-dir={}",
            home.join(PROFILE_FOLDER).display()
        ));
        flags.push(format!(
            "--use-file-for-fake-audio-capture={}",
            tone.display()
        ));
        if let Some(exchange) = exchange {
            let key = key_digest(lab, &exchange.certificate());
            flags.push(format!("--ignore-certificate-errors-spki-list={key}"));
        }
        let words = [prefix, &[CHROMIUM.0.to_owned()], &flags].concat();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("HOME", &home);
        let tools = DevTools::start(lab, &name, &command, START_TIME);
        Browser { tools, page }
    }

    /// Opens a page with a phone in it.
    ///
    /// # Panics
    /// When it does not load.
    #[track_caller]
    pub fn open(&self) -> Page<'_> {
        let url = format!("file://{}", self.page.display());
        let target = self
            .tools
            .ask(None, "Target.createTarget", json!({ "url": url }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.tools.ask(None, "Target.attachToTarget", target);
        let page = Page {
            tools: &self.tools,
            session: session["sessionId"]
                .as_str()
                .expect("a session has a name")
                .to_owned(),
        };
        until("the page to load", START_TIME, || {
            let state = page
                .evaluate("[document.readyState, typeof JsSIP, typeof phone]")
                .ok()?;
            (state == json!(["complete", "object", "object"])).then_some(())
        });
        page
    }

    /// Ends it in good order.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn quit(&self) {
        self.tools.quit();
    }
}

/// The SHA-256 of the public key of a certificate, in base64.
fn key_digest(lab: &Lab, certificate: &Path) -> String {
    let pipeline = "set -o pipefail; openssl x509 -in \"$0\" -noout -pubkey | openssl pkey -pubin -outform der \
                    | openssl dgst -sha256 -binary | openssl base64 -A";
    let mut command = Command::new("bash");
    command.args(["-c", pipeline]).arg(certificate);
    let ended = run(lab, "key-digest", &mut command, SOON);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended.out
}

/// A phone in a page.
#[derive(Debug)]
pub struct Page<'browser> {
    tools: &'browser DevTools,
    session: String,
}

impl Page<'_> {
    /// Registers by secure WebSocket and waits until it is done.
    ///
    /// # Panics
    /// When it does not register.
    #[track_caller]
    pub fn register(&self, exchange: &Exchange<'_>, account: &Account) {
        let whom = json!({
            "url": format!("wss://{}/", exchange.secure_websocket()),
            "user": account.user,
            "password": account.password,
        });
        self.order(&format!("phone.register({whom})"));
        self.wait_for("registered");
    }

    /// Calls somebody, perhaps with video.
    #[track_caller]
    pub fn call(&self, target: &str, video: bool) {
        let (target, options) = (json!(target), json!({ "video": video }));
        self.order(&format!("phone.call({target}, {options})"));
    }

    /// Lets two connections of the page talk to each other, without an exchange.
    #[track_caller]
    pub fn talk_to_itself(&self, video: bool) {
        let options = json!({ "video": video });
        self.order(&format!("phone.talkToItself({options})"));
    }

    /// Hangs up.
    #[track_caller]
    pub fn hang_up(&self) {
        self.order("phone.hangUp()");
    }

    /// Removes its registration.
    #[track_caller]
    pub fn unregister(&self) {
        self.order("phone.stop()");
        self.wait_for("unregistered");
    }

    /// What has happened so far.
    #[track_caller]
    pub fn story(&self) -> Vec<Value> {
        let story = self.order("phone.story");
        story.as_array().cloned().unwrap_or_default()
    }

    /// Waits until something has happened; what is known of it.
    ///
    /// # Panics
    /// When it does not in time, or the call fails before.
    #[track_caller]
    pub fn wait_for(&self, what: &str) -> Value {
        self.until(what, || {
            let story = self.story();
            let last = story.last().cloned();
            let found = story.into_iter().find(|it| it["what"] == what);
            let has_failed = found.is_none() && last.is_some_and(|it| it["what"] == "failed");
            assert!(!has_failed, "waited for `{what}`, but the call has failed");
            found
        })
    }

    /// Waits until it has heard a tone for so many seconds.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn wait_for_tone(&self, frequency_hz: u16, seconds: f64) {
        let what = format!("the tone of {frequency_hz} Hz in Chromium");
        self.until(&what, || {
            (self.heard().tone_seconds(frequency_hz) >= seconds).then_some(())
        });
    }

    /// Waits until so many pictures of a video were decoded.
    ///
    /// # Panics
    /// When they are not in time.
    #[track_caller]
    pub fn wait_for_frames(&self, count: u64) {
        let what = format!("{count} pictures in Chromium");
        self.until(&what, || {
            (self.figures()["frames"].as_u64() >= Some(count)).then_some(())
        });
    }

    #[track_caller]
    fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        until(what, SOON, || {
            let answer = ask();
            if answer.is_none() {
                // It costs Chromium time to be asked.
                thread::sleep(LOOK_EVERY);
            }
            answer
        })
    }

    /// What arrives, as its statistics say.
    ///
    /// # Panics
    /// When they do not.
    #[track_caller]
    pub fn figures(&self) -> Value {
        self.order("phone.figures()")
    }

    /// What it has heard so far.
    ///
    /// # Panics
    /// When it does not tell.
    #[track_caller]
    pub fn heard(&self) -> Recording {
        let samples = serde_json::from_value(self.order("phone.heard()"));
        Recording::new(
            "what Chromium heard",
            samples.expect("samples have 16 bits"),
        )
    }

    /// Evaluates an expression that must succeed.
    #[track_caller]
    fn order(&self, expression: &str) -> Value {
        self.evaluate(expression)
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn evaluate(&self, expression: &str) -> Result<Value, String> {
        let parameters = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
        });
        let answer = self
            .tools
            .try_ask(Some(&self.session), "Runtime.evaluate", parameters)?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(details.to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }
}

impl Drop for Page<'_> {
    /// Shows what the phone has lived through when its test fails.
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        for what in ["phone.story", "phone.figures()", "phone.heard().length"] {
            match self.evaluate(what) {
                Ok(answer) => eprintln!("---- {what} in Chromium: {answer:#}"),
                Err(error) => eprintln!("---- {what} in Chromium: {error}"),
            }
        }
    }
}
