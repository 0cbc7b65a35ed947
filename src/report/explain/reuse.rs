//! Which address went from whom to whom, and what the API server and the nodes had about it when.

use super::page::{Page, at, span};
use super::sentences::entry_words;
use crate::report::text::many;
use crate::story::dossier::{AddressStory, Dossier, Entry, Held};

/// How many entries of a history are listed; earlier ones are left out.
const TOLD_MAX: usize = 8;

pub(super) fn section(page: &mut Page, dossier: &Dossier) {
    if dossier.remembered == 0 {
        page.paragraph("The script recorded no IPs.");
        return;
    }
    if dossier.addresses.is_empty() {
        page.paragraph(&format!(
            "None of the {} recorded IPs was assigned to another pod before the end of the run.",
            dossier.remembered
        ));
        return;
    }
    let (probed, others): (Vec<&AddressStory>, Vec<&AddressStory>) =
        dossier.addresses.iter().partition(|address| address.probed);
    for address in &probed {
        in_full(page, address);
    }
    if !others.is_empty() {
        page.blank();
        let other = if probed.is_empty() { "" } else { "other " };
        page.paragraph(&format!(
            "{} went to another pod:",
            many(others.len(), &format!("{other}recorded IP"))
        ));
        for address in others {
            page.labelled(&format!("  {:<14} ", address.ip.to_string()), &chain(address));
        }
    }
}

fn in_full(page: &mut Page, address: &AddressStory) {
    page.paragraph(&format!("{}, from which the script probed, belonged to", address.ip));
    for (number, held) in address.holders.iter().enumerate() {
        let until = held.to.map_or("the end of the run".to_owned(), at);
        let gap = number
            .checked_sub(1)
            .and_then(|before| address.holders[before].to)
            .map_or(String::new(), |freed| {
                format!(", {} after it was freed", span(held.from.since(freed)))
            });
        page.labelled(
            "  - ",
            &format!(
                "{} on {} from {} to {until}{gap}",
                held.what.pod,
                held.what.node,
                at(held.from)
            ),
        );
    }
    page.paragraph("Owner by the API server's CiliumEndpoints");
    entries(page, &address.api);
    for belief in &address.beliefs {
        let cut = if belief.cut {
            format!(" ({})", belief.how)
        } else {
            String::new()
        };
        page.paragraph(&format!("{}{cut} believed", belief.node));
        entries(page, &belief.entries);
    }
}

fn entries(page: &mut Page, history: &[Held<Option<Entry>>]) {
    let told: Vec<&Held<Option<Entry>>> = history
        .iter()
        .filter(|held| held.what.is_some() || held.from.as_nanos() > 0)
        .collect();
    if told.is_empty() {
        page.labelled("  - ", "no entry in the whole run: packets from there count as world");
        return;
    }
    if told.len() > TOLD_MAX {
        page.labelled("  - ", &format!("(earlier: {})", many(told.len() - TOLD_MAX, "change")));
    }
    for held in told.iter().skip(told.len().saturating_sub(TOLD_MAX)) {
        let text = match &held.what {
            Some(entry) => format!(
                "from {} {} (revision {}, written at {})",
                at(held.from),
                entry_words(entry),
                entry.revision,
                at(entry.written)
            ),
            None => format!("from {} no entry", at(held.from)),
        };
        page.labelled("  - ", &text);
    }
}

/// Who held an address one after another, in one line.
fn chain(address: &AddressStory) -> String {
    let parts: Vec<String> = address
        .holders
        .iter()
        .map(|held| match held.to {
            Some(to) => format!("{} (until {})", held.what.pod, at(to)),
            None => held.what.pod.clone(),
        })
        .collect();
    parts.join(", then ")
}
