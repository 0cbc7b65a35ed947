//! Any valid YAML is read, whoever wrote it; what is not valid or has no bounds is refused with its place.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Nulls, Strings, documents, parse, read_text};
use crate::scenario::error::InputError;

fn value(text: &str) -> Value {
    parse(Path::new("a.yaml"), text).unwrap_or_else(|error| panic!("{text:.200}: {error}"))
}

fn refused(text: &str) -> InputError {
    match parse::<Value>(Path::new("a.yaml"), text) {
        Ok(value) => panic!("{text:.200}: {value}"),
        Err(error) => error,
    }
}

/// The kept files were written by another library (PyYAML) in many styles, each with the value it was made from.
#[test]
fn files_of_another_writer_have_the_values_that_it_wrote() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/yaml");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the corpus is there").flatten() {
        let file = entry.path();
        if file.extension().is_some_and(|e| e == "yaml") {
            let expected = fs::read_to_string(file.with_extension("json")).expect("its value");
            let expected: Value = serde_json::from_str(&expected).expect("JSON");
            let text = read_text(&file).expect("text");
            let found: Value = parse(&file, &text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(found, expected, "{}", file.display());
            count += 1;
        }
    }
    assert!(count >= 16, "{count}");
}

#[test]
fn every_form_of_yaml_is_read() {
    let comments = "  # why\n".repeat(1_000);
    for (text, expected) in [
        (format!("a:\n{comments}- b\n{comments}- c\n"), json!({"a": ["b", "c"]})),
        (format!("a:\n{comments}  b: c\n"), json!({"a": {"b": "c"}})),
        (format!("a: [\n{comments}b,\n{comments}c]\n"), json!({"a": ["b", "c"]})),
        (format!("? a\n{comments}: b\n"), json!({"a": "b"})),
        (
            format!("{comments}---\n{comments}a: b\n{comments}...\n{comments}"),
            json!({"a": "b"}),
        ),
        (
            "a: &x {b: c}\nd: *x\n".into(),
            json!({"a": {"b": "c"}, "d": {"b": "c"}}),
        ),
        (
            "a: &x {b: c, e: f}\nd: {<<: *x, e: g}\n".into(),
            json!({"a": {"b": "c", "e": "f"}, "d": {"b": "c", "e": "g"}}),
        ),
        (
            "a: &x {b: c}\ne: &y {f: g}\nd:\n  <<: [*x, *y]\n".into(),
            json!({"a": {"b": "c"}, "e": {"f": "g"}, "d": {"b": "c", "f": "g"}}),
        ),
        ("&k a: b\nc: *k\n".into(), json!({"a": "b", "c": "a"})),
        ("a: |\n  x\n   y\n\n  z\n".into(), json!({"a": "x\n y\n\nz\n"})),
        (
            "a: |-\n  x\nb: >+\n  y\n  z\n\nc: |2\n    i\n".into(),
            json!({"a": "x", "b": "y z\n\n", "c": "  i\n"}),
        ),
        ("a: >-\n  # no comment\n  b\n".into(), json!({"a": "# no comment b"})),
        (
            "a: \"x\\u00e4\\\n   y\"\nb: 'it''s\n  so'\nc: plain\n  goes on\n".into(),
            json!({"a": "xäy", "b": "it's so", "c": "plain goes on"}),
        ),
        (
            "!!map\na: !!str 5\nb: !!int \"5\"\nc: !mine x\nd: !!seq [!!null x]\n".into(),
            json!({"a": "5", "b": 5, "c": "x", "d": [null]}),
        ),
        (
            "%YAML 1.2\n%TAG !e! tag:example.org,2000:\n---\na: !e!t b\n".into(),
            json!({"a": "b"}),
        ),
        (
            "\u{feff}a:\tb\t\r\nc:\r\n  - d\t# e\r\n".into(),
            json!({"a": "b", "c": ["d"]}),
        ),
        (
            "{\"a\":1,\n\t\"b\":\t[true,null,\"\\/\"],}\n".into(),
            json!({"a": 1, "b": [true, null, "/"]}),
        ),
        (
            "a: [b: c, {d}, ? e : f]\n".into(),
            json!({"a": [{"b": "c"}, {"d": null}, {"e": "f"}]}),
        ),
        (
            "5: a\ntrue: b\n1.10: c\n\"q\": d\n".into(),
            json!({"5": "a", "true": "b", "1.10": "c", "q": "d"}),
        ),
        (
            "a: 1.10\nb: 0x1F\nc: -3\nd: 2.5\n".into(),
            json!({"a": 1.1, "b": 31, "c": -3, "d": 2.5}),
        ),
        (
            "- - a\n  - b\n-\n  c: d\n- \n".into(),
            json!([["a", "b"], {"c": "d"}, null]),
        ),
        (
            "a: http://x:80/#y\nb: x#y\nc: -x\nd: ?y\n".into(),
            json!({"a": "http://x:80/#y", "b": "x#y", "c": "-x", "d": "?y"}),
        ),
    ] {
        assert_eq!(value(&text), expected, "{text:.200}");
    }
}

