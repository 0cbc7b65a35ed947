//! Figures of thirty designs: twelve are drawn, the picture says so, and the table has all.

use super::super::availability::{AvailabilityFigure, availability_over_time};
use super::data::{access, exposure, names, twelve_designs};
use super::data_factors::availability;
use super::*;

/// Three designs at ten points each.
fn points() -> Vec<String> {
    ["plain", "mesh", "both"]
        .iter()
        .flat_map(|base| (0..10).map(move |level| format!("{base}@n={level}")))
        .collect()
}

/// Draws `plot`, whose designs are `all`, and checks which of them are seen; these have to be.
fn check_many(name: &str, plot: &Plot, all: &[String], wanted: &[&str]) {
    let texts = check_plot(&format!("{name}-thirty"), plot, name);
    let seen: Vec<&String> = all
        .iter()
        .filter(|design| texts.iter().any(|(text, _)| text == *design))
        .collect();
    assert_eq!(seen.len(), 12, "{name}: {seen:?}");
    for design in wanted {
        assert!(seen.iter().any(|seen| seen == design), "{name}: {design} of {seen:?}");
    }
    assert!(
        says(
            &texts,
            "18 of 30 designs are not drawn; the data beside the figure have all of them."
        ),
        "{name}: {texts:?}"
    );
    let height = png::parsed(&plot.draw(name, Theme::Light))
        .expect("well-formed")
        .size()
        .height();
    assert!(height < 2200.0, "{name}: {height}");
    let (table, specification) = (plot.sheet(name).csv(), plot.vega(name).to_string());
    for design in all {
        assert!(table.contains(&format!("\n{design},")), "{name}: {design}");
        // The rows of the table without any exposure are no facets.
        let without = design == "control" || design == "istio-only";
        assert!(without || specification.contains(design), "{name}: {design}");
    }
}

#[test]
fn startup_draws_twelve_of_thirty_designs() {
    let mut figure = twelve_designs();
    let series = figure.series.clone();
    figure.series = points()
        .into_iter()
        .zip(series.into_iter().cycle())
        .map(|(design, series)| StartupSeries { design, ..series })
        .collect();
    let mut all = points();
    // The control is drawn wherever it stands.
    all[29] = "control".to_owned();
    figure.series[29].design = "control".to_owned();
    for name in BOTH {
        let plot = Plot::Startup(figure.clone());
        check_many(name, &plot, &all, &["plain@n=0", "mesh@n=0", "both@n=0", "control"]);
    }
}

#[test]
fn access_draws_twelve_of_thirty_designs() {
    let mut figure = access();
    let rows = figure.rows.clone();
    figure.rows = points()
        .into_iter()
        .zip(rows.into_iter().cycle())
        .map(|(design, row)| AccessRow { design, ..row })
        .collect();
    let wanted = ["plain@n=0", "plain@n=9", "mesh@n=0", "both@n=0"];
    check_many("access_classes", &Plot::Access(figure), &points(), &wanted);
}

#[test]
fn exposure_draws_twelve_of_thirty_designs() {
    let mut figure = exposure(&names(4), 60);
    let series = figure.series.clone();
    let mut all = points();
    all.truncate(28);
    figure.series = all
        .iter()
        .enumerate()
        .flat_map(|(index, design)| {
            let of_one = index % 4 * 2;
            series[of_one..of_one + 2].iter().map(move |series| {
                let mut series = series.clone();
                series.design.clone_from(design);
                series
            })
        })
        .collect();
    all.extend(["control", "istio-only"].map(str::to_owned));
    let wanted = ["plain@n=0", "mesh@n=0", "both@n=0", "control", "istio-only"];
    check_many("exposure_distribution", &Plot::Exposure(figure), &all, &wanted);
}

#[test]
fn availability_draws_twelve_of_thirty_designs() {
    let wanted = ["plain@n=0", "mesh@n=0", "both@n=0"];
    let figure = availability(&points());
    check_many(
        "availability_over_time",
        &Plot::Availability(figure),
        &points(),
        &wanted,
    );
    let empty = availability_over_time(&AvailabilityFigure::default(), Theme::Light);
    assert!(contains(&check("availability-empty", &empty), "no data"));
}
