//! What JavaScript decides about a connection.

use emerge_client::Config;
use emerge_proto::{Error, ErrorCode};
use serde::Deserialize;
use wasm_bindgen::JsValue;

/// Times are in milliseconds; what is left out keeps its default.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Options {
    token: String,
    agent: Option<String>,
    connect_timeout_ms: Option<u32>,
    heartbeat_ms: Option<u32>,
    dead_after_ms: Option<u32>,
    backoff_base_ms: Option<u32>,
    backoff_cap_ms: Option<u32>,
    close_timeout_ms: Option<u32>,
}

/// Reads the options of a new connection.
pub(crate) fn read(options: JsValue) -> Result<Config, Error> {
    let options = if options.is_null() || options.is_undefined() {
        Options::default()
    } else {
        serde_wasm_bindgen::from_value(options).map_err(|error| {
            Error::new(ErrorCode::BadArgument, format!("the options cannot be used: {error}"))
                .field("options")
        })?
    };
    let mut config = Config::new(options.token);
    if let Some(agent) = options.agent {
        config.agent = agent;
    }
    let set = |place: &mut u64, value: Option<u32>| *place = value.map_or(*place, u64::from);
    set(&mut config.connect_timeout, options.connect_timeout_ms);
    set(&mut config.heartbeat, options.heartbeat_ms);
    set(&mut config.dead_after, options.dead_after_ms);
    set(&mut config.backoff_base, options.backoff_base_ms);
    set(&mut config.backoff_cap, options.backoff_cap_ms);
    set(&mut config.close_timeout, options.close_timeout_ms);
    Ok(config)
}
