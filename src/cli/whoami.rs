//! `boxfs whoami`: the account, how much fits, what the sign-in may do, and until when.

use std::fmt::Write;

use clap::Args;
use serde_json::json;

use crate::base::{BoxId, Timestamp, show_size};
use crate::box_api::{Account, BoxClient, Grant, Meaning, SignIn};
use crate::config::{Settings, Surroundings};

use super::exit::{Exit, Failure};
use super::shared::SharedOptions;
use super::sign_in::{Session, runtime, told};

/// Life of a refresh token from its last use (API.md 1.8).
const REFRESH_DAYS: i64 = 60;
const DAY_SECS: i64 = 24 * 3600;

/// Say who is signed in, what the sign-in may do, and until when
#[derive(Args)]
pub(super) struct Arguments {
    /// One JSON object for scripts
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    shared: SharedOptions,
}

/// What the root folder shows of the token's scopes (API.md 2.6).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Write,
    Read,
    Nothing,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Scope::Write => "root_readwrite",
            Scope::Read => "root_readonly",
            Scope::Nothing => "none",
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Scope::Write => "read and write all files and folders",
            Scope::Read => "read all files and folders; mount with '-o ro', or give the application the scope to write",
            Scope::Nothing => {
                "none for files: give the application 'Write all files and folders' in Box's developer console"
            }
        }
    }
}

pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> Result<Exit, Failure> {
    let settings = arguments.shared.settings(around)?;
    let session = Session::open(&settings, around)?;
    let client = session.client(&settings).map_err(|e| Failure::usage(e.to_string()))?;
    let runtime = runtime()?;
    let account = runtime.block_on(client.me()).map_err(|error| told(&error, &settings))?;
    let scope = runtime.block_on(scope(&client)).map_err(|error| told(&error, &settings))?;
    // The call may have renewed the tokens.
    let stored = session.reload();
    if arguments.json {
        println!("{}", as_json(&settings, &account, scope, stored.as_ref()));
    } else {
        print!("{}", in_words(&settings, &account, scope, stored.as_ref()));
    }
    Ok(Exit::Done)
}

async fn scope(client: &BoxClient) -> Result<Scope, crate::box_api::ApiError> {
    match client.item(&BoxId::folder("0")).await {
        Ok(root) if root.permissions.is_none_or(|p| p.can_upload) => Ok(Scope::Write),
        Ok(_) => Ok(Scope::Read),
        Err(error) if matches!(error.meaning, Meaning::InsufficientScope | Meaning::NoAccess) => Ok(Scope::Nothing),
        Err(error) => Err(error),
    }
}

fn in_words(settings: &Settings, account: &Account, scope: Scope, stored: Option<&SignIn>) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10}{value}");
    };
    line("Account", &format!("{} <{}>, id {}", account.name, account.login, account.id));
    line("Profile", &settings.profile);
    if let Some(server) = &settings.server {
        line("Server", server.url());
    }
    line("Quota", &quota(account));
    if let Some(largest) = account.max_upload_size {
        line("Largest", &format!("{} for one file", show_size(largest)));
    }
    line("Scopes", scope.in_words());
    match stored {
        None => line("Sign-in", "the token in BOXFS_TOKEN; until when, Box does not say"),
        Some(sign_in) => {
            line("Sign-in", &format!("{}, since {}", sign_in.grant.name(), Timestamp::new(sign_in.since, 0)));
            if let Some(user) = &sign_in.as_user {
                line("As user", user);
            }
            line("Until", &until(sign_in));
        }
    }
    text
}

fn quota(account: &Account) -> String {
    match (account.space_used, account.space_amount) {
        (Some(used), Some(amount)) => format!("{} of {} used", show_size(used), show_size(amount)),
        (Some(used), None) => format!("{} used", show_size(used)),
        _ => "Box does not say".to_owned(),
    }
}

fn until(sign_in: &SignIn) -> String {
    let Some(tokens) = &sign_in.tokens else { return "renewed by itself".to_owned() };
    let access = Timestamp::new(tokens.expires_at, 0);
    match sign_in.grant {
        Grant::DeveloperToken => format!("{access} at the latest; then Box's developer console has another"),
        Grant::OAuth { .. } => {
            let left = Timestamp::new(Timestamp::now().secs.saturating_add(REFRESH_DAYS * DAY_SECS), 0);
            format!("renewed by itself (next before {access}); unused, it ends on {}", &left.to_rfc3339()[..10])
        }
        Grant::Jwt { .. } | Grant::ClientCredentials { .. } => {
            format!("renewed by itself (next before {access}), as long as the application is authorized")
        }
    }
}

fn as_json(settings: &Settings, account: &Account, scope: Scope, stored: Option<&SignIn>) -> serde_json::Value {
    let until = stored.and_then(|s| s.tokens.as_ref()).map(|t| Timestamp::new(t.expires_at, 0).to_rfc3339());
    json!({
        "id": account.id,
        "name": account.name,
        "login": account.login,
        "profile": settings.profile,
        "server": settings.server.as_ref().map(|server| server.url()),
        "space_used": account.space_used,
        "space_amount": account.space_amount,
        "max_upload_size": account.max_upload_size,
        "scope": scope.name(),
        "sign_in": stored.map_or("BOXFS_TOKEN", |s| s.grant.name()),
        "as_user": stored.and_then(|s| s.as_user.as_deref()),
        "since": stored.map(|s| Timestamp::new(s.since, 0).to_rfc3339()),
        "access_until": until,
    })
}
