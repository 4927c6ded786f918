//! Making a commit: from what a person wants to a post that moves the group.

use super::cipher::{Rekey, Step};
use super::devices::first_leaf;
use super::epoch::Epoch;
use super::founding::check_name;
use super::letter::Invitation;
use super::rejoin::rejoin_parts;
use super::seal::Sealer;
use super::send::sorted;
use super::welcome::{Welcome, Welcomes};
use super::{
    Bundles, Group, Inner, Intent, Need, OutgoingLetter, Pending, PendingCommit, PendingWhat, Post, Role,
    SeatChange, Slice,
};
use crate::codec;
use crate::identity::Account;
use crate::labels;
use crate::primitives::kdf;
use crate::primitives::secret::{Secret, SecretBytes, Seed};
use crate::roster::{
    Body, Change, Commit, Draft, Leaf, LeafSecrets, Member, RejoinRequest, Roster, SUITE, VERSION,
};
use crate::vault::{Row, save};
use crate::{Context, DeviceId, Digest, Misuse, PeerFault, PersonId, Result, SeatId};
use std::collections::BTreeMap;

/// A commit taking shape.
struct Plan {
    changes: Vec<Change>,
    heal: Option<(Leaf, LeafSecrets)>,
    after: Roster,
    key_packages: BTreeMap<DeviceId, Vec<u8>>,
}

/// What is new in the target roster: needs a welcome, a seat and a letter.
struct Newcomer {
    leaf: Leaf,
    claim: [u8; 32],
}

impl Group {
    /// What must be fetched before [`Group::change`]. People to be added must be in `bundles` already.
    pub fn needs_for(&self, account: &Account, intent: &Intent, bundles: &Bundles) -> Result<Vec<Need>> {
        let mut needs = Vec::new();
        match intent {
            Intent::Add(people) | Intent::AddFor(people, _) | Intent::Admit(people) => {
                for person in people.iter().filter(|person| self.adds_now(**person)) {
                    let (handle, list) = bundles.list(*person)?;
                    let devices = list.devices().iter().map(|listed| listed.device);
                    let need =
                        |device| Need { device, handle: handle.clone(), prekey: false, join_key: true };
                    needs.extend(devices.map(need));
                }
            }
            Intent::Devices => {
                let list = account.device_list();
                let device =
                    |device| Need { device, handle: account.handle().clone(), prekey: false, join_key: true };
                needs.extend(self.not_here(&list)?.into_iter().map(device));
            }
            Intent::DevicesOf(person) => {
                let (handle, list) = bundles.list(*person)?;
                let need = |device| Need { device, handle: handle.clone(), prekey: false, join_key: true };
                needs.extend(self.not_here(list)?.into_iter().map(need));
            }
            Intent::Readmit(request) => {
                let RejoinRequest { person, device, .. } = rejoin_parts(request.as_slice())?.0.request;
                let handle = self.roster.member(person).map(|member| member.handle.clone());
                needs.extend(handle.map(|handle| Need { device, handle, prekey: false, join_key: false }));
            }
            _ => {}
        }
        Ok(needs)
    }

    /// Makes the post that does what `intent` wants, at this head.
    ///
    /// # Errors
    /// `AlreadyMember` or `NotAMember` when there is nothing (left) to do; `NotAllowed`, `LastAdministrator`, `GroupFull`,
    /// `TooLong`; `BundleNeeded`, `JoinKeyNeeded` without the keys of [`Group::needs_for`]; `PostPending`, `Stranded`,
    /// `NotInGroup`.
    pub fn change(
        &mut self,
        account: &Account,
        intent: &Intent,
        bundles: &Bundles,
        cx: &mut Context,
    ) -> Result<Post> {
        self.check_active(cx)?;
        if let Intent::Leave = intent {
            return self.leave(account, cx);
        }
        let changes = self.changes(account, intent, bundles, cx)?;
        let heal = match intent {
            Intent::Heal => Some(self.new_leaf(account, cx)?),
            _ => None,
        };
        let renewed = heal.as_ref().map(|(leaf, _)| leaf);
        let after = self.roster.apply(self.state.me, &changes, renewed).map_err(own_fault)?;
        let limit = self.scheme()?.promise().most;
        if after.leaves().count() > limit {
            return Err(Misuse::GroupFull(limit).into());
        }
        let key_packages = self.key_packages(intent, &after, bundles)?;
        self.commit(account, Plan { changes, heal, after, key_packages }, bundles, cx)
    }

