//! The recovery key: the identity key in 24 words, by which a person comes back on a new phone as the same person.
//!
//! Words are BIP-39's English list, of 32 bytes and its checksum of 8 bits; nothing is derived from them as wallets do. That
//! a relay takes the new device, and that groups let it in, is the concern of the client.

use super::account::Own;
use super::device_list::{DeviceList, ListedDevice, MAX_DEVICES};
use super::{Account, Handle};
use crate::primitives::dh::DhSecret;
use crate::primitives::secret::{Secret, SigningSeed};
use crate::primitives::sign::{Signature, SigningKey};
use crate::vault::{Row, key};
use crate::{Context, DeviceId, Misuse, PeerFault, Result};
use bip39::{Language, Mnemonic};
use zeroize::{Zeroize, Zeroizing};

/// Lists that the directory may have kept back do not stand in the way of one that is signed after a recovery.
const VERSIONS_LEFT_OUT: u64 = 1000;

/// The identity key, to be written down.
pub struct RecoveryKey(Secret<SigningSeed>);

impl RecoveryKey {
    /// Reads 24 words, in any case and with any spaces between.
    ///
    /// # Errors
    /// `BadRecoveryKey`: other words, another number of them, or a checksum that does not hold.
    pub fn read(words: &str) -> Result<Self> {
        let words = Zeroizing::new(words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase());
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words);
        let mnemonic = Zeroizing::new(mnemonic.map_err(|_| Misuse::BadRecoveryKey)?);
        let (mut entropy, length) = mnemonic.to_entropy_array();
        let seed = entropy.get(..length).and_then(|seed| <[u8; 32]>::try_from(seed).ok()).map(Secret::new);
        entropy.zeroize();
        seed.map(Self).ok_or_else(|| Misuse::BadRecoveryKey.into())
    }

    /// The 24 words, a space between each two.
    ///
    /// # Errors
    /// None that can happen: the length is one that words exist for.
    pub fn words(&self) -> Result<Zeroizing<String>> {
        let mnemonic = Mnemonic::from_entropy_in(Language::English, self.0.expose());
        let mnemonic = Zeroizing::new(mnemonic.map_err(|_| Misuse::BadRecoveryKey)?);
        let mut words = Zeroizing::new(String::with_capacity(24 * 9));
        for word in mnemonic.words() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word);
        }
        Ok(words)
    }

    fn identity(&self) -> SigningKey {
        SigningKey::from_seed(self.0.duplicate())
    }
}

impl Account {
    /// The words that bring this identity back.
    ///
    /// # Errors
    /// `NotPrimary`: a linked device does not have it.
    pub fn recovery_key(&self) -> Result<RecoveryKey> {
        let identity = self.own.identity.as_ref().ok_or(Misuse::NotPrimary)?;
        Ok(RecoveryKey(identity.seed().duplicate()))
    }

    /// Makes this store a first device of the person whose list `list` is. Of the devices that were listed those in `keep`
    /// stay. A try that did not get through is taken up, with the same device.
    ///
    /// # Errors
    /// `WrongAddress` if the key is not that person's, `AccountExists` if the store has another; `TooLong` for more than
    /// [`MAX_DEVICES`] devices; `NotAMember` if one to be kept is not listed.
    pub fn recover(
        recovery: &RecoveryKey,
        handle: Handle,
        list: &DeviceList,
        keep: &[DeviceId],
        cx: &mut Context,
    ) -> Result<Self> {
        let identity = recovery.identity();
        if identity.public() != list.identity() {
            return Err(PeerFault::WrongAddress.into());
        }
        let before = match cx.vault.get(&key(Row::Account, &[]))? {
            Some(_) => Some(Self::load(cx)?),
            None => None,
        };
        if before.as_ref().is_some_and(|before| before.identity_public() != identity.public()) {
            return Err(Misuse::AccountExists.into());
        }
        let (device, signing, dh) = match before {
            Some(Self { own: Own { device, signing, dh, .. }, .. }) => (device, signing, dh),
            None => (DeviceId::random(cx), SigningKey::generate(cx), DhSecret::generate(cx)),
        };
        let own = ListedDevice { device, signing: *signing.public(), dh: *dh.public() };
        let kept = keep.iter().map(|kept| list.device(*kept).copied().ok_or(Misuse::NotAMember));
        let mut devices = kept.collect::<Result<Vec<_>, _>>()?;
        devices.retain(|listed| listed.device != device);
        devices.push(own);
        if devices.len() > MAX_DEVICES {
            return Err(Misuse::TooLong(MAX_DEVICES).into());
        }
        let list = list.followed_by(&identity, list.version() + VERSIONS_LEFT_OUT, devices, cx.now)?;
        let account = Self { own: Own { handle, identity: Some(identity), device, signing, dh }, list };
        account.save(cx)?;
        Ok(account)
    }

