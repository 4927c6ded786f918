//! One connection to a relay: requests that are answered by number, and pushes that come by themselves.
//!
//! A task reads, another writes. Pushes wait in memory up to a bound; a client that falls behind further is cut off, and
//! resumes from its cursors.

use super::{Address, tls};
use crate::{ClientError, Result};
use bytes::Bytes;
use conclave_wire::frame::Frame;
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, ClientFrame, ServerFrame, server_frame::Body};
use conclave_wire::{VERSION, limits};
use futures_util::{SinkExt, StreamExt};
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long a relay may take to say hello, and to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long a connection may be silent: the relay pings more often.
pub(crate) const SILENCE: Duration = Duration::from_secs(100);
/// Pushes waiting to be taken in.
pub(crate) const MOST_WAITING: usize = 32 << 20;

/// Who waits for an answer; `None` once none can come any more.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Body>>>>>;

/// A connection that has said hello.
pub(crate) struct Link {
    hello: v1::Hello,
    out: mpsc::Sender<Bytes>,
    waiting: Waiting,
    next: AtomicU64,
    pushes: mpsc::UnboundedReceiver<Push>,
    weight: Arc<AtomicUsize>,
    garbled: Arc<AtomicBool>,
    tasks: [JoinHandle<()>; 2],
}

/// What the relay says unasked.
pub(crate) struct Push {
    /// It.
    pub(crate) body: Body,
    /// How many bytes it came in.
    pub(crate) bytes: usize,
}

impl Link {
    /// Connects and hears the relay's hello.
    ///
    /// # Errors
    /// `Unreachable`; `TlsFailed`; `RelayChanged` if another relay answers than the address pins; `RelayVersion`.
    pub(crate) async fn connect(address: &Address) -> Result<Self> {
        Self::connect_trusting(address, None).await
    }

    /// As [`Link::connect`], with other roots than those of this machine.
    pub(super) async fn connect_trusting(
        address: &Address,
        roots: Option<&Arc<RootCertStore>>,
    ) -> Result<Self> {
        let connecting = timeout(PATIENCE, open(address, roots));
        let mut socket = connecting.await.map_err(|_| unreachable("no answer in time"))??;
        let hello =
            timeout(PATIENCE, hello(&mut socket)).await.map_err(|_| unreachable("no hello in time"))??;
        if hello.version != VERSION {
            return Err(ClientError::RelayVersion(hello.version));
        }
        if address.pin.is_some_and(|pin| hello.relay_id != pin.as_bytes()[..]) {
            return Err(ClientError::RelayChanged);
        }
        let (sink, stream) = socket.split();
        let (out, queue) = mpsc::channel(64);
        let (push, pushes) = mpsc::unbounded_channel();
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let weight = Arc::<AtomicUsize>::default();
        let garbled = Arc::<AtomicBool>::default();
        let reader =
            Reader { waiting: waiting.clone(), push, weight: weight.clone(), garbled: garbled.clone() };
        let tasks = [tokio::spawn(reader.run(stream)), tokio::spawn(write(sink, queue))];
        Ok(Self { hello, out, waiting, next: AtomicU64::new(1), pushes, weight, garbled, tasks })
    }

