//! Who may do what to which item: owners, collaborators, tokens for one item, locks of others.

use super::super::refusal::Refusal;
use super::Store;
use super::model::*;

/// Who asks: a user, perhaps with a token that is good for less than the user is.
#[derive(Debug, Clone)]
pub(in crate::emulator) struct Who {
    pub(in crate::emulator) user: u64,
    /// A downscoped token's scopes.
    pub(in crate::emulator) scopes: Option<Vec<String>>,
    /// The item a downscoped token is for.
    pub(in crate::emulator) only: Option<Key>,
    /// An item opened by a shared link in the request, and whether it may be downloaded.
    pub(in crate::emulator) link: Option<(Key, bool)>,
}

impl Who {
    pub(in crate::emulator) fn user(user: u64) -> Who {
        Who { user, scopes: None, only: None, link: None }
    }
}

/// What is done to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::emulator) enum Act {
    See,
    Download,
    /// Into a folder, or a new version of a file.
    Upload,
    Rename,
    Delete,
    Share,
    Invite,
}

/// What each collaboration role may do besides seeing (API.md 8.8).
fn role_allows(role: &str, act: Act) -> bool {
    use Act::*;
    match role {
        "owner" | "co-owner" | "editor" => true,
        "viewer uploader" => matches!(act, See | Download | Upload | Share),
        "viewer" => matches!(act, See | Download | Share),
        "previewer uploader" | "uploader" => matches!(act, See | Upload),
        _ => matches!(act, See),
    }
}

/// The scopes of a downscoped token of which an act needs one.
fn scope_allows(scopes: &[String], act: Act) -> bool {
    let needed: &[&str] = match act {
        Act::See => &["base_explorer", "base_preview", "base_picker", "item_preview", "item_download", "item_upload"],
        Act::Download => &["item_download"],
        Act::Upload => &["item_upload", "base_upload"],
        Act::Rename => &["item_rename"],
        Act::Delete => &["item_delete"],
        Act::Share | Act::Invite => &["item_share"],
    };
    scopes.iter().any(|scope| scope == "root_readwrite" || needed.contains(&scope.as_str()))
}

impl Store {
    /// Whether `who` may do `act` to the item, locks apart.
    pub(in crate::emulator) fn may(&self, who: &Who, key: Key, act: Act) -> bool {
        if who.scopes.as_ref().is_some_and(|scopes| !scope_allows(scopes, act)) {
            return false;
        }
        let line: Vec<Key> = self.line_of(key).map(|(key, _)| key).collect();
        if who.only.is_some_and(|only| !line.contains(&only)) {
            return false;
        }
        if let Some((item, download)) = who.link
            && line.contains(&item)
            && (act == Act::See || (act == Act::Download && download))
        {
            return true;
        }
        line.last() == Some(&Key::folder(root_of(who.user)))
            || self.roles_on(&line, who.user).any(|role| role_allows(role, act))
    }

    fn roles_on<'a>(&'a self, line: &'a [Key], user: u64) -> impl Iterator<Item = &'a str> {
        line.iter()
            .filter_map(|key| self.shared_with.get(key))
            .flatten()
            .filter_map(|id| self.collaborations.get(id))
            .filter(move |c| c.user == user && c.status == "accepted")
            .map(|c| c.role.as_str())
    }

    /// Everybody who sees the item, the owner first.
    pub(super) fn audience(&self, key: Key) -> Vec<u64> {
        let mut users = vec![self.owner_of(key)];
        for (key, _) in self.line_of(key) {
            for id in self.shared_with.get(&key).into_iter().flatten() {
                if let Some(c) = self.collaborations.get(id)
                    && c.status == "accepted"
                    && !users.contains(&c.user)
                {
                    users.push(c.user);
                }
            }
        }
        users
    }

    /// The items of others that a user finds in their root folder: each topmost one.
    pub(in crate::emulator) fn shared_to(&self, user: u64) -> Vec<Key> {
        let mine: Vec<Key> = self
            .collaborations
            .rows()
            .values()
            .filter(|c| c.user == user && c.status == "accepted" && self.owner_of(c.item) != user)
            .map(|c| c.item)
            .collect();
        mine.iter()
            .copied()
            .filter(|key| !self.in_trash(*key))
            .filter(|key| self.line_of(*key).skip(1).all(|(above, _)| !mine.contains(&above)))
            .collect()
    }

