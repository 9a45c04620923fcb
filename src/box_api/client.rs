//! The client itself: options, the one loop through which every call goes, and what `status` asks about it.
//!
//! A call waits for its place under the rate limit, gets the token, is sent, watched for stalls and, where the retry table
//! says so, sent again. Redirects are never followed here.

use super::call::{Call, Request, RequestBody};
use super::downloads::Locations;
use super::error::{self, Outcome, Target};
use super::hosts::{Hosts, bad_options};
use super::limits::{ApiLimits, Bandwidth, Limits};
use super::meaning::{ApiError, Meaning};
use super::payload::Sending;
use super::pulse::{Pulse, STALL, watched};
use super::retry::{self, Step, Tries};
use super::tokens::{TokenSource, Tokens};
use super::transport;
use crate::base::{Secret, Timestamp, pause};
use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Response};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How to reach Box.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// `http(s)://HOST:PORT` with all of Box below it; `None`: Box's own hosts.
    pub server: Option<String>,
    /// PEM file with certificate authorities besides the system's.
    pub ca_file: Option<PathBuf>,
    /// `http(s)://[USER:PASSWORD@]HOST:PORT` through which everything goes that is not on this machine; `None`: the one
    /// that the usual variables name, if any.
    pub proxy: Option<Secret>,
    /// Id of the user to act as (API.md 2.6).
    pub as_user: Option<String>,
    pub limits: ApiLimits,
    /// Empty: `boxfs/VERSION`.
    pub user_agent: String,
    /// Bytes per second over all uploads.
    pub upload_limit: Option<u64>,
    /// Bytes per second over all downloads.
    pub download_limit: Option<u64>,
}

/// Box over HTTP. Cheap to clone; all clones share connections, token, limits and counters.
#[derive(Clone)]
pub struct BoxClient {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) wire: Wire,
    tokens: Tokens,
    as_user: Option<String>,
    pub(super) download_line: Option<Arc<Bandwidth>>,
    pub(super) locations: Locations,
}

/// What the token's own calls need too.
#[derive(Clone)]
pub(super) struct Wire {
    http: reqwest::Client,
    pub(super) hosts: Arc<Hosts>,
    pub(super) limits: Arc<Limits>,
    upload_line: Option<Arc<Bandwidth>>,
    /// Box's clock less this machine's, in seconds, as the last answer told it.
    clock_ahead_secs: Arc<Mutex<Option<i64>>>,
}

/// A network that does not answer a SYN in this time is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections are dropped before the usual server's minute is over, so that no call meets one that is being closed.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// Keep-alive probes find a peer that vanished while a long answer is waited for.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Largest answer that is read into memory: a page of 1000 items with every field takes about 2 MB.
const MAX_ANSWER_BYTES: usize = 32 << 20;

impl BoxClient {
    /// # Errors
    /// `BadOptions`: the server's URL, the CA file or the user agent is unusable.
    pub fn new(options: ClientOptions, source: TokenSource) -> Result<BoxClient, ApiError> {
        let wire = Wire::new(&options)?;
        Ok(BoxClient {
            inner: Arc::new(Inner {
                tokens: Tokens::new(source, wire.clone()),
                wire,
                as_user: options.as_user,
                download_line: options.download_limit.map(|rate| Arc::new(Bandwidth::new(rate))),
                locations: Locations::new(),
            }),
        })
    }

    /// Until when Box wants no calls, if it said so.
    pub fn throttled_until(&self) -> Option<Timestamp> {
        self.inner.wire.limits.throttled_until()
    }

    /// By how many seconds Box's clock is ahead of this machine's, once Box has answered anything.
    pub fn clock_ahead_secs(&self) -> Option<i64> {
        self.inner.wire.clock_ahead_secs()
    }

