//! Which families stand on a page, in which order, and which are left out because their names clash on it.

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::registry::expose::names::{NameOf, escape};
use crate::registry::expose::negotiate::PageRequest;
use crate::registry::own::OwnFamily;
use crate::registry::view::{FamilyId, FamilyView, Shape};

/// Where a family's series come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The agent's own metrics, by index.
    Own(usize),
    /// The registry.
    Registered(FamilyId),
}

/// What `# TYPE` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageType {
    /// A gauge.
    Gauge,
    /// A counter.
    Counter,
    /// A classic histogram.
    Histogram,
    /// OpenMetrics wants a counter's samples to end in `_total`. A name without it is shown as written all the same,
    /// because a name that depends on the format is worse than a missing type.
    Unknown,
}

impl PageType {
    /// The word on the page.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Unknown => "unknown",
        }
    }

    /// What a family of this type appends to its name, so that no other may be called like that.
    fn suffixes(self, openmetrics: bool) -> &'static [&'static str] {
        match (self, openmetrics) {
            (Self::Histogram, false) => &["_bucket", "_sum", "_count"],
            (Self::Histogram, true) => &["_bucket", "_sum", "_count", "_created"],
            (Self::Counter, true) => &["_total", "_created"],
            _ => &[],
        }
    }
}

/// One family of a page.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Planned {
    /// Where its series come from.
    pub(super) source: Source,
    /// Its type on this page.
    pub(super) kind: PageType,
    /// What its samples are called, escaped, without a histogram's suffixes.
    pub(super) sample: String,
    /// What its metadata lines call it: in OpenMetrics a counter's name without `_total`.
    pub(super) family: String,
    /// Its name as written.
    pub(super) name: Arc<str>,
    /// The text for `# HELP`, unescaped.
    pub(super) help: Arc<str>,
    /// The unit for `# UNIT`, where the family's name ends in it.
    pub(super) unit: Option<&'static str>,
}

/// What stands on a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Its families, sorted by the name of their samples.
    pub(super) families: Vec<Planned>,
    /// Those that clash, with the name of the one that stays.
    pub(super) left_out: Vec<(FamilyId, Arc<str>)>,
}

/// Plans a page. The agent's own metrics go before all others, ours before applications', then the earlier registered
/// before the later one. The filter of the request changes nothing in who wins.
pub(super) fn plan(own: &[OwnFamily], mut registered: Vec<FamilyView>, request: &PageRequest) -> Plan {
    registered.sort_by_key(|family| (!family.defined, family.id));
    let mut plan = Plan::default();
    let mut taken: HashMap<String, Arc<str>> = HashMap::new();
    let own = own.iter().enumerate().map(|(index, family)| {
        let view = FamilyView {
            id: FamilyId(0),
            name: family.def.name.into(),
            shape: family.shape(),
            help: family.def.help.into(),
            unit: family.def.unit(),
            defined: true,
        };
        (Source::Own(index), view)
    });
    let registered = registered
        .into_iter()
        .map(|family| (Source::Registered(family.id), family));
    for (source, family) in own.chain(registered) {
        let planned = place(source, family, request);
        let names = reserved(&planned, request);
        let holder = names.iter().find_map(|name| taken.get(&**name)).cloned();
        // No format can show an empty name.
        let holder = holder.or_else(|| planned.sample.is_empty().then(|| planned.name.clone()));
        match (holder, source) {
            (None, _) => {
                let names: Vec<String> = names.into_iter().map(Cow::into_owned).collect();
                taken.extend(names.into_iter().map(|name| (name, planned.name.clone())));
                if wanted(&planned, request) {
                    plan.families.push(planned);
                }
            }
            (Some(holder), Source::Registered(id)) => plan.left_out.push((id, holder)),
            (Some(_), Source::Own(_)) => debug_assert!(false, "{} is twice among our own", planned.name),
        }
    }
    plan.families
        .sort_by(|left, right| left.sample.cmp(&right.sample));
    plan
}

fn place(source: Source, family: FamilyView, request: &PageRequest) -> Planned {
    let sample = escape(&family.name, NameOf::Metric, request.escaping).into_owned();
    let stem = sample.strip_suffix("_total").filter(|stem| !stem.is_empty());
    let (kind, name) = match (family.shape, request.format.is_openmetrics(), stem) {
        (Shape::Gauge, _, _) => (PageType::Gauge, &*sample),
        (Shape::Histogram, _, _) => (PageType::Histogram, &*sample),
        (Shape::Counter, false, _) => (PageType::Counter, &*sample),
        (Shape::Counter, true, Some(stem)) => (PageType::Counter, stem),
        (Shape::Counter, true, None) => (PageType::Unknown, &*sample),
    };
    let family_name = name.to_string();
    Planned {
        source,
        kind,
        unit: family.unit.filter(|unit| {
            let before = family_name.strip_suffix(unit);
            before.is_some_and(|before| before.ends_with('_'))
        }),
        family: family_name,
        sample,
        help: family.help,
        name: family.name,
    }
}

/// Every name that nobody else may have on the page.
fn reserved<'a>(planned: &'a Planned, request: &PageRequest) -> Vec<Cow<'a, str>> {
    let suffixes = planned.kind.suffixes(request.format.is_openmetrics()).iter();
    let with_suffix = suffixes.map(|suffix| Cow::Owned(format!("{}{suffix}", planned.family)));
    std::iter::once(Cow::Borrowed(&*planned.family))
        .chain(with_suffix)
        .collect()
}

fn wanted(planned: &Planned, request: &PageRequest) -> bool {
    let is = |name: &String| {
        *name == *planned.name
            || *name == planned.sample
            || reserved(planned, request).iter().any(|reserved| reserved == name)
    };
    request.names.is_empty() || request.names.iter().any(is)
}
