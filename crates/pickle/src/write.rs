//! Writing pickles that any Python reads with `pickle.loads`.

use emerge_proto::value::{Array, calendar};
use emerge_proto::{Error, ErrorCode, Result, Value};
use num_bigint::BigInt;

/// Globals that are asked for once and then come from the memo.
#[derive(Clone, Copy)]
pub(crate) enum Name {
    DateTime,
    Utc,
    Date,
    Delta,
    Decimal,
    Uuid,
    Ref,
    Object,
    Array,
    Table,
}

impl Name {
    const COUNT: usize = 10;

    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Name::DateTime => ("datetime", "datetime"),
            Name::Utc => ("datetime", "timezone.utc"),
            Name::Date => ("datetime", "date"),
            Name::Delta => ("datetime", "timedelta"),
            Name::Decimal => ("decimal", "Decimal"),
            Name::Uuid => ("emerge._wire", "uuid"),
            Name::Ref => ("emerge._wire", "ref"),
            Name::Object => ("emerge._wire", "object"),
            Name::Array => ("emerge._wire", "array"),
            Name::Table => ("emerge._wire", "table"),
        }
    }
}

/// A pickle being written.
pub(crate) struct Writer {
    out: Vec<u8>,
    /// Where the memo has each global.
    memo: [Option<u8>; Name::COUNT],
    memoized: u8,
}

const MICROS: i64 = 1_000_000;

impl Writer {
    pub(crate) fn new() -> Self {
        Self { out: vec![0x80, 4], memo: [None; Name::COUNT], memoized: 0 }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.push(b'.');
        self.out
    }

    pub(crate) fn none(&mut self) {
        self.out.push(b'N');
    }

    pub(crate) fn bool(&mut self, bool: bool) {
        self.out.push(if bool { 0x88 } else { 0x89 });
    }

    pub(crate) fn int(&mut self, int: i64) {
        if let Ok(byte) = u8::try_from(int) {
            self.out.extend([b'K', byte]);
        } else if let Ok(int) = i32::try_from(int) {
            self.out.push(b'J');
            self.out.extend(int.to_le_bytes());
        } else {
            self.out.extend([0x8a, 8]);
            self.out.extend(int.to_le_bytes());
        }
    }

    pub(crate) fn unsigned(&mut self, int: u64) {
        match i64::try_from(int) {
            Ok(int) => self.int(int),
            Err(_) => self.big(&int.into()),
        }
    }

    fn big(&mut self, int: &BigInt) {
        let bytes = int.to_signed_bytes_le();
        match u8::try_from(bytes.len()) {
            Ok(length) => self.out.extend([0x8a, length]),
            Err(_) => {
                self.out.push(0x8b);
                self.out.extend((bytes.len() as u32).to_le_bytes());
            }
        }
        self.out.extend(bytes);
    }

    pub(crate) fn float(&mut self, float: f64) {
        self.out.push(b'G');
        self.out.extend(float.to_bits().to_be_bytes());
    }

    fn counted(&mut self, short: u8, long: u8, bytes: &[u8]) {
        match u8::try_from(bytes.len()) {
            Ok(length) => self.out.extend([short, length]),
            Err(_) => {
                // No message is near 4 GB.
                self.out.push(long);
                self.out.extend((bytes.len() as u32).to_le_bytes());
            }
        }
        self.out.extend(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.counted(0x8c, b'X', text.as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.counted(b'C', b'B', bytes);
    }

    pub(crate) fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.none(),
        }
    }

