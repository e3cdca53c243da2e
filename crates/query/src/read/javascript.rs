//! Reads JavaScript.

use super::{field, value_of};
use crate::eval::{INHERITED, SAFE, folded};
use crate::expr::{Cmp, Expr, Method, Operator};
use crate::lambda::Names;
use emerge_proto::{Language, Value};
use oxc_allocator::Allocator;
use oxc_ast::ast::{
    Argument, ArrowFunctionBody, BinaryOperator, BindingPattern, CallExpression, ChainElement, Expression,
    FormalParameters, FunctionBody, LogicalOperator, Statement, UnaryOperator,
};
use oxc_parser::Parser;
use oxc_span::{GetSpan, SourceType};

const LANGUAGE: Language = Language::JavaScript;

pub(crate) fn javascript(source: &str, names: &Names, fields: &mut Vec<String>) -> Expr {
    let allocator = Allocator::default();
    let text = format!("(\n{source}\n)");
    // A script in strict mode, as the text of a class is.
    let parsed = Parser::new(&allocator, &text, SourceType::mjs()).parse();
    if !parsed.diagnostics.is_empty() {
        return Expr::Sandbox("its text is not one that is read here".into());
    }
    let [Statement::ExpressionStatement(statement)] = parsed.program.body.as_slice() else {
        return Expr::Sandbox("it is not one function".into());
    };
    let mut reader = Reader { text: &text, names, fields, object: "", params: None, locals: Vec::new() };
    match statement.expression.without_parentheses() {
        Expression::ArrowFunctionExpression(arrow) if !arrow.r#async => {
            let body = match &arrow.body {
                ArrowFunctionBody::FunctionBody(body) => returned(body),
                other => other.as_expression(),
            };
            reader.function(&arrow.params, body)
        }
        Expression::FunctionExpression(function)
            if !function.r#async && !function.generator && function.id.is_none() =>
        {
            let body = function.body.as_ref().and_then(|body| returned(body));
            reader.function(&function.params, body)
        }
        _ => Expr::Sandbox("it is not one plain function".into()),
    }
}

/// A side of a comparison. A bigint is compared as the integer that it is, exactly, unless it is to be of the same type: then only one that no number can be
/// is the same as a stored integer.
fn compared(cmp: Cmp, side: Expr) -> Expr {
    match side {
        Expr::Big(int) => match Value::integer(int) {
            Value::Int(int) if matches!(cmp, Cmp::StrictEq | Cmp::StrictNe) && int.unsigned_abs() <= SAFE => {
                Expr::Big(int.into())
            }
            integer => Expr::Const(integer),
        },
        other => other,
    }
}

/// The value of a function that does nothing but return it.
fn returned<'b, 'a>(body: &'b FunctionBody<'a>) -> Option<&'b Expression<'a>> {
    match (body.directives.as_slice(), body.statements.as_slice()) {
        ([], [Statement::ReturnStatement(statement)]) => statement.argument.as_ref(),
        _ => None,
    }
}

struct Reader<'r> {
    text: &'r str,
    names: &'r Names,
    fields: &'r mut Vec<String>,
    object: &'r str,
    params: Option<&'r str>,
    locals: Vec<&'r str>,
}

/// The names of plain parameters.
fn parameters<'b>(params: &'b FormalParameters<'_>) -> Option<Vec<&'b str>> {
    if params.rest.is_some() {
        return None;
    }
    let name = |param: &'b oxc_ast::ast::FormalParameter<'_>| match &param.pattern {
        BindingPattern::BindingIdentifier(name) if param.initializer.is_none() => Some(name.name.as_str()),
        _ => None,
    };
    params.items.iter().map(name).collect()
}

impl<'r> Reader<'r> {
    fn function<'b: 'r>(
        &mut self,
        params: &'b FormalParameters<'_>,
        body: Option<&'b Expression<'_>>,
    ) -> Expr {
        let Some(names) = parameters(params) else {
            return Expr::Sandbox("its parameters are taken apart".into());
        };
        match (names.as_slice(), body) {
            (_, None) => Expr::Sandbox("it has statements".into()),
            ([], _) => Expr::Sandbox("it takes no object".into()),
            ([object], Some(body)) => {
                self.object = object;
                self.expr(body)
            }
            ([object, params], Some(body)) => {
                self.object = object;
                self.params = Some(params);
                self.expr(body)
            }
            _ => Expr::Sandbox("it takes more than an object and parameters".into()),
        }
    }

    fn sandbox(&self, at: &impl GetSpan) -> Expr {
        let span = at.span();
        let text = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        Expr::Sandbox(format!("{} is not evaluated natively", text.chars().take(80).collect::<String>()))
    }

    fn boxed<'b: 'r>(&mut self, expr: &'b Expression<'_>) -> Box<Expr> {
        Box::new(self.expr(expr))
    }

