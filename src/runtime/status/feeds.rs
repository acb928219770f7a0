//! The status page's section on feeds.

use std::fmt::{Display, Write as _};

use crate::component::feed::FeedFacts;
use crate::registry::board::Facts;
use crate::runtime::status::escaped;

/// Writes the section.
pub(super) fn section(out: &mut String, facts: &Facts) {
    out.push_str("<h2>Feeds</h2>");
    if facts.feeds.is_empty() {
        out.push_str(
            "<p class=note>None is configured. Set REDIS_HOST or TAWNY_RESP_LISTEN to take what applications hand in.</p>",
        );
        return;
    }
    out.push_str(
        "<table><tr><th>Name<th>State<th class=number>Records<th class=number>Waiting<th class=number>Unreadable\
         <th class=number>Ahead<th class=number>Claims<th class=number>Connections<th class=number>Refused</tr>",
    );
    for (name, feed) in &facts.feeds {
        row(out, name, feed);
    }
    out.push_str("</table>");
    for (name, feed) in &facts.feeds {
        for (topic, warning) in &feed.warnings {
            let _ = write!(
                out,
                "<p class=\"note warn\">{}: {}: {}</p>",
                escaped(name),
                escaped(topic),
                escaped(warning)
            );
        }
    }
}

/// What the trouble is stands at the head of the page, among what makes the agent unready.
fn row(out: &mut String, name: &str, facts: &FeedFacts) {
    let (class, state) = match facts.trouble {
        None => ("good", "taking in"),
        Some(_) => ("bad", "in trouble"),
    };
    let claims = [("lost", facts.lost_claims), ("taken over", facts.taken_over)];
    let _ = write!(
        out,
        "<tr><td>{}<td class={class}>{state}<td class=number>{}<td class=number>{}<td class=number>{}\
         <td class=number>{}<td class=number>{}<td class=number>{}<td class=number>{}</tr>",
        escaped(name),
        list(&facts.records),
        facts.waiting,
        list(&facts.unreadable),
        facts.ahead,
        list(claims.iter().map(|(what, count)| (what, count))),
        facts.connections,
        list(&facts.refused),
    );
}

/// Counts with their words, a line each; `0` where all are none.
fn list<'a, W: Display + 'a>(counts: impl IntoIterator<Item = (&'a W, &'a u64)>) -> String {
    let some = counts.into_iter().filter(|(_, count)| **count > 0);
    let lines: Vec<String> = some.map(|(what, count)| format!("{count} {what}")).collect();
    match lines.is_empty() {
        true => "0".to_string(),
        false => lines.join("<br>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_says_what_it_does_and_what_is_wrong() {
        let mut facts = Facts::default();
        let page = |facts: &Facts| {
            let mut out = String::new();
            section(&mut out, facts);
            out
        };
        assert!(page(&facts).contains("None is configured. Set REDIS_HOST or TAWNY_RESP_LISTEN"));
        let feed = FeedFacts {
            trouble: Some("away".to_string()),
            warnings: [("eviction", "Redis <may> evict".to_string())].into(),
            records: [("logs", 3), ("metrics", 40)].into(),
            unreadable: [("not_json", 2)].into(),
            taken_over: 1,
            waiting: 7,
            ..FeedFacts::default()
        };
        facts.feeds.insert("redis".to_string(), feed);
        facts.feeds.insert("resp".to_string(), FeedFacts::default());
        let page = page(&facts);
        for text in [
            "<tr><td>redis<td class=bad>in trouble<td class=number>3 logs<br>40 metrics<td class=number>7\
             <td class=number>2 not_json<td class=number>0<td class=number>1 taken over<td class=number>0",
            "<tr><td>resp<td class=good>taking in<td class=number>0",
            "<p class=\"note warn\">redis: eviction: Redis &lt;may&gt; evict</p>",
        ] {
            assert!(page.contains(text), "{text} is missing in {page}");
        }
    }
}
