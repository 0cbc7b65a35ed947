//! Which policies a proxy has: by namespace, labels and targets.
//!
//! Belongs here: scope, selector, `targetRefs` and their index. Does not belong here: what the policies say (`engine`).

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::super::Subject;
use super::authorization::{Attachment, TargetKind};

/// Label of the pods of a gateway or waypoint with its name (Gateway API; istio/api `label`).
pub(super) const GATEWAY_NAME_LABEL: &str = "gateway.networking.k8s.io/gateway-name";
/// Class of all waypoints (Istio `pkg/config/constants`).
const WAYPOINT_CLASS: &str = "istio-waypoint";

/// A waypoint: the proxy of ambient mode for HTTP, in front of Services.
#[derive(Debug, Clone, Copy)]
pub struct Waypoint<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Name of its Gateway object.
    pub name: &'a str,
    /// Namespace and name of the Services that the question is about.
    pub services: &'a [(&'a str, &'a str)],
}

/// Indices of policies in the order in which they were given.
pub(super) type Selected = SmallVec<[u32; 8]>;

/// Policies by namespace and by one label of their selector.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    root_namespace: String,
    namespaces: BTreeMap<String, OfNamespace>,
}

#[derive(Debug, Clone, Default)]
struct OfNamespace {
    /// Without a selector by labels.
    general: Vec<u32>,
    by_label: BTreeMap<String, BTreeMap<String, Vec<u32>>>,
    targeted: Vec<u32>,
}

impl Selection {
    pub(super) fn new<'a>(attachments: impl Iterator<Item = Attachment<'a>>, root_namespace: &str) -> Self {
        let mut selection = Self {
            root_namespace: root_namespace.to_owned(),
            ..Self::default()
        };
        for (index, attachment) in (0..).zip(attachments) {
            let namespace = selection.namespaces.entry(attachment.namespace.to_owned()).or_default();
            let list = if !attachment.targets.is_empty() {
                &mut namespace.targeted
            } else if let Some((key, value)) = attachment.selector.match_labels.iter().next() {
                let values = namespace.by_label.entry(key.clone()).or_default();
                values.entry(value.clone()).or_default()
            } else {
                &mut namespace.general
            };
            list.push(index);
        }
        selection
    }

    /// The policies of a workload's own proxy: those of the root namespace and of its own, by selector. Policies with
    /// targets are for gateways (Istio `pilot/pkg/model/policyattachment.go`, `ShouldAttachPolicy`).
    pub(super) fn of_workload<'a>(&self, subject: &Subject, attachment: impl Fn(u32) -> Attachment<'a>) -> Selected {
        let mut selected = Selected::new();
        let own = (subject.namespace != self.root_namespace).then_some(subject.namespace.as_str());
        for namespace in own.into_iter().chain([self.root_namespace.as_str()]) {
            let Some(policies) = self.namespaces.get(namespace) else {
                continue;
            };
            let labelled = subject.labels.0.iter().filter_map(|(key, value)| {
                let values = policies.by_label.get(key)?;
                values.get(value)
            });
            let candidates = labelled.flatten().chain(&policies.general).copied();
            selected.extend(candidates.filter(|index| attachment(*index).selector.matches(&subject.labels)));
            if let Some(gateway) = subject.labels.get(GATEWAY_NAME_LABEL)
                && namespace == subject.namespace
            {
                let targeted = policies.targeted.iter().copied();
                selected.extend(targeted.filter(|index| {
                    let mut targets = attachment(*index).targets.iter();
                    targets.any(|target| target.kind == TargetKind::Gateway && target.name == gateway)
                }));
            }
        }
        selected.sort_unstable();
        selected
    }

    /// The policies of a waypoint, all by their targets (same function).
    pub(super) fn of_waypoint<'a>(
        &self,
        waypoint: &Waypoint<'_>,
        attachment: impl Fn(u32) -> Attachment<'a>,
    ) -> Selected {
        let targeted = self.namespaces.iter().flat_map(|(namespace, policies)| {
            let in_namespace = move |index: &u32| (namespace.as_str(), *index);
            policies.targeted.iter().map(in_namespace)
        });
        let mut selected: Selected = targeted
            .filter(|(namespace, index)| {
                let mut targets = attachment(*index).targets.iter();
                targets.any(|target| match target.kind {
                    TargetKind::Service => waypoint.services.contains(&(*namespace, target.name.as_str())),
                    TargetKind::ServiceEntry => false,
                    TargetKind::Gateway => *namespace == waypoint.namespace && target.name == waypoint.name,
                    TargetKind::GatewayClass => *namespace == self.root_namespace && target.name == WAYPOINT_CLASS,
                })
            })
            .map(|(_, index)| index)
            .collect();
        selected.sort_unstable();
        selected
    }
}
