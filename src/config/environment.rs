//! The environment: variables by name, of this process or of a test.

use std::collections::BTreeMap;
use std::env;

/// Environment variables. An empty one counts as not set, because compose files and charts pass on what is not there
/// as empty text.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    exact: BTreeMap<String, String>,
    /// Names in capitals, to names as they are.
    folded: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of this process. Names or values that are no UTF-8 are left out.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        env::vars_os().filter_map(text).collect()
    }

    /// The value under just this name.
    pub fn exact(&self, name: &str) -> Option<&str> {
        self.exact
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The name as it is written in the environment, and its value, whatever case it is written in, as Chouette-IoT
    /// read it. Of several spellings the one in capitals wins.
    pub fn any_case(&self, name: &str) -> Option<(&str, &str)> {
        if let Some(value) = self.exact(name) {
            let (name, _) = self.exact.get_key_value(name)?;
            return Some((name, value));
        }
        let name = self.folded.get(&name.to_ascii_uppercase())?;
        Some((name, self.exact(name)?))
    }

    /// All names, as they are written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.exact.keys().map(String::as_str)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let exact: BTreeMap<String, String> = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let folded = exact
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, _)| (name.to_ascii_uppercase(), name.clone()))
            .collect();
        Self { exact, folded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_win_and_empty_is_unset() {
        let environment =
            Environment::from_iter([("api_key", "low"), ("API_KEY", "high"), ("Host", "a"), ("X", "")]);
        assert_eq!(environment.any_case("API_KEY"), Some(("API_KEY", "high")));
        assert_eq!(environment.any_case("HOST"), Some(("Host", "a")));
        assert_eq!(environment.exact("HOST"), None);
        assert_eq!((environment.exact("X"), environment.any_case("X")), (None, None));
    }
}