    /// How often each kind of call was sent since the client was made.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.inner.wire.limits.calls()
    }

    pub(super) fn hosts(&self) -> &Hosts {
        &self.inner.wire.hosts
    }

    /// Makes a call and reads its answer whole.
    pub(super) async fn send(&self, call: &Call, request: &Request) -> Result<Answer, ApiError> {
        let mut tries = Tries::default();
        loop {
            let token = self.token(call, request).await?;
            let answer = match self.try_once(call, request, token.as_ref()).await {
                Ok((Outcome::Elsewhere, _)) => {
                    Err(transport::intercepted(call.name, "a redirect where an answer belongs"))
                }
                Ok((outcome, response)) => read_whole(call, outcome, response).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => self.before_next(call, error, token.as_ref(), &mut tries).await?,
            }
        }
    }

    /// Makes a call and leaves the body of its answer to be read.
    pub(super) async fn open(&self, call: &Call, request: &Request) -> Result<(Outcome, Response), ApiError> {
        let mut tries = Tries::default();
        loop {
            let token = self.token(call, request).await?;
            match self.try_once(call, request, token.as_ref()).await {
                Ok(opened) => return Ok(opened),
                Err(error) => self.before_next(call, error, token.as_ref(), &mut tries).await?,
            }
        }
    }

    /// The token for a request that carries one, if its host may see it.
    async fn token(&self, call: &Call, request: &Request) -> Result<Option<Secret>, ApiError> {
        if !request.with_token {
            return Ok(None);
        }
        if !self.hosts().reach.allows(&request.url) {
            let host = request.url.host_str().unwrap_or_default();
            let text = format!("an answer named the host '{host}', which must not see the token");
            return Err(ApiError::new(call.name, Meaning::BadAnswer, text));
        }
        self.inner.tokens.bearer().await.map(Some)
    }

    async fn try_once(
        &self,
        call: &Call,
        request: &Request,
        token: Option<&Secret>,
    ) -> Result<(Outcome, Response), ApiError> {
        let mut headers = Vec::new();
        if let Some(token) = token {
            headers.push(("authorization", format!("Bearer {}", token.reveal())));
            headers.extend(self.inner.as_user.iter().map(|id| ("as-user", id.clone())));
        }
        self.inner.wire.try_once(call, request, headers).await
    }

    /// Prepares the next try, or gives the error back.
    async fn before_next(
        &self,
        call: &Call,
        error: ApiError,
        token: Option<&Secret>,
        tries: &mut Tries,
    ) -> Result<(), ApiError> {
        tries.failed += 1;
        match (self.inner.wire.step(call, &error, *tries), token) {
            (Step::Again { after }, _) => pause(after).await,
            (Step::AgainWithFreshToken, Some(token)) if self.inner.tokens.can_renew() => {
                tries.refreshed = true;
                self.inner.tokens.renew(Some(token)).await?;
            }
            (Step::AgainWithFreshToken | Step::GiveUp, _) => return Err(error),
        }
        Ok(())
    }
}

impl Wire {
    pub(super) fn new(options: &ClientOptions) -> Result<Wire, ApiError> {
        let hosts = Hosts::new(options.server.as_deref())?;
        Ok(Wire {
            http: http_client(options, &hosts)?,
            hosts: Arc::new(hosts),
            limits: Arc::new(Limits::new(options.limits)),
            upload_line: options.upload_limit.map(|rate| Arc::new(Bandwidth::new(rate))),
            clock_ahead_secs: Arc::default(),
        })
    }

