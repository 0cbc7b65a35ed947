//! `meshfault schema`: the JSON Schema of what is read and written.
//!
//! The schemas are derived from the types themselves, in `scenario::json_schema` and in `lab`.

use clap::{Args, ValueEnum};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use super::error::CliError;
use super::{exit_code, print, tabular};
use crate::lab::{Manifest, Summary};
use crate::scenario::json_schema;

/// Of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// An experiment file.
    #[default]
    #[value(name = "experiment")]
    Experiment,
    /// `manifest.json` of a result: what was run.
    #[value(name = "manifest.json")]
    Manifest,
    /// `summary.json` of a result: estimates and comparisons.
    #[value(name = "summary.json")]
    Summary,
}

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The document that the schema describes.
    #[arg(value_enum, default_value_t)]
    document: Document,
}

pub fn run(arguments: &SchemaArgs) -> Result<u8, CliError> {
    print(&tabular::json(&schema(arguments.document)))?;
    Ok(exit_code::FINE)
}

fn schema(document: Document) -> Value {
    match document {
        Document::Experiment => json_schema::experiment(),
        Document::Manifest => written::<Manifest>(),
        Document::Summary => written::<Summary>(),
    }
}

fn written<T: JsonSchema>() -> Value {
    let generator: SchemaGenerator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    generator.into_root_schema_for::<T>().to_value()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_results_in_the_repository_are_valid() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        let mut seen = 0;
        for (document, file) in [
            (Document::Manifest, "manifest.json"),
            (Document::Summary, "summary.json"),
        ] {
            let validator = jsonschema::draft202012::new(&schema(document)).expect("it is a schema");
            for folder in std::fs::read_dir(&root)
                .expect("results are part of the project")
                .flatten()
            {
                let Ok(text) = std::fs::read_to_string(folder.path().join(file)) else {
                    continue;
                };
                let value: Value = serde_json::from_str(&text).expect("a result is JSON");
                let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
                assert_eq!(errors, Vec::<String>::new(), "{}", folder.path().display());
                // And the schema is no empty word.
                let mut wrong = value;
                wrong["designs"] = Value::Null;
                assert!(!validator.is_valid(&wrong));
                seen += 1;
            }
        }
        assert!(seen >= 8, "{seen}");
    }
}
