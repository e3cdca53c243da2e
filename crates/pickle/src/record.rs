//! Records of replies as tuples, in the order of their members in proto.

use crate::error;
use crate::write::Writer;
use emerge_proto::account::{GroupInfo, QuotaInfo, TokenInfo, UserInfo};
use emerge_proto::class::{BaseRef, Capture, Captured, ClassSource, ClassVersion, MethodDecl, decode};
use emerge_proto::query::{Highlight, IndexInfo, Matches, Plan, Row};
use emerge_proto::record::{
    Called, ClassInfo, Copied, FetchedChild, MemberCalled, Mixed, Page, Stored, VersionInfo,
};
use emerge_proto::transaction::{Ended, Transaction};
use emerge_proto::version::{ClassAt, Diff};
use emerge_proto::watch::Change;
use emerge_proto::{Error, ErrorCode, Fetched, Result, Stat, Value};

/// The reply to an operation.
///
/// # Errors
/// `bad_frame` when the bytes are not its record; `unmappable_value` for a value that Python lacks.
pub fn reply_to_pickle(op: &str, encoded: &[u8]) -> Result<Vec<u8>> {
    let mut writer = Writer::new();
    match op {
        "mkdir" | "store" | "restore" | "chmod" | "chown" | "set_rules" | "add" | "set" => {
            stored(&mut writer, &decode(encoded)?)
        }
        "get" => fetched(&mut writer, &decode(encoded)?)?,
        "stat" => stat(&mut writer, &decode(encoded)?),
        "list" => page(&mut writer, &decode(encoded)?)?,
        "rm" | "mv" | "cp" | "purge" => writer.none(),
        "users" => writer.list(&decode::<Vec<UserInfo>>(encoded)?, |writer, user| {
            writer.tuple(|writer| {
                writer.text(&user.name);
                texts(writer, &user.groups)?;
                writer.int(user.created);
                Ok::<_, Error>(())
            })
        })?,
        "groups" => writer.list(&decode::<Vec<GroupInfo>>(encoded)?, |writer, group| {
            writer.tuple(|writer| {
                writer.text(&group.name);
                texts(writer, &group.members)
            })
        })?,
        "quotas" => writer.list(&decode::<Vec<QuotaInfo>>(encoded)?, |writer, quota| {
            let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            writer.tuple(|writer| {
                writer.text(&quota.user);
                writer.int(count(quota.objects));
                writer.int(count(quota.bytes));
                writer.optional(quota.max_objects.map(count), Writer::int);
                writer.optional(quota.max_bytes.map(count), Writer::int);
                Ok::<_, Error>(())
            })
        })?,
        "tokens" => writer.list(&decode::<Vec<TokenInfo>>(encoded)?, |writer, token| {
            writer.tuple(|writer| {
                writer.text(&token.id);
                writer.text(&token.user);
                texts(writer, &token.scope)?;
                writer.int(token.created);
                writer.optional(token.expires, Writer::int);
                writer.optional(token.note.as_deref(), Writer::text);
                writer.optional(token.parent.as_deref(), Writer::text);
                Ok::<_, Error>(())
            })
        })?,
        "call" | "query" | "migrate" => called(&mut writer, &decode(encoded)?)?,
        "mixin" => mixed(&mut writer, &decode(encoded)?)?,
        "put_class" => class_version(&mut writer, &decode(encoded)?)?,
        "class" => {
            let info: ClassInfo = decode(encoded)?;
            writer.list(&info.lineage, class_version)?;
        }
        "history" => {
            let versions: Vec<VersionInfo> = decode(encoded)?;
            writer.list(&versions, version_info)?;
        }
        "diff" => diff(&mut writer, &decode(encoded)?)?,
        "watch" => change(&mut writer, &decode(encoded)?),
        "begin" => transaction(&mut writer, &decode(encoded)?)?,
        "end" => writer.optional(decode::<Ended>(encoded)?.committed, Writer::int),
        "transactions" => {
            let open: Vec<Transaction> = decode(encoded)?;
            writer.list(&open, transaction)?;
        }
        "search" => matches(&mut writer, &decode(encoded)?)?,
        "explain" => plan(&mut writer, &decode(encoded)?)?,
        "create_index" => index(&mut writer, &decode(encoded)?),
        "drop_index" => writer.bool(decode(encoded)?),
        "indexes" => {
            let indexes: Vec<IndexInfo> = decode(encoded)?;
            writer.list(&indexes, |writer, each| {
                index(writer, each);
                Ok(())
            })?;
        }
        other => {
            return Err(Error::new(ErrorCode::BadArgument, format!("{other:?} is no operation")));
        }
    }
    Ok(writer.finish())
}