    /// What the relay said first.
    pub(crate) fn hello(&self) -> &v1::Hello {
        &self.hello
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// `Refused` with the relay's code; `Unreachable` if the connection is gone or silent: then nobody knows whether the
    /// relay did it.
    pub(crate) async fn ask(&self, request: Request) -> Result<Body> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        lock(&self.waiting).as_mut().ok_or_else(|| self.gone())?.insert(id, answer);
        let frame = ClientFrame::new(id, request).to_frame();
        let frame = frame.map_err(|_| ClientError::RelayFault("a request is above the limit of a frame"))?;
        let asking = async {
            self.out.send(frame).await.map_err(|_| self.gone())?;
            answered.await.map_err(|_| self.gone())
        };
        match timeout(PATIENCE, asking).await {
            Ok(Ok(Body::Refused(refused))) => Err(refusal(refused)),
            Ok(answer) => answer,
            Err(_) => {
                lock(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&id));
                Err(unreachable("no answer in time"))
            }
        }
    }

    /// Says something whose answer does not matter.
    pub(crate) async fn say(&self, request: Request) -> Result<()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let frame = ClientFrame::new(id, request).to_frame();
        let frame = frame.map_err(|_| ClientError::RelayFault("a request is above the limit of a frame"))?;
        self.out.send(frame).await.map_err(|_| self.gone())
    }

    /// Why nothing goes on.
    fn gone(&self) -> ClientError {
        match self.garbled.load(Ordering::Relaxed) {
            true => ClientError::RelayFault("it sent what is no frame"),
            false => unreachable("the connection is gone"),
        }
    }

    /// The next push.
    ///
    /// # Errors
    /// `Unreachable` once the connection is gone.
    pub(crate) async fn push(&mut self) -> Result<Push> {
        let push = self.pushes.recv().await.ok_or_else(|| self.gone())?;
        self.weight.fetch_sub(push.bytes, Ordering::Relaxed);
        Ok(push)
    }

    /// The next push that has come already.
    pub(crate) fn waiting_push(&mut self) -> Option<Push> {
        let push = self.pushes.try_recv().ok()?;
        self.weight.fetch_sub(push.bytes, Ordering::Relaxed);
        Some(push)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What a connection runs over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type Socket = WebSocketStream<Box<dyn Stream>>;

async fn open(address: &Address, roots: Option<&Arc<RootCertStore>>) -> Result<Socket> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(limits::FRAME_BYTES))
        .max_frame_size(Some(limits::FRAME_BYTES));
    let stream = stream(address, roots).await?;
    let opened = client_async_with_config(address.websocket(), stream, Some(config)).await;
    match opened {
        Ok((socket, _)) => Ok(socket),
        Err(SocketError::Http(answer)) => {
            let hint = if address.secure { "" } else { "; perhaps it wants https://" };
            Err(unreachable(&format!("it answers {}{hint}", answer.status())))
        }
        Err(error) => Err(unreachable(&error.to_string())),
    }
}

/// The way there, encrypted where the address says so.
async fn stream(address: &Address, roots: Option<&Arc<RootCertStore>>) -> Result<Box<dyn Stream>> {
    let failed = |error: std::io::Error| unreachable(&error.to_string());
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    if !address.secure {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(address.host.clone());
    let name = name.map_err(|_| ClientError::BadAddress(address.websocket()))?;
    // Reading those of the machine takes a moment: only where they are needed.
    let roots = roots.unwrap_or_else(|| tls::machine_roots());
    let connecting = tls::connector(address.pin, roots)?.connect(name, stream).await;
    Ok(Box::new(connecting.map_err(|error| tls::failure(&error))?))
}

async fn hello(socket: &mut Socket) -> Result<v1::Hello> {
    while let Some(message) = socket.next().await {
        match message.map_err(|error| unreachable(&error.to_string()))? {
            Message::Binary(bytes) => match ServerFrame::from_frame(bytes) {
                Ok(ServerFrame { id: 0, body: Some(Body::Hello(hello)) }) => return Ok(hello),
                _ => return Err(ClientError::RelayFault("its first frame is no hello")),
            },
            Message::Ping(_) | Message::Pong(_) => {}
            _ => break,
        }
    }
    Err(unreachable("the connection ended before the hello"))
}

struct Reader {
    waiting: Waiting,
    push: mpsc::UnboundedSender<Push>,
    weight: Arc<AtomicUsize>,
    garbled: Arc<AtomicBool>,
}

impl Reader {
    async fn run<S>(self, mut stream: S)
    where
        S: StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
    {
        while let Ok(Some(Ok(message))) = timeout(SILENCE, stream.next()).await {
            let Message::Binary(bytes) = message else { continue };
            if !self.take(bytes) {
                break;
            }
        }
        // Dropping the senders tells everybody who waits.
        *lock(&self.waiting) = None;
    }

    /// Whether the connection is still sound.
    fn take(&self, bytes: Bytes) -> bool {
        let size = bytes.len();
        let Ok(ServerFrame { id, body: Some(body) }) = ServerFrame::from_frame(bytes) else {
            self.garbled.store(true, Ordering::Relaxed);
            return false;
        };
        if id != 0 {
            if let Some(answer) = lock(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&id)) {
                // Whoever asked may have gone.
                let _ = answer.send(body);
            }
            return true;
        }
        let waiting = self.weight.fetch_add(size, Ordering::Relaxed);
        waiting + size <= MOST_WAITING && self.push.send(Push { body, bytes: size }).is_ok()
    }
}

async fn write<S>(mut sink: S, mut queue: mpsc::Receiver<Bytes>)
where
    S: SinkExt<Message> + Unpin,
{
    while let Some(bytes) = queue.recv().await {
        if sink.send(Message::Binary(bytes)).await.is_err() {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unreachable(why: &str) -> ClientError {
    ClientError::Unreachable(why.to_owned())
}

fn refusal(refused: v1::Refused) -> ClientError {
    ClientError::refused(&refused.code)
}
