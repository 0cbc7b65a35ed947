//! Images that nodes have, and their pulls.

use std::collections::BTreeMap;

use super::super::context::Ctx;
use super::super::ids::{NodeId, PodId};
use super::super::purpose::Purpose;
use crate::kernel::{Distribution, SimDuration, SimTime};

/// The image of an injected sidecar.
const SIDECAR: &str = "istio-proxy";

/// The images of all nodes.
#[derive(Debug, Default)]
pub(super) struct Images {
    /// When a node has an image.
    here: BTreeMap<(NodeId, String), SimTime>,
    /// When a node has done the pulls that were asked for.
    busy: BTreeMap<NodeId, SimTime>,
}

impl Images {
    /// When a node has the images of a pod that asks for them now, one after another.
    pub(super) fn pulled(&mut self, node: NodeId, pod: PodId, ctx: &Ctx) -> SimTime {
        let params = &ctx.blueprint().spec.kubernetes;
        let mut at = ctx.now();
        if params.image_pull == Distribution::Constant(SimDuration::ZERO) {
            return at;
        }
        let (kind, key) = (ctx.shared.kind(pod), ctx.shared.key(pod));
        let own = kind.images.iter().map(|image| (image.name.as_str(), image.always));
        for (name, always) in own.chain(kind.has_sidecar().then_some((SIDECAR, false))) {
            let has = |at: SimTime| move |here: &SimTime| *here <= at;
            let image = (node, name.to_owned());
            if !always && self.here.get(&image).is_some_and(has(at)) {
                continue;
            }
            let begins = match params.image_pulls_serial {
                true => self.busy.get(&node).map_or(at, |busy| at.max(*busy)),
                false => at,
            };
            // What another pull has brought meanwhile is only compared with the registry.
            let takes = match self.here.get(&image) {
                Some(here) if *here <= begins => {
                    let key = key.named(name);
                    ctx.draw(Purpose::ImageCheck, key, &params.image_check)
                }
                Some(here) => here.since(begins),
                None => {
                    let key = ctx.blueprint().node_key(node).named(name);
                    ctx.draw(Purpose::ImagePull, key, &params.image_pull)
                }
            };
            at = begins + takes;
            self.here.entry(image).or_insert(at);
            if params.image_pulls_serial {
                self.busy.insert(node, at);
            }
        }
        at
    }
}
