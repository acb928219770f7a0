//! Answers as they go on the wire, in version 2 of the protocol, and in version 3 where a client asked for it.

/// Bytes of an answer.
pub(super) type Reply = Vec<u8>;

/// `+text`.
pub(super) fn simple(text: &str) -> Reply {
    format!("+{text}\r\n").into_bytes()
}

/// `-text`. It begins with a word such as `ERR`; line ends in it, which may come from a client, become spaces.
pub(super) fn error(text: &str) -> Reply {
    let text: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    format!("-{text}\r\n").into_bytes()
}

/// `:number`.
pub(super) fn integer(number: u64) -> Reply {
    format!(":{number}\r\n").into_bytes()
}

/// A bulk string.
pub(super) fn bulk(text: &[u8]) -> Reply {
    let mut reply = format!("${}\r\n", text.len()).into_bytes();
    reply.extend_from_slice(text);
    reply.extend_from_slice(b"\r\n");
    reply
}

/// Text for people, which version 3 marks as such.
pub(super) fn text(text: &str, three: bool) -> Reply {
    if three {
        return format!("={}\r\ntxt:{text}\r\n", text.len() + 4).into_bytes();
    }
    bulk(text.as_bytes())
}

/// Nothing.
pub(super) fn null(three: bool) -> Reply {
    if three {
        b"_\r\n".to_vec()
    } else {
        b"$-1\r\n".to_vec()
    }
}

/// An array of answers.
pub(super) fn array(items: &[Reply]) -> Reply {
    let mut reply = format!("*{}\r\n", items.len()).into_bytes();
    reply.extend(items.iter().flatten());
    reply
}

/// Pairs, which version 2 writes one behind the other.
pub(super) fn map(pairs: &[(&str, Reply)], three: bool) -> Reply {
    let mut reply = if three {
        format!("%{}\r\n", pairs.len()).into_bytes()
    } else {
        format!("*{}\r\n", pairs.len() * 2).into_bytes()
    };
    for (key, value) in pairs {
        reply.extend(bulk(key.as_bytes()));
        reply.extend_from_slice(value);
    }
    reply
}
