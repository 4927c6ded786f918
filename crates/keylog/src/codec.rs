//! The bytes of proofs: one form for each, a third of the size of the generic ones. What follows from elsewhere is left
//! out: the places on a path are prefixes of its end, and a side of the tree is a bit of it.
//!
//! Numbers are big-endian. `label` = bits (2), then as many bytes as hold them, the rest of the last one zero; 65535 alone
//! stands for the empty place. `node` = label ‖ value (32). `path` = value at its end (32) ‖ steps (2) ‖ for each step from
//! the root down: bits of the place (1) ‖ the other child's node. `present` = VRF proof (80) ‖ label (32) ‖ path. `absent` =
//! VRF proof (80) ‖ label (32) ‖ bits of its longest prefix in the tree (1) ‖ the two nodes below that ‖ its path.
//!
//! * lookup: version (8) ‖ epoch (8) ‖ value (64) ‖ nonce (32) ‖ present (this version) ‖ present (its marker, the power of
//!   two up to it; left out where that is itself) ‖ absent (that it is stale).
//! * history: newest version (8) ‖ count (2) ‖ for each version, newest first: epoch (8) ‖ value (64) ‖ nonce (32) ‖ present ‖
//!   above version 1 present (that the one before is stale) ‖ count (1) of present (earlier markers) ‖ count (1) of absent
//!   (later ones).
//! * growth of one epoch: count (4) of nodes put in ‖ count (4) of nodes that stayed.

use akd_core::{
    ARITY, AkdValue, AzksElement, AzksValue, Configuration, Direction, HistoryProof, LookupProof,
    MembershipProof, NodeLabel, NonMembershipProof, SiblingProof, SingleAppendOnlyProof, UpdateProof,
};

use crate::read::Reader;
use crate::{KeyLog, KeyLogError, MOST_VERSIONS, VALUE_BYTES};

type Result<T> = std::result::Result<T, KeyLogError>;

/// The bits of a leaf's place.
const LEAF_BITS: u32 = 256;
/// Stands for the empty place.
const NOWHERE: u16 = u16::MAX;
const VRF_PROOF_BYTES: usize = 80;
const NONCE_BYTES: usize = 32;

/// The bytes of a lookup proof.
///
/// # Errors
/// [`KeyLogError::Malformed`] if it is none that a tree of this log gives.
pub fn encode_lookup(proof: &LookupProof) -> Result<Vec<u8>> {
    let mut out = [proof.version.to_be_bytes(), proof.epoch.to_be_bytes()].concat();
    put_exactly(&mut out, &proof.value.0, VALUE_BYTES)?;
    put_exactly(&mut out, &proof.commitment_nonce, NONCE_BYTES)?;
    put_present(&mut out, &proof.existence_vrf_proof, &proof.existence_proof)?;
    if !proof.version.is_power_of_two() {
        put_present(&mut out, &proof.marker_vrf_proof, &proof.marker_proof)?;
    }
    put_absent(&mut out, &proof.freshness_vrf_proof, &proof.freshness_proof)?;
    Ok(out)
}

/// The lookup proof of these bytes.
pub(crate) fn decode_lookup(bytes: &[u8]) -> Result<LookupProof> {
    let mut reader = Reader::new(bytes);
    let (version, epoch) = (reader.u64()?, reader.u64()?);
    if version == 0 {
        return Err(KeyLogError::Malformed);
    }
    let value = AkdValue(reader.slice(VALUE_BYTES)?.to_vec());
    let commitment_nonce = reader.slice(NONCE_BYTES)?.to_vec();
    let (existence_vrf_proof, existence_proof) = present(&mut reader)?;
    let (marker_vrf_proof, marker_proof) = match version.is_power_of_two() {
        true => (existence_vrf_proof.clone(), existence_proof.clone()),
        false => present(&mut reader)?,
    };
    let (freshness_vrf_proof, freshness_proof) = absent(&mut reader)?;
    reader.end()?;
    Ok(LookupProof {
        epoch,
        value,
        version,
        existence_vrf_proof,
        existence_proof,
        marker_vrf_proof,
        marker_proof,
        freshness_vrf_proof,
        freshness_proof,
        commitment_nonce,
    })
}

