//! A key's life: made, shown once, told by its hash, revoked while somebody uses it.

use std::{fs, os::unix::fs::PermissionsExt};

use feed::server::{KeyError, Keys, SCOPE};

use super::*;

fn new(name: &str) -> NewKey {
    NewKey { name: Some(name.to_owned()), scopes: vec![SCOPE.to_owned()], requests_per_minute: Some(60) }
}

#[tokio::test]
async fn a_running_service_takes_up_what_changes() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::new(dir.path().join("data"));
    let (store, ring) = (KeyStore::new(&data), KeyRing::new(&data));
    assert_eq!(ring.identify("").await, Err(KeyError::Unknown), "no file is no key");
    let (key, text) = store.create(new("siem")).unwrap();
    let text = shown(&text);
    let known = ring.identify(text).await.unwrap();
    assert_eq!((known.id.as_str(), known.requests_per_minute), (key.id.as_str(), Some(60)));
    assert_eq!(ring.identify(&text[..text.len() - 1]).await, Err(KeyError::Unknown));
    let (other, other_text) = store.create(new("lake")).unwrap();
    assert!(ring.identify(shown(&other_text)).await.is_ok());
    let revoked = store.revoke(&key.id).unwrap();
    assert_eq!(ring.identify(text).await, Err(KeyError::Revoked { id: key.id.clone() }), "who still uses it is known");
    assert_eq!(store.revoke(&key.id).unwrap(), revoked, "the first time counts");
    assert_eq!(ring.identify(shown(&other_text)).await.unwrap().id, other.id);
    assert!(store.revoke("apikey_none").unwrap_err().to_string().contains("there is no key apikey_none"));
    fs::write(path(&data), "{").unwrap();
    assert_eq!(ring.identify(shown(&other_text)).await, Err(KeyError::Unavailable), "closed, and not the key's fault");
    assert!(store.create(new("late")).is_err(), "a damaged file is not overwritten");
}

#[test]
fn the_file_tells_nobody_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::new(dir.path().to_owned());
    let (key, text) = KeyStore::new(&data).create(new("siem")).unwrap();
    let text = shown(&text);
    assert!(text.starts_with("sk-ant-api01-lake-") && text.len() == 62, "{text}");
    assert_eq!(feed::KeyKind::of(text), feed::KeyKind::ComplianceAccess);
    let path = path(&data);
    let file = fs::read_to_string(&path).unwrap();
    assert!(!file.contains(&text[PREFIX.len()..]) && file.contains(&key.sha256));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_file_stays_readable() {
    let dir = tempfile::tempdir().unwrap();
    let key = Key {
        id: "apikey_01111".into(),
        name: None,
        scopes: vec![SCOPE.into()],
        requests_per_minute: None,
        created_at: "2026-10-01T00:00:00Z".parse().unwrap(),
        revoked_at: Some("2026-10-02T00:00:00Z".parse().unwrap()),
        ending: "abcd".into(),
        sha256: hash("sk-ant-api01-lake-abcd"),
    };
    let text = serde_json::to_string_pretty(&KeyFile { version: VERSION, keys: vec![key.clone()] }).unwrap();
    insta::assert_snapshot!(text, @r#"
    {
      "version": 1,
      "keys": [
        {
          "id": "apikey_01111",
          "name": null,
          "scopes": [
            "read:compliance_activities"
          ],
          "requests_per_minute": null,
          "created_at": "2026-10-01T00:00:00Z",
          "revoked_at": "2026-10-02T00:00:00Z",
          "ending": "abcd",
          "sha256": "74b70a29662d8e61869d7f4ca4ccfbe62cc5042d00b0bbf788df20fdecedc962"
        }
      ]
    }
    "#);
    let path = dir.path().join("keys.json");
    fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("version 2"));
    fs::write(&path, text).unwrap();
    assert_eq!(read(&path).unwrap(), [key]);
}

#[test]
fn ids_have_one_length() {
    assert_eq!(short_id(Uuid::nil()), "1".repeat(22));
    assert_eq!(short_id(Uuid::max()).len(), 22);
}
