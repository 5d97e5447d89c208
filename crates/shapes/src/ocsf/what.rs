//! What a class has of its own: whom or what something was done to.

use std::borrow::Cow;

use super::{Event, who};
use crate::{json::Object, people::Affected};

/// Members that hold the name of what something was done to.
const NAMES: [&str; 21] = [
    "display_name",
    "name",
    "title",
    "filename",
    "label",
    "command_name",
    "plugin_name",
    "skill_name",
    "mcp_server_name",
    "mcp_directory_server_name",
    "api_key_name",
    "key_name",
    "token_name",
    "service_name",
    "guide_name",
    "role_name",
    "group_name",
    "repo_name",
    "repository_name",
    "organization_name",
    "program_slug",
];
/// Members that say what somebody may do now, the more telling one first.
const PRIVILEGES: [&str; 9] = [
    "role",
    "current_role",
    "role_name",
    "role_id",
    "grant_type",
    "access_level",
    "permission",
    "invited_role",
    "new_role",
];

impl Event<'_, '_> {
    pub(super) fn write_what(&self, o: &mut Object) {
        match self.meaning.class {
            2004 => self.finding(o),
            3001 => self.user(o),
            3002 => self.authentication(o),
            3005 => self.access(o),
            3006 => self.group(o),
            6001 => self.web_resources(o),
            6003 => self.api(o),
            6006 => self.file(o),
            6007 => self.scan(o),
            _ => self.entity(o),
        }
    }

    fn text(&self, names: &[&str]) -> Option<Cow<'_, str>> {
        self.members.as_ref().and_then(|members| members.first_text(names))
    }

    fn affected(&self) -> Affected<'_> {
        self.members.as_ref().map(Affected::of).unwrap_or_default()
    }

    fn target(&self) -> Option<&str> {
        self.row.target.filter(|target| !target.is_empty())
    }

    /// Whom it was done to: the person that the activity names, else whoever acted.
    fn user(&self, o: &mut Object) {
        let Affected { id, email } = self.affected();
        o.object("user", |o| {
            if id.is_none() && email.is_none() {
                return who::user(self.row, o);
            }
            o.some("uid", id.as_deref());
            o.some("name", email.as_deref().or(id.as_deref()));
            o.some("email_addr", email.as_deref().filter(|text| who::is_email(text)));
        });
    }

    fn authentication(&self, o: &mut Object) {
        let name = self.row.name;
        o.object("user", |o| who::user(self.row, o));
        o.object("service", |o| {
            o.text("name", if self.row.product.is_empty() { "Claude" } else { self.row.product });
        });
        let protocol = match name {
            _ if name.starts_with("sso_") => Some("Single sign-on"),
            _ if name.starts_with("magic_link_") => Some("Magic link"),
            _ if name.starts_with("social_") => Some("Social login"),
            _ if name.starts_with("lti_") => Some("LTI"),
            _ if name.contains("federated") => Some("Workload identity federation"),
            _ if name.contains("app_attest") => Some("App attestation"),
            _ => None,
        };
        if let Some(protocol) = protocol {
            o.value("auth_protocol_id", 99);
            o.text("auth_protocol", protocol);
        }
        if name.starts_with("step_up_") || name.contains("second_factor") || name.starts_with("phone_code_") {
            o.value("is_mfa", true);
        }
    }

    fn entity(&self, o: &mut Object) {
        let Affected { email, .. } = self.affected();
        let name = self.text(&NAMES).or(email);
        o.object("entity", |o| {
            o.some("uid", self.target());
            o.text("name", name.as_deref().unwrap_or(self.meaning.thing));
            let (number, kind) = match self.meaning.entity {
                1 => (1, "Device"),
                2 => (2, "User"),
                3 => (3, "Group"),
                4 => (4, "Organization"),
                5 => (5, "Policy"),
                7 => (7, "Network Zone"),
                _ => (99, self.meaning.thing),
            };
            o.value("type_id", number);
            o.text("type", kind);
        });
    }

    fn access(&self, o: &mut Object) {
        self.user(o);
        let privilege = self.text(&PRIVILEGES);
        o.texts("privileges", [privilege.as_deref().unwrap_or(self.meaning.thing)]);
        self.resources(o);
    }

    fn group(&self, o: &mut Object) {
        let Affected { id, email } = self.affected();
        let (group, name) = (self.text(&["group_id"]), self.text(&["group_name"]));
        o.object("group", |o| {
            o.some("uid", group.as_deref());
            let fallback = if group.is_none() { Some("unknown") } else { None };
            o.some("name", name.as_deref().or(fallback));
        });
        if id.is_some() || email.is_some() {
            o.object("user", |o| {
                o.some("uid", id.as_deref());
                o.some("name", email.as_deref().or(id.as_deref()));
            });
        }
    }

    /// The target first, then everything else that was touched.
    fn web_resources(&self, o: &mut Object) {
        let (name, target) = (self.text(&NAMES), self.target());
        let url = self.text(&["share_url", "public_url"]);
        o.list("web_resources", |list| {
            list.object(|o| {
                o.some("uid", target);
                o.text("name", name.as_deref().or(target).unwrap_or(self.meaning.thing));
                o.text("type", self.meaning.thing);
                o.some("url_string", url.as_deref());
            });
            for id in self.row.resources.iter().filter(|id| Some(**id) != target && !id.is_empty()) {
                list.object(|o| o.text("uid", id));
            }
        });
    }

    fn resources(&self, o: &mut Object) {
        o.list("resources", |list| {
            for id in self.row.resources.iter().filter(|id| !id.is_empty()) {
                list.object(|o| o.text("uid", id));
            }
        });
    }

    fn api(&self, o: &mut Object) {
        let request = self.text(&["request_id"]);
        o.object("api", |o| {
            o.text("operation", self.row.name);
            o.object("service", |o| o.some("name", Some(self.row.product)));
            o.object("request", |o| o.some("uid", request.as_deref()));
            o.object("response", |o| {
                let code = self.members.as_ref().and_then(|members| members.integer("status_code"));
                o.some_value("code", code.and_then(|code| i32::try_from(code).ok()));
            });
        });
        self.resources(o);
    }

    fn file(&self, o: &mut Object) {
        let (name, target) = (self.text(&NAMES), self.target());
        o.object("file", |o| {
            o.text("name", name.as_deref().or(target).unwrap_or(self.meaning.thing));
            o.some("uid", target);
            o.value("type_id", 1);
            o.text("type", "Regular File");
        });
    }

    fn scan(&self, o: &mut Object) {
        o.object("scan", |o| {
            o.some("uid", self.target());
            o.text("name", self.meaning.thing);
            o.value("type_id", 99);
            o.text("type", self.meaning.thing);
        });
    }

    fn finding(&self, o: &mut Object) {
        let decision = self.text(&["decision"]);
        o.object("finding_info", |o| {
            o.text("uid", self.row.id);
            o.text("title", self.meaning.thing);
            o.some("desc", decision.as_deref());
            o.texts("types", [self.row.name]);
            o.some("uid_alt", self.target());
        });
    }
}