/// The bytes of a history proof.
///
/// # Errors
/// [`KeyLogError::Malformed`] if it is none that a tree of this log gives, or has more than [`MOST_VERSIONS`].
pub fn encode_history(proof: &HistoryProof) -> Result<Vec<u8>> {
    let updates = &proof.update_proofs;
    let newest = updates.first().ok_or(KeyLogError::Malformed)?.version;
    if updates.len() > MOST_VERSIONS {
        return Err(KeyLogError::Malformed);
    }
    let mut out = newest.to_be_bytes().to_vec();
    put_count::<2>(&mut out, updates.len())?;
    for update in updates {
        out.extend(update.epoch.to_be_bytes());
        put_exactly(&mut out, &update.value.0, VALUE_BYTES)?;
        put_exactly(&mut out, &update.commitment_nonce, NONCE_BYTES)?;
        put_present(&mut out, &update.existence_vrf_proof, &update.existence_proof)?;
        match (&update.previous_version_vrf_proof, &update.previous_version_proof) {
            (Some(vrf), Some(proof)) if update.version > 1 => put_present(&mut out, vrf, proof)?,
            (None, None) if update.version == 1 => {}
            _ => return Err(KeyLogError::Malformed),
        }
    }
    put_count::<1>(&mut out, proof.existence_of_past_marker_proofs.len())?;
    for (vrf, proof) in proof.past_marker_vrf_proofs.iter().zip(&proof.existence_of_past_marker_proofs) {
        put_present(&mut out, vrf, proof)?;
    }
    put_count::<1>(&mut out, proof.non_existence_of_future_marker_proofs.len())?;
    for (vrf, proof) in
        proof.future_marker_vrf_proofs.iter().zip(&proof.non_existence_of_future_marker_proofs)
    {
        put_absent(&mut out, vrf, proof)?;
    }
    Ok(out)
}

/// The history proof of these bytes.
pub(crate) fn decode_history(bytes: &[u8]) -> Result<HistoryProof> {
    let mut reader = Reader::new(bytes);
    let (newest, count) = (reader.u64()?, reader.u16()?);
    if count == 0 || usize::from(count) > MOST_VERSIONS || newest < u64::from(count) {
        return Err(KeyLogError::Malformed);
    }
    let mut version = newest + 1;
    let update_proofs = reader.many(count.into(), |reader| {
        version -= 1;
        update(reader, version)
    })?;
    let past = reader.u8()?;
    let past = reader.many(past.into(), present)?;
    let future = reader.u8()?;
    let future = reader.many(future.into(), absent)?;
    reader.end()?;
    let (past_marker_vrf_proofs, existence_of_past_marker_proofs) = past.into_iter().unzip();
    let (future_marker_vrf_proofs, non_existence_of_future_marker_proofs) = future.into_iter().unzip();
    Ok(HistoryProof {
        update_proofs,
        past_marker_vrf_proofs,
        existence_of_past_marker_proofs,
        future_marker_vrf_proofs,
        non_existence_of_future_marker_proofs,
    })
}

fn update(reader: &mut Reader<'_>, version: u64) -> Result<UpdateProof> {
    let epoch = reader.u64()?;
    let value = AkdValue(reader.slice(VALUE_BYTES)?.to_vec());
    let commitment_nonce = reader.slice(NONCE_BYTES)?.to_vec();
    let (existence_vrf_proof, existence_proof) = present(reader)?;
    let (previous_version_vrf_proof, previous_version_proof) = match version {
        1 => (None, None),
        _ => {
            let (vrf, proof) = present(reader)?;
            (Some(vrf), Some(proof))
        }
    };
    Ok(UpdateProof {
        epoch,
        value,
        version,
        existence_vrf_proof,
        existence_proof,
        previous_version_vrf_proof,
        previous_version_proof,
        commitment_nonce,
    })
}

/// The bytes that show that one epoch has only added to the one before.
///
/// # Errors
/// [`KeyLogError::Malformed`] if it is none that a tree of this log gives.
pub fn encode_growth(proof: &SingleAppendOnlyProof) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for nodes in [&proof.inserted, &proof.unchanged_nodes] {
        put_count::<4>(&mut out, nodes.len())?;
        nodes.iter().try_for_each(|node| put_node(&mut out, node))?;
    }
    Ok(out)
}

/// What [`encode_growth`] wrote.
///
/// # Errors
/// [`KeyLogError::Malformed`].
pub fn decode_growth(bytes: &[u8]) -> Result<SingleAppendOnlyProof> {
    let mut reader = Reader::new(bytes);
    let nodes = |reader: &mut Reader<'_>| {
        let count = reader.u32()?;
        reader.many(count as usize, node)
    };
    let (inserted, unchanged_nodes) = (nodes(&mut reader)?, nodes(&mut reader)?);
    reader.end()?;
    let leaves = inserted.iter().all(|node| node.label.label_len == LEAF_BITS);
    if leaves { Ok(SingleAppendOnlyProof { inserted, unchanged_nodes }) } else { Err(KeyLogError::Malformed) }
}

fn put_exactly(out: &mut Vec<u8>, bytes: &[u8], length: usize) -> Result<()> {
    if bytes.len() != length {
        return Err(KeyLogError::Malformed);
    }
    out.extend_from_slice(bytes);
    Ok(())
}

fn put_count<const N: usize>(out: &mut Vec<u8>, count: usize) -> Result<()> {
    let bytes = (count as u64).to_be_bytes();
    let (zeros, low) = bytes.split_at(8 - N);
    if zeros.iter().any(|byte| *byte != 0) {
        return Err(KeyLogError::Malformed);
    }
    out.extend_from_slice(low);
    Ok(())
}

fn put_present(out: &mut Vec<u8>, vrf: &[u8], proof: &MembershipProof) -> Result<()> {
    put_exactly(out, vrf, VRF_PROOF_BYTES)?;
    out.extend(proof.label.label_val);
    put_path(out, &NodeLabel::new(proof.label.label_val, LEAF_BITS), proof)
}

