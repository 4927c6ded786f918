//! What people say, and how its length is hidden. Who said it, and whether it is authentic, is the group's concern.

use crate::codec::{self, Rest};
use crate::gossip::Gossip;
use crate::group::CallStep;
use crate::history::History;
use crate::identity::{MAX_ATTESTATIONS, UnverifiedAttestation, UnverifiedDisavowal};
use crate::{Misuse, PeerFault, Result};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// The longest text, in bytes.
pub const MAX_TEXT: usize = 64 << 10;

const TEXT: u16 = 1;
const HISTORY: u16 = 2;
const ATTESTATIONS: u16 = 3;
const CALL: u16 = 4;
const DISAVOWAL: u16 = 5;
const CARRYING: u16 = 6;
const CRITICAL: u16 = 1 << 15;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Plain text, UTF-8.
    Text(String),
    /// What was before, told by one device of a person to a new one. It means nothing outside the chat of these devices.
    History(History),
    /// Who has met whom, as they have signed.
    Attestations(Vec<UnverifiedAttestation>),
    /// A step of a comparison of words in a call.
    Call(CallStep),
    /// A person's word that what one of their devices did was not, or is again, their doing.
    Disavowal(Box<UnverifiedDisavowal>),
    /// A kind that this version does not know. `critical`: it cannot be shown without a newer version.
    Unknown {
        /// The kind's number.
        kind: u16,
        /// Whether leaving it out changes what was said.
        critical: bool,
        /// The bytes, kept for after an upgrade.
        bytes: Vec<u8>,
    },
}

/// The top bit of `kind` says that the content is critical.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Encoded {
    kind: u16,
    bytes: Rest,
}

impl Content {
    /// A text.
    ///
    /// # Errors
    /// `TooLong` above [`MAX_TEXT`] bytes.
    pub fn text(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.len() > MAX_TEXT {
            return Err(Misuse::TooLong(MAX_TEXT).into());
        }
        Ok(Self::Text(text))
    }

    /// The bytes that a message carries, at most 64 KiB and a little more.
    ///
    /// # Errors
    /// `TooLong` for more attestations than one message has.
    pub fn encode(&self) -> Result<Vec<u8>> {
        codec::encode(&match self {
            Self::Text(text) => Encoded { kind: TEXT | CRITICAL, bytes: Rest(text.as_bytes().to_vec()) },
            Self::History(history) => Encoded { kind: HISTORY, bytes: Rest(codec::encode(history)?) },
            Self::Attestations(all) if all.len() > MAX_ATTESTATIONS => {
                return Err(Misuse::TooLong(MAX_ATTESTATIONS).into());
            }
            Self::Attestations(all) => Encoded { kind: ATTESTATIONS, bytes: Rest(codec::encode(all)?) },
            Self::Call(step) => Encoded { kind: CALL, bytes: Rest(codec::encode(step)?) },
            Self::Disavowal(said) => Encoded { kind: DISAVOWAL, bytes: Rest(codec::encode(&**said)?) },
            Self::Unknown { kind, critical, bytes } => {
                let kind = if *critical { kind | CRITICAL } else { kind & !CRITICAL };
                Encoded { kind, bytes: Rest(bytes.clone()) }
            }
        })
    }

    /// What the bytes of a message say.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let Encoded { kind, bytes: Rest(bytes) } = codec::decode(bytes)?;
        match (kind & !CRITICAL, kind & CRITICAL != 0) {
            (TEXT, true) if bytes.len() <= MAX_TEXT => {
                String::from_utf8(bytes).map(Self::Text).map_err(|_| PeerFault::Malformed.into())
            }
            (HISTORY, false) => codec::decode(&bytes).map(Self::History),
            (ATTESTATIONS, false) => {
                let all: Vec<UnverifiedAttestation> = codec::decode(&bytes)?;
                match all.len() {
                    ..=MAX_ATTESTATIONS => Ok(Self::Attestations(all)),
                    _ => Err(PeerFault::Malformed.into()),
                }
            }
            (CALL, false) => codec::decode(&bytes).map(Self::Call),
            (DISAVOWAL, false) => codec::decode(&bytes).map(Box::new).map(Self::Disavowal),
            (TEXT | HISTORY | ATTESTATIONS | CALL | DISAVOWAL | CARRYING, _) => {
                Err(PeerFault::Malformed.into())
            }
            (kind, critical) => Ok(Self::Unknown { kind, critical, bytes }),
        }
    }
}

/// What a message carries: the content, and beside it, if there is any, gossip. As critical as the content.
///
/// # Errors
/// As [`Content::encode`].
pub(crate) fn encode_carrying(gossip: &Gossip, content: &Content) -> Result<Vec<u8>> {
    let inside = content.encode()?;
    if gossip.is_empty() {
        return Ok(inside);
    }
    let critical = inside.first().map_or(0, |first| u16::from(*first) << 8) & CRITICAL;
    let bytes = [codec::encode(gossip)?, inside].concat();
    codec::encode(&Encoded { kind: CARRYING | critical, bytes: Rest(bytes) })
}

/// What [`encode_carrying`] made.
///
/// # Errors
/// `Malformed`, also for gossip that is empty, too much, or inside other gossip.
pub(crate) fn decode_carrying(bytes: &[u8]) -> Result<(Gossip, Content)> {
    let Encoded { kind, bytes: Rest(inside) } = codec::decode(bytes)?;
    if kind & !CRITICAL != CARRYING {
        return Ok((Gossip::default(), Content::decode(bytes)?));
    }
    let (gossip, content): (Gossip, _) = codec::decode_prefix(&inside)?;
    let critical = content.first().map_or(0, |first| u16::from(*first) << 8) & CRITICAL;
    match !gossip.is_empty() && gossip.is_bounded() && critical == kind & CRITICAL {
        true => Ok((gossip, Content::decode(content)?)),
        false => Err(PeerFault::Malformed.into()),
    }
}

/// The length to which `length` bytes are padded: Padmé (Nikitin et al., PETS 2019, §4), at most 12 % more.
pub(crate) fn padded(length: usize) -> usize {
    let length = length.max(64);
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1_usize << exponent.saturating_sub(kept)) - 1;
    (length + mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_costs_at_most_an_eighth() {
        for length in 0..10_000 {
            let padded = padded(length);
            assert!(padded >= length && (length < 64 || padded - length <= length / 8), "{length} {padded}");
        }
    }

    /// Found by the fuzz target `content`.
    #[test]
    fn content_has_one_encoding() {
        assert_eq!(Content::decode(&[0, 1, b'x']), Err(PeerFault::Malformed.into()), "a text is critical");
        let longer = Content::Text("x".repeat(MAX_TEXT + 1)).encode().unwrap();
        assert_eq!(Content::decode(&longer), Err(PeerFault::Malformed.into()));
        let newer = Content::Unknown { kind: 9, critical: true, bytes: Vec::new() };
        assert_eq!(Content::decode(&[0x80, 9]), Ok(newer));
    }
}
