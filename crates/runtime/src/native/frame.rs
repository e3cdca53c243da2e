//! What the node and a worker say to each other: frames of a kind, a length and so many bytes. What a worker says is hostile.

use emerge_proto::{Error, ErrorCode, Result, limits};

/// Bytes before a frame's body: its kind, and the length of the body (little-endian).
pub(super) const HEADER: usize = 5;

/// What the node tells a worker, or the parent of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Order {
    /// To the parent: what it is made of.
    Boot = 1,
    /// To the parent: fork a worker.
    Fork = 2,
    /// To a worker: a class version and those that it needs.
    Load = 3,
    /// To a worker: the seed of the randomness, and a call.
    Call = 4,
    /// To a worker: whether what it asked for was done, and the reply.
    Reply = 5,
    /// To a worker: the bounds of its memory; then it is to shut itself off.
    Shut = 6,
}

/// What a worker says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The work is done: its output.
    Done(Vec<u8>),
    /// It asks the host, as the guest in the sandbox does.
    Ask { what: u32, input: Vec<u8>, more: Vec<u8> },
    /// A line of the log.
    Log(String),
    /// It, or the parent of all, is ready; JSON.
    Ready(Vec<u8>),
    /// It could not be made ready; JSON.
    Failed(Vec<u8>),
}

const DONE: u8 = 65;
const ASK: u8 = 66;
const LOG: u8 = 67;
const READY: u8 = 68;
const FAILED: u8 = 69;

/// Writes a frame.
pub(super) fn frame(order: Order, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Vec::with_capacity(HEADER + len);
    bytes.push(order as u8);
    bytes.extend_from_slice(&(len as u32).to_le_bytes());
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// The kind of a frame, and the bytes of its body.
///
/// # Errors
/// `too_large`.
pub(super) fn header(bytes: [u8; HEADER]) -> Result<(u8, usize)> {
    let [kind, len @ ..] = bytes;
    let len = u32::from_le_bytes(len) as usize;
    if len > limits::MAX_NATIVE_FRAME {
        let why = format!(
            "what the method gives or asks for is {len} bytes; the limit is {}",
            limits::MAX_NATIVE_FRAME
        );
        return Err(Error::new(ErrorCode::TooLarge, why).limit(limits::MAX_NATIVE_FRAME as u64));
    }
    Ok((kind, len))
}

/// Reads the body of a frame.
///
/// # Errors
/// `method_failed`: only a method that took the worker over says anything else.
pub(super) fn said(kind: u8, mut body: Vec<u8>) -> Result<Said> {
    match kind {
        DONE => Ok(Said::Done(body)),
        READY => Ok(Said::Ready(body)),
        FAILED => Ok(Said::Failed(body)),
        LOG => Ok(Said::Log(String::from_utf8_lossy(&body).into_owned())),
        ASK => {
            let (Some(what), Some(len)) = (number(&body, 0), number(&body, 4)) else { return Err(garbled()) };
            let end =
                8usize.checked_add(len as usize).filter(|end| *end <= body.len()).ok_or_else(garbled)?;
            let more = body.split_off(end);
            body.drain(..8);
            Ok(Said::Ask { what, input: body, more })
        }
        _ => Err(garbled()),
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// The error of a worker that says what none of ours says.
pub(super) fn garbled() -> Error {
    Error::new(ErrorCode::MethodFailed, "the method broke the Python that runs it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_a_worker_says_is_read_or_refused(kind: u8, body in prop::collection::vec(any::<u8>(), 0..200)) {
            let len = body.len();
            match said(kind, body) {
                Ok(Said::Ask { input, more, .. }) => prop_assert_eq!(input.len() + more.len() + 8, len),
                Ok(Said::Done(kept) | Said::Ready(kept) | Said::Failed(kept)) => prop_assert_eq!(kept.len(), len),
                Ok(Said::Log(_)) => prop_assert_eq!(kind, LOG),
                Err(error) => prop_assert_eq!(error.code, ErrorCode::MethodFailed),
            }
        }

        #[test]
        fn a_header_gives_what_a_frame_was_made_of(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let made = frame(Order::Call, &[&body[..body.len() / 2], &body[body.len() / 2..]]);
            let (kind, len) = header(*made.first_chunk().unwrap()).unwrap();
            prop_assert_eq!((kind, len), (Order::Call as u8, body.len()));
            prop_assert_eq!(&made[HEADER..], &body[..]);
        }

        #[test]
        fn a_length_is_bounded(kind: u8, len in limits::MAX_NATIVE_FRAME as u32 + 1..) {
            let [a, b, c, d] = len.to_le_bytes();
            prop_assert_eq!(header([kind, a, b, c, d]).unwrap_err().code, ErrorCode::TooLarge);
        }
    }
}
