//! The history of a group's membership as it was signed, for anybody to check without an account: a roster to begin with, and
//! every commit since that did more than heal.
//!
//! Commits name the last one that changed people, so that none of these can be left out. Heals are, and with them the leaves
//! that they brought; where a commit is by such a leaf, the leaf stands beside it, certified by its device. That rejoins and
//! absences are all there is not shown.

use super::Group;
use super::received::happened;
use crate::codec;
use crate::identity::Handle;
use crate::primitives::sign::VerifyingKey;
use crate::roster::{Change, Commit, Leaf, Role, Roster, RosterBody};
use crate::vault::{Row, delete_all, load, save};
use crate::{Context, DeviceId, Digest, Error, GroupId, MessageId, PeerFault, PersonId, Result, Timestamp};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// First bytes of an exported history.
const MAGIC: [u8; 16] = *b"conclave audit 1";

/// Where a device's knowledge begins: the founding roster, or the one that it was let in with.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Base {
    roster: RosterBody,
    /// The commit that led to it. None: it is the founding roster, or an older version kept nothing from before.
    by: Option<Commit>,
    last_change: Digest,
}

/// A commit, and the leaves that it is checked with where they are none of the roster's.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Step {
    pub(super) commit: Commit,
    leaves: Vec<Leaf>,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct File {
    magic: [u8; 16],
    message: Option<AboutMessage>,
    base: Base,
    pub(super) steps: Vec<Step>,
}

/// The message for which a history was exported. That it was of this epoch is the word of who exported it.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct AboutMessage {
    /// Its id.
    pub id: MessageId,
    /// Who said it.
    pub person: PersonId,
    /// The group's epoch then.
    pub epoch: u64,
    /// The sender's claim.
    pub sent_at: Timestamp,
}

/// A history that holds.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The group.
    pub group: GroupId,
    /// The epoch at which it begins.
    pub begins: u64,
    /// Whether the roster at the beginning is signed by whoever let the exporting device in; the founder's is nobody's word
    /// but the founder's.
    pub begin_signed: bool,
    /// The commits, in order.
    pub steps: Vec<AuditStep>,
    /// Who is in after the last of them.
    pub people: Vec<AuditPerson>,
    /// What it was exported for.
    pub message: Option<AboutMessage>,
}

/// A commit whose signature holds.
#[derive(Clone, Debug)]
pub struct AuditStep {
    /// The epoch since.
    pub epoch: u64,
    /// Who signed it.
    pub by: PersonId,
    /// Where they are found.
    pub handle: Handle,
    /// From which device.
    pub device: DeviceId,
    /// What it changed.
    pub changes: Vec<super::Happened>,
    /// Its hash.
    pub commit: Digest,
}

/// Somebody in a group.
#[derive(Clone, Debug)]
pub struct AuditPerson {
    /// Who.
    pub person: PersonId,
    /// Where found.
    pub handle: Handle,
    /// The identity key.
    pub identity: VerifyingKey,
    /// The role.
    pub role: Role,
    /// The devices that have keys, and so can read.
    pub devices: Vec<DeviceId>,
}

impl Group {
    /// The signed history of who is in, up to an epoch, as a file for [`audit`]; with the message that it is for.
    ///
    /// # Errors
    /// `NoSuchGroup` where nothing of it was kept, or it begins later.
    pub fn export(&self, up_to: Option<u64>, message: Option<AboutMessage>, cx: &Context) -> Result<Vec<u8>> {
        let base: Option<Base> = load(cx.vault, &self.row(Row::ProofBase))?;
        let base = match base {
            Some(base) => base,
            None => self.base(None),
        };
        if up_to.is_some_and(|epoch| epoch < base.roster.epoch) {
            return Err(crate::Misuse::NoSuchGroup.into());
        }
        let mut steps = self.kept_steps(cx)?;
        steps.retain(|step| up_to.is_none_or(|epoch| step.commit.body.draft.epoch <= epoch));
        codec::encode(&File { magic: MAGIC, message, base, steps })
    }

    /// The commits that were kept, in order.
    pub(super) fn kept_steps(&self, cx: &Context) -> Result<Vec<Step>> {
        let found = cx.vault.scan(&self.row(Row::ProofStep))?.into_iter();
        let step =
            |found: crate::vault::Found| codec::decode_large(&found.value).map_err(|_| Error::CorruptStore);
        found.map(step).collect()
    }

    fn base(&self, by: Option<&Commit>) -> Base {
        Base { roster: self.roster.body().clone(), by: by.cloned(), last_change: self.state.parent_change }
    }

    /// The history begins here; what was kept before is gone.
    pub(super) fn begin_proof(&self, by: Option<&Commit>, cx: &mut Context) -> Result<()> {
        delete_all(cx.vault, &self.row(Row::ProofStep))?;
        save(cx.vault, &self.row(Row::ProofBase), &self.base(by))
    }

