//! A headless Chromium, driven by its DevTools protocol over a WebSocket. It knows nothing of reports.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, client};

/// How often the browser is looked for, and how long between.
const TRIES: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// A browser with one page. It ends with its value.
pub struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: String,
    next: u64,
    /// Errors and messages of the console, and uncaught exceptions.
    pub complaints: Vec<String>,
    /// Addresses that were asked for.
    pub requests: Vec<String>,
}

impl Browser {
    /// Starts the browser with a profile folder of its own.
    pub fn start(program: &Path, profile: &Path) -> Self {
        let child = Command::new(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("MESHFAULT_CHROMIUM names a program");
        let (port, path) = (0..TRIES)
            .find_map(|_| {
                let text = std::fs::read_to_string(profile.join("DevToolsActivePort")).ok();
                let found = text.as_deref().and_then(|text| {
                    let (port, path) = text.trim().split_once('\n')?;
                    Some((port.parse::<u16>().ok()?, path.to_owned()))
                });
                if found.is_none() {
                    sleep(PAUSE);
                }
                found
            })
            .expect("the browser opens its port");
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the browser listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (socket, _) =
            client(format!("ws://127.0.0.1:{port}{path}"), stream).expect("the browser speaks the protocol");
        let mut browser = Self {
            child,
            socket,
            session: String::new(),
            next: 0,
            complaints: Vec::new(),
            requests: Vec::new(),
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.call(
            "Target.attachToTarget",
            json!({ "targetId": target["targetId"], "flatten": true }),
        );
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method and gives its result; what happens meanwhile is noted.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.socket
            .send(Message::text(message.to_string()))
            .expect("the browser lives");
        loop {
            let seen = self.read();
            if seen["id"] == json!(self.next) {
                assert!(seen["error"].is_null(), "{method}: {}", seen["error"]);
                return seen["result"].clone();
            }
        }
    }

    fn read(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().expect("the browser answers") {
                let seen: Value = serde_json::from_str(&text).expect("the protocol is JSON");
                self.note(&seen);
                return seen;
            }
        }
    }

    fn note(&mut self, seen: &Value) {
        let parameters = &seen["params"];
        match seen["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded") => {
                self.complaints.push(parameters.to_string());
            }
            Some("Network.requestWillBeSent") => {
                self.requests
                    .push(parameters["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            _ => {}
        }
    }

    /// Opens a file and waits until its script has run.
    pub fn open(&mut self, page: &Path) {
        self.call("Page.navigate", json!({ "url": format!("file://{}", page.display()) }));
        for _ in 0..TRIES {
            if self.run("document.documentElement?.dataset.ready === '1' && document.readyState === 'complete'")
                == json!(true)
            {
                return;
            }
            sleep(PAUSE);
        }
        panic!("the page's script has not run: {:?}", self.complaints);
    }

    /// Evaluates an expression in the page.
    pub fn run(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].clone()
    }

    /// Makes the window so large.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// A mouse event in the window.
    pub fn mouse(&mut self, kind: &str, x: f64, y: f64) {
        let pressed = if kind == "mouseMoved" { "none" } else { "left" };
        let event =
            json!({ "type": kind, "x": x, "y": y, "button": pressed, "clickCount": u8::from(pressed == "left") });
        self.call("Input.dispatchMouseEvent", event);
    }

    /// A key that is pressed and released.
    pub fn press(&mut self, key: &str, code: u32) {
        let event = |kind: &str| {
            let mut event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && (key == " " || key == "Enter") {
                event["text"] = json!(if key == " " { " " } else { "\r" });
            }
            event
        };
        self.call("Input.dispatchKeyEvent", event("keyDown"));
        self.call("Input.dispatchKeyEvent", event("keyUp"));
    }

    /// Waits, for pages that answer with a delay.
    pub fn wait_ms(&mut self, span: u64) {
        sleep(Duration::from_millis(span));
    }

    /// The whole page as PNG.
    pub fn picture(&mut self) -> Vec<u8> {
        let taken = self.call(
            "Page.captureScreenshot",
            json!({ "format": "png", "captureBeyondViewport": true }),
        );
        STANDARD
            .decode(taken["data"].as_str().unwrap())
            .expect("a picture is base64")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let message = json!({ "id": 0, "method": "Browser.close" }).to_string();
        let _ = self.socket.send(Message::text(message));
        for _ in 0..50 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
