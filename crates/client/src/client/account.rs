//! Making, registering and opening the account.

use super::Client;
use crate::clock::{Clock, SystemClock, check_reach};
use crate::directory::answer_fault;
use crate::engine::{Engine, sign_login};
use crate::info::AccountInfo;
use crate::meeting::relay_id;
use crate::store::meta::Fact;
use crate::store::relays::RelayFacts;
use crate::store::{Store, Tx};
use crate::transport::{Address, Link};
use crate::{ClientError, Result};
use conclave_protocol::identity::{Account, Handle};
use conclave_protocol::session::{Stock, replenish};
use conclave_protocol::{Error as ProtocolError, Misuse};
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};
use prost::Message;
use std::path::Path;
use std::sync::Arc;

impl Client {
    /// Makes an account in a directory and registers it with its relay. A registration whose answer was lost is asked
    /// for again, with the same keys.
    ///
    /// # Errors
    /// `BadHandle`, `AccountExists`; `BadAddress`, `NeedsTls`, `Unreachable`; `Refused` if the name is taken, or the
    /// relay takes nobody.
    pub async fn create(
        dir: &Path,
        passphrase: &str,
        name: &str,
        relay: &str,
        invite: Option<&str>,
    ) -> Result<Self> {
        Self::create_at(dir, passphrase, name, relay, invite, Arc::new(SystemClock)).await
    }

    /// As [`Client::create`], with another clock.
    pub async fn create_at(
        dir: &Path,
        passphrase: &str,
        name: &str,
        relay: &str,
        invite: Option<&str>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Handle::parse(&format!("{name}@relay"))?;
        let address = Address::parse(relay)?;
        check_reach(&*clock, &address)?;
        let fresh = !super::exists(dir);
        if !fresh {
            // An account is an account, whether or not its relay can be reached now.
            let store = Store::open(dir, passphrase, clock.clone()).await?;
            store.view(refuse_second).await?;
        }
        let link = Link::connect(&address).await?;
        let hello = link.hello().clone();
        let url = Address::without_id(relay).to_owned();
        let facts = RelayFacts { url, id: relay_id(&link)?, host: hello.host.clone() };
        let handle = Handle::parse(&format!("{name}@{}", facts.host))?;
        let store = Store::create(dir, passphrase, clock).await?;
        let (invite, expected) = (invite.unwrap_or_default().to_owned(), handle.to_string());
        let step = store.step(move |tx| prepare(tx, &facts, handle, &invite, &hello));
        let registered = register(&link, step.await?, &expected).await;
        if let (Err(ClientError::Refused { .. }), true) = (&registered, fresh) {
            // Nothing of it is known to anybody: the directory is as it was.
            crate::store::remove(dir);
        }
        registered?;
        store.step(|tx| tx.set_registered()).await?;
        Ok(Self::over(store))
    }

    /// Opens the account of a directory.
    ///
    /// # Errors
    /// `NoAccount`, `NotRegistered`, `WrongPassphrase`, `StoreTooNew`, `StoreDamaged`.
    pub async fn open(dir: &Path, passphrase: &str) -> Result<Self> {
        Self::open_at(dir, passphrase, Arc::new(SystemClock)).await
    }

    /// As [`Client::open`], with another clock.
    ///
    /// # Errors
    /// `ClockShifted` if the clock is and the account has to do with a relay on another machine.
    pub async fn open_at(dir: &Path, passphrase: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let store = Store::open(dir, passphrase, clock).await?;
        let registered = store.view(|tx| tx.number(Fact::Registered)).await?;
        if registered == 0 {
            return Err(ClientError::NotRegistered);
        }
        for relay in store.view(|tx| tx.relays_in_use()).await? {
            check_reach(store.clock(), &Address::parse(&relay.url)?)?;
        }
        Ok(Self::over(store))
    }

    /// The account.
    pub async fn account(&self) -> Result<AccountInfo> {
        self.store
            .view(|tx| {
                let (account, relay) = (tx.protocol(Account::load)?, tx.relay()?);
                Ok(AccountInfo {
                    handle: account.handle().to_string(),
                    person: account.person().to_string(),
                    device: account.device_id().to_string(),
                    relay: relay.address(),
                    relay_id: hex::encode(relay.id),
                })
            })
            .await
    }

    pub(super) fn over(store: Store) -> Self {
        Self { engine: Engine::new(store.clone()), store }
    }
}

pub(super) fn refuse_second(tx: &Tx) -> Result<()> {
    if tx.number(Fact::Registered)? == 0 { Ok(()) } else { Err(ClientError::AccountExists) }
}

/// Makes the account and its first keys, or takes up those of an earlier attempt.
fn prepare(
    tx: &Tx,
    relay: &RelayFacts,
    handle: Handle,
    invite: &str,
    hello: &v1::Hello,
) -> Result<v1::Register> {
    refuse_second(tx)?;
    tx.set_relay(relay)?;
    let account = match tx.protocol(Account::load) {
        Ok(mut account) => {
            tx.protocol(|cx| account.set_handle(handle, cx))?;
            account
        }
        Err(ClientError::Protocol(ProtocolError::Misuse(Misuse::NoAccount))) => {
            tx.protocol(|cx| Account::create(handle, cx))?
        }
        Err(error) => return Err(error),
    };
    let mut request = match tx.registration()? {
        Some(bytes) => {
            let damaged = |_| ClientError::StoreDamaged("a stored registration is not readable".into());
            v1::Register::decode(bytes.as_slice()).map_err(damaged)?
        }
        None => first_request(tx, &account)?,
    };
    request.name = account.handle().name().to_owned();
    request.invite = invite.to_owned();
    request.signature = sign_login(&account, relay.id, hello)?.into();
    Ok(request)
}

fn first_request(tx: &Tx, account: &Account) -> Result<v1::Register> {
    let list = account.device_list();
    let keys = tx.protocol(|cx| replenish(account, Stock::default(), cx))?.unwrap_or_default();
    let request = v1::Register {
        person: account.person().0.to_vec().into(),
        device: account.device_id().0.to_vec().into(),
        device_key: crate::engine::device_key(account),
        device_list: list.signed_bytes().to_vec().into(),
        identity_key: crate::engine::identity_key(account),
        keys: Some(crate::engine::published(keys)),
        ..v1::Register::default()
    };
    tx.set_registration(&request.encode_to_vec())?;
    tx.set_number(Fact::IdentityTold, 1)?;
    tx.set_number(Fact::ListPublished, crate::store::messages::signed(list.version()))?;
    Ok(request)
}

async fn register(link: &Link, request: v1::Register, expected: &str) -> Result<()> {
    match link.ask(Request::Register(request)).await? {
        Body::Registered(registered) if registered.handle == expected => Ok(()),
        Body::Registered(_) => Err(ClientError::RelayFault("it registered another handle")),
        _ => Err(answer_fault()),
    }
}