    fn expr<'b: 'r>(&mut self, expr: &'b Expression<'_>) -> Expr {
        match expr {
            Expression::ParenthesizedExpression(inner) => self.expr(&inner.expression),
            Expression::NullLiteral(_) => Expr::Const(Value::Null),
            Expression::BooleanLiteral(literal) => Expr::Const(Value::Bool(literal.value)),
            Expression::NumericLiteral(literal) => Expr::Const(Value::Float(literal.value)),
            Expression::BigIntLiteral(literal) => match literal.value.as_str().parse() {
                Ok(int) => Expr::Big(int),
                Err(_) => self.sandbox(expr),
            },
            Expression::StringLiteral(literal) if !literal.lone_surrogates => {
                Expr::Const(Value::Text(literal.value.to_string()))
            }
            Expression::Identifier(name) => self.name(name.name.as_str(), expr),
            Expression::ChainExpression(chain) => Expr::Chain(Box::new(match &chain.expression {
                ChainElement::CallExpression(call) => self.call(call),
                ChainElement::StaticMemberExpression(member) => {
                    self.member(&member.object, member.property.name.as_str(), member.optional)
                }
                ChainElement::ComputedMemberExpression(member) => {
                    self.item(&member.object, &member.expression, member.optional)
                }
                _ => self.sandbox(expr),
            })),
            Expression::StaticMemberExpression(member) => {
                self.member(&member.object, member.property.name.as_str(), member.optional)
            }
            Expression::ComputedMemberExpression(member) => {
                self.item(&member.object, &member.expression, member.optional)
            }
            Expression::CallExpression(call) => self.call(call),
            Expression::UnaryExpression(unary) => match unary.operator {
                UnaryOperator::LogicalNot => Expr::Not(self.boxed(&unary.argument)),
                UnaryOperator::UnaryNegation => folded(LANGUAGE, Expr::Negative(self.boxed(&unary.argument))),
                UnaryOperator::UnaryPlus => folded(LANGUAGE, Expr::ToNumber(self.boxed(&unary.argument))),
                UnaryOperator::Typeof => Expr::TypeOf(self.boxed(&unary.argument)),
                _ => self.sandbox(expr),
            },
            Expression::LogicalExpression(logical) => match logical.operator {
                LogicalOperator::Coalesce => {
                    Expr::Coalesce(self.boxed(&logical.left), self.boxed(&logical.right))
                }
                operator => {
                    let mut parts = Vec::new();
                    self.parts(expr, operator, &mut parts);
                    if operator == LogicalOperator::And { Expr::And(parts) } else { Expr::Or(parts) }
                }
            },
            Expression::ConditionalExpression(condition) => Expr::If(Box::new([
                self.expr(&condition.test),
                self.expr(&condition.consequent),
                self.expr(&condition.alternate),
            ])),
            Expression::BinaryExpression(binary) => {
                if binary.operator == BinaryOperator::In {
                    return match (&binary.left, &binary.right) {
                        (Expression::StringLiteral(name), Expression::Identifier(object))
                            if object.name == self.object
                                && self.is_object(object.name.as_str())
                                && !INHERITED.contains(&name.value.as_str()) =>
                        {
                            Expr::Has(field(self.fields, name.value.as_str()))
                        }
                        _ => self.sandbox(expr),
                    };
                }
                let cmp = |cmp| Ok(cmp);
                let known: Result<Cmp, Option<Operator>> = match binary.operator {
                    BinaryOperator::Equality => cmp(Cmp::Eq),
                    BinaryOperator::Inequality => cmp(Cmp::Ne),
                    BinaryOperator::StrictEquality => cmp(Cmp::StrictEq),
                    BinaryOperator::StrictInequality => cmp(Cmp::StrictNe),
                    BinaryOperator::LessThan => cmp(Cmp::Lt),
                    BinaryOperator::LessEqualThan => cmp(Cmp::Le),
                    BinaryOperator::GreaterThan => cmp(Cmp::Gt),
                    BinaryOperator::GreaterEqualThan => cmp(Cmp::Ge),
                    BinaryOperator::Addition => Err(Some(Operator::Add)),
                    BinaryOperator::Subtraction => Err(Some(Operator::Subtract)),
                    BinaryOperator::Multiplication => Err(Some(Operator::Multiply)),
                    BinaryOperator::Division => Err(Some(Operator::Divide)),
                    BinaryOperator::Remainder => Err(Some(Operator::Remainder)),
                    _ => Err(None),
                };
                match known {
                    Ok(cmp) => {
                        let left = Box::new(compared(cmp, self.expr(&binary.left)));
                        Expr::Compare(left, vec![(cmp, compared(cmp, self.expr(&binary.right)))])
                    }
                    Err(Some(operator)) => {
                        let left = self.boxed(&binary.left);
                        Expr::Arithmetic(operator, left, self.boxed(&binary.right))
                    }
                    Err(None) => self.sandbox(expr),
                }
            }
            _ => self.sandbox(expr),
        }
    }

