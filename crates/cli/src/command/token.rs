//! Tokens: token.

use crate::args::token::{End, TokenCommand};
use crate::output::{Output, table};
use emerge_client::native::Client;
use emerge_node::json::{time, token_to_json};
use emerge_proto::Result;
use emerge_proto::account::TokenInfo;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) async fn run(command: &TokenCommand, client: &Client, output: &Output) -> Result<()> {
    match command {
        TokenCommand::Create(args) => {
            let scope = (!args.scope.is_empty()).then(|| args.scope.clone());
            let expires = args.expires.map(|end| match end {
                End::At(moment) => moment,
                End::After(micros) => now_micros().saturating_add(micros),
            });
            let user = args.user.as_deref();
            let (token, info) = client.create_token(user, scope, expires, args.note.clone()).await?;
            if output.json {
                let mut json = token_to_json(&info);
                json["token"] = json!(token);
                output.json(&json);
                return Ok(());
            }
            output.line(&token);
            let until = match info.expires {
                Some(_) => format!(" until {}", text(info.expires)),
                None => String::new(),
            };
            output.note(format!(
                "This token stands for {} and grants {}{until}. It is kept nowhere: write it down. Take it back with: emerge token revoke {}",
                info.user,
                info.scope.join(" "),
                info.id
            ));
        }
        TokenCommand::List(_) => {
            let tokens = client.tokens(None).await?;
            if output.json {
                tokens.iter().for_each(|token| output.json(&token_to_json(token)));
                return Ok(());
            }
            let row = |token: &TokenInfo| {
                vec![
                    token.id.clone(),
                    token.user.clone(),
                    text(Some(token.created)),
                    text(token.expires),
                    token.scope.join(" "),
                    token.note.clone().unwrap_or_default(),
                ]
            };
            let rows = tokens.iter().map(row).collect::<Vec<_>>();
            table(&rows).iter().for_each(|line| output.line(line.trim_end()));
        }
        TokenCommand::Revoke(args) => {
            let revoked = client.revoke_token(&args.id, args.user.as_deref()).await?;
            if output.json {
                revoked.iter().for_each(|token| output.json(&token_to_json(token)));
            }
        }
    }
    Ok(())
}

fn text(moment: Option<i64>) -> String {
    let text = moment.map(time);
    text.as_ref().and_then(|text| text.as_str()).unwrap_or("-").to_owned()
}

fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
