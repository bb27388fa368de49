//! What goes over the wire between servers: frames of a kind byte and fixed fields, many in one message, and each
//! message sealed for its channel. Valkey keeps channels of all its databases apart from nobody, so a message of
//! another installation, or of somebody who may only reach Valkey, must not open.
//!
//! Message: version (1) · sender (16) · number (8, little endian) · sealed with AES-256-GCM under a key of this
//! sender and this channel: number of the message before it in this channel (8) · frames. The number is the nonce
//! and comes once in a sender's life; the one before tells the receiver what it missed.

use std::collections::HashMap;

use aes_gcm::aead::{Aead, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use bytes::{Buf as _, BufMut as _, Bytes};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::kernel::ids::{self, ExecutionId, JobId, TerminalId, UserId};
use crate::kernel::signals::{Access, Hint};
use crate::kernel::{Error, Result};

const VERSION: u8 = 1;
const HEAD: usize = 1 + 16 + 8;

/// One server's run: a new one after each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerId(pub Uuid);

/// Where messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    Everyone,
    To(ServerId),
}

/// One thing that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Hint(Hint),
    /// The sender has just come, or come back: what was said meanwhile is not known.
    Hello,
    /// The sender could not say something here.
    Missed,
    /// The sender could not pass on lines of this execution.
    Behind(ExecutionId),
}

impl Frame {
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut with = |kind: u8, id: Uuid| {
            out.put_u8(kind);
            out.put_slice(id.as_bytes());
        };
        match self {
            Self::Hello => out.put_u8(1),
            Self::Missed => out.put_u8(2),
            Self::Behind(execution) => with(3, execution.0),
            Self::Hint(Hint::Work) => out.put_u8(4),
            Self::Hint(Hint::Job { job, created }) => with(if *created { 5 } else { 6 }, job.0),
            Self::Hint(Hint::Cancel(execution)) => with(7, execution.0),
            Self::Hint(Hint::Access(Access::Everyone)) => out.put_u8(8),
            Self::Hint(Hint::Access(Access::Of(user))) => with(9, user.0),
            Self::Hint(Hint::Reads(execution)) => with(10, execution.0),
            Self::Hint(Hint::Unread(execution)) => with(11, execution.0),
            Self::Hint(Hint::Ended(execution)) => with(12, execution.0),
            Self::Hint(Hint::Errand) => out.put_u8(14),
            Self::Hint(Hint::Reported(errand)) => with(15, *errand),
            Self::Hint(Hint::Server(server)) => with(16, server.0),
            Self::Hint(Hint::TerminalWanted) => out.put_u8(17),
            Self::Hint(Hint::TerminalTold(terminal)) => with(18, terminal.0),
            Self::Hint(Hint::TerminalShown(terminal)) => with(19, terminal.0),
            Self::Hint(Hint::Lines(execution, body)) => {
                with(13, execution.0);
                out.put_u32_le(body.len() as u32);
                out.put_slice(body);
            }
        }
    }

    /// None: a kind that this version does not know, or not a frame at all.
    fn read(input: &mut Bytes) -> Option<Self> {
        let kind = input.try_get_u8().ok()?;
        let mut id = || {
            let mut bytes = [0; 16];
            input.try_copy_to_slice(&mut bytes).ok()?;
            Some(Uuid::from_bytes(bytes))
        };
        let hint = match kind {
            1 => return Some(Self::Hello),
            2 => return Some(Self::Missed),
            3 => return Some(Self::Behind(ExecutionId(id()?))),
            4 => Hint::Work,
            5 | 6 => Hint::Job {
                job: JobId(id()?),
                created: kind == 5,
            },
            7 => Hint::Cancel(ExecutionId(id()?)),
            8 => Hint::Access(Access::Everyone),
            9 => Hint::Access(Access::Of(UserId(id()?))),
            10 => Hint::Reads(ExecutionId(id()?)),
            11 => Hint::Unread(ExecutionId(id()?)),
            12 => Hint::Ended(ExecutionId(id()?)),
            13 => {
                let execution = ExecutionId(id()?);
                let length = input.try_get_u32_le().ok()? as usize;
                if length > input.len() {
                    return None;
                }
                Hint::Lines(execution, input.split_to(length))
            }
            14 => Hint::Errand,
            15 => Hint::Reported(id()?),
            16 => Hint::Server(ids::ServerId(id()?)),
            17 => Hint::TerminalWanted,
            18 => Hint::TerminalTold(TerminalId(id()?)),
            19 => Hint::TerminalShown(TerminalId(id()?)),
            _ => return None,
        };
        Some(Self::Hint(hint))
    }
}

