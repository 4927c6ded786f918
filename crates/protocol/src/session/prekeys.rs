//! The secrets behind what this device publishes: made, topped up, rotated, and deleted in time.
//!
//! Every secret is stored in the step that makes its public half. Sending a [`Publication`] to the directory is the
//! caller's concern; a publication that never arrives costs nothing but the next one.

use super::bundle::{self, BundleBody, JoinBody, JoinKey, JoinKind, OneTimeBody, VERSION};
use crate::codec::VLBytes;
use crate::identity::Account;
use crate::labels;
use crate::primitives::dh::DhSecret;
use crate::primitives::kem::{MlKemSecret, XWingSecret};
use crate::primitives::sign::SigningKey;
use crate::vault::{Row, delete_all, key, load, save};
use crate::{Context, Error, PeerFault, Result, Timestamp, codec, group};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// How long the relay keeps what is undelivered, and so how long old secrets may still be needed.
pub(super) const RETENTION: u64 = 45 * Timestamp::DAY;
pub(crate) const ROTATION: u64 = 7 * Timestamp::DAY;
/// From retirement to deletion.
pub(crate) const GRACE: u64 = RETENTION + ROTATION;
pub(crate) const LIFETIME: u64 = 90 * Timestamp::DAY;
/// A one-time key of this age counts as used up, so that fresh ones are published before it expires.
const STALE: u64 = 60 * Timestamp::DAY;
const LAST_RESORT_ROTATION: u64 = 30 * Timestamp::DAY;
pub(crate) const FULL: usize = 40;
pub(crate) const LOW: usize = 20;
/// As many of a kind as a relay keeps: so many new ones leave no old one there.
const SHELF: usize = 100;

/// What the directory still holds of this device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// One-time prekeys not given out.
    pub one_time_prekeys: usize,
    /// One-time join keys not given out.
    pub join_keys: usize,
}

/// What is to be published; parts that are absent stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// Replaces the bundle.
    pub bundle: Option<Vec<u8>>,
    /// Replaces the last-resort join key.
    pub last_resort_join_key: Option<Vec<u8>>,
    /// Added to the one-time prekeys.
    pub one_time_prekeys: Vec<Vec<u8>>,
    /// Added to the join keys.
    pub join_keys: Vec<Vec<u8>>,
}

/// Retires every secret behind what this device has published: the next [`replenish`] makes all of it anew, and so many
/// one-time keys that none of the old ones stays in the directory. What is on its way to the old ones opens until they are
/// deleted.
pub fn retire_all(cx: &mut Context) -> Result<()> {
    let now = cx.now;
    for (id, mut generation) in all::<Generation>(Row::SignedPrekey, cx)? {
        generation.retired = generation.retired.or(Some(now));
        save(cx.vault, &id_key(Row::SignedPrekey, id), &generation)?;
    }
    for (id, mut stored) in all::<StoredJoinKey>(Row::JoinKey, cx)? {
        stored.retired = stored.retired.or(Some(now));
        save(cx.vault, &id_key(Row::JoinKey, id), &stored)?;
    }
    for (id, mut secret) in all::<OneTimeSecret>(Row::OneTimePrekey, cx)? {
        // At the end of its lifetime from now on: only the grace is left to it.
        secret.made = secret.made.min(Timestamp(now.0.saturating_sub(LIFETIME)));
        save(cx.vault, &id_key(Row::OneTimePrekey, id), &secret)?;
    }
    Ok(())
}

/// How fresh the secrets are that this device holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// When the current bundle was made; `None`: there is none.
    pub bundle_made: Option<Timestamp>,
    /// One-time prekeys held here.
    pub one_time_prekeys: usize,
    /// One-time join keys held here.
    pub join_keys: usize,
}

/// The secret half of a join key.
pub struct JoinSecret {
    /// The KEM key of the first leaf.
    pub kem: XWingSecret,
    /// The message-signing key of the first leaf.
    pub signing: SigningKey,
    /// The public half.
    pub key: JoinKey,
}

