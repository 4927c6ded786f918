//! What the log answers: people with proofs, histories, the chain of roots, and how it grew.

use std::sync::Arc;

use akd::{AkdLabel, HistoryParams};
use bytes::Bytes;
use conclave_keylog::{Link, Value, codec};
use conclave_wire::{Code, DeviceId, PersonId, RelayId, limits, v1};

use super::{Log, Result, broken, own, unfit};
use crate::storage::StorageError;
use crate::storage::log::{self, Position};

/// So often a lookup asks for an epoch, if those whom it is about change all the time.
const TRIES: usize = 8;

/// An answer, or why there is none.
type Answer<T> = Result<std::result::Result<T, Code>>;

impl Log {
    /// The people found, each with the proof that just this device list is the newest logged under the name.
    pub(crate) async fn lookup(
        self: &Arc<Self>,
        names: Vec<String>,
        persons: Vec<PersonId>,
    ) -> Result<v1::Directory> {
        for _ in 0..TRIES {
            let newest = self.still().await?;
            let mut found = self.storage.people(names.clone(), persons.clone()).await?;
            // Looked at after them: what changes from here on is not in `found`.
            let asked = found.iter().map(|person| person.name.clone()).collect();
            if log::is_waiting(&*self.storage, asked).await? {
                drop(newest);
                self.publish().await?;
                continue;
            }
            self.prove(&mut found).await?;
            return Ok(v1::Directory { persons: found, root: newest.encode().into() });
        }
        Err(StorageError::Failed("somebody who is looked up changes all the time".into()))
    }

    /// Puts a proof to each. The caller holds the tree still.
    async fn prove(&self, found: &mut [v1::Person]) -> Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        let labels: Vec<_> = found.iter().map(|person| label(&person.name)).collect();
        let (proofs, _) = self.tree.batch_lookup(&labels).await.map_err(broken)?;
        for (person, proof) in found.iter_mut().zip(proofs) {
            let id = person.person.as_ref().try_into();
            let id = id.map_err(|_| StorageError::Failed("a person's id is none".into()))?;
            if proof.value.0 != Value::of(id, &person.device_list).encode() {
                return Err(StorageError::Failed("the key log has another device list".into()));
            }
            person.log_proof = codec::encode_lookup(&proof).map_err(unfit)?.into();
        }
        Ok(())
    }

    /// All that was ever logged of a device's person.
    pub(crate) async fn history(self: &Arc<Self>, device: DeviceId) -> Answer<v1::History> {
        let Some(name) = log::name_of(&*self.storage, device).await? else {
            return Ok(Err(Code::UnknownDevice));
        };
        self.publish().await?;
        let newest = self.still().await?;
        let versions = log::history(&*self.storage, name.clone()).await?;
        if versions.len() > limits::LOG_VERSIONS {
            return Ok(Err(Code::TooLarge));
        }
        let proof = self.tree.key_history(&label(&name), HistoryParams::Complete).await.map_err(broken)?;
        let proof = codec::encode_history(&proof.0).map_err(unfit)?.into();
        let mut room = limits::LOG_LISTS_BYTES;
        let lists = versions.into_iter().rev().map(|row| row.device_list);
        let device_lists = lists.map_while(|list| {
            room = room.checked_sub(list.len())?;
            Some(list)
        });
        Ok(Ok(v1::History { root: newest.encode().into(), proof, device_lists: device_lists.collect() }))
    }

    /// The roots after a position, at most so many.
    pub(crate) async fn trail(&self, after: Position, most: usize) -> Result<v1::Trail> {
        let newest = self.still().await?;
        let roots = log::roots_after(&*self.storage, after, most).await?;
        let mut links = Vec::new();
        for root in &roots {
            let root = own(root, &self.key)?;
            let said = root.statement();
            let link = Link { incarnation: said.incarnation, epoch: said.epoch, hash: said.hash };
            links.extend(link.encode());
        }
        let root = roots.last().cloned().unwrap_or_else(|| newest.encode().into());
        let position = own(&root, &self.key)?.position();
        let cosignatures = log::cosignatures(&*self.storage, position).await?;
        Ok(v1::Trail { root, links: links.into(), cosignatures })
    }

    /// The signed root at a position.
    pub(crate) async fn root(&self, at: Position) -> Answer<v1::SignedRoot> {
        let root = log::root(&*self.storage, Some(at)).await?;
        let Some(root) = root else { return Ok(Err(Code::UnknownEpoch)) };
        Ok(Ok(v1::SignedRoot { root, cosignatures: log::cosignatures(&*self.storage, at).await? }))
    }

    /// Who cosigned the root at a position, if it is there and somebody did.
    pub(crate) async fn witness(&self, at: Position, cosignature: &[u8]) -> Answer<RelayId> {
        let Some(root) = log::root(&*self.storage, Some(at)).await? else {
            return Ok(Err(Code::UnknownEpoch));
        };
        let witness = own(&root, &self.key)?.cosigned_by(cosignature);
        Ok(witness.map(RelayId::new).map_err(|_| Code::BadSignature))
    }

    /// How the epochs after this one grew, at most so many.
    pub(crate) async fn growth(&self, after: u64, most: usize) -> Answer<v1::Growth> {
        let newest = self.still().await?.statement().epoch;
        if after > newest {
            return Ok(Err(Code::UnknownEpoch));
        }
        let (mut steps, mut bytes) = (Vec::new(), 0);
        for epoch in (after..newest).take(most).map(|before| before + 1) {
            let step: Bytes = match log::step(&*self.storage, epoch).await? {
                Some(step) => step,
                None => {
                    let _still = self.still().await?;
                    self.grown(epoch).await?
                }
            };
            bytes += step.len();
            if bytes > limits::LOG_STEPS_BYTES && !steps.is_empty() {
                break;
            }
            steps.push(step);
        }
        Ok(Ok(v1::Growth { steps }))
    }
}

fn label(name: &str) -> AkdLabel {
    AkdLabel(name.as_bytes().to_vec())
}