    /// What newcomers published for a tree.
    fn key_packages(
        &self,
        intent: &Intent,
        after: &Roster,
        bundles: &Bundles,
    ) -> Result<BTreeMap<DeviceId, Vec<u8>>> {
        after
            .leaves_not_in(&self.roster)
            .map(|leaf| {
                let package = match intent {
                    Intent::Readmit(request) => rejoin_parts(request.as_slice())?.1.to_vec(),
                    _ => bundles.key_package(leaf.device)?,
                };
                Ok((leaf.device, package))
            })
            .collect()
    }

    fn changes(
        &self,
        account: &Account,
        intent: &Intent,
        bundles: &Bundles,
        cx: &mut Context,
    ) -> Result<Vec<Change>> {
        let is_member = |person: &&PersonId| self.roster.member(**person).is_some();
        let nothing_left = |changes: &Vec<Change>, misuse: Misuse| match changes.is_empty() {
            true => Err(misuse),
            false => Ok(()),
        };
        Ok(match intent {
            Intent::Add(people) => self.add_or_propose(account, people, &[][..].into(), bundles, cx)?,
            Intent::AddFor(people, reason) => self.add_or_propose(account, people, reason, bundles, cx)?,
            Intent::Admit(people) => self.admit(people, bundles, cx)?,
            Intent::Endorse(person) => vec![self.endorse(account, *person)?],
            Intent::Object(person) => vec![self.object(*person)?],
            Intent::RemoveSince(people, epoch) => self.remove_since(account, people, *epoch, cx)?,
            Intent::Remove(people) => {
                let changes: Vec<_> = people.iter().filter(is_member).copied().map(Change::Remove).collect();
                nothing_left(&changes, Misuse::NotAMember)?;
                changes
            }
            Intent::Settle => {
                let changes: Vec<_> = self.state.leaving.iter().cloned().map(Change::Leave).collect();
                nothing_left(&changes, Misuse::NotAMember)?;
                changes
            }
            Intent::Rename(name) => {
                let text = std::str::from_utf8(name.as_slice()).map_err(|_| Misuse::TooLong(0))?;
                check_name(text)?;
                vec![Change::Rename(name.clone())]
            }
            Intent::SetRole(person, role) => {
                self.roster.member(*person).ok_or(Misuse::NotAMember)?;
                self.check_administrator_remains(account, *person, *role)?;
                vec![Change::Role(*person, *role)]
            }
            Intent::Readmit(request) => {
                let (signed, _) = rejoin_parts(request.as_slice())?;
                vec![Change::Rejoin(signed, SeatId::random(cx))]
            }
            Intent::Heal => self.beside_a_heal(account, cx)?,
            Intent::SetPolicy(policy) if *policy == self.policy() => {
                return Err(Misuse::AlreadyMember.into());
            }
            Intent::SetPolicy(policy) => vec![Change::Policy(*policy)],
            Intent::Devices => vec![self.own_devices(account, bundles, cx)?],
            Intent::DevicesOf(person) => vec![self.devices_of(*person, bundles, cx)?],
            Intent::Leave => Vec::new(),
        })
    }

    pub(super) fn check_administrator_remains(
        &self,
        account: &Account,
        person: PersonId,
        role: Role,
    ) -> Result<()> {
        let others = self.roster.body().members.iter();
        let mut others = others.filter(|member| member.person != person);
        let steps_down = person == *account.person() && role == Role::Member;
        if steps_down && !others.any(|member| member.role == Role::Administrator) {
            return Err(Misuse::LastAdministrator.into());
        }
        Ok(())
    }

