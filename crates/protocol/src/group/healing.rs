//! When each device last brought fresh secrets of its own into a group, and when this one is to do it again.
//!
//! A heal is a commit; what it does to the secrets stands in `change` and `follow`. Who makes it, and whether it gets
//! through, is the client's concern.

use super::Group;
use crate::vault::{Row, delete_all, key, load, save};
use crate::{Context, DeviceId, GroupId, PersonId, Result, SeatId, Timestamp};

/// A device heals after so long at the soonest, in milliseconds.
pub(crate) const LEAST: u64 = 60 * 60 * 1000;
/// And after so long for each device of the group: if all of them speak, one heals in this time.
pub(crate) const PER_DEVICE: u64 = 2 * 60 * 1000;

/// A device that has not healed for so long, though it would have had it been online, is put away at the next heal of
/// another: as long as relays keep things at the least, in milliseconds.
pub const AWAY_AFTER: u64 = 45 * Timestamp::DAY;
/// Who was not here for so long does not judge others at once: they may be on their way back as well.
const HERE: u64 = 7 * Timestamp::DAY;

/// A device of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Healed {
    /// Whose it is.
    pub person: PersonId,
    /// Which one.
    pub device: DeviceId,
    /// When it healed last, by the relay's clock; its own heals by its own. `None`: not since this device is in.
    pub at: Option<Timestamp>,
    /// The last instant at which its secrets were known to be fresh: its heal, or when it came in, or when this device
    /// did.
    pub since: Timestamp,
    /// When it will have healed next if it is online all the time, whether or not it speaks: twice the time between two
    /// heals after `since`, and half of it more.
    pub next: Timestamp,
}

impl Group {
    /// Every device, in roster order.
    pub fn healed(&self, cx: &Context) -> Result<Vec<Healed>> {
        let members = self.roster.body().members.iter();
        let devices = members.flat_map(|member| member.present().map(|leaf| (member.person, leaf.device)));
        let joined: Option<Timestamp> = load(cx.vault, &self.row(Row::Healed))?;
        let within = self.heal_every().saturating_mul(5) / 2;
        devices
            .map(|(person, device)| {
                let at = load(cx.vault, &healed_row(&self.id, &device))?;
                let added: Option<Timestamp> = load(cx.vault, &added_row(&self.id, &device))?;
                let since = at.or(added).or(joined).unwrap_or(cx.now);
                Ok(Healed { person, device, at, since, next: since.plus(within) })
            })
            .collect()
    }

    /// The devices to be put away, as far as this device was here to see that they were not.
    pub(super) fn away(&self, cx: &Context) -> Result<Vec<DeviceId>> {
        let joined: Option<Timestamp> = load(cx.vault, &self.row(Row::Healed))?;
        let own: Option<Timestamp> = load(cx.vault, &seen_row(&self.id, &self.state.me))?;
        let here = own.or(joined).is_some_and(|own| cx.now < own.plus(HERE));
        let others = self.roster.leaves().filter(|leaf| here && leaf.device != self.state.me);
        let mut away = Vec::new();
        for leaf in others {
            // By the own clock: what time a relay gives for a heal puts nobody away.
            let seen: Option<Timestamp> = load(cx.vault, &seen_row(&self.id, &leaf.device))?;
            if seen.or(joined).is_some_and(|seen| cx.now >= seen.plus(AWAY_AFTER)) {
                away.push(leaf.device);
            }
        }
        Ok(away)
    }

    /// Whether this device is to heal before it says anything more: it has not for an hour, or for two minutes times the
    /// number of devices if that is longer. A clock that was set back does not put it off.
    pub fn heal_is_due(&self, cx: &Context) -> Result<bool> {
        let healed = load(cx.vault, &healed_row(&self.id, &self.state.me))?;
        let joined = || load(cx.vault, &self.row(Row::Healed));
        let since: Option<Timestamp> = if healed.is_some() { healed } else { joined()? };
        let Some(since) = since else { return Ok(true) };
        let every = self.heal_every();
        Ok(cx.now >= since.plus(every) || since > cx.now.plus(every))
    }

    /// The time between two heals of a device that speaks, in milliseconds: an hour, or two minutes for each device.
    pub fn heal_every(&self) -> u64 {
        LEAST.max(PER_DEVICE.saturating_mul(self.roster.leaves().count() as u64))
    }

