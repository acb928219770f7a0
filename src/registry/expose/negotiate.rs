//! From a scrape's headers and query to the page that it gets.

/// A text exposition format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// The classic text format, for everybody: `text/plain; version=0.0.4`.
    #[default]
    Text004,
    /// The same with UTF-8 names in quotes: `text/plain; version=1.0.0`.
    Text100,
    /// OpenMetrics before it was final; our body is the one of 1.0.0 with legacy names.
    OpenMetrics001,
    /// OpenMetrics 1.0.0.
    OpenMetrics100,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [
        Self::Text004,
        Self::Text100,
        Self::OpenMetrics001,
        Self::OpenMetrics100,
    ];

    /// The word for this format in labels and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text004 => "text_0.0.4",
            Self::Text100 => "text_1.0.0",
            Self::OpenMetrics001 => "openmetrics_0.0.1",
            Self::OpenMetrics100 => "openmetrics_1.0.0",
        }
    }

    /// Whether it is one of the two OpenMetrics formats.
    pub const fn is_openmetrics(self) -> bool {
        matches!(self, Self::OpenMetrics001 | Self::OpenMetrics100)
    }

    /// Whether names may stand in quotes, so that no escaping is needed.
    pub const fn quotes_names(self) -> bool {
        matches!(self, Self::Text100 | Self::OpenMetrics100)
    }
}

/// How names that are no legacy Prometheus names are shown. The schemes are those of Prometheus'
/// [UTF-8 escaping](https://prometheus.io/docs/instrumenting/escaping_schemes/).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Escaping {
    /// As written, in quotes.
    AllowUtf8,
    /// With `_` for every character that is not allowed.
    #[default]
    Underscores,
    /// With `_dot_` for `.` and `__` for `_` and for any other character.
    Dots,
    /// With the prefix `U__` and the code point of every other character between underscores.
    Values,
}

impl Escaping {
    /// All schemes.
    pub const ALL: [Self; 4] = [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values];

    /// The word for this scheme in `Accept` and `Content-Type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }
}

/// What a scrape asks for. The default is what a scraper gets that says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// The format.
    pub format: Format,
    /// How names are shown; [`Escaping::AllowUtf8`] only where the format quotes names.
    pub escaping: Escaping,
    /// Whether the page is compressed (`Content-Encoding: gzip`).
    pub gzip: bool,
    /// Only families of these names (`name[]`): as written, as shown, or a sample's name. Empty: all.
    pub names: Vec<String>,
    /// Whether OpenMetrics pages tell when counters and histograms began (`created=1`); it nearly doubles them. `None`
    /// where the query says nothing: then they do not.
    pub created: Option<bool>,
}

impl PageRequest {
    /// Reads the request's `Accept` and `Accept-Encoding` (several headers of one name joined by commas) and its query
    /// without the question mark; absent ones are empty. It never fails: who asks for something else, or for nonsense,
    /// gets text 0.0.4, as Prometheus' own libraries do it.
    pub fn new(accept: &str, accept_encoding: &str, query: &str) -> Self {
        let (format, escaping) = best_format(accept);
        let mut request = Self {
            format,
            escaping,
            gzip: takes_gzip(accept_encoding),
            ..Self::default()
        };
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match decode(key).as_str() {
                "name[]" => request.names.push(decode(value)),
                "created" => request.created = Some(matches!(value, "" | "1" | "true")),
                _ => {}
            }
        }
        request
    }

    /// The page's `Content-Type`.
    pub fn content_type(&self) -> String {
        let (media, version) = match self.format {
            Format::Text004 => ("text/plain", "0.0.4"),
            Format::Text100 => ("text/plain", "1.0.0"),
            Format::OpenMetrics001 => ("application/openmetrics-text", "0.0.1"),
            Format::OpenMetrics100 => ("application/openmetrics-text", "1.0.0"),
        };
        let mut text = format!("{media}; version={version}; charset=utf-8");
        // The older formats know no escaping: it is named where the scraper named one, and is otherwise understood.
        if self.format.quotes_names() || self.escaping != Escaping::Underscores {
            text.push_str("; escaping=");
            text.push_str(self.escaping.name());
        }
        text
    }
}

/// The format of the highest q-value that we speak; of equal ones the first.
fn best_format(accept: &str) -> (Format, Escaping) {
    let mut best = (0.0, (Format::default(), Escaping::default()));
    for element in split(accept, ',') {
        let (quality, chosen) = match read_element(element) {
            Some(read) => read,
            None => continue,
        };
        if quality > best.0 {
            best = (quality, chosen);
        }
    }
    best.1
}