    /// `a && b && c` as one list.
    fn parts<'b: 'r>(&mut self, expr: &'b Expression<'_>, operator: LogicalOperator, parts: &mut Vec<Expr>) {
        match expr {
            Expression::LogicalExpression(logical) if logical.operator == operator => {
                self.parts(&logical.left, operator, parts);
                self.parts(&logical.right, operator, parts);
            }
            Expression::ParenthesizedExpression(inner) => self.parts(&inner.expression, operator, parts),
            other => {
                let part = self.expr(other);
                parts.push(part);
            }
        }
    }

    /// True when a name means the object, and no variable within.
    fn is_object(&self, name: &str) -> bool {
        name == self.object && self.params != Some(name) && !self.locals.contains(&name)
    }

    fn is_params(&self, name: &str) -> bool {
        self.params == Some(name) && !self.locals.contains(&name)
    }

    fn name(&self, name: &str, at: &Expression<'_>) -> Expr {
        if let Some(place) = self.locals.iter().rposition(|local| *local == name) {
            return Expr::Local(place);
        }
        match name {
            // Of what stands around the function nothing is seen here.
            _ if self.is_object(name) || self.is_params(name) => self.sandbox(at),
            "undefined" => Expr::Undefined,
            "NaN" => Expr::Const(Value::Float(f64::NAN)),
            "Infinity" => Expr::Const(Value::Float(f64::INFINITY)),
            _ => self.sandbox(at),
        }
    }

    fn member<'b: 'r>(&mut self, of: &'b Expression<'_>, name: &str, optional: bool) -> Expr {
        if let Expression::Identifier(base) = of {
            let base = base.name.as_str();
            if (self.is_object(base) || self.is_params(base)) && INHERITED.contains(&name) {
                return Expr::Sandbox(format!("{base}.{name} is not evaluated natively"));
            }
            if self.is_object(base) {
                return Expr::Field(field(self.fields, name));
            }
            if self.is_params(base) {
                return value_of(&self.names.params, name)
                    .map_or(Expr::Undefined, |value| Expr::Const(value.clone()));
            }
        }
        Expr::Member { of: self.boxed(of), name: name.to_owned(), optional }
    }

    fn item<'b: 'r>(&mut self, of: &'b Expression<'_>, key: &'b Expression<'_>, optional: bool) -> Expr {
        if let Expression::StringLiteral(name) = key
            && !name.lone_surrogates
        {
            return self.member(of, name.value.as_str(), optional);
        }
        Expr::Item { of: self.boxed(of), key: self.boxed(key), optional }
    }

    fn call<'b: 'r>(&mut self, call: &'b CallExpression<'_>) -> Expr {
        let Expression::StaticMemberExpression(member) = &call.callee else { return self.sandbox(call) };
        let name = member.property.name.as_str();
        if call.optional {
            return self.sandbox(call);
        }
        if let Expression::Identifier(base) = &member.object {
            let base = base.name.as_str();
            if self.is_object(base) || self.is_params(base) {
                return self.sandbox(call);
            }
            if base == "Math" && !self.locals.contains(&base) {
                let [argument] = call.arguments.as_slice() else { return self.sandbox(call) };
                let Some(argument) = argument.as_expression() else { return self.sandbox(call) };
                let of = self.boxed(argument);
                return match name {
                    "abs" => Expr::Absolute(of),
                    "floor" => Expr::Round { up: false, of },
                    "ceil" => Expr::Round { up: true, of },
                    _ => self.sandbox(call),
                };
            }
        }
        if let ("some" | "every", [argument]) = (name, call.arguments.as_slice()) {
            return self.each(name == "every", &member.object, argument, member.optional, call);
        }
        let method = match name {
            "includes" => Method::Includes,
            "startsWith" => Method::StartsWith,
            "endsWith" => Method::EndsWith,
            "toLowerCase" => Method::Lower,
            "toUpperCase" => Method::Upper,
            "trim" => Method::Trim,
            "has" => Method::HasMember,
            _ => return self.sandbox(call),
        };
        let of = self.boxed(&member.object);
        let mut args = Vec::new();
        for argument in &call.arguments {
            let Some(argument) = argument.as_expression() else { return self.sandbox(call) };
            args.push(self.expr(argument));
        }
        Expr::Call { of, method, args, optional: member.optional }
    }

    /// `list.some(x => …)`.
    fn each<'b: 'r>(
        &mut self,
        all: bool,
        over: &'b Expression<'_>,
        argument: &'b Argument<'_>,
        optional: bool,
        call: &CallExpression<'_>,
    ) -> Expr {
        let Argument::ArrowFunctionExpression(arrow) = argument else { return self.sandbox(call) };
        let body = match &arrow.body {
            ArrowFunctionBody::FunctionBody(body) => returned(body),
            other => other.as_expression(),
        };
        let names = parameters(&arrow.params);
        let (Some(body), Some([local])) = (body, names.as_deref()) else {
            return self.sandbox(call);
        };
        if optional || arrow.r#async {
            return self.sandbox(call);
        }
        let over = self.boxed(over);
        self.locals.push(local);
        let body = self.boxed(body);
        self.locals.pop();
        Expr::Each { all, over, conditions: Vec::new(), body }
    }
}
