//! All figures: their names, and what each gives as picture, table and specification.
//!
//! A [`Plot`] is the plain data of one or two figures and can be stored as JSON; each figure of it has a name. How a figure
//! looks belongs to its file.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::{AccessFigure, access_classes};
use super::availability::{AvailabilityFigure, availability_over_time};
use super::exposure::{ExposureFigure, exposure_distribution};
use super::factor_curves::{FactorCurvesFigure, factor_curves};
use super::factor_map::{FactorMapFigure, factor_map};
use super::forest::{ForestFigure, differences};
use super::phases::{PhasesFigure, startup_phases};
use super::requests::{RequestsFigure, certificate_requests};
use super::sheet::Sheet;
use super::stale::{StaleFigure, stale_entries};
use super::startup::{Side, startup_figure};
use super::traffic::{TrafficFigure, traffic_availability};
use super::{Figure, StartupFigure, Theme, TimelineFigure, Words, timeline_in};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "data")]
pub enum Plot {
    /// How long pods take to become ready: distribution and complement.
    Startup(StartupFigure),
    Phases(PhasesFigure),
    Access(AccessFigure),
    Exposure(ExposureFigure),
    Availability(AvailabilityFigure),
    Traffic(TrafficFigure),
    Differences(ForestFigure),
    FactorCurves(FactorCurvesFigure),
    FactorMap(FactorMapFigure),
    Timeline(TimelineFigure),
    CertificateRequests(RequestsFigure),
    StaleEntries(StaleFigure),
}

/// Every figure that a result can have: its name, and what it shows in a few words.
pub const FIGURES: [(&str, &str); 13] = [
    ("startup_distribution", "how long measured pods take to become ready"),
    ("startup_complement", "the tail of the same: who is not ready yet"),
    ("startup_phases", "of what startup consists"),
    ("access_classes", "what became of requests from a reused address"),
    ("exposure_distribution", "exposure per run"),
    ("availability_over_time", "availability of edges over the time of a run"),
    ("traffic_availability", "requests of flows answered rightly, over time"),
    ("differences", "designs against each other, by equal runs"),
    ("factor_curves", "estimates over the levels of a factor"),
    ("factor_map", "an estimate over two factors"),
    ("timeline", "one run: who believed what, and when"),
    ("certificate_requests", "one run: certificate requests by Istiod"),
    (
        "stale_entries",
        "one run: how many entries of each node were stale when",
    ),
];

pub fn names() -> impl Iterator<Item = &'static str> {
    FIGURES.iter().map(|(name, _)| *name)
}

/// The same of every plot; that of startup has two figures.
macro_rules! of_each {
    ($plot:expr, $startup:ident => $of_startup:expr, $figure:ident => $of_figure:expr) => {
        match $plot {
            Plot::Startup($startup) => $of_startup,
            Plot::Phases($figure) => $of_figure,
            Plot::Access($figure) => $of_figure,
            Plot::Exposure($figure) => $of_figure,
            Plot::Availability($figure) => $of_figure,
            Plot::Traffic($figure) => $of_figure,
            Plot::Differences($figure) => $of_figure,
            Plot::FactorCurves($figure) => $of_figure,
            Plot::FactorMap($figure) => $of_figure,
            Plot::Timeline($figure) => $of_figure,
            Plot::CertificateRequests($figure) => $of_figure,
            Plot::StaleEntries($figure) => $of_figure,
        }
    };
}

impl Plot {
    pub fn names(&self) -> &'static [&'static str] {
        match self {
            Plot::Startup(_) => &["startup_distribution", "startup_complement"],
            Plot::Phases(_) => &["startup_phases"],
            Plot::Access(_) => &["access_classes"],
            Plot::Exposure(_) => &["exposure_distribution"],
            Plot::Availability(_) => &["availability_over_time"],
            Plot::Traffic(_) => &["traffic_availability"],
            Plot::Differences(_) => &["differences"],
            Plot::FactorCurves(_) => &["factor_curves"],
            Plot::FactorMap(_) => &["factor_map"],
            Plot::Timeline(_) => &["timeline"],
            Plot::CertificateRequests(_) => &["certificate_requests"],
            Plot::StaleEntries(_) => &["stale_entries"],
        }
    }

    /// Whether its data come from a replay of one run and not from stored rows.
    pub fn is_of_one_run(&self) -> bool {
        matches!(
            self,
            Plot::Timeline(_) | Plot::CertificateRequests(_) | Plot::StaleEntries(_)
        )
    }

    /// Draws the figure of this name; a plot of one figure ignores the name.
    pub fn draw(&self, name: &str, theme: Theme) -> Figure {
        match self {
            Plot::Startup(figure) => startup_figure(figure, side(name), theme),
            Plot::Phases(figure) => startup_phases(figure, theme),
            Plot::Access(figure) => access_classes(figure, theme),
            Plot::Exposure(figure) => exposure_distribution(figure, theme),
            Plot::Availability(figure) => availability_over_time(figure, theme),
            Plot::Traffic(figure) => traffic_availability(figure, theme),
            Plot::Differences(figure) => differences(figure, theme),
            Plot::FactorCurves(figure) => factor_curves(figure, theme),
            Plot::FactorMap(figure) => factor_map(figure, theme),
            Plot::Timeline(figure) => timeline_in(figure, theme),
            Plot::CertificateRequests(figure) => certificate_requests(figure, theme),
            Plot::StaleEntries(figure) => stale_entries(figure, theme),
        }
    }

    /// The data of the figure of this name as a table.
    pub fn sheet(&self, name: &str) -> Sheet {
        of_each!(self, startup => startup.sheet(side(name)), figure => figure.sheet())
    }

    /// The figure of this name as a Vega-Lite specification with its table in it.
    pub fn vega(&self, name: &str) -> Value {
        let mut specification = of_each!(self, startup => startup.vega(side(name)), figure => figure.vega());
        specification["data"]["values"] = self.sheet(name).values();
        specification
    }

    /// Title, subtitle and caption of the figure of this name, for pages that set them as text.
    pub fn words(&self, name: &str) -> Words {
        match self {
            Plot::Startup(figure) => figure.words(side(name)).clone(),
            Plot::Phases(PhasesFigure { words, .. })
            | Plot::Access(AccessFigure { words, .. })
            | Plot::Exposure(ExposureFigure { words, .. })
            | Plot::Availability(AvailabilityFigure { words, .. })
            | Plot::Traffic(TrafficFigure { words, .. })
            | Plot::Differences(ForestFigure { words, .. })
            | Plot::FactorCurves(FactorCurvesFigure { words, .. })
            | Plot::FactorMap(FactorMapFigure { words, .. })
            | Plot::CertificateRequests(RequestsFigure { words, .. })
            | Plot::StaleEntries(StaleFigure { words, .. }) => words.clone(),
            Plot::Timeline(figure) => Words {
                title: figure.title.clone(),
                subtitle: figure.subtitle.clone(),
                caption: String::new(),
            },
        }
    }
}

fn side(name: &str) -> Side {
    if name == Side::Complement.name() {
        Side::Complement
    } else {
        Side::Distribution
    }
}
