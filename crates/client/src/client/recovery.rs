//! The recovery key: written down once, it brings the person back on a new device.

use super::Client;
use crate::clock::{Clock, SystemClock, check_reach};
use crate::directory::{answer_fault, handle_of, look_before};
use crate::engine::{published, sign_login, sign_recovery};
use crate::info::Outcome;
use crate::meeting::relay_id;
use crate::store::meta::Fact;
use crate::store::relays::RelayFacts;
use crate::store::{Store, Tx};
use crate::transport::{Address, Link};
use crate::{ClientError, Result};
use conclave_protocol::DeviceId;
use conclave_protocol::identity::{Account, DeviceList, Handle, RecoveryKey};
use conclave_protocol::session::{Stock, replenish};
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

impl Client {
    /// The 24 words that bring this identity back if all its devices are lost. Whoever has them is this person.
    ///
    /// # Errors
    /// `NotPrimary`.
    pub async fn recovery_key(&self) -> Result<Zeroizing<String>> {
        self.store.view(|tx| tx.protocol(|cx| Account::load(cx)?.recovery_key()?.words())).await
    }

    /// Announces a new identity key, which this device takes over by itself once a day is over; when, in milliseconds since
    /// 1970. The person stays the same one; who compared the safety number has to do so again, and the recovery key is
    /// another one from then on.
    ///
    /// # Errors
    /// `NotPrimary`, `TooLong` after 63 times.
    pub async fn rotate_identity(&self, wait: Duration) -> Result<(u64, Outcome)> {
        let step = |tx: &Tx| {
            let ready = tx.protocol(|cx| Account::load(cx)?.announce_identity(cx))?;
            Ok((ready.0, super::devices::want_devices(tx)?))
        };
        let (ready, wanted) = self.store.step(step).await?;
        Ok((ready, self.until_told(wanted, wait).await?))
    }

    /// Objects to a new identity key that is announced: it will not be. Any device of the person may.
    pub async fn veto_identity(&self, wait: Duration) -> Result<Outcome> {
        let step = |tx: &Tx| {
            tx.protocol(Account::withdraw_identity)?;
            tx.set_number(Fact::IdentityAnnounced, 0)?;
            tx.set_number(Fact::VetoWanted, 1)?;
            super::devices::want_devices(tx)
        };
        let wanted = self.store.step(step).await?;
        self.until_told(wanted, wait).await
    }

    /// Makes this directory a first device of the person `who` (`name`, or `name@host`) at the relay, by their recovery key.
    /// Of the devices that they had those in `keep` stay, named by their ids; all others are out. Contacts, groups and what
    /// was said are not brought back by it: groups let the device in when others hear of it. A try that ended is taken up by
    /// the same call.
    ///
    /// # Errors
    /// `BadRecoveryKey`, `WrongRecoveryKey`, `UnknownPerson`; `AccountExists`; `Refused` with `no_recovery` where the relay
    /// was never told the identity key; `NotAMember` for one to be kept that is not listed; `Unreachable` and the like.
    pub async fn recover(
        dir: &Path,
        passphrase: &str,
        who: &str,
        relay: &str,
        words: &str,
        keep: &[String],
    ) -> Result<Self> {
        Self::recover_at(dir, passphrase, (who, relay), words, keep, Arc::new(SystemClock)).await
    }

    /// As [`Client::recover`], with another clock.
    pub async fn recover_at(
        dir: &Path,
        passphrase: &str,
        (who, relay): (&str, &str),
        words: &str,
        keep: &[String],
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let recovery = RecoveryKey::read(words)?;
        let address = Address::parse(relay)?;
        check_reach(&*clock, &address)?;
        let link = Link::connect(&address).await?;
        let hello = link.hello().clone();
        let url = Address::without_id(relay).to_owned();
        let facts = RelayFacts { url, id: relay_id(&link)?, host: hello.host.clone() };
        let handle = handle_of(who, &facts.host)?;
        let unknown = || ClientError::UnknownPerson(handle.to_string());
        let list = look_before(&link, &handle).await?.ok_or_else(unknown)?;
        let keep = keep.iter().map(|id| device_id(id)).collect::<Result<Vec<_>>>()?;
        let fresh = !super::exists(dir);
        let store = match fresh {
            false => Store::open(dir, passphrase, clock).await?,
            true => Store::create(dir, passphrase, clock).await?,
        };
        let prepared =
            store.step(move |tx| prepare(tx, &facts, handle, &list, &recovery, &keep, &hello)).await;
        let recovered = match prepared {
            Ok(request) => match link.ask(Request::Recover(request)).await {
                Ok(Body::Stock(_)) => Ok(()),
                Ok(_) => Err(answer_fault()),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        if let (Err(ClientError::Refused { .. } | ClientError::WrongRecoveryKey), true) = (&recovered, fresh)
        {
            // Nothing of it is known to anybody: the directory is as it was.
            crate::store::remove(dir);
        }
        recovered?;
        store.step(|tx| tx.set_registered()).await?;
        Ok(Self::over(store))
    }
}

fn device_id(text: &str) -> Result<DeviceId> {
    let bytes = hex::decode(text).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    Ok(bytes.map(DeviceId).ok_or(conclave_protocol::Misuse::NotAMember)?)
}

/// Makes the device and its keys, and the request that names it.
fn prepare(
    tx: &Tx,
    relay: &RelayFacts,
    handle: Handle,
    list: &DeviceList,
    recovery: &RecoveryKey,
    keep: &[DeviceId],
    hello: &v1::Hello,
) -> Result<v1::Recover> {
    super::account::refuse_second(tx)?;
    tx.set_relay(relay)?;
    let account = match tx.protocol(|cx| Account::recover(recovery, handle, list, keep, cx)) {
        Err(ClientError::Protocol(conclave_protocol::Error::Peer(_))) => {
            return Err(ClientError::WrongRecoveryKey);
        }
        account => account?,
    };
    let keys = tx.protocol(|cx| replenish(&account, Stock::default(), cx))?.unwrap_or_default();
    let list = account.device_list();
    tx.set_number(Fact::ListPublished, crate::store::messages::signed(list.version()))?;
    tx.set_number(Fact::IdentityTold, 1)?;
    Ok(v1::Recover {
        name: account.handle().name().to_owned(),
        device: account.device_id().0.to_vec().into(),
        signature: sign_login(&account, relay.id, hello)?.into(),
        identity_signature: sign_recovery(&account, relay.id, hello)?.into(),
        devices: list.devices().iter().map(crate::engine::listed).collect(),
        device_list: list.signed_bytes().to_vec().into(),
        keys: Some(published(keys)),
    })
}
