//! `boxfs login`: one sign-in for a profile, by a browser, an application's key or secret, or a developer token.

mod browser;
mod page;

use std::path::PathBuf;

use clap::Args;

use crate::base::{Secret, Timestamp};
use crate::box_api::{self, App, Grant, Meaning, Owner, SignIn, SignInClient, Subject, Tokens};
use crate::config::{Settings, Surroundings};
use crate::control::{Client, Request, mounts};

use super::exit::{Exit, Failure};
use super::prompt::{ask, ask_secret};
use super::shared::SharedOptions;
use super::sign_in::{client_options, client_with, runtime, server_url, store_for_login};

/// A developer token lives for an hour (API.md 1.8); when it was made nobody says.
const DEVELOPER_TOKEN_SECS: i64 = 3600;
/// A larger file is not what Box's console hands out.
const MAX_JWT_FILE_BYTES: u64 = 256 << 10;

/// Sign in to Box, once for each profile
#[derive(Args)]
#[command(
    after_help = "Client id and secret of your Box application come from the keys client-id and client-secret, from \
                        BOXFS_CLIENT_ID and BOXFS_CLIENT_SECRET, or from a prompt; never from an argument, which others \
                        could see."
)]
pub(super) struct Arguments {
    /// For a machine without a browser: open the address elsewhere and paste what comes back
    #[arg(long)]
    no_browser: bool,
    /// Port that the browser comes back to [default: any free one]
    #[arg(long, value_name = "PORT", default_value = "0", hide_default_value = true)]
    port: u16,
    /// Sign in with an application's key: the JSON file from Box's developer console
    #[arg(long, value_name = "FILE", conflicts_with_all = ["client_credentials", "developer_token", "no_browser"])]
    jwt: Option<PathBuf>,
    /// Sign in with an application's id and secret alone; needs --enterprise or --user
    #[arg(long, conflicts_with_all = ["developer_token", "no_browser"])]
    client_credentials: bool,
    /// Sign in with a token from Box's developer console, good for an hour
    #[arg(long, conflicts_with = "no_browser")]
    developer_token: bool,
    /// With --client-credentials: as the service account of this enterprise
    #[arg(long, value_name = "ID", requires = "client_credentials", conflicts_with = "user", value_parser = id)]
    enterprise: Option<String>,
    /// With --client-credentials or --jwt: as this user
    #[arg(long, value_name = "ID", value_parser = id)]
    user: Option<String>,
    /// Do everything as this user, for administrators and service accounts
    #[arg(long, value_name = "ID", value_parser = id)]
    as_user: Option<String>,
    /// Refused: an argument is no place for a secret
    #[arg(long, hide = true, num_args = 0..=1, value_name = "NOT-HERE")]
    client_secret: Option<Option<String>>,
    #[command(flatten)]
    shared: SharedOptions,
}

fn id(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err("write the number that Box shows as id".to_owned()) }
}

pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> Result<Exit, Failure> {
    if arguments.client_secret.is_some() {
        return Err(Failure::usage(
            "a secret has no place on the command line, where others can see it: leave it out and type it at the prompt, \
             or use BOXFS_CLIENT_SECRET or the key client-secret",
        ));
    }
    if arguments.user.is_some() && !arguments.client_credentials && arguments.jwt.is_none() {
        return Err(Failure::usage("--user goes with --jwt or --client-credentials; --as-user goes with every way"));
    }
    let settings = arguments.shared.settings(around)?;
    let box_door = SignInClient::new(&client_options(&settings)).map_err(|e| Failure::usage(e.to_string()))?;
    let runtime = runtime()?;
    let attempt = Attempt { arguments, settings: &settings, box_door, runtime: &runtime };
    let sign_in = if let Some(path) = &arguments.jwt {
        attempt.by_application(jwt_grant(path, arguments.user.as_deref())?)?
    } else if arguments.client_credentials {
        attempt.by_application(attempt.client_credentials()?)?
    } else if arguments.developer_token {
        attempt.by_developer_token()?
    } else {
        attempt.by_browser()?
    };
    keep(&settings, around, &sign_in)?;
    tell_daemons();
    println!("Signed in as {}.", sign_in.account.login);
    if around.token().is_some() {
        eprintln!("boxfs: BOXFS_TOKEN is set, and mounts use that token instead: unset it");
    }
    Ok(Exit::Done)
}

/// One run of the command.
struct Attempt<'a> {
    arguments: &'a Arguments,
    settings: &'a Settings,
    box_door: SignInClient,
    runtime: &'a tokio::runtime::Runtime,
}

