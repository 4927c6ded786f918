//! MLS (RFC 9420) as key agreement: bytes in, bytes and a write-set out. The only file that drives mls-rs.
//!
//! ```text
//! kept ─► load ─┬─ commit ─► message, welcomes, export ─┐
//!               └─ follow ◄─ message ─► export ─────────┴─► Move, stored when the commit counts
//! welcome + tree ─► join ─► export ─► Move
//! ```
//! An epoch's one export becomes the seed of the roster's commit; the exporter is deleted before anything is kept. What is
//! said in the group never passes through here.

#[cfg(test)]
#[path = "interop.rs"]
mod interop;

use super::provider::{Provider, signer, suite};
use super::rules::{Leaves, Rules, identity, leaf_of};
use super::shelf::Shelf;
use crate::codec::{self, VLBytes};
use crate::primitives::secret::{Secret, SecretBytes, Seed};
use crate::primitives::sign::SigningKey;
use crate::roster::{Leaf, Roster};
use crate::{Context, DeviceId, Digest, Error, GroupId, PeerFault, Result, Timestamp};
use mls_rs::client_builder::{
    BaseConfig, ClientBuilder, MlsConfig, WithCryptoProvider, WithGroupStateStorage, WithIdentityProvider,
    WithKeyPackageRepo, WithMlsRules,
};
use mls_rs::error::MlsError;
use mls_rs::group::{CommitEffect, ExportedTree, ReceivedMessage};
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::{Client, ExtensionList, Group, MlsMessage};
use mls_rs_core::key_package::KeyPackageData;
use std::ops::Range;
use std::time::Duration;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// What the seed of a commit is exported under; the context is the draft's hash.
const EXPORT: &[u8] = b"conclave v1 seed";

pub(super) type Config = WithKeyPackageRepo<
    Shelf,
    WithGroupStateStorage<
        Shelf,
        WithMlsRules<Rules, WithIdentityProvider<Rules, WithCryptoProvider<Provider, BaseConfig>>>,
    >,
>;

/// What is kept of a group's MLS state between commits.
pub(super) struct Kept {
    /// Everything but the tree.
    pub(super) state: Zeroizing<Vec<u8>>,
    /// The ratchet tree (RFC 9420 §12.4.3.3).
    pub(super) tree: Vec<u8>,
    /// Where its nodes lie in it, blank ones included.
    pub(super) nodes: Vec<Range<usize>>,
}

impl Kept {
    /// A node as it is encoded; empty for a blank one.
    pub(super) fn node(&self, index: u32) -> Option<&[u8]> {
        self.tree.get(self.nodes.get(index as usize)?.clone())
    }
}

/// What a step changes of what is kept: the state anew, and the nodes of the tree that differ.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Move {
    pub(super) state: SecretBytes,
    /// How many nodes the tree has, blank ones included.
    pub(super) width: u32,
    pub(super) nodes: Vec<Node>,
}

/// A node of the tree.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Node {
    pub(super) index: u32,
    /// `None`: blank.
    pub(super) bytes: Option<VLBytes>,
}

/// What a commit is to do, in the words of the roster.
pub(super) struct Wanted<'a> {
    pub(super) before: &'a Roster,
    pub(super) after: &'a Roster,
    pub(super) author: DeviceId,
    /// The hash of the draft.
    pub(super) draft: Digest,
}

/// An own commit.
pub(super) struct Made {
    pub(super) message: Vec<u8>,
    /// One for each of the key packages, in their order.
    pub(super) welcomes: Vec<Vec<u8>>,
    /// The ratchet tree after it, if there are newcomers.
    pub(super) tree: Vec<u8>,
    pub(super) export: Secret<Seed>,
    pub(super) moved: Move,
}

/// What somebody's commit comes to.
pub(super) enum Outcome {
    Followed(Secret<Seed>, Move),
    /// It takes this device out.
    Removed,
    /// It is none, for everybody.
    Void(PeerFault),
    /// It counts, and does not open for this device.
    Lost(PeerFault),
}

/// What a PrivateMessage (RFC 9420 §6.3) shows outside: the type, checked before the engine sees it.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Header {
    version: u16,
    wire_format: u16,
    group: VLBytes,
    epoch: u64,
    content_type: u8,
    authenticated_data: VLBytes,
    sender_data: VLBytes,
    ciphertext: VLBytes,
}

