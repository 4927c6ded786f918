//! A relay that lies: between a client and an honest relay, with a closure that sees every frame and decides what the
//! other side gets to see.
#![allow(dead_code)] // Each test file uses a part of it.

use bytes::Bytes;
use conclave_wire::frame::Frame;
use conclave_wire::v1::{self, ClientFrame, ServerFrame, server_frame::Body};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

/// A frame on its way.
#[allow(clippy::large_enum_variant, reason = "few exist at once")]
pub(crate) enum Passing {
    ToRelay(ClientFrame),
    ToClient(ServerFrame),
}

/// What goes on from here, in order.
#[derive(Default)]
pub(crate) struct Out(Vec<Step>);

enum Step {
    ToRelay(Bytes),
    ToClient(Bytes),
    CutOff,
    Truncate,
}

type Lie = Box<dyn FnMut(Passing, &mut Out) + Send>;

/// Listens where a relay would.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    lie: Arc<Mutex<Lie>>,
    task: JoinHandle<()>,
}

impl Out {
    pub(crate) fn pass(&mut self, passing: Passing) {
        self.0.push(match passing {
            Passing::ToRelay(frame) => Step::ToRelay(frame.to_frame().unwrap()),
            Passing::ToClient(frame) => Step::ToClient(frame.to_frame().unwrap()),
        });
    }

    pub(crate) fn for_client(&mut self, frame: ServerFrame) {
        self.pass(Passing::ToClient(frame));
    }

    /// Bytes that need not be a frame.
    pub(crate) fn bytes_for_client(&mut self, bytes: &'static [u8]) {
        self.0.push(Step::ToClient(Bytes::from_static(bytes)));
    }

    /// Ends the connection.
    pub(crate) fn cut_off(&mut self) {
        self.0.push(Step::CutOff);
    }

    /// Begins a message and ends the connection in the middle of it.
    pub(crate) fn truncate(&mut self) {
        self.0.push(Step::Truncate);
    }
}

impl Proxy {
    /// Before an honest relay, and as honest until told otherwise.
    pub(crate) async fn before(relay: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let lie: Arc<Mutex<Lie>> = Arc::new(Mutex::new(honest()));
        let shared = lie.clone();
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                open.spawn(carry(client, relay, shared.clone()));
            }
        });
        Self { addr, lie, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// From now on, also on connections that are open.
    pub(crate) fn lie(&self, lie: impl FnMut(Passing, &mut Out) + Send + 'static) {
        *self.lie.lock().unwrap() = Box::new(lie);
    }

    /// Alters what the relay says.
    pub(crate) fn alter(&self, mut alter: impl FnMut(&mut Body) + Send + 'static) {
        self.lie(move |passing, out| match passing {
            Passing::ToClient(mut frame) => {
                frame.body.as_mut().into_iter().for_each(&mut alter);
                out.for_client(frame);
            }
            request => out.pass(request),
        });
    }

    /// Alters the entries that the relay pushes.
    pub(crate) fn alter_entries(&self, mut alter: impl FnMut(&mut v1::Entries) + Send + 'static) {
        self.alter(move |body| {
            if let Body::Entries(entries) = body {
                alter(entries);
            }
        });
    }

    pub(crate) fn be_honest(&self) {
        *self.lie.lock().unwrap() = honest();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn honest() -> Lie {
    Box::new(|passing, out| out.pass(passing))
}

type Socket = WebSocketStream<TcpStream>;

async fn carry(client: TcpStream, relay: SocketAddr, lie: Arc<Mutex<Lie>>) {
    let Ok(mut client) = accept_async(client).await else { return };
    let Ok(stream) = TcpStream::connect(relay).await else { return };
    let Ok((mut relay, _)) = client_async(format!("ws://{relay}/v1/connect"), stream).await else { return };
    loop {
        let passing = tokio::select! {
            message = client.next() => match message {
                Some(Ok(Message::Binary(bytes))) => Passing::ToRelay(ClientFrame::from_frame(bytes).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                _ => return,
            },
            message = relay.next() => match message {
                Some(Ok(Message::Binary(bytes))) => Passing::ToClient(ServerFrame::from_frame(bytes).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                _ => return,
            },
        };
        let mut out = Out::default();
        (lie.lock().unwrap())(passing, &mut out);
        for step in out.0 {
            if !take(step, &mut client, &mut relay).await {
                return;
            }
        }
    }
}

/// Whether the connection goes on.
async fn take(step: Step, client: &mut Socket, relay: &mut Socket) -> bool {
    match step {
        Step::ToRelay(bytes) => relay.send(Message::Binary(bytes)).await.is_ok(),
        Step::ToClient(bytes) => client.send(Message::Binary(bytes)).await.is_ok(),
        Step::CutOff => false,
        Step::Truncate => {
            // A binary message of 4096 bytes, of which three come.
            let _ = client.get_mut().write_all(&[0x82, 126, 0x10, 0x00, 1, 2, 3]).await;
            false
        }
    }
}
