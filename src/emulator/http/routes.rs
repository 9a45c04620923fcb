//! The calls that are served, in one table: what is not here is 404, and another method is 405. docs/emulator.md lists
//! the same rows.

use super::super::refusal::Refusal;
use super::Door;

/// Methods and a path. A segment that begins with a colon is any one segment.
type Route = (&'static str, &'static str);

/// The listener of API, uploads and tokens.
const API: &[Route] = &[
    ("POST", "/oauth2/token"),
    ("POST", "/oauth2/revoke"),
    // On app.box.com: rclone's token URL.
    ("POST", "/api/oauth2/token"),
    ("POST", "/api/oauth2/revoke"),
    ("GET POST", "/api/oauth2/authorize"),
    ("GET", "/2.0/users"),
    ("GET", "/2.0/users/me"),
    ("GET", "/2.0/users/:id"),
    ("POST", "/2.0/folders"),
    ("GET", "/2.0/folders/trash/items"),
    ("GET POST PUT DELETE", "/2.0/folders/:id"),
    ("GET", "/2.0/folders/:id/items"),
    ("POST", "/2.0/folders/:id/copy"),
    ("GET DELETE", "/2.0/folders/:id/trash"),
    ("GET", "/2.0/folders/:id/collaborations"),
    ("GET", "/2.0/folders/:id/metadata"),
    ("GET POST PUT DELETE", "/2.0/folders/:id/metadata/:scope/:template"),
    ("OPTIONS", "/2.0/files/content"),
    ("GET POST PUT DELETE", "/2.0/files/:id"),
    ("GET OPTIONS", "/2.0/files/:id/content"),
    ("POST", "/2.0/files/:id/copy"),
    ("GET DELETE", "/2.0/files/:id/trash"),
    ("GET", "/2.0/files/:id/collaborations"),
    ("GET", "/2.0/files/:id/metadata"),
    ("GET POST PUT DELETE", "/2.0/files/:id/metadata/:scope/:template"),
    ("GET", "/2.0/files/:id/thumbnail.png"),
    ("GET", "/2.0/files/:id/thumbnail.jpg"),
    ("GET", "/2.0/files/:id/versions"),
    ("POST", "/2.0/files/:id/versions/current"),
    ("GET PUT DELETE", "/2.0/files/:id/versions/:version"),
    ("POST", "/2.0/web_links"),
    ("GET POST PUT DELETE", "/2.0/web_links/:id"),
    ("GET DELETE", "/2.0/web_links/:id/trash"),
    ("GET OPTIONS", "/2.0/events"),
    ("POST", "/2.0/collaborations"),
    ("GET PUT DELETE", "/2.0/collaborations/:id"),
    ("GET", "/2.0/search"),
    ("POST", "/2.0/zip_downloads"),
    ("GET", "/2.0/zip_downloads/:id/status"),
    ("GET POST", "/2.0/folder_locks"),
    ("DELETE", "/2.0/folder_locks/:id"),
    ("GET", "/2.0/shared_items"),
    ("POST", "/api/2.0/files/content"),
    ("POST", "/api/2.0/files/:id/content"),
    ("POST", "/api/2.0/files/upload_sessions"),
    ("POST", "/api/2.0/files/:id/upload_sessions"),
    ("GET PUT DELETE", "/api/2.0/files/upload_sessions/:session"),
    ("GET", "/api/2.0/files/upload_sessions/:session/parts"),
    ("POST", "/api/2.0/files/upload_sessions/:session/commit"),
    ("POST", "/api/2.0/files/upload_sessions/:session/plan"),
    ("POST", "/api/2.0/files/upload_sessions/:session/log"),
    ("GET", "/_emulator/items"),
    ("GET", "/_emulator/requests"),
    ("GET", "/_emulator/sessions"),
    ("GET", "/_emulator/jwt-config"),
    ("GET PUT DELETE", "/_emulator/faults"),
];

/// The listener of download URLs and of the realtime server.
const DOWNLOADS: &[Route] =
    &[("GET HEAD", "/d/1/:ticket/download"), ("GET", "/2.0/zip_downloads/:id/content"), ("GET", "/subscribe")];

/// Every row as `GET PUT /path/:id`.
pub(in crate::emulator) fn all() -> impl Iterator<Item = String> {
    API.iter().chain(DOWNLOADS).map(|(methods, path)| format!("{methods} {path}"))
}

/// Refuses what no row serves. The first row of a path decides: literal segments stand before others.
pub(super) fn check(door: Door, method: &str, path: &[&str]) -> Result<(), Refusal> {
    let table = match door {
        Door::Api => API,
        Door::Downloads => DOWNLOADS,
    };
    let row = table.iter().find(|(_, pattern)| fits(pattern, path)).ok_or_else(Refusal::not_found)?;
    if row.0.split(' ').any(|served| served == method) { Ok(()) } else { Err(Refusal::method_not_allowed()) }
}

fn fits(pattern: &str, path: &[&str]) -> bool {
    let mut path = path.iter();
    let same = |wanted: &str, segment: &str| wanted.starts_with(':') || wanted == segment;
    let all = pattern.split('/').skip(1).all(|wanted| path.next().is_some_and(|segment| same(wanted, segment)));
    all && path.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_that_fits_decides() {
        let status = |method: &str, path: &str| {
            let segments: Vec<&str> = path.split('/').skip(1).collect();
            check(Door::Api, method, &segments).err().map(|refusal| refusal.status)
        };
        assert_eq!(status("GET", "/2.0/users/me"), None);
        assert_eq!(status("PUT", "/2.0/users/me"), Some(405));
        assert_eq!(status("GET", "/2.0/folders/0/items"), None);
        assert_eq!(status("POST", "/2.0/files/content"), Some(405));
        assert_eq!(status("GET", "/2.0/folders/0/items/x"), Some(404));
        assert_eq!(status("GET", "/2.0"), Some(404));
        assert_eq!(status("POST", "/api/2.0/files/upload_sessions"), None);
    }
}
