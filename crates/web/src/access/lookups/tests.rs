//! Which questions are one, and what is kept of them.

use super::*;

const ANN: Asking<'_> = Asking { who: "ann", address: None };

fn notebook() -> (Notebook, mpsc::Receiver<Lookup>) {
    let (queue, queued) = mpsc::channel(8);
    (Notebook { queue, lost: Arc::default(), recent: Arc::default() }, queued)
}

fn explorer(detail: &str, is_part: bool) -> Asked {
    let link = format!("/explore?q={detail}");
    Asked { what: "explorer", detail: detail.to_owned(), link, scope: String::new(), is_part }
}

#[test]
fn a_page_that_keeps_itself_up_to_date_is_one() {
    let (notebook, _queued) = notebook();
    let start = Instant::now();
    let is_new =
        |is_part, minutes| notebook.is_new(ANN, &explorer("x", is_part), start + Duration::from_secs(60) * minutes);
    assert!(is_new(false, 0), "the page");
    assert!((0..300).all(|minutes| !is_new(true, minutes)), "its parts");
    assert!(is_new(false, 300) && !is_new(false, 300), "somebody comes back");
    assert!(is_new(true, 361), "nobody has followed it for an hour");
    let (later, other) = (start + Duration::from_secs(60) * 361, Asking { who: "bob", address: None });
    assert!(notebook.is_new(other, &explorer("x", true), later), "somebody else");
    let elsewhere = Asked { scope: "org_2".to_owned(), ..explorer("x", true) };
    assert!(notebook.is_new(ANN, &elsewhere, later), "another organization");
}

#[test]
fn a_long_question_is_kept_by_both_ends_and_its_hash() {
    let (notebook, mut queued) = notebook();
    let question = |end: &str| format!("{}{end}", "a".repeat(9_000));
    // Two that differ far behind the beginning only.
    for end in ["eve@example.com", "bob@example.com", "eve@example.com"] {
        notebook.note(ANN, explorer(&question(end), false));
    }
    let (eve, bob) = (queued.try_recv().unwrap(), queued.try_recv().unwrap());
    assert!(queued.try_recv().is_err(), "the third is the first once more");
    assert!(eve.detail.ends_with("eve@example.com") && bob.detail.ends_with("bob@example.com"));
    assert!(eve.detail.contains(&hex(digest(&SHA256, question("eve@example.com").as_bytes()).as_ref())));
    assert!(eve.detail.starts_with("aaaa") && eve.detail.chars().count() < LONGEST + 200, "{}", eve.detail);
    assert_eq!(eve.link, "/explore", "a link that is cut would lead elsewhere");
    assert_eq!(short("eve"), "eve");
    assert_eq!(short(&"ä".repeat(LONGEST)), "ä".repeat(LONGEST));
}
