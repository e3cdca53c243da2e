//! The one reader of values. It either builds a [`Value`](super::Value) or only checks; both obey the same rules.

use super::array::{self, DType};
use super::fail::Fail;
use super::reader::{ARRAY, BYTES, Head, MAP, NEGATIVE, Reader, SIMPLE, TAG, TEXT, UNSIGNED};
use super::time;
use crate::class::ClassHash;
use crate::{ErrorCode, Result, limits};
use std::borrow::Cow;
use std::collections::HashSet;

/// A value that holds no other value.
pub(super) enum Leaf<'b> {
    Null,
    Bool(bool),
    Int(i64),
    Big(Big<'b>),
    Float(f64),
    Text(Cow<'b, str>),
    Bytes(Cow<'b, [u8]>),
    DateTime(i64),
    Date(i32),
    Uuid([u8; 16]),
    Decimal { exponent: i64, mantissa: Big<'b> },
    Duration(i64),
    Array { dtype: DType, big_endian: bool, shape: Vec<u64>, data: Cow<'b, [u8]> },
    Ref(Cow<'b, str>),
}

/// An integer of any size: `magnitude`, or `-1 - magnitude` when negative; big-endian.
pub(super) struct Big<'b> {
    pub(super) negative: bool,
    pub(super) magnitude: Cow<'b, [u8]>,
}

/// What is made of a value while it is read.
pub(super) trait Build {
    type Out;
    type Items;
    type Fields;
    fn leaf(leaf: Leaf<'_>) -> Self::Out;
    fn items(capacity: usize) -> Self::Items;
    fn item(items: &mut Self::Items, item: Self::Out);
    fn fields(capacity: usize) -> Self::Fields;
    fn field(fields: &mut Self::Fields, key: &str, value: Self::Out);
    fn list(items: Self::Items) -> Self::Out;
    fn set(items: Self::Items) -> Self::Out;
    fn map(fields: Self::Fields) -> Self::Out;
    fn object(class: ClassHash, fields: Self::Fields) -> Self::Out;
    /// Each of the rows is a list.
    fn table(columns: Vec<String>, rows: Self::Items) -> Self::Out;
}

/// Builds nothing.
struct Nothing;

impl Build for Nothing {
    type Out = ();
    type Items = ();
    type Fields = ();
    fn leaf(_: Leaf<'_>) {}
    fn items(_: usize) {}
    fn item((): &mut (), (): ()) {}
    fn fields(_: usize) {}
    fn field((): &mut (), _: &str, (): ()) {}
    fn list((): ()) {}
    fn set((): ()) {}
    fn map((): ()) {}
    fn object(_: ClassHash, (): ()) {}
    fn table(_: Vec<String>, (): ()) {}
}

/// Tells whether there is an object within.
struct Objects;

impl Build for Objects {
    type Out = bool;
    type Items = bool;
    type Fields = bool;
    fn leaf(_: Leaf<'_>) -> bool {
        false
    }
    fn items(_: usize) -> bool {
        false
    }
    fn item(items: &mut bool, item: bool) {
        *items |= item;
    }
    fn fields(_: usize) -> bool {
        false
    }
    fn field(fields: &mut bool, _: &str, value: bool) {
        *fields |= value;
    }
    fn list(items: bool) -> bool {
        items
    }
    fn set(items: bool) -> bool {
        items
    }
    fn map(fields: bool) -> bool {
        fields
    }
    fn object(_: ClassHash, _: bool) -> bool {
        true
    }
    fn table(_: Vec<String>, rows: bool) -> bool {
        rows
    }
}

/// Checks that the bytes are exactly one value, without building it.
///
/// # Errors
/// As [`Value::decode`](super::Value::decode).
pub fn check(bytes: &[u8]) -> Result<()> {
    whole::<Nothing>(bytes)
}

/// Checks that the bytes are exactly one map: the state of an object.
///
/// # Errors
/// As [`check`], and `bad_frame` for a value of another type.
pub fn check_map(bytes: &[u8]) -> Result<()> {
    check_major::<Nothing>(bytes, MAP, "a map is needed")
}

/// As [`check_map`]; tells whether an object lies within, at any depth.
///
/// # Errors
/// As [`check_map`].
pub fn check_fields(bytes: &[u8]) -> Result<bool> {
    check_major::<Objects>(bytes, MAP, "a map is needed")
}

/// Checks that the bytes are exactly one list: the arguments of a call.
///
/// # Errors
/// As [`check`], and `bad_frame` for a value of another type.
pub fn check_list(bytes: &[u8]) -> Result<()> {
    check_major::<Nothing>(bytes, ARRAY, "a list is needed")
}

fn check_major<B: Build>(bytes: &[u8], major: u8, needed: &str) -> Result<B::Out> {
    match bytes.first() {
        Some(first) if first >> 5 != major => Err(Fail::bad(needed).into()),
        _ => whole::<B>(bytes),
    }
}

/// Reads exactly one value.
pub(super) fn whole<B: Build>(bytes: &[u8]) -> Result<B::Out> {
    let (out, length) = first::<B>(bytes)?;
    match bytes.len() - length {
        0 => Ok(out),
        more => Err(Fail::bad(format!("{more} bytes follow the value")).into()),
    }
}

/// Reads the value that the bytes begin with; also gives its length.
pub(super) fn first<B: Build>(bytes: &[u8]) -> Result<(B::Out, usize)> {
    let mut walk = Walk { reader: Reader::new(bytes) };
    let out = walk.value::<B>(0)?;
    Ok((out, walk.reader.position()))
}

struct Walk<'b> {
    reader: Reader<'b>,
}

impl<'b> Walk<'b> {
    /// `depth` counts the lists, maps, sets and objects around the value.
    fn value<B: Build>(&mut self, depth: usize) -> Result<B::Out, Fail> {
        let head = self.reader.head()?;
        Ok(match head.major {
            UNSIGNED | NEGATIVE => B::leaf(integer(&head)),
            BYTES => B::leaf(Leaf::Bytes(self.reader.byte_string(&head)?)),
            TEXT => B::leaf(Leaf::Text(self.reader.text_string(&head)?)),
            ARRAY => B::list(self.items::<B>(&head, deeper(depth)?)?),
            MAP => B::map(self.fields::<B>(&head, deeper(depth)?)?),
            TAG => self.tagged::<B>(head.argument, depth)?,
            _ => B::leaf(simple(&head)?),
        })
    }

    fn items<B: Build>(&mut self, head: &Head, depth: usize) -> Result<B::Items, Fail> {
        let mut items = B::items(self.capacity(head)?);
        let mut count = 0;
        while !self.at_end(head, count)? {
            let item = self.value::<B>(depth).map_err(|fail| fail.index(count as usize))?;
            B::item(&mut items, item);
            count += 1;
        }
        Ok(items)
    }

    fn fields<B: Build>(&mut self, head: &Head, depth: usize) -> Result<B::Fields, Fail> {
        let mut fields = B::fields(self.capacity(head)?);
        let mut keys = Keys::new();
        let mut count = 0;
        while !self.at_end(head, count)? {
            let key_head = self.reader.head()?;
            if key_head.major != TEXT {
                return Err(Fail::bad("a key of a map is not a text"));
            }
            let key = self.reader.text_string(&key_head)?;
            if !keys.insert(&key) {
                return Err(Fail::bad("a key stands twice in a map").key(&key));
            }
            let value = self.value::<B>(depth).map_err(|fail| fail.key(&key))?;
            B::field(&mut fields, &key, value);
            count += 1;
        }
        Ok(fields)
    }

    /// How many elements to make room for: what the head says, as far as bytes are there to back it.
    fn capacity(&self, head: &Head) -> Result<usize, Fail> {
        let count = usize::try_from(head.argument).map_err(|_| Fail::cut())?;
        if count > self.reader.left() {
            return Err(Fail::cut());
        }
        // Nested heads may each claim all that is left, so only a little is reserved ahead.
        Ok(count.min(64))
    }

    fn at_end(&mut self, head: &Head, count: u64) -> Result<bool, Fail> {
        if head.is_indefinite() { self.reader.at_break() } else { Ok(count == head.argument) }
    }

    fn tagged<B: Build>(&mut self, tag: u64, depth: usize) -> Result<B::Out, Fail> {
        Ok(match tag {
            0 => {
                let text = self.text("a date and time (tag 0)")?;
                B::leaf(Leaf::DateTime(time::parse_datetime(&text).ok_or_else(|| {
                    Fail::bad(format!("{:?} is not an RFC 3339 date and time", brief(&text)))
                })?))
            }
            1 => B::leaf(Leaf::DateTime(self.epoch()?)),
            2 | 3 => B::leaf(normal(self.big(tag == 3)?)),
            4 => self.decimal::<B>()?,
            27 => self.named::<B>(depth)?,
            37 => {
                let bytes = self.byte_string("a UUID (tag 37)")?;
                let bytes = <[u8; 16]>::try_from(&bytes[..])
                    .map_err(|_| Fail::bad(format!("a UUID has 16 bytes, not {}", bytes.len())))?;
                B::leaf(Leaf::Uuid(bytes))
            }
            40 => self.shaped::<B>()?,
            64..=87 => {
                let (dtype, big_endian, data) = self.elements(tag)?;
                let shape = vec![(data.len() / dtype.size()) as u64];
                B::leaf(Leaf::Array { dtype, big_endian, shape, data })
            }
            258 => {
                let head = self.array("a set (tag 258)")?;
                B::set(self.items::<B>(&head, deeper(depth)?)?)
            }
            1002 => B::leaf(Leaf::Duration(self.duration()?)),
            1004 => {
                let text = self.text("a date (tag 1004)")?;
                B::leaf(Leaf::Date(
                    time::parse_date(&text)
                        .ok_or_else(|| Fail::bad(format!("{:?} is not an RFC 3339 date", brief(&text))))?,
                ))
            }
            _ => return Err(unknown_tag(tag)),
        })
    }

    fn text(&mut self, what: &str) -> Result<Cow<'b, str>, Fail> {
        let head = self.reader.head()?;
        if head.major != TEXT {
            return Err(Fail::bad(format!("{what} must hold a text")));
        }
        self.reader.text_string(&head)
    }

    fn byte_string(&mut self, what: &str) -> Result<Cow<'b, [u8]>, Fail> {
        let head = self.reader.head()?;
        if head.major != BYTES {
            return Err(Fail::bad(format!("{what} must hold bytes")));
        }
        self.reader.byte_string(&head)
    }

    fn array(&mut self, what: &str) -> Result<Head, Fail> {
        let head = self.reader.head()?;
        if head.major != ARRAY {
            return Err(Fail::bad(format!("{what} must hold an array")));
        }
        Ok(head)
    }

    /// The head of an array of exactly `length`; `end` closes it when it is indefinite.
    fn array_of(&mut self, length: u64, what: &str) -> Result<Head, Fail> {
        let head = self.array(what)?;
        if !head.is_indefinite() && head.argument != length {
            return Err(Fail::bad(format!("{what} must hold an array of {length}")));
        }
        Ok(head)
    }

    fn end(&mut self, head: &Head, what: &str) -> Result<(), Fail> {
        if head.is_indefinite() && !self.reader.at_break()? {
            return Err(Fail::bad(format!("{what} holds too many elements")));
        }
        Ok(())
    }

    fn int(&mut self, what: &str) -> Result<i64, Fail> {
        match integer(&self.reader.head()?) {
            Leaf::Int(int) => Ok(int),
            _ => Err(Fail::bad(format!("{what} must be an integer of 64 bits"))),
        }
    }

    fn epoch(&mut self) -> Result<i64, Fail> {
        let head = self.reader.head()?;
        let leaf = match head.major {
            UNSIGNED | NEGATIVE => integer(&head),
            SIMPLE => simple(&head)?,
            _ => Leaf::Null,
        };
        let micros = match leaf {
            Leaf::Int(seconds) => seconds.checked_mul(1_000_000),
            Leaf::Float(seconds) => {
                let micros = (seconds * 1e6).round();
                (micros.abs() < 9e18).then_some(micros as i64)
            }
            _ => None,
        };
        micros.filter(|micros| time::in_range(*micros)).ok_or_else(|| {
            Fail::bad("a time (tag 1) must be a number of seconds from year 0000 to year 9999")
        })
    }

    fn big(&mut self, negative: bool) -> Result<Big<'b>, Fail> {
        let mut magnitude = self.byte_string("an integer (tag 2 or 3)")?;
        let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
        match &mut magnitude {
            Cow::Borrowed(bytes) => *bytes = &bytes[zeros..],
            Cow::Owned(bytes) => drop(bytes.drain(..zeros)),
        }
        if magnitude.len() > limits::MAX_INTEGER {
            return Err(Fail::new(
                ErrorCode::TooLarge,
                format!("an integer has {} bytes; the limit is {}", magnitude.len(), limits::MAX_INTEGER),
            )
            .limit(limits::MAX_INTEGER as u64));
        }
        Ok(Big { negative, magnitude })
    }

    fn decimal<B: Build>(&mut self) -> Result<B::Out, Fail> {
        const WHAT: &str = "a decimal (tag 4)";
        let outer = self.array_of(2, WHAT)?;
        let exponent = self.int("the exponent of a decimal")?;
        let head = self.reader.head()?;
        let mantissa = match (head.major, head.argument) {
            (UNSIGNED | NEGATIVE, _) => small(&head),
            (TAG, 2) => self.big(false)?,
            (TAG, 3) => self.big(true)?,
            _ => return Err(Fail::bad("the mantissa of a decimal must be an integer")),
        };
        self.end(&outer, WHAT)?;
        Ok(B::leaf(Leaf::Decimal { exponent, mantissa }))
    }

    fn duration(&mut self) -> Result<i64, Fail> {
        const WRONG: &str = "a duration (tag 1002) must be {1: seconds} or {1: seconds, -6: microseconds}";
        let head = self.reader.head()?;
        if head.major != MAP {
            return Err(Fail::bad(WRONG));
        }
        let (mut seconds, mut micros) = (None, None);
        let mut count = 0;
        while !self.at_end(&head, count)? {
            let slot = match self.int("a key of a duration")? {
                1 => &mut seconds,
                -6 => &mut micros,
                _ => return Err(Fail::bad(WRONG)),
            };
            if slot.replace(self.int("a part of a duration")?).is_some() {
                return Err(Fail::bad(WRONG));
            }
            count += 1;
        }
        let micros = micros.unwrap_or(0);
        if !(0..1_000_000).contains(&micros) {
            return Err(Fail::bad("the microseconds of a duration must be from 0 to 999999"));
        }
        let seconds = i128::from(seconds.ok_or_else(|| Fail::bad(WRONG))?);
        i64::try_from(seconds * 1_000_000 + i128::from(micros))
            .map_err(|_| Fail::bad("a duration is past 64 bits of microseconds"))
    }

    fn elements(&mut self, tag: u64) -> Result<(DType, bool, Cow<'b, [u8]>), Fail> {
        let (dtype, big_endian) = DType::from_tag(tag).ok_or_else(|| unknown_tag(tag))?;
        let data = self.byte_string("a typed array")?;
        if !data.len().is_multiple_of(dtype.size()) {
            return Err(Fail::bad(format!(
                "the {} bytes of a typed array are not a multiple of {}",
                data.len(),
                dtype.size()
            )));
        }
        Ok((dtype, big_endian, data))
    }

    fn shaped<B: Build>(&mut self) -> Result<B::Out, Fail> {
        const WHAT: &str = "an n-dimensional array (tag 40)";
        let outer = self.array_of(2, WHAT)?;
        let dimensions = self.array("the shape of an array")?;
        let mut shape = Vec::with_capacity(self.capacity(&dimensions)?);
        while !self.at_end(&dimensions, shape.len() as u64)? {
            let head = self.reader.head()?;
            if head.major != UNSIGNED {
                return Err(Fail::bad("the length of a dimension must be a whole number"));
            }
            if shape.len() == limits::MAX_DEPTH {
                return Err(Fail::bad(format!("an array has more than {} dimensions", limits::MAX_DEPTH)));
            }
            shape.push(head.argument);
        }
        let head = self.reader.head()?;
        if head.major != TAG {
            return Err(Fail::bad("the elements of an n-dimensional array must be a typed array"));
        }
        let (dtype, big_endian, data) = self.elements(head.argument)?;
        self.end(&outer, WHAT)?;
        if array::bytes_of(dtype, &shape) != Some(data.len() as u64) {
            return Err(Fail::bad(format!(
                "an array of shape {shape:?} does not have {} bytes of {}",
                data.len(),
                dtype.as_str()
            )));
        }
        Ok(B::leaf(Leaf::Array { dtype, big_endian, shape, data }))
    }

    /// Tag 27: what Emerge adds, by name.
    fn named<B: Build>(&mut self, depth: usize) -> Result<B::Out, Fail> {
        const WHAT: &str = "a named value (tag 27)";
        let outer = self.array(WHAT)?;
        let name = self.text("the name of a named value")?;
        let needs = match &*name {
            "emerge/ref" => 2,
            "emerge/object" | "emerge/table" => 3,
            other => {
                return Err(Fail::bad(format!(
                    "the name {:?} of a named value (tag 27) is unknown",
                    brief(other)
                )));
            }
        };
        if !outer.is_indefinite() && outer.argument != needs {
            return Err(Fail::bad(format!("{name} must have {needs} elements")));
        }
        let out = if needs == 2 {
            B::leaf(Leaf::Ref(self.text("a reference")?))
        } else if name == "emerge/table" {
            self.table::<B>(depth)?
        } else {
            let hash = self.byte_string("the class of an object")?;
            let hash = <[u8; 16]>::try_from(&hash[..])
                .map_err(|_| Fail::bad(format!("the class of an object has 16 bytes, not {}", hash.len())))?;
            let head = self.reader.head()?;
            if head.major != MAP {
                return Err(Fail::bad("the fields of an object must be a map"));
            }
            B::object(ClassHash(hash), self.fields::<B>(&head, deeper(depth)?)?)
        };
        self.end(&outer, WHAT)?;
        Ok(out)
    }

    /// The columns and the rows of a table; a row counts as a list inside it.
    fn table<B: Build>(&mut self, depth: usize) -> Result<B::Out, Fail> {
        let head = self.array("the columns of a table")?;
        let mut columns = Vec::with_capacity(self.capacity(&head)?);
        let mut known = HashSet::new();
        while !self.at_end(&head, columns.len() as u64)? {
            let name = self.text("the name of a column")?.into_owned();
            if !known.insert(name.clone()) {
                let fail = Fail::bad("a column stands twice in a table");
                return Err(fail.index(columns.len()).key("columns"));
            }
            columns.push(name);
        }
        let depth = deeper(depth)?;
        let head = self.array("the rows of a table")?;
        let mut rows = B::items(self.capacity(&head)?);
        let mut count = 0;
        while !self.at_end(&head, count)? {
            let row = self.row::<B>(columns.len() as u64, depth);
            B::item(&mut rows, row.map_err(|fail| fail.index(count as usize).key("rows"))?);
            count += 1;
        }
        Ok(B::table(columns, rows))
    }

    fn row<B: Build>(&mut self, columns: u64, depth: usize) -> Result<B::Out, Fail> {
        let head = self.array("a row of a table")?;
        let depth = deeper(depth)?;
        let mut items = B::items(self.capacity(&head)?);
        let mut count = 0;
        while !self.at_end(&head, count)? {
            let item = self.value::<B>(depth).map_err(|fail| fail.index(count as usize))?;
            B::item(&mut items, item);
            count += 1;
        }
        if count != columns {
            return Err(Fail::bad(format!("a row has {count} values, and the table {columns} columns")));
        }
        Ok(B::list(items))
    }
}

fn deeper(depth: usize) -> Result<usize, Fail> {
    if depth == limits::MAX_DEPTH { Err(Fail::too_deep()) } else { Ok(depth + 1) }
}

fn unknown_tag(tag: u64) -> Fail {
    Fail::bad(format!("the tag {tag} is unknown"))
}

/// At most 40 characters of what a stranger sent.
fn brief(text: &str) -> String {
    text.chars().take(40).collect()
}

fn small(head: &Head) -> Big<'static> {
    Big { negative: head.major == NEGATIVE, magnitude: Cow::Owned(head.argument.to_be_bytes().to_vec()) }
}

#[inline]
fn integer(head: &Head) -> Leaf<'static> {
    match (head.major, i64::try_from(head.argument)) {
        (UNSIGNED, Ok(int)) => Leaf::Int(int),
        (NEGATIVE, Ok(int)) => Leaf::Int(-1 - int),
        (UNSIGNED | NEGATIVE, Err(_)) => Leaf::Big(small(head)),
        // Callers that may meet another major type refuse whatever is not an `Int`.
        _ => Leaf::Null,
    }
}

