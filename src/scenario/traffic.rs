//! The traffic of one design: flows of requests between workloads, and those that follow from the policies.
//!
//! Belongs here: what can be wrong with a flow before it runs. Does not belong here: what a flow does (`cluster::traffic`).

use super::error::{InputError, all};
use super::faults::{Targets, number, point, span};
use super::layers::Merged;
use super::schema::Text;
use super::script::{METHODS, path};
use super::traffic_form::{Connections, Flow, FromPolicies, Retries};
use super::values::{choice, complain, duration, rate};
use super::world::Names;
use super::yaml::Spanned;
use crate::cluster::flows::{CallSpec, FirstRequest, FlowSpec, PolicyTraffic, PoolSpec, TrafficSpec};
use crate::cluster::spec::WorldSpec;
use crate::kernel::{SimDuration, SimTime};

/// Most requests of flows that a run sends on average.
const REQUESTS_MAX: f64 = 2_000_000.0;
/// Most flows.
const FLOWS_MAX: usize = 10_000;
/// Of Envoy's retries: `base_interval`.
const RETRY_DELAY: SimDuration = SimDuration::from_millis(25);

pub(super) const FIRST_REQUESTS: [(&str, FirstRequest); 2] =
    [("container", FirstRequest::Container), ("ready", FirstRequest::Ready)];

/// The traffic of a design.
///
/// # Errors
/// For every flow that is wrong.
pub fn traffic(merged: &Merged<'_>, names: &Names, targets: &Targets) -> Result<TrafficSpec, Vec<InputError>> {
    let written = &merged.experiment.traffic;
    let flows = all(written.flows.iter().enumerate().map(|(index, flow)| {
        let same = |other: &&Spanned<Flow>| other.value.name.value == flow.value.name.value;
        if let Some(first) = written.flows[..index].iter().find(same) {
            let message = format!("two flows are called `{}`", first.value.name.value);
            let hint = "the name chooses the random numbers of a flow: give each its own";
            return Err(complain(merged.file, &flow.value.name, message).with_hint(hint));
        }
        one(merged, names, targets, &flow.value)
    }))?;
    let from_policies = written.from_policies.as_ref();
    let from_policies = from_policies.map(|policies| of_policies(merged, targets, &policies.value));
    Ok(TrafficSpec {
        flows,
        from_policies: from_policies.transpose().map_err(|error| vec![error])?,
    })
}

/// Complains about traffic with which a run would do little else.
pub fn check_size(merged: &Merged<'_>, world: &WorldSpec) -> Result<(), InputError> {
    let written = &merged.experiment.traffic;
    let policies = written.from_policies.as_ref();
    let rate = policies.map(|policies| &policies.value.rate);
    let Some(at) = rate.or_else(|| written.flows.first().map(|flow| &flow.value.rate)) else {
        return Ok(());
    };
    let (flows, requests) = (world.flow_count(), world.requests_expected());
    if flows > FLOWS_MAX {
        let message = format!("the traffic has {flows} flows, more than {FLOWS_MAX}");
        let hint = "write the flows that matter under `flows`, or read fewer manifests (`exclude`)";
        return Err(complain(merged.file, at, message).with_hint(hint));
    }
    if requests > REQUESTS_MAX {
        let message = format!(
            "the traffic sends about {requests:.0} requests in a run of design `{}`, more than {REQUESTS_MAX:.0}",
            merged.design.name.value
        );
        let hint = "write a lower `rate`, a shorter `for` or a shorter `horizon`";
        return Err(complain(merged.file, at, message).with_hint(hint));
    }
    Ok(())
}

fn one(merged: &Merged<'_>, names: &Names, targets: &Targets, flow: &Flow) -> Result<FlowSpec, InputError> {
    let call = Call {
        method: flow.method.as_ref(),
        path: flow.path.as_ref(),
        time_limit: &flow.time_limit,
        connections: flow.connections.as_ref(),
        retries: flow.retries.as_ref(),
        first: flow.first_request.as_ref(),
        begin: flow.begin.as_ref(),
        duration: flow.duration.as_ref(),
    };
    Ok(FlowSpec {
        name: flow.name.value.clone(),
        from: names.workload(merged, &flow.from)?,
        to: names.service(merged, &flow.to)?,
        rate_per_s: rate(merged.file, merged.text(&flow.rate)?)?,
        call: call.read(merged, targets)?,
    })
}

fn of_policies(merged: &Merged<'_>, targets: &Targets, written: &FromPolicies) -> Result<PolicyTraffic, InputError> {
    let call = Call {
        method: None,
        path: None,
        time_limit: &written.time_limit,
        connections: written.connections.as_ref(),
        retries: written.retries.as_ref(),
        first: written.first_request.as_ref(),
        begin: written.begin.as_ref(),
        duration: written.duration.as_ref(),
    };
    let per_s = |text: &Text| rate(merged.file, merged.text(text)?);
    Ok(PolicyTraffic {
        rate_per_s: per_s(&written.rate)?,
        denied_rate_per_s: per_s(written.denied_rate.as_ref().unwrap_or(&written.rate))?,
        call: call.read(merged, targets)?,
    })
}

/// What flows of both sorts have.
struct Call<'a> {
    method: Option<&'a Text>,
    path: Option<&'a Text>,
    time_limit: &'a Text,
    connections: Option<&'a Connections>,
    retries: Option<&'a Retries>,
    first: Option<&'a Text>,
    begin: Option<&'a Text>,
    duration: Option<&'a Text>,
}

impl Call<'_> {
    fn read(&self, merged: &Merged<'_>, targets: &Targets) -> Result<CallSpec, InputError> {
        let begin = self
            .begin
            .map_or(Ok(SimTime::ZERO), |begin| point(merged, targets, begin))?;
        let lasts = self.duration.map(|lasts| span(merged, lasts)).transpose()?;
        let pool = |pool: &Connections| {
            Ok(PoolSpec {
                per_pod: number(merged, &pool.per_pod, 1)?,
                life: pool.life.as_ref().map(|life| span(merged, life)).transpose()?,
            })
        };
        let retries = |retries: &Retries| {
            let delay = retries.delay.as_ref();
            let delay = delay.map_or(Ok(RETRY_DELAY), |delay| duration(merged.file, merged.text(delay)?))?;
            Ok((number(merged, &retries.times, 1)?, delay))
        };
        Ok(CallSpec {
            method: match self.method {
                Some(method) => choice(merged.file, merged.text(method)?, "HTTP method", &METHODS)?.to_owned(),
                None => "GET".to_owned(),
            },
            path: path(merged, self.path)?,
            time_limit: span(merged, self.time_limit)?,
            connections: self.connections.map(pool).transpose()?,
            retries: self.retries.map(retries).transpose()?,
            first: match self.first {
                Some(first) => choice(
                    merged.file,
                    merged.text(first)?,
                    "time of a first request",
                    &FIRST_REQUESTS,
                )?,
                None => FirstRequest::Ready,
            },
            begin,
            end: lasts.map_or(targets.horizon, |lasts| (begin + lasts).min(targets.horizon)),
        })
    }
}
