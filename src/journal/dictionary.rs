//! The names, suffixes and label sets of a block, each once, sorted, sharing prefixes with their neighbours.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use hashbrown::HashMap as FastMap;

use crate::journal::bits::{BitReader, BitWriter, Plan, add_difference, difference, put_list, take_list};
use crate::journal::wire::{Reader, put_after, put_len, put_text};
use crate::model::fold::Fold;
use crate::model::labels::Labels;
use crate::model::metric::Names;

/// Most bytes of text that reading one block may bring forth; shared prefixes would allow any number.
const MOST_TEXT: usize = 256 << 20;
/// In a name's flags: it has a dotted name of its own.
const DOTTED: u8 = 1;
/// In a name's flags: it has a scale other than one.
const SCALED: u8 = 2;
/// In a name's flags: its labels are folded under the dotted name. Since version 2.
const FOLDED: u8 = 4;
/// What a text of a fold takes in memory beside its bytes.
const FOLD_TEXT: usize = 48;

/// Numbers the distinct ones among shared things: by address first, which is quick, and by content in the end.
#[derive(Debug)]
pub(super) struct Ranks<T> {
    by_address: FastMap<usize, u32>,
    last: (usize, u32),
    found: Vec<T>,
}

impl<T: Clone> Ranks<T> {
    pub(super) fn new() -> Self {
        Self {
            by_address: FastMap::new(),
            last: (0, 0),
            found: Vec::new(),
        }
    }

    /// The number of the thing at `address`, in order of appearance. The caller keeps it alive meanwhile.
    pub(super) fn number(&mut self, address: usize, thing: &T) -> u32 {
        // Nothing lies at address 0.
        if self.last.0 != address {
            let number = *self.by_address.entry(address).or_insert_with(|| {
                self.found.push(thing.clone());
                (self.found.len() - 1) as u32
            });
            self.last = (address, number);
        }
        self.last.1
    }

    /// The distinct things in order, and the rank of each number among them.
    pub(super) fn sorted<K: Ord>(self, key: impl Fn(&T) -> K) -> (Vec<T>, Vec<u32>) {
        let mut order: Vec<(K, u32)> = self.found.iter().map(key).zip(0u32..).collect();
        order.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        let mut ranks = vec![0; order.len()];
        let mut sorted: Vec<T> = Vec::with_capacity(order.len());
        for (index, (key, number)) in order.iter().enumerate() {
            if index == 0 || order[index - 1].0 != *key {
                sorted.push(self.found[*number as usize].clone());
            }
            ranks[*number as usize] = (sorted.len() - 1) as u32;
        }
        (sorted, ranks)
    }
}

