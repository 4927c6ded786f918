//! Sessions under test: two or three devices on a bench, with a directory of one's own making between them.

mod handshake;
mod prekeys;
mod property;
mod ratchet;
mod simultaneous;

use super::fuzzing::{open_salted, seal_salted};
use super::*;
use crate::identity::Handle;
use crate::testing::Bench;
use crate::{Error, Timestamp, Vault};

const AAD: &[u8] = b"aad";

/// A device with its account, and what it has published.
struct Device {
    bench: Bench,
    account: Account,
    published: Publication,
}

impl Device {
    fn new(name: &str, seed: u64) -> Self {
        let mut bench = Bench::new(seed);
        let handle = Handle::parse(&format!("{name}@h")).unwrap();
        let account = bench.step(|cx| Account::create(handle, cx)).unwrap();
        let published = bench.step(|cx| replenish(&account, Stock::default(), cx)).unwrap().unwrap();
        Self { bench, account, published }
    }

    fn peer(&self) -> PeerDevice {
        self.account.as_peer()
    }

    fn bundle(&self) -> Bundle {
        let bytes = self.published.bundle.as_ref().unwrap();
        UnverifiedBundle::read(bytes).unwrap().verify(&self.peer(), self.bench.now).unwrap()
    }

    /// Gives out a one-time prekey.
    fn one_time(&mut self) -> OneTimePrekey {
        let bytes = self.published.one_time_prekeys.pop().unwrap();
        UnverifiedOneTimePrekey::read(&bytes).unwrap().verify(&self.peer(), self.bench.now).unwrap()
    }

    /// Starts a session with a one-time prekey of `to`.
    fn start(&mut self, to: &mut Device) {
        let one_time = to.one_time();
        self.start_with(to, Some(&one_time)).unwrap();
    }

    fn start_with(&mut self, to: &Device, one_time: Option<&OneTimePrekey>) -> Result<()> {
        let (peer, bundle, account) = (to.peer(), to.bundle(), &self.account);
        self.bench.step(|cx| start(account, &peer, 1, &bundle, one_time, cx))
    }

    fn seal(&mut self, to: &Device, text: &[u8]) -> Vec<u8> {
        self.try_seal(to, text).unwrap()
    }

    fn try_seal(&mut self, to: &Device, text: &[u8]) -> Result<Vec<u8>> {
        let peer = to.peer();
        self.bench.step(|cx| seal_salted(&peer, AAD, text, cx))
    }

    fn open(&mut self, from: &Device, message: &[u8]) -> Result<Vec<u8>> {
        let peer = from.peer();
        self.open_from(&peer, message)
    }

    /// Opens, and checks that a refusal has changed nothing, even before the transaction is rolled back.
    fn open_from(&mut self, peer: &PeerDevice, message: &[u8]) -> Result<Vec<u8>> {
        let before = rows(&self.bench);
        let opened = open_salted(&self.account, peer, AAD, message, &mut self.bench.cx());
        if opened.is_err() {
            assert!(before == rows(&self.bench), "a refused message changed the vault");
        }
        opened.map(|text| text.to_vec())
    }

    fn rows_under(&self, row: crate::vault::Row) -> usize {
        self.bench.vault.scan(&[row as u8]).unwrap().len()
    }
}

fn rows(bench: &Bench) -> Vec<(Vec<u8>, Vec<u8>)> {
    let found = bench.vault.scan(&[]).unwrap();
    found.into_iter().map(|found| (found.key, found.value.to_vec())).collect()
}

fn pair() -> (Device, Device) {
    (Device::new("mike", 1), Device::new("sean", 2))
}

/// Two devices whose session both sides have used.
fn talking() -> (Device, Device) {
    let (mut a, mut b) = pair();
    a.start(&mut b);
    for _ in 0..2 {
        say(&mut a, &mut b, b"hello");
        say(&mut b, &mut a, b"hello yourself");
    }
    (a, b)
}

fn say(from: &mut Device, to: &mut Device, text: &[u8]) {
    let message = from.seal(to, text);
    assert_eq!(to.open(from, &message), Ok(text.to_vec()));
}

fn refused<T: std::fmt::Debug + PartialEq>(outcome: Result<T>, fault: PeerFault) {
    assert_eq!(outcome, Err(fault.into()));
}
