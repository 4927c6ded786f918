//! What a code means to a person and what to do about it, in the client's own words: a relay's words are never shown, so
//! that it cannot speak through this program.

use conclave_wire::Code;

/// A relay's refusal in words for a person: what happened, and what to do.
pub(crate) fn refusal(code: Code) -> (&'static str, &'static str) {
    const OURS: &str = "This is a fault of this program: please report it. Nothing was lost.";
    const ADDED_AGAIN: &str = "Somebody in the group can add you again.";
    const TRY_LATER: &str = "Try again later; what waits is sent by itself.";
    match code {
        Code::Malformed => ("it did not understand the request", OURS),
        Code::TooLarge => {
            ("the request is too large for it", "Send less at once, or add fewer people at once.")
        }
        Code::RateLimited => ("too much was asked of it in a short time", TRY_LATER),
        Code::LoginNeeded => ("it wants this device to log in first", OURS),
        Code::UnknownDevice => (
            "it does not know this device",
            "If another device of yours took this one away, link it anew in another data directory. Was the relay set up anew? Then make a new account there.",
        ),
        Code::BadSignature => (
            "it does not accept this device's signature",
            "If the device's keys were replaced since this copy was made, use the newer one. Was the relay set up anew? Ask its owner.",
        ),
        Code::NameTaken => ("the name is taken", "Choose another name."),
        Code::BadName => {
            ("it does not take such a name", "Use 2 to 32 of a-z 0-9 . _ - and start with a letter or digit.")
        }
        Code::DeviceTaken => {
            ("it knows another device of this id", "Make the account anew, in an empty directory.")
        }
        Code::PersonTaken => ("this person has an account there already", "Use the account that is there."),
        Code::NoRecovery => (
            "it was never told of this identity key under this name",
            "Look at the name and the relay. An account older than its relay's knowledge of recovery must have been online since.",
        ),
        Code::NotAnnounced => (
            "the new identity key was not announced a day ago, or one of your devices objected",
            "It is tried again by itself if nobody objected.",
        ),
        Code::NotFirst => (
            "only the first device of an account says which devices it has",
            "Do it on the device that made the account, or that came back by the recovery key. A recovery replaces it: leave it out of --keep.",
        ),
        Code::RegistrationClosed => ("it takes no new accounts", "Use another relay, or ask its owner."),
        Code::BadInvite => {
            ("it wants an invite code, and this is none", "Ask its owner for one, and give it with --invite.")
        }
        Code::InboxFull => ("too many letters wait for one of them", "Try again once they have been online."),
        Code::UnknownChannel => {
            ("it does not know the group's channel", "Was the relay set up anew, or restored? Ask its owner.")
        }
        Code::ChannelTaken => ("it has another channel of this id", OURS),
        Code::UnknownSeat => ("it does not know this device's seat in the group", ADDED_AGAIN),
        Code::WrongToken => ("it does not accept this device's seat in the group", ADDED_AGAIN),
        Code::Closed => ("this device's seat in the group is closed", ADDED_AGAIN),
        Code::Unclaimed => ("the seat was not taken yet", TRY_LATER),
        Code::WrongClaim => ("the invitation does not fit the seat", "Ask for a new invitation."),
        Code::ClaimUsed => ("the invitation was used already", "Ask for a new invitation."),
        Code::WrongNumber => (
            "it has other posts of this device than are known here",
            "Is this store copied or restored? It catches up by itself.",
        ),
        Code::SeatTaken => ("it has another seat of this id", OURS),
        Code::BadCursor => (
            "it has fewer messages than were read here",
            "It may have been restored from a backup: ask its owner.",
        ),
        Code::UnknownBlob => {
            ("it does not have what an invitation names", "Ask the one who invited to do it once more.")
        }
        Code::UnknownEpoch => (
            "its key log does not have what was read there before",
            "It may have been restored from a backup: ask its owner.",
        ),
        Code::NotWitness => {
            ("it takes no cosignatures by this relay", "Ask its owner to name this relay as a witness.")
        }
        Code::StorageFull => {
            ("it has no room left", "Its owner must make some; what waits is sent by itself then.")
        }
        Code::Unavailable => ("it cannot serve this now", TRY_LATER),
    }
}

/// The code and its meaning. One that this version does not know is `unavailable`.
pub(crate) fn known(code: &str) -> (&'static str, &'static str) {
    let code = Code::parse(code).unwrap_or(Code::Unavailable);
    (code.as_str(), refusal(code).0)
}

/// Whether this version has something to say to a code.
pub(crate) fn is_known(code: &str) -> bool {
    by_code(code) != UNKNOWN
}

const UNKNOWN: &str = "Nothing has changed. Try again; if it stays, please report it.";

/// What to do about the code of anything that was refused or given up, here or at a relay.
pub(crate) fn by_code(code: &str) -> &'static str {
    if let Some(code) = Code::parse(code) {
        return refusal(code).1;
    }
    match code {
        "account_exists" => "Use another data directory for a second account.",
        "no_account" => "Make one with `conclave account create NAME --relay URL`, or with `conclave up`.",
        "too_long" => "Say it in several messages.",
        "unknown_target" => "See `conclave group list` and `conclave contact list`.",
        "already_member" => "There is nothing to do.",
        "not_a_member" => "`conclave group info` says who is in.",
        "not_allowed" => "Ask an administrator: `conclave group info` says who is one.",
        "last_administrator" => "`conclave group role GROUP WHO administrator` makes somebody one.",
        "no_keys" => "Try again; if it stays, the other has to come online once.",
        "post_pending" => "Try again in a moment.",
        "stranded" => "It comes back by itself once another member is online.",
        "not_in_group" => "Somebody in the group can add you again.",
        "group_full" => "Make another group; `tree` holds the most.",
        "scheme_unavailable" => "Choose `pairwise`, `sender-keys` or `tree`.",
        "bad_message" => {
            "Nothing has changed. If it comes again, tell whoever sent it, or the relay's owner."
        }
        "store_failed" => "See whether the data directory is yours to write to; `conclave doctor` helps.",
        "store_full" => "Make room on the disk and try again; what was stored before is kept.",
        "store_damaged" => "Restore the data directory from a backup; `conclave doctor` says what is left.",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_said_in_words_for_people() {
        for code in Code::ALL {
            let (what, advice) = refusal(*code);
            assert!(what.len() > 10 && advice.ends_with('.'), "{code}");
            assert!(!what.contains("token") && !what.contains("cursor"), "{code}: {what}");
        }
    }
}
