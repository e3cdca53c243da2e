//! Random values of every kind, and functions of searches, the same each time.

use emerge_proto::Value;

/// A small stream of numbers that looks random.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }

    pub fn value(&mut self, depth: usize) -> Value {
        let text = |text: &str| Value::Text(text.to_owned());
        match self.roll(if depth == 0 { 26 } else { 29 }) {
            0 => Value::Null,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3 => Value::Int(0),
            4 => Value::Int(1),
            5 => Value::Int(-3),
            6 => Value::Int(7),
            7 => Value::Int(9_007_199_254_740_993),
            8 => Value::Int(i64::MIN),
            9 => Value::Float(0.0),
            10 => Value::Float(-0.0),
            11 => Value::Float(1.0),
            12 => Value::Float(3.5),
            13 => Value::Float(9_007_199_254_740_992.0),
            14 => Value::Float(f64::NAN),
            15 => Value::Float(f64::INFINITY),
            16 => text(""),
            17 => text("red"),
            18 => text("Red "),
            19 => text("1"),
            20 => text("\u{ffff}x"),
            21 => text("\u{1f40e}x"),
            22 => text("ž"),
            23 => Value::DateTime(super::NOW),
            24 => Value::Bytes(vec![1, 2]),
            25 => Value::integer("36893488147419103232".parse().unwrap()),
            26 => {
                let count = self.roll(4);
                Value::List((0..count).map(|_| self.value(depth - 1)).collect())
            }
            27 => {
                let names = ["a", "b", "length"];
                let count = self.roll(4);
                Value::Map(
                    names[..count].iter().map(|name| ((*name).to_owned(), self.value(depth - 1))).collect(),
                )
            }
            _ => Value::Set(vec![text("red"), Value::Int(1)]),
        }
    }

    pub fn state(&mut self) -> Value {
        let mut fields = Vec::new();
        for name in ["x", "y", "tags", "name"] {
            if self.roll(5) > 0 {
                let value = match (name, self.roll(3)) {
                    ("tags", 0 | 1) => {
                        let count = self.roll(4);
                        Value::List((0..count).map(|_| self.value(0)).collect())
                    }
                    ("name", 0 | 1) => {
                        Value::Text(self.pick(&["red", "Red ", "", "ž", "\u{1f40e}x", "\u{ffff}"]).to_owned())
                    }
                    _ => self.value(2),
                };
                fields.push((name.to_owned(), value));
            }
        }
        Value::Map(fields)
    }

    pub fn js(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self
                .pick(&[
                    "o.x",
                    "o.y",
                    "o.tags",
                    "o.name",
                    "o.x",
                    "o.y",
                    "0",
                    "1",
                    "-3",
                    "3.5",
                    "7n",
                    "-0",
                    "+3.5",
                    "-(-3)",
                    "-7n",
                    "+true",
                    "-null",
                    "+7n",
                    "-p.max",
                    "-9223372036854775808n",
                    "null",
                    "undefined",
                    "true",
                    "\"red\"",
                    "\"\u{1f40e}\"",
                    "\"\u{ffff}\"",
                    "p.max",
                    "p.none",
                    "NaN",
                    "9007199254740993n",
                    "o.x?.a",
                    "o.tags.length",
                    "o.name?.length",
                    "o[\"y\"]",
                    "o.tags[0]",
                    "o.tags?.[1]",
                    "o.meta.name",
                ])
                .to_owned();
        }
        let (a, b) = (self.js(depth - 1), self.js(depth - 1));
        match self.roll(18) {
            0 => format!("({a} === {b})"),
            1 => format!("({a} !== {b})"),
            2 => format!("({a} == {b})"),
            3 => format!("({a} < {b})"),
            4 => format!("({a} <= {b})"),
            5 => format!("({a} > {b})"),
            6 => format!("({a} && {b})"),
            7 => format!("({a} || {b})"),
            8 => format!("({a} ?? {b})"),
            9 => format!("!{a}"),
            10 => format!("({a} {} {b})", self.pick(&["+", "-", "*", "/", "%"])),
            11 => format!("({a} ? {b} : {a})"),
            12 => format!("(typeof {a} === \"{}\")", self.pick(&["number", "string", "object", "undefined"])),
            13 => format!("{}.includes({a})", self.pick(&["o.name", "o.tags", "o.x"])),
            14 => format!("o.name?.{}(\"r\")", self.pick(&["startsWith", "endsWith", "includes"])),
            15 => format!("(o.name?.{}() === \"red\")", self.pick(&["toLowerCase", "toUpperCase", "trim"])),
            16 => format!("o.tags?.some((t) => t === {a})"),
            _ => self
                .pick(&["(\"x\" in o)", "o.tags.every((t) => t > 0)", "(-o.x < +o.y)", "(Math.abs(o.x) < 4)"])
                .to_owned(),
        }
    }

    pub fn py(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self
                .pick(&[
                    "o.x",
                    "o.y",
                    "o.tags",
                    "o.name",
                    "o.x",
                    "o.y",
                    "0",
                    "1",
                    "-3",
                    "3.5",
                    "7",
                    "-0.0",
                    "+3.5",
                    "-(-3)",
                    "-True",
                    "+True",
                    "-None",
                    "-limit",
                    "-9223372036854775808",
                    "(-3, 7)",
                    "None",
                    "True",
                    "\"red\"",
                    "\"\u{1f40e}\"",
                    "\"\u{ffff}\"",
                    "p.max",
                    "p[\"max\"]",
                    "limit",
                    "9007199254740993",
                    "36893488147419103232",
                    "len(o.tags)",
                    "len(o.name)",
                    "getattr(o, \"x\", 1)",
                    "o.tags[0]",
                    "o.tags[-1]",
                    "[1, \"red\", None]",
                    "o.meta.name",
                ])
                .to_owned();
        }
        let (a, b) = (self.py(depth - 1), self.py(depth - 1));
        match self.roll(18) {
            0 => format!("({a} == {b})"),
            1 => format!("({a} != {b})"),
            2 => format!("({a} < {b})"),
            3 => format!("({a} <= {b} < {a})"),
            4 => format!("({a} > {b})"),
            5 => format!("({a} in {b})"),
            6 => format!("({a} not in o.tags)"),
            7 => format!("({a} is {})", self.pick(&["None", "True", "False"])),
            8 => format!("({a} and {b})"),
            9 => format!("({a} or {b})"),
            10 => format!("(not {a})"),
            11 => format!("({a} {} {b})", self.pick(&["+", "-", "*", "/", "//", "%"])),
            12 => format!("({a} if {b} else {a})"),
            13 => format!("o.name.{}(\"r\")", self.pick(&["startswith", "endswith"])),
            14 => format!("(o.name.{}() == \"red\")", self.pick(&["lower", "upper", "strip"])),
            15 => format!("any(t == {a} for t in o.tags)"),
            16 => format!("all(t > 0 for t in o.tags if t != {a})"),
            _ => self
                .pick(&[
                    "hasattr(o, \"x\")",
                    "o.x.get(\"a\", 1)",
                    "(abs(o.x) < 4)",
                    "(-o.x < 3)",
                    "o.x[\"a\"]",
                ])
                .to_owned(),
        }
    }
}
