//! What is asked of the policies: transport protocol and HTTP request.
//!
//! Belongs here: the request's own facts. Does not belong here: who sends it (`subject`) and over which certificate
//! (`istio`).

use std::fmt;

/// Transport protocols that policies distinguish (Kubernetes `core/v1` `Protocol`; Cilium `pkg/policy/api/l4.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// An HTTP request; a connection without one is plain TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http<'a> {
    /// Method, in upper case as on the wire.
    pub method: &'a str,
    /// Path with its query string, if any.
    pub path: &'a str,
    /// Host (`:authority`), if it is known.
    pub host: Option<&'a str>,
    /// Header fields; names are compared without regard to case.
    pub headers: &'a [(String, String)],
}

impl<'a> Http<'a> {
    /// The value of a header field: the first of that name.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut fields = self.headers.iter();
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}
