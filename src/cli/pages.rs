//! Writing what people look at into the folder of a result: the summary, the figures, and the reports.
//!
//! What they show belongs to `report`, the pictures to `figures`.

use std::fs;
use std::path::Path;

use super::CliError;
use super::common::STOP;
use super::figures;
use super::inputs::Files;
use crate::lab::files::write_whole;
use crate::lab::lock::FolderLock;
use crate::lab::manifest::read_json;
use crate::lab::progress::{Event, Listen};
use crate::lab::runner::workers;
use crate::lab::store::{FIGURES, REPORT_JSON, SUMMARY_MD};
use crate::lab::what_if::Remedies;
use crate::lab::written::{self, Put};
use crate::lab::{Finished, LabError, Manifest, Simulate};
use crate::report::answer::Answer;
use crate::report::figures::{Plot, Theme};
use crate::report::page::{self, Commands, Content, PageFigure, PageFormat};
use crate::report::summary_md;

/// Writes what people look at. Pages and figures are pure functions of the result: a found result gets them again, in case
/// they were lost. The folder is locked anew for that, because a process that waited for the result writes them as well; if
/// another one has replaced the result meanwhile, it writes its own.
///
/// `remedies` replays breached runs, `inputs` are copied beside the pages. Gives the answer that the pages open with.
pub fn write(
    finished: &Finished,
    simulator: Option<&dyn Simulate>,
    commands: &Commands,
    remedies: &(dyn Fn() -> Vec<Remedies> + Sync),
    inputs: &Files,
    jobs: usize,
    listener: &dyn Listen,
) -> Result<Answer, CliError> {
    let _lock = FolderLock::take(&finished.dir, &STOP, || ())?;
    let of = |manifest: &Manifest| (manifest.plan_digest.clone(), manifest.result_digest.clone());
    if Manifest::read(&finished.dir)?.as_ref().map(of) != Some(of(&finished.manifest)) {
        return Ok(Answer::of(&finished.manifest, &finished.summary, &[], &commands.run));
    }
    let pool = workers(jobs)?;
    let (plots, mut put) = pool.install(|| figures::write(finished, simulator, commands))?;
    let content = pool.install(|| content(finished, &plots, commands, &remedies()));
    let mut text = serde_json::to_string(&content).expect("a report is plain data");
    text.push('\n');
    write_whole(&finished.dir.join(REPORT_JSON), text.as_bytes())?;
    let chosen: Vec<(&Plot, &str)> = plots
        .iter()
        .flat_map(|plot| plot.names().iter().map(move |name| (plot, *name)))
        .collect();
    let place = Place {
        folder: &finished.dir,
        figures: FIGURES,
        theme: Theme::Light,
    };
    let summary = summary_md::render(&finished.manifest, &finished.summary, &content.answer);
    let reports = PageFormat::ALL.map(|format| page(&content, &chosen, format, &place));
    let pages: Vec<_> = [(SUMMARY_MD.to_owned(), summary.into_bytes())]
        .into_iter()
        .chain(reports)
        .collect();
    for (name, _) in inputs {
        let path = finished.dir.join(name);
        let folder = path.parent().unwrap_or(&finished.dir);
        fs::create_dir_all(folder).map_err(LabError::file(folder, "create"))?;
    }
    put.extend(written::put(&finished.dir, &pages)?);
    put.extend(written::put(&finished.dir, inputs)?);
    for told in put.iter().filter_map(Put::told) {
        listener.hear(Event::Warning(&told));
    }
    Ok(content.answer)
}

/// What a report says of a result with these figures.
pub fn content(finished: &Finished, plots: &[Plot], commands: &Commands, remedies: &[Remedies]) -> Content {
    let startup = plots.iter().find_map(|plot| match plot {
        Plot::Startup(figure) => Some(figure),
        _ => None,
    });
    page::content(finished, startup, commands, remedies)
}

/// What lies beside a result as the data of its reports; nothing if nothing does.
pub fn stored(result: &Path) -> Result<Option<Content>, LabError> {
    let path = result.join(REPORT_JSON);
    match path.exists() {
        true => read_json(&path).map(Some),
        false => Ok(None),
    }
}

pub struct Place<'a> {
    pub folder: &'a Path,
    /// Where pictures lie, seen from there; empty for the same folder.
    pub figures: &'a str,
    /// How the page draws figures itself.
    pub theme: Theme,
}

pub fn page(content: &Content, chosen: &[(&Plot, &str)], format: PageFormat, place: &Place<'_>) -> (String, Vec<u8>) {
    let figure = |(plot, name): &(&Plot, &str)| {
        let drawing = match format {
            PageFormat::Html => plot.draw(name, place.theme).svg,
            // A record shows the pictures that lie beside it.
            PageFormat::Markdown | PageFormat::Latex => {
                let link = Path::new(place.figures).join(format!("{name}.svg"));
                place.folder.join(&link).exists().then(|| link.display().to_string())?
            }
        };
        Some(PageFigure {
            name: (*name).to_owned(),
            words: plot.words(name),
            drawing,
        })
    };
    let figures: Vec<PageFigure> = chosen.iter().filter_map(figure).collect();
    let text = page::render(content, &figures, format);
    (format.file_name().to_owned(), text.into_bytes())
}
