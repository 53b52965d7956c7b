//! Real weights, where `ECF8_TEST_WEIGHTS` names a folder of safetensors files.

use super::*;
use crate::element::Numbers;
use crate::header::Header;
use crate::layout::exponent_gap::EXPONENT_GAP;

fn weights_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("ECF8_TEST_WEIGHTS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: ECF8_TEST_WEIGHTS is not set, so nothing was tried on real weights");
    }
    folder
}

#[test]
fn every_file_comes_back() {
    let Some(folder) = weights_folder() else { return };
    let files: Vec<String> =
        names_in(&folder).into_iter().filter(|name| name.ends_with(".safetensors")).collect();
    assert!(!files.is_empty(), "{} holds no .safetensors file", folder.display());
    for file in files {
        let inspection = assert_comes_back(&fs::read(folder.join(&file)).unwrap());
        println!("{file}: ratio {:.4}", inspection.ratio);
    }
}

/// Bytes of the authors' own files with B = 8 and T = 512, and of the weights in them.
const OFFICIAL: [(&str, u64, u64); 2] =
    [("rxnmapper-albert.block128", 683_406, 796_544), ("faceboxes.plain", 673_594, 982_272)];

#[test]
fn sizes_agree_with_the_authors_encoder() {
    let Some(folder) = weights_folder() else { return };
    for (name, official, original) in OFFICIAL {
        let file = fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let header = Header::of_file(&file).unwrap();
        let fp8 = header.tensors.iter().filter(|tensor| tensor.dtype == Dtype::F8_E4M3);
        let data = |tensor: &crate::header::TensorRecord| {
            file[(header.data_start() + tensor.begin) as usize..(header.data_start() + tensor.end) as usize]
                .to_vec()
        };
        let all: Vec<u8> = fp8.flat_map(data).collect();
        assert_eq!(all.len() as u64, original);
        let codebook = EXPONENT_GAP.codebook(&EXPONENT_GAP.symbol_histogram(Numbers::e4m3(&all)));
        let encoded = EXPONENT_GAP.encode(Numbers::e4m3(&all), &codebook).unwrap();
        let tables = crate::CascadeTables::new(&codebook).unwrap().lut.len() as u64;
        let ours = encoded.bytes() + tables;
        let deviation = ours.abs_diff(official) as f64 / official as f64;
        println!(
            "{name}: {ours} bytes with cascaded tables, the authors' {official}, {:.3} % apart",
            100.0 * deviation
        );
        assert!(deviation < 0.003, "{name}: {ours} against {official}");
        assert!(encoded.decode_reference().unwrap() == all);
    }
}
