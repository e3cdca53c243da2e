//! A core module whose writes are marked, and whose data is written into memory only where that does not hold it already.

use crate::MAP_PAGES;
use anyhow::{Result, anyhow};
use std::collections::BTreeMap;
use wasm_encoder::reencode::{Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, DataCountSection, DataSection, Function, FunctionSection, Instruction, MemArg,
    MemorySection, Module, SectionId, StartSection, TypeSection, ValType,
};
use wasmparser::{Data, DataKind, FunctionBody, Operator, Parser, Payload, TypeRef};

type Error = wasm_encoder::reencode::Error<String>;

/// log2 of the bytes of memory that a byte of the map stands for.
const CARD_SHIFT: i32 = 10;
/// Bytes at a place for results that a host's function writes at most.
const RESULTS: i32 = 256;
/// The last byte of the map, which no memory is large enough to need: 1 when the data is there.
const FILLED: u32 = MAP_PAGES as u32 * 64 * 1024 - 1;
/// The functions by which a host gets memory of the guest.
const REALLOC: [&str; 4] = ["cabi_realloc", "cabi_import_realloc", "cabi_export_realloc", "alloc"];
/// The host's function whose last parameters are a place for its reply and how much fits there.
const ASK: (&str, &str) = ("emerge", "ask");

/// Rewrites a module; one without a memory stays as it is.
pub fn mark(bytes: &[u8], map: u32) -> Result<Vec<u8>> {
    let Some(mut marker) = Marker::of(bytes, map)? else { return Ok(bytes.to_vec()) };
    let mut module = Module::new();
    marker.parse_core_module(&mut module, Parser::new(0), bytes).map_err(|error| anyhow!("{error}"))?;
    Ok(module.finish())
}

/// A function of the module that is called through another that marks what it writes.
enum Wrapped {
    /// A host's function: its last parameter may be a place for results.
    Import,
    /// A host's function: its last two parameters are a place for results, and its size.
    Ask,
    /// One that gives memory to the host.
    Realloc,
}

struct Marker {
    /// Where the map begins.
    map: u32,
    types: Vec<wasmparser::FuncType>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    /// In the order of the functions that stand for them, which come after all others.
    wrapped: BTreeMap<u32, Wrapped>,
    /// The data that is written at a known place when an instance is made: the place, and the length.
    data: BTreeMap<u32, (i32, u32)>,
    all_data: u32,
    /// The function that the module itself begins with.
    start: Option<u32>,
    has_count: bool,
    has_started: bool,
}