/// Name, dotted name, bits of the scale, folds.
type NameKey = (Arc<str>, Option<Arc<str>>, u64, Cow<'static, [Fold]>);

/// What tells two families apart, and their order in a block.
pub(super) fn name_key(names: &Arc<Names>) -> NameKey {
    (
        names.name.clone(),
        names.dotted.clone(),
        names.scale.to_bits(),
        names.folds.clone(),
    )
}

pub(super) fn put_names(names: &[Arc<Names>], head: &mut Vec<u8>) {
    put_len(head, names.len());
    let mut before: (&str, &str) = ("", "");
    for names in names {
        let scaled = names.scale.to_bits() != 1f64.to_bits();
        let dotted = names.dotted.is_some();
        let folded = !names.folds.is_empty();
        let flag = |set, flag| if set { flag } else { 0 };
        head.push(flag(dotted, DOTTED) | flag(scaled, SCALED) | flag(folded, FOLDED));
        put_after(head, before.0, &names.name);
        before.0 = &names.name;
        if let Some(dotted) = &names.dotted {
            put_after(head, before.1, dotted);
            before.1 = dotted;
        }
        if scaled {
            head.extend_from_slice(&names.scale.to_le_bytes());
        }
        if folded {
            put_folds(&names.folds, head);
        }
    }
}

pub(super) fn take_names(most: usize, head: &mut Reader<'_>) -> Option<Vec<Arc<Names>>> {
    let mut budget = MOST_TEXT;
    let (mut name, mut dotted) = (String::new(), String::new());
    (0..head.len(most)?)
        .map(|_| {
            let flags = head.byte()?;
            name = head.after(&name, &mut budget)?;
            let has_dotted = flags & DOTTED != 0;
            if has_dotted {
                dotted = head.after(&dotted, &mut budget)?;
            }
            let scale = if flags & SCALED == 0 {
                1.0
            } else {
                f64::from_le_bytes(head.array()?)
            };
            let folds = match flags & FOLDED {
                0 => Cow::Borrowed(&[][..]),
                _ => Cow::Owned(take_folds(&mut budget, head)?),
            };
            Some(Arc::new(Names {
                name: name.as_str().into(),
                dotted: has_dotted.then(|| dotted.as_str().into()),
                scale,
                folds,
            }))
        })
        .collect()
}

fn put_folds(folds: &[Fold], head: &mut Vec<u8>) {
    put_len(head, folds.len());
    for fold in folds {
        put_text(head, &fold.label);
        put_text(head, &fold.into);
        put_len(head, fold.endings.len());
        for (value, ending) in fold.endings.iter() {
            put_text(head, value);
            put_text(head, ending);
        }
    }
}

fn take_folds(budget: &mut usize, head: &mut Reader<'_>) -> Option<Vec<Fold>> {
    let mut text = |head: &mut Reader<'_>| {
        let text = head.text()?;
        // Beside its bytes each costs a place, empty or not.
        *budget = budget.checked_sub(text.len() + FOLD_TEXT)?;
        Some(Cow::Owned(text.to_owned()))
    };
    let mut folds = Vec::new();
    for _ in 0..head.len(head.rest().len())? {
        let (label, into) = (text(head)?, text(head)?);
        let mut endings = Vec::new();
        for _ in 0..head.len(head.rest().len())? {
            endings.push((text(head)?, text(head)?));
        }
        let endings = Cow::Owned(endings);
        folds.push(Fold { label, into, endings });
    }
    Some(folds)
}

pub(super) fn put_texts<T: AsRef<str>>(texts: &[T], head: &mut Vec<u8>) {
    put_len(head, texts.len());
    let mut before = "";
    for text in texts {
        put_after(head, before, text.as_ref());
        before = text.as_ref();
    }
}

pub(super) fn take_texts(most: usize, budget: &mut usize, head: &mut Reader<'_>) -> Option<Vec<String>> {
    let mut texts: Vec<String> = Vec::new();
    for _ in 0..head.len(most)? {
        let text = head.after(texts.last().map_or("", String::as_str), budget)?;
        texts.push(text);
    }
    Some(texts)
}

pub(super) fn take_suffixes(most: usize, head: &mut Reader<'_>) -> Option<Vec<Arc<str>>> {
    let texts = take_texts(most, &mut MOST_TEXT.clone(), head)?;
    Some(texts.into_iter().map(Into::into).collect())
}

/// The distinct values of one label key, in order of appearance.
#[derive(Default)]
struct KeyValues<'a> {
    numbers: FastMap<std::borrow::Cow<'a, str>, u32>,
    column: Vec<u32>,
}

