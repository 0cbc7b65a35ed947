//! The row format: four tables, declared once, column by column.
//!
//! A declaration says name (unit last), type, unit, meaning and field, and everything else follows from it: canonical
//! bytes, Parquet schema, the column list in `manifest.json`, and the way back to records. Every row begins with the
//! design's name and the replication. Cell types belong to `cell`, files to `segment` and `parquet_write`.
//!
//! Times are stored in seconds as doubles and are exact to the nanosecond up to [`super::cell::EXACT_NANOS_MAX`].

use serde::{Deserialize, Serialize};

use super::cell::{BadRow, Cell, CellValue, Kind, take};
use crate::cluster::records::{
    AccessClass, AccessRecord, DelayCause, ExposureRecord, LayerDecision, PodRecord, RunRecord, Via,
};
use crate::kernel::{RunFailure, SimDuration, SimTime};

/// Version of the row format; part of every digest.
pub const ROW_FORMAT: &str = "meshfault-rows-v2";

/// What a column is, for files and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ColumnInfo {
    /// Name, snake case, unit last.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
    /// Unit; empty for none.
    pub unit: String,
    /// Meaning in one line.
    pub doc: String,
}

/// One column of the table of records `R`.
pub struct Column<R: 'static> {
    name: &'static str,
    kind: Kind,
    nullable: bool,
    unit: &'static str,
    doc: &'static str,
    get: for<'a> fn(&'a R) -> Cell<'a>,
    set: fn(&mut R, Cell<'_>) -> Option<()>,
}

/// A record type that has a table.
pub trait Record: Sized + Send + 'static {
    /// Name of the table and of its file.
    const TABLE: &'static str;
    /// Its columns after `design` and `replication`.
    const COLUMNS: &'static [Column<Self>];
    /// A record to be filled from a row.
    fn blank() -> Self;
    /// Whether its times and counts can be those of a run that ends at the horizon; rows of a file may be anybody's.
    fn fits(&self, horizon: SimTime) -> bool;
}

/// Names of the tables, in the order of files and digests.
pub const TABLES: [&str; 4] = [
    RunRecord::TABLE,
    PodRecord::TABLE,
    AccessRecord::TABLE,
    ExposureRecord::TABLE,
];

/// Whose row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKey<'a> {
    /// The design's name.
    pub design: &'a str,
    /// The replication, from 0.
    pub replication: u64,
}

/// Columns of the table of `R`, `design` and `replication` first.
#[must_use]
pub fn columns_of<R: Record>() -> Vec<ColumnInfo> {
    let info = |name: &str, kind, nullable, unit: &str, doc: &str| ColumnInfo {
        name: name.to_owned(),
        kind,
        nullable,
        unit: unit.to_owned(),
        doc: doc.to_owned(),
    };
    let keys = [
        info("design", Kind::Utf8, false, "", "Name of the design."),
        info(
            "replication",
            Kind::I64,
            false,
            "",
            "Number of the replication, from 0.",
        ),
    ];
    let rest = R::COLUMNS
        .iter()
        .map(|column| info(column.name, column.kind, column.nullable, column.unit, column.doc));
    keys.into_iter().chain(rest).collect()
}

/// Columns of all tables, in the order of [`TABLES`].
#[must_use]
pub fn columns_of_all() -> [Vec<ColumnInfo>; 4] {
    [
        columns_of::<RunRecord>(),
        columns_of::<PodRecord>(),
        columns_of::<AccessRecord>(),
        columns_of::<ExposureRecord>(),
    ]
}

/// Appends the canonical bytes of a row: its length, then its cells.
pub fn encode_row<R: Record>(key: RowKey<'_>, record: &R, out: &mut Vec<u8>) {
    let cells = R::COLUMNS.iter().map(|column| (column.get)(record));
    let keys = [Cell::Utf8(key.design.into()), key.replication.to_cell()];
    encode_cells(keys.into_iter().chain(cells), out);
}

/// Appends the canonical bytes of a row of cells.
pub fn encode_cells<'a>(cells: impl IntoIterator<Item = Cell<'a>>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    cells.into_iter().for_each(|cell| cell.encode(out));
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Takes the cells of one row from the front of `bytes`.
///
/// # Errors
/// If the bytes are no canonical row.
pub fn decode_cells<'a>(bytes: &mut &'a [u8], cells: &mut Vec<Cell<'a>>) -> Result<(), BadRow> {
    cells.clear();
    let length = u32::from_le_bytes(take(bytes)?) as usize;
    let split = bytes.split_at_checked(length);
    let (mut row, rest) = split.ok_or_else(|| BadRow("a row ends too early".to_owned()))?;
    *bytes = rest;
    while !row.is_empty() {
        cells.push(Cell::decode(&mut row)?);
    }
    Ok(())
}

