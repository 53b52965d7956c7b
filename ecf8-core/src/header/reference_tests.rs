//! The `safetensors` crate has the last word: what it accepts is accepted here, and means the same, however it is spelled.

use super::*;
use safetensors::SafeTensors;

/// Compares the verdicts about a file with this header and as many bytes after it.
fn agrees(json: &str, data_bytes: usize) {
    let mut file = (json.len() as u64).to_le_bytes().to_vec();
    file.extend(json.as_bytes());
    file.resize(file.len() + data_bytes, 7);
    match (SafeTensors::read_metadata(&file), Header::of_file(&file)) {
        (Ok((_, theirs)), Ok(ours)) => {
            let of_json = Header::of_json(json.as_bytes(), data_bytes as u64);
            assert_eq!(of_json.as_ref(), Ok(&ours), "{json}");
            assert_eq!(ours.tensors.len(), theirs.tensors().len(), "{json}");
            for tensor in &ours.tensors {
                let info = theirs.info(&tensor.name).unwrap();
                let shape: Vec<u64> = info.shape.iter().map(|dim| *dim as u64).collect();
                let offsets = (tensor.begin as usize, tensor.end as usize);
                assert_eq!(
                    (tensor.dtype, &tensor.shape, offsets),
                    (info.dtype, &shape, info.data_offsets),
                    "{json}"
                );
            }
            let texts = theirs.metadata().clone().unwrap_or_default();
            assert_eq!(ours.metadata.len(), texts.len(), "{json}");
            assert!(ours.metadata.iter().all(|(key, value)| texts.get(key) == Some(value)), "{json}");
        }
        (Err(_), Err(_)) => {}
        // Two tensors of one name: the reference takes one of them, and restoring both is what we promise.
        (Ok(_), Err(HeaderError::Duplicate { .. })) => {}
        (theirs, ours) => panic!("{json}\nthe reference: {:?}\nours: {ours:?}", theirs.map(|_| "accepts")),
    }
}

const METADATA: &[&str] = &[
    "",
    r#""__metadata__":null,"#,
    r#""__metadata__":{},"#,
    r#""__metadata__" : { "a" : "1" , "b":"" } ,"#,
    r#""\u005f_metadata__":{"a":"\u00e9\n\ud83d\ude00"},"#,
    r#""__metadata__":{"a":"1","a":"2","b":"3"},"#,
    r#""__metadata__":{"a":null},"#,
    r#""__metadata__":{"a":1},"#,
    r#""__metadata__":{"a":["x"]},"#,
    r#""__metadata__":[],"#,
    r#""__metadata__":[["a","1"]],"#,
    r#""__metadata__":"a","#,
    r#""__metadata__":false,"#,
    r#""__metadata__":{},"__metadata__":null,"#,
    r#""__metadata__":{"a":"1"},"__metadata__":{"b":"2"},"#,
];

const DTYPES: &[&str] = &[
    r#""F32""#,
    r#""\u004632""#,
    r#"{"F32":null}"#,
    r#"{"F32":{}}"#,
    r#"{"F32":[]}"#,
    r#"{"F32":0}"#,
    r#"{"F32":null,"F32":null}"#,
    r#"{}"#,
    r#"["F32"]"#,
    r#""f32""#,
    r#""F8_E8M0""#,
    "4",
    "null",
    "[\"F32\",null]",
];

const SHAPES: &[&str] = &[
    "[1]",
    "[]",
    "[1,1]",
    " [ 1 ]",
    "[2]",
    "[0]",
    "[1.0]",
    "[1e0]",
    "[-0]",
    "[-1]",
    "[01]",
    "[\"1\"]",
    "[null]",
    "[true]",
    "null",
    "{}",
    "1",
    "[[1]]",
    "[1,]",
    "[4611686018427387904,0]",
    "[4611686018427387904,4,0]",
    "[0,4611686018427387904,4]",
    "[18446744073709551615]",
    "[18446744073709551616]",
];

