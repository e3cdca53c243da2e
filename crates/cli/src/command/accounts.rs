//! Users and groups: user, group.

use crate::args::{GroupCommand, UserCommand, UserQuota};
use crate::output::{Output, table};
use emerge_client::native::Client;
use emerge_node::json::{group_to_json, quota_to_json, time, user_to_json};
use emerge_proto::Result;
use emerge_proto::account::{Quota, QuotaInfo};
use serde_json::json;

pub(super) async fn user(command: &UserCommand, client: &Client, output: &Output) -> Result<()> {
    match command {
        UserCommand::Add(args) => {
            let token = client.add_user(&args.name, &args.groups).await?;
            tell_token(&args.name, &token, output);
        }
        UserCommand::Token(args) => {
            let token = client.new_token(&args.name).await?;
            tell_token(&args.name, &token, output);
        }
        UserCommand::Quota(args) => quota(args, client, output).await?,
        UserCommand::Rm(args) => client.remove_user(&args.name).await?,
        UserCommand::List(_) => {
            let users = client.users().await?;
            if output.json {
                users.iter().for_each(|user| output.json(&user_to_json(user)));
                return Ok(());
            }
            let row = |user: &emerge_proto::account::UserInfo| {
                let since = time(user.created).as_str().unwrap_or_default().to_owned();
                vec![user.name.clone(), since, user.groups.join(" ")]
            };
            table(&users.iter().map(row).collect::<Vec<_>>())
                .iter()
                .for_each(|line| output.line(line.trim_end()));
        }
    }
    Ok(())
}

async fn quota(args: &UserQuota, client: &Client, output: &Output) -> Result<()> {
    let set = args.unlimited || args.objects.is_some() || args.bytes.is_some();
    let quotas = match &args.name {
        Some(name) if set => {
            let quota = Quota { objects: args.objects, bytes: args.bytes };
            vec![client.set_quota(name, quota).await?]
        }
        name => client.quotas(name.as_deref()).await?,
    };
    if output.json {
        quotas.iter().for_each(|quota| output.json(&quota_to_json(quota)));
        return Ok(());
    }
    let of = |used: u64, max: Option<u64>, what: &str| match max {
        Some(max) => format!("{used} of {max} {what}"),
        None => format!("{used} {what}"),
    };
    let row = |quota: &QuotaInfo| {
        let objects = of(quota.objects, quota.max_objects, "objects");
        vec![quota.user.clone(), objects, of(quota.bytes, quota.max_bytes, "bytes")]
    };
    table(&quotas.iter().map(row).collect::<Vec<_>>()).iter().for_each(|line| output.line(line.trim_end()));
    Ok(())
}

fn tell_token(name: &str, token: &str, output: &Output) {
    if output.json {
        output.json(&json!({ "name": name, "token": token }));
    } else {
        output.line(token);
        output.note(format!("This token stands for {name}. It is kept nowhere: write it down."));
    }
}

pub(super) async fn group(command: &GroupCommand, client: &Client, output: &Output) -> Result<()> {
    match command {
        GroupCommand::Add(args) => client.add_group(&args.name).await?,
        GroupCommand::Rm(args) => client.remove_group(&args.name).await?,
        GroupCommand::Join(args) => client.join_group(&args.group, &args.user).await?,
        GroupCommand::Leave(args) => client.leave_group(&args.group, &args.user).await?,
        GroupCommand::List(_) => {
            let groups = client.groups().await?;
            if output.json {
                groups.iter().for_each(|group| output.json(&group_to_json(group)));
                return Ok(());
            }
            let rows: Vec<Vec<String>> =
                groups.iter().map(|group| vec![group.name.clone(), group.members.join(" ")]).collect();
            table(&rows).iter().for_each(|line| output.line(line.trim_end()));
        }
    }
    Ok(())
}