/// The key and the record of a row of cells.
///
/// # Errors
/// If a cell does not fit its column.
pub fn record_of<'a, R: Record>(cells: &'a [Cell<'_>]) -> Result<(RowKey<'a>, R), BadRow> {
    let [Cell::Utf8(design), Cell::I64(replication), rest @ ..] = cells else {
        return Err(BadRow("it does not begin with design and replication".to_owned()));
    };
    let replication = u64::try_from(*replication).map_err(|_| BadRow("its replication is negative".to_owned()))?;
    if rest.len() != R::COLUMNS.len() {
        return Err(BadRow(format!(
            "it has {} columns, not {}",
            cells.len(),
            R::COLUMNS.len() + 2
        )));
    }
    let mut record = R::blank();
    for (column, cell) in R::COLUMNS.iter().zip(rest) {
        (column.set)(&mut record, cell.clone())
            .ok_or_else(|| BadRow(format!("column {} does not admit {cell:?}", column.name)))?;
    }
    Ok((RowKey { design, replication }, record))
}

/// The same, of a run that ends at the horizon.
///
/// # Errors
/// As [`record_of`], or if its times cannot be.
pub fn record_within<'a, R: Record>(cells: &'a [Cell<'_>], horizon: SimTime) -> Result<(RowKey<'a>, R), BadRow> {
    let (key, record) = record_of::<R>(cells)?;
    match record.fits(horizon) {
        true => Ok((key, record)),
        false => Err(BadRow(format!(
            "its times or counts cannot be in a row of replication {} of {}",
            key.replication, key.design
        ))),
    }
}

/// Columns from `name [unit] = field: type, meaning;` or, for fields that need thought, two functions.
macro_rules! columns {
    ($($name:literal [$unit:literal] $doc:literal => $how:tt;)+) => {
        &[$(columns!(@one $name, $unit, $doc, $how)),+]
    };
    (@one $name:literal, $unit:literal, $doc:literal, ($field:ident: $type:ty)) => {
        columns!(@one $name, $unit, $doc, ($type, |r| r.$field.to_cell(), |r, value| r.$field = value))
    };
    (@one $name:literal, $unit:literal, $doc:literal, ($type:ty, $get:expr, $set:expr)) => {
        Column {
            name: $name,
            kind: <$type as CellValue>::KIND,
            nullable: <$type as CellValue>::NULLABLE,
            unit: $unit,
            doc: $doc,
            get: $get,
            set: |record, cell| {
                let set: fn(&mut Self, $type) = $set;
                set(record, <$type>::from_cell(cell)?);
                Some(())
            },
        }
    };
}

