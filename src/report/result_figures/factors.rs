//! Estimates over the factors of an experiment: curves over one factor, a map over two.
//!
//! Every point of the factors is a design of the result. Estimates are those of the summary.

use super::{CONFIDENCE, methods, subtitle};
use crate::lab::Finished;
use crate::lab::measures::{Known, headline, panels};
use crate::lab::plan::PlannedDesign;
use crate::lab::summary::{DesignSummary, Measure};
use crate::report::figures::Words;
use crate::report::figures::factor_curves::{FactorCurvesFigure, FactorLine, FactorPanel, FactorPoint, Level};
use crate::report::figures::factor_map::{FactorMap, FactorMapFigure, MapCell};
use crate::report::short::percent;
use crate::report::text::capital;
use crate::scenario::point_name::base_of;

const PANELS_MAX: usize = 3;
const MAPS_MAX: usize = 6;

/// The place of a design of the result among the factors.
#[derive(Clone, Debug, PartialEq, Eq)]
struct GridPoint {
    /// Name of the design in the experiment.
    base: String,
    factors: Vec<(String, String)>,
}

impl GridPoint {
    fn of(design: &PlannedDesign) -> Self {
        let factors = design.factors.iter();
        GridPoint {
            base: base_of(&design.name).to_owned(),
            factors: factors.map(|(name, level)| (name.clone(), level.clone())).collect(),
        }
    }

    fn level(&self, factor: &str) -> Option<&str> {
        let found = self.factors.iter().find(|(name, _)| name == factor);
        found.map(|(_, level)| level.as_str())
    }

    /// The design with the levels of all other factors.
    fn without(&self, hidden: &[&str]) -> String {
        let rest = self.factors.iter().filter(|(name, _)| !hidden.contains(&name.as_str()));
        let rest: Vec<String> = rest.map(|(name, level)| format!("{name}={level}")).collect();
        match rest.is_empty() {
            true => self.base.clone(),
            false => format!("{}, {}", self.base, rest.join(", ")),
        }
    }
}

/// Designs of a result at a point of its factors.
struct Grid<'a> {
    points: Vec<(GridPoint, &'a DesignSummary)>,
    /// Factors with at least two levels, those with most first, and their levels.
    factors: Vec<(String, Vec<Level>)>,
    /// The measures that may have a panel, the most telling first.
    measures: Vec<&'static Known>,
}

impl<'a> Grid<'a> {
    fn of(result: &'a Finished) -> Self {
        let designs = result.manifest.designs.iter().zip(&result.summary.designs);
        let points: Vec<(GridPoint, &DesignSummary)> = designs
            .map(|(planned, design)| (GridPoint::of(planned), design))
            .collect();
        let mut factors: Vec<(String, Vec<Level>)> = Vec::new();
        for (factor, text) in points.iter().flat_map(|(point, _)| &point.factors) {
            let index = factors.iter().position(|(name, _)| name == factor).unwrap_or_else(|| {
                factors.push((factor.clone(), Vec::new()));
                factors.len() - 1
            });
            let levels = &mut factors[index].1;
            if !levels.iter().any(|level| level.text == *text) {
                levels.push(Level {
                    text: text.clone(),
                    size: None,
                });
            }
        }
        factors.retain(|(_, levels)| levels.len() > 1);
        factors.iter_mut().for_each(|(_, levels)| measure_levels(levels));
        factors.sort_by_key(|(_, levels)| std::cmp::Reverse(levels.len()));
        let own: Vec<&Known> = headline(&result.summary.headline).collect();
        let measures = if own.is_empty() { panels() } else { own };
        Grid {
            points,
            factors,
            measures,
        }
    }

    /// Measures that differ between points.
    fn telling(&self) -> impl Iterator<Item = &'static Known> + '_ {
        self.measures.iter().copied().filter(|measure| {
            let known = self
                .points
                .iter()
                .filter_map(|(_, design)| design.measure(&measure.name));
            let mut values = known.map(|known| (known.estimate, known.lower));
            let first = values.next();
            values.any(|value| Some(value) != first && (value.0.is_some() || value.1.is_some()))
        })
    }
}

