//! Collaborations: who else works in a folder or file, and in which role.

use super::super::refusal::Refusal;
use super::Store;
use super::access::{Act, Who};
use super::model::*;

const ROLES: [&str; 7] =
    ["editor", "viewer", "previewer", "uploader", "previewer uploader", "viewer uploader", "co-owner"];

impl Store {
    /// Shares an item with a user of the enterprise, who need not accept.
    pub(in crate::emulator) fn collaborate(
        &mut self,
        who: &Who,
        item: Key,
        user: u64,
        role: &str,
    ) -> Result<u64, Refusal> {
        if item.is_root() {
            let text = "Collaborations are not available on the root folder";
            return Err(Refusal::new(400, "collaborations_not_available_on_root_folder", text));
        }
        self.allow(who, item, Act::Invite)?;
        if !ROLES.contains(&role) {
            return Err(Refusal::bad("role", "not a role"));
        }
        let there = self.shared_with.get(&item).into_iter().flatten();
        let mut there = there.filter_map(|id| self.collaborations.get(id));
        if self.owner_of(item) == user || there.any(|collaboration| collaboration.user == user) {
            return Err(Refusal::new(400, "user_already_collaborator", "User is already a collaborator"));
        }
        let id = self.next_other();
        let collaboration = Collaboration {
            item,
            user,
            role: role.to_owned(),
            status: "accepted".to_owned(),
            created_by: who.user,
            created_at: self.now,
        };
        self.collaborations.insert(id, collaboration);
        self.shared_with.entry(item).or_default().push(id);
        self.tell("COLLAB_ADD_COLLABORATOR", item, who.user);
        Ok(id)
    }

    /// A collaboration of an item that the user sees.
    pub(in crate::emulator) fn collaboration(&self, who: &Who, id: u64) -> Result<&Collaboration, Refusal> {
        let found = self.collaborations.get(&id).ok_or_else(Refusal::not_found)?;
        if found.user != who.user {
            self.allow(who, found.item, Act::See)?;
        }
        Ok(found)
    }

    pub(in crate::emulator) fn change_role(&mut self, who: &Who, id: u64, role: &str) -> Result<(), Refusal> {
        let item = self.collaboration(who, id)?.item;
        self.allow(who, item, Act::Invite)?;
        if !ROLES.contains(&role) {
            return Err(Refusal::bad("role", "not a role"));
        }
        if let Some(row) = self.collaborations.get_mut(&id) {
            row.role = role.to_owned();
        }
        self.tell("COLLAB_ROLE_CHANGE", item, who.user);
        Ok(())
    }

    /// Ends a collaboration; a collaborator may end their own.
    pub(in crate::emulator) fn end_collaboration(&mut self, who: &Who, id: u64) -> Result<(), Refusal> {
        let (item, user) = self.collaboration(who, id).map(|found| (found.item, found.user))?;
        if user != who.user {
            self.allow(who, item, Act::Invite)?;
        }
        let audience = self.audience(item);
        self.collaborations.remove(&id);
        if let Some(ids) = self.shared_with.get_mut(&item) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.shared_with.remove(&item);
            }
        }
        self.tell_to("COLLAB_REMOVE_COLLABORATOR", item, who.user, audience);
        Ok(())
    }

    /// The collaborations of one item, by id.
    pub(in crate::emulator) fn collaborations_of(&self, item: Key) -> Vec<u64> {
        self.shared_with.get(&item).cloned().unwrap_or_default()
    }
}
