//! From the heap of a pickle to values.

use crate::failing::{bad, past};
use crate::machine::{Heap, Made, Node};
use emerge_proto::value::{Array, DType, FieldPath, Step, calendar};
use emerge_proto::{ClassHash, Error, ErrorCode, Result, Value, limits};
use num_bigint::BigInt;
use std::collections::HashMap;
use std::collections::HashSet;

/// Reads values out of a heap, and knows where it is for the sake of errors.
pub(crate) struct Reader<'h, 'p> {
    heap: &'h Heap<'p>,
    steps: Vec<Step>,
    /// Nodes that hold the one being read: one of them again is a cycle.
    open: Vec<u32>,
    /// A node that is read twice counts twice, so that a few bytes cannot stand for gigabytes.
    spent: usize,
}

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;

impl<'h, 'p> Reader<'h, 'p> {
    pub(crate) fn new(heap: &'h Heap<'p>) -> Self {
        Self { heap, steps: Vec::new(), open: Vec::new(), spent: 0 }
    }

    #[cold]
    fn fail(&self, code: ErrorCode, message: String) -> Error {
        if self.steps.is_empty() {
            return Error::new(code, message);
        }
        let path = FieldPath(&self.steps).to_string();
        Error::new(code, format!("{message} at {path}")).field(path)
    }

    #[cold]
    fn unmappable(&self, what: &str) -> Error {
        self.fail(ErrorCode::UnmappableValue, format!("{what} has no place in an object"))
    }

    #[cold]
    fn too_large(&self, limit: usize) -> Error {
        self.fail(ErrorCode::TooLarge, past(limit)).limit(limit as u64)
    }

    /// One value with all that is in it.
    pub(crate) fn value(&mut self, at: u32) -> Result<Value> {
        self.spend(1)?;
        Ok(match self.heap.node(at) {
            Node::None => Value::Null,
            Node::Bool(bool) => Value::Bool(*bool),
            Node::Int(int) => {
                // As many bytes as it has on the wire, its head not counted.
                self.spend(match int.unsigned_abs() {
                    0..24 => 0,
                    24..0x100 => 1,
                    0x100..0x1_0000 => 2,
                    0x1_0000..0x1_0000_0000 => 4,
                    _ => 8,
                })?;
                Value::Int(*int)
            }
            Node::Big(int) => {
                self.spend(usize::try_from(int.bits().div_ceil(8)).unwrap_or(usize::MAX))?;
                if int.bits().div_ceil(8) > limits::MAX_INTEGER as u64 {
                    return Err(self.too_large(limits::MAX_INTEGER));
                }
                Value::BigInt(int.clone())
            }
            Node::Float(float) => {
                self.spend(size_of::<f64>())?;
                Value::Float(*float)
            }
            Node::Text(text) => {
                self.spend(text.len())?;
                Value::Text((*text).to_owned())
            }
            Node::NotText => return Err(self.unmappable("a text with a lone surrogate")),
            Node::Bytes(bytes) => {
                self.spend(bytes.len())?;
                Value::Bytes(bytes.to_vec())
            }
            Node::List(items) | Node::Tuple(items) => {
                self.inside(at, |reader| reader.items(items).map(Value::List))?
            }
            Node::Set(items) => {
                let items = self.inside(at, |reader| reader.items(items))?;
                if let Some(index) = items.iter().position(|member| !can_be_member(member)) {
                    self.steps.push(Step::Index(index));
                    return Err(
                        self.unmappable(&format!("a member of type {} in a set", items[index].type_name()))
                    );
                }
                Value::Set(distinct(items))
            }
            Node::Map(entries) => self.inside(at, |reader| reader.fields(entries).map(Value::Map))?,
            Node::Global { .. } => {
                let (module, name) = self.heap.global(at).ok_or_else(|| bad("a global has no name"))?;
                return Err(self.unmappable(&format!("{module}.{name} itself")));
            }
            Node::Made(made) => self.inside(at, |reader| reader.made(made))?,
        })
    }

    fn spend(&mut self, bytes: usize) -> Result<()> {
        self.spent = self.spent.saturating_add(bytes);
        if self.spent > limits::MAX_MESSAGE { Err(self.too_large(limits::MAX_MESSAGE)) } else { Ok(()) }
    }

    fn inside<T>(&mut self, at: u32, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.open.contains(&at) {
            return Err(self.unmappable("a value that holds itself"));
        }
        if self.open.len() == limits::MAX_DEPTH {
            let limit = limits::MAX_DEPTH;
            let message = format!("the value nests deeper than {limit} levels");
            return Err(self.fail(ErrorCode::TooDeep, message).limit(limit as u64));
        }
        self.open.push(at);
        let out = read(self)?;
        self.open.pop();
        Ok(out)
    }

