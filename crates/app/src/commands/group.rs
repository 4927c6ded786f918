//! `conclave group …`.

use conclave_client::{Client, GroupInfo, HealInfo, Outcome, Role};

use crate::failure::{Exit, Failure};
use crate::grammar::{GroupCommand, RoleName, SchemeName};
use crate::output;
use crate::settings::Settings;

use super::{audit, policy, session, verification};

/// Make groups, change who is in, show them.
pub(crate) async fn run(command: GroupCommand, settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    let wait = settings.timeout;
    match command {
        GroupCommand::New { group, scheme } => create(&client, &group, scheme, settings).await,
        GroupCommand::Add { group, who, reason } => {
            done(client.add_for(&group, &who, &reason, wait).await?)?;
            policy::proposed(&client.group_info(&group).await?, settings)
        }
        GroupCommand::Endorse { group, who } => done(client.endorse(&group, &who, wait).await?),
        GroupCommand::Object { group, who } => done(client.object(&group, &who, wait).await?),
        GroupCommand::Remove { group, who } => done(client.remove(&group, &who, wait).await?),
        GroupCommand::Leave { group } => done(client.leave(&group, wait).await?),
        GroupCommand::Rename { group, name } => done(client.rename(&group, &name, wait).await?),
        GroupCommand::Policy(changes) => policy::run(&client, &changes, settings).await,
        GroupCommand::Heal { group } => done(client.heal(&group, wait).await?),
        GroupCommand::Role { group, who, role } => {
            done(client.set_role(&group, &who, role_of(role), wait).await?)
        }
        GroupCommand::List => client.groups().await?.iter().try_for_each(|group| list(group, settings)),
        GroupCommand::Code { group } => verification::code(&client, &group, settings).await,
        GroupCommand::Moment { group } => verification::moment(&client, &group, settings).await,
        GroupCommand::Sas { group, confirm: true, .. } => {
            verification::confirm(&client, &group, settings).await
        }
        GroupCommand::Sas { group, with, confirm: false } => {
            verification::words(&client, &group, &with, settings).await
        }
        GroupCommand::Verify { group } => verification::grades(&client, &group, settings).await,
        GroupCommand::Audit { group, export: Some(file) } => {
            client.sync(settings.timeout).await?;
            audit::write(&file, &client.export_membership(&group).await?, settings)
        }
        GroupCommand::Audit { group, export: None } => verification::audit(&client, &group, settings).await,
        GroupCommand::Info { group } => info(&client.group_info(&group).await?, settings),
    }
}

async fn create(client: &Client, name: &str, scheme: SchemeName, settings: &Settings) -> Result<(), Failure> {
    let scheme = scheme.as_str().parse().map_err(|_| {
        Failure::new(
            Exit::Refused,
            "scheme_unavailable",
            "this scheme is not available",
            "Use pairwise, sender-keys or tree.",
        )
    })?;
    let group = client.new_group(name, scheme).await?;
    if settings.json { json(&group) } else { output::line(&group.id) }
}

fn list(group: &GroupInfo, settings: &Settings) -> Result<(), Failure> {
    if settings.json {
        return json(group);
    }
    output::line(&format!(
        "{}  {}  {} members  {}",
        output::inert(&group.name),
        group.scheme,
        group.members.len(),
        group.id
    ))
}

fn info(group: &GroupInfo, settings: &Settings) -> Result<(), Failure> {
    if settings.json {
        return json(group);
    }
    output::line(&format!("{}  {}  epoch {}", output::inert(&group.name), group.scheme, group.epoch))?;
    for member in &group.members {
        let you = if member.you { "  (you)" } else { "" };
        let away = if member.away { "  away: not heard of for 45 days" } else { "" };
        output::line(&format!("  {}  {}{you}{away}", member.handle, member.role))?;
        for heal in &member.heals {
            output::line(&format!("    {}", healed(heal)))?;
        }
    }
    if !group.policy.is_empty() {
        output::line(&format!("  {}", group.policy))?;
    }
    policy::lines(group)?;
    if group.state != "member" {
        return Ok(());
    }
    let until = group.exposed_until.map(output::rfc3339);
    let until = until.as_deref().unwrap_or("a device that is overdue is heard of, or taken out");
    output::line(&format!("  at worst, a thief of one device reads until {until}"))
}

/// What is known of a device's heals, in words.
fn healed(heal: &HealInfo) -> String {
    let when = heal.healed_at.map(|at| format!("healed {}", output::rfc3339(at)));
    let when = when.unwrap_or_else(|| "has not healed since you are in".to_owned());
    match (heal.exposed_until, heal.idle) {
        (Some(until), _) => format!("{when}; does again by {}", output::rfc3339(until)),
        (None, false) => format!("{when}; overdue, so not online"),
        (None, true) => format!("{when}; not heard of for two weeks: ask, or remove it"),
    }
}

/// The group as scripts read it: instants as everywhere.
fn json(group: &GroupInfo) -> Result<(), Failure> {
    let mut value = output::value(group)?;
    let instant = |at: Option<&mut serde_json::Value>| {
        if let Some((at, unix_ms)) = at.and_then(|at| at.as_i64().map(|unix_ms| (at, unix_ms))) {
            *at = output::rfc3339(unix_ms).into();
        }
    };
    instant(value.get_mut("exposed_until"));
    let members = value.get_mut("members").and_then(serde_json::Value::as_array_mut);
    for member in members.into_iter().flatten() {
        let heals = member.get_mut("heals").and_then(serde_json::Value::as_array_mut);
        for heal in heals.into_iter().flatten() {
            ["healed_at", "exposed_until"].into_iter().for_each(|name| instant(heal.get_mut(name)));
        }
    }
    output::json(&value)
}

fn role_of(role: RoleName) -> Role {
    match role {
        RoleName::Member => Role::Member,
        RoleName::Administrator => Role::Administrator,
    }
}

pub(super) fn done(outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Queued => Err(Failure::queued("the change")),
    }
}