    /// The item, if it exists, is not in the trash, and `who` may do `act`.
    pub(in crate::emulator) fn allow(&self, who: &Who, key: Key, act: Act) -> Result<&Item, Refusal> {
        let item = self.items.get(&key).ok_or_else(Refusal::not_found)?;
        if !self.may(who, key, Act::See) {
            return Err(self.denial(who, key, Act::See, Refusal::not_found()));
        }
        if self.in_trash(key) {
            return Err(Refusal::trashed());
        }
        if self.may(who, key, act) {
            return Ok(item);
        }
        Err(self.denial(who, key, act, Refusal::no_permission()))
    }

    /// Blames the token's scope where the user themselves would be allowed.
    fn denial(&self, who: &Who, key: Key, act: Act, otherwise: Refusal) -> Refusal {
        if who.scopes.is_some() && self.may(&Who::user(who.user), key, act) {
            return Refusal::insufficient_scope();
        }
        otherwise
    }

    /// `As-User`: an administrator or an application acts for a managed user (API.md 2.6).
    pub(in crate::emulator) fn act_for(&self, who: &Who, user: &str) -> Result<Who, Refusal> {
        let role = self.users.get(&who.user).map(|user| user.role);
        let user = user.parse().ok().filter(|user| self.users.contains(user));
        match (role, user) {
            (Some(UserRole::Admin | UserRole::Service), Some(user)) => Ok(Who::user(user)),
            _ => Err(Refusal::no_permission()),
        }
    }

    /// What `shared_link=...&shared_link_password=...` opens: the item, and whether it may be downloaded.
    pub(in crate::emulator) fn open_link(&self, header: &[(String, String)]) -> Result<Option<(Key, bool)>, Refusal> {
        let sent = |name: &str| header.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let Some(url) = sent("shared_link") else { return Ok(None) };
        let slug = url.trim_end_matches('/').rsplit('/').next().unwrap_or("");
        let link_of = |item: &Item| item.extra.as_ref().and_then(|extra| extra.shared_link.clone());
        let named = |link: &SharedLink| link.slug == slug || link.vanity_name.as_deref() == Some(slug);
        let mut links = self.items.rows().iter().filter_map(|(key, item)| Some((*key, link_of(item)?)));
        let (key, link) = links.find(|(_, link)| named(link)).ok_or_else(Refusal::not_found)?;
        if link.unshared_at.is_some_and(|at| at <= self.now) || self.in_trash(key) {
            return Err(Refusal::not_found());
        }
        if link.password.is_some() && link.password.as_deref() != sent("shared_link_password") {
            return Err(Refusal::new(403, "incorrect_shared_item_password", "Incorrect shared item password"));
        }
        Ok((link.access != "collaborators").then_some((key, link.can_download)))
    }

    /// Refuses to move, copy, delete or restore where such an operation is going on (API.md 3.7).
    pub(in crate::emulator) fn check_idle(&self, key: Key) -> Result<(), Refusal> {
        let above = self.line_of(key).any(|(above, _)| above.kind == Kind::Folder && self.busy.contains(&above.id));
        let below = key.kind == Kind::Folder && self.busy.iter().any(|busy| self.is_below(Key::folder(*busy), key.id));
        if above || below { Err(Refusal::blocked()) } else { Ok(()) }
    }

    /// Locks or unlocks a folder and all below it for an operation in progress.
    pub(in crate::emulator) fn set_busy(&mut self, folder: u64, busy: bool) {
        if busy {
            self.busy.insert(folder);
        } else {
            self.busy.remove(&folder);
        }
    }

    /// Refuses where somebody else holds a lock on the file.
    pub(in crate::emulator) fn check_lock(&self, who: &Who, key: Key) -> Result<(), Refusal> {
        match self.lock_of(key) {
            Some(lock) if lock.by != who.user => Err(Refusal::locked()),
            _ => Ok(()),
        }
    }

    /// The lock of a file, unless it has expired.
    pub(in crate::emulator) fn lock_of(&self, key: Key) -> Option<&Lock> {
        let lock = self.items.get(&key)?.extra.as_ref()?.lock.as_ref()?;
        lock.expires_at.is_none_or(|at| at > self.now).then_some(lock)
    }

    /// Refuses a file that the owner's plan or quota does not take.
    pub(in crate::emulator) fn check_space(&self, owner: u64, size: u64) -> Result<(), Refusal> {
        if size > self.options.max_upload_size {
            return Err(Refusal::file_too_large());
        }
        if self.used_by(owner).saturating_add(size) > self.options.space_amount {
            return Err(Refusal::no_space());
        }
        Ok(())
    }
}
