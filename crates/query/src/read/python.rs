//! Reads Python.

use super::{field, value_of};
use crate::eval::folded;
use crate::expr::{Cmp, Expr, Method, Operator};
use crate::lambda::{META, Names};
use emerge_proto::{Language, Value};
use ruff_python_ast as ast;
use ruff_text_size::Ranged;

pub(crate) fn python(source: &str, names: &Names, fields: &mut Vec<String>) -> Expr {
    // A text may hold half a character by such an escape, which no text here can.
    if source.contains("\\ud") || source.contains("\\uD") || source.contains("\\U") || source.contains("\\N")
    {
        return Expr::Sandbox("a text in it has escapes that are not read here".into());
    }
    let text = source.trim();
    let mut reader = Reader { text: "", names, fields, object: "", params: None, locals: Vec::new() };
    if text.starts_with("def ") {
        let Ok(parsed) = ruff_python_parser::parse_module(text) else { return unread() };
        let [ast::Stmt::FunctionDef(function)] = parsed.syntax().body.as_slice() else { return unread() };
        let statements = match function.body.as_slice() {
            [ast::Stmt::Expr(doc), rest @ ..] if doc.value.is_string_literal_expr() => rest,
            all => all,
        };
        let [ast::Stmt::Return(returned)] = statements else {
            return Expr::Sandbox("it has statements".into());
        };
        if function.is_async || !function.decorator_list.is_empty() {
            return Expr::Sandbox("it is not one plain function".into());
        }
        let Some(value) = &returned.value else { return Expr::Const(Value::Null) };
        reader.text = text;
        return reader.function(Some(&function.parameters), value);
    }
    let text = format!("(\n{text}\n)");
    let Ok(parsed) = ruff_python_parser::parse_expression(&text) else { return unread() };
    let ast::Expr::Lambda(lambda) = &*parsed.syntax().body else {
        return Expr::Sandbox("it is not one plain function".into());
    };
    reader.text = &text;
    reader.function(lambda.parameters.as_deref(), &lambda.body)
}

fn unread() -> Expr {
    Expr::Sandbox("its text is not one that is read here".into())
}

struct Reader<'r> {
    text: &'r str,
    names: &'r Names,
    fields: &'r mut Vec<String>,
    object: &'r str,
    params: Option<&'r str>,
    locals: Vec<&'r str>,
}

impl<'r> Reader<'r> {
    fn function(&mut self, params: Option<&'r ast::Parameters>, body: &'r ast::Expr) -> Expr {
        let Some(params) = params else { return Expr::Sandbox("it takes no object".into()) };
        let plain = params.vararg.is_none() && params.kwarg.is_none() && params.kwonlyargs.is_empty();
        let all: Vec<&ast::ParameterWithDefault> = params.posonlyargs.iter().chain(&params.args).collect();
        if !plain || all.iter().any(|param| param.default.is_some()) {
            return Expr::Sandbox("its parameters are not plain".into());
        }
        let name = |param: &'r ast::ParameterWithDefault| param.parameter.name.as_str();
        match all.as_slice() {
            [object] => self.object = name(object),
            [object, params] => {
                self.object = name(object);
                self.params = Some(name(params));
            }
            _ => return Expr::Sandbox("it takes more than an object and parameters".into()),
        }
        self.expr(body)
    }

    fn sandbox(&self, at: &impl Ranged) -> Expr {
        let text = self.text.get(at.range().to_std_range()).unwrap_or_default();
        Expr::Sandbox(format!("{} is not evaluated natively", text.chars().take(80).collect::<String>()))
    }

    fn boxed(&mut self, expr: &'r ast::Expr) -> Box<Expr> {
        Box::new(self.expr(expr))
    }