impl Marker {
    fn of(bytes: &[u8], map: u32) -> Result<Option<Self>> {
        let mut marker = Self {
            map,
            types: Vec::new(),
            functions: Vec::new(),
            wrapped: BTreeMap::new(),
            data: BTreeMap::new(),
            all_data: 0,
            start: None,
            has_count: false,
            has_started: false,
        };
        let mut has_memory = false;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for kind in group?.into_types() {
                            marker.types.push(kind.unwrap_func().clone());
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        match import.ty {
                            TypeRef::Func(kind) => {
                                // What is not another module of the component is the host.
                                if import.module == "$root" || import.module.contains(':') {
                                    marker.wrapped.insert(marker.functions.len() as u32, Wrapped::Import);
                                } else if (import.module, import.name) == ASK {
                                    marker.wrapped.insert(marker.functions.len() as u32, Wrapped::Ask);
                                }
                                marker.functions.push(kind);
                            }
                            TypeRef::Memory(_) => has_memory = true,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for kind in section {
                        marker.functions.push(kind?);
                    }
                }
                Payload::MemorySection(_) => has_memory = true,
                Payload::StartSection { func, .. } => marker.start = Some(func),
                Payload::DataCountSection { .. } => marker.has_count = true,
                Payload::DataSection(section) => {
                    marker.all_data = section.count();
                    for (at, data) in section.into_iter().enumerate() {
                        let data = data?;
                        if let Some(place) = place(&data) {
                            marker.data.insert(at as u32, (place, data.data.len() as u32));
                        }
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        let name = export.name.rsplit(':').next().unwrap_or_default();
                        if export.kind == wasmparser::ExternalKind::Func && REALLOC.contains(&name) {
                            marker.wrapped.insert(export.index, Wrapped::Realloc);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(has_memory.then_some(marker))
    }

    fn of_type(&self, function: u32) -> Result<&wasmparser::FuncType, Error> {
        let kind = self.functions.get(function as usize).and_then(|kind| self.types.get(*kind as usize));
        kind.ok_or_else(|| Error::UserError(format!("function {function} has no type")))
    }

    /// The function that marks a range: `(address, length)`. It comes after those that the module had.
    fn mark_range(&self) -> u32 {
        self.functions.len() as u32
    }

    /// The function that fills the memory, if there is something to fill it with. It comes last.
    fn fill(&self) -> Option<u32> {
        (!self.data.is_empty()).then(|| self.mark_range() + 1 + self.wrapped.len() as u32)
    }

    /// Writes the data unless the memory has it: a host that begins a memory with an earlier state of it saves the time that this takes.
    fn fill_body(&mut self) -> Result<Function, Error> {
        let flag = MemArg { offset: u64::from(self.map) + u64::from(FILLED), align: 0, memory_index: 0 };
        let mut body = Function::new([]);
        let mut steps = vec![
            Instruction::I32Const(0),
            Instruction::I32Load8U(flag),
            Instruction::I32Eqz,
            Instruction::If(BlockType::Empty),
        ];
        for (at, (place, length)) in &self.data {
            steps.extend([
                Instruction::I32Const(*place),
                Instruction::I32Const(0),
                Instruction::I32Const(*length as i32),
                Instruction::MemoryInit { mem: 0, data_index: *at },
            ]);
        }
        steps.extend([
            Instruction::I32Const(0),
            Instruction::I32Const(1),
            Instruction::I32Store8(flag),
            Instruction::End,
        ]);
        if let Some(start) = self.start {
            steps.push(Instruction::Call(self.function_index(start)?));
        }
        steps.push(Instruction::End);
        for step in &steps {
            body.instruction(step);
        }
        Ok(body)
    }

    fn map_byte(&self) -> MemArg {
        MemArg { offset: u64::from(self.map), align: 0, memory_index: 0 }
    }

    /// Sets the bytes of all cards that a range touches.
    fn range_body(&self) -> Function {
        let mut body = Function::new([]);
        let (at, len) = (0, 1);
        let steps = [
            Instruction::LocalGet(len),
            Instruction::I32Eqz,
            Instruction::If(BlockType::Empty),
            Instruction::Return,
            Instruction::End,
            // From here on `at` is a card, and `len` the last one.
            Instruction::LocalGet(at),
            Instruction::LocalGet(len),
            Instruction::I32Add,
            Instruction::I32Const(1),
            Instruction::I32Sub,
            Instruction::I32Const(CARD_SHIFT),
            Instruction::I32ShrU,
            Instruction::LocalSet(len),
            Instruction::LocalGet(at),
            Instruction::I32Const(CARD_SHIFT),
            Instruction::I32ShrU,
            Instruction::LocalSet(at),
            Instruction::Loop(BlockType::Empty),
            Instruction::LocalGet(at),
            Instruction::I32Const(1),
            Instruction::I32Store8(self.map_byte()),
            Instruction::LocalGet(at),
            Instruction::I32Const(1),
            Instruction::I32Add,
            Instruction::LocalTee(at),
            Instruction::LocalGet(len),
            Instruction::I32LeU,
            Instruction::BrIf(0),
            Instruction::End,
            Instruction::End,
        ];
        for step in &steps {
            body.instruction(step);
        }
        body
    }

    fn wrapper_body(&self, function: u32, wrapped: &Wrapped) -> Result<Function, Error> {
        let kind = self.of_type(function)?;
        let count = kind.params().len() as u32;
        let all = (0..count).map(Instruction::LocalGet);
        let mut body;
        match wrapped {
            Wrapped::Import | Wrapped::Ask => {
                let place = match wrapped {
                    Wrapped::Ask => Some((count - 2, Instruction::LocalGet(count - 1))),
                    _ if kind.params().last() == Some(&wasmparser::ValType::I32) => {
                        Some((count - 1, Instruction::I32Const(RESULTS)))
                    }
                    _ => None,
                };
                body = Function::new([]);
                if let Some((place, size)) = place {
                    body.instruction(&Instruction::LocalGet(place));
                    body.instruction(&size);
                    body.instruction(&Instruction::Call(self.mark_range()));
                }
                all.for_each(|step| {
                    body.instruction(&step);
                });
                body.instruction(&Instruction::Call(function));
            }
            Wrapped::Realloc => {
                body = Function::new([(1, ValType::I32)]);
                all.for_each(|step| {
                    body.instruction(&step);
                });
                for step in [
                    Instruction::Call(function),
                    Instruction::LocalTee(count),
                    Instruction::LocalGet(count - 1),
                    Instruction::Call(self.mark_range()),
                    Instruction::LocalGet(count),
                ] {
                    body.instruction(&step);
                }
            }
        }
        body.instruction(&Instruction::End);
        Ok(body)
    }

    fn body(&mut self, body: &FunctionBody<'_>, of: u32) -> Result<Function, Error> {
        let mut locals = Vec::new();
        let mut next = self.of_type(of)?.params().len() as u32;
        for group in body.get_locals_reader()? {
            let (count, kind) = group?;
            next += count;
            locals.push((count, self.val_type(kind)?));
        }
        // Scratch: two addresses or lengths, and the value of a store by its type.
        locals.extend([(3, ValType::I32), (1, ValType::I64), (1, ValType::F32), (1, ValType::F64)]);
        let (at, len, value) = (next, next + 1, next + 2);
        let mut out = Function::new(locals);
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let operator = reader.read()?;
            if let Some((arg, bytes, slot)) = store(&operator) {
                let value = value + slot;
                out.instruction(&Instruction::LocalSet(value));
                out.instruction(&Instruction::LocalSet(at));
                // A store that is not aligned may reach into the next card.
                let aligned = 1_u64 << arg.align >= bytes;
                let ends = [0, bytes - 1];
                for beyond in if aligned { &ends[..1] } else { &ends } {
                    out.instruction(&Instruction::LocalGet(at));
                    let offset = arg.offset + beyond;
                    if offset != 0 {
                        out.instruction(&Instruction::I32Const(offset as u32 as i32));
                        out.instruction(&Instruction::I32Add);
                    }
                    out.instruction(&Instruction::I32Const(CARD_SHIFT));
                    out.instruction(&Instruction::I32ShrU);
                    out.instruction(&Instruction::I32Const(1));
                    out.instruction(&Instruction::I32Store8(self.map_byte()));
                }
                out.instruction(&Instruction::LocalGet(at));
                out.instruction(&Instruction::LocalGet(value));
            } else if let Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } = operator {
                // Both take a target, something else, and a length.
                for local in [len, value, at] {
                    out.instruction(&Instruction::LocalSet(local));
                }
                out.instruction(&Instruction::LocalGet(at));
                out.instruction(&Instruction::LocalGet(len));
                out.instruction(&Instruction::Call(self.mark_range()));
                for local in [at, value, len] {
                    out.instruction(&Instruction::LocalGet(local));
                }
            } else if writes_otherwise(&operator) {
                return Err(Error::UserError(format!("{operator:?} cannot be marked")));
            }
            out.instruction(&self.instruction(operator)?);
        }
        Ok(out)
    }
}

impl Reencode for Marker {
    type Error = String;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        let place = self.wrapped.keys().position(|wrapped| *wrapped == function);
        Ok(place.map_or(function, |place| self.mark_range() + 1 + place as u32))
    }

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: wasmparser::MemorySectionReader<'_>,
    ) -> Result<(), Error> {
        for memory in section {
            let mut memory = self.memory_type(memory?)?;
            memory.minimum += MAP_PAGES;
            memories.memory(memory);
        }
        Ok(())
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([ValType::I32, ValType::I32], []);
        types.ty().function([], []);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.types.len() as u32);
        for wrapped in self.wrapped.keys() {
            functions.function(self.functions[*wrapped as usize]);
        }
        if self.fill().is_some() {
            functions.function(self.types.len() as u32 + 1);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), Error> {
        let first = self.functions.len() as u32 - section.count();
        for (at, body) in section.into_iter().enumerate() {
            let body = self.body(&body?, first + at as u32)?;
            code.function(&body);
        }
        code.function(&self.range_body());
        for (function, wrapped) in &self.wrapped {
            code.function(&self.wrapper_body(*function, wrapped)?);
        }
        if self.fill().is_some() {
            let body = self.fill_body()?;
            code.function(&body);
        }
        Ok(())
    }

