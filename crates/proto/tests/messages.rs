//! Limits of messages, and what one peer may send that the other does not know.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use emerge_proto::frame::{Frame, Heard, decode_message, encode_frame, receive};
use emerge_proto::record::Stored;
use emerge_proto::{ErrorCode, ObjectId, class, limits};

fn message(frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    let mut message = Vec::new();
    frames.into_iter().for_each(|frame| encode_frame(&frame, &mut message));
    message
}

#[test]
fn a_message_has_a_limit_of_bytes() {
    let item = |bytes: usize| message([Frame::Item { seq: 1, value: vec![0; bytes], cursor: String::new() }]);
    let over = item(limits::MAX_MESSAGE).len() - limits::MAX_MESSAGE;
    assert!(decode_message(&item(limits::MAX_MESSAGE - over)).is_ok());
    let error = decode_message(&item(limits::MAX_MESSAGE - over + 1)).unwrap_err();
    assert_eq!((error.code, error.limit), (ErrorCode::TooLarge, Some(limits::MAX_MESSAGE as u64)));
}

#[test]
fn a_message_has_a_limit_of_frames() {
    let acks = |count: usize| message((0..count).map(|_| Frame::Bye));
    assert_eq!(
        decode_message(&acks(limits::MAX_FRAMES_IN_MESSAGE)).unwrap().len(),
        limits::MAX_FRAMES_IN_MESSAGE
    );
    let error = decode_message(&acks(limits::MAX_FRAMES_IN_MESSAGE + 1)).unwrap_err();
    assert_eq!(
        (error.code, error.limit),
        (ErrorCode::LimitExceeded, Some(limits::MAX_FRAMES_IN_MESSAGE as u64))
    );
}

/// One byte each on the wire, a `String` each in memory: the items of a message are counted before they are built.
#[test]
fn a_message_has_a_limit_of_items() {
    let mut removed = vec![0x82, 0x01, 0x81, 0x83, 0x01, 0x00, 0x82, 0x01, 0x86, 0x61, b'/', 0x50];
    removed.extend_from_slice(&[0; 16]);
    removed.extend_from_slice(&[0x41, 0xa0, 0x02, 0xf6, 0x9a]);
    let count = limits::MAX_ITEMS_IN_MESSAGE as u32;
    removed.extend_from_slice(&count.to_be_bytes());
    removed.resize(removed.len() + count as usize, 0x60);
    let error = decode_message(&removed).unwrap_err();
    assert_eq!((error.code, error.limit), (ErrorCode::LimitExceeded, Some(u64::from(count))));
}

#[test]
fn a_fault_says_where_it_is() {
    let mut bytes = message([Frame::Bye, Frame::Ack { through: 5 }]);
    let at = bytes.len();
    bytes.extend_from_slice(&[0x82, 0x18, 0x63, 0x80]);
    let error = decode_message(&bytes).unwrap_err();
    assert_eq!(error.code, ErrorCode::UnknownFrame);
    assert!(
        error.message.contains("99") && error.message.contains(&format!("frame 2, at byte {at}")),
        "{error}"
    );
}

/// What stands after the members that this side knows is skipped, however it is nested, without recursion.
#[test]
fn later_members_are_skipped() {
    let stored = Stored { id: ObjectId([1; 16]), version: 2, modified: 3 };
    let mut bytes = class::encode(&stored);
    assert_eq!(bytes[0], 0x83);
    bytes[0] = 0x84;
    bytes.extend(std::iter::repeat_n(0x81, 1_000_000));
    bytes.push(0x00);
    assert_eq!(class::decode::<Stored>(&bytes).unwrap(), stored);
}

#[test]
fn nothing_may_follow_a_record() {
    let mut bytes = class::encode(&Stored { id: ObjectId([1; 16]), version: 2, modified: 3 });
    bytes.push(0);
    assert!(class::decode::<Stored>(&bytes).unwrap_err().message.contains("1 bytes follow"));
}

/// `[1, [[seq, acknowledged, op]]]`.
fn request(op: &[u8]) -> Vec<u8> {
    [&[0x82, 0x01, 0x81, 0x83, 0x07, 0x03], op].concat()
}

#[test]
fn what_is_wrong_within_a_request_is_its_own() {
    let ping = [0x82, 0x06, 0x81, 0x05];
    // Of a stat with a number for its path, of an operation that there is not, of one that is no operation.
    let wrong: [(&[u8], ErrorCode); 4] = [
        (&[0x82, 0x03, 0x81, 0xf5], ErrorCode::BadFrame),
        (&[0x82, 0x19, 0x27, 0x0f, 0x80], ErrorCode::Unsupported),
        (&[0x05], ErrorCode::BadFrame),
        (&[0x82, 0x18, 0x20, 0x83, 0x05, 0x05, 0xf4], ErrorCode::BadFrame),
    ];
    for (op, code) in wrong {
        let message = [&request(op)[..], &ping].concat();
        let heard = receive(&message).unwrap();
        let [Heard::Refused { seq: 7, acknowledged: 3, error }, Heard::Frame(Frame::Ping { token: 5 })] =
            &heard[..]
        else {
            panic!("{heard:?}")
        };
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains("frame 0"), "{error}");
        assert_eq!(&decode_message(&message).unwrap_err(), error);
    }
    // Without its number, and when it is cut short, it is the message's.
    for message in
        [&[0x82, 0x01, 0x81, 0x83, 0xf4, 0x03, 0x05][..], &[0x82, 0x01, 0x81, 0x07], &request(&[0x82, 0x03])]
    {
        assert_eq!(receive(&[&ping, message].concat()).unwrap_err().code, ErrorCode::BadFrame);
    }
}
