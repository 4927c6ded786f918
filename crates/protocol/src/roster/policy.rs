//! Who may do what in a group: part of the signed roster.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// A person's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Role {
    /// Speaks, leaves, and does what the policy grants to all.
    Member = 0,
    /// May do everything.
    Administrator = 1,
}

/// To whom a right is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Right {
    /// To every member.
    Members = 0,
    /// To administrators.
    Administrators = 1,
}

/// A group's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Policy {
    /// Who may add people.
    pub add: Right,
    /// Who may remove people.
    pub remove: Right,
    /// Who may rename the group.
    pub rename: Right,
}

impl Default for Policy {
    fn default() -> Self {
        Self { add: Right::Members, remove: Right::Administrators, rename: Right::Members }
    }
}

impl Right {
    /// Whether somebody with `role` has it.
    pub fn granted_to(self, role: Role) -> bool {
        self == Self::Members || role == Role::Administrator
    }
}
