//! What the emulator shows of itself: items, requests and sessions, to whoever has the developer token.

use hyper::Method;
use serde_json::json;

use super::super::faults::FaultScript;
use super::super::refusal::Refusal;
use super::super::report;
use super::answer::Answer;
use super::call::Call;

pub(super) async fn route(call: &mut Call, rest: &[&str]) -> Result<Answer, Refusal> {
    let token = format!("Bearer {}", call.desk.options.token);
    if !call.local {
        return Err(Refusal::not_found());
    }
    if call.header("authorization") != Some(token.as_str()) {
        return Err(Refusal::unauthorized(None));
    }
    if let ["faults"] = rest {
        return faults(call).await;
    }
    super::only(call, Method::GET)?;
    match rest {
        ["items"] => Ok(Answer::ok(&json!(report::items(&call.desk)))),
        ["requests"] => Ok(Answer::ok(&json!(call.desk.log.all()))),
        ["jwt-config"] => Ok(Answer::ok(&call.desk.app_key()?.config(&call.desk.options)?)),
        ["sessions"] => Ok(Answer::ok(&json!(report::sessions(&call.desk)))),
        _ => Err(Refusal::not_found()),
    }
}

/// Shows the script, replaces it, or ends it.
async fn faults(call: &mut Call) -> Result<Answer, Refusal> {
    match call.method {
        Method::GET => {}
        Method::PUT => {
            let text = call.inbox.small().await?;
            let script = FaultScript::parse(&String::from_utf8_lossy(&text));
            call.desk.faults.set(script.map_err(|error| Refusal::bad("faults", error.to_string()))?);
        }
        Method::DELETE => call.desk.faults.set(FaultScript::default()),
        _ => return Err(Refusal::method_not_allowed()),
    }
    Ok(Answer::ok(&json!(call.desk.faults.script())))
}