    pub(super) fn new_leaf(&self, account: &Account, cx: &mut Context) -> Result<(Leaf, LeafSecrets)> {
        let before = self.leaf_secrets(cx)?;
        let old = self.roster.leaf(self.state.me).ok_or(Misuse::NotInGroup)?;
        let (peer, seat) = (account.as_peer(), self.state.seat);
        let signing = Some(&before.signing);
        let (mut leaf, secrets) = Leaf::make(&self.id, &peer, account.device_signing(), seat, signing, cx)?;
        leaf.asked = old.asked;
        Ok((leaf, secrets))
    }

    /// The draft of an own commit that leads to a roster.
    pub(super) fn draft(&self, changes: Vec<Change>, leaf: Option<Leaf>, after: &Roster) -> Result<Draft> {
        Ok(Draft {
            version: VERSION,
            suite: SUITE,
            group: self.id,
            epoch: after.body().epoch,
            parent: self.state.commit,
            parent_change: self.state.parent_change,
            changes,
            leaf,
            roster_after: after.hash()?,
            author: self.state.me,
        })
    }

    fn commit(&mut self, account: &Account, plan: Plan, bundles: &Bundles, cx: &mut Context) -> Result<Post> {
        let Plan { changes, heal, after, key_packages } = plan;
        let (leaf, leaf_secrets) = heal.map_or((None, None), |(leaf, secrets)| (Some(leaf), Some(secrets)));
        let draft = self.draft(changes, leaf, &after)?;
        let step = Step { draft: &draft, before: &self.roster, after: &after, key_packages: &key_packages };
        let Rekey { seed, material, slices: for_devices, tree, tickets, kept } =
            self.scheme()?.rekey(&step, leaf_secrets.as_ref(), cx)?;
        let key_material = key_material(kept.as_ref().map(|_| material.as_slice()));
        let body = Body { draft, key_material, seed_check: seed.as_ref().map(seed_check) };
        let hash = body.hash()?;
        let epoch = Epoch::next(&self.state.keys, seed.as_ref(), &hash);
        let tag = epoch.tag(&hash);
        let signing = self.leaf_secrets(cx)?.signing;
        let commit = Commit::sign(body, tag, &signing)?;
        let newcomers = self.newcomers(&after, cx);
        let sealer = Sealer::fresh(&self.state.keys, &self.place(), cx)?;
        let (mut slices, mut blobs) = (Vec::new(), Vec::new());
        if !newcomers.is_empty() {
            let welcome = self.welcome(&after, &commit, &epoch)?;
            let (welcomes, apart) = Welcomes::new(welcome, tree, newcomers.len(), cx)?;
            blobs = apart;
            for Newcomer { leaf, .. } in &newcomers {
                let ticket = tickets.get(&leaf.device).map_or(&[][..], Vec::as_slice);
                slices.push(Slice { seat: leaf.seat, bytes: welcomes.seal(leaf, ticket, &signing, cx)? });
            }
        }
        slices.extend(self.sealed_slices(&sealer, &for_devices)?);
        let letters = self.letters(account, &after, &newcomers, bundles, cx)?;
        let inner = match &kept {
            None => Inner::Commit(commit.clone()),
            Some(_) => Inner::Rekeyed(commit.clone(), material.into()),
        };
        let shared = sealer.seal_shared(codec::encode(&inner)?)?;
        let pending = PendingCommit { commit, seed, leaf: leaf_secrets };
        let what = match kept {
            None => PendingWhat::Commit(pending),
            Some(kept) => PendingWhat::Rekeyed(pending, SecretBytes::from(kept)),
        };
        save(cx.vault, &self.row(Row::Pending), &Pending { hash: kdf::sha256(&shared), what })?;
        let seats = self.seat_changes(&after, &newcomers);
        let (slices, at_turn) = (sorted(slices), self.state.turn);
        Ok(Post { shared, slices, at_turn, takes_turn: true, seats, blobs, letters })
    }

