//! Why a relay refuses: one closed vocabulary for relay and clients.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $message:literal;)*) => {
        /// The reason of a refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it travels.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// For people; says what to do and names nothing secret.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }

            /// The code of this text, if this version knows it. (No `FromStr`: an
            /// unknown code is no error but a newer relay.)
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// The bytes are no request of this API, or a field is out of its form.
    Malformed = "malformed", "the request is not valid: check it against the API";
    /// A size or a count is above its limit.
    TooLarge = "too_large", "the request is above a limit of this relay: send less at once";
    /// Something is asked for too often.
    RateLimited = "rate_limited", "too many requests: try again after the stated time";
    /// The request needs a logged-in device.
    LoginNeeded = "login_needed", "log in with the device first";
    /// The device is not registered here.
    UnknownDevice = "unknown_device", "no such device at this relay";
    /// The signature does not verify.
    BadSignature = "bad_signature", "the signature does not verify: sign the challenge of this connection";
    /// The name belongs, or once belonged, to another person.
    NameTaken = "name_taken", "the name is taken: choose another";
    /// The name is not of the form of names.
    BadName = "bad_name", "a name is 2 to 32 of a-z 0-9 . _ - and starts with a letter or digit";
    /// The device id is already registered to somebody else or another key.
    DeviceTaken = "device_taken", "the device id is taken: make a new one";
    /// The person is registered already, under another name or device.
    PersonTaken = "person_taken", "this person is registered here already: log in with that device";
    /// There is no identity key to recover by, or another one.
    NoRecovery = "no_recovery", "nobody by this name here has this identity key: look at the name and the relay";
    /// The identity key was not announced, not long enough ago, or a device objected.
    NotAnnounced = "not_announced", "a new identity key is announced a day before, and no device of the person objects";
    /// Only the device that registered or recovered the name says which devices it has.
    NotFirst = "not_first", "only the first device of a person publishes lists and devices";
    /// The relay takes no registrations.
    RegistrationClosed = "registration_closed", "this relay takes no new accounts";
    /// The invite code is missing or wrong.
    BadInvite = "bad_invite", "the invite code is missing or not valid at this relay";
    /// The inbox of an addressed device is full.
    InboxFull = "inbox_full", "an inbox is full: try again once its owner has been online";
    /// There is no such channel.
    UnknownChannel = "unknown_channel", "no such channel at this relay";
    /// The channel exists already, with another seat or token.
    ChannelTaken = "channel_taken", "the channel id is taken: make a new one";
    /// The channel has no such seat.
    UnknownSeat = "unknown_seat", "no such seat in the channel";
    /// The token is not that of the seat.
    WrongToken = "wrong_token", "the token is not that of the seat";
    /// The seat is closed.
    Closed = "closed", "the seat is closed";
    /// The seat still waits for its claim.
    Unclaimed = "unclaimed", "the seat must be claimed first";
    /// The claim is not that of the seat.
    WrongClaim = "wrong_claim", "the claim is not that of the seat";
    /// The claim was used with another token.
    ClaimUsed = "claim_used", "the claim was used already: ask for a fresh invitation";
    /// The post's number is not the seat's last one plus one.
    WrongNumber = "wrong_number", "the seat's posts are numbered: send its last number plus one";
    /// A seat change names a seat that exists already.
    SeatTaken = "seat_taken", "the seat id is taken: make a new one";
    /// A cursor is beyond the channel's last entry.
    BadCursor = "bad_cursor", "the cursor is beyond the last entry: the relay may have lost entries";
    /// The channel has no such blob, or none any more.
    UnknownBlob = "unknown_blob", "no such blob in the channel: it was not put there, or is past its time";
    /// The key log has no such epoch.
    UnknownEpoch = "unknown_epoch", "no such epoch in the key log: it is to come, or was lost before a restore";
    /// The cosignature is by nobody whose ones this relay takes.
    NotWitness = "not_witness", "this relay takes no cosignatures by this key: its operator names the witnesses";
    /// The relay has no room left.
    StorageFull = "storage_full", "the relay has no room left: its operator must make some";
    /// The relay cannot serve now.
    Unavailable = "unavailable", "the relay cannot serve this now: try again later";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_from_its_text() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
            assert!(!code.message().is_empty());
        }
        assert_eq!(Code::parse("something_newer"), None);
    }
}
