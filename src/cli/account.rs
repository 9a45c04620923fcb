//! Whose Box the mount shows: the account behind the sign-in, and whether this state directory belongs to it.

use std::time::Duration;

use crate::base::{BoxId, Ino, Timestamp};
use crate::box_api::{self, BoxClient, Meaning};
use crate::config::Settings;
use crate::control::Account;
use crate::tree::{Attr, Quota, Tree};

use super::daemon::{DaemonError, failed};
use super::exit::Exit;
use super::sign_in::Session;
use super::state_dir::StateDir;

/// Keys of the tree's values.
const ACCOUNT: &str = "account";
const ACCOUNT_SHOWN: &str = "account_shown";
const ROOT_FOLDER: &str = "root_folder";

/// Whoever mounts waits for this answer; a healthy Box gives it in a second.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Permission bits of the root.
const FOLDER_MODE: u32 = 0o755;

/// Who is signed in.
pub(super) struct Identity {
    /// The user's id in Box.
    pub me: String,
    pub account: Option<Account>,
}

/// Asks Box who is signed in and whether the state directory is theirs, and plants the root. Without network a state
/// directory that was used before is enough.
pub(super) async fn identify(
    client: &BoxClient,
    session: &Session,
    tree: &Tree,
    settings: &Settings,
    state: &StateDir,
) -> Result<Identity, DaemonError> {
    let (owner, root) = state.owner().unzip();
    let known = tree.meta(ACCOUNT).map_err(failed)?.or(owner);
    let root = tree.meta(ROOT_FOLDER).map_err(failed)?.or(root);
    let same_root = root.is_none_or(|root| root == settings.root_folder);
    if !same_root {
        return Err(DaemonError::new(format!(
            "the state directory {} is for another root folder: choose another with --state-dir",
            settings.state_dir.display()
        )));
    }
    let me = match tokio::time::timeout(ANSWER_LIMIT, client.me()).await {
        Ok(Ok(me)) => me,
        Ok(Err(error)) => return without_box(error, session, known, tree, settings),
        Err(_) => {
            let silent = format!("it does not answer within {} s", ANSWER_LIMIT.as_secs());
            return unreached(&silent, known, tree, settings);
        }
    };
    if let Some(known) = known.filter(|known| *known != me.id) {
        let login = tree.meta(ACCOUNT_SHOWN).map_err(failed)?.unwrap_or(known);
        return Err(DaemonError::new(format!(
            "the state directory {} belongs to the account {login}, and this sign-in is {}: choose another --profile or \
             --state-dir",
            settings.state_dir.display(),
            me.login
        )));
    }
    if settings.root_folder != "0" {
        check_root(client, &settings.root_folder).await?;
    }
    state.set_owner(&me.id, &settings.root_folder)?;
    tree.set_meta(ACCOUNT, &me.id).map_err(failed)?;
    tree.set_meta(ACCOUNT_SHOWN, &me.login).map_err(failed)?;
    tree.set_meta(ROOT_FOLDER, &settings.root_folder).map_err(failed)?;
    if let (Some(total), Some(used)) = (me.space_amount, me.space_used) {
        let largest_file = me.max_upload_size.unwrap_or(total);
        tree.set_quota(Quota { total, used, largest_file }).map_err(failed)?;
    }
    tree.plant_root(&settings.root_folder, root_attr()).map_err(failed)?;
    Ok(Identity { me: me.id.clone(), account: Some(Account { id: me.id, name: me.name, login: me.login }) })
}

/// Box did not say who we are.
fn without_box(
    error: box_api::ApiError,
    session: &Session,
    known: Option<String>,
    tree: &Tree,
    settings: &Settings,
) -> Result<Identity, DaemonError> {
    let server = settings.server.as_ref().map_or("Box", |s| s.url());
    match error.meaning {
        Meaning::SignInNeeded => Err(DaemonError {
            message: format!("{server} does not accept the sign-in: {}", session.way_back(settings)),
            exit_code: Exit::SignInNeeded as u8,
        }),
        Meaning::NotSent | Meaning::Intercepted | Meaning::OutcomeUnknown => {
            unreached(&error.to_string(), known, tree, settings)
        }
        _ => Err(DaemonError::new(format!("{server} answers in a way that boxfs does not understand: {error}"))),
    }
}

/// Box cannot be asked, or says nothing.
fn unreached(why: &str, known: Option<String>, tree: &Tree, settings: &Settings) -> Result<Identity, DaemonError> {
    match known {
        Some(me) if tree.node(Ino::ROOT).is_ok() => {
            log::warn!("starting without network: {why}");
            Ok(Identity { me, account: None })
        }
        _ => {
            let server = settings.server.as_ref().map_or("Box", |s| s.url());
            Err(DaemonError::new(format!(
                "{server} cannot be reached ({why}): the first mount needs the network; check it, or --server and the proxy"
            )))
        }
    }
}

async fn check_root(client: &BoxClient, id: &str) -> Result<(), DaemonError> {
    match client.item(&BoxId::folder(id)).await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.meaning, Meaning::NotFound | Meaning::Trashed | Meaning::NoAccess) => {
            Err(DaemonError::new(format!("there is no folder {id} that this account can see: check --root-folder")))
        }
        Err(error) => Err(failed(error)),
    }
}

/// Whoever mounts owns the root; `uid=`, `gid=` and `umask=` change what is shown, not what is kept.
fn root_attr() -> Attr {
    let now = Timestamp::now();
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    Attr { size: 0, mtime: now, ctime: now, atime: now, btime: now, mode: FOLDER_MODE, uid, gid }
}
