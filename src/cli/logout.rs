//! `boxfs logout`: the sign-in ends, in Box and here.

use clap::Args;

use crate::box_api::{Meaning, SignIn, SignInClient};
use crate::config::{Settings, Surroundings};

use super::exit::{Exit, Failure};
use super::shared::SharedOptions;
use super::sign_in::{client_options, forget_key, runtime, sign_in_store};

/// End the sign-in of a profile, in Box and on this machine
#[derive(Args)]
pub(super) struct Arguments {
    /// Forget it here even if Box cannot be told
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    shared: SharedOptions,
}

pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> Result<Exit, Failure> {
    let settings = arguments.shared.settings(around)?;
    let store = sign_in_store(&settings, around)?;
    // Held to the end, so that no daemon gets other tokens meanwhile.
    let locked = store.lock().map_err(|e| Failure::new(e.to_string()))?;
    let sign_in = match locked.load() {
        Ok(Some(sign_in)) => Some(sign_in),
        Ok(None) => {
            println!("Nobody is signed in.");
            return Ok(Exit::Done);
        }
        Err(error) if arguments.force => {
            eprintln!("boxfs: {error}");
            None
        }
        Err(error) => return Err(Failure::new(format!("{error}; 'boxfs logout --force' forgets it here"))),
    };
    let told = sign_in.as_ref().map_or(Ok(false), |sign_in| revoke(&settings, sign_in));
    match told {
        Err(failure) if !arguments.force => return Err(failure),
        Err(failure) => eprintln!("boxfs: {}", failure.message),
        Ok(_) => {}
    }
    locked.remove().map_err(|e| Failure::new(e.to_string()))?;
    forget_key(&settings)?;
    println!("Signed out{}.", sign_in.map(|s| format!(": {}", s.account.login)).unwrap_or_default());
    Ok(Exit::Done)
}

/// Whether Box had anything to end: a developer token ends by itself.
fn revoke(settings: &Settings, sign_in: &SignIn) -> Result<bool, Failure> {
    let (Some(app), Some(tokens)) = (sign_in.grant.app(), &sign_in.tokens) else { return Ok(false) };
    let mut options = client_options(settings);
    // It ends where it was made.
    options.server = sign_in.server.clone();
    let door = SignInClient::new(&options).map_err(|e| Failure::usage(e.to_string()))?;
    let token = tokens.refresh.as_ref().unwrap_or(&tokens.access);
    match runtime()?.block_on(door.revoke(app, token)) {
        Ok(()) => Ok(true),
        // Box ended it before us.
        Err(error) if error.meaning == Meaning::SignInNeeded => Ok(true),
        Err(error) => Err(Failure::new(format!(
            "still signed in, since Box could not be told ({error}): try again, or forget it here alone with \
             'boxfs logout --force'"
        ))),
    }
}
