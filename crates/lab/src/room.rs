//! A group in memory: one who speaks, one who listens, and as many more in the roster as wanted. The log is the caller's.

use crate::measure::progress;
use crate::people::{NOW, Person};
use crate::{LabError, Result};
use conclave_protocol::content::Content;
use conclave_protocol::group::{
    Blobs, Body, Bundles, Entry, Group, Home, Intent, Joined, Joining, Letter, OutgoingLetter, Post,
    Received, Scheme, open_letter,
};
use conclave_protocol::primitives::kdf::sha256;
use conclave_protocol::{GroupId, MessageId, SeatId};

/// Members added by one commit.
const AT_ONCE: usize = 50;

/// A group with two people at work.
pub struct Room {
    /// Founded it and speaks.
    pub speaker: Person,
    /// Was added by the first commit and listens.
    pub listener: Person,
    /// The others: in the roster, never heard of.
    pub others: Vec<Person>,
    group: GroupId,
    speakers: SeatId,
    listeners: SeatId,
    entry: u64,
    turn: u64,
    said: u64,
}

/// A post as the relay took it.
pub struct Taken {
    /// What was posted.
    pub post: Post,
    number: u64,
    turn: u64,
    hash: [u8; 32],
}

impl Room {
    /// A group of `people`, at least two, all added.
    pub fn open(scheme: Scheme, people: usize, direct: bool) -> Result<Self> {
        let mut room = Self::founded(scheme, direct)?;
        room.others = (2..people).map(|n| Person::new(&format!("other{n}"))).collect::<Result<Vec<_>>>()?;
        let mut bundles = Bundles::default();
        room.speaker.publish_to(&mut bundles)?;
        room.listener.publish_to(&mut bundles)?;
        room.others.iter_mut().try_for_each(|other| other.publish_to(&mut bundles))?;
        let person = *room.listener.account.person();
        let welcome = room.change(&Intent::Add(vec![person]), &bundles)?;
        room.settle(&welcome)?;
        room.join(&welcome)?;
        let ids: Vec<_> = room.others.iter().map(|other| *other.account.person()).collect();
        for some in ids.chunks(AT_ONCE) {
            let taken = room.change(&Intent::Add(some.to_vec()), &bundles)?;
            room.settle(&taken)?;
            room.listen(&taken)?;
        }
        // Sessions are started and keys handed out by the first message, and handshakes are over with the answer.
        room.exchange_with("hello", &bundles)?;
        Ok(room)
    }

    /// A group that grew by `at_once`, the last of whom added the next: with one at once every node of a tree is filled,
    /// with more all but the lowest. The last speaks, the one before listens; of the others nobody has their state any more.
    pub fn grown(scheme: Scheme, people: usize, at_once: usize) -> Result<Self> {
        let mut room = Self::founded(scheme, false)?;
        let mut inside = 1;
        while inside < people {
            let some = at_once.min(people - inside);
            if inside > 1 {
                room.listener = Person::new(&format!("other{inside}"))?;
            }
            let (mut bundles, mut ids) = (Bundles::default(), Vec::new());
            for n in 1..some {
                let mut other = Person::new(&format!("other{inside}x{n}"))?;
                other.publish_to(&mut bundles)?;
                ids.push(*other.account.person());
            }
            room.listener.publish_to(&mut bundles)?;
            ids.push(*room.listener.account.person());
            let welcome = room.change(&Intent::Add(ids), &bundles)?;
            room.settle(&welcome)?;
            room.join_last(&welcome)?;
            room.take_turns();
            inside += some;
            if at_once > 1 {
                progress("a large group grows, devices", inside, people);
            }
        }
        Ok(room)
    }

    /// A group of its founder; the listener is still to be added.
    pub fn founded(scheme: Scheme, direct: bool) -> Result<Self> {
        let (mut speaker, listener) = (Person::new("mike")?, Person::new("sean")?);
        let home = Home::new("ws://lab", [7; 32], [9; 16]);
        let (speakers, listeners) = (SeatId([1; 16]), SeatId([2; 16]));
        let group = speaker
            .step(|account, cx| Group::create(account, scheme, "Lab", home, speakers, direct, cx))
            .map(|group| *group.id())?;
        let others = Vec::new();
        Ok(Self { speaker, listener, others, group, speakers, listeners, entry: 0, turn: 0, said: 0 })
    }

    /// The group's id.
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// Says a text, which is answered by the same; gives the bytes of the first post.
    pub fn exchange(&mut self, text: &str) -> Result<usize> {
        self.exchange_with(text, &Bundles::default())
    }

    fn exchange_with(&mut self, text: &str, bundles: &Bundles) -> Result<usize> {
        let bytes = self.one_way(text, bundles)?;
        self.take_turns();
        self.one_way(text, bundles)?;
        self.take_turns();
        Ok(bytes)
    }

    fn one_way(&mut self, text: &str, bundles: &Bundles) -> Result<usize> {
        let taken = self.say_with(text, bundles)?;
        self.settle(&taken)?;
        self.listen(&taken)?;
        Ok(taken.bytes())
    }

    /// The speaker listens, the listener speaks.
    fn take_turns(&mut self) {
        std::mem::swap(&mut self.speaker, &mut self.listener);
        std::mem::swap(&mut self.speakers, &mut self.listeners);
    }