/// An MLSMessage of version 1.0 that is a KeyPackage (RFC 9420 §6).
const KEY_PACKAGE: [u8; 4] = [0, 1, 0, 5];
const MLS10: u16 = 1;
const PRIVATE_MESSAGE: u16 = 2;
const COMMIT: u8 = 3;

/// Founds a tree of one leaf.
pub(super) fn create(group: &GroupId, leaf: &Leaf, key: &SigningKey, cx: &mut Context) -> Result<Move> {
    let shelf = Shelf::default();
    let client = client(&shelf, Rules::default(), (&leaf.device, key), cx);
    let none = ExtensionList::new;
    let id = group.as_bytes().to_vec();
    let mut founded = client.create_group_with_id(id, none(), none(), None).map_err(own)?;
    founded.delete_exporter();
    shelved(&mut founded, &shelf, None)
}

/// A key package with which a device can be added to one group; the secrets come beside it.
pub(super) fn key_package(
    device: &DeviceId,
    key: &SigningKey,
    lifetime: (Timestamp, Timestamp),
    cx: &mut Context,
) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>)> {
    let shelf = Shelf::default();
    let (from, to) = (lifetime.0.0 / 1000, lifetime.1.0 / 1000);
    let builder = builder(&shelf, Rules::default(), cx)
        .key_package_lifetime(Duration::from_secs(to.saturating_sub(from)));
    let client = builder.signing_identity(identity(device, key.public()), signer(key), suite()).build();
    let none = ExtensionList::new;
    let message = client.generate_key_package_message(none(), none(), Some(from.into())).map_err(own)?;
    let secrets = shelf.take_key_package().ok_or(Error::CorruptStore)?;
    let secrets = Zeroizing::new(secrets.mls_encode_to_vec().map_err(|_| Error::TooLarge)?);
    Ok((message.to_bytes().map_err(own)?, secrets))
}

/// Makes the commit that is wanted; nothing counts before [`Made::moved`] is stored.
///
/// # Errors
/// A peer's fault for a key package that is none.
pub(super) fn commit(
    kept: &Kept,
    wanted: &Wanted,
    key_packages: &[&[u8]],
    renewed: Option<&SigningKey>,
    cx: &mut Context,
) -> Result<Made> {
    let rules = Rules::of(wanted.before, wanted.after, wanted.author)?;
    let (shelf, mut group) = open(kept, rules, &wanted.before.body().group, cx)?;
    let gone = wanted.before.leaves_not_in(wanted.after);
    let gone = gone.map(|leaf| Ok(group.member_with_identity(leaf.device.as_bytes()).map_err(own)?.index));
    let gone = gone.collect::<Result<Vec<_>>>()?;
    let time = cx.now.0 / 1000;
    let mut builder = group.commit_builder().commit_time(time.into());
    builder = builder.authenticated_data(wanted.draft.as_bytes().to_vec());
    for index in gone {
        builder = builder.remove_member(index).map_err(own)?;
    }
    for package in key_packages {
        // The engine does not look at the version outside of the signature.
        let is_package = package.starts_with(&KEY_PACKAGE);
        let read = MlsMessage::from_bytes(package).ok().filter(|_| is_package);
        let package = read.ok_or(PeerFault::Malformed)?;
        builder = builder.add_member(package).map_err(|_| PeerFault::Malformed)?;
    }
    if let Some(key) = renewed {
        builder = builder.set_new_signing_identity(signer(key), identity(&wanted.author, key.public()));
    }
    let (output, secrets) = builder.build_detached().map_err(|_| PeerFault::Malformed)?;
    let welcomes = output.welcome_messages().iter().map(|welcome| welcome.to_bytes().map_err(own));
    let welcomes = welcomes.collect::<Result<_>>()?;
    let message = output.commit_message().to_bytes().map_err(own)?;
    group.apply_detached_commit(secrets).map_err(own)?;
    let export = export(&mut group, &wanted.draft)?;
    // Only newcomers need it, and it is large.
    let tree = match key_packages {
        [] => Vec::new(),
        _ => group.export_tree().to_bytes().map_err(own)?,
    };
    let moved = shelved(&mut group, &shelf, Some(kept))?;
    Ok(Made { message, welcomes, tree, export, moved })
}