    pub(super) fn clock_ahead_secs(&self) -> Option<i64> {
        *self.clock_ahead_secs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time by Box's clock, as far as Box has told it; else by this machine's.
    pub(super) fn now_at_box(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp { secs: now.secs.saturating_add(self.clock_ahead_secs().unwrap_or(0)), ..now }
    }

    /// Whether anything answers there; what it says does not matter.
    pub(super) async fn get(&self, url: &str) -> Result<(), reqwest::Error> {
        self.http.get(url).send().await.map(drop)
    }

    fn learn_time(&self, headers: &HeaderMap) {
        let told = error::text_header(headers, "date").and_then(Timestamp::parse_http_date);
        if let Some(told) = told {
            let ahead = told.secs.saturating_sub(Timestamp::now().secs);
            *self.clock_ahead_secs.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
        }
    }

    /// Waits for its turn, sends once, and turns a refusal into an error.
    pub(super) async fn try_once(
        &self,
        call: &Call,
        request: &Request,
        extra: Vec<(&'static str, String)>,
    ) -> Result<(Outcome, Response), ApiError> {
        self.limits.admit(call.class, call.name).await?;
        let start = Instant::now();
        let result = self.exchange(call, request, extra).await;
        let ms = start.elapsed().as_millis();
        match &result {
            Ok((_, response)) => {
                log::debug!("{} {}: {} in {ms} ms", request.method, call.path, response.status().as_u16());
            }
            Err(error) => log::debug!("{} {}: {error} in {ms} ms", request.method, call.path),
        }
        result
    }

    async fn exchange(
        &self,
        call: &Call,
        request: &Request,
        extra: Vec<(&'static str, String)>,
    ) -> Result<(Outcome, Response), ApiError> {
        let pulse = Arc::new(Pulse::new());
        let mut builder = self.http.request(request.method.clone(), request.url.clone());
        for (name, value) in request.headers.iter().cloned().chain(extra) {
            builder = builder.header(name, value);
        }
        let (builder, sending) = self.with_body(builder, &request.body, &pulse);
        let response = match watched(builder.send(), &pulse, call.patience).await {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(transport::failed(call.name, error)),
            None => Err(ApiError::new(call.name, Meaning::OutcomeUnknown, "the connection stood still")),
        };
        let result = match response {
            Ok(response) => self.judge(call, response).await,
            Err(error) => Err(error),
        };
        result.map_err(|error| failed_body(call, error, sending.as_deref()))
    }

    fn with_body(
        &self,
        builder: reqwest::RequestBuilder,
        body: &RequestBody,
        pulse: &Arc<Pulse>,
    ) -> (reqwest::RequestBuilder, Option<Arc<Sending>>) {
        match body {
            RequestBody::Empty => {
                pulse.all_sent();
                (builder, None)
            }
            RequestBody::Bytes { content_type, bytes } => {
                pulse.all_sent();
                (builder.header("content-type", *content_type).body(bytes.clone()), None)
            }
            RequestBody::File { content_type, body } => {
                let (stream, sending) = body.open(Arc::clone(pulse), self.upload_line.clone());
                let builder = builder
                    .header("content-type", content_type)
                    .header("content-length", body.total_len())
                    .body(stream);
                (builder, Some(sending))
            }
        }
    }

    async fn judge(&self, call: &Call, response: Response) -> Result<(Outcome, Response), ApiError> {
        self.learn_time(response.headers());
        match error::outcome_of(response.status()) {
            Outcome::Failed => {
                let (status, headers) = (response.status(), response.headers().clone());
                let body = read_bytes(call.name, response, MAX_ERROR_BYTES).await.unwrap_or_default();
                Err(error::refusal(call.name, call.target, status, &headers, &body))
            }
            outcome => Ok((outcome, response)),
        }
    }

    /// The retry table's word on `error`; a 429 also pauses its class.
    pub(super) fn step(&self, call: &Call, error: &ApiError, tries: Tries) -> Step {
        if error.status.is_some() && matches!(error.meaning, Meaning::Throttled { .. }) {
            self.limits.pause(call.class, error);
        }
        retry::step(call.repeat, error, tries, fastrand::f64())
    }
}

/// Largest error body that is read; Box's are under 2 kB.
const MAX_ERROR_BYTES: usize = 256 << 10;

/// An upload that failed takes its bytes out of the progress, and says so if it was our file's fault.
fn failed_body(call: &Call, error: ApiError, sending: Option<&Sending>) -> ApiError {
    let Some(sending) = sending else { return error };
    sending.take_back();
    match sending.trouble() {
        Some(text) if error.status.is_none() => ApiError::new(call.name, Meaning::LocalFile, text),
        _ => error,
    }
}

/// An answer that was read whole.
pub(super) struct Answer {
    call: &'static str,
    pub outcome: Outcome,
    pub headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| error::bad_answer(self.call, &error))
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        error::retry_after(&self.headers)
    }
}

pub(super) async fn read_whole(call: &Call, outcome: Outcome, response: Response) -> Result<Answer, ApiError> {
    let headers = response.headers().clone();
    if error::is_page(&headers) && !matches!(call.target, Target::Content) {
        return Err(transport::intercepted(call.name, "a web page where an answer belongs"));
    }
    let body = read_bytes(call.name, response, MAX_ANSWER_BYTES).await?;
    Ok(Answer { call: call.name, outcome, headers, body })
}

pub(super) async fn read_bytes(call: &'static str, mut response: Response, limit: usize) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = next_chunk(call, &mut response).await? {
        if body.len() + chunk.len() > limit {
            return Err(ApiError::new(call, Meaning::BadAnswer, format!("more than {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The next bytes of an answer; a connection that stands still is an error.
pub(super) async fn next_chunk(call: &'static str, response: &mut Response) -> Result<Option<Bytes>, ApiError> {
    match tokio::time::timeout(STALL, response.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => Err(transport::failed(call, error)),
        Err(_) => Err(ApiError::new(call, Meaning::OutcomeUnknown, "the connection stood still")),
    }
}

fn http_client(options: &ClientOptions, hosts: &Hosts) -> Result<reqwest::Client, ApiError> {
    let agent = match options.user_agent.as_str() {
        "" => concat!("boxfs/", env!("CARGO_PKG_VERSION")),
        agent => agent,
    };
    // Refused when another client of this process has set it already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(agent)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        // One connection per transfer: parallel parts would share one window over HTTP/2.
        .http1_only()
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE / 3)
        .tcp_keepalive_retries(3);
    if hosts.is_local() {
        builder = builder.no_proxy();
    } else if let Some(proxy) = &options.proxy {
        // The parser's message could quote the password.
        let all = reqwest::Proxy::all(proxy.reveal()).map_err(|_| bad_options("the proxy is not an http(s):// URL"))?;
        builder = builder.proxy(all.no_proxy(reqwest::NoProxy::from_env()));
    }
    if let Some(path) = &options.ca_file {
        builder = builder.tls_certs_merge(read_certificates(path)?);
    }
    builder.build().map_err(|error| transport::failed("options", error))
}

fn read_certificates(path: &Path) -> Result<Vec<Certificate>, ApiError> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|error| bad_options(&format!("CA file {shown}: {error}")))?;
    let certificates = Certificate::from_pem_bundle(&pem)
        .map_err(|_| bad_options(&format!("CA file {shown} holds no certificates in PEM form")))?;
    if certificates.is_empty() {
        return Err(bad_options(&format!("CA file {shown} holds no certificates in PEM form")));
    }
    Ok(certificates)
}