/// One item of a streamed reply: a page of a listing, or a member's outcome in a call on a directory.
///
/// # Errors
/// As [`reply_to_pickle`].
pub fn stream_item_to_pickle(op: &str, encoded: &[u8]) -> Result<Vec<u8>> {
    if op == "cp" {
        let copied: Copied = decode(encoded)?;
        let mut writer = Writer::new();
        writer.tuple(|writer| {
            writer.unsigned(copied.count);
            writer.text(&copied.path);
        });
        return Ok(writer.finish());
    }
    if !matches!(op, "call" | "migrate") {
        return reply_to_pickle(op, encoded);
    }
    let member: MemberCalled = decode(encoded)?;
    let mut writer = Writer::new();
    writer.tuple(|writer| {
        writer.text(&member.name);
        match &member.called {
            Some(each) => called(writer, each)?,
            None => writer.none(),
        }
        writer.optional(member.error.as_ref(), error::write);
        Ok::<_, Error>(())
    })?;
    Ok(writer.finish())
}

fn texts(writer: &mut Writer, texts: &[String]) -> Result<()> {
    writer.list(texts, |writer, text| {
        writer.text(text);
        Ok(())
    })
}

fn stored(writer: &mut Writer, stored: &Stored) {
    writer.tuple(|writer| {
        writer.bytes(&stored.id.0);
        writer.unsigned(stored.version);
        writer.int(stored.modified);
    });
}

fn mixed(writer: &mut Writer, mixed: &Mixed) -> Result<()> {
    writer.tuple(|writer| {
        stored(writer, &mixed.stored);
        class_at(writer, &mixed.class);
        writer.list(&mixed.clashes, |writer, clash| {
            writer.tuple(|writer| {
                writer.text(&clash.name);
                writer.bool(clash.is_method);
                writer.text(&clash.kept);
                writer.text(&clash.hidden);
            });
            Ok(())
        })
    })
}

fn stat(writer: &mut Writer, stat: &Stat) {
    writer.tuple(|writer| {
        writer.text(&stat.name);
        writer.bytes(&stat.id.0);
        writer.text(stat.kind.as_str());
        writer.optional(stat.class.as_deref(), Writer::text);
        writer.optional(stat.class_hash, |writer, hash| writer.bytes(&hash.0));
        writer.optional(stat.class_version, Writer::unsigned);
        writer.text(&stat.owner);
        writer.text(&stat.group);
        writer.unsigned(stat.perms.0.into());
        writer.unsigned(stat.version);
        writer.int(stat.created);
        writer.int(stat.modified);
        writer.unsigned(stat.size);
        writer.text(&stat.node);
        writer.optional(stat.rules.as_ref(), |writer, rules| {
            writer.tuple(|writer| {
                writer.text(&rules.keep);
                writer.text(&rules.mask);
                writer.optional(rules.keep_from.as_deref(), Writer::text);
                writer.optional(rules.mask_from.as_deref(), Writer::text);
            });
        });
        writer.optional(stat.path.as_deref(), Writer::text);
        if let Some(packages) = &stat.requires {
            // Texts of a list are written without fail.
            let _ = writer.list(packages, |writer, package| {
                writer.text(package);
                Ok(())
            });
        }
    });
}

fn fetched(writer: &mut Writer, fetched: &Fetched) -> Result<()> {
    let state = Value::decode(&fetched.state)?;
    writer.tuple(|writer| {
        stat(writer, &fetched.stat);
        writer.value(&state)?;
        if let Some(members) = &fetched.members {
            (0..3).for_each(|_| writer.none());
            return page(writer, members);
        }
        let Some(path) = &fetched.path else { return Ok(()) };
        writer.text(path);
        writer.optional(fetched.part.as_deref(), Writer::text);
        match &fetched.children {
            Some(children) => writer.tuple(|writer| {
                writer.unsigned(children.total);
                writer.list(&children.items, child)
            }),
            None => Ok(()),
        }
    })
}

fn child(writer: &mut Writer, child: &FetchedChild) -> Result<()> {
    let state = child.state.as_deref().map(Value::decode).transpose()?;
    writer.tuple(|writer| {
        writer.text(&child.path);
        writer.optional(child.stat.as_ref(), stat);
        match &state {
            Some(state) => writer.value(state)?,
            None => writer.none(),
        }
        writer.optional(child.error.as_ref(), error::write);
        Ok(())
    })
}

fn page(writer: &mut Writer, page: &Page) -> Result<()> {
    writer.tuple(|writer| {
        writer.list(&page.members, |writer, member| {
            stat(writer, member);
            Ok(())
        })?;
        writer.optional(page.next.as_deref(), Writer::text);
        Ok(())
    })
}