/// All frames of a message; what can't be read is something that was missed.
pub fn frames(mut input: Bytes) -> Vec<Frame> {
    let mut out = Vec::new();
    while !input.is_empty() {
        match Frame::read(&mut input) {
            Some(frame) => out.push(frame),
            None => {
                out.push(Frame::Missed);
                break;
            }
        }
    }
    out
}

/// The key that all servers of an installation share, for this use only.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Channels whose last message a sender remembers.
const CHANNELS: usize = 1024;

/// One sender's messages.
pub struct Sealer {
    secret: Secret,
    sender: ServerId,
    number: u64,
    channels: HashMap<Channel, (Aes256Gcm, u64)>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(***)")
    }
}

impl Secret {
    pub fn new(shared: &[u8]) -> Result<Self> {
        let hmac = Hmac::new_from_slice(shared).map_err(Error::internal)?;
        Ok(Self(hmac))
    }

    fn derived(&self, what: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(b"cronium between servers\0");
        mac.update(what);
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Installations that share a Valkey have channels of their own.
    pub fn name(&self, channel: Channel) -> String {
        let id: String = self.derived(b"name\0", &[])[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        match channel {
            Channel::Everyone => format!("cronium:{id}:servers"),
            Channel::To(server) => format!("cronium:{id}:server:{}", server.0),
        }
    }

    fn cipher(&self, sender: ServerId, channel: Channel) -> Aes256Gcm {
        let to = match channel {
            Channel::Everyone => Uuid::nil(),
            Channel::To(server) => server.0,
        };
        let key = self.derived(b"key\0", &[sender.0.as_bytes(), to.as_bytes()]);
        Aes256Gcm::new(&key.into())
    }

    pub fn sealer(&self, sender: ServerId) -> Sealer {
        Sealer {
            secret: self.clone(),
            sender,
            number: 0,
            channels: HashMap::new(),
        }
    }

    /// What opens a sender's messages.
    pub fn opener(&self, sender: ServerId, channel: Channel) -> Opener {
        Opener {
            cipher: self.cipher(sender, channel),
            last: None,
        }
    }
}

fn nonce(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    nonce
}

impl Sealer {
    pub fn seal(&mut self, channel: Channel, frames: &[u8]) -> Result<Vec<u8>> {
        self.number += 1;
        if self.channels.len() >= CHANNELS {
            // Seen as a gap, once for each that is still there.
            self.channels.clear();
        }
        let fresh = || (self.secret.cipher(self.sender, channel), 0);
        let (cipher, before) = self.channels.entry(channel).or_insert_with(fresh);
        let plain = [&before.to_le_bytes(), frames].concat();
        *before = self.number;
        let sealed = cipher.encrypt(&Nonce::from(nonce(self.number)), plain.as_slice());
        let sealed = sealed.map_err(|_| Error::internal("a message could not be sealed"))?;
        let mut out = Vec::with_capacity(HEAD + sealed.len());
        out.put_u8(VERSION);
        out.put_slice(self.sender.0.as_bytes());
        out.put_u64_le(self.number);
        out.put_slice(&sealed);
        Ok(out)
    }
}

/// Who sent a message; None for what is no message of this version.
pub fn sender(message: &[u8]) -> Option<ServerId> {
    let head = message.get(..HEAD)?;
    let id = Uuid::from_slice(&head[1..17]).ok()?;
    (head[0] == VERSION).then_some(ServerId(id))
}

/// Opens one sender's messages of one channel.
pub struct Opener {
    cipher: Aes256Gcm,
    last: Option<u64>,
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener(***)")
    }
}

/// A message that opened.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    pub frames: Vec<Frame>,
    /// Messages before it did not come.
    pub gap: bool,
}