/// Gives levels their sizes and puts them in order if all of them are numbers of one unit.
fn measure_levels(levels: &mut [Level]) {
    let sizes: Vec<Option<(f64, &str)>> = levels.iter().map(|level| size(&level.text)).collect();
    let unit = sizes.first().copied().flatten().map(|(_, unit)| unit);
    let alike = sizes.iter().all(|size| size.is_some_and(|(_, own)| Some(own) == unit));
    if !alike {
        return;
    }
    let sizes: Vec<f64> = sizes.into_iter().flatten().map(|(size, _)| size).collect();
    for (level, size) in levels.iter_mut().zip(sizes) {
        level.size = Some(size);
    }
    levels.sort_by(|a, b| a.size.unwrap_or(0.0).total_cmp(&b.size.unwrap_or(0.0)));
}

/// The size of a level in the basic unit of its kind: `250ms` is 0.25 of seconds, `10%` is 0.1 of a share, `400` itself.
fn size(text: &str) -> Option<(f64, &'static str)> {
    let text = text.trim();
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite())?;
    let (factor, kind) = match unit.trim() {
        "" => (1.0, ""),
        "ms" => (1e-3, "s"),
        "s" => (1.0, "s"),
        "m" | "min" => (60.0, "s"),
        "h" => (3600.0, "s"),
        "d" => (86_400.0, "s"),
        "%" => (0.01, "share"),
        "/s" => (1.0, "/s"),
        "/m" | "/min" => (1.0 / 60.0, "/s"),
        _ => return None,
    };
    Some((number * factor, kind))
}

/// Estimates over the factor with most levels; nothing if no factor is varied.
pub(super) fn curves(result: &Finished) -> Option<FactorCurvesFigure> {
    let grid = Grid::of(result);
    let (factor, levels) = grid.factors.first()?;
    let panels: Vec<FactorPanel> = grid
        .telling()
        .take(PANELS_MAX)
        .map(|measure| panel(&grid, measure, factor, levels))
        .collect();
    let first = panels.first()?;
    let others: Vec<&str> = grid.factors.iter().skip(1).map(|(name, _)| name.as_str()).collect();
    let others = match others.is_empty() {
        true => String::new(),
        false => format!(" Lines also differ in {}.", others.join(", ")),
    };
    Some(FactorCurvesFigure {
        words: Words {
            title: format!("{} over {factor}", capital(&first.label)),
            subtitle: format!("estimates at each level of {factor}\n{}", subtitle(result)),
            caption: format!(
                "Whiskers: {} intervals, each for itself, of the summary; points of one level stand a little apart. An arrow: \
                 beyond the end of the runs, at least this much.{others}",
                percent(CONFIDENCE)
            ),
        },
        factor: factor.clone(),
        levels: levels.clone(),
        panels,
    })
}

fn panel(grid: &Grid, measure: &Known, factor: &str, levels: &[Level]) -> FactorPanel {
    let mut lines: Vec<FactorLine> = Vec::new();
    for (point, design) in &grid.points {
        let (Some(level), Some(found)) = (point.level(factor), design.measure(&measure.name)) else {
            continue;
        };
        let Some(level) = levels.iter().position(|known| known.text == level) else {
            continue;
        };
        let name = point.without(&[factor]);
        let index = lines.iter().position(|line| line.name == name).unwrap_or_else(|| {
            lines.push(FactorLine {
                name,
                points: Vec::new(),
            });
            lines.len() - 1
        });
        let Measure {
            estimate,
            lower,
            upper,
            n,
            ..
        } = *found;
        lines[index].points.push(FactorPoint {
            level,
            estimate,
            lower,
            upper,
            n,
        });
    }
    for line in &mut lines {
        line.points.sort_by_key(|point| point.level);
    }
    FactorPanel {
        measure: measure.name.clone(),
        label: measure.label(),
        unit: measure.unit.to_owned(),
        lines,
    }
}

