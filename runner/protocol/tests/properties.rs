//! What holds for any bytes: frames and blocks come back as they went in, damage is reported and passed
//! by, and nothing panics.

use cronium_protocol::frame::{FrameError, FrameReader, MAX_FRAME, ToRunner, encode};
use cronium_protocol::log::{BlockError, Line, LogBlock, Stream};
use cronium_protocol::manifest::{Manifest, Refusal, sign};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

type Read = Result<ToRunner, FrameError>;

fn read_all(reader: &mut FrameReader, bytes: &[u8]) -> Vec<Read> {
    reader.push(bytes);
    std::iter::from_fn(|| reader.next()).collect()
}

fn any_frame() -> impl Strategy<Value = ToRunner> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..600);
    prop_oneof![
        (bytes(), bytes(), bytes()).prop_map(|(manifest, signature, archive)| ToRunner::Payload {
            manifest,
            signature,
            archive
        }),
        any::<u64>().prop_map(|seq| ToRunner::Ack { seq }),
        Just(ToRunner::Ping),
    ]
}

fn any_block() -> impl Strategy<Value = LogBlock> {
    let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr), Just(Stream::System)];
    let lines = prop::collection::vec((any::<i64>(), stream, ".{0,40}"), 0..20);
    (0..u64::MAX / 2, lines).prop_map(|(first, lines)| LogBlock {
        lines: lines
            .into_iter()
            .zip(first..)
            .map(|((at_us, stream, text), seq)| Line {
                seq,
                at_us,
                stream,
                text,
            })
            .collect(),
    })
}

proptest! {
    #[test]
    fn frames_come_back_however_the_stream_is_cut(
        frames in prop::collection::vec(any_frame(), 0..5),
        piece in 1usize..300,
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|f| encode(f).unwrap()).collect();
        let mut reader = FrameReader::default();
        let read: Vec<Read> = bytes.chunks(piece).flat_map(|b| read_all(&mut reader, b)).collect();
        prop_assert_eq!(read, frames.into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn after_garbage_the_next_frame_is_found(
        garbage in prop::collection::vec(any::<u8>(), 0..400),
        frame in any_frame(),
    ) {
        let mut reader = FrameReader::default();
        let noise = read_all(&mut reader, &garbage);
        prop_assert!(noise.iter().all(Result::is_err));
        // A new writer begins with a delimiter.
        let mut bytes = vec![0];
        bytes.extend(encode(&frame).unwrap());
        prop_assert_eq!(read_all(&mut reader, &bytes).pop(), Some(Ok(frame)));
    }

    #[test]
    fn a_changed_byte_never_passes(frame in any_frame(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = encode(&frame).unwrap();
        let at = at.index(bytes.len() - 1);
        bytes[at] ^= flip;
        let read = read_all(&mut FrameReader::default(), &bytes);
        prop_assert!(read.iter().all(Result::is_err), "{:?}", read);
    }

    #[test]
    fn log_blocks_come_back(block in any_block()) {
        prop_assert_eq!(LogBlock::decode(&block.encode()), Ok(block));
    }

    #[test]
    fn random_bytes_are_no_log_block_and_no_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(LogBlock::decode(&bytes));
        bytes.insert(0, 0xB1);
        if let Ok(block) = LogBlock::decode(&bytes) {
            prop_assert_eq!(LogBlock::decode(&block.encode()), Ok(block));
        }
    }

    #[test]
    fn a_block_cut_short_is_refused(block in any_block(), at in any::<prop::sample::Index>()) {
        let bytes = block.encode();
        prop_assert!(LogBlock::decode(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn signed_garbage_is_malformed_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let open = Manifest::open(&bytes, &sign(&bytes, &key), &key.verifying_key(), "t", 0);
        prop_assert!(matches!(open, Err(Refusal::Malformed(_))), "{:?}", open);
    }
}

#[test]
fn too_large_a_frame_is_reported_once_and_passed_by() {
    let mut reader = FrameReader::default();
    let mut errors = Vec::new();
    for _ in 0..20 {
        errors.extend(read_all(&mut reader, &vec![1; 1 << 20]));
    }
    assert_eq!(errors, [Err(FrameError::TooLarge)]);
    let mut bytes = vec![1, 0];
    bytes.extend(encode(&ToRunner::Ping).unwrap());
    assert_eq!(read_all(&mut reader, &bytes), [Ok(ToRunner::Ping)]);
    let archive = vec![1; MAX_FRAME];
    let huge = ToRunner::Payload {
        manifest: Vec::new(),
        signature: Vec::new(),
        archive,
    };
    assert_eq!(encode(&huge).unwrap_err(), FrameError::TooLarge);
}

#[test]
fn a_huge_count_asks_for_no_memory() {
    let mut bytes = vec![0xB1, 1];
    bytes.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    bytes.extend([0; 20]);
    assert_eq!(LogBlock::decode(&bytes), Err(BlockError::Short));
}
