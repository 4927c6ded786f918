//! `conclave group policy`, and who is proposed under it.

use std::num::NonZeroU8;

use conclave_client::{Client, Endorsers, GroupInfo, Policy, ProposedInfo, Right};

use crate::failure::Failure;
use crate::grammar::{PolicyChanges, RightName};
use crate::output;
use crate::settings::Settings;

use super::group::done;

/// Shows the policy, or sets what is asked for.
pub(crate) async fn run(
    client: &Client,
    changes: &PolicyChanges,
    settings: &Settings,
) -> Result<(), Failure> {
    let known = client.policy(&changes.group).await?;
    let wanted = changed(known, changes);
    if wanted != known {
        return done(client.set_policy(&changes.group, wanted, settings.timeout).await?);
    }
    let info = client.group_info(&changes.group).await?;
    if settings.json { output::json(&output::value(&known_as(&known))?) } else { output::line(&info.policy) }
}

fn changed(known: Policy, changes: &PolicyChanges) -> Policy {
    let right = |right: Option<RightName>, known: Right| match right {
        None => known,
        Some(RightName::Members) => Right::Members,
        Some(RightName::Administrators) => Right::Administrators,
    };
    let endorsers = |count: u8| {
        NonZeroU8::new(count).map(|count| Endorsers { count, above: changes.above.unwrap_or_default() })
    };
    Policy {
        add: right(changes.add, known.add),
        remove: right(changes.remove, known.remove),
        rename: right(changes.rename, known.rename),
        verified_only: changes.verified_only.as_deref().map_or(known.verified_only, |word| word == "on"),
        endorsers: changes.endorsers.map_or(known.endorsers, endorsers),
        cooling_off: changes.cooling_off.unwrap_or(known.cooling_off),
    }
}

/// The policy as scripts read it.
fn known_as(policy: &Policy) -> serde_json::Value {
    let right = |right: Right| if right == Right::Members { "members" } else { "administrators" };
    serde_json::json!({
        "add": right(policy.add),
        "remove": right(policy.remove),
        "rename": right(policy.rename),
        "endorsers": policy.endorsers.map_or(0, |endorsers| endorsers.count.get()),
        "above": policy.endorsers.map_or(0, |endorsers| endorsers.above),
        "cooling_off": policy.cooling_off,
        "verified_only": policy.verified_only,
    })
}

/// Says who is not in yet, after an addition; scripts get them as `proposed`.
pub(super) fn proposed(group: &GroupInfo, settings: &Settings) -> Result<(), Failure> {
    match settings.json && !group.proposed.is_empty() {
        true => output::json(&serde_json::json!({ "proposed": output::value(&group.proposed)? })),
        false => lines(group),
    }
}

/// Who is proposed, a line each.
pub(super) fn lines(group: &GroupInfo) -> Result<(), Failure> {
    group.proposed.iter().try_for_each(|one| output::line(&format!("  {}", words(one))))
}

fn words(one: &ProposedInfo) -> String {
    let missing = match one.missing {
        0 => "in once nobody can object any more".to_owned(),
        1 => "needs one more to agree".to_owned(),
        many => format!("needs {many} more to agree"),
    };
    let why = if one.reason.is_empty() { String::new() } else { format!(" ({})", one.reason) };
    output::inert(&format!("proposed: {} by {}{why}; {missing}", one.handle, one.by))
}
