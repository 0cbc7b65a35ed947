//! Golden files: each figure on small made-up data, its drawing, its table and its specification. A changed file is looked
//! at before it is accepted (`cargo insta`).

use super::data::{access, exposure, few_phases, forest, names, six_designs};
use super::data_factors::{availability, requests, stale, traffic};
use super::*;

fn plots() -> Vec<Plot> {
    let mut startup = six_designs(4);
    startup.series.truncate(3);
    let mut access = access();
    access.rows.truncate(2);
    vec![
        Plot::Startup(startup),
        Plot::Phases(few_phases()),
        Plot::Access(access),
        Plot::Exposure(exposure(&names(2), 6)),
        Plot::Availability(availability(&names(2))),
        Plot::Traffic(traffic()),
        Plot::Differences(forest(&names(4))),
        Plot::FactorCurves(super::data_factors::factor_curves(&names(2), true)),
        Plot::FactorMap(super::data_factors::factor_map(1, 3, 2)),
        Plot::Timeline(super::timeline::small()),
        Plot::CertificateRequests(requests(2, 4)),
        Plot::StaleEntries(stale(2)),
    ]
}

/// Every name of a figure is drawn by one of the plots.
#[test]
fn every_figure_is_here() {
    let plots = plots();
    let here: Vec<&str> = plots.iter().flat_map(|plot| plot.names()).copied().collect();
    for name in names_of_all() {
        assert!(here.contains(&name), "{name}");
    }
}

fn names_of_all() -> impl Iterator<Item = &'static str> {
    crate::report::figures::names()
}

#[test]
fn drawings() {
    for plot in plots() {
        for name in plot.names() {
            insta::assert_binary_snapshot!(&format!("{name}.svg"), plot.draw(name, Theme::Light).svg.into_bytes());
        }
    }
}

#[test]
fn drawings_in_other_themes() {
    for plot in plots() {
        for theme in [Theme::Dark, Theme::Print] {
            let name = plot.names()[0];
            // The whole drawing would be the light one with other colours; its digest tells whether it moved.
            let digest = blake3::hash(plot.draw(name, theme).svg.as_bytes());
            insta::assert_snapshot!(format!("{name}-{}", theme.name()), digest.to_hex().to_string());
        }
    }
}

#[test]
fn tables_and_specifications() {
    for plot in plots() {
        for name in plot.names() {
            insta::assert_snapshot!(format!("{name}-csv"), plot.sheet(name).csv());
            let mut specification = plot.vega(name);
            // The table is in the figure's own file as well.
            specification["data"]["values"] = serde_json::Value::Null;
            insta::assert_snapshot!(format!("{name}-vega"), format!("{specification:#}"));
        }
    }
}