#[test]
fn only_the_work_is_bounded_not_the_form() {
    let long = "x".repeat(2_000_000);
    assert_eq!(value(&format!("a: {long}\n"))["a"], json!(long));
    assert_eq!(value(&format!("{{\"a\": \"{long}\"}}\n"))["a"], json!(long));
    let uses: String = (0..3_000).map(|n| format!("k{n}: {{<<: *x, n: {n}}}\n")).collect();
    let found = value(&format!("base: &x {{a: b, c: d}}\n{uses}"));
    assert_eq!(found["k2999"], json!({"a": "b", "c": "d", "n": 2999}));
    let anchors: String = (0..3_000).map(|n| format!("k{n}: &a{n} v\nl{n}: *a{n}\n")).collect();
    assert_eq!(value(&anchors)["l2999"], json!("v"));
}

#[test]
fn what_is_not_valid_is_refused_with_its_place() {
    for (text, line, words) in [
        ("a: 1\nb: 2\na: 3\n", 3, "key `a` occurs twice"),
        ("a: {b: 1, b: 2}\n", 1, "key `b` occurs twice"),
        ("a: *x\n", 1, "unknown anchor"),
        ("a: &x 1\n---\nb: *x\n", 3, "a second document"),
        ("a:\n\tb: c\n", 2, "tab"),
        ("a: [b\nc: d\n", 2, ""),
        ("a: \"b\n", 1, ""),
        ("a: b: c\n", 1, ""),
        ("a: &x [*x]\n", 1, "within its own anchor"),
        ("a: {{ .Values.b }}: c\n", 1, ""),
    ] {
        let error = refused(text);
        assert_eq!(error.line, Some(line), "{text}: {error}");
        assert!(error.message.contains(words), "{text}: {error}");
    }
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        bomb.push_str(&format!("a{n}: &a{n} [{}]\n", format!("*a{}, ", n - 1).repeat(10)));
    }
    let error = refused(&bomb);
    assert!(error.message.contains("aliases (`*name`) repeat too much"), "{error}");
    let error = refused(&format!("a: {}", "[".repeat(500)));
    assert_eq!(error.message, "the document is too deeply nested");
}

#[test]
fn an_alias_does_not_reach_into_another_document() {
    let text = "a: &x 1\n---\nb: *x\n";
    let sources = documents(Path::new("a.yaml"), text).expect("two");
    assert!(sources[0].tree().is_ok());
    let error = sources[1].tree().expect_err("no such anchor");
    assert_eq!(error.line, Some(3), "{error}");
}

/// What a key without a value means, by the way of reading.
#[test]
fn null_is_absent_empty_or_refused() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Form {
        list: Vec<String>,
        text: String,
        maybe: Option<bool>,
        map: std::collections::BTreeMap<String, String>,
    }
    let read = |text: &str, nulls| -> Result<Form, InputError> {
        let source = documents(Path::new("a.yaml"), text).expect("one")[0];
        source.tree()?.document(Strings::Quoted, nulls).parse()
    };
    let text = "list:\ntext: null\nmaybe: ~\nmap: {a: null, b: c}\n";
    let zero = read(text, Nulls::Zero).expect("Go's zero values");
    let pairs = |form: &Form| form.map.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
    assert_eq!((zero.list.len(), zero.text.as_str(), zero.maybe), (0, "", None));
    assert_eq!(pairs(&zero), ["a=", "b=c"]);
    assert_eq!(read(text, Nulls::Absent).expect_err("`text` is missing").line, Some(2));
    let pruned = read(&text.replace("null\n", "t\n"), Nulls::Absent).expect("pruned");
    assert_eq!(pairs(&pruned), ["b=c"]);
    let item = text.replace("list:", "list: [a, null]");
    assert_eq!(read(&item, Nulls::Zero).expect("an empty text").list, ["a", ""]);
    let error = read(&item.replace("null\n", "t\n"), Nulls::Absent).expect_err("refused");
    assert_eq!(error.message, "an entry of this list is empty");
    assert_eq!(read(text, Nulls::Refused).expect_err("a list is needed").line, Some(1));
}
