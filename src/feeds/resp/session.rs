//! What one client's commands mean: who it is, what it queued, and which answer follows at once.
//!
//! Nothing is read or written here. What must be stored comes out as a [`Write`], whose answer is known later.

use bytes::Bytes;

use crate::feeds::resp::access::{Access, Login};
use crate::feeds::resp::commands::{self, Verdict};
use crate::feeds::resp::reply::{self, Reply};
use crate::feeds::resp::write::Write;

/// Most commands that wait for an EXEC.
const MOST_QUEUED: usize = 10_000;
/// Most bytes of their arguments.
const MOST_QUEUED_BYTES: usize = 8 << 20;
/// Passwords that one connection may try.
const MOST_TRIES: u32 = 10;

/// Something to answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// The answer is known.
    Answer(Reply),
    /// It depends on whether this could be stored.
    Store(Write),
}

/// What follows from a command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// One answer.
    One(Action),
    /// An array of answers; what is to be stored is stored together.
    Together(Vec<Action>),
    /// A last answer. `refused` says why, where it was not the client's wish.
    Close {
        /// The answer.
        answer: Reply,
        /// A word for the facts.
        refused: Option<&'static str>,
    },
}

/// One client.
#[derive(Debug)]
pub(super) struct Session {
    id: u64,
    /// Whether it may do anything.
    known: bool,
    tries: u32,
    /// Whether it asked for version 3 of the protocol.
    three: bool,
    name: Bytes,
    queued: Option<Queued>,
}

#[derive(Debug, Default)]
struct Queued {
    actions: Vec<Action>,
    bytes: usize,
    /// A command was refused, so none of them will be executed.
    broken: bool,
}

impl Session {
    /// A client that has just come.
    pub(super) fn new(id: u64, access: &Access) -> Self {
        Self {
            id,
            known: !access.wants_password(),
            tries: 0,
            three: false,
            name: Bytes::new(),
            queued: None,
        }
    }

    /// Whether it has given the password, where one is wanted.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// Bytes that wait for an EXEC.
    pub(super) fn held(&self) -> usize {
        self.queued.as_ref().map_or(0, |queued| queued.bytes)
    }

    /// Takes a command, which has at least its name.
    pub(super) fn take(&mut self, command: &[Bytes], access: &Access) -> Step {
        let Some((name, arguments)) = command.split_first() else {
            return answer(reply::error("ERR empty command"));
        };
        let name = name.to_ascii_lowercase();
        match &name[..] {
            b"quit" => {
                return Step::Close {
                    answer: reply::simple("OK"),
                    refused: None,
                };
            }
            b"auth" | b"hello" if self.queued.is_none() => return self.introduce(&name, arguments, access),
            _ if !self.known => return answer(reply::error("NOAUTH Authentication required.")),
            _ => {}
        }
        if let Some(queued) = self.queued.take() {
            return self.queue(queued, &name, arguments, access);
        }
        let alone = |reply: Reply| {
            if arguments.is_empty() {
                answer(reply)
            } else {
                answer(commands::arity(&name))
            }
        };
        match &name[..] {
            b"multi" => {
                if arguments.is_empty() {
                    self.queued = Some(Queued::default());
                }
                alone(reply::simple("OK"))
            }
            b"exec" => alone(reply::error("ERR EXEC without MULTI")),
            b"discard" => alone(reply::error("ERR DISCARD without MULTI")),
            _ => match self.carry_out(&name, arguments, access) {
                Verdict::Refused(reply) => answer(reply),
                Verdict::Done(action) => Step::One(action),
            },
        }
    }

    fn queue(&mut self, mut queued: Queued, name: &[u8], arguments: &[Bytes], access: &Access) -> Step {
        match name {
            b"exec" if arguments.is_empty() => {
                return if queued.broken {
                    let text = "EXECABORT Transaction discarded because of previous errors.";
                    answer(reply::error(text))
                } else {
                    Step::Together(queued.actions)
                };
            }
            b"discard" if arguments.is_empty() => return answer(reply::simple("OK")),
            _ => {}
        }
        let size: usize = arguments.iter().map(|argument| argument.len() + 64).sum();
        let verdict = match name {
            // Redis says these two without giving the transaction up.
            b"multi" | b"watch" => {
                let text = match name {
                    b"multi" => "ERR MULTI calls can not be nested",
                    _ => "ERR WATCH inside MULTI is not allowed",
                };
                self.queued = Some(queued);
                return answer(reply::error(text));
            }
            b"exec" | b"discard" => Verdict::Refused(commands::arity(name)),
            b"auth" | b"hello" => {
                Verdict::Refused(reply::error("ERR Command not allowed inside a transaction"))
            }
            _ if queued.actions.len() >= MOST_QUEUED || queued.bytes + size > MOST_QUEUED_BYTES => {
                queued.actions = Vec::new();
                queued.bytes = 0;
                Verdict::Refused(reply::error(
                    "OOM too much in one transaction; execute it in smaller ones",
                ))
            }
            _ if queued.broken => match self.carry_out(name, arguments, access) {
                // Its answers are never given: nothing is kept.
                Verdict::Done(_) => Verdict::Done(Action::Answer(Reply::new())),
                refused => refused,
            },
            _ => self.carry_out(name, arguments, access),
        };
        let reply = match verdict {
            Verdict::Refused(reply) => {
                queued.broken = true;
                reply
            }
            Verdict::Done(action) => {
                if !queued.broken {
                    queued.actions.push(action);
                    queued.bytes += size;
                }
                reply::simple("QUEUED")
            }
        };
        self.queued = Some(queued);
        answer(reply)
    }