fn matches(writer: &mut Writer, page: &Matches) -> Result<()> {
    writer.tuple(|writer| {
        writer.list(&page.items, |writer, item| {
            let state = Value::decode(&item.state)?;
            writer.tuple(|writer| {
                writer.text(&item.path);
                stat(writer, &item.stat);
                writer.value(&state)?;
                if let Some(score) = item.score {
                    writer.float(score.get());
                    writer.list(item.highlights.as_deref().unwrap_or_default(), highlight)?;
                }
                Ok(())
            })
        })?;
        writer.list(&page.failures, |writer, failure| {
            writer.tuple(|writer| {
                writer.text(&failure.path);
                error::write(writer, &failure.error);
            });
            Ok(())
        })?;
        writer.optional(page.next.as_deref(), Writer::text);
        writer.optional(page.count, Writer::unsigned);
        match &page.groups {
            Some(rows) => writer.list(rows, row)?,
            None => writer.none(),
        }
        writer.unsigned(page.more_failures.unwrap_or(0));
        Ok(())
    })
}

fn highlight(writer: &mut Writer, highlight: &Highlight) -> Result<()> {
    writer.tuple(|writer| {
        writer.text(&highlight.field);
        writer.text(&highlight.text);
        writer.list(&highlight.ranges, |writer, (from, to)| {
            writer.tuple(|writer| {
                writer.int(i64::from(*from));
                writer.int(i64::from(*to));
            });
            Ok(())
        })
    })
}

/// Whether there is a key, the key, the count, the values.
fn row(writer: &mut Writer, row: &Row) -> Result<()> {
    let key = row.key.as_deref().map(Value::decode).transpose()?;
    let values = Value::decode(&row.values)?;
    writer.tuple(|writer| {
        writer.bool(key.is_some());
        match &key {
            Some(key) => writer.value(key)?,
            None => writer.none(),
        }
        writer.unsigned(row.count);
        writer.value(&values)
    })
}

fn index(writer: &mut Writer, index: &IndexInfo) {
    writer.tuple(|writer| {
        writer.text(&index.class);
        writer.bytes(&index.class_id.0);
        writer.text(&index.field);
        writer.bool(index.unique);
        writer.bool(index.ready);
        writer
            .optional(index.looked_at, |writer, count| writer.int(i64::try_from(count).unwrap_or(i64::MAX)));
        writer.int(i64::try_from(index.duplicates.unwrap_or(0)).unwrap_or(i64::MAX));
    });
}

fn plan(writer: &mut Writer, plan: &Plan) -> Result<()> {
    writer.tuple(|writer| {
        writer.text(&plan.access);
        writer.optional(plan.index.as_deref(), Writer::text);
        writer.list(&plan.ranges, |writer, range| {
            writer.text(range);
            Ok(())
        })?;
        writer.optional(plan.native.as_deref(), Writer::text);
        writer.optional(plan.sandbox.as_deref(), Writer::text);
        writer.unsigned(plan.seen);
        writer.unsigned(plan.sandboxed);
        writer.unsigned(plan.found);
        Ok(())
    })
}

fn called(writer: &mut Writer, called: &Called) -> Result<()> {
    let result = Value::decode(&called.result)?;
    writer.tuple(|writer| {
        writer.value(&result)?;
        writer.optional(called.version, Writer::unsigned);
        writer.optional(called.log.as_deref(), Writer::text);
        Ok(())
    })
}

fn version_info(writer: &mut Writer, info: &VersionInfo) -> Result<()> {
    writer.tuple(|writer| {
        writer.unsigned(info.version);
        writer.int(info.modified);
        writer.text(&info.author);
        writer.optional(info.method.as_deref(), Writer::text);
        writer.unsigned(info.size);
        writer.optional(info.restored, Writer::unsigned);
        writer.optional(info.operation.as_deref(), Writer::text);
    });
    Ok(())
}

/// Of a field a tuple of its name, `changed`, `added` or `removed`, and its two values; the one that is not there is `None`.
fn diff(writer: &mut Writer, diff: &Diff) -> Result<()> {
    writer.tuple(|writer| {
        version_info(writer, &diff.from)?;
        version_info(writer, &diff.to)?;
        writer.list(&diff.fields, |writer, change| {
            let (kind, old, new) = match (&change.old, &change.new) {
                (Some(old), Some(new)) => ("changed", Value::decode(old)?, Value::decode(new)?),
                (None, Some(new)) => ("added", Value::Null, Value::decode(new)?),
                (Some(old), None) => ("removed", Value::decode(old)?, Value::Null),
                (None, None) => return Err(Error::new(ErrorCode::BadFrame, "a change without values")),
            };
            writer.tuple(|writer| {
                writer.text(&change.field);
                writer.text(kind);
                writer.value(&old)?;
                writer.value(&new)
            })
        })?;
        writer.optional(diff.old_class.as_ref(), class_at);
        writer.optional(diff.new_class.as_ref(), class_at);
        Ok(())
    })
}

