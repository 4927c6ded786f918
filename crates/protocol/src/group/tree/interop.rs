//! One group of two engines: ours, and a member that runs OpenMLS on cryptography of others. What our engine commits, follows
//! and joins by is MLS (RFC 9420) as somebody else wrote it, in our suite (0x004D) and in the one that everybody has (0x0001).

use super::super::{kept, provider::plain, rules::Rules};
use super::{Made, Outcome, Wanted, commit, create, follow, join, key_package, open};
use crate::identity::{Account, Handle, PeerDevice};
use crate::primitives::foreign::{Foreign, ForeignSigner};
use crate::primitives::secret::{Secret, Seed};
use crate::primitives::sign::SigningKey;
use crate::roster::{Leaf, LeafSecrets, Member, Role, Roster, RosterBody, SUITE, VERSION};
use crate::testing::Bench;
use crate::{DeviceId, Digest, GroupId, SeatId, Timestamp};
use mls_rs::MlsMessage;
use mls_rs::group::ReceivedMessage;
use openmls::group::{MlsGroup, MlsGroupJoinConfig, StagedWelcome};
use openmls::prelude::{
    BasicCredential, Capabilities, CredentialWithKey, DeserializeBytes, KeyPackage, LeafNodeParameters,
    MlsMessageBodyIn, MlsMessageIn, MlsMessageOut, ProcessedMessageContent, RatchetTreeIn,
};
use openmls_traits::types::Ciphersuite;
use std::time::{SystemTime, UNIX_EPOCH};

const EXPORT: &str = "conclave v1 seed";

/// The group as the rosters have it. All devices are one person's: a tree knows nothing of people.
struct World {
    account: Account,
    group: GroupId,
    roster: Roster,
    ours: Vec<Ours>,
    theirs: Theirs,
    commits: u8,
}

/// A member with our engine.
struct Ours {
    bench: Bench,
    leaf: Leaf,
    secrets: LeafSecrets,
}

/// The member with the other engine.
struct Theirs {
    suite: Ciphersuite,
    provider: Foreign,
    leaf: Leaf,
    signer: ForeignSigner,
    group: Option<MlsGroup>,
}

/// What a commit agrees on.
struct Agreed {
    draft: Digest,
    export: Secret<Seed>,
}

#[test]
fn another_engine_in_our_suite() {
    meet(Ciphersuite::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519);
}

#[test]
fn another_engine_in_the_suite_that_all_have() {
    plain::ask_for();
    meet(Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519);
}

fn meet(suite: Ciphersuite) {
    let mut world = World::found(suite);
    // They join by our welcome, the tree beside it.
    let package = world.theirs.key_package();
    let leaves = vec![world.ours[0].leaf.clone(), world.theirs.leaf.clone()];
    let (made, agreed) = world.commit(0, leaves, &[&package], None);
    world.theirs.join(&made);
    world.all_agree(&agreed);
    world.talk();
    // They follow a heal, with a key of our making and the next.
    for _ in 0..2 {
        let agreed = world.heal(0);
        world.all_agree(&agreed);
    }
    // They follow an add, whose newcomer follows them and is followed.
    let agreed = world.add_ours();
    world.all_agree(&agreed);
    let agreed = world.their_heal();
    world.all_agree(&agreed);
    world.talk();
    let agreed = world.heal(1);
    world.all_agree(&agreed);
    let agreed = world.their_heal();
    world.all_agree(&agreed);
    // They notice that they were taken out, and we go on.
    let leaves = vec![world.ours[0].leaf.clone(), world.ours[1].leaf.clone()];
    let (made, agreed) = world.commit(1, leaves, &[], None);
    world.theirs.are_removed(&made.message, &agreed.draft);
    world.we_agree();
    world.heal_without_them();
}

