//! A tracker for a few peers, of which some are the test's own and say what they like.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use streamshare_webtorrent::{
    channel::{Channel, ConnectError, Connector},
    tracker::InfoHash,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// Passes offers and answers on, each offer to one of the others.
pub(crate) struct Tracker {
    pub(crate) url: Url,
    peers: Peers,
    _listening: AbortOnDropHandle<()>,
}

type Peers = Arc<Mutex<Swarm>>;

#[derive(Default)]
struct Swarm {
    peers: Vec<Peer>,
    /// First announces so far.
    started: usize,
}

struct Peer {
    id: String,
    info_hash: String,
    mailbox: mpsc::UnboundedSender<Value>,
}

/// One of the test's own peers.
pub(crate) struct Member {
    id: String,
    info_hash: String,
    mail: mpsc::UnboundedReceiver<Value>,
    peers: Peers,
}

/// As they stand in JSON: a character for each byte.
fn text(id: &[u8; 20]) -> String {
    id.iter().copied().map(char::from).collect()
}

fn random_text() -> String {
    let mut id = [0; 20];
    getrandom::fill(&mut id).unwrap();
    text(&id)
}

impl Tracker {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/announce", listener.local_addr().unwrap()).parse().unwrap();
        let peers = Peers::default();
        let shared = peers.clone();
        let listening = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(serve(connection, shared.clone()));
            }
        });
        Self { url, peers, _listening: AbortOnDropHandle::new(listening) }
    }

    /// How many peers have announced a torrent for the first time so far.
    pub(crate) fn started(&self) -> usize {
        self.peers.lock().unwrap().started
    }

    pub(crate) fn join(&self, info_hash: InfoHash) -> Member {
        let (mailbox, mail) = mpsc::unbounded_channel();
        let (id, info_hash) = (random_text(), text(&info_hash.0));
        self.peers.lock().unwrap().peers.push(Peer { id: id.clone(), info_hash: info_hash.clone(), mailbox });
        Member { id, info_hash, mail, peers: self.peers.clone() }
    }
}

impl Member {
    /// Offers something to the peer that came first.
    pub(crate) fn offer(&self, sdp: &str) {
        let offers = json!([{ "offer": { "type": "offer", "sdp": sdp }, "offer_id": random_text() }]);
        pass_on(&self.peers, &json!({ "info_hash": self.info_hash, "peer_id": self.id, "offers": offers }));
    }

    /// The next answer to something that was offered.
    pub(crate) async fn answer(&mut self) -> String {
        loop {
            let said = self.mail.recv().await.expect("the tracker lives as long");
            if let Some(sdp) = said["answer"]["sdp"].as_str() {
                return sdp.to_owned();
            }
        }
    }

    /// Connects to the peer that came first.
    pub(crate) async fn connect(&mut self, connector: &dyn Connector) -> Result<Channel, ConnectError> {
        let (offer, pending) = connector.make_offer().await?;
        self.offer(&offer);
        pending.answer(&self.answer().await).await
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.peers.lock().unwrap().peers.retain(|peer| peer.id != self.id);
    }
}

async fn serve(connection: TcpStream, peers: Peers) {
    let Ok(socket) = tokio_tungstenite::accept_async(connection).await else { return };
    let (mut sink, mut messages) = socket.split();
    let (mailbox, mut mail) = mpsc::unbounded_channel::<Value>();
    loop {
        tokio::select! {
            message = messages.next() => {
                let Some(Ok(message)) = message else { break };
                let Message::Text(text) = message else { continue };
                let said = serde_json::from_str(&text).unwrap();
                announce(&peers, &mailbox, &said);
                pass_on(&peers, &said);
            }
            Some(news) = mail.recv() => {
                if sink.send(Message::text(news.to_string())).await.is_err() {
                    break;
                }
            }
        }
    }
    peers.lock().unwrap().peers.retain(|peer| !peer.mailbox.same_channel(&mailbox));
}

fn announce(peers: &Peers, mailbox: &mpsc::UnboundedSender<Value>, said: &Value) {
    if said.get("answer").is_some() {
        return;
    }
    let known = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
    let (id, info_hash) = (known("peer_id"), known("info_hash"));
    let mut swarm = peers.lock().unwrap();
    swarm.peers.retain(|peer| peer.id != id || peer.info_hash != info_hash);
    if said["event"] == "stopped" {
        return;
    }
    let announced =
        json!({ "action": "announce", "info_hash": info_hash, "complete": 1, "incomplete": 1, "interval": 120 });
    drop(mailbox.send(announced));
    swarm.started += usize::from(said["event"] == "started");
    swarm.peers.push(Peer { id, info_hash, mailbox: mailbox.clone() });
}

fn pass_on(peers: &Peers, said: &Value) {
    let peers = &peers.lock().unwrap().peers;
    if let Some(answer) = said.get("answer") {
        let to = peers.iter().find(|peer| peer.id == said["to_peer_id"] && peer.info_hash == said["info_hash"]);
        let news = json!({ "action": "announce", "answer": answer, "offer_id": said["offer_id"],
            "peer_id": said["peer_id"], "info_hash": said["info_hash"] });
        if let Some(peer) = to {
            drop(peer.mailbox.send(news));
        }
        return;
    }
    let others = peers.iter().filter(|peer| peer.id != said["peer_id"] && peer.info_hash == said["info_hash"]);
    for (peer, offered) in others.zip(said["offers"].as_array().into_iter().flatten()) {
        let news = json!({ "action": "announce", "offer": offered["offer"], "offer_id": offered["offer_id"],
            "peer_id": said["peer_id"], "info_hash": said["info_hash"] });
        drop(peer.mailbox.send(news));
    }
}
