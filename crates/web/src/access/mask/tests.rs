//! What is hidden, what is not, and what finds it again.

use super::*;

#[test]
fn hides_addresses_and_nothing_else() {
    let mask = Mask::new();
    let eve = mask.text("eve@example.com").into_owned();
    assert!(eve.starts_with(PERSON) && eve.len() == PERSON.len() + 10, "{eve}");
    assert_eq!(mask.text("Eve@Example.com (eve@example.com)"), format!("{eve} ({eve})"));
    assert_eq!(mask.text("/person/eve%40example.com?x=1"), format!("/person/{eve}?x=1"));
    assert_eq!(mask.text("https://h/x?user=eve@example.com&y"), format!("https://h/x?user={eve}&y"));
    let here = mask.text("192.0.2.7").into_owned();
    assert!(here.starts_with(ADDRESS), "{here}");
    assert_eq!(mask.text("from 192.0.2.7:443, 192.0.2.7."), format!("from {here}:443, {here}."));
    assert!(!mask.text("at [2001:db8::1]:80").contains("2001:db8"));
    assert!(!mask.text("::ffff:192.0.2.7").contains("192.0.2.7"));
    for same in [
        "",
        "@",
        "a @ b",
        "12:34:56",
        "2026-04-10T08:09:10Z",
        "Mozilla/5.0 Chrome/131.0.0.0 Safari/537.36",
        "1.2.3",
        "activity_01ab:cd",
        "sk-ant-api01",
    ] {
        assert_eq!(mask.text(same), same);
    }
    assert_eq!(mask.real(&eve), "eve@example.com");
    assert_eq!(mask.real("person-0000000000"), "person-0000000000");
}

#[test]
fn hides_titles() {
    let mask = Mask::new();
    let raw = r#"{"id":"a_1","name":"Plan B","updates":[{"type":"name","title":{"previous":"x","new":"y"}}],"actor":{"email_address":"e@x.io","ip_address":"192.0.2.1"},"count":3}"#;
    let masked = mask.raw(raw);
    for hidden in ["Plan B", "e@x.io", "192.0.2.1", "\"x\"", "\"y\""] {
        assert!(!masked.contains(hidden), "{masked}");
    }
    assert!(masked.contains(r#""id":"a_1""#) && masked.contains(r#""count":3"#), "{masked}");
    assert_eq!(mask.raw("no json"), HIDDEN);
}

#[test]
fn names_find_what_they_stand_for() {
    let mask = Mask::new();
    let name = mask.text("eve@example.com").into_owned();
    let filter = auditlake_store::filter::parse(&format!("type:a -actor:{name}")).unwrap();
    assert_eq!(mask.real_filter(&filter), auditlake_store::filter::parse("type:a -actor:eve@example.com").unwrap());
    let person = mask.text("eve@example.com").into_owned();
    let address = mask.text("2001:db8::7").into_owned();
    let asked = format!("actor:{person}, {address}{person} person- address-0 person-0000000000 ä");
    assert_eq!(
        mask.reveal(&asked),
        "actor:eve@example.com, 2001:db8::7eve@example.com person- address-0 person-0000000000 ä"
    );
}

#[test]
fn hides_both_values_of_a_renaming() {
    let mask = Mask::new();
    // As the published types have it: platform_api_key_updated, claude_user_settings_updated, platform_service_account_updated,
    // and claude_organization_settings_updated, whose items may leave the type out.
    for kind in
        [r#""type":"name","#, r#""type":"full_name","#, r#""type":"display_name","#, r#""type":"description","#, ""]
    {
        let update = format!(r#"{{"current_value":"Secret new",{kind}"previous_value":"Secret old"}}"#);
        let raw = format!(
            r#"{{"id":"a_1","type":"platform_api_key_updated","actor":{{"type":"user_actor"}},"updates":[{update},{{"current_value":"inactive","previous_value":"active","type":"status"}}]}}"#
        );
        let masked: Value = serde_json::from_str(&mask.raw(&raw)).unwrap();
        let updates = &masked["updates"];
        assert_eq!(
            (&updates[0]["current_value"], &updates[0]["previous_value"]),
            (&HIDDEN.into(), &HIDDEN.into()),
            "{kind}"
        );
        assert_eq!(
            updates[1],
            serde_json::json!({"current_value": "inactive", "previous_value": "active", "type": "status"})
        );
        assert_eq!((&masked["id"], &masked["type"]), (&"a_1".into(), &"platform_api_key_updated".into()));
    }
    let switched =
        r#"{"type":"org_cowork_enabled","actor":{"type":"user_actor"},"previous_value":false,"current_value":true}"#;
    assert_eq!(mask.raw(switched), switched);
}

#[test]
fn knows_ids_from_names() {
    for id in ["user_1", "claude_chat_01JQ", "apikey_01a", "9d1c6b0e-8f3a-4a59-9d0e-0a4b1c2d3e4f"] {
        assert!(is_id(id), "{id}");
    }
    for name in ["", "secret-plugin", "Secret merger", "acme/app", "my_plugin", "user_1 x"] {
        assert!(!is_id(name), "{name}");
    }
    assert!(!is_done_to_title("claude_project_created") && !is_done_to_title("unheard_of"));
    let named = catalog::types().iter().filter(|info| is_done_to_title(&info.name)).count();
    assert!(named > 0, "types whose target is a name");
}