impl World {
    fn found(suite: Ciphersuite) -> Self {
        let mut bench = Bench::new(1);
        // The other engine has a clock of its own.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        bench.now = Timestamp(u64::try_from(now.as_millis()).unwrap());
        let account = Account::create(Handle::parse("ann@relay.test").unwrap(), &mut bench.cx()).unwrap();
        let group = GroupId(bench.cx().random());
        let ours = Ours::new(&account, &group, bench.clone());
        bench = Bench { rng: Bench::new(2).rng, ..bench };
        let (leaf, secrets) = new_leaf(&account, &group, &mut bench);
        let signer = ForeignSigner(*secrets.signing.seed().expose());
        let theirs = Theirs { suite, provider: Foreign::new(3), leaf, signer, group: None };
        let roster = roster(&account, &group, 0, vec![ours.leaf.clone()]);
        let mut world = Self { account, group, roster, ours: vec![ours], theirs, commits: 0 };
        let ours = &mut world.ours[0];
        let moved = create(&group, &ours.leaf, &ours.secrets.signing, &mut ours.bench.cx()).unwrap();
        kept::save(&group, &moved, &mut ours.bench.cx()).unwrap();
        world
    }

    fn next(&mut self, leaves: Vec<Leaf>) -> (Roster, Digest) {
        self.commits += 1;
        let after = roster(&self.account, &self.group, self.roster.body().epoch + 1, leaves);
        (after, Digest([self.commits; 32]))
    }

    /// One of us commits, the other follows.
    fn commit(
        &mut self,
        by: usize,
        leaves: Vec<Leaf>,
        packages: &[&[u8]],
        renewed: Option<&SigningKey>,
    ) -> (Made, Agreed) {
        let (after, draft) = self.next(leaves);
        let ours = &mut self.ours[by];
        let author = ours.leaf.device;
        let kept = kept::load(&self.group, &ours.bench.cx()).unwrap();
        let wanted = Wanted { before: &self.roster, after: &after, author, draft };
        let made = commit(&kept, &wanted, packages, renewed, &mut ours.bench.cx()).unwrap();
        kept::save(&self.group, &made.moved, &mut ours.bench.cx()).unwrap();
        assert_eq!(made.welcomes.len(), packages.len());
        for seed in self.follow(&after, author, draft, &made.message) {
            assert!(seed.same(&made.export));
        }
        self.roster = after;
        let export = made.export.duplicate();
        (made, Agreed { draft, export })
    }

    /// Those of us that were in already take in a commit that another device made.
    fn follow(
        &mut self,
        after: &Roster,
        author: DeviceId,
        draft: Digest,
        message: &[u8],
    ) -> Vec<Secret<Seed>> {
        let wanted = Wanted { before: &self.roster, after, author, draft };
        let others = self.ours.iter_mut().filter(|ours| ours.leaf.device != author);
        let followed = others.filter(|ours| self.roster.leaf(ours.leaf.device).is_some()).map(|ours| {
            let kept = kept::load(&self.group, &ours.bench.cx()).unwrap();
            match follow(&kept, &wanted, message, &mut ours.bench.cx()).unwrap() {
                Outcome::Followed(seed, moved) => {
                    kept::save(&self.group, &moved, &mut ours.bench.cx()).unwrap();
                    seed
                }
                Outcome::Removed => panic!("not removed"),
                Outcome::Void(fault) | Outcome::Lost(fault) => panic!("{fault:?}"),
            }
        });
        followed.collect()
    }

    fn heal(&mut self, who: usize) -> Agreed {
        let (made, agreed) = self.healed(who);
        self.theirs.follow(&made.message, &agreed.draft);
        agreed
    }

    fn heal_without_them(&mut self) {
        let (made, _) = self.healed(0);
        let message = MlsMessageIn::tls_deserialize_exact_bytes(&made.message).unwrap();
        let message = message.try_into_protocol_message().unwrap();
        let group = self.theirs.group.as_mut().unwrap();
        assert!(group.process_message(&self.theirs.provider, message).is_err());
        self.we_agree();
    }

    fn healed(&mut self, who: usize) -> (Made, Agreed) {
        let ours = &mut self.ours[who];
        let (leaf, secrets) = new_leaf(&self.account, &self.group, &mut ours.bench);
        let leaf = Leaf { device: ours.leaf.device, seat: ours.leaf.seat, ..leaf };
        let leaves = self.roster.leaves().map(|old| if old.device == leaf.device { &leaf } else { old });
        let outcome = self.commit(who, leaves.cloned().collect(), &[], Some(&secrets.signing));
        (self.ours[who].leaf, self.ours[who].secrets) = (leaf, secrets);
        outcome
    }

