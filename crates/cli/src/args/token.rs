//! The words of the commands about tokens.

use super::{Format, rights::NoArgs};
use clap::{Args, Subcommand};
use emerge_proto::Scope;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it; it is kept nowhere.
    Create(TokenCreate),
    /// List the tokens that you may see, not what they are.
    List(NoArgs),
    /// Take a token back, and those that were made with it.
    Revoke(TokenRevoke),
}

impl TokenCommand {
    pub(super) fn format(&self) -> Format {
        match self {
            TokenCommand::Create(args) => args.format,
            TokenCommand::List(args) => args.format,
            TokenCommand::Revoke(args) => args.format,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct TokenCreate {
    #[command(flatten)]
    pub(crate) format: Format,
    /// For whom, which the administrator may say; yourself otherwise.
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// What it is for: VERB:/path or VERB:/path/**, where VERB is read, write, call, rights or *; or * for everything. Several with commas
    /// between them, or given again. As much as the token in use when left out.
    #[arg(long, value_delimiter = ',', value_parser = grant)]
    pub(crate) scope: Vec<String>,
    /// When it ends: after so long (30m, 12h, 90d) or at a moment (2027-01-31T12:00:00Z).
    #[arg(long, value_parser = end)]
    pub(crate) expires: Option<End>,
    /// What it is made for, for people.
    #[arg(long)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TokenRevoke {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The token's id, as the list has it.
    pub(crate) id: String,
    /// Whose it is; everybody's are looked through otherwise, as far as you may.
    #[arg(long)]
    pub(crate) user: Option<String>,
}

/// When a token ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// So many microseconds from now.
    After(i64),
    /// Microseconds since 1970-01-01T00:00:00Z.
    At(i64),
}

fn grant(text: &str) -> Result<String, String> {
    Scope::parse(&[text]).map(|_| text.to_owned()).map_err(|error| error.message)
}

fn end(text: &str) -> Result<End, String> {
    if let Some(moment) = emerge_node::json::moment(text) {
        return Ok(End::At(moment));
    }
    let seconds = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(24 * 3600),
        'w' => Some(7 * 24 * 3600),
        _ => None,
    };
    let after = text.char_indices().next_back().and_then(|(at, unit)| {
        let count: i64 = text.get(..at)?.parse().ok().filter(|count| *count > 0)?;
        count.checked_mul(seconds(unit)?)?.checked_mul(1_000_000)
    });
    after.map(End::After).ok_or_else(|| {
        "a time such as 30m, 12h or 90d, or a moment such as 2027-01-31T12:00:00Z is needed".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_or_refused() {
        assert_eq!(end("90d"), Ok(End::After(90 * 86_400 * 1_000_000)));
        assert_eq!(end("1s"), Ok(End::After(1_000_000)));
        assert_eq!(end("1970-01-01T00:00:01Z"), Ok(End::At(1_000_000)));
        for text in ["", "d", "0d", "-1d", "5y", "5", "99999999999999d", "é", "tomorrow"] {
            assert!(end(text).is_err(), "{text:?}");
        }
    }
}