    pub(crate) fn tuple<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        self.out.push(b'(');
        let out = write(self);
        self.out.push(b't');
        out
    }

    /// A list of what `write` writes for each item.
    pub(crate) fn list<T>(
        &mut self,
        items: &[T],
        mut write: impl FnMut(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        self.out.push(b']');
        if !items.is_empty() {
            self.out.push(b'(');
            items.iter().try_for_each(|item| write(self, item))?;
            self.out.push(b'e');
        }
        Ok(())
    }

    fn global(&mut self, name: Name) {
        if let Some(at) = self.memo[name as usize] {
            self.out.extend([b'h', at]);
            return;
        }
        let (module, member) = name.parts();
        self.text(module);
        self.text(member);
        self.out.extend([0x93, 0x94]);
        self.memo[name as usize] = Some(self.memoized);
        self.memoized += 1;
    }

    fn call(&mut self, name: Name, args: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.global(name);
        self.tuple(args)?;
        self.out.push(b'R');
        Ok(())
    }

    pub(crate) fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Null => self.none(),
            Value::Bool(bool) => self.bool(*bool),
            Value::Int(int) => self.int(*int),
            Value::BigInt(int) => self.big(int),
            Value::Float(float) => self.float(*float),
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::List(items) => self.list(items, Self::value)?,
            Value::Map(entries) => self.map(entries)?,
            Value::Set(members) => self.set(members)?,
            Value::DateTime(micros) => self.datetime(*micros)?,
            Value::Date(days) => {
                let (year, month, day) = civil((*days).into())?;
                let [high, low] = year.to_be_bytes();
                self.call(Name::Date, |writer| {
                    writer.bytes(&[high, low, month, day]);
                    Ok(())
                })?;
            }
            Value::Uuid(uuid) => self.call(Name::Uuid, |writer| {
                writer.bytes(uuid);
                Ok(())
            })?,
            Value::Decimal { exponent, mantissa } => self.call(Name::Decimal, |writer| {
                writer.text(&format!("{mantissa}E{exponent}"));
                Ok(())
            })?,
            Value::Duration(micros) => self.call(Name::Delta, |writer| {
                writer.int(0);
                writer.int(micros.div_euclid(MICROS));
                writer.int(micros.rem_euclid(MICROS));
                Ok(())
            })?,
            Value::Array(array) => self.array(array)?,
            Value::Ref(path) => self.call(Name::Ref, |writer| {
                writer.text(path);
                Ok(())
            })?,
            Value::Object { class, fields } => self.call(Name::Object, |writer| {
                writer.bytes(&class.0);
                writer.map(fields)
            })?,
            Value::Table { columns, rows } => self.call(Name::Table, |writer| {
                writer.list(columns, |writer, column| {
                    writer.text(column);
                    Ok(())
                })?;
                writer.list(rows, |writer, row| writer.list(row, Self::value))
            })?,
        }
        Ok(())
    }

    fn map(&mut self, entries: &[(String, Value)]) -> Result<()> {
        self.out.push(b'}');
        if entries.is_empty() {
            return Ok(());
        }
        self.out.push(b'(');
        for (key, value) in entries {
            self.text(key);
            self.value(value)?;
        }
        self.out.push(b'u');
        Ok(())
    }

    fn set(&mut self, members: &[Value]) -> Result<()> {
        self.out.push(0x8f);
        if !members.is_empty() {
            self.out.push(b'(');
            members.iter().try_for_each(|member| self.member(member))?;
            self.out.push(0x90);
        }
        Ok(())
    }

    /// A member of a set, which Python must be able to hash: a list is a tuple there, a set a frozenset.
    fn member(&mut self, member: &Value) -> Result<()> {
        match member {
            Value::List(items) => {
                self.tuple(|writer| items.iter().try_for_each(|item| writer.member(item)))?;
            }
            Value::Set(members) => {
                self.out.push(b'(');
                members.iter().try_for_each(|member| self.member(member))?;
                self.out.push(0x91);
            }
            Value::Map(_) | Value::Array(_) | Value::Object { .. } | Value::Table { .. } => {
                return Err(unmappable(format!("a set that holds a {}", member.type_name())));
            }
            plain => self.value(plain)?,
        }
        Ok(())
    }

    fn datetime(&mut self, micros: i64) -> Result<()> {
        const DAY: i64 = 86_400 * MICROS;
        let (year, month, day) = civil(micros.div_euclid(DAY))?;
        let in_day = micros.rem_euclid(DAY);
        let (seconds, fraction) = (in_day / MICROS, in_day % MICROS);
        let [high, low] = year.to_be_bytes();
        let [.., f2, f1, f0] = fraction.to_be_bytes();
        let [hour, minute, second] = [seconds / 3600, seconds / 60 % 60, seconds % 60].map(|part| part as u8);
        self.call(Name::DateTime, |writer| {
            writer.bytes(&[high, low, month, day, hour, minute, second, f2, f1, f0]);
            writer.global(Name::Utc);
            Ok(())
        })
    }

    fn array(&mut self, array: &Array) -> Result<()> {
        self.call(Name::Array, |writer| {
            writer.text(array.dtype.as_str());
            writer.tuple(|writer| array.shape.iter().for_each(|length| writer.unsigned(*length)));
            writer.bytes(&array.data);
            Ok(())
        })
    }
}

/// A day of Python's calendar, which begins with year 1.
fn civil(days: i64) -> Result<(u16, u8, u8)> {
    let (year, month, day) = calendar::civil(days);
    match u16::try_from(year) {
        Ok(year @ 1..=9999) => Ok((year, month as u8, day as u8)),
        _ => Err(unmappable(format!("a day in the year {year}"))),
    }
}

#[cold]
fn unmappable(what: String) -> Error {
    Error::new(ErrorCode::UnmappableValue, format!("{what} has no place in Python"))
}
