//! Not a test: an emulator that runs until its standard input closes, for programs that are not Rust.

use std::io::Read;

use boxfs::emulator::{Emulator, Options};

/// `BOX_EMULATOR_PROXY=1` adds TLS, the proxy and the authority's file beside the addresses.
#[test]
#[ignore = "started by hand and by other programs"]
fn an_emulator_until_standard_input_closes() {
    let Ok(dir) = std::env::var("BOX_EMULATOR_OUT") else { return };
    let dir = std::path::PathBuf::from(dir);
    let proxied = std::env::var_os("BOX_EMULATOR_PROXY").is_some();
    let emulator = Emulator::start(Options {
        ca_file: proxied.then(|| dir.join("ca.pem")),
        proxy_listen: proxied.then(|| Options::default().listen),
        commit_202: u32::from(std::env::var_os("BOX_EMULATOR_202").is_some()),
        generate: std::env::var("BOX_EMULATOR_GENERATE").ok().and_then(|count| count.parse().ok()).unwrap_or(0),
        data: std::env::var_os("BOX_EMULATOR_DATA").map(Into::into),
        ..Options::default()
    })
    .unwrap();
    let about = serde_json::json!({
        "url": emulator.url(),
        "token": emulator.token(),
        "proxy": emulator.proxy_url(),
        "user": emulator.first_user(),
        "jwt": emulator.jwt_config().unwrap(),
    });
    std::fs::write(dir.join("about.part"), about.to_string()).unwrap();
    std::fs::rename(dir.join("about.part"), dir.join("about.json")).unwrap();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