/// The most telling estimate over the two factors with most levels; nothing if fewer are varied.
pub(super) fn map(result: &Finished) -> Option<FactorMapFigure> {
    let grid = Grid::of(result);
    let [(across, across_levels), (down, down_levels), rest @ ..] = grid.factors.as_slice() else {
        return None;
    };
    let measure = grid.telling().next()?;
    // Further factors are at their first level.
    let shown = |point: &GridPoint| {
        let first = |(factor, levels): &(String, Vec<Level>)| {
            point
                .level(factor)
                .is_none_or(|level| levels.first().is_some_and(|first| first.text == level))
        };
        rest.iter().all(first)
    };
    let place =
        |levels: &[Level], level: Option<&str>| levels.iter().position(|known| Some(known.text.as_str()) == level);
    let mut maps: Vec<FactorMap> = Vec::new();
    let mut used: Vec<&str> = Vec::new();
    for (point, design) in grid.points.iter().filter(|(point, _)| shown(point)) {
        let across_at = place(across_levels, point.level(across));
        let down_at = place(down_levels, point.level(down));
        let (Some(across), Some(down), Some(found)) = (across_at, down_at, design.measure(&measure.name)) else {
            continue;
        };
        let index = maps.iter().position(|map| map.design == point.base).unwrap_or_else(|| {
            maps.push(FactorMap {
                design: point.base.clone(),
                cells: Vec::new(),
            });
            maps.len() - 1
        });
        if found.lower.is_some() {
            used.push(found.method.as_str());
        }
        maps[index].cells.push(MapCell {
            across,
            down,
            estimate: found.estimate,
            lower: found.lower,
            upper: found.upper,
            n: found.n,
        });
    }
    let more = maps.len().saturating_sub(MAPS_MAX);
    maps.truncate(MAPS_MAX);
    maps.first()?;
    let mut caption = format!(
        "Small figures: {} confidence intervals ({}).",
        percent(CONFIDENCE),
        methods(used.into_iter())
    );
    if !rest.is_empty() {
        let fixed = rest
            .iter()
            .map(|(factor, levels)| format!("{factor}={}", levels.first().map_or("", |level| level.text.as_str())));
        caption.push_str(&format!(" At {}.", fixed.collect::<Vec<_>>().join(", ")));
    }
    if more > 0 {
        caption.push_str(&format!(" {more} more designs are left out."));
    }
    let texts = |levels: &[Level]| levels.iter().map(|level| level.text.clone()).collect();
    Some(FactorMapFigure {
        words: Words {
            title: format!("{} over {across} and {down}", capital(&measure.label())),
            subtitle: format!("estimates at each pair of levels\n{}", subtitle(result)),
            caption,
        },
        measure: measure.name.clone(),
        label: measure.label(),
        unit: measure.unit.to_owned(),
        across: (across.clone(), texts(across_levels)),
        down: (down.clone(), texts(down_levels)),
        maps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_know_where_they_stand() {
        let mut design = crate::lab::testing::plan(1).designs.remove(0);
        design.name = "cilium@cluster.nodes=400,churn=a,b".to_owned();
        let level = |name: &str, level: &str| (name.to_owned(), level.to_owned());
        design.factors = [level("cluster.nodes", "400"), level("churn", "a,b")]
            .into_iter()
            .collect();
        let found = GridPoint::of(&design);
        assert_eq!(found.base, "cilium");
        assert_eq!(found.level("cluster.nodes"), Some("400"));
        assert_eq!(found.level("churn"), Some("a,b"));
        assert_eq!(found.without(&["churn"]), "cilium, cluster.nodes=400");
        design.name = "plain".to_owned();
        design.factors.clear();
        assert_eq!(GridPoint::of(&design).without(&[]), "plain");
    }

    #[test]
    fn levels_that_are_numbers_are_put_in_order() {
        let sorted = |texts: &[&str]| {
            let level = |text: &&str| Level {
                text: (*text).to_owned(),
                size: None,
            };
            let mut levels: Vec<Level> = texts.iter().map(level).collect();
            measure_levels(&mut levels);
            levels.into_iter().map(|level| level.text).collect::<Vec<_>>()
        };
        assert_eq!(sorted(&["1m", "250ms", "5s"]), ["250ms", "5s", "1m"]);
        assert_eq!(sorted(&["400", "40", "4000"]), ["40", "400", "4000"]);
        assert_eq!(sorted(&["vxlan", "native"]), ["vxlan", "native"]);
        assert_eq!(sorted(&["10s", "5"]), ["10s", "5"]);
        assert_eq!(size("20/s"), Some((20.0, "/s")));
        assert_eq!(size("10%"), Some((0.1, "share")));
        assert_eq!([size("x"), size(""), size("1e9"), size("-")], [None; 4]);
    }
}
