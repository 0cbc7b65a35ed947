//! Measures of the requests of flows: who had the right answer, who was kept out, who got in.
//!
//! Every request of every run counts once, whatever its attempts; intervals are those of a ratio of sums over runs, since the requests of a
//! run depend on each other. By flow they are in `lab::flows`.

use super::{Better, Context, Definition, Presence, Said};
use crate::cluster::records::AccessClass;
use crate::lab::numbers::RunNumbers;

const MEANT: &str = "of all requests of flows that the policies admit";
const REFUSED: &str = "of all requests of flows that a policy refuses";

/// What a design without traffic lacks: no request was sent, which is not a share of 0.
fn sent(context: Context<'_>) -> Presence {
    match context.design.flows {
        Some(1..) => Presence::Shown,
        _ => Presence::Absent("the experiment has no traffic, see `traffic`"),
    }
}

pub(super) fn traffic(context: Context<'_>) -> Vec<Definition<'_>> {
    let presence = sent(context);
    let meant = |name: &str, words: &str, class: AccessClass| {
        let of = move |run: &RunNumbers| run.traffic.all.meant.share(&[class]);
        Definition::ratio(name, format!("share {words}, {MEANT}"), of)
    };
    let refused = |name: &str, words: &str, classes: &'static [AccessClass]| {
        let of = move |run: &RunNumbers| run.traffic.all.refused.share(classes);
        Definition::ratio(name, format!("share {words}, {REFUSED}"), of)
    };
    let mean = |name: &str, words: &str, unit, of: fn(&RunNumbers) -> f64| {
        Definition::mean(name, format!("mean number of {words} per run"), unit, move |run| {
            Some(of(run))
        })
        .better(Better::Neither)
    };
    let any = |run: &RunNumbers| {
        let (unauthorized, all) = run.traffic.all.refused.share(&[AccessClass::Unauthorized]);
        (all > 0).then_some(unauthorized > 0)
    };
    let measures = vec![
        meant(
            "traffic_availability",
            "that a pod of the right workload answered",
            AccessClass::Allowed,
        )
        .better(Better::Larger)
        .label("requests answered by the right workload")
        .head(20, "answered rightly\n(requests)")
        .panel(20),
        meant(
            "traffic_wrongly_denied_share",
            "that a layer refused",
            AccessClass::WronglyDenied,
        )
        .label("requests that were wrongly denied")
        .head(21, "wrongly denied\n(requests)"),
        meant(
            "traffic_wrong_server_share",
            "that a pod of another workload answered",
            AccessClass::WrongServer,
        ),
        meant(
            "traffic_unreachable_share",
            "that had no answer, and that no layer had refused",
            AccessClass::Unreachable,
        ),
        refused(
            "traffic_unauthorized_share",
            "that every layer let in",
            &[AccessClass::Unauthorized],
        )
        .label("requests that were let in against policy")
        .head(22, "unauthorized\n(requests)"),
        refused(
            "traffic_bypassed_share",
            "that one layer let in against its policy, and another refused",
            &[AccessClass::NetworkBypassed, AccessClass::MeshBypassed],
        ),
        Definition::share(
            "traffic_any_unauthorized",
            "share of runs in which a request of a flow was unauthorized, of runs with a request that a policy refuses",
            any,
        )
        .said(Said::Often("lets a request of the wrong client in")),
        Definition::ratio(
            "first_request_wrongly_denied_share",
            "share that a layer refused, of the first requests of pods that the policies admit, each sent as soon as its pod could",
            |run: &RunNumbers| run.traffic.first.meant.share(&[AccessClass::WronglyDenied]),
        ),
        mean("traffic_requests", "requests of flows", "requests", |run| {
            f64::from(run.traffic.requests())
        }),
        mean("traffic_attempts", "attempts of requests of flows", "attempts", |run| {
            run.traffic.attempts as f64
        }),
        mean(
            "traffic_connections",
            "connections that requests of flows opened",
            "connections",
            |run| run.traffic.connections as f64,
        ),
    ];
    measures.into_iter().map(|of| of.with(presence)).collect()
}
