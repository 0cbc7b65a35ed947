//! Filling the templates. Every value is escaped by the rules of the format unless this file has made it itself: HTML by
//! minijinja, Markdown and LaTeX here. Names from manifests and files are hostile input in all three.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, State, UndefinedBehavior, Value};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Content, PageFigure, PageFormat};
use crate::lab::printable::is_hostile;
use crate::report::figures::Theme;

const HTML: &str = include_str!("assets/report.html");
const MARKDOWN: &str = include_str!("assets/report.md");
const LATEX: &str = include_str!("assets/report.tex");
const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");
const PLOT_STYLE: &str = include_str!("../../../assets/uplot/uPlot.min.css");
const PLOT_SCRIPT: &str = include_str!("../../../assets/uplot/uPlot.iife.min.js");

/// Figures that can be beside the answer, the most telling first.
const LEADING: [&str; 5] = [
    "factor_map",
    "factor_curves",
    "access_classes",
    "exposure_distribution",
    "startup_distribution",
];

pub(super) fn fill(content: &Content, figures: &[PageFigure], format: PageFormat) -> String {
    let (name, template) = match format {
        PageFormat::Html => ("html", HTML),
        PageFormat::Markdown => ("md", MARKDOWN),
        PageFormat::Latex => ("tex", LATEX),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    environment.set_syntax(syntax.expect("the usual marks are sound"));
    environment.set_auto_escape_callback(|name| match name {
        "html" => AutoEscape::Html,
        "md" => AutoEscape::Custom("md".into()),
        _ => AutoEscape::Custom("tex".into()),
    });
    environment.set_formatter(|out, state, value| match escape_of(state) {
        Some(escape) if !value.is_safe() => {
            let text = if value.is_none() {
                String::new()
            } else {
                value.to_string()
            };
            out.write_str(&escape(&text)).map_err(minijinja::Error::from)
        }
        _ => minijinja::escape_formatter(out, state, value),
    });
    environment.add_filter("prose", prose);
    environment.add_filter("code", code);
    environment.add_filter("block", block);
    environment.add_filter("drawing", |markup: String| {
        Value::from_safe_string(Theme::by_variables(&markup))
    });
    environment.add_filter("link", link);
    environment
        .add_template(name, template)
        .expect("the templates are part of the program");
    let [light, dark, print] = [Theme::Light, Theme::Dark, Theme::Print].map(Theme::variables);
    let style = format!(
        "{PLOT_STYLE}\n{STYLE}\n:root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n@media print {{ :root {{ \
         {print} }} }}\n"
    );
    let leading = LEADING
        .iter()
        .find_map(|name| figures.iter().find(|figure| figure.name == *name));
    let fixed = Fixed {
        content,
        figures,
        leading,
        data: Value::from_safe_string(embedded(&content.charts)),
        style_hash: hash(&style),
        style: Value::from_safe_string(style),
        plot_hash: hash(PLOT_SCRIPT),
        plot_script: Value::from_safe_string(PLOT_SCRIPT.to_owned()),
        script_hash: hash(SCRIPT),
        script: Value::from_safe_string(SCRIPT.to_owned()),
    };
    let page = environment
        .get_template(name)
        .and_then(|template| template.render(Serde(&fixed)));
    page.expect("every template fits its content")
}

#[derive(Serialize)]
struct Fixed<'c> {
    #[serde(flatten)]
    content: &'c Content,
    leading: Option<&'c PageFigure>,
    figures: &'c [PageFigure],
    data: Value,
    style: Value,
    style_hash: String,
    plot_script: Value,
    plot_hash: String,
    script: Value,
    script_hash: String,
}

/// What a content security policy calls a script or a style.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// JSON for a script element: nothing in it can end the element or open a comment.
fn embedded(value: &serde_json::Value) -> String {
    let text = serde_json::to_string(value).expect("charts are plain data");
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if "<>&".contains(letter) || is_hostile(letter) => {
                let _ = write!(safe, "\\u{:04x}", u32::from(letter));
            }
            letter => safe.push(letter),
        }
    }
    safe
}

