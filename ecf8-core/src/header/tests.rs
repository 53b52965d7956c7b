//! Headers that must be refused, each by the fault that it has.

use super::*;

fn file(json: &str, data_bytes: usize) -> Vec<u8> {
    let mut file = (json.len() as u64).to_le_bytes().to_vec();
    file.extend(json.as_bytes());
    file.resize(file.len() + data_bytes, 7);
    file
}

fn parse(json: &str, data_bytes: usize) -> Result<Header, HeaderError> {
    Header::of_file(&file(json, data_bytes))
}

fn entry(dtype: &str, shape: &str, begin: u64, end: u64) -> String {
    format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
}

#[test]
fn a_good_header_is_read_in_data_order_with_its_metadata() {
    let (b, a) = (entry("F32", "[2]", 4, 12), entry("U8", "[2,2]", 0, 4));
    let json = format!(
        r#"{{"b":{b},"__metadata__":{{"z":"1","a":"2"}},"a":{a},"é/x":{}}} "#,
        entry("I64", "[0]", 12, 12)
    );
    let header = parse(&json, 12).unwrap();
    let names: Vec<&str> = header.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "é/x"]);
    assert_eq!((header.length, header.data_bytes()), (json.len() as u64, 12));
    assert_eq!(header.metadata("a"), Some("2"));
    assert_eq!((&header.tensors[1].shape[..], header.tensors[1].bytes()), (&[2][..], 8));
    assert!(parse("{}", 0).unwrap().tensors.is_empty());
    assert_eq!(
        parse(&format!(r#"{{"s":{}}}"#, entry("F32", "[]", 0, 4)), 4).unwrap().tensors[0].shape,
        [0u64; 0]
    );
}

#[test]
fn faults_are_told_apart() {
    let with = |entry: String| format!(r#"{{"t":{entry}}}"#);
    let tensor = || "t".to_owned();
    let cases: Vec<(String, usize, HeaderError)> = vec![
        (
            with(entry("F7", "[1]", 0, 1)),
            1,
            HeaderError::UnknownDtype { tensor: tensor(), dtype: "F7".into() },
        ),
        (with(entry("F32", "[2]", 0, 4)), 4, HeaderError::Size { tensor: tensor(), expected: 8, found: 4 }),
        (
            with(entry("U8", "[8]", 0, 8)),
            7,
            HeaderError::OutsideFile { tensor: tensor(), end: 8, available: 7 },
        ),
        (with(entry("U8", "[8]", 0, 8)), 9, HeaderError::Hole { from: 8, to: 9 }),
        (with(entry("U8", "[4]", 4, 8)), 8, HeaderError::Hole { from: 0, to: 4 }),
        ("{}".to_owned(), 1, HeaderError::Hole { from: 0, to: 1 }),
        (
            format!(r#"{{"o":{},"t":{}}}"#, entry("U8", "[4]", 0, 4), entry("U8", "[4]", 3, 7)),
            7,
            HeaderError::Overlap { tensor: tensor(), begin: 3, other: "o".into() },
        ),
        (
            format!(r#"{{"t":{0},"t":{0}}}"#, entry("U8", "[4]", 0, 4)),
            4,
            HeaderError::Duplicate { name: tensor() },
        ),
    ];
    for (json, data_bytes, expected) in cases {
        assert_eq!(parse(&json, data_bytes), Err(expected), "{json}");
    }
    for entry in [
        entry("U8", "[4]", 8, 4),
        entry("F4", "[3]", 0, 1),
        entry("U8", "[18446744073709551615,2]", 0, 4),
        entry("U8", "[-1]", 0, 4),
        entry("U8", "[1.5]", 0, 4),
        r#"{"dtype":"U8","shape":[4]}"#.to_owned(),
        r#"{"shape":[4],"data_offsets":[0,4]}"#.to_owned(),
        "3".to_owned(),
    ] {
        let found = parse(&with(entry.clone()), 4);
        assert!(matches!(found, Err(HeaderError::Entry { .. })), "{entry}: {found:?}");
    }
    for json in ["{", "{]", r#"{"__metadata__":{"a":1}}"#, r#"{"__metadata__":[]}"#, "{}x"] {
        assert!(matches!(parse(json, 0), Err(HeaderError::Json { .. })), "{json}");
    }
}

#[test]
fn what_is_no_safetensors_file_or_lies_about_its_header_is_told_apart() {
    for file in [&b""[..], b"PK\x03\x04", b"<html>not found</html>"] {
        assert!(matches!(Header::of_file(file), Err(HeaderError::SomethingElse { .. })));
    }
    for file in [&b"short"[..], b"#!/bin/sh\necho hello", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"] {
        assert!(matches!(Header::of_file(file), Err(HeaderError::NotSafetensors { .. })));
    }
    let mut lies = file("{}", 3);
    lies[0] = 200;
    assert_eq!(Header::of_file(&lies), Err(HeaderError::Length { claimed: 200, available: 5 }));
    lies[7] = 0xff;
    assert!(matches!(Header::of_file(&lies), Err(HeaderError::Length { .. })));
}
