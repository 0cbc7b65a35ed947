//! Normalization of request paths before policies see them.
//!
//! Belongs here: what Istio's default (`pathNormalization: BASE`) does to a path (page "Authorization Policy
//! Normalization", <https://istio.io/latest/docs/reference/config/security/normalization/>). Does not belong here: the other
//! options, which a mesh-wide setting would choose (slashes are not merged, `%2f` and `%5c` stay).

use std::borrow::Cow;

/// A path that no proxy lets through: it answers 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejected {
    /// `%00`.
    Null,
    /// A `#`: a fragment is not sent to servers (Envoy `http_reject_path_with_fragment`).
    Fragment,
}

/// The path as policies compare it: without the query string, unreserved characters decoded, backslashes turned and dot
/// segments resolved (RFC 3986, section 5.2.4).
pub(super) fn normalize(path: &str) -> Result<Cow<'_, str>, Rejected> {
    if path.contains('#') {
        return Err(Rejected::Fragment);
    }
    let path = path.split_once('?').map_or(path, |(before, _)| before);
    if path.contains("%00") {
        return Err(Rejected::Null);
    }
    if !path.starts_with('/') || !(path.contains(['%', '\\']) || path.contains("/.")) {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode(path);
    Ok(Cow::Owned(resolve_dots(&decoded)))
}

fn decode(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        let code = rest.get(1..3).filter(|_| character == '%');
        let byte = code
            .filter(|code| code.bytes().all(|c| c.is_ascii_hexdigit()))
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                decoded.push(char::from(byte));
                rest = &rest[3..];
            }
            _ => {
                decoded.push(if character == '\\' { '/' } else { character });
                rest = after;
            }
        }
    }
    decoded
}

fn resolve_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // `/a/.` and `/a/b/..` name the folder `/a/`.
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    let mut resolved = String::with_capacity(path.len());
    for segment in kept {
        resolved.push('/');
        resolved.push_str(segment);
    }
    resolved
}
