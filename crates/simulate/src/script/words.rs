//! The words of the script: attributes of stories, delays, actors and places. `None` is a word that there is not.

use super::{Casting, Hours, Part, Step, Story, Surface, parse::Writing};
use crate::{
    calendar::{DAY, HOUR, MINUTE, Micros, SECOND},
    devices::Client,
    networks::NetworkKind,
    people::Unit,
};

/// Applies an attribute of a story.
pub(super) fn attribute(word: &str, story: &mut Story, writing: &mut Writing) -> Option<()> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    match name {
        "weight" => {
            let (developer, other) = value.split_once('/').unwrap_or((value, value));
            story.weight = (developer.parse().ok()?, other.parse().ok()?);
        }
        "rate" => {
            let (all, each) = value.split_once('+').unwrap_or((value, "0"));
            story.rate = (all.parse().ok()?, each.parse().ok()?);
        }
        "project" => story.project = value.strip_suffix('%')?.parse::<u32>().ok()? * 10,
        "lasting" => story.lasting = true,
        "late" => story.late = true,
        "by" => story.own = casting(value)?,
        "target" => story.target = casting(value)?,
        "org" => {
            writing.unit = Some(match value {
                "sandbox" => Unit::Sandbox,
                "platform" => Unit::Platform,
                _ => return None,
            });
        }
        "hours" => {
            story.patient &= value == "work";
            story.hours = match value {
                "work" => Hours::Work,
                "any" => Hours::Any,
                "night" => Hours::Night,
                _ => return None,
            };
        }
        "on" => {
            story.surface = match value {
                "web" => Surface::Web,
                "code" => Surface::Code,
                "phone" => Surface::Phone,
                "desktop" => Surface::Desktop,
                _ => return None,
            };
        }
        _ => return None,
    }
    Some(())
}

fn casting(word: &str) -> Option<Casting> {
    Some(match word {
        "owner" => Casting::Owner,
        "admin" => Casting::Admin,
        "anybody" => Casting::Anybody,
        "newcomer" => Casting::Newcomer,
        "colleague" => Casting::Colleague,
        _ => return None,
    })
}

/// A delay, such as `5s..2m`.
pub(super) fn range(text: &str) -> Option<(Micros, Micros)> {
    let (low, high) = text.split_once("..").unwrap_or((text, text));
    Some((span(low)?, span(high)?))
}

fn span(text: &str) -> Option<Micros> {
    let unit = match text.chars().last()? {
        's' => SECOND,
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        '0' => return (text == "0").then_some(0),
        _ => return None,
    };
    Some(text[..text.len() - 1].parse::<Micros>().ok()? * unit)
}

/// Applies `@ACTOR[/PLACE[/CLIENT]]`.
pub(super) fn cast(word: &str, step: &mut Step) -> Option<()> {
    let mut parts = word[1..].split('/');
    step.actor = match parts.next()? {
        "own" => Part::Own,
        "target" => Part::Target,
        "owner" => Part::Owner,
        "each" => Part::Each,
        "anonymous" => Part::Anonymous,
        "anonymous-target" => Part::AnonymousTarget,
        "anonymous-each" => Part::AnonymousEach,
        "stranger" => Part::Stranger,
        "ghost" => Part::Ghost,
        "scim" => Part::Scim,
        "system" => Part::System,
        "anthropic" => Part::Anthropic,
        "service" => Part::Service,
        "key" => Part::Key,
        "admin-key" => Part::AdminKey,
        "story-key" => Part::StoryKey,
        "story-admin-key" => Part::StoryAdminKey,
        "federated" => Part::Federated,
        "identity" => Part::Identity,
        "device" => Part::Device,
        _ => return None,
    };
    if let Some(place) = parts.next() {
        step.place = Some(match place {
            "office" => NetworkKind::Office,
            "vpn" => NetworkKind::Vpn,
            "home" => NetworkKind::Residential,
            "mobile" => NetworkKind::Mobile,
            "cloud" => NetworkKind::Cloud,
            "hosting" => NetworkKind::Hosting,
            "tor" => NetworkKind::Tor,
            "proxy" => NetworkKind::Proxy,
            _ => return None,
        });
    }
    if let Some(client) = parts.next() {
        step.client = Some(Client::named(client)?);
    }
    Some(())
}
