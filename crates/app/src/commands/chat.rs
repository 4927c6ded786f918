//! `conclave chat`: prints what comes, sends what is typed, line by line. Piped input works the same; at its
//! end the command waits until the relay holds everything.

use std::collections::HashSet;
use std::io::IsTerminal;

use conclave_client::{Client, ClientError, Delivery, Message, ReadOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::grammar::ChatArgs;
use crate::output;
use crate::settings::Settings;

use super::{message, relay, session};

/// Lines on their way at once; more are not read until some have arrived.
const IN_FLIGHT: usize = 256;
/// How much of the past is shown to a person at the start.
const PAST: usize = 20;

/// Chat until the input ends.
pub(crate) async fn run(args: ChatArgs, settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    let typed = std::io::stdin().is_terminal();
    let mut chat = Chat {
        client,
        target: args.target,
        settings,
        sending: JoinSet::new(),
        own: HashSet::new(),
        worst: None,
    };
    if typed {
        chat.greet().await?;
    }
    chat.talk(typed).await?;
    chat.drain().await
}

struct Chat<'a> {
    client: Client,
    target: String,
    settings: &'a Settings,
    sending: JoinSet<Result<Delivery, ClientError>>,
    /// What was typed here: it stands on the screen already.
    own: HashSet<String>,
    /// The first thing that went wrong with a line.
    worst: Option<Failure>,
}

impl Chat<'_> {
    async fn greet(&mut self) -> Result<(), Failure> {
        let synced = self.client.sync(self.settings.timeout).await;
        let options = ReadOptions { only_new: false, limit: Some(PAST) };
        // A chat that has not begun has no past.
        for past in self.client.read(&self.target, options).await.unwrap_or_default() {
            message::show(&past, self.settings.json)?;
        }
        if synced.is_err() {
            output::line("(the relay is out of reach; what you type is sent when it is back)")?;
        }
        Ok(())
    }

    async fn talk(&mut self, typed: bool) -> Result<(), Failure> {
        let mut follow = self.client.follow(&self.target).await?;
        let mut input = typed_lines();
        let mut stop = std::pin::pin!(relay::stopped());
        loop {
            tokio::select! {
                stopped = &mut stop => return stopped,
                line = input.recv(), if self.sending.len() < IN_FLIGHT => match line.transpose() {
                    Ok(Some(line)) if line.is_empty() => (),
                    Ok(Some(line)) => self.say(&line, typed).await?,
                    Ok(None) => return Ok(()),
                    Err(error) => return Err(Failure::io("standard input", &error)),
                },
                Some(ended) = self.sending.join_next() => self.note(ended),
                next = follow.next() => match next {
                    Some(message) => self.show(&message)?,
                    None => return Ok(()),
                },
            }
        }
    }

    async fn say(&mut self, line: &str, typed: bool) -> Result<(), Failure> {
        let ticket = self.client.send(&self.target, line).await?;
        if typed {
            self.own.insert(ticket.message().to_string());
        }
        let (client, timeout) = (self.client.clone(), self.settings.timeout);
        self.sending.spawn(async move { client.wait(&ticket, timeout).await });
        Ok(())
    }

    fn show(&mut self, message: &Message) -> Result<(), Failure> {
        if self.own.remove(&message.id) { Ok(()) } else { message::show(message, self.settings.json) }
    }

    fn note(&mut self, ended: Result<Result<Delivery, ClientError>, tokio::task::JoinError>) {
        let failure = match ended {
            Ok(Ok(Delivery::Sent)) => return,
            Ok(Ok(Delivery::Queued)) => Failure::queued("a line"),
            Ok(Err(error)) => error.into(),
            Err(error) => Failure::io("sending", &std::io::Error::other(error)),
        };
        if self.worst.is_none() {
            failure.report(self.settings.json);
            self.worst = Some(failure);
        }
    }

    /// Wait until everything said is at the relay.
    async fn drain(mut self) -> Result<(), Failure> {
        while let Some(ended) = self.sending.join_next().await {
            self.note(ended);
        }
        self.worst.map_or(Ok(()), |told| Err(told.told()))
    }
}

/// Standard input line by line, from a thread of its own: a read of a terminal cannot be called off, and must not
/// hold the process at its end.
fn typed_lines() -> mpsc::Receiver<std::io::Result<String>> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
