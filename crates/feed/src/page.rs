//! A page of activities: the bytes as they were received, and where the next page begins.
//!
//! Reading slices the one buffer that the body arrived in, writing copies the bytes as they are: an activity is never
//! decoded and encoded again, because what the feed said is the evidence.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One activity, byte for byte as received or stored: a JSON object in UTF-8 (checked).
pub type RawActivity = Bytes;

/// A page of activities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The activities in result order.
    pub data: Vec<RawActivity>,
    /// Whether more follow in the direction of the request.
    pub has_more: bool,
    /// The cursor of the first activity, for `before_id`; `None` for an empty page.
    pub first_id: Option<String>,
    /// The cursor of the last activity, for `after_id`; `None` for an empty page.
    pub last_id: Option<String>,
}

/// A body that is no page. It may have been damaged on the way: asking again is worth while.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Not JSON to the end, or JSON in another shape.
    #[error("the body is not a page of activities")]
    Json(#[from] serde_json::Error),
    /// An element of `data` is not an object.
    #[error("element {index} of data is not an object")]
    NotAnObject {
        /// Counted from 0.
        index: usize,
    },
}

/// The wire form. Fields that it does not name are skipped.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    has_more: bool,
    #[serde(default)]
    first_id: Option<String>,
    #[serde(default)]
    last_id: Option<String>,
}

impl Page {
    /// Reads a response body. The activities are slices of `body` and keep it alive.
    pub fn parse(body: &Bytes) -> Result<Page, PageError> {
        let wire: Wire<'_> = serde_json::from_slice(body)?;
        let data = wire.data.iter().enumerate().map(|(index, raw)| {
            let text = raw.get();
            if !text.starts_with('{') {
                return Err(PageError::NotAnObject { index });
            }
            Ok(body.slice_ref(text.as_bytes()))
        });
        Ok(Page {
            data: data.collect::<Result<_, _>>()?,
            has_more: wire.has_more,
            first_id: wire.first_id,
            last_id: wire.last_id,
        })
    }

    /// Writes a response body.
    pub fn to_json(&self) -> Bytes {
        let activities: usize = self.data.iter().map(|activity| activity.len() + 1).sum();
        let cursors = [&self.first_id, &self.last_id].map(|cursor| serde_json::json!(cursor).to_string());
        let mut body = BytesMut::with_capacity(activities + cursors[0].len() + cursors[1].len() + 64);
        body.put_slice(b"{\"data\":[");
        for (index, activity) in self.data.iter().enumerate() {
            if index > 0 {
                body.put_u8(b',');
            }
            body.put_slice(activity);
        }
        body.put_slice(b"],\"has_more\":");
        body.put_slice(if self.has_more { b"true" } else { b"false" });
        for (name, cursor) in [("first_id", &cursors[0]), ("last_id", &cursors[1])] {
            body.put_slice(format!(",\"{name}\":{cursor}").as_bytes());
        }
        body.put_u8(b'}');
        body.freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Page, PageError> {
        Page::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn activities_keep_their_bytes_and_share_the_body() {
        let first = r#"{ "b" : 1.50, "a":"\u00e9", "b":2,  "deep":[{}] }"#;
        let body = Bytes::from(format!(
            r#"{{"new":[1],"data": [ {first} ,{{}}],"has_more":true,"first_id":"a","last_id":"b"}}"#
        ));
        let page = Page::parse(&body).expect("a page");
        assert_eq!(page.data, [Bytes::copy_from_slice(first.as_bytes()), Bytes::from_static(b"{}")]);
        assert!(body.as_ptr_range().contains(&page.data[0].as_ptr()));
        assert_eq!((page.has_more, page.first_id.as_deref(), page.last_id.as_deref()), (true, Some("a"), Some("b")));
        assert_eq!(Page::parse(&page.to_json()).expect("a page"), page);
    }

    #[test]
    fn an_empty_page_has_null_cursors() {
        let body = Page::default().to_json();
        assert_eq!(body, r#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#);
        assert_eq!(Page::parse(&body).expect("a page"), Page::default());
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"data":[]}"#,
            r#"{"data":[],"has_more":"no"}"#,
            r#"{"data":[{}"#,
            r#"{"data":[{}],"has_more":false,"first_id":"a","last_id":"#,
            r#"{"data":[],"has_more":false} trailing"#,
        ] {
            assert!(matches!(parse(text), Err(PageError::Json(_))), "{text}");
        }
        let error = parse(r#"{"data":[{},"activity"],"has_more":false}"#).expect_err("no object");
        assert_eq!(error.to_string(), "element 1 of data is not an object");
        assert!(Page::parse(&Bytes::from_static(b"{\"data\":[{\"a\":\"\xff\"}],\"has_more\":true}")).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            values in prop::collection::vec(".*", 0..6),
            has_more in any::<bool>(),
            first_id in prop::option::of(".*"),
            last_id in prop::option::of(".*"),
        ) {
            let data = values.iter().map(|value| Bytes::from(serde_json::json!({"v": value}).to_string())).collect();
            let page = Page { data, has_more, first_id, last_id };
            prop_assert_eq!(Page::parse(&page.to_json()).expect("a page"), page);
        }

        #[test]
        fn no_cut_body_is_a_page(cut in 0..62usize) {
            let body = Bytes::from_static(br#"{"data":[{"id":"a"}],"has_more":false,"first_id":"a","last_id":"a"}"#);
            prop_assert!(Page::parse(&body.slice(..cut)).is_err());
        }
    }
}
