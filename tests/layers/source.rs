//! Finds the paths into this crate that a source text names, without comments and string literals.

/// A path into this crate, from its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// Counted from 1.
    pub(super) line: usize,
    /// Modules and item, without `crate`.
    pub(super) path: Vec<String>,
    /// Whether it is a group right at the root: `crate::{`.
    pub(super) group_of_root: bool,
}

/// A token that matters to paths; everything else is [`Other`](Token::Other).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Step,
    Open,
    Close,
    Comma,
    Semicolon,
    Other,
}

/// Every path of `text` that begins with `crate`, `super` or `self`; `text` is the module `module`.
pub(super) fn paths(text: &str, module: &[String]) -> Vec<Reference> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    // The modules written inside this file that are open: name and the depth of their braces.
    let mut inner: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some((line, token)) = tokens.get(at) {
        match token {
            Token::Open => depth += 1,
            Token::Close => {
                depth = depth.saturating_sub(1);
                if inner.last().is_some_and(|(_, opened)| *opened == depth) {
                    inner.pop();
                }
            }
            Token::Word(word) if word == "mod" => {
                if let (Some((_, Token::Word(name))), Some((_, Token::Open))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    inner.push((name.clone(), depth));
                    depth += 1;
                    at += 3;
                    continue;
                }
            }
            Token::Word(word)
                if is_start(word) && tokens.get(at + 1).is_some_and(|(_, next)| *next == Token::Step) =>
            {
                let own = module
                    .iter()
                    .cloned()
                    .chain(inner.iter().map(|(name, _)| name.clone()));
                let base = if word == "crate" {
                    Vec::new()
                } else {
                    own.collect()
                };
                let mut walk = Walk {
                    tokens: &tokens,
                    at,
                    found: &mut found,
                    root: word == "crate",
                };
                walk.path(base, *line);
                at = walk.at;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn is_start(word: &str) -> bool {
    matches!(word, "crate" | "super" | "self")
}

/// Follows one path, and every branch where it is a group.
struct Walk<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    found: &'a mut Vec<Reference>,
    /// Whether nothing but `crate` was read so far.
    root: bool,
}

impl Walk<'_> {
    /// Reads words and steps from here; `base` is what came before.
    fn path(&mut self, mut base: Vec<String>, mut line: usize) {
        loop {
            match self.tokens.get(self.at) {
                Some((here, Token::Word(word))) => {
                    line = *here;
                    match word.as_str() {
                        "crate" | "self" => {}
                        "super" => {
                            base.pop();
                        }
                        name => {
                            self.root = false;
                            base.push(name.to_owned());
                        }
                    }
                    self.at += 1;
                }
                Some((here, Token::Open)) => {
                    let (here, group_of_root) = (*here, self.root && base.is_empty());
                    self.at += 1;
                    if group_of_root {
                        self.found.push(Reference {
                            line: here,
                            path: Vec::new(),
                            group_of_root,
                        });
                    }
                    self.group(&base, group_of_root);
                    return;
                }
                // A glob, or the type of a `<…>`: the module itself is meant.
                _ => break,
            }
            match self.tokens.get(self.at) {
                Some((_, Token::Step)) => self.at += 1,
                _ => break,
            }
        }
        self.found.push(Reference {
            line,
            path: base,
            group_of_root: false,
        });
    }

    /// Reads the branches of a group up to its end. Those of a group at the root are a fault already.
    fn group(&mut self, base: &[String], known: bool) {
        let before = self.found.len();
        while let Some((line, token)) = self.tokens.get(self.at) {
            match token {
                Token::Close => {
                    self.at += 1;
                    break;
                }
                Token::Word(_) | Token::Open => {
                    self.path(base.to_vec(), *line);
                    // `X as Y`: the new name is no path.
                    while matches!(self.tokens.get(self.at), Some((_, Token::Word(_)))) {
                        self.at += 1;
                    }
                }
                Token::Semicolon => break,
                Token::Comma | Token::Step | Token::Other => self.at += 1,
            }
        }
        if known {
            self.found.truncate(before);
        }
    }
}

/// The tokens of `text` with their lines.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (length, token) = next(rest, first);
        let (taken, left) = rest.split_at(length);
        if let Some(token) = token {
            found.push((line, token));
        }
        line += taken.matches('\n').count();
        rest = left;
    }
    found
}

/// The length of the next token, and the token if it is no blank, comment or literal.
fn next(rest: &str, first: char) -> (usize, Option<Token>) {
    let single = first.len_utf8();
    match first {
        '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), None),
        '/' if rest.starts_with("/*") => (block_comment(rest), None),
        '"' => (1 + string(&rest[1..]), None),
        '\'' => (quote(rest), None),
        ':' if rest.starts_with("::") => (2, Some(Token::Step)),
        '{' => (1, Some(Token::Open)),
        '}' => (1, Some(Token::Close)),
        ',' => (1, Some(Token::Comma)),
        ';' => (1, Some(Token::Semicolon)),
        _ if first.is_whitespace() => (single, None),
        _ if first.is_alphanumeric() || first == '_' => {
            let length = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            let word = &rest[..length];
            match raw_string(word, &rest[length..]) {
                Some(more) => (length + more, None),
                None => (length, Some(Token::Word(word.to_owned()))),
            }
        }
        _ => (single, Some(Token::Other)),
    }
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a string's rest after its opening quote, up to and with the closing one.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of what follows `r`, `br` or `cr` when that begins a raw string.
fn raw_string(word: &str, rest: &str) -> Option<usize> {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let raw = matches!(word, "r" | "br" | "cr") && rest[hashes..].starts_with('"');
    raw.then(|| {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = &rest[hashes + 1..];
        hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len())
    })
}

/// The length of a character literal, or of the quote alone when it begins a lifetime.
fn quote(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        // The escaped character itself may be a quote.
        Some((_, '\\')) => {
            chars.next();
            chars
                .find(|(_, c)| *c == '\'')
                .map_or(rest.len(), |(at, _)| at + 1)
        }
        Some((at, c)) if rest[at + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 1,
        _ => 1,
    }
}