/// How a format escapes; HTML is minijinja's own.
fn escape_of(state: &State<'_, '_>) -> Option<fn(&str) -> String> {
    match state.auto_escape() {
        AutoEscape::Custom(name) if name == "md" => Some(markdown),
        AutoEscape::Custom(_) => Some(latex),
        _ => None,
    }
}

fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

/// Markdown text on one line in which nothing is a mark.
pub(super) fn markdown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut safe = String::with_capacity(line.len());
    for (at, letter) in line.chars().enumerate() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '>' | '|' | '~' | '$' => {
                safe.push('\\');
                safe.push(letter);
            }
            '#' | '-' | '+' | '=' if at == 0 => {
                safe.push('\\');
                safe.push(letter);
            }
            letter => safe.push(letter),
        }
    }
    safe
}

pub(super) fn latex(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut safe = String::with_capacity(line.len());
    for letter in line.chars() {
        match letter {
            '\\' => safe.push_str("\\textbackslash{}"),
            '{' | '}' | '$' | '&' | '#' | '%' | '_' => {
                safe.push('\\');
                safe.push(letter);
            }
            '~' => safe.push_str("\\textasciitilde{}"),
            '^' => safe.push_str("\\textasciicircum{}"),
            '<' => safe.push_str("\\textless{}"),
            '>' => safe.push_str("\\textgreater{}"),
            '≤' => safe.push_str("$\\le$"),
            '≥' => safe.push_str("$\\ge$"),
            '−' => safe.push_str("$-$"),
            'σ' => safe.push_str("$\\sigma$"),
            '–' => safe.push_str("--"),
            '"' => safe.push_str("''"),
            '`' => safe.push_str("\\textasciigrave{}"),
            letter if is_hostile(letter) => safe.push('?'),
            letter => safe.push(letter),
        }
    }
    safe
}

fn code(state: &State<'_, '_>, text: String) -> Value {
    Value::from_safe_string(code_of(state, &text))
}

fn markdown_code(text: &str) -> String {
    // A span is fenced by more backticks than are in it; a bar would end the cell of a table.
    let line = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|");
    let mut fence = "`".to_owned();
    while line.contains(&fence) {
        fence.push('`');
    }
    let space = if line.starts_with('`') || line.ends_with('`') || line.is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{line}{space}{fence}")
}

fn code_of(state: &State<'_, '_>, text: &str) -> String {
    match state.auto_escape() {
        AutoEscape::Custom(name) if name == "md" => markdown_code(text),
        AutoEscape::Custom(_) => format!("\\texttt{{{}}}", latex(text)),
        _ => format!("<code>{}</code>", html(text)),
    }
}

/// A command on lines of its own.
fn block(state: &State<'_, '_>, text: String) -> Value {
    Value::from_safe_string(match state.auto_escape() {
        AutoEscape::Custom(name) if name == "md" => {
            format!("    {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        AutoEscape::Custom(_) => latex(&text),
        _ => format!("<pre><code>{}</code></pre>", html(&text)),
    })
}

fn link(path: String) -> Value {
    let mut target = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_./".contains(&byte) {
            target.push(char::from(byte));
        } else {
            let _ = write!(target, "%{byte:02X}");
        }
    }
    Value::from_safe_string(target)
}

/// A sentence with names between backticks.
fn prose(state: &State<'_, '_>, text: String) -> Value {
    let escape = escape_of(state).unwrap_or(html);
    Value::from_safe_string(prose_with(&text, escape, |part| code_of(state, part)))
}

/// The same for a page of Markdown that is no template.
pub(in crate::report) fn markdown_prose(text: &str) -> String {
    prose_with(text, markdown, markdown_code)
}

fn prose_with(text: &str, escape: impl Fn(&str) -> String, code: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let parts: Vec<&str> = text.split('`').collect();
    for (at, part) in parts.iter().enumerate() {
        // Without its partner a backtick is only a backtick.
        if at % 2 == 1 && at + 1 < parts.len() {
            out.push_str(&code(part));
            continue;
        }
        if at % 2 == 1 {
            out.push_str(&escape("`"));
        }
        out.extend(part.starts_with(char::is_whitespace).then_some(' '));
        let inner = escape(part.trim());
        out.push_str(&inner);
        out.extend((!inner.is_empty() && part.ends_with(char::is_whitespace)).then_some(' '));
    }
    out
}
