//! Which protocol Istio takes a port for.
//!
//! Belongs here: protocol selection by the Service's port. Does not belong here: what a proxy does with HTTP rules on a port
//! of TCP (`translate`).

/// What a proxy expects on a port (Istio `pilot/pkg/networking/core/listener_inbound.go`, `ListenerProtocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortProtocol {
    /// HTTP: requests are read.
    Http,
    /// TCP: a request in the connection is not seen.
    Tcp,
    /// Whatever the first bytes show.
    Detected,
}

/// Ports on which nothing is detected, since the server speaks first: SMTP, DNS, MySQL and MongoDB
/// (Istio `pkg/config/kube/conversion.go`, `wellKnownPorts`).
const SERVER_FIRST: [u16; 4] = [25, 53, 3306, 27017];

impl PortProtocol {
    /// The protocol of a Service's port of TCP: by `appProtocol`, else by the part of its name before the first `-`, else by
    /// its number (Istio docs "Protocol Selection"; `pkg/config/kube/conversion.go`, `ConvertProtocol`).
    pub fn of_service_port(port: u16, name: Option<&str>, app_protocol: Option<&str>) -> Self {
        match app_protocol {
            Some("kubernetes.io/h2c" | "kubernetes.io/ws") => return Self::Http,
            Some("kubernetes.io/wss") => return Self::Tcp,
            _ => {}
        }
        let written = app_protocol.or(name).unwrap_or("").to_ascii_lowercase();
        if written.starts_with("grpc-web") {
            return Self::Http;
        }
        match written.split('-').next().unwrap_or("") {
            "http" | "http2" | "http_proxy" | "grpc" => Self::Http,
            "tcp" | "tls" | "https" | "mongo" | "mysql" | "redis" | "udp" => Self::Tcp,
            _ if SERVER_FIRST.contains(&port) => Self::Tcp,
            _ => Self::Detected,
        }
    }

    /// Whether a request on such a port is seen as one.
    pub fn reads_requests(self) -> bool {
        self != Self::Tcp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_up_to_the_dash_the_app_protocol_and_the_number_decide() {
        use PortProtocol::{Detected, Http, Tcp};
        for (port, name, app, expected) in [
            (80, Some("http"), None, Http),
            (80, Some("http-web"), None, Http),
            (80, Some("HTTP2-x"), None, Http),
            (80, Some("grpc"), None, Http),
            (80, Some("grpc-web-x"), None, Http),
            (80, Some("tcp-web"), None, Tcp),
            (80, Some("https-hook"), None, Tcp),
            (80, Some("tls"), None, Tcp),
            (80, Some("mongo"), None, Tcp),
            (80, Some("redis-a"), None, Tcp),
            (80, Some("mysql"), None, Tcp),
            // No protocol of Istio: a name without a dash behind the protocol is another word.
            (80, Some("httpx"), None, Detected),
            (80, Some("web"), None, Detected),
            (80, None, None, Detected),
            (3306, None, None, Tcp),
            (3306, Some("web"), None, Tcp),
            (3306, Some("http"), None, Http),
            (27017, None, None, Tcp),
            // `appProtocol` comes first, whatever the name is.
            (80, Some("tcp-web"), Some("http"), Http),
            (80, Some("http-web"), Some("tcp"), Tcp),
            (80, Some("tcp"), Some("kubernetes.io/h2c"), Http),
            (80, Some("http"), Some("kubernetes.io/wss"), Tcp),
            (80, Some("http"), Some("example.com/own"), Detected),
        ] {
            let found = PortProtocol::of_service_port(port, name, app);
            assert_eq!(found, expected, "{port} {name:?} {app:?}");
        }
    }
}