    fn add_ours(&mut self) -> Agreed {
        let bench = Bench { rng: Bench::new(4).rng, now: self.ours[0].bench.now, ..Bench::new(4) };
        let mut new = Ours::new(&self.account, &self.group, bench);
        let (device, signing) = (new.leaf.device, &new.secrets.signing);
        let (from, to) = (Timestamp(new.bench.now.0 - 60_000), Timestamp(new.bench.now.0 + 3_600_000));
        let package = key_package(&device, signing, (from, to), &mut new.bench.cx());
        let (package, secrets) = package.unwrap();
        let leaves = self.roster.leaves().chain([&new.leaf]).cloned().collect();
        let (made, agreed) = self.commit(0, leaves, &[&package], None);
        self.theirs.follow(&made.message, &agreed.draft);
        let own = (device, signing, secrets.as_slice());
        let ticket = (made.welcomes[0].as_slice(), made.tree.as_slice());
        let joined = join(&self.roster, &agreed.draft, own, ticket, &mut new.bench.cx());
        let (seed, moved) = joined.unwrap();
        assert!(seed.same(&agreed.export));
        kept::save(&self.group, &moved, &mut new.bench.cx()).unwrap();
        self.ours.push(new);
        agreed
    }

    /// They commit, and all of us follow.
    fn their_heal(&mut self) -> Agreed {
        let leaves = self.roster.leaves().cloned().collect();
        let (after, draft) = self.next(leaves);
        let (author, message) = (self.theirs.leaf.device, self.theirs.heal(&draft));
        let seeds = self.follow(&after, author, draft, &message);
        assert_eq!(seeds.len(), self.ours.len());
        self.roster = after;
        let export =
            seeds.into_iter().reduce(|one, other| if one.same(&other) { one } else { panic!("apart") });
        Agreed { draft, export: export.unwrap() }
    }

    fn all_agree(&mut self, agreed: &Agreed) {
        let (export, authenticator) = self.theirs.secrets(&agreed.draft);
        assert_eq!(export, agreed.export.expose());
        assert_eq!(authenticator, self.we_agree());
    }

    fn we_agree(&mut self) -> Vec<u8> {
        let mut all: Vec<_> = (0..self.ours.len()).map(|who| self.authenticator(who)).collect();
        all.dedup();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn authenticator(&mut self, who: usize) -> Vec<u8> {
        let ours = &mut self.ours[who];
        let kept = kept::load(&self.group, &ours.bench.cx()).unwrap();
        let (_, group) = open(&kept, Rules::default(), &self.group, &mut ours.bench.cx()).unwrap();
        group.epoch_authenticator().unwrap().to_vec()
    }

    /// A message each way, by the engines' own means.
    fn talk(&mut self) {
        let ours = &mut self.ours[0];
        let kept = kept::load(&self.group, &ours.bench.cx()).unwrap();
        let (_, mut group) = open(&kept, Rules::default(), &self.group, &mut ours.bench.cx()).unwrap();
        let message = group.encrypt_application_message(b"from us", vec![7]).unwrap();
        assert_eq!(self.theirs.read(&message.to_bytes().unwrap()), (b"from us".to_vec(), vec![7]));
        let message = MlsMessage::from_bytes(&self.theirs.say(b"from them")).unwrap();
        let ReceivedMessage::ApplicationMessage(read) = group.process_incoming_message(message).unwrap()
        else {
            panic!("a message of the application")
        };
        assert_eq!(read.data(), b"from them");
    }
}

impl Ours {
    fn new(account: &Account, group: &GroupId, mut bench: Bench) -> Self {
        let (leaf, secrets) = new_leaf(account, group, &mut bench);
        Self { bench, leaf, secrets }
    }
}

impl Theirs {
    fn group(&mut self) -> &mut MlsGroup {
        self.group.as_mut().unwrap()
    }

    fn key_package(&self) -> Vec<u8> {
        let key = self.leaf.signing().unwrap();
        let credential = BasicCredential::new(self.leaf.device.as_bytes().to_vec()).into();
        let credential = CredentialWithKey { credential, signature_key: key.as_bytes().as_slice().into() };
        let capabilities = Capabilities::new(None, Some(&[self.suite]), None, None, None);
        let builder = KeyPackage::builder().leaf_node_capabilities(capabilities);
        let package = builder.build(self.suite, &self.provider, &self.signer, credential).unwrap();
        MlsMessageOut::from(package.into_key_package()).to_bytes().unwrap()
    }

