//! What `emerge trust` takes.

use super::Format;
use clap::Args;

/// Of the three one.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false, args = ["path", "list", "revoke"])]
pub(crate) struct Trust {
    #[command(flatten)]
    pub(crate) format: Format,
    /// An object: its class as it is now is trusted, with what that inherits from and uses. Read it first: `emerge code PATH`.
    pub(crate) path: Option<String>,
    /// Show what is trusted.
    #[arg(long)]
    pub(crate) list: bool,
    /// Trust a class version, or all of an address's beginning or of a class's name, no longer.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) revoke: Option<String>,
}