    /// Keeps a valid commit that leads on from the present roster, unless it is a heal alone.
    pub(super) fn keep_proof(&self, commit: &Commit, cx: &mut Context) -> Result<()> {
        let draft = &commit.body.draft;
        if draft.changes.is_empty() {
            return Ok(());
        }
        if cx.vault.get(&self.row(Row::ProofBase))?.is_none() {
            self.begin_proof(None, cx)?;
        }
        let leavers = draft.changes.iter().filter_map(|change| match change {
            Change::Leave(leave) => Some(leave.request.device),
            _ => None,
        });
        let signers = leavers.chain([draft.author]);
        let leaves = signers.filter_map(|device| self.roster.leaf(device).cloned()).collect();
        let step = Step { commit: commit.clone(), leaves };
        save(cx.vault, &self.entry_row(Row::ProofStep, draft.epoch), &step)
    }
}

/// Checks an exported history: every signature, every right, and that no change of people is left out.
///
/// # Errors
/// `Malformed`, `UnknownVersion`; what a commit that is not valid is refused for; `WrongEpoch` where one is missing.
pub fn audit(file: &[u8]) -> Result<Audit> {
    let File { magic, message, base, steps } = codec::decode_large(file)?;
    if magic != MAGIC {
        return Err(PeerFault::UnknownVersion.into());
    }
    let (begins, begin_signed) = (base.roster.epoch, base.by.is_some());
    let mut last_change = base.last_change;
    let mut roster = begin(base)?;
    let mut done = Vec::new();
    for step in steps {
        let (next, audited) = follow(roster, &mut last_change, &step)?;
        done.push(audited);
        roster = next;
    }
    if message.as_ref().is_some_and(|message| message.epoch < roster.body().epoch) {
        return Err(PeerFault::WrongEpoch.into());
    }
    let people = roster.body().members.iter().filter_map(|member| {
        Some(AuditPerson {
            person: member.person,
            handle: member.handle.clone(),
            identity: *roster.list(member.person)?.identity(),
            role: member.role,
            devices: member.present().map(|leaf| leaf.device).collect(),
        })
    });
    let people = people.collect();
    Ok(Audit { group: roster.body().group, begins, begin_signed, steps: done, people, message })
}

/// The roster at the beginning, held against what names it.
fn begin(base: Base) -> Result<Roster> {
    let epoch = base.roster.epoch;
    let roster = Roster::verify(base.roster)?;
    let named = match &base.by {
        // The first commit names the founding roster.
        None => epoch != 0 || roster.hash()? == base.last_change,
        Some(by) => {
            by.verify_signature(&roster)?;
            let lasting = by.body.draft.changes.iter().any(Change::is_lasting);
            by.body.draft.roster_after == roster.hash()? && (!lasting || by.hash()? == base.last_change)
        }
    };
    if named { Ok(roster) } else { Err(PeerFault::HashMismatch.into()) }
}

/// The roster after a step, and what is told of it.
fn follow(mut roster: Roster, last_change: &mut Digest, step: &Step) -> Result<(Roster, AuditStep)> {
    for leaf in &step.leaves {
        roster.replace_leaf(leaf)?;
    }
    let (commit, draft) = (&step.commit, &step.commit.body.draft);
    let follows = draft.group == roster.body().group
        && draft.epoch > roster.body().epoch
        && draft.parent_change == *last_change;
    if !follows {
        return Err(PeerFault::WrongEpoch.into());
    }
    commit.verify_alone(&roster)?;
    let author = roster.member_of(draft.author).ok_or(PeerFault::RosterMismatch)?;
    let audited = AuditStep {
        epoch: draft.epoch,
        by: author.person,
        handle: author.handle.clone(),
        device: draft.author,
        changes: happened(commit, &roster),
        commit: commit.hash()?,
    };
    if draft.changes.iter().any(Change::is_lasting) {
        *last_change = audited.commit;
    }
    let after = roster.apply(draft.author, &draft.changes, draft.leaf.as_ref())?;
    Ok((after.at_epoch(draft.epoch), audited))
}

/// What a fuzzer finds in a row of the store, or in a file of anybody.
#[cfg(any(test, fuzzing))]
mod fuzzing {
    use super::{Base, File, Step, audit, codec};
    use crate::fuzzing::canonical;

    pub(in super::super) fn reads_base(value: &[u8]) -> bool {
        canonical::<Base>(value)
    }

    pub(in super::super) fn reads_step(value: &[u8]) -> bool {
        canonical::<Step>(value)
    }

    pub(crate) fn audit_file(bytes: &[u8]) -> bool {
        if let Ok(held) = audit(bytes) {
            assert!(!held.people.is_empty(), "somebody is in");
            assert!(codec::decode::<File>(bytes).is_ok());
        }
        canonical::<File>(bytes)
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::audit_file;
#[cfg(any(test, fuzzing))]
pub(super) use fuzzing::{reads_base, reads_step};
