//! Founding a group.

use super::cipher::Moved;
use super::epoch::Epoch;
use super::{Group, Home, Scheme, State, Status};
use crate::identity::Account;
use crate::roster::{Leaf, MAX_NAME, Member, Role, Roster, RosterBody, Rules, SUITE, VERSION};
use crate::{Context, Digest, GroupId, Misuse, Result, SeatId};

impl Group {
    /// Founds a group: epoch 0, this device alone. Nothing is posted; the channel is for the caller to create.
    ///
    /// # Errors
    /// `TooLong` for a name above 64 bytes.
    pub fn create(
        account: &Account,
        scheme: Scheme,
        name: &str,
        home: Home,
        seat: SeatId,
        direct: bool,
        cx: &mut Context,
    ) -> Result<Self> {
        check_name(name)?;
        let id = GroupId::random(cx);
        let (leaf, secrets) = Leaf::make(&id, &account.as_peer(), account.device_signing(), seat, None, cx)?;
        let list = account.device_list().signed_bytes().into();
        let (person, handle) = (*account.person(), account.handle().clone());
        let founder = Member { person, handle, role: Role::Administrator, list, leaves: vec![leaf.clone()] };
        let body = RosterBody {
            version: VERSION,
            suite: SUITE,
            group: id,
            scheme: scheme.number(),
            direct: u8::from(direct),
            epoch: 0,
            name: name.as_bytes().into(),
            rules: Rules::default(),
            members: vec![founder],
        };
        let roster = Roster::verify(body)?;
        let creation = roster.hash()?;
        let epoch = Epoch::first(cx);
        let chains = epoch.chains();
        let state = State {
            scheme: scheme.number(),
            home,
            seat,
            me: *account.device_id(),
            commit: creation,
            parent_change: creation,
            creation,
            keys: epoch.keys(),
            cursor: 0,
            turn: 0,
            view: Digest([0; 32]),
            status: Status::Active,
            leaving: Vec::new(),
            last_message: 0,
        };
        let group = Self { id, state, roster };
        group.save_leaf(&secrets, cx)?;
        group.roster.save(None, cx)?;
        let room = group.room(account);
        scheme.found(&room, (&leaf, &secrets), cx)?;
        let moved = Moved { seed: None, commit: &creation, gone: &[], chains: &chains, kept: None };
        scheme.moved(&room, &moved, cx)?;
        group.begin_proof(None, cx)?;
        group.note_joined(cx)?;
        group.note_heal(&group.state.me, cx.now, cx)?;
        group.save(cx)?;
        Ok(group)
    }
}

pub(super) fn check_name(name: &str) -> Result<()> {
    if name.len() > MAX_NAME {
        return Err(Misuse::TooLong(MAX_NAME).into());
    }
    Ok(())
}