/// Signed prekey, last-resort KEM prekey and inbox key rotate together: a generation.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Generation {
    pub(super) prekey: DhSecret,
    pub(super) kem: MlKemSecret,
    pub(super) inbox: XWingSecret,
    made: Timestamp,
    retired: Option<Timestamp>,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct OneTimeSecret {
    pub(super) prekey: DhSecret,
    pub(super) kem: MlKemSecret,
    made: Timestamp,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct StoredJoinKey {
    kem: XWingSecret,
    signing: SigningKey,
    signed: VLBytes,
    kind: JoinKind,
    made: Timestamp,
    retired: Option<Timestamp>,
    used: Option<Timestamp>,
}

/// Makes what the directory lacks, rotates what is due, deletes what nobody can need any more.
///
/// Call it at start, every few hours, and whenever keys have been used. `None`: nothing to publish.
pub fn replenish(account: &Account, have: Stock, cx: &mut Context) -> Result<Option<Publication>> {
    let publication = Publication {
        bundle: rotate_generation(account, cx)?,
        last_resort_join_key: rotate_last_resort(account, cx)?,
        one_time_prekeys: top_up_prekeys(account, have.one_time_prekeys, cx)?,
        join_keys: top_up_join_keys(account, have.join_keys, cx)?,
    };
    if publication.bundle.is_some() {
        super::record::tidy(cx)?;
        Account::tidy_keys(cx)?;
    }
    Ok(Some(publication).filter(|publication| *publication != Publication::default()))
}

/// How fresh the secrets are that this device holds. Looks, and changes nothing.
pub fn freshness(cx: &Context) -> Result<Freshness> {
    let generations = all::<Generation>(Row::SignedPrekey, cx)?;
    let current = generations.iter().filter(|(_, generation)| generation.retired.is_none());
    let join_keys = all::<StoredJoinKey>(Row::JoinKey, cx)?;
    Ok(Freshness {
        bundle_made: current.map(|(_, generation)| generation.made).max(),
        one_time_prekeys: cx.vault.scan(&key(Row::OneTimePrekey, &[]))?.len(),
        join_keys: join_keys.iter().filter(|(_, key)| key.kind == JoinKind::OneTime).count(),
    })
}

fn rotate_generation(account: &Account, cx: &mut Context) -> Result<Option<Vec<u8>>> {
    let now = cx.now;
    let mut current = false;
    for (id, mut generation) in all::<Generation>(Row::SignedPrekey, cx)? {
        match generation.retired {
            Some(retired) if now >= retired.plus(GRACE) => delete_generation(id, cx)?,
            None if now >= generation.made.plus(ROTATION) => {
                generation.retired = Some(now);
                save(cx.vault, &id_key(Row::SignedPrekey, id), &generation)?;
            }
            None => current = true,
            Some(_) => {}
        }
    }
    if current {
        return Ok(None);
    }
    let id = fresh_id(Row::SignedPrekey, cx)?;
    let (prekey, kem) = (DhSecret::generate(cx), MlKemSecret::generate(cx));
    let generation = Generation { prekey, kem, inbox: XWingSecret::generate(cx), made: now, retired: None };
    let body = BundleBody {
        version: VERSION,
        person: *account.person(),
        device: *account.device_id(),
        generation: id,
        prekey: *generation.prekey.public(),
        kem: generation.kem.public(),
        inbox: generation.inbox.public(),
        not_after: now.plus(GRACE),
    };
    save(cx.vault, &id_key(Row::SignedPrekey, id), &generation)?;
    bundle::sign(&body, labels::BUNDLE, account.device_signing()).map(Some)
}

fn rotate_last_resort(account: &Account, cx: &mut Context) -> Result<Option<Vec<u8>>> {
    let now = cx.now;
    let mut current = false;
    for (id, mut stored) in all::<StoredJoinKey>(Row::JoinKey, cx)? {
        let due = stored.used.is_some() || now >= stored.made.plus(LAST_RESORT_ROTATION);
        let expired = now >= stored.made.plus(LIFETIME + GRACE);
        match (stored.kind, stored.retired) {
            _ if expired => delete_join_key(id, cx)?,
            (_, Some(retired)) if now >= retired.plus(GRACE) => delete_join_key(id, cx)?,
            (JoinKind::LastResort, None) if due => {
                stored.retired = Some(now);
                save(cx.vault, &id_key(Row::JoinKey, id), &stored)?;
            }
            (JoinKind::LastResort, None) => current = true,
            _ => {}
        }
    }
    if current {
        return Ok(None);
    }
    make_join_key(account, JoinKind::LastResort, cx).map(Some)
}

fn top_up_prekeys(account: &Account, have: usize, cx: &mut Context) -> Result<Vec<Vec<u8>>> {
    let mut fresh = 0;
    for (id, secret) in all::<OneTimeSecret>(Row::OneTimePrekey, cx)? {
        if cx.now >= secret.made.plus(LIFETIME + GRACE) {
            cx.vault.delete(&id_key(Row::OneTimePrekey, id))?;
        }
        fresh += usize::from(cx.now < secret.made.plus(STALE));
    }
    (0..missing(have, fresh)).map(|_| make_prekey(account, cx)).collect()
}

fn top_up_join_keys(account: &Account, have: usize, cx: &mut Context) -> Result<Vec<Vec<u8>>> {
    let stored = all::<StoredJoinKey>(Row::JoinKey, cx)?;
    let is_fresh = |key: &StoredJoinKey| {
        key.kind == JoinKind::OneTime && key.retired.is_none() && cx.now < key.made.plus(STALE)
    };
    let fresh = stored.iter().filter(|(_, key)| is_fresh(key)).count();
    (0..missing(have, fresh)).map(|_| make_join_key(account, JoinKind::OneTime, cx)).collect()
}

/// How many to make: the relay's count is believed only as far as keys of ours could be behind it. The relay gives the
/// oldest first, so where it has stale ones, new ones must push them all out.
fn missing(have: usize, fresh: usize) -> usize {
    match have.min(fresh) {
        live if live >= LOW => 0,
        _ if have > fresh => SHELF,
        live => FULL - live,
    }
}

fn make_prekey(account: &Account, cx: &mut Context) -> Result<Vec<u8>> {
    let id = fresh_id(Row::OneTimePrekey, cx)?;
    let secret =
        OneTimeSecret { prekey: DhSecret::generate(cx), kem: MlKemSecret::generate(cx), made: cx.now };
    save(cx.vault, &id_key(Row::OneTimePrekey, id), &secret)?;
    let body = OneTimeBody {
        version: VERSION,
        device: *account.device_id(),
        id,
        prekey: *secret.prekey.public(),
        kem: secret.kem.public(),
        not_after: cx.now.plus(LIFETIME),
    };
    bundle::sign(&body, labels::ONE_TIME_PREKEY, account.device_signing())
}

/// Makes one more join key of `kind`, and the key package with which it serves for a tree; their secrets are stored.
fn make_join_key(account: &Account, kind: JoinKind, cx: &mut Context) -> Result<Vec<u8>> {
    let id = fresh_id(Row::JoinKey, cx)?;
    let (kem, signing) = (XWingSecret::generate(cx), SigningKey::generate(cx));
    // The adder's clock may be slow.
    let not_before = Timestamp(cx.now.0.saturating_sub(Timestamp::DAY));
    let not_after = cx.now.plus(LIFETIME);
    let body = JoinBody {
        version: VERSION,
        device: *account.device_id(),
        id,
        kem: kem.public(),
        signing: *signing.public(),
        not_before,
        not_after,
        kind,
    };
    let (key_package, secrets) =
        group::key_package(account.device_id(), &signing, (not_before, not_after), cx)?;
    cx.vault.put(&id_key(Row::KeyPackage, id), &secrets)?;
    let key = JoinKey::sign(body, account.device_signing())?;
    let signed = key.signed_bytes().to_vec();
    let stored = StoredJoinKey {
        kem,
        signing,
        signed: signed.as_slice().into(),
        kind,
        made: cx.now,
        retired: None,
        used: None,
    };
    save(cx.vault, &id_key(Row::JoinKey, id), &stored)?;
    Ok([signed, key_package].concat())
}

/// A join key that was never published, for a device that asks to be let in again.
pub(crate) fn fresh_join_key(account: &Account, cx: &mut Context) -> Result<Vec<u8>> {
    make_join_key(account, JoinKind::OneTime, cx)
}

/// The secrets behind one of this device's join keys.
///
/// # Errors
/// `UnknownPrekey` if there is none of that number (any more).
pub fn join_secret(id: u32, cx: &mut Context) -> Result<JoinSecret> {
    let stored: Option<StoredJoinKey> = load(cx.vault, &id_key(Row::JoinKey, id))?;
    let StoredJoinKey { kem, signing, signed, .. } = stored.ok_or(PeerFault::UnknownPrekey)?;
    let key = JoinKey::stored(signed.as_slice()).map_err(|_| Error::CorruptStore)?;
    Ok(JoinSecret { kem, signing, key })
}

/// Notes that a join key has served: a one-time one is deleted, the last-resort one rotated by the next [`replenish`].
pub fn forget_join_key(id: u32, cx: &mut Context) -> Result<()> {
    let row = id_key(Row::JoinKey, id);
    match load::<StoredJoinKey>(cx.vault, &row)? {
        Some(mut stored) if stored.kind == JoinKind::LastResort => {
            stored.used = stored.used.or(Some(cx.now));
            save(cx.vault, &row, &stored)
        }
        Some(_) => delete_join_key(id, cx),
        None => Ok(()),
    }
}

/// The secrets of the key package that was published with a join key.
pub(crate) fn join_key_package(id: u32, cx: &Context) -> Result<Option<Zeroizing<Vec<u8>>>> {
    Ok(cx.vault.get(&id_key(Row::KeyPackage, id))?)
}

fn delete_join_key(id: u32, cx: &mut Context) -> Result<()> {
    cx.vault.delete(&id_key(Row::KeyPackage, id))?;
    Ok(cx.vault.delete(&id_key(Row::JoinKey, id))?)
}

/// The generation of that number.
pub(super) fn generation(id: u32, cx: &Context) -> Result<Generation> {
    Ok(load(cx.vault, &id_key(Row::SignedPrekey, id))?.ok_or(PeerFault::UnknownPrekey)?)
}

/// The one-time prekey of that number.
pub(super) fn one_time(id: u32, cx: &Context) -> Result<OneTimeSecret> {
    Ok(load(cx.vault, &id_key(Row::OneTimePrekey, id))?.ok_or(PeerFault::UnknownPrekey)?)
}

/// Deletes a one-time prekey that has served.
pub(super) fn forget_one_time(id: u32, cx: &mut Context) -> Result<()> {
    Ok(cx.vault.delete(&id_key(Row::OneTimePrekey, id))?)
}

fn delete_generation(id: u32, cx: &mut Context) -> Result<()> {
    cx.vault.delete(&id_key(Row::SignedPrekey, id))?;
    delete_all(cx.vault, &id_key(Row::AcceptedBase, id))
}

fn all<T: codec::Decode>(row: Row, cx: &Context) -> Result<Vec<(u32, T)>> {
    let found = cx.vault.scan(&key(row, &[]))?;
    let read = |found: crate::Found| {
        let id = found.key.get(1..).and_then(|id| id.try_into().ok()).map(u32::from_be_bytes);
        let value = codec::decode(&found.value).map_err(|_| Error::CorruptStore)?;
        Ok((id.ok_or(Error::CorruptStore)?, value))
    };
    found.into_iter().map(read).collect()
}

/// Ids are random: a restored store must not give an id to a second key.
fn fresh_id(row: Row, cx: &mut Context) -> Result<u32> {
    loop {
        let id = u32::from_be_bytes(cx.random());
        if cx.vault.get(&id_key(row, id))?.is_none() {
            return Ok(id);
        }
    }
}

pub(super) fn id_key(row: Row, id: u32) -> Vec<u8> {
    key(row, &[&id.to_be_bytes()])
}