impl Opener {
    /// None: not of this installation, or one that came before.
    pub fn open(&mut self, message: &[u8]) -> Option<Opened> {
        let (head, sealed) = message.split_at_checked(HEAD)?;
        let number = u64::from_le_bytes(head[17..].try_into().ok()?);
        if self.last.is_some_and(|last| number <= last) {
            return None;
        }
        let opened = self.cipher.decrypt(&Nonce::from(nonce(number)), sealed).ok()?;
        let mut opened = Bytes::from(opened);
        let before = opened.try_get_u64_le().ok()?;
        let gap = self.last.is_some_and(|last| before != last);
        self.last = Some(number);
        Some(Opened {
            frames: frames(opened),
            gap,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn all() -> Vec<Frame> {
        let execution = ExecutionId(id(7));
        let job = JobId(id(8));
        let mut all = vec![Frame::Hello, Frame::Missed, Frame::Behind(execution)];
        all.extend(
            [
                Hint::Work,
                Hint::Job { job, created: true },
                Hint::Job { job, created: false },
                Hint::Cancel(execution),
                Hint::Access(Access::Everyone),
                Hint::Access(Access::Of(UserId(id(9)))),
                Hint::Reads(execution),
                Hint::Unread(execution),
                Hint::Lines(execution, Bytes::from_static(b"packed lines")),
                Hint::Lines(execution, Bytes::new()),
                Hint::Ended(execution),
                Hint::Errand,
                Hint::Reported(id(10)),
                Hint::Server(ids::ServerId(id(11))),
                Hint::TerminalWanted,
                Hint::TerminalTold(TerminalId(id(12))),
                Hint::TerminalShown(TerminalId(id(13))),
            ]
            .map(Frame::Hint),
        );
        all
    }

    fn written(frames: &[Frame]) -> Vec<u8> {
        let mut out = Vec::new();
        for frame in frames {
            frame.write(&mut out);
        }
        out
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(frames(written(&all()).into()), all());
    }

    #[test]
    fn a_frame_of_a_later_version_is_something_that_was_missed() {
        let mut bytes = written(&[Frame::Hello]);
        bytes.extend_from_slice(&[200, 1, 2, 3]);
        assert_eq!(frames(bytes.into()), [Frame::Hello, Frame::Missed]);
    }

    #[test]
    fn a_message_opens_once_in_its_channel_and_installation_and_tells_of_a_gap() {
        let secret = Secret::new(b"one installation").ok().unwrap();
        let (one, other) = (ServerId(id(1)), ServerId(id(2)));
        let mut sealer = secret.sealer(one);
        let mut said = |channel| sealer.seal(channel, &written(&all())).ok().unwrap();
        let messages: Vec<_> = (0..4)
            .map(|_| {
                said(Channel::Everyone);
                said(Channel::To(other))
            })
            .collect();
        assert_eq!(sender(&messages[0]), Some(one));
        let mut opener = secret.opener(one, Channel::To(other));
        let opened = opener.open(&messages[0]).unwrap();
        assert_eq!((opened.frames, opened.gap), (all(), false));
        assert_eq!(opener.open(&messages[0]), None, "again");
        assert!(!opener.open(&messages[1]).unwrap().gap);
        assert!(opener.open(&messages[3]).unwrap().gap);
        assert_eq!(opener.open(&messages[2]), None, "after a later one");

        let fresh = |secret: &Secret, sender, channel| secret.opener(sender, channel).open(&messages[0]);
        assert!(fresh(&secret, one, Channel::To(other)).is_some());
        assert_eq!(fresh(&secret, one, Channel::Everyone), None);
        assert_eq!(fresh(&secret, other, Channel::To(other)), None);
        let stranger = Secret::new(b"another installation").ok().unwrap();
        assert_eq!(fresh(&stranger, one, Channel::To(other)), None);
        assert_ne!(stranger.name(Channel::Everyone), secret.name(Channel::Everyone));
        let mut bent = messages[0].clone();
        *bent.last_mut().unwrap() ^= 1;
        assert_eq!(secret.opener(one, Channel::To(other)).open(&bent), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let secret = Secret::new(b"").ok().unwrap();
            prop_assert_eq!(secret.opener(ServerId(id(1)), Channel::Everyone).open(&bytes), None);
            let read = frames(bytes.into());
            prop_assert!(read.len() <= 200);
        }
    }
}
