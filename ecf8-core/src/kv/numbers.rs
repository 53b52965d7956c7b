//! The number types of caches, and how a number becomes one coded byte and at most one stored byte.

use serde::{Deserialize, Serialize};

/// A number type that caches hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Numbers {
    /// 8 bits: sign, 4 bits of exponent, 3 of mantissa. The byte is coded.
    #[serde(rename = "F8_E4M3")]
    E4m3,
    /// 8 bits: sign, 5 bits of exponent, 2 of mantissa. The byte is coded.
    #[serde(rename = "F8_E5M2")]
    E5m2,
    /// 16 bits: sign, 8 bits of exponent, 7 of mantissa. The exponent is coded; mantissa × 2 + sign is stored.
    #[serde(rename = "BF16")]
    Bf16,
}

impl Numbers {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::E4m3, Self::E5m2, Self::Bf16];

    /// What safetensors calls it.
    #[must_use]
    pub fn dtype(self) -> &'static str {
        match self {
            Self::E4m3 => "F8_E4M3",
            Self::E5m2 => "F8_E5M2",
            Self::Bf16 => "BF16",
        }
    }

    /// Bytes of a number.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::E4m3 | Self::E5m2 => 1,
            Self::Bf16 => 2,
        }
    }

    /// What a page's header calls it.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::E4m3 => 1,
            Self::E5m2 => 2,
            Self::Bf16 => 3,
        }
    }

    /// The one that a page's header calls so.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|numbers| numbers.code() == code)
    }

    /// The coded bytes of numbers, and the stored ones, of which 8-bit types have none. What is left beyond the last whole number is
    /// of no number.
    #[must_use]
    pub fn split(self, numbers: &[u8]) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::E4m3 | Self::E5m2 => (numbers.to_vec(), Vec::new()),
            Self::Bf16 => {
                let halves = numbers.as_chunks::<2>().0.iter();
                halves.map(|number| u16::from_le_bytes(*number).rotate_left(1).to_be_bytes().into()).unzip()
            }
        }
    }

    /// The bytes of a number, low byte first; of 8-bit types, the first of two.
    #[must_use]
    pub fn join(self, coded: u8, stored: u8) -> [u8; 2] {
        match self {
            Self::E4m3 | Self::E5m2 => [coded, 0],
            Self::Bf16 => u16::from_be_bytes([coded, stored]).rotate_right(1).to_le_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bf16_number_is_its_exponent_and_its_mantissa_with_the_sign_last() {
        // −1.5: sign 1, exponent 127, mantissa 0x40.
        let number = 0xbfc0_u16.to_le_bytes();
        assert_eq!(Numbers::Bf16.split(&number), (vec![127], vec![0x81]));
        for bits in 0..=u16::MAX {
            let (coded, stored) = Numbers::Bf16.split(&bits.to_le_bytes());
            assert_eq!(Numbers::Bf16.join(coded[0], stored[0]), bits.to_le_bytes());
        }
    }

    #[test]
    fn headers_and_safetensors_name_them_differently_and_uniquely() {
        for numbers in Numbers::ALL {
            assert_eq!(Numbers::from_code(numbers.code()), Some(numbers));
            assert_eq!(serde_json::to_value(numbers).unwrap(), numbers.dtype());
        }
        assert_eq!(Numbers::from_code(0), None);
    }
}
