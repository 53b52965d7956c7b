//! A real browser without a window: Chromium, `chromium` or as `ECF8_CHROMIUM` names it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Chromium.
pub(crate) struct Browser {
    program: PathBuf,
}

/// What came of showing a page.
#[derive(Debug)]
pub(crate) struct Shown {
    /// What the console said, and what could not be loaded.
    pub(crate) complaints: Vec<String>,
    /// What the page measured of itself.
    measured: BTreeMap<String, String>,
    /// Bytes of the screenshot.
    pub(crate) screenshot: u64,
}

/// What a copy of the page measures of itself when it is shown, and tells the page that has it in a frame. The page itself has no
/// scripts, and forbids them.
const MEASURE: &str = r#"<script>
addEventListener('load', () => {
  const is_shown = element => element.getClientRects().length > 0;
  const drawings = [...document.querySelectorAll('figure svg')].filter(is_shown);
  const sizes = drawings.flatMap(svg => {
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    return [...svg.querySelectorAll('text')].map(text => scale * parseFloat(getComputedStyle(text).fontSize));
  });
  const fetched = performance.getEntriesByType('resource').filter(entry => !entry.name.startsWith('data:'));
  parent.postMessage({
    'scroll-width': document.documentElement.scrollWidth,
    'figures-visible': drawings.filter(svg => svg.getBoundingClientRect().height > 100).length,
    'smallest-text': Math.min(...sizes),
    'paper': getComputedStyle(drawings[0].querySelector('rect')).fill,
    'requests': fetched.length,
  }, '*');
});
</script>"#;

/// A page with the copy in a frame of a given width, since windows are not as narrow as phones; it keeps what it is told as
/// attributes of its root.
fn framed(width: u32) -> String {
    format!(
        r#"<!DOCTYPE html><html><style>:root{{color-scheme:light dark}}</style><script>
addEventListener('message', told => {{
  for (const [name, value] of Object.entries(told.data)) document.documentElement.setAttribute('data-' + name, value);
}});
</script><iframe src="measuring.html" style="border:0;width:{width}px;height:844px"></iframe></html>"#
    )
}

impl Browser {
    /// `None`, and a line about it, where there is none and none is required.
    pub(crate) fn find() -> Option<Self> {
        let program = PathBuf::from(std::env::var_os("ECF8_CHROMIUM").unwrap_or_else(|| "chromium".into()));
        match Command::new(&program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(status) if status.success() => Some(Self { program }),
            found if std::env::var_os("ECF8_REQUIRE_CHROMIUM").is_some() => {
                panic!(
                    "Chromium is required: {} gives {found:?}; `apt-get install chromium`",
                    program.display()
                )
            }
            _ => {
                eprintln!(
                    "skipped: there is no Chromium; `apt-get install chromium`, or name it by ECF8_CHROMIUM"
                );
                None
            }
        }
    }

    /// Shows a page in a window that is `width` pixels wide.
    pub(crate) fn show(&self, html: &str, width: u32, dark: bool) -> Shown {
        let folder = tempfile::tempdir().unwrap();
        let [plain, measuring, frame] =
            ["page.html", "measuring.html", "frame.html"].map(|name| folder.path().join(name));
        fs::write(&plain, html).unwrap();
        let may = html.replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';");
        assert_ne!(may, html, "the page forbids what it does not need");
        fs::write(&measuring, may.replacen("</head>", &format!("{MEASURE}</head>"), 1)).unwrap();
        fs::write(&frame, framed(width)).unwrap();

        let run = |what: &[&str], page: &PathBuf| {
            let mut command = Command::new(&self.program);
            let profile = folder.path().join("profile");
            command
                .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"])
                .args([
                    "--enable-logging=stderr",
                    "--v=0",
                    "--disable-dev-shm-usage",
                    "--virtual-time-budget=3000",
                ])
                .arg(format!("--user-data-dir={}", profile.display()))
                .arg(format!("--window-size={width},844"))
                // Whatever the page asks of the network would be an error.
                .arg("--host-resolver-rules=MAP * ~NOTFOUND")
                .args(dark.then_some("--blink-settings=preferredColorScheme=0"))
                .args(what)
                .arg(format!("file://{}", page.display()))
                .current_dir(folder.path())
                .env("HOME", folder.path())
                .stdin(Stdio::null());
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{said}");
            (String::from_utf8(output.stdout).unwrap(), said)
        };
        let (_, said) = run(&["--screenshot=page.png"], &plain);
        let (dom, measuring) = run(&["--dump-dom"], &frame);
        let is_complaint =
            |line: &&str| ["CONSOLE", "ERR_", "Refused", "violates"].iter().any(|word| line.contains(word));
        let complaints =
            said.lines().chain(measuring.lines()).filter(is_complaint).map(str::to_owned).collect();
        let screenshot = folder.path().join("page.png");
        if let Some(kept) = std::env::var_os("ECF8_KEEP_SCREENSHOTS") {
            let name = format!("page-{width}-{}.png", if dark { "dark" } else { "light" });
            let _ = fs::copy(&screenshot, PathBuf::from(kept).join(name)).unwrap();
        }
        Shown {
            complaints,
            measured: attributes(&dom),
            screenshot: fs::metadata(&screenshot).map_or(0, |file| file.len()),
        }
    }
}

/// The root's attributes that begin with `data-`.
fn attributes(dom: &str) -> BTreeMap<String, String> {
    let root = dom.split_once("<html").unwrap().1.split_once('>').unwrap().0;
    let each = root.split("data-").skip(1).filter_map(|rest| {
        let (name, value) = rest.split_once("=\"")?;
        Some((name.to_owned(), value.split('"').next()?.to_owned()))
    });
    each.collect()
}

impl Shown {
    /// What the page measured under a name.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.measured.get(name).unwrap_or_else(|| panic!("the page has not measured {name}: {self:?}"))
    }

    /// The same as a number.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or_else(|error| panic!("{name}: {error} in {self:?}"))
    }
}
