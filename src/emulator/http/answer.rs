//! An answer on its way out: status, headers, and a body that is empty, in memory, or read from disk while it is sent.
//! The request's record is logged when the body has left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::super::contents::Reader;
use super::super::desk::Desk;
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
}

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
    pub(in crate::emulator) fn new(payload: Payload, open: OpenRecord) -> AnswerBody {
        let left = match &payload {
            Payload::Empty => 0,
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Content(reader) => reader.remaining(),
        };
        let mut body = AnswerBody { payload, left, sent: 0, open: Some(open) };
        if !matches!(body.payload, Payload::Content(_))
            && let Some(open) = body.open.take()
        {
            open.close(left);
        }
        body
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let chunk = match &mut self.payload {
            Payload::Empty => None,
            Payload::Bytes(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Payload::Content(reader) => match reader.next_chunk() {
                Ok(chunk) => chunk.map(Bytes::from),
                Err(error) => return Poll::Ready(Some(Err(error))),
            },
        };
        let Some(chunk) = chunk else { return Poll::Ready(None) };
        self.left -= chunk.len() as u64;
        self.sent += chunk.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(chunk))))
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
