//! Hostile and broken input: every case is an error with file and place, never a panic and never silence.

use std::fs;
use std::path::Path;

use super::tests::{first, read, read_folder};
use crate::scenario::error::InputError;

/// A folder with one file of these bytes is refused; the error names that file.
fn refused(name: &str, bytes: &[u8]) -> InputError {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    fs::write(&file, bytes).expect("written");
    let error = first(read_folder(folder.path()));
    assert_eq!(error.file, file, "{error}");
    error
}

fn at(error: &InputError) -> (u32, u32) {
    (error.line.unwrap_or(0), error.column.unwrap_or(0))
}

fn yaml(text: &str) -> InputError {
    refused("a.yaml", text.as_bytes())
}

const ACCOUNT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a\n";

#[test]
fn unknown_key_is_named_with_a_near_match() {
    let error = yaml(&format!("{ACCOUNT}  namspace: x\n"));
    assert_eq!(at(&error), (5, 3));
    assert_eq!(error.message, "unknown key `namspace`");
    assert_eq!(error.hint.as_deref(), Some("did you mean `namespace`?"));
}

#[test]
fn unknown_key_without_a_near_match_lists_the_known_ones() {
    let error = yaml(&format!("{ACCOUNT}zzzzz: 1\n"));
    assert_eq!(at(&error), (5, 1));
    let hint = error.hint.expect("hint");
    assert!(
        hint.starts_with("known: apiVersion, automountServiceAccountToken"),
        "{hint}"
    );
}

#[test]
fn wrong_type_quotes_the_value() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\nspec:\n  replicas: many\n";
    let error = yaml(text);
    assert_eq!(at(&error), (6, 13));
    assert_eq!(error.message, "`many` is not a valid whole number in range");
    let error = yaml(&text.replace("many", "-1"));
    assert_eq!(error.message, "`-1` is not a valid whole number in range");
    let error = yaml(&text.replace("many", "[1]"));
    assert_eq!(at(&error), (6, 13));
}

#[test]
fn duplicate_key_is_refused_at_the_second() {
    let error = yaml(&format!("{ACCOUNT}  name: b\n"));
    assert_eq!(at(&error), (5, 3));
    assert_eq!(error.message, "key `name` occurs twice");
}

#[test]
fn places_are_those_of_the_file_in_every_document() {
    let text = format!("# a comment\n---\n{ACCOUNT}---\n\n# nothing here\n---\n{ACCOUNT}  nmae: b\n");
    let error = yaml(&text);
    assert_eq!(at(&error), (15, 3));
    let with_end = format!("%YAML 1.2\n---\n{ACCOUNT}...\n---\n{ACCOUNT}  x: b\n");
    assert_eq!(at(&yaml(&with_end)), (13, 3));
    let inline = format!("{ACCOUNT}--- {{apiVersion: v1, kind: ServiceAccount, x: 1}}\n");
    assert_eq!(at(&yaml(&inline)), (5, 44));
}

#[test]
fn line_ends_of_windows_do_not_move_places() {
    let text = format!("{ACCOUNT}---\n{ACCOUNT}  nmae: b\n").replace('\n', "\r\n");
    assert_eq!(at(&yaml(&text)), (10, 3));
}

#[test]
fn columns_count_characters() {
    let error = yaml("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: \"äöü\", x: 1}\n");
    assert_eq!(at(&error), (3, 25));
}