    /// A signature by the identity key over bytes that are no protocol bytes: for a relay, which knows none.
    ///
    /// # Errors
    /// `NotPrimary`.
    pub fn sign_raw_as_person(&self, bytes: &[u8]) -> Result<Signature> {
        let identity = self.own.identity.as_ref().ok_or(Misuse::NotPrimary)?;
        Ok(identity.sign_raw(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    /// BIP-39's own vectors (trezor/python-mnemonic, vectors.json).
    #[test]
    fn words_are_those_of_bip_39() {
        let zeros = "abandon ".repeat(23) + "art";
        let key = RecoveryKey::read(&zeros).ok().unwrap();
        assert_eq!((*key.0.expose(), key.words().unwrap().as_str()), ([0; 32], zeros.as_str()));
        let ones = "zoo ".repeat(23) + "vote";
        assert_eq!(*RecoveryKey::read(&ones).ok().unwrap().0.expose(), [0xff; 32]);
        let mixed = "HAMSTER diagram private dutch cause delay private meat slide toddler razor book\n happy fancy gospel \
                     tennis maple dilemma loan word shrug inflict delay length";
        let want = "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c";
        assert_eq!(hex::encode(RecoveryKey::read(mixed).ok().unwrap().0.expose()), want);
    }

    #[test]
    fn a_word_that_is_wrong_missing_or_too_many_is_noticed() {
        let good = "abandon ".repeat(23) + "art";
        let swapped = "abandon ".repeat(22) + "ability art";
        for bad in [
            "",
            "abandon",
            &"abandon ".repeat(24),
            &swapped,
            &format!("{good} art"),
            &good.replace("art", "arr"),
        ] {
            assert_eq!(RecoveryKey::read(bad).err(), Some(Misuse::BadRecoveryKey.into()), "{bad}");
        }
        let twelve = "abandon ".repeat(11) + "about";
        assert!(RecoveryKey::read(&twelve).is_err(), "12 words are no identity key");
    }

    #[test]
    fn the_words_bring_back_the_same_person_with_one_device_and_a_newer_list() {
        let mut phone = Bench::new(1);
        let handle = Handle::parse("sean@relay.test").unwrap();
        let lost = phone.step(|cx| Account::create(handle.clone(), cx)).unwrap();
        let words = lost.recovery_key().unwrap().words().unwrap();
        let mut new = Bench::new(2);
        let list = lost.device_list();
        let again = |new: &mut Bench, words: &str, keep: &[DeviceId]| {
            let key = RecoveryKey::read(words)?;
            new.step(|cx| Account::recover(&key, handle.clone(), &list, keep, cx))
        };
        let found = again(&mut new, &words, &[]).ok().unwrap();
        assert_eq!((found.person(), found.identity_public()), (lost.person(), lost.identity_public()));
        found.device_list().newer(&list).unwrap();
        assert!(found.is_primary() && found.device_list().device(*lost.device_id()).is_none());
        let taken_up = again(&mut new, &words, &[*lost.device_id()]).ok().unwrap();
        assert_eq!(taken_up.device_id(), found.device_id());
        assert_eq!(taken_up.device_list().devices().len(), 2, "with one that was to be kept");
        let other = "abandon ".repeat(23) + "art";
        assert_eq!(again(&mut new, &other, &[]).err(), Some(PeerFault::WrongAddress.into()));
    }
}