fn read_element(element: &str) -> Option<(f64, (Format, Escaping))> {
    let mut parts = split(element, ';');
    let media = parts.next()?.to_ascii_lowercase();
    let (mut version, mut escaping, mut quality) = (None, None, 1.0);
    for part in parts {
        let (key, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        match key.trim().to_ascii_lowercase().as_str() {
            "version" => version = Some(value.to_string()),
            "escaping" => escaping = Escaping::ALL.into_iter().find(|scheme| scheme.name() == value),
            "q" => quality = value.parse().ok().filter(|q| (0.0..=1.0).contains(q))?,
            _ => {}
        }
    }
    let format = match (media.as_str(), version.as_deref()) {
        ("application/openmetrics-text", Some("1.0.0")) => Format::OpenMetrics100,
        ("application/openmetrics-text", Some("0.0.1") | None) => Format::OpenMetrics001,
        ("text/plain", Some("1.0.0")) => Format::Text100,
        ("text/plain", Some("0.0.4") | None) | ("text/*" | "*/*", _) => Format::Text004,
        _ => return None,
    };
    let escaping = match escaping.unwrap_or_default() {
        Escaping::AllowUtf8 if !format.quotes_names() => Escaping::Underscores,
        other => other,
    };
    Some((quality, (format, escaping)))
}

fn takes_gzip(accept_encoding: &str) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for element in split(accept_encoding, ',') {
        let mut parts = split(element, ';');
        let coding = parts.next().unwrap_or("").to_ascii_lowercase();
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
        match coding.as_str() {
            "gzip" | "x-gzip" => gzip = Some(quality),
            "*" => any = Some(quality),
            "identity" => identity = Some(quality),
            _ => {}
        }
    }
    let gzip: f64 = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    text.split(at).map(str::trim).filter(|part| !part.is_empty())
}

/// Undoes the encoding of a query's keys and values; what is not valid stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=";

    #[test]
    fn every_accept_header_gets_its_content_type() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let native_histograms = format!(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,{prometheus_3}"
        );
        let prometheus_2_42 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let text = "text/plain; version=0.0.4; charset=utf-8";
        for (accept, expected) in [
            (prometheus_3, &*format!("{OPENMETRICS}allow-utf-8")),
            (&native_histograms, &format!("{OPENMETRICS}allow-utf-8")),
            (prometheus_2_42, &format!("{OPENMETRICS}underscores")),
            ("", text),
            ("*/*", text),
            ("text/*", text),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                text,
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
                text,
            ),
            ("garbage;;;===,,", text),
            ("application/json", text),
            ("text/plain", text),
            ("TEXT/PLAIN; Version=0.0.4", text),
            ("text/plain;version=0.0.4;escaping=allow-utf-8", text),
            (
                "text/plain;version=0.0.4;escaping=dots",
                "text/plain; version=0.0.4; charset=utf-8; escaping=dots",
            ),
            (
                "text/plain;version=1.0.0",
                "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
            ),
            (
                "text/plain; version=\"1.0.0\"; escaping=allow-utf-8",
                "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            ),
            ("text/plain;version=2.0.0", text),
            (
                "application/openmetrics-text",
                "application/openmetrics-text; version=0.0.1; charset=utf-8",
            ),
            (
                "application/openmetrics-text;version=0.0.1;escaping=values",
                "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=values",
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=values",
                &format!("{OPENMETRICS}values"),
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=morse",
                &format!("{OPENMETRICS}underscores"),
            ),
            ("application/openmetrics-text;version=1.0.0;q=0", text),
            ("application/openmetrics-text;version=1.0.0;q=7", text),
            (
                "text/plain;q=0.2,application/openmetrics-text;version=1.0.0;q=0.21",
                &format!("{OPENMETRICS}underscores"),
            ),
            (
                "application/openmetrics-text;version=2.0.0,text/plain;version=0.0.4;q=0.1",
                text,
            ),
        ] {
            assert_eq!(
                PageRequest::new(accept, "", "").content_type(),
                expected,
                "{accept}"
            );
        }
    }

    #[test]
    fn gzip_is_used_only_for_those_who_take_it() {
        for (accept, expected) in [
            ("", false),
            ("gzip", true),
            ("GZIP", true),
            ("deflate, gzip;q=1.0, *;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0, *", false),
            ("*", true),
            ("*;q=0", false),
            ("br", false),
            ("identity, gzip;q=0.5", false),
            ("identity;q=0.5, gzip", true),
            ("gzip;q=x", false),
        ] {
            assert_eq!(PageRequest::new("", accept, "").gzip, expected, "{accept}");
        }
    }

    #[test]
    fn the_query_names_families_and_asks_for_created() {
        let request = PageRequest::new("", "", "name[]=a&name%5B%5D=b.%C3%BC+c&created=1&x=%zz");
        assert_eq!(request.names, ["a", "b.ü c"]);
        assert_eq!(request.created, Some(true));
        assert_eq!(PageRequest::new("", "", "created=0").created, Some(false));
        assert_eq!(PageRequest::new("", "", "").created, None);
        assert_eq!(PageRequest::new("", "", "created").created, Some(true));
        assert_eq!(PageRequest::new("", "", ""), PageRequest::default());
    }
}
