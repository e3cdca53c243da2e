//! The stack machine of pickles, which builds a heap of plain nodes.

use crate::failing::{bad, too_large};
use emerge_proto::{Result, limits};
use num_bigint::BigInt;

/// What a pickle builds. Numbers are places in [`Heap::nodes`].
#[derive(Debug)]
pub(crate) enum Node<'p> {
    None,
    Bool(bool),
    Int(i64),
    Big(BigInt),
    Float(f64),
    Text(&'p str),
    /// A text with lone surrogates, which is no UTF-8.
    NotText,
    Bytes(&'p [u8]),
    List(Vec<u32>),
    Tuple(Vec<u32>),
    Map(Vec<(u32, u32)>),
    Set(Vec<u32>),
    Global {
        module: u32,
        name: u32,
    },
    Made(Box<Made>),
}

/// What calling a global gives, were it called.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) callable: u32,
    pub(crate) args: u32,
    pub(crate) state: Option<u32>,
    pub(crate) items: Vec<(u32, u32)>,
}

/// All that a pickle built, and what it is.
pub(crate) struct Heap<'p> {
    pub(crate) nodes: Vec<Node<'p>>,
    pub(crate) root: u32,
}

impl<'p> Heap<'p> {
    pub(crate) fn node(&self, at: u32) -> &Node<'p> {
        // Every number in a node is one that `Machine::push` gave out.
        &self.nodes[at as usize]
    }

    /// The text of a node that is one.
    pub(crate) fn text(&self, at: u32) -> Option<&'p str> {
        match self.node(at) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Module and name of a node that is a global.
    pub(crate) fn global(&self, at: u32) -> Option<(&'p str, &'p str)> {
        match self.node(at) {
            Node::Global { module, name } => Some((self.text(*module)?, self.text(*name)?)),
            _ => None,
        }
    }
}

struct Machine<'p> {
    rest: &'p [u8],
    nodes: Vec<Node<'p>>,
    stack: Vec<u32>,
    marks: Vec<usize>,
    memo: Vec<u32>,
}

/// Runs a pickle to its end.
pub(crate) fn read(pickle: &[u8]) -> Result<Heap<'_>> {
    if pickle.len() > limits::MAX_MESSAGE {
        return Err(too_large(limits::MAX_MESSAGE));
    }
    let mut machine =
        Machine { rest: pickle, nodes: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: Vec::new() };
    loop {
        let opcode = machine.byte()?;
        if opcode == b'.' {
            break;
        }
        machine.step(opcode)?;
    }
    if !machine.rest.is_empty() || machine.stack.len() != 1 {
        return Err(bad("it does not end with one value"));
    }
    let root = machine.stack[0];
    Ok(Heap { nodes: machine.nodes, root })
}

impl<'p> Machine<'p> {
    fn take(&mut self, count: usize) -> Result<&'p [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| bad("it is cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number of up to 8 bytes.
    fn number(&mut self, bytes: usize) -> Result<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn length(&mut self, bytes: usize) -> Result<usize> {
        usize::try_from(self.number(bytes)?).map_err(|_| bad("it is cut short"))
    }

    fn push(&mut self, node: Node<'p>) {
        // A pickle is at most 16 MB and makes at most one node a byte.
        self.stack.push(self.nodes.len() as u32);
        self.nodes.push(node);
    }

