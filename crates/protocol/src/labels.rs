//! Every domain-separation label of the protocol, on one page. `docs/protocol.md` repeats this table; a test compares.
//!
//! A label is used for one purpose only. Changing one is a new protocol version.

/// A domain-separation label: ASCII, unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(pub(crate) &'static str);

macro_rules! labels {
    ($($name:ident = $text:literal, $purpose:literal;)*) => {
        $(#[doc = $purpose] pub(crate) const $name: Label = Label(concat!("conclave v1 ", $text));)*
        /// Name and purpose of each label, for the documentation and its test.
        pub const ALL: &[(&str, &str)] = &[$((concat!("conclave v1 ", $text), $purpose)),*];
    };
}

labels! {
    PERSON_ID = "person id", "hash: a PersonId from the first identity key";
    DEVICE_LIST = "device list", "signature by the identity key: a device list";
    BUNDLE = "prekey bundle", "signature by the device key: the static part of a bundle";
    ONE_TIME_PREKEY = "one-time prekey", "signature by the device key: a one-time prekey";
    JOIN_KEY = "join key", "signature by the device key: a join key";
    LETTER = "letter", "seal to an inbox key: a letter";
    LINK = "link", "signature by the device key: a link";
    LINK_ID = "link id", "hash: a link's id from its secret";
    KNOCK = "knock", "signature by the device key: a request to be let in by a link";
    LINKING = "linking", "signature by a new device's key: a request to be listed";
    LINKING_CODE = "linking code", "the code that a new device and the primary one show";
    SUCCESSION = "succession", "signature by the identity key: the next identity key";
    REJOIN = "rejoin", "signature by the device key: a request to rejoin";
    KEM_SEAL = "kem seal", "key: from a KEM shared secret to the AEAD key of a seal";
    HANDSHAKE = "handshake", "key: from the handshake's key material to the root key";
    HANDSHAKE_DATA = "handshake data", "hash: who and what a handshake is between";
    HANDSHAKE_HEADER = "handshake header", "key: seals the initiator's identity in a first message";
    SESSION_ID = "session id", "hash: a session's id from its base key";
    RATCHET_ROOT = "ratchet root", "keys: a Diffie-Hellman ratchet step";
    CHAIN_MESSAGE = "chain message", "key: a message key from a chain key";
    CHAIN_NEXT = "chain next", "key: the next chain key";
    SESSION_MESSAGE = "session message", "key: the AEAD key of a session message from message key and salt";
    LEAF = "leaf", "signature by the device key: a leaf's certificate";
    LEAF_SUCCESSION = "leaf succession", "signature by the previous leaf key: a new leaf";
    ROSTER = "roster", "hash: a roster";
    DRAFT = "commit draft", "hash: a commit's draft";
    KEY_MATERIAL = "key material", "hash: a commit's shared key material";
    COMMIT_BODY = "commit body", "hash: a commit's body";
    COMMIT = "commit", "hash: a whole commit, signature and all";
    COMMIT_SIGNATURE = "commit signature", "signature by the leaf key: a commit";
    SEED_CHECK = "seed check", "hash: shows that a seed is the right one";
    SEED_WRAP = "seed wrap", "seal to a leaf key: an epoch's seed";
    EPOCH = "epoch secret", "key: the epoch secret";
    EPOCH_SEAL = "epoch seal", "key: an epoch's seal secret";
    EPOCH_CONFIRM = "epoch confirm", "key: an epoch's confirm key";
    EPOCH_INIT = "epoch init", "key: the init secret for the next epoch";
    CONFIRM_TAG = "confirmation tag", "MAC: shows knowledge of the epoch secret";
    SEAL_PART = "seal part", "key: one part of a posted entry from seal secret and salt";
    WELCOME = "welcome", "seal to a join key: a welcome";
    WELCOME_SIGNATURE = "welcome signature", "signature by the adder's leaf key: a welcome";
    LEAVE = "leave", "signature by the leaf key: a request to leave";
    VIEW = "view", "hash: the running hash of a channel's log";
    CHAT_SIGNATURE = "chat signature", "signature by the leaf key: a chat message";
    CHAT_KEY = "chat key", "key: the AEAD key of a chat message from chain key and salt";
    KEY_COMMITMENT = "key commitment", "hash: commits a ciphertext to its key";
    PAIRWISE_CONTENT = "pairwise content", "hash: binds a content key to its content";
    PAIRWISE_SLICE = "pairwise slice", "associated data: a content key through a session";
    SENDER_KEY_SLICE = "sender key distribution", "associated data: a sender key through a session";
    EPOCH_CHAINS = "epoch chains", "key: the root of an epoch's secret tree";
    SECRET_TREE = "secret tree", "key: a child of a node of the secret tree";
    ATTESTATION = "attestation", "signature by the device key: two people have compared their safety number";
    DISAVOWAL = "disavowal", "signature by the identity or device key: it was, or was not, the person's device";
    VIEW_TAG = "view tag", "hash: names a group to members of another one who are in both";
    CALL_COMMITMENT = "call commitment", "hash: commits a device to its part of the words of a call";
    CALL_WORDS = "call words", "hash: the words of a call";
    GROUP_CODE = "group code", "hash: who is in a group, before it is stretched";
    MOMENT_CODE = "moment code", "MAC: the code of an epoch";
    MLS_RANDOM = "mls random", "key: randomness of one operation of the MLS engine";
    SENDER_CHAIN_MIX = "sender chain mix", "keys: chain and heal root moved by a commit";
}

#[cfg(test)]
mod tests {
    #[test]
    fn labels_are_unique() {
        let mut names: Vec<_> = super::ALL.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), super::ALL.len());
    }
}
