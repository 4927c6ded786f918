//! Comparisons of four words in a call: steps taken in at their place in the log, own ones too, and answered.

use super::changes::{named, shown};
use crate::store::Tx;
use crate::store::meta::Fact;
use crate::store::outbox::What;
use crate::{ClientError, Event, Result};
use conclave_protocol::content::Content;
use conclave_protocol::group::{Abort, Call, CallNews, CallStep, Group};
use conclave_protocol::identity::Account;
use conclave_protocol::{DeviceId, MessageId, PersonId};

/// So many calls may come to nothing in an hour; after that somebody is trying until the words fit.
pub(crate) const MOST_ABORTED: usize = 3;
const HOUR: u64 = 60 * 60 * 1000;

/// Takes in a step.
pub(super) fn take_call(
    tx: &Tx,
    account: &Account,
    group: &Group,
    from: (PersonId, DeviceId),
    step: &CallStep,
) -> Result<()> {
    let unfinished = |call: &Call| call.is_joined() && call.words().is_none() && call.aborted().is_none();
    if matches!(step, CallStep::Begin(..))
        && tx.protocol(|cx| Call::load(group, cx))?.is_some_and(|call| unfinished(&call))
    {
        note_aborted(tx)?;
    }
    let Some(news) = tx.protocol(|cx| Call::take(group, from, step, cx))? else { return Ok(()) };
    let Some(conversation) = tx.conversation(group.id())? else { return Ok(()) };
    let (id, conversation) = named(&conversation);
    match news {
        CallNews::Open(step) => say_step(tx, group, step).map(drop),
        CallNews::Begun => {
            let call = tx.protocol(|cx| Call::load(group, cx))?;
            let me = account.person();
            match from.0 != *me && call.is_some_and(|call| call.people().contains(me)) {
                true => tx.tell(&Event::CallBegun { id, conversation, by: shown(tx, &from.0)? }),
                false => Ok(()),
            }
        }
        CallNews::Words => Ok(()),
        CallNews::Aborted(abort) => {
            note_aborted(tx)?;
            tx.tell(&Event::CallAborted { id, conversation, cause: why(tx, abort)? })
        }
    }
}

/// Why a call came to nothing, in words.
pub(crate) fn why(tx: &Tx, abort: Abort) -> Result<String> {
    Ok(match abort {
        Abort::Early(person) => format!("{} opened before all had committed", shown(tx, &person)?),
        Abort::Differs(person) => format!("{} opened something else than committed to", shown(tx, &person)?),
    })
}

/// Says a step in the group.
pub(crate) fn say_step(tx: &Tx, group: &Group, step: CallStep) -> Result<i64> {
    let (id, content) = (MessageId(tx.random()?), Content::Call(step).encode()?);
    tx.wish(group.id(), &What::Tell { id, content }, 0)
}

/// Whether this device takes part in one more call now.
///
/// # Errors
/// `TooManyCalls`.
pub(crate) fn may_call(tx: &Tx) -> Result<()> {
    if aborted_lately(tx)?.len() >= MOST_ABORTED { Err(ClientError::TooManyCalls) } else { Ok(()) }
}

fn note_aborted(tx: &Tx) -> Result<()> {
    let mut times = aborted_lately(tx)?;
    times.push(tx.now.0);
    let bytes: Vec<u8> = times.iter().flat_map(|at| at.to_be_bytes()).collect();
    tx.set_blob(Fact::CallsAborted, &bytes)
}

fn aborted_lately(tx: &Tx) -> Result<Vec<u64>> {
    let kept = tx.blob(Fact::CallsAborted)?.unwrap_or_default();
    let times = kept.chunks_exact(8).filter_map(|at| at.try_into().ok().map(u64::from_be_bytes));
    Ok(times.filter(|at| tx.now.0 < at.saturating_add(HOUR)).collect())
}