    /// What was pushed since the last mark is out of reach of a pop.
    fn pop(&mut self) -> Result<u32> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return Err(bad("it takes from an empty stack"));
        }
        self.stack.pop().ok_or_else(|| bad("it takes from an empty stack"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<u32>> {
        let mark = self.marks.pop().ok_or_else(|| bad("it has no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&self) -> Result<u32> {
        self.stack.last().copied().ok_or_else(|| bad("it takes from an empty stack"))
    }

    fn text(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        self.push(std::str::from_utf8(bytes).map_or(Node::NotText, Node::Text));
        Ok(())
    }

    fn bytes(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        self.push(Node::Bytes(bytes));
        Ok(())
    }

    fn long(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        if length > limits::MAX_INTEGER + 1 {
            return Err(too_large(limits::MAX_INTEGER));
        }
        let integer = BigInt::from_signed_bytes_le(bytes);
        self.push(match i64::try_from(&integer) {
            Ok(small) => Node::Int(small),
            Err(_) => Node::Big(integer),
        });
        Ok(())
    }

    fn tuple(&mut self, length: usize) -> Result<()> {
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Node::Tuple(items));
        Ok(())
    }

    fn append(&mut self, items: Vec<u32>) -> Result<()> {
        let top = self.top()?;
        match &mut self.nodes[top as usize] {
            Node::List(list) | Node::Set(list) => list.extend(items),
            _ => return Err(bad("it appends to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[u32]) -> Result<()> {
        let top = self.top()?;
        let pairs = items.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        match &mut self.nodes[top as usize] {
            _ if !items.len().is_multiple_of(2) => return Err(bad("a key has no value")),
            Node::Map(map) => map.extend(pairs),
            Node::Made(made) => made.items.extend(pairs),
            _ => return Err(bad("it sets an item of what is no dict")),
        }
        Ok(())
    }

    fn make(&mut self, callable: u32, args: u32) {
        self.push(Node::Made(Box::new(Made { callable, args, state: None, items: Vec::new() })));
    }

    fn put(&mut self, at: usize) -> Result<()> {
        // Picklers number their memo without gaps.
        let top = self.top()?;
        if at < self.memo.len() {
            self.memo[at] = top;
        } else if at == self.memo.len() {
            self.memo.push(top);
        } else {
            return Err(bad("its memo has a gap"));
        }
        Ok(())
    }

    fn get(&mut self, at: usize) -> Result<()> {
        let node = *self.memo.get(at).ok_or_else(|| bad("it asks for what its memo does not have"))?;
        self.stack.push(node);
        Ok(())
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            0x80 => match self.byte()? {
                4 | 5 => {}
                other => return Err(bad(&format!("its protocol is {other}, not 4 or 5"))),
            },
            // A frame is a hint for readers of files.
            0x95 => drop(self.take(8)?),
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'J' => {
                let int = self.number(4)? as u32 as i32;
                self.push(Node::Int(int.into()));
            }
            b'K' => {
                let int = self.number(1)?;
                self.push(Node::Int(int as i64));
            }
            b'M' => {
                let int = self.number(2)?;
                self.push(Node::Int(int as i64));
            }
            0x8a => {
                let length = self.length(1)?;
                self.long(length)?;
            }
            0x8b => {
                let length = self.length(4)?;
                self.long(length)?;
            }
            b'G' => {
                let bits = self.number(8)?.swap_bytes();
                self.push(Node::Float(f64::from_bits(bits)));
            }
            0x8c => self.length(1).and_then(|length| self.text(length))?,
            b'X' => self.length(4).and_then(|length| self.text(length))?,
            0x8d => self.length(8).and_then(|length| self.text(length))?,
            b'C' => self.length(1).and_then(|length| self.bytes(length))?,
            b'B' => self.length(4).and_then(|length| self.bytes(length))?,
            0x8e | 0x96 => self.length(8).and_then(|length| self.bytes(length))?,
            b']' => self.push(Node::List(Vec::new())),
            b')' => self.push(Node::Tuple(Vec::new())),
            b'}' => self.push(Node::Map(Vec::new())),
            0x8f => self.push(Node::Set(Vec::new())),
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Tuple(items));
            }
            0x91 => {
                let items = self.pop_to_mark()?;
                self.push(Node::Set(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            0x94 => self.put(self.memo.len())?,
            b'q' => self.length(1).and_then(|at| self.put(at))?,
            b'r' => self.length(4).and_then(|at| self.put(at))?,
            b'h' => self.length(1).and_then(|at| self.get(at))?,
            b'j' => self.length(4).and_then(|at| self.get(at))?,
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                self.push(Node::Global { module, name });
            }
            b'R' | 0x81 => {
                let args = self.pop()?;
                let callable = self.pop()?;
                self.make(callable, args);
            }
            0x92 => {
                self.pop()?;
                let args = self.pop()?;
                let callable = self.pop()?;
                self.make(callable, args);
            }
            b'b' => {
                let state = self.pop()?;
                let top = self.top()?;
                match &mut self.nodes[top as usize] {
                    Node::Made(made) => made.state = Some(state),
                    _ => return Err(bad("it sets the state of what is no object")),
                }
            }
            other => return Err(bad(&format!("its opcode {other:#04x} has no place in a request"))),
        }
        Ok(())
    }
}
