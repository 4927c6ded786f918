//! People in memory: a device with its account and vault, and what it has published. No relay, no disk.

use crate::{LabError, Result};
use conclave_protocol::group::Bundles;
use conclave_protocol::identity::{Account, Handle, PeerDevice};
use conclave_protocol::session::{
    Publication, Stock, UnverifiedBundle, UnverifiedOneTimePrekey, replenish, start,
};
use conclave_protocol::{Context, Found, MemoryVault, Timestamp, Vault, VaultError};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use zeroize::Zeroizing;

/// When it is here: time is no concern of costs.
pub const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// A vault in memory that counts what is written to it.
#[derive(Default)]
pub struct CountingVault {
    rows: MemoryVault,
    /// Bytes of keys and values written, and of keys deleted.
    pub written: usize,
    /// Rows written or deleted.
    pub writes: usize,
}

/// A person with one device.
pub struct Person {
    /// Its rows.
    pub vault: CountingVault,
    /// Its account.
    pub account: Account,
    /// What it has published and nobody has taken yet.
    pub published: Publication,
}

impl Person {
    /// Makes an account and its first keys.
    pub fn new(name: &str) -> Result<Self> {
        let mut vault = CountingVault::default();
        let mut rng = UnwrapErr(SysRng);
        let (account, published) = enrol(name, &mut Context { vault: &mut vault, rng: &mut rng, now: NOW })?;
        Ok(Self { vault, account, published })
    }

    /// Runs a step of the protocol.
    pub fn step<T>(
        &mut self,
        run: impl FnOnce(&Account, &mut Context) -> conclave_protocol::Result<T>,
    ) -> Result<T> {
        let account = &self.account;
        step(&mut self.vault, |cx| run(account, cx))
    }

    /// As others address it.
    pub fn peer(&self) -> PeerDevice {
        self.account.as_peer()
    }

    /// Puts what this person published among what was fetched; one-time keys are used up by it.
    pub fn publish_to(&mut self, bundles: &mut Bundles) -> Result<()> {
        let bundle = self.published.bundle.clone().ok_or_else(|| LabError::unexpected("no bundle"))?;
        let (prekey, join_key) = (self.published.one_time_prekeys.pop(), self.published.join_keys.pop());
        bundles.person(self.account.handle().clone(), self.account.device_list().signed_bytes())?;
        bundles.device(*self.account.device_id(), bundle, prekey, join_key);
        Ok(())
    }

    /// Starts a session with `peer` from the bytes that it published, all signatures checked.
    pub fn start_session(&mut self, peer: &PeerDevice, bundle: &[u8], one_time: &[u8]) -> Result<()> {
        self.step(|account, cx| {
            let bundle = UnverifiedBundle::read(bundle)?.verify(peer, cx.now)?;
            let one_time = UnverifiedOneTimePrekey::read(one_time)?.verify(peer, cx.now)?;
            start(account, peer, 1, &bundle, Some(&one_time), cx)
        })
    }
}

/// A new account with its first keys.
pub fn enrol(name: &str, cx: &mut Context) -> Result<(Account, Publication)> {
    let account = Account::create(Handle::parse(&format!("{name}@lab"))?, cx)?;
    let published = replenish(&account, Stock::default(), cx)?;
    Ok((account, published.unwrap_or_default()))
}

/// Random bytes from the system, as the client takes them.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand_core::Rng::fill_bytes(&mut UnwrapErr(SysRng), &mut bytes);
    bytes
}

fn step<T>(
    vault: &mut CountingVault,
    run: impl FnOnce(&mut Context) -> conclave_protocol::Result<T>,
) -> Result<T> {
    let mut rng = UnwrapErr(SysRng);
    Ok(run(&mut Context { vault, rng: &mut rng, now: NOW })?)
}

impl Vault for CountingVault {
    fn get(&self, key: &[u8]) -> std::result::Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.rows.get(key)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> std::result::Result<(), VaultError> {
        self.written += key.len() + value.len();
        self.writes += 1;
        self.rows.put(key, value)
    }

    fn delete(&mut self, key: &[u8]) -> std::result::Result<(), VaultError> {
        self.written += key.len();
        self.writes += 1;
        self.rows.delete(key)
    }

    fn scan(&self, prefix: &[u8]) -> std::result::Result<Vec<Found>, VaultError> {
        self.rows.scan(prefix)
    }
}
