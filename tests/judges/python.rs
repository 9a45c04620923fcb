//! Box's SDK for Python.

use std::process::Command;
use std::time::Duration;

use boxfs::emulator::Options;

use super::court::Court;
use super::run::run;
use super::tools;

/// Several times what a script takes on two busy cores.
const LIMIT: Duration = Duration::from_secs(240);

fn judge(script: &str, options: Options) {
    let court = Court::open(options);
    let tools = tools::python("requirements.txt");
    let mut command = Command::new(tools.join("bin/python"));
    command.arg("-B").arg(tools::sources().join("python").join(script));
    command.env("JUDGE", court.brief(false)).env("NO_PROXY", "*");
    println!("{}", run(&mut command, LIMIT));
}

#[test]
fn the_python_sdk_signs_in_in_each_of_its_modes() {
    judge("sign_in.py", Options::default());
}

#[test]
fn the_python_sdk_leads_items_through_their_lives() {
    judge("items.py", Options::default());
}

#[test]
fn the_python_sdk_moves_bytes_up_and_down() {
    judge("transfers.py", Options::default());
}

#[test]
fn the_python_sdk_follows_events() {
    judge("events.py", Options::default());
}
