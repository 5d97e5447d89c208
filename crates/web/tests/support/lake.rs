//! A small lake with an alert and a rule, and three users who may look at it.

use std::sync::{Arc, Mutex};

use auditlake_store::alert::Severity;
use jiff::{SignedDuration, Timestamp};
use web::Site;

use super::{
    TestSite, activity,
    desk::{FakeAlerts, FakeRules, FakeUsers, access, alert, furnish, rule, users},
};

/// What the activity has of its own, most of it nothing for viewers behind the mask.
const TITLE: &str =
    r#","claude_project_id":"claude_project_1","name":"Secret merger","note":"ask eve@example.com at 203.0.113.9""#;
/// As the published types have it.
const RENAMED: &str = r#","api_key_id":"apikey_1","updates":[{"current_value":"Secret new name","previous_value":"Secret old name","type":"name"},{"current_value":"inactive","previous_value":"active","type":"status"}]"#;
const PLUGIN: &str = r#","plugin_name":"secret-plugin","success":true"#;

/// The site over it, with a login; `change` comes last.
pub fn furnished(change: impl FnOnce(&mut Site)) -> (TestSite, Arc<FakeUsers>) {
    let users = users();
    let mut one = alert("alert_1", Severity::High, "zed@corp.test made “Secret merger” from 198.51.100.7");
    let finding = &mut one.finding;
    for text in [&mut finding.entity, &mut finding.summary, finding.next_steps[0].search.as_mut().unwrap()] {
        *text = text.replace("ada@example.com", "zed@corp.test");
    }
    let alerts = FakeAlerts::new(vec![one]);
    let rules = Arc::new(FakeRules(Mutex::new(vec![rule("sso-disabled", "Single sign-on off")]), Mutex::default()));
    let site = TestSite::with(|site| {
        site.access = Some(access(&users));
        furnish(site, &alerts, &rules);
        change(site);
    });
    let time = (Timestamp::now() - SignedDuration::from_mins(5)).to_string();
    let list = [
        ("activity_A", "claude_project_created", TITLE),
        ("activity_B", "platform_api_key_updated", RENAMED),
        ("activity_C", "plugin_installation_preference_updated", PLUGIN),
    ];
    let list = list.map(|(id, kind, more)| activity(id, kind, &time, more).replace("ada@example.com", "zed@corp.test"));
    site.store.add("main", list);
    (site, users)
}
