//! Category and surface by the words of a type's name.

/// The category of types whose name tells nothing.
pub const OTHER: &str = "other";

/// Category by how a name begins; the first that fits counts, so the longer stands before the shorter.
const HEADS: [(&str, &str); 69] = [
    ("abuse", "trust_safety"),
    ("account", "accounts"),
    ("admin_api_key", "admin_keys"),
    ("api_key", "api_keys"),
    ("audit_log", "audit_export"),
    ("billing", "billing"),
    ("ccr_agent_proxy", "agent_proxy"),
    ("ccr", "remote_agents"),
    ("claude_artifact", "artifacts"),
    ("claude_chat_snapshot", "chat_sharing"),
    ("claude_chat_sync_source", "connectors"),
    ("claude_chat", "chats"),
    ("claude_code_review", "code_review"),
    ("claude_code_runner", "code_runners"),
    ("claude_code_security", "code_security"),
    ("claude_code_team_memory", "memory"),
    ("claude_code_user_marketplaces", "marketplace"),
    ("claude_code_user_memory", "memory"),
    ("claude_code_user_plugins", "plugins"),
    ("claude_code", "claude_code"),
    ("claude_organization", "organization_settings"),
    ("claude_project_document", "project_knowledge"),
    ("claude_project_file", "project_knowledge"),
    ("claude_project_sync_source", "connectors"),
    ("claude_project", "projects"),
    ("claude_published_artifact", "artifacts"),
    ("claude_user_role", "roles"),
    ("claude_user_seat", "seats"),
    ("claude_user", "accounts"),
    ("compliance", "compliance"),
    ("cowork", "cowork"),
    ("design_project", "design_projects"),
    ("desktop_extension", "desktop_extensions"),
    ("group", "groups"),
    ("inference_hook", "inference_hooks"),
    ("integration", "connectors"),
    ("lti", "lti"),
    ("marketplace", "marketplace"),
    ("org_capability_grant", "roles"),
    ("org_claude_code_desktop", "claude_code"),
    ("org_cowork", "cowork"),
    ("org_data_export", "data_export"),
    ("org_discoverability", "join_requests"),
    ("org_hipaa", "data_protection"),
    ("org_parent", "join_requests"),
    ("org_sync", "connectors"),
    ("org_user_invite", "invites"),
    ("org_user_trusted_device", "devices"),
    ("org_user", "members"),
    ("organization_icon", "organization_settings"),
    ("pending_share", "sharing"),
    ("platform_agent_deployment", "agent_deployments"),
    ("platform_agent_session", "agent_sessions"),
    ("platform_agent", "agents"),
    ("platform_clearance", "verification"),
    ("platform_federation", "federation"),
    ("platform_service_account", "service_accounts"),
    ("platform_workspace_inference", "data_protection"),
    ("platform_workspace", "workspaces"),
    ("prepaid", "billing"),
    ("rbac", "roles"),
    ("scoped_api_key", "api_keys"),
    ("seat", "seats"),
    ("service", "service_accounts"),
    ("session_share", "sharing"),
    ("slack", "slack"),
    ("subscription", "subscriptions"),
    ("trusted_device", "devices"),
    ("tunnel", "tunnels"),
];

/// Category by words, one after the other, that stand anywhere in a name; the first that fits counts.
const WORDS: [(&str, &str); 79] = [
    ("spend_limit", "spend_limits"),
    ("step_up_credential", "devices"),
    ("sso_login", "authentication"),
    ("sso_second_factor", "authentication"),
    ("magic_link_second_factor", "sso"),
    ("login", "authentication"),
    ("logged_in", "authentication"),
    ("logged_out", "sessions"),
    ("logout", "sessions"),
    ("signin", "authentication"),
    ("authentication", "authentication"),
    ("phone_code", "authentication"),
    ("session_revoked", "sessions"),
    ("trusted_device", "devices"),
    ("passkey", "devices"),
    ("device", "devices"),
    ("directory_sync", "directory_sync"),
    ("directory_resync", "directory_sync"),
    ("scim", "directory_sync"),
    ("sso", "sso"),
    ("saml", "sso"),
    ("identity", "sso"),
    ("domain_guard", "connectors"),
    ("domain", "domains"),
    ("ip_restriction", "network_access"),
    ("ip", "network_access"),
    ("admin_key", "admin_keys"),
    ("admin_api_key", "admin_keys"),
    ("api_key", "api_keys"),
    ("external_key", "encryption_keys"),
    ("encryption", "encryption_keys"),
    ("signing_key", "signing_keys"),
    ("oauth_app", "oauth_apps"),
    ("oauth", "oauth_apps"),
    ("federated", "federation"),
    ("federation", "federation"),
    ("service_account", "service_accounts"),
    ("join", "join_requests"),
    ("member_invites", "members"),
    ("invite", "invites"),
    ("owner", "roles"),
    ("role", "roles"),
    ("permission", "roles"),
    ("data_residency", "data_protection"),
    ("data_retention", "data_protection"),
    ("retention", "data_protection"),
    ("data_sharing", "data_protection"),
    ("compliance", "compliance"),
    ("audit", "audit_export"),
    ("export", "data_export"),
    ("members_exported", "data_export"),
    ("usage_report", "usage_reports"),
    ("cost_report", "usage_reports"),
    ("analytics", "usage_reports"),
    ("consent", "accounts"),
    ("age", "accounts"),
    ("github", "github"),
    ("ghe", "github"),
    ("gdrive", "google_drive"),
    ("connector", "connectors"),
    ("mcp", "mcp"),
    ("plugin", "plugins"),
    ("skill", "skills"),
    ("command", "commands"),
    ("memory", "memory"),
    ("artifact", "artifacts"),
    ("file", "files"),
    ("project", "projects"),
    ("chat", "chats"),
    ("verification", "verification"),
    ("taint", "trust_safety"),
    ("extra_usage", "billing"),
    ("invoice", "billing"),
    ("payment", "billing"),
    ("user", "members"),
    ("member", "members"),
    ("workspace", "workspaces"),
    ("org", "organization_settings"),
    ("organization", "organization_settings"),
];