    /// From when on this device is to heal though it says nothing: twice that time after it last did; at once if it has
    /// not since it is in, for its leaf is made of keys that lay at the relay.
    pub fn silent_heal_from(&self, cx: &Context) -> Result<Timestamp> {
        let healed: Option<Timestamp> = load(cx.vault, &healed_row(&self.id, &self.state.me))?;
        Ok(match healed {
            // The clock was set back.
            Some(healed) if healed > cx.now.plus(self.heal_every()) => cx.now,
            Some(healed) => healed.plus(self.heal_every().saturating_mul(2)),
            None => load(cx.vault, &self.row(Row::Healed))?.unwrap_or(cx.now),
        })
    }

    /// Until when the device of a seat may speak on its last heal. It should heal before it does so at half of that, but a
    /// clock that was set back can put it off so long. `None`: it has not healed since it, or this device, is in, and when
    /// it came online first nobody here knows; or the person was told.
    pub fn may_speak_until(&self, seat: &SeatId, cx: &Context) -> Result<Option<Timestamp>> {
        let Some((_, leaf)) = self.roster.author(*seat) else { return Ok(None) };
        let healed: Option<Timestamp> = load(cx.vault, &healed_row(&self.id, &leaf.device))?;
        let told: Option<Timestamp> = load(cx.vault, &told_row(&self.id, &leaf.device))?;
        let within = self.heal_every().saturating_mul(2);
        Ok(healed.filter(|healed| told != Some(*healed)).map(|healed| healed.plus(within)))
    }

    /// Whoever the seat's device belongs to is told of as late: not again before it heals.
    pub fn note_late(&self, seat: &SeatId, cx: &mut Context) -> Result<Option<PersonId>> {
        let Some((member, leaf)) = self.roster.author(*seat) else { return Ok(None) };
        let healed: Option<Timestamp> = load(cx.vault, &healed_row(&self.id, &leaf.device))?;
        if let Some(healed) = healed {
            save(cx.vault, &told_row(&self.id, &leaf.device), &healed)?;
        }
        Ok(Some(member.person))
    }

    pub(super) fn note_heal(&self, device: &DeviceId, at: Timestamp, cx: &mut Context) -> Result<()> {
        save(cx.vault, &seen_row(&self.id, device), &cx.now)?;
        save(cx.vault, &healed_row(&self.id, device), &at)
    }

    pub(super) fn forget_heal(&self, device: &DeviceId, cx: &mut Context) -> Result<()> {
        cx.vault.delete(&added_row(&self.id, device))?;
        cx.vault.delete(&told_row(&self.id, device))?;
        cx.vault.delete(&seen_row(&self.id, device))?;
        Ok(cx.vault.delete(&healed_row(&self.id, device))?)
    }

    /// A device has come in, or come in again, at a leaf that it has not healed.
    pub(super) fn note_added(&self, device: &DeviceId, at: Timestamp, cx: &mut Context) -> Result<()> {
        save(cx.vault, &seen_row(&self.id, device), &cx.now)?;
        save(cx.vault, &added_row(&self.id, device), &at)
    }

    /// This device is in from now on, at a leaf that it has not healed; what it knew of others may be out of date.
    pub(super) fn note_joined(&self, cx: &mut Context) -> Result<()> {
        delete_all(cx.vault, &self.row(Row::Healed))?;
        save(cx.vault, &self.row(Row::Healed), &cx.now)
    }
}

fn healed_row(group: &GroupId, device: &DeviceId) -> Vec<u8> {
    key(Row::Healed, &[group.as_bytes(), device.as_bytes()])
}

fn added_row(group: &GroupId, device: &DeviceId) -> Vec<u8> {
    key(Row::Healed, &[group.as_bytes(), device.as_bytes(), &[1]])
}

fn told_row(group: &GroupId, device: &DeviceId) -> Vec<u8> {
    key(Row::Healed, &[group.as_bytes(), device.as_bytes(), &[2]])
}

/// When this device took that in, by its own clock.
fn seen_row(group: &GroupId, device: &DeviceId) -> Vec<u8> {
    key(Row::Healed, &[group.as_bytes(), device.as_bytes(), &[3]])
}
