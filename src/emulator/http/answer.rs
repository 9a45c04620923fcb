//! An answer on its way out: status, headers, and a body that is empty, in memory, or read from disk while it is sent.
//! The request's record is logged when the body has left.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::time::Sleep;

use super::super::contents::Reader;
use super::super::desk::Desk;
use super::super::faults::Fault;
use super::super::refusal::{Form, Refusal};
use super::super::requests::RequestRecord;

/// What a handler answers.
#[derive(Debug)]
pub(in crate::emulator) struct Answer {
    pub(in crate::emulator) status: u16,
    pub(in crate::emulator) headers: HeaderMap,
    pub(in crate::emulator) payload: Payload,
}

#[derive(Debug)]
pub(in crate::emulator) enum Payload {
    Empty,
    Bytes(Bytes),
    Content(Reader),
}

impl Answer {
    pub(in crate::emulator) fn empty(status: u16) -> Answer {
        Answer { status, headers: HeaderMap::new(), payload: Payload::Empty }
    }

    pub(in crate::emulator) fn json(status: u16, value: &Value) -> Answer {
        let mut answer = Answer::empty(status).header("content-type", "application/json");
        answer.payload = Payload::Bytes(Bytes::from(value.to_string()));
        answer
    }

    pub(in crate::emulator) fn ok(value: &Value) -> Answer {
        Answer::json(200, value)
    }

    /// Adds a header; one whose value cannot be sent is left out.
    pub(in crate::emulator) fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Answer {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.append(HeaderName::from_static(name), value);
        }
        self
    }

    /// A listing that has lost its entries.
    pub(in crate::emulator) fn without_entries(mut self) -> Answer {
        if let Payload::Bytes(bytes) = &self.payload
            && let Ok(mut page) = serde_json::from_slice::<Value>(bytes)
        {
            page["entries"] = json!([]);
            page["chunk_size"] = json!(0);
            self.payload = Payload::Bytes(page.to_string().into());
        }
        self
    }

    /// A refusal as Box writes it.
    pub(in crate::emulator) fn refusal(refusal: &Refusal, request_id: &str) -> Answer {
        let mut answer = match refusal.form {
            Form::Empty => Answer::empty(refusal.status),
            Form::OAuth => {
                let body = json!({"error": refusal.code, "error_description": refusal.message});
                Answer::json(refusal.status, &body)
            }
            Form::Object => Answer::json(refusal.status, &error_object(refusal, request_id)),
        };
        for (name, value) in &refusal.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::from_str(value)) {
                answer.headers.append(name, value);
            }
        }
        answer
    }
}

fn error_object(refusal: &Refusal, request_id: &str) -> Value {
    let mut object = json!({
        "type": "error",
        "status": refusal.status,
        "code": refusal.code,
        "help_url": "http://developers.box.com/docs/#errors",
        "message": refusal.message,
        "request_id": request_id,
    });
    if let Some(context) = &refusal.context {
        object["context_info"] = context.clone();
    }
    object
}

/// The body that hyper sends.
pub(in crate::emulator) struct AnswerBody {
    payload: Payload,
    left: u64,
    sent: u64,
    open: Option<OpenRecord>,
    spoil: Option<Spoil>,
}

/// What a fault does to a body.
enum Spoil {
    /// It ends after so many bytes.
    Cut { at: u64, pause: Option<Pin<Box<Sleep>>> },
    /// It comes in small pieces with pauses.
    Drip { bytes_per_second: u64, pause: Option<Pin<Box<Sleep>>>, pending: Bytes },
    /// The byte at this place is wrong.
    Corrupt(u64),
}

/// Long enough for a loopback connection to take what was written.
const FLUSH_PAUSE: Duration = Duration::from_millis(50);
/// Pieces of a dripping body: ten a second.
const DRIPS_A_SECOND: u64 = 10;

/// A record whose end is not known yet.
pub(in crate::emulator) struct OpenRecord {
    pub(in crate::emulator) desk: Arc<Desk>,
    pub(in crate::emulator) record: RequestRecord,
    pub(in crate::emulator) arrived: Instant,
}