    /// Makes the post of a change, and the relay takes it.
    pub fn change(&mut self, intent: &Intent, bundles: &Bundles) -> Result<Taken> {
        let id = self.group;
        let post =
            self.speaker.step(|account, cx| Group::load(&id, cx)?.change(account, intent, bundles, cx))?;
        Ok(self.take(post))
    }

    /// Seals a text, and the relay takes it.
    pub fn say(&mut self, text: &str) -> Result<Taken> {
        self.say_with(text, &Bundles::default())
    }

    fn say_with(&mut self, text: &str, bundles: &Bundles) -> Result<Taken> {
        let content = Content::text(text)?;
        let (mut group, id) = (self.speaks()?, self.message_id());
        let post = self.seal(&mut group, id, &content, bundles)?;
        Ok(self.take(post))
    }

    /// Seals a message with the group in hand.
    pub fn seal(
        &mut self,
        group: &mut Group,
        id: MessageId,
        content: &Content,
        bundles: &Bundles,
    ) -> Result<Post> {
        self.speaker.step(|account, cx| group.send(account, id, content, bundles, cx))
    }

    /// The speaker's group, from the vault.
    pub fn speaks(&mut self) -> Result<Group> {
        let id = self.group;
        self.speaker.step(|_, cx| Group::load(&id, cx))
    }

    /// The listener's group, from the vault.
    pub fn listens(&mut self) -> Result<Group> {
        let id = self.group;
        self.listener.step(|_, cx| Group::load(&id, cx))
    }

    /// A fresh id.
    pub fn message_id(&mut self) -> MessageId {
        self.said += 1;
        MessageId(u128::from(self.said).to_be_bytes())
    }

    /// The relay takes a post.
    pub fn take(&mut self, post: Post) -> Taken {
        self.entry += 1;
        self.turn += u64::from(post.takes_turn);
        let hash = sha256(&post.shared);
        Taken { post, number: self.entry, turn: self.turn, hash }
    }

    /// The speaker sees its own entry.
    pub fn settle(&mut self, taken: &Taken) -> Result<()> {
        let (mut group, seat) = (self.speaks()?, self.speakers);
        let entry = taken.entry(seat, Body::Own, &[]);
        match self.speaker.step(|account, cx| group.receive(account, &entry, cx))? {
            Received::Accepted { .. } => Ok(()),
            other => Err(LabError::unexpected(format!("an own entry gave {other:?}"))),
        }
    }

    /// The listener takes an entry in.
    pub fn listen(&mut self, taken: &Taken) -> Result<Received> {
        let mut group = self.listens()?;
        self.hear(&mut group, taken)
    }

    /// The listener takes an entry in, with the group in hand.
    pub fn hear(&mut self, group: &mut Group, taken: &Taken) -> Result<Received> {
        let entry = taken.entry(self.speakers, Body::Whole(&taken.post.shared), taken.slice(self.listeners));
        let received = self.listener.step(|account, cx| group.receive(account, &entry, cx))?;
        match &received {
            Received::Message(_) | Received::Committed { .. } => Ok(received),
            other => Err(LabError::unexpected(format!("an entry gave {other:?}"))),
        }
    }

    /// The listener joins by the last letter of a post.
    pub fn join_last(&mut self, taken: &Taken) -> Result<()> {
        self.join_by(taken, taken.post.letters.last())
    }

    fn join(&mut self, taken: &Taken) -> Result<()> {
        self.join_by(taken, taken.post.letters.first())
    }

    fn join_by(&mut self, taken: &Taken, letter: Option<&OutgoingLetter>) -> Result<()> {
        let letter = letter.ok_or_else(|| LabError::unexpected("no letter"))?;
        let Letter::Invitation(invitation) =
            self.listener.step(|account, cx| open_letter(account, &letter.body, cx))?
        else {
            return Err(LabError::unexpected("a letter that invites nobody"));
        };
        self.listeners = invitation.seat;
        let mut joining = self.listener.step(|_, cx| Joining::begin(invitation, cx))?;
        let entry = taken.entry(self.speakers, Body::Whole(&taken.post.shared), taken.slice(self.listeners));
        let mut blobs = Blobs::default();
        taken.post.blobs.iter().for_each(|blob| blobs.add(blob.bytes.clone()));
        match self.listener.step(|account, cx| joining.receive(account, &entry, &blobs, cx))? {
            Joined::In(_) => Ok(()),
            _ => Err(LabError::unexpected("the welcome led nowhere")),
        }
    }
}

impl Taken {
    fn entry<'a>(&'a self, seat: SeatId, body: Body<'a>, slice: &'a [u8]) -> Entry<'a> {
        let seats = &self.post.seats;
        Entry { number: self.number, turn: self.turn, seat, hash: self.hash, body, slice, at: NOW, seats }
    }

    fn slice(&self, seat: SeatId) -> &[u8] {
        let own = self.post.slices.iter().find(|slice| slice.seat == seat);
        own.map_or(&[], |slice| &slice.bytes)
    }

    /// Bytes that are uploaded once for all newcomers.
    pub fn apart(&self) -> usize {
        self.post.blobs.iter().map(|blob| blob.bytes.len()).sum()
    }

    /// Bytes that one who was in before gets of it: the listener, of whom all others get as much.
    pub fn down(&self, room: &Room) -> usize {
        self.post.shared.len() + self.slice(room.listeners).len()
    }

    /// Bytes of the post without the relay's own framing.
    pub fn bytes(&self) -> usize {
        self.post.shared.len() + self.post.slices.iter().map(|slice| slice.bytes.len()).sum::<usize>()
    }
}
