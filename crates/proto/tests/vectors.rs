//! The vectors that every implementation reads, both ways.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use emerge_proto::account::{GroupInfo, QuotaInfo, TokenInfo, UserInfo};
use emerge_proto::class::{decode, encode};
use emerge_proto::frame::{Frame, decode_message, encode_frame};
use emerge_proto::query::{IndexInfo, Matches, Plan};
use emerge_proto::record::{
    Called, ClassInfo, Copied, Fetched, MemberCalled, Mixed, Page, Stat, Stored, VersionInfo,
};
use emerge_proto::transaction::{Ended, Transaction};
use emerge_proto::value::{Value, check};
use emerge_proto::version::Diff;
use emerge_proto::watch::Change;
use emerge_proto::{ClassVersion, Error, ErrorCode};
use serde_json::Value as Json;

fn cases(text: &str) -> Vec<Json> {
    match serde_json::from_str(text).unwrap() {
        Json::Array(cases) => cases,
        _ => panic!("a vector file is a list"),
    }
}

fn bytes(case: &Json) -> Vec<u8> {
    let hex = case["hex"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn read_only(case: &Json) -> bool {
    case["read_only"] == true
}

fn check_error(case: &Json, error: &Error) {
    let name = &case["name"];
    assert_eq!(Some(error.code), ErrorCode::parse(case["code"].as_str().unwrap()), "{name}: {error}");
    if let Some(field) = case["field"].as_str() {
        assert_eq!(error.field.as_deref(), Some(field), "{name}: {error}");
    }
}

#[test]
fn values() {
    let cases = cases(include_str!("../vectors/values.json"));
    assert!(cases.len() >= 120);
    for case in &cases {
        let (name, bytes) = (&case["name"], bytes(case));
        let value = Value::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(value.to_json().to_string(), case["json"].to_string(), "{name}: decoded");
        assert_eq!(
            Value::from_json(&case["json"]).unwrap().encode() == bytes,
            !read_only(case),
            "{name}: encoded"
        );
    }
    println!("{} values", cases.len());
}

/// Whatever is cut off the end of a value, or stands after it, makes it no value.
#[test]
fn cut_values() {
    for case in cases(include_str!("../vectors/values.json")) {
        let mut bytes = bytes(&case);
        for end in 0..bytes.len() {
            let error = Value::decode(&bytes[..end]).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadFrame, "{} cut at {end}", case["name"]);
            assert_eq!(check(&bytes[..end]).unwrap_err(), error, "{} cut at {end}", case["name"]);
        }
        bytes.push(0);
        assert!(Value::decode(&bytes).unwrap_err().message.contains("1 bytes follow"), "{}", case["name"]);
    }
}

#[test]
fn bad_values() {
    let cases = cases(include_str!("../vectors/bad-values.json"));
    for case in &cases {
        let bytes = bytes(case);
        let Err(error) = Value::decode(&bytes) else { panic!("{}: was read", case["name"]) };
        check_error(case, &error);
        assert_eq!(check(&bytes).unwrap_err(), error, "{}", case["name"]);
    }
    println!("{} bad values", cases.len());
}

fn kind(frame: &Frame) -> &'static str {
    match frame {
        Frame::Hello(_) => "hello",
        Frame::Request(_) => "request",
        Frame::Cancel { .. } => "cancel",
        Frame::Credit { .. } => "credit",
        Frame::Ack { .. } => "ack",
        Frame::Bye => "bye",
        Frame::Ping { .. } => "ping",
        Frame::Pong { .. } => "pong",
        Frame::Welcome(_) => "welcome",
        Frame::Result { .. } => "result",
        Frame::Item { .. } => "item",
        Frame::Push { .. } => "push",
        Frame::Close { .. } => "close",
    }
}

#[test]
fn frames() {
    let cases = cases(include_str!("../vectors/frames.json"));
    let mut message = Vec::new();
    for case in &cases {
        let (name, bytes) = (&case["name"], bytes(case));
        // A frame is also a value, so its members can be shown as JSON by their places.
        assert_eq!(Value::decode(&bytes).unwrap().to_json().to_string(), case["json"].to_string(), "{name}");
        let frames = decode_message(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let [frame] = &frames[..] else { panic!("{name}: {} frames", frames.len()) };
        assert_eq!(kind(frame), case["frame"], "{name}");
        if let Frame::Request(request) = frame {
            assert_eq!(request.op.name(), case["op"], "{name}");
        }
        let mut written = Vec::new();
        encode_frame(frame, &mut written);
        assert_eq!(written == bytes, !read_only(case), "{name}: {written:02x?}");
        assert_eq!(decode_message(&written).unwrap(), frames, "{name}");
        for end in 0..bytes.len() {
            let error = decode_message(&bytes[..end]).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadFrame, "{name} cut at {end}");
        }
        message.extend_from_slice(&bytes);
    }
    assert_eq!(decode_message(&message).unwrap().len(), cases.len(), "all in one message");
    println!("{} frames", cases.len());
}

#[test]
fn records() {
    let cases = cases(include_str!("../vectors/records.json"));
    for case in &cases {
        let (name, bytes) = (&case["name"], bytes(case));
        assert_eq!(Value::decode(&bytes).unwrap().to_json().to_string(), case["json"].to_string(), "{name}");
        macro_rules! again {
            ($record:ty) => {
                encode(&decode::<$record>(&bytes).unwrap_or_else(|error| panic!("{name}: {error}")))
            };
        }
        let written = match case["record"].as_str().unwrap() {
            "stat" => again!(Stat),
            "fetched" => again!(Fetched),
            "stored" => again!(Stored),
            "page" => again!(Page),
            "diff" => again!(Diff),
            "mixed" => again!(Mixed),
            "matches" => again!(Matches),
            "plan" => again!(Plan),
            "index" => again!(IndexInfo),
            "history" => again!(Vec<VersionInfo>),
            "users" => again!(Vec<UserInfo>),
            "groups" => again!(Vec<GroupInfo>),
            "tokens" => again!(Vec<TokenInfo>),
            "quotas" => again!(Vec<QuotaInfo>),
            "copied" => again!(Copied),
            "called" => again!(Called),
            "member" => again!(MemberCalled),
            "class_version" => again!(ClassVersion),
            "transaction" => again!(Transaction),
            "ended" => again!(Ended),
            "change" => again!(Change),
            "class_info" => again!(ClassInfo),
            other => panic!("{name}: the record {other} is unknown"),
        };
        assert_eq!(written == bytes, !read_only(case), "{name}: {written:02x?}");
    }
    println!("{} records", cases.len());
}

#[test]
fn bad_messages() {
    let cases = cases(include_str!("../vectors/bad-messages.json"));
    for case in &cases {
        let Err(error) = decode_message(&bytes(case)) else { panic!("{}: was read", case["name"]) };
        check_error(case, &error);
    }
    println!("{} bad messages", cases.len());
}