    fn start_section(&mut self, start: u32) -> Result<u32, Error> {
        self.has_started = true;
        self.fill().map_or_else(|| self.function_index(start), Ok)
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), Error> {
        let Some(fill) = self.fill() else { return Ok(()) };
        let follows_start = matches!(
            before,
            Some(SectionId::Element | SectionId::DataCount | SectionId::Code | SectionId::Data)
        );
        if follows_start && !std::mem::replace(&mut self.has_started, true) {
            module.section(&StartSection { function_index: fill });
        }
        if before == Some(SectionId::Code) && !std::mem::replace(&mut self.has_count, true) {
            module.section(&DataCountSection { count: self.all_data });
        }
        Ok(())
    }

    fn parse_data(&mut self, data: &mut DataSection, datum: Data<'_>) -> Result<(), Error> {
        if place(&datum).is_some() {
            data.passive(datum.data.iter().copied());
            return Ok(());
        }
        utils::parse_data(self, data, datum)
    }
}

/// Where data is written when an instance is made, as far as that is a constant.
fn place(data: &Data<'_>) -> Option<i32> {
    let DataKind::Active { memory_index: 0, offset_expr } = &data.kind else { return None };
    let mut operators = offset_expr.get_operators_reader();
    match (operators.read(), operators.read()) {
        (Ok(Operator::I32Const { value }), Ok(Operator::End)) => Some(value),
        _ => None,
    }
}