    fn carry_out(&mut self, name: &[u8], arguments: &[Bytes], access: &Access) -> Verdict {
        if name == b"client" {
            return self.client(arguments);
        }
        commands::carry_out(name, arguments, access, self.three)
    }

    /// CLIENT: what libraries say of themselves is taken note of by nobody.
    fn client(&mut self, arguments: &[Bytes]) -> Verdict {
        let Some((word, rest)) = arguments.split_first() else {
            return Verdict::Refused(commands::arity(b"client"));
        };
        let done = |reply: Reply| Verdict::Done(Action::Answer(reply));
        match (&word.to_ascii_lowercase()[..], rest) {
            (b"setinfo", [_, _]) => done(reply::simple("OK")),
            (b"setname", [name]) if name.iter().all(u8::is_ascii_graphic) && name.len() <= 256 => {
                self.name = Bytes::copy_from_slice(name);
                done(reply::simple("OK"))
            }
            (b"setname", [_]) => done(reply::error(
                "ERR Client names cannot contain spaces, newlines or special characters.",
            )),
            (b"getname", []) if self.name.is_empty() => done(reply::null(self.three)),
            (b"getname", []) => done(reply::bulk(&self.name)),
            (b"id", []) => done(reply::integer(self.id)),
            _ => done(reply::error(&format!(
                "ERR unknown subcommand or wrong number of arguments for '{:.128}'. Try CLIENT HELP.",
                word.escape_ascii().to_string()
            ))),
        }
    }

    /// AUTH and HELLO.
    fn introduce(&mut self, name: &[u8], arguments: &[Bytes], access: &Access) -> Step {
        if name == b"auth" {
            let login = match arguments {
                [password] if access.wants_password() => access.check(b"default", password),
                [_] => {
                    return answer(reply::error(
                        "ERR AUTH <password> called without any password configured for the default user. \
                         Are you sure your configuration is correct?",
                    ));
                }
                [user, password] => access.check(user, password),
                [] => return answer(commands::arity(name)),
                _ => return answer(reply::error("ERR syntax error")),
            };
            return self.admit(login).unwrap_or_else(|| answer(reply::simple("OK")));
        }
        let mut three = self.three;
        let mut rest = arguments;
        if let Some((version, others)) = rest.split_first() {
            three = match &version[..] {
                b"2" => false,
                b"3" => true,
                digits if digits.iter().all(u8::is_ascii_digit) => {
                    return answer(reply::error("NOPROTO unsupported protocol version"));
                }
                _ => {
                    return answer(reply::error(
                        "ERR Protocol version is not an integer or out of range",
                    ));
                }
            };
            rest = others;
        }
        let mut new_name = None;
        while let Some((word, others)) = rest.split_first() {
            rest = match (&word.to_ascii_lowercase()[..], others) {
                (b"auth", [user, password, others @ ..]) => {
                    if let Some(refusal) = self.admit(access.check(user, password)) {
                        return refusal;
                    }
                    others
                }
                (b"setname", [name, others @ ..]) if name.iter().all(u8::is_ascii_graphic) => {
                    new_name = Some(Bytes::copy_from_slice(name));
                    others
                }
                _ => {
                    let word = word.escape_ascii().to_string();
                    return answer(reply::error(&format!(
                        "ERR Syntax error in HELLO option '{word:.128}'"
                    )));
                }
            };
        }
        if !self.known {
            return answer(reply::error(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
                 <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
                 the same time",
            ));
        }
        self.name = new_name.unwrap_or_else(|| self.name.clone());
        self.three = three;
        answer(commands::hello(self.id, three))
    }

    /// Notes how a login went; what to answer where it failed.
    fn admit(&mut self, login: Login) -> Option<Step> {
        let refused = reply::error("WRONGPASS invalid username-password pair or user is disabled.");
        match login {
            Login::Right => {
                self.known = true;
                None
            }
            Login::Wrong if self.tries + 1 >= MOST_TRIES => Some(Step::Close {
                answer: refused,
                refused: Some("auth"),
            }),
            Login::Wrong => {
                self.tries += 1;
                Some(answer(refused))
            }
        }
    }
}

fn answer(reply: Reply) -> Step {
    Step::One(Action::Answer(reply))
}
