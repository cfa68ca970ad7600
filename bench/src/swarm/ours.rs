//! Our ends, each run as a process of its own that takes commands like the foreign ones.

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::{BufRead as _, Write as _},
};
use streamshare_webtorrent::channel::{Channel, Connector, IceConfig, PendingOffer, WebRtc};
use tokio::sync::mpsc;

/// A command: its number, its name and its values.
pub(crate) struct Asked {
    id: Value,
    pub(crate) command: String,
    values: Value,
}

impl Asked {
    pub(crate) fn text(&self, at: usize) -> Result<&str> {
        self.values[at].as_str().with_context(|| format!("{}: value {at} is no text", self.command))
    }

    pub(super) fn number(&self, at: usize) -> Result<usize> {
        let number = self.values[at].as_u64().and_then(|number| usize::try_from(number).ok());
        number.with_context(|| format!("{}: value {at} is no number", self.command))
    }

    pub(crate) fn reply(&self, result: Result<Value>) -> Result<()> {
        let line = match result {
            Ok(value) => json!({ "id": self.id, "value": value }),
            Err(error) => json!({ "id": self.id, "error": format!("{error:#}") }),
        };
        writeln!(std::io::stdout().lock(), "{line}").context("answer")
    }
}

/// Says that it is ready, and gives the commands on the standard input until it ends.
pub(crate) fn commands() -> Result<mpsc::Receiver<Asked>> {
    let (sender, commands) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(mut asked) = serde_json::from_str::<Value>(&line) else { return };
            let command = asked["command"].as_str().unwrap_or_default().to_owned();
            let asked = Asked { id: asked["id"].take(), command, values: asked["values"].take() };
            if sender.blocking_send(asked).is_err() {
                return;
            }
        }
    });
    writeln!(std::io::stdout().lock(), "{}", json!({ "ready": true })).context("say that all is ready")?;
    Ok(commands)
}

/// `part channel`: our end of channels.
pub(crate) async fn channels() -> Result<()> {
    let connector = WebRtc::new(IceConfig::default());
    let mut offers: HashMap<usize, Box<dyn PendingOffer>> = HashMap::new();
    let mut channels: HashMap<usize, Channel> = HashMap::new();
    // Bytes that came with a message which was waited for, and belong to what comes next.
    let mut ahead: HashMap<usize, usize> = HashMap::new();
    let mut commands = commands()?;
    while let Some(asked) = commands.recv().await {
        let result = match asked.command.as_str() {
            "offer" => offer(&connector, &mut offers, &asked).await,
            "answer" => answer(&mut offers, &mut channels, &asked).await,
            "send" => send(&channels, &asked).await,
            "receive" => receive(&mut channels, &mut ahead, &asked).await,
            "closeAll" => {
                offers.clear();
                channels.clear();
                ahead.clear();
                connector.shutdown().await;
                Ok(Value::Bool(true))
            }
            other => Err(anyhow!("no command {other}")),
        };
        asked.reply(result)?;
    }
    Ok(())
}

async fn offer(connector: &WebRtc, offers: &mut HashMap<usize, Box<dyn PendingOffer>>, asked: &Asked) -> Result<Value> {
    let (sdp, pending) = connector.make_offer().await.context("make an offer")?;
    offers.insert(asked.number(0)?, pending);
    Ok(Value::String(sdp))
}

async fn answer(
    offers: &mut HashMap<usize, Box<dyn PendingOffer>>,
    channels: &mut HashMap<usize, Channel>,
    asked: &Asked,
) -> Result<Value> {
    let key = asked.number(0)?;
    let pending = offers.remove(&key).context("no such offer")?;
    channels.insert(key, pending.answer(asked.text(1)?).await.context("connect")?);
    Ok(Value::Bool(true))
}

async fn send(channels: &HashMap<usize, Channel>, asked: &Asked) -> Result<Value> {
    let channel = channels.get(&asked.number(0)?).context("no such channel")?;
    let message = Bytes::from(vec![7; asked.number(2)?]);
    let mut left = asked.number(1)?;
    while left > 0 {
        let part = message.slice(..message.len().min(left));
        left -= part.len();
        // As a client's blocks are, each is memory of its own.
        channel.sender.send(Bytes::copy_from_slice(&part)).await.context("the channel is closed")?;
    }
    Ok(Value::Bool(true))
}

async fn receive(
    channels: &mut HashMap<usize, Channel>,
    ahead: &mut HashMap<usize, usize>,
    asked: &Asked,
) -> Result<Value> {
    let key = asked.number(0)?;
    let channel = channels.get_mut(&key).context("no such channel")?;
    let bytes = asked.number(1)?;
    let mut received = ahead.remove(&key).unwrap_or(0);
    while received < bytes {
        received += channel.receiver.recv().await.context("the channel is closed")?.len();
    }
    ahead.insert(key, received - bytes);
    Ok(Value::Bool(true))
}