    fn expr(&mut self, expr: &'r ast::Expr) -> Expr {
        match expr {
            ast::Expr::NoneLiteral(_) => Expr::Const(Value::Null),
            ast::Expr::BooleanLiteral(literal) => Expr::Const(Value::Bool(literal.value)),
            ast::Expr::StringLiteral(literal) => Expr::Const(Value::Text(literal.value.to_str().to_owned())),
            ast::Expr::NumberLiteral(literal) => match &literal.value {
                ast::Number::Float(float) => Expr::Const(Value::Float(*float)),
                ast::Number::Int(int) => match int.as_i64() {
                    Some(int) => Expr::Const(Value::Int(int)),
                    None => match int.to_string().parse() {
                        Ok(int) => Expr::Const(Value::integer(int)),
                        Err(_) => self.sandbox(expr),
                    },
                },
                ast::Number::Complex { .. } => self.sandbox(expr),
            },
            ast::Expr::List(list) => self.list(&list.elts, expr),
            ast::Expr::Tuple(tuple) => self.list(&tuple.elts, expr),
            ast::Expr::Name(name) => self.name(name.id.as_str(), expr),
            ast::Expr::Attribute(attribute) => self.attribute(attribute),
            ast::Expr::Subscript(subscript) => {
                if let (ast::Expr::Name(name), ast::Expr::StringLiteral(key)) =
                    (&*subscript.value, &*subscript.slice)
                    && self.is_params(name.id.as_str())
                {
                    return self.param(key.value.to_str(), expr);
                }
                let of = self.boxed(&subscript.value);
                Expr::Item { of, key: self.boxed(&subscript.slice), optional: false }
            }
            ast::Expr::BoolOp(bool_op) => {
                let parts = bool_op.values.iter().map(|value| self.expr(value)).collect();
                if bool_op.op == ast::BoolOp::And { Expr::And(parts) } else { Expr::Or(parts) }
            }
            ast::Expr::UnaryOp(unary) => match unary.op {
                ast::UnaryOp::Not => Expr::Not(self.boxed(&unary.operand)),
                ast::UnaryOp::USub => folded(Language::Python, Expr::Negative(self.boxed(&unary.operand))),
                // A number without its sign is itself.
                ast::UnaryOp::UAdd => match self.expr(&unary.operand) {
                    Expr::Const(number @ (Value::Int(_) | Value::BigInt(_) | Value::Float(_))) => {
                        Expr::Const(number)
                    }
                    _ => self.sandbox(expr),
                },
                _ => self.sandbox(expr),
            },
            ast::Expr::If(condition) => {
                let test = self.expr(&condition.test);
                let yes = self.expr(&condition.body);
                Expr::If(Box::new([test, yes, self.expr(&condition.orelse)]))
            }
            ast::Expr::BinOp(binary) => {
                let operator = match binary.op {
                    ast::Operator::Add => Operator::Add,
                    ast::Operator::Sub => Operator::Subtract,
                    ast::Operator::Mult => Operator::Multiply,
                    ast::Operator::Div => Operator::Divide,
                    ast::Operator::FloorDiv => Operator::FloorDivide,
                    ast::Operator::Mod => Operator::Remainder,
                    _ => return self.sandbox(expr),
                };
                let left = self.boxed(&binary.left);
                Expr::Arithmetic(operator, left, self.boxed(&binary.right))
            }
            ast::Expr::Compare(compare) => self.compare(compare),
            ast::Expr::Call(call) => self.call(call),
            _ => self.sandbox(expr),
        }
    }

