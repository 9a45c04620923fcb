//! What `boxfs emulator` says when it is ready: where it is, and how to point a client at it.

use crate::emulator::Emulator;

use super::{Arguments, SERVER_LABEL};

/// The first two lines are for programs: the URL and the token.
pub(super) fn text(emulator: &Emulator, arguments: &Arguments) -> String {
    let (url, token) = (emulator.url(), emulator.token());
    let (client_id, client_secret) = emulator.application();
    let trust = match &arguments.ca_file {
        Some(path) => format!(" --ca-file {}", path.display()),
        None => String::new(),
    };
    let kept = match &arguments.data {
        Some(dir) => format!("kept in {}", dir.display()),
        None => "gone at the end; --data DIR keeps it".to_owned(),
    };
    let mut text = format!(
        "{SERVER_LABEL}{url}\n\
         token: {token}\n\
         \n\
         API           {url}/2.0\n\
         uploads       {url}/api/2.0\n\
         tokens        {url}/oauth2/token\n\
         sign-in page  {url}/api/oauth2/authorize\n\
         downloads     {downloads} (the long poll too)\n\
         application   {client_id} / {client_secret}\n\
         account       {kept}\n\
         \n\
         Mount it:     BOXFS_TOKEN={token} boxfs mount DIR --server {url}{trust}\n\
         Ask it:       curl{insecure} -H 'Authorization: Bearer {token}' {url}/2.0/folders/0/items\n\
         Disturb it:   curl{insecure} -H 'Authorization: Bearer {token}' -T faults.yaml {url}/_emulator/faults\n",
        downloads = emulator.download_url(),
        insecure = curl_trust(arguments),
    );
    if let Some(proxy) = emulator.proxy_url() {
        let file = arguments.ca_file.as_ref().map_or("the file of --ca-file".into(), |path| path.display().to_string());
        text.push_str(&format!(
            "Unmodified:   HTTPS_PROXY={proxy}, and trust {file} (SSL_CERT_FILE, REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS)\n"
        ));
    }
    text.push_str("\nStop it with Ctrl-C.\n");
    text
}

/// What makes curl trust an address with TLS.
fn curl_trust(arguments: &Arguments) -> String {
    match (&arguments.ca_file, arguments.tls) {
        (Some(path), true) => format!(" --cacert {}", path.display()),
        _ => String::new(),
    }
}