impl Record for RunRecord {
    const TABLE: &'static str = "runs";
    const COLUMNS: &'static [Column<Self>] = columns! {
        "failure_time_s" ["s"] "Simulated time at which the run failed; null if it did not." => (Option<SimTime>,
            |r| r.failure.as_ref().map(|f| f.time).map_or(Cell::Null, |t| Cell::F64(t.as_secs_f64())),
            |r, time| if let Some(time) = time { failure(r).time = time });
        "failure_component" [""] "The component that was handling an event when the run failed." => (Option<String>,
            |r| r.failure.as_ref().map_or(Cell::Null, |f| f.component.to_cell()),
            |r, component| if let Some(component) = component { failure(r).component = component });
        "failure_reason" [""] "Why the run failed." => (Option<String>,
            |r| r.failure.as_ref().map_or(Cell::Null, |f| f.reason.to_cell()),
            |r, reason| if let Some(reason) = reason { failure(r).reason = reason });
        "events" ["events"] "Events handled." => (events: u64);
        "fingerprint" [""] "Fingerprint over all events, hexadecimal." => (Fingerprint,
            |r| Cell::Utf8(format!("{:016x}", r.fingerprint).into()), |r, value| r.fingerprint = value.0);
        "script_end_s" ["s"] "When the script ended; null if the horizon came first." => (script_end: Option<SimTime>);
        "script_stopped" [""] "The step at which the script gave up, with the reason." => (script_stopped: Option<String>);
        "cut_s" ["s"] "When the first fault started; in a control design, would have started." => (cut: Option<SimTime>);
        "parties_cut" ["parties"] "How many parties the faults touched." => (parties_cut: u32);
        "node_given_up_s" ["s"] "When the cut node was given up by the node lifecycle controller." => (node_given_up: Option<SimTime>);
        "endpoint_withdrawn_s" ["s"] "When the probed Service lost its last endpoint in the API after the cut." => (endpoint_withdrawn: Option<SimTime>);
        "remembered" ["addresses"] "Addresses remembered by the script." => (remembered: u32);
        "found_at_first_look" [""] "Whether the script's first look found a pod on a remembered address; null if it never looked." => (found_at_first_look: Option<bool>);
        "reused_in_first_batch" [""] "Whether any pod of the first batch got a remembered address, seen or not." => (reused_in_first_batch: Option<bool>);
        "rollouts" ["rollouts"] "Restarts that the script waited for." => (rollouts: u32);
        "rollout_hits" ["rollouts"] "How many of them gave a pod on a remembered address." => (rollout_hits: u32);
        "found_s" ["s"] "When a pod on a remembered address was found." => (found: Option<SimTime>);
        "probed_s" ["s"] "When the probe from that pod was first sent." => (probed: Option<SimTime>);
        "demonstrated" [""] "Whether a probe from a reused address reached a live server." => (demonstrated: bool);
        "certificate_requests" ["requests"] "Certificate requests sent." => (certificate_requests: u64);
        "stale_entries" ["entries"] "Entries at the horizon in the cut node's ipcache that differ from the API server's." => (stale_entries: u32);
        "pods" ["pods"] "Pods that existed at some time." => (pods: u64);
    };
    fn fits(&self, horizon: SimTime) -> bool {
        let cut = self.cut.unwrap_or(SimTime::ZERO);
        self.rollout_hits <= self.rollouts
            && cut <= horizon
            && self
                .node_given_up
                .is_none_or(|given_up| cut <= given_up && given_up <= horizon)
    }
    fn blank() -> Self {
        Self::default()
    }
}

/// A fingerprint on its way through a text column.
struct Fingerprint(u64);

impl CellValue for Fingerprint {
    const KIND: Kind = Kind::Utf8;
    const NULLABLE: bool = false;
    fn to_cell(&self) -> Cell<'_> {
        Cell::Utf8(format!("{:016x}", self.0).into())
    }
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Utf8(text) => u64::from_str_radix(&text, 16).ok().map(Self),
            _ => None,
        }
    }
}

fn failure(run: &mut RunRecord) -> &mut RunFailure {
    let blank = || RunFailure {
        time: SimTime::ZERO,
        component: String::new(),
        reason: String::new(),
    };
    run.failure.get_or_insert_with(blank)
}

