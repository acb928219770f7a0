//! The effective settings as a tree that may be shown: secrets masked.

use serde_json::Value;

use crate::catalog::Catalog;
use crate::config::settings::Settings;
use crate::support::secret::MASK;

/// The settings as they take effect, components' own defaults included, with every secret masked: typed ones mask themselves, and in the components' own sections whatever
/// has the name of a secret is masked, as is user info in URLs.
pub fn masked(settings: &Settings, catalog: &Catalog) -> Value {
    let mut tree = serde_json::to_value(settings).unwrap_or(Value::Null);
    for (name, one) in &settings.collectors {
        let entry = catalog.collector(&one.kind);
        fill(
            &mut tree["collectors"][name],
            entry.and_then(|entry| (entry.effective)(&one.section)),
        );
    }
    for (name, one) in &settings.feeds {
        let entry = catalog.feed(&one.kind);
        fill(
            &mut tree["feeds"][name],
            entry.and_then(|entry| (entry.effective)(&one.section)),
        );
    }
    for (name, one) in &settings.outputs {
        let entry = catalog.output(&one.kind);
        fill(
            &mut tree["outputs"][name],
            entry.and_then(|entry| (entry.effective)(&one.section)),
        );
    }
    mask(&mut tree, false);
    tree
}

/// Adds what is missing in a section; what nobody set and has no default stays out.
fn fill(section: &mut Value, effective: Option<Value>) {
    let (Value::Object(section), Some(Value::Object(effective))) = (section, effective) else {
        return;
    };
    for (key, value) in effective {
        match section.get_mut(&key) {
            Some(known) => fill(known, Some(value)),
            None if value.is_null() => {}
            None => {
                section.insert(key, value);
            }
        }
    }
}

fn mask(value: &mut Value, secret: bool) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                mask(value, secret || is_secret(key));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, secret)),
        Value::String(text) if secret && (text.is_empty() || text.starts_with("file:")) => {}
        Value::String(text) if secret => *text = MASK.to_string(),
        Value::String(text) => {
            if let Some(shown) = without_user_info(text) {
                *text = shown;
            }
        }
        Value::Number(_) if secret => *value = MASK.into(),
        _ => {}
    }
}

/// Whether a key is called as secrets are. A path to a key is none.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let words = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "credential",
        "authorization",
        "apikey",
    ];
    words.iter().any(|word| key.contains(word)) || key == "key" || key == "auth" || key.ends_with("_key")
}

/// A URL whose user info is masked; `None` where there is none.
fn without_user_info(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at = rest[..end].rfind('@')?;
    Some(format!("{scheme}://{MASK}@{}", &rest[at + 1..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_called_like_a_secret_is_masked() {
        let mut tree = json!({
            "api_key": "hunter2", "password": "file:/run/pw", "key_path": "/etc/key", "tokens": ["hunter2"],
            "proxy": "http://me:hunter2@proxy:3128/x", "url": "https://intake/api?a=b@c", "empty_token": "", "pin_key": 7,
        });
        mask(&mut tree, false);
        assert_eq!(
            tree,
            json!({
                "api_key": MASK, "password": "file:/run/pw", "key_path": "/etc/key", "tokens": [MASK],
                "proxy": "http://********@proxy:3128/x", "url": "https://intake/api?a=b@c", "empty_token": "",
                "pin_key": MASK,
            })
        );
    }
}
