//! Errors as pickles.

use crate::write::Writer;
use emerge_proto::Error;
use emerge_proto::error::Effect;

/// An error as a tuple: code, message, field, limit, path, trace, effect (`"none"`, `"unknown"` or `None`), log, milliseconds after which it may be tried again.
pub fn error_to_pickle(error: &Error) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer, error);
    writer.finish()
}

pub(crate) fn write(writer: &mut Writer, error: &Error) {
    writer.tuple(|writer| {
        writer.text(error.code.as_str());
        writer.text(&error.message);
        writer.optional(error.field.as_deref(), Writer::text);
        writer.optional(error.limit, Writer::unsigned);
        writer.optional(error.path.as_deref(), Writer::text);
        writer.optional(error.trace.as_deref(), Writer::text);
        let effect = error.effect.map(|effect| match effect {
            Effect::None => "none",
            Effect::Unknown => "unknown",
        });
        writer.optional(effect, Writer::text);
        writer.optional(error.log.as_deref(), Writer::text);
        writer.optional(error.retry_after_ms.map(|after| after.get().into()), Writer::unsigned);
    });
}