    fn join(&mut self, made: &Made) {
        let welcome = MlsMessageIn::tls_deserialize_exact_bytes(&made.welcomes[0]).unwrap();
        let MlsMessageBodyIn::Welcome(welcome) = welcome.extract() else { panic!("a welcome") };
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&made.tree).unwrap();
        let config = MlsGroupJoinConfig::builder().use_ratchet_tree_extension(false).build();
        let joining = StagedWelcome::build_from_welcome(&self.provider, &config, welcome).unwrap();
        let staged = joining.with_ratchet_tree(tree).build().unwrap();
        self.group = Some(staged.into_group(&self.provider).unwrap());
    }

    fn process(&mut self, message: &[u8]) -> (ProcessedMessageContent, Vec<u8>) {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(message).unwrap();
        let message = message.try_into_protocol_message().unwrap();
        let group = self.group.as_mut().unwrap();
        let processed = group.process_message(&self.provider, message).unwrap();
        let bound = processed.aad().to_vec();
        (processed.into_content(), bound)
    }

    fn follow(&mut self, message: &[u8], draft: &Digest) {
        let (content, bound) = self.process(message);
        let ProcessedMessageContent::StagedCommitMessage(commit) = content else { panic!("a commit") };
        assert_eq!(bound, draft.as_bytes());
        assert!(commit.update_path_leaf_node().is_some());
        let group = self.group.as_mut().unwrap();
        group.merge_staged_commit(&self.provider, *commit).unwrap();
    }

    fn are_removed(&mut self, message: &[u8], draft: &Digest) {
        assert!(self.group().is_active());
        self.follow(message, draft);
        assert!(!self.group().is_active());
        let group = self.group.as_mut().unwrap();
        assert!(group.create_message(&self.provider, &self.signer, b"still here").is_err());
    }

    fn heal(&mut self, draft: &Digest) -> Vec<u8> {
        let group = self.group.as_mut().unwrap();
        group.set_aad(draft.as_bytes().to_vec());
        let parameters = LeafNodeParameters::default();
        let commit = group.self_update(&self.provider, &self.signer, parameters).unwrap();
        group.merge_pending_commit(&self.provider).unwrap();
        commit.into_commit().to_bytes().unwrap()
    }

    fn secrets(&mut self, draft: &Digest) -> (Vec<u8>, Vec<u8>) {
        let group = self.group.as_ref().unwrap();
        let export = group.export_secret(&self.provider, EXPORT, draft.as_bytes(), 32).unwrap();
        (export, group.epoch_authenticator().as_slice().to_vec())
    }

    fn say(&mut self, text: &[u8]) -> Vec<u8> {
        let group = self.group.as_mut().unwrap();
        group.create_message(&self.provider, &self.signer, text).unwrap().to_bytes().unwrap()
    }

    fn read(&mut self, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (content, bound) = self.process(message);
        let ProcessedMessageContent::ApplicationMessage(text) = content else { panic!("a message") };
        (text.into_bytes(), bound)
    }
}

fn new_leaf(account: &Account, group: &GroupId, bench: &mut Bench) -> (Leaf, LeafSecrets) {
    let key = SigningKey::generate(&mut bench.cx());
    let own = account.device_list().peer(*account.device_id()).unwrap();
    let device = PeerDevice { device: DeviceId(bench.cx().random()), signing: *key.public(), ..own };
    let seat = SeatId(bench.cx().random());
    Leaf::make(group, &device, &key, seat, None, &mut bench.cx()).unwrap()
}

fn roster(account: &Account, group: &GroupId, epoch: u64, leaves: Vec<Leaf>) -> Roster {
    let list = account.device_list().signed_bytes().into();
    let (person, handle) = (*account.person(), account.handle().clone());
    let member = Member { person, handle, role: Role::Administrator, list, leaves };
    let body = RosterBody {
        version: VERSION,
        suite: SUITE,
        group: *group,
        scheme: 3,
        direct: 0,
        epoch,
        name: Vec::new().into(),
        rules: crate::roster::Rules::default(),
        members: vec![member],
    };
    Roster::stored(body).unwrap()
}