impl OpenRecord {
    pub(in crate::emulator) fn close(mut self, bytes_out: u64) {
        self.record.bytes_out = bytes_out;
        self.record.duration_ms = self.arrived.elapsed().as_millis() as u64;
        self.desk.log.add(self.record);
    }
}

impl AnswerBody {
    /// A body in memory is logged at once, so that whoever has the answer finds its record; a long one when it has left.
    pub(in crate::emulator) fn new(payload: Payload, open: OpenRecord, fault: Option<&Fault>) -> AnswerBody {
        let spoil = match fault {
            Some(Fault::Cut { bytes }) => Some(Spoil::Cut { at: *bytes, pause: None }),
            Some(Fault::Corrupt { at }) => Some(Spoil::Corrupt(*at)),
            Some(Fault::Drip { bytes_per_second }) => {
                Some(Spoil::Drip { bytes_per_second: *bytes_per_second, pause: None, pending: Bytes::new() })
            }
            _ => None,
        };
        let left = match &payload {
            Payload::Empty => 0,
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Content(reader) => reader.remaining(),
        };
        let mut body = AnswerBody { payload, left, sent: 0, open: Some(open), spoil };
        if !matches!(body.payload, Payload::Content(_))
            && let Some(open) = body.open.take()
        {
            open.close(left);
        }
        body
    }
}

impl AnswerBody {
    /// The next bytes as they are.
    fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        match &mut self.payload {
            Payload::Empty => Ok(None),
            Payload::Bytes(bytes) => Ok(Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty())),
            Payload::Content(reader) => reader.next_chunk(),
        }
    }

    /// The next bytes as the fault, if any, lets them through.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if let Some(Spoil::Drip { pause: Some(pause), .. }) = &mut self.spoil {
            ready!(pause.as_mut().poll(context));
        }
        if let Some(Spoil::Cut { at, pause }) = &mut self.spoil
            && self.sent >= *at
        {
            // What was let through has to leave before the connection goes.
            let pause = pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(FLUSH_PAUSE)));
            ready!(pause.as_mut().poll(context));
            return Poll::Ready(Err(io::Error::other("cut on purpose")));
        }
        let waiting = match &mut self.spoil {
            Some(Spoil::Drip { pending, .. }) => Some(std::mem::take(pending)).filter(|bytes| !bytes.is_empty()),
            _ => None,
        };
        let next = match waiting {
            Some(bytes) => Some(bytes),
            None => self.next_chunk()?,
        };
        let Some(mut chunk) = next else { return Poll::Ready(Ok(None)) };
        match &mut self.spoil {
            None => {}
            Some(Spoil::Cut { at, .. }) => {
                chunk.truncate(usize::try_from(at.saturating_sub(self.sent)).unwrap_or(usize::MAX));
            }
            Some(Spoil::Corrupt(at)) => {
                let place = at.checked_sub(self.sent).and_then(|place| usize::try_from(place).ok());
                if let Some(place) = place.filter(|place| *place < chunk.len()) {
                    let mut bytes = chunk.to_vec();
                    bytes[place] ^= 1;
                    chunk = bytes.into();
                }
            }
            Some(Spoil::Drip { bytes_per_second, pause, pending }) => {
                let piece = usize::try_from((*bytes_per_second / DRIPS_A_SECOND).max(1)).unwrap_or(usize::MAX);
                if chunk.len() > piece {
                    *pending = chunk.split_off(piece);
                }
                let drop = Duration::from_secs_f64(chunk.len() as f64 / (*bytes_per_second).max(1) as f64);
                *pause = Some(Box::pin(tokio::time::sleep(drop)));
            }
        }
        Poll::Ready(Ok(Some(chunk)))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match ready!(self.poll_chunk(context)) {
            Ok(Some(chunk)) => {
                self.left -= chunk.len() as u64;
                self.sent += chunk.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Ok(None) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.close(self.sent);
        }
    }
}