    fn items(&mut self, items: &[u32]) -> Result<Vec<Value>> {
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            self.steps.push(Step::Index(index));
            values.push(self.value(*item)?);
            self.steps.pop();
        }
        Ok(values)
    }

    /// The entries of a dict; a later one of the same key wins and keeps the place of the first, as in a dict.
    pub(crate) fn fields(&mut self, entries: &[(u32, u32)]) -> Result<Vec<(String, Value)>> {
        let mut fields: Vec<(String, Value)> = Vec::with_capacity(entries.len());
        let mut places = HashMap::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.key(*key)?;
            self.spend(key.len())?;
            self.steps.push(Step::Key(key.to_owned()));
            let value = self.value(*value)?;
            self.steps.pop();
            match places.get(key) {
                Some(place) => {
                    let known: &mut (String, Value) = &mut fields[*place];
                    known.1 = value;
                }
                None => {
                    places.insert(key, fields.len());
                    fields.push((key.to_owned(), value));
                }
            }
        }
        Ok(fields)
    }

    fn key(&self, at: u32) -> Result<&'p str> {
        let text = match self.heap.node(at) {
            Node::Text(key) => Some(*key),
            Node::Made(made) if self.heap.global(made.callable) == Some(("emerge._wire", "same")) => {
                self.args(made).first().and_then(|at| self.heap.text(*at))
            }
            Node::Made(made) if self.heap.global(made.callable) == Some(("emerge._wire", "no")) => {
                let what = self.args(made).first().and_then(|at| self.heap.text(*at)).unwrap_or("a dict key");
                return Err(self.unmappable(what));
            }
            _ => None,
        };
        text.ok_or_else(|| {
            let kind = self.kind_of(at);
            self.unmappable(&format!("a dict key of type {kind} (keys are str)"))
        })
    }

    /// The name of a key's type, as a person knows it.
    fn kind_of(&self, at: u32) -> &'p str {
        let Node::Made(made) = self.heap.node(at) else { return kind_of(self.heap.node(at)) };
        match self.heap.global(made.callable) {
            // No further within: who writes such pickles may be hostile.
            Some(("emerge._wire", "same")) => {
                self.args(made).first().map_or("another object", |inner| kind_of(self.heap.node(*inner)))
            }
            Some(("emerge._wire", "instant")) => "datetime",
            Some(("emerge._wire", "uuid")) => "UUID",
            Some(("emerge._wire", "ref")) => "Ref",
            Some((module, name)) if module != "emerge._wire" => name,
            _ => "another object",
        }
    }

    fn args(&self, made: &Made) -> &'h [u32] {
        match self.heap.node(made.args) {
            Node::Tuple(args) => args,
            _ => &[],
        }
    }

    fn int(&self, at: Option<&u32>) -> Option<i64> {
        match self.heap.node(*at?) {
            Node::Int(int) => Some(*int),
            _ => None,
        }
    }

    fn bytes(&self, at: Option<&u32>) -> Option<&'p [u8]> {
        match self.heap.node(*at?) {
            Node::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn made(&mut self, made: &Made) -> Result<Value> {
        let Some((module, name)) = self.heap.global(made.callable) else {
            return Err(self.unmappable("what another object makes"));
        };
        let args = self.args(made);
        let odd = || bad(&format!("the arguments of {module}.{name}"));
        Ok(match (module, name) {
            ("emerge._wire", "same") => self.value(*args.first().ok_or_else(odd)?)?,
            ("emerge._wire", "no") => {
                let what = args.first().and_then(|at| self.heap.text(*at)).unwrap_or("a value");
                return Err(self.unmappable(what));
            }
            ("emerge._wire", "ref") => {
                let path = args.first().and_then(|at| self.heap.text(*at)).ok_or_else(odd)?;
                Value::Ref(path.to_owned())
            }
            ("emerge._wire", "instant") => Value::DateTime(self.int(args.first()).ok_or_else(odd)?),
            ("emerge._wire", "uuid") => {
                let bytes = self.bytes(args.first()).and_then(|uuid| uuid.try_into().ok());
                Value::Uuid(bytes.ok_or_else(odd)?)
            }
            ("emerge._wire", "object") => {
                let hash = self.bytes(args.first()).and_then(|hash| hash.try_into().ok()).ok_or_else(odd)?;
                let Some(Node::Map(entries)) = args.get(1).map(|at| self.heap.node(*at)) else {
                    return Err(odd());
                };
                Value::Object { class: ClassHash(hash), fields: self.fields(entries)? }
            }
            ("emerge._wire", "table") => self.table(args)?.ok_or_else(odd)?,
            ("emerge._wire", "array") => self.array(args).ok_or_else(odd)?,
            ("datetime", "datetime") => self.datetime(args)?,
            ("datetime", "date") => {
                let days = self.bytes(args.first()).and_then(date_of).ok_or_else(odd)?;
                Value::Date(i32::try_from(days).map_err(|_| odd())?)
            }
            ("datetime", "timedelta") => Value::Duration(
                self.timedelta(args).ok_or_else(|| self.unmappable("a timedelta past 292,000 years"))?,
            ),
            ("decimal", "Decimal") => {
                let text = args.first().and_then(|at| self.heap.text(*at)).ok_or_else(odd)?;
                decimal(text).ok_or_else(|| self.unmappable(&format!("Decimal({text:.40})")))?
            }
            ("uuid", "UUID") => Value::Uuid(self.uuid(made).ok_or_else(odd)?),
            ("collections", "OrderedDict" | "defaultdict") => Value::Map(self.fields(&made.items)?),
            ("array", "_array_reconstructor") => {
                self.stdlib_array(args).ok_or_else(|| self.unmappable("an array of this element type"))?
            }
            _ => return Err(self.unmappable(&format!("an instance of {module}.{name}"))),
        })
    }

    /// The names of the columns and the rows.
    fn table(&mut self, args: &[u32]) -> Result<Option<Value>> {
        let (Some(columns), Some(rows)) = (self.parts(args.first()), self.parts(args.get(1))) else {
            return Ok(None);
        };
        let columns: Option<Vec<String>> =
            columns.iter().map(|at| self.heap.text(*at).map(str::to_owned)).collect();
        let Some(columns) = columns else {
            return Err(self.unmappable("a table with a column whose name is no str"));
        };
        if columns.iter().collect::<HashSet<_>>().len() != columns.len() {
            return Err(self.unmappable("a table with two columns of one name"));
        }
        let mut table = Vec::with_capacity(rows.len());
        self.steps.push(Step::Key("rows".into()));
        for (at, row) in rows.iter().enumerate() {
            self.steps.push(Step::Index(at));
            let Some(items) = self.parts(Some(row)).filter(|items| items.len() == columns.len()) else {
                let why = format!(
                    "a row that does not have as many values as there are columns ({})",
                    columns.len()
                );
                return Err(self.unmappable(&why));
            };
            table.push(self.inside(*row, |reader| reader.items(items))?);
            self.steps.pop();
        }
        self.steps.pop();
        Ok(Some(Value::Table { columns, rows: table }))
    }

    fn parts(&self, at: Option<&u32>) -> Option<&'h [u32]> {
        match self.heap.node(*at?) {
            Node::List(items) | Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Element type, shape and bytes.
    fn array(&self, args: &[u32]) -> Option<Value> {
        let dtype = DType::parse(self.heap.text(*args.first()?)?)?;
        let Node::Tuple(dimensions) = self.heap.node(*args.get(1)?) else { return None };
        let shape: Option<Vec<u64>> =
            dimensions.iter().map(|at| u64::try_from(self.int(Some(at))?).ok()).collect();
        let (shape, data) = (shape?, self.bytes(args.get(2))?);
        let length =
            shape.iter().try_fold(dtype.size() as u64, |bytes, length| bytes.checked_mul(*length))?;
        (shape.len() <= limits::MAX_DEPTH && length == data.len() as u64)
            .then(|| Value::Array(Array { dtype, shape, data: data.to_vec() }))
    }

    /// `array.array`, by the number that it gives its element type; the big-endian ones are not among them.
    fn stdlib_array(&self, args: &[u32]) -> Option<Value> {
        let dtype = match self.int(args.get(2))? {
            0 => DType::U8,
            1 => DType::I8,
            2 => DType::U16,
            4 => DType::I16,
            6 => DType::U32,
            8 => DType::I32,
            10 => DType::U64,
            12 => DType::I64,
            14 => DType::F32,
            16 => DType::F64,
            _ => return None,
        };
        let data = self.bytes(args.get(3))?.to_vec();
        let shape = vec![(data.len() / dtype.size()) as u64];
        data.len().is_multiple_of(dtype.size()).then_some(Value::Array(Array { dtype, shape, data }))
    }

    fn timedelta(&self, args: &[u32]) -> Option<i64> {
        let [days, seconds, micros] = [0, 1, 2].map(|at| self.int(args.get(at)));
        days?.checked_mul(DAY)?.checked_add(seconds?.checked_mul(MICROS)?)?.checked_add(micros?)
    }

    fn datetime(&self, args: &[u32]) -> Result<Value> {
        let odd = || bad("the arguments of datetime.datetime");
        let bytes = self.bytes(args.first()).filter(|bytes| bytes.len() == 10).ok_or_else(odd)?;
        // The top bit of the month is `fold`.
        let month = i64::from(bytes[2] & 0x7f);
        let days = calendar::days_of(i64::from(bytes[0]) << 8 | i64::from(bytes[1]), month, bytes[3].into());
        let [hour, minute, second] = [4, 5, 6].map(|at| i64::from(bytes[at]));
        let fraction = bytes[7..].iter().fold(0i64, |micros, byte| micros << 8 | i64::from(*byte));
        let local = days * DAY + ((hour * 60 + minute) * 60 + second) * MICROS + fraction;
        let Some(zone) = args.get(1) else {
            return Err(self.unmappable("a datetime without a time zone (as in datetime.now(timezone.utc))"));
        };
        let offset = self.offset(*zone).ok_or_else(|| self.unmappable("a datetime of this time zone"))?;
        local
            .checked_sub(offset)
            .map(Value::DateTime)
            .ok_or_else(|| self.unmappable("a datetime of this time zone"))
    }

    /// `datetime.timezone(timedelta)`, or `timezone.utc` as replies have it.
    fn offset(&self, zone: u32) -> Option<i64> {
        if self.heap.global(zone) == Some(("datetime", "timezone.utc")) {
            return Some(0);
        }
        let Node::Made(zone) = self.heap.node(zone) else { return None };
        (self.heap.global(zone.callable)? == ("datetime", "timezone")).then_some(())?;
        let Node::Made(delta) = self.heap.node(*self.args(zone).first()?) else { return None };
        (self.heap.global(delta.callable)? == ("datetime", "timedelta")).then_some(())?;
        self.timedelta(self.args(delta))
    }

    /// A UUID's state is `{"int": …}`.
    fn uuid(&self, made: &Made) -> Option<[u8; 16]> {
        let Node::Map(state) = self.heap.node(made.state?) else { return None };
        let (_, int) = state.iter().find(|(key, _)| self.heap.text(*key) == Some("int"))?;
        let int = match self.heap.node(*int) {
            Node::Int(int) => u128::try_from(*int).ok()?,
            Node::Big(int) => u128::try_from(int).ok()?,
            _ => return None,
        };
        Some(int.to_be_bytes())
    }
}

fn date_of(bytes: &[u8]) -> Option<i64> {
    let [high, low, month, day] = *bytes else { return None };
    Some(calendar::days_of(i64::from(high) << 8 | i64::from(low), month.into(), day.into()))
}

/// `-12.50`, `1E+7`; not the infinities and NaNs.
fn decimal(text: &str) -> Option<Value> {
    let (digits, power) = match text.split_once(['E', 'e']) {
        Some((digits, power)) => (digits, power.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let whole: String = digits.chars().filter(|char| *char != '.').collect();
    let bare = whole.trim_start_matches(['-', '+']);
    if bare.len() > limits::MAX_INTEGER || !bare.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent = power.checked_sub(i64::try_from(fraction).ok()?)?;
    Some(Value::Decimal { exponent, mantissa: whole.parse::<BigInt>().ok()? })
}

/// Whether Python can read a set that holds this: what it cannot hash would be lost to it.
fn can_be_member(value: &Value) -> bool {
    match value {
        Value::List(items) | Value::Set(items) => items.iter().all(can_be_member),
        Value::Map(_) | Value::Array(_) | Value::Object { .. } | Value::Table { .. } => false,
        _ => true,
    }
}

/// Keeps the first of members that are the same on the wire.
fn distinct(mut members: Vec<Value>) -> Vec<Value> {
    let mut known = HashSet::with_capacity(members.len());
    members.retain(|member| known.insert(member.encode()));
    members
}

fn kind_of(node: &Node<'_>) -> &'static str {
    match node {
        Node::None => "NoneType",
        Node::Bool(_) => "bool",
        Node::Int(_) | Node::Big(_) => "int",
        Node::Float(_) => "float",
        Node::Text(_) | Node::NotText => "str",
        Node::Bytes(_) => "bytes",
        Node::List(_) => "list",
        Node::Tuple(_) => "tuple",
        Node::Map(_) => "dict",
        Node::Set(_) => "set",
        Node::Global { .. } => "type",
        Node::Made(_) => "another object",
    }
}
