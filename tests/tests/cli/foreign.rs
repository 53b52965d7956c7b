//! Files of others: read, verified, imported and exported, against files that their own programs made and readers in Python that are
//! written from `docs/formats` alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_core::synthetic::{SyntheticTensor, gaussian, stored_as};
use ecf8_tests::cli::{Scratch, file};
use ecf8_tests::corpus::official;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;
use std::process::Command;

/// A Python: `python3`, or the one that `ECF8_PYTHON` names, if it has these modules. If not, says that the caller is skipped.
fn python(modules: &str) -> Option<String> {
    let python = std::env::var("ECF8_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(&python);
    let found = command.args(["-W", "ignore", "-c", &format!("import {modules}")]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(!ecf8_tests::is_required("ECF8_REQUIRE_TORCH"), "{python} cannot import {modules}");
    eprintln!("skipped: no Python that imports {modules}; ECF8_PYTHON can name one");
    None
}

/// Runs a script in the folder.
fn script(scratch: &Scratch, python: &str, line: &str) -> String {
    let mut words = line.split(' ');
    let name = words.next().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(name);
    let mut command = Command::new(python);
    let output = command.arg("-B").arg(path).args(words).current_dir(scratch.path(".")).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn tensor(name: &str, dtype: Dtype, shape: &[u64], seed: u64, sigma: f32) -> SyntheticTensor {
    let count: u64 = shape.iter().product();
    let values = gaussian(seed, usize::try_from(count).unwrap(), sigma);
    SyntheticTensor::new(name, dtype, shape, stored_as(&dtype.to_string(), &values).unwrap())
}

/// A model of two layers that are alike, one that is not, an embedding, and what no format codes.
fn model(dtype: Dtype) -> Vec<SyntheticTensor> {
    let mut tensors = Vec::new();
    for layer in 0..3u64 {
        for (path, rows) in [("mlp.up", 48), ("attn.q", 64), ("attn.q_2", 5)] {
            if layer < 2 || path != "attn.q_2" {
                let name = format!("model.layers.{layer}.{path}.weight");
                tensors.push(tensor(&name, dtype, &[rows, 96], 10 * layer + rows, 0.02 * (layer + 1) as f32));
            }
        }
        tensors.push(tensor(&format!("model.layers.{layer}.norm.weight"), dtype, &[96], layer, 1.0));
    }
    tensors.push(tensor("model.embed.weight", dtype, &[700, 96], 7, 1.0));
    tensors.push(tensor("conv.weight", dtype, &[4, 4, 3], 8, 1.0));
    tensors.push(tensor("model.layers.0.mlp.up.weight_scale", Dtype::F32, &[48], 9, 1.0));
    tensors
}

/// The weights that are coded, in the order of the files that blocks have, and then of modules.
fn coded(tensors: &[SyntheticTensor]) -> Vec<&SyntheticTensor> {
    let names = ["model.embed", "model.layers.0", "model.layers.1", "model.layers.2"];
    let mut coded = Vec::new();
    for block in names {
        let within = |own: &&SyntheticTensor| own.name.starts_with(block) && own.shape.len() == 2;
        let mut own: Vec<_> = tensors.iter().filter(within).collect();
        own.sort_by_key(|tensor| tensor.name.strip_suffix(".weight").unwrap());
        coded.extend(own);
    }
    coded
}

fn assert_same_tensors(found: &[u8], expected: &[SyntheticTensor]) {
    let found = SafeTensors::deserialize(found).unwrap();
    assert_eq!(found.len(), expected.len());
    for tensor in expected {
        let own = found.tensor(&tensor.name).unwrap();
        let shape: Vec<u64> = own.shape().iter().map(|dim| *dim as u64).collect();
        assert_eq!((own.dtype(), shape), (tensor.dtype, tensor.shape.clone()), "{}", tensor.name);
        assert!(own.data() == tensor.bytes, "{}", tensor.name);
    }
}

#[test]
fn official_files_are_verified_restored_and_imported() {
    for (path, raw) in official().unwrap_or_default() {
        let scratch = Scratch::new();
        let name = path.file_name().unwrap().to_str().unwrap();
        let original = path.parent().unwrap().join("../weights").join(name).display().to_string();
        let path = path.display().to_string();
        let raw = std::fs::read(raw).unwrap();
        let said = scratch.run(["verify", &path, "--against", &original, "--device", "emulator"]).answer();
        assert!(said.contains("identical to") && said.contains("exact by gap-"), "{said}");
        let listed = scratch.run(["inspect", &path, "--json"]).json();
        assert_eq!((&listed["formats"][0], &listed["shapes"]), (&"ecf8-paper".into(), &false.into()));
        let _ = scratch.run(["decompress", &path, "-o", "flat"]).answer();
        let flat = scratch.read("flat");
        let flat = SafeTensors::deserialize(&flat).unwrap();
        let pieces = (0..flat.len()).map(|number| flat.tensor(&format!("model.layers.0.{number}")).unwrap());
        assert!(pieces.flat_map(|own| own.data().to_vec()).eq(raw.iter().copied()), "{path}");
        let _ = scratch.run(["import", &path, "-o", "packed", "--like", &original]).answer();
        let _ = scratch.run(["decompress", "packed", "-o", "back"]).answer();
        let (theirs, back) = (std::fs::read(&original).unwrap(), scratch.read("back"));
        let (theirs, back) =
            (SafeTensors::deserialize(&theirs).unwrap(), SafeTensors::deserialize(&back).unwrap());
        for (name, tensor) in back.tensors() {
            assert_eq!(theirs.tensor(&name).unwrap(), tensor, "{name}");
        }
    }
}

#[test]
fn exporting_official_weights_gives_the_official_files_byte_for_byte() {
    for (path, raw) in official().unwrap_or_default() {
        let scratch = Scratch::new();
        let theirs = std::fs::read(&path).unwrap();
        let raw = std::fs::read(raw).unwrap();
        let stored = SafeTensors::deserialize(&theirs).unwrap();
        let splits = stored.tensor("model.layers.0.split_positions").unwrap().data().to_vec();
        let ends =
            splits.chunks(8).map(|own| usize::try_from(u64::from_le_bytes(own.try_into().unwrap())).unwrap());
        let mut start = 0;
        let pieces = ends.chain([raw.len()]).enumerate().map(|(number, end)| {
            let bytes = raw[std::mem::replace(&mut start, end)..end].to_vec();
            let name = format!("model.layers.0.part{number:03}.weight");
            SyntheticTensor::new(&name, Dtype::F8_E4M3, &[1, bytes.len() as u64], bytes)
        });
        scratch.write("in", file(&pieces.collect::<Vec<_>>()));
        let _ = scratch.ecf8("compress in -o packed").answer();
        for input in ["in", "packed"] {
            let said =
                scratch.ecf8(&format!("export {input} --format ecf8-paper -o {input}.out --json")).json();
            assert_eq!((&said["blocks"], &said["kept_tensors"]), (&1.into(), &0.into()));
            assert!(
                scratch.read(&format!("{input}.out/model.layers.0.safetensors")) == theirs,
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn a_reader_written_from_the_page_decodes_what_is_exported_for_ecf8() {
    let Some(python) = python("json") else { return };
    let scratch = Scratch::new();
    let tensors = model(Dtype::F8_E4M3);
    scratch.write("in", file(&tensors));
    let said = scratch.ecf8("export in --format ecf8-paper -o out").answer();
    assert!(said.contains("9 tensors coded in 4 blocks, 5 kept"), "{said}");
    let mut decoded = Vec::new();
    for block in ["model.embed", "model.layers.0", "model.layers.1", "model.layers.2"] {
        let _ = script(&scratch, &python, &format!("ecf8_paper.py out/{block}.safetensors raw"));
        decoded.extend(scratch.read("raw"));
    }
    assert!(decoded == coded(&tensors).into_iter().flat_map(|own| own.bytes.clone()).collect::<Vec<_>>());
    let patterns: serde_json::Value = serde_json::from_slice(&scratch.read("out/pattern_dict.json")).unwrap();
    assert_eq!(patterns["fp8"][r"model\.layers\.2"], serde_json::json!(["attn.q", "mlp.up"]));
    // And back, with the names of the dictionary and the shapes of the original.
    let _ = scratch.ecf8("verify out --against in").answer();
    for kind in ["decompress", "import"] {
        let _ = scratch.ecf8(&format!("{kind} out -o {kind} --like in")).answer();
    }
    let _ = scratch.ecf8("decompress import -o back").answer();
    for folder in ["decompress", "back"] {
        let kept = scratch.read(&format!("{folder}/model.safetensors"));
        assert_eq!(SafeTensors::deserialize(&kept).unwrap().len(), 5);
        let first: Vec<_> = tensors
            .iter()
            .filter(|own| own.name.starts_with("model.layers.1.") && own.shape.len() == 2)
            .cloned()
            .collect();
        assert_same_tensors(&scratch.read(&format!("{folder}/model.layers.1.safetensors")), &first);
    }
    let flat = scratch.ecf8("inspect out/model.layers.0.safetensors").answer();
    assert!(flat.contains("model.layers.0.attn.q_2.weight") && flat.contains("[480]"), "{flat}");
}

#[test]
fn a_program_written_from_the_page_reads_what_is_exported_for_dfloat11_and_writes_the_same() {
    let Some(python) = python("json") else { return };
    let scratch = Scratch::new();
    let tensors = model(Dtype::BF16);
    scratch.write("model/model.safetensors", file(&tensors));
    scratch.write("model/config.json", r#"{"model_type":"tiny"}"#);
    scratch.write("model/tokenizer.txt", "words");
    let _ = scratch.ecf8("compress model -o packed --for transformers").answer();
    let said = scratch.ecf8("export packed --format dfloat11 -o out").answer();
    assert!(said.contains("9 tensors coded in 4 blocks, 5 kept") && said.contains("tokenizer.txt"), "{said}");
    let config: serde_json::Value = serde_json::from_slice(&scratch.read("out/config.json")).unwrap();
    assert_eq!(
        (&config["model_type"], &config["quantization_config"]),
        (&"tiny".into(), &serde_json::Value::Null)
    );
    assert_eq!(config["dfloat11_config"]["pattern_dict"]["model\\.embed"], serde_json::json!([]));
    for block in ["model.embed", "model.layers.0", "model.layers.1", "model.layers.2"] {
        let stored = format!("out/{}.safetensors", block.replace('.', "_"));
        let own: Vec<_> = coded(&tensors).into_iter().filter(|own| own.name.starts_with(block)).collect();
        let raw: Vec<u8> = own.iter().flat_map(|own| own.bytes.clone()).collect();
        let _ = script(&scratch, &python, &format!("dfloat11.py decode {stored} decoded"));
        assert!(scratch.read("decoded") == raw, "{block}");
        scratch.write("raw", &raw);
        let counts: Vec<String> = own.iter().map(|own| (own.bytes.len() / 2).to_string()).collect();
        let _ =
            script(&scratch, &python, &format!("dfloat11.py encode raw theirs {block} {}", counts.join(" ")));
        assert!(scratch.read("theirs") == scratch.read(&stored), "{block} is not written as the page says");
        let _ = scratch.ecf8("decompress theirs -o back --like model/model.safetensors --force").answer();
        assert_same_tensors(&scratch.read("back"), &own.into_iter().cloned().collect::<Vec<_>>());
    }
    let _ = scratch.ecf8("verify out --against model").answer();
    // Numbers of which no table knows the exponent are kept, and few are as good as many.
    let odd = [
        SyntheticTensor::new("a.weight", Dtype::BF16, &[1, 3], vec![0x80, 0x7f, 0x80, 0x3f, 0, 0]),
        SyntheticTensor::new("b.weight", Dtype::BF16, &[1, 1], vec![0x80, 0x3f]),
        SyntheticTensor::new("c.weight", Dtype::BF16, &[40, 40], [0x80, 0x3f].repeat(1600)),
        SyntheticTensor::new("../d.weight", Dtype::BF16, &[2, 1], [0x80, 0x3f].repeat(2)),
        SyntheticTensor::new("e.f.weight", Dtype::BF16, &[2, 1], [0x80, 0x3f].repeat(2)),
        SyntheticTensor::new("e_f.weight", Dtype::BF16, &[2, 1], [0x80, 0x3f].repeat(2)),
    ];
    scratch.write("odd", file(&odd));
    let said = scratch.ecf8("export odd --format dfloat11 -o odd.out").answer();
    assert!(said.contains("block `a` is kept as it is: it has numbers of exponent 255"), "{said}");
    assert!(said.contains("3 tensors coded in 3 blocks, 3 kept"), "{said}");
    assert!(said.contains("block `../d` is kept") && said.contains("block `e_f` is kept"), "{said}");
    let _ = scratch.ecf8("verify odd.out --against odd").answer();
    let _ = script(&scratch, &python, "dfloat11.py decode odd.out/c.safetensors decoded");
    assert!(scratch.read("decoded") == odd[2].bytes);
}

#[test]
fn files_that_zipnn_made_come_back_byte_for_byte() {
    let Some(python) = python("zipnn, safetensors.torch") else { return };
    let scratch = Scratch::new();
    let scales = [0.02, 1.0, 3e4];
    let mut tensors = vec![
        SyntheticTensor::new("constant", Dtype::BF16, &[300, 1000], [0x80, 0x3f].repeat(300_000)),
        SyntheticTensor::new("ids", Dtype::I64, &[3], vec![7; 24]),
        SyntheticTensor::new("scalar", Dtype::F32, &[], vec![1, 2, 3, 4]),
    ];
    for (seed, dtype) in (0u64..).zip([Dtype::BF16, Dtype::F16, Dtype::F32, Dtype::F8_E4M3, Dtype::F8_E5M2]) {
        // Several chunks, and an odd number in the last one.
        for (count, sigma) in [61, 70_001, 300_003].into_iter().zip(scales) {
            tensors.push(tensor(&format!("{dtype}.{count}"), dtype, &[count], seed + count, sigma));
        }
    }
    tensors.sort_by_key(|own| (std::cmp::Reverse(own.dtype.bitsize()), own.name.clone()));
    let original = file(&tensors);
    scratch.write("in", &original);
    for metadata in ["", " none"] {
        let said = script(&scratch, &python, &format!("make_znn.py in in.znn.safetensors{metadata}"));
        let compressed: u32 = said.lines().last().unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(compressed >= 8, "{said}");
        let _ = scratch.ecf8("decompress in.znn.safetensors -o back --force").answer();
        assert!(scratch.read("back") == original, "{metadata}");
        let said = scratch.ecf8("verify in.znn.safetensors --against in").answer();
        assert!(said.contains("identical to in"), "{said}");
        let _ = scratch.ecf8("import in.znn.safetensors -o packed --force").answer();
        let _ = scratch.ecf8("verify packed --against in").answer();
    }
    // Each piece of what is stored matters: whatever changes there is told, or decodes to other numbers.
    let good = scratch.read("in.znn.safetensors");
    for part in 1..8 {
        let mut bad = good.clone();
        bad[good.len() * part / 8] ^= 0x41;
        scratch.write("bad", bad);
        let said = scratch.ecf8("verify bad --against in");
        assert_eq!(said.status, Some(1), "{said:?}");
    }
}

#[test]
fn what_is_wrong_with_files_of_others_is_told_in_one_line() {
    let scratch = Scratch::new();
    scratch.write("in", file(&model(Dtype::F8_E4M3)));
    let _ = scratch.ecf8("export in --format ecf8-paper -o out").answer();
    let good = scratch.read("out/model.layers.0.safetensors");
    scratch.write("plain", file(&[tensor("w", Dtype::F32, &[100], 1, 1.0)]));
    scratch.refuses("import plain -o x", 2, &["plain", "no format of another compressor"]);
    scratch.refuses("decompress plain -o x --like in", 2, &["--like"]);
    scratch.refuses("export plain --format dfloat11 -o x", 2, &["no weights of BF16"]);
    scratch.refuses("export in --format other -o x", 2, &["ecf8-paper", "dfloat11"]);
    scratch.refuses("export in --format ecf8-paper -o out", 2, &["exists already"]);
    scratch.refuses(
        "import out/model.layers.0.safetensors -o x --like plain",
        2,
        &["plain", "model.layers.0"],
    );
    scratch.refuses("import out/model.layers.0.safetensors -o x --like none", 2, &["none"]);
    scratch.refuses("import none -o x", 2, &["none"]);
    let header = 8 + usize::try_from(u64::from_le_bytes(*good.first_chunk().unwrap())).unwrap();
    let stored = SafeTensors::deserialize(&good).unwrap();
    let part = |name: &str| {
        let data = stored.tensor(&format!("model.layers.0.{name}")).unwrap().data();
        data.as_ptr() as usize - good.as_ptr() as usize
    };
    let luts = stored.tensor("model.layers.0.luts").unwrap().data();
    let lengths = luts.len() - 256;
    let lengths = lengths + luts[lengths..].iter().position(|length| *length > 0).unwrap();
    for (name, at, words) in [
        ("split_positions", part("split_positions") + 7, "split positions"),
        ("lengths", part("luts") + lengths, ""),
        ("gaps", part("gaps") + 20, "gap"),
        ("positions", part("output_positions"), ""),
        ("total", part("output_positions") + 8, ""),
        ("stream", part("encoded") + 1000, ""),
    ] {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        scratch.write("bad", bad);
        let said = scratch.ecf8("verify bad");
        // A codeword may become another of its length, which only the original tells.
        if said.status != Some(0) || name != "stream" {
            said.refuses(1, &["bad", "model.layers.0", "ecf8-paper", words]);
            scratch.refuses("import bad -o x", 1, &["bad", "model.layers.0"]);
        }
    }
    let mut renamed = good.clone();
    let place = renamed[..header].windows(4).position(|own| own == b"luts").unwrap();
    renamed[place] = b'm';
    scratch.write("bad", renamed);
    scratch.refuses("decompress bad -o x", 1, &["bad", "it has no `model.layers.0.luts`"]);
    scratch.write("bad", &good[..good.len() - 5]);
    scratch.refuses("import bad -o x", 2, &["bad"]);
}