const OFFSETS: &[&str] = &[
    "[0,4]",
    "[0,4,4]",
    "[0]",
    "[]",
    "null",
    "{}",
    "[0.0,4]",
    "[0,4.0]",
    "[0,4e0]",
    "[\"0\",\"4\"]",
    "[0,0]",
    "[4,0]",
    "[-0,4]",
    "[0,18446744073709551616]",
    "[null,4]",
    "4",
    "{\"0\":0,\"1\":4}",
];

/// Entries around a dtype, a shape and offsets.
const ENTRIES: &[&str] = &[
    r#"{"dtype":D,"shape":S,"data_offsets":O}"#,
    "{ \"data_offsets\" : O ,\n\"shape\":S,\t\"dtype\":D\r}",
    "[D,S,O]",
    r#"{"dtype":D,"shape":S,"data_offsets":O,"more":{"a":[1e400,null]}}"#,
    r#"{"dtype":D,"more":[{"dtype":"U8"},-1.5],"shape":S,"data_offsets":O,"":null}"#,
];

/// Entries that are odd in themselves.
const ODD_ENTRIES: &[&str] = &[
    r#"{"\u0064type":"F32","shape":[1],"data_offsets":[0,4]}"#,
    r#"{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}"#,
    r#"{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}"#,
    r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}"#,
    r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1,"x":2}"#,
    r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":NaN}"#,
    r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":"\ud800"}"#,
    r#"{"Dtype":"F32","shape":[1],"data_offsets":[0,4]}"#,
    r#"{"dtype":"F32","shape":[1]}"#,
    r#"["F32",[1],[0,4],0]"#,
    r#"["F32",[1]]"#,
    r#"["F32",[1],0,4]"#,
    r#"[0,[1],[0,4]]"#,
    "[]",
    "{}",
    "null",
    "\"F32\"",
    "1",
];

/// Headers around a good entry, which is `E`, and metadata, which are `M` with a comma.
const HEADERS: &[&str] = &[
    "{M\"t\":E}",
    "{M\"t\":E}   \n\t\r ",
    " \n{M\"t\":E}",
    "{ M \"t\" : E }",
    "{M\"\":E}",
    "{M\"\\u0000\\\"\":E}",
    "{M\"\u{e9}\\/\":E}",
    "{M\"__metadata\":E}",
    "{M\"t\":E,\"z\":[\"U8\",[0],[4,4]],\"y\":[\"U8\",[0],[0,0]]}",
    "{M\"z\":[\"U8\",[0,3],[4,4]],\"t\":E}",
    "{M\"t\":E,\"t\":E}",
    "{M\"t\":E,}",
    "{M\"t\":E}}",
    "{M\"t\":E}\0",
    "{M\"t\":E}{}",
    "{M\"t\":E} x",
    "\u{feff}{M\"t\":E}",
    "{M\"t\":E",
    "[{M\"t\":E}]",
    "{M\"t\":E} // why",
    "{M't':E}",
    "{M\"\\ud800\":E}",
    "{M\"\\ud83d\\ude00\":E}",
    "\x0b{M\"t\":E}",
];

const GOOD: &str = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;

#[test]
fn whatever_spelling_the_reference_accepts_is_accepted() {
    for data_bytes in [4, 0, 5] {
        for metadata in METADATA {
            for header in HEADERS {
                agrees(&header.replace('M', metadata).replace('E', GOOD), data_bytes);
            }
            agrees(&format!("{{{}}}", metadata.trim_end_matches(',')), data_bytes);
        }
        for entry in ODD_ENTRIES {
            agrees(&format!(r#"{{"t":{entry}}}"#), data_bytes);
        }
    }
    let nested = |depth: usize| {
        format!(
            r#"{{"t":{{"x":{}{},"dtype":"U8","shape":[0],"data_offsets":[0,0]}}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    [1, 100, 120, 124, 125, 126, 127, 128, 129, 200].iter().for_each(|depth| agrees(&nested(*depth), 0));
}

#[test]
fn whatever_numbers_and_dtypes_the_reference_accepts_are_accepted() {
    for entry in ENTRIES {
        for dtype in DTYPES {
            for shape in SHAPES {
                for offsets in OFFSETS {
                    let entry = entry.replace('D', dtype).replace('S', shape).replace('O', offsets);
                    agrees(&format!(r#"{{"t":{entry}}}"#), 4);
                }
            }
        }
    }
}