fn present(reader: &mut Reader<'_>) -> Result<(Vec<u8>, MembershipProof)> {
    let vrf = reader.slice(VRF_PROOF_BYTES)?.to_vec();
    let label = NodeLabel::new(reader.array()?, LEAF_BITS);
    Ok((vrf, path(reader, label)?))
}

fn put_absent(out: &mut Vec<u8>, vrf: &[u8], proof: &NonMembershipProof) -> Result<()> {
    put_exactly(out, vrf, VRF_PROOF_BYTES)?;
    out.extend(proof.label.label_val);
    let bits = u8::try_from(proof.longest_prefix.label_len).map_err(|_| KeyLogError::Malformed)?;
    let prefix = proof.label.get_prefix(bits.into());
    if proof.label.label_len != LEAF_BITS || proof.longest_prefix != prefix {
        return Err(KeyLogError::Malformed);
    }
    out.push(bits);
    proof.longest_prefix_children.iter().try_for_each(|child| put_node(out, child))?;
    put_path(out, &prefix, &proof.longest_prefix_membership_proof)
}

fn absent(reader: &mut Reader<'_>) -> Result<(Vec<u8>, NonMembershipProof)> {
    let vrf = reader.slice(VRF_PROOF_BYTES)?.to_vec();
    let label = NodeLabel::new(reader.array()?, LEAF_BITS);
    let longest_prefix = label.get_prefix(reader.u8()?.into());
    let longest_prefix_children: [AzksElement; ARITY] = [node(reader)?, node(reader)?];
    let longest_prefix_membership_proof = path(reader, longest_prefix)?;
    Ok((
        vrf,
        NonMembershipProof {
            label,
            longest_prefix,
            longest_prefix_children,
            longest_prefix_membership_proof,
        },
    ))
}

/// A path must be what [`path`] makes of it again.
fn put_path(out: &mut Vec<u8>, end: &NodeLabel, proof: &MembershipProof) -> Result<()> {
    if proof.label != *end {
        return Err(KeyLogError::Malformed);
    }
    out.extend(proof.hash_val.0);
    put_count::<2>(out, proof.sibling_proofs.len())?;
    for step in &proof.sibling_proofs {
        let bits = u8::try_from(step.label.label_len).map_err(|_| KeyLogError::Malformed)?;
        if step.label != end.get_prefix(bits.into()) || step.direction != side(end, bits) {
            return Err(KeyLogError::Malformed);
        }
        out.push(bits);
        let [sibling] = &step.siblings;
        put_node(out, sibling)?;
    }
    Ok(())
}

fn path(reader: &mut Reader<'_>, end: NodeLabel) -> Result<MembershipProof> {
    let hash_val = AzksValue(reader.array()?);
    let steps = reader.u16()?;
    let mut least = 0;
    let sibling_proofs = reader.many(steps.into(), |reader| {
        let bits = reader.u8()?;
        if u32::from(bits) < least || u32::from(bits) >= end.label_len {
            return Err(KeyLogError::Malformed);
        }
        least = u32::from(bits) + 1;
        let (label, direction) = (end.get_prefix(bits.into()), side(&end, bits));
        Ok(SiblingProof { label, siblings: [node(reader)?], direction })
    })?;
    Ok(MembershipProof { label: end, hash_val, sibling_proofs })
}

/// On which side of a place with this many bits a path to `end` goes on.
fn side(end: &NodeLabel, bits: u8) -> Direction {
    let byte = end.label_val.get(usize::from(bits / 8)).copied().unwrap_or_default();
    if byte & (0x80 >> (bits % 8)) == 0 { Direction::Left } else { Direction::Right }
}

fn put_node(out: &mut Vec<u8>, node: &AzksElement) -> Result<()> {
    if node.label == KeyLog::empty_label() {
        out.extend(NOWHERE.to_be_bytes());
    } else {
        let bits = u16::try_from(node.label.label_len).map_err(|_| KeyLogError::Malformed)?;
        if node.label != node.label.get_prefix(bits.into()) || !(1..=256).contains(&bits) {
            return Err(KeyLogError::Malformed);
        }
        out.extend(bits.to_be_bytes());
        out.extend(node.label.label_val.iter().take(usize::from(bits).div_ceil(8)));
    }
    out.extend(node.value.0);
    Ok(())
}

fn node(reader: &mut Reader<'_>) -> Result<AzksElement> {
    let label = match reader.u16()? {
        NOWHERE => KeyLog::empty_label(),
        bits @ 1..=256 => {
            let mut value = [0; 32];
            let given = reader.slice(usize::from(bits).div_ceil(8))?;
            value.iter_mut().zip(given).for_each(|(to, from)| *to = *from);
            let label = NodeLabel::new(value, bits.into());
            if label != label.get_prefix(bits.into()) {
                return Err(KeyLogError::Malformed);
            }
            label
        }
        _ => return Err(KeyLogError::Malformed),
    };
    Ok(AzksElement { label, value: AzksValue(reader.array()?) })
}
