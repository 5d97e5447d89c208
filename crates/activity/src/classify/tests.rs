//! Known types by the catalogue, unknown ones by their names.

use super::*;
use crate::{Activity, catalog::Outcome::*};

/// An activity's fields from the JSON of its members beside the envelope.
fn with_fields<T>(members: &str, look: impl FnOnce(&Fields) -> T) -> T {
    let sep = if members.is_empty() { "" } else { "," };
    let text = format!(r#"{{"id":"activity_1","created_at":"2026-04-10T08:09:10Z","type":"x"{sep}{members}}}"#);
    look(&Activity::parse_str(&text).expect("an activity").fields)
}

fn outcome(name: &str, members: &str) -> Outcome {
    with_fields(members, |fields| classify(name, fields).outcome)
}

fn resources(name: &str, members: &str) -> Vec<String> {
    with_fields(members, |fields| {
        classify(name, fields).resources(fields).into_iter().map(|id| id.into_owned()).collect()
    })
}

fn target(name: &str, members: &str) -> Option<String> {
    with_fields(members, |fields| classify(name, fields).target(fields).map(|id| id.into_owned()))
}

#[test]
fn a_known_type_goes_by_the_catalogue() {
    let members = r#""claude_chat_id":"claude_chat_1","claude_project_id":null"#;
    with_fields(members, |fields| {
        let found = classify("claude_chat_viewed", fields);
        assert_eq!((found.category, found.surface), ("chats", "claude.ai"));
        assert_eq!((found.outcome, found.read_only, found.guessed), (Success, true, false));
    });
    assert_eq!(resources("claude_chat_viewed", members), ["claude_chat_1"]);
    assert_eq!(target("claude_chat_viewed", members).as_deref(), Some("claude_chat_1"));
}

#[test]
fn a_field_tells_the_outcome() {
    assert_eq!(outcome("compliance_api_accessed", r#""status_code":200"#), Success);
    assert_eq!(outcome("compliance_api_accessed", r#""status_code":404"#), Failure);
    assert_eq!(outcome("compliance_api_accessed", ""), Unknown);
    let federated = "platform_federated_authentication";
    assert_eq!(outcome(federated, r#""status":{"outcome":"SUCCESS"}"#), Success);
    assert_eq!(outcome(federated, r#""status":{"outcome":"denied","reason":"no_rule"}"#), Failure);
    assert_eq!(outcome(federated, r#""status":{"outcome":"something_new"}"#), Unknown);
    assert_eq!(outcome("ccr_agent_proxy_network_events_listed", r#""failed":true"#), Failure);
    assert_eq!(outcome("org_user_trusted_devices_revoked", r#""completed":false"#), Failure);
    assert_eq!(outcome("github_token_import", r#""result":"rejected_zdr_policy""#), Failure);
    assert_eq!(outcome("github_token_import", r#""result":"unspecified""#), Unknown);
    assert_eq!(outcome("mcp_server_managed_auth_token_exchanged", r#""outcome":null,"error_type":"expired""#), Failure);
    assert_eq!(outcome("mcp_server_managed_auth_token_exchanged", r#""outcome":"success""#), Success);
}

#[test]
fn a_deletion_through_the_compliance_api_is_a_change() {
    for (method, read_only) in [("GET", true), ("DELETE", false), ("delete", false)] {
        let members = format!(r#""request_method":"{method}","status_code":200"#);
        let found = with_fields(&members, |fields| classify("compliance_api_accessed", fields).read_only);
        assert_eq!(found, read_only, "{method}");
    }
}

#[test]
fn resources_are_listed_once_and_in_order() {
    assert_eq!(
        resources("group_member_added", r#""member_ids":["user_2","user_1","user_2",""],"group_id":"group_1""#),
        ["group_1", "user_2", "user_1"],
    );
    let many: Vec<_> = (0..2_000).map(|n| format!(r#""user_{}""#, n % 1_000)).collect();
    let members = format!(r#""group_id":"group_1","member_ids":[{}]"#, many.join(","));
    assert_eq!(resources("group_member_added", &members).len(), 1_001);
    let nested = r#""request_id":"req_1","resources":[{"id":"svac_1","type":"service_account"}],"event_data":{"issuer_id":"iss_1"}"#;
    assert_eq!(resources("platform_federated_authentication", nested), ["iss_1", "svac_1"]);
}

#[test]
fn guesses_unknown_types_by_their_names() {
    let cases = [
        ("claude_chat_pinned", "chats", "claude.ai", Success, false),
        ("claude_chat_transcript_downloaded", "chats", "claude.ai", Success, true),
        ("claude_code_review_run_failed", "code_review", "claude-code", Failure, true),
        ("claude_code_terminal_attached", "claude_code", "claude-code", Success, false),
        ("claude_project_template_created", "projects", "claude.ai", Success, false),
        ("claude_projects_listed", "projects", "claude.ai", Success, true),
        ("passkey_login_failed", "authentication", "claude.ai", Failure, true),
        ("passkey_login_initiated", "authentication", "claude.ai", Attempt, true),
        ("passkey_login_succeeded", "authentication", "claude.ai", Success, true),
        ("passkey_registered", "devices", "claude.ai", Success, false),
        ("org_login_policy_updated", "authentication", "claude.ai", Success, false),
        ("org_saml_certificate_rotated", "sso", "claude.ai", Success, false),
        ("org_user_suspended", "members", "claude.ai", Success, false),
        ("org_user_invite_expired", "invites", "claude.ai", Success, false),
        ("platform_agent_tool_invocation_blocked", "agents", "claude-api", Failure, true),
        ("platform_batch_results_downloaded", "other", "claude-console", Success, true),
        ("platform_workspace_quota_updated", "workspaces", "claude-console", Success, false),
        ("mcp_registry_searched", "mcp", "claude.ai", Success, true),
        ("scim_group_created", "directory_sync", "claude.ai", Success, false),
        ("tunnel_connection_denied", "tunnels", "claude-console", Failure, true),
        ("cowork_task_started", "cowork", "cowork", Attempt, false),
        ("invoice_paid", "billing", "claude.ai", Success, false),
        ("org_watermarks_enabled", "organization_settings", "claude.ai", Success, false),
        ("chat_history_export_started", "data_export", "claude.ai", Attempt, true),
        ("quantum_flux_realigned", "other", "claude.ai", Success, false),
        ("x", "other", "claude.ai", Success, false),
        ("", "other", "claude.ai", Success, false),
        ("__", "other", "claude.ai", Success, false),
        ("Überraschung_geöffnet", "other", "claude.ai", Success, false),
    ];
    for (name, category, surface, outcome, read_only) in cases {
        let found = classify_with(name, |_| None);
        assert!(found.guessed && found.info.is_none(), "{name}");
        assert_eq!((found.category, found.surface), (category, surface), "{name}");
        assert_eq!((found.outcome, found.read_only), (outcome, read_only), "{name}");
    }
}

#[test]
fn guesses_resources_and_target_by_keys() {
    let members = r#""widget_id":"widget_1","request_id":"req_1","nested":{"owner_uuid":"0b5e"},"peer_ids":["a","a","b"],
        "note_id":"two words","gone_id":"unknown","number_id":7,"flag_id":true,"name":"Ann""#;
    assert_eq!(resources("claude_widget_deleted", members), ["widget_1", "0b5e", "a", "b", "7"]);
    assert_eq!(target("claude_widget_deleted", members).as_deref(), Some("widget_1"));
    assert_eq!(target("claude_gadget_deleted", r#""user_id":"user_1""#).as_deref(), Some("user_1"));
    assert_eq!(target("claude_gadget_deleted", r#""name":"Ann""#), None);
}

/// The rules on names are worth something if they find for known names what the catalogue says.
#[test]
fn guesses_agree_with_the_catalogue_on_known_names() {
    let mut wrong = Vec::new();
    for info in catalog::types() {
        let guessed = guess::classify(&info.name);
        let known = classify_with(&info.name, |_| None);
        if guessed.category != known.category {
            wrong.push(format!("{}: {} for {}", info.name, guessed.category, known.category));
        }
        if guessed.surface != known.surface {
            wrong.push(format!("{}: {} for {}", info.name, guessed.surface, known.surface));
        }
        if guessed.outcome != known.outcome && known.outcome != Unknown {
            wrong.push(format!("{}: {} for {}", info.name, guessed.outcome, known.outcome));
        }
        if guessed.read_only != known.read_only {
            wrong.push(format!("{}: read-only {}", info.name, guessed.read_only));
        }
    }
    assert!(wrong.len() <= 30, "{} wrong guesses:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn says_of_an_unknown_type_that_it_is_one() {
    assert_eq!(
        guess_summary("quantum_flux_realigned"),
        "Not in the catalogue yet; by its name: quantum flux realigned"
    );
}