/// Takes in the commit of another member.
pub(super) fn follow(kept: &Kept, wanted: &Wanted, message: &[u8], cx: &mut Context) -> Result<Outcome> {
    if let Err(fault) = check_header(wanted, message) {
        return Ok(Outcome::Void(fault));
    }
    let rules = Rules::of(wanted.before, wanted.after, wanted.author)?;
    let (shelf, mut group) = open(kept, rules.clone(), &wanted.before.body().group, cx)?;
    let Ok(message) = MlsMessage::from_bytes(message) else {
        return Ok(Outcome::Void(PeerFault::Malformed));
    };
    let received = match group.process_incoming_message(message) {
        Ok(ReceivedMessage::Commit(commit)) => commit,
        // What all members see was as it must be; what fails then are secrets, and they may open for others.
        Err(error) if rules.agreed() => return Ok(Outcome::Lost(fault(&error))),
        Err(error) => return Ok(Outcome::Void(fault(&error))),
        Ok(_) => return Ok(Outcome::Void(PeerFault::Malformed)),
    };
    match received.effect {
        // A commit without a path heals nobody: no honest member makes one.
        _ if !rules.agreed() => Ok(Outcome::Void(PeerFault::NotAllowed)),
        CommitEffect::Removed { .. } => Ok(Outcome::Removed),
        CommitEffect::NewEpoch(_) => {
            let export = export(&mut group, &wanted.draft)?;
            Ok(Outcome::Followed(export, shelved(&mut group, &shelf, Some(kept))?))
        }
        CommitEffect::ReInit(_) => Ok(Outcome::Void(PeerFault::NotAllowed)),
    }
}

/// Joins by a welcome and the tree that came apart from it.
///
/// # Errors
/// A peer's fault if they do not fit each other, the key package, or the roster.
pub(super) fn join(
    roster: &Roster,
    draft: &Digest,
    (device, key, secrets): (DeviceId, &SigningKey, &[u8]),
    (welcome, tree): (&[u8], &[u8]),
    cx: &mut Context,
) -> Result<(Secret<Seed>, Move)> {
    let shelf = Shelf::default();
    let secrets = KeyPackageData::mls_decode(&mut &*secrets).map_err(|_| Error::CorruptStore)?;
    shelf.lay_key_package(secrets);
    let client = client(&shelf, Rules::default(), (&device, key), cx);
    let tree = ExportedTree::from_bytes(tree).map_err(|_| PeerFault::Malformed)?;
    let welcome = MlsMessage::from_bytes(welcome).map_err(|_| PeerFault::Malformed)?;
    let joined = client.join_group(Some(tree), &welcome, None);
    let (mut group, _) = joined.map_err(|error| fault(&error))?;
    let body = roster.body();
    let fits = group.group_id() == body.group.as_bytes()
        && group.current_epoch() == body.epoch
        && group.cipher_suite() == suite()
        && members(&group) == Some(leaves(roster)?)
        && group
            .current_member_signing_identity()
            .ok()
            .and_then(leaf_of)
            .is_some_and(|(own, _)| own == device);
    if !fits {
        return Err(PeerFault::RosterMismatch.into());
    }
    let export = export(&mut group, draft)?;
    Ok((export, shelved(&mut group, &shelf, None)?))
}

fn check_header(wanted: &Wanted, message: &[u8]) -> Result<(), PeerFault> {
    let header: Header = codec::decode(message).map_err(|_| PeerFault::Malformed)?;
    let before = wanted.before.body();
    let is_commit =
        (header.version, header.wire_format, header.content_type) == (MLS10, PRIVATE_MESSAGE, COMMIT);
    match is_commit && header.group.as_slice() == before.group.as_bytes() && header.epoch == before.epoch {
        false => Err(PeerFault::WrongEpoch),
        true if header.authenticated_data.as_slice() != wanted.draft.as_bytes() => {
            Err(PeerFault::HashMismatch)
        }
        true => Ok(()),
    }
}

fn builder(shelf: &Shelf, rules: Rules, cx: &mut Context) -> ClientBuilder<Config> {
    Client::builder()
        .crypto_provider(Provider::new(rules.seen(), cx))
        .identity_provider(rules.clone())
        .mls_rules(rules)
        .group_state_storage(shelf.clone())
        .key_package_repo(shelf.clone())
}

fn client(
    shelf: &Shelf,
    rules: Rules,
    (device, key): (&DeviceId, &SigningKey),
    cx: &mut Context,
) -> Client<impl MlsConfig> {
    builder(shelf, rules, cx).signing_identity(identity(device, key.public()), signer(key), suite()).build()
}

