//! What an MLS commit may do: exactly what the roster's commit says, and nothing else.
//!
//! These rules are asked before anything of a commit is opened, so that every member decides alike.

use super::path::{self, Seen};
use super::provider::verifying_key;
use crate::primitives::sign::VerifyingKey;
use crate::roster::Roster;
use crate::{DeviceId, Result};
use mls_rs::client_builder::PaddingMode;
use mls_rs::error::IntoAnyError;
use mls_rs::group::{GroupContext, Roster as Members};
use mls_rs::identity::basic::BasicCredential;
use mls_rs::identity::{Credential, CredentialType, SigningIdentity};
use mls_rs::mls_rules::{CommitDirection, CommitOptions, CommitSource, EncryptionOptions, ProposalBundle};
use mls_rs::time::MlsTime;
use mls_rs::{ExtensionList, IdentityProvider, MlsRules};
use mls_rs_core::identity::MemberValidationContext;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Devices with their message-signing keys.
pub(super) type Leaves = BTreeMap<DeviceId, VerifyingKey>;

/// What a commit must do to the tree.
#[derive(Clone, Default)]
pub(super) struct Rules(Arc<Expected>, Seen);

#[derive(Default)]
struct Expected {
    author: Option<(DeviceId, VerifyingKey)>,
    added: Leaves,
    removed: Vec<DeviceId>,
    /// Whether the engine has found the author's new leaf to be the one expected: from here on only secrets are at stake.
    agreed: AtomicBool,
}

/// A commit does something else.
#[derive(Debug)]
pub(super) struct Otherwise;

impl IntoAnyError for Otherwise {}

impl Rules {
    /// From one roster to the next, by `author`.
    pub(super) fn of(before: &Roster, after: &Roster, author: DeviceId) -> Result<Self> {
        let mut expected = Expected::default();
        let added = after.leaves_not_in(before).map(|leaf| Ok((leaf.device, leaf.signing()?)));
        expected.added = added.collect::<Result<_>>()?;
        if let Some(leaf) = after.leaf(author) {
            expected.author = Some((author, leaf.signing()?));
        }
        expected.removed = before.leaves_not_in(after).map(|leaf| leaf.device).collect();
        expected.removed.sort_unstable();
        Ok(Self(Arc::new(expected), Seen::default()))
    }

    /// Where the length of a path is noted.
    pub(super) fn seen(&self) -> Seen {
        self.1.clone()
    }

    /// Whether everything that all members see of a commit was as expected.
    pub(super) fn agreed(&self) -> bool {
        self.0.agreed.load(Ordering::Relaxed)
    }

    fn fit(&self, source: &CommitSource, members: &Members, proposals: &ProposalBundle) -> Option<()> {
        let CommitSource::ExistingMember(author) = source else { return None };
        let (expected, _) = self.0.author?;
        let adds = proposals.add_proposals();
        let removes = proposals.remove_proposals();
        let by_value =
            adds.iter().all(|add| add.is_by_value()) && removes.iter().all(|gone| gone.is_by_value());
        let others = proposals.length() - adds.len() - removes.len();
        if !by_value || others > 0 || device_of(&author.signing_identity)? != expected {
            return None;
        }
        let added = adds.iter().map(|add| leaf_of(add.proposal.signing_identity()));
        let added = added.collect::<Option<Leaves>>()?;
        let removed = removes.iter().map(|gone| {
            device_of(&members.member_with_index(gone.proposal.to_remove()).ok()?.signing_identity)
        });
        let mut removed = removed.collect::<Option<Vec<_>>>()?;
        removed.sort_unstable();
        (added.len() == adds.len() && added == self.0.added && removed == self.0.removed).then_some(())
    }