/// Writes sorted label sets: the keys that occur together as shapes, the values of each key as a sorted dictionary,
/// and for each set its shape and the ranks of its values.
pub(super) fn put_sets(sets: &[Labels], head: &mut Vec<u8>, bits: &mut BitWriter) {
    let mut keys: Vec<String> = Vec::new();
    let mut key_numbers: HashMap<String, usize> = HashMap::new();
    let mut values: Vec<KeyValues<'_>> = Vec::new();
    let mut shapes: FastMap<Vec<usize>, i64> = FastMap::new();
    let mut shape_list: Vec<Vec<usize>> = Vec::new();
    let mut shape_of_set: Vec<i64> = Vec::with_capacity(sets.len());
    let mut shape: Vec<usize> = Vec::new();
    for set in sets {
        shape.clear();
        for (key, value) in set.iter() {
            // Neighbours mostly have the same keys.
            let guess = shape_of_set
                .last()
                .and_then(|last| shape_list[*last as usize].get(shape.len()));
            let number = match guess {
                Some(guess) if keys[*guess] == key => *guess,
                _ => *key_numbers.entry(key.into_owned()).or_insert_with_key(|key| {
                    keys.push(key.clone());
                    values.push(KeyValues::default());
                    keys.len() - 1
                }),
            };
            shape.push(number);
            let of_key = &mut values[number];
            let next = of_key.numbers.len() as u32;
            let value = *of_key.numbers.entry(value).or_insert(next);
            of_key.column.push(value);
        }
        let next = shape_list.len() as i64;
        let shape_number = match shapes.get(&shape) {
            Some(number) => *number,
            None => {
                shapes.insert(shape.clone(), next);
                shape_list.push(shape.clone());
                next
            }
        };
        shape_of_set.push(shape_number);
    }
    put_len(head, sets.len());
    put_len(head, keys.len());
    keys.iter().for_each(|key| put_text(head, key));
    put_len(head, shape_list.len());
    for shape in &shape_list {
        put_len(head, shape.len());
        shape.iter().for_each(|key| put_len(head, *key));
    }
    put_list(&shape_of_set, head, bits);
    for of_key in values {
        let mut sorted: Vec<_> = of_key.numbers.into_iter().collect();
        sorted.sort_unstable();
        let mut ranks = vec![0; sorted.len()];
        for (rank, (_, number)) in sorted.iter().enumerate() {
            ranks[*number as usize] = rank as i64;
        }
        let texts: Vec<_> = sorted.into_iter().map(|(text, _)| text).collect();
        put_texts(&texts, head);
        let column: Vec<i64> = of_key
            .column
            .iter()
            .map(|number| ranks[*number as usize])
            .collect();
        put_ranks(&column, head, bits);
    }
}

/// Ranks come ascending, cycling or at random; as they are or as differences.
fn put_ranks(column: &[i64], head: &mut Vec<u8>, bits: &mut BitWriter) {
    let mut before = 0;
    let differences: Vec<i64> = column
        .iter()
        .map(|rank| difference(std::mem::replace(&mut before, *rank), *rank))
        .collect();
    let (plain, by_difference) = (Plan::of(column), Plan::of(&differences));
    if by_difference.bits < plain.bits {
        head.push(1);
        by_difference.write(&differences, head, bits);
    } else {
        head.push(0);
        plain.write(column, head, bits);
    }
}

fn take_ranks(count: usize, head: &mut Reader<'_>, bits: &mut BitReader<'_>) -> Option<Vec<i64>> {
    let by_difference = head.byte()? == 1;
    let mut column = take_list(count, head, bits)?;
    if by_difference {
        let mut before = 0;
        for rank in &mut column {
            before = add_difference(before, *rank);
            *rank = before;
        }
    }
    Some(column)
}

pub(super) fn take_sets(most: usize, head: &mut Reader<'_>, bits: &mut BitReader<'_>) -> Option<Vec<Labels>> {
    let mut budget = MOST_TEXT;
    let count = head.len(most)?;
    let room = head.rest().len();
    let keys: Option<Vec<&str>> = (0..head.len(room)?).map(|_| head.text()).collect();
    let keys = keys?;
    let mut shapes: Vec<Vec<usize>> = Vec::new();
    for _ in 0..head.len(room)? {
        let shape: Option<Vec<usize>> = (0..head.len(room)?)
            .map(|_| head.len(keys.len().checked_sub(1)?))
            .collect();
        shapes.push(shape?);
    }
    let shape_of_set = take_list(count, head, bits)?;
    let mut counts = vec![0usize; keys.len()];
    for shape in &shape_of_set {
        let shape = shapes.get(usize::try_from(*shape).ok()?)?;
        for key in shape {
            counts[*key] += 1;
        }
        // Every pair costs at least its key, quotes and all.
        budget = budget.checked_sub(shape.len() * 5)?;
    }
    let (mut values, mut ranks) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
    for count in counts {
        values.push(take_texts(count, &mut budget, head)?);
        ranks.push(take_ranks(count, head, bits)?.into_iter());
    }
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    let mut sets = Vec::with_capacity(count);
    for shape in shape_of_set {
        pairs.clear();
        for key in &shapes[usize::try_from(shape).ok()?] {
            let rank = usize::try_from(ranks[*key].next()?).ok()?;
            let text = values[*key].get(rank)?;
            budget = budget.checked_sub(keys[*key].len() + text.len())?;
            pairs.push((keys[*key], text));
        }
        // Not `from_sorted`: these bytes may come from anywhere.
        sets.push(Labels::new(pairs.iter().copied()));
    }
    Some(sets)
}
