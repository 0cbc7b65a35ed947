//! The documents say what the code does: tables that are behaviour are compared with the enums that they describe.

use meshfault::kernel::EventClass;

const ARCHITECTURE: &str = include_str!("../ARCHITECTURE.md");

#[test]
fn the_class_table_is_the_enum() {
    let rows: Vec<&str> = EventClass::TABLE
        .iter()
        .map(|(class, name, what)| {
            let row = format!("| {} | {name} | {what} |", *class as u8);
            ARCHITECTURE
                .lines()
                .find(|line| *line == row)
                .unwrap_or_else(|| panic!("ARCHITECTURE.md has no line {row}"))
        })
        .collect();
    assert_eq!(rows.len(), 7);
}

#[test]
fn every_folder_of_the_map_exists_and_none_is_missing() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<String> = std::fs::read_dir(root.join("src"))
        .expect("the sources are there")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            entry
                .file_type()
                .ok()?
                .is_dir()
                .then(|| entry.file_name().to_string_lossy().into_owned())
        })
        .collect();
    folders.sort();
    for folder in &folders {
        assert!(
            ARCHITECTURE.contains(&format!("| `src/{folder}/` |")),
            "src/{folder}/ is not on the map"
        );
    }
    assert_eq!(
        ARCHITECTURE.matches("| `src/").count(),
        folders.len(),
        "the map names a folder that is not there"
    );
}