fn change(writer: &mut Writer, change: &Change) {
    writer.tuple(|writer| {
        writer.text(change.kind.as_str());
        writer.text(&change.token);
        writer.text(&change.path);
        writer.optional(change.from.as_deref(), Writer::text);
        writer.optional(change.id, |writer, id| writer.bytes(&id.0));
        writer.optional(change.version, Writer::unsigned);
        writer.int(change.time);
        writer.text(&change.author);
        writer.bool(change.directory);
    });
}

fn transaction(writer: &mut Writer, open: &Transaction) -> Result<()> {
    writer.tuple(|writer| {
        writer.text(&open.id.to_string());
        writer.optional(open.name.as_deref(), Writer::text);
        writer.int(open.began);
        writer.int(open.expires);
        writer.unsigned(open.operations);
        writer.unsigned(open.bytes);
    });
    Ok(())
}

fn class_at(writer: &mut Writer, class: &ClassAt) {
    writer.tuple(|writer| {
        writer.text(&class.name);
        writer.unsigned(class.version);
        writer.bytes(&class.hash.0);
    });
}

fn class_version(writer: &mut Writer, class: &ClassVersion) -> Result<()> {
    writer.tuple(|writer| {
        writer.bytes(&class.hash.0);
        writer.bytes(&class.class_id.0);
        writer.unsigned(class.version);
        writer.text(&class.owner);
        writer.int(class.created);
        source(writer, &class.source)?;
        writer.list(&class.methods, method)
    })
}

/// The same tuple that `put_class` takes.
pub(crate) fn source(writer: &mut Writer, source: &ClassSource) -> Result<()> {
    writer.tuple(|writer| {
        writer.text(&source.name);
        writer.text(source.language.as_str());
        writer.text(&source.source);
        writer.list(&source.bases, |writer, base: &BaseRef| {
            writer.tuple(|writer| {
                writer.text(&base.name);
                writer.bytes(&base.hash.0);
            });
            Ok(())
        })?;
        writer.list(&source.fields, |writer, field| {
            writer.tuple(|writer| {
                writer.text(&field.name);
                writer.text(field.kind.as_str());
                writer.bool(field.default.is_some());
                match &field.default {
                    Some(default) => writer.value(&Value::decode(default)?)?,
                    None => writer.none(),
                }
                writer.optional(field.doc.as_deref(), Writer::text);
                Ok(())
            })
        })?;
        writer.optional(source.doc.as_deref(), Writer::text);
        writer.list(source.captures.as_deref().unwrap_or_default(), capture)?;
        match (&source.module, &source.requires) {
            (Some(module), _) => writer.bytes(module),
            (None, Some(_)) => writer.none(),
            (None, None) => {}
        }
        if let Some(packages) = &source.requires {
            writer.list(packages, |writer, package: &String| {
                writer.text(package);
                Ok(())
            })?;
        }
        Ok(())
    })
}

fn capture(writer: &mut Writer, capture: &Capture) -> Result<()> {
    writer.tuple(|writer| {
        writer.text(&capture.name);
        match &capture.what {
            Captured::Module(module) => {
                writer.text("module");
                writer.text(module);
            }
            Captured::Member { module, member } => {
                writer.text("member");
                writer.text(module);
                writer.text(member);
            }
            Captured::Source(source) => {
                writer.text("source");
                writer.text(source);
            }
            Captured::Value(value) => {
                writer.text("value");
                writer.value(&Value::decode(value)?)?;
            }
            Captured::Class(hash) => {
                writer.text("class");
                writer.bytes(&hash.0);
            }
        }
        Ok(())
    })
}

pub(crate) fn method(writer: &mut Writer, method: &MethodDecl) -> Result<()> {
    writer.tuple(|writer| {
        writer.text(&method.name);
        writer.list(&method.params, |writer, param| {
            writer.tuple(|writer| {
                writer.text(&param.name);
                writer.optional(param.default.as_deref(), Writer::text);
                writer.optional(param.kind.as_deref(), Writer::text);
            });
            Ok(())
        })?;
        writer.optional(method.doc.as_deref(), Writer::text);
        writer.bool(method.is_async);
        writer.bool(method.is_static);
        writer.bool(method.is_property);
        writer.optional(method.returns.as_deref(), Writer::text);
        Ok(())
    })
}