/// Surface by how a name begins; the first that fits counts.
const SURFACES: [(&str, &str); 30] = [
    ("admin_api_key", "claude-console"),
    ("api_key", "claude-console"),
    ("ccr", "claude-code"),
    ("claude_code", "claude-code"),
    ("compliance_api", "compliance-api"),
    ("org_compliance_api", "compliance-api"),
    ("cowork", "cowork"),
    ("org_cowork", "cowork"),
    ("design_project", "claude-design"),
    ("desktop_extension", "claude-desktop"),
    ("ghe", "claude-code"),
    ("github", "claude-code"),
    ("org_claude_code", "claude-code"),
    ("org_data_residency", "claude-console"),
    ("org_external_key", "claude-console"),
    ("platform_agent", "claude-api"),
    ("platform_app_attest", "claude-api"),
    ("platform_federated", "claude-api"),
    ("platform_file", "claude-api"),
    ("platform_memory", "claude-api"),
    ("platform_skill", "claude-api"),
    ("platform", "claude-console"),
    ("prepaid_auto", "claude-console"),
    ("scoped_api_key", "claude-console"),
    ("service", "claude-console"),
    ("session_share", "claude-code"),
    ("slack", "claude-in-slack"),
    ("tunnel", "claude-console"),
    ("verification", "claude-console"),
    ("workspace", "claude-console"),
];

/// The surface of types whose name tells nothing: that of the organization's administration.
const ADMINISTRATION: &str = "claude.ai";

/// The words of a name.
pub(super) fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(['_', '.', '-']).filter(|word| !word.is_empty())
}

pub(super) fn category(name: &str) -> &'static str {
    let by_head = HEADS.iter().find(|(head, _)| begins(name, head));
    let by_word = || WORDS.iter().find(|(words, _)| contains(name, words));
    by_head.or_else(by_word).map_or(OTHER, |(_, category)| category)
}

pub(super) fn surface(name: &str) -> &'static str {
    SURFACES.iter().find(|(head, _)| begins(name, head)).map_or(ADMINISTRATION, |(_, surface)| surface)
}

/// Whether `name` begins with the words of `head`, whole or as a plural.
fn begins(name: &str, head: &str) -> bool {
    let Some(rest) = name.strip_prefix(head) else { return false };
    let rest = rest.strip_prefix('s').unwrap_or(rest);
    rest.is_empty() || rest.starts_with('_')
}

/// Whether the words of `run` stand in `name`, whole or as a plural, one after the other.
fn contains(name: &str, run: &str) -> bool {
    name.match_indices(run).any(|(at, _)| {
        let starts_word = at == 0 || name.as_bytes()[at - 1] == b'_';
        starts_word && begins(&name[at..], run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn rules_name_what_exists_and_none_hides_behind_another() {
        for rules in [&HEADS[..], &WORDS[..]] {
            for (at, (words, category)) in rules.iter().enumerate() {
                assert!(catalog::category(category).is_some(), "{words}: {category}");
                let hidden = rules[..at].iter().find(|(earlier, _)| begins(words, earlier));
                assert_eq!(hidden, None, "{words}");
            }
        }
        for (at, (words, surface)) in SURFACES.iter().enumerate() {
            assert!(catalog::surfaces().iter().any(|info| info.name == *surface), "{words}: {surface}");
            assert!(!SURFACES[..at].iter().any(|(earlier, _)| begins(words, earlier)), "{words}");
        }
        assert!(catalog::category(OTHER).is_some());
    }
}
