//! Who is to be added, and who has agreed: part of the signed roster, where a group's policy asks for more than one person's
//! word or for time to object.
//!
//! How long somebody has been proposed is not decided here: validity depends on no clock. Clients wait, and tell who did not.

use super::policy::BESIDE;
use super::{Member, Policy, RosterBody};
use crate::codec::VLBytes;
use crate::identity::Handle;
use crate::{PeerFault, PersonId, Result};
use std::io::Write;
use tls_codec::{DeserializeBytes, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};

/// The longest reason, in bytes of UTF-8.
pub const MAX_REASON: usize = 256;
/// Proposals that a group has at once.
pub const MAX_PROPOSALS: usize = 32;

/// Somebody who is to be added.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Proposal {
    pub(crate) proposed: Proposed,
    /// Who proposed it.
    pub(crate) by: PersonId,
    /// Who agreed, beside that one.
    pub(crate) endorsers: Vec<PersonId>,
}

/// Whom somebody proposes, and why.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Proposed {
    pub(crate) person: PersonId,
    pub(crate) handle: Handle,
    /// UTF-8, at most [`MAX_REASON`] bytes; empty: none is given.
    pub(crate) reason: VLBytes,
}

/// A group's policy, and who is proposed under it. As transmitted it is the policy alone where nobody is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    pub(crate) proposals: Vec<Proposal>,
}

impl Rules {
    pub(crate) fn proposal(&self, person: PersonId) -> Option<&Proposal> {
        self.proposals.iter().find(|proposal| proposal.proposed.person == person)
    }

    /// Whether nothing but time is missing for this person to be added to a group of `people`.
    pub(crate) fn admits(&self, person: PersonId, people: usize) -> bool {
        let endorsed = self.proposal(person).map(|proposal| proposal.endorsers.len());
        !self.policy.proposes(people) || endorsed >= Some(self.policy.endorsements(people))
    }

    /// What somebody who is no member any more proposed or endorsed does not count any more.
    pub(super) fn forget(&mut self, person: PersonId) {
        self.proposals.retain(|proposal| proposal.by != person);
        self.proposals.iter_mut().for_each(|proposal| proposal.endorsers.retain(|one| *one != person));
    }

    pub(super) fn drop(&mut self, person: PersonId) {
        self.proposals.retain(|proposal| proposal.proposed.person != person);
    }

    fn beside(&self) -> u8 {
        if self.proposals.is_empty() { 0 } else { BESIDE }
    }
}

impl Proposed {
    /// Adds it to what is proposed.
    pub(super) fn propose(&self, by: PersonId, next: &mut RosterBody) -> Result<()> {
        let new = next.rules.proposal(self.person).is_none()
            && next.members.iter().all(|member| member.person != self.person);
        if !new || next.direct != 0 {
            return Err(PeerFault::RosterMismatch.into());
        }
        check_reason(&self.reason)?;
        if next.rules.proposals.len() >= MAX_PROPOSALS {
            return Err(PeerFault::NotAllowed.into());
        }
        next.rules.proposals.push(Proposal { proposed: self.clone(), by, endorsers: Vec::new() });
        Ok(())
    }
}

/// Adds an endorsement, which is somebody else's than the proposer's.
pub(super) fn endorse(person: PersonId, by: &Member, next: &mut RosterBody) -> Result<()> {
    let mut proposals = next.rules.proposals.iter_mut();
    let proposal = proposals.find(|proposal| proposal.proposed.person == person);
    let proposal = proposal.ok_or(PeerFault::RosterMismatch)?;
    if proposal.by == by.person || proposal.endorsers.contains(&by.person) {
        return Err(PeerFault::NotAllowed.into());
    }
    proposal.endorsers.push(by.person);
    Ok(())
}

/// Drops a proposal: by whoever may remove people, or made it.
pub(super) fn object(
    person: PersonId,
    (by, policy): (&Member, &Policy),
    next: &mut RosterBody,
) -> Result<()> {
    let proposal = next.rules.proposal(person).ok_or(PeerFault::RosterMismatch)?;
    if proposal.by != by.person && !policy.remove.granted_to(by.role) {
        return Err(PeerFault::NotAllowed.into());
    }
    next.rules.drop(person);
    Ok(())
}

/// Whether a reason can be shown.
pub(super) fn check_reason(reason: &VLBytes) -> Result<()> {
    match reason.as_slice().len() <= MAX_REASON && std::str::from_utf8(reason.as_slice()).is_ok() {
        true => Ok(()),
        false => Err(PeerFault::Malformed.into()),
    }
}

impl Size for Rules {
    fn tls_serialized_len(&self) -> usize {
        let proposals = if self.proposals.is_empty() { 0 } else { self.proposals.tls_serialized_len() };
        self.policy.bytes(self.beside()).len() + proposals
    }
}

impl Serialize for Rules {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        writer.write_all(&self.policy.bytes(self.beside()))?;
        if !self.proposals.is_empty() {
            self.proposals.tls_serialize(writer)?;
        }
        Ok(self.tls_serialized_len())
    }
}

impl DeserializeBytes for Rules {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let (policy, beside, rest) = Policy::read(bytes, BESIDE)?;
        if beside == 0 {
            return Ok((Self { policy, proposals: Vec::new() }, rest));
        }
        let (proposals, rest) = Vec::tls_deserialize_bytes(rest)?;
        if proposals.is_empty() {
            return Err(tls_codec::Error::InvalidInput);
        }
        Ok((Self { policy, proposals }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn rules_without_proposals_are_the_policy_alone_and_with_them_have_one_encoding() {
        let rules = Rules::default();
        assert_eq!(codec::encode(&rules).unwrap(), [0, 1, 0], "as groups of the first version have it");
        let proposed = Proposed {
            person: PersonId([7; 32]),
            handle: Handle::parse("dave@relay.example").unwrap(),
            reason: b"new here"[..].into(),
        };
        let proposal = Proposal { proposed, by: PersonId([1; 32]), endorsers: vec![PersonId([2; 32])] };
        let rules = Rules { proposals: vec![proposal], ..rules };
        let bytes = codec::encode(&rules).unwrap();
        assert_eq!(&bytes[..4], [0x80, 1, 0, BESIDE]);
        assert_eq!(codec::decode(&bytes), Ok(rules));
        assert!(codec::decode::<Policy>(&bytes[..4]).is_err(), "only a roster has proposals");
        assert_eq!(codec::decode::<Rules>(&[0x80, 1, 0, BESIDE, 0]).err(), Some(PeerFault::Malformed.into()));
    }
}