impl Record for PodRecord {
    const TABLE: &'static str = "pods";
    const COLUMNS: &'static [Column<Self>] = columns! {
        "pod" [""] "Name of the pod: workload, revision and ordinal." => (pod: String);
        "workload" [""] "The workload, or churn." => (workload: String);
        "measured" [""] "Whether the pod belongs to the measured population." => (measured: bool);
        "node" [""] "Its node; null if it was never bound." => (node: Option<String>);
        "ip" [""] "Its address, the last one if a sandbox was made again." => (ip: Option<std::net::Ipv4Addr>);
        "reused_ip" [""] "Whether that address is one that the script remembered." => (reused_ip: bool);
        "wished_s" ["s"] "When its ReplicaSet first wished for it." => (wished: SimTime);
        "address_s" ["s"] "When the API server knew its address; null if never." => (address: Option<SimTime>);
        "running_s" ["s"] "When the API server said Running; null if never." => (running: Option<SimTime>);
        "ready_s" ["s"] "When the API server said Ready; null if never." => (ready: Option<SimTime>);
        "exit_cause" [""] "How the start ended: ready, deleted, or censored by the horizon." => (exit_cause: crate::cluster::records::ExitCause);
        "exit_s" ["s"] "When it ended." => (exit: SimTime);
        "admission_s" ["s"] "Phase: wish to creation." => (admission: Option<SimDuration>);
        "scheduling_s" ["s"] "Phase: creation to binding." => (scheduling: Option<SimDuration>);
        "sandbox_s" ["s"] "Phase: binding to the network plugin's call that succeeded." => (sandbox: Option<SimDuration>);
        "identity_s" ["s"] "Phase: that call, with address, limiter, identity and programs." => (identity: Option<SimDuration>);
        "containers_s" ["s"] "Phase: from there to the last container running." => (containers: Option<SimDuration>);
        "certificate_s" ["s"] "Phase: from there to the certificate, if it came last." => (certificate: Option<SimDuration>);
        "configuration_s" ["s"] "Phase: from there to the configuration, if it came last." => (configuration: Option<SimDuration>);
        "readiness_s" ["s"] "Phase: from there to Ready in the API." => (readiness: Option<SimDuration>);
        "certificate_landings" [""] "The Istiods on which the certificate leg landed, in order." => (certificate_landings: String);
        "certificate_landings_bad" ["landings"] "How many of those landings failed." => (certificate_landings_bad: u32);
        "configuration_landings" [""] "The Istiods on which the configuration leg landed, in order." => (configuration_landings: String);
        "configuration_landings_bad" ["landings"] "How many of those landings failed." => (configuration_landings_bad: u32);
        "delay_token_review_s" ["s"] "Lost on the critical path: a TokenReview hung or failed (A); null for none." => (Option<SimDuration>,
            |r| delay_cell(r, DelayCause::TokenReview), |r, span| set_delay(r, DelayCause::TokenReview, span));
        "delay_black_hole_s" ["s"] "Lost on the critical path: the connection was black-holed (B); null for none." => (Option<SimDuration>,
            |r| delay_cell(r, DelayCause::BlackHole), |r, span| set_delay(r, DelayCause::BlackHole, span));
        "delay_connection_s" ["s"] "Lost on the critical path: no connection for another reason; null for none." => (Option<SimDuration>,
            |r| delay_cell(r, DelayCause::Connection), |r, span| set_delay(r, DelayCause::Connection, span));
        "delay_webhook_s" ["s"] "Lost on the critical path: the injection webhook was not reached (D); null for none." => (Option<SimDuration>,
            |r| delay_cell(r, DelayCause::Webhook), |r, span| set_delay(r, DelayCause::Webhook, span));
        "delay_endpoint_limiter_s" ["s"] "Lost on the critical path: Cilium's limiter of endpoint creations; null for none." => (Option<SimDuration>,
            |r| delay_cell(r, DelayCause::EndpointLimiter), |r, span| set_delay(r, DelayCause::EndpointLimiter, span));
        "delay_istiod_limiter_s" ["s"] "Lost on the critical path: an Istiod refused for its own limits; null for none." => (Option<SimDuration>,
            |r| delay_cell(r, DelayCause::IstiodLimiter), |r, span| set_delay(r, DelayCause::IstiodLimiter, span));
        "delay_kubelet_api_s" ["s"] "Lost on the critical path: the kubelet's limit of API requests (E); null for none." => (Option<SimDuration>,
            |r| delay_cell(r, DelayCause::KubeletApi), |r, span| set_delay(r, DelayCause::KubeletApi, span));
        "delayed_by" [""] "The cause that cost most, if the pod counts as delayed." => (delayed_by: Option<DelayCause>);
    };
    fn fits(&self, horizon: SimTime) -> bool {
        let known = [self.address, self.running, self.ready];
        self.wished <= self.exit && self.exit <= horizon && known.iter().flatten().all(|time| *time <= horizon)
    }
    fn blank() -> Self {
        Self::default()
    }
}

fn delay_cell(pod: &PodRecord, cause: DelayCause) -> Cell<'static> {
    let spans = pod.delays.iter().filter(|(of, _)| *of == cause).map(|(_, span)| *span);
    spans
        .reduce(|a, b| a + b)
        .map_or(Cell::Null, |span| Cell::F64(span.as_secs_f64()))
}

fn set_delay(pod: &mut PodRecord, cause: DelayCause, span: Option<SimDuration>) {
    pod.delays.extend(span.map(|span| (cause, span)));
}

