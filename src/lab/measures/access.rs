//! Measures of who got in, of reused addresses, and of what the control plane was asked for.
//!
//! Exposure without traffic is in `exposure`, waits of pods in `startup`.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Better, Context, Definition, Presence, Said};
use crate::cluster::records::AccessClass;
use crate::lab::cell::Word;
use crate::lab::numbers::RunNumbers;
use crate::lab::summary::Measure;
use crate::stats::{Observation, Outcome};

pub(super) const NO_MESH: Presence = Presence::Absent("the design has no mesh");

/// Where a share of runs counts accesses, it is of these runs.
const TESTED: &str = "of runs in which a layer decided about an access or a server answered one";

pub(super) fn access_classes(_: Context<'_>) -> Vec<Definition<'_>> {
    let any = |class: AccessClass, words: &str| {
        let estimand = format!("share of runs with at least one access {words}, {TESTED}");
        let has = move |run: &RunNumbers| run.tested().then(|| run.has(class));
        Definition::share(format!("{}_any", class.word()), estimand, has)
    };
    vec![
        any(
            AccessClass::Unauthorized,
            "that no policy meant and every layer admitted",
        )
        .label("runs with an unauthorized access")
        .head(1, "unauthorized\n(runs)")
        .panel(1)
        .said(Said::Often("lets the wrong client in")),
        Definition::share(
            super::TESTED,
            "share of runs with an unauthorized access, of the runs that tested it: a request that policy refuses, from a reused \
             address where the script recorded addresses, reached a layer that decides or a server after the fault began",
            |run| run.refusal_tested().then(|| run.has(AccessClass::Unauthorized)),
        ),
        any(
            AccessClass::NetworkBypassed,
            "that the network admitted against its policy and the mesh refused",
        )
        .label("runs with an access that the network let through against its policy")
        .head(2, "network bypassed\n(runs)")
        .panel(2)
        .said(Said::Often("lets the wrong client past the network")),
        any(
            AccessClass::MeshBypassed,
            "that the mesh admitted against its policy and the network refused",
        )
        .label("runs with an access that the mesh let through against its policy")
        .panel(9)
        .said(Said::Often("lets the wrong client past the mesh")),
        any(AccessClass::WronglyDenied, "that policy meant and some layer refused")
            .label("runs with an access that was wrongly denied")
            .head(LAST, "wrongly denied\n(runs)")
            .said(Said::Often("refuses a client that its policies admit")),
        Definition::share(
            "no_answer_any",
            "share of runs with at least one access after the cut that policy meant and that got no answer and no refusal, of runs with \
             an access after the cut that policy meant",
            |run| run.allowed_asked.then_some(run.allowed_unanswered),
        )
        .label("runs with an access that policy means and that got no answer")
        .said(Said::Often("leaves a client without an answer that its policies admit")),
        any(
            AccessClass::WrongServer,
            "that a pod of another workload than the one called answered",
        )
        .label("runs with an access that another workload answered")
        .said(Said::Often("lets another workload answer")),
        Definition::share(
            "demonstrated_any",
            format!("share of runs whose probe from a reused address reached a live server, {TESTED}"),
            |run| run.tested().then_some(run.record.demonstrated),
        )
        .panel(12)
        .said(Said::Often("lets a probe from a reused address reach a live server")),
    ]
}

/// How often what was asked came to nothing, or to the wrong pod.
pub(super) fn access_shares(context: Context<'_>) -> Vec<Definition<'_>> {
    let share = |class: AccessClass, words: &str| {
        let any = context.numbers.sound().any(|run| run.has(class));
        let name = format!("{}_share", class.word());
        let estimand = format!("share of accesses {words}, of all accesses of all runs");
        Definition::ratio(name, estimand, move |run| (run.count(class), run.all_accesses())).with(if any {
            Presence::Shown
        } else {
            Presence::Quiet
        })
    };
    vec![
        share(AccessClass::WronglyDenied, "that policy meant and some layer refused")
            .label("accesses that were wrongly denied"),
        share(AccessClass::Unreachable, "without an answer that no layer refused").label("accesses without an answer"),
        share(
            AccessClass::WrongServer,
            "that a pod of another workload than the one called answered",
        )
        .label("accesses that another workload answered"),
    ]
}

/// The last place in the table of designs.
const LAST: u8 = u8::MAX;

pub(super) fn reuse(_: Context<'_>) -> Vec<Definition<'_>> {
    vec![
        Definition::share(
            "reused_at_first_look",
            "share of runs whose script's first look found a pod on a remembered address, of runs that looked",
            |run| run.record.found_at_first_look,
        )
        .better(Better::Neither),
        Definition::share(
            "reused_in_first_batch",
            "share of runs in which a pod of the first batch got a remembered address, of runs with such a batch",
            |run| run.record.reused_in_first_batch,
        )
        .better(Better::Neither),
        Definition::ratio(
            "reuse_per_rollout",
            "share of restarts that gave a pod on a remembered address, over all runs",
            |run| (run.record.rollout_hits, run.record.rollouts),
        )
        .better(Better::Neither),
        Definition::share(
            "endpoint_withdrawn_first",
            "share of runs whose probed Service lost its endpoint before the probe was sent, of runs with a cut \
             and remembered addresses",
            |run| {
                let run = &run.record;
                let before_probe = |withdrawn| run.probed.is_none_or(|probed| probed > withdrawn);
                let asked = run.cut.is_some() && run.remembered > 0;
                asked.then(|| run.endpoint_withdrawn.is_some_and(before_probe))
            },
        )
        .said(Said::Often("loses the probed endpoint first"))
        .better(Better::Neither),
        Definition::share(
            "reused_probe_admitted",
            "share of runs in which an access that was not meant was admitted by the network, of runs whose access \
             from a reused address reached a live server after the cut",
            |run| run.reused_probe_reached.then_some(run.reused_probe_admitted),
        )
        .head(3, "network admits\nif IP reused")
        .said(Said::Often(
            "admits the wrong client at the network, where its address is reused,",
        )),
    ]
}

pub(super) fn node_given_up(context: Context<'_>) -> Vec<Definition<'_>> {
    let delay = |run: &RunNumbers| {
        let times = run.record.cut.zip(run.record.node_given_up);
        times.map(|(cut, given_up)| given_up.since(cut).as_secs_f64())
    };
    let seen: Vec<f64> = context.numbers.sound().filter_map(delay).collect();
    let n = seen.len() as u64;
    let min = seen.iter().copied().reduce(f64::min);
    let max = seen.iter().copied().reduce(f64::max);
    let measures = [
        Definition::mean(
            "node_given_up_delay",
            "mean time from the cut until the node was marked NotReady, of runs where it was",
            "s",
            delay,
        ),
        Definition::extreme(
            "node_given_up_delay_min",
            Measure::extreme("shortest such time", "s", min, n),
        ),
        Definition::extreme(
            "node_given_up_delay_max",
            Measure::extreme("longest such time", "s", max, n),
        ),
    ];
    measures.into_iter().map(|of| of.better(Better::Neither)).collect()
}

pub(super) fn control_plane(context: Context<'_>) -> Vec<Definition<'_>> {
    let requests = Definition::mean(
        "certificate_requests",
        "mean number of certificate requests per run",
        "requests",
        |run| Some(run.record.certificate_requests as f64),
    )
    .label("certificate requests per run")
    .panel(7)
    .said(Said::Makes("certificate requests per run"));
    let stale = Definition::mean(
        "stale_entries",
        "mean number of entries at the horizon in the cut node's ipcache that differ from the API server's, per run",
        "entries",
        |run| Some(f64::from(run.record.stale_entries)),
    )
    .panel(8);
    let presence = if context.design.mesh { Presence::Shown } else { NO_MESH };
    vec![requests.with(presence), stale]
}

pub(super) fn api_load(context: Context<'_>) -> Vec<Definition<'_>> {
    let modeled = context.numbers.runs.iter().any(|run| run.record.api_requests.is_some());
    let presence = match modeled {
        true => Presence::Shown,
        false => Presence::Absent("the load of the API servers is not modeled, see `cluster.load`"),
    };
    let requests = Definition::mean(
        "api_requests",
        "mean number of requests at the API servers per run, each time that they came",
        "requests",
        |run| run.record.api_requests.map(|requests| requests as f64),
    );
    let refused = Definition::mean(
        "api_refused",
        "mean number of requests per run that an API server refused with status 429",
        "requests",
        |run| run.record.api_refused.map(|refused| refused as f64),
    )
    .label("refused API requests per run")
    .said(Said::Makes("refused API requests per run"));
    let longest = Definition::mean(
        "longest_token_review",
        "mean over runs of the longest wait of a TokenReview for a seat and processors",
        "s",
        |run| run.record.longest_review.map(|wait| wait.as_secs_f64()),
    );
    let measures = [requests.better(Better::Neither), refused, longest];
    measures.into_iter().map(|of| of.with(presence)).collect()
}

pub(super) fn first_unauthorized(context: Context<'_>) -> Vec<Definition<'_>> {
    let indexed = context.numbers.runs.iter().enumerate();
    let firsts: Vec<Observation> = indexed
        .filter_map(|(run, numbers)| {
            let (since, happened) = numbers.first_unauthorized().filter(|_| !numbers.failed)?;
            let outcome = if happened { Outcome::Event } else { Outcome::Censored };
            Some(Observation {
                run: run as u32,
                time_ns: since.as_nanos(),
                outcome,
            })
        })
        .collect();
    let estimand = "median over runs that asked after a cut of the time from the cut to the first unauthorized access; \
                    runs without one are censored at the horizon";
    let waits = Arc::new(Cow::Owned(firsts));
    let median = Definition::quantile("first_unauthorized", estimand, &waits, 0.5);
    vec![median.better(Better::Larger)]
}