    fn newcomers(&self, after: &Roster, cx: &mut Context) -> Vec<Newcomer> {
        let new = after.leaves_not_in(&self.roster);
        new.map(|leaf| Newcomer { leaf: leaf.clone(), claim: cx.random() }).collect()
    }

    fn welcome(&self, after: &Roster, commit: &Commit, epoch: &Epoch) -> Result<Welcome> {
        let lasting = commit.body.draft.changes.iter().any(Change::is_lasting);
        Ok(Welcome {
            version: VERSION,
            roster: after.body().clone(),
            commit: commit.clone(),
            epoch_secret: epoch.secret(),
            parent_change: if lasting { commit.hash()? } else { self.state.parent_change },
            creation: self.state.creation,
            after: self.state.cursor,
            view: self.state.view,
            turn: self.state.turn + 1,
        })
    }

    fn letters(
        &self,
        account: &Account,
        after: &Roster,
        newcomers: &[Newcomer],
        bundles: &Bundles,
        cx: &mut Context,
    ) -> Result<Vec<OutgoingLetter>> {
        let mut letters = Vec::new();
        for Newcomer { leaf, claim } in newcomers {
            let member = after.member_of(leaf.device).ok_or(PeerFault::RosterMismatch)?;
            let list = after.list(member.person).ok_or(PeerFault::RosterMismatch)?;
            let invitation = Invitation {
                home: self.state.home.clone(),
                seat: leaf.seat,
                claim: *claim,
                group: self.id,
                inviter: *account.person(),
                inviter_handle: account.handle().clone(),
            };
            let body = invitation.seal(&bundles.bundle(list, leaf.device, cx)?, cx)?;
            let handle = member.handle.clone();
            letters.push(OutgoingLetter { device: leaf.device, handle, body });
        }
        Ok(letters)
    }

    fn seat_changes(&self, after: &Roster, newcomers: &[Newcomer]) -> Vec<SeatChange> {
        let closed = self.roster.seats_not_in(after).into_iter();
        let closed = closed.filter(|seat| !self.has_left(seat)).map(SeatChange::Close);
        let opened = newcomers.iter().map(|newcomer| SeatChange::Open {
            seat: newcomer.leaf.seat,
            claim_hash: kdf::sha256(&newcomer.claim),
            after: self.state.cursor,
        });
        closed.chain(opened).collect()
    }
}

/// A person with first leaves on every listed device.
pub(super) fn newcomer(person: PersonId, bundles: &Bundles, cx: &mut Context) -> Result<Member> {
    let (handle, list) = bundles.list(person)?;
    if list.is_expired(cx.now) {
        return Err(PeerFault::Expired.into());
    }
    let mut leaves = Vec::new();
    for listed in list.devices() {
        let peer = list.peer(listed.device).ok_or(PeerFault::RosterMismatch)?;
        leaves.push(first_leaf(&peer, bundles, cx)?);
    }
    let (handle, list) = (handle.clone(), list.signed_bytes().into());
    Ok(Member { person, handle, role: Role::Member, list, leaves })
}

/// A fault found in an own draft is a misuse.
fn own_fault(error: crate::Error) -> crate::Error {
    match error {
        crate::Error::Peer(PeerFault::NotAllowed) => Misuse::NotAllowed.into(),
        crate::Error::Peer(PeerFault::RosterMismatch) => Misuse::NotAMember.into(),
        other => other,
    }
}

/// The hash of what a commit carries for everybody: a tree's, or nothing.
pub(super) fn key_material(material: Option<&[u8]>) -> Digest {
    match material {
        None => kdf::hash(labels::KEY_MATERIAL, &[]),
        Some(material) => kdf::hash(labels::KEY_MATERIAL, &[material]),
    }
}

/// Shows that a seed is the one that the author meant, without saying what it is.
pub(super) fn seed_check(seed: &Secret<Seed>) -> Digest {
    kdf::hash(labels::SEED_CHECK, &[seed.expose()])
}