/// A tagged integer that fits 64 bits is the same value as an untagged one.
fn normal(big: Big<'_>) -> Leaf<'_> {
    if big.magnitude.len() > 8 {
        return Leaf::Big(big);
    }
    let magnitude = big.magnitude.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    match i64::try_from(magnitude) {
        Ok(int) => Leaf::Int(if big.negative { -1 - int } else { int }),
        Err(_) => Leaf::Big(big),
    }
}

fn simple(head: &Head) -> Result<Leaf<'static>, Fail> {
    Ok(match head.info {
        20 => Leaf::Bool(false),
        21 => Leaf::Bool(true),
        22 => Leaf::Null,
        25 => Leaf::Float(half(head.argument as u16)),
        26 => Leaf::Float(f64::from(f32::from_bits(head.argument as u32))),
        27 => Leaf::Float(f64::from_bits(head.argument)),
        _ => return Err(Fail::bad(format!("the simple value {} is unknown", head.argument))),
    })
}

/// A 16-bit float (RFC 8949, appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The keys that a map has had; the usual small map costs no allocation.
struct Keys<'b> {
    few: [&'b str; 16],
    count: usize,
    many: HashSet<String>,
}

impl<'b> Keys<'b> {
    fn new() -> Self {
        Self { few: [""; 16], count: 0, many: HashSet::new() }
    }

    /// False when the key was there already.
    #[allow(clippy::ptr_arg, reason = "a borrowed key lives as long as the input and need not be copied")]
    fn insert(&mut self, key: &Cow<'b, str>) -> bool {
        if self.few[..self.count].contains(&&**key) {
            return false;
        }
        match key {
            Cow::Borrowed(key) if self.count < self.few.len() => {
                self.few[self.count] = key;
                self.count += 1;
                self.many.is_empty() || !self.many.contains(*key)
            }
            _ => self.many.insert(key.to_string()),
        }
    }
}
