//! The tree that a function's text becomes.

use emerge_proto::Value;
use num_bigint::BigInt;

/// An expression. Which language it is of decides what its operators mean.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    /// What only the sandbox can say, and why.
    Sandbox(String),
    /// JavaScript's.
    Undefined,
    Const(Value),
    /// JavaScript's bigint, whatever its size.
    Big(BigInt),
    /// A field of the object, by its place in the function's list of fields.
    Field(usize),
    /// A variable of an enclosing [`Expr::Each`], counted from the outermost.
    Local(usize),
    /// Whether the object has the field.
    Has(usize),
    /// A field, or what stands for it when the object lacks it.
    FieldOr(usize, Box<Expr>),
    /// A property by name: of JavaScript's values, or of `meta` in Python.
    Member {
        of: Box<Expr>,
        name: String,
        optional: bool,
    },
    /// An element: of a list by its place, of a map by its key.
    Item {
        of: Box<Expr>,
        key: Box<Expr>,
        optional: bool,
    },
    /// What `?.` inside it breaks off.
    Chain(Box<Expr>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    /// JavaScript's unary plus.
    ToNumber(Box<Expr>),
    TypeOf(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    /// JavaScript's `??`.
    Coalesce(Box<Expr>, Box<Expr>),
    If(Box<[Expr; 3]>),
    /// One comparison, or Python's chain of them.
    Compare(Box<Expr>, Vec<(Cmp, Expr)>),
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    Call {
        of: Box<Expr>,
        method: Method,
        args: Vec<Expr>,
        optional: bool,
    },
    /// Python's `len`.
    Length(Box<Expr>),
    Absolute(Box<Expr>),
    /// JavaScript's `Math.floor` and `Math.ceil`.
    Round {
        up: bool,
        of: Box<Expr>,
    },
    /// `any` and `all` over a generator, `some` and `every` with a function: the elements, the conditions that choose them, what is asked of each.
    Each {
        all: bool,
        over: Box<Expr>,
        conditions: Vec<Expr>,
        body: Box<Expr>,
    },
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cmp {
    /// Python's and JavaScript's `==`.
    Eq,
    Ne,
    /// JavaScript's `===`.
    StrictEq,
    StrictNe,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
    /// Python's `is` with `None`, `True` or `False`.
    Is,
    IsNot,
}

impl Cmp {
    /// The comparison with its sides exchanged; none for those that have none.
    pub(crate) fn flipped(self) -> Option<Self> {
        Some(match self {
            Cmp::Lt => Cmp::Gt,
            Cmp::Le => Cmp::Ge,
            Cmp::Gt => Cmp::Lt,
            Cmp::Ge => Cmp::Le,
            Cmp::In | Cmp::NotIn => return None,
            same => same,
        })
    }
}

/// An operator of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// Python's `//`.
    FloorDivide,
    Remainder,
}

/// A method of a built-in type that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// JavaScript's: of texts and arrays.
    Includes,
    StartsWith,
    EndsWith,
    Lower,
    Upper,
    Trim,
    /// Python's, of dicts.
    Get,
    /// JavaScript's, of sets.
    HasMember,
}