/// A store's place, size in bytes, and which of the scratch values is of its type.
fn store(operator: &Operator<'_>) -> Option<(wasmparser::MemArg, u64, u32)> {
    Some(match *operator {
        Operator::I32Store8 { memarg } => (memarg, 1, 0),
        Operator::I32Store16 { memarg } => (memarg, 2, 0),
        Operator::I32Store { memarg } => (memarg, 4, 0),
        Operator::I64Store8 { memarg } => (memarg, 1, 1),
        Operator::I64Store16 { memarg } => (memarg, 2, 1),
        Operator::I64Store32 { memarg } => (memarg, 4, 1),
        Operator::I64Store { memarg } => (memarg, 8, 1),
        Operator::F32Store { memarg } => (memarg, 4, 2),
        Operator::F64Store { memarg } => (memarg, 8, 3),
        _ => return None,
    })
}

/// What writes into a memory or changes a table in a way that is not marked.
fn writes_otherwise(operator: &Operator<'_>) -> bool {
    let name = format!("{operator:?}");
    let name = name.split([' ', '{']).next().unwrap_or_default();
    name.contains("Store")
        || name.contains("Atomic")
        || name.contains("Rmw")
        || ["MemoryInit", "TableSet", "TableGrow", "TableFill", "TableCopy", "TableInit"].contains(&name)
}