/// Brings a group back into memory.
pub(super) fn open(
    kept: &Kept,
    rules: Rules,
    group: &GroupId,
    cx: &mut Context,
) -> Result<(Shelf, Group<Config>)> {
    let shelf = Shelf::with(kept);
    let client = builder(&shelf, rules, cx).build();
    let tree = ExportedTree::from_bytes(&kept.tree).map_err(|_| Error::CorruptStore)?;
    let group = client.load_group_with_ratchet_tree(group.as_bytes(), tree);
    Ok((shelf, group.map_err(|_| Error::CorruptStore)?))
}

/// The state as the engine writes it, without the tree.
pub(super) fn write<C: MlsConfig>(group: &mut Group<C>, shelf: &Shelf) -> Result<Zeroizing<Vec<u8>>> {
    group.write_to_storage_without_ratchet_tree().map_err(own)?;
    shelf.take_state().ok_or(Error::CorruptStore)
}

fn export<C: MlsConfig>(group: &mut Group<C>, draft: &Digest) -> Result<Secret<Seed>> {
    let export = group.export_secret(EXPORT, draft.as_bytes(), 32).map_err(own)?;
    group.delete_exporter();
    Ok(Secret::new(export.as_bytes().try_into().map_err(|_| Error::CorruptStore)?))
}

/// What is to be kept of the group; `before` is what is kept already. Nodes are compared as they are encoded: to decode a large
/// tree once more takes longer than to encode it.
fn shelved<C: MlsConfig>(group: &mut Group<C>, shelf: &Shelf, before: Option<&Kept>) -> Result<Move> {
    let state = write(group, shelf)?;
    let tree = group.export_tree();
    let (mut nodes, mut bytes) = (Vec::new(), Vec::new());
    for (index, node) in (0..).zip(tree.nodes()) {
        bytes.clear();
        if let Some(node) = node {
            node.mls_encode(&mut bytes).map_err(|_| Error::TooLarge)?;
        }
        if before.and_then(|before| before.node(index)).unwrap_or_default() != bytes.as_slice() {
            let bytes = (!bytes.is_empty()).then(|| VLBytes::from(bytes.as_slice()));
            nodes.push(Node { index, bytes });
        }
    }
    let width = tree.nodes().len() as u32;
    let cut = width..before.map_or(0, |before| before.nodes.len() as u32);
    nodes.extend(cut.map(|index| Node { index, bytes: None }));
    Ok(Move { state: state.into(), width, nodes })
}

fn members<C: MlsConfig>(group: &Group<C>) -> Option<Leaves> {
    group.roster().member_identities_iter().map(leaf_of).collect()
}

fn leaves(roster: &Roster) -> Result<Leaves> {
    roster.leaves().map(|leaf| Ok((leaf.device, leaf.signing()?))).collect()
}

/// The engine failed on what is ours.
fn own(_: MlsError) -> Error {
    Error::CorruptStore
}

/// What somebody else did wrong, in our words.
fn fault(error: &MlsError) -> PeerFault {
    match error {
        MlsError::MlsRulesError(_) | MlsError::IdentityProviderError(_) | MlsError::InvalidSuccessor => {
            PeerFault::RosterMismatch
        }
        MlsError::InvalidSignature => PeerFault::BadSignature,
        MlsError::CryptoProviderError(_) | MlsError::PubKeyMismatch => PeerFault::DoesNotOpen,
        MlsError::InvalidConfirmationTag | MlsError::TreeHashMismatch => PeerFault::HashMismatch,
        MlsError::InvalidEpoch | MlsError::GroupIdMismatch => PeerFault::WrongEpoch,
        _ => PeerFault::Malformed,
    }
}

/// The key of the root of a tree of two leaves, as it is encoded.
#[cfg(test)]
pub(crate) fn root_key(tree: &[u8]) -> Option<Vec<u8>> {
    let tree = ExportedTree::from_bytes(tree).ok()?;
    let root = tree.nodes().get(1)?.as_ref()?.mls_encode_to_vec().ok()?;
    root.get(1..1 + 2 + 1216).map(<[u8]>::to_vec)
}

/// Whether a row is a node of a tree.
#[cfg(any(test, fuzzing))]
pub(crate) fn reads_node(mut bytes: &[u8]) -> bool {
    mls_rs::group::Node::mls_decode(&mut bytes).is_ok()
}

/// Whether a row holds the secrets of a key package.
#[cfg(any(test, fuzzing))]
pub(crate) fn reads_key_package(mut bytes: &[u8]) -> bool {
    KeyPackageData::mls_decode(&mut bytes).is_ok()
}
