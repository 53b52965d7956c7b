//! Tensors of few distinct numbers.

use super::*;
use crate::element::Shape;
use crate::synthetic::{alpha_stable, gaussian, stored_as};

/// Sines, as a Fourier transform's basis has them: every one several times, no byte of them frequent.
fn basis(rows: usize, columns: usize) -> Vec<f32> {
    let value = |place: usize| {
        let (row, column) = (place / columns, place % columns);
        let turn = (row * column % columns) as f32 / columns as f32;
        (turn * std::f32::consts::TAU).sin() * 0.731
    };
    (0..rows * columns).map(value).collect()
}

fn model() -> Vec<u8> {
    let basis = basis(400, 500);
    let weights = gaussian(1, 40_000, 0.02);
    let few: Vec<f32> = alpha_stable(2, 16, 1.5, 0.1).into_iter().cycle().take(9001).collect();
    let tensor = |name: &str, dtype: Dtype, values: &[f32]| {
        let bytes = stored_as(&dtype.to_string(), values).unwrap();
        SyntheticTensor::new(name, dtype, &[values.len() as u64], bytes)
    };
    let tensors = [
        tensor("basis", Dtype::F32, &basis),
        tensor("basis64", Dtype::F64, &basis),
        tensor("weights", Dtype::F32, &weights),
        tensor("few", Dtype::BF16, &few),
    ];
    safetensors_bytes(&[], &tensors).unwrap()
}

#[test]
fn a_table_of_sines_takes_little_more_than_their_places() {
    let folder = folder();
    for aim in [crate::Aim::Balanced, crate::Aim::Size, crate::Aim::Speed] {
        let options = CompressOptions { aim, ..CompressOptions::default() };
        let container = compressed_with(folder.path(), &model(), options);
        let file = CompressedFile::open(&container).unwrap();
        let tensor = |name| file.tensor(name).unwrap();
        // 500 turns are fewer distinct values still, since a sine has each twice.
        for (name, width) in [("basis", 4), ("basis64", 8)] {
            let tensor = tensor(name);
            let dictionary = tensor.split().dictionary.clone().unwrap();
            assert_eq!((tensor.split().shape(), tensor.scheme().symbols().name), (Shape::Bytes, "byte"));
            assert!((100..=500).contains(&dictionary.len()), "{dictionary:?}");
            assert!(
                tensor.stored_bytes() < 200_000 * 9 / 8 + width * 500 + 2000,
                "{}",
                tensor.stored_bytes()
            );
        }
        assert!(tensor("weights").split().dictionary.is_none());
        assert!(tensor("few").stored_bytes() < 9001 / 2 + 1000, "{}", tensor("few").stored_bytes());
        assert_comes_back_with(&model(), options);
    }
    assert_comes_back(&model());
}

#[test]
fn a_dictionary_out_of_order_or_of_another_length_is_damage() {
    let folder = folder();
    let container = compressed_with(folder.path(), &model(), CompressOptions::default());
    let bytes = fs::read(&container).unwrap();
    let file = CompressedFile::open(&container).unwrap();
    let dictionary = file.tensor("basis").unwrap().split().dictionary.clone().unwrap().to_bytes();
    drop(file);
    let at = bytes.windows(dictionary.len()).position(|window| window == dictionary).unwrap();
    let mut swapped = bytes.clone();
    swapped[at..at + 8].rotate_left(4);
    fs::write(&container, &swapped).unwrap();
    let error = CompressedFile::open(&container).unwrap_err().to_string();
    assert!(error.contains("`basis`") && error.contains("dictionary"), "{error}");
    // Ascending still, but not what it was: the checksums tell.
    let mut other = bytes;
    let last = at + dictionary.len() - 1;
    other[last] ^= 1;
    fs::write(&container, &other).unwrap();
    let file = CompressedFile::open(&container);
    assert!(file.is_err() || file.unwrap().tensor("basis").unwrap().decode().is_err());
}