#[test]
fn files_without_an_object_are_passed_over() {
    let reason = |text: &str| read(text).expect("read").skipped.swap_remove(0).reason;
    for text in ["", "\n\n", "# only a comment\n", "---\n", "---\n---\n...\n"] {
        assert_eq!(reason(text), "nothing in it");
    }
    let block: String = (0..500).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    assert_eq!(reason(&block), "not valid YAML, and no `apiVersion` in it");
    for text in ["- a\n- b\n", "hello\n", "5\n", "[]\n", "{}\n"] {
        assert_eq!(reason(text), "no `apiVersion` and `kind`", "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_at_their_place() {
    let error = refused("a.yaml", b"apiVersion: v1\nkind: \xff\xfe\n");
    assert_eq!(at(&error), (2, 7));
    assert_eq!(error.message, "byte 0xff is not valid UTF-8");
    let error = refused("a.yaml", b"apiVersion: v1\nkind: \"a\0b\"\n");
    assert_eq!(error.line, Some(2));
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let text = format!("{ACCOUNT}secrets: {}{}\n", open.repeat(100_000), close.repeat(100_000));
        assert_eq!(yaml(&text).line, Some(5));
    }
}

#[test]
fn alias_bomb_is_refused() {
    let mut text = format!("{ACCOUNT}secrets:\n- &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let alias = format!("*a{}, ", n - 1).repeat(10);
        text.push_str(&format!("- &a{n} [{alias}]\n"));
    }
    let error = yaml(&text);
    assert!(error.line >= Some(7), "{error}");
}

#[test]
fn unknown_and_endless_aliases_are_refused() {
    assert_eq!(at(&yaml(&format!("{ACCOUNT}secrets: *x\n"))), (5, 10));
    assert!(yaml(&format!("{ACCOUNT}secrets: &a [*a]\n")).line.is_some());
}

#[test]
fn tab_as_indentation_is_refused() {
    let error = yaml("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n\tname: a\n");
    assert_eq!(error.line, Some(4));
    assert!(error.message.contains("tab"), "{error}");
}

#[test]
fn unclosed_quote_is_refused_where_it_begins() {
    let error = yaml("apiVersion: v1\nkind: \"ServiceAccount\nmetadata:\n  name: a\n");
    assert_eq!(at(&error), (2, 7));
}

#[test]
fn half_an_object_is_refused() {
    for text in ["kind: Service\n", "apiVersion: v1\n"] {
        assert_eq!(yaml(text).line, Some(1), "{text}");
    }
    assert!(yaml("apiVersion: v1\nkind: ServiceAccount\n").line.is_some());
    assert!(yaml("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n").line.is_some());
}

#[test]
fn names_that_kubernetes_refuses_are_refused() {
    for name in ["\"\"", "A", "a/b", "-a", "\"a b\"", "ä", "5", "true", "~", "[a]"] {
        let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n";
        let error = yaml(&format!("{policy}  name: {name}\n"));
        assert_eq!(error.line, Some(4), "{name}");
    }
}

#[test]
fn too_large_files_are_refused() {
    let size = usize::try_from(crate::scenario::yaml::FILE_SIZE_MAX).expect("fits") + 1;
    assert_eq!(refused("a.yaml", &vec![b' '; size]).message, "the file is too large");
    let many = "a: 1\n---\n".repeat(crate::scenario::yaml::DOCUMENTS_MAX + 1);
    assert!(yaml(&many).message.contains("documents"));
}

#[test]
fn every_prefix_of_a_manifest_is_an_error_or_a_result() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/manifests/sleep-helloworld");
    let text = fs::read_to_string(folder.join("40-cilium-policies.yaml")).expect("read");
    let target = tempfile::tempdir().expect("a folder");
    for end in (0..text.len()).step_by(7) {
        fs::write(target.path().join("a.yaml"), &text[..end]).expect("written");
        match read_folder(target.path()) {
            Err(errors) => assert!(errors.iter().all(|e| e.line.is_some()), "{errors:?}"),
            // Before `kind` it may be no object.
            Ok(manifests) => assert!(
                !text[..end].contains("kind") || !manifests.cilium.is_empty(),
                "{}",
                &text[..end]
            ),
        }
    }
}

#[test]
fn missing_and_empty_folders_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = first(read_folder(folder.path()));
    assert_eq!(error.message, "no manifest in this folder");
    let error = first(read_folder(&folder.path().join("none")));
    assert!(error.message.starts_with("the folder cannot be read"), "{error}");
}
