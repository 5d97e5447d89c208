//! The person that something was done to, by the members that name one.

use std::borrow::Cow;

use crate::members::Members;

/// Members that hold the id of somebody, whatever the type.
const IDS: [&str; 7] = [
    "user_id",
    "deleted_user_id",
    "new_owner_id",
    "requester_user_id",
    "account_id",
    "service_account_id",
    "submitted_by_user_id",
];
/// Members that hold the id of somebody or of a group, and the member that says which.
const IDS_OF_KIND: [(&str, &str); 2] = [("principal_id", "principal_type"), ("target_id", "target_type")];
/// Lists of ids; the first of them stands for all.
const LISTS: [&str; 1] = ["member_ids"];
/// Members that hold an e-mail address of somebody.
const EMAILS: [&str; 4] = ["user_email", "deleted_user_email", "invited_email", "invitee_email"];

/// Whom something was done to.
#[derive(Debug, Default)]
pub(crate) struct Affected<'a> {
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) email: Option<Cow<'a, str>>,
}

impl<'a> Affected<'a> {
    pub(crate) fn of(members: &Members<'a>) -> Affected<'a> {
        let of_kind = || {
            IDS_OF_KIND.iter().find_map(|(id, kind)| {
                let is_group =
                    members.text(kind).is_some_and(|kind| kind.contains("group") || kind.contains("workspace"));
                members.text(id).filter(|_| !is_group)
            })
        };
        let of_list = || {
            let json = LISTS.iter().find_map(|name| members.json(name))?;
            serde_json::from_str::<Vec<String>>(json).ok()?.into_iter().find(|id| !id.is_empty()).map(Cow::Owned)
        };
        Affected { id: members.first_text(&IDS).or_else(of_kind).or_else(of_list), email: members.first_text(&EMAILS) }
    }
}
