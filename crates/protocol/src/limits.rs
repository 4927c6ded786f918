//! Every bound and lifetime of this crate on one page, as `docs/limits.md` gives them. Each stands where it is kept; here it
//! is only named.

use crate::group::Scheme;
use crate::{Timestamp, codec, content, gossip, group, identity, roster, session};

/// A bound: what is bounded, how much, of what.
pub type Limit = (&'static str, u64, &'static str);

/// All of them.
pub const ALL: &[Limit] = &[
    ("a text", content::MAX_TEXT as u64, "bytes"),
    ("the name of a group", roster::MAX_NAME as u64, "bytes"),
    ("any input of a decoder", codec::MAX_INPUT as u64, "bytes"),
    ("devices of a person", identity::MAX_DEVICES as u64, "devices"),
    ("a *pairwise* group", Scheme::Pairwise.promise().devices as u64, "devices"),
    ("a *sender keys* group", Scheme::SenderKeys.promise().devices as u64, "devices"),
    ("a *tree* group", Scheme::Tree.promise().devices as u64, "devices"),
    ("a device list is good for adds", identity::LIST_LIFETIME / Timestamp::DAY, "days"),
    ("a device list is signed anew after", identity::LIST_RENEWAL / Timestamp::DAY, "days"),
    ("signed prekeys rotate every", session::limits::ROTATION / Timestamp::DAY, "days"),
    ("retired prekeys are kept for", session::limits::GRACE / Timestamp::DAY, "days"),
    ("one-time keys live for", session::limits::LIFETIME / Timestamp::DAY, "days"),
    ("one-time keys in stock", session::limits::FULL as u64, "of each kind"),
    ("one-time keys are made below", session::limits::LOW as u64, "of each kind"),
    ("inactive sessions of a pair of devices", session::limits::INACTIVE as u64, "sessions"),
    ("message keys kept for late messages of a session", session::limits::SKIPPED as u64, "keys"),
    ("message keys that one message may skip in a session", session::limits::JUMP as u64, "keys"),
    ("messages that one message may skip in a sender's chain", group::limits::JUMP, "messages"),
    ("numbers of a sender's chain that are held against a second use", group::limits::NUMBERS, "messages"),
    ("own wiped posts that are remembered", group::limits::WIPED as u64, "posts"),
    ("views of other groups in a message", gossip::MAX_VIEWS as u64, "views"),
    ("signed roots of key logs in a message", gossip::MAX_ROOTS as u64, "roots"),
    ("one of these roots", gossip::MAX_ROOT as u64, "bytes"),
    ("own running hashes that a view is checked against", group::limits::VIEWS, "entries"),
    ("a device heals before it speaks, at the soonest after", group::limits::HEAL_LEAST / 60_000, "minutes"),
    (
        "or, if that is longer, for each device of the group after",
        group::limits::HEAL_PER_DEVICE / 60_000,
        "minutes",
    ),
    ("a piece of what newcomers fetch", group::limits::PIECE as u64, "bytes"),
    ("pieces that a newcomer fetches", group::limits::PIECES as u64, "pieces"),
    ("entries between an adder's view and the commit that adds", group::limits::BEFORE as u64, "entries"),
];
