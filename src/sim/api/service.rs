//! The server as the service under a [`kube::Client`].

use std::io;
use std::sync::PoisonError;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;

use super::ApiServer;
use super::fault::{Fault, Passage, RequestRecord};
use super::request::Verb;
use super::route::{Incoming, Reply};
use super::status_error::StatusError;

/// A client of `server` whose requests are recorded under the name `caller`.
pub(super) fn client(server: ApiServer, caller: String) -> kube::Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (server, caller) = (server.clone(), caller.clone());
        async move { answer(&server, caller, request).await }
    });
    kube::Client::new(service, "default")
}

async fn answer(
    server: &ApiServer,
    caller: String,
    request: Request<Body>,
) -> Result<Response<Body>, io::Error> {
    let incoming = read(request).await?;
    let record = RequestRecord {
        caller,
        verb: incoming.verb,
        path: incoming.path.clone(),
        query: incoming.query.clone(),
        preconditions: incoming.preconditions(),
        dry_run: incoming.is_dry_run(),
        status: 0,
    };
    let gate = server
        .gate
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let turnstile = server
        .turnstile
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let mut fault = gate.and_then(|gate| gate(&record));
    if let (None, Some(turnstile)) = (&fault, &turnstile) {
        let passage = Passage {
            record: record.clone(),
            carried_out: false,
        };
        fault = turnstile(passage).await;
    }
    let (reply, lost) = meet(server, &incoming, record.clone(), fault).await?;
    if let Some(turnstile) = turnstile {
        let passage = Passage {
            record: RequestRecord {
                status: reply.status,
                ..record
            },
            carried_out: true,
        };
        match turnstile(passage).await {
            None => {}
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(_) => return Err(reset()),
        }
    }
    if lost { Err(reset()) } else { respond(reply) }
}

/// Carries a request out, or lets it meet its fault; answers also whether the answer is to be lost.
async fn meet(
    server: &ApiServer,
    incoming: &Incoming,
    record: RequestRecord,
    fault: Option<Fault>,
) -> Result<(Reply, bool), io::Error> {
    match fault {
        None => Ok((server.carry_out(incoming, record), false)),
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            Ok((server.carry_out(incoming, record), false))
        }
        Some(Fault::Status {
            code,
            reason,
            retry_after,
        }) => {
            let mut error =
                StatusError::new(code, &reason, "the server does not carry this out now");
            if let Some(seconds) = retry_after {
                error = error.with_retry_after(seconds);
            }
            let reply = Reply::refusal(&error);
            server.state().record(record, code);
            Ok((reply, false))
        }
        Some(Fault::Refuse) => {
            server.state().record(record, 0);
            Err(io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "connection refused",
            ))
        }
        Some(Fault::DropReplyAfterEffect) => Ok((server.carry_out(incoming, record), true)),
    }
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer")
}

async fn read(request: Request<Body>) -> Result<Incoming, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes()
        .to_vec();
    let header = |name: http::HeaderName| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let content_type = header(http::header::CONTENT_TYPE);
    let path = parts.uri.path().to_owned();
    Ok(Incoming {
        verb: Incoming::verb_of(parts.method.as_str(), &path, &content_type),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        accept: header(http::header::ACCEPT),
        user_agent: header(http::header::USER_AGENT),
        path,
        content_type,
        body,
    })
}

fn respond(reply: Reply) -> Result<Response<Body>, io::Error> {
    let mut response = Response::builder()
        .status(reply.status)
        .header(http::header::CONTENT_TYPE, reply.content_type);
    for warning in &reply.warnings {
        response = response.header(
            http::header::WARNING,
            format!("299 - {}", serde_json::Value::from(warning.as_str())),
        );
    }
    if let Some(seconds) = reply.retry_after {
        response = response.header(http::header::RETRY_AFTER, seconds);
    }
    response
        .body(Body::from(reply.body))
        .map_err(io::Error::other)
}

impl ApiServer {
    /// Carries out a request and records it with the status of its answer.
    fn carry_out(&self, incoming: &Incoming, record: RequestRecord) -> Reply {
        let mut state = self.state();
        state.store.move_on();
        let noted = state.store.changes().len();
        let reply = state.reply(incoming);
        state.sign(noted, &record, &incoming.written_by());
        let status = if record.verb == Verb::Other {
            405
        } else {
            reply.status
        };
        state.record(record, status);
        reply
    }
}