impl Record for AccessRecord {
    const TABLE: &'static str = "accesses";
    const COLUMNS: &'static [Column<Self>] = columns! {
        "time_s" ["s"] "When the client started." => (time: SimTime);
        "after_cut" [""] "Whether a step after the cut sent it." => (after_cut: bool);
        "client" [""] "The client pod; empty if none was ready to send it." => (client: String);
        "client_workload" [""] "The client's workload." => (client_workload: String);
        "server" [""] "The Service or address asked for." => (server: String);
        "via" [""] "How the server was found: service or pod_ip." => (via: Via);
        "client_ip" [""] "The client's address." => (client_ip: Option<std::net::Ipv4Addr>);
        "reused_ip" [""] "Whether that address is one that the script remembered." => (reused_ip: bool);
        "reached" [""] "Whether a packet of it got as far as the node of a live server." => (reached: bool);
        "reached_workload" [""] "The workload of the pod that held the address when the last packet was sent; null if nobody did." => (reached_workload: Option<String>);
        "network_intended" [""] "What the network's policy intends." => (network_intended: LayerDecision);
        "network_decided" [""] "What the network did; null if it was not asked or enforces nothing." => (network_decided: Option<LayerDecision>);
        "mesh_intended" [""] "What the mesh's policy intends." => (mesh_intended: LayerDecision);
        "mesh_decided" [""] "What the mesh did; null if it was not asked or is absent." => (mesh_decided: Option<LayerDecision>);
        "class" [""] "The class of the access." => (class: AccessClass);
        "cause" [""] "Why, in words of a closed list." => (cause: String);
        "latency_s" ["s"] "From the client's start to its answer or its giving up." => (latency: SimDuration);
    };
    fn fits(&self, horizon: SimTime) -> bool {
        self.time <= horizon
    }
    fn blank() -> Self {
        Self {
            time: SimTime::ZERO,
            after_cut: false,
            client: String::new(),
            client_workload: String::new(),
            server: String::new(),
            via: Via::Service,
            client_ip: None,
            reused_ip: false,
            reached: false,
            reached_workload: None,
            network_intended: LayerDecision::Deny,
            network_decided: None,
            mesh_intended: LayerDecision::Deny,
            mesh_decided: None,
            class: AccessClass::Unreachable,
            cause: String::new(),
            latency: SimDuration::ZERO,
        }
    }
}

impl Record for ExposureRecord {
    const TABLE: &'static str = "exposures";
    const COLUMNS: &'static [Column<Self>] = columns! {
        "ip" [""] "The address in question." => (ip: std::net::Ipv4Addr);
        "client" [""] "The pod that holds it." => (client: String);
        "server" [""] "The server pod that would have let it in." => (server: String);
        "node" [""] "The node that enforces." => (node: String);
        "via" [""] "Through the Service, or by the pod's address." => (via: Via);
        "class" [""] "The class that an attempt would have had." => (class: AccessClass);
        "start_s" ["s"] "When the window opened." => (start: SimTime);
        "end_s" ["s"] "When it closed; null if it was open at the horizon." => (end: Option<SimTime>);
        "end_cause" [""] "Why it closed." => (end_cause: String);
    };
    fn fits(&self, horizon: SimTime) -> bool {
        self.start <= self.end.unwrap_or(horizon) && self.end.unwrap_or(self.start) <= horizon
    }
    fn blank() -> Self {
        Self {
            ip: std::net::Ipv4Addr::UNSPECIFIED,
            client: String::new(),
            server: String::new(),
            node: String::new(),
            via: Via::Service,
            class: AccessClass::Unreachable,
            start: SimTime::ZERO,
            end: None,
            end_cause: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn survives<R: Record + PartialEq + std::fmt::Debug>(records: &[R]) {
        let mut bytes = Vec::new();
        for (replication, record) in records.iter().enumerate() {
            encode_row(
                RowKey {
                    design: "a",
                    replication: replication as u64,
                },
                record,
                &mut bytes,
            );
        }
        let (mut rest, mut cells) = (bytes.as_slice(), Vec::new());
        for (replication, record) in records.iter().enumerate() {
            decode_cells(&mut rest, &mut cells).unwrap();
            let (key, seen): (_, R) = record_of(&cells).unwrap();
            assert_eq!((key.design, key.replication), ("a", replication as u64));
            assert_eq!(&seen, record);
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn records_survive_their_rows() {
        let outcomes: Vec<_> = (0..40)
            .map(|replication| testing::Fake::default().outcome(0, replication))
            .collect();
        survives(&outcomes.iter().map(|o| o.run.clone()).collect::<Vec<_>>());
        survives(&outcomes.iter().flat_map(|o| o.pods.clone()).collect::<Vec<_>>());
        survives(&outcomes.iter().flat_map(|o| o.accesses.clone()).collect::<Vec<_>>());
        survives(&outcomes.iter().flat_map(|o| o.exposures.clone()).collect::<Vec<_>>());
    }

    #[test]
    fn the_format_is_the_published_one() {
        let lines: Vec<String> = TABLES
            .iter()
            .zip(columns_of_all())
            .flat_map(|(table, columns)| {
                columns.into_iter().map(move |c| {
                    let null = if c.nullable { " or null" } else { "" };
                    format!("{table}.{}: {:?}{null}", c.name, c.kind)
                })
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn names_end_with_their_unit() {
        for column in columns_of_all().into_iter().flatten() {
            assert!(column.unit != "s" || column.name.ends_with("_s"), "{}", column.name);
            assert!(column.doc.ends_with('.') && column.doc.len() < 110, "{}", column.doc);
        }
    }
}
