//! Typed arrays (RFC 8746).

/// A typed array (RFC 8746).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// The type of the elements.
    pub dtype: DType,
    /// The length of each dimension; the product times the element's size is `data.len()`.
    pub shape: Vec<u64>,
    /// The elements, little-endian.
    pub data: Vec<u8>,
}

/// The element type of an [`Array`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum DType {
    U8,
    U8Clamped,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl DType {
    /// Every element type.
    pub const ALL: &'static [DType] = &[
        DType::U8,
        DType::U8Clamped,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F32,
        DType::F64,
    ];

    /// The name in the JSON form, as numpy has it: `uint8`, `float64`, …; `uint8c` for the clamped bytes of a canvas.
    pub fn as_str(self) -> &'static str {
        match self {
            DType::U8 => "uint8",
            DType::U8Clamped => "uint8c",
            DType::U16 => "uint16",
            DType::U32 => "uint32",
            DType::U64 => "uint64",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::F32 => "float32",
            DType::F64 => "float64",
        }
    }

    /// Finds a type by its name in the JSON form.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|dtype| dtype.as_str() == name)
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            DType::U8 | DType::U8Clamped | DType::I8 => 1,
            DType::U16 | DType::I16 => 2,
            DType::U32 | DType::I32 | DType::F32 => 4,
            DType::U64 | DType::I64 | DType::F64 => 8,
        }
    }

    /// The tag of a little-endian array.
    pub fn tag(self) -> u64 {
        match self {
            DType::U8 => 64,
            DType::U8Clamped => 68,
            DType::U16 => 69,
            DType::U32 => 70,
            DType::U64 => 71,
            DType::I8 => 72,
            DType::I16 => 77,
            DType::I32 => 78,
            DType::I64 => 79,
            DType::F32 => 85,
            DType::F64 => 86,
        }
    }

    /// The type of a tag, and whether the tag's elements are big-endian.
    pub(super) fn from_tag(tag: u64) -> Option<(Self, bool)> {
        Some(match tag {
            64 => (DType::U8, false),
            65 => (DType::U16, true),
            66 => (DType::U32, true),
            67 => (DType::U64, true),
            68 => (DType::U8Clamped, false),
            69 => (DType::U16, false),
            70 => (DType::U32, false),
            71 => (DType::U64, false),
            72 => (DType::I8, false),
            73 => (DType::I16, true),
            74 => (DType::I32, true),
            75 => (DType::I64, true),
            77 => (DType::I16, false),
            78 => (DType::I32, false),
            79 => (DType::I64, false),
            81 => (DType::F32, true),
            82 => (DType::F64, true),
            85 => (DType::F32, false),
            86 => (DType::F64, false),
            _ => return None,
        })
    }
}

/// The bytes that an array of this shape has; none when the count overflows.
pub(super) fn bytes_of(dtype: DType, shape: &[u64]) -> Option<u64> {
    // A zero anywhere makes the array empty, however long the other dimensions are.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(dtype.size() as u64, |bytes, length| bytes.checked_mul(*length))
}

/// Swaps the bytes of every element.
pub(super) fn swap(dtype: DType, data: &mut [u8]) {
    data.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
}