impl Attempt<'_> {
    fn by_application(&self, grant: Grant) -> Result<SignIn, Failure> {
        let tokens = self.runtime.block_on(self.box_door.for_application(&grant)).map_err(|error| refused(&error))?;
        self.finish(grant, tokens)
    }

    fn client_credentials(&self) -> Result<Grant, Failure> {
        let subject = match (&self.arguments.enterprise, &self.arguments.user) {
            (Some(id), _) => Subject::Enterprise(id.clone()),
            (None, Some(id)) => Subject::User(id.clone()),
            (None, None) => {
                return Err(Failure::usage(
                    "--client-credentials needs --enterprise ID or --user ID: whom to sign in as",
                ));
            }
        };
        Ok(Grant::ClientCredentials { app: self.app()?, subject })
    }

    fn by_developer_token(&self) -> Result<SignIn, Failure> {
        let access = ask_secret("Developer token")?;
        let expires_at = Timestamp::now().secs.saturating_add(DEVELOPER_TOKEN_SECS);
        self.finish(Grant::DeveloperToken, Tokens { access, expires_at, refresh: None, spent: None })
    }

    fn by_browser(&self) -> Result<SignIn, Failure> {
        let app = self.app()?;
        let visit = browser::Visit::begin(&self.box_door, &app, self.arguments.port)?;
        let visitor = if self.arguments.no_browser { visit.paste()? } else { visit.wait()? };
        let done = self.trade(app, &visitor);
        visitor.show(&done);
        done
    }

    fn trade(&self, app: App, visitor: &browser::Visitor) -> Result<SignIn, Failure> {
        let code = visitor.code()?;
        let traded = self.runtime.block_on(self.box_door.by_code(&app, &code, visitor.redirect()));
        self.finish(Grant::OAuth { app }, traded.map_err(|error| refused(&error))?)
    }

    /// Id and secret of the application, asked for where nothing says them.
    fn app(&self) -> Result<App, Failure> {
        let client_id = match &self.settings.client_id {
            Some(id) => id.clone(),
            None => ask("Client id")?,
        };
        let client_secret = match &self.settings.client_secret {
            Some(secret) => secret.clone(),
            None => ask_secret("Client secret")?,
        };
        Ok(App { client_id, client_secret })
    }

    /// Asks Box who that is; a sign-in that opens nothing is none.
    fn finish(&self, grant: Grant, tokens: Tokens) -> Result<SignIn, Failure> {
        let as_user = self.arguments.as_user.clone();
        let asked = client_with(self.settings, tokens.access.clone(), as_user.clone())
            .and_then(|client| self.runtime.block_on(client.me()));
        let account = asked.map_err(|error| match (&error.meaning, &as_user) {
            (Meaning::NoAccess | Meaning::NotFound, Some(user)) => Failure::new(format!(
                "Box does not let this sign-in act as user {user} ({error}): the application needs 'Make API calls using \
                 the as-user header', and the user must be of the same enterprise"
            )),
            _ => refused(&error),
        })?;
        Ok(SignIn {
            grant,
            server: server_url(self.settings),
            as_user,
            account: Owner { id: account.id, login: account.login },
            tokens: Some(tokens),
            since: Timestamp::now().secs,
        })
    }
}

fn jwt_grant(path: &std::path::Path, user: Option<&str>) -> Result<Grant, Failure> {
    let shown = path.display();
    let unread = |e: std::io::Error| Failure::usage(format!("{shown}: cannot read it: {e}"));
    if std::fs::metadata(path).map_err(unread)?.len() > MAX_JWT_FILE_BYTES {
        return Err(Failure::usage(format!("{shown}: it is not the JSON file of a Box application with a key pair")));
    }
    // Read as a secret: the text goes with this value.
    let text = Secret::new(std::fs::read_to_string(path).map_err(unread)?);
    Grant::from_jwt_config(text.reveal(), user).map_err(|error| Failure::usage(format!("{shown}: {error}")))
}

/// What a refusal of Box's means to whoever signs in.
fn refused(error: &box_api::ApiError) -> Failure {
    let advice = match error.code.as_deref() {
        Some("invalid_client") => {
            "client id and secret do not belong together: compare them with Box's developer console"
        }
        Some("unauthorized_client") => {
            "the application is not authorized: an administrator has to authorize it in Box's admin console"
        }
        Some("redirect_uri_mismatch") => {
            "add the redirect URI http://127.0.0.1 to the application in Box's developer console"
        }
        Some("invalid_grant") => "Box does not take what was sent: try again; for a code, within half a minute",
        _ if error.meaning == Meaning::SignInNeeded => "Box does not take the token: get another",
        _ => return Failure::new(error.to_string()),
    };
    Failure::sign_in(format!("{advice} ({error})"))
}

/// The sign-in before it, if any, is replaced.
fn keep(settings: &Settings, around: &Surroundings, sign_in: &SignIn) -> Result<(), Failure> {
    let stored = store_for_login(settings, around)?.lock().and_then(|locked| locked.save(sign_in));
    stored.map_err(|error| Failure::new(format!("signed in, but the sign-in cannot be kept: {error}")))
}

/// Daemons that wait for a sign-in look at once.
fn tell_daemons() {
    let me = nix::unistd::getuid().as_raw();
    for mount in mounts().unwrap_or_default().into_iter().filter(|mount| mount.uid == me) {
        let told = Client::connect(&mount.state_dir).and_then(|mut daemon| daemon.ask(&Request::SignedIn));
        if let Err(error) = told {
            log::debug!("{}: {error}", mount.mountpoint.display());
        }
    }
}