    /// The path has the nodes that it must have in the tree after the proposals.
    fn path_fits(&self, source: &CommitSource, members: &Members, proposals: &ProposalBundle) -> bool {
        let CommitSource::ExistingMember(author) = source else { return false };
        let mut leaves: BTreeSet<u32> = members.members_iter().map(|member| member.index).collect();
        for gone in proposals.remove_proposals() {
            leaves.remove(&gone.proposal.to_remove());
        }
        // Who comes takes the leftmost blank leaf.
        for _ in proposals.add_proposals() {
            let blank = (0..).zip(&leaves).find(|(index, leaf)| index != *leaf).map(|(index, _)| index);
            leaves.insert(blank.unwrap_or(leaves.len() as u32));
        }
        self.1.path() == Some(path::expected(author.index, leaves.into_iter()))
    }
}

impl MlsRules for Rules {
    type Error = Otherwise;

    fn filter_proposals(
        &self,
        direction: CommitDirection,
        source: CommitSource,
        members: &Members,
        _context: &GroupContext,
        proposals: ProposalBundle,
    ) -> std::result::Result<ProposalBundle, Otherwise> {
        self.fit(&source, members, &proposals).ok_or(Otherwise)?;
        if direction == CommitDirection::Receive && !self.path_fits(&source, members, &proposals) {
            return Err(Otherwise);
        }
        Ok(proposals)
    }

    fn commit_options(
        &self,
        _members: &Members,
        _context: &GroupContext,
        _proposals: &ProposalBundle,
    ) -> std::result::Result<CommitOptions, Otherwise> {
        // Every commit heals its author's path; the tree travels once, apart; a newcomer gets its own secret only.
        let options = CommitOptions::new().with_path_required(true).with_ratchet_tree_extension(false);
        Ok(options.with_single_welcome_message(false))
    }

    fn encryption_options(
        &self,
        _members: &Members,
        _context: &GroupContext,
    ) -> std::result::Result<EncryptionOptions, Otherwise> {
        Ok(EncryptionOptions::new(true, PaddingMode::None))
    }
}

impl IdentityProvider for Rules {
    type Error = Otherwise;

    fn validate_member(
        &self,
        identity: &SigningIdentity,
        _at: Option<MlsTime>,
        _context: MemberValidationContext<'_>,
    ) -> std::result::Result<(), Otherwise> {
        leaf_of(identity).map(drop).ok_or(Otherwise)
    }

    fn validate_external_sender(
        &self,
        _identity: &SigningIdentity,
        _at: Option<MlsTime>,
        _extensions: Option<&ExtensionList>,
    ) -> std::result::Result<(), Otherwise> {
        Err(Otherwise)
    }

    fn identity(
        &self,
        identity: &SigningIdentity,
        _extensions: &ExtensionList,
    ) -> std::result::Result<Vec<u8>, Otherwise> {
        Ok(device_of(identity).ok_or(Otherwise)?.as_bytes().to_vec())
    }

    fn valid_successor(
        &self,
        before: &SigningIdentity,
        after: &SigningIdentity,
        _extensions: &ExtensionList,
    ) -> std::result::Result<bool, Otherwise> {
        let expected = self.0.author.is_some() && leaf_of(after) == self.0.author;
        let same = expected && device_of(before) == device_of(after);
        self.0.agreed.store(same, Ordering::Relaxed);
        Ok(same)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        vec![CredentialType::BASIC]
    }
}

/// A device as a member of a tree.
pub(super) fn identity(device: &DeviceId, key: &VerifyingKey) -> SigningIdentity {
    let credential = BasicCredential::new(device.as_bytes().to_vec()).into_credential();
    SigningIdentity::new(credential, super::provider::verifier(key))
}

/// The device and key that a member of a tree stands for.
pub(super) fn leaf_of(identity: &SigningIdentity) -> Option<(DeviceId, VerifyingKey)> {
    Some((device_of(identity)?, verifying_key(&identity.signature_key).ok()?))
}

fn device_of(identity: &SigningIdentity) -> Option<DeviceId> {
    let Credential::Basic(basic) = &identity.credential else { return None };
    Some(DeviceId(basic.identifier.as_slice().try_into().ok()?))
}