    /// A list of constants.
    fn list(&mut self, items: &'r [ast::Expr], at: &ast::Expr) -> Expr {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            match self.expr(item) {
                Expr::Const(value) => values.push(value),
                _ => return self.sandbox(at),
            }
        }
        Expr::Const(Value::List(values))
    }

    fn is_object(&self, name: &str) -> bool {
        name == self.object && !self.locals.contains(&name)
    }

    fn is_params(&self, name: &str) -> bool {
        self.params == Some(name) && !self.locals.contains(&name)
    }

    /// True when a name means Python's own.
    fn is_builtin(&self, name: &str) -> bool {
        !self.is_object(name)
            && !self.is_params(name)
            && !self.locals.contains(&name)
            && value_of(&self.names.values, name).is_none()
            && !self.names.others.iter().any(|other| other == name)
    }

    fn name(&self, name: &str, at: &ast::Expr) -> Expr {
        if let Some(place) = self.locals.iter().rposition(|local| *local == name) {
            return Expr::Local(place);
        }
        if self.is_object(name) || self.is_params(name) {
            return self.sandbox(at);
        }
        match value_of(&self.names.values, name) {
            Some(value) => Expr::Const(value.clone()),
            None => self.sandbox(at),
        }
    }

    fn param(&self, name: &str, at: &ast::Expr) -> Expr {
        match value_of(&self.names.params, name) {
            Some(value) => Expr::Const(value.clone()),
            None => self.sandbox(at),
        }
    }

    fn attribute(&mut self, attribute: &'r ast::ExprAttribute) -> Expr {
        let name = attribute.attr.as_str();
        match &*attribute.value {
            // Names with two underscores mean what every object has.
            _ if name.starts_with("__") => self.sandbox(attribute),
            ast::Expr::Name(base) if self.is_object(base.id.as_str()) => {
                Expr::Field(field(self.fields, name))
            }
            ast::Expr::Name(base) if self.is_params(base.id.as_str()) => {
                match value_of(&self.names.params, name) {
                    Some(value) if !DICT.contains(&name) => Expr::Const(value.clone()),
                    _ => self.sandbox(attribute),
                }
            }
            ast::Expr::Attribute(inner) if inner.attr.as_str() == META => match &*inner.value {
                ast::Expr::Name(base) if self.is_object(base.id.as_str()) => Expr::Member {
                    of: Box::new(Expr::Field(field(self.fields, META))),
                    name: name.to_owned(),
                    optional: false,
                },
                _ => self.sandbox(attribute),
            },
            _ => self.sandbox(attribute),
        }
    }

    fn compare(&mut self, compare: &'r ast::ExprCompare) -> Expr {
        let first = self.boxed(&compare.left);
        let mut rest = Vec::new();
        for (op, right) in compare.ops.iter().zip(&compare.comparators) {
            let cmp = match op {
                ast::CmpOp::Eq => Cmp::Eq,
                ast::CmpOp::NotEq => Cmp::Ne,
                ast::CmpOp::Lt => Cmp::Lt,
                ast::CmpOp::LtE => Cmp::Le,
                ast::CmpOp::Gt => Cmp::Gt,
                ast::CmpOp::GtE => Cmp::Ge,
                ast::CmpOp::In => Cmp::In,
                ast::CmpOp::NotIn => Cmp::NotIn,
                ast::CmpOp::Is | ast::CmpOp::IsNot => {
                    if !matches!(right, ast::Expr::NoneLiteral(_) | ast::Expr::BooleanLiteral(_)) {
                        return self.sandbox(compare);
                    }
                    if *op == ast::CmpOp::Is { Cmp::Is } else { Cmp::IsNot }
                }
            };
            rest.push((cmp, self.expr(right)));
        }
        Expr::Compare(first, rest)
    }

    fn call(&mut self, call: &'r ast::ExprCall) -> Expr {
        if !call.arguments.keywords.is_empty() {
            return self.sandbox(call);
        }
        let args = &call.arguments.args[..];
        match &*call.func {
            ast::Expr::Name(name) if self.is_builtin(name.id.as_str()) => {
                self.builtin(name.id.as_str(), args, call)
            }
            ast::Expr::Attribute(method) => {
                let name = method.attr.as_str();
                if let ast::Expr::Name(base) = &*method.value
                    && (self.is_object(base.id.as_str()) || self.is_params(base.id.as_str()))
                {
                    return self.sandbox(call);
                }
                let method_of = match name {
                    "startswith" => Method::StartsWith,
                    "endswith" => Method::EndsWith,
                    "lower" => Method::Lower,
                    "upper" => Method::Upper,
                    "strip" => Method::Trim,
                    "get" => Method::Get,
                    _ => return self.sandbox(call),
                };
                let of = self.boxed(&method.value);
                let args = args.iter().map(|arg| self.expr(arg)).collect();
                Expr::Call { of, method: method_of, args, optional: false }
            }
            _ => self.sandbox(call),
        }
    }

    fn builtin(&mut self, name: &str, args: &'r [ast::Expr], call: &ast::ExprCall) -> Expr {
        match (name, args) {
            ("len", [of]) => Expr::Length(self.boxed(of)),
            ("abs", [of]) => Expr::Absolute(self.boxed(of)),
            ("any" | "all", [ast::Expr::Generator(generator)]) => self.each(name == "all", generator, call),
            ("hasattr", [ast::Expr::Name(object), ast::Expr::StringLiteral(name)])
                if self.is_object(object.id.as_str()) && !name.value.to_str().starts_with("__") =>
            {
                Expr::Has(field(self.fields, name.value.to_str()))
            }
            ("getattr", [ast::Expr::Name(object), ast::Expr::StringLiteral(name), or])
                if self.is_object(object.id.as_str()) && !name.value.to_str().starts_with("__") =>
            {
                let at = field(self.fields, name.value.to_str());
                Expr::FieldOr(at, self.boxed(or))
            }
            _ => self.sandbox(call),
        }
    }

    /// `any(… for x in list if …)`.
    fn each(&mut self, all: bool, generator: &'r ast::ExprGenerator, call: &ast::ExprCall) -> Expr {
        let [comprehension] = generator.generators.as_slice() else { return self.sandbox(call) };
        let ast::Expr::Name(local) = &comprehension.target else { return self.sandbox(call) };
        if comprehension.is_async {
            return self.sandbox(call);
        }
        let over = self.boxed(&comprehension.iter);
        self.locals.push(local.id.as_str());
        let conditions = comprehension.ifs.iter().map(|condition| self.expr(condition)).collect();
        let body = self.boxed(&generator.elt);
        self.locals.pop();
        Expr::Each { all, over, conditions, body }
    }
}

/// What every dict has: parameters of these names are reached by their keys only.
const DICT: [&str; 11] =
    ["clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"];
