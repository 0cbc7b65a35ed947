//! One paragraph in words: how often an address was reused, and why not more often.
//!
//! It says nothing that the measures do not say. Why slow pods were slow belongs to `slow_pods`.

use super::short::Short;
use crate::lab::{DesignSummary, Summary};

/// Chance that 14 addresses drawn of a /24 hit one of 15 free ones, if those were free before the first draw.
const WITHOUT_RACE: &str = "0.59 to 0.60";

/// The paragraph. Empty if no script looked for a reused address.
#[must_use]
pub fn paragraph(summary: &Summary) -> String {
    let looked = |design: &&DesignSummary| design.measure("reused_in_first_batch").is_some_and(|share| share.n > 0);
    let designs: Vec<&DesignSummary> = summary.designs.iter().filter(looked).collect();
    if designs.is_empty() {
        return String::new();
    }
    let list = |name: &str| {
        let of =
            |design: &&DesignSummary| format!("{} in `{}`", Short::of(design.measure(name)).joined(" "), design.name);
        designs.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    format!(
        "The two scale commands race. A new pod takes its address as soon as its sandbox is there; an old one keeps its own until \
         its processes have been killed and its sandbox was stopped. Only new pods that come after that can meet a freed \
         address, so the first batch reused one in fewer runs than the {WITHOUT_RACE} that 15 freed and 14 drawn addresses of a \
         /24 would give without the race: {}. After a restart all remembered addresses have long been free, and the new pods come \
         in several waves: per restart the share was {}. What the script's first look saw of it depends on when it looks: {}. \
         The probe found the Service without an endpoint, because the cut node had been given up first, or was never sent, in: {}.",
        list("reused_in_first_batch"),
        list("reuse_per_rollout"),
        list("reused_at_first_look"),
        list("endpoint_withdrawn_first"),
    )
}
