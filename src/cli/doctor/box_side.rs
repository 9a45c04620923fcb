//! The way to Box: each host, the clock, the sign-in, the account; and the mounts of this user.

use crate::base::show_size;
use crate::box_api::{Meaning, probe};
use crate::cli::exit::Failure;
use crate::cli::sign_in::{Session, client_options, login_command, runtime};
use crate::config::{Settings, Surroundings};
use crate::control::{Client, mounts};

use super::findings::{Findings, Verdict};

/// Certificates and assertions do not mind a clock that is off by less.
const CLOCK_TOLERANCE_SECS: u64 = 30;
/// A fuller account will soon refuse files.
const NEARLY_FULL_PERCENT: u128 = 95;

pub(super) fn look(findings: &mut Findings, settings: &Settings, around: &Surroundings) -> Result<(), Failure> {
    let runtime = runtime()?;
    let reached = runtime.block_on(look_at_hosts(findings, settings));
    match Session::open(settings, around) {
        Err(_) if around.token().is_none() && !settings.sign_in_file.exists() => {
            let advice = format!("run '{}'", login_command(settings));
            findings.add("Sign-in", Verdict::Note(&advice), "nobody is signed in yet");
        }
        Err(failure) => findings.add("Sign-in", Verdict::Bad("see above, or 'boxfs login'"), &failure.message),
        Ok(_) if !reached => findings.add("Sign-in", Verdict::Note("the network comes first"), "there, not asked"),
        Ok(session) => runtime.block_on(look_at_account(findings, settings, &session)),
    }
    look_at_mounts(findings);
    Ok(())
}

/// Whether the API can be reached.
async fn look_at_hosts(findings: &mut Findings, settings: &Settings) -> bool {
    let (hosts, ahead) = match probe(&client_options(settings)).await {
        Ok(probed) => probed,
        Err(error) => {
            findings.add("Network", Verdict::Bad("correct the keys server, proxy and ca-file"), &error.to_string());
            return false;
        }
    };
    let reached = hosts.first().is_some_and(|api| api.outcome.is_ok());
    for host in hosts {
        let name = format!("{} ({})", host.host, host.purpose);
        match host.outcome {
            Ok(()) => {
                findings.add("Network", Verdict::Good, &format!("{name} answers in {} ms", host.took.as_millis()))
            }
            Err(error) => {
                let text = format!("{name}: {}", error.meaning);
                findings.add("Network", Verdict::Bad(&error.message), &text);
            }
        }
    }
    match ahead {
        Some(secs) if secs.unsigned_abs() > CLOCK_TOLERANCE_SECS => {
            let way = if secs > 0 { "behind" } else { "ahead of" };
            let text = format!("this machine is {} s {way} Box", secs.unsigned_abs());
            findings.add("Clock", Verdict::Bad("set it: 'timedatectl set-ntp true'"), &text);
        }
        Some(_) => findings.add("Clock", Verdict::Good, "agrees with Box's"),
        None => findings.add("Clock", Verdict::Note("compare it with a watch"), "Box could not be asked"),
    }
    reached
}

async fn look_at_account(findings: &mut Findings, settings: &Settings, session: &Session) {
    let asked = match session.client(settings) {
        Ok(client) => client.me().await,
        Err(error) => Err(error),
    };
    let account = match asked {
        Ok(account) => account,
        Err(error) if error.meaning == Meaning::SignInNeeded => {
            return findings.add("Sign-in", Verdict::Bad(&session.way_back(settings)), &error.to_string());
        }
        Err(error) => {
            return findings.add(
                "Sign-in",
                Verdict::Bad("try again; if it stays, see the log of a mount"),
                &error.to_string(),
            );
        }
    };
    let way = session.stored.as_ref().map_or("BOXFS_TOKEN", |sign_in| sign_in.grant.name());
    findings.add("Sign-in", Verdict::Good, &format!("{} <{}>, by {way}", account.name, account.login));
    if let (Some(used), Some(amount)) = (account.space_used, account.space_amount) {
        let text = format!("{} of {} used", show_size(used), show_size(amount));
        let full = u128::from(used) * 100 >= u128::from(amount) * NEARLY_FULL_PERCENT;
        let verdict =
            if full { Verdict::Note("nearly full: make room in Box, its trash counts too") } else { Verdict::Good };
        findings.add("Quota", verdict, &text);
    }
    if let Some(largest) = account.max_upload_size {
        findings.add("Largest file", Verdict::Good, &show_size(largest));
    }
}

fn look_at_mounts(findings: &mut Findings) {
    let me = nix::unistd::getuid().as_raw();
    for mount in mounts().unwrap_or_default().into_iter().filter(|mount| mount.uid == me) {
        let shown = mount.mountpoint.display().to_string();
        match Client::connect(&mount.state_dir) {
            Ok(_) => findings.add("Mount", Verdict::Good, &format!("{shown}, its daemon answers")),
            Err(error) => {
                let advice = format!("'boxfs umount {shown}', then mount again: nothing is lost");
                findings.add("Mount", Verdict::Note(&advice), &format!("{shown}: {error}"));
            }
        }
    }
}
