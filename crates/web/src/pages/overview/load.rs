//! What the Overview shows, asked of the store.

use std::sync::Arc;

use auditlake_store::{Result, Status, alert::AlertLine, filter::Filter};
use futures::{future::try_join_all, try_join};
use jiff::Timestamp;

use super::{
    super::{dashboards::panel::Drawn, picker::Picker, wholeness::Wholeness},
    PANELS,
    attention::{self, Concern},
    places::Places,
};
use crate::{
    Site,
    scope::{Params, Scope},
    text,
};

/// What the page shows.
pub struct View {
    pub now: Timestamp,
    pub status: Arc<Status>,
    pub scope: Scope,
    pub picker: Picker,
    pub numbers: Vec<Drawn>,
    pub chart: Option<Drawn>,
    pub lists: Vec<Drawn>,
    pub newest: Option<Drawn>,
    pub places: Places,
    pub concerns: Vec<Concern>,
    /// The gravest open alerts, the newest first.
    pub alerts: Vec<AlertLine>,
    pub wholes: Vec<Wholeness>,
}

impl View {
    /// Asks everything at once.
    pub async fn load(site: &Site, params: &Params) -> Result<View> {
        let (ask, now) = (site.ask().lasting(), Timestamp::now());
        let status = site.ask().status().await?;
        let scope = Scope::or_usual(params, None, &status, now)?;
        let drawn = try_join_all(PANELS.iter().map(|panel| Drawn::load(ask, panel, &PANELS, &scope, &Filter::All)));
        let (picker, drawn, places, concerns, alerts, wholes) = try_join!(
            Picker::new(ask, "/", params, &scope),
            drawn,
            Places::load(ask, &scope),
            attention::concerns(site, &status, now),
            attention::gravest(site),
            Wholeness::of_all(site, &status, now),
        )?;
        let (numbers, others): (Vec<Drawn>, Vec<Drawn>) = drawn.into_iter().flatten().partition(Drawn::is_number);
        let (lists, others): (Vec<Drawn>, Vec<Drawn>) = others.into_iter().partition(Drawn::is_top);
        let (mut chart, mut newest): (Vec<Drawn>, Vec<Drawn>) = others.into_iter().partition(Drawn::is_time);
        Ok(View {
            now,
            status,
            scope,
            picker,
            numbers,
            chart: chart.pop(),
            lists,
            newest: newest.pop(),
            places,
            concerns,
            alerts,
            wholes,
        })
    }

    /// How long the log goes back.
    pub fn kept(&self) -> String {
        let oldest = self.status.oldest.unwrap_or(self.now);
        text::span(oldest, self.status.newest.unwrap_or(oldest))
    }
}
