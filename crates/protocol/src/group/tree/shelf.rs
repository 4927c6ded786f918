//! Where the engine finds and leaves what is kept, for one operation. How it lies in the vault is the concern of `kept`.

use super::engine::Kept;
use crate::Result;
use mls_rs::error::IntoAnyError;
use mls_rs::{GroupStateStorage, KeyPackageStorage};
use mls_rs_core::group::{EpochRecord, GroupState};
use mls_rs_core::key_package::KeyPackageData;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// In memory. Earlier epochs are not kept at all.
#[derive(Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<Laid>>);

#[derive(Default)]
struct Laid {
    state: Option<Zeroizing<Vec<u8>>>,
    key_package: Option<KeyPackageData>,
}

/// Nothing fails here.
#[derive(Debug)]
pub(super) enum Unfailing {}

impl IntoAnyError for Unfailing {}

impl Shelf {
    pub(super) fn with(kept: &Kept) -> Self {
        let shelf = Self::default();
        shelf.reach(|laid| laid.state = Some(kept.state.clone()));
        shelf
    }

    pub(super) fn take_state(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.reach(|laid| laid.state.take())
    }

    pub(super) fn lay_key_package(&self, secrets: KeyPackageData) {
        self.reach(|laid| laid.key_package = Some(secrets));
    }

    pub(super) fn take_key_package(&self) -> Option<KeyPackageData> {
        self.reach(|laid| laid.key_package.take())
    }

    fn reach<T>(&self, run: impl FnOnce(&mut Laid) -> T) -> T {
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl GroupStateStorage for Shelf {
    type Error = Unfailing;

    fn state(&self, _group: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Unfailing> {
        Ok(self.reach(|laid| laid.state.clone()))
    }

    fn epoch(&self, _group: &[u8], _epoch: u64) -> Result<Option<Zeroizing<Vec<u8>>>, Unfailing> {
        Ok(None)
    }

    fn write(
        &mut self,
        state: GroupState,
        _inserts: Vec<EpochRecord>,
        _updates: Vec<EpochRecord>,
    ) -> Result<(), Unfailing> {
        self.reach(|laid| laid.state = Some(state.data));
        Ok(())
    }

    fn max_epoch_id(&self, _group: &[u8]) -> Result<Option<u64>, Unfailing> {
        Ok(None)
    }
}

impl KeyPackageStorage for Shelf {
    type Error = Unfailing;

    fn delete(&mut self, _id: &[u8]) -> Result<(), Unfailing> {
        Ok(())
    }

    fn insert(&mut self, _id: Vec<u8>, package: KeyPackageData) -> Result<(), Unfailing> {
        self.lay_key_package(package);
        Ok(())
    }

    fn get(&self, _id: &[u8]) -> Result<Option<KeyPackageData>, Unfailing> {
        Ok(self.reach(|laid| laid.key_package.clone()))
    }
}
